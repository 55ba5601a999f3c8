"""The benchmarks run, and print what their readers parse: here on a model of two layers, in full form with `--full`."""

import functools
import importlib
import json
import re
import sys

import pages
import pytest
import torch
from conftest import ROOT, execute
from datasets import DatasetDict
from transformers import BertConfig

from bert_recipes.text.builtin_corpora import load_builtin

sys.path.insert(0, str(ROOT / "benchmarks"))  # for the processes that take turns too

import classifying
import data_path
import embed
import first_step
import measuring
import mlm
import predict
import startup
import tables
import taking_turns

IN_FULL = {name: ("--quick", "--sizes", "4x256") for name in ("mlm", "finetune", "lora", "predict", "embed")}
IN_FULL["startup"] = ("--quick", "--recipes", "finetune", "lora", "mlm_pretrain")
MEASURED = {
    "mlm": ("stock_tokens_per_second", "ours_tokens_per_second", "exact_ratio", "matmul_share"),
    "finetune": ("stock_rows_per_second", "ours_rows_per_second", "matmul_share"),
    "lora": ("stock_rows_per_second", "ours_rows_per_second", "full_rows_per_second", "of_full_step"),
    "predict": ("stock_rows_per_second", "ours_rows_per_second", "equal_labels"),
    "embed": ("stock_rows_per_second", "loop_rows_per_second", "ours_rows_per_second", "of_loop"),
    "startup": ("stock_seconds", "ours_seconds"),
}


def check(result: dict) -> None:
    """How fast either is stands there, and is asserted nowhere: it is the machine's, and of what else it does."""
    print(json.dumps(result))
    assert result["ratio_spread"][0] <= result["ratio"] <= result["ratio_spread"][1]
    measured = ["ratio", "cores", *MEASURED[result["benchmark"]]]
    if result["benchmark"] != "startup":
        measured += ["stock_peak_memory_mb", "ours_peak_memory_mb", "matmul_tflops"]
    assert all(result[name] > 0 for name in measured)
    assert {"size", "turns", "device", "torch", "transformers", "commit"} <= result.keys()


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> list[str]:
    return mlm.write_pages(str(tmp_path_factory.mktemp("pages")), paragraphs=400)


@pytest.fixture
def some_reviews(monkeypatch):
    """The benchmarks of classifiers and of start-up read the built-in reviews once, and few of them."""
    for module in (classifying, predict, embed, startup):
        monkeypatch.setattr(module, "load_builtin", lambda name: reviews())


@functools.cache
def reviews() -> DatasetDict:
    return DatasetDict({split: rows.shuffle(seed=0).take(200) for split, rows in load_builtin("reviews").items()})


def test_pretraining_in_turns(text):
    result = mlm.measure("tiny", turns=2, steps=1, words=["--weight_decay", "0.02"], data=text)
    check(result)
    assert result["our_arguments"] == ["--weight_decay", "0.02"] and result["rows"] == 4


@pytest.mark.parametrize("name", ["finetune", "lora", "predict", "embed"])
def test_classifiers_in_turns(name, some_reviews):
    result = importlib.import_module(name).measure("tiny", 2, 32, [])
    check(result)
    assert name != "embed" or result["largest_difference"] < 1e-5
    assert name != "predict" or (result["equal_labels"] == 1 and result["largest_difference"] < 1e-4)


@pytest.mark.full
@pytest.mark.parametrize("name", IN_FULL)
def test_a_benchmark_prints_one_object_a_size(name):
    done = execute("python", str(ROOT / "benchmarks" / f"{name}.py"), *IN_FULL[name])
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        check(json.loads(line))


def test_a_mistake_in_our_arguments_is_told(text):
    with pytest.raises(SystemExit, match=r"ours.*: its process has ended, for the reason above"):
        mlm.measure("tiny", turns=2, steps=1, words=["--mlm_probability", "7"], data=text)


def test_a_ratio_is_the_median_of_the_turns():
    assert measuring.ratio([2, 6, 9], [1, 2, 3]) == {"ratio": 3.0, "ratio_spread": [2.0, 3.0]}


