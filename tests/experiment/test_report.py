"""The report's sentences come from the numbers, its page needs nothing else, its figures can be read aloud, and a real
browser shows them."""

import itertools
import json
import random
import re
import xml.etree.ElementTree as ElementTree
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
from conftest import ROOT

from bert_recipes.experiment.charts import STYLES
from bert_recipes.experiment.comparing import MAJORITY, layer_changes
from bert_recipes.experiment.intervals import paired_bootstrap
from bert_recipes.experiment.questions.accuracy import what_it_buys
from bert_recipes.experiment.questions.all import QUESTIONS
from bert_recipes.experiment.report import page_where_it_stops, write_page
from bert_recipes.experiment.score_tables import table_of_gains, table_of_scores


def labelled(start: str, scores: list[float], method: str = "full", labels: int = 100, **more) -> list[dict]:
    moved = {"relative_change": 0.1, "moved": 9, "weights": 10, "effective_rank": 2.0}
    still = {"relative_change": 0.0, "moved": 0, "weights": 10, "effective_rank": 0.0}
    layers = still if method == "head_only" else moved
    groups = {f"layer {layer} {part}": layers for layer in (1, 0) for part in ("feed-forward", "attention")}
    return [
        {
            "experiment": "labels", "start": start, "method": method, "labels": labels, "seed": seed,
            "learning_rate": labels / 1e6, "arguments": [start, str(labels), str(seed)],
            "test_accuracy": score, "test_macro_f1": score, "validation_accuracy": score,
            "weights_moved": {"embeddings": layers, **groups, "head": moved},
            "similarity": [1.0, 0.9, 0.8 - seed / 100],
            "masked_lm_loss": {"task": [3.0, 3.5 + seed / 10], "general": [4.0, 4.0]}, **more,
        }
        for seed, score in enumerate(scores)
    ]  # fmt: skip


@pytest.fixture
def results() -> list[dict]:
    half, all_of_them = [1, 0] * 20, [1] * 40
    right = {"title,text": all_of_them, "title": half, "title,text (shuffled)": half, "text": half}
    titles = [
        {"experiment": "titles", "method": "full", "start": "base", "columns": columns, "fold": 0, "seed": 0,
         "rows_told_right": rows, "arguments": [columns]}
        for columns, rows in right.items()
    ]  # fmt: skip
    nsp = [run | {"experiment": "nsp"} for start in ("mlm", "mlm+nsp") for run in labelled(start, [0.7, 0.8, 0.75])]
    passes = [
        run | {"experiment": "passes", "passes": count, "training_accuracy": 0.9}
        for count in (1, 2)
        for run in labelled("base", [0.6 + count / 10] * 2)
    ]
    pretraining = [labelled("base", [0.0])[0] | {"experiment": "pretraining", "method": "mlm"}]
    del pretraining[0]["weights_moved"]["head"]  # a part that this stage does not have
    return [
        *labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.80, 0.81, 0.83]),
        *labelled("base", [0.6, 0.6, 0.6], "head_only"), *pretraining, *titles, *nsp, *passes,
    ]  # fmt: skip


def test_a_gain_is_said_with_its_interval_and_no_difference_is_said_to_be_none():
    # Differences 0.10, 0.10, 0.11: mean 0.1033, s = 0.0058, half = 4.303 x 0.0058 / sqrt(3) = 0.0143.
    better = what_it_buys([*labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.80, 0.81, 0.83])])
    assert better.sentences == [
        "The highest mean test accuracy: at 100 labels full fine-tuning from continued pretraining, 0.8133 ± 0.0379.",
        "Full fine-tuning, from the base model to continued pretraining: at 100 labels test accuracy rises by "
        "0.1033 ± 0.0143 (n = 3).",
    ]
    # Differences 0.02, -0.02, 0.01: mean 0.0033, s = 0.0208, t(0.975, 2) = 4.303, half = 0.0517.
    alike = what_it_buys([*labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.72, 0.69, 0.73])])
    assert "no difference seen in test accuracy (+0.0033 ± 0.0517) (n = 3)" in alike.sentences[1]


