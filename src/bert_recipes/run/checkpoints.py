"""The checkpoints of a run: each there whole or not at all, which one to go on from, which to keep."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from transformers import TrainingArguments

from .errors import UserError, counted

MANIFEST = "files.json"  # name -> bytes and CRC-32 of each file of a checkpoint; the number of processes; when
RUN_FACTS = "run.json"  # what a run that goes on must have in common with the one that saved the checkpoint
UNFINISHED = "unfinished"  # a folder beside the checkpoints: the one that is being written
# Facts that earlier versions did not write, and what their runs did; of other such facts nobody knows.
OF_EARLIER_VERSIONS = {
    "packing": None, "adversarial": None, "r_drop": 0.0, "layer_learning_rate_decay": 1.0, "freeze_layers": 0,
    "reinitialize_layers": 0, "pooling": None,
}  # fmt: skip
SLACK = 1_000_000  # bytes: a tokenizer, and what else is small


@contextmanager
def written_whole(accelerator: Accelerator, output_dir: Path, name: str, needed: int) -> Iterator[Path]:
    """Gives the folder to write the checkpoint `name` in, and moves it into `output_dir` when all processes are done.

    A move is one step of the file system, so a process that is killed leaves a whole checkpoint or none. `needed` is
    about how many bytes it takes. Raises `UserError` where the disk has no room for them; checkpoints that are there
    stay as they are.
    """
    unfinished, writes = output_dir / UNFINISHED, accelerator.is_main_process
    if writes:
        output_dir.mkdir(parents=True, exist_ok=True)
        for left_over in checkpoints_of(unfinished):
            shutil.rmtree(left_over, ignore_errors=True)
        if (free := shutil.disk_usage(output_dir).free) < needed:
            raise full_disk(output_dir, needed, free)
    accelerator.wait_for_everyone()  # each process writes its random state beside the model
    try:
        yield unfinished
        accelerator.wait_for_everyone()
        if writes:
            seal(unfinished / name, accelerator.num_processes)
            shutil.rmtree(output_dir / name, ignore_errors=True)  # a damaged one, which this run has passed again
            os.replace(unfinished / name, output_dir / name)
            synchronise(output_dir)
            with suppress(OSError):  # a folder that the user has put something into
                unfinished.rmdir()
    except Exception as error:  # safetensors, torch and json each have an exception of their own for a full disk
        free, written = shutil.disk_usage(output_dir).free, size_of(unfinished / name)
        shutil.rmtree(unfinished / name, ignore_errors=True)
        with suppress(OSError):
            unfinished.rmdir()
        if free < max(needed - written, SLACK) or "No space left" in str(error):
            raise full_disk(output_dir, max(needed, free + written + SLACK), free + written) from error
        raise
    accelerator.wait_for_everyone()


def full_disk(output_dir: Path, needed: int, free: int) -> UserError:
    former = newest_checkpoint(output_dir)
    return UserError(
        f"the disk of {output_dir} is full: a checkpoint takes about {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are "
        f"free. Make room for {(needed - free) / 1e6:,.1f} MB more, then "
        + (f"go on from {former} with --resume_from_checkpoint auto" if former else "start anew")
    )


def bytes_of_checkpoint(model: torch.nn.Module, adapter_only: bool) -> int:
    """Weights, and AdamW's two moments of those that train; all else is small."""
    trained = sum(weight.numel() * weight.element_size() for weight in model.parameters() if weight.requires_grad)
    frozen = sum(weight.numel() * weight.element_size() for weight in model.parameters() if not weight.requires_grad)
    return 3 * trained + (0 if adapter_only else frozen) + SLACK


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seal(folder: Path, processes: int) -> None:
    """Write down what belongs to the checkpoint, and have it on the disk before it is moved."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    files = {str(path.relative_to(folder)): [path.stat().st_size, checksum(path)] for path in paths}
    manifest = folder / MANIFEST
    content = {"processes": processes, "written": time.time(), "files": files}
    manifest.write_text(json.dumps(content, indent=1), encoding="utf-8")
    for path in (*paths, manifest, folder):
        synchronise(path)


def synchronise(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # Windows opens no folder
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def checksum(path: Path) -> int:
    """CRC-32, at some 1 GB/s: a second for BERT-base's 1.3 GB of weights and moments."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value = zlib.crc32(block, value)
    return value


