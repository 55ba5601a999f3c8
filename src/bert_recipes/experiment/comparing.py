"""The runs of an experiment, chosen and compared: by name, by seed, by row."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..arguments.split_arguments import METHODS, STARTS
from ..run.errors import counted
from .intervals import Interval, mean_and_interval, paired_difference
from .runs import OTHER_RATE, TRIALS, Result

METHOD_NAMES = {
    "full": "full fine-tuning", "mean_pooling": "mean pooling", "lora": "LoRA",
    "head_only": "the head alone", "tfidf": "tf-idf + logistic regression",
}  # fmt: skip
START_NAMES = {"random": "random weights", "base": "the base model", "continued": "continued pretraining"}
MAJORITY = "majority class"
EVEN = 1e-9  # half of the interval of gains that are equal, to rounding
ORDER = {"start": STARTS, "method": METHODS}


def of(results: Iterable[Result], **wanted) -> list[Result]:
    """The runs of these names, in the order of their seeds."""
    chosen = [run for run in results if all(run.get(name) == value for name, value in wanted.items())]
    return sorted(chosen, key=lambda run: (run["seed"], run.get("fold") or 0))


def asking(results: list[Result], experiment: str) -> list[Result]:
    return [run for run in results if run["experiment"] == experiment]


def accuracies(results: Iterable[Result], **wanted) -> list[float]:
    return [run["test_accuracy"] for run in of(results, **wanted)]


def distinct(results: Iterable[Result], name: str) -> list:
    """Starts and methods in their own order, other names in that in which they first stand there; numbers in theirs,
    and all rows behind them."""
    values, order = list(dict.fromkeys(run[name] for run in results)), ORDER.get(name)
    if order:
        return sorted(values, key=lambda value: order.index(value) if value in order else len(order))
    return sorted(values, key=as_number) if any(isinstance(value, (int, float)) for value in values) else values


def methods_and_starts(results: list[Result]) -> list[tuple[str, str | None]]:
    return [
        (method, start)
        for method in distinct(results, "method")
        for start in distinct(of(results, method=method), "start")
    ]


def last_start(results: Iterable[Result]) -> str | None:
    """The start with most pretraining that they have."""
    found = {run["start"] for run in results}
    return next((start for start in reversed(STARTS) if start in found), None)


def as_number(count: float | str) -> float:
    return math.inf if count == "all" else count


def the_pretraining(results: list[Result]) -> list[Result]:
    """That of the continued start: the task's text, as many passes as asked, no trick."""
    return of(results, experiment="pretraining", method="mlm", columns=None, passes=None, variant=None)


def that_count(results: Iterable[Result]) -> list[Result]:
    """Without those whose loss exploded, trials excepted, and without runs at a rate that lost its place."""
    return [
        run
        for run in results
        if run["experiment"] != OTHER_RATE and (run["experiment"] == TRIALS or not run.get("exploded"))
    ]


def exploded_in_words(results: Iterable[Result]) -> str:
    """Of which runs, trials excepted, the loss exploded; empty where of none."""
    runs = [run for run in results if run.get("exploded") and run["experiment"] != TRIALS]
    told = ("experiment", "start", "method", "labels", "variant", "seed")
    names = [" ".join(str(run[name]) for name in told if run.get(name) is not None) for run in runs]
    if not names:
        return ""
    return f"the loss of {counted(len(names), 'run')} exploded, and no score counts them: {', '.join(names)}"


def merit(trial: Result) -> tuple[float, float]:
    """What the learning rates of a start and method are compared by: validation accuracy, and of equals the validation
    loss. Results of before the loss was kept have none: of those equals the first stays the best. An exploded run is
    worse than any other."""
    if trial.get("exploded"):
        return -math.inf, -math.inf
    return trial["validation_accuracy"], -trial.get("validation_loss", math.inf)


def collapsed(results: Iterable[Result]) -> list[Result]:
    """Those that gave every test row one answer; of old results, and of test rows of one label, nobody has counted."""
    return [run for run in results if run.get("predicted_labels") == 1]


def majorities(results: Iterable[Result], score: str = "accuracy") -> list[float]:
    """What the most frequent class of the labelled rows scores on the test rows, for each seed (and fold): one seed has
    the same labelled rows in every run. Empty for old results, which do not say."""
    name = f"majority_{score}"
    return list({(run["seed"], run.get("fold")): run[name] for run in results if name in run}.values())


def rows_told_right(runs: list[Result]) -> np.ndarray:
    """1 where a row was told right, in the order of the folds."""
    return np.concatenate([run["rows_told_right"] for run in runs]).astype(float)


# --- differences, seed by seed ---


