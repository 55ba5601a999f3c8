"""The honest floors under every classifier: the most frequent class, and character tf-idf + logistic regression."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import sklearn
from datasets import Dataset, DatasetDict
from datasets.fingerprint import Hasher
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from transformers import EvalPrediction

from ..arguments.classifier import ClassifierArguments
from ..arguments.problems import REGRESSION
from ..run.whole_files import whole_file
from ..text.documents import code_fingerprint
from ..text.encoding import join_columns, label_vector
from ..training.data import ClassificationData
from ..training.metrics import MEAN_LOSS, load_metric, regression_metrics

INVERSE_REGULARISATIONS = (1.0, 8.0)  # chosen between by macro-F1 on the validation split
QUICK_CHARACTERS = 5_000_000  # of training text: what tf-idf reads in half a minute on one core


def mark_to_beat(data: ClassificationData, args: ClassifierArguments) -> dict[str, float]:
    """`score_floors`, told on the screen before a model trains.

    Empty on every process but the first, without --do_predict, and where so much text is read that a person or the
    other processes would wait for long: then `report_classifier` scores them at the end.
    """
    # Characters, by the bytes of the Arrow columns: a Chinese one has three.
    columns = data.corpus["train"].select_columns(data.text_columns)
    if args.process_index or not args.do_predict or columns.with_format("arrow")[:].nbytes > 3 * QUICK_CHARACTERS:
        return {}
    scores = score_floors(data, args)
    name, title = ("mse", "mean squared error") if data.problem_type == REGRESSION else ("accuracy", "accuracy")
    floors = {"baseline": "character tf-idf + a linear model", "majority": "majority class"}
    if data.problem_type == REGRESSION:
        floors["majority"] = "mean"
    told = [f"{scores[f'{floor}_{name}']:.4f} ({of})" for floor, of in floors.items() if f"{floor}_{name}" in scores]
    print(f"To beat: {title} {', '.join(told)}\n", flush=True)
    return scores


def score_floors(data: ClassificationData, args: ClassifierArguments) -> dict[str, float]:
    """Scores on the test split that a classifier is measured by: `majority_*`, and with --baseline `baseline_*`."""
    floors = {"majority": score_majority(data.corpus, data.label_names)}
    if args.baseline:
        floors["baseline"] = baseline_scores(data.corpus, data.text_columns, data.label_names)
    return {f"{floor}_{name}": value for floor, scores in floors.items() for name, value in scores.items()}


def labels_of(split: Dataset, label_names: Sequence[str]) -> np.ndarray:
    """Shape (rows,), or of lists of labels (rows, labels), 0 or 1."""
    label_ids = {name: index for index, name in enumerate(label_names)}
    return np.array([label_vector(label, label_ids) for label in split["label"][:]]).astype(int)


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


def baseline_scores(corpus: DatasetDict, text_columns: Sequence[str], label_names: Sequence[str]) -> dict[str, float]:
    """`score_baseline`, kept in the data sets' cache: the same rows have the same scores, and fitting takes seconds."""
    rows = [corpus[split]._fingerprint for split in ("train", "validation", "test")]
    made_by = (*rows, *text_columns, *label_names, code_fingerprint(), sklearn.__version__)
    kept = Path(datasets.config.HF_DATASETS_CACHE, "bert_recipes", f"baseline-{Hasher.hash(made_by)}.json")
    with contextlib.suppress(OSError, ValueError):  # none is there, or it is another user's or damaged
        return json.loads(kept.read_text())
    scores = score_baseline(corpus, text_columns, label_names)
    # A cache that can't be written is no reason to stop; several runs may write it at once.
    with contextlib.suppress(OSError), whole_file(kept, f".{os.getpid()}") as part:
        part.write_text(json.dumps(scores))
    return scores


def score_baseline(corpus: DatasetDict, text_columns: Sequence[str], label_names: Sequence[str]) -> dict[str, float]:
    """Accuracy and macro-averaged scores on the test split of tf-idf over 1- to 3-grams of characters; of a regression
    those of `regression_metrics`."""
    if isinstance(corpus["train"]["label"][0], float):
        return score_regression_baseline(corpus, text_columns)
    multi_label = not isinstance(corpus["train"]["label"][0], str)
    metric, features = load_metric(multi_label), character_tfidf(corpus, text_columns)
    references = {split: labels_of(rows, label_names) for split, rows in corpus.items()}

    def score(classifier, split: str) -> dict[str, float]:
        predictions = classifier.predict(features[split]).reshape(references[split].shape)
        return metric.compute(predictions=predictions, references=references[split])

    def fit(inverse_regularisation: float):
        regression = LogisticRegression(C=inverse_regularisation, max_iter=300)
        classifier = OneVsRestClassifier(regression) if multi_label else regression
        return classifier.fit(features["train"], references["train"])

    classifiers = [fit(inverse_regularisation) for inverse_regularisation in INVERSE_REGULARISATIONS]
    best = max(classifiers, key=lambda classifier: score(classifier, "validation")["macro_f1"])
    return score(best, "test")


def score_regression_baseline(corpus: DatasetDict, text_columns: Sequence[str]) -> dict[str, float]:
    """A ridge regression on the same tf-idf."""
    features = character_tfidf(corpus, text_columns)

    def score(model, split: str) -> dict[str, float]:
        predictions = model.predict(features[split])
        return without_loss(regression_metrics(EvalPrediction(predictions, corpus[split]["label"][:])))

    models = [
        Ridge(alpha=1 / inverse_regularisation).fit(features["train"], corpus["train"]["label"][:])
        for inverse_regularisation in INVERSE_REGULARISATIONS
    ]
    return score(min(models, key=lambda model: score(model, "validation")["mse"]), "test")


def without_loss(scores: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in scores.items() if name != MEAN_LOSS}


def character_tfidf(corpus: DatasetDict, text_columns: Sequence[str]) -> dict[str, Any]:
    """Sparse matrices (rows, n-grams) by split, of the training rows' 1- to 3-grams; what a single one of many rows
    has tells nothing."""
    vectorizer = TfidfVectorizer(
        analyzer="char",
        ngram_range=(1, 3),
        sublinear_tf=True,
        min_df=1 if len(corpus["train"]) < 100 else 2,
        dtype=np.float32,
    )
    texts = {split: join_columns(rows[:], text_columns) for split, rows in corpus.items()}
    train = vectorizer.fit_transform(texts.pop("train"))
    return {"train": train, **{split: vectorizer.transform(of_split) for split, of_split in texts.items()}}
