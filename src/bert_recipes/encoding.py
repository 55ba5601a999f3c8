"""Text -> token ids: a text or a pair with its labels, and documents cut into chunks at sentence ends."""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence

from datasets import Dataset, DatasetDict
from tokenizers import BertWordPieceTokenizer
from transformers import BertTokenizer, PreTrainedTokenizerBase

from .errors import UserError

# Batches are padded up to a multiple of this: few lengths, since each one costs kernels that stay in memory.
PAD_TO_MULTIPLE_OF = 16
SENTENCE_ENDS = frozenset("。！？!?；;…")


def encode_texts(
    corpus: DatasetDict | Dataset,
    tokenizer: PreTrainedTokenizerBase,
    text_columns: Sequence[str],
    label_names: Sequence[str] | None = None,
) -> DatasetDict | Dataset:
    """Encode one text column, or two as a pair (`[CLS] first [SEP] second [SEP]`, told apart by `token_type_ids`).

    Above `tokenizer.model_max_length` tokens a text loses its end, a pair the end of its longer text. Columns of the
    result: what the tokenizer gives, `length`, and with `label_names` `labels`: an index, or for lists of labels a
    float 0/1 vector of their number.
    """
    label_ids = {name: index for index, name in enumerate(label_names or ())}

    def encode(rows: dict[str, list]) -> dict[str, list]:
        texts = [rows[name] for name in text_columns]
        encoded = tokenizer(*texts, truncation="longest_first")
        encoded["length"] = [len(input_ids) for input_ids in encoded["input_ids"]]
        if label_ids:
            encoded["labels"] = [label_vector(label, label_ids) for label in rows["label"]]
        return dict(encoded)

    columns = corpus["train"].column_names if isinstance(corpus, DatasetDict) else corpus.column_names
    return corpus.map(encode, batched=True, remove_columns=columns, desc="Tokenizing")


def label_vector(label: str | list[str], label_ids: dict[str, int]) -> int | list[float]:
    if isinstance(label, str):
        return label_ids[label]
    return [float(name in label) for name in label_ids]


def chunk_documents(
    corpus: DatasetDict, tokenizer: PreTrainedTokenizerBase, text_columns: Sequence[str], chunk_length: int
) -> DatasetDict:
    """Cut each document into chunks of at most `chunk_length` tokens, each with its own [CLS] … [SEP].

    No chunk holds text of two documents, and no token is dropped: run_mlm.py joins documents and drops a remainder of
    every thousand rows. Columns of the result: `input_ids`, `length`.
    """
    if not 8 <= chunk_length <= tokenizer.model_max_length:
        raise UserError(f"--chunk_length {chunk_length}: must lie between 8 and {tokenizer.model_max_length:,}")
    cls, sep = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
    sentence_end_ids = set(tokenizer.convert_tokens_to_ids(sorted(SENTENCE_ENDS))) - {tokenizer.unk_token_id}

    def chunk(rows: dict[str, list]) -> dict[str, list]:
        encoded = tokenizer(join_columns(rows, text_columns), add_special_tokens=False, verbose=False)
        chunks = [
            cls + piece + sep
            for token_ids in encoded["input_ids"]
            for piece in cut_at_sentence_ends(token_ids, chunk_length - len(cls + sep), sentence_end_ids)
        ]
        return {"input_ids": chunks, "length": [len(input_ids) for input_ids in chunks]}

    return corpus.map(chunk, batched=True, remove_columns=corpus["train"].column_names, desc="Cutting into chunks")


def join_columns(rows: Mapping[str, list[str]], text_columns: Sequence[str]) -> list[str]:
    """One document a row: its title and its text, say, on lines of their own."""
    return ["\n".join(texts) for texts in zip(*(rows[name] for name in text_columns), strict=True)]


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


def train_tokenizer(texts: Iterable[str], vocab_size: int, alphabet: str | None = None) -> BertTokenizer:
    """Train a lower-casing WordPiece vocabulary (Chinese: a character a token) of at most `vocab_size` entries.

    `alphabet="gb2312"` adds the 6,763 characters of GB 2312, which covers 99.7 % of running Chinese text, so that
    text of another domain is not made of [UNK].
    """
    wordpiece = BertWordPieceTokenizer(lowercase=True)
    wordpiece.train_from_iterator(
        # A character inside a word is an entry of its own (##a): this word makes one of each, for any Latin text.
        itertools.chain(texts, [2 * (string.ascii_lowercase + string.digits)]),
        vocab_size=vocab_size,
        limit_alphabet=vocab_size,  # the library's default is 1,000: most Chinese characters would be [UNK]
        initial_alphabet=list(string.punctuation) + (gb2312_characters() if alphabet == "gb2312" else []),
        show_progress=False,
    )
    by_id = sorted(wordpiece.get_vocab().items(), key=lambda item: item[1])
    return BertTokenizer(vocab=dict(by_id), do_lower_case=True)


def gb2312_characters() -> list[str]:
    """Every character of GB 2312: rows 1 to 9 hold punctuation and symbols, 16 to 87 the 6,763 Chinese characters."""
    cells = (bytes((0xA0 + row, 0xA0 + cell)) for row in (*range(1, 2), *range(16, 88)) for cell in range(1, 95))
    return [character for cell in cells if (character := cell.decode("gb2312", errors="ignore"))]
