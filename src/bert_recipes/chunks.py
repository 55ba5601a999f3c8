"""Documents -> chunks of token ids, or pairs of such chunks for next-sentence prediction: no token dropped, and no
document joined to another (run_mlm.py joins them, and drops a remainder of every thousand rows)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset, DatasetDict, Features, List, Value
from datasets.fingerprint import Hasher
from transformers import PreTrainedTokenizerBase

from .arguments import MlmArguments
from .encoding import join_columns
from .errors import UserError
from .launch import available_cores
from .words import number_words

SENTENCE_ENDS = frozenset("。！？!?；;…")
ROWS_A_PROCESS = 2_000  # starting a process takes as long as tokenising about so many documents
NO_WORD = -1  # the word of a special token

Piece = tuple[list[int], list[int]]  # token ids, and the number of the word of each


@dataclass
class Chunker:
    """Cuts documents into chunks of at most `chunk_length` tokens, special tokens included.

    Called with columns of documents it returns columns of chunks: `input_ids` ([CLS] … [SEP]), `length`, and with
    `whole_word_mask` `words`, the number of each token's word (-1 for special tokens). With `nsp` a chunk is a pair of
    consecutive texts: `second_ids` (… [SEP], empty where a text can't be cut in two), `second_words`, `document`.
    """

    tokenizer: PreTrainedTokenizerBase
    text_columns: Sequence[str]
    chunk_length: int = 128
    whole_word_mask: bool = False
    nsp: bool = False
    sentence_end_ids: set[int] = field(init=False)

    def __post_init__(self):
        longest = self.tokenizer.model_max_length
        if not 8 <= self.chunk_length <= longest:
            raise UserError(
                f"--chunk_length {self.chunk_length}: must lie between 8 and {longest:,}, what the model reads"
            )
        ends = self.tokenizer.convert_tokens_to_ids(sorted(SENTENCE_ENDS))
        self.sentence_end_ids = set(ends) - {self.tokenizer.unk_token_id}

    def __call__(self, rows: Mapping[str, list[str]], numbers: Sequence[int]) -> dict[str, list]:
        chunks: dict[str, list] = {name: [] for name in self.features}
        columns = [rows[name] for name in self.text_columns] if self.nsp else [join_columns(rows, self.text_columns)]
        encoded = [self.encode(texts) for texts in columns]
        for row, (number, *texts) in enumerate(zip(numbers, *encoded, strict=True)):
            self.check_maskable(texts, rows[self.text_columns[0]][row])
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
        return Features(features | {"length": Value("int32")} | ({"document": Value("int64")} if self.nsp else {}))

    def encode(self, texts: list[str]) -> list[Piece]:
        """Token ids of each text, without special tokens, and the number of each token's word."""
        encoded = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)
        if not self.whole_word_mask:
            return [(input_ids, list(range(len(input_ids)))) for input_ids in encoded["input_ids"]]
        words = [number_words(text, encoded[i]) for i, text in enumerate(texts)]
        return list(zip(encoded["input_ids"], words, strict=True))

    def check_maskable(self, texts: list[Piece], document: str) -> None:
        special = set(self.tokenizer.all_special_ids)
        if all(token in special for token_ids, _ in texts for token in token_ids):
            raise UserError(
                f"the document {document[:20]!r} has no token that could be masked, since the tokenizer knows no "
                "character of it: remove it, or take another model"
            )

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
        token_ids, words = text
        start = 0
        for piece in cut_at_sentence_ends(token_ids, limit, self.sentence_end_ids):
            yield piece, words[start : start + len(piece)]
            start += len(piece)

    def halve(self, segment: Piece) -> tuple[Piece, Piece | None]:
        """In two at the sentence end nearest to the middle; a segment of one sentence stays whole."""
        token_ids, words = segment
        ends = [i for i in range(1, len(token_ids)) if token_ids[i - 1] in self.sentence_end_ids]
        if not ends:
            return segment, None
        end = min(ends, key=lambda end: abs(end - len(token_ids) / 2))
        return (token_ids[:end], words[:end]), (token_ids[end:], words[end:])

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
        }


def chunk_documents(
    documents: DatasetDict, tokenizer: PreTrainedTokenizerBase, text_columns: Sequence[str], args: MlmArguments
) -> DatasetDict:
    """The chunks of every split (`Chunker`), made by all cores and kept in the data sets' cache."""
    chunker = Chunker(tokenizer, text_columns, args.chunk_length, args.whole_word_mask, args.nsp)
    return DatasetDict({split: chunk_split(rows, chunker, split) for split, rows in documents.items()})


def chunk_split(rows: Dataset, chunker: Chunker, split: str) -> Dataset:
    # A tokenizer changes a little as it is used, which the default fingerprint would take for another tokenizer.
    made_by = (chunker.tokenizer.get_vocab(), str(chunker.tokenizer.init_kwargs), chunker.text_columns)
    made_by += (chunker.chunk_length, chunker.whole_word_mask, chunker.nsp)
    processes = min(available_cores(), len(rows) // ROWS_A_PROCESS)
    return rows.map(
        chunker,
        batched=True,
        with_indices=True,
        remove_columns=rows.column_names,
        features=chunker.features,
        num_proc=processes if processes > 1 else None,
        new_fingerprint=Hasher.hash((rows._fingerprint, made_by)),
        desc=f"Cutting into chunks ({split})",
    )


def cut_at_sentence_ends(token_ids: list[int], limit: int, sentence_end_ids: set[int]) -> Iterator[list[int]]:
    """Pieces of at most `limit` tokens that join up to `token_ids`, each cut behind the last sentence end of its
    second half, or at the limit where there is none."""
    start = 0
    while len(token_ids) - start > limit:
        ends = (end for end in range(start + limit, start + limit // 2, -1) if token_ids[end - 1] in sentence_end_ids)
        end = next(ends, start + limit)
        yield token_ids[start:end]
        start = end
    if start < len(token_ids):
        yield token_ids[start:]
