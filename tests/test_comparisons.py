"""The comparisons: what is kept is not run again, a table is made of what is kept, and the pages show that table."""

import importlib
import json
import re
import sys
from dataclasses import replace

import pytest
from conftest import ROOT
from pages import EVERY_PAGE, read, tables

sys.path.insert(0, str(ROOT / "benchmarks"))

import comparing

KEPT = sorted((ROOT / "docs" / "comparisons").glob("*.jsonl"))
NUMBERS = r"[-+]?\d\.\d{4}(?: ± \d\.\d{4})?"


@pytest.fixture
def comparison(tmp_path, monkeypatch):
    """Of two settings, the second of which draws nothing at random; a run's score is its seed / 10, plus 0.5."""
    ran = []

    def run_recipe(recipe, arguments, output_dir):
        ran.append((recipe, *arguments))
        return {"test_accuracy": int(arguments[-1]) / 10 + 0.5 * ("better" in arguments)}

    monkeypatch.setattr(comparing, "run_recipe", run_recipe)
    settings = [
        comparing.Setting("plain", "finetune", ("--max_steps", "1")),
        comparing.Setting("better", "lora", ("better",)),
        comparing.Setting("fixed", "finetune", (), seeds=1),
    ]
    made = comparing.Comparison("made_up", settings, {"accuracy": "test_accuracy"}, against="plain")
    return made, tmp_path / "made_up.jsonl", ran


def test_what_is_kept_is_not_run_again(comparison):
    made, file, ran = comparison
    prepared = []
    comparing.run_all(replace(made, prepare=lambda: prepared.append(True)), 2, file)
    assert prepared == [True]
    assert ran[:2] == [("finetune", "--max_steps", "1", "--seed", "0"), ("lora", "better", "--seed", "0")]
    assert len(ran) == 5
    comparing.run_all(made, 3, file)
    assert [words[-1] for words in ran[5:]] == ["2", "2"]
    comparing.run_all(replace(made, prepare=pytest.fail), 3, file)
    assert all({"setting", "seed", "results", "commit", "device"} <= run.keys() for run in comparing.read(file))


def test_the_table_has_means_intervals_and_paired_differences(comparison):
    made, file, _ = comparison
    comparing.run_all(made, 3, file)
    # Scores 0, 0.1, 0.2: s = 0.1, t(0.975, 2) = 4.3027, so the half width is 0.2484.
    assert comparing.table(made, comparing.read(file)) == [
        ["", "seeds", "accuracy", "accuracy, from plain"],
        ["plain", "3", "0.1000 ± 0.2484", ""],
        ["better", "3", "0.6000 ± 0.2484", "+0.5000 ± 0.0000"],
        ["fixed", "1", "0.0000", "-"],
    ]


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_what_is_kept_is_what_the_comparison_runs(file):
    made = importlib.import_module(file.stem).COMPARISON
    ran = {(run["setting"], run["recipe"], *run["arguments"]) for run in comparing.read(file)}
    assert ran == {(setting.name, setting.recipe, *setting.arguments) for setting in made.settings}


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_the_pages_show_the_table_of_what_is_kept(file):
    made = importlib.import_module(file.stem).COMPARISON
    expected = [re.findall(NUMBERS, " ".join(row)) for row in comparing.table(made, comparing.read(file))[1:]]
    pages = [page for page in EVERY_PAGE if f"comparisons/{file.name}" in read(page)]
    assert len(pages) >= 2 and len(pages) % 2 == 0, "a page, in both languages, links the file"
    for page in pages:
        shown = [[re.findall(NUMBERS, " ".join(row)) for row in table[1:]] for table in tables(page)]
        assert expected in shown, page


def test_every_kept_line_says_where_it_was_run():
    for file in KEPT:
        for line in file.read_text(encoding="utf-8").splitlines():
            assert {"device", "cores", "torch", "transformers", "commit", "seconds"} <= json.loads(line).keys()
