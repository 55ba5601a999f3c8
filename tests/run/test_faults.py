"""Nothing lost: kills at random moments, damaged checkpoints, full disks, losses out of bounds, too little memory.

The short form runs with the other tests; `make test-faults` runs the whole and prints its figures.
"""

import errno
import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from accelerate import Accelerator
from conftest import ROOT, recipe, tools_first
from processes import run_recipe, said, start, statuses
from safetensors.torch import load_file, save_file
from transformers import TrainerControl, TrainerState

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.arguments.model import ClassifierModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.run.checkpoints import (
    MANIFEST,
    checkpoint_to_resume,
    checkpoints_of,
    fault_of,
    newest_checkpoint,
    passed_over,
    refuse_another_run,
    rotate,
    written_whole,
)
from bert_recipes.run.errors import LostProcess, UserError, closed_place, counted, run, shorten
from bert_recipes.run.output_folder import forget_run, only_run_in
from bert_recipes.run.stops import StopTogether, failures_told
from bert_recipes.training.trainer import Trainer

STEPS = 24
OPTIONS = [
    *("--max_train_samples", "48", "--max_eval_samples", "16", "--max_test_samples", "8", "--no_baseline"),
    *("--per_device_train_batch_size", "8", "--max_length", "64", "--max_steps", str(STEPS), "--logging_steps", "1"),
    *("--save_strategy", "steps", "--save_steps", "4", "--eval_strategy", "steps", "--eval_steps", "4"),
    *("--disable_tqdm", "true"),
]


class Training:
    """finetune.py in processes of its own, which can be killed."""

    def __init__(self, folder: Path, model: Path, *words: str, processes: int = 1, target: Callable = run_recipe):
        self.folder, self.log = folder, folder.with_suffix(".txt")
        argv = ["--model_name_or_path", str(model), "--output_dir", str(folder), *OPTIONS, *words]
        self.processes = start(self.log, target, "finetune", argv, processes=processes)

    @property
    def said(self) -> str:
        return said(self.log)

    def wait_for(self, condition) -> bool:
        """Until the condition holds (True), or the process has ended (False)."""
        deadline = time.monotonic() + 600
        while not condition():
            if not self.processes[0].is_alive():
                return False
            assert time.monotonic() < deadline, f"nothing happened: {self.said}"
            time.sleep(0.005)
        return True

    def wait_for_step(self, step: int) -> None:
        assert self.wait_for(lambda: self.steps_told() >= step), self.said

    def steps_told(self) -> int:
        return len(re.findall(r"^step \d+ of", self.said, re.MULTILINE))

    def end(self, number: int | None = None) -> int:
        """The first one's status, after the signal of that number."""
        if number is not None:
            os.kill(self.processes[0].pid, number)
        return statuses(self.processes)[0]


def logged_steps(folder: Path) -> list[int]:
    history = json.loads((checkpoints_of(folder)[0] / "trainer_state.json").read_text())["log_history"]
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
        training.wait_for_step(at_step)
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
    """And the run may be moved before it goes on, whatever the limit of checkpoints was."""
    terms = 10 if full else 2
    for number in range(terms):
        words = ["--save_total_limit", "1"] if number % 2 else []
        draw, training = random.Random(number), Training(tmp_path / f"{number}", dropout_model, *words)
        at_step = draw.randint(1, STEPS - 6)
        training.wait_for_step(at_step)
        time.sleep(draw.uniform(0, 0.02))
        seen = training.steps_told()
        assert training.end(signal.SIGTERM) == 143, training.said
        newest = newest_checkpoint(training.folder)
        assert f"Stopped by SIGTERM; saved {newest}" in training.said
        assert int(newest.rpartition("-")[2]) >= seen  # no step is done twice
        assert not (training.folder / "all_results.json").exists()
        moved = training.folder.rename(tmp_path / f"{number}_moved")
        assert f"Going on from {moved / Path(newest).name}" in go_on(moved, dropout_model)
        check_same_end(moved, whole)
    print(
        f"\nSIGTERM at {terms} random moments: {terms} of {terms} saved and ended with equal weights, no step repeated"
    )


