"""Documents stay whole, words are known, and nothing is lost between the text and its chunks."""

import itertools

import numpy as np
import pytest
from datasets import Dataset, DatasetDict
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.run.errors import UserError
from bert_recipes.text import chunks as chunks_module
from bert_recipes.text.chunks import NO_WORD, Chunker, chunk_documents, sentence_ends
from bert_recipes.text.documents import load_documents
from bert_recipes.text.words import number_words


@pytest.fixture(scope="module")
def paragraphs() -> DatasetDict:
    return load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=400, max_eval_samples=50))


@pytest.fixture
def chunk(tokenizer, tmp_path):
    def chunk(documents, columns=("text",), **given):
        if isinstance(documents, list):
            documents = DatasetDict(train=Dataset.from_dict({"text": documents}))
        return chunk_documents(documents, tokenizer, columns, MlmArguments(output_dir=str(tmp_path), **given))

    return chunk


@pytest.mark.parametrize("whole_word_mask", [False, True])
def test_every_token_of_every_document_is_in_exactly_one_chunk(paragraphs, tokenizer, chunk, whole_word_mask):
    chunks = chunk(paragraphs, chunk_length=48, whole_word_mask=whole_word_mask)
    for split, rows in paragraphs.items():
        documents = tokenizer(list(rows["text"]), add_special_tokens=False)["input_ids"]
        pieces = iter(chunks[split]["input_ids"])
        for document in documents:  # the chunks of a document follow one another, and hold nothing else
            joined = []
            while len(joined) < len(document):
                piece = next(pieces)
                assert piece[0] == tokenizer.cls_token_id and piece[-1] == tokenizer.sep_token_id
                assert len(piece) <= 48
                joined += piece[1:-1]
            assert joined == document
        assert next(pieces, None) is None
        assert chunks[split]["length"] == [len(piece) for piece in chunks[split]["input_ids"]]


def test_pairs_hold_every_token_once_too(paragraphs, tokenizer, chunk):
    chunks = chunk(paragraphs, chunk_length=64, nsp=True, whole_word_mask=True)["train"]
    documents = tokenizer(list(paragraphs["train"]["text"]), add_special_tokens=False)["input_ids"]
    joined = [[] for _ in documents]
    for pair in chunks:
        joined[pair["document"]] += pair["input_ids"][1:-1] + pair["second_ids"][:-1]
        assert pair["length"] == len(pair["input_ids"]) + len(pair["second_ids"]) <= 64
        assert len(pair["words"]) == len(pair["input_ids"]) and len(pair["second_words"]) == len(pair["second_ids"])
    assert joined == documents
    assert np.mean([len(second) > 0 for second in chunks["second_ids"]]) > 0.6


def test_a_title_is_paired_with_the_beginning_of_its_text(tokenizer, chunk):
    documents = load_documents(DataArguments(dataset_name="peoples_daily_titles", text_columns="title,text"))
    pairs = chunk(documents, ("title", "text"), nsp=True)["validation"]
    first = {pair["document"]: pair for pair in reversed(list(pairs))}
    for number, row in enumerate(documents["validation"]):
        title, text = (tokenizer(row[name], add_special_tokens=False)["input_ids"] for name in ("title", "text"))
        assert first[number]["input_ids"][1:-1] == title
        assert text[: len(first[number]["second_ids"]) - 1] == first[number]["second_ids"][:-1]


def test_a_long_document_is_cut_behind_a_sentence_where_one_ends_near(tokenizer, chunk):
    *whole, _ = chunk(["今天天气很好，我们去公园看花。" * 6], chunk_length=40)["train"]["input_ids"]
    assert len(whole) >= 2
    for piece in whole:
        assert tokenizer.convert_ids_to_tokens(piece)[-2] == "。" and len(piece) > 20


def test_a_closing_quote_stays_with_its_sentence_and_english_has_full_stops(tokenizer, chunk):
    def pieces(text):
        return [tokenizer.decode(ids[1:-1]) for ids in chunk([text], chunk_length=24)["train"]["input_ids"]]

    assert pieces("他说：“今天天气真的很好。”我们去公园看花，看了很久很久。")[0].endswith("好 。 ”")
    english = "it cost us 3.50 a night at the old inn. we all went home, and so did they, by and by"
    assert pieces(english)[0].endswith("inn.")


def test_a_character_of_several_byte_level_tokens_is_not_cut():
    backend = Tokenizer(models.BPE())  # no merges: each byte is a token
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=256, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    backend.train_from_iterator([], trainer)
    text = "好。天。"  # three bytes a character
    assert [i for i, end in enumerate(sentence_ends(text, backend.encode(text))) if end] == [5, 11]


def test_a_document_without_a_sentence_end_is_cut_at_the_limit(chunk):
    assert list(chunk(["花" * 100], chunk_length=40)["train"]["length"]) == [40, 40, 26]


@pytest.mark.parametrize("length", [4, 513])
def test_a_chunk_length_that_the_model_cannot_read(chunk, length):
    with pytest.raises(UserError, match=f"--chunk_length {length}: must lie between 8 and 512"):
        chunk(["花"], chunk_length=length)


