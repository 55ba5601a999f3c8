"""The order of the training rows: random, in batches of like length, or packed into batches of like size."""

from __future__ import annotations

import itertools
import math
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

    def rows_of_step(self, step: int) -> list[int]:
        """Of a step (0: the first) of this epoch's number."""
        start = step % math.ceil(len(self) / self.batch_size) * self.batch_size
        return list(itertools.islice(self, start, start + self.batch_size))


class PackedBatchSampler(torch.utils.data.Sampler):
    """Batches of rows that together have at most so many `positions`: the rows in random order, cut into shares of as
    many tokens each.

    The order is a function of (seed, epoch), the number of batches the same in every epoch, and a multiple of
    `batches_a_step`, those that all processes take for a step.
    """

    def __init__(self, lengths: Sequence[int], positions: int, batches_a_step: int, seed: int):
        self.lengths, self.batches_a_step, self.seed, self.epoch = np.asarray(lengths), batches_a_step, seed, 0
        self.tokens = int(self.lengths.sum())
        self.batches = packed_batches(self.lengths, positions, batches_a_step)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[list[int]]:
        rows = np.random.default_rng((self.seed, self.epoch)).permutation(len(self.lengths))
        begins = np.cumsum(self.lengths[rows], dtype=np.int64) - self.lengths[rows]
        share = begins * self.batches // self.tokens  # a row that begins in a share may reach over its end
        for start, end in itertools.pairwise(np.searchsorted(share, np.arange(self.batches + 1))):
            yield rows[start:end].tolist()

    def rows_of_step(self, step: int) -> list[int]:
        """Of a step (0: the first) of this epoch's number."""
        start = step * self.batches_a_step % self.batches
        return list(itertools.chain.from_iterable(itertools.islice(self, start, start + self.batches_a_step)))


def packed_batches(lengths: np.ndarray, positions: int, multiple: int) -> int:
    """How many batches an epoch has. 0 where the rows are too few, or too long for the positions: a batch might hold
    none, or half of all positions be left."""
    longest, tokens = int(lengths.max()), int(lengths.sum())
    if positions <= longest:
        return 0
    batches = math.ceil(math.ceil(tokens / (positions - longest)) / multiple) * multiple
    return batches if batches * max(longest, positions / 2) <= tokens else 0
