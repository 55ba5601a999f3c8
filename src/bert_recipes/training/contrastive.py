"""Unsupervised SimCSE (Gao et al. 2021, arXiv 2104.08821): a text goes through the encoder twice, with other dropout,
and each of its vectors has to find the other one among those of the batch."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy.spatial.distance import pdist
from scipy.special import logsumexp
from torch.nn import functional
from transformers import EvalPrediction, PreTrainedModel

from ..arguments.simcse import SimcseArguments
from ..models.encoders import Pooling
from ..text.encoded import as_it_is
from .learning_rate import suitable_learning_rate
from .plain_texts import PlainTexts
from .trainer import Trainer

MOST_SCORED = 2000  # vectors: uniformity takes all pairs


class ContrastiveTrainer(Trainer):
    """Trains an encoder by what `models.encoders.Pooling` makes of its tokens; a validation scores the vectors'
    uniformity."""

    def __init__(self, *args, pooling: Pooling, temperature: float, **kwargs):
        super().__init__(*args, compute_metrics=uniformity, **kwargs)
        self.model_accepts_loss_kwargs = False  # the loss is a mean over a batch, and a step's the mean of its batches
        self.pooling, self.temperature = pooling.to(self.args.device), temperature

    def vectors(self, model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """Shape (texts, width), float32."""
        return self.pooling(model(**inputs).last_hidden_state.float(), inputs["input_ids"])

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        twice = {name: values.repeat(2, 1) for name, values in self.for_model(inputs).items()}
        return contrastive_loss(*self.vectors(model, twice).chunk(2), self.temperature)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        inputs = self.for_model(self._prepare_inputs(inputs))
        with torch.inference_mode(), self.compute_loss_context_manager():
            vectors = self.vectors(model, inputs)
        return None, vectors, vectors.new_zeros(len(vectors))  # without labels no metrics are computed


def contrastive_loss(first: torch.Tensor, second: torch.Tensor, temperature: float) -> torch.Tensor:
    """Cross-entropy of finding row i of `second` from row i of `first`, both of shape (texts, width), by cosine."""
    cosines = functional.normalize(first, dim=1) @ functional.normalize(second, dim=1).T
    return functional.cross_entropy(cosines / temperature, torch.arange(len(first), device=first.device))


def uniformity(prediction: EvalPrediction) -> dict[str, float]:
    """`uniformity`: log of the mean of exp(-2 distance^2) over pairs of vectors of length 1 (Wang & Isola 2020, arXiv
    2005.10242), 0 where all are the same, lower the evener they are spread; `mean_cosine` of the pairs."""
    vectors = prediction.predictions
    if len(vectors) > MOST_SCORED:  # they stand in the order of their lengths
        vectors = vectors[np.random.default_rng(0).permutation(len(vectors))[:MOST_SCORED]]
    vectors = vectors.astype(np.float64)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)  # of an empty text all are 0
    squares = pdist(vectors, "sqeuclidean")
    return {
        "uniformity": float(logsumexp(-2 * squares) - np.log(len(squares))),
        "mean_cosine": float(1 - squares.mean() / 2),
    }


def contrastive_trainer(model: PreTrainedModel, args: SimcseArguments, data: PlainTexts) -> ContrastiveTrainer:
    args.learning_rate = args.learning_rate or suitable_learning_rate(args, model.config)
    return ContrastiveTrainer(
        model=model,
        args=args,
        train_dataset=data.train,
        eval_dataset=data.validation,
        processing_class=data.tokenizer,
        data_collator=as_it_is,
        loss_of_guessing=math.log(args.per_device_train_batch_size),
        pooling=Pooling(data.tokenizer, args.pooling),
        temperature=args.temperature,
    )
