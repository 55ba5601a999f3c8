"""The learning rate where nobody says: by the width of the model."""

from __future__ import annotations

from transformers import PretrainedConfig

from ..arguments.recipe import RecipeArguments


def suitable_learning_rate(args: RecipeArguments | type[RecipeArguments], config: PretrainedConfig) -> float:
    """The recipe's rate for a 768-wide model times (768 / width)^2: narrow models want larger steps.

    For full fine-tuning 3e-5 at 768 (the middle of what the BERT paper searched) and 1.7e-5 at 1,024; at 256 it is
    2.7e-4, where 3e-4 beat 1.5e-4 on the validation split. Below 256 nothing was measured: the rate stays.
    """
    return float(f"{args.base_learning_rate * (768 / max(256, config.hidden_size)) ** 2:.2g}")
