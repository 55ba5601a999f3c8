"""What a recipe says before its imports: the same names as the real parser, in a fraction of its time."""

import sys

import pytest
from conftest import ROOT, execute, recipe

from bert_recipes.arguments.early import argument_names, check_command_line
from bert_recipes.arguments.parser import RecipeParser

RECIPES = sorted((ROOT / "recipes").glob("*.py"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_the_names_are_those_of_the_parser(path, monkeypatch):
    seen = []
    monkeypatch.setattr("bert_recipes.arguments.parse.RecipeParser", lambda types: seen.append(types) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recipe(path.stem).main([])
    options = {name.removeprefix("--") for name in RecipeParser(seen[0])._option_string_actions if "-" not in name[2:]}
    # A `no_` twin is there for flags that are on by default; that every flag has one here lets a few words through.
    assert options - {"config", "help", "-h"} <= argument_names(path)
    assert {name for name in argument_names(path) if not name.startswith("no_")} <= options


def said(capsys, *argv) -> str:
    with pytest.raises(SystemExit) as end:
        check_command_line([str(ROOT / "recipes" / "finetune.py"), *argv])
    assert end.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_mistakes_are_told(capsys, tmp_path):
    assert said(capsys, "--learning_rat", "1").endswith("--learning_rat: did you mean --learning_rate?")
    assert said(capsys, "--evaluation_strategy=no").endswith("--evaluation_strategy: today it is --eval_strategy")
    assert said(capsys, "--train_file", "none.csv") == "error: --train_file none.csv: there is no such file"
    (tmp_path / "a.yaml").write_text("learning_rat: 1")
    line = said(capsys, "--config", str(tmp_path / "a.yaml"))
    assert line.endswith("unknown key learning_rat: did you mean --learning_rate?")
    (tmp_path / "a.yaml").write_text("train_file: none.csv")
    assert "none.csv: there is no such file" in said(capsys, f"--config={tmp_path / 'a.yaml'}")


def test_what_is_right_and_what_is_another_programs_is_let_through(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\n")
    words = ["--train_file", str(tmp_path / "a.csv"), "--no_baseline", "--learning-rate", "1e-4", "--seed=3", "-h"]
    check_command_line([str(ROOT / "recipes" / "finetune.py"), *words[:-1]])
    check_command_line([str(ROOT / "recipes" / "finetune.py")])
    check_command_line([str(ROOT / "recipes" / "predict.py"), "--input_file", "-", "--output_file", "-"])
    check_command_line(["pytest", "--anything"])
    check_command_line([])


def test_torch_is_not_imported_for_a_typo():
    code = (
        "import sys; sys.argv = ['recipes/finetune.py', '--learning_rat', '1']\n"
        "try:\n    import bert_recipes.arguments.parse\n"
        "except SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
    )
    done = execute(sys.executable, "-c", code)
    assert done.stdout.split() == ["2", "False"] and "did you mean" in done.stderr
