"""Tests of this machine's GPU, then the benchmarks in short: within eight minutes.

    python benchmarks/gpu_check.py
    python benchmarks/gpu_check.py outputs/gpu_check.json --limit 480 --benchmarks mlm,finetune

Needs no network. Prints a table (check, how it ended, seconds, figure) and writes the same as JSON, after every check.
Ends with status 0 where all passed, 1 where something failed or had no time left, 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from measuring import ROOT, where

from bert_recipes.run.launch import available_cores
from bert_recipes.run.tables import Table, print_table

OUTPUT, LIMIT = "outputs/gpu_check.json", 480  # seconds
# The most important first: what has no time left is told, and not run.
BENCHMARKS = {
    "mlm": ["--quick", "--sizes", "12x768"],
    "finetune": ["--quick", "--sizes", "12x768"],
    "predict": ["--quick", "--sizes", "12x768"],
    "startup": ["--quick", "--recipes", "finetune"],
    "lora": ["--quick", "--sizes", "12x768"],
}
GPU_TESTS = ("-m", "gpu", "--numprocesses", str(min(4, available_cores())))
# check, ended ("passed", "failed", "cut off", "no time left"), seconds, figure, and of a failure the error.
Check = dict


def run_tests(seconds: float, *words: str) -> list[Check]:
    """The tests with the marker `gpu`, four at a time: most of their time is imports. `words` stand in their place."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.jsonl"
        paths = os.pathsep.join([str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        environment = {**os.environ, "PYTHONPATH": paths, "CHECKED_TESTS": str(report), "OMP_NUM_THREADS": "1"}
        command = (sys.executable, "-m", "pytest", "-p", "checked_tests", *(words or GPU_TESTS))
        _, error = run_for(seconds, command, environment)
        phases = [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []
    checks = tests_of(phases)
    if error and all(check["ended"] == "passed" for check in checks):
        checks.append({"check": "tests", "seconds": 0.0, "figure": "", **error})  # none of them says why
    return checks


def tests_of(phases: list[dict]) -> list[Check]:
    """One check a test, of the set-up, call and clean-up that pytest reports."""
    checks: dict[str, Check] = {}
    for phase in phases:
        name = phase["check"].removeprefix("tests/")
        check = checks.setdefault(name, {"check": name, "ended": "cut off", "seconds": 0.0, "figure": ""})
        check["seconds"] += phase["seconds"]
        check["figure"] = phase.get("figure", check["figure"])
        if phase["ended"] != "passed":
            check |= {"ended": phase["ended"], "error": phase.get("error", "")}
        elif phase["phase"] == "teardown" and check["ended"] == "cut off":
            check["ended"] = "passed"
    return list(checks.values())


def run_benchmark(name: str, seconds: float, words: list[str]) -> tuple[Check, list[dict]]:
    """How a benchmark ended, and what it printed."""
    started = time.monotonic()
    printed, error = run_for(seconds, (sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *words), os.environ)
    results = [json.loads(line) for line in printed.splitlines()]
    told = ", ".join("ratio {} ({} to {})".format(result["ratio"], *result["ratio_spread"]) for result in results)
    check = {"check": f"benchmark {name}", "ended": "passed", "seconds": time.monotonic() - started, "figure": told}
    return check | error, results


def run_for(seconds: float, command: tuple[str, ...], environment: dict) -> tuple[str, dict]:
    """What a command prints, and nothing, or how it failed: within so many seconds, on this machine alone."""
    if seconds <= 0:
        return "", {"ended": "no time left"}
    process = subprocess.Popen(
        command, cwd=ROOT, env={**environment, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    )  # fmt: skip
    try:
        printed, told = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)  # with the processes that it has started
        process.communicate()
        return "", {"ended": "no time left"}
    if process.returncode:
        return "", {"ended": "failed", "error": last_line(told or printed)}
    return printed, {}


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it says nothing"])[-1]


def as_table(checks: list[Check]) -> Table:
    rows = [[check["check"], check["ended"], f"{check['seconds']:.0f}", check["figure"]] for check in checks]
    return [["check", "ended", "seconds", "figure"], *rows]


def write(path: Path, started: float, checks: list[Check], benchmarks: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    result = {**where(), "seconds": round(time.monotonic() - started, 1), "checks": checks, "benchmarks": benchmarks}
    path.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def check_all(path: Path, limit: float, benchmarks: dict[str, list[str]] = BENCHMARKS) -> list[Check]:
    started, results = time.monotonic(), []
    checks = run_tests(limit)
    write(path, started, checks, results)
    for name, words in benchmarks.items():
        check, printed = run_benchmark(name, started + limit - time.monotonic(), words)
        checks.append(check)
        results += printed
        write(path, started, checks, results)
    return checks


def report(checks: list[Check], path: Path) -> int:
    print_table(as_table(checks))
    for check in checks:
        if check.get("error"):
            print(f"\n{check['check']}: {check['error']}")
    passed = sum(check["ended"] == "passed" for check in checks)
    print(f"\n{passed} of {len(checks)} passed, saved in {path}")
    return int(passed < len(checks))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", nargs="?", default=OUTPUT, help="the JSON file that is written")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds, for all checks together")
    parser.add_argument(
        "--benchmarks", default=",".join(BENCHMARKS), help="names with commas between them; empty for the tests alone"
    )
    options = parser.parse_args()
    named = [name.strip() for name in options.benchmarks.split(",") if name.strip()]
    if unknown := set(named) - set(BENCHMARKS):
        parser.error(f"--benchmarks {', '.join(sorted(unknown))}: must be of {', '.join(BENCHMARKS)}")
    if not torch.cuda.is_available():
        print("no GPU here: gpu_check.py needs one that torch.cuda sees", file=sys.stderr)
        sys.exit(2)
    path = Path(options.output)
    checks = check_all(path, options.limit, {name: BENCHMARKS[name] for name in named})
    sys.exit(report(checks, path))


if __name__ == "__main__":
    main()
