"""What a run proposes next runs as it stands."""

import os
import shlex
import subprocess

import pytest
from conftest import ROOT, recipe, short, tools_first

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.results.next_steps import WIDTH, after_classifier, command, flags


def given(instance, **values):
    instance.given = values
    return instance


def test_flags_are_the_arguments_that_were_given():
    assert flags({"from_scratch": True, "revision": None, "use": False, "max_length": 64}) == [
        *("--from_scratch", "--max_length", "64")
    ]


def test_a_command_is_in_short_lines_and_reads_as_one():
    words = ["--train_file", "my rows.csv", "--text_columns", "title,text", "--output_dir", "outputs/" + "x" * 30]
    text = command("lora", *words)
    assert all(len(line) <= WIDTH for line in text.splitlines()) and len(text.splitlines()) > 1
    assert shlex.split(text.replace("\\\n", ""))[-6:] == words


def test_after_a_file_of_ones_own_the_same_file_is_proposed(tmp_path):
    data_args = given(LabelledDataArguments(train_file="a.txt"), train_file="a.txt", text_columns="text")
    steps = after_classifier("lora", "out", given(ModelArguments()), data_args)
    label, other, pretrain = steps.values()
    assert "--input_file a.txt" in label and "--output_file out/labelled.csv" in label
    assert "finetune.py --train_file a.txt" in other and "mlm_pretrain.py --train_file a.txt" in pretrain


def test_how_the_file_is_read_goes_with_the_command():
    read = {"train_file": "a.csv", "label_separator": "|", "encoding": "gb18030"}
    label, *_ = after_classifier(
        "finetune", "out", given(ModelArguments()), given(LabelledDataArguments(**read), **read)
    ).values()
    assert "--label_separator '|'" in label and "--encoding gb18030" in label


@pytest.mark.parametrize("name", ["finetune", "mlm_pretrain"])
def test_the_commands_run_as_they_stand(name, tiny_model, tmp_path, monkeypatch, capsys):
    """The first from the screen, in a shell; the others have flags of recipes that other tests run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    out = ["--output_dir", "out", "--model_name_or_path", str(tiny_model)]
    recipe(name).main([*short(name), *out, "--eval_strategy", "no", "--save_strategy", "no"])
    screen = capsys.readouterr().out.split("\nNext:\n")[1]
    steps = [part.split("\n", 1)[1] for part in screen.split("  # ")[1:]]
    assert len(steps) == 3
    step = steps[0 if name == "finetune" else 2]
    environment = tools_first(PYTHONPATH=os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(step, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        (tmp_path / "out" / "labelled.csv").exists() if name == "finetune" else "房间很" in done.stdout.replace(" ", "")
    )
