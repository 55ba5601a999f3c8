"""Every command of README.md and README.zh-CN.md in a short form, in their order: one stage starts from another's
output. A Hub checkpoint is a tiny local one here."""

import json
import re
import shlex

import pandas
import pytest
from conftest import ROOT, execute, recipe, short

from bert_recipes.experiment.comparing import asking
from bert_recipes.experiment.score_tables import table_of_gains, table_of_scores

READMES = ["README.md", "README.zh-CN.md"]
# test_benchmarks.py runs the benchmark.
NOT_RUN_HERE = {"make test", "make test-faults", "make bench", 'make bench ARGS="--quick"'}
NOT_RUN_HERE |= {
    'make bench BENCHMARK=time_to_loss ARGS="--stock_steps 400 --our_steps 400 --stock_learning_rates 0.003"'
}
NOT_RUN_HERE |= {"python3 -m venv .venv", ".venv/bin/pip install -c constraints.txt -e ."}


def blocks(readme: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / readme).read_text(encoding="utf-8"), re.M | re.S)


def commands(readme: str) -> list[str]:
    return [line for block in blocks(readme, "bash") for line in block.splitlines() if line]


@pytest.fixture
def fresh_clone(tmp_path, monkeypatch):
    """A folder with the repository's recipes, and the files that the README's user has."""
    for name in ("recipes", "Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "installed").touch()  # make has nothing to install
    (tmp_path / "data").mkdir()
    rows = pandas.DataFrame({"title": [f"标题{i}" for i in range(40)], "text": [f"第{i}天的正文。" for i in range(40)]})
    rows.assign(label=["好", "坏"] * 20).to_csv(tmp_path / "data" / "train.csv", index=False, encoding="gb18030")
    rows.to_csv(tmp_path / "data" / "new.csv", index=False)
    for name in ("corpus", "held_out"):
        (tmp_path / "data" / f"{name}.txt").write_text("\n".join(rows["text"]), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe_and_arguments(command: str) -> tuple[str, list[str]]:
    """What a command runs: `make` is asked which recipe it would launch."""
    if command.startswith("make "):
        # `make test ARGS=...` hands its own ARGS down to any make below it.
        planned = execute("make", "-n", *shlex.split(command)[1:], cwd=".", MAKEFLAGS="", ARGS="")
        assert planned.returncode == 0, planned.stderr
        (command,) = [line for line in planned.stdout.splitlines() if "recipes/" in line]
    words = shlex.split(command)
    script = next(index for index, word in enumerate(words) if re.fullmatch(r"recipes/\w+\.py", word))
    assert words[0].endswith("accelerate") and words[1] == "launch"
    return words[script].removeprefix("recipes/").removesuffix(".py"), words[script + 1 :]


def test_every_command_of_the_readme(fresh_clone, tiny_model):
    ran = []
    for command in commands("README.md"):
        if command in NOT_RUN_HERE:
            continue
        name, argv = recipe_and_arguments(command)
        if "bert-base-chinese" in command or "bert_base_chinese" in command or name == "split":
            argv += ["--model_name_or_path", str(tiny_model)]
        limits = [
            word for word in short(name) if "--streaming" not in argv or word not in ("--max_train_samples", "48")
        ]
        results = recipe(name).main([*argv, *limits])
        assert results is not None
        ran.append(name)
    assert set(ran) == {path.stem for path in (ROOT / "recipes").glob("*.py")}
    assert (
        pandas.read_csv("outputs/labelled.csv")["title"].tolist() == pandas.read_csv("data/new.csv")["title"].tolist()
    )
    for block in blocks("README.md", "python"):
        exec(compile(block, "README.md", "exec"), {})


def test_both_readmes_have_the_same_commands_tables_and_figures():
    english, chinese = ((ROOT / name).read_text(encoding="utf-8") for name in READMES)
    assert commands("README.md") == commands("README.zh-CN.md")
    assert blocks("README.md", "python") == blocks("README.zh-CN.md", "python")
    assert english.count("\n## ") == chinese.count("\n## ") and english.count("\n|") == chinese.count("\n|")
    figures = r"\d+\.\d+|\d{1,3}(?:,\d{3})+"
    assert sorted(re.findall(figures, english)) == sorted(re.findall(figures, chinese))


@pytest.mark.parametrize("readme", READMES)
def test_the_scores_are_those_of_docs_split(readme):
    results = json.loads((ROOT / "docs" / "split" / "results.json").read_text(encoding="utf-8"))
    text, runs = (ROOT / readme).read_text(encoding="utf-8"), asking(results, "labels")
    cells = [cell for table in (table_of_scores(runs), table_of_gains(runs)) for line in table[1:] for cell in line[1:]]
    assert len(cells) > 10 and all(cell in text for cell in cells if cell != "–")


@pytest.mark.parametrize("readme", READMES)
def test_the_tree_names_every_file(readme):
    tree = next(block for block in blocks(readme, "text") if "src/bert_recipes/" in block)
    for path in (*(ROOT / "recipes").glob("*.py"), *(ROOT / "src" / "bert_recipes").rglob("[a-z]*.py")):
        assert path.name in tree, path
    for path in (ROOT / "recipes" / "configs").glob("*.yaml"):
        assert path.name in (ROOT / readme).read_text(encoding="utf-8")


def test_make_help_lists_the_targets():
    done = execute("make", "help")
    assert done.returncode == 0
    targets = {line.split()[0] for line in done.stdout.splitlines()}
    assert targets >= {
        "setup",
        "finetune",
        "lora",
        "mlm-pretrain",
        "split",
        "predict",
        "base-text",
        "base-model",
        "bench",
        "test",
        "test-faults",
        "lint",
    }
