"""Two hosts in two network namespaces, joined by a virtual cable: they train as one, and a cut cable ends both."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pandas
import pytest
from conftest import ROOT, recipe, tools_first

from bert_recipes.run.checkpoints import checkpoints_of, newest_checkpoint

NAMES = [f"host{number}_{os.getpid()}" for number in (1, 2)]
ADDRESSES = ["10.77.0.1", "10.77.0.2"]
OPTIONS = [
    *("--max_train_samples", "96", "--max_eval_samples", "16", "--max_test_samples", "16", "--max_length", "48"),
    *("--logging_steps", "1", "--no_baseline", "--disable_tqdm", "true"),
]


def ip(*words: str, check: bool = True) -> subprocess.CompletedProcess:
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def namespaces_can_be_made() -> bool:
    try:
        made = ip("netns", "add", f"try_{os.getpid()}", check=False).returncode == 0
        return made and ip("netns", "delete", f"try_{os.getpid()}", check=False).returncode == 0
    except FileNotFoundError:
        return False


pytestmark = pytest.mark.skipif(not namespaces_can_be_made(), reason="needs root and iproute2, for network namespaces")


@pytest.fixture(scope="module")
def hosts():
    try:
        for name in NAMES:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1])
        for name, address in zip(NAMES, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", "cable")
            for device in ("lo", "cable"):
                ip("-n", name, "link", "set", device, "up")
        yield NAMES
    finally:
        for name in NAMES:
            kill_all(name)
            ip("netns", "delete", name, check=False)


def kill_all(host: str) -> None:
    for process in ip("netns", "pids", host, check=False).stdout.split():
        with contextlib.suppress(ProcessLookupError):  # it may end in between
            os.kill(int(process), signal.SIGKILL)


def start_both(hosts: list[str], folder: Path, model: Path, *words: str) -> list[subprocess.Popen]:
    environment = tools_first(GLOO_SOCKET_IFNAME="cable", OMP_NUM_THREADS="1")
    launches = []
    for rank, host in enumerate(hosts):
        argv = ["ip", "netns", "exec", host, "accelerate", "launch"]
        argv += ["--config_file", "recipes/accelerate/multi_node_cpu.yaml", "--machine_rank", str(rank)]
        argv += ["--main_process_ip", ADDRESSES[0], "recipes/finetune.py", "--model_name_or_path", str(model)]
        argv += ["--output_dir", str(folder), "--ddp_timeout", "15", "--per_device_train_batch_size", "8"]
        with (folder.parent / f"{folder.name}_{rank}.txt").open("a") as log:
            launches.append(
                subprocess.Popen([*argv, *OPTIONS, *words], cwd=ROOT, env=environment, stdout=log, stderr=log)
            )
    return launches


def said(folder: Path) -> str:
    return "".join((folder.parent / f"{folder.name}_{rank}.txt").read_text() for rank in (0, 1))


def train_on_both(hosts: list[str], folder: Path, model: Path, *words: str) -> None:
    launches = start_both(hosts, folder, model, *words)
    assert [launch.wait(600) for launch in launches] == [0, 0], said(folder)


@pytest.mark.full
def test_two_hosts_do_what_one_does(hosts, tiny_model, tmp_path):
    words = ["--max_steps", "6"]
    train_on_both(hosts, tmp_path / "two", tiny_model, *words)
    one = ["--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "one"), *OPTIONS, *words]
    recipe("finetune").main([*one, "--per_device_train_batch_size", "16"])
    losses, results = [], []
    for folder in (tmp_path / "one", tmp_path / "two"):
        state = json.loads((checkpoints_of(folder)[0] / "trainer_state.json").read_text())
        losses.append([entry["loss"] for entry in state["log_history"] if "loss" in entry])
        results.append(json.loads((folder / "all_results.json").read_text()))
    assert len(losses[0]) == 6 and losses[1] == pytest.approx(losses[0], rel=1e-4)
    gap = max(abs(two / one - 1) for one, two in zip(*losses, strict=True))
    print(f"\nLosses of one host and of two at most {gap:.1e} apart")
    compared = [n for n in results[0] if n.startswith(("eval_", "test_")) and not n.endswith(("runtime", "second"))]
    assert [results[1][name] for name in compared] == pytest.approx([results[0][name] for name in compared], rel=1e-4)
    one, two = (pandas.read_csv(tmp_path / folder / "predictions.csv") for folder in ("one", "two"))
    assert len(one) == 16 and two["score"].tolist() == pytest.approx(one["score"].tolist(), rel=1e-4)
    for column in ("text", "label", "prediction"):  # each row once, in its place
        assert two[column].tolist() == one[column].tolist()


@pytest.mark.full
def test_a_cut_cable_ends_both_and_nothing_is_lost(hosts, dropout_model, tmp_path):
    words = ["--save_strategy", "steps", "--save_steps", "20", "--eval_strategy", "no", "--no_do_predict"]
    words += ["--max_steps", "120", "--resume_from_checkpoint", "auto"]
    folder = tmp_path / "cut"
    launches = start_both(hosts, folder, dropout_model, *words)
    deadline = time.monotonic() + 600
    while not checkpoints_of(folder):
        assert time.monotonic() < deadline and launches[0].poll() is None, said(folder)
        time.sleep(0.01)
    ip("-n", NAMES[1], "link", "set", "cable", "down")
    cut = time.monotonic()
    try:
        statuses = [launch.wait(600) for launch in launches]  # not gloo's own 1,800 s
        seconds = time.monotonic() - cut
    finally:
        for host in hosts:
            kill_all(host)
        ip("-n", NAMES[1], "link", "set", "cable", "up")
    assert 0 not in statuses
    assert "lost another one" in said(folder)
    print(f"\nCable cut: both hosts ended after {seconds:.0f} s")
    newest = newest_checkpoint(folder, 2)
    assert newest
    train_on_both(hosts, tmp_path / "whole", dropout_model, *words)
    train_on_both(hosts, folder, dropout_model, *words)
    assert f"Going on from {newest}" in said(folder)
    expected, found = ((path / "model.safetensors").read_bytes() for path in (tmp_path / "whole", folder))
    assert found == expected
    print(f"The run that goes on from step {newest.rpartition('-')[2]} of 120 ends with equal weights, bit for bit")
