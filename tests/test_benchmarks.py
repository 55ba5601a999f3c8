"""The benchmark runs, and prints what its readers parse."""

import json

import pytest
from conftest import ROOT, execute


def test_the_pretraining_benchmark_prints_one_object_a_size():
    done = execute("python", str(ROOT / "benchmarks" / "mlm.py"), "--quick", "--sizes", "4x256", "--turns", "2")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    print(line)
    assert result["size"] == "4x256" and result["turns"] * result["steps_per_turn"] >= 4
    assert result["ratio_spread"][0] <= result["ratio"] <= result["ratio_spread"][1]
    # How fast either was is printed, and asserted nowhere: it is the machine's, and of what else the machine does.
    measured = ("ours_peak_memory_mb", "stock_peak_memory_mb", "ratio", "matmul_share", "exact_ratio")
    assert all(result[name] > 0 for name in measured)


@pytest.mark.full
def test_the_time_to_a_loss_is_measured_on_clocks_of_their_own():
    script = str(ROOT / "benchmarks" / "time_to_loss.py")
    short = (
        "--stock_steps",
        "4",
        "--our_steps",
        "6",
        "--turns",
        "1",
        "--stock_learning_rates",
        "3e-3",
        "--held_out_blocks",
        "32",
    )
    done = execute("python", script, *short)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["stock_learning_rate"] == 3e-3
    assert 5 < result["held_out_loss"] < 9.9  # ln 21,128 = 9.96 by chance
    print(line)
    seconds, loss = result["ours_final"]
    assert seconds > 0 and result["stock_seconds"] > 0 and loss < 9.9
    # So few steps reach nothing, or they say when.
    assert (result["ratio"] is None) == (loss > result["held_out_loss"])
