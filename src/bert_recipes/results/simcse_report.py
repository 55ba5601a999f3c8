"""What a run leaves that trains an encoder alone."""

from __future__ import annotations

from pathlib import Path

from ..arguments.data import DataArguments
from ..arguments.model import ModelArguments
from ..run.tables import Table
from ..training.contrastive import ContrastiveTrainer
from ..training.plain_texts import PlainTexts
from .next_steps import after_encoder, print_steps
from .reporting import Results, finish, model_card, results_table

SCORES = {"uniformity": "uniformity", "mean cosine": "mean_cosine"}


def report_encoder(
    trainer: ContrastiveTrainer,
    results: Results,
    data: PlainTexts,
    model_args: ModelArguments,
    data_args: DataArguments,
) -> Results:
    """Figure, results and card; the scores before the first step stand in the table beside those of the end."""
    from .figures import draw_training

    trainer.end()
    if not trainer.is_world_process_zero():
        return results
    history, output_dir = trainer.state.log_history, Path(trainer.args.output_dir)
    draw_training(history, tuple(SCORES.values()), output_dir / "figures" / "training.png")
    table = results_table(results, {"this run, validation": "eval"}, SCORES)
    if trainer.state.global_step:
        table = with_start(table, history)
    card = model_card("feature-extraction", trainer, results, table, model_args, data_args, data.summary.as_markdown())
    finish(trainer, results, table, card)
    print_steps(after_encoder(trainer.args.output_dir, trainer.args.pooling, data_args))
    return results


def with_start(table: Table, history: list[dict]) -> Table:
    first = next((entry for entry in history if entry.get("step") == 0 and "eval_uniformity" in entry), None)
    line = first and ["before its first step", *(f"{first[f'eval_{name}']:.4f}" for name in SCORES.values())]
    return [*table, *filter(None, [line])]
