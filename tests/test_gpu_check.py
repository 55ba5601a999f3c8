"""`make gpu-check` where there is no GPU: it says so; and its tests, tables and files on what others report."""

import json
import sys

import pytest
from conftest import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu_check

TESTS = """
import os

def test_a_figure(record_property):
    record_property("figure", "losses 1.0e-05 apart")

def test_a_failure():
    assert 1 == 2, "not the same"

def test_that_takes_pytest_along():
    os._exit(3)
"""
RESULT = {"benchmark": "mlm", "ratio": 2.31, "ratio_spread": [2.2, 2.4]}


@pytest.fixture
def benchmarks(tmp_path, monkeypatch):
    """Three scripts in the place of the benchmarks."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "checked_tests.py").symlink_to(ROOT / "benchmarks" / "checked_tests.py")
    scripts = {"good": f"print('{json.dumps(RESULT)}')", "bad": "raise ValueError('no')", "slow": "while True: pass"}
    for name, script in scripts.items():
        (tmp_path / "benchmarks" / f"{name}.py").write_text(script)
    monkeypatch.setattr(gpu_check, "ROOT", tmp_path)
    return {"good": [], "bad": [], "slow": [], "never": []}


def test_without_a_gpu_it_is_a_line_and_status_2(monkeypatch, capsys):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_check.py"])
    with pytest.raises(SystemExit) as end:
        gpu_check.main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "no GPU here: gpu_check.py needs one that torch.cuda sees\n"


@pytest.mark.parametrize(
    "named, checked", [("finetune, mlm", ["finetune", "mlm"]), ("", []), (None, [*gpu_check.BENCHMARKS])]
)
def test_benchmarks_are_named_or_all(named, checked, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(gpu_check, "check_all", lambda path, limit, benchmarks: asked.extend(benchmarks) or [])
    words = [] if named is None else ["--benchmarks", named]
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", str(tmp_path / "check.json"), *words])
    with pytest.raises(SystemExit) as end:
        gpu_check.main()
    assert end.value.code == 0 and asked == checked


def test_a_benchmark_that_is_none_is_refused(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["gpu_check.py", "--benchmarks", "mlm,finetnue"])
    with pytest.raises(SystemExit) as end:
        gpu_check.main()
    assert end.value.code == 2
    assert "--benchmarks finetnue: must be of mlm, finetune, predict, startup, lora" in capsys.readouterr().err


def test_a_check_is_all_phases_of_a_test():
    phases = [
        {"check": "tests/a.py::b", "phase": phase, "ended": "passed", "seconds": 2.0}
        for phase in ("setup", "call", "teardown")
    ]
    check = {"check": "a.py::b", "ended": "passed", "seconds": 6.0, "figure": ""}
    assert gpu_check.tests_of(phases) == [check]
    assert gpu_check.tests_of(phases[:2]) == [check | {"ended": "cut off", "seconds": 4.0}]
    phases[1] |= {"ended": "failed", "error": "E  assert 1 == 2", "figure": "2e-3"}
    failed = {"ended": "failed", "figure": "2e-3", "error": "E  assert 1 == 2"}
    assert gpu_check.tests_of(phases) == [check | failed]


def test_tests_end_with_a_figure_an_error_or_not_at_all(tmp_path, benchmarks, monkeypatch):
    monkeypatch.delenv(
        "PYTEST_XDIST_WORKER", raising=False
    )  # this test may be a worker's, those that it starts are not
    (tmp_path / "test_it.py").write_text(TESTS)
    words = ("-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path / "test_it.py"))
    passed, failed, cut = gpu_check.run_tests(120, *words)
    assert [check["ended"] for check in (passed, failed, cut)] == ["passed", "failed", "cut off"]
    assert passed["figure"] == "losses 1.0e-05 apart" and "not the same" in failed["error"]
    (by_a_worker,) = gpu_check.run_tests(120, *words, "-k", "figure", "--numprocesses", "1")
    assert by_a_worker | {"seconds": 0} == passed | {"seconds": 0}
    (none,) = gpu_check.run_tests(120, *words, "-k", "no_such_test")
    assert none["check"] == "tests" and none["ended"] == "failed"


def test_all_checks_are_in_the_file_and_the_table(benchmarks, tmp_path, capsys, monkeypatch):
    of_tests = {"check": "a.py::b", "ended": "passed", "seconds": 1.0, "figure": "losses 1.0e-05 apart"}
    monkeypatch.setattr(gpu_check, "run_tests", lambda *_: [of_tests])
    path = tmp_path / "outputs" / "check.json"
    checks = gpu_check.check_all(path, 4, benchmarks)
    assert gpu_check.report(checks, path) == 1
    kept = json.loads(path.read_text())
    assert kept["checks"] == checks and kept["benchmarks"] == [RESULT] and kept["device"] and kept["seconds"] > 0
    ended = [check["ended"] for check in checks]
    assert ended == ["passed", "passed", "failed", "no time left", "no time left"]
    told = capsys.readouterr().out
    assert "losses 1.0e-05 apart" in told and "ratio 2.31 (2.2 to 2.4)" in told
    assert "benchmark bad: ValueError: no" in told and f"2 of 5 passed, saved in {path}" in told
    assert gpu_check.report(checks[:2], path) == 0


def test_every_benchmark_of_the_check_is_there():
    assert all((ROOT / "benchmarks" / f"{name}.py").exists() for name in gpu_check.BENCHMARKS)
