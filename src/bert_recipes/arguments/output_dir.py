"""Where a run writes: a free folder, and nothing of the user's written over."""

from __future__ import annotations

import os
from pathlib import Path

from transformers import TrainingArguments

from ..run.errors import UserError
from ..run.output_folder import file_in_the_way, holds_run


def choose_output_dir(args: TrainingArguments) -> str:
    """A named folder is taken as it is unless it holds a run; a default one steps aside to `<default>-2`, `-3` …"""
    named = args.output_dir is not None
    if args.output_dir == "":
        raise UserError("--output_dir is empty: name a folder, or leave it out")
    folder = Path(args.output_dir or args.default_output_dir)
    if not named and args.resume_from_checkpoint not in (None, "auto"):
        named, folder = True, Path(args.resume_from_checkpoint).parent
    nearest = nearest_folder(folder)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise UserError(f"--output_dir {folder}: nothing can be written to {nearest}")
    if named:
        refuse_to_write_over(folder, args)
        return str(folder)
    numbered = [folder]
    while holds_run(numbered[-1]) or file_in_the_way(numbered[-1]):
        numbered.append(Path(f"{folder}-{len(numbered) + 1}"))
    # The last folder is free; the newest run is the one that is meant by "resume" and "overwrite".
    runs = [path for path in numbered if holds_run(path)] if args.overwrite or args.resume_from_checkpoint else []
    return str(runs[-1] if runs else numbered[-1])


def nearest_folder(path: Path) -> Path:
    """The path itself, or the first above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists() or place.is_symlink())


def refuse_to_write_over(folder: Path, args: TrainingArguments) -> None:
    if args.overwrite:
        return
    finished = (folder / "all_results.json").exists() and args.resume_from_checkpoint != "auto"
    if holds_run(folder) and (finished or args.resume_from_checkpoint is None):
        raise UserError(
            f"--output_dir {folder} holds an earlier run: name another, give it up with --overwrite, "
            "or go on with --resume_from_checkpoint auto if it was interrupted"
        )
    if name := file_in_the_way(folder):
        raise UserError(
            f"--output_dir {folder} has a {name} that no run has left there: name another folder, or have it "
            "written over with --overwrite"
        )
