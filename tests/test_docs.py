"""The pages of README and docs/: short, linked, the same in both languages, and their figures those of
docs/split/results.json."""

import json
import re
import shlex
import sys
from collections.abc import Iterable
from functools import cache
from statistics import mean, stdev

import pandas
import pytest
from conftest import ROOT, recipe
from pages import EVERY_PAGE, PAGES, anchor, blocks, chinese, headings, links, prose, read, tables
from scipy import stats

from bert_recipes.run.errors import UserError

sys.path.insert(0, str(ROOT / "benchmarks"))

import all_labels
import comparing

READMES = ["README.md", "README.zh-CN.md"]
COUNTS = (100, 500, 2000, "all")
STARTS, METHODS = ("random", "base", "continued"), ("full", "lora", "head_only")
PRETRAINED = ("base", "continued")
PLUS_MINUS = r"[-+]?\d+\.\d{4} ± \d+\.\d+"
FIGURE = r"\d+\.\d+(?:e-\d+)?|\d{1,3}(?:,\d{3})+|\d+"
# Behind ± but not of these runs: of five whole runs over all labels by the second version, and of the grid before this
# one.
FROM_ELSEWHERE = {"+0.0026 ± 0.0030"}
FROM_ELSEWHERE |= {"0.7181 ± 0.0383", "0.7789 ± 0.0109", "0.7141 ± 0.0275", "0.7859 ± 0.0087"}
FROM_ELSEWHERE |= {"0.7538 ± 0.0263", "0.8090 ± 0.0115"}


# --- the pages ---


@pytest.mark.parametrize("page", READMES)
def test_readme_reads_in_two_minutes(page):
    assert read(page).count("\n") <= 150 and len(read(page).encode()) <= 9_000
    assert all(len(rows) <= 1 + 8 for rows in tables(page))
    assert "±" not in read(page)


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    for link in links(page):
        path, _, heading = link.partition("#")
        target = (folder / path).resolve() if path else ROOT / page
        assert target.exists(), link
        assert not heading or heading in map(anchor, headings(target)), link


@pytest.mark.parametrize("page", PAGES)
def test_both_languages_say_the_same(page):
    english, other = page, chinese(page)
    assert len(headings(english)) == len(headings(other))
    for language in ("bash", "sh", "python", "text"):
        assert blocks(english, language) == blocks(other, language)
    for rows, translated in zip(tables(english), tables(other), strict=True):
        assert [len(row) for row in rows] == [len(row) for row in translated]
        for row, same in zip(rows, translated, strict=True):
            assert figures(" ".join(row)) == figures(" ".join(same)), same
    assert sorted(re.findall(r"\d+\.\d+|\d{1,3}(?:,\d{3})+", prose(english))) == sorted(
        re.findall(r"\d+\.\d+|\d{1,3}(?:,\d{3})+", prose(other))
    )
    # A link of the Chinese page leads to the Chinese page.
    assert sorted(chinese(path) if path.endswith(".md") else path for path in paths(english)) == paths(other)


def figures(text: str) -> list[str]:
    return sorted(re.findall(FIGURE, re.sub(r"`[^`]*`|\]\([^)]*\)", "", text)))


def paths(page: str) -> list[str]:
    """The files that its links lead to; not what is there once for both languages, nor the other language's README."""
    found = [link.partition("#")[0] for link in links(page)]
    return sorted(path for path in found if path not in ("", *READMES) and not path.endswith("bert-mini-zh/README.md"))


@pytest.mark.parametrize("page", EVERY_PAGE)
def test_a_sentence_has_one_interval(page):
    text = re.sub(r"^\|.*\n|^#.*\n", "", prose(page), flags=re.M)
    for sentence in re.split(r"[.;:。；：](?:\s|$)|[。；：]|\n\n|\n- ", text):
        assert len(re.findall(PLUS_MINUS, sentence)) <= 1, sentence


# --- the figures ---


@cache
def results() -> list[dict]:
    return json.loads((ROOT / "docs" / "split" / "results.json").read_text(encoding="utf-8"))


def runs(**wanted) -> list[dict]:
    chosen = [run for run in results() if all(run.get(name) == value for name, value in wanted.items())]
    return sorted(chosen, key=lambda run: (run["seed"], run.get("fold", 0)))


