"""csv and tsv -> rows, with a header or without; a quote that would swallow rows is told, or an error with its row."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..run.errors import UserError, counted, tell
from .lines import read_lines, tell_of_returns

MOST_LINES = 10_000  # of a tsv's quoted cell: beyond them its quote is text
SHORT_CELL, MOST_VALUES = 40, 10_000  # of the values that a column is known by
FIRST_ROWS = 100  # that a header is compared with

# A cell that is quoted as a whole, one whose quote has not closed yet, or text up to the next tab.
TSV_CELL = re.compile(r'"([^"]*(?:""[^"]*)*)"(?=\t|\Z)|("[^"]*(?:""[^"]*)*\Z)|([^\t\n]*)(?=\t|\Z)')
LONE_QUOTE = re.compile(r'(?<!")"(?:"")*(?!")')  # what closes a cell; two stand for one inside it

csv.field_size_limit(2**31 - 1)


class Cells(NamedTuple):
    number: int  # of the row: the first is 1
    cells: list[str]
    lines: list[str]  # that the row takes


def read_delimited(file: Path, encoding: str, column_names: Sequence[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a csv, or else of a tsv, and their numbers; `column_names` are those of a file without a header.

    In a tsv quotes are text, except around a cell that is quoted as a whole.
    """
    # pandas pads a short row and takes a longer one's first cell for an index: here each row is looked at.
    is_csv = file.suffix.lower() == ".csv"
    lines = read_lines(file, encoding)
    rows = csv_rows(lines, file.name) if is_csv else tsv_rows(lines, file.name, len(column_names))
    header, width = list(column_names), len(column_names)
    spans = Spans(file.name, "," if is_csv else "\t")
    for row in rows:
        if not header:
            header, width = names_of(row.cells, file.name), len(row.cells)
        elif len(header) > 1 and [cell.replace("\ufeff", "").strip() for cell in row.cells[: len(header)]] == header:
            advice = "leave --column_names out" if column_names and row.number == 1 else "remove it"
            raise UserError(f"row {row.number} of {file.name} is a header once more: {advice}")
        elif len(row.cells) not in (len(header), width) or any(cell.strip() for cell in row.cells[len(header) :]):
            named_by = "--column_names" if column_names else "the header"
            raise UserError(
                f"row {row.number} of {file.name} has {counted(len(row.cells), 'cell')}, {named_by} has {len(header)}: "
                "put quotes around a cell that holds the separator"
            )
        else:
            spans.add(row)
            yield row.number, dict(zip(header, row.cells, strict=False))
    spans.tell(header)


def names_of(header: list[str], name: str) -> list[str]:
    """The column names; spreadsheets leave columns behind at the end that have neither a name nor a cell."""
    header = [column.strip() for column in header]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise UserError(f"row 1 of {name} names no column: write a header")
    refuse_repeats(header, name)
    return header


def refuse_repeats(names: list[str], name: str) -> None:
    if repeated := [column for column in names if names.count(column) > 1]:
        raise UserError(f"{name} has two columns named {repeated[0]!r}: rename one")


def looks_like_data(columns: Mapping[str, Sequence[Any]]) -> bool:
    """Whether a file's header is rather a row: a number, a sentence, or what its own column holds again."""
    return any(
        is_number(name) or len(name) > SHORT_CELL or re.search("[。！？!]", name) or name in cells[:FIRST_ROWS]
        for name, cells in columns.items()
    )


def is_number(text: str) -> bool:
    return re.fullmatch(r"\s*[-+]?\d+(\.\d*)?\s*", text) is not None


# --- csv ---


def csv_rows(lines: Iterable[str], name: str) -> Iterator[Cells]:
    number, taken = 0, []

    def take() -> Iterator[str]:
        for line in lines:
            taken.append(line)
            yield line

    try:
        for number, cells in enumerate(csv.reader(take(), strict=True), 1):
            if cells:
                yield Cells(number, cells, taken.copy())
            taken.clear()
    except csv.Error as error:
        what = f"{error}; a quote in a quoted cell is doubled"
        if "new-line" in str(error):
            what = "a carriage return stands in a cell without quotes: put quotes around the cell, or remove it"
        raise UserError(f"row {number + 1} of {name} is broken: {what}") from error


