"""Recipes as they are started, with the libraries' own client, against a Hub of the tests (hub.py): what is downloaded,
what is uploaded, and the line that each refusal is."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, recipe, short
from hub import TOKEN, Hub
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForSequenceClassification

from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import FACTS_OF_RUN
from bert_recipes.results.cards import front_matter
from bert_recipes.run.errors import UserError

BERT = "google-bert/bert-base-chinese"
SHORT = [*short("finetune"), "--no_baseline"]
ON_BERT = ["--train_file", "rows.csv", "--model_name_or_path", "someone/bert", *SHORT]
GOOD, BAD = "第{}次来，房间很干净，早餐也好吃", "第{}本书送来时封面已经破了，失望"
ROWS = "text,label\n" + "".join(f"{(GOOD, BAD)[i % 2].format(i)},{i % 2}\n" for i in range(60))
HIDDEN_LABELS = "text,label\n" + "".join(f"这一次的房间号是{i},-1\n" for i in range(20))
CONFIGURATIONS = """---
configs:
- config_name: hotels
  data_files: [{split: train, path: hotels/train.csv}, {split: test, path: hotels/test.csv}]
- config_name: books
  data_files: books.csv
---
"""


class Client:
    """A process that reads HF_ENDPOINT when it starts, and forks one for each command."""

    def __init__(self, endpoint: str, folder: Path):
        environment = {
            **os.environ,
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(folder / "home"),
            "HF_HUB_DISABLE_XET": "1",
        }
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
            environment.pop(name, None)
        self.folder, self.count = folder, 0
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "hub_client.py")],
            **{"env": environment, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True},
        )

    def run(self, name: str, *argv: str, **environment: str) -> tuple[int, str]:
        """The status of `python recipes/<name>.py argv`, and all that it printed."""
        self.count += 1
        log = self.folder / f"{self.count}.log"
        words = [str(ROOT / "recipes" / f"{name}.py"), *argv]
        job = {"words": words, "cwd": str(self.folder), "environment": environment, "log": str(log)}
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return status, log.read_text(encoding="utf-8")

    def succeeds(self, name: str, *argv: str, **environment: str) -> str:
        status, said = self.run(name, *argv, **environment)
        assert status == 0, said
        return said

    def fails(self, *argv: str, **environment: str) -> str:
        """The one line that a run ends with, before it has trained."""
        status, said = self.run("finetune", *SHORT, *argv, **environment)
        assert status == 2 and "Traceback" not in said and "step 1 of" not in said, said
        (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
        assert said.rstrip().endswith(line)
        return line


@pytest.fixture(scope="module")
def hub():
    hub = Hub()
    yield hub
    hub.stop()


@pytest.fixture(scope="module")
def client(hub, tmp_path_factory):
    client = Client(hub.endpoint, tmp_path_factory.mktemp("client"))
    (client.folder / "rows.csv").write_text(ROWS, encoding="utf-8")
    yield client
    client.process.stdin.close()
    client.process.wait(60)


@pytest.fixture(scope="module")
def bert_files(tiny_model, tokenizer, tmp_path_factory):
    """A bert-base-chinese as it lies on the Hub: vocab.txt without tokenizer.json, weights under their old names."""
    torch.manual_seed(1)
    renamed = tmp_path_factory.mktemp("old") / "model.safetensors"
    weights = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): (
            torch.rand_like(weight) if "LayerNorm" in name else weight
        )
        for name, weight in load_file(tiny_model / "model.safetensors").items()
    }
    save_file(weights, renamed, metadata={"format": "pt"})
    return {
        "config.json": (tiny_model / "config.json").read_bytes(),
        "vocab.txt": "\n".join(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)),
        "tokenizer_config.json": '{"do_lower_case": false, "model_max_length": 512}',
        "model.safetensors": renamed.read_bytes(),
        "README.md": "---\nlanguage: zh\nlicense: apache-2.0\n---\n\n# Bert-base-chinese\n",
    }


@pytest.fixture(scope="module", autouse=True)
def repositories(hub, bert_files):
    found = hub.add("models", BERT, bert_files)
    broken = {path: content for path, content in found.revisions["main"].items() if path != "model.safetensors"}
    found.revisions = {"main": broken, "v1": found.revisions["main"]}  # another one than main
    hub.add("models", "someone/bert", bert_files)
    hub.add("models", "someone/gated", bert_files, gated=True)
    data = {"README.md": CONFIGURATIONS, "hotels/train.csv": ROWS, "hotels/test.csv": HIDDEN_LABELS, "books.csv": ROWS}
    hub.add("datasets", "someone/texts", data)
    hub.add("datasets", "someone/gated", data, gated=True)


def test_a_model_by_id_and_revision_and_once_more_with_the_hub_gone(hub, client, bert_files, tmp_path):
    command = ["--train_file", "rows.csv", "--model_name_or_path", BERT, "--revision", "v1", "--freeze_encoder", *SHORT]
    client.succeeds("finetune", *command, "--output_dir", str(tmp_path / "first"))
    (tmp_path / "weights.safetensors").write_bytes(bert_files["model.safetensors"])
    weights = load_file(tmp_path / "weights.safetensors")
    loaded = AutoModel.from_pretrained(tmp_path / "first").state_dict()
    assert torch.equal(loaded["embeddings.LayerNorm.bias"], weights["bert.embeddings.LayerNorm.beta"])
    query = "encoder.layer.1.attention.self.query.weight"
    assert torch.equal(loaded[query], weights[f"bert.{query}"])
    card = ModelCard.load(tmp_path / "first" / "README.md").data
    assert (card.base_model, card.license, card.language) == (BERT, "apache-2.0", "zh")
    commit = hub.repositories["models", BERT].commit("v1")
    assert f"`{BERT}`, revision `v1`, commit `{commit}`" in (tmp_path / "first" / "README.md").read_text()

    with hub.gone():
        client.succeeds("finetune", *command, "--output_dir", str(tmp_path / "second"))
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("name", "token", "said"),
    [
        ("someone/gated", None, "gated: accept its terms there, then log in with `hf auth login`, or set HF_TOKEN"),
        ("someone/gated", "hf_reads", "gated: accept its terms there"),
        ("someone/gated", "hf_unknown", "does not accept the token"),
        ("someone/nothing", None, "/someone/nothing is not there, or it is private: check the name, or log in with"),
        ("someone/nothing", TOKEN, "/someone/nothing is not there"),
    ],
)
def test_a_model_that_the_hub_does_not_give(client, name, token, said):
    environment = {"HF_TOKEN": token} if token else {}
    line = client.fails("--train_file", "rows.csv", "--model_name_or_path", name, **environment)
    assert line.startswith(f"error: --model_name_or_path {name} can't be loaded: ") and said in line


def test_a_revision_that_is_not_there(client):
    line = client.fails("--train_file", "rows.csv", "--model_name_or_path", BERT, "--revision", "v9")
    assert "no such revision: name a branch, a tag or a commit" in line


def test_a_truncated_download_is_one_line_and_the_next_run_downloads_it_again(hub, client, tmp_path):
    hub.truncated.add("model.safetensors")
    line = client.fails(*ON_BERT)
    assert f"the connection to {hub.endpoint} failed" in line and "try again" in line
    hub.truncated.clear()
    client.succeeds("finetune", *ON_BERT, "--output_dir", str(tmp_path / "run"))


def test_a_truncated_data_set_is_one_line_and_the_next_run_downloads_it_again(hub, client, tiny_model, tmp_path):
    hub.add("datasets", "someone/cut", {"train.csv": ROWS})
    hub.truncated.add("train.csv")
    command = ["--model_name_or_path", str(tiny_model), "--dataset_name", "someone/cut"]
    assert f"the connection to {hub.endpoint} failed" in client.fails(*command)
    hub.truncated.clear()
    client.succeeds("finetune", *command, *SHORT, "--output_dir", str(tmp_path / "run"))


def test_a_data_set_by_id_and_configuration(client, tmp_path, tiny_model):
    command = ["--model_name_or_path", str(tiny_model), "--dataset_name", "someone/texts", "--dataset_config_name"]
    said = client.succeeds("finetune", *command, "hotels", *SHORT, "--output_dir", str(tmp_path / "hotels"))
    assert "someone/texts hotels (test) has no labels (all are empty or -1): it is left out" in said
    card = ModelCard.load(tmp_path / "hotels" / "README.md")
    assert card.data.datasets == ["someone/texts"] and card.data.base_model is None
    scores = {(score.dataset_type, score.dataset_name, score.dataset_config) for score in card.data.eval_results}
    assert scores == {("someone/texts", "someone/texts hotels", "hotels")}
    assert "- `someone/texts hotels`, from the Hub" in card.text and "| test | 6 |" in card.text
    output_dir = str(tmp_path / "books")
    client.succeeds("mlm_pretrain", *command, "books", *short("mlm_pretrain"), "--output_dir", output_dir)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (
            ["someone/texts"],
            "someone/texts: it has several configurations: name one with --dataset_config_name: hotels, books",
        ),
        (
            ["someone/texts", "--dataset_config_name", "hotel"],
            "hotel: someone/texts has no such configuration: name one with --dataset_config_name: hotels, books",
        ),
        (
            ["someone/gated", "--dataset_config_name", "books"],
            "/datasets/someone/gated is gated: accept its terms there",
        ),
        (["someone/nothing"], "/datasets/someone/nothing is not there, or it is private"),
    ],
)
def test_a_data_set_that_the_hub_does_not_give(client, argv, said):
    assert said in client.fails("--dataset_name", *argv)


def test_a_finished_run_is_uploaded_once_and_comes_back(hub, client, tmp_path):
    folder, commits = tmp_path / "hotel_or_book", len(hub.commits)
    command = ["finetune", *ON_BERT, "--output_dir", str(folder), "--push_to_hub", "true", "--hub_private_repo", "true"]
    said = client.succeeds(*command, HF_TOKEN=TOKEN)
    assert f"uploaded to {hub.endpoint}/someone/hotel_or_book" in said
    uploaded = hub.repositories["models", "someone/hotel_or_book"]
    files = uploaded.revisions["main"]
    assert hub.commits[commits:] == ["Upload hotel_or_book"] and uploaded.private
    assert files.keys() >= {"model.safetensors", "config.json", "tokenizer.json", "README.md", "predictions.csv"}
    assert not [path for path in files if "checkpoint" in path or "optimizer" in path or path.endswith((".bin", ".pt"))]
    assert all((folder / path).read_bytes() == content for path, content in files.items())
    card = files["README.md"].decode()
    assert 'model="someone/hotel_or_book"' in card and ModelCard(card).data.base_model == "someone/bert"

    labelled = tmp_path / "labelled.csv"
    command = ["predict", "--model_name_or_path", "someone/hotel_or_book", "--input_file", "rows.csv"]
    client.succeeds(*command, "--output_file", str(labelled), HF_TOKEN=TOKEN)
    assert len(labelled.read_text(encoding="utf-8").splitlines()) == 61


def test_an_upload_by_its_own_name_token_and_branch(hub, client, tmp_path):
    arguments = {"hub_model_id": "someone/named", "hub_token": TOKEN, "hub_revision": "try", "push_to_hub": "true"}
    argv = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    client.succeeds("lora", *ON_BERT, *argv, "--output_dir", str(tmp_path / "run"))
    revisions = hub.repositories["models", "someone/named"].revisions
    assert revisions["try"].keys() >= {"model.safetensors", "README.md", "adapter/adapter_model.safetensors"}
    assert not revisions["main"] and not hub.repositories["models", "someone/named"].private
    assert not any(TOKEN.encode() in content for content in revisions["try"].values())


@pytest.mark.parametrize(
    ("argv", "token", "said"),
    [
        ([], None, "--push_to_hub needs a token: log in with `hf auth login`, or set HF_TOKEN, or pass --hub_token"),
        ([], "hf_unknown", "does not accept the token"),
        ([], "hf_reads", "the token has no right to that"),
        (["--hub_model_id", "someone/bert"], "hf_reads", "the token has no right to that"),  # which is there already
        (["--hub_model_id", "someone_else/bert"], TOKEN, "the token has no right to that"),
        (["--hub_model_id", "a/b/c"], TOKEN, "Name another with --hub_model_id"),
        (["--hub_strategy", "every_save"], TOKEN, "--hub_strategy every_save: the finished model alone is uploaded"),
    ],
)
def test_an_upload_that_would_fail_is_one_line_before_training(hub, client, argv, token, said):
    before = set(hub.repositories)
    environment = {"HF_TOKEN": token} if token else {}
    assert said in client.fails("--train_file", "rows.csv", "--push_to_hub", "true", *argv, **environment)
    assert set(hub.repositories) == before


def test_an_upload_offline_is_one_line_before_anything_is_read(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="--push_to_hub: HF_HUB_OFFLINE=1"):
        recipe("finetune").main(["--push_to_hub", "true", "--train_file", "nothing.csv"])


def test_an_upload_that_breaks_off_leaves_the_finished_run_and_says_how_to_repeat_it(hub, client, tmp_path):
    hub.failing.add("commit")
    command = ["finetune", *ON_BERT, "--output_dir", str(tmp_path / "run"), "--push_to_hub", "true"]
    status, said = client.run(*command, HF_TOKEN=TOKEN)
    hub.failing.clear()
    assert status == 2 and "Traceback" not in said
    line = said.splitlines()[-1]
    assert line.startswith("error: the run is finished") and "(`hf upload someone/run " in line and "500" in line
    assert (tmp_path / "run" / "all_results.json").exists()


# --- the card ---


def card_of(results, model_args=None, **data) -> dict:
    data_args = (LabelledDataArguments if "test_file" in data else DataArguments)(**data)
    return front_matter("run", "text-classification", results, model_args or ModelArguments(), data_args).to_dict()


def test_the_front_matter_has_the_scores_and_says_no_more_than_is_known():
    results = {"eval_loss": 0.7, "eval_accuracy": 0.5, "test_accuracy": 0.75, "test_macro_f1": 0.7, "train_loss": 1.0}
    card = card_of(results)
    assert card["language"] == "zh" and card["metrics"] == ["accuracy", "f1"] and card["library_name"] == "transformers"
    assert not card.keys() & {"base_model", "license", "datasets"}, "bert-mini-zh and reviews have none on the Hub"
    (model,) = card["model-index"]
    assert [
        (result["task"]["type"], result["dataset"]["name"], result["dataset"]["split"], metric["name"], metric["value"])
        for result in model["results"]
        for metric in result["metrics"]
    ] == [
        ("text-classification", "reviews", "validation", "accuracy", 0.5),
        ("text-classification", "reviews", "test", "accuracy", 0.75),
        ("text-classification", "reviews", "test", "macro-F1", 0.7),
    ]
    from_scratch = card_of({}, ModelArguments(from_scratch=True), train_file="mine/rows.csv")
    assert not from_scratch.keys() & {"language", "license", "base_model", "datasets", "metrics", "model-index"}


def test_a_local_base_model_hands_its_license_on_but_not_its_path(tmp_path):
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\nlanguage: [en, zh]\nlicense: other\nlicense_name: ours\n---\n# base\n")
    card = card_of({"eval_accuracy": 0.5}, ModelArguments(str(folder)), train_file="mine/rows.csv")
    assert (card["license"], card["license_name"], card["language"]) == ("other", "ours", ["en", "zh"])
    assert "base_model" not in card
    assert card["model-index"][0]["results"][0]["dataset"]["name"] == "rows.csv"


def test_the_card_passes_the_clients_validation(hub, tiny_model, tmp_path, monkeypatch):
    output_dir = tmp_path / "outputs" / "run"
    (tmp_path / "rows.csv").write_text(ROWS, encoding="utf-8")
    argv = ["--train_file", str(tmp_path / "rows.csv"), "--model_name_or_path", str(tiny_model), *SHORT]
    recipe("finetune").main([*argv, "--output_dir", str(output_dir)])
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    card = ModelCard.load(output_dir / "README.md")
    card.validate()
    results = json.loads((output_dir / "all_results.json").read_text())
    scores = {(score.dataset_split, score.metric_name): score.metric_value for score in card.data.eval_results}
    assert scores["test", "macro-F1"] == results["test_macro_f1"] and len(scores) == 8
    assert f"It started from the folder `{tiny_model}`" in card.text
    AutoModelForSequenceClassification.from_pretrained(output_dir)
    with pytest.raises(ValueError, match="base_model"):  # the Hub refuses a path
        ModelCard(f"---\n{yaml.safe_dump({'base_model': str(tiny_model)})}---\n").validate()


def test_a_configuration_belongs_to_a_hub_data_set(tmp_path):
    for data in ({"train_file": "rows.csv"}, {}):
        with pytest.raises(UserError, match="--dataset_config_name needs the --dataset_name"):
            LabelledDataArguments(dataset_config_name="hotels", **data)
    with pytest.raises(UserError, match="--dataset_config_name hotels: reviews has none"):
        recipe("finetune").main(
            ["--dataset_name", "reviews", "--dataset_config_name", "hotels", "--output_dir", str(tmp_path)]
        )
    assert "dataset_config_name" in FACTS_OF_RUN
