"""Nothing lost: kills at random moments, damaged checkpoints, full disks, losses out of bounds, too little memory.

The short form runs with the other tests; `make test-faults` runs the whole and prints its figures.
"""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT, recipe
from safetensors.torch import load_file

from bert_recipes.checkpoints import MANIFEST, checkpoint_to_resume, fault_of, newest_checkpoint
from bert_recipes.errors import UserError, run

STEPS = 40
OPTIONS = [
    *("--max_train_samples", "48", "--max_eval_samples", "16", "--max_test_samples", "8", "--no_baseline"),
    *("--per_device_train_batch_size", "8", "--max_length", "64", "--max_steps", str(STEPS), "--logging_steps", "1"),
    *("--save_strategy", "steps", "--save_steps", "5", "--eval_strategy", "steps", "--eval_steps", "5"),
    *("--disable_tqdm", "true"),
]

context = multiprocessing.get_context("forkserver")  # what a run imports is imported once for all
context.set_forkserver_preload(["bert_recipes.reporting", "conftest"])


def run_recipe(name: str, argv: list[str], log: Path) -> None:
    os.setsid()
    with log.open("a", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.argv = [name, *argv]
    torch.set_num_threads(1)
    run(lambda: recipe(name).main(argv))


class Training:
    """finetune.py in a process of its own, which can be killed; what it says is in `said`."""

    def __init__(self, folder: Path, model: Path, *words: str, name: str = "finetune"):
        self.folder, self.log = folder, folder.with_suffix(".txt")
        argv = ["--model_name_or_path", str(model), "--output_dir", str(folder), *OPTIONS, *words]
        self.process = context.Process(target=run_recipe, args=(name, argv, self.log))
        self.process.start()

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait_for(self, condition) -> bool:
        """Until the condition holds (True), or the process has ended (False)."""
        deadline = time.monotonic() + 200
        while not condition():
            if not self.process.is_alive():
                return False
            assert time.monotonic() < deadline, f"nothing happened: {self.said}"
            time.sleep(0.002)
        return True

    def end(self, number: int | None = None) -> int:
        """Its status, after the signal of that number."""
        if number is not None:
            os.kill(self.process.pid, number)
        self.process.join(200)
        return self.process.exitcode


def logged_steps(folder: Path) -> list[int]:
    (newest, *_) = sorted(folder.glob("checkpoint-*"), key=lambda path: -int(path.name.rpartition("-")[2]))
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    return [entry["step"] for entry in history if "loss" in entry]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, dropout_model) -> Path:
    """The folder of a run that nothing disturbs."""
    training = Training(tmp_path_factory.mktemp("whole") / "run", dropout_model)
    assert training.end() == 0, training.said
    return training.folder


def check_same_end(folder: Path, whole: Path) -> None:
    expected, found = (load_file(path / "model.safetensors") for path in (whole, folder))
    assert all(torch.equal(found[name], weight) for name, weight in expected.items())
    results = [json.loads((path / "all_results.json").read_text()) for path in (whole, folder)]
    scores = [{name: value for name, value in each.items() if "accuracy" in name or "f1" in name} for each in results]
    assert scores[0] == scores[1] and len(scores[0]) >= 4
    assert logged_steps(folder) == list(range(1, STEPS + 1))


def go_on(folder: Path, model: Path) -> str:
    training = Training(folder, model, "--resume_from_checkpoint", "auto")
    assert training.end() == 0, training.said
    return training.said


def test_a_kill_at_any_moment_loses_nothing(whole, dropout_model, tmp_path, full):
    """SIGKILL at a random moment of the training, every other one while a checkpoint is written: the run that goes on
    ends with the same weights, bit for bit."""
    kills, in_a_save = (30 if full else 4), 0
    for number in range(kills):
        draw, training = random.Random(number), Training(tmp_path / str(number), dropout_model)
        unfinished = training.folder / "unfinished"
        at_step = draw.randint(1, STEPS - 6)
        assert training.wait_for(lambda: f"'loss'" in training.said)
        training.wait_for(lambda: training.said.count("'loss'") >= at_step)  # noqa: B023
        if number % 2:
            training.wait_for(unfinished.exists)
        time.sleep(draw.uniform(0, 0.02))
        training.end(signal.SIGKILL)
        in_a_save += unfinished.exists()
        newest = newest_checkpoint(training.folder)
        said = go_on(training.folder, dropout_model)
        assert (f"Going on from {newest}" if newest else "starting anew") in said
        check_same_end(training.folder, whole)
    print(
        f"\nSIGKILL at {kills} random moments, {in_a_save} of them in a save: {kills} of {kills} end with equal weights"
    )
    assert in_a_save


def test_sigterm_saves_the_step_in_hand(whole, dropout_model, tmp_path, full):
    terms = 10 if full else 2
    for number in range(terms):
        draw, training = random.Random(number), Training(tmp_path / str(number), dropout_model)
        at_step = draw.randint(1, STEPS - 6)
        training.wait_for(lambda: training.said.count("'loss'") >= at_step)  # noqa: B023
        time.sleep(draw.uniform(0, 0.02))
        seen = training.said.count("'loss'")
        assert training.end(signal.SIGTERM) == 143, training.said
        newest = newest_checkpoint(training.folder)
        assert f"Stopped by SIGTERM; saved {newest}" in training.said
        assert int(newest.rpartition("-")[2]) >= seen  # no step is done twice
        assert not (training.folder / "all_results.json").exists()
        assert f"Going on from {newest}" in go_on(training.folder, dropout_model)
        check_same_end(training.folder, whole)
    print(
        f"\nSIGTERM at {terms} random moments: {terms} of {terms} saved and ended with equal weights, no step repeated"
    )
