"""Files of random shape, written by other libraries: each is read with exactly the rows that were written, or ends in
one line that names a place."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import json
import re
from collections import Counter
from dataclasses import dataclass
from unittest import mock

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from bert_recipes.run.errors import UserError
from bert_recipes.text import blocks
from bert_recipes.text.columns import plain, read_texts
from bert_recipes.text.files import read_table
from bert_recipes.text.labels import read_labels

SHORT, LONG = 60, 1500
A_MILLION = 1_000_000
NASTY = [*"\"',;\t\n\r \0\x0b\x0c\x1c\x85\u2028\u2029\ufeff\u200b\ue000\U000f0000\\[]{}0159.-", "\r\n", '""']
PLAIN = [*"好坏的了甲乙吗，。😀éß١aZ", "👨‍👩‍👧", "text", "label", "NA", "null", "nan", "True", "1e5", "01"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]
MAY_BE_MARKED = ("utf-16-le", "utf-16-be", "gb18030")  # the others never are, or always

texts = st.lists(st.sampled_from(PLAIN) | st.sampled_from(NASTY), max_size=6).map("".join)
calm_texts = st.lists(st.sampled_from(PLAIN), min_size=1, max_size=4).map("".join)
values = st.one_of(
    texts,
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(0, 2) | texts, max_size=3),
    st.text(max_size=3),
    st.just("\ud83d"),
)


@dataclass
class Written:
    """What a writer has put into a file, and what may be said of it where it can be read in two ways."""

    suffix: str
    encoding: str
    content: bytes
    rows: list[dict]
    told: str = ""
    column_names: tuple[str, ...] = ()


@st.composite
def encodings(draw, content: str):
    """An encoding's name, and the content in it: with a byte-order mark or without."""
    assume(not content.startswith("\ufeff"))
    encoding = draw(st.sampled_from(ENCODINGS))
    if encoding in MAY_BE_MARKED and draw(st.booleans()):
        content = "\ufeff" + content
    try:
        data = content.encode(encoding)
    except UnicodeEncodeError:
        assume(False)
    assume(data.decode(encoding) == content)
    return encoding, data


@st.composite
def tables(draw, cells, least=1):
    names = ["text", "label", "其他", "id"][: draw(st.integers(least, 4))]
    rows = draw(st.lists(st.tuples(*[cells | calm_texts for _ in names]), min_size=1, max_size=8))
    if draw(st.integers(0, 30)) == 30:  # a million characters
        text = draw(st.sampled_from(["长", "长\n", "a,b ", '"', "长\t"]))
        rows[0] = (text * (A_MILLION // len(text)), *rows[0][1:])
    return names, rows


def as_records(names, rows):
    return [dict(zip(names, row, strict=True)) for row in rows]


@st.composite
def delimited_files(draw):
    """As the csv module writes them."""
    names, rows = draw(tables(texts))
    separator, suffix = draw(st.sampled_from([(",", ".csv"), ("\t", ".tsv")]))
    header = draw(st.booleans())
    file = io.StringIO(newline="")
    writer = csv.writer(
        file,
        delimiter=separator,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    writer.writerows([names, *rows] if header else rows)
    told = "read as text" if suffix == ".tsv" else ""
    encoding, content = draw(encodings(file.getvalue()))
    return Written(suffix, encoding, content, as_records(names, rows), told, () if header else tuple(names))


@st.composite
def unquoted_files(draw):
    """A tsv, or a txt with tabs, by someone who has never heard of quotes."""
    names, rows = draw(tables(texts.map(lambda text: re.sub("[\t\n]", "", text)), least=2))
    rows = [[re.sub('[\t\n]|^"+|\r$', "", cell) if cell.endswith('"') else cell for cell in row] for row in rows]
    rows = [[re.sub("[\t\n]|\r+$", "", cell) for cell in row] for row in rows]
    assume(not any(len(cell) > 1 and cell[0] == cell[-1] == '"' for row in rows for cell in row))
    assume(all(any(row) for row in rows))
    suffix = draw(st.sampled_from([".tsv", ".txt"]))
    header = suffix == ".tsv" and draw(st.booleans())
    end = draw(st.sampled_from(["\n", "\r\n"]))
    content = end.join("\t".join(row) for row in ([names, *rows] if header else rows))
    content += end if draw(st.booleans()) else ""
    told = "line ends inside quotes|end at carriage returns"
    encoding, content = draw(encodings(content))
    return Written(suffix, encoding, content, as_records(names, rows), told, () if header else tuple(names))


@st.composite
def txt_files(draw):
    lines = draw(st.lists(texts.map(lambda text: text.replace("\n", " ")) | calm_texts, min_size=1, max_size=8))
    content = draw(st.sampled_from(["\n", "\r\n"])).join([*lines, ""])
    rows = [{"text": line.strip()} for line in lines if line.strip()]
    encoding, content = draw(encodings(content))
    return Written(".txt", encoding, content, rows, "end at carriage returns")


@st.composite
def json_files(draw):
    names, rows = draw(tables(values))
    escaped = draw(st.booleans())
    records = as_records(names, rows)
    indent = draw(st.sampled_from([None, 2]))
    kind = draw(st.sampled_from(["lines", "list", "columns", "frame"]))
    cells = {name: [record[name] for record in records] for name in names}
    content = {
        "lines": "\n".join(json.dumps(record, ensure_ascii=escaped) for record in records),
        "list": json.dumps(records, ensure_ascii=escaped, indent=indent),
        "columns": json.dumps(cells, ensure_ascii=escaped, indent=indent),
        "frame": json.dumps({name: dict(enumerate(column)) for name, column in cells.items()}, ensure_ascii=escaped),
    }[kind]
    encoding, content = draw(encodings(content))
    return Written(".jsonl" if kind == "lines" else ".json", encoding, content, records)


@st.composite
def parquet_files(draw):
    names, rows = draw(tables(texts))
    numbers = st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=len(rows), max_size=len(rows))
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)} | {"number": draw(numbers)}
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    return Written(".parquet", "utf-8", buffer.getvalue(), as_records(columns, zip(*columns.values(), strict=True)))


