"""The exact sparse head: the vocabulary projection sees the masked positions alone."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from ..run.errors import tell


def sparse_head(model: PreTrainedModel) -> PreTrainedModel:
    """Let everything behind the encoder see the masked positions alone: exact, and most of the work saved.

    32 x 128 tokens x 21,128 words are 86 M logits, of which 15 % have a label. A call that passes `masked_positions`
    (bool, shape (rows, length), or int64, shape (masked,): places counted row after row, for which no GPU is waited)
    gets logits of shape (1, masked, vocabulary) in row-major order; any other call gets the dense (rows, length,
    vocabulary). Works by hooks, so a model's forward stays its own. A head that looks at more than one position, or has
    another shape, is found out by a trial, and stays dense.
    """
    handles = [
        model.register_forward_pre_hook(take_masked_positions, with_kwargs=True),
        model.base_model.register_forward_hook(keep_masked_positions),
    ]
    if not sparse_is_exact(model):
        for handle in handles:
            handle.remove()
        model.register_forward_pre_hook(drop_masked_positions, with_kwargs=True)
        tell(f"the head of {type(model).__name__} needs every position: it stays dense, exact but slower")
    return model


def take_masked_positions(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    # On the encoder, not in a closure: a copy of the model has an encoder of its own.
    model.base_model.masked_positions = kwargs.pop("masked_positions", None)
    return args, kwargs


def drop_masked_positions(model: PreTrainedModel, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    kwargs.pop("masked_positions", None)
    return args, kwargs


def keep_masked_positions(encoder: torch.nn.Module, args: tuple, outputs: ModelOutput) -> ModelOutput:
    positions, states = encoder.masked_positions, outputs["last_hidden_state"]
    if positions is not None and positions.dtype == torch.bool:
        outputs["last_hidden_state"] = states[positions].unsqueeze(0)
    elif positions is not None:
        outputs["last_hidden_state"] = states.flatten(0, 1).index_select(0, positions).unsqueeze(0)
    return outputs


@torch.no_grad()
def sparse_is_exact(model: PreTrainedModel) -> bool:
    """Whether eight made-up tokens, of which three count, get the logits that the dense head gives them."""
    training, model_input = model.training, torch.arange(8).view(2, 4).to(model.device)
    masked_positions = torch.tensor([[False, True, False, True], [True, False, False, False]], device=model.device)
    model.eval()
    try:
        dense = model(input_ids=model_input)
        name = "logits" if "logits" in dense else "prediction_logits"
        sparse = model(input_ids=model_input, masked_positions=masked_positions)[name]
    except (RuntimeError, ValueError, IndexError, TypeError):
        return False
    finally:
        model.train(training)
        model.base_model.masked_positions = None
    expected = dense[name][masked_positions].unsqueeze(0)
    return sparse.shape == expected.shape and torch.allclose(sparse, expected, atol=1e-4, rtol=1e-4)
