"""Pretrain BERT on plain text by guessing masked tokens: on from a checkpoint, or from random weights.

accelerate launch recipes/mlm_pretrain.py
accelerate launch recipes/mlm_pretrain.py --model_name_or_path google-bert/bert-base-chinese --train_file mine.txt
"""

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.results.reporting import report_masked_lm
from bert_recipes.run.errors import run
from bert_recipes.training.assembling import masked_language_model_trainer
from bert_recipes.training.data import load_pretraining_data
from bert_recipes.training.trainer import train_and_evaluate


def main(argv=None):
    model_args, data_args, training_args = parse(ModelArguments, DataArguments, MlmArguments, argv=argv)

    # Data: documents -> chunks, cut at sentence ends; new masks each epoch, but the validation split is masked once.
    data = load_pretraining_data(model_args, data_args, training_args)

    # Model: the vocabulary projection sees the masked positions alone, which is exact, and saves most where the model
    # is small; from scratch, it starts from how frequent the training text's tokens are.
    model = load_masked_lm(model_args, data.tokenizer, training_args.dropout, training_args.nsp, data.train)

    # Train, score the best checkpoint, and save it with its tokenizer, figures and card.
    trainer = masked_language_model_trainer(model, training_args, data)
    results = train_and_evaluate(trainer)
    trainer.save_model()
    return report_masked_lm(trainer, results, data, model_args, data_args)


if __name__ == "__main__":
    run(main)
