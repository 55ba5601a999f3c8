import pytest
from datasets import Dataset, DatasetDict

from bert_recipes.arguments import DataArguments
from bert_recipes.corpora import load_corpus
from bert_recipes.encoding import SENTENCE_ENDS, chunk_documents, encode_texts, gb2312_characters, train_tokenizer
from bert_recipes.errors import UserError


@pytest.fixture(scope="module")
def paragraphs() -> DatasetDict:
    corpus = load_corpus(DataArguments(dataset_name="peoples_daily", max_train_samples=400, max_eval_samples=50))
    return DatasetDict(train=corpus["train"], validation=corpus["validation"])


def test_every_token_of_every_document_is_in_exactly_one_chunk(paragraphs, tokenizer):
    chunks = chunk_documents(paragraphs, tokenizer, ["text"], 48)
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


def test_a_long_document_is_cut_behind_a_sentence_where_one_ends_near(tokenizer):
    text = "今天天气很好，我们去公园看花。" * 6
    corpus = DatasetDict(train=Dataset.from_dict({"text": [text]}))
    *whole, _ = chunk_documents(corpus, tokenizer, ["text"], 40)["train"]["input_ids"]
    assert len(whole) >= 2
    for chunk in whole:
        assert tokenizer.convert_ids_to_tokens(chunk)[-2] in SENTENCE_ENDS and len(chunk) > 20


def test_a_document_without_a_sentence_end_is_cut_at_the_limit(tokenizer):
    corpus = DatasetDict(train=Dataset.from_dict({"text": ["花" * 100]}))
    lengths = chunk_documents(corpus, tokenizer, ["text"], 40)["train"]["length"]
    assert list(lengths) == [40, 40, 26]


@pytest.mark.parametrize("length", [4, 513])
def test_a_chunk_length_that_the_model_cannot_read(paragraphs, tokenizer, length):
    with pytest.raises(UserError, match=f"--chunk_length {length}: must lie between 8 and 512"):
        chunk_documents(paragraphs, tokenizer, ["text"], length)


def test_a_pair_has_real_token_type_ids_and_loses_the_end_of_its_longer_text(tokenizer, monkeypatch):
    monkeypatch.setattr(tokenizer, "model_max_length", 16)
    rows = Dataset.from_dict({"title": ["好书"], "text": ["花" * 50], "label": ["b"]})
    (row,) = encode_texts(rows, tokenizer, ["title", "text"], ["a", "b"])
    assert len(row["input_ids"]) == row["length"] == 16
    assert row["token_type_ids"] == [0] * 4 + [1] * 12
    assert tokenizer.convert_ids_to_tokens(row["input_ids"])[:4] == ["[CLS]", "好", "书", "[SEP]"]
    assert row["labels"] == 1


def test_several_labels_are_a_float_vector(tokenizer):
    rows = Dataset.from_dict({"text": ["一", "二"], "label": [["c", "a"], []]})
    assert encode_texts(rows, tokenizer, ["text"], ["a", "b", "c"])["labels"] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]


def test_a_trained_vocabulary_reads_what_its_text_did_not_hold(paragraphs, tmp_path):
    tokenizer = train_tokenizer(paragraphs["train"]["text"], vocab_size=7168, alphabet="gb2312")
    assert len(tokenizer) <= 7168
    assert len([c for c in gb2312_characters() if "\u4e00" <= c <= "\u9fff"]) == 6763
    text = "囧Wifi密码2024很赞!(好),酒店~"
    assert tokenizer.unk_token_id not in tokenizer(text.removeprefix("囧"))["input_ids"]
    assert tokenizer.tokenize("酒店很好") == list("酒店很好")
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"] and len(again) == len(tokenizer)


def test_the_embedded_vocabulary_covers_the_reviews(tokenizer):
    reviews = load_corpus(DataArguments(dataset_name="reviews"))["train"].select(range(0, 13000, 20))
    ids = [token for input_ids in tokenizer(list(reviews["text"]))["input_ids"] for token in input_ids]
    assert ids.count(tokenizer.unk_token_id) / len(ids) < 0.005
