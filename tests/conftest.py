"""Small models on real text: a tiny BERT with the embedded model's vocabulary, and the recipes as functions."""

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import reads it
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["ONEDNN_MAX_CPU_ISA"] = "AVX512_CORE"  # no bf16 by itself, whatever the processor: figures are fp32's

import pytest
import torch
from playwright.sync_api import sync_playwright
from transformers import AutoTokenizer, BertConfig, BertForMaskedLM

from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.run.errors import UserError

ROOT = Path(__file__).parents[1]
SHORT = [
    *("--max_train_samples", "48", "--max_eval_samples", "24", "--max_steps", "4"),
    *("--per_device_train_batch_size", "8", "--disable_tqdm", "true"),
]
SHORT_SPLIT = [
    *("--max_train_samples", "48", "--max_eval_samples", "24", "--max_test_samples", "24"),
    *("--starts", "base", "--methods", "full,tfidf", "--label_counts", "24", "--trial_labels", "24"),
    *("--num_seeds", "2", "--steps_at_100_labels", "4", "--experiments", "labels"),
]


def pytest_addoption(parser):
    parser.addoption("--full", action="store_true", help="the whole of the tests of faults: `make test-faults`")


def pytest_configure(config):
    config.addinivalue_line("markers", "full: a longer test, run by `make test-all`; of faults by `make test-faults`")
    config.addinivalue_line("markers", "gpu: a test that needs a GPU")


def pytest_collection_modifyitems(config, items):
    left_out = [] if config.getoption("full") else [item for item in items if item.get_closest_marker("full")]
    if not torch.cuda.is_available():
        left_out += [item for item in items if item.get_closest_marker("gpu")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)  # their number is told at the end
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def full(pytestconfig) -> bool:
    return pytestconfig.getoption("full")


@pytest.fixture(scope="session")
def tokenizer():
    return AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory, tokenizer) -> Path:
    """A folder with a BertForMaskedLM of 2 layers, 32 wide, without dropout: runs can be compared to 1e-5."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=130,  # batches are padded to multiples of 8: 128 is what it can read
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "no Chromium: `make test-tools` installs it on Debian"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def dropout_model(tiny_model, tmp_path_factory) -> Path:
    """The tiny model with the dropout that BERT's checkpoints come with: what a resume must draw again."""
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("dropout") / "model")
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace('_dropout_prob": 0.0', '_dropout_prob": 0.1'))
    return folder


def short(name: str) -> list[str]:
    """Arguments that make a recipe's run a matter of seconds."""
    return {"mlm_pretrain": SHORT, "simcse": SHORT, "predict": [], "embed": [], "split": SHORT_SPLIT}.get(
        name, [*SHORT, "--max_test_samples", "24"]
    )


def recipe(name: str):
    """The module recipes/<name>.py."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "recipes" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tools_first(**more: str) -> dict[str, str]:
    """The environment, with the tests' own Python and tools first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, **more}


def execute(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(words, cwd=cwd, env=tools_first(**environment), capture_output=True, text=True, timeout=900)


def launched_words(words: list[str]) -> list[str]:
    """What a command line hands to `accelerate launch`, or, with `NAME=value` in front, to its other name."""
    launcher, *rest = itertools.dropwhile(lambda word: re.match(r"\w+=", word), words)
    if launcher.endswith("accelerate-launch"):
        return rest
    assert launcher.endswith("accelerate") and rest[0] == "launch", words
    return rest[1:]


def refusal(function, *args, **kwargs) -> str:
    """What the `UserError` of a call says: one line."""
    with pytest.raises(UserError) as error:
        function(*args, **kwargs)
    assert "\n" not in str(error.value)
    return str(error.value)
