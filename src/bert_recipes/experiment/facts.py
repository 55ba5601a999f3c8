"""How the experiment was measured, for the page."""

from __future__ import annotations

from datasets import DatasetDict

from ..arguments.data import LabelledDataArguments
from ..arguments.split_arguments import SIZES
from ..text.builtin_corpora import SOURCES
from ..text.corpora import corpus_fingerprint
from .changes import GENERAL_TEXT
from .checks import FIXED, precision
from .experiment import Experiment
from .questions.all import PLANS
from .recipe_flags import pretraining_epochs


def facts(experiment: Experiment) -> dict[str, str]:
    given = {name: getattr(experiment.args, name) for name in SIZES if name in FIXED}
    epochs = pretraining_epochs(experiment, experiment.corpus, experiment.data_args.text_columns)
    given["pretraining_epochs"] = f"{epochs:g}"
    given["max_length"] = experiment.data_args.max_length
    said = {"data": describe(experiment.corpus, experiment.data_args)}
    if asks_titles(experiment):
        said["titles and texts"] = describe(experiment.titles_corpus, experiment.titles_args)
    measured = {
        ", ".join(f"{name} {value}" for name, value in run["measured"].items()) for run in experiment.runs.results
    }
    return {
        **said,
        "general text": f"{GENERAL_TEXT}, its validation split",
        "model": experiment.model_args.model_name_or_path,
        "arguments": ", ".join(f"{name} {value}" for name, value in given.items()),
        "precision": precision(),
        "measured": "; ".join(sorted(measured)),
    }


def corpora(experiment: Experiment) -> dict[str, str]:
    """Names of the data that the sections of the report are about."""
    return {"task": name_of(experiment.data_args), "titles": name_of(experiment.titles_args)}


def asks_titles(experiment: Experiment) -> bool:
    """Of results that an earlier call has left, too."""
    asked = {run["experiment"] for run in experiment.runs.results} | set(experiment.asked)
    return any(plan.text == "titles" for name, plan in PLANS.items() if name in asked)


def name_of(data_args: LabelledDataArguments) -> str:
    if data_args.dataset_name in SOURCES:
        return f"{data_args.dataset_name}, the built-in corpus"
    return data_args.dataset_name or data_args.train_file


def describe(corpus: DatasetDict, data_args: LabelledDataArguments) -> str:
    sizes = ", ".join(f"{split} {len(rows):,}" for split, rows in corpus.items())
    return f"{', '.join(corpus_fingerprint(data_args))}; rows: {sizes}"
