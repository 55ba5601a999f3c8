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
from datasets import Dataset
from huggingface_hub import upload_folder

from .arguments import DataArguments, LabelledDataArguments, ModelArguments, PredictArguments
from .baseline import score_baseline, score_majority
from .corpora import corpus_fingerprint
from .data import ClassificationData
from .figures import draw_confusion, draw_training
from .inference import join_labels, name_predictions, predict, score_file, write_file
from .masking import MaskedChunks
from .training import Trainer

Results = dict[str, float]
Table = list[list[str]]  # a heading, then a line each

PACKAGES = ("torch", "transformers", "accelerate", "datasets", "peft")
CLASSIFIER_SCORES = {"accuracy": "accuracy", "macro-F1": "macro_f1"}
MASKED_LM_SCORES = {"loss": "loss", "perplexity": "perplexity", "masked accuracy": "masked_accuracy"}
NEXT_SENTENCE_SCORES = {"NSP accuracy": "nsp_accuracy"}


def report_classifier(
    trainer: Trainer,
    results: Results,
    data: ClassificationData,
    model_args: ModelArguments,
    data_args: LabelledDataArguments,
) -> Results:
    """Predict the test split, score the baseline beside it, and write all that a classifier's run leaves.

    Returns the results with `test_*`, `majority_*` and `baseline_*` added.
    """
    args, test, output_dir = trainer.args, data.corpus["test"], Path(trainer.args.output_dir)
    if args.do_predict:
        logits, test_results = predict(trainer, data.encoded["test"])
        results |= test_results
    trainer.end()
    if not trainer.is_world_process_zero():
        return results
    if args.do_predict:
        predictions = name_predictions(logits, data.label_names, data.multi_label)
        labels = join_labels(test["label"], data.label_names)
        write_file(test, {"label": labels, **predictions}, output_dir / "predictions.csv")
        confusion = output_dir / "figures" / "confusion.png"
        draw_confusion(test["label"], predictions["prediction"], data.label_names, confusion)
        majority = score_majority(data.corpus, data.label_names)
        results |= {f"majority_{name}": value for name, value in majority.items()}
        tell_collapse(labels, predictions["prediction"], majority["accuracy"])
    if args.baseline and args.do_predict:
        print("Fitting character tf-idf + logistic regression on the same rows …", flush=True)
        scores = score_baseline(data.corpus, data.text_columns, data.label_names)
        results |= {f"baseline_{name}": value for name, value in scores.items()}
    draw_training(trainer.state.log_history, ("accuracy", "macro_f1"), output_dir / "figures" / "training.png")
    table = results_table(
        results,
        {
            "this run, test": "test",
            "this run, validation": "eval",
            "character tf-idf + LR, test": "baseline",
            "majority class, test": "majority",
        },
        CLASSIFIER_SCORES,
    )
    sizes = {f"{split} rows": len(rows) for split, rows in data.corpus.items()}
    card = model_card("text-classification", trainer, results, table, model_args, data_args, sizes)
    finish(trainer, results, table, card)
    return results


def tell_collapse(labels: list[str], predictions: list[str], majority_accuracy: float) -> None:
    """A model that gives every row one answer has an accuracy that can look like a result."""
    if len(set(predictions)) == 1 < len(set(labels)):
        print(
            f"Every test row is predicted {predictions[0]!r}: the model has collapsed to one class (the majority class "
            f"alone has accuracy {majority_accuracy:.4f}); train for more steps, or with another learning rate",
            flush=True,
        )


def report_masked_lm(
    trainer: Trainer, results: Results, model_args: ModelArguments, data_args: DataArguments
) -> Results:
    """Write all that a masked language model's run leaves, its score after each number of tokens seen included.

    Returns the results with `train_tokens_seen` added.
    """
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
    sizes = {"tokens seen": results["train_tokens_seen"], "validation chunks": len(trainer.eval_dataset)}
    if isinstance(trainer.train_dataset, MaskedChunks):  # a stream has no size
        lengths = trainer.train_dataset.lengths
        sizes = {"training chunks": len(lengths), "training tokens": int(lengths.sum()), **sizes}
    card = model_card("fill-mask", trainer, results, table, model_args, data_args, sizes)
    card += f"\n## Score against tokens seen\n\n{as_markdown([['tokens seen', *scores], *curve.values()])}\n"
    finish(trainer, results, table, card)
    return results


