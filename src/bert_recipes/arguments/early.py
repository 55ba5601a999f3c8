"""A recipe's command line, looked at before torch is imported, which takes seconds: a typo, a file that is not there.

The names of the arguments stand in the source of their dataclasses, ours and transformers', and are read there without
importing them. `arguments.parse` looks at all of it again, and at the values.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import yaml

from .former_names import unknown_name

PACKAGE = Path(__file__).parents[1]
INPUT_FILES = ("train_file", "validation_file", "test_file", "input_file", "label_names_file")


def check_command_line(argv: list[str]) -> None:
    """End the process with status 2 and one line where a recipe was started with an argument that it does not have, or
    with a file that is not there. Of any other program nothing is looked at."""
    recipe = Path(argv[0] if argv else "")  # an embedded Python has none
    if recipe.parent.name != "recipes" or not recipe.is_file() or "--help" in argv or "-h" in argv:
        return
    known = {"--config"} | {f"--{name}" for name in argument_names(recipe)}
    given = dict(words_and_values(argv[1:]))
    for word in given:
        if word not in known and word.replace("-", "_").replace("__", "--", 1) not in known:
            refuse(unknown_name(word, known, "argument"))
    config = given.get("--config")
    values = {f"--{key}": value for key, value in read_yaml(config).items()} | given if config else given
    for word in values:
        if word not in known and word not in given:
            refuse(f"--config {config}: {unknown_name(word, known, 'key')}")
    for name in INPUT_FILES:
        path = values.get(f"--{name}")
        if path and path != "-" and f"--{name}" in known and not Path(str(path)).is_file():
            refuse(f"--{name} {path}: there is no such file")


def refuse(message: str) -> NoReturn:
    if os.environ.get("RANK", "0") == "0":  # every process of a launch meets the same mistake
        print(f"error: {message}", file=sys.stderr, flush=True)
    sys.exit(2)


def words_and_values(argv: list[str]) -> Iterator[tuple[str, str | None]]:
    """Each `--name`, and the word behind it, or behind its equals sign."""
    for word, following in itertools.zip_longest(argv, argv[1:]):
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            yield name, value if equals else following


def read_yaml(path: str) -> dict:
    """Empty where it is none: `parse` says so."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    return content if isinstance(content, dict) else {}


# --- the names of the arguments, out of the source ---


def argument_names(recipe: Path) -> set[str]:
    """Of the dataclasses that the recipe hands to `parse`; of a flag that is on by default its `no_` twin too."""
    (call,) = [node for node in ast.walk(syntax_tree(recipe)) if is_call_of(node, "parse")]
    return set().union(*(fields_of(argument.id, recipe) for argument in call.args))


def is_call_of(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def fields_of(name: str, path: Path) -> set[str]:
    """Of a dataclass that stands in a file, or that the file imports, with those of its bases."""
    tree = syntax_tree(path)
    found = next((node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name), None)
    if found is None:
        return fields_of(name, next(where for imported, where in imports_of(path) if imported == name))
    names = set()
    for base in found.bases:
        if isinstance(base, ast.Attribute):  # transformers.TrainingArguments
            names |= fields_of(base.attr, transformers_folder() / "training_args.py")
        else:
            names |= fields_of(base.id, path)
    for field in [node for node in found.body if isinstance(node, ast.AnnAssign)]:
        name, source = field.target.id, ast.unparse(field)
        if "ClassVar" in source or "init=False" in source:  # no argument, and hides one of a base
            names.discard(name)
        else:
            names |= {name, f"no_{name}"} if ast.unparse(field.annotation) == "bool" else {name}
    return names


def imports_of(path: Path) -> Iterator[tuple[str, Path]]:
    """Each name that a file imports from this package, and the file that it comes from."""
    for node in [node for node in syntax_tree(path).body if isinstance(node, ast.ImportFrom) and node.module]:
        folder = path.parents[node.level - 1] if node.level else PACKAGE.parent
        source = folder.joinpath(*node.module.split(".")).with_suffix(".py")
        if source.is_file():
            yield from ((alias.name, source) for alias in node.names)


def transformers_folder() -> Path:
    return Path(importlib.util.find_spec("transformers").submodule_search_locations[0])


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
