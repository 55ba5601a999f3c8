"""Text larger than memory and disk to spare: a file read in blocks, tokenised and masked while the model trains."""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers import PreTrainedTokenizerBase

from ..arguments.data import DataArguments
from ..arguments.mlm import MlmArguments
from ..run.errors import UserError, tell
from .chunks import Chunker, such_as, without_chunk
from .documents import checked
from .files import Row, check_record, parse_json
from .lines import encoding_advice
from .masking import Example, MaskedChunks, MaskedPairs

BLOCK_BYTES = 1 << 20  # a block in memory, as text, tokens and masks, takes some 30 MB


class StreamedChunks(torch.utils.data.IterableDataset):
    """The masked chunks of a txt or jsonl file, a document a line, without end: one pass after another.

    The file is read a block at a time, the blocks in a new random order each pass; within a block, chunks of like
    length come together, a batch of them at a time, the batches in random order. The masks are a function of
    (seed, pass, block), the order of the rows of a step too, so every process and every resume sees the same; a resume
    reads on from the block that the checkpoint was in.
    """

    def __init__(self, data_args: DataArguments, tokenizer: PreTrainedTokenizerBase, args: MlmArguments):
        self.path, self.encoding = Path(data_args.train_file or ""), data_args.encoding
        self.text_columns = data_args.text_column_names
        if self.path.suffix.lower() not in (".txt", ".jsonl") or not self.path.is_file():
            raise UserError(
                f"--streaming reads a --train_file, txt or jsonl, a document a line: {data_args.train_file} is none"
            )
        if codecs.lookup(self.encoding).name.startswith(("utf-16", "utf-32")):
            raise UserError(f"--streaming can't tell the lines of {self.encoding}: save the file as utf-8")
        if data_args.column_names:
            raise UserError("--streaming reads one text a line: leave --column_names out, or --streaming")
        if data_args.max_train_samples:
            raise UserError("--streaming reads all of the file: leave --max_train_samples out, or --streaming")
        if args.dataloader_num_workers:
            raise UserError("--streaming reads in the training process: leave --dataloader_num_workers at 0")
        self.tokenizer, self.mlm_probability, self.seed = tokenizer, args.mlm_probability, args.seed
        self.chunker = Chunker(tokenizer, self.text_columns, args.chunk_length, args.whole_word_mask, args.nsp)
        self.told_of_missing = False  # once: a block is read in every pass
        # Where each block began: examples before it, pass, place in the pass's order.
        self.passed = [(0, 0, 0)]
        self.skipped = 0  # examples of the first block that a resumed run has seen
        self.masked = MaskedPairs if args.nsp else MaskedChunks
        self.batch_size = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        # All of about one size: a short last one might hold no second document for --nsp to draw from.
        self.size = self.path.stat().st_size
        self.blocks = max(1, self.size // BLOCK_BYTES)
        self.starts = [self.size * block // self.blocks for block in range(self.blocks + 1)]
        if all(next(self.rows(block), None) is None for block in range(self.blocks)):
            raise UserError(f"--train_file {self.path}: the file has no rows")

    def __iter__(self) -> Iterator[Example]:
        (count, first_pass, first_place), skipped = self.passed[0], self.skipped
        for epoch in itertools.count(first_pass):
            order = np.random.default_rng((self.seed, epoch)).permutation(self.blocks)
            for place in range(first_place if epoch == first_pass else 0, self.blocks):
                if (count, epoch, place) != self.passed[-1]:
                    self.passed.append((count, epoch, place))
                for example in self.examples(int(order[place]), epoch):
                    count += 1
                    if count > skipped:
                        yield example

    def position_after(self, examples: int) -> dict[str, int]:
        """Where the stream is once so many examples are trained on; the data loader has drawn more of them."""
        while len(self.passed) > 1 and self.passed[1][0] <= examples:
            self.passed.pop(0)
        before, epoch, place = self.passed[0]
        return {"examples": examples, "examples_before_block": before, "pass": epoch, "place": place}

    def go_on_from(self, position: dict[str, int]) -> None:
        self.passed = [(position["examples_before_block"], position["pass"], position["place"])]
        self.skipped = position["examples"]

    @property
    def can_exchange(self) -> bool:
        """Whether a block has two documents with pairs: second texts come from the same block."""
        masked = map(self.masked_block, range(self.blocks))
        return any(chunks is not None and chunks.can_exchange for chunks in masked)

    def token_counts(self) -> np.ndarray:
        """As `MaskedChunks` has them, of the first block."""
        masked = self.masked_block(0)
        return masked.token_counts() if masked else np.zeros(0, dtype=int)

    def examples(self, block: int, epoch: int) -> Iterator[Example]:
        masked = self.masked_block(block)
        if masked is None:
            return
        masked.set_epoch(epoch)
        by_length = np.argsort(masked.lengths, kind="stable")
        batches = [by_length[start : start + self.batch_size] for start in range(0, len(masked), self.batch_size)]
        for batch in np.random.default_rng((self.seed, epoch, block)).permutation(len(batches)):
            yield from masked.examples(batches[batch])

    def masked_block(self, block: int) -> MaskedChunks | None:
        """The block's chunks; none if no line of it can be masked, or none begins in it: one may be longer."""
        rows = list(self.rows(block))
        if not rows:
            return None
        columns = {name: [row[name] for row in rows] for name in self.text_columns}
        chunks = pa.table(self.chunker(columns, range(len(rows))), schema=self.chunker.features.arrow_schema)
        missing = without_chunk(len(rows), chunks)
        if len(missing) and not self.told_of_missing:
            self.told_of_missing = True
            tell(f"{self.path.name}: documents are left out, {such_as(columns[self.text_columns[0]][missing[0]])}")
        if not len(chunks):
            return None
        return self.masked(chunks, self.tokenizer, self.mlm_probability, (self.seed, block))

    def rows(self, block: int) -> Iterator[Row]:
        """The documents whose line begins in the block."""
        with self.path.open("rb") as file:
            if block:
                file.seek(self.starts[block] - 1)
                file.readline()  # the end of the line before, or its newline alone
            while file.tell() < self.starts[block + 1] and (line := file.readline()):
                place = f"at byte {file.tell() - len(line):,}"
                if text := self.decode(line, place):
                    yield self.parse(text, place)

    def decode(self, line: bytes, place: str) -> str:
        try:
            return line.decode("utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding).strip()
        except UnicodeDecodeError as error:
            raise UserError(
                f"row {place} of {self.path.name} is not {self.encoding}: {encoding_advice(line)}"
            ) from error

    def parse(self, text: str, place: str) -> Row:
        if self.path.suffix.lower() == ".txt":
            record = {self.text_columns[0]: text}
        else:
            record = parse_json(text, f"row {place} of {self.path.name}")
        return checked(check_record(self.path.name, place, record), self.path.name, place, self.text_columns)
