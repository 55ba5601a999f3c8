"""The order of src/: which package may import which, how long a module may be, and a map that says what is there."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

# Each imports only what stands before it; recipes/ import them all.
ORDER = ["run", "arguments", "text", "models", "training", "results", "experiment"]
SOURCE = ROOT / "src"
HOUSE = SOURCE / "bert_recipes"
MODULES = {".".join(path.relative_to(SOURCE).with_suffix("").parts): path for path in sorted(HOUSE.rglob("*.py"))}
MAPS = ["docs/architecture.md", "docs/architecture.zh-CN.md"]


def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports(module: str) -> set[str]:
    """The modules of src/ that a module imports anywhere in it, inside functions too."""
    path = MODULES[module]
    found = set()
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = list(path.relative_to(SOURCE).parts[: -node.level]) if node.level else []
            origin = ".".join([*package, *filter(None, [node.module])])
            found |= {origin, *(f"{origin}.{alias.name}" for alias in node.names)}
    return {name if name in MODULES else f"{name}.__init__" for name in found} & MODULES.keys() - {module}


def package_of(module: str) -> str | None:
    """None: bert_recipes/__init__.py, which stands above them all."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 else None


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_packages_are_those_of_the_order():
    folders = {path.parent.relative_to(HOUSE).parts[0] for path in HOUSE.rglob("*.py") if path.parent != HOUSE}
    assert folders == set(ORDER)
    assert {module for module in MODULES if not package_of(module)} == {"bert_recipes.__init__"}


def test_no_import_runs_back():
    back = []
    for module in MODULES:
        for imported in imports(module):
            ours, theirs = package_of(module), package_of(imported)
            if ours and theirs and ORDER.index(theirs) > ORDER.index(ours):
                back.append(f"{module} imports {imported}")
    assert not back, "\n".join(back)


def test_no_modules_import_one_another_in_a_circle():
    # A package's own __init__ holds a docstring: whoever imports a module of the package needs nothing of it.
    graph = {module: {name for name in imports(module) if not name.endswith("__init__")} for module in MODULES}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(" imports ".join(reversed(circle.args[1])))


def test_no_recipe_is_imported():
    recipes = {path.stem for path in (ROOT / "recipes").glob("*.py")}
    for module, path in MODULES.items():
        for node in ast.walk(syntax_tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not {name.split(".")[0] for name in names} & {"recipes", *recipes}, module


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_at_most_250_lines(module):
    assert lines_of(MODULES[module]) <= 250, f"{module}: what can go, or be left to a library? Does it hold two ideas?"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.py")), ids=lambda path: path.stem)
def test_a_recipe_has_at_most_80_lines(path):
    assert lines_of(path) <= 80


def test_a_package_opens_with_a_docstring_and_no_more():
    for module, path in MODULES.items():
        if module.endswith(".__init__") and package_of(module):
            tree = syntax_tree(path)
            assert ast.get_docstring(tree) and len(tree.body) == 1, module


def test_every_folder_of_tests_mirrors_a_package():
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("*.py")}
    for folder in folders:
        assert (HOUSE / folder).is_dir(), f"tests/{folder} has no src/bert_recipes/{folder}"


# --- docs/architecture.md ---


def read_map(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def rows_of_packages(text: str) -> dict[str, set[str]]:
    """The `module.py` of each row of the table of packages, as paths inside the package."""
    rows = re.findall(r"^\| `(\w+)/` \|(.+)$", text, re.M)
    return {package: set(re.findall(r"`([\w/]+\.py)`", row)) for package, row in rows}


def names_in(text: str) -> set[str]:
    """What the page calls `package.module` or `package.module.function`."""
    return set(re.findall(rf"`((?:{'|'.join(ORDER)})(?:\.(?!py`|json`)\w+)+)`", text))


def defined_in(tree: ast.AST) -> dict[str, ast.AST]:
    """The functions, classes and variables at the top of a module or class."""
    found = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {target.id: node for target in targets if isinstance(target, ast.Name)}
    return found


def is_there(name: str) -> bool:
    """Whether `package.module`, or what it defines, exists: `training.trainer.Trainer.compute_loss`, say."""
    parts = ["bert_recipes", *name.split(".")]
    size = next((size for size in range(len(parts), 2, -1) if ".".join(parts[:size]) in MODULES), None)
    if size is None:
        return False
    node = syntax_tree(MODULES[".".join(parts[:size])])
    for part in parts[size:]:
        node = defined_in(node).get(part) if hasattr(node, "body") else None
        if node is None:
            return False
    return True


@pytest.mark.parametrize("name", MAPS)
def test_the_map_names_every_module_and_no_other(name):
    there = {package: set() for package in ORDER}
    for module, path in MODULES.items():
        if not module.endswith("__init__"):
            there[package_of(module)].add(str(path.relative_to(HOUSE / package_of(module))))
    assert rows_of_packages(read_map(name)) == there


@pytest.mark.parametrize("name", MAPS)
def test_the_map_names_functions_that_are_there(name):
    named = names_in(read_map(name))
    assert named
    missing = sorted(word for word in named if not is_there(word))
    assert not missing, missing


@pytest.mark.parametrize("name", [*MAPS, "CONTRIBUTING.md", "CONTRIBUTING.zh-CN.md"])
def test_the_files_that_a_page_names_are_there(name):
    text = read_map(name)
    paths = re.findall(r"`((?:src|recipes|tests|docs|benchmarks)/[\w./-]*)`", text)
    links = [str(Path(name).parent / link) for link in re.findall(r"\]\(([^)#:]+)\)", text)]
    missing = [path for path in [*paths, *links] if not (ROOT / path).exists()]
    assert not missing, missing


@pytest.mark.parametrize("name", MAPS)
def test_the_drawing_has_the_order(name):
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", read_map(name), re.S)
    boxes = re.findall(r"^\s*(\w+)\[", drawing, re.M)
    assert [box for box in boxes if box in ORDER] == ORDER
    assert "recipes" in boxes


def test_both_languages_name_the_same():
    english, chinese = map(read_map, MAPS)
    assert names_in(english) == names_in(chinese)
    assert len(re.findall(r"^## ", english, re.M)) == len(re.findall(r"^## ", chinese, re.M))
