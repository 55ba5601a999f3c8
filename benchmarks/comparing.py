"""What the comparisons share: a recipe run with each setting and seed, a line of JSON a run, and their table.

A comparison is a file with its settings beside this one, such as domain_shift.py:

    python benchmarks/domain_shift.py                  # runs what docs/comparisons/domain_shift.jsonl has not yet
    python benchmarks/domain_shift.py --seeds 2 --file mine.jsonl
    python benchmarks/domain_shift.py --table          # of the runs that are there, in Markdown
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import ROOT, where

from bert_recipes.experiment.intervals import mean_and_interval, paired_difference
from bert_recipes.experiment.performing import fit_baseline
from bert_recipes.experiment.runs import Run as ExperimentRun
from bert_recipes.models.pretrained import FORMER_MODEL_NAMES
from bert_recipes.run.tables import as_markdown

Run = dict  # a line of the file: setting, seed, arguments, results, seconds, and `measuring.where`
OUTPUTS = ROOT / "outputs" / "comparisons"


@dataclass(frozen=True)
class Setting:
    """One row of the table: a recipe, and what it is given beside --seed and --output_dir.

    `seeds`: fewer than the others', where nothing in it is drawn at random.
    """

    name: str
    recipe: str
    arguments: tuple[str, ...]
    seeds: int | None = None


@dataclass(frozen=True)
class Comparison:
    """`scores`: heading -> name in all_results.json. With `against`, the name of a setting, the table has the
    difference of the first score from that setting's, seed by seed. `prepare` makes the files that settings name; it
    is called where a run is missing."""

    name: str
    settings: Sequence[Setting]
    scores: dict[str, str]
    against: str | None = None
    seeds: int = 5
    prepare: Callable[[], None] = lambda: None
    run: Callable[[str, Sequence[str], Path], dict[str, float]] | None = None  # in the place of `run_recipe`

    @property
    def file(self) -> Path:
        return ROOT / "docs" / "comparisons" / f"{self.name}.jsonl"


def read(file: Path) -> list[Run]:
    """The file's lines; a model goes by its name of today, so that runs kept under a former one are not run again."""
    runs = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    return [run | {"arguments": [FORMER_MODEL_NAMES.get(word, word) for word in run["arguments"]]} for run in runs]


def run_recipe(recipe: str, arguments: Sequence[str], output_dir: Path) -> dict[str, float]:
    """The results of a recipe, run in a process of its own. Ends this one where the recipe fails: it has said why."""
    command = [sys.executable, str(ROOT / "recipes" / f"{recipe}.py"), *arguments]
    done = subprocess.run([*command, "--output_dir", str(output_dir), "--overwrite"], stdout=sys.stderr, cwd=ROOT)
    if done.returncode:
        sys.exit(done.returncode)
    return json.loads((output_dir / "all_results.json").read_text(encoding="utf-8"))


def run_all(comparison: Comparison, seeds: int, file: Path) -> None:
    """Seed by seed, so that an unfinished file compares all settings; what the file has is not run again."""
    done = {(run["setting"], run["seed"], *run["arguments"]) for run in read(file)}
    missing = [
        (seed, setting)
        for seed in range(seeds)
        for setting in comparison.settings
        if (setting.name, seed, *setting.arguments) not in done and seed < (setting.seeds or seeds)
    ]
    if missing:
        comparison.prepare()
    file.parent.mkdir(parents=True, exist_ok=True)
    for seed, setting in missing:
        print(f"{setting.name}, seed {seed}", file=sys.stderr)
        folder, started = OUTPUTS / comparison.name / setting.name.replace(" ", "_"), time.perf_counter()
        results = (comparison.run or run_recipe)(setting.recipe, [*setting.arguments, "--seed", str(seed)], folder)
        run = {"setting": setting.name, "seed": seed, "recipe": setting.recipe, "arguments": setting.arguments}
        run |= {"results": results, "seconds": round(time.perf_counter() - started), **where()}
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(run, ensure_ascii=False) + "\n")


def run_recipe_or_tfidf(recipe: str, arguments: Sequence[str], output_dir: Path) -> dict[str, float]:
    """For `Comparison.run`: the recipe "tfidf" is character tf-idf with a logistic regression, on the same rows."""
    if recipe != "tfidf":
        return run_recipe(recipe, arguments, output_dir)
    return fit_baseline(
        ExperimentRun("labels", None, "tfidf", argv=tuple(arguments)), output_dir, output_dir, threads=1
    )


def table(comparison: Comparison, runs: Sequence[Run]) -> list[list[str]]:
    """Headings, then a row a setting: each score's mean over the seeds, half of the 95 % interval behind it."""
    headings = ["", "seeds", *comparison.scores]
    rows = []
    first_score = next(iter(comparison.scores.values()))
    base = scores_of(runs, comparison.against, first_score)
    for setting in comparison.settings:
        by_name = {name: scores_of(runs, setting.name, name) for name in comparison.scores.values()}
        if not by_name[first_score]:
            continue
        rows.append([setting.name, str(len(by_name[first_score])), *map(shown, by_name.values())])
        if comparison.against:
            rows[-1].append("" if setting.name == comparison.against else difference(by_name[first_score], base))
    if comparison.against:
        headings.append(f"{next(iter(comparison.scores))}, from {comparison.against}")
    return [headings, *rows]


def scores_of(runs: Sequence[Run], setting: str | None, name: str) -> dict[int, float]:
    """Seed -> score, the last run's where a setting was changed and run again."""
    return {run["seed"]: run["results"][name] for run in runs if run["setting"] == setting and name in run["results"]}


def shown(scores: dict[int, float]) -> str:
    values = list(scores.values())
    if len(values) < 2:
        return f"{values[0]:.4f}" if values else "-"
    mean, half = mean_and_interval(values)
    return f"{mean:.4f} ± {half:.4f}"


def difference(after: dict[int, float], before: dict[int, float]) -> str:
    seeds = sorted(after.keys() & before.keys())
    if len(seeds) < 2:
        return "-"
    mean, half = paired_difference([after[seed] for seed in seeds], [before[seed] for seed in seeds])
    return f"{mean:+.4f} ± {half:.4f}"


def main(comparison: Comparison, doc: str) -> None:
    parser = argparse.ArgumentParser(description=doc.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--seeds", type=int, default=comparison.seeds)
    parser.add_argument("--file", type=Path, default=comparison.file, help="where the runs are kept")
    parser.add_argument("--table", action="store_true", help="of the runs that the file has: run nothing")
    options = parser.parse_args()
    if not options.table:
        run_all(comparison, options.seeds, options.file)
    print(as_markdown(table(comparison, read(options.file))))
