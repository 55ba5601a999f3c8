"""The benchmark runs, and prints what its readers parse."""

import json

from conftest import ROOT, execute


def test_the_pretraining_benchmark_prints_one_object_a_size():
    done = execute("python", str(ROOT / "benchmarks" / "mlm.py"), "--quick", "--sizes", "4x256", "--turns", "2")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    print(line)
    assert result["size"] == "4x256" and result["turns"] * result["steps_per_turn"] >= 4
    assert result["ratio_spread"][0] <= result["ratio"] <= result["ratio_spread"][1]
    # Far from what it reaches, and never seen on the other side: half of the work is saved, however noisy the machine.
    assert result["ours_rss_mb"] < result["stock_rss_mb"] and result["ratio"] > 1.2
    assert 0.1 < result["matmul_share"] < 1.1 and result["exact_ratio"] > 1
