"""The learned filter of sentences: what it learns from labels alone, and that predict.py cuts texts as training did."""

import json
import shutil

import pandas
import pytest
import torch
from conftest import recipe, refusal, short
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.arguments.model import CheckpointArguments, ClassifierModelArguments, ModelArguments
from bert_recipes.models.classifiers import load_classifier, load_trained_classifier
from bert_recipes.models.long_texts import selecting_by_encoder, trained_long_texts
from bert_recipes.models.sentence_filter import LearnedScores, load_filter
from bert_recipes.models.sentence_vectors import EncoderScores
from bert_recipes.text.long_texts import TRUNCATED, LongTexts
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
    score.unload()
    assert "encoder" not in vars(score)
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
    data_args = ClassifierDataArguments(dataset_name="joined_reviews", text_columns="aspect,text", **rows)
    data = load_classification_data(ClassifierModelArguments(str(run)), data_args, seed=1)
    assert data.long_texts.by == "learned" and "Sentence filter" not in capsys.readouterr().out
    assert data.summary.splits[0][5] == "longer than 48"
    assert any(
        note == "test: the longer ones keep the sentences with the highest scores (learned) that fit"
        for note in data.summary.notes
    )


def test_a_run_that_goes_on_keeps_its_filter(run, tmp_path, tiny_model, capsys):
    rows = {"max_train_samples": 48, "max_eval_samples": 24, "max_test_samples": 24, "max_length": 48}
    data_args = ClassifierDataArguments(
        "joined_reviews", text_columns="aspect,text", long_text="select", select_by="learned", **rows
    )
    model_args = ClassifierModelArguments(str(tiny_model))
    (checkpoint,) = run.glob("checkpoint-*")
    data = load_classification_data(model_args, data_args, seed=2, resumed=str(checkpoint))
    assert "Sentence filter" not in capsys.readouterr().out
    for name, weight in load_filter(run).state_dict().items():
        assert torch.equal(data.long_texts.score.sentence_filter.state_dict()[name], weight)
    told = refusal(load_classification_data, model_args, data_args, seed=2, train=False)
    assert told.startswith("--select_by learned needs a filter, and --do_train false trains none")
    assert "Sentence filter" not in capsys.readouterr().out


def test_an_encoder_that_selects_is_known_by_its_weights(tiny_model, tokenizer, tmp_path):
    folder, model_args = tmp_path / "encoder", CheckpointArguments(str(tmp_path / "encoder"))
    shutil.copytree(tiny_model, folder)
    config = BertConfig(long_text=selecting_by_encoder(model_args).as_config())
    trained = CheckpointArguments("outputs/finetune")
    assert trained_long_texts(config, trained, tokenizer).by == "encoder"
    weights = load_file(folder / "model.safetensors")
    weights[min(weights)] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    told = refusal(trained_long_texts, config, trained, tokenizer)
    assert told == (
        f"--model_name_or_path outputs/finetune selects sentences by the encoder {folder}, whose weights are no longer "
        "those of its training: put them back, or train again"
    )
    data_args = ClassifierDataArguments(
        "joined_reviews", text_columns="aspect,text", long_text="select", select_by="encoder", max_train_samples=10
    )
    told = refusal(load_classification_data, ModelArguments(str(tiny_model), from_scratch=True), data_args, seed=1)
    assert told.startswith("--select_by encoder compares vectors of trained weights, and --from_scratch has none")


@pytest.mark.parametrize("aspect_attention", [False, True])
def test_a_model_of_an_aspect_refuses_one_column(tiny_model, tokenizer, tmp_path, aspect_attention):
    long_texts = TRUNCATED if aspect_attention else LongTexts("select", "lexical")
    model_args = ClassifierModelArguments(str(tiny_model), aspect_attention=aspect_attention)
    load_classifier(model_args, ["negative", "positive"], long_texts=long_texts).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    trained = ["--model_name_or_path", str(tmp_path / "model")]
    (tmp_path / "rows.csv").write_text("text\n房间很干净。\n", encoding="utf-8")
    written = ["--input_file", str(tmp_path / "rows.csv"), "--output_file", str(tmp_path / "labelled.csv"), "--use_cpu"]
    told = refusal(recipe("predict").main, [*trained, *written])
    assert told == (
        f"--text_columns text has no aspect, and {tmp_path / 'model'} was trained with one: name two columns such as "
        "aspect,text"
    )
    data_args = ClassifierDataArguments("reviews", max_train_samples=10, max_eval_samples=10, max_test_samples=10)
    assert told == refusal(load_classification_data, ModelArguments(str(tmp_path / "model")), data_args, seed=1)


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
    data_args = ClassifierDataArguments(dataset_name="joined_reviews", text_columns=columns, long_text=long_text)
    assert told in refusal(load_classification_data, model_args, data_args, seed=1)
