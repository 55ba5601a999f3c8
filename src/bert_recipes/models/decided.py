"""What a classifier's config keeps of how its probabilities become labels: thresholds and a temperature."""

from __future__ import annotations

from transformers import PretrainedConfig

from ..run.errors import tell

# In a model's config.json: label -> probability, and what the head was divided by.
THRESHOLDS, TEMPERATURE = "label_thresholds", "calibration_temperature"


def forget_decisions(config: PretrainedConfig) -> None:
    """They hold for the weights that they were settled with: where these change, no checkpoint should have them."""
    forget_thresholds(config, told=True)
    if hasattr(config, TEMPERATURE):
        delattr(config, TEMPERATURE)


def forget_thresholds(config: PretrainedConfig, told: bool) -> None:
    if hasattr(config, THRESHOLDS):
        delattr(config, THRESHOLDS)
        if told:
            tell("The thresholds that the model had are left out: --threshold sets new ones")
