"""What all questions of an experiment share: the arguments, the labelled rows and their files, the folder and its
runs."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from pathlib import Path

from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase

from ..arguments.data import LabelledDataArguments
from ..arguments.model import ModelArguments
from ..arguments.split_arguments import STARTS, SplitArguments
from ..models.tokenization import load_tokenizer
from ..text.corpora import load_corpus
from .folds import write_splits
from .forecast import Progress, tokens_a_row
from .kept_runs import Runs
from .runs import Result, Run

# Of the data in the short form, where the user says nothing else: to score all 3,279 rows would take most of its time.
SHORT_DATA = {"max_eval_samples": 150, "max_test_samples": 300, "max_length": 64}
MEASURED_TEXTS = 300  # 50 held-out texts, before and after, in the task's words and in general ones


class Setting:
    """Labelled rows of the task, and rows with a title beside their text: the user's own, or the newspaper's."""

    progress: Progress | None = None
    runs: Runs | None = None  # once the experiment is under way

    def __init__(
        self, args: SplitArguments, model_args: ModelArguments, data_args: LabelledDataArguments, recipes: Path
    ):
        """`recipes` is the folder of the recipes that the runs call."""
        self.args, self.model_args, self.data_args, self.recipes = args, model_args, data_args, recipes
        self.folder = Path(args.output_dir)
        for name, size in ({} if args.full else SHORT_DATA).items():
            if name not in data_args.given:
                setattr(data_args, name, size)

    # --- the rows ---

    @functools.cached_property
    def corpus(self) -> DatasetDict:
        return load_corpus(self.data_args)

    @property
    def rows(self) -> int:
        return len(self.corpus["train"])

    def counts_among(self, *wanted: int) -> list[int | str]:
        """Of the wanted numbers of labels those of --label_counts; where it has none of them its last."""
        return [count for count in wanted if count in self.args.label_counts] or self.args.label_counts[-1:]

    @property
    def last_start(self) -> str:
        """Of --starts the one with most pretraining."""
        return max(self.args.starts, key=STARTS.index)

    def number_of_rows(self, count: int | str) -> int:
        return self.rows if count == "all" else min(count, self.rows)

    @functools.cached_property
    def task(self) -> dict[str, Path]:
        return write_splits(self.corpus, self.folder / "data" / "task")

    @property
    def own_titles(self) -> bool:
        return len(self.data_args.text_column_names) == 2

    @property
    def titles_args(self) -> LabelledDataArguments:
        """The user's own title,text file, or the newspaper's."""
        if self.own_titles:
            return self.data_args
        return LabelledDataArguments("peoples_daily_titles", text_columns="title,text")

    @functools.cached_property
    def titles_corpus(self) -> DatasetDict:
        return self.corpus if self.own_titles else load_corpus(self.titles_args)

    @property
    def title_and_text(self) -> list[str]:
        return [name for name in self.titles_corpus["train"].column_names if name != "label"]

    def titles_data(self) -> dict[str, Path]:
        return write_splits(self.titles_corpus, self.folder / "data" / "titles")

    # --- how long a run is ---

    def steps(self, labels: int) -> int:
        """Ten times the labels, about three times the steps: of 48 at 100 labels 107 at 500, and 215 at 2,000."""
        return max(1, round(self.args.steps_at_100_labels * math.sqrt(labels / 100)))

    def tokens_a_row(self, corpus: DatasetDict, columns: Sequence[str], max_length: int | None) -> float:
        most = max_length and min(max_length, self.tokenizer.model_max_length)
        return tokens_a_row(corpus["train"], tuple(columns), self.tokenizer, most)

    def tokens_of_run(self, corpus: DatasetDict, columns: Sequence[str], max_length: int, steps: int) -> float:
        """Of training; what is scored, and what the changes are measured on, goes forward alone: a third."""
        scored = len(corpus["validation"]) + len(corpus["test"]) + MEASURED_TEXTS
        rows = steps * self.args.batch_size + scored / 3
        return rows * self.tokens_a_row(corpus, columns, max_length)

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return load_tokenizer(self.model_args)

    # --- the runs ---

    def do(self, runs: Sequence[Run]) -> list[Result]:
        return self.runs.execute(runs, self.args.workers, self.progress)