def test_every_number_of_labels_is_in_one_sentence_and_the_floor_is_named():
    floor = [run | {"start": None} for run in labelled("base", [0.70, 0.70], "tfidf", 500)]
    more = [run for labels in (100, 500) for run in labelled("base", [0.71, 0.73], labels=labels)]
    # Differences 0.01 and 0.03: mean 0.02, s = 0.0141, t(0.975, 1) = 12.71, half = 0.1271.
    assert what_it_buys([*more, *floor]).sentences == [
        "The highest mean test accuracy: at 100 labels full fine-tuning from the base model, 0.7200 ± 0.1271; at 500 "
        "labels full fine-tuning from the base model, 0.7200 ± 0.1271 (tf-idf + LR 0.7000).",
        "Full fine-tuning, from the base model, beside tf-idf + LR on the same rows: at 500 labels no difference seen "
        "in test accuracy (+0.0200 ± 0.1271) (n = 2).",
    ]
    few = [run for labels in (100, 500) for run in labelled("continued", [0.72, 0.74], labels=labels)]
    _, step, beside = what_it_buys([*more, *few, *floor]).sentences
    assert (
        step.count("labels") == 2
        and "at 100 labels test accuracy changes by +0.0100 every time, too even for an interval (n = 2); at 500"
        in step
    )
    assert "from continued pretraining, beside tf-idf" in beside


def test_the_baseline_alone_is_a_report_too():
    floor = [run | {"start": None} for run in labelled("base", [0.7, 0.7], "tfidf")]
    section = what_it_buys(floor)
    assert section.sentences == ["The highest mean test accuracy: at 100 labels tf-idf + LR, 0.7000."]
    assert "tf-idf + LR" in section.figure


def test_methods_are_set_beside_full_fine_tuning_from_the_last_start():
    adapters = [run for start in ("base", "continued") for run in labelled(start, [0.6, 0.61], "lora")]
    sentences = what_it_buys([*labelled("continued", [0.7, 0.71]), *adapters]).sentences
    assert sentences[-1] == (
        "LoRA, from continued pretraining, beside full fine-tuning on the same rows: at 100 labels test accuracy "
        "changes by -0.1000 every time, too even for an interval (n = 2)."
    )


def test_gains_are_taken_seed_by_seed_where_both_have_the_seed():
    runs = [*labelled("continued", [0.75, 0.85, 0.95]), *reversed(labelled("base", [0.70, 0.80, 0.90, 0.1]))]
    assert table_of_gains(runs)[1] == ["full, base to continued", "+0.0500 ± 0.0000"]
    assert table_of_scores(runs)[1] == ["full, continued", "0.8500 ± 0.2484"]


def test_the_rates_that_were_chosen_stand_in_the_table():
    runs = [*labelled("base", [0.7, 0.8]), *labelled("base", [0.7, 0.8], labels=500), *labelled("random", [0.5, 0.5])]
    floor = [run | {"start": None, "learning_rate": None} for run in labelled("base", [0.7, 0.7], "tfidf")]
    assert what_it_buys([*runs, *floor]).tables[-1] == [
        ["learning rate", "100 labels", "500 labels"],
        ["full, base", "0.0001", "0.0005"],
        ["full, random", "0.0001", "–"],
    ]


def test_a_learning_rate_at_the_end_of_those_tried_is_told():
    trials = [
        run | {"experiment": "learning_rate", "learning_rate": rate, "validation_accuracy": score}
        for start, scores in (("base", [0.6, 0.7, 0.65]), ("random", [0.7, 0.6, 0.5]))
        for rate, score in zip((1e-4, 3e-4, 9e-4), scores, strict=True)
        for run in labelled(start, [0.7])
    ]
    assert what_it_buys([*labelled("base", [0.7, 0.8]), *trials]).sentences[-1] == (
        "Of the learning rates tried, with one seed, validation chose one at the end of their range for full "
        "fine-tuning from random weights at 100 labels (0.0001, the lowest)."
    )


def test_layers_are_counted_from_below():
    assert layer_changes(labelled("base", [0.7], "head_only")) == [0, 0]
    far, sentence, *_ = QUESTIONS[1].section(labelled("base", [0.7, 0.7], "head_only")).sentences
    assert far == "How far the layers moved from the base model, ‖ΔW‖ / ‖W‖, their mean: the head alone 0.000."
    assert sentence.startswith("The head alone: 0 weights moved in embeddings, layer 0 attention, layer 0 feed-forward")


