"""Two processes on one machine do what one does: the same losses, the same scores, every row predicted once."""

import json

import pandas
import pytest
from conftest import execute, recipe, short

from bert_recipes.arguments import DataArguments
from bert_recipes.documents import load_documents

CASES = {
    "finetune": [],
    "lora": [],
    "mlm_pretrain": ["--whole_word_mask", "--nsp"],
    "mlm_pretrain, streamed": ["--streaming", "--train_file", "train.txt", "--validation_file", "validation.txt"],
}


@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_figures_of_one(case, tiny_model, tmp_path):
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
    done = execute("accelerate", "launch", "--config_file", "recipes/accelerate/cpu_2.yaml", f"recipes/{name}.py", *two)
    assert done.returncode == 0, done.stdout + done.stderr
    logs, results = {}, {}
    for folder in ("one", "two"):
        (checkpoint, *_) = sorted((tmp_path / folder).glob("checkpoint-*"))
        history = json.loads((checkpoint / "trainer_state.json").read_text())["log_history"]
        logs[folder] = [(entry["loss"], entry["grad_norm"]) for entry in history if "loss" in entry]
        results[folder] = json.loads((tmp_path / folder / "all_results.json").read_text())
    assert len(logs["one"]) >= 3
    for one, two in zip(logs["one"], logs["two"], strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    compared = [n for n in results["one"] if n.startswith(("eval_", "test_")) and not n.endswith(("runtime", "second"))]
    assert [results["two"][n] for n in compared] == pytest.approx([results["one"][n] for n in compared], rel=1e-4)
    if name != "mlm_pretrain":
        one, two = (pandas.read_csv(tmp_path / folder / "predictions.csv") for folder in ("one", "two"))
        assert two["text"].tolist() == one["text"].tolist() and two["prediction"].tolist() == one["prediction"].tolist()


VOCABULARY_OF_A_RANK = """
import sys
from bert_recipes.arguments import DataArguments, MlmArguments, ModelArguments
from bert_recipes.documents import load_documents
from bert_recipes.models import load_or_train_tokenizer

args = MlmArguments(output_dir=sys.argv[1], use_cpu=True, vocab_size=2500)
texts = load_documents(DataArguments("peoples_daily"))["validation"]["text"]
tokenizer = load_or_train_tokenizer(ModelArguments(from_scratch=True), args, texts)
words = " ".join(sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get))
open(f"{args.output_dir}/rank{args.process_index}.txt", "w", encoding="utf-8").write(words)
"""


def test_two_processes_from_scratch_have_one_vocabulary(tmp_path):
    (tmp_path / "script.py").write_text(VOCABULARY_OF_A_RANK)
    config = "recipes/accelerate/cpu_2.yaml"
    done = execute("accelerate", "launch", "--config_file", config, str(tmp_path / "script.py"), str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = ((tmp_path / f"rank{rank}.txt").read_text(encoding="utf-8") for rank in (0, 1))
    assert first == second and len(first.split()) > 2000
