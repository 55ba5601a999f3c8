"""The page: a question with its sentence, figure and tables is a section; it opens without a network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import escape
from string import Template

from ..run.tables import Table
from .finding import Finding, table_of_findings, verdicts_in_words

SHORT = 25  # characters of a cell


@dataclass
class Section:
    """A question's answer: one sentence made of the numbers, its figure, and the numbers as tables; `notes` are what no
    reader may miss, such as collapsed runs; `findings` are what others found; `answers` are what it says to the topics
    that the page opens with (`answers.TOPICS`), each as a clause."""

    title: str
    sentence: str
    figure: str
    tables: list[Table]
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its figure's file, and of its place on the page."""
        return re.sub(r"\W+", "_", self.title.lower())


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The split, measured</title>
<style>
:root { color-scheme: light dark; --text: #1a1a1a; --quiet: #595959; --line: #ccc; --page: #fff; --mark: #b34700; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --quiet: #a8a8a8; --line: #444; --page: #16181c; --mark: #ff9d5c; }
}
body { font: 17px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 0 auto;
  max-width: 46rem; padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0; border-top: 1px solid var(--line); padding-top: 1rem; }
nav ul { columns: 14rem; padding-left: 1.2rem; }
a { color: inherit; }
figure { margin: 1rem 0; background: #fff; border-radius: 0.4rem; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; }
figcaption { color: #595959; font-size: 0.85rem; padding: 0 0.7rem 0.3rem; }
.data { color: var(--quiet); font-size: 0.85rem; margin: 0; overflow-wrap: anywhere; }
.note { border-left: 3px solid var(--mark); padding-left: 0.7rem; }
details { overflow-x: auto; }
summary { cursor: pointer; padding: 0.4rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; margin-bottom: 1rem; }
th, td { border: 1px solid var(--line); padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
.short { white-space: nowrap; } .long { min-width: 11rem; }
dt { font-weight: 600; } dd { margin: 0 0 0.5rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>What pretraining and fine-tuning each change in BERT, and what each adds</h1>
$answers<p>Every number comes from the $runs runs in <code>results.json</code> beside this page. Points are means; bars
are their 95 % intervals: Student's t over the seeds, and for titles the paired bootstrap over the rows; in a chart of
lines a point without a bar is one run. In a figure of differences a filled point's interval leaves out zero. One in
twenty intervals misses by chance.</p>
$body
<section><h2 id="how_it_was_measured">How it was measured</h2><dl>$facts</dl></section>
</body>
</html>
""")

UNFINISHED = Template("""<p><strong>Unfinished: the experiment was stopped with $left runs still to be done. The same
command goes on, and makes this page anew.</strong></p>
""")


def links_to(sections: list[Section]) -> str:
    places = {section.name: section.title for section in sections} | {"how_it_was_measured": "How it was measured"}
    items = "".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in places.items())
    return f"<nav><ul>{items}</ul></nav>\n"


def as_html(section: Section, data: str, number: int) -> str:
    """`data` is the name of the rows that it was measured on, `number` its figure's."""
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in section.notes)
    unfolding = [("The numbers", section.tables)]
    if section.findings:
        summary = f"What others found ({verdicts_in_words(section.findings)})"
        unfolding.append((summary, [table_of_findings(section.findings)]))
    details = "".join(
        f"<details><summary>{escape(summary)}</summary>{''.join(map(table_as_html, tables))}</details>"
        for summary, tables in unfolding
    )
    return (
        f'<section><h2 id="{section.name}">{escape(section.title)}</h2><p class="data">On {escape(data)}</p>'
        f"<p>{escape(section.sentence)}</p><figure>{section.figure}<figcaption>Figure {number}</figcaption></figure>"
        f"{notes}{details}</section>"
    )


def table_as_html(table: Table) -> str:
    heading, *lines = table
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heading)
    rows = "".join(
        f"<tr>{cell_as_html(title, 'th')}{''.join(map(cell_as_html, values))}</tr>" for title, *values in lines
    )
    return f"<table><tr>{cells}</tr>{rows}</table>"


def cell_as_html(cell: str, tag: str = "td") -> str:
    """A number stays on one line with its interval; a sentence has room. A table that is too wide scrolls by itself."""
    scope = ' scope="row"' if tag == "th" else ""
    return f'<{tag}{scope} class="{"short" if len(cell) < SHORT else "long"}">{escape(cell)}</{tag}>'
