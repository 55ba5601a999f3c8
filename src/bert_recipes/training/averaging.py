"""The mean of a run's last checkpoints (Izmailov et al. 2018, arXiv 1803.05407)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers.utils import SAFE_WEIGHTS_NAME


def mean_of_checkpoints(folders: Sequence[Path]) -> dict[str, torch.Tensor]:
    """Of each weight, in float32, as models are trained here."""
    sums: dict[str, torch.Tensor] = {}
    for folder in folders:
        for name, weight in load_file(folder / SAFE_WEIGHTS_NAME).items():
            sums[name] = sums[name] + weight.double() if name in sums else weight.double()
    return {name: (total / len(folders)).to(torch.float32) for name, total in sums.items()}
