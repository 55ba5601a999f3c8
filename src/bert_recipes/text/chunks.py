"""Documents -> chunks of token ids, or pairs of such chunks for next-sentence prediction: no token dropped, and no
document joined to another (run_mlm.py joins them, and drops a remainder of every thousand rows)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, List, Value
from datasets.fingerprint import Hasher
from tokenizers import Encoding
from transformers import PreTrainedTokenizerBase

from ..arguments.mlm import MlmArguments
from ..run.errors import UserError, tell
from ..run.launch import available_cores
from .documents import code_fingerprint
from .encoding import join_columns
from .flat import as_table, numbers
from .sentences import SENTENCE_END
from .words import number_words

ROWS_A_PROCESS = 2_000  # starting a process takes as long as tokenising about so many documents
NO_WORD = -1  # the word of a special token

Piece = tuple[list[int], list[int], list[bool]]  # token ids, the word of each, and whether a sentence ends with it


@dataclass
class Chunker:
    """Cuts documents into chunks of at most `chunk_length` tokens, special tokens included.

    Called with columns of documents it returns columns of chunks: `input_ids` ([CLS] … [SEP]), `length`, and with
    `whole_word_mask` `words`, the number of each token's word (-1 for special tokens), and `document`, the number of
    its document. With `nsp` a chunk is a pair of consecutive texts: `second_ids` (… [SEP], empty where a text can't be
    cut in two: not `paired`), `second_words`. A document without a token that the tokenizer knows has no chunk: none
    of them could be masked.
    """

    tokenizer: PreTrainedTokenizerBase
    text_columns: Sequence[str]
    chunk_length: int = 128
    whole_word_mask: bool = False
    nsp: bool = False

    def __post_init__(self):
        longest = self.tokenizer.model_max_length
        if not 8 <= self.chunk_length <= longest:
            raise UserError(
                f"--chunk_length {self.chunk_length}: must lie between 8 and {longest:,}, what the model reads"
            )
        if self.whole_word_mask and not self.tokenizer.is_fast:
            raise UserError(f"--whole_word_mask: {type(self.tokenizer).__name__} does not say where its tokens stand")

    def __call__(self, rows: Mapping[str, list[str]], numbers: Sequence[int]) -> dict[str, list]:
        chunks: dict[str, list] = {name: [] for name in self.features}
        columns = [rows[name] for name in self.text_columns] if self.nsp else [join_columns(rows, self.text_columns)]
        encoded = [self.encode(texts) for texts in columns]
        for number, *texts in zip(numbers, *encoded, strict=True):
            if not self.is_maskable(texts):
                continue
            for chunk in self.pairs(texts) if self.nsp else self.singles(texts[0]):
                chunk["document"] = number
                for name, values in chunks.items():
                    values.append(chunk[name])
        return chunks

    @property
    def features(self) -> Features:
        names = ["input_ids", *(["words"] if self.whole_word_mask else [])]
        names += ["second_ids", *(["second_words"] if self.whole_word_mask else [])] if self.nsp else []
        features = {name: List(Value("int32")) for name in names}
        features |= {"length": Value("int32"), "document": Value("int64")}
        return Features(features | ({"paired": Value("bool")} if self.nsp else {}))

    def encode(self, texts: list[str]) -> list[Piece]:
        """Token ids of each text, without special tokens, the number of each token's word, and the sentence ends."""
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        pieces = []
        for i, (text, input_ids) in enumerate(zip(texts, encoded["input_ids"], strict=True)):
            words = number_words(text, encoded[i]) if self.whole_word_mask else list(range(len(input_ids)))
            ends = sentence_ends(text, encoded[i]) if encoded.is_fast else [False] * len(input_ids)
            pieces.append((input_ids, words, ends))
        return pieces

    def is_maskable(self, texts: list[Piece]) -> bool:
        special = set(self.tokenizer.all_special_ids)
        return any(token not in special for token_ids, _, _ in texts for token in token_ids)

    def singles(self, text: Piece) -> Iterator[dict[str, Any]]:
        for piece in self.cut(text, self.chunk_length - 2):
            yield self.chunk(piece, None)

    def pairs(self, texts: list[Piece]) -> Iterator[dict[str, Any]]:
        """Consecutive segments two by two; of two columns the first pair is the beginning of each (title and text)."""
        longest = (self.chunk_length - 3) // 2  # so that any two segments make a pair
        columns = [list(self.cut(text, longest)) for text in texts]
        if len(columns) == 2 and all(columns):
            yield self.chunk(columns[0].pop(0), columns[1].pop(0))
        for segments in columns:
            for i in range(0, len(segments), 2):
                yield self.chunk(*(segments[i : i + 2] if i + 1 < len(segments) else self.halve(segments[i])))

    def cut(self, text: Piece, limit: int) -> Iterator[Piece]:
        for start, end in cut_at_sentence_ends(text[2], limit):
            yield tuple(values[start:end] for values in text)

    def halve(self, segment: Piece) -> tuple[Piece, Piece | None]:
        """In two at the sentence end nearest to the middle; a segment of one sentence stays whole."""
        length = len(segment[0])
        ends = [i for i in range(1, length) if segment[2][i - 1]]
        if not ends:
            return segment, None
        end = min(ends, key=lambda end: abs(end - length / 2))
        return tuple(values[:end] for values in segment), tuple(values[end:] for values in segment)

    def chunk(self, first: Piece, second: Piece | None) -> dict[str, Any]:
        cls, sep = [self.tokenizer.cls_token_id], [self.tokenizer.sep_token_id]
        input_ids = cls + first[0] + sep
        second_ids = second[0] + sep if second else []
        return {
            "input_ids": input_ids,
            "words": [NO_WORD, *first[1], NO_WORD],
            "second_ids": second_ids,
            "second_words": [*second[1], NO_WORD] if second else [],
            "length": len(input_ids) + len(second_ids),
            "paired": second is not None,
        }


