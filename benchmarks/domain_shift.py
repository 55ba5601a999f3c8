"""Trained on reviews of books and hotels, tested on laptops': accuracy with and without text of the new domain.

    python benchmarks/domain_shift.py
    python benchmarks/domain_shift.py --table

Continued pretraining reads the training rows' text of laptop reviews, without their labels; read for as many steps, the
text of book and hotel reviews shows what more reading alone does. Two rows have labels of the new domain, and character
tf-idf with a logistic regression stands beside both.
"""

from __future__ import annotations

from comparing import OUTPUTS, Comparison, Setting, main, run_recipe, run_recipe_or_tfidf

BASE = ("--model_name_or_path", "bert-mini-zh")
CONFIG = ("--config", "recipes/configs/domain_shift.yaml", "--no_baseline")
STEPS = 1000  # of 32 chunks: about seven passes over the laptop reviews
READ = {corpus: OUTPUTS / "domain_shift" / f"read_{corpus}" for corpus in ("laptop_reviews", "reviews_to_laptop")}


def continue_pretraining() -> None:
    for corpus, folder in READ.items():
        if not (folder / "all_results.json").exists():
            run_recipe("mlm_pretrain", (*BASE, "--dataset_name", corpus, "--max_steps", str(STEPS)), folder)


def setting(name: str, model: str, *arguments: str) -> Setting:
    return Setting(name, "finetune", (*CONFIG, "--model_name_or_path", model, *arguments))


def tfidf(name: str, corpus: str) -> Setting:
    return Setting(name, "tfidf", ("--dataset_name", corpus, "--max_train_samples", "2000"))


COMPARISON = Comparison(
    "domain_shift",
    settings=[
        setting("base model", BASE[1]),
        setting("read book and hotel reviews", str(READ["reviews_to_laptop"].relative_to(OUTPUTS.parents[1]))),
        setting("read laptop reviews", str(READ["laptop_reviews"].relative_to(OUTPUTS.parents[1]))),
        setting("base model, 2,000 laptop labels", BASE[1], "--dataset_name", "laptop_reviews"),
        tfidf("tf-idf", "reviews_to_laptop"),
        tfidf("tf-idf, 2,000 laptop labels", "laptop_reviews"),
    ],
    scores={"accuracy": "test_accuracy", "macro-F1": "test_macro_f1"},
    against="base model",
    prepare=continue_pretraining,
    run=run_recipe_or_tfidf,
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
