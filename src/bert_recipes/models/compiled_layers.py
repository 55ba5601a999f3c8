"""`torch.compile` where it pays: the layer that a model repeats, once for all of them."""

from __future__ import annotations

import torch

from ..run.errors import UserError
from .layers import repeated_layers


def compile_layers(model: torch.nn.Module, backend: str, mode: str | None = None, one_shape: bool = False) -> int:
    """Compile each repeated layer in place, and return how many there are. The names of the weights stay.

    Twelve layers of one class are compiled as one, so that the time does not grow with their number. Batches of many
    lengths share one compilation, unless they all have `one_shape`. Raises `UserError` where no layer is repeated.
    """
    layers = repeated_layers(model)
    if not layers:
        raise UserError(
            f"--torch_compile: {type(model).__name__} repeats no layer that could be compiled: leave it out"
        )
    for layer in layers:
        layer.compile(backend=backend, mode=mode, dynamic=None if one_shape else True)
    return len(layers)


def compiling_seconds() -> float:
    """What this process has spent on compiling so far, the kernels of the backward pass included."""
    return torch._dynamo.utils.calculate_time_spent()["total_wall_time"]
