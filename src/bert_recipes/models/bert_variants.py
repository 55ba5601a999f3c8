"""BERT with one thing changed: types of their own, since transformers alone must refuse such a model, where it would
read it as a plain BERT and answer otherwise."""

from __future__ import annotations

from typing import ClassVar, Self

from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
from transformers import AutoConfig, AutoModelForSequenceClassification, BertConfig, PretrainedConfig, PreTrainedModel

from ..run.errors import UserError


class BertVariantConfig(BertConfig):
    """A subclass has a `model_type` of its own, and the `argument` that asks for it."""

    argument: ClassVar[str]

    @classmethod
    def get_config_dict(cls, *args, **kwargs):
        # peft asks for the config of an adapter's base by this class: a BERT's is one of a plain BERT.
        config, rest = super().get_config_dict(*args, **kwargs)
        return config | ({"model_type": cls.model_type} if config.get("model_type") == "bert" else {}), rest

    @classmethod
    def fits(cls, config: PretrainedConfig) -> bool:
        return config.model_type in (BertConfig.model_type, cls.model_type)

    @classmethod
    def of(cls, config: PretrainedConfig, argument: str | None = None) -> Self:
        """The same encoder's. Raises `UserError` where it is no BERT; it names `argument`, where another one asked."""
        if not cls.fits(config):
            asked = argument or cls.argument
            raise UserError(f"{asked} is for BERT, and this model is of type {config.model_type}: leave it out")
        return cls.from_dict({**config.to_dict(), "model_type": cls.model_type})


def register(model_class: type[PreTrainedModel]) -> None:
    """Let the auto classes, and peft, know a variant."""
    config_class = model_class.config_class
    AutoConfig.register(config_class.model_type, config_class)
    AutoModelForSequenceClassification.register(config_class, model_class)
    TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING[config_class.model_type] = ["query", "value"]
