"""Fonts that have the characters of a figure's words, known by their glyphs: a name says little (Noto Sans CJK goes
round under the names of five languages)."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib import font_manager
from matplotlib.ft2font import FT2Font

# Comes with matplotlib: Latin, Greek, Cyrillic, Arabic, symbols.
DEFAULT = "DejaVu Sans"
# Of the fonts that hold Chinese characters, those that systems ship most often: before others that have them too.
PREFERRED = (
    "Noto Sans CJK",
    "Source Han Sans",
    "WenQuanYi",
    "PingFang",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
)
# They have a box, or nothing at all, for every character there is.
NO_GLYPHS = ("Last Resort", "Adobe Blank")


def families_with_glyphs(text: str) -> tuple[list[str], set[str]]:
    """Font families that between them draw the characters of `text`, and the characters that no font here has."""
    missing = set(text)
    families = []
    for family, path in installed_fonts():
        found = glyphs_of(path, missing)
        if found or family == DEFAULT:
            families.append(family)
            missing -= found
        if not missing:
            break
    return families, missing


def installed_fonts() -> Iterator[tuple[str, str]]:
    """Family and file of each font, the default one first, the preferred ones next."""
    yield DEFAULT, font_manager.findfont(DEFAULT)
    add_new_fonts()
    # Of a collection the first font: the others hold the same characters, drawn as another language has them.
    fonts = {entry.fname: entry.name for entry in font_manager.fontManager.ttflist if not getattr(entry, "index", 0)}
    fonts = {path: family for path, family in fonts.items() if not family.startswith((DEFAULT, *NO_GLYPHS))}
    for path, family in sorted(fonts.items(), key=lambda font: (preference(font[1]), font[1], font[0])):
        yield family, path


def add_new_fonts() -> None:
    """What was installed after matplotlib wrote its cache, for this process."""
    known = {entry.fname for entry in font_manager.fontManager.ttflist}
    for path in sorted(set(font_manager.findSystemFonts()) - known):
        try:
            font_manager.fontManager.addfont(path)
        except (RuntimeError, OSError, NotImplementedError):  # damaged, unreadable, or of bitmaps
            continue


def preference(family: str) -> int:
    """Its place in `PREFERRED`, or behind all of them."""
    return next((place for place, name in enumerate(PREFERRED) if family.startswith(name)), len(PREFERRED))


def glyphs_of(path: str, characters: set[str]) -> set[str]:
    try:
        font = FT2Font(path)
    except (RuntimeError, OSError):  # gone since the cache was written
        return set()
    return {character for character in characters if font.get_char_index(ord(character))}
