"""Small tables, on the screen and in Markdown."""

from __future__ import annotations

Table = list[list[str]]  # a heading, then a line each


def print_table(table: Table) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print()
    for title, *cells in table:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join((title.ljust(widths[0]), *numbers)))


def as_markdown(table: Table) -> str:
    lines = [[" ".join(cell.replace("|", r"\|").split()) for cell in line] for line in table]
    heading, *lines = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([heading, "|---|" + "---:|" * (len(table[0]) - 1), *lines])
