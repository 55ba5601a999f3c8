"""Measure what pretraining and fine-tuning each buy: every start and method at several numbers of labels.

accelerate launch recipes/split.py
accelerate launch recipes/split.py --methods full,tfidf --label_counts 500,2000 --num_seeds 5 --pretraining_epochs 8
"""

from pathlib import Path

from bert_recipes.arguments import LabelledDataArguments, ModelArguments, parse
from bert_recipes.errors import run
from bert_recipes.experiments import Experiment, SplitArguments, table_of_gains, table_of_scores
from bert_recipes.reporting import print_table


def main(argv=None):
    model_args, data_args, split_args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=argv)

    # Each run is a recipe of this folder in a process of its own; what is in results.json is not run again.
    experiment = Experiment(split_args, model_args, data_args, recipes=Path(__file__).parent)
    results = experiment.buy()

    print_table(table_of_scores(results))
    print_table(table_of_gains(results))
    print(f"\nsaved in {split_args.output_dir}")
    return results


if __name__ == "__main__":
    run(main)
