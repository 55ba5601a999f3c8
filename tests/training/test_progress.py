"""What the screen shows while a model trains."""

import io
import re

from conftest import recipe, short
from tqdm.auto import tqdm

from bert_recipes.run.errors import run
from bert_recipes.training.progress import RowsDone


def screen(tmp_path, tiny_model, capsys, *words: str):
    argv = [*short("finetune"), "--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")]
    results = {}
    run(lambda: results.update(recipe("finetune").main([*argv, "--per_device_train_batch_size", "12", *words])))
    return results, capsys.readouterr()


def test_the_mark_to_beat_stands_before_the_training_and_each_validation_in_a_line(tmp_path, tiny_model, capsys):
    results, said = screen(tmp_path, tiny_model, capsys, "--logging_steps", "1")
    assert said.err == ""  # --disable_tqdm true
    lines = said.out.splitlines()
    floors = f"{results['baseline_accuracy']:.4f} (character tf-idf + a linear model), "
    beat = lines.index(f"To beat: accuracy {floors}{results['majority_accuracy']:.4f} (majority class)")
    trained = next(number for number, line in enumerate(lines) if line.startswith("Training "))
    steps = [
        number for number, line in enumerate(lines) if re.match(r"step \d of 4: loss [\d.]+, about \d+ s left$", line)
    ]
    (scored,) = [number for number, line in enumerate(lines) if line.startswith("epoch 1, validation: loss ")]
    assert beat < trained < steps[0] < scored and len(steps) == 4
    assert lines[trained].endswith(" weights: 4 steps of 12 rows")
    assert f"accuracy {results['eval_accuracy']:.4f}, macro-F1 {results['eval_macro_f1']:.4f}" in lines[scored]
    assert "{" not in said.out


def test_one_bar_at_a_time(tmp_path, tiny_model, capsys):
    _, said = screen(tmp_path, tiny_model, capsys, "--disable_tqdm", "false")
    assert "training" in said.err and "scoring" in said.err and not re.search(r"^step", said.out, re.MULTILINE)
    # A bar that is followed by another has been wiped: no line but the last ones ends with one.
    assert "\n" not in said.err.strip()


def test_the_bar_of_a_file_counts_the_rows_of_its_blocks():
    with tqdm(total=14, file=io.StringIO()) as bar:
        rows, seen = RowsDone(bar), []
        for block, batches in ((10, 4), (4, 2)):
            rows.begin(block)
            for _ in range(batches):
                rows.on_prediction_step(None, None, None, eval_dataloader=range(batches))
                seen.append(bar.n)
        rows.on_prediction_step(None, None, None, eval_dataloader=range(2))
    assert seen == [2, 5, 7, 10, 12, 14] and bar.n == 14
