"""What a run leaves: predictions.csv, figures, all_results.json, a model card, and the table that ends the screen."""

from __future__ import annotations

import json
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import yaml

from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.model import ModelArguments
from ..arguments.problems import REGRESSION
from ..run.errors import counted
from ..run.hub import upload
from ..run.tables import Table, as_markdown, print_table
from ..text import files
from ..text.corpora import corpus_fingerprint
from ..training.data import ClassificationData, PretrainingData
from ..training.decisions import TEMPERATURE, thresholds_of
from ..training.trainer import Trainer
from .baseline import score_floors
from .cards import front_matter, origin, usage
from .inference import join_labels, name_predictions, predict
from .input_rows import InputRows
from .label_scores import label_section, score_labels
from .next_steps import after_classifier, after_masked_lm, print_steps
from .predictor import Predictor
from .writing import FileWriter, write_file

Results = dict[str, float]

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "peft")
CLASSIFIER_SCORES = {"accuracy": "accuracy", "macro-F1": "macro_f1"}
REGRESSION_SCORES = {"mean squared error": "mse", "Pearson": "pearson", "Spearman": "spearman"}
# What is on the table of a run, title -> prefix of its scores.
THIS_RUN = {"this run, test": "test", "this run, validation": "eval"}
AT_THRESHOLDS = {"this run, test, at the threshold": "test", "this run, test, at 0.5": "test_at_half"}
AT_THRESHOLDS |= {"this run, validation, at 0.5": "eval"}
CLASSIFIER_FLOORS = {"character tf-idf + LR, test": "baseline", "majority class, test": "majority"}
REGRESSION_FLOORS = {"character tf-idf + ridge, test": "baseline", "mean of the training labels, test": "majority"}
MASKED_LM_SCORES = {"loss": "loss", "perplexity": "perplexity", "masked accuracy": "masked_accuracy"}
NEXT_SENTENCE_SCORES = {"NSP accuracy": "nsp_accuracy"}


def report_classifier(
    trainer: Trainer,
    results: Results,
    data: ClassificationData,
    model_args: ModelArguments,
    data_args: LabelledDataArguments,
) -> Results:
    """Predict the test split, and write all that a classifier's run leaves.

    Returns the results with `test_*` added, and `majority_*` and `baseline_*` where `mark_to_beat` gave none.
    """
    # matplotlib takes a second to import: not before the training's first line.
    from .confusion import draw_confusion
    from .figures import draw_training
    from .reliability import draw_reliability
    from .scatter import draw_scatter

    args, test, output_dir = trainer.args, data.corpus["test"], Path(trainer.args.output_dir)
    regression = data.problem_type == REGRESSION
    if args.do_predict:
        logits, test_results = predict(trainer, data.encoded["test"])
        results |= test_results
        if not regression:
            test_labels = np.asarray(data.encoded["test"]["labels"][:])
            results |= score_labels(logits, test_labels, trainer.model.config)
    trainer.end()
    if not trainer.is_world_process_zero():
        return results
    if args.do_predict:
        config = trainer.model.config
        predictions = name_predictions(logits, data.label_names, data.problem_type, thresholds_of(config))
        given = test["label"][:]
        labels = join_labels(given, data.label_names)
        rows = files.Table("the test split", test.to_dict(), range(len(test)))
        write_file(rows, {"label": labels, **predictions}, output_dir / "predictions.csv")
        draw = draw_scatter if regression else draw_confusion
        draw(given, predictions["prediction"], data.label_names, output_dir / "figures")
        if "majority_mse" not in results and "majority_accuracy" not in results:  # `mark_to_beat` left them to now
            results |= score_floors(data, args)
        if not regression:
            tell_collapse(labels, predictions["prediction"], results["majority_accuracy"])
        if temperature := getattr(config, TEMPERATURE, None):
            draw_reliability(logits, test_labels, temperature, output_dir / "figures" / "reliability.png")
    scores = REGRESSION_SCORES if regression else CLASSIFIER_SCORES
    draw_training(trainer.state.log_history, list(scores.values())[-2:], output_dir / "figures" / "training.png")
    table = results_table(results, lines_of(results) | (REGRESSION_FLOORS if regression else CLASSIFIER_FLOORS), scores)
    card = model_card("text-classification", trainer, results, table, model_args, data_args, data.summary.as_markdown())
    if args.do_predict and not regression:
        card += f"\n{label_section(results, data.label_names)}"
    finish(trainer, results, table, card)
    print_steps(after_classifier(Path(args.default_output_dir).name, args.output_dir, model_args, data_args))
    return results


def lines_of(results: Results) -> dict[str, str]:
    """Of the table: a model with thresholds is shown without them too."""
    return AT_THRESHOLDS if "test_at_half_accuracy" in results else THIS_RUN


def tell_collapse(labels: list[str], predictions: list[str], majority_accuracy: float) -> None:
    """A model that gives every row one answer has an accuracy that can look like a result."""
    if len(set(predictions)) == 1 < len(set(labels)):
        print(
            f"Every test row is predicted {predictions[0]!r}: the model has collapsed to one class (the majority class "
            f"alone has accuracy {majority_accuracy:.4f}); train for more steps, or with another learning rate",
            flush=True,
        )


