"""Two processes on one machine do what one does: the same losses, the same scores, every row predicted once."""

import json
from pathlib import Path

import pandas
import pytest
from conftest import execute, recipe, short
from processes import run_recipe, said, start, statuses

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.tokenization import load_or_train_tokenizer
from bert_recipes.run.checkpoints import checkpoints_of
from bert_recipes.run.errors import leave_group
from bert_recipes.text.documents import load_documents

# Port 0: a free one, since other tests run beside this one.
LAUNCH_TWO = [
    *("accelerate", "launch", "--config_file", "recipes/accelerate/cpu_2.yaml"),
    *("--main_process_port", "0"),
]

CASES = {
    # A rate so high that the best checkpoint is not the last.
    "finetune": [
        *(
            "--learning_rate",
            "0.05",
            "--warmup_steps",
            "0",
            "--metric_for_best_model",
            "loss",
            "--eval_strategy",
            "steps",
        ),
        *("--eval_strategy", "steps", "--eval_steps", "1", "--save_strategy", "steps", "--save_steps", "1"),
    ],
    "lora": [
        *("--loss", "focal", "--class_weights", "balanced", "--threshold", "tuned", "--calibrate"),
        *("--adversarial", "fgm", "--layer_learning_rate_decay", "0.8"),
    ],
    "mlm_pretrain": ["--whole_word_mask", "--nsp"],
    "mlm_pretrain, streamed": ["--streaming", "--train_file", "train.txt", "--validation_file", "validation.txt"],
}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_figures_of_one(case, tiny_model, tmp_path, full):
    """Two processes of one group; in the long form accelerate starts finetune.py's."""
    name = case.split()[0].strip(",")
    for split, rows in load_documents(DataArguments(max_train_samples=60, max_eval_samples=20)).items():
        (tmp_path / f"{split}.txt").write_text("\n".join(rows["text"]), encoding="utf-8")
    extra = [str(tmp_path / word) if word.endswith(".txt") else word for word in CASES[case]]
    limits = ["--max_eval_samples", "20", "--disable_tqdm", "true"] if "--streaming" in extra else short(name)
    # Three steps are whole ones: where an epoch's last batch is short, accelerate fills it up with its first rows.
    options = [*limits, *extra, "--model_name_or_path", str(tiny_model), "--logging_steps", "1", "--max_steps", "3"]
    one, two = (
        [*options, "--per_device_train_batch_size", rows, "--output_dir", str(tmp_path / folder)]
        for folder, rows in (("one", "16"), ("two", "8"))
    )
    recipe(name).main(one)
    if name == "finetune" and full:
        done = execute(*LAUNCH_TWO, f"recipes/{name}.py", *two)
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        log = tmp_path / "log.txt"
        assert statuses(start(log, run_recipe, name, two, processes=2)) == [0, 0], said(log)
    logs, results = {}, {}
    for folder in ("one", "two"):
        state = json.loads((checkpoints_of(tmp_path / folder)[0] / "trainer_state.json").read_text())
        assert name != "finetune" or state["best_global_step"] < state["global_step"]
        history = state["log_history"]
        logs[folder] = [(entry["loss"], entry["grad_norm"]) for entry in history if "loss" in entry]
        results[folder] = json.loads((tmp_path / folder / "all_results.json").read_text())
    assert len(logs["one"]) >= 3
    for one, two in zip(logs["one"], logs["two"], strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    gap = max(abs(two[0] / one[0] - 1) for one, two in zip(logs["one"], logs["two"], strict=True))
    print(f"\n{case}: losses of 1 and of 2 processes at most {gap:.1e} apart")
    compared = [n for n in results["one"] if n.startswith(("eval_", "test_")) and not n.endswith(("runtime", "second"))]
    assert [results["two"][n] for n in compared] == pytest.approx([results["one"][n] for n in compared], rel=1e-4)
    if name != "mlm_pretrain":
        one, two = (pandas.read_csv(tmp_path / folder / "predictions.csv") for folder in ("one", "two"))
        assert two["text"].tolist() == one["text"].tolist() and two["prediction"].tolist() == one["prediction"].tolist()


def write_vocabulary(folder: str) -> None:
    args = MlmArguments(output_dir=folder, use_cpu=True, vocab_size=2500)
    texts = load_documents(DataArguments("peoples_daily"))["validation"]["text"]
    tokenizer = load_or_train_tokenizer(ModelArguments(from_scratch=True), args, texts)
    words = " ".join(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get))
    Path(folder, f"rank{args.process_index}.txt").write_text(words, encoding="utf-8")
    leave_group()


def test_two_processes_from_scratch_have_one_vocabulary(tmp_path):
    log = tmp_path / "log.txt"
    assert statuses(start(log, write_vocabulary, str(tmp_path), processes=2)) == [0, 0], said(log)
    first, second = ((tmp_path / f"rank{rank}.txt").read_text(encoding="utf-8") for rank in (0, 1))
    assert first == second and len(first.split()) > 2000


@pytest.mark.full
def test_two_processes_of_a_core_each_beside_one(tmp_path):
    """Prints what the second process adds; the ideal is 2. The embedded model, a thread a process."""
    steps, rounds = 40, 5
    options = ["--max_train_samples", "1000", "--max_eval_samples", "8", "--no_baseline", "--no_do_predict"]
    options += ["--max_steps", str(steps), "--max_length", "64", "--eval_strategy", "no", "--save_strategy", "no"]
    ratios = []
    for number in range(rounds):
        speeds = []
        for processes in (1, 2):
            folder = tmp_path / f"{number}_{processes}"
            log = folder.with_suffix(".txt")
            argv = [*options, "--output_dir", str(folder)]
            assert set(statuses(start(log, run_recipe, "finetune", argv, processes=processes))) == {0}, said(log)
            speeds.append(json.loads((folder / "all_results.json").read_text())["train_samples_per_second"])
        ratios.append(speeds[1] / speeds[0])
    told = ", ".join(f"{ratio:.2f}" for ratio in sorted(ratios))
    print(f"\nThroughput of two processes beside one, a core each: {told}; the ideal is 2")
    assert min(ratios) > 0