def labelled(method: str, start: str | None, labels) -> list[dict]:
    return runs(experiment="labels", method=method, start=start, labels=labels)


def interval(values: Iterable[float], sign: str = "") -> str:
    """Mean ± half of its 95 % interval by Student's t, or the value alone where all are the same."""
    values = list(values)
    if len(set(values)) == 1:
        return f"{values[0]:{sign}.4f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):{sign}.4f} ± {half:.4f}"


def accuracy(run: dict) -> float:
    return run["test_accuracy"]


def difference(after: list[dict], before: list[dict], score=accuracy) -> str:
    assert [run["seed"] for run in after] == [run["seed"] for run in before]
    return interval((score(one) - score(other) for one, other in zip(after, before, strict=True)), "+")


def layers(run: dict) -> list[float]:
    parts: dict[str, list[float]] = {}
    for part, moved in run["weights_moved"].items():
        if part.startswith("layer "):
            parts.setdefault(part.split()[1], []).append(moved["relative_change"])
    return [mean(parts[number]) for number in sorted(parts)]


def upper_less_lower(run: dict) -> float:
    changes = layers(run)
    return mean(changes[len(changes) // 2 :]) - mean(changes[: len(changes) // 2])


def forgotten(run: dict) -> float:
    before, after = run["masked_lm_loss"]["general"]
    return after - before


def scores() -> list[list[str]]:
    kinds = [(method, start) for method in METHODS for start in STARTS] + [("tfidf", None)]
    return [[interval(map(accuracy, labelled(*kind, count))) for count in COUNTS] for kind in kinds]


def gains() -> list[list[str]]:
    steps = [(method, *starts) for method in METHODS for starts in (("random", "base"), ("base", "continued"))]
    return [
        [difference(labelled(method, after, count), labelled(method, before, count)) for count in COUNTS]
        for method, before, after in steps
    ]


def beside() -> list[list[str]]:
    full, tfidf = ("full", "continued"), ("tfidf", None)
    kinds = [("lora", full), ("head_only", full), ("full", tfidf), ("lora", tfidf), ("head_only", tfidf)]
    return [
        [difference(labelled(method, "continued", count), labelled(*other, count)) for count in COUNTS]
        for method, other in kinds
    ]


def measured(of, methods=("full", "lora"), sign: str = "") -> list[list[str]]:
    return [
        [interval(map(of, labelled(method, start, count)), sign) for count in COUNTS]
        for method in methods
        for start in PRETRAINED
    ]


def similarity() -> list[list[str]]:
    return [
        [interval(run["similarity"][layer] for run in labelled("full", start, count)) for count in COUNTS]
        for start in PRETRAINED
        for layer in (0, -1)
    ]


def passes() -> list[list[str]]:
    kinds = [runs(experiment="passes", passes=number) for number in (1, 2, 4, 8, 16)]
    return [[interval(run[name] for run in kind) for name in ("training_accuracy", "test_accuracy")] for kind in kinds]


def next_sentences() -> list[list[str]]:
    return [[interval(map(accuracy, runs(experiment="nsp", start=start)))] for start in ("mlm", "mlm+nsp")]


def titles() -> list[list[str]]:
    inputs = ("title", "text", "title,text", "title,text (shuffled)")
    return [[f"{mean(rows_told_right(columns)):.4f}"] for columns in inputs]


def rows_told_right(columns: str) -> list[float]:
    return [right for run in runs(experiment="titles", columns=columns) for right in run["rows_told_right"]]


def title_gains() -> list[list[str]]:
    both = mean(rows_told_right("title,text"))
    others = ("text", "title", "title,text (shuffled)")
    return [[f"{both - mean(rows_told_right(columns)):+.4f}"] for columns in others]


TABLES = {
    "docs/results.md": {0: scores, 2: gains, 3: beside},
    "docs/split/README.md": {
        0: lambda: measured(lambda run: mean(layers(run))),
        1: lambda: measured(upper_less_lower, ("full",), "+"),
        2: similarity,
        3: lambda: measured(forgotten, sign="+"),
        4: next_sentences,
        5: titles,
        6: title_gains,
        7: passes,
    },
}


@pytest.mark.parametrize("page", [name for page in TABLES for name in (page, chinese(page))])
def test_tables_are_those_of_the_results(page):
    for number, make in TABLES[page.replace(".zh-CN", "")].items():
        expected = make()
        shown = [re.findall(rf"{PLUS_MINUS}|[-+]?\d\.\d{{4}}", " ".join(row)) for row in tables(page)[number][1:]]
        assert [row[: len(cells)] for row, cells in zip(shown, expected, strict=True)] == expected, number


@pytest.mark.parametrize("page", READMES)
def test_readme_has_the_means_of_the_results(page):
    table = next(rows for rows in tables(page) if "13,740" in rows[0])
    kinds = [*(("full", start) for start in STARTS), *(("lora", start) for start in PRETRAINED)]
    kinds += [("head_only", "continued"), ("tfidf", None)]
    means = [[f"{mean(map(accuracy, labelled(*kind, count))):.4f}" for count in COUNTS] for kind in kinds]
    assert [row[1:] for row in table[1:]] == means


@pytest.mark.parametrize("page", ["docs/results.md", "docs/split/README.md", "docs/log.md"])
def test_intervals_in_prose_are_of_the_results_too(page):
    """Each stands in a table that is held to them, or is one of the few that these runs do not have."""
    made = [row for tables_of_page in TABLES.values() for make in tables_of_page.values() for row in make()]
    # `test_comparisons` holds the pages to this one.
    compared = comparing.table(all_labels.COMPARISON, comparing.read(all_labels.COMPARISON.file))
    known = FROM_ELSEWHERE.union(*made, *compared)
    known |= {difference(runs(experiment="nsp", start="mlm+nsp"), runs(experiment="nsp", start="mlm"))}
    lora, full = (labelled(method, "continued", "all") for method in ("lora", "full"))
    known |= {difference(lora, full, forgotten).strip("+")}
    for name in (page, chinese(page)):
        assert set(re.findall(PLUS_MINUS, prose(name))) <= known, name


@pytest.mark.parametrize("page", ["docs/split/README.md", "docs/split/README.zh-CN.md"])
def test_single_figures_of_the_split(page):
    (pretraining,) = [run for run in runs(experiment="pretraining", method="mlm") if "columns" not in run]
    (with_pairs,) = runs(experiment="pretraining", method="mlm+nsp")
    losses = {name: after - before for name, (before, after) in pretraining["masked_lm_loss"].items()}
    single = [f"{mean(layers(pretraining)):.3f}", f"{-losses['task']:.2f}", f"{losses['general']:.2f}"]
    assert all(figure in read(page) for figure in [*single, f"{with_pairs['nsp_accuracy']:.4f}"])


# --- what is said of mistakes ---


@pytest.fixture
def mistaken_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    rows = pandas.DataFrame({"title": [f"标题{i}" for i in range(40)], "text": [f"第{i}天的正文。" for i in range(40)]})
    rows["label"] = ["好", "坏"] * 20
    others = {"other": rows[:4].assign(label=["好", "坏", "一般", "好"], text=list("甲乙丙丁"))}
    others |= {"no_label": rows.assign(label=rows["label"].mask(rows.index == 6, ""))}
    others |= {"scores": rows.assign(label=[i / 7 for i in range(40)]), "train": rows}
    for name, table in others.items():
        table.to_csv(f"data/{name}.csv", index=False)
    rows.to_csv("data/excel.csv", index=False, encoding="gb18030")
    lines = ["text,label", *(f"第{i}天,{'好' if i % 2 else '坏'}" for i in range(20)), "很好,不错,好"]
    (tmp_path / "data" / "comma.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.parametrize("page", ["docs/data.md", "docs/data.zh-CN.md"])
def test_mistakes_say_what_the_page_says(page, mistaken_files):
    table = next(rows for rows in tables(page) if "lable" in str(rows))
    assert len(table) == 1 + 8
    for arguments, line in table[1:]:
        with pytest.raises(UserError) as error:
            recipe("finetune").main(shlex.split(arguments.strip("`")))
        assert str(error.value) == line.strip("`")
