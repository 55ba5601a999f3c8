"""Pretraining on packed batches: documents side by side, as many tokens in every step."""

from __future__ import annotations

from functools import partial

import torch
from transformers import PreTrainedModel
from transformers.trainer_utils import seed_worker

from ..arguments.mlm import MlmArguments
from ..models.packed_attention import take_packed, why_no_kernel
from ..run.errors import UserError, counted, tell
from ..text.packing import PackingCollator
from .data import PretrainingData
from .samplers import PackedBatchSampler, packed_batches
from .steps import SteppingTrainer


class PackedTrainer(SteppingTrainer):
    """`SteppingTrainer` that trains on what the collator `pack` makes, where there is one. Evaluation stays padded."""

    def __init__(self, *args, pack: PackingCollator | None = None, **kwargs):
        super().__init__(*args, **kwargs)
        self.pack = pack

    def facts(self):
        packing = None if self.pack is None else f"to {self.pack.positions:,} positions"
        return super().facts() | {"packing": packing}

    def get_train_dataloader(self):
        if self.pack is None:
            return super().get_train_dataloader()
        args = self.args
        self.train_sampler = PackedBatchSampler(
            self.train_dataset.lengths,
            self.pack.positions,
            batches_a_step(args),
            args.seed if args.data_seed is None else args.data_seed,
        )
        batches = torch.utils.data.DataLoader(
            self.train_dataset,
            batch_sampler=self.train_sampler,
            collate_fn=self.pack,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            prefetch_factor=args.dataloader_prefetch_factor,
            multiprocessing_context=args.dataloader_multiprocessing_context,
            worker_init_fn=partial(seed_worker, num_workers=args.dataloader_num_workers, rank=args.process_index),
        )
        even, self.accelerator.even_batches = self.accelerator.even_batches, False  # they are even
        try:
            return self.accelerator.prepare(batches)
        finally:
            self.accelerator.even_batches = even


def batches_a_step(args: MlmArguments) -> int:
    return args.gradient_accumulation_steps * args.world_size


def choose_packing(model: PreTrainedModel, args: MlmArguments, data: PretrainingData) -> PackingCollator | None:
    """As `--packing` says. Left out: where the device has a kernel for it and the model takes it; if not, a GPU's user
    is told why. Raises `UserError` where it is asked for and can't be."""
    if args.packing is False or not args.do_train:
        return None
    dtype = torch.bfloat16 if args.bf16 else torch.float16 if args.fp16 else torch.float32
    why_not, no_kernel = why_not_packed(args, data), why_no_kernel(args.device, dtype)
    if why_not is None and no_kernel is None and args.dropout:
        why_not = "the kernel has no dropout"
    if why_not is None and args.packing is None:
        why_not = no_kernel
    if why_not is None:
        positions = args.train_batch_size * args.chunk_length
        lengths = data.train.lengths
        batches = packed_batches(lengths, positions, batches_a_step(args))
        pack = PackingCollator(data.tokenizer, positions, args.chunk_length, len(lengths) / batches)
        why_not = take_packed(model, args.device, dtype, pack)
        if why_not is None:
            by_mask = ", kept apart by a mask, which is slow" if no_kernel else ""
            counted_batches = counted(batches, "batch", "batches")
            tell(f"Packing: {counted_batches} of {positions:,} tokens an epoch, documents side by side{by_mask}")
            return pack
    if args.packing:
        raise UserError(f"--packing: {why_not}: leave --packing out")
    if args.device.type == "cuda":
        tell(f"No packing, batches are padded: {why_not}")
    return None


def why_not_packed(args: MlmArguments, data: PretrainingData) -> str | None:
    """What of the arguments and the data stands against it, in words."""
    if args.why_padded:
        return args.why_padded
    positions, lengths = args.train_batch_size * args.chunk_length, data.train.lengths
    if positions <= lengths.max():
        return "a batch of one row holds one chunk, and --per_device_train_batch_size 2 or more can be packed"
    if not packed_batches(lengths, positions, batches_a_step(args)):
        room = f"batches of {positions:,} tokens, and chunks of up to {lengths.max():,}"
        return f"{lengths.sum():,} training tokens do not fill {room}"
    return None
