"""A run shows how far it is, fails by its name, and tells each row as right or wrong."""

import numpy as np
import pytest
from conftest import ROOT

from bert_recipes.experiment.forecast import Progress
from bert_recipes.experiment.kept_runs import Runs
from bert_recipes.experiment.runs import Run
from bert_recipes.run.errors import UserError


def test_a_pretraining_shows_how_far_it_is(tmp_path, tiny_model):
    (tmp_path / "train.txt").write_text("\n".join(f"第{row}行，今天的天气很好。" for row in range(100)), "utf-8")
    argv = ["--train_file", str(tmp_path / "train.txt"), "--validation_file", str(tmp_path / "train.txt")]
    argv += ["--model_name_or_path", str(tiny_model), "--max_steps", "4"]
    run = Run("pretraining", "base", "mlm", recipe=ROOT / "recipes" / "mlm_pretrain.py", argv=tuple(argv))
    progress, seen = Progress({run.file_name: 100.0}), []
    progress.show = lambda: seen.append(progress.done[run.file_name])
    Runs(tmp_path / "split").execute([run], 1, progress)
    assert seen == pytest.approx([20, 40, 60, 80, 100])  # four steps, then the scores and measures


def test_a_run_that_fails_is_named_with_its_log(tmp_path):
    missing = ("--train_file", str(tmp_path / "none.jsonl"))
    run = Run("labels", "base", "full", 20, recipe=ROOT / "recipes" / "finetune.py", argv=missing)
    log = tmp_path / "logs" / "labels-base-full-20-0.txt"
    with pytest.raises(UserError, match=rf"labels-base-full-20-0 \(its log: {log}\): --train_file .*none\.jsonl"):
        Runs(tmp_path).execute([run], workers=1)
    assert log.exists() and not (tmp_path / "results.json").exists()


def test_a_row_with_several_labels_is_right_when_all_are_in_any_order(tmp_path, tiny_model):
    cells = ["b|a", "a|b", "a", "b"] * 30
    rows = [
        f"{'好' if 'a' in cell else '差'}{'快' if 'b' in cell else '慢'}{number}" for number, cell in enumerate(cells)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{row},{cell}\n" for row, cell in zip(rows, cells, strict=True)))
    argv = ["--train_file", str(path), "--label_separator", "|", "--model_name_or_path", str(tiny_model)]
    argv += ["--max_steps", "60", "--learning_rate", "3e-3", "--eval_strategy", "no", "--save_strategy", "no"]
    run = Run("titles", "base", "full", recipe=ROOT / "recipes" / "finetune.py", argv=(*argv, "--no_baseline"))
    (result,) = Runs(tmp_path / "split").execute([run], workers=1)
    assert (
        np.mean(result["rows_told_right"]) == pytest.approx(result["test_accuracy"]) and result["test_accuracy"] > 0.5
    )
