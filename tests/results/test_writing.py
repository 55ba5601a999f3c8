"""From any format to any format: each column comes out as it went in, or is refused before a model loads."""

from __future__ import annotations

import csv
import datetime
import itertools
import json
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest
from conftest import recipe

from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.results.input_rows import check_rows
from bert_recipes.results.writing import FileWriter
from bert_recipes.run.errors import UserError
from bert_recipes.text import blocks
from bert_recipes.text.files import read_table

FORMATS = ["csv", "tsv", "jsonl", "json", "parquet"]
# What each kind of file can say; each is two rows.
STRINGS = {
    "text": ['带"引号"，逗号, 制\t表', "换\n行\r\n又\r一行"],
    "id": ["01", "NA"],
    "odd": ["", "\ufeff\x0c\u2028 \ue000😀 "],
    "printed": ["['甲', '乙']", "1e5"],
}
VALUES = STRINGS | {
    "number": [1234567890123456789, None],
    "share": [0.1, 1e-300],
    "flag": [True, None],
    "list": [[number / 7 for number in range(1500)], []],
    "nested": [{"a": [1, None], "b": "乙"}, {"a": [], "b": None}],
    "none": [None, None],
}
LOOSE = {
    "huge": [2**90, None],
    "mixed": [7, "八"],
    "gap": [float("nan"), None],
    "half": ["\ud83d", "a"],
    "loose": [{"a": 1}, {"b": 2}],
}
TYPED = {
    "day": pyarrow.array([datetime.date(2024, 1, 31), None]),
    "time": pyarrow.array([datetime.time(1, 2, 3, 456789), None]),
    "stamp": pyarrow.array([datetime.datetime(2024, 1, 31, 1, 2, 3, 456789), None]),
    "fine": pyarrow.array([1706634123456789123, None], pyarrow.timestamp("ns")),
    "zoned": pyarrow.array([1706634123456789, None], pyarrow.timestamp("us", "Asia/Shanghai")),
    "price": pyarrow.array([Decimal("12345678901234567890.10"), None]),
    "small": pyarrow.array([1, None], pyarrow.uint8()),
    "kinds": pyarrow.array(["甲", None]).dictionary_encode(),
    "days": pyarrow.array([[datetime.date(2024, 1, 31), None], []]),
}
UNTEXTUAL = {
    "raw": pyarrow.array([b"\xff\x00", None]),
    "span": pyarrow.array([datetime.timedelta(microseconds=1), None]),
    "map": pyarrow.array([[("a", 1)], None], pyarrow.map_(pyarrow.string(), pyarrow.int64())),
    "clock": pyarrow.array([1001, None], pyarrow.time64("ns")),
}