def report_predictions(trainer: Trainer, logits: np.ndarray, rows: Dataset, args: PredictArguments) -> Results:
    """Write the labelled file; where it had labels of its own, score them and return the metrics."""
    trainer.end()
    if not trainer.is_world_process_zero():
        return {}
    config = trainer.model.config
    label_names = [config.id2label[index] for index in range(config.num_labels)]
    multi_label = config.problem_type == "multi_label_classification"
    write_file(rows, name_predictions(logits, label_names, multi_label), Path(args.output_file))
    separator = args.label_separator if multi_label else None
    scores = score_file(logits, rows, args.label_column, label_names, separator)
    if scores:
        print_table([["", *scores], [args.input_file, *(f"{value:.4f}" for value in scores.values())]])
    print(f"\n{len(rows):,} rows labelled, saved in {args.output_file}")
    return scores


def finish(trainer: Trainer, results: Results, table: Table, card: str) -> None:
    """The card, then the results: a folder that has all_results.json holds a finished run."""
    output_dir = Path(trainer.args.output_dir)
    (output_dir / "README.md").write_text(card, encoding="utf-8")
    (output_dir / "all_results.json").write_text(json.dumps(results, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if trainer.args.push_to_hub:
        upload_folder(
            repo_id=trainer.hub_model_id,
            folder_path=output_dir,
            token=trainer.args.hub_token,
            ignore_patterns=["checkpoint-*", "_*"],
        )
    print_table(table)
    print(f"\n{cost(results)}\nsaved in {output_dir}")


def results_table(results: Results, prefixes: dict[str, str], scores: dict[str, str]) -> Table:
    """A line for each of `prefixes` (title -> prefix) that was scored; `scores` maps headings to metrics."""
    lines = [
        [title, *(f"{results[f'{prefix}_{name}']:.4f}" for name in scores.values())]
        for title, prefix in prefixes.items()
        if all(f"{prefix}_{name}" in results for name in scores.values())
    ]
    return [["", *scores], *lines]


def print_table(table: Table) -> None:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print()
    for title, *cells in table:
        numbers = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print("  ".join((title.ljust(widths[0]), *numbers)))


def as_markdown(table: Table) -> str:
    heading, *lines = ["| " + " | ".join(line) + " |" for line in table]
    return "\n".join([heading, "|---|" + "---:|" * (len(table[0]) - 1), *lines])


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
    sizes: dict[str, int],
) -> str:
    """README.md of a model: its results, the text it saw (with hashes), and how to make it again."""
    args = trainer.args
    front_matter = {"pipeline_tag": task, "library_name": "transformers", "tags": ["bert-recipes"]}
    if not model_args.from_scratch:
        front_matter["base_model"] = model_args.model_name_or_path
    data = [f"- {name}: {size:,}" for name, size in sizes.items()]
    data += [f"- `{name}`, sha256 `{digest}`" for name, digest in corpus_fingerprint(data_args).items()]
    given = {"learning_rate": args.learning_rate, "seed": args.seed}
    given |= model_args.given | data_args.given | args.given
    given = {name: value for name, value in given.items() if not name.endswith("_token")}
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    sections = [
        f"---\n{yaml.safe_dump(front_matter, sort_keys=False)}---",
        f"# {Path(args.output_dir).name}",
        f'`transformers.pipeline("{task}", model="{args.output_dir}")`',
        "## Results",
        as_markdown(table),
        f"{cost(results)}.",
        "## Data",
        "\n".join(data),
        "## How it was made",
        f"```\naccelerate launch {shlex.join(without_tokens(sys.argv))}\n```",
        "With these arguments, from its config file or its command line, and the defaults of the recipe:",
        f"```yaml\n{yaml.safe_dump(given, allow_unicode=True, sort_keys=False)}```",
        f"{packages}; processes: {args.world_size}; device: {args.device.type}.",
    ]
    return "\n\n".join(sections) + "\n"
