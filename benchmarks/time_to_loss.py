"""How long stock pretraining takes to a held-out loss, and ours to the same: 4 x 256 from random weights.

    python benchmarks/time_to_loss.py
    python benchmarks/time_to_loss.py --stock_steps 300 --our_steps 300

Stock is run_mlm.py's way (`stock_mlm.py`) at the best of three learning rates: each is tried for a quarter of
the steps, with a schedule of its own. Ours is `recipes/mlm_pretrain.py --from_scratch`: no dropout, a warm-up of 6 % of
the steps, weight decay 0.01, whole documents, attention that starts out local, guesses that start from each token's
frequency, and a rate that was chosen in earlier runs. Both train from random weights on People's Daily, each in a
process of its own and on its own clock, taking turns, so that a noisy machine disturbs both alike. After every turn
each guesses the same masked tokens of the same held-out blocks, cut as stock cuts them. `ratio` is the training time at
which ours first has stock's final loss, over all of stock's training time. One JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile

import mlm
import torch
from measuring import DEVICE, where
from stock_mlm import MASKED, joined_blocks
from taking_turns import Processes, TakeTurns
from torch.nn import functional
from transformers import AutoTokenizer, BertForMaskedLM, DataCollatorForLanguageModeling

from bert_recipes.arguments.data import DataArguments
from bert_recipes.models.pretrained import EMBEDDED_MODELS
from bert_recipes.models.starting_weights import attend_to_neighbours, guess_by_frequency
from bert_recipes.text.documents import load_documents
from bert_recipes.text.masking import IGNORED

SIZE, DATA = "4x256", ["--dataset_name", "peoples_daily"]
TURNS = 20
STOCK_LEARNING_RATES = (3e-4, 1e-3, 3e-3)
OUR_LEARNING_RATE = 1.5e-3  # the base model's


class Score(TakeTurns):
    """Reports the held-out loss: nats a masked token."""

    def __init__(self, pipe, model: BertForMaskedLM, batches: list[dict[str, torch.Tensor]]):
        super().__init__(pipe)
        self.model, self.batches = model, batches

    @torch.no_grad()
    def report(self) -> dict:
        self.model.eval()
        self.model.bert.masked_positions = None  # the last training batch's, which the sparse head looks for here
        losses = []
        for batch in self.batches:
            batch = {name: values.to(DEVICE) for name, values in batch.items()}
            masked_positions = batch["labels"] != IGNORED
            states = self.model.bert(batch["input_ids"], batch["attention_mask"]).last_hidden_state
            logits = self.model.cls(states[masked_positions])
            losses.append(functional.cross_entropy(logits, batch["labels"][masked_positions], reduction="none"))
        self.model.train()
        return {"loss": torch.cat(losses).mean().item()}

    def on_train_end(self, args, state, control, **kwargs):
        if self.left == 0:  # else it was told to stop
            self.end_turn()


def held_out_batches(data_args: DataArguments, count: int) -> list[dict[str, torch.Tensor]]:
    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED_MODELS / "bert-mini-zh")
    blocks = joined_blocks(load_documents(data_args)["validation"].select_columns("text"), tokenizer, mlm.BLOCK)
    torch.manual_seed(0)
    collate = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED)
    rows = list(blocks.take(count))
    return [collate(rows[start : start + 32]) for start in range(0, len(rows), 32)]


def work(kind: str, steps: int, learning_rate: float, held_out_blocks: int, pipe) -> None:
    batches = held_out_batches(DataArguments("peoples_daily"), held_out_blocks)
    with tempfile.TemporaryDirectory() as folder:
        if kind == "stock":
            trainer = mlm.stock(SIZE, folder, DATA, max_steps=steps, learning_rate=learning_rate)
        else:
            model = attend_to_neighbours(mlm.model_of(SIZE, dropout=0.0))
            length = ("--max_steps", str(steps), "--learning_rate", str(learning_rate))
            trainer = mlm.ours(SIZE, folder, DATA, model, *length)
            guess_by_frequency(model, trainer.train_dataset.token_counts())
        trainer.add_callback(Score(pipe, trainer.model, batches))
        trainer.train()


def train_in_turns(
    runs: dict[str, tuple[str, int, float]], turns: int, held_out_blocks: int
) -> dict[str, list[tuple[float, float]]]:
    """`runs`: name -> kind, steps, learning rate. Each one's curve: seconds of training so far, held-out loss."""
    curves = {name: [] for name in runs}
    with Processes(work, {name: (*run, held_out_blocks) for name, run in runs.items()}) as processes:
        for turn in range(turns):
            for name, (_, steps, _) in runs.items():
                done = processes.turn(name, steps * (turn + 1) // turns - steps * turn // turns)
                seconds = done["seconds"] + (curves[name][-1][0] if curves[name] else 0.0)
                curves[name].append((seconds, done["loss"]))
                told = f"turn {turn + 1} of {turns}, {seconds:.0f} s, loss {done['loss']:.4f}"
                print(f"{name}: {told}", file=sys.stderr)
    return curves


def try_rates(options: argparse.Namespace) -> dict[float, float]:
    """Stock's held-out loss at each learning rate, after a quarter of the steps."""
    runs = {f"stock at {rate:g}": ("stock", options.stock_steps // 4, rate) for rate in options.stock_learning_rates}
    curves = train_in_turns(runs, options.turns, options.held_out_blocks)
    return {rate: curve[-1][1] for rate, curve in zip(options.stock_learning_rates, curves.values(), strict=True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stock_steps", type=int, default=600, help="of %(default)s; 20 minutes or more on two cores")
    parser.add_argument("--our_steps", type=int, default=600)
    parser.add_argument("--stock_learning_rates", type=float, nargs="+", default=STOCK_LEARNING_RATES)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--held_out_blocks", type=int, default=320, help="of 128 tokens, 15 %% of them masked")
    options = parser.parse_args()
    if min(options.stock_steps // 4, options.our_steps) < options.turns:
        parser.error("a turn takes a step or more: fewer --turns, or more steps")
    trial_losses = try_rates(options) if len(options.stock_learning_rates) > 1 else {}
    best_rate = min(trial_losses, key=trial_losses.get, default=options.stock_learning_rates[0])
    curves = train_in_turns(
        {"stock": ("stock", options.stock_steps, best_rate), "ours": ("ours", options.our_steps, OUR_LEARNING_RATE)},
        options.turns,
        options.held_out_blocks,
    )
    stock_seconds, stock_loss = curves["stock"][-1]
    reached = next((seconds for seconds, loss in curves["ours"] if loss <= stock_loss), None)
    result = {
        "benchmark": "time_to_loss",
        "size": SIZE,
        "held_out_loss": round(stock_loss, 4),
        "stock_seconds": round(stock_seconds),
        "ours_seconds": reached and round(reached),
        "ratio": reached and round(reached / stock_seconds, 3),
        "ours_final": [round(value, 4) for value in curves["ours"][-1]],
        "stock_learning_rate": best_rate,
        "stock_trials": {f"{rate:g}": round(loss, 4) for rate, loss in trial_losses.items()},
        "ours_learning_rate": OUR_LEARNING_RATE,
        "steps": {"stock": options.stock_steps, "ours": options.our_steps, "rows": mlm.rows_of(SIZE)},
        **where(),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
