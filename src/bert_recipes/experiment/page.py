"""The page: a question with its sentences, tables and figure is a section; it opens without a network."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from string import Template

from ..run.tables import Table


@dataclass
class Section:
    """A question, what the runs say to it in sentences, the numbers as tables, and their figure where they have one
    scale."""

    title: str
    sentences: list[str]
    tables: list[Table]
    figure: str = ""


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The split, measured</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 46rem;
  padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; }
h2 { font-size: 1.3rem; margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
figure { margin: 1rem 0; }
ul { padding-left: 1.2rem; } li { margin: 0.4rem 0; }
svg { display: block; width: 100%; max-width: 36rem; height: auto; }
.data { color: #555; font-size: 0.85rem; margin: 0; overflow-wrap: anywhere; }
details { overflow-x: auto; }
summary { cursor: pointer; padding: 0.4rem 0; }
table { border-collapse: collapse; font-size: 0.85rem; }
th, td { border: 1px solid #ccc; padding: 0.25rem 0.5rem; text-align: left; vertical-align: top; }
dt { font-weight: 600; } dd { margin: 0 0 0.5rem; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>What pretraining and fine-tuning each change in BERT, and what each buys</h1>
<p>Every number below comes from the $runs runs in <code>results.json</code> beside this page. Behind ± is half of the
95 % interval of a mean (Student's t) over n runs that differ in their seed, unless the sentence says what else n
counts; intervals over rows are from the paired bootstrap. One in twenty such intervals misses by chance.</p>
$body
<section><h2>How it was measured</h2><dl>$facts</dl></section>
</body>
</html>
""")

UNFINISHED = Template("""<p><strong>Unfinished: the experiment was stopped with $left runs still to be done. The same
command goes on, and makes this page anew.</strong></p>
""")


def as_html(section: Section, corpus: str) -> str:
    """`corpus` is the name of its data."""
    first, *more = map(escape, section.sentences)
    details = "".join(f"<li>{sentence}</li>" for sentence in more)
    tables = "".join(map(table_as_html, section.tables))
    figure = section.figure and f"<figure>{section.figure}</figure>"
    return (
        f'<section><h2>{escape(section.title)}</h2><p class="data">On {escape(corpus)}</p>'
        f"<p>{first}</p>{figure}<ul>{details}</ul>"
        f"<details><summary>The numbers</summary>{tables}</details></section>"
    )


def table_as_html(table: Table) -> str:
    heading, *lines = table
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heading)
    rows = "".join(
        f'<tr><th scope="row">{escape(title)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in values)}</tr>'
        for title, *values in lines
    )
    return f"<table><tr>{cells}</tr>{rows}</table>"
