"""A file read while the model trains: all of it, in an order that is a function of the seed, in constant memory."""

import itertools
import json
import re
from collections import Counter

import numpy as np
import psutil
import pytest
from conftest import ROOT, execute

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.run.errors import UserError
from bert_recipes.text import streaming
from bert_recipes.text.documents import load_documents
from bert_recipes.text.masking import IGNORED
from bert_recipes.text.streaming import StreamedChunks


@pytest.fixture(scope="module")
def paragraphs():
    return list(load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=300))["train"]["text"])


def stream(path, tokenizer, folder, encoding="utf-8", **given):
    args = MlmArguments(output_dir=str(folder), streaming=True, max_steps=1, use_cpu=True, **given)
    return StreamedChunks(DataArguments(train_file=str(path), encoding=encoding), tokenizer, args)


def original(example) -> tuple[int, ...]:
    return tuple(np.where(example["labels"] == IGNORED, example["input_ids"], example["labels"]).tolist())


@pytest.mark.parametrize("name, encoding", [("a.txt", "utf-8"), ("a.txt", "gb18030"), ("a.jsonl", "utf-8")])
def test_a_pass_holds_every_chunk_once_and_the_next_is_another_order(
    paragraphs, tokenizer, tmp_path, monkeypatch, name, encoding
):
    lines = paragraphs if name == "a.txt" else [json.dumps({"text": text}, ensure_ascii=False) for text in paragraphs]
    (tmp_path / name).write_bytes("\n".join(lines).encode(encoding))
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 5000)
    chunks = stream(tmp_path / name, tokenizer, tmp_path, encoding)
    assert chunks.blocks > 5
    expected = Counter(map(tuple, chunks.chunker({"text": paragraphs}, range(len(paragraphs)))["input_ids"]))
    count = expected.total()
    seen = list(map(original, itertools.islice(chunks, 2 * count)))
    assert Counter(seen[:count]) == Counter(seen[count:]) == expected and seen[:count] != seen[count:]


def test_tokens_are_counted_without_moving_the_stream(paragraphs, tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(paragraphs), encoding="utf-8")  # one block
    chunks, untouched = (stream(tmp_path / "a.txt", tokenizer, tmp_path) for _ in range(2))
    counts = chunks.token_counts()
    assert counts[tokenizer.convert_tokens_to_ids("国")] == sum(text.count("国") for text in paragraphs)
    first, second = (list(map(original, itertools.islice(examples, 50))) for examples in (chunks, untouched))
    assert first == second


def test_order_and_masks_are_a_function_of_the_seed(paragraphs, tokenizer, tmp_path):
    (tmp_path / "a.txt").write_text("\n".join(paragraphs), encoding="utf-8")
    runs = []
    for seed in (1, 1, 2):
        examples = itertools.islice(stream(tmp_path / "a.txt", tokenizer, tmp_path, seed=seed), 50)
        runs.append([example["input_ids"].tolist() for example in examples])
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize("examples", [0, 1, 57, 400])
def test_a_stream_goes_on_where_it_was_without_reading_what_came_before(
    paragraphs, tokenizer, tmp_path, monkeypatch, examples
):
    (tmp_path / "a.txt").write_text("\n".join(paragraphs), encoding="utf-8")
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 5000)
    whole = stream(tmp_path / "a.txt", tokenizer, tmp_path)
    expected = list(itertools.islice(whole, examples + 70))  # drawn ahead, as a data loader does
    position = json.loads(json.dumps(whole.position_after(examples)))
    resumed, read = stream(tmp_path / "a.txt", tokenizer, tmp_path), []
    rows = resumed.rows
    monkeypatch.setattr(resumed, "rows", lambda block: read.append(block) or rows(block))
    resumed.go_on_from(position)
    found = list(itertools.islice(resumed, 70))
    assert list(map(original, found)) == list(map(original, expected[examples:]))
    assert all((one["labels"] == two["labels"]).all() for one, two in zip(found, expected[examples:], strict=True))
    assert len(read) < 8  # blocks; the first 400 examples are 20 of them


@pytest.mark.parametrize("given", [{"whole_word_mask": True}, {"nsp": True}])
def test_a_stream_has_words_and_pairs_too(paragraphs, tokenizer, tmp_path, given):
    (tmp_path / "a.txt").write_text("\n".join(paragraphs), encoding="utf-8")
    examples = list(itertools.islice(stream(tmp_path / "a.txt", tokenizer, tmp_path, **given), 40))
    assert ("next_sentence_label" in examples[0]) == ("nsp" in given)


