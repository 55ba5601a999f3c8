"""What a run of ner.py leaves: the texts with their entities, a table of each type, figure, card, results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..arguments.model import ModelArguments
from ..arguments.ner import NerDataArguments
from ..run import tables
from ..text.files import Table
from ..text.tags import Entity, types_of
from ..training.entity_data import EntityData
from ..training.entity_metrics import SCORES, Found
from ..training.entity_trainer import predict_entities
from ..training.trainer import Trainer
from .next_steps import after_entities, print_steps
from .reporting import Results, finish, model_card
from .writing import write_file

SPLITS = {"test": "test", "eval": "validation"}  # prefix of a result -> split


def report_entities(
    trainer: Trainer,
    results: Results,
    data: EntityData,
    model_args: ModelArguments,
    data_args: NerDataArguments,
) -> Results:
    """Predict the test split, and write all that a run leaves. Returns the results with `test_*` added."""
    from .figures import draw_training  # matplotlib takes a second to import: not before the training's first line

    args, output_dir = trainer.args, Path(trainer.args.output_dir)
    if args.do_predict:
        found, test_results = predict_entities(trainer, data.encoded["test"], data)
        results |= test_results
    trainer.end()
    if not trainer.is_world_process_zero():
        return results
    if args.do_predict:
        write_predictions(output_dir / "predictions.jsonl", data, found)
    draw_training(trainer.state.log_history, ("f1", "recall"), output_dir / "figures" / "training.png")
    table = table_of_types(results, data)
    card = model_card(
        "token-classification", trainer, results, table, model_args, data_args, data.summary.as_markdown()
    )
    finish(trainer, results, table, card)
    print_steps(after_entities(args.output_dir, model_args, data_args, args.lora))
    return results


def write_predictions(path: Path, data: EntityData, found: list[list[Found]]) -> None:
    """The test rows in their order: `text`, `entities` as they were given, `prediction`."""
    texts, given = (data.corpus["test"][name][:] for name in ("text", "entities"))
    predictions = [[as_record(text, *pair) for pair in row] for text, row in zip(texts, found, strict=True)]
    table = Table(path.name, {"text": texts, "entities": given}, range(1, 1 + len(texts)))
    write_file(table, {"prediction": predictions}, path)


def as_record(text: str, entity: Entity, score: float) -> dict[str, Any]:
    """`text[start:end]` is its text; `score` is the mean probability of its tokens' tags."""
    return {"text": text[entity.start : entity.end], **entity._asdict(), "score": round(score, 6)}


def table_of_types(results: Results, data: EntityData) -> tables.Table:
    """A line for all types together and one for each, of the test and the validation split."""
    lines = [["", *(name if name != "f1" else "F1" for name in SCORES)]]
    for prefix, split in SPLITS.items():
        for name in ["", *types_of(data.tag_names)]:
            scores = [results.get(f"{prefix}_{name}_{score}" if name else f"{prefix}_{score}") for score in SCORES]
            if None not in scores:
                lines.append([f"{split}, {name or 'all types'}", *(f"{score:.4f}" for score in scores)])
    return lines
