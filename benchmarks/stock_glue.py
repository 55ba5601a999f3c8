"""Stock fine-tuning in the manner of transformers' run_glue.py: tokenise with `map`, pad each batch, `Trainer`.

    python benchmarks/stock_glue.py --train_file rows.jsonl --model_name_or_path MODEL --output_dir outputs/stock
    python benchmarks/stock_glue.py --lora --train_file rows.jsonl --model_name_or_path MODEL --output_dir outputs/stock

The benchmarks measure ours beside it. It knows nothing of bert_recipes, and is shorter than run_glue.py: no evaluation,
no card, no logging set-up, which all take time.
"""

from __future__ import annotations

from dataclasses import dataclass

from datasets import Dataset, load_dataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    HfArgumentParser,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)


@dataclass
class StockArguments:
    train_file: str
    model_name_or_path: str
    max_length: int = 128
    lora: bool = False


def tokenised(rows: Dataset, tokenizer: PreTrainedTokenizerBase, max_length: int) -> Dataset:
    names = sorted(rows.unique("label"))

    def encode(examples):
        encoded = tokenizer(examples["text"], max_length=max_length, truncation=True)
        return {**encoded, "labels": [names.index(label) for label in examples["label"]]}

    return rows.map(encode, batched=True, remove_columns=rows.column_names)


def with_adapters(model: PreTrainedModel) -> PreTrainedModel:
    """peft's own way, beside query and value; the head trains too."""
    from peft import LoraConfig, TaskType, get_peft_model

    return get_peft_model(
        model, LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=["query", "value"])
    )


def stock_trainer(
    model: PreTrainedModel, args: TrainingArguments, rows: Dataset, tokenizer: PreTrainedTokenizerBase
) -> Trainer:
    return Trainer(
        model=model,
        args=args,
        train_dataset=rows,
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )


def main():
    stock_args, args = HfArgumentParser((StockArguments, TrainingArguments)).parse_args_into_dataclasses()
    set_seed(args.seed)
    rows = load_dataset("json", data_files={"train": stock_args.train_file})["train"]
    tokenizer = AutoTokenizer.from_pretrained(stock_args.model_name_or_path)
    model = AutoModelForSequenceClassification.from_pretrained(
        stock_args.model_name_or_path, num_labels=len(rows.unique("label"))
    )
    if stock_args.lora:
        model = with_adapters(model)
    with args.main_process_first():
        encoded = tokenised(rows, tokenizer, stock_args.max_length)
    trainer = stock_trainer(model, args, encoded, tokenizer)
    trainer.train()
    trainer.save_model()


if __name__ == "__main__":
    main()
