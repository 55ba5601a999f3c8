"""The layers of an encoder, from the lowest up: which weight belongs to which, and what becomes of some of them."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from ..run.errors import UserError, counted, tell


def repeated_layers(model: torch.nn.Module) -> list[torch.nn.Module]:
    """The longest part of a model in layers of one class: the list with the most weights."""
    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    alike = [layers for layers in lists if len({type(layer) for layer in layers}) == 1]
    return max(
        alike, key=lambda layers: sum(weight.numel() for layer in layers for weight in layer.parameters()), default=[]
    )


def depths(model: torch.nn.Module) -> dict[str, int]:
    """How far below the top each weight lies, by its name: 0 behind the layers (the pooler, the head), 1 in the topmost
    layer, and one more than there are layers in front of them, and in embeddings wherever they stand."""
    layers = repeated_layers(model)
    of_layers = {
        id(weight): len(layers) - number for number, layer in enumerate(layers) for weight in layer.parameters()
    }
    found, depth = {}, len(layers) + 1
    for name, weight in model.named_parameters():  # in the order in which the model reads them
        inside = of_layers.get(id(weight))
        if inside is not None:
            depth = 0  # of what is still to come outside the layers
        outside = len(layers) + 1 if "embeddings" in name else depth
        found[name] = outside if inside is None else inside
    return found


def freeze_lower_layers(model: PreTrainedModel, count: int) -> None:
    """Train neither the embeddings nor the lowest `count` layers. Raises `UserError` where the model has fewer."""
    if not count:
        return
    number = check_count("freeze_layers", model, count)
    tell(f"Frozen: the embeddings and the lowest {count} of {number} layers")
    for name, depth in depths(model).items():
        if depth > number - count:
            model.get_parameter(name).requires_grad = False


def renew_upper_layers(model: PreTrainedModel, count: int) -> None:
    """Draw the topmost `count` layers and the pooler anew (Zhang et al. 2021, arXiv 2006.05987): in a pretrained model
    they have settled on its own task. Raises `UserError` where the model has fewer."""
    if not count:
        return
    number = check_count("reinitialize_layers", model, count)
    tell(f"The topmost {count} of {number} layers and the pooler start from random weights")
    for layer in repeated_layers(model)[number - count :]:
        draw_anew(model, layer)
    if getattr(model.base_model, "pooler", None) is not None:
        draw_anew(model, model.base_model.pooler)


def check_count(argument: str, model: PreTrainedModel, count: int) -> int:
    """The number of layers, of which `count` are asked for."""
    number = len(repeated_layers(model))
    if count > number:
        raise UserError(f"--{argument} {count}: {type(model).__name__} has {counted(number, 'layer')}")
    return number


@torch.no_grad()
def draw_anew(model: PreTrainedModel, part: torch.nn.Module) -> None:
    """As the model draws the weights of such a part when it is new."""
    for module in part.modules():
        for parameter in module.parameters(recurse=False):
            parameter._is_hf_initialized = False  # else transformers leaves a loaded weight as it is
        model._init_weights(module)


def set_dropout(model: torch.nn.Module, probability: float) -> None:
    """In every `Dropout` module of this model, but not in front of adapters, which have a dropout of their own: a model
    that keeps the dropout of its attention as a number (ModernBERT) keeps that. Its config, which is saved with it,
    keeps what it says."""
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Dropout) and "lora_dropout" not in name:
            module.p = probability
