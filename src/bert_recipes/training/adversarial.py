"""Adversarial training of text (Miyato et al. 2017, arXiv 1605.07725), known as FGM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class FastGradientMethod:
    """Moves the embeddings of each row by `epsilon` along their gradient, where the loss rises fastest.

    The embeddings are what the table gives for a row, not the table: another row with the same character is not moved.
    """

    def __init__(self, table: torch.nn.Module, epsilon: float):
        self.table, self.epsilon = table, epsilon
        self.embedded: torch.Tensor | None = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Around the forward and backward pass whose gradient shows the direction."""
        with hooked(self.table, self.keep_gradient):
            yield

    @contextmanager
    def attacking(self) -> Iterator[None]:
        """Around a forward and backward pass over the same rows."""
        moved = perturbation(self.embedded.grad, self.epsilon)
        self.embedded = None
        with hooked(self.table, lambda module, args, embedded: embedded + moved):
            yield

    def keep_gradient(self, module: torch.nn.Module, args: tuple, embedded: torch.Tensor) -> torch.Tensor:
        if not embedded.requires_grad:  # a frozen table, as LoRA has
            embedded = embedded.detach().requires_grad_()
        embedded.retain_grad()
        self.embedded = embedded
        return embedded


def perturbation(gradient: torch.Tensor, epsilon: float) -> torch.Tensor:
    """Of a gradient of shape (rows, length, width): each row has length `epsilon`, or 0 where its gradient is 0 or
    overflows, as that of a scaled fp16 loss may."""
    direction = gradient / torch.linalg.vector_norm(gradient, dim=(1, 2), keepdim=True)
    return epsilon * direction.nan_to_num(0.0, 0.0, 0.0)


@contextmanager
def hooked(module: torch.nn.Module, hook) -> Iterator[None]:
    handle = module.register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