class Spans:
    """The rows that take several lines: told, or refused where each line looks like a row of its own."""

    def __init__(self, name: str, separator: str):
        self.name, self.separator = name, separator
        self.rows = self.lines = self.spanning = 0
        self.longest = Cells(0, [], [])
        self.suspects: list[tuple[int, list[list[str]]]] = []  # row, its lines as rows
        self.values: dict[int, set[str]] = defaultdict(set)  # of each column, in rows of one line

    def add(self, row: Cells) -> None:
        self.rows, self.lines = self.rows + 1, self.lines + len(row.lines)
        if len(row.lines) == 1:
            for column, cell in enumerate(row.cells):
                if len(cell) <= SHORT_CELL and len(self.values[column]) < MOST_VALUES:
                    self.values[column].add(cell)
            return
        self.spanning += 1
        self.longest = max(self.longest, row, key=lambda row: len(row.lines))
        as_rows = [line.rstrip("\r\n").split(self.separator) for line in row.lines]
        if all(len(cells) == len(row.cells) for cells in as_rows):
            self.suspects.append((row.number, as_rows))

    def tell(self, header: list[str]) -> None:
        for number, rows in self.suspects:
            for column, name in enumerate(header):
                if all(cells[column] in self.values[column] for cells in rows):
                    raise UserError(
                        f"row {number} of {self.name}: a quote opens in it and closes {counted(len(rows) - 1, 'line')} "
                        f"further down, and each of them looks like a row (column {name!r}: {rows[0][column]!r}): "
                        "double a quote that is text, and put quotes around its cell"
                    )
        if self.spanning:
            tell(
                f"{self.name}: {self.lines:,} lines are {self.rows:,} rows, {self.spanning:,} of them with line ends "
                f"inside quotes; the longest, row {self.longest.number}, has {len(self.longest.lines):,} lines"
            )


# --- tsv ---


class Ahead:
    """Lines that can be looked at before they are taken."""

    def __init__(self, lines: Iterable[str]):
        self.lines, self.seen = iter(lines), []

    def look(self, index: int) -> str:
        """The line `index` lines further down; "" behind the last one."""
        while len(self.seen) <= index and (line := next(self.lines, "")):
            self.seen.append(line)
        return self.seen[index] if index < len(self.seen) else ""

    def take(self, count: int) -> list[str]:
        taken, self.seen = self.seen[:count], self.seen[count:]
        return taken


def tsv_rows(lines: Iterable[str], name: str, width: int) -> Iterator[Cells]:
    """`width`: how many cells a row has; 0 where the first one says so."""
    ahead, number, doubtful = Ahead(tell_of_returns(lines, name)), 0, []
    while line := ahead.look(0):
        number += 1
        as_text = line.rstrip("\r\n").split("\t")
        cells, span = [whole_cell(cell) for cell in as_text], 1
        if not width:
            cells = header_cells(line, name)
            width = len(cells)
        elif '"' in line:
            quoted, all_quoted, lines_of_quoted = quoted_row(ahead)
            fits = len(quoted) == width
            if fits and lines_of_quoted > 1 and len(as_text) == width and not all_quoted:
                doubtful.append((number, lines_of_quoted))
            elif fits:
                cells, span = quoted, lines_of_quoted
            if span > 1 and not all_quoted:
                refuse_swallowed_rows([ahead.look(index) for index in range(1, span - 1)], name, number, width)
        taken = ahead.take(span)
        if line.strip("\r\n"):
            yield Cells(number, cells, taken)
    if doubtful:
        (first, span), others = doubtful[0], f" ({len(doubtful)} such quotes)" if len(doubtful) > 1 else ""
        lines = counted(span - 1, "line")
        tell(f"{name}: the quote in row {first} closes {lines} further down, and is read as text{others}")


def header_cells(line: str, name: str) -> list[str]:
    cells, _ = quoted_cells(line.rstrip("\r\n"))
    if cells is None:
        raise UserError(f"row 1 of {name}: a quote opens in the header and does not close: remove it")
    return cells


def quoted_row(ahead: Ahead) -> tuple[list[str], bool, int]:
    """The next row where quotes hold cells together, over lines too: its cells, whether all are quoted, its lines.

    No cells: there is no such reading.
    """
    text = ""
    for index in range(MOST_LINES):
        line = ahead.look(index)
        text += line
        if not line:
            break
        if index == 0 or LONE_QUOTE.search(line):
            cells, all_quoted = quoted_cells(text.rstrip("\r\n"))
            if cells is not None:
                return cells, all_quoted, index + 1
    return [], False, 1


def quoted_cells(text: str) -> tuple[list[str] | None, bool]:
    """The cells of a text, [] where it is more than one row, and whether each is quoted; None: a quote is open."""
    cells, all_quoted, start = [], True, 0
    while start <= len(text):
        match = TSV_CELL.match(text, start)
        if match is None:
            return [], False
        quoted, unclosed, plain = match.groups()
        if unclosed is not None:
            return None, False
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        all_quoted &= quoted is not None
        start = match.end() + 1
    return cells, all_quoted


def whole_cell(cell: str) -> str:
    match = TSV_CELL.match(cell) if cell.startswith('"') else None
    return cell if match is None or match[1] is None else match[1].replace('""', '"')


def refuse_swallowed_rows(between: list[str], name: str, number: int, width: int) -> None:
    if any(len(line.rstrip("\r\n").split("\t")) == width for line in between):
        raise UserError(
            f"row {number} of {name}: a quote opens in it and closes {counted(len(between) + 1, 'line')} further down, "
            "with whole rows between: double a quote that is text, and put quotes around its cell"
        )
