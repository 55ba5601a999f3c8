"""Measure what pretraining and fine-tuning each change in a model, and what each buys.

accelerate launch recipes/split.py
accelerate launch recipes/split.py --full --experiments labels --methods full,tfidf --num_seeds 5
"""

from pathlib import Path

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.split_arguments import SplitArguments
from bert_recipes.experiment.experiment import Experiment
from bert_recipes.experiment.report import page_where_it_stops, report_split
from bert_recipes.run.errors import run


def main(argv=None):
    model_args, data_args, split_args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=argv)

    # Each run is a recipe of this folder in a process of its own; what is in results.json is not run again.
    experiment = Experiment(split_args, model_args, data_args, recipes=Path(__file__).parent)
    with page_where_it_stops(experiment):
        experiment.answer()
    return report_split(experiment)


if __name__ == "__main__":
    run(main)
