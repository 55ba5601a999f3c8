"""Arguments of masked-language-model pretraining."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from .recipe import RecipeArguments


@dataclass
class MlmArguments(RecipeArguments):
    default_output_dir = "outputs/mlm_pretrain"
    base_learning_rate = 1e-4

    mlm_probability: float = field(
        default=0.15, metadata={"help": "share of the training tokens to predict; of the validation tokens it is 0.15"}
    )
    dropout: float = field(
        default=0.0,
        metadata={"help": "in this stage alone: 0 is faster, and enough for few epochs (arXiv 2212.14034)"},
    )
    whole_word_mask: bool = field(
        default=False, metadata={"help": "mask whole words, Chinese ones as jieba cuts them, not single characters"}
    )
    nsp: bool = field(
        default=False,
        metadata={"help": "next-sentence prediction too; of two --text_columns the pair is title and text"},
    )
    streaming: bool = field(
        default=False,
        metadata={"help": "tokenise --train_file (txt or jsonl) while it trains; needs --max_steps"},
    )
    chunk_length: int = field(default=128, metadata={"help": "tokens of a chunk, [CLS] and [SEP] included"})
    packing: bool | None = field(
        default=None,
        metadata={"help": "documents side by side without padding; left out, where the device has a kernel for it"},
    )
    include_num_input_tokens_seen: str = field(
        default="non_padding", metadata={"help": "count the tokens that were trained on: no, all or non_padding"}
    )
    keep_vocabulary: bool = field(
        default=False,
        metadata={"help": "with --from_scratch: the checkpoint's vocabulary, and none trained on the text"},
    )
    vocab_size: int = field(default=8192, metadata={"help": "with --from_scratch: entries of the trained vocabulary"})
    vocab_alphabet: str | None = field(
        default=None,
        metadata={"choices": ["gb2312"], "help": "with --from_scratch: characters that it holds besides the text's"},
    )
    metric_for_best_model: str = field(
        default="loss",
        metadata={
            "choices": ["loss", "masked_accuracy"],
            "help": "the validation score that the best checkpoint has most (loss: least) of",
        },
    )

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.mlm_probability < 1:
            raise UserError(f"--mlm_probability {self.mlm_probability}: must lie between 0 and 1")
        if not 0 <= self.dropout < 1:
            raise UserError(f"--dropout {self.dropout}: must be 0 or more, and below 1")
        if self.label_smoothing_factor:
            raise UserError("--label_smoothing_factor is for classifiers: masked tokens are not smoothed")
        if self.dataloader_persistent_workers:
            raise UserError("--dataloader_persistent_workers: such workers would draw the first epoch's masks for ever")
        if self.vocab_size < 100:
            raise UserError(f"--vocab_size {self.vocab_size}: must be 100 or more")
        if self.streaming and self.max_steps < 1:
            raise UserError("--streaming needs --max_steps: nobody has counted how many steps one pass is")
        if self.packing and self.why_padded:
            raise UserError(f"--packing: {self.why_padded}: leave --packing out")

    @property
    def why_padded(self) -> str | None:
        """What of these arguments stands against packed batches, in words; None where nothing does."""
        if self.nsp:
            return "--nsp needs a row for each pair"
        if self.streaming:
            return "--streaming has not counted the tokens of its file"
        if self.auto_find_batch_size:
            return "--auto_find_batch_size changes the size of the batches, which the order of a packed run hangs on"
        if self.accelerator_config.split_batches:
            return "--accelerator_config split_batches cuts batches, and a packed one is whole"
        if self.train_sampling_strategy not in ("group_by_length", "random"):
            return f"--train_sampling_strategy {self.train_sampling_strategy} asks for another order than a random one"
        return None
