"""The commands of README and docs/, each as its user types it: all are parsed, and each runs in a short form that says
something which no command before it said. One stage starts from another's output; a Hub checkpoint is a tiny local
one, and so is the embedded model."""

import re
import shlex

import pandas
import pytest
from conftest import ROOT, execute, launched_words, recipe, short
from pages import PAGES, blocks, commands

# Have tests of their own: test_launch_configs.py parses every command of that page, test_benchmarks.py runs benchmarks.
ELSEWHERE = ["docs/launching.md"]
NOT_RECIPES = (
    "make test",
    "make test-faults",
    "make bench",
    "make gpu-check",
    "python benchmarks/",
    "make demo",
    "make base-text",
    "python3 -m venv .venv",
)
NOT_RECIPES += (".venv/bin/pip install -c constraints.txt -e .", "source .venv/bin/activate")
# split.py runs in tests/experiment; base-model wants the text that base-text gathers.
PARSED_ONLY = ("split.py", "make split", "make base-model")


@pytest.fixture
def fresh_clone(tmp_path, monkeypatch):
    """A folder with the repository's recipes, and the files that the pages' user has."""
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
    (tmp_path / "my_losses.py").write_text(blocks("docs/losses.md", "python")[0], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def recipe_and_arguments(command: str) -> tuple[str, tuple[str, ...]]:
    """What a command runs: `make` is asked which recipe it would launch."""
    if command.startswith("make "):
        # `make test ARGS=...` hands its own ARGS down to any make below it.
        planned = execute("make", "-n", *shlex.split(command)[1:], cwd=".", MAKEFLAGS="", ARGS="")
        assert planned.returncode == 0, planned.stderr
        (command,) = [line for line in planned.stdout.splitlines() if "recipes/" in line]
    words = launched_words(shlex.split(command))
    script = next(index for index, word in enumerate(words) if re.fullmatch(r"recipes/\w+\.py", word))
    return words[script].removeprefix("recipes/").removesuffix(".py"), tuple(words[script + 1 :])


def said_by(name: str, argv: tuple[str, ...]) -> set[str]:
    """The recipe, its flags, and its config file."""
    return {name, *(word for word in argv if word.startswith("--") or word.endswith(".yaml"))}


class Parsed(Exception):
    """The command line has been taken: the recipe goes no further."""


def parse_alone(name: str, argv: tuple[str, ...], monkeypatch) -> None:
    module = recipe(name)
    parse = module.parse

    def stop(*classes, **words):
        parse(*classes, **words)
        raise Parsed

    monkeypatch.setattr(module, "parse", stop)
    with pytest.raises(Parsed):
        module.main(list(argv))


def in_short(name: str, argv: tuple[str, ...], model: str) -> list[str]:
    from_a_run = name == "predict" or re.search("--model_name_or_path outputs/", " ".join(argv))
    start = [] if from_a_run else ["--model_name_or_path", model]
    limits = short(name) if "--streaming" not in argv else short(name)[2:]  # a stream is not drawn from
    return [*argv, *start, *limits]


def test_every_command_of_the_pages(fresh_clone, tiny_model, monkeypatch):
    typed = dict.fromkeys(line for page in PAGES if page not in ELSEWHERE for line in commands(page))
    planned = {
        recipe_and_arguments(command): any(part in command for part in PARSED_ONLY)
        for command in typed
        if not command.startswith(NOT_RECIPES)
    }
    said, ran = set(), set()
    for (name, argv), parsed_only in planned.items():
        if parsed_only or said_by(name, argv) <= said:
            parse_alone(name, argv, monkeypatch)
        else:
            assert recipe(name).main(in_short(name, argv, str(tiny_model))) is not None
            said |= said_by(name, argv)
            ran.add(name)
    assert ran | {"split", "demo"} == {path.stem for path in (ROOT / "recipes").glob("*.py")}
    labelled, given = (pandas.read_csv(name) for name in ("outputs/labelled.csv", "data/new.csv"))
    assert labelled["title"].tolist() == given["title"].tolist()
    for block in dict.fromkeys(block for page in PAGES for block in blocks(page, "python")):
        exec(compile(block, "docs/finetuning.md", "exec"), {})


def test_make_help_lists_the_targets_of_the_pages():
    done = execute("make", "help")
    assert done.returncode == 0
    listed = {line.split()[0] for line in done.stdout.splitlines()}
    typed = {line.split()[1] for page in PAGES for line in commands(page) if line.startswith("make ")}
    assert len(typed) >= 10 and typed | {"setup", "lint"} <= listed
