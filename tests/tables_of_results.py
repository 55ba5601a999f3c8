"""The tables of README and docs/ as the experiment's results make them. `python tests/tables_of_results.py` writes them
into the pages of both languages; `test_docs` holds the pages to them."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from statistics import mean, stdev

from conftest import ROOT
from pages import chinese, read, table_lines
from scipy import stats

THIRD, SECOND = "docs/split", "docs/split/v2"  # by the version of the base model
COUNTS = (100, 500, 2000)
COUNTS_OF_SECOND = (*COUNTS, "all")
STARTS = ("random", "base", "continued")
PRETRAINED = ("base", "continued")
FULL, MEAN_POOLING, LORA, HEAD_ONLY = (
    [(method, start) for start in STARTS] for method in ("full", "mean_pooling", "lora", "head_only")
)
TFIDF = ("tfidf", None)
TEXT_PASSES = (0, 1, 12, 24)
RANKS = ("r1", "r2", "r4", "r8", "r16", "r64", "r8_all_linear")
# (after, before): each start beside the one before it, and the last beside tf-idf.
GAINS, GAINS_BY_THE_MEAN, GAINS_OF_LORA, GAINS_OF_THE_HEAD = (
    [*zip(kinds[1:], kinds[:-1], strict=True), (kinds[-1], TFIDF)] for kinds in (FULL, MEAN_POOLING, LORA, HEAD_ONLY)
)
BESIDE_CLS = [*zip(MEAN_POOLING, FULL, strict=True)]
BESIDE_FULL = [(kinds[number], FULL[number]) for kinds in (LORA, HEAD_ONLY) for number in (1, 2)]  # pretrained starts
PLUS_MINUS = r"[-+]?\d+\.\d{4} ± \d+\.\d+"
CELL = rf"{PLUS_MINUS}|[-+]?\d\.\d{{4}}"

Rows = list[list[str]]
Kind = tuple[str, str | None]  # method, start


@cache
def results(folder: str = THIRD) -> list[dict]:
    return json.loads(read(f"{folder}/results.json"))


def runs(folder: str = THIRD, **wanted) -> list[dict]:
    chosen = [run for run in results(folder) if all(run.get(name) == value for name, value in wanted.items())]
    return sorted(chosen, key=lambda run: (run["seed"], run.get("fold", 0)))


def labelled(method: str, start: str | None, labels: int | str, folder: str = THIRD) -> list[dict]:
    return runs(folder, experiment="labels", method=method, start=start, labels=labels)


def interval(values: Iterable[float], sign: str = "") -> str:
    """Mean ± half of its 95 % interval by Student's t, or the value alone where all are the same."""
    values = list(values)
    if len(set(values)) == 1:
        return f"{values[0]:{sign}.4f}"
    half = stats.t.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{mean(values):{sign}.4f} ± {half:.4f}"


def accuracy(run: dict) -> float:
    return run["test_accuracy"]


def difference(after: list[dict], before: list[dict], score: Callable[[dict], float] = accuracy) -> str:
    assert [run["seed"] for run in after] == [run["seed"] for run in before]
    return interval((score(one) - score(other) for one, other in zip(after, before, strict=True)), "+")


def layers(run: dict) -> list[float]:
    parts: dict[str, list[float]] = {}
    for part, moved in run["weights_moved"].items():
        if part.startswith("layer "):
            parts.setdefault(part.split()[1], []).append(moved["relative_change"])
    return [mean(parts[number]) for number in sorted(parts)]


def all_layers(run: dict) -> float:
    return mean(layers(run))


