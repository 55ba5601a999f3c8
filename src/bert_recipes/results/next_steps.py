"""What to try after a run: commands that run as they stand."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

from ..arguments.data import DataArguments, LabelledDataArguments
from ..arguments.model import ModelArguments
from ..arguments.ner import NerDataArguments

Steps = dict[str, str]  # what it does -> command

WIDTH = 78
REVIEW = "房间很干净，下次还住。"
SENTENCE = "王小明昨天从上海到北京。"
FILE = "mine.csv"
# Of the arguments of the data, those that say how a file is read.
READING = ("text_columns", "label_column", "label_separator", "encoding", "column_names")
READING += ("label_names", "label_names_file", "span_ends")


def after_classifier(
    recipe: str, output_dir: str, model_args: ModelArguments, data_args: LabelledDataArguments
) -> Steps:
    """Label a file, train in the other way on the same rows, and train on a csv of one's own."""
    other, does = ("lora", "train 2 % of the weights") if recipe == "finetune" else ("finetune", "train every weight")
    same = flags(data_args.given) + flags(model_args.given)
    steps = {
        "label a file": labelling(output_dir, data_args),
        f"{does}, on the same rows": command(other, *same),
    }
    predictions = Path(output_dir) / "predictions.csv"
    if data_args.train_file:
        reading = flags({name: data_args.given.get(name) for name in ("text_columns", "encoding", "column_names")})
        title = "continue pretraining on its text, for an encoder that knows it"
        steps[title] = command("mlm_pretrain", "--train_file", data_args.train_file, *reading)
    elif predictions.exists():
        columns = flags({"text_columns": data_args.given.get("text_columns")})
        title = f"your own csv, with the columns {data_args.text_columns},label (here this run's test rows)"
        steps[title] = command(recipe, "--train_file", str(predictions), *columns)
    return steps


def labelling(output_dir: str, data_args: LabelledDataArguments) -> str:
    """Of the user's own file, or of one that the command makes."""
    given = {name: data_args.given.get(name) for name in READING}
    file, make = data_args.test_file or data_args.train_file, ""
    if file is None:
        columns = data_args.text_column_names
        given, file = {"text_columns": given["text_columns"]}, FILE
        row = ",".join([REVIEW] * len(columns))
        make = f"printf '{','.join(columns)}\\n{row}\\n' > {FILE}\n"
    suffix = ".csv" if Path(file).suffix == ".txt" else Path(file).suffix
    files = ("--input_file", file, "--output_file", str(Path(output_dir) / f"labelled{suffix}"))
    return make + command("predict", "--model_name_or_path", output_dir, *files, *flags(given))


def after_entities(output_dir: str, model_args: ModelArguments, data_args: NerDataArguments, lora: bool) -> Steps:
    """Find the entities of a file, train in the other way on the same rows, and train on a file of one's own."""
    same = flags(data_args.given) + flags(model_args.given)
    start = ("--model_name_or_path", output_dir)
    files = ("--input_file", FILE, "--output_file", str(Path(output_dir) / "entities.jsonl"))
    make = f"printf 'text\\n{SENTENCE}\\n' > {FILE}\n"
    other = [] if lora else ["--lora"]
    steps = {
        "find the entities of a file": make + command("predict", *start, *files),
        f"train {'every weight' if lora else 'low-rank adapters'}, on the same rows": command("ner", *same, *other),
    }
    predictions = Path(output_dir) / "predictions.jsonl"
    if not data_args.train_file and predictions.exists():
        title = "your own jsonl, with the columns text and entities (here this run's test rows)"
        steps[title] = command("ner", "--train_file", str(predictions))
    return steps


def after_masked_lm(output_dir: str, data_args: DataArguments) -> Steps:
    """Two ways on to a classifier, and a look at what the model guesses."""
    start = ("--model_name_or_path", output_dir)
    code = (
        f"from transformers import pipeline; [print(guess['sequence'], round(guess['score'], 2)) "
        f"for guess in pipeline('fill-mask', model='{output_dir}')('房间很[MASK]净。')]"
    )
    return {
        "fine-tune from it": command("finetune", *start),
        "the same with low-rank adapters": command("lora", *start),
        "let it guess a masked character": f'{python()} -c "{code}"',
    }


def after_encoder(output_dir: str, pooling: str, data_args: DataArguments) -> Steps:
    """The vectors of a file, and a classifier from there."""
    start, reading = ("--model_name_or_path", output_dir), flags({name: data_args.given.get(name) for name in READING})
    file = ("--input_file", data_args.train_file) if data_args.train_file else ()
    return {
        "vectors, a row each": command("embed", *start, "--pooling", pooling, *file, *(reading if file else [])),
        "fine-tune from it": command("finetune", *start),
    }


def flags(values: dict) -> list[str]:
    """Arguments as words; those that are None or off stay out."""
    words = []
    for name, value in values.items():
        if value not in (None, False):
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words


def command(recipe: str, *words: str) -> str:
    """As a shell takes it, in lines of `WIDTH` at most where its words allow it."""
    folder = Path(sys.argv[0]).parent
    folder = folder if folder.name == "recipes" else Path("recipes")
    lines = [f"{'accelerate launch' if shutil.which('accelerate') else python()} {folder / f'{recipe}.py'}"]
    for part in re.split(r" (?=--)", shlex.join(words)):  # a flag stays beside its value
        if part and len(lines[-1]) + len(part) > WIDTH - 6:
            lines.append(f"  {part}")
        elif part:
            lines[-1] += f" {part}"
    return " \\\n".join(lines)


def python() -> str:
    """This one, from here."""
    path = Path(sys.executable)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def print_steps(steps: Steps) -> None:
    print("\nNext:")
    for title, text in steps.items():
        print(f"\n  # {title}", *text.splitlines(), sep="\n  ")
