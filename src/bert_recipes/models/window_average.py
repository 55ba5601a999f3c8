"""A text as several windows: what the encoder makes of each is averaged, and the head sees one row a text."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ..run.errors import UserError

OF_WINDOWS = ("text_of_window", "windows_of_text")


def average_windows(model: PreTrainedModel) -> None:
    """Let a classifier take the windows of `text.encoded.EncodedTexts`: with `text_of_window`, int64, shape (windows,),
    and `windows_of_text`, int64, shape (rows,), it gives logits of shape (rows, classes).

    The mean is that of the pooled vectors, or where there is no pooler of the first token's. Works by hooks, so the
    model is saved as what it is, and for texts of one window it gives the same logits. Raises `UserError` where a trial
    finds that it does not.
    """
    model.base_model.register_forward_pre_hook(take_windows, with_kwargs=True)
    model.base_model.register_forward_hook(average_outputs)
    if not takes_windows(model):
        raise UserError(
            f"--long_text windows: the head of {type(model).__name__} reads more than one vector a text: take "
            "head_tail or select"
        )


def take_windows(encoder: torch.nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    # On the encoder, not in a closure: a copy of the model has an encoder of its own.
    encoder.windows = tuple(kwargs.pop(name, None) for name in OF_WINDOWS)
    return args, kwargs


def average_outputs(encoder: torch.nn.Module, args: tuple, outputs: ModelOutput) -> ModelOutput:
    text_of_window, windows_of_text = encoder.windows
    if text_of_window is None:
        return outputs
    outputs["last_hidden_state"] = averaged(outputs["last_hidden_state"][:, 0], text_of_window, windows_of_text)[
        :, None
    ]
    if outputs.get("pooler_output") is not None:
        outputs["pooler_output"] = averaged(outputs["pooler_output"], text_of_window, windows_of_text)
    return outputs


def averaged(vectors: torch.Tensor, text_of_window: torch.Tensor, windows_of_text: torch.Tensor) -> torch.Tensor:
    """Vectors of shape (windows, size) -> shape (rows, size). The number of rows is a shape: no device is asked."""
    zeros = torch.zeros(len(windows_of_text), vectors.shape[1], device=vectors.device)
    sums = zeros.index_add(0, text_of_window, vectors.float())
    return (sums / windows_of_text[:, None]).to(vectors.dtype)


@torch.no_grad()
def takes_windows(model: PreTrainedModel) -> bool:
    """Whether made-up texts of one window have the logits that they have without the hooks, and two windows of one text
    count as one row."""
    training, input_ids = model.training, torch.arange(5, 13).view(2, 4).to(model.device)
    of_window, counts = torch.tensor([0, 1], device=model.device), torch.tensor([1, 1], device=model.device)
    model.eval()
    try:
        expected = model(input_ids=input_ids)["logits"]
        found = model(input_ids=input_ids, text_of_window=of_window, windows_of_text=counts)["logits"]
        one = model(input_ids=input_ids, text_of_window=of_window * 0, windows_of_text=counts[:1] * 2)["logits"]
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    finally:
        model.train(training)
    return one.shape[0] == 1 and found.shape == expected.shape and torch.allclose(found, expected, atol=1e-4)
