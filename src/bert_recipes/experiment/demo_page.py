"""The demo's page: one figure, the numbers behind it, the sentences that were labelled; it opens without a network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from statistics import mean
from string import Template

import pandas
from matplotlib.figure import Figure

from ..arguments.demo_arguments import DemoArguments
from ..run.tables import Table
from .charts import STYLES, WIDTH, as_svg

BASELINE = "character tf-idf + logistic regression"

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>What pretraining changed</title>
<style>
body { font: 17px/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff; margin: 0 auto; max-width: 46rem;
  padding: 1rem; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
figure { margin: 1rem 0; } svg { display: block; width: 100%; max-width: 36rem; height: auto; }
table { border-collapse: collapse; font-size: 0.85rem; width: 100%; }
th, td { border-bottom: 1px solid #ccc; padding: 0.3rem 0.4rem; text-align: left; vertical-align: top; }
.note { color: #555; font-size: 0.85rem; }
</style>
</head>
<body>
<h1>What pretraining changed</h1>
<p>$answer</p>
<figure>$figure</figure>
$scores
<p class="note">Test accuracy on the same held-out reviews. Each seed draws $labels other labelled reviews, the same
ones for every line, and every run has $steps steps. With $seeds seeds small differences mean nothing: the experiment in
docs/split has more, with intervals.</p>
<h2>The pretraining itself</h2>
<p>$masked</p>
<h2>Three stages later: labelled sentences</h2>
$sentences
<p class="note">By the model that was pretrained further and fine-tuned with seed 0; the score is the probability that
it gives its answer.</p>
</body>
</html>
""")


def write_page(
    path: Path,
    args: DemoArguments,
    before: dict[str, float],
    after: dict[str, float],
    scores: dict[str, list[dict[str, float]]],
    labelled: pandas.DataFrame,
) -> Path:
    """`scores` has the results of each seed by the kind of run, the base model's first, the same further on second."""
    accuracies = {kind: [run["test_accuracy"] for run in runs] for kind, runs in scores.items()}
    accuracies[BASELINE] = [run["baseline_accuracy"] for run in next(iter(scores.values()))]
    masked = [f"{results['eval_masked_accuracy']:.1%}" for results in (before, after)]
    seeds = [f"seed {seed}" for seed in range(args.num_seeds)]
    lines = [[kind, f"{mean(of):.4f}", *(f"{value:.4f}" for value in of)] for kind, of in accuracies.items()]
    sentences = [[text, label, f"{score:.2f}"] for text, label, score in labelled.itertuples(index=False)]
    path.write_text(
        PAGE.substitute(
            answer=answer(accuracies, args),
            figure=draw(accuracies),
            scores=as_html([["start and method", "mean", *seeds], *lines]),
            labels=args.labels,
            steps=args.steps,
            seeds=args.num_seeds,
            masked=f"Of the masked characters of held-out reviews the base model guesses {masked[0]}, after "
            f"further pretraining {masked[1]}.",
            sentences=as_html([["sentence", "label", "score"], *sentences]),
        ),
        encoding="utf-8",
    )
    return path


def answer(accuracies: dict[str, list[float]], args: DemoArguments) -> str:
    base, further, *_ = accuracies.values()
    higher = sum(one > other for one, other in zip(further, base, strict=True))
    return (
        f"With {args.labels} labelled reviews, fine-tuning reaches a test accuracy of {mean(base):.3f} from the base "
        f"model, and of {mean(further):.3f} after further pretraining on the reviews' text without their labels "
        f"(passes: {args.pretraining_epochs:g}). It is higher with {higher} of {args.num_seeds} seeds. "
        f"{BASELINE.capitalize()} on the same rows has {mean(accuracies[BASELINE]):.3f}."
    )


def draw(accuracies: dict[str, list[float]]) -> str:
    """A line a kind: each seed as a dot, their mean as a bar across."""
    figure = Figure(figsize=(WIDTH, 0.8 + 0.55 * len(accuracies)), layout="constrained")
    axes = figure.subplots()
    for row, (style, values) in enumerate(zip(STYLES, accuracies.values(), strict=False)):
        axes.plot(values, [row] * len(values), style["marker"], color=style["color"], markersize=5, alpha=0.7)
        axes.plot([mean(values)] * 2, [row - 0.22, row + 0.22], color=style["color"], linewidth=2)
        axes.annotate(f"{mean(values):.3f}", (mean(values), row - 0.26), ha="center", va="bottom", fontsize=8)
    axes.set_yticks(range(len(accuracies)), [kind.replace(", ", ",\n").replace(" + ", "\n+ ") for kind in accuracies])
    axes.tick_params(labelsize=8)
    axes.set_ylim(len(accuracies) - 0.5, -0.7)
    axes.margins(x=0.15)
    axes.set_xlabel("test accuracy; a mark a seed, their mean as a bar", fontsize=8)
    axes.grid(alpha=0.3, axis="x")
    return as_svg(figure, "Test accuracy by start and method")


def as_html(table: Table) -> str:
    heading, *lines = table
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in heading)
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in line) + "</tr>" for line in lines)
    return f"<table><tr>{cells}</tr>{rows}</table>"
