import datasets
import pytest

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.results import baseline
from bert_recipes.text.corpora import load_corpus

NAMES = ["negative", "positive"]


@pytest.fixture
def corpus():
    limits = {"max_train_samples": 80, "max_eval_samples": 20, "max_test_samples": 20}
    return load_corpus(LabelledDataArguments(**limits), seed=1)


def turned(row):
    return {"label": "negative" if row["label"] == "positive" else "positive"}


def test_the_same_rows_are_scored_once(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    scores = baseline.baseline_scores(corpus, ["text"], NAMES)
    assert scores == baseline.score_baseline(corpus, ["text"], NAMES) and scores["accuracy"] > 0.5
    monkeypatch.setattr(baseline, "score_baseline", lambda *args: {"accuracy": -1.0})
    assert baseline.baseline_scores(corpus, ["text"], NAMES) == scores
    for split in corpus:  # other labels, in any split, are other rows
        other = datasets.DatasetDict({**corpus, split: corpus[split].map(turned)})
        assert baseline.baseline_scores(other, ["text"], NAMES) == {"accuracy": -1.0}
    assert all(path.suffix == ".json" for path in tmp_path.rglob("baseline-*"))


def test_a_damaged_file_of_the_cache_is_written_anew(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path)
    scores = baseline.baseline_scores(corpus, ["text"], NAMES)
    (kept,) = tmp_path.rglob("baseline-*")
    kept.write_text("")
    assert baseline.baseline_scores(corpus, ["text"], NAMES) == scores and kept.read_text()


def test_a_cache_that_cannot_be_written_stops_nothing(corpus, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "file")
    assert baseline.baseline_scores(corpus, ["text"], NAMES)["accuracy"] > 0.5
