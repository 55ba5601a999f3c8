"""BERT for a pair of an aspect and a text, with one more attention layer between the two."""

from __future__ import annotations

import torch
from torch.nn import functional
from transformers import BertConfig, BertModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.models.bert.modeling_bert import BertPreTrainedModel

from .bert_variants import BertVariantConfig, register


class AspectBertConfig(BertVariantConfig):
    model_type = "bert_aspect_attention"
    argument = "--aspect_attention"


class AspectAttention(torch.nn.Module):
    """What the text says of the aspect: one head of attention, whose query is the mean of the aspect's token vectors
    and whose keys are the text's. Its output is zero at first, so that training starts from BERT as it is."""

    def __init__(self, config: BertConfig):
        super().__init__()
        self.query, self.key, self.output = (torch.nn.Linear(config.hidden_size, config.hidden_size) for _ in range(3))
        self.output.begins_at_zero = True
        self.dropout = torch.nn.Dropout(config.attention_probs_dropout_prob)

    def forward(
        self, states: torch.Tensor, token_type_ids: torch.Tensor | None, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """States of shape (rows, length, width), token type 0 of the aspect and 1 of the text -> (rows, width)."""
        inside = torch.ones_like(states[..., 0]) if attention_mask is None else attention_mask.to(states.dtype)
        types = torch.zeros_like(inside) if token_type_ids is None else token_type_ids.to(states.dtype)
        of_aspect = inside * (1 - types)
        aspect = (states * of_aspect[..., None]).sum(1) / of_aspect.sum(1, keepdim=True)
        keys = (inside * types).bool()
        keys[:, 0] = True  # [CLS], so that a text alone has something to look at, too
        scores = (self.key(states) @ self.query(aspect)[..., None])[..., 0] / states.shape[-1] ** 0.5
        weights = self.dropout(scores.float().masked_fill(~keys, -torch.inf).softmax(-1).to(states.dtype))
        return self.output((weights[:, None] @ states)[:, 0])


class AspectBertForSequenceClassification(BertPreTrainedModel):
    """`BertForSequenceClassification` whose head reads the pooled vector plus what `AspectAttention` finds."""

    config_class = AspectBertConfig

    def __init__(self, config: AspectBertConfig):
        super().__init__(config)
        self.num_labels = config.num_labels
        self.bert = BertModel(config)
        self.aspect_attention = AspectAttention(config)
        dropout = config.classifier_dropout
        self.dropout = torch.nn.Dropout(config.hidden_dropout_prob if dropout is None else dropout)
        self.classifier = torch.nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if getattr(module, "begins_at_zero", False):
            torch.nn.init.zeros_(module.weight)

    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **kwargs,
    ) -> SequenceClassifierOutput:
        """As `BertForSequenceClassification`; single-label, with the mean cross-entropy as the loss."""
        outputs = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, **kwargs)
        found = self.aspect_attention(outputs["last_hidden_state"], token_type_ids, attention_mask)
        logits = self.classifier(self.dropout(outputs["pooler_output"] + found))
        loss = None if labels is None else functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )


register(AspectBertForSequenceClassification)
