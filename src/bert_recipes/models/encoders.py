"""Any encoder as a maker of vectors: its hidden states at a layer, and what a text's vector is made of."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AutoModel, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from ..arguments.embed import CLS, MEAN, MEAN_LAST4, EmbedArguments
from ..arguments.model import CheckpointArguments, ModelArguments
from ..run.errors import UserError
from .layers import set_dropout
from .pretrained import load_config, load_model, with_names_of_today
from .tokenization import load_tokenizer, readable_length

LAST = 4  # layers of `mean_last4`
FRAME = ("cls", "sep", "pad", "bos", "eos")  # tokens that stand around a text, and are no part of it


def load_encoder(args: CheckpointArguments) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The encoder of a checkpoint, in fp32, whatever its head is for, and its tokenizer."""
    config = load_config(args)
    if config.is_encoder_decoder:
        raise UserError(
            f"--model_name_or_path {args.model_name_or_path}: models of type {config.model_type} are no encoders alone"
        )
    tokenizer = load_tokenizer(args)
    model, loading = load_model(AutoModel, args)
    if any("pooler" in key for key in loading["missing_keys"]):
        model.pooler = None  # of random weights, which nobody should take for the checkpoint's
    return model, tokenizer


def load_to_contrast(
    model_args: ModelArguments, dropout: float, max_length: int
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The encoder, with `dropout` while it trains (the config that is saved keeps its own), and its tokenizer. Its
    pooler, which the vectors do not come from, is frozen."""
    if model_args.from_scratch:
        model = with_names_of_today(AutoModel.from_config(load_config(model_args), dtype=torch.float32))
        model.pooler, tokenizer = None, load_tokenizer(model_args)
    else:
        model, tokenizer = load_encoder(model_args)
    set_dropout(model, dropout)
    if getattr(model, "pooler", None) is not None:
        model.pooler.requires_grad_(False)
    tokenizer.padding_side = "right"  # `cls` is the first token
    tokenizer.model_max_length = min(max_length, tokenizer.model_max_length)
    return model, tokenizer


def load_to_embed(args: EmbedArguments) -> tuple[Encoder, PreTrainedTokenizerBase]:
    """The encoder that the arguments ask for, ready to make vectors, and its tokenizer, which cuts where they say. A
    layer that does not exist is told before the weights are loaded."""
    config = load_config(args)
    layers = layers_to_read(config, args)
    model, tokenizer = load_encoder(args)
    tokenizer.padding_side = "right"  # `cls` is the first token
    if args.max_length is not None:
        tokenizer.model_max_length = min(args.max_length, readable_length(config))
    return Encoder(model, Pooling(tokenizer, args.pooling or MEAN), layers), tokenizer


def layers_to_read(config: PretrainedConfig, args: EmbedArguments) -> list[int]:
    """Numbers of layers, 0 for the embeddings, whose mean is taken."""
    count = config.num_hidden_layers
    if args.pooling == MEAN_LAST4:
        if count < LAST:
            raise UserError(f"--pooling mean_last4: {args.model_name_or_path} has {count} layers alone")
        return list(range(count - LAST + 1, count + 1))
    if args.layer is not None and not 0 <= args.layer <= count:
        raise UserError(
            f"--layer {args.layer}: {args.model_name_or_path} has layers 1 to {count}, and 0 is its embeddings"
        )
    return [count if args.layer is None else args.layer]


class Pooling(torch.nn.Module):
    """A text's vector out of its tokens': `cls` the first one's, `mean` (and `mean_last4`) the mean over the text's
    own, without [CLS], [SEP] and padding; a text that the tokenizer leaves nothing of has zeros there."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, pooling: str):
        super().__init__()
        self.pooling = pooling
        frame = {getattr(tokenizer, f"{name}_token_id", None) for name in FRAME} - {None}
        self.register_buffer("frame", torch.tensor(sorted(frame)), persistent=False)

    def forward(self, hidden_states: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        """(rows, length, width) -> (rows, width); padding stands on the right."""
        if self.pooling == CLS:
            return hidden_states[:, 0]
        weights = self.own_tokens(input_ids).to(hidden_states.dtype)
        return torch.einsum("rlw,rl->rw", hidden_states, weights) / weights.sum(1, keepdim=True).clamp(min=1)

    def own_tokens(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Where a text's own tokens stand, bool, shape (rows, length)."""
        return ~torch.isin(input_ids, self.frame)


class Encoder(torch.nn.Module):
    """An encoder whose output is a vector a row, made of the hidden states of some `layers` (the last one)."""

    def __init__(self, model: PreTrainedModel, pooling: Pooling, layers: Sequence[int] = ()):
        super().__init__()
        self.model, self.pooling, self.last = model, pooling, model.config.num_hidden_layers
        self.layers = list(layers) or [self.last]

    def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Vectors of shape (rows, width), float32."""
        return self.pooling(self.hidden_states(inputs), inputs["input_ids"])

    def hidden_states(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Of the layer, or the mean of the layers, shape (rows, length, width), float32."""
        if self.layers == [self.last]:
            return self.model(**inputs).last_hidden_state.float()
        outputs = self.model(**inputs, output_hidden_states=True)
        states = (*outputs.hidden_states[: self.last], outputs.last_hidden_state)
        return torch.stack([states[layer] for layer in self.layers]).float().mean(0)
