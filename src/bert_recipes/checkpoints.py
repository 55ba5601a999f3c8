"""The checkpoints of a run: which one to go on from, and what a new run lets go of."""

from __future__ import annotations

import shutil
from pathlib import Path

from .arguments import RecipeArguments
from .errors import UserError


def checkpoint_to_resume(args: RecipeArguments) -> str | None:
    """The checkpoint to go on from: the folder that is named, or for `auto` the newest of output_dir, or none."""
    checkpoint = args.resume_from_checkpoint
    if checkpoint == "auto":
        return newest_checkpoint(Path(args.output_dir))
    if checkpoint is not None and not (Path(checkpoint) / "trainer_state.json").exists():
        raise UserError(f"--resume_from_checkpoint {checkpoint}: no checkpoint is there (it has no trainer_state.json)")
    return checkpoint


def newest_checkpoint(output_dir: Path) -> str | None:
    """The last checkpoint that has its trainer_state.json, which is written last: one cut off in writing has none."""
    whole = [path.parent for path in output_dir.glob("checkpoint-*/trainer_state.json")]
    return str(max(whole, key=lambda path: int(path.name.rpartition("-")[2]))) if whole else None


def forget_run(output_dir: Path) -> None:
    """What `--overwrite` lets go of: all that a run leaves and a new one might not write again.

    Only of a folder that holds a run: anywhere else these names are files of the user's.
    """
    for folder in (*output_dir.glob("checkpoint-*"), output_dir / "adapter", output_dir / "figures"):
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("all_results.json", "predictions.csv", "model.safetensors", "README.md"):
        (output_dir / name).unlink(missing_ok=True)