def report_masked_lm(
    trainer: Trainer, results: Results, data: PretrainingData, model_args: ModelArguments, data_args: DataArguments
) -> Results:
    """Write all that a masked language model's run leaves, its score after each number of tokens seen included.

    Returns the results with `train_tokens_seen` added.
    """
    from .figures import draw_training

    trainer.end()
    if not trainer.is_world_process_zero():
        return results
    results |= {"train_tokens_seen": int(trainer.state.num_input_tokens_seen)}
    figure = Path(trainer.args.output_dir) / "figures" / "training.png"
    scores = MASKED_LM_SCORES | (NEXT_SENTENCE_SCORES if trainer.args.nsp else {})
    draw_training(trainer.state.log_history, ("masked_accuracy",), figure)
    table = results_table(results, {"validation": "eval"}, scores)
    curve = {}  # step -> line; the last evaluation, of the best model, repeats a step
    for entry in trainer.state.log_history:
        if "eval_loss" in entry:
            cells = [f"{entry[f'eval_{name}']:.4f}" for name in scores.values()]
            curve.setdefault(entry["step"], [f"{int(entry.get('num_input_tokens_seen', 0)):,}", *cells])
    text = f"{data.summary.as_markdown()}\n\nTokens seen in training: {results['train_tokens_seen']:,}."
    card = model_card("fill-mask", trainer, results, table, model_args, data_args, text)
    card += f"\n## Score against tokens seen\n\n{as_markdown([['tokens seen', *scores], *curve.values()])}\n"
    finish(trainer, results, table, card)
    print_steps(after_masked_lm(trainer.args.output_dir, data_args))
    return results


def report_predictions(predictor: Predictor, rows: InputRows, output: FileWriter) -> Results:
    """The last lines of a prediction; where the file had labels of its own, their metrics are on them, and returned."""
    predictor.trainer.end()
    if not predictor.trainer.is_world_process_zero():
        return {}
    scores = predictor.scores()
    if scores:
        print_table([["", *scores], [Path(rows.args.input_file).name, *(f"{value:.4f}" for value in scores.values())]])
    print(f"\n{counted(rows.count, 'row')} labelled, {output.place}")
    return scores


def finish(trainer: Trainer, results: Results, table: Table, card: str) -> None:
    """The card, then the results: a folder that has all_results.json holds a finished run."""
    output_dir = Path(trainer.args.output_dir)
    (output_dir / "README.md").write_text(card, encoding="utf-8")
    (output_dir / "all_results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    print_table(table)
    print(f"\n{cost(results)}\nsaved in {output_dir}")
    if trainer.args.push_to_hub:
        upload(trainer.args, trainer.hub_model_id)


def results_table(results: Results, prefixes: dict[str, str], scores: dict[str, str]) -> Table:
    """A line for each of `prefixes` (title -> prefix) that was scored; `scores` maps headings to metrics."""
    lines = [
        [title, *(f"{results[f'{prefix}_{name}']:.4f}" for name in scores.values())]
        for title, prefix in prefixes.items()
        if all(f"{prefix}_{name}" in results for name in scores.values())
    ]
    return [["", *scores], *lines]


def cost(results: Results) -> str:
    """What the run took, in words: weights trained and frozen, time, peak memory."""
    parts = [f"{results['train_parameters']:,} weights trained, {results['frozen_parameters']:,} frozen"]
    if "train_runtime" in results:
        minutes, seconds = divmod(round(results["train_runtime"]), 60)
        parts.append(f"{minutes} min {seconds} s of training")
    return ", ".join([*parts, f"peak memory {results['train_peak_memory_mb']:,.0f} MB"])


def without_tokens(words: list[str]) -> list[str]:
    """A command line whose secrets (`--hub_token X`, `--hub_token=X`) are stars: the card is there to be published."""
    hidden = [re.sub(r"^(--\w+[_-]token)=.*", r"\1=***", word) for word in words]
    return [
        "***" if re.fullmatch(r"--\w+[_-]token", before) else word
        for before, word in zip(["", *hidden], hidden, strict=False)
    ]


def model_card(
    task: str,
    trainer: Trainer,
    results: Results,
    table: Table,
    model_args: ModelArguments,
    data_args: DataArguments,
    data: str,
) -> str:
    """README.md of a model: its results, the `data` it saw (with hashes), and how to make it again."""
    args = trainer.args
    name = (trainer.hub_model_id or Path(args.output_dir).absolute().name).split("/")[-1]
    sources = [
        f"- `{source}`, " + ("from the Hub" if digest == "hub" else f"sha256 `{digest}`")
        for source, digest in corpus_fingerprint(data_args).items()
    ]
    given = {"learning_rate": args.learning_rate, "num_train_epochs": args.num_train_epochs, "seed": args.seed}
    given |= model_args.given | data_args.given | args.given
    given = {argument: value for argument, value in given.items() if not argument.endswith("_token")}
    packages = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    sections = [
        f"---\n{front_matter(name, task, results, model_args, data_args).to_yaml()}\n---",
        f"# {name}",
        usage(task, trainer.hub_model_id or args.output_dir, trainer.model.config, getattr(args, "merge", True)),
        "## Results",
        as_markdown(table),
        f"{cost(results)}.",
        "## Data",
        data,
        "\n".join(sources),
        "## How it was made",
        f"It started from {origin(model_args)}.",
        f"```\naccelerate launch {shlex.join(without_tokens(sys.argv))}\n```",
        "With these arguments, from its config file or its command line, and the defaults of the recipe:",
        f"```yaml\n{yaml.safe_dump(given, allow_unicode=True, sort_keys=False)}```",
        f"{packages}; processes: {args.world_size}; device: {args.device.type}.",
    ]
    return "\n\n".join(sections) + "\n"