@pytest.fixture(scope="module")
def two_checkpoints(whole, tmp_path_factory) -> Path:
    """The folder of a run that was cut off: its two newest checkpoints, and no more."""
    folder = tmp_path_factory.mktemp("cut_off") / "run"
    for path in checkpoints_of(whole):
        shutil.copytree(path, folder / path.name)
    assert len(checkpoints_of(folder)) == 2
    return folder


def resuming(folder: Path, checkpoint: str = "auto") -> FinetuneArguments:
    return FinetuneArguments(output_dir=str(folder), resume_from_checkpoint=checkpoint, use_cpu=True)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def change_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_every_damage_is_found_and_an_older_checkpoint_serves(two_checkpoints, tmp_path):
    newest, older = checkpoints_of(two_checkpoints)
    names = [path.name for path in newest.iterdir()]
    assert len(names) >= 8 and MANIFEST in names
    found = 0
    for number, (name, damage) in enumerate(itertools.product(names, (truncate, empty, remove, change_a_byte))):
        folder = shutil.copytree(two_checkpoints, tmp_path / str(number))
        damage(folder / newest.name / name)
        args = resuming(folder)
        chosen = checkpoint_to_resume(args)
        assert chosen == str(folder / older.name)
        (told,) = passed_over(args, chosen)
        assert str(folder / newest.name) in told and (name in told or name == MANIFEST)
        with pytest.raises(UserError, match="no whole checkpoint: "):
            checkpoint_to_resume(resuming(folder, str(folder / newest.name)))
        found += 1
        damage(folder / older.name / name)
        with pytest.raises(UserError, match=r"no checkpoint of .* can be gone on from: .*checkpoint-.*; .*checkpoint-"):
            checkpoint_to_resume(args)
        shutil.rmtree(folder)
    print(f"\nDamaged checkpoints: {found} of {4 * len(names)} found (each file truncated, emptied, removed, changed)")


def test_a_checkpoint_that_is_named_is_gone_on_from_whatever_is_newer(whole, dropout_model, tmp_path):
    folder = shutil.copytree(whole, tmp_path / "run")
    (folder / "all_results.json").unlink()
    older = checkpoints_of(folder)[-1]
    training = Training(folder, dropout_model, "--resume_from_checkpoint", str(older))
    assert training.end() == 0, training.said
    assert f"Going on from {older}" in training.said and "Passed over" not in training.said
    check_same_end(folder, whole)


def test_a_run_that_was_cut_behind_its_last_step_takes_no_more(two_checkpoints, whole, dropout_model, tmp_path):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    go_on(folder, dropout_model)
    check_same_end(folder, whole)
    assert [path.name for path in checkpoints_of(folder)] == [path.name for path in checkpoints_of(whole)]


@pytest.mark.parametrize(
    "name, words, message",
    [
        ("finetune", ["--learning_rate", "1e-6"], "learning_rate left out, not 1e-06"),
        ("finetune", ["--seed", "7"], "seed 42, not 7"),
        ("finetune", ["--dataset_name", "review_domains"], "dataset_name reviews, not review_domains"),
        ("finetune", ["--early_stopping_patience", "9"], "early_stopping_patience left out, not 9"),
        ("finetune", ["--optim", "adafactor"], "optim .*, not adafactor"),
        ("lora", [], "recipe finetune, not lora"),
    ],
)
def test_another_run_does_not_go_on_from_it(two_checkpoints, dropout_model, name, words, message):
    argv = ["--model_name_or_path", str(dropout_model), "--output_dir", str(two_checkpoints), *OPTIONS, *words]
    with pytest.raises(UserError, match=f"is of a run with {message}: go on with the same, or start another run"):
        recipe(name).main([*argv, "--resume_from_checkpoint", "auto"])
    facts = {"labels": ["neg", "positive"]}
    with pytest.raises(UserError, match=r"is of a run with labels .*, not \['neg', 'positive'\]"):
        refuse_another_run(str(checkpoints_of(two_checkpoints)[0]), facts)


