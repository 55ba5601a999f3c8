"""Experiments on a few rows with a tiny model, and what they leave."""

import json

from conftest import ROOT, recipe

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.split_arguments import SplitArguments
from bert_recipes.experiment.experiment import Experiment


def write_rows(folder, rows) -> list[str]:
    flags = []
    for split, part in {"train": rows[:60], "validation": rows[60:84], "test": rows[84:]}.items():
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part))
        flags += [f"--{split}_file", str(path)]
    return flags


def split(folder, *words) -> dict[str, list[dict]]:
    return recipe("split").main(["--output_dir", str(folder), *words])


def read(folder) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


def an_experiment(folder, *words) -> Experiment:
    argv = ["--output_dir", str(folder), *words]
    model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=argv)
    return Experiment(args, model_args, data_args, recipes=ROOT / "recipes")
