"""What suits the device that a run trains on, where the user has not said otherwise."""

from __future__ import annotations

from transformers import TrainingArguments


def suit_device(args: TrainingArguments) -> None:
    """Batches go to a GPU from pinned memory without a wait for each copy."""
    told = "accelerator_config" in getattr(args, "given", {})
    if args.device.type == "cuda" and args.dataloader_pin_memory and not told:
        args.accelerator_config.non_blocking = True
