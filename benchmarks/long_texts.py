"""Reviews of a book, a hotel and a laptop in one text: accuracy by what is read of a text that is too long.

    python benchmarks/long_texts.py
    python benchmarks/long_texts.py --table

`joined_reviews` asks for the sentiment of one of three reviews, by the aspect 书, 酒店 or 笔记本电脑; most texts are
three to four times as long as --max_length 64.
"""

from comparing import Comparison, Setting, main

DATA = ("--dataset_name", "joined_reviews", "--text_columns", "aspect,text", "--max_length", "64")
ROWS = ("--max_train_samples", "1000", "--max_eval_samples", "200", "--max_test_samples", "1000")
MODEL = ("--model_name_or_path", "bert-mini-zh", "--learning_rate", "5e-4", "--num_train_epochs", "2")
MODEL = (*MODEL, "--per_device_train_batch_size", "16")
SELECT = ("--long_text", "select", "--select_by")
READINGS = {
    "truncate": (),
    "head_tail": ("--long_text", "head_tail"),
    "windows": ("--long_text", "windows"),
    "select, lexical": (*SELECT, "lexical"),
    "select, encoder": (*SELECT, "encoder"),
    "select, learned": (*SELECT, "learned"),
    "select, lexical, aspect attention": (*SELECT, "lexical", "--aspect_attention"),
}

COMPARISON = Comparison(
    "long_texts",
    settings=[Setting(name, "finetune", (*DATA, *ROWS, *MODEL, *words)) for name, words in READINGS.items()],
    scores={"accuracy": "test_accuracy", "macro-F1": "test_macro_f1", "tf-idf": "baseline_accuracy"},
    against="truncate",
)

if __name__ == "__main__":
    main(COMPARISON, __doc__)