def upper_less_lower(run: dict) -> float:
    changes = layers(run)
    return mean(changes[len(changes) // 2 :]) - mean(changes[: len(changes) // 2])


def forgotten(run: dict) -> float:
    before, after = run["masked_lm_loss"]["general"]
    return after - before


# --- of the third version ---


def means() -> Rows:
    kinds = [*FULL, *MEAN_POOLING[1:], TFIDF]
    return [[f"{mean(map(accuracy, labelled(*kind, count))):.4f}" for count in COUNTS] for kind in kinds]


def scores(kinds: Sequence[Kind] = (*FULL, *MEAN_POOLING, TFIDF)) -> Rows:
    return [[interval(map(accuracy, labelled(*kind, count))) for count in COUNTS] for kind in kinds]


def gains(
    steps: Sequence[tuple[Kind, Kind]] = GAINS, folder: str = THIRD, counts: Sequence[int | str] = COUNTS
) -> Rows:
    return [
        [difference(labelled(*after, count, folder), labelled(*before, count, folder)) for count in counts]
        for after, before in steps
    ]


def measured(of: Callable[[dict], float], sign: str = "", methods: Sequence[str] = ("full",)) -> Rows:
    return [
        [interval(map(of, labelled(method, start, count)), sign) for count in COUNTS]
        for method in methods
        for start in PRETRAINED
    ]


def similarity() -> Rows:
    return [
        [interval(run["similarity"][layer] for run in labelled("full", start, count)) for count in COUNTS]
        for start in PRETRAINED
        for layer in (0, -1)
    ]


def tricks() -> Rows:
    names = dict.fromkeys(run["variant"] for run in results() if run["experiment"] == "tricks")
    return [
        [
            difference(runs(experiment="tricks", variant=name, labels=count), labelled("full", "continued", count))
            for count in (500, 2000)
        ]
        for name in names
    ]


def kinds_of_ranks() -> list[list[dict]]:
    """Full fine-tuning, each rank, and all linear layers; r 8 is the grid's own."""
    full, lora = (labelled(method, "continued", 2000) for method in ("full", "lora"))
    return [full, *(lora if name == "r8" else runs(experiment="ranks", variant=name) for name in RANKS)]


def ranks() -> Rows:
    """Beside full fine-tuning, and beside the largest rank."""
    full, *others = kinds_of_ranks()
    largest = others[RANKS.index("r64")]
    rows = [
        [interval(map(accuracy, kind)), *(difference(kind, other) for other in (full, largest) if kind is not other)]
        for kind in others
    ]
    return [[interval(map(accuracy, full))], *rows]


def by_passes(labels: int) -> list[list[dict]]:
    """Full fine-tuning after ever more passes; none is the base model, twelve the continued one of the grid."""
    own = {0: labelled("full", "base", labels), 12: labelled("full", "continued", labels)}
    return [own.get(number) or runs(experiment="text", passes=number, labels=labels) for number in TEXT_PASSES]


def text_scores() -> Rows:
    kinds = zip(*map(by_passes, COUNTS), strict=True)
    return [[interval(map(accuracy, kind)) for kind in of_passes] for of_passes in kinds]


def text_gains() -> Rows:
    """Beside no pass, and of the last number beside the one before it."""
    kinds = zip(*map(by_passes, COUNTS), strict=True)
    none, *others = [list(of_passes) for of_passes in kinds]
    pairs = [*((of_passes, none) for of_passes in others), (others[-1], others[-2])]
    return [[difference(*kinds_of_count) for kinds_of_count in zip(*pair, strict=True)] for pair in pairs]


# --- of the second version: what the third has not been asked yet ---


def passes() -> Rows:
    kinds = [runs(SECOND, experiment="passes", passes=number) for number in (1, 2, 4, 8, 16)]
    return [[interval(run[name] for run in kind) for name in ("training_accuracy", "test_accuracy")] for kind in kinds]


def next_sentences() -> Rows:
    return [[interval(map(accuracy, runs(SECOND, experiment="nsp", start=start)))] for start in ("mlm", "mlm+nsp")]


def titles() -> Rows:
    inputs = ("title", "text", "title,text", "title,text (shuffled)")
    return [[f"{mean(rows_told_right(columns)):.4f}"] for columns in inputs]


def rows_told_right(columns: str) -> list[float]:
    return [right for run in runs(SECOND, experiment="titles", columns=columns) for right in run["rows_told_right"]]


def title_gains() -> Rows:
    both = mean(rows_told_right("title,text"))
    others = ("text", "title", "title,text (shuffled)")
    return [[f"{both - mean(rows_told_right(columns)):+.4f}"] for columns in others]


# Page -> number of the table on it -> the first cells with numbers of each row.
TABLES: dict[str, dict[int, Callable[[], Rows]]] = {
    "README.md": {1: means},
    "docs/results.md": {
        0: scores,
        2: gains,
        3: lambda: gains([*BESIDE_CLS, *GAINS_BY_THE_MEAN]),
        6: text_scores,
        7: text_gains,
        8: lambda: scores((*LORA, *HEAD_ONLY)),
        9: lambda: gains([*BESIDE_FULL, *GAINS_OF_LORA, *GAINS_OF_THE_HEAD]),
        10: ranks,
    },
    "docs/tricks.md": {1: tricks},
    "docs/split/README.md": {
        1: lambda: measured(all_layers, methods=("full", "mean_pooling")),
        2: lambda: measured(upper_less_lower, "+"),
        3: similarity,
        4: lambda: measured(forgotten, "+", methods=("full", "mean_pooling")),
        5: lambda: measured(all_layers, methods=("lora",)),
        6: lambda: measured(forgotten, "+", methods=("lora",)),
        7: next_sentences,
        8: titles,
        9: title_gains,
        10: passes,
    },
}


def shown(line: str) -> list[str]:
    return re.findall(CELL, line)


def filled(line: str, cells: list[str]) -> str:
    """A row of a table with these numbers in the place of its first ones."""
    left = iter(cells)
    return re.sub(CELL, lambda match: next(left, match[0]), line)


def main() -> None:
    for english, tables in TABLES.items():
        for page in (english, chinese(english)):
            lines = read(page).splitlines(keepends=True)
            of_tables = table_lines(page)
            for number, make in tables.items():
                for line, cells in zip(of_tables[number][2:], make(), strict=True):
                    lines[line] = filled(lines[line], cells)
            (ROOT / page).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
