"""How long an experiment takes, said before it starts, and what is left of it."""

import time

import pytest
from datasets import Dataset
from transformers import AutoConfig

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.experiment.forecast import Progress, in_words, time_steps, tokens_a_row


def test_a_row_has_the_tokens_that_are_read(tokenizer):
    rows = Dataset.from_dict({"title": ["天气"] * 2, "text": ["今天的天气很好", "今天"]})
    # [CLS] and [SEP], and a character a token.
    assert tokens_a_row(rows, ("text",), tokenizer, None) == (9 + 4) / 2
    assert tokens_a_row(rows, ("text",), tokenizer, 6) == (6 + 4) / 2
    assert tokens_a_row(rows, ("title", "text"), tokenizer, None) == (9 + 4) / 2 + 3
    by_length = Dataset.from_dict({"text": ["今天"] * 300 + ["今天的天气很好"] * 300})
    assert tokens_a_row(by_length, ("text",), tokenizer, None) == (9 + 4) / 2


@pytest.mark.parametrize("head", [{"num_labels": 1}, {"problem_type": "multi_label_classification"}])
def test_a_checkpoint_with_another_head_is_timed_too(tiny_model, tmp_path, head):
    AutoConfig.from_pretrained(tiny_model, **head).save_pretrained(tmp_path)
    assert time_steps(ModelArguments(str(tmp_path)), 2, 8, "fp32", 1, print) > 0


def test_what_took_longer_than_the_forecast_leaves_more(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    progress = Progress({"one": 50.0, "two": 50.0})
    assert progress.seconds_left() == 100
    now[0] = 80.0
    progress.go_on("one", 0.5)  # half of the steps, which are four fifths of the run
    # 80 s for 20 of the forecast; the forecast itself weighs 10: (80 + 10) / (20 + 10) x 80.
    assert progress.seconds_left() == pytest.approx(240)
    now[0] = 100.0
    progress.end("one", "test accuracy 0.7")
    assert progress.seconds_left() == pytest.approx(110 / 60 * 50)
    assert "one: test accuracy 0.7" in capsys.readouterr().out
    progress.end("two", "test accuracy 0.8")
    assert progress.seconds_left() == 0 and progress.ended == 2
    progress.close()


@pytest.mark.parametrize(
    "seconds, said", [(0, "10 s"), (41, "50 s"), (90, "2 min"), (3599, "1 h 0 min"), (8000, "2 h 13 min")]
)
def test_a_time_is_said_as_well_as_it_is_known(seconds, said):
    assert in_words(seconds) == said