def test_an_adapter_does_not_go_on_over_another_base_model(tiny_model, tmp_path):
    model, folder = shutil.copytree(tiny_model, tmp_path / "model"), tmp_path / "run"
    argv = ["--model_name_or_path", str(model), "--output_dir", str(folder), *OPTIONS]
    recipe("lora").main([*argv, "--max_steps", "4"])
    (folder / "all_results.json").unlink()
    longer = [*argv, "--max_steps", "8", "--resume_from_checkpoint", "auto"]
    weights = load_file(model / "model.safetensors")
    former = weights["bert.encoder.layer.0.output.dense.weight"].clone()
    save_file(weights | {"bert.encoder.layer.0.output.dense.weight": former + 1}, model / "model.safetensors")
    with pytest.raises(UserError, match=r"is of a run with frozen weights [0-9a-f]{8}, not [0-9a-f]{8}: go on"):
        recipe("lora").main(longer)
    save_file(weights, model / "model.safetensors")
    recipe("lora").main(longer)
    assert logged_steps(folder) == list(range(1, 9))


def test_a_file_where_a_cache_should_be_is_one_line():
    told = closed_place(FileExistsError(errno.EEXIST, "File exists", "/tmp/cache"))
    assert str(told).startswith("/tmp/cache: File exists: name another place")
    assert closed_place(FileNotFoundError(errno.ENOENT, "No such file", "/tmp/cache")) is None  # ours to know


def test_a_run_of_before_packing_goes_on_padded(tmp_path):
    (tmp_path / "run.json").write_text('{"seed": 3}')
    refuse_another_run(str(tmp_path), {"seed": 3, "packing": None, "dropout": 0.1})
    with pytest.raises(UserError, match="packing left out, not to 4,096 positions"):
        refuse_another_run(str(tmp_path), {"seed": 3, "packing": "to 4,096 positions"})


def test_of_many_names_the_first_are_told():
    assert shorten(range(3)) == "0, 1, 2"
    assert shorten(iter("abcd"), limit=3) == "a, b, c, …"