def write_report(results: list[dict], folder: Path) -> Path:
    write_page(results, folder, {"data": "<mine> & yours"}, {"task": "mine.csv", "titles": "the newspaper"})
    return folder / "report.html"


def test_the_page_has_every_question_and_needs_nothing_else(results, tmp_path):
    page = write_report(results, tmp_path).read_text(encoding="utf-8")
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "What it buys", "What moves", "What it sees", "What it forgets", "What next-sentence prediction adds",
        "What the title adds", "Again and again", "What others found", "How it was measured",
    ]  # fmt: skip
    assert "&lt;mine&gt; &amp; yours" in page
    # Names of XML, and no address that a browser would ask for.
    assert set(re.findall(r"https?://[^\"' ]+", page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<(script|link|img)\b|@import|url\((?!#)", page)
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", page)) <= set(names)
    assert "title,text against text: gains 0.5000 in test accuracy" in page
    assert "title,text (shuffled) against text: no difference seen" in page
    assert "From 1 to 2 passes: test accuracy changes by +0.1000 every time" in page
    assert "The largest number tried (1, 2) still helps the test rows." in page
    # Each question names its data.
    named = dict(re.findall('<h2>(.*?)</h2><p class="data">On (.*?)</p>', page))
    assert [title for title, data in named.items() if data == "the newspaper"] == [
        "What next-sentence prediction adds", "What the title adds", "Again and again",
    ]  # fmt: skip
    assert named["What it buys"] == named["What it forgets"] == "mine.csv"
    assert "in the loss on general text (peoples_daily)" in page
    assert "Unfinished" not in page
    drawn = list((tmp_path / "figures").glob("*.svg"))
    assert len(drawn) == 7
    for path in drawn:
        svg = ElementTree.parse(path).getroot()
        assert svg.get("role") == "img" and svg.find("{http://www.w3.org/2000/svg}title").text
        assert svg.get("viewBox") and svg.get("width") is None


def kept_results() -> list[dict]:
    """The 278 results of docs/split, from before losses and majorities were kept."""
    return json.loads((ROOT / "docs" / "split" / "results.json").read_text(encoding="utf-8"))


def with_majority(run: dict, **more) -> dict:
    return run | {"majority_accuracy": 0.6, "majority_macro_f1": 0.375, "predicted_labels": 2, **more}


def test_results_that_were_kept_make_their_page(tmp_path):
    results = kept_results()
    page = write_report(results, tmp_path).read_text(encoding="utf-8")
    assert page.count("<h2>") == 1 + len(QUESTIONS) and "260 runs" in page
    assert MAJORITY not in page and "ollapsed" not in page  # nobody has counted


def test_any_part_of_the_results_makes_a_page(monkeypatch, tmp_path):
    """Removed one by one, at random, down to none; a few of the pages are drawn."""
    generator = random.Random(0)
    results = [with_majority(run, predicted_labels=generator.choice([1, 2])) for run in kept_results()]
    generator.shuffle(results)
    monkeypatch.setattr(
        "bert_recipes.experiment.questions.titles.paired_bootstrap", partial(paired_bootstrap, draws=10)
    )
    for left in (len(results) // 2, 20, 3, 0):
        page = write_report(results[:left], tmp_path).read_text(encoding="utf-8")
        assert "nan" not in re.sub("<svg.*?</svg>", "", page, flags=re.DOTALL)
    monkeypatch.setattr("bert_recipes.experiment.charts.as_svg", lambda figure, title: title)
    for left in [*range(40), *range(40, len(results), 12)]:
        for question in QUESTIONS:
            section = question.section(results[:left])
            assert section is None or (section.sentences and section.tables)


def test_an_unfinished_page_says_so(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bert_recipes.experiment.report.facts", lambda experiment: {})
    monkeypatch.setattr("bert_recipes.experiment.report.corpora", lambda experiment: {"task": "", "titles": ""})
    stopped = SimpleNamespace(runs=SimpleNamespace(results=results), folder=tmp_path, to_do=lambda: [None] * 7)
    with pytest.raises(KeyboardInterrupt), page_where_it_stops(stopped):
        raise KeyboardInterrupt
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Unfinished: the experiment was stopped with 7 runs still to be done" in page
    assert "what they say so far in" in capsys.readouterr().out
    stopped.runs.results, stopped.folder = [], tmp_path / "empty"
    with pytest.raises(SystemExit), page_where_it_stops(stopped):
        raise SystemExit(143)
    assert not stopped.folder.exists()


def test_the_majority_class_is_a_line_and_collapsed_runs_are_marked():
    runs = [with_majority(run) for run in labelled("base", [0.7, 0.71])]
    runs += [with_majority(run, predicted_labels=1 + run["seed"]) for run in labelled("random", [0.6, 0.65])]
    section = what_it_buys(runs)
    assert table_of_scores(runs) == [
        ["test accuracy", "100 labels"],
        ["full, base", "0.7050 ± 0.0635"],
        ["full, random", "0.6250 ± 0.3177 (1 of 2 collapsed)"],
        ["majority class", "0.6000"],
    ]
    assert section.tables[1][-1] == ["majority class", "0.3750"]
    assert "(majority class 0.6000)" in section.sentences[0] and "majority class" in section.figure
    (said,) = [sentence for sentence in section.sentences if "ollapsed" in sentence]
    assert "full fine-tuning from random weights at 100 labels (1 of 2 runs)" in said


def test_the_other_questions_know_the_majority_too(results):
    runs = [with_majority(run, predicted_labels=1) for run in results]
    for question, collapsed in ((QUESTIONS[4], 6), (QUESTIONS[5], 4), (QUESTIONS[6], 4)):
        section = question.section(runs)
        assert "majority class" in section.figure and "0.6000" in str(section.tables)
        assert f"{collapsed} of {collapsed} runs here collapsed to one class" in section.sentences[-1]


def test_lines_are_told_apart_without_colour_and_cells_by_how_light_they_are():
    marks = [(style["marker"], style["linestyle"]) for style in STYLES]
    assert len(set(marks)) == len(marks)
    rgb = matplotlib.colormaps["cividis"](np.linspace(0, 1, 64))[:, :3]
    lightness = rgb @ [0.2126, 0.7152, 0.0722]  # as a grey print has it
    assert (np.diff(lightness) > 0).all()


def overlap(one: dict, two: dict) -> bool:
    """By more than the pixel that letters' boxes share."""
    across = min(one["x"] + one["width"], two["x"] + two["width"]) - max(one["x"], two["x"])
    down = min(one["y"] + one["height"], two["y"] + two["height"]) - max(one["y"], two["y"])
    return across > 1 and down > 3


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("kept", [False, True], ids=["new", "docs/split"])
def test_the_page_is_readable(chromium, results, tmp_path, width, kept):
    page = chromium.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    path = ROOT / "docs" / "split" / "report.html" if kept else write_report(results, tmp_path)
    address = path.as_uri()
    page.goto(address)
    assert said == [] and asked == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing to scroll for sideways
    figures = page.get_by_role("img").all()
    assert (
        len(figures) == page.locator("figure").count() >= (1 if kept else len(QUESTIONS) - 1)
    )  # one has a table alone
    for figure in figures:
        figure.scroll_into_view_if_needed()
        box = figure.bounding_box()
        assert figure.is_visible() and box["width"] > 300 and box["height"] > 60
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert figure.evaluate("figure => figure.querySelector('title').textContent")
        for letters in figure.locator("text").all():
            part = letters.bounding_box()
            assert part["height"] >= 8, letters.text_content()  # pixels
            # No letter is cut off at the figure's edge.
            assert part["x"] >= box["x"] - 1 and part["x"] + part["width"] <= box["x"] + box["width"] + 1
    (heat_map,) = [figure for figure in figures if "Relative change" in figure.text_content()]
    boxes = [letters.bounding_box() for letters in heat_map.locator("text").all()]
    assert not any(overlap(one, two) for one, two in itertools.combinations(boxes, 2))
    for summary in page.locator("summary").all():
        summary.click()
    assert all(table.is_visible() for table in page.locator("table").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
