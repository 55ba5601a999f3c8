"""Calls in processes of their own: what they give back, and how they end, whoever ends first."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from conftest import ROOT, recipe, tools_first

from bert_recipes.experiment.workers import PRELOADED, Failure, Told, call_each
from bert_recipes.run.errors import LostProcess, UserError
from bert_recipes.text.builtin_corpora import load_builtin


def work(what: str, folder: Path, tell: Callable[[float], None]) -> str:
    (folder / f"{what}.{os.getpid()}").touch()
    match what:
        case "mistake":
            raise UserError("--file a.csv: there is none")
        case "bug":
            raise KeyError("nobody expects it")
        case "lost":
            os.kill(os.getpid(), signal.SIGKILL)
        case "long":
            time.sleep(600)
        case "telling":
            tell(0.25)
            tell(0.5)
    return what.upper()


def call(folder: Path, *whats: str, workers: int = 1) -> list:
    return [result for _, result in call_each(work, [(what, folder) for what in whats], workers)]


def started(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.iterdir())


def wait_until(condition, seconds: float = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_each_call_has_a_process_of_its_own(tmp_path):
    assert sorted(call(tmp_path, "one", "two", "three", workers=2)) == ["ONE", "THREE", "TWO"]
    processes = {path.suffix for path in tmp_path.iterdir()}
    assert len(processes) == 3 and f".{os.getpid()}" not in processes


def test_what_is_imported_once_for_all_is_there():
    assert all(map(importlib.util.find_spec, PRELOADED))  # nobody else would say so


def test_a_call_tells_how_far_it_is(tmp_path):
    assert call(tmp_path, "telling", "one") == [0.25, 0.5, "TELLING", "ONE"]
    assert [type(told) for told in call(tmp_path, "telling")] == [Told, Told, str]


def test_a_call_waits_for_the_one_it_is_behind(tmp_path):
    calls = [(what, tmp_path) for what in ("first", "second", "third")]
    # The second waits for the last; the worker that it leaves free takes what is behind nothing.
    assert [number for number, _ in call_each(work, calls, 1, behind={1: 2})] == [0, 2, 1]
    mistake = [("mistake", tmp_path), ("behind", tmp_path)]
    assert len(list(call_each(work, mistake, 2, behind={1: 0}))) == 1 and "behind" not in started(tmp_path)


NO_GPU_ASKED = """
import torch
def asked(*args):
    raise AssertionError("a GPU that was asked for before the fork can't be used behind it")
torch.cuda.device_count = torch.cuda.is_available = torch.cuda._lazy_init = torch.accelerator.is_available = asked
import importlib
for name in {preloaded}:
    importlib.import_module(name)
"""


def test_what_is_imported_once_for_all_asks_no_gpu():
    done = subprocess.run([sys.executable, "-c", NO_GPU_ASKED.format(preloaded=PRELOADED)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_behind_a_failure_nothing_new_is_started(tmp_path):
    one, mistake = call(tmp_path, "one", "mistake", "two", "three")
    assert one == "ONE" and isinstance(mistake, UserError) and "a.csv" in str(mistake)
    assert started(tmp_path) == ["mistake", "one"]
    (bug,) = call(tmp_path, "bug", "two")
    assert isinstance(bug, Failure) and "in work" in str(bug) and "nobody expects it" in str(bug)
    (lost,) = call(tmp_path, "lost", "two")
    assert isinstance(lost, LostProcess) and "signal SIGKILL" in str(lost)
    assert "two" not in started(tmp_path)


def test_who_stops_listening_ends_the_calls(tmp_path):
    calls = call_each(work, [("one", tmp_path), ("long", tmp_path), ("long", tmp_path)], 2)
    assert next(calls) == (0, "ONE")
    wait_until(lambda: "long" in started(tmp_path))
    calls.close()
    for path in tmp_path.glob("long.*"):
        assert not psutil.pid_exists(int(path.suffix[1:]))


# --- the experiment ---


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, tiny_model) -> list[str]:
    """Runs of a minute or more."""
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    rows = load_builtin("reviews")["train"].shuffle(seed=0).take(108)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    flags = ["--train_file", str(path), "--model_name_or_path", str(tiny_model), "--experiments", "labels"]
    return [*flags, "--label_counts", "20", "--steps_at_100_labels", "20000", "--starts", "random", "--workers", "2"]


@pytest.fixture(scope="module")
def begun(arguments, tmp_path_factory) -> Path:
    """An experiment with two results."""
    folder = tmp_path_factory.mktemp("begun") / "split"
    recipe("split").main([*arguments, "--output_dir", str(folder), "--methods", "tfidf"])
    return folder


def of_session(leader: int) -> list[int]:
    """Processes that are left, but for those that ended and that nobody has asked."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                left.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return left


def heed_ctrl_c() -> None:
    """Tests in a shell's background inherit an ignored SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(
    "number, to_all, status",
    [
        pytest.param(signal.SIGINT, True, 130, marks=pytest.mark.full),
        pytest.param(signal.SIGTERM, False, 143, marks=pytest.mark.full),
        (signal.SIGKILL, False, -9),
    ],
    ids=["Ctrl-C", "SIGTERM", "SIGKILL"],
)
def test_a_stopped_experiment_keeps_its_results_and_leaves_no_process(
    begun, arguments, tmp_path, number, to_all, status
):
    folder = shutil.copytree(begun, tmp_path / "split")
    argv = [sys.executable, "recipes/split.py", *arguments, "--output_dir", str(folder), "--methods", "full,tfidf"]
    said = tmp_path / "said.txt"
    with said.open("w") as file:
        process = subprocess.Popen(
            argv, cwd=ROOT, stdout=file, stderr=file, start_new_session=True, env=tools_first(),
            preexec_fn=heed_ctrl_c,
        )  # fmt: skip
    logs = folder / "logs"
    wait_until(lambda: sum("Training " in path.read_text() for path in logs.glob("learning_rate-*.txt")) == 2)
    (os.killpg if to_all else os.kill)(process.pid, number)
    assert process.wait(600) == status, said.read_text()
    wait_until(lambda: not of_session(process.pid))
    if number != signal.SIGKILL:
        assert (
            f"stopped: {folder}/results.json keeps what is finished, and the same command goes on" in said.read_text()
        )
        page = (folder / "report.html").read_text(encoding="utf-8")
        assert "Unfinished: the experiment was stopped with 5 runs still to be done" in page
    assert (folder / "results.json").read_bytes() == (begun / "results.json").read_bytes()
    assert len(list(logs.glob("learning_rate-*.txt"))) == 2  # none was started afterwards
