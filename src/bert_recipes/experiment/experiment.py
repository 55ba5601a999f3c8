"""The experiment behind recipes/split.py: the questions that are asked, their runs, and how long they will take."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from ..arguments.data import LabelledDataArguments
from ..arguments.model import ModelArguments
from ..arguments.split_arguments import SplitArguments, choices
from ..run.errors import UserError, counted
from ..run.output_folder import only_run_in
from ..text.builtin_corpora import SOURCES
from ..text.repeats import repeated_rows
from .checks import check_model, claim_folder, precision, say_without_head
from .forecast import Progress, in_words, seconds_a_token
from .kept_runs import Runs
from .label_grid import trial_too
from .performing import threads_each
from .question import Plan
from .questions.all import PLANS
from .runs import Run, distinct_runs
from .setting import Setting

RUN_SECONDS = 5  # of a run beside what its tokens take: the data, figures, weights compared


class Experiment(Setting):
    """The questions of `--experiments`; their runs are kept in `output_dir`."""

    def __init__(
        self, args: SplitArguments, model_args: ModelArguments, data_args: LabelledDataArguments, recipes: Path
    ):
        """`recipes` is the folder of the recipes that the runs call. Raises `UserError` where `output_dir` holds
        another experiment, or where the model or the rows are none that the questions can be put to."""
        super().__init__(args, model_args, data_args, recipes)
        asked_by_itself = [name for name, plan in PLANS.items() if args.full or plan.short]
        self.asked = choices("--experiments", args.experiments or ",".join(asked_by_itself), PLANS)
        if "experiments" not in args.given and not self.own_titles and data_args.dataset_name not in SOURCES:
            self.leave_out_titles()
        check_model(self)
        for plan in self.plans:
            self.check(plan)
        say_without_head(model_args)
        for note in repeated_rows(self.corpus, data_args.text_column_names):
            print(note, flush=True)
        claim_folder(self)

    @property
    def plans(self) -> list[Plan]:
        return [PLANS[name] for name in self.asked]

    def answer(self) -> None:
        """Ask every question; one process at a time writes to the folder."""
        with only_run_in(self.folder):
            self.runs = Runs(self.folder)
            with self.runs.stoppable(), closing(Progress(self.forecast())) as self.progress:
                self.do(self.trials())
                for plan in self.plans:
                    plan.choose(self)
                self.progress.plan_anew(self.seconds_of(self.to_do()))  # a run's name has the chosen rate
                self.do(distinct_runs(run for plan in self.plans for run in plan.runs(self)))

    def trials(self) -> list[Run]:
        return distinct_runs(run for plan in self.plans for run in plan.trials(self))

    def plan(self) -> list[Run]:
        """Every run of the questions; where no trial has chosen a learning rate yet, at the first one to be tried."""
        tried = self.trials()
        trials_too = {trial_too(trial) for trial in tried}
        others = [run for plan in self.plans for run in plan.runs(self) if run not in trials_too]
        return distinct_runs([*tried, *others])

    def to_do(self) -> list[Run]:
        return self.runs.missing(self.plan())

    def forecast(self) -> dict[str, float]:
        """Seconds of each run that is to be done, by its name: a share of what all of them take side by side."""
        seconds = self.seconds_of(self.to_do())
        if not seconds:
            return {}
        whole = sum(seconds.values())
        print(
            f"{counted(len(seconds), 'run')} to do, about {in_words(whole)}: a step of the model was timed on this "
            "machine as it is now; the time left is corrected as runs end",
            flush=True,
        )
        return seconds

    def seconds_of(self, runs: Sequence[Run]) -> dict[str, float]:
        return {run.file_name: (RUN_SECONDS + self.rate * run.tokens) / self.args.workers for run in runs}

    @functools.cached_property
    def rate(self) -> float:
        """Seconds that a token takes here."""
        length = round(self.tokens_a_row(self.corpus, self.data_args.text_column_names, self.data_args.max_length))
        workers = self.args.workers
        return seconds_a_token(
            self.model_args, self.args.batch_size, length, precision(), threads_each(workers), workers
        )

    def check(self, plan: Plan) -> None:
        """Of what nobody has asked for by its name, the questions beyond the short form may be left out."""
        try:
            plan.check(self)
        except UserError as error:
            if plan.short or "experiments" in self.args.given:
                raise
            self.asked.remove(plan.name)
            print(f"{plan.name} is left out: {error}", flush=True)

    def leave_out_titles(self) -> None:
        """Of a file with one text column nobody has asked what the newspaper's titles add."""
        names = ",".join(self.asked)
        left_out = [name for name in self.asked if PLANS[name].text == "titles"]
        self.asked = [name for name in self.asked if name not in left_out]
        print(
            f"{self.data_args.train_file or self.data_args.dataset_name} has no title beside its text: "
            f"{', '.join(left_out[:-1])} and {left_out[-1]} are left out (--experiments {names} asks them of the "
            "built-in newspaper)",
            flush=True,
        )
