"""Find named entities: fine-tune BERT to tag each token of a text, with every weight or with --lora.

accelerate launch recipes/ner.py
accelerate launch recipes/ner.py --train_file train.jsonl --lora
"""

from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.ner import NerArguments, NerDataArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.token_classifiers import load_token_classifier, with_adapters
from bert_recipes.results.entities import report_entities
from bert_recipes.run.errors import run
from bert_recipes.training.entity_data import load_entity_data
from bert_recipes.training.entity_trainer import entity_trainer, save_tagger
from bert_recipes.training.trainer import train_and_evaluate


def main(argv=None):
    model_args, data_args, training_args = parse(ModelArguments, NerDataArguments, NerArguments, argv=argv)

    # Data: texts with character spans -> windows of tokens, each with a tag; the types come from training alone.
    data = load_entity_data(model_args, data_args, training_args.seed, training_args.do_train)

    # Model: the pretrained encoder with a new head over every token; with --lora adapters and the head alone move.
    model = with_adapters(load_token_classifier(model_args, data.tag_names, training_args.do_train), training_args)

    # Train, end with the checkpoint whose validation F1 is best, and look at the test split once.
    trainer = entity_trainer(model, training_args, data.tokenizer, data)
    results = train_and_evaluate(trainer)
    save_tagger(trainer, model)
    return report_entities(trainer, results, data, model_args, data_args)


if __name__ == "__main__":
    run(main)
