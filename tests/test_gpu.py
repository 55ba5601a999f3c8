"""A GPU does what the CPU does: every recipe, every precision, every launch, and a resume to the bit.

`make gpu-check` runs these tests, with those of other files that have the marker `gpu`. Where it is cheap, the same
test runs on the CPU too: it compares the CPU with itself.
"""

import functools
import json
import os
import signal
import subprocess
from pathlib import Path

import numpy
import pandas
import pytest
import torch
from conftest import execute, recipe, short
from safetensors.torch import load_file

from bert_recipes.run.checkpoints import checkpoints_of, newest_checkpoint
from bert_recipes.text.builtin_corpora import load_builtin

DEVICES = {"cpu": ["--use_cpu"], "cuda": []}
FP32 = ["--precision", "fp32", "--tf32", "false"]
# Of a loss: what the order of sums makes of it in fp32 within four steps, and what 8 bits or fewer make of it.
FP32_TOLERANCE, ROUNDED_TOLERANCE = 1e-3, 2e-2
VECTOR_TOLERANCE = 1e-5
STAGES = {
    "finetune": ("finetune", ["--no_baseline"]),
    "finetune, weighted focal loss": ("finetune", ["--no_baseline", "--loss", "focal", "--class_weights", "balanced"]),
    "finetune, windows": ("finetune", ["--no_baseline", "--long_text", "windows", "--max_length", "32"]),
    "finetune, the head alone": ("finetune", ["--no_baseline", "--freeze_encoder"]),
    "lora": ("lora", ["--no_baseline"]),
    "ner": ("ner", []),
    "ner, adapters": ("ner", ["--lora"]),
    "simcse": ("simcse", ["--dropout", "1e-6"]),  # what a GPU drops, a CPU does not
    "mlm_pretrain": ("mlm_pretrain", []),
    "mlm_pretrain, whole words and pairs": ("mlm_pretrain", ["--whole_word_mask", "--nsp"]),
    "mlm_pretrain, packed": ("mlm_pretrain", ["--packing", "true"]),
}
PRECISIONS = {
    "bf16": ["--precision", "bf16"],
    "fp16": ["--precision", "fp16"],
    "tf32": ["--precision", "fp32", "--tf32", "true"],
    "compiled": ["--precision", "bf16", "--torch_compile", "true"],
}


def on_gpu(*values: str):
    return pytest.param(*values, "cuda", marks=pytest.mark.gpu)


