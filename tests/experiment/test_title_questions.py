"""Next sentences, titles and passes: every row is a test row once, on a user's own titles and texts."""

import itertools
import json

import numpy as np
import pytest
from small_experiments import read, split, write_rows

from bert_recipes.run.errors import UserError
from bert_recipes.text.builtin_corpora import load_builtin


@pytest.fixture(scope="module")
def titles(tmp_path_factory, tiny_model):
    """The other questions, on a user's own titles and texts."""
    rows = load_builtin("peoples_daily_titles")["train"].take(150)
    rows = [{"headline": row["title"], "body": row["text"][:60], "label": row["label"]} for row in rows]
    folder = tmp_path_factory.mktemp("titles")
    split(
        folder / "split", *write_rows(folder, rows), "--text_columns", "headline,body",
        "--model_name_or_path", str(tiny_model), "--steps_at_100_labels", "1", "--label_counts", "20",
        "--experiments", "nsp,titles,passes",
    )  # fmt: skip
    return folder / "split", rows


def test_every_row_is_a_test_row_once_and_shuffled_titles_are_those_of_other_rows(titles):
    folder, rows = titles
    results = [result for result in read(folder) if result["experiment"] == "titles"]
    variants = ["headline", "body", "headline,body", "headline,body (shuffled)"]
    assert sorted((run["columns"], run["fold"]) for run in results) == sorted(itertools.product(variants, range(5)))
    for shuffled in ("", "_shuffled"):
        folds = [folder / "data" / f"fold{fold}{shuffled}" / "test.jsonl" for fold in range(5)]
        tested = [json.loads(line) for path in folds for line in path.read_text().splitlines()]
        assert [row["body"] for row in tested] == [row["body"] for row in rows]
        assert [row["label"] for row in tested] == [row["label"] for row in rows]
        same = sum(one["headline"] == two["headline"] for one, two in zip(tested, rows, strict=True))
        assert same == len(rows) if not shuffled else same < 10
    for fold in range(5):  # a shuffled title comes from another row of its own split
        paths = [folder / "data" / f"fold{fold}{shuffled}" / "test.jsonl" for shuffled in ("", "_shuffled")]
        mine, others = ([json.loads(line)["headline"] for line in path.read_text().splitlines()] for path in paths)
        assert sorted(mine) == sorted(others) and mine != others
    for run in results:
        tested = (folder / "data" / f"fold{run['fold']}" / "test.jsonl").read_text().splitlines()
        assert len(run["rows_told_right"]) == len(tested)
        assert np.mean(run["rows_told_right"]) == pytest.approx(run["test_accuracy"])
        training = (folder / "data" / f"fold{run['fold']}" / "train.jsonl").read_text().splitlines()
        assert not set(training) & set(tested) and len(training) > 90


def test_a_fold_without_a_label_is_told_before_anything_is_trained(titles, tmp_path):
    rows = [row | {"label": "rare"} if number < 8 else row for number, row in enumerate(titles[1])]
    words = [*write_rows(tmp_path, rows), "--text_columns", "headline,body", "--experiments", "titles"]
    with pytest.raises(UserError, match="of 5 folds of the rows in their order, number 1 has no training row of label"):
        split(tmp_path / "split", *words, "--label_counts", "20")
    assert not (tmp_path / "split").exists()  # the file put right is no other experiment


def test_both_kinds_of_pretraining_and_every_number_of_passes_is_there(titles):
    results = read(titles[0])
    pretraining = {run["method"]: run for run in results if run["experiment"] == "pretraining"}
    assert set(pretraining) == {"mlm", "mlm+nsp"}
    assert pretraining["mlm"]["tokens_seen"] > 0 and 0 <= pretraining["mlm+nsp"]["nsp_accuracy"] <= 1
    nsp = [(run["start"], run["seed"]) for run in results if run["experiment"] == "nsp"]
    assert sorted(nsp) == sorted(itertools.product(("mlm", "mlm+nsp"), (0, 1)))
    passes = {run["passes"]: run for run in results if run["experiment"] == "passes"}
    assert set(passes) == {1, 2}
    steps = {count: run["arguments"][run["arguments"].index("--max_steps") + 1] for count, run in passes.items()}
    assert steps == {1: "4", 2: "8"}  # 60 rows, 16 a step
    assert all(0 <= run["training_accuracy"] <= 1 and "validation_accuracy" not in run for run in passes.values())
