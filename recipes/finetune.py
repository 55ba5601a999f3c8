"""Fine-tune every weight of BERT on labelled text.

accelerate launch recipes/finetune.py
accelerate launch recipes/finetune.py --config recipes/configs/title_text.yaml --learning_rate 3e-4
"""

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.arguments.model import ClassifierModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.results.baseline import mark_to_beat
from bert_recipes.results.reporting import report_classifier
from bert_recipes.run.checkpoints import checkpoint_to_resume
from bert_recipes.run.errors import run
from bert_recipes.training.assembling import classifier_for, classifier_trainer
from bert_recipes.training.choosing_loss import choose_loss
from bert_recipes.training.data import load_classification_data
from bert_recipes.training.decisions import check_decisions, settle_decisions
from bert_recipes.training.trainer import train_and_evaluate


def main(argv=None):
    model_args, data_args, training_args = parse(
        ClassifierModelArguments, ClassifierDataArguments, FinetuneArguments, argv=argv
    )

    # Data: text -> token ids; the label list comes from the training split alone.
    data = load_classification_data(
        model_args, data_args, training_args.seed, training_args.do_train, checkpoint_to_resume(training_args)
    )

    # The loss and the decisions that the arguments ask for, checked against the labels.
    loss = choose_loss(training_args, data)
    check_decisions(training_args, data)

    # The mark to beat: character tf-idf with a linear model, on the same rows.
    to_beat = mark_to_beat(data, training_args)

    # Model: the pretrained encoder with a new head; every weight moves, unless --freeze_encoder.
    model = classifier_for(data, model_args, training_args)

    # Train, end with the checkpoint that the validation split likes best, and look at the test split once.
    trainer = classifier_trainer(model, training_args, data.tokenizer, data.encoded, loss)
    results = to_beat | train_and_evaluate(trainer) | settle_decisions(trainer, data)
    trainer.save_model()
    return report_classifier(trainer, results, data, model_args, data_args)


if __name__ == "__main__":
    run(main)
