"""Train an encoder for better text vectors without labels (SimCSE): dropout alone makes a text's two views differ.

accelerate launch recipes/simcse.py
accelerate launch recipes/simcse.py --model_name_or_path google-bert/bert-base-chinese --train_file mine.txt
"""

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.simcse import SimcseArguments
from bert_recipes.models.encoders import load_to_contrast
from bert_recipes.results.simcse_report import report_encoder
from bert_recipes.run.errors import run
from bert_recipes.training.contrastive import contrastive_trainer
from bert_recipes.training.plain_texts import load_plain_texts
from bert_recipes.training.trainer import train_and_evaluate


def main(argv=None):
    model_args, data_args, training_args = parse(ModelArguments, DataArguments, SimcseArguments, argv=argv)

    # Model: an encoder without a head; dropout is on, whatever its config says.
    model, tokenizer = load_to_contrast(model_args, training_args.dropout, training_args.max_length)

    # Data: texts as they are, a row each.
    data = load_plain_texts(data_args, training_args, tokenizer)

    # Train: each text finds its other vector among those of its batch.
    trainer = contrastive_trainer(model, training_args, data)
    results = train_and_evaluate(trainer)
    trainer.save_model()
    return report_encoder(trainer, results, data, model_args, data_args)


if __name__ == "__main__":
    run(main)
