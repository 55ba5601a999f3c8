from datasets import Dataset

from bert_recipes.arguments.data import DataArguments
from bert_recipes.text.documents import load_documents
from bert_recipes.text.encoding import encode_texts, gb2312_characters, train_tokenizer


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


def test_a_trained_vocabulary_reads_what_its_text_did_not_hold(tmp_path):
    documents = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=400))
    tokenizer = train_tokenizer(documents["train"]["text"], vocab_size=8192, alphabet="gb2312")
    assert len(tokenizer) <= 8192
    assert len([c for c in gb2312_characters() if "\u4e00" <= c <= "\u9fff"]) == 6763
    text = "囧Wifi密码2024很赞!(好),酒店~"
    assert tokenizer.unk_token_id not in tokenizer(text.removeprefix("囧"))["input_ids"]
    assert tokenizer.tokenize("酒店很好") == list("酒店很好")
    tokenizer.save_pretrained(tmp_path)
    again = type(tokenizer).from_pretrained(tmp_path)
    assert again(text)["input_ids"] == tokenizer(text)["input_ids"] and len(again) == len(tokenizer)


def test_the_embedded_vocabulary_covers_the_reviews(tokenizer):
    reviews = load_documents(DataArguments(dataset_name="reviews"))["train"].select(range(0, 13000, 20))
    ids = [token for input_ids in tokenizer(list(reviews["text"]))["input_ids"] for token in input_ids]
    assert ids.count(tokenizer.unk_token_id) / len(ids) < 0.005
