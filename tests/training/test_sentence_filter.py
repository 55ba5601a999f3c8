"""The learned filter of sentences: what it learns from labels alone, and that predict.py cuts texts as training did."""

import json

import pandas
import pytest
import torch
from conftest import recipe, refusal, short
from datasets import Dataset, DatasetDict
from transformers import BertForSequenceClassification

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import CheckpointArguments, ClassifierModelArguments, ModelArguments
from bert_recipes.models.classifiers import load_trained_classifier
from bert_recipes.models.sentence_filter import LearnedScores, load_filter
from bert_recipes.models.sentence_vectors import EncoderScores
from bert_recipes.training import sentence_filter
from bert_recipes.training.data import load_classification_data
from bert_recipes.training.sentence_filter import train_filter

SAYS = {"好": ["房间很好。", "服务不错。", "早餐好吃。"], "差": ["房间太差。", "服务糟糕。", "早餐难吃。"]}
BESIDE = ["今天星期三。", "我们坐车去的。", "外面下着雨。", "路上有三个人。"]


def split(rows: int, first: int) -> Dataset:
    """Each text has one sentence that tells the label, among others that tell nothing."""
    made = []
    for row in range(first, first + rows):
        label = ["好", "差"][row % 2]
        sentences = [BESIDE[(row + place) % 4] for place in range(4)]
        sentences.insert(row % 5, SAYS[label][row % 3])
        made.append({"text": "".join(sentences), "label": label})
    return Dataset.from_list(made)


def test_it_finds_the_sentences_that_tell_the_label(tiny_model, tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr(sentence_filter, "ROWS", 8)
    corpus = DatasetDict(train=split(160, 0), validation=split(40, 200))
    before = torch.random.get_rng_state()
    scores = train_filter(corpus, tokenizer, ["text"], ["好", "差"], ModelArguments(str(tiny_model)), seed=1)
    assert torch.equal(torch.random.get_rng_state(), before)  # the run draws what it drew without a filter
    sentences = [[SAYS[label][0], *BESIDE] for label in SAYS]
    found = scores(sentences, [None, None])
    assert all(weights.argmax() == 0 and weights[0] > 0.5 for weights in found)
    scores.sentence_filter.save(tmp_path)
    again = LearnedScores(load_filter(tmp_path), tokenizer)
    alone = again(sentences[1:], [None])  # whatever stands beside a text
    assert again(sentences, [None, None])[0].tolist() == found[0].tolist()
    assert alone[0] == pytest.approx(found[1], abs=1e-6)


def test_the_encoder_compares_sentences_with_the_aspect(tokenizer):
    score = EncoderScores(CheckpointArguments(), tokenizer)
    sentences = ["酒店的房间和服务。", "这本书的作者和故事。", "今天坐车去的。"]
    first, second = score([sentences, sentences], ["酒店的房间和服务。", "这本书的作者和故事。"])
    assert first.argmax() == 0 and second.argmax() == 1 and first[0] == pytest.approx(1, abs=0.02)
    (alone,) = score([sentences], ["这本书的作者和故事。"])
    assert alone == pytest.approx(second, abs=1e-5)


@pytest.fixture(scope="module")
def run(tiny_model, tmp_path_factory):
    """A classifier of joined reviews that reads what a learned filter selects; its checkpoint is kept."""
    folder = tmp_path_factory.mktemp("selected") / "run"
    words = ["--dataset_name", "joined_reviews", "--text_columns", "aspect,text", "--max_length", "48"]
    words += ["--long_text", "select", "--select_by", "learned", "--learning_rate", "1e-3"]
    recipe("finetune").main(
        [*short("finetune"), *words, "--model_name_or_path", str(tiny_model), "--output_dir", str(folder)]
    )
    return folder


def test_predict_selects_as_training_did(run, tmp_path):
    rows = pandas.read_csv(run / "predictions.csv")
    rows[["aspect", "text"]].to_csv(tmp_path / "rows.csv", index=False)
    assert json.loads((run / "config.json").read_text())["long_text"] == {"how": "select", "select_by": "learned"}
    for model in (run, next(run.glob("checkpoint-*"))):
        output = tmp_path / f"{model.name}.csv"
        recipe("predict").main(
            ["--model_name_or_path", str(model), "--input_file", str(tmp_path / "rows.csv"),
             "--output_file", str(output), "--text_columns", "aspect,text", "--use_cpu"]
        )  # fmt: skip
        after = pandas.read_csv(output)
        assert after["prediction"].tolist() == rows["prediction"].tolist()
        assert after["score"].tolist() == pytest.approx(rows["score"].tolist(), abs=1e-4)
    assert type(BertForSequenceClassification.from_pretrained(run)) is BertForSequenceClassification


def test_a_classifier_goes_on_reading_as_it_has_learned_to(run, capsys):
    rows = {"max_train_samples": 10, "max_eval_samples": 10, "max_test_samples": 10, "max_length": 48}
    data_args = LabelledDataArguments(dataset_name="joined_reviews", text_columns="aspect,text", **rows)
    data = load_classification_data(ClassifierModelArguments(str(run)), data_args, seed=1)
    assert data.long_texts.by == "learned" and "Sentence filter" not in capsys.readouterr().out
    assert data.summary.splits[0][5] == "longer than 48"
    assert any(
        note == "test: the longer ones keep the sentences with the highest scores (learned) that fit"
        for note in data.summary.notes
    )


def test_a_filter_that_is_gone_is_one_line(run, tmp_path):
    model, tokenizer = load_trained_classifier(CheckpointArguments(str(run)))
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    told = refusal(load_trained_classifier, CheckpointArguments(str(tmp_path)))
    reason = "which chooses the sentences that this model reads: copy it there"
    assert told == f"{tmp_path} has no sentence_filter.safetensors, {reason}"


@pytest.mark.parametrize(
    "columns, long_text, told",
    [
        ("text", None, "--text_columns text has no aspect: name two columns such as aspect,text"),
        ("aspect,text", "windows", "--aspect_attention reads one text, and --long_text windows makes several"),
    ],
)
def test_aspect_attention_needs_an_aspect_and_one_text(tiny_model, columns, long_text, told):
    model_args = ClassifierModelArguments(str(tiny_model), aspect_attention=True)
    data_args = LabelledDataArguments(dataset_name="joined_reviews", text_columns=columns, long_text=long_text)
    assert told in refusal(load_classification_data, model_args, data_args, seed=1)
