"""The experiment's questions of titles and texts: what the pair adds, where passes stop to help, what next-sentence
prediction adds."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import replace
from pathlib import Path

import pandas
from datasets import Dataset, DatasetDict

from ..arguments.classifier import FinetuneArguments
from ..arguments.data import LabelledDataArguments
from ..models.pretrained import load_config
from ..run.errors import UserError
from ..text.builtin_corpora import drop_leaks
from ..text.corpora import load_corpus
from ..training.assembling import suitable_learning_rate
from .folds import FOLDS, Splits, contiguous_folds, drop_repeats, files_flags, label_set, shuffled_within, write_splits
from .runs import Result, Run, with_seed

PASSES = (1, 2, 4, 8, 16)
TITLES_MAX_LENGTH = 128
SHUFFLED = " (shuffled)"  # behind the columns' names: titles of other rows


class TitleQuestions:
    """What `experiments.Experiment` asks of rows with a title beside their text: the user's own, or the newspaper's."""

    def nsp(self) -> list[Result]:
        """The same passes of continued pretraining over titles and texts with masked tokens alone and with
        next-sentence prediction too, then fine-tuned on the pairs."""
        self.pretrain(*(self.pretraining_run(nsp) for nsp in (False, True)))
        return self.execute(self.plan_nsp())

    def plan_nsp(self) -> list[Run]:
        starts, runs = [self.pretraining_run(nsp) for nsp in (False, True)], []
        for start in starts:
            flags = self.pretrained_flags(start)
            run = self.titles_run("nsp", start.method, self.titles_data(), self.title_and_text, flags)
            runs += [with_seed(run, seed) for seed in range(self.args.num_seeds)]
        return starts + runs

    def titles(self) -> list[Result]:
        """Title alone, text alone, the pair, and the pair with titles of other rows (the control): five contiguous
        folds, so that every row is a test row once."""
        return self.execute(self.plan_titles())

    def plan_titles(self) -> list[Run]:
        title, text = self.title_and_text
        runs = []
        for fold, shuffled in itertools.product(range(FOLDS), (False, True)):
            files = self.fold_data(fold, shuffled)
            for columns in [[title, text]] if shuffled else [[title], [text], [title, text]]:
                name = ",".join(columns) + (SHUFFLED if shuffled else "")
                run = self.titles_run("titles", "base", files, columns)
                runs.append(with_seed(replace(run, columns=name, fold=fold), 0))
        return runs

    def passes(self) -> list[Result]:
        """The pair after ever more passes over the training rows: what it makes of them (in the validation split's
        place), and of the test rows."""
        return self.execute(self.plan_passes())

    def plan_passes(self) -> list[Run]:
        data, runs = self.titles_data(), []
        for passes in PASSES if self.args.full else PASSES[:2]:
            steps = math.ceil(len(self.titles_corpus["train"]) * passes / self.args.batch_size)
            files = {**data, "validation": data["train"]}
            run = self.titles_run("passes", "base", files, self.title_and_text, steps=steps)
            runs += [with_seed(replace(run, passes=passes), seed) for seed in range(self.args.num_seeds)]
        return runs

    def titles_run(
        self,
        experiment: str,
        start: str,
        files: dict[str, Path],
        columns: list[str],
        start_flags: list[str] | None = None,
        steps: int | None = None,
    ) -> Run:
        steps = steps or self.steps(1000)
        rate = suitable_learning_rate(FinetuneArguments, load_config(self.model_args))
        length = min(TITLES_MAX_LENGTH, self.data_args.max_length)
        argv = [*files_flags(files), "--text_columns", ",".join(columns), "--max_length", str(length)]
        argv += [*(start_flags or self.start_flags("base")), *self.training_flags(rate, steps)]
        return Run(
            experiment, start, "full", learning_rate=rate, recipe=self.recipes / "finetune.py",
            argv=tuple(argv), tokens=self.tokens_of_run(self.titles_corpus, columns, length, steps),
        )  # fmt: skip

    @property
    def title_and_text(self) -> list[str]:
        return [name for name in self.titles_corpus["train"].column_names if name != "label"]

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

    def titles_data(self) -> dict[str, Path]:
        return write_splits(self.titles_corpus, self.folder / "data" / "titles")

    def fold_data(self, fold: int, shuffled: bool) -> dict[str, Path]:
        """The files of a fold; `shuffled` gives every text another row's title, of the same split."""
        title, _ = self.title_and_text
        splits = shuffled_within(self.folds[fold], title) if shuffled else self.folds[fold]
        corpus = DatasetDict({split: Dataset.from_pandas(part, preserve_index=False) for split, part in splits.items()})
        return write_splits(corpus, self.folder / "data" / f"fold{fold}{'_shuffled' if shuffled else ''}")

    @functools.cached_property
    def folds(self) -> list[Splits]:
        rows = pandas.concat([part.to_pandas() for part in self.titles_corpus.values()], ignore_index=True)
        newspaper = self.titles_args.dataset_name == "peoples_daily_titles"
        return contiguous_folds(rows, drop_leaks if newspaper else drop_repeats)

    def check_folds(self) -> None:
        """Before anything is trained: a file that is sorted by its labels has folds without one of them."""
        labels = {split: label_set(part["label"]) for split, part in self.titles_corpus.items()}
        for number, fold in enumerate(self.folds, start=1):
            missing = set().union(*labels.values()) - label_set(fold["train"]["label"])
            if missing:
                raise UserError(
                    f"--experiments titles: of {FOLDS} folds of the rows in their order, number {number} has no "
                    f"training row of label {min(missing)!r}: shuffle the file's rows, or leave titles out"
                )