def test_what_a_batch_holds_is_counted_without_its_padding():
    """Alike for rows that are padded and for documents side by side."""
    module = torch.nn.Identity()
    module.config = BertConfig()
    padded = {
        "input_ids": torch.tensor([[5, 6, 7, 0], [5, 6, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]),
        "labels": torch.tensor([[-100, 6, -100, -100], [-100, 6, -100, -100]]),
    }
    packed = {
        "input_ids": torch.tensor([[5, 6, 7, 5, 6]]),
        "masked_positions": torch.tensor([1, 4]),
        "cu_seq_lens_q": torch.tensor([0, 3, 5]),
    }
    reports = []
    for batch in (padded, packed):
        counting = taking_turns.CountWork(None, "tiny")
        counting.count(module, (), batch)
        reports.append({name: value for name, value in counting.report().items() if name != "memory"})
    assert reports[0] == reports[1] and (reports[0]["rows"], reports[0]["tokens"]) == (2, 5)
    layers, width = measuring.SIZES["tiny"]
    encoder = layers * (12 * width**2 * 5 + 2 * width * (9 + 4))
    assert reports[0]["flops"] == 6 * (encoder + 2 * (width**2 + width * measuring.VOCABULARY))


def test_labels_and_scores_are_compared():
    told = predict.agreement([("a", 0.9), ("b", 0.6)], [("a", 0.8), ("a", 0.55)])
    assert told == {"equal_labels": 0.5, "largest_difference": 0.15}


def test_the_moment_of_the_first_step_is_written_down(tmp_path, monkeypatch):
    (tmp_path / "a_trainer.py").write_text("class TrainerCallback: pass\nDEFAULT_CALLBACKS = []\n")
    monkeypatch.syspath_prepend(tmp_path)
    moment, ended = tmp_path / "moment.txt", []
    finder = first_step.AfterImport("a_trainer", first_step.stop_after_first_step(str(moment)))
    monkeypatch.setattr(sys, "meta_path", [finder, *sys.meta_path])
    monkeypatch.setattr("os._exit", ended.append)
    (callback,) = importlib.import_module("a_trainer").DEFAULT_CALLBACKS
    assert finder not in sys.meta_path and not moment.exists()
    callback().on_step_end(None, None, None)
    assert ended == [0] and float(moment.read_text()) > 1e9


def test_launches_take_turns_and_the_first_one_fills_the_caches(tmp_path, monkeypatch, some_reviews):
    launched = []

    def seconds(words, folder):
        launched.append("stock" if "stock_glue.py" in words[0] else "ours")
        return {"stock": 4.0, "ours": 2.0}[launched[-1]] * (100 if len(launched) <= 2 else 1)

    monkeypatch.setattr(startup, "seconds_to_first_step", seconds)
    result = startup.measure("lora", 2, ["--seed", "1"], str(tmp_path))
    check(result)
    assert (result["ratio"], result["stock_seconds"], result["recipe"]) == (0.5, 4.0, "lora")
    assert launched == ["ours", "stock", "stock", "ours", "ours", "stock"]
    assert "--lora" in startup.commands("lora", str(tmp_path), [])["stock"]


def figures(text: str) -> list[str]:
    return re.findall(r"\d+(?:,\d{3})*(?:\.\d+)?", text)


def kept_results(page: str) -> list[tuple[list[str], str]]:
    """The rows of the page's tables that link a file of results."""
    rows = [row for table in pages.tables(page) for row in table]
    found = [(row, re.search(r"\]\((performance/\w+\.jsonl)\)", row[-1])) for row in rows]
    return [(row[:-1], link[1]) for row, link in found if link]


@pytest.mark.parametrize("page", ["docs/performance.md", "docs/performance.zh-CN.md"])
def test_tables_have_the_figures_of_the_files_that_they_link(page):
    rows = kept_results(page)
    assert len(rows) >= 2
    for cells, link in rows:
        kept = [figures(" ".join(tables.row(result))) for result in tables.read(ROOT / "docs" / link)]
        assert figures(" ".join(cells)) in kept, cells


def test_a_benchmark_makes_rows_of_its_table():
    shared = {"size": "4x256", "ratio": 2.005, "ratio_spread": [1.9, 2.1]}
    shared |= {"stock_peak_memory_mb": 2000, "ours_peak_memory_mb": 900, "matmul_share": 0.314, "matmul_tflops": 1.0}
    speeds = {f"{kind}_{unit}_per_second": 12.3 for kind in ("stock", "ours") for unit in ("rows", "tokens")}
    others = {"exact_ratio": 1.5, "of_full_step": 0.6, "of_full_step_spread": [0.5, 0.7], "recipe": "lora"}
    others |= {"path": "pairs", "rows": 256, "tokens_per_second": 9_040_000, "spread": [8e6, 9.96e6]}
    others |= {"loop_rows_per_second": 4.5, "of_loop": 2.7, "of_loop_spread": [2.5, 2.8]}
    others |= {"equal_labels": 1.0, "largest_difference": 2e-6, "stock_seconds": 9.0, "ours_seconds": 5.04}
    for name, headings in tables.HEADINGS.items():
        row = tables.row({"benchmark": name, **shared, **speeds, **others})
        assert len(row) == len(headings)
        assert ("8.0 M to 10.0 M" if name == "data_path" else "2.01 (1.90 to 2.10)") in row
    assert row == ["`lora`", "9.0", "5.0", "2.01 (1.90 to 2.10)"]


def test_a_table_links_its_file():
    heading, _, *rows = tables.table(ROOT / "docs" / "performance" / "mlm_h200.jsonl").splitlines()
    assert heading.count("|") == 9 and len(rows) == 2
    assert all(row.endswith("| [mlm_h200](performance/mlm_h200.jsonl) |") for row in rows)


@pytest.mark.parametrize("path", data_path.PATHS)
def test_the_data_path_hands_out_every_token(path, monkeypatch):
    handed_out = []

    def watched(path, folder, rows):
        batches = training_batches(path, folder, rows)
        handed_out.append(sum(batch["num_tokens"] for batch in batches))
        whole = batches.dataset.lengths.sum()
        assert path == "pairs" or handed_out[0] == whole  # a random second text has another length
        return batches

    training_batches = data_path.training_batches
    monkeypatch.setattr(data_path, "training_batches", watched)
    result = data_path.measure(path, passes=2, rows=700)
    assert result["tokens_per_second"] > 0 and handed_out[0] > 10_000 and result["bar"] >= 1_000_000
    assert result["spread"][0] <= result["tokens_per_second"] <= result["spread"][1]


@pytest.mark.full
def test_the_time_to_a_loss_is_measured_on_clocks_of_their_own():
    script = str(ROOT / "benchmarks" / "time_to_loss.py")
    short = [
        *("--stock_steps", "4", "--our_steps", "6", "--turns", "1"),
        *("--stock_learning_rates", "3e-3", "--held_out_blocks", "32"),
    ]
    done = execute("python", script, *short)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    result = json.loads(line)
    assert result["stock_learning_rate"] == 3e-3
    assert 5 < result["held_out_loss"] < 9.9  # ln 21,128 = 9.96 by chance
    print(line)
    seconds, loss = result["ours_final"]
    assert seconds > 0 and result["stock_seconds"] > 0 and loss < 9.9
    # So few steps reach nothing, or they say when.
    assert (result["ratio"] is None) == (loss > result["held_out_loss"])