class Difference(NamedTuple):
    """A mean difference, half of its 95 % interval, and of how many pairs."""

    mean: float
    half: float
    pairs: int

    @property
    def sign(self) -> int:
        """0 where the interval has it inside, or is none: two gains of few rows may be equal by accident."""
        accident = self.half < EVEN and self.pairs == 2
        return 0 if abs(self.mean) <= self.half or accident else (1 if self.mean > 0 else -1)

    @property
    def ends(self) -> Interval:
        return self.mean, self.mean - self.half, self.mean + self.half


def pairs(results: list[Result], before: dict, after: dict, **shared) -> tuple[list[float], list[float]]:
    """Test accuracies of two kinds of runs, named by their start and method (`after`'s first), at the seeds that both
    have: one seed, the same labelled rows."""
    scores = [{run["seed"]: run["test_accuracy"] for run in of(results, **kind, **shared)} for kind in (after, before)]
    seeds = sorted(scores[0].keys() & scores[1].keys())
    return [scores[0][seed] for seed in seeds], [scores[1][seed] for seed in seeds]


def difference_of(results: list[Result], before: dict, after: dict, **shared) -> Difference | None:
    """In test accuracy; None where they share fewer than two seeds."""
    later, former = pairs(results, before, after, **shared)
    return Difference(*paired_difference(later, former), len(later)) if len(later) > 1 else None


def differences_by_labels(runs: list[Result], before: dict, after: dict) -> dict[int | str, Difference]:
    found = {labels: difference_of(runs, before, after, labels=labels) for labels in distinct(runs, "labels")}
    return {labels: difference for labels, difference in found.items() if difference}


def tally(differences: Sequence[Difference]) -> str:
    """How many are gains, losses, and neither."""
    counts = Counter(difference.sign for difference in differences)
    return f"gains {counts[1]}, losses {counts[-1]}, no difference {counts[0]}"


def of_all(differences: Sequence[Difference]) -> str:
    """The end of a sentence that has named one of them."""
    if len(differences) < 2:
        return "."
    return f" (of the {len(differences)} differences below: {tally(differences)})."


def ends_of(panels: Mapping[str, Mapping[str, Mapping[int | str, Difference]]]) -> dict:
    """Panel -> line -> number of labels in words -> mean and ends of the interval, as `charts.difference_chart` takes
    them."""
    return {
        opening(panel): {
            line: {labels_in_words(count): difference.ends for count, difference in by_labels.items()}
            for line, by_labels in lines.items()
        }
        for panel, lines in panels.items()
    }


def matched(results: list[Result], start: str) -> tuple[list[Result], list[Result]]:
    """Runs of full fine-tuning and of LoRA from a start on the same rows, seed by seed, at the largest number of labels
    that both have; none of fewer than two seeds."""
    runs = of(asking(results, "labels"), start=start)
    full, lora = ({(run["labels"], run["seed"]): run for run in of(runs, method=name)} for name in ("full", "lora"))
    largest = max((as_number(labels) for labels, _ in full.keys() & lora.keys()), default=0)
    shared = [name for name in full if name in lora and as_number(name[0]) == largest]
    if len(shared) < 2:
        return [], []
    return [full[name] for name in shared], [lora[name] for name in shared]


def pretrained_starts(results: list[Result]) -> list[str]:
    """Random weights have nothing to change from, or to forget."""
    return [start for start in distinct(asking(results, "labels"), "start") if start not in (None, "random")]


# --- numbers in words ---


def in_words(mean: float, half: float, of_what: str, unit: str = "") -> str:
    """A gain: how large, how sure, or that none is measured."""
    if abs(mean) <= half:
        return f"no difference was measured in {of_what} ({mean:+.4f} ± {half:.4f}{unit})"
    if half < EVEN:
        return f"{of_what} changes by {mean:+.4f}{unit} every time, too even for an interval"
    return f"{of_what} {'rises' if mean > 0 else 'falls'} by {abs(mean):.4f} ± {half:.4f}{unit}"


def labels_in_words(count: int | str) -> str:
    return f"{count if count == 'all' else f'{count:,}'} labels"


def numbers_of_labels(counts: Collection[int | str]) -> str:
    return f"{len(counts)} number{'s' if len(counts) > 1 else ''} of labels"


def labelled_rows(count: int | str, rows: int) -> str:
    return f"all {rows:,} labelled rows" if count == "all" else f"{count:,} labelled rows"


def joined(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def opening(name: str) -> str:
    """A name as it opens a sentence: LoRA stays LoRA."""
    return name[0].upper() + name[1:]


def interval(values: Sequence[float]) -> str:
    """Of one value, or of a kind of run that no seed changes, such as tf-idf with all rows, there is no interval."""
    return "{:.4f} ± {:.4f}".format(*mean_and_interval(values)) if len(set(values)) > 1 else f"{values[0]:.4f}"


def mean_or_value(values: Sequence[float]) -> tuple[float, float]:
    return mean_and_interval(values) if len(values) > 1 else (values[0], 0.0)
