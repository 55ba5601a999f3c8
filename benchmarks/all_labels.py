"""All 13,740 labelled reviews, every weight: before and after continued pretraining, beside tf-idf.

    python benchmarks/all_labels.py
    python benchmarks/all_labels.py --table

The grid of recipes/split.py stops at 563 steps with so many labels; three epochs have 1,290. In the third one the
validation loss rises, so both models have a row of two epochs, 860 steps, too, and the continued one another that
reads the mean of the tokens. Continued pretraining reads the training rows' text twelve times, without their labels,
and one pretraining serves all seeds.
"""

from __future__ import annotations

from comparing import OUTPUTS, Comparison, Setting, main, run_recipe, run_recipe_or_tfidf

CONTINUED = OUTPUTS / "all_labels" / "continued"
CONTINUED_NAME = str(CONTINUED.relative_to(OUTPUTS.parents[1]))
BASE = ("--model_name_or_path", "bert-mini-zh", "--bf16")


def continue_pretraining() -> None:
    if not (CONTINUED / "all_results.json").exists():
        run_recipe("mlm_pretrain", (*BASE, "--num_train_epochs", "12"), CONTINUED)


def setting(name: str, model: str, epochs: int, more: tuple[str, ...] = ()) -> Setting:
    training = ("--bf16", "--num_train_epochs", str(epochs), "--no_baseline", *more)
    return Setting(name, "finetune", ("--model_name_or_path", model, *training))


COMPARISON = Comparison(
    "all_labels",
    settings=[
        Setting("tf-idf", "tfidf", ("--dataset_name", "reviews")),
        setting("base model", "bert-mini-zh", epochs=3),
        setting("base model, two epochs", "bert-mini-zh", epochs=2),
        setting("continued pretraining", CONTINUED_NAME, epochs=3),
        setting("continued pretraining, two epochs", CONTINUED_NAME, epochs=2),
        setting("continued pretraining, two epochs, mean pooling", CONTINUED_NAME, 2, ("--pooling", "mean")),
    ],
    scores={"accuracy": "test_accuracy", "macro-F1": "test_macro_f1"},
    against="tf-idf",
    prepare=continue_pretraining,
    run=run_recipe_or_tfidf,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
