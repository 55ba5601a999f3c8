"""The order of the training rows: random, in batches of like length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch


class LengthGroupedSampler(torch.utils.data.Sampler):
    """Rows in random order, fifty batches of them at a time sorted by length, so that a batch has little padding; the
    batches in random order.

    The order is a function of (seed, epoch): every process draws the same one, and a resumed run goes on in it.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int):
        self.lengths, self.batch_size, self.seed, self.epoch = np.asarray(lengths), batch_size, seed, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng((self.seed, self.epoch))
        rows, size = generator.permutation(len(self)), self.batch_size
        for start in range(0, len(rows), 50 * size):
            block = rows[start : start + 50 * size]
            block = block[np.argsort(self.lengths[block], kind="stable")]
            whole = len(block) // size
            for batch in [*generator.permutation(whole), whole]:  # a short batch is the epoch's last
                yield from block[batch * size : (batch + 1) * size].tolist()
