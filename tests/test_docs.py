"""The pages of README and docs/: short, linked, the same in both languages, and their figures those of
docs/split/results.json."""

import re
import shlex
import sys
from statistics import mean

import pandas
import pytest
from conftest import ROOT, recipe
from pages import EVERY_PAGE, PAGES, anchor, blocks, chinese, headings, links, prose, read, table_lines, tables
from tables_of_results import (
    COUNTS_OF_SECOND,
    PLUS_MINUS,
    SECOND,
    TABLES,
    all_layers,
    difference,
    filled,
    forgotten,
    gains,
    kinds_of_ranks,
    labelled,
    runs,
    shown,
)

from bert_recipes.run.errors import UserError

sys.path.insert(0, str(ROOT / "benchmarks"))

import all_labels
import comparing

READMES = ["README.md", "README.zh-CN.md"]
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


@pytest.mark.parametrize("page", [name for page in TABLES for name in (page, chinese(page))])
def test_tables_are_those_of_the_results(page):
    for number, make in TABLES[page.replace(".zh-CN", "")].items():
        expected = make()
        numbers = [shown(" ".join(row)) for row in tables(page)[number][1:]]
        assert [row[: len(cells)] for row, cells in zip(numbers, expected, strict=True)] == expected, number


def test_the_tables_can_be_written_anew():
    assert filled("| LoRA | 0.1 | 0.1234 ± 0.0001 | +0.2345 |", ["0.5000 ± 0.1000"]) == (
        "| LoRA | 0.1 | 0.5000 ± 0.1000 | +0.2345 |"
    )
    for page in EVERY_PAGE:
        lines = read(page).splitlines()
        assert all(re.match(r"\|[-:| ]+$", lines[rule]) for _, rule, *_ in table_lines(page))


@pytest.mark.parametrize("page", ["docs/results.md", "docs/split/README.md", "docs/log.md"])
def test_intervals_in_prose_are_of_the_results_too(page):
    """Each stands in a table that is held to them, or is one of the few that these runs do not have."""
    made = [row for tables_of_page in TABLES.values() for make in tables_of_page.values() for row in make()]
    # `test_comparisons` holds the pages to this one.
    compared = comparing.table(all_labels.COMPARISON, comparing.read(all_labels.COMPARISON.file))
    known = FROM_ELSEWHERE.union(*made, *compared)
    known = known.union(*gains(folder=SECOND, counts=COUNTS_OF_SECOND))
    known |= {difference(runs(SECOND, experiment="nsp", start="mlm+nsp"), runs(SECOND, experiment="nsp", start="mlm"))}
    lora, full = (labelled(method, "continued", "all", SECOND) for method in ("lora", "full"))
    known |= {difference(lora, full), difference(lora, full, forgotten).strip("+")}
    for name in (page, chinese(page)):
        assert set(re.findall(PLUS_MINUS, prose(name))) <= known, name


@pytest.mark.parametrize("page", ["docs/results.md", "docs/results.zh-CN.md"])
def test_ranks_have_their_weights_and_seconds(page):
    for row, kind in zip(tables(page)[10][1:], kinds_of_ranks(), strict=True):
        seconds = mean(run["seconds"] for run in kind)
        assert row[-2:] == [f"{kind[0]['trained_parameters']:,}", f"{seconds:.0f}"]


@pytest.mark.parametrize("page", ["docs/split/README.md", "docs/split/README.zh-CN.md"])
def test_single_figures_of_the_split(page):
    (pretraining,) = runs(experiment="pretraining", method="mlm", passes=None)
    (with_pairs,) = runs(SECOND, experiment="pretraining", method="mlm+nsp")
    losses = {name: after - before for name, (before, after) in pretraining["masked_lm_loss"].items()}
    single = [f"{all_layers(pretraining):.3f}", f"{-losses['task']:.2f}", f"{losses['general']:.2f}"]
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
