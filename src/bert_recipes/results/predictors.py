"""The tasks of `recipes/predict.py`: which predictor a model's config asks for."""

from __future__ import annotations

from ..arguments.predict import PredictArguments
from ..models.classifiers import CLASSIFIER
from ..models.tasks import load_task
from ..run.errors import UserError
from .input_rows import InputRows
from .labelling import Labelling
from .predictor import Predictor

# How the name of the config's architecture ends -> the task.
PREDICTORS: dict[str, type[Predictor]] = {
    CLASSIFIER: Labelling,
}


def load_predictor(args: PredictArguments, rows: InputRows) -> Predictor:
    """Of the task that the model is for. What does not suit its config or the file is told before the weights load."""
    architecture, config = load_task(args)
    kind = next((kind for ending, kind in PREDICTORS.items() if architecture.endswith(ending)), None)
    if kind is None:
        raise UserError(
            f"--model_name_or_path {args.model_name_or_path} is no classifier (it is {architecture}): train one with "
            "recipes/finetune.py or recipes/lora.py"
        )
    rows.announce(kind.new_columns(config, args))
    return kind(args)
