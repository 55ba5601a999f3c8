"""What suits the device that a run trains on: names of `TrainingArguments`, each where the user has not set it.

What transformers does by itself, and is not done here: a fused optimizer (`--optim adamw_torch_fused`) and pinned
memory (`--dataloader_pin_memory`). No workers prepare batches (`--dataloader_num_workers 0`): one core makes them
faster than a GPU trains (`benchmarks/data_path.py`).
"""

from __future__ import annotations

import torch
from transformers import TrainingArguments
from transformers.utils import is_torch_tf32_available

EVALUATION_ROWS, EVALUATION_ROWS_ON_GPU = 64, 256  # what keeps the device busy without gradients
TF32_WHY = "products in TF32, which keeps 10 bits of each number's 23; --tf32 false turns it off"


def choose_for_device(args: TrainingArguments) -> None:
    """Before `TrainingArguments` reads them, and once the precision is chosen: rows an evaluation step, and TF32 for
    the products of fp32."""
    gpu = on_gpu(args.use_cpu)
    if args.per_device_eval_batch_size is None:
        args.per_device_eval_batch_size = EVALUATION_ROWS_ON_GPU if gpu else EVALUATION_ROWS
    in_fp32 = args.do_train and not args.bf16 and not args.fp16  # predictions in fp32 have all digits
    if args.tf32 is None and gpu and in_fp32 and is_torch_tf32_available():
        args.tf32 = True
        args.precision_why = "; ".join(filter(None, (args.precision_why, TF32_WHY)))


def copy_without_waiting(args: TrainingArguments) -> None:
    """Batches go to a GPU from pinned memory, and no step waits for the copy."""
    told = "accelerator_config" in getattr(args, "given", {})
    if args.device.type == "cuda" and args.dataloader_pin_memory and not told:
        args.accelerator_config.non_blocking = True


def on_gpu(use_cpu: bool) -> bool:
    return not use_cpu and torch.accelerator.current_accelerator().type == "cuda"
