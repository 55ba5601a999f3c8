"""Files of Debian packages -> their prose: fortunes, message catalogues, manual pages, markup, TeX."""

from __future__ import annotations

import re
import struct
from html.parser import HTMLParser


def decode(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")


def lines_of(text: str) -> str:
    """A line for each of the paragraphs that stand between empty lines."""
    return "\n".join(" ".join(paragraph.split()) for paragraph in re.split(r"\n\s*\n", text))


def read_fortunes(content: bytes) -> list[str]:
    """Sayings, poems and short articles between lines of "%", some of them in a terminal's colours."""
    return [lines_of(entry) for entry in re.split(r"\n%\n", re.sub(r"\x1b\[[\d;]*m", "", decode(content)))]


# What the program fills in, such as %s, $name or {0}, leaves no whole sentence.
PLACEHOLDER = re.compile(r"%[^ ，。]|\$[\w(]|\{\w*\}")


def read_catalogue(content: bytes) -> list[str]:
    """The sentences among a program's translated messages (gettext's .mo), each a document, in the file's order."""
    order = "<" if content[:4] == b"\xde\x12\x04\x95" else ">"
    number, _, table = struct.unpack_from(f"{order}3I", content, 8)
    messages = []
    for index in range(1, number):  # the first is the header
        length, start = struct.unpack_from(f"{order}2I", content, table + 8 * index)
        singular = decode(content[start : start + length]).split("\0")[0]
        message = re.sub(r"<[^<>]*>|[(（][_&~]\w[)）]|\\n", "", singular)  # <color_red>, and the F of a menu's (_F)
        if han(message) >= 12 and re.search("[。！？…]", message) and not PLACEHOLDER.search(message):
            messages.append(message)
    return messages


# Macros of man(7) and mdoc(7): those that set a line of text, and those that open code or a table, with their ends.
ROFF_TEXT = {"B", "I", "BR", "BI", "IR", "IB", "RB", "RI", "SM", "SB", "Nm", "Ar", "Fl", "Pa", "Xr", "Em", "Sy", "Li"}
ROFF_SKIPPED = {"nf": "fi", "EX": "EE", "TS": "TE", "Bd": "Ed", "de": ".", "ig": "."}
ROFF_CHARACTERS = {"lq": "“", "rq": "”", "oq": "‘", "cq": "’", "aq": "'", "dq": '"', "em": "—", "en": "–", "hy": "-"}


def read_manual_page(content: bytes) -> list[str]:
    """A manual page's running text: its short lines joined, without macros, code and tables."""
    paragraphs, until, tagged = [""], None, False
    for line in re.sub(r"\\\n", "", decode(content)).split("\n"):
        macro, _, text = re.sub(r"^[.'][ \t]*", "", line).partition(" ") if line[:1] in (".", "'") else ("", "", line)
        if until:
            until = None if macro == until else until
        elif macro in ROFF_SKIPPED:
            until = ROFF_SKIPPED[macro]
        elif macro in ROFF_TEXT or (not macro and text.strip()):
            paragraphs[-1] += " " + plain_roff(text.replace('"', "") if macro else text)
            if tagged:  # this was the option that the next lines explain
                paragraphs.append("")
            tagged = False
        else:
            paragraphs.append("")
            tagged = macro in ("TP", "TQ")
    return ["\n".join(paragraphs)]


def plain_roff(text: str) -> str:
    # Comments; fonts, sizes, motions and drawings; strings and registers.
    text = re.sub(r"\\\".*|\\f(?:\w|\(..|\[[^]]*\])|\\s[-+]?\d+|\\[hvwlLZ]'[^']*'|\\[&|^/,:%cdu]", "", text)
    text = re.sub(r"\\[*nk](?:\(..|\[[^]]*\]|.)", "", text)
    text = re.sub(r"\\\((..)|\\\[(\w+)\]", lambda named: ROFF_CHARACTERS.get(named[1] or named[2], ""), text)
    return re.sub(r"\\[ ~0]", " ", text).replace("\\", "")


# Elements inside a paragraph, of HTML, DocBook, Mallard and SVG; all others end one.
INLINE = """
    a abbr acronym anchor app application b bdi big button cite citetitle classname cmd code command computeroutput
    constant dfn em email emph emphasis envar file filename firstterm font function glossterm gui guibutton guiicon
    guilabel guimenu guimenuitem guiseq guisubmenu i input interface kbd key keycap keycombo keyseq link literal mark
    menuchoice option output package parameter phrase productname prompt q quote remark replaceable s samp small span
    strong structname sub sup sys systemitem tspan tt type u ulink userinput var varname wordasword xref
"""
# Code, menus and notices: elements, then the names (class, id or role) of elements.
SKIPPED = """
    script style head nav header footer aside form pre programlisting screen synopsis cmdsynopsis funcsynopsis
    literallayout info bookinfo articleinfo legalnotice credit indexterm textarea math metadata
"""
SKIPPED_NAMES = """
    navheader navfooter navigation docnav nav_table toc toc2 toctree-wrapper tocframe contents contentinfo footer header
    banner footer-text breadcrumbs wy-breadcrumbs rst-footer-buttons field-list indexterm headerlink highlight bascode
    pycode code codeintable debug related relatedtopics howtoget MAC copyright legalnotice summary-letter menu
"""
WITHOUT_END = "area base br col embed hr img input link meta source track wbr body"


class Paragraphs(HTMLParser):
    """Collects `lines`, a paragraph each. It forgives what an XML parser would not: entities of the file's own DTD."""

    inline, skipped, skipped_names, without_end = (
        frozenset(names.split()) for names in (INLINE, SKIPPED, SKIPPED_NAMES, WITHOUT_END)
    )

    def __init__(self):
        super().__init__()
        self.lines, self.inside, self.depth = [""], None, 0

    def handle_starttag(self, tag, attrs):
        names = " ".join(value or "" for name, value in attrs if name in ("class", "id", "role")).split()
        if self.inside:
            self.depth += tag == self.inside
        elif tag in self.skipped or (tag not in self.without_end and not self.skipped_names.isdisjoint(names)):
            self.inside, self.depth = tag, 1
        elif tag not in self.inline:
            self.lines.append("")

    def handle_endtag(self, tag):
        if self.inside:
            self.depth -= tag == self.inside
            self.inside = self.inside if self.depth else None
        elif tag not in self.inline:
            self.lines.append("")

    def handle_data(self, data):
        if not self.inside:
            self.lines[-1] += data.replace("\n", " ")


def read_markup(content: bytes) -> list[str]:
    """HTML, and XML of any kind."""
    parser = Paragraphs()
    parser.feed(decode(content))
    parser.close()
    return [re.sub(r"&[\w.-]+;", "", "\n".join(parser.lines))]


TEX_CODE = r"\w*(?:verbatim|lstlisting|code|command|minted|table|tabular|figure|picture|equation|align|math)\w*\*?"
# Commands whose braces hold no part of the sentence.
TEX_DROPPED = (
    r"\w*ref|xrdef|\w*cite\w*|label|s?index|input|include\w*|bibitem|[vh]space|begin|end|url|footnote\w*|marginpar|"
    r"usepackage|documentclass|newcommand|renewcommand|def|caption|set\w+"
)
TEX_BRACES = r"\{(?:[^{}]|\{[^{}]*\})*\}"


def read_tex(content: bytes) -> list[str]:
    """A TeX source without comments, code and commands; a formula leaves a mark that `is_prose` turns down."""
    text = re.sub(r"(?<!\\)%.*\n?", "", decode(content))
    text = re.sub(rf"(?s)\\begin\{{({TEX_CODE})\}}.*?\\end\{{\1\}}|\\\w*display\b.*?\n\|", "\n\n", text)
    text = re.sub(r"\\verb\*?(\W)\\?(.*?)\1|\^*\|\\?([^|\n]{1,40})\|", r"\2\3", text)
    text = re.sub(rf"\\(?:{TEX_DROPPED})\*?(?:\[[^]]*\])*(?:{TEX_BRACES})+|\^\^{TEX_BRACES}", "", text)
    text = re.sub(r"\$(\w{1,9})\$", r"\1", text)
    text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]*\$|\\\[.*?\\\]|\\\(.*?\\\)", "\ufffd", text)
    text = re.sub(rf"\\(?:(?:item|par)\b|(?:chapter|(?:sub)*section|paragraph)\*?({TEX_BRACES}))", r"\n\n\1\n\n", text)
    text = re.sub(r"\\((?:La|pdf|Xe|Con)?TeX)e?\b(?:\{\})?", r" \1 ", text)
    return [lines_of(re.sub(r"\\[A-Za-z@]+\*?(?:\[[^]]*\])?|\\(.)|[{}|^~]", r"\1", text))]


