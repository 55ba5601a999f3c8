"""The page needs nothing else, a real browser shows it, and docs/split has what the code makes of its results today."""

import html
import itertools
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest
from conftest import ROOT
from made_up_runs import every_question, kept_results

from bert_recipes.experiment.questions.all import QUESTIONS
from bert_recipes.experiment.report import page_where_it_stops, write_page

# Folder -> how many questions its runs answer.
DOCS = {"docs/split": 9, "docs/split/v2": 9}
FIGURES = (
    *("accuracy.svg", "what_moves.svg", "tricks.svg", "lora_ranks.svg"),
    "how_much_text_is_worth_how_many_labels.svg",
)  # in the first
TITLES = [
    "Accuracy", "What each start adds", "How much text is worth how many labels", "What each method gives up",
    "LoRA ranks", "What moves", "Representations", "Forgetting", "Tricks",
    "Next-sentence prediction", "Title and text", "Passes over the training rows",
]  # fmt: skip


@pytest.fixture(scope="module")
def made_up(tmp_path_factory) -> Path:
    """The folder of a page of made-up results."""
    folder = tmp_path_factory.mktemp("made_up")
    data = {"task": "mine.csv", "titles": "the newspaper"}
    write_page(every_question(), 60, folder, {"data": "<mine> & yours"}, data)
    return folder


