"""SIGKILL of ner.py, simcse.py, embed.py and predict.py at random moments: the run that goes on ends as if undisturbed.

finetune.py's are in test_faults.py; interrupts in process are in each recipe's tests. `make test-faults` runs these.
"""

import json
import random
import signal
import time
from pathlib import Path

import pytest
import torch
from conftest import recipe
from processes import run_recipe, said, start, statuses
from safetensors.torch import load_file

from bert_recipes.results import embedding
from bert_recipes.run.checkpoints import newest_checkpoint
from bert_recipes.text import blocks
from bert_recipes.text.builtin_corpora import load_builtin

pytestmark = pytest.mark.full
KILLS = 4
STEPS = 12
OPTIONS = [
    *("--max_train_samples", "48", "--max_eval_samples", "16", "--per_device_train_batch_size", "8"),
    *("--max_steps", str(STEPS), "--save_strategy", "steps", "--save_steps", "2", "--eval_strategy", "no"),
    *("--logging_steps", "1", "--disable_tqdm", "true"),
]


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    """Reviews; their entities are commas."""
    texts = [text for text in load_builtin("reviews")["test"]["text"][:500] if "，" in text]
    spans = [[[place, place + 1, "COMMA"] for place, mark in enumerate(text) if mark == "，"] for text in texts]
    return [{"text": text, "entities": entities} for text, entities in zip(texts, spans, strict=True)]


@pytest.fixture(scope="module")
def file(rows, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("kills") / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def wait_until(condition, process, log: Path) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert process.is_alive() and time.monotonic() < deadline, said(log)
        time.sleep(0.001)


def kill(process, log: Path) -> None:
    process.kill()
    assert statuses([process]) == [-signal.SIGKILL], f"it ended before it was killed: {said(log)}"


# --- training: checkpoints ---


def words(name: str, folder: Path, model: Path, file: str) -> list[str]:
    data = ["--train_file", file, "--test_file", file, "--max_test_samples", "8"] if name == "ner" else []
    return [*data, "--model_name_or_path", str(model), "--output_dir", str(folder), *OPTIONS]


@pytest.fixture(scope="module")
def whole(tmp_path_factory, dropout_model, file) -> dict[str, Path]:
    """The folders of runs that nothing disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    for name in ("ner", "simcse"):
        recipe(name).main(words(name, folder / name, dropout_model, file))
    return {name: folder / name for name in ("ner", "simcse")}


@pytest.mark.parametrize("name", ["ner", "simcse"])
def test_a_killed_training_loses_nothing(name, whole, dropout_model, file, tmp_path):
    """Every other kill comes while a checkpoint is written."""
    in_a_save = 0
    for number in range(KILLS):
        draw, folder, log = random.Random(number), tmp_path / str(number), tmp_path / f"{number}.txt"
        argv = words(name, folder, dropout_model, file)
        (process,) = start(log, run_recipe, name, argv)
        at_step = draw.randint(1, STEPS - 4)
        wait_until(lambda log=log, at_step=at_step: f"step {at_step} of {STEPS}" in said(log), process, log)
        if number % 2:
            wait_until((folder / "unfinished").exists, process, log)
        time.sleep(draw.uniform(0, 0.01))
        kill(process, log)
        in_a_save += (folder / "unfinished").exists()
        newest = newest_checkpoint(folder)
        (process,) = start(log, run_recipe, name, [*argv, "--resume_from_checkpoint", "auto"])
        assert statuses([process]) == [0], said(log)
        assert (f"Going on from {newest}" if newest else "starting anew") in said(log)
        check_same_end(folder, whole[name])
    print(f"\n{name}.py, SIGKILL at {KILLS} random moments, {in_a_save} of them in a save: all end with equal weights")
    assert in_a_save


def check_same_end(folder: Path, whole: Path) -> None:
    expected, found = (load_file(path / "model.safetensors") for path in (whole, folder))
    assert expected.keys() == found.keys() and all(torch.equal(found[name], expected[name]) for name in expected)
    assert scores(folder) == scores(whole)
    predictions = [[path.read_bytes() for path in each.glob("predictions.*")] for each in (whole, folder)]
    assert predictions[0] == predictions[1]


def scores(folder: Path) -> dict[str, float]:
    results = json.loads((folder / "all_results.json").read_text())
    scores = {name: value for name, value in results.items() if name.startswith(("eval_", "test_"))}
    return {name: value for name, value in scores.items() if not name.endswith(("runtime", "per_second"))}


# --- files: finished blocks ---


def run_in_small_blocks(name: str, argv: list[str]) -> None:
    embedding.BLOCK_ROWS = blocks.BLOCK_ROWS = 8
    run_recipe(name, argv)


@pytest.mark.parametrize(
    "name, words, output",
    [
        ("embed", ["--unit", "text"], "v.npz"),
        ("embed", ["--unit", "char", "--context"], "v.npz"),
        ("predict", [], "p.csv"),
    ],
)
def test_a_killed_run_goes_on_to_the_same_bytes(name, words, output, tiny_model, request, file, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "BLOCK_ROWS", 8)
    monkeypatch.setattr(blocks, "BLOCK_ROWS", 8)
    model = request.getfixturevalue("whole")["ner"] if name == "predict" else tiny_model
    argv = ["--input_file", file, "--model_name_or_path", str(model), "--disable_tqdm", "true", *words]
    recipe(name).main([*argv, "--output_file", str(tmp_path / output)])
    for number in range(KILLS):
        cut, log = tmp_path / f"{number}_{output}", tmp_path / f"{number}.txt"
        parts, draw = tmp_path / f"{cut.name}.parts", random.Random(number)
        (process,) = start(log, run_in_small_blocks, name, [*argv, "--output_file", str(cut)])
        wait_until((parts / f"{draw.randrange(8):06}.parquet").exists, process, log)
        time.sleep(draw.uniform(0, 0.01))
        kill(process, log)
        assert not cut.exists() and list(parts.glob("*.parquet"))
        recipe(name).main([*argv, "--output_file", str(cut)])
        assert cut.read_bytes() == (tmp_path / output).read_bytes() and not parts.exists()