files = st.one_of(delimited_files(), unquoted_files(), txt_files(), json_files(), parquet_files())


def same(one, other) -> bool:
    return repr(one) == repr(other)  # 1 is not 1.0 and not True; NaN is NaN


def check(written: Written, folder) -> str:
    """Read the file, and say how that ended."""
    path = folder / f"file{written.suffix}"
    path.write_bytes(written.content)
    encoding = "utf-8" if written.encoding == "utf-8-sig" else written.encoding
    screen = io.StringIO()
    try:
        with contextlib.redirect_stdout(screen):
            table = read_table(str(path), encoding, ["text"], "--train_file", written.column_names)
            found = as_records(table.columns, zip(*table.columns.values(), strict=True))
            arguments = (str(path), encoding, ["text"], "--train_file", written.column_names, list(table.columns))
            parts = list(blocks.read_blocks(*arguments))
    except UserError as error:
        assert one_line_with_a_place(str(error)), str(error)
        return "refused"
    in_blocks = [as_records(part.columns, zip(*part.columns.values(), strict=True)) for part in parts]
    assert same(list(itertools.chain(*in_blocks)), found) and all(1 <= len(part) <= 3 for part in parts)
    assert list(itertools.chain(*(part.numbers for part in parts))) == table.numbers
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    if table.arrow is not None:
        assert pyarrow.concat_tables([part.arrow for part in parts]) == table.arrow
    if not same(found, written.rows):
        assert written.told and re.search(written.told, screen.getvalue()), (found, written.rows)
        return "read otherwise, and told"
    try:
        assert read_texts(table, ["text"])["text"] == [plain(row["text"]) for row in written.rows]
        with contextlib.redirect_stdout(screen):
            labels = read_labels({"train": table}, "label")["train"] if "label" in table.columns else []
        if not any(isinstance(label, list) for label in labels):
            assert labels == [plain(row["label"]).strip() for row in written.rows if "label" in row]
    except UserError as error:
        assert one_line_with_a_place(str(error)), str(error)
        return "a cell refused"
    return "read"


def one_line_with_a_place(message: str) -> bool:
    place = re.search(r"file\.\w+", message) and re.search(r"(row|line|byte|column|character) '?\w+|no rows", message)
    return bool(place) and len(message.splitlines()) == 1 and len(message) < 1000


def run(folder, examples: int) -> Counter:
    counts: Counter = Counter()

    @settings(max_examples=examples, derandomize=True, deadline=None, database=None)
    @given(files)
    def every_file(written):
        ending = check(written, folder)
        counts[written.suffix, ending] += 1
        counts["all", "a million characters"] += len(written.content) >= A_MILLION
        event(f"{written.suffix}: {ending}")

    with mock.patch.object(blocks, "BLOCK_ROWS", 3):
        every_file()
    return counts


def test_a_file_is_read_as_written_or_refused_with_its_place(tmp_path):
    counts = run(tmp_path, SHORT)
    assert sum(counts.values()) >= SHORT and {ending for _, ending in counts} >= {"read", "refused"}


@pytest.mark.full
def test_any_file_is_read_as_written_or_refused_with_its_place(tmp_path):
    counts = run(tmp_path, LONG)
    for (suffix, ending), count in sorted(counts.items()):
        print(f"{suffix:9} {ending:24} {count:5}")
    assert sum(counts.values()) >= 500 and counts["all", "a million characters"]
