"""Label a file with a trained model: it comes back with `prediction` and `score`, its rows in their order.

accelerate launch recipes/predict.py --input_file reviews.csv --output_file labelled.csv
accelerate launch recipes/predict.py --model_name_or_path outputs/lora --input_file a.jsonl --output_file b.csv
"""

from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.results.input_rows import check_rows
from bert_recipes.results.kept_outputs import kept_outputs
from bert_recipes.results.predictors import load_predictor
from bert_recipes.results.reporting import report_predictions
from bert_recipes.results.streams import standard_streams
from bert_recipes.results.writing import open_output
from bert_recipes.run.errors import run
from bert_recipes.training.progress import with_progress


def main(argv=None):
    (args,) = parse(PredictArguments, argv=argv)

    with standard_streams(args) as stdout:
        # Data: every row is looked at once, so that what can't be read or written is told before the model loads.
        rows = check_rows(args)

        # Model: its config says the task. A folder that a recipe wrote, its adapter/, a checkpoint, or one of the Hub.
        predictor = load_predictor(args, rows)

        # Predict: a block of rows at a time, batches of like length inside, the file's order outside; what a run that
        # was cut off has finished is not predicted again.
        kept = kept_outputs(rows, predictor.trainer, stdout)
        with kept as predictor.kept, open_output(rows, predictor.trainer, stdout) as output:
            for block in with_progress(rows, rows.count, predictor.trainer):
                output.write(predictor.predict(block))
        return report_predictions(predictor, rows, output)


if __name__ == "__main__":
    run(main)