@pytest.mark.parametrize("text", ["\u200b", "𠮷𠮷"])
def test_a_text_without_a_maskable_token_is_left_out(chunk, text, capsys):
    assert chunk(["好", text, "天"])["train"]["document"][:] == [0, 2]
    why = f"such as {text!r}: the tokenizer knows no character of them"
    assert f"train: 1 of 3 documents are left out, {why}\n" in capsys.readouterr().out
    with pytest.raises(UserError) as refused:
        chunk([text, text])
    assert str(refused.value) == f"no document of the train text has a token that could be masked, {why}"


def test_words_are_jiebas_in_chinese_and_the_tokenizers_elsewhere(tokenizer):
    text = "北京大学的学生喜欢 transformers，价格是12.5元。"
    encoded = tokenizer([text], add_special_tokens=False)
    words: dict[int, str] = {}
    for word, (start, end) in zip(number_words(text, encoded[0]), encoded[0].offsets, strict=True):
        words[word] = words.get(word, "") + text[start:end]
    assert list(words.values()) == [
        "北京大学",
        "的",
        "学生",
        "喜欢",
        "transformers",
        "，",
        "价格",
        "是",
        "12.5",
        "元",
        "。",
    ]


@pytest.mark.parametrize("kind", ["SentencePiece", "byte-level"])
def test_words_are_jiebas_for_tokenizers_that_see_no_words_in_chinese(paragraphs, kind):
    """As XLM-R's, to which an unspaced sentence is one word, and as RoBERTa's, to which it is bytes."""
    if kind == "SentencePiece":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=3000, unk_token="<unk>", special_tokens=["<unk>"])
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
        trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(paragraphs["train"]["text"], trainer)
    text = "北京大学的学生喜欢 unbelievable transformers，也喜欢物理"
    encoding = tokenizer.encode(text)
    starts: dict[int, int] = {}
    for word, (start, _) in zip(number_words(text, encoding), encoding.offsets, strict=True):
        starts.setdefault(word, start + (text[start] == " "))
    cut = [text[start:end].strip() for start, end in itertools.pairwise([*starts.values(), len(text)])]
    if kind == "byte-level":  # a token is at most a character here
        assert cut == ["北京大学", "的", "学生", "喜欢", "unbelievable", "transformers", "，", "也", "喜欢", "物理"]
    # A piece of several characters may reach over a word's end; what begins a word is never inside of jieba's.
    assert len(cut) > 6 and "unbelievable" in cut


def test_words_go_with_their_tokens(tokenizer, chunk):
    (row,) = chunk(["他们在研究生命科学"], whole_word_mask=True)["train"]
    tokens = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert row["words"][0] == row["words"][-1] == NO_WORD and len(row["words"]) == len(tokens)
    assert row["words"][tokens.index("科")] == row["words"][tokens.index("学")]
    assert row["words"][tokens.index("他")] != row["words"][tokens.index("在")]


def test_tokenising_is_done_once_and_kept(paragraphs, tokenizer, chunk, monkeypatch):
    before = chunk(paragraphs, chunk_length=40)
    monkeypatch.setattr(Chunker, "__call__", lambda *args: pytest.fail("tokenised again"))
    again = chunk(paragraphs, chunk_length=40)
    assert again["train"][:] == before["train"][:] and again["train"].cache_files
    with pytest.raises(pytest.fail.Exception):
        chunk(paragraphs, chunk_length=44)


def test_what_other_code_has_cut_is_cut_again(paragraphs, chunk, monkeypatch):
    chunk(paragraphs, chunk_length=40)
    monkeypatch.setattr(chunks_module, "code_fingerprint", lambda: "another version")
    monkeypatch.setattr(Chunker, "__call__", lambda *args: pytest.fail("tokenised again"))
    with pytest.raises(pytest.fail.Exception):
        chunk(paragraphs, chunk_length=40)


def test_another_normaliser_of_the_same_vocabulary_cuts_again(paragraphs, tokenizer, chunk, monkeypatch):
    chunk(paragraphs, chunk_length=40)
    monkeypatch.setattr(tokenizer.backend_tokenizer, "normalizer", normalizers.Sequence([]))
    monkeypatch.setattr(Chunker, "__call__", lambda *args: pytest.fail("tokenised again"))
    with pytest.raises(pytest.fail.Exception):
        chunk(paragraphs, chunk_length=40)


def test_all_cores_give_the_chunks_of_one(paragraphs, chunk, monkeypatch):
    one = chunk(paragraphs, chunk_length=56)
    monkeypatch.setattr(chunks_module, "ROWS_A_PROCESS", 100)
    monkeypatch.setattr(chunks_module, "available_cores", lambda: 2)
    monkeypatch.setattr(chunks_module, "chunk_split", uncached(chunks_module.chunk_split))
    assert chunk(paragraphs, chunk_length=56)["train"][:] == one["train"][:]


def uncached(chunk_split):
    from datasets import disable_caching, enable_caching

    def without(*args):
        disable_caching()
        try:
            return chunk_split(*args)
        finally:
            enable_caching()

    return without
