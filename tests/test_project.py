"""The project's own files say the same as one another: versions, licence, citation, checks."""

import re
import shlex

import pytest
import yaml
from conftest import ROOT, execute
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]


def value_of(key: str) -> str:
    """A plain string of pyproject.toml, which Python 3.10 has no parser for."""
    return re.search(rf'^{key} = "(.*)"$', PYPROJECT, re.M)[1]


def read_yaml(name: str) -> dict:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def requirements() -> list[Requirement]:
    """Those of `dependencies` and of the extra `dev`."""
    lists = re.findall(r"^(?:dependencies|dev) = \[(.*?)\]$", PYPROJECT, re.M | re.S)
    return [Requirement(word) for part in lists for word in re.findall(r'"([^"]+)"', part)]


def pins_on(python: str) -> dict[str, str]:
    """Each pinned version, by name, for a version of Python."""
    chosen = [pin for pin in PINS if not pin.marker or pin.marker.evaluate({"python_version": python})]
    names = [canonicalize_name(pin.name) for pin in chosen]
    assert len(names) == len(set(names)), f"pinned twice for Python {python}"
    return {name: str(pin.specifier).removeprefix("==") for name, pin in zip(names, chosen, strict=True)}


def matrix() -> list[str]:
    return read_yaml(".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]


@pytest.mark.parametrize("python", matrix())
def test_every_dependency_is_pinned_on_every_python_of_the_workflow_at_or_above_its_floor(python):
    assert SpecifierSet(value_of("requires-python")).contains(f"{python}.0")
    pins = pins_on(python)
    for requirement in requirements():
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_the_workflow_begins_at_the_oldest_python_that_pip_lets_in_and_runs_what_ci_runs():
    assert value_of("requires-python") == f">={matrix()[0]}"
    assert f'target-version = "py{matrix()[0].replace(".", "")}"' in PYPROJECT
    runs = [step["run"] for step in read_yaml(".github/workflows/ci.yml")["jobs"]["test"]["steps"] if "run" in step]
    assert runs == ["bash .ci/run"]


def test_the_python_that_is_asked_for_makes_the_environment(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    planned = execute("make", "-n", "setup", cwd=tmp_path, PYTHON="python3.12", MAKEFLAGS="")
    assert planned.returncode == 0, planned.stderr
    assert "python3.12 -m venv .venv" in planned.stdout


def test_the_hooks_run_the_ruff_that_make_lint_runs():
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    pinned = f"ruff=={pins_on('3.11')['ruff']}"
    assert [hook["additional_dependencies"] for hook in repository["hooks"]] == [[pinned], [pinned]]
    words = [shlex.split(hook["entry"])[:2] for hook in repository["hooks"]]
    assert words == [["ruff", "check"], ["ruff", "format"]]


def test_licence_citation_and_changelog_are_of_this_version():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0" and citation["title"] == value_of("name")
    assert citation["version"] == value_of("version") and citation["license"] == value_of("license")
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence and "Version 2.0, January 2004" in licence
    versions = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    assert versions[:2] == ["Unreleased", value_of("version")]


def test_the_floors_become_pins_of_every_dependency(tmp_path):
    for name in ("Makefile", "pyproject.toml"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv-floors" / "bin").mkdir(parents=True)
    for name in ("python", "pip"):  # nothing is installed here: the list is what is looked at
        (tmp_path / ".venv-floors" / "bin" / name).symlink_to("/bin/true")
    made = execute("make", ".venv-floors/installed", cwd=tmp_path, MAKEFLAGS="")
    assert made.returncode == 0, made.stderr
    floors = {Requirement(line).name for line in (tmp_path / ".venv-floors" / "floors.txt").read_text().splitlines()}
    exact = {requirement.name for requirement in requirements() if "==" in str(requirement.specifier)}
    assert {requirement.name for requirement in requirements()} - exact == floors


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md"])
def test_the_make_targets_that_contributing_names_are_there(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = set(re.findall(r"\bmake ([a-z-]+)", text))
    assert named and named <= targets, named - targets
