"""The honest floors under every classifier: the most frequent class, and character tf-idf + logistic regression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from datasets import Dataset, DatasetDict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from transformers import EvalPrediction

from ..text.encoding import join_columns, label_vector
from ..training.metrics import MEAN_LOSS, load_metric, regression_metrics

INVERSE_REGULARISATIONS = (1.0, 8.0)  # chosen between by macro-F1 on the validation split


def labels_of(split: Dataset, label_names: Sequence[str]) -> np.ndarray:
    """Shape (rows,), or of lists of labels (rows, labels), 0 or 1."""
    label_ids = {name: index for index, name in enumerate(label_names)}
    return np.array([label_vector(label, label_ids) for label in split["label"]]).astype(int)


def score_majority(corpus: DatasetDict, label_names: Sequence[str]) -> dict[str, float]:
    """Accuracy and macro-averaged scores on the test split of the label that most training rows have, given to every
    row; of rows with several labels, of the most frequent set of labels; of a regression the mean of its labels."""
    if isinstance(corpus["train"]["label"][0], float):
        mean = np.full(len(corpus["test"]), np.mean(corpus["train"]["label"][:]))
        return without_loss(regression_metrics(EvalPrediction(mean, corpus["test"]["label"][:])))
    train, test = (labels_of(corpus[split], label_names) for split in ("train", "test"))
    answers, counts = np.unique(train, axis=0, return_counts=True)
    predictions = np.repeat(answers[[counts.argmax()]], len(test), axis=0)
    return load_metric(multi_label=test.ndim == 2).compute(predictions=predictions, references=test)


def score_baseline(corpus: DatasetDict, text_columns: Sequence[str], label_names: Sequence[str]) -> dict[str, float]:
    """Accuracy and macro-averaged scores on the test split of tf-idf over 1- to 3-grams of characters; of a regression
    those of `regression_metrics`."""
    if isinstance(corpus["train"]["label"][0], float):
        return score_regression_baseline(corpus, text_columns)
    multi_label = not isinstance(corpus["train"]["label"][0], str)
    metric = load_metric(multi_label)

    def score(classifier, split: Dataset) -> dict[str, float]:
        references = labels_of(split, label_names)
        predictions = classifier.predict(join_columns(split, text_columns)).reshape(references.shape)
        return metric.compute(predictions=predictions, references=references)

    def fit(inverse_regularisation: float):
        regression = LogisticRegression(C=inverse_regularisation, max_iter=300)
        return make_pipeline(
            character_tfidf(len(corpus["train"])),
            OneVsRestClassifier(regression) if multi_label else regression,
        ).fit(join_columns(corpus["train"], text_columns), labels_of(corpus["train"], label_names))

    classifiers = [fit(inverse_regularisation) for inverse_regularisation in INVERSE_REGULARISATIONS]
    best = max(classifiers, key=lambda classifier: score(classifier, corpus["validation"])["macro_f1"])
    return score(best, corpus["test"])


def score_regression_baseline(corpus: DatasetDict, text_columns: Sequence[str]) -> dict[str, float]:
    """A ridge regression on the same tf-idf."""

    def score(model, split: Dataset) -> dict[str, float]:
        predictions = model.predict(join_columns(split, text_columns))
        return without_loss(regression_metrics(EvalPrediction(predictions, split["label"][:])))

    train = corpus["train"]
    models = [
        make_pipeline(character_tfidf(len(train)), Ridge(alpha=1 / inverse_regularisation)).fit(
            join_columns(train, text_columns), train["label"][:]
        )
        for inverse_regularisation in INVERSE_REGULARISATIONS
    ]
    return score(min(models, key=lambda model: score(model, corpus["validation"])["mse"]), corpus["test"])


def without_loss(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name != MEAN_LOSS}


def character_tfidf(rows: int) -> TfidfVectorizer:
    """Of 1- to 3-grams; what a single one of many rows has tells nothing."""
    return TfidfVectorizer(
        analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=1 if rows < 100 else 2, dtype=np.float32
    )