def test_a_line_longer_than_a_block_and_lines_of_wide_spaces(paragraphs, tokenizer, tmp_path, monkeypatch):
    lines = [*paragraphs[:3], "　　", "".join(paragraphs[:100]), " ", *paragraphs[3:6]]
    (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    monkeypatch.setattr(streaming, "BLOCK_BYTES", 2000)
    chunks = stream(tmp_path / "a.txt", tokenizer, tmp_path)
    assert any(chunks.masked_block(block) is None for block in range(chunks.blocks))
    texts = [line for line in lines if line.strip()]
    expected = Counter(map(tuple, chunks.chunker({"text": texts}, range(len(texts)))["input_ids"]))
    assert Counter(map(original, itertools.islice(chunks, expected.total()))) == expected


@pytest.mark.parametrize("line, exchangeable", [("今天很好。明天更好。", True), ("今天很好", False)])
def test_a_stream_without_pairs_of_two_documents_is_known(tokenizer, tmp_path, line, exchangeable):
    (tmp_path / "a.txt").write_text(f"{line}\n{line}\n", encoding="utf-8")
    assert stream(tmp_path / "a.txt", tokenizer, tmp_path, nsp=True).can_exchange == exchangeable


def test_a_document_that_cannot_be_masked_is_passed_over_and_a_lone_one_has_no_pair(tokenizer, tmp_path, capsys):
    (tmp_path / "a.txt").write_text("今天很好。明天更好。\n𠮷𠮷\n", encoding="utf-8")
    (first, second) = itertools.islice(stream(tmp_path / "a.txt", tokenizer, tmp_path, nsp=True), 2)
    assert first["next_sentence_label"] == second["next_sentence_label"] == IGNORED  # one pass after another, no 𠮷
    assert (first["token_type_ids"] == second["token_type_ids"]).all()
    said = "a.txt: documents are left out, such as '𠮷𠮷': the tokenizer knows no character of them\n"
    assert capsys.readouterr().out.count(said) == 1  # of two passes


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "\n \n", "the file has no rows"),
        ("a.csv", "text\n一\n", r"txt or jsonl, a document a line: .*a\.csv is none"),
        ("a.txt", b"\xd2\xbb\xbe\xe4\xbb\xb0", r"row at byte 0 of a\.txt is not utf-8: try --encoding gb18030"),
        ("a.jsonl", '{"text": "一"}\n{"text\n', r"row at byte 16 of a\.jsonl is not JSON"),
        ("a.jsonl", '{"text": "一"}\n{"text": ""}\n', r"row at byte 16 of a\.jsonl: column 'text' is empty"),
    ],
)
def test_mistakes_name_the_place(tokenizer, tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=message):
        list(itertools.islice(stream(tmp_path / name, tokenizer, tmp_path), 5))


def test_streaming_wants_to_know_how_long():
    with pytest.raises(UserError, match="--streaming needs --max_steps"):
        MlmArguments(output_dir="x", streaming=True)


def test_of_ten_million_short_rows_a_block_is_in_memory(tokenizer, tmp_path, monkeypatch, full):
    """Resident memory after each block, and how much of the file a resumed run reads before its first example."""
    rows, blocks = (10_000_000, 100) if full else (20_000, 5)
    if not full:
        monkeypatch.setattr(streaming, "BLOCK_BYTES", 100_000)
    with (tmp_path / "rows.txt").open("w", encoding="utf-8") as file:
        for start in range(0, rows, 10_000):
            file.writelines(f"第{row}行，今天的天气很好。\n" for row in range(start, min(start + 10_000, rows)))
    chunks = stream(tmp_path / "rows.txt", tokenizer, tmp_path)
    assert chunks.blocks >= blocks
    drawn, memory = 0, []
    for _ in chunks:
        drawn += 1
        if len(chunks.passed) > len(memory) + 1:  # a block has ended
            memory.append(psutil.Process().memory_info().rss / 1e6)
            if len(memory) == blocks - 1:
                break
    position = chunks.position_after(drawn)
    resumed = stream(tmp_path / "rows.txt", tokenizer, tmp_path)
    resumed.go_on_from(position)
    before = psutil.Process().io_counters().read_chars
    next(iter(resumed))
    read = (psutil.Process().io_counters().read_chars - before) / 1e6
    size = (tmp_path / "rows.txt").stat().st_size / 1e6
    print(
        f"\n{rows:,} rows, {size:.0f} MB: resident memory {memory[0]:.0f} MB after the first block, "
        f"{memory[-1]:.0f} MB after {len(memory)}; after {drawn:,} rows a resumed run reads {read:.1f} MB"
    )
    assert memory[-1] < 1.1 * memory[0]
    assert read < 2.5


RUNS = """
import json, sys
from conftest import recipe
for words in json.loads(sys.argv[1]):
    print(recipe("mlm_pretrain").main(words)["train_peak_memory_mb"])
"""


@pytest.mark.parametrize("mode", [pytest.param("mapped", marks=pytest.mark.full), "streamed"])
def test_memory_does_not_grow_with_the_text(paragraphs, tiny_model, tmp_path, mode, full):
    """0.5 MB of text (in full 0.9), twice, then ten times as much, in one process: the last adds a tenth to the peak at
    most."""
    copies = 10 if full else 5
    (tmp_path / "validation.txt").write_text("\n".join(paragraphs[:50]), "utf-8")
    runs = []
    for number, times in enumerate((1, 1, 10)):
        path = tmp_path / f"{times}.txt"
        # Each copy of a paragraph begins with a number of its own, so that none is a repeat.
        path.write_text("\n".join(f"{copy}，{text}" for copy in range(copies * times) for text in paragraphs), "utf-8")
        words = ["--train_file", str(path), "--validation_file", str(tmp_path / "validation.txt"), "--max_steps", "30"]
        words += ["--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / f"run{number}")]
        words += ["--chunk_length", "64", "--disable_tqdm", "true", *(["--streaming"] if mode == "streamed" else [])]
        runs.append(words)
    ballast = bytearray(2_000_000_000)  # the peak of the process that starts the runs is none of theirs
    done = execute("python", "-c", RUNS, json.dumps(runs), PYTHONPATH=str(ROOT / "tests"))
    del ballast
    assert done.returncode == 0, done.stderr
    peaks = [float(line) for line in done.stdout.splitlines() if re.fullmatch(r"[\d.]+", line)]
    print(f"{mode}: peak memory {peaks[1]:.0f} MB, with ten times the text {peaks[2]:.0f} MB")
    assert peaks[2] < 1.1 * peaks[1] and peaks[0] < 1500
