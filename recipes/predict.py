"""Label a file with a trained classifier: it comes back with `prediction` and `score`, its rows in their order.

accelerate launch recipes/predict.py --input_file reviews.csv --output_file labelled.csv
accelerate launch recipes/predict.py --model_name_or_path outputs/lora --input_file a.jsonl --output_file b.csv
"""

from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.models.classifiers import load_trained_classifier
from bert_recipes.results.inference import predict, read_input
from bert_recipes.results.reporting import report_predictions
from bert_recipes.results.writing import check_output
from bert_recipes.run.errors import run
from bert_recipes.text.data_summary import tell_of_rows
from bert_recipes.text.encoding import encode_texts
from bert_recipes.training.assembling import classifier_trainer


def main(argv=None):
    (args,) = parse(PredictArguments, argv=argv)

    # Data: every column of the file, and its texts; what can't be read or written is told before the model loads.
    table, texts = read_input(args)
    check_output(table, args.output_file)

    # Model: a folder that finetune.py or lora.py wrote, its adapter/, a checkpoint, or a classifier from the Hub.
    model, tokenizer = load_trained_classifier(args)

    # Predict, batches of like length inside, the file's order outside.
    encoded = encode_texts(texts, tokenizer, args.text_column_names, long_texts=model.long_texts)
    tell_of_rows(encoded, tokenizer, args.input_file, model.long_texts)
    trainer = classifier_trainer(model, args.for_trainer(), tokenizer)
    logits, _ = predict(trainer, encoded)
    return report_predictions(trainer, logits, table, args)


if __name__ == "__main__":
    run(main)