def made_today(folder: str, into: Path) -> Path:
    """The page that the results of a folder of docs make today; how they were measured is the page's own."""
    kept = (ROOT / folder / "report.html").read_text(encoding="utf-8")
    facts = {name: html.unescape(value) for name, value in re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", kept)}
    rows = int(re.search(r"rows: train ([\d,]+)", facts["data"])[1].replace(",", ""))
    data = {"task": "reviews, the built-in corpus", "titles": "peoples_daily_titles, the built-in corpus"}
    write_page(kept_results(folder), rows, into, facts, data)
    return into


def test_the_page_has_every_question_and_needs_nothing_else(made_up):
    page = (made_up / "report.html").read_text(encoding="utf-8")
    assert re.findall("<h2.*?>(.*?)</h2>", page) == [*map(html.escape, TITLES), "How it was measured"]
    assert "&lt;mine&gt; &amp; yours" in page
    # Names of XML, and no address that a browser would ask for.
    assert set(re.findall(r"https?://[^\"' ]+", page)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<(script|link|img)\b|@import|url\((?!#)", page)
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names))
    assert set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", page)) <= set(names)
    # Each question names its data.
    named = dict(re.findall('<h2.*?>(.*?)</h2><p class="data">On (.*?)</p>', html.unescape(page)))
    assert [title for title, data in named.items() if data == "the newspaper"] == TITLES[-3:]
    assert {data for title, data in named.items() if title in TITLES[:-3]} == {"mine.csv"}
    assert "the loss on general text (peoples_daily)" in page
    assert "Unfinished" not in page
    drawn = list((made_up / "figures").glob("*.svg"))
    assert len(drawn) == len(QUESTIONS)
    for path in drawn:
        svg = ElementTree.parse(path).getroot()
        assert svg.get("role") == "img" and svg.find("{http://www.w3.org/2000/svg}title").text
        assert svg.get("viewBox") and svg.findall(".//{http://www.w3.org/2000/svg}text")


@pytest.mark.parametrize("folder", [None, *DOCS])
def test_every_section_opens_with_one_sentence_and_one_figure(made_up, folder):
    page = ((ROOT / folder if folder else made_up) / "report.html").read_text(encoding="utf-8")
    sections = re.findall("<section>(.*?)</section>", page, re.DOTALL)[:-1]  # the last: how it was measured
    assert len(sections) == DOCS.get(folder, len(QUESTIONS))
    for number, section in enumerate(sections, start=1):
        opening = re.match(
            r"<h2 .*?</h2><p class=\"data\">.*?</p><p>([^<]*)</p><figure><svg .*?</svg>\s*"
            rf"<figcaption>Figure {number}</figcaption></figure>",
            section,
            re.S,
        )
        assert opening and opening[1].endswith(".") and not re.search(r"\. [A-Z]", opening[1])
        rest = section[opening.end() :]
        assert "<figure" not in rest
        assert re.fullmatch('(<p class="note">[^<]*</p>)*(<details><summary>.*?</details>)+', rest, re.S)  # all unfolds


def numbers_apart(text: str) -> tuple[list[str], list[float]]:
    parts = re.split(r"(-?\d+\.\d+)", text)
    return parts[::2], [float(number) for number in parts[1::2]]


@pytest.mark.parametrize("folder", DOCS)
def test_docs_split_has_what_the_code_makes_today(folder, tmp_path):
    made_today(folder, tmp_path)
    for name in ("report.html", *(FIGURES if folder == "docs/split" else ())):
        kept = (ROOT / folder / name).read_text(encoding="utf-8")
        today = tmp_path / name if name.endswith("html") else tmp_path / "figures" / name
        made = today.read_text(encoding="utf-8")
        if f"matplotlib=={matplotlib.__version__}\n" not in (ROOT / "constraints.txt").read_text():
            kept, made = (re.sub("<svg.*?</svg>", "", text, flags=re.DOTALL) for text in (kept, made))
        (kept, places), (made, places_today) = numbers_apart(kept), numbers_apart(made)
        assert made == kept, name
        assert places_today == pytest.approx(places, abs=1e-3), name  # other processors round in another way


def test_the_figures_of_docs_split_stand_on_white_and_have_a_size():
    for name in FIGURES:
        svg = ElementTree.parse(ROOT / "docs" / "split" / name).getroot()
        assert svg.get("width") and svg.get("height")
        first = svg.find(".//{http://www.w3.org/2000/svg}path")
        assert "fill: #ffffff" in first.get("style")  # the ground, for readers of dark pages


def test_an_unfinished_page_says_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bert_recipes.experiment.report.facts", lambda experiment: {})
    monkeypatch.setattr("bert_recipes.experiment.report.corpora", lambda experiment: {"task": "", "titles": ""})
    stopped = SimpleNamespace(
        runs=SimpleNamespace(results=every_question()), rows=60, folder=tmp_path, to_do=lambda: [None] * 7
    )
    with pytest.raises(KeyboardInterrupt), page_where_it_stops(stopped):
        raise KeyboardInterrupt
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Unfinished: the experiment was stopped with 7 runs still to be done" in page
    assert "what they say so far in" in capsys.readouterr().out
    stopped.runs.results, stopped.folder = [], tmp_path / "empty"
    with pytest.raises(SystemExit), page_where_it_stops(stopped):
        raise SystemExit(143)
    assert not stopped.folder.exists()


# Of every figure on the page: its title, its place, and the places of its letters.
LETTERS = """() => {
  const place = (element) => {
    const { x, y, width, height } = element.getBoundingClientRect();
    return { text: element.textContent, x, y, width, height };
  };
  return [...document.querySelectorAll('svg[role="img"]')].map((figure) => ({
    title: figure.querySelector("title").textContent,
    box: { ...place(figure), text: "" },
    letters: [...figure.querySelectorAll("text")].map(place),
  }));
}"""


def overlap(one: dict, two: dict) -> bool:
    """By more than the pixel that letters' boxes share."""
    across = min(one["x"] + one["width"], two["x"] + two["width"]) - max(one["x"], two["x"])
    down = min(one["y"] + one["height"], two["y"] + two["height"]) - max(one["y"], two["y"])
    return across > 1 and down > 3


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("folder", [None, *DOCS])
def test_the_page_is_readable(chromium, made_up, width, folder):
    page = chromium.new_page(viewport={"width": width, "height": 900})
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    address = ((ROOT / folder if folder else made_up) / "report.html").as_uri()
    page.goto(address)
    assert said == [] and asked == [address]
    assert page.evaluate("document.documentElement.scrollWidth") <= width  # nothing to scroll for sideways
    figures = page.evaluate(LETTERS)
    assert len(figures) == page.locator("figure").count() == DOCS.get(folder, len(QUESTIONS))
    for figure in figures:
        box = figure["box"]
        assert figure["title"] and figure["letters"] and box["width"] > 300 and box["height"] > 60
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        for letters in figure["letters"]:
            assert letters["height"] >= 8, letters  # pixels
            # No letter is cut off at the figure's edge.
            assert letters["x"] >= box["x"] - 1 and letters["x"] + letters["width"] <= box["x"] + box["width"] + 1, (
                letters
            )
        both = [pair for pair in itertools.combinations(figure["letters"], 2) if overlap(*pair)]
        assert both == [], figure["title"]
    for summary in page.locator("summary").all():
        summary.click()
    assert all(table.is_visible() for table in page.locator("table").all())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()