@pytest.fixture(autouse=True)
def environment_as_before():
    """TrainingArguments leaves the precision and the compiler of one run to the next one in the same process."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def train(stage: str, folder: Path, model: Path, *words: str) -> list[float]:
    """The losses of a short run, step by step."""
    name, of_stage = STAGES[stage]
    recipe(name).main(
        [
            *(*short(name), *of_stage, "--model_name_or_path", str(model), "--output_dir", str(folder)),
            *("--logging_steps", "1", *words),
        ]
    )
    return logged_losses(folder)


def logged_losses(folder: Path) -> list[float]:
    state = json.loads((checkpoints_of(folder)[0] / "trainer_state.json").read_text())
    return [entry["loss"] for entry in state["log_history"] if "loss" in entry]


def largest_gap(losses: list[float], expected: list[float]) -> float:
    """Of the same steps of two runs, relative to the expected loss."""
    return max(abs(loss / other - 1) for loss, other in zip(losses, expected, strict=True))


def test_the_gap_is_the_largest_of_all_steps():
    assert largest_gap([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == 0
    assert largest_gap([1.0, 2.2, 2.97], [1.0, 2.0, 3.0]) == pytest.approx(0.1)
    with pytest.raises(ValueError):
        largest_gap([1.0], [1.0, 2.0])


@pytest.fixture(scope="module")
def on_the_cpu(tiny_model, tmp_path_factory):
    """The losses of a stage on the CPU in fp32; each stage runs once."""
    folder = tmp_path_factory.mktemp("cpu")
    return functools.cache(lambda stage: train(stage, folder / stage, tiny_model, *FP32, *DEVICES["cpu"]))


def tell(record_property, kind: str, gap: float, allowed: float) -> None:
    record_property("figure", f"{kind} {gap:.1e} apart, {allowed:.0e} allowed")
    assert gap <= allowed


@pytest.mark.parametrize("stage, device", [("finetune", "cpu"), *(on_gpu(stage) for stage in STAGES)])
def test_losses_are_those_of_the_cpu(stage, device, on_the_cpu, tiny_model, tmp_path, record_property):
    losses = train(stage, tmp_path / "run", tiny_model, *FP32, *DEVICES[device])
    assert len(losses) == 4
    tell(record_property, "losses", largest_gap(losses, on_the_cpu(stage)), FP32_TOLERANCE)


@pytest.mark.parametrize("device", ["cpu", on_gpu()])
def test_vectors_are_those_of_the_cpu_one_at_a_time(device, tiny_model, tmp_path, record_property):
    texts = [text[:length] for length, text in enumerate(load_builtin("reviews")["test"]["text"][:48], 4)]
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    words = ["--model_name_or_path", str(tiny_model), "--input_file", str(tmp_path / "texts.txt")]
    vectors = []
    for name, batch in (("cpu", "1"), (device, "16")):
        output = tmp_path / f"{batch}.npz"
        on_device = [*DEVICES[name], "--per_device_eval_batch_size", batch, "--output_file", str(output)]
        recipe("embed").main([*words, *on_device])
        vectors.append(numpy.load(output)["vectors"])
    tell(record_property, "vectors", float(abs(vectors[0] - vectors[1]).max()), VECTOR_TOLERANCE)


@pytest.mark.parametrize(
    "stage, precision, device",
    [
        ("mlm_pretrain", "bf16", "cpu"),
        *(on_gpu(stage, precision) for stage in ("finetune", "mlm_pretrain") for precision in PRECISIONS),
        on_gpu("mlm_pretrain, packed", "bf16"),  # by a kernel that fp32 does not have
    ],
)
def test_losses_in_fewer_digits_are_near(stage, precision, device, on_the_cpu, tiny_model, tmp_path, record_property):
    losses = train(stage, tmp_path / "run", tiny_model, *PRECISIONS[precision], *DEVICES[device])
    tell(record_property, "losses", largest_gap(losses, on_the_cpu(stage)), ROUNDED_TOLERANCE)


@pytest.mark.parametrize("device", [on_gpu()])
def test_predictions_are_those_of_the_cpu(device, tiny_model, tmp_path, record_property):
    run, labelled = tmp_path / "run", {}
    train("finetune", run, tiny_model, *FP32, *DEVICES["cpu"])
    pandas.read_csv(run / "predictions.csv")[["text", "label"]].to_csv(tmp_path / "rows.csv", index=False)
    for name, flags in {"cpu": DEVICES["cpu"], "other": DEVICES[device]}.items():
        files = ["--input_file", str(tmp_path / "rows.csv"), "--output_file", str(tmp_path / f"{name}.csv")]
        recipe("predict").main(["--model_name_or_path", str(run), "--precision", "fp32", *files, *flags])
        labelled[name] = pandas.read_csv(tmp_path / f"{name}.csv")
    gap = (labelled["other"]["score"] - labelled["cpu"]["score"]).abs().max()
    tell(record_property, "scores", gap, FP32_TOLERANCE)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["split", "demo"])
def test_the_recipes_that_run_others_end(name, tiny_model, tmp_path):
    words = {
        "split": [*short("split"), "--model_name_or_path", str(tiny_model)],
        "demo": [
            *("--labels", "40", "--num_seeds", "1", "--steps", "2", "--pretraining_epochs", "1"),
            *("--max_pretraining_samples", "40", "--max_test_samples", "24"),
        ],
    }
    assert recipe(name).main([*words[name], "--output_dir", str(tmp_path / name)])


@pytest.mark.parametrize("config, device", [on_gpu("gpu_1"), on_gpu("ddp"), on_gpu("fsdp2")])
def test_a_launch_of_one_process_has_the_losses_of_the_cpu(
    config, device, on_the_cpu, tiny_model, tmp_path, record_property
):
    launch = ["--config_file", f"recipes/accelerate/{config}.yaml", "--num_processes", "1", "--main_process_port", "0"]
    words = [*short("finetune"), "--no_baseline", "--model_name_or_path", str(tiny_model), "--logging_steps", "1"]
    words += [*FP32, "--output_dir", str(tmp_path / "run"), *DEVICES[device]]
    done = execute("accelerate", "launch", *launch, "recipes/finetune.py", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    losses = logged_losses(tmp_path / "run")
    tell(record_property, "losses", largest_gap(losses, on_the_cpu("finetune")), FP32_TOLERANCE)


# A recipe that kills itself at a step: training.py STEP recipes/X.py ...
KILLED = """
import os, runpy, signal, sys
import transformers.trainer

class Kill(transformers.TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == int(step):
            os.kill(os.getpid(), signal.SIGKILL)

_, step, *sys.argv = sys.argv
transformers.trainer.DEFAULT_CALLBACKS.append(Kill)
sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("device", [on_gpu()])
@pytest.mark.parametrize("name", ["finetune", "mlm_pretrain"])
def test_with_full_determinism_a_killed_run_ends_with_the_same_weights(name, device, dropout_model, tmp_path):
    """In the precision that the device chooses, with dropout, killed between two checkpoints."""
    words = [*short(name), "--model_name_or_path", str(dropout_model), "--full_determinism", *DEVICES[device]]
    words += ["--max_steps", "12", "--save_strategy", "steps", "--save_steps", "4", "--eval_strategy", "no"]
    words += [] if name == "mlm_pretrain" else ["--no_baseline"]

    def start(folder: str, *how: str) -> subprocess.CompletedProcess:
        return execute("python", *how, f"recipes/{name}.py", *words, "--output_dir", str(tmp_path / folder))

    (tmp_path / "killed.py").write_text(KILLED)
    assert start("whole").returncode == 0
    killed = start("cut", str(tmp_path / "killed.py"), "10")
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert newest_checkpoint(tmp_path / "cut").endswith("checkpoint-8")
    words += ["--resume_from_checkpoint", "auto"]
    resumed = start("cut")
    assert resumed.returncode == 0, resumed.stderr
    whole, cut = (load_file(tmp_path / folder / "model.safetensors") for folder in ("whole", "cut"))
    assert whole.keys() == cut.keys() and all(torch.equal(whole[key], cut[key]) for key in whole)