WIDE = "[\u2e80-\u9fff\uff00-\uffef“”‘’…—·]"


def tidy(line: str) -> str:
    """Without invisible characters, and without the spaces that broken lines left between Chinese characters."""
    line = re.sub(r"[\x00-\x08\x0e-\x1f\xad\u200b-\u200f\ufeff]", "", line)
    return re.sub(f"(?<={WIDE}) (?={WIDE})", "", re.sub(r"\s+", " ", line)).strip()


def han(text: str) -> int:
    return len(re.findall("[\u4e00-\u9fff]", text))


def is_prose(text: str) -> bool:
    """Simplified Chinese with a sentence's punctuation: no English, code, menu, table cell or mojibake."""
    characters = re.findall("[\u4e00-\u9fff]", text)
    if len(characters) < (4 if re.search("[。！？]", text) else 8):
        return False
    if len(characters) < 0.4 * len(text.replace(" ", "")) or re.search("[\ufffd\u2500-\u257f]", text):
        return False
    # GB 2312 has the simplified characters; of a Traditional text it lacks a third.
    foreign = sum(not character.encode("gb2312", errors="ignore") for character in characters)
    return foreign <= 0.1 * len(characters) and bool(re.search("[，。！？；：…]|[\u4e00-\u9fff][,.;:!?]", text))
