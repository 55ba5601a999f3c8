"""BERT whose classifier reads the mean of a text's tokens in place of [CLS]."""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import BertForSequenceClassification
from transformers.modeling_outputs import SequenceClassifierOutput

from .bert_variants import BertVariantConfig, register


class MeanPoolingBertConfig(BertVariantConfig):
    model_type = "bert_mean_pooling"
    argument = "--pooling mean"


class MeanPoolingBertForSequenceClassification(BertForSequenceClassification):
    """`BertForSequenceClassification` whose pooler gets the mean of the last layer over the tokens that are no padding
    (Reimers & Gurevych 2019, arXiv 1908.10084). The weights are the same."""

    config_class = MeanPoolingBertConfig

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """As `BertForSequenceClassification`; single-label, with the mean cross-entropy as the loss."""
        outputs = self.bert(input_ids, attention_mask=attention_mask, **kwargs)
        mean = mean_of_tokens(outputs["last_hidden_state"], attention_mask)
        logits = self.classifier(self.dropout(self.bert.pooler(mean[:, None])))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


def mean_of_tokens(states: torch.Tensor, attention_mask: torch.Tensor | None) -> torch.Tensor:
    """States of shape (rows, length, width), a mask of shape (rows, length) or none -> (rows, width)."""
    if attention_mask is None:
        return states.mean(1)
    inside = attention_mask.to(states.dtype)[..., None]
    return (states * inside).sum(1) / inside.sum(1).clamp(min=1)


register(MeanPoolingBertForSequenceClassification)
