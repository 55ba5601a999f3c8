"""How large a rank does LoRA need?"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ...arguments.classifier import LoraArguments
from ...run.errors import UserError
from ...run.tables import Table
from ..charts import Line, line_chart
from ..comparing import (
    METHOD_NAMES,
    START_NAMES,
    Difference,
    accuracies,
    asking,
    difference_of,
    distinct,
    in_words,
    interval,
    labelled_rows,
    last_start,
    mean_or_value,
    of,
)
from ..label_grid import Cell, plain_run, plan_with_rates, rate_of, with_seeds
from ..page import Section
from ..question import Question
from ..recipe_flags import classifier_run
from ..runs import Result, Run
from ..score_tables import collapses_in_words
from ..setting import Setting

RANKS = (1, 2, 4, 8, 16, 64)
ALL_LINEAR = "r8_all_linear"
FULL = METHOD_NAMES["full"]


ONE_RATE = "Every rank trains at the learning rate that was chosen for r 8: another one may suit another rank."


# --- the runs ---


def check_methods(setting: Setting) -> None:
    if not {"full", "lora"} <= set(setting.args.methods):
        raise UserError("--experiments ranks compares LoRA with full fine-tuning: name both in --methods")


def cells(setting: Setting) -> list[Cell]:
    (count,) = setting.counts_among(2000)
    return [(setting.last_start, method, count) for method in ("full", "lora")]


def rank_runs(setting: Setting) -> list[Run]:
    """Full fine-tuning, LoRA at each rank with the update's scale alpha / r kept at 2, and adapters at every linear
    layer. What the label grid has is its own run; all ranks take its learning rate."""
    full, lora = cells(setting)
    variants = {f"r{rank}": rank_flags(rank) for rank in (RANKS if setting.args.full else (1, LoraArguments.lora_r))}
    del variants[f"r{LoraArguments.lora_r}"]
    variants[ALL_LINEAR] = [*rank_flags(8), "--lora_target_modules", "all-linear"]
    runs = [plain_run(setting, full), plain_run(setting, lora)]
    for name, flags in variants.items():
        run = classifier_run(setting, "ranks", *lora, rate_of(setting, lora), more=flags)
        runs.append(replace(run, variant=name))
    return with_seeds(setting, runs)


def rank_flags(rank: int) -> list[str]:
    return ["--lora_r", str(rank), "--lora_alpha", str(2 * rank)]


# --- the section ---


def ranks(results: list[Result], rows: int) -> Section | None:
    asked = asking(results, "ranks")
    start, counts = last_start(asked), distinct(asked, "labels")
    shared = {"start": start, "labels": counts[-1] if counts else None}
    kinds = {name: kind for name, kind in kinds_of(asked).items() if len(of(results, **kind, **shared)) > 1}
    by_rank = {int(name[2:]): kind for name, kind in kinds.items() if re.fullmatch(r"r \d+", name)}
    if len(by_rank) < 2:
        return None
    gaps = {
        rank: gap
        for rank in sorted(by_rank)
        if rank != max(by_rank) and (gap := difference_of(results, by_rank[rank], by_rank[max(by_rank)], **shared))
    }
    if not gaps:
        return None
    scores = {name: accuracies(results, **kind, **shared) for name, kind in kinds.items()}
    where = f"from {START_NAMES[start]} with {labelled_rows(shared['labels'], rows)}"
    return Section(
        "LoRA ranks", flat_in_words(gaps, max(by_rank), where), figure(scores),
        [table(results, kinds, shared, max(by_rank))], [ONE_RATE, *collapses_in_words(of(asked, **shared))],
        answers=answer(gaps, max(by_rank)),
    )  # fmt: skip


def kinds_of(asked: list[Result]) -> dict[str, dict]:
    """What a row of the table is called -> the names of its runs; ranks in their order."""
    grid = {"experiment": "labels", "variant": None}
    own = f"r{LoraArguments.lora_r}"
    plain = {own, *distinct(asked, "variant")} - {ALL_LINEAR}
    names = [*sorted(plain, key=lambda name: int(name[1:])), *([ALL_LINEAR] if of(asked, variant=ALL_LINEAR) else [])]
    kinds = {FULL: grid | {"method": "full"}}
    for name in names:
        kinds[title(name)] = grid | {"method": "lora"} if name == own else {"experiment": "ranks", "variant": name}
    return kinds


def title(variant: str) -> str:
    return "r 8, all linear layers" if variant == ALL_LINEAR else f"r {variant[1:]}"


def flat_from(gaps: dict[int, Difference], largest: int) -> int:
    """The smallest rank from which on no difference to the largest one is measured; the largest where there is none."""
    flat = largest
    for rank in sorted(gaps, reverse=True):
        if gaps[rank].sign:
            break
        flat = rank
    return flat


def flat_in_words(gaps: dict[int, Difference], largest: int, where: str) -> str:
    flat = flat_from(gaps, largest)
    if flat < largest:
        said = f"From r {flat} on, no difference to r {largest} is measured in LoRA's test accuracy"
        return f"{said}, {where} (r {', '.join(map(str, [*gaps, largest]))} were tried)."
    before = max(gaps)
    gain = in_words(gaps[before].mean, gaps[before].half, "test accuracy")
    return f"LoRA's test accuracy is not flat up to r {largest}, {where}: from r {before} to it {gain}."


def answer(gaps: dict[int, Difference], largest: int) -> dict[str, str]:
    flat = flat_from(gaps, largest)
    if flat == largest:
        return {"methods": f"LoRA's test accuracy was measured to change up to r {largest}"}
    return {"methods": f"from r {flat} on LoRA shows no difference to r {largest}"}


def figure(scores: dict[str, list[float]]) -> str:
    by_rank = {int(name[2:]): values for name, values in scores.items() if re.fullmatch(r"r \d+", name)}
    lines: dict[str, Line] = {"LoRA": [(rank, *mean_or_value(values)) for rank, values in sorted(by_rank.items())]}
    if FULL in scores:
        lines[FULL] = [(rank, *mean_or_value(scores[FULL])) for rank in sorted(by_rank)]
    if title(ALL_LINEAR) in scores:
        lines["LoRA, all linear layers"] = [(8, *mean_or_value(scores[title(ALL_LINEAR)]))]
    ticks = {rank: str(rank) for rank in sorted(by_rank)}
    return line_chart(lines, "Test accuracy against LoRA's rank", "rank r", "test accuracy", ticks, logarithmic=True)


def table(results: list[Result], kinds: dict[str, dict], shared: dict, largest: int) -> Table:
    heading = ["", "test accuracy", f"beside {FULL}", f"beside r {largest}", "weights trained", "seconds"]
    lines = [heading]
    for name, kind in kinds.items():
        runs, line = of(results, **kind, **shared), [name, interval(accuracies(results, **kind, **shared))]
        for other in (FULL, f"r {largest}"):
            gain = difference_of(results, kinds[other], kind, **shared) if other in kinds and other != name else None
            line.append(f"{gain.mean:+.4f} ± {gain.half:.4f} (n = {gain.pairs})" if gain else "–")
        seconds = np.mean([run["seconds"] for run in runs])
        lines.append([*line, f"{runs[0]['trained_parameters']:,}", f"{seconds:.1f}"])
    return lines


QUESTION = Question(plan_with_rates("ranks", cells, rank_runs, check=check_methods, short=False), ranks)