def records(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def write(path, columns):
    """By other hands than the package's."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, delimiter="," if path.suffix == ".csv" else "\t", quoting=csv.QUOTE_ALL)
                writer.writerows([list(columns), *zip(*columns.values(), strict=True)])
        case ".jsonl":
            path.write_text("\n".join(map(json.dumps, records(columns))))
        case ".json":
            path.write_text(json.dumps(records(columns)))
        case ".parquet":
            pyarrow.parquet.write_table(pyarrow.table(columns), path)
    return str(path)


def reread(path):
    """By other hands, too."""
    match path.suffix:
        case ".csv" | ".tsv":
            with path.open(encoding="utf-8", newline="") as file:
                header, *rows = csv.reader(file, delimiter="," if path.suffix == ".csv" else "\t", strict=True)
            return {name: [row[index] for row in rows] for index, name in enumerate(header)}
        case ".jsonl" | ".json":
            text = path.read_text(encoding="utf-8")
            found = json.loads(text) if path.suffix == ".json" else list(map(json.loads, text.split("\n")[:-1]))
            return {name: [row[name] for row in found] for name in found[0]}
        case ".parquet":
            return pyarrow.parquet.read_table(path).to_pydict()


@pytest.fixture(autouse=True, params=[1, 10], ids=["two blocks", "one block"])
def block_rows(request, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", request.param)


def checked(tmp_path, columns, source, target):
    args = PredictArguments(input_file=write(tmp_path / f"in.{source}", columns), output_file=str(target))
    rows = check_rows(args)
    rows.announce({"prediction": pyarrow.string(), "score": pyarrow.float64()})
    return rows


def through(tmp_path, columns, source, target):
    """The columns as they come out of `target`, which prediction and score follow."""
    path = tmp_path / "new" / f"out.{target}"
    rows = checked(tmp_path, columns, source, path)
    new = iter([["好", 0.9], ["坏", 0.5]])
    with FileWriter(path, rows.schema) as writer:
        for block in rows:
            predictions, scores = zip(*itertools.islice(new, len(block)), strict=True)
            writer.write(block.with_columns({"prediction": list(predictions), "score": list(scores)}))
    assert not list(path.parent.glob("*.part"))
    again = read_table(str(path), "utf-8", ["text"], "--input_file")
    found = reread(path)
    assert repr(again.columns) == repr(found), "the package reads what it writes as others do"
    assert list(found) == [*columns, "prediction", "score"] and found.pop("prediction") == ["好", "坏"]
    assert list(map(float, found.pop("score"))) == [0.9, 0.5]
    return found


def as_cell(value):
    """As a csv has a value of JSON."""
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def refused(tmp_path, columns, source, target, *said):
    with pytest.raises(UserError) as error:
        checked(tmp_path, columns, source, tmp_path / f"out.{target}")
    assert "\n" not in str(error.value) and not (tmp_path / f"out.{target}").exists()
    assert all(words in str(error.value) for words in (f"out.{target}", *said)), error.value


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", FORMATS)
def test_strings_come_out_as_they_went_in(tmp_path, source, target):
    assert through(tmp_path, STRINGS, source, target) == STRINGS


@pytest.mark.parametrize("target", FORMATS)
@pytest.mark.parametrize("source", ["jsonl", "json", "parquet"])
def test_values_come_out_as_they_went_in(tmp_path, source, target):
    found = through(tmp_path, VALUES, source, target)
    expected = {name: list(map(as_cell, cells)) for name, cells in VALUES.items()}
    assert repr(found) == repr(expected if target in ("csv", "tsv") else VALUES)


@pytest.mark.parametrize("name", LOOSE)
@pytest.mark.parametrize("source", ["jsonl", "json"])
def test_what_json_alone_can_say(tmp_path, source, name):
    columns = {"text": ["一", "二"], name: LOOSE[name]}
    for target in ("jsonl", "json"):
        assert repr(through(tmp_path, columns, source, target)) == repr(columns)
    if name == "half":
        refused(tmp_path, columns, source, "csv", "'half' of in.", "half of a UTF-16 character", "a .jsonl file can")
    else:
        assert through(tmp_path, columns, source, "tsv")[name] == list(map(as_cell, LOOSE[name]))
    if name == "gap":
        assert repr(through(tmp_path, columns, source, "parquet")) == repr(columns)
    else:
        refused(tmp_path, columns, source, "parquet", f"can't hold column {name!r} of in.", "a .jsonl file can")


def test_what_parquet_can_say(tmp_path):
    columns = {"text": ["一", "二"]} | TYPED | UNTEXTUAL | {"gap": pyarrow.array([float("nan"), None])}
    through(tmp_path, {name: cells for name, cells in columns.items() if name != "clock"}, "parquet", "parquet")
    before = pyarrow.parquet.read_table(tmp_path / "in.parquet")
    after = pyarrow.parquet.read_table(tmp_path / "new" / "out.parquet")
    assert after.schema.names == [*before.schema.names, "prediction", "score"]
    assert all(after[name].type == before[name].type for name in before.schema.names)
    assert after.select([name for name in before.schema.names if name != "gap"]) == before.drop_columns(["gap"])


@pytest.mark.parametrize("target", ["csv", "tsv", "jsonl", "json"])
def test_times_and_decimals_lose_no_digit_in_text(tmp_path, target):
    found = through(tmp_path, {"text": ["一", "二"]} | TYPED, "parquet", target)
    days = ["2024-01-31", None]
    expected = {
        "day": "2024-01-31",
        "time": "01:02:03.456789",
        "stamp": "2024-01-31T01:02:03.456789",
        "fine": "2024-01-30T17:02:03.456789123",
        "zoned": "2024-01-31T01:02:03.456789+08:00",
        "price": "12345678901234567890.10",
        "small": "1" if target in ("csv", "tsv") else 1,
        "kinds": "甲",
        "days": json.dumps(days) if target in ("csv", "tsv") else days,
    }
    assert {name: found[name][0] for name in expected} == expected
    gap = "" if target in ("csv", "tsv") else None
    assert all(found[name][1] == gap for name in expected if name != "days")


@pytest.mark.parametrize("target", ["csv", "jsonl"])
@pytest.mark.parametrize("name", UNTEXTUAL)
def test_what_text_can_not_say_is_refused_with_its_type(tmp_path, name, target):
    columns = {"text": ["一", "二"], name: UNTEXTUAL[name]}
    kind = str(UNTEXTUAL[name].type).rstrip(">")
    refused(tmp_path, columns, "parquet", target, f"column {name!r} ({kind}", "a .parquet file can")


def test_json_has_no_nan(tmp_path):
    columns = {"text": ["一", "二"], "gap": pyarrow.array([float("nan"), None])}
    refused(tmp_path, columns, "parquet", "jsonl", "column 'gap' (double)", "nan", "a .parquet file can")
    assert through(tmp_path, columns, "parquet", "csv")["gap"] == ["nan", ""]


def test_a_nul_goes_into_no_csv(tmp_path):
    refused(tmp_path, {"text": ["a\0", "b"]}, "jsonl", "csv", "a NUL character", "a .jsonl file can")


def test_a_column_that_python_can_not_read_is_named(tmp_path):
    columns = {"text": ["一"], "when": pyarrow.array([10**18], pyarrow.timestamp("us"))}
    with pytest.raises(UserError, match=r"in\.parquet: column 'when' \(timestamp\[us\]\) can't be read"):
        read_table(write(tmp_path / "in.parquet", columns), "utf-8", ["text"], "--input_file")


def test_a_file_with_predictions_of_its_own(tmp_path):
    with pytest.raises(UserError, match=r"in\.jsonl has a column 'score' already"):
        checked(tmp_path, {"text": ["一"], "score": [1]}, "jsonl", tmp_path / "out.csv")


def test_the_refusal_comes_before_the_model(tmp_path):
    path = write(tmp_path / "in.parquet", {"text": ["一"], "raw": [b"\xff"]})
    with pytest.raises(UserError, match=r"can't hold column 'raw' \(binary\) of in\.parquet"):
        recipe("predict").main(
            ["--model_name_or_path", "none", "--input_file", path, "--output_file", str(tmp_path / "out.jsonl")]
        )