def fault_of(checkpoint: Path, processes: int | None = None) -> str | None:
    """What is wrong with a checkpoint for a launch of so many processes (None: of any number); None if it is whole."""
    try:
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        saved_by, files = int(manifest["processes"]), dict(manifest["files"])
    except FileNotFoundError:
        return f"it has no {MANIFEST}, which is written last"
    except (OSError, ValueError, KeyError, TypeError):
        return f"its {MANIFEST} can't be read"
    for name, (size, value) in files.items():
        path = checkpoint / name
        if not path.is_file():
            return f"its {name} is missing"
        if path.stat().st_size != size:
            return f"its {name} has {path.stat().st_size:,} bytes of {size:,}"
        if checksum(path) != value:
            return f"its {name} is not what was written"
    if RUN_FACTS not in files:
        return f"it has no {RUN_FACTS}: an earlier version saved it"
    if not any(name.startswith("rng_state") for name in files):
        return "it holds the model alone, as --save_only_model asks"
    if processes not in (None, saved_by):
        return f"{counted(saved_by, 'process', 'processes')} saved it, and this launch has {processes}"
    return None


def checkpoints_of(output_dir: Path) -> list[Path]:
    """The newest first: the one that was written last. A run that goes on from an older one that was named leaves
    higher steps behind."""
    folders = [path for path in output_dir.glob("checkpoint-*") if re.fullmatch(r"checkpoint-[0-9]+", path.name)]
    return sorted(folders, key=lambda path: (written_at(path), int(path.name.rpartition("-")[2])), reverse=True)


def written_checkpoints(output_dir: Path) -> list[Path]:
    """Those that a run has written, and no copy that the user has made by hand; the newest first."""
    return [path for path in checkpoints_of(output_dir) if (path / MANIFEST).exists()]


def written_at(checkpoint: Path) -> float:
    """Seconds since 1970."""
    try:
        return float(json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))["written"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged
        return checkpoint.stat().st_mtime


def rotate(output_dir: Path, limit: int | None, best: str | None, goes_on: bool) -> None:
    """`limit` checkpoints stay: the best one so far and the newest; while the run goes on the newest stays whatever the
    limit. What no run has written stays too, whatever it is called."""
    if not limit:
        return
    written = written_checkpoints(output_dir)
    others = [path for path in written if best is None or path.resolve() != Path(best).resolve()]
    newest_is_another = goes_on and written[:1] == others[:1]
    for path in others[max(limit - (best is not None), int(newest_is_another)) :]:
        shutil.rmtree(path, ignore_errors=True)


def newest_checkpoint(output_dir: Path, processes: int | None = None) -> str | None:
    return next((str(path) for path in checkpoints_of(output_dir) if fault_of(path, processes) is None), None)


def checkpoint_to_resume(args: TrainingArguments) -> str | None:
    """The checkpoint to go on from: the folder that is named, or for `auto` the newest whole one of output_dir, or none
    where there is none at all. Raises `UserError` for one that is damaged, or where all are."""
    if args.resume_from_checkpoint is None:
        return None
    if args.resume_from_checkpoint != "auto":
        fault = fault_of(Path(args.resume_from_checkpoint), args.world_size)
        if fault:
            raise UserError(f"--resume_from_checkpoint {args.resume_from_checkpoint}: no whole checkpoint: {fault}")
        return args.resume_from_checkpoint
    chosen = newest_checkpoint(Path(args.output_dir), args.world_size)
    if chosen is None and (passed := passed_over(args, chosen)):
        raise UserError(f"no checkpoint of {args.output_dir} can be gone on from: {'; '.join(passed)}")
    return chosen


def passed_over(args: TrainingArguments, chosen: str | None) -> list[str]:
    """The checkpoints newer than the chosen one, each with what is wrong with it."""
    passed = []
    for path in checkpoints_of(Path(args.output_dir)):
        if str(path) == chosen:
            break
        passed.append(f"{path}: {fault_of(path, args.world_size)}")
    return passed


def refuse_another_run(checkpoint: str, facts: dict[str, Any]) -> None:
    """Optimizer, schedule and order of a checkpoint are those of its run: one with other arguments can't go on from it,
    and would keep some of the old ones in silence."""
    then = json.loads((Path(checkpoint) / RUN_FACTS).read_text(encoding="utf-8"))
    for name, now in json.loads(json.dumps(facts)).items():
        former = then.get(name, OF_EARLIER_VERSIONS.get(name, now))
        if former != now:
            former, now = ("left out" if value is None else value for value in (former, now))
            raise UserError(
                f"{checkpoint} is of a run with {name} {former}, not {now}: go on with the same, or start another run "
                "in another --output_dir"
            )
