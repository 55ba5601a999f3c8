"""Adapt BERT to labelled text with LoRA: the encoder stays frozen, low-rank adapters and the head move.

accelerate launch recipes/lora.py
accelerate launch recipes/lora.py --model_name_or_path outputs/mlm_pretrain --lora_r 16 --use_rslora
"""

from bert_recipes.arguments.classifier import LoraArguments
from bert_recipes.arguments.data import ClassifierDataArguments
from bert_recipes.arguments.model import ClassifierModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.adapters import add_lora, save_lora
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
        ClassifierModelArguments, ClassifierDataArguments, LoraArguments, argv=argv
    )

    # Data: the same task, text and splits as finetune.py.
    data = load_classification_data(
        model_args, data_args, training_args.seed, training_args.do_train, checkpoint_to_resume(training_args)
    )

    # The loss and the decisions that the arguments ask for, checked against the labels.
    loss = choose_loss(training_args, data)
    check_decisions(training_args, data)

    # The mark to beat: character tf-idf with a linear model, on the same rows.
    to_beat = mark_to_beat(data, training_args)

    # Model: adapters beside the frozen projections; head and pooler are new, so they train in full.
    model = add_lora(classifier_for(data, model_args, training_args), training_args)

    # Train and test; then the adapter goes to adapter/, and the model with the adapter merged in stands alone.
    trainer = classifier_trainer(model, training_args, data.tokenizer, data.encoded, loss)
    results = to_beat | train_and_evaluate(trainer) | settle_decisions(trainer, data)
    save_lora(model, data.tokenizer, training_args)
    return report_classifier(trainer, results, data, model_args, data_args)


if __name__ == "__main__":
    run(main)
