"""Stock pretraining in the manner of transformers' run_mlm.py: tokenise, join and cut with `map`; `Trainer`.

    python benchmarks/stock_mlm.py --train_file text.jsonl --model_name_or_path MODEL --output_dir outputs/stock

The benchmarks measure ours beside it. It knows nothing of bert_recipes, and is shorter than run_mlm.py: no evaluation,
no card, no logging set-up, which all take time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from datasets import Dataset, load_dataset
from transformers import (
    AutoModelForMaskedLM,
    AutoTokenizer,
    DataCollatorForLanguageModeling,
    HfArgumentParser,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

MASKED = 0.15  # the default of run_mlm.py


@dataclass
class StockArguments:
    train_file: str
    model_name_or_path: str
    block: int = 128


def joined_blocks(rows: Dataset, tokenizer: PreTrainedTokenizerBase, block: int) -> Dataset:
    """All texts in one line, cut every `block` tokens."""

    def join(examples):
        joined = {name: list(chain.from_iterable(lists)) for name, lists in examples.items()}
        whole = len(joined["input_ids"]) // block * block
        return {
            name: [values[start : start + block] for start in range(0, whole, block)] for name, values in joined.items()
        }

    tokenised = rows.map(
        lambda examples: tokenizer(examples["text"], return_special_tokens_mask=True, verbose=False),
        batched=True,
        remove_columns=rows.column_names,
    )
    return tokenised.map(join, batched=True)


def stock_trainer(
    model: PreTrainedModel, args: TrainingArguments, blocks: Dataset, tokenizer: PreTrainedTokenizerBase
) -> Trainer:
    return Trainer(
        model=model,
        args=args,
        train_dataset=blocks,
        processing_class=tokenizer,
        data_collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED),
    )


def main():
    stock_args, args = HfArgumentParser((StockArguments, TrainingArguments)).parse_args_into_dataclasses()
    set_seed(args.seed)
    rows = load_dataset("json", data_files={"train": stock_args.train_file})["train"]
    tokenizer = AutoTokenizer.from_pretrained(stock_args.model_name_or_path)
    model = AutoModelForMaskedLM.from_pretrained(stock_args.model_name_or_path)
    with args.main_process_first():
        blocks = joined_blocks(rows, tokenizer, stock_args.block)
    trainer = stock_trainer(model, args, blocks, tokenizer)
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