def test_one_is_no_plural():
    assert [counted(number, "row") for number in (0, 1, 2000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [counted(number, "text has", "texts have") for number in (1, 2)] == ["1 text has", "2 texts have"]


def made_up_checkpoints(folder: Path, written: dict[int, float]) -> None:
    for step, moment in written.items():
        (folder / f"checkpoint-{step}").mkdir()
        (folder / f"checkpoint-{step}" / MANIFEST).write_text(json.dumps({"written": moment}))


def test_what_a_run_has_not_written_outlives_its_checkpoints(tmp_path):
    """The user's copies of checkpoints, and folders that only look like one. An older step may be the newer one."""
    made_up_checkpoints(tmp_path, {2: 5, 4: 3, 6: 1, 8: 2})
    mine = ["checkpoint-2-backup", "checkpoint-keep", "checkpoint-99", "checkpoint-²"]
    for name in mine:
        (tmp_path / name).mkdir()

    def left(limit, best, goes_on=True):
        rotate(tmp_path, limit, best and str(tmp_path / best), goes_on)
        return {path.name for path in tmp_path.iterdir()} - set(mine)

    every = {f"checkpoint-{step}" for step in (2, 4, 6, 8)}
    assert left(None, "checkpoint-6") == left(4, None) == every
    assert left(3, "checkpoint-6") == {"checkpoint-2", "checkpoint-4", "checkpoint-6"}
    rotate(tmp_path, 2, os.path.relpath(tmp_path / "checkpoint-6"), True)  # as another way of writing it names it
    assert left(2, "checkpoint-6") == left(1, "checkpoint-6") == {"checkpoint-2", "checkpoint-6"}
    assert left(1, "checkpoint-6", goes_on=False) == {"checkpoint-6"}
    forget_run(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-2-backup", "checkpoint-keep", "checkpoint-²"}


@pytest.mark.parametrize(
    "epoch, step, ended", [(1.5, 6, False), (2.0, 8, True), (0.9999999999, 4, True), (1.5, 9, True)]
)
def test_a_pass_that_sigterm_cuts_off_is_not_evaluated(epoch, step, ended):
    stop, control = StopTogether(None, 1.0), TrainerControl(should_evaluate=True, should_save=True)
    stop.stopping = True
    state = TrainerState(epoch=epoch, global_step=step, max_steps=9)
    stop.on_epoch_end(None, state, control)
    assert (control.should_evaluate, control.should_save) == (ended, ended)
    stop.stopping, control = False, TrainerControl(should_evaluate=True)
    stop.on_epoch_end(None, state, control)
    assert control.should_evaluate


def test_a_checkpoint_is_moved_past_what_the_user_has_put_beside_it(tmp_path):
    thesis = tmp_path / "unfinished" / "thesis.txt"
    for name in ("unfinished/checkpoint-2", "checkpoint-3"):
        (tmp_path / name).mkdir(parents=True)
    thesis.write_text("mine")
    with written_whole(Accelerator(cpu=True), tmp_path, "checkpoint-4", needed=1) as folder:
        (folder / "checkpoint-4").mkdir()
        for name in ("rng_state.pth", "run.json"):
            (folder / "checkpoint-4" / name).write_text("{}")
    assert fault_of(tmp_path / "checkpoint-4") is None and thesis.read_text() == "mine"
    assert not (tmp_path / "unfinished" / "checkpoint-2").exists()


def test_a_checkpoint_of_the_model_alone_is_told(two_checkpoints, tmp_path):
    folder = shutil.copytree(two_checkpoints, tmp_path / "run")
    for path in checkpoints_of(folder):
        manifest = json.loads((path / MANIFEST).read_text())
        manifest["files"] = {name: kept for name, kept in manifest["files"].items() if not name.startswith("rng")}
        (path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="it holds the model alone, as --save_only_model asks"):
        checkpoint_to_resume(resuming(folder))


def test_two_runs_do_not_write_one_folder(tmp_path, dropout_model):
    """And the second one gives nothing up of what the first has there."""
    argv = ["--model_name_or_path", str(dropout_model), "--output_dir", str(tmp_path / "run"), *OPTIONS]
    (tmp_path / "run").mkdir()
    made_up_checkpoints(tmp_path / "run", {2: 5})
    with (
        only_run_in(tmp_path / "run"),
        pytest.raises(UserError, match="run: another run is writing there: name another"),
    ):
        recipe("finetune").main([*argv, "--overwrite"])
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["checkpoint-2"]


def test_ctrl_c_is_a_line(dropout_model, tmp_path):
    training = Training(tmp_path / "run", dropout_model)
    training.wait_for_step(1)
    assert training.end(signal.SIGINT) == 130, training.said
    assert "stopped by Ctrl-C" in training.said and "Traceback" not in training.said


def test_a_disk_that_is_full_in_the_end_is_told(capsys):
    def main():
        raise OSError(errno.ENOSPC, "No space left on device", "outputs/predictions.csv")

    with pytest.raises(SystemExit) as end:
        run(main)
    assert end.value.code == 2 and "error: the disk is full" in capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_folder_that_is_closed_is_told(capsys, number):
    def main():
        raise OSError(number, os.strerror(number), "outputs/mine")

    with pytest.raises(SystemExit) as end:
        run(main)
    assert (
        end.value.code == 2 and f"error: outputs/mine: {os.strerror(number)}: name another" in capsys.readouterr().err
    )


def test_another_number_of_processes_is_told(two_checkpoints):
    newest, _ = checkpoints_of(two_checkpoints)
    assert fault_of(newest, 1) is None
    assert fault_of(newest, 2) == "1 process saved it, and this launch has 2"


def test_a_best_checkpoint_that_is_damaged_is_let_go(whole, dropout_model, tmp_path):
    """The newest checkpoint is whole, but the best one so far is not: the run goes on, and says so."""
    folder = tmp_path / "run"
    training = Training(folder, dropout_model, "--learning_rate", "1e-9")  # the first evaluation stays the best
    training.wait_for(lambda: len(checkpoints_of(folder)) == 2 and not (folder / "unfinished").exists())
    training.end(signal.SIGKILL)
    best = checkpoints_of(folder)[-1]
    assert best.name == "checkpoint-4"
    truncate(best / "model.safetensors")
    training = Training(folder, dropout_model, "--learning_rate", "1e-9", "--resume_from_checkpoint", "auto")
    assert training.end() == 0, training.said
    assert f"The best checkpoint so far, {best}, is lost: its model.safetensors has" in training.said


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs root, to mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("foreseen", [True, False])
def test_a_full_disk_leaves_the_former_checkpoint(small_disk, dropout_model, monkeypatch, capsys, foreseen):
    folder = small_disk / "run"
    argv = ["--model_name_or_path", str(dropout_model), "--output_dir", str(folder), *OPTIONS]
    if not foreseen:  # the disk fills up while the checkpoint is written
        monkeypatch.setattr("bert_recipes.training.checkpointing.bytes_of_checkpoint", lambda *args, **kwargs: 1)
    with pytest.raises(UserError) as told:
        recipe("finetune").main(argv)
    message = str(told.value)
    newest = newest_checkpoint(folder)
    assert newest and not (folder / "unfinished").exists()
    told = r"is full: a checkpoint takes about [\d.]+ MB, [\d.]+ MB are free. Make room for [\d.]+ MB"
    assert re.search(told, message)
    assert f"go on from {newest}" in message


def test_an_exploding_loss_is_told(tmp_path, dropout_model):
    argv = ["--model_name_or_path", str(dropout_model), "--output_dir", str(tmp_path / "run"), *OPTIONS]
    told = r"the loss is [\d.e+]+ at step \d+ \(training rows .*\), learning rate .*; (the last|there is no) checkpoint"
    with pytest.raises(UserError, match=told):
        recipe("finetune").main([*argv, "--learning_rate", "30", "--warmup_steps", "0", "--max_grad_norm", "0"])


def test_a_run_goes_on_with_the_files_and_the_encoding_that_it_began_with(tmp_path):
    def facts(*words):
        data = (ClassifierModelArguments, ClassifierDataArguments, FinetuneArguments)
        return parse(*data, argv=["--train_file", "a.csv", "--output_dir", str(tmp_path), *words])[-1].run_facts

    (tmp_path / "run.json").write_text(json.dumps(facts("--test_file", "t.csv")))
    refuse_another_run(str(tmp_path), facts("--test_file", "t.csv"))
    for words in ([], ["--test_file", "other.csv"], ["--test_file", "t.csv", "--encoding", "gb18030"]):
        with pytest.raises(UserError, match=r"test_file|encoding"):
            refuse_another_run(str(tmp_path), facts(*words))


@pytest.fixture
def room_for_four(monkeypatch):
    """A machine that runs out of memory above four rows at a time; behind "late" in the list not in the first two
    steps."""
    whole_step, tried = Trainer.training_step, []

    def training_step(self, model, inputs, *args, **kwargs):
        tried.append(len(inputs["labels"]))
        if tried[-1] > 4 and "late" not in tried[-3:]:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")
        return whole_step(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(Trainer, "training_step", training_step)
    return tried


def test_less_memory_gives_smaller_batches_and_the_same_steps(tmp_path, tiny_model, room_for_four, capsys):
    argv = ["--model_name_or_path", str(tiny_model), *OPTIONS]
    finetune = recipe("finetune")
    finetune.main([*argv, "--output_dir", str(tmp_path / "found"), "--auto_find_batch_size"])
    assert room_for_four[:2] == [8, 4] and set(room_for_four[1:]) == {4}
    assert "Out of memory: now 4 rows at a time, 2 times a step" in capsys.readouterr().out
    given = ["--per_device_train_batch_size", "4", "--gradient_accumulation_steps", "2"]
    finetune.main([*argv, "--output_dir", str(tmp_path / "given"), *given])
    found, given = (load_file(tmp_path / name / "model.safetensors") for name in ("found", "given"))
    assert all(torch.equal(found[name], weight) for name, weight in given.items())
    # The first steps have had room: what the optimizer has learnt in them goes, too.
    room_for_four.append("late")
    finetune.main([*argv, "--output_dir", str(tmp_path / "late"), "--auto_find_batch_size"])
    late = load_file(tmp_path / "late" / "model.safetensors")
    assert all(torch.equal(late[name], weight) for name, weight in given.items())
    with pytest.raises(UserError, match="out of memory with --per_device_train_batch_size 8: --auto_find_batch_size"):
        finetune.main([*argv, "--output_dir", str(tmp_path / "told")])


def test_too_little_memory_to_evaluate_is_told(tmp_path, tiny_model, monkeypatch):
    def prediction_step(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.")

    monkeypatch.setattr(Trainer, "prediction_step", prediction_step)
    argv = ["--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "run"), *OPTIONS]
    with pytest.raises(UserError, match="out of memory with --per_device_eval_batch_size 64: lower it; or cut texts"):
        recipe("finetune").main(argv)


# --- two processes ---


def test_sigterm_of_a_launch_of_two_saves_one_checkpoint_of_both(dropout_model, tmp_path):
    """Through accelerate: the signal goes to the process group, as from a shell or a scheduler."""
    folder, log = tmp_path / "run", tmp_path / "log.txt"
    argv = ["accelerate", "launch", "--config_file", "recipes/accelerate/cpu_2.yaml", "--main_process_port", "0"]
    argv += ["recipes/finetune.py"]  # port 0: a free one, since other tests run beside this one
    argv += ["--model_name_or_path", str(dropout_model), "--output_dir", str(folder), *OPTIONS]
    with log.open("w") as file:
        launch = subprocess.Popen(
            [*argv, "--max_steps", "4000", "--eval_strategy", "no"], cwd=ROOT, stdout=file, stderr=file,
            start_new_session=True, env=tools_first(),
        )  # fmt: skip
    deadline = time.monotonic() + 600
    while not checkpoints_of(folder):
        assert time.monotonic() < deadline and launch.poll() is None, log.read_text()
        time.sleep(0.02)
    os.killpg(launch.pid, signal.SIGTERM)
    assert launch.wait(600) != 0
    newest = checkpoints_of(folder)[0]
    assert fault_of(newest, 2) is None and log.read_text().count(f"Stopped by SIGTERM; saved {newest}") == 1


def lose_the_loss_of_one(name: str, argv: list[str]) -> None:
    whole_step = Trainer.training_step

    def training_step(self, *args, **kwargs):
        loss = whole_step(self, *args, **kwargs)
        if self.state.global_step == 5 and self.args.process_index == 1:
            self.stop.add(torch.tensor(float("nan")))
        return loss

    Trainer.training_step = training_step
    run_recipe(name, argv)


def test_a_loss_out_of_bounds_in_one_process_stops_both(dropout_model, tmp_path):
    training = Training(tmp_path / "run", dropout_model, processes=2, target=lose_the_loss_of_one)
    assert statuses(training.processes) == [2, 2], training.said
    (told,) = [line for line in training.said.splitlines() if line.startswith("error: ")]
    assert "the loss is nan at step 6 (training rows" in told
    assert f"the last checkpoint is {tmp_path / 'run' / 'checkpoint-4'}" in told


@pytest.mark.parametrize("trains", [True, False])
def test_who_lost_a_process_hears_of_checkpoints_where_there_are_some(trains):
    args = SimpleNamespace(world_size=2, process_index=0, do_train=trains)
    with pytest.raises(LostProcess, match=r"lost another one .*: launch all again") as told, failures_told(args, ""):
        raise RuntimeError("[/pytorch/third_party/gloo/transport/tcp/pair.cc:538] Connection closed by peer")
    assert str(told.value).endswith("--resume_from_checkpoint auto") == trains


@pytest.mark.parametrize("lost", [0, 1])
def test_a_process_that_is_killed_ends_the_other(dropout_model, tmp_path, lost):
    words = ["--max_steps", "4000", "--eval_strategy", "no"]
    training = Training(tmp_path / "run", dropout_model, *words, processes=2)
    training.wait_for(lambda: checkpoints_of(training.folder))
    started = time.monotonic()
    training.processes[lost].kill()
    assert statuses(training.processes, 60)[1 - lost] == 1, training.said
    assert f"error: process {1 - lost} of 2 lost another one" in training.said
    assert newest_checkpoint(training.folder, 2)
    print(f"\nProcess {lost} of two killed: the other ended after {time.monotonic() - started:.1f} s")
