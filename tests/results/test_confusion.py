"""The confusion figure: readable with and without a font that has the labels' characters."""

import itertools
import random
import warnings
from xml.etree import ElementTree

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from bert_recipes.results import confusion, fonts
from bert_recipes.results.confusion import LONGEST_NAME, axis_names, draw_confusion

TOPICS = [
    "财经",
    "彩票",
    "房产",
    "股票",
    "家居",
    "教育",
    "科技",
    "社会",
    "时尚",
    "时政",
    "体育",
    "星座",
    "游戏",
    "娱乐",
]
NAMES = {
    "two": ["差评", "好评"],
    "fourteen": TOPICS,
    "sixty": [one + two for one in TOPICS for two in TOPICS][:60],
    "more than are named": [f"第{number}类" for number in range(230)],
    "long and odd": ["一句话那么长的类别名称" * 5, "另一句话" * 12, "$5-$10", "a_b^c", "x&y<z>", "两\n行"],
}
SVG = "{http://www.w3.org/2000/svg}"


def font_of(characters: str, path) -> str:
    """A font whose every glyph is a box, under the name that Noto's collection has for its first face."""
    pen = TTGlyphPen(None)
    for point, move in zip([(0, 0), (0, 800), (900, 800), (900, 0)], [pen.moveTo, *[pen.lineTo] * 3], strict=True):
        move(point)
    pen.closePath()
    names = [".notdef", *(f"uni{ord(character):04X}" for character in characters)]
    font = FontBuilder(1000)
    font.setupGlyphOrder(names)
    font.setupCharacterMap(dict(zip(map(ord, characters), names[1:], strict=True)))
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    font.setupHorizontalHeader(ascent=900, descent=-100)
    font.setupNameTable({"familyName": "Noto Sans CJK JP", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)
    return str(path)


@pytest.fixture
def no_system_fonts(monkeypatch):
    """matplotlib as it is where no other font is installed than its own."""
    manager = font_manager.fontManager
    monkeypatch.setattr(manager, "ttflist", [font for font in manager.ttflist if "mpl-data" in font.fname])
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    yield
    manager._findfont_cached.cache_clear()


@pytest.fixture
def drawn(monkeypatch):
    """suffix -> figure, of what was saved."""
    figures = {}
    save = confusion.save
    monkeypatch.setattr(
        confusion, "save", lambda figure, path: (save(figure, path), figures.update({path.suffix: figure}))
    )
    return figures


def guesses(names, seed=0):
    drawing = random.Random(seed)
    labels = [drawing.choice(names) for _ in range(20 * len(names))]
    return labels, [label if drawing.random() < 0.7 else drawing.choice(names) for label in labels]


def words(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def texts_of(path) -> list[str]:
    return [text.text for text in ElementTree.parse(path).iter(f"{SVG}text")]


def assert_all_inside(figure) -> None:
    """Nothing is cut off, and the names do not run into what they name."""
    figure.draw_without_rendering()  # at its own size again: it was saved larger
    (axes, *_), canvas = figure.axes, figure.bbox
    ticks = [tick.label1 for axis in (axes.xaxis, axes.yaxis) for tick in axis._update_ticks()]
    for text in [axes.xaxis.label, axes.yaxis.label, *ticks]:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.y0 >= -1 and box.x1 <= canvas.x1 + 1 and box.y1 <= canvas.y1 + 1, text
    names = [text.get_window_extent() for text in axes.get_yticklabels()]
    assert axes.yaxis.label.get_window_extent().x1 <= min(box.x0 for box in names) + 1
    heights = sorted((box.y0, box.y1) for box in names)
    assert all(one[1] <= two[0] + 2 for one, two in itertools.pairwise(heights)), "names lie on one another"


@pytest.mark.parametrize("case", NAMES)
def test_without_a_font_the_png_has_numbers_and_the_svg_every_name(case, tmp_path, no_system_fonts, drawn, capsys):
    names = NAMES[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of each glyph that it lacks
        draw_confusion(*guesses(names), names, tmp_path)
    shown = axis_names(names)[:: 2 if case == "more than are named" else 1]
    found = texts_of(tmp_path / "confusion.svg")
    assert all(found.count(name) == 2 for name in shown)  # on both axes
    numbers = [str(number) for number in range(len(names))][:: 2 if case == "more than are named" else 1]
    assert words(drawn[".png"].axes[0].yaxis) == words(drawn[".png"].axes[0].xaxis) == numbers
    assert_all_inside(drawn[".png"])
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "shows the labels' numbers, since no font here has" in said
    assert "confusion.svg" in said and "README.md" in said
    if case == "more than are named":
        assert "One label in 2 is named." in drawn[".png"].get_suptitle()


@pytest.mark.parametrize("case", ["two", "fourteen", "long and odd"])
def test_a_font_newer_than_matplotlibs_cache_is_found_by_its_glyphs(
    case, tmp_path, no_system_fonts, drawn, monkeypatch, capsys
):
    names = NAMES[case]
    characters = {letter for letter in "".join(names) if letter > "\u3000"}
    installed = [font_of("".join(sorted(characters)), tmp_path / "a.ttf"), font_of("口", tmp_path / "b.ttf")]
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [*installed, str(tmp_path / "broken.ttf")])
    assert fonts.families_with_glyphs("".join(names).replace("\n", "")) == (["DejaVu Sans", "Noto Sans CJK JP"], set())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_confusion(*guesses(names), names, tmp_path)
    assert words(drawn[".png"].axes[0].yaxis) == axis_names(names)
    assert_all_inside(drawn[".png"])
    assert capsys.readouterr().out == ""


def test_a_name_alone_is_no_font_of_these_characters(tmp_path, no_system_fonts, monkeypatch):
    path = font_of("差", tmp_path / "a.ttf")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [path])
    assert fonts.families_with_glyphs("差评") == (["DejaVu Sans", "Noto Sans CJK JP"], {"评"})
    monkeypatch.setattr(fonts, "NO_GLYPHS", (*fonts.NO_GLYPHS, "Noto Sans CJK JP"))  # as a font of boxes
    assert fonts.families_with_glyphs("差评") == (["DejaVu Sans"], {"差", "评"})


def test_long_names_are_cut_and_numbered():
    names = ["短", "长" * LONGEST_NAME, "长" * (LONGEST_NAME + 1), "两\n行", "\u200b"]
    assert axis_names(names) == ["短", "长" * LONGEST_NAME, f"2: {'长' * (LONGEST_NAME - 6)}…", "两 行", "4"]


def test_a_label_without_rows_has_no_line(tmp_path, drawn):
    names = ["a", "b", "c", "d"]
    draw_confusion(["a", "a", "b", "b"], ["a", "c", "b", "b"], names, tmp_path)
    (axes, *_) = drawn[".png"].axes
    assert words(axes.yaxis) == ["a", "b"] and words(axes.xaxis) == ["a", "b", "c"]
    assert [text.get_text() for text in axes.texts] == ["0.50", "0.00", "0.50", "0.00", "1.00", "0.00"]
    assert "2 of 4 labels have no line, since no row has them." in drawn[".png"].get_suptitle().replace("\n", " ")


def test_several_labels_a_row(tmp_path, drawn):
    draw_confusion([["a"], ["a", "c"], []], ["a", "c", "d"], ["a", "b", "c", "d"], tmp_path)
    (axes, *_) = drawn[".png"].axes
    assert words(axes.yaxis) == ["a", "c", "d"]
    assert [bar.get_width() for bar in axes.patches] == [1, 1, 0, 1, 0, 0, 0, 0, -1]  # found, missed, invented
    assert "1 of 4 labels have no line" in drawn[".png"].get_suptitle().replace("\n", " ")
    assert_all_inside(drawn[".png"])


@pytest.mark.parametrize("case", NAMES)
def test_a_browser_shows_the_whole_svg(case, tmp_path, no_system_fonts, chromium):
    draw_confusion(*guesses(NAMES[case]), NAMES[case], tmp_path)
    page = chromium.new_page()
    page.goto((tmp_path / "confusion.svg").as_uri())
    outside = page.evaluate(
        """() => {
            const canvas = document.documentElement.getBoundingClientRect()
            return [...document.querySelectorAll("text")].filter(text => {
                const box = text.getBoundingClientRect()
                return box.left < canvas.left - 1 || box.top < canvas.top - 1
                    || box.right > canvas.right + 1 || box.bottom > canvas.bottom + 1
            }).map(text => text.textContent)
        }"""
    )
    assert outside == []