def chunk_documents(
    documents: DatasetDict, tokenizer: PreTrainedTokenizerBase, text_columns: Sequence[str], args: MlmArguments
) -> DatasetDict:
    """The chunks of every split (`Chunker`), made by all cores and kept in the data sets' cache."""
    chunker = Chunker(tokenizer, text_columns, args.chunk_length, args.whole_word_mask, args.nsp)
    return DatasetDict({split: chunk_split(rows, chunker, split) for split, rows in documents.items()})


def chunk_split(rows: Dataset, chunker: Chunker, split: str) -> Dataset:
    made_by = (*fingerprint_parts(chunker.tokenizer), chunker.text_columns)
    made_by += (chunker.chunk_length, chunker.whole_word_mask, chunker.nsp, code_fingerprint())
    processes = min(available_cores(), len(rows) // ROWS_A_PROCESS)
    chunks = rows.map(
        chunker,
        batched=True,
        with_indices=True,
        remove_columns=rows.column_names,
        features=chunker.features,
        num_proc=processes if processes > 1 else None,
        new_fingerprint=Hasher.hash((rows._fingerprint, made_by)),
        desc=f"Cutting into chunks ({split})",
    )
    tell_left_out(rows, chunks, chunker.text_columns[0], split)
    return chunks


def tell_left_out(documents: Dataset, chunks: Dataset, text_column: str, split: str) -> None:
    """Raises `UserError` where no document has a chunk."""
    missing = without_chunk(len(documents), chunks)
    if not len(missing):
        return
    why = such_as(documents[int(missing[0])][text_column])
    if len(missing) == len(documents):
        raise UserError(f"no document of the {split} text has a token that could be masked, {why}")
    tell(f"{split}: {len(missing):,} of {len(documents):,} documents are left out, {why}")


def without_chunk(count: int, chunks: Dataset | pa.Table) -> np.ndarray:
    """The numbers of those of `count` documents that have none."""
    return np.setdiff1d(np.arange(count), numbers(as_table(chunks), "document"))


def such_as(text: str) -> str:
    return f"such as {text[:20]!r}: the tokenizer knows no character of them"


def fingerprint_parts(tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """All that decides which tokens a text becomes. Padding and truncation change as a tokenizer is used, which the
    default fingerprint would take for another tokenizer."""
    parts = [json.dumps(tokenizer.get_vocab(), sort_keys=True), str(tokenizer.init_kwargs)]
    if tokenizer.is_fast:
        backend = json.loads(tokenizer.backend_tokenizer.to_str())
        parts.append(json.dumps({name: backend[name] for name in backend if name not in ("padding", "truncation")}))
    return tuple(parts)


def sentence_ends(text: str, encoding: Encoding) -> list[bool]:
    """Whether a sentence of `text` ends with the token, for each token of `encoding`.

    A byte-level token may hold a part of a character: the last one of them ends it.
    """
    ends = {match.end() for match in SENTENCE_END.finditer(text)}
    pairs = itertools.pairwise([*encoding.offsets, (len(text), len(text))])
    return [end in ends and next_start >= end for (_, end), (next_start, _) in pairs]


def cut_at_sentence_ends(ends: Sequence[bool], limit: int) -> Iterator[tuple[int, int]]:
    """Beginning and end of pieces of at most `limit` tokens, which join up to all of them, each cut behind the last
    sentence end of its second half, or at the limit where there is none."""
    start = 0
    while len(ends) - start > limit:
        last = next((end for end in range(start + limit, start + limit // 2, -1) if ends[end - 1]), start + limit)
        yield start, last
        start = last
    if start < len(ends):
        yield start, len(ends)
