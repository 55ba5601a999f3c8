"""The runs of an experiment's folder: each a recipe in a process of its own, its result kept as soon as it is there."""

from __future__ import annotations

import platform
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

from ..run.errors import LostProcess, UserError
from ..run.stops import STOPPED
from .forecast import Progress
from .performing import perform, threads_each
from .runs import OTHER_RATE, Result, Run, read_json, write_json
from .workers import Told, call_each

OPTIONAL_NAMES = ("columns", "fold", "passes", "variant")  # left out of a result that has none


class Runs:
    """`results.json` of a folder: an object a run. What stands there is not run again."""

    def __init__(self, folder: Path):
        self.folder, self.path = folder, folder / "results.json"
        self.results: list[Result] = read_json(self.path, [])
        if not isinstance(self.results, list):
            raise UserError(f"{self.path} is no list of results: put it right, or name another --output_dir")

    def execute(self, runs: Sequence[Run], workers: int, progress: Progress | None = None) -> list[Result]:
        """Do what is missing, `workers` at a time, what starts from a pretraining's weights behind it; the results of
        all. Where a run fails, those under way end first, and are kept; after Ctrl-C or SIGTERM they are ended."""
        missing = self.missing(runs)
        behind = self.behind(missing)
        threads = threads_of(missing, len(missing) - len(behind), workers)
        calls = [(run, self.output_dir(run), self.log(run), threads[run]) for run in missing]
        progress, failures = progress or Progress(), []
        with closing(call_each(perform, calls, workers, behind)) as done:
            for number, result in done:
                run = missing[number]
                match result:
                    case Told():
                        progress.go_on(run.file_name, result)
                    case Exception():
                        failures.append((run, result))
                    case _:
                        self.forget(run)  # of a pretraining whose weights were gone
                        self.keep(run, result)
                        progress.end(run.file_name, headline(self.result(run)))
        if failures:
            self.refuse(*failures[0])
        return [self.result(run) for run in runs]

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """Those that have no result yet, and the pretraining that one of these starts from, where its weights are
        gone."""
        undone = {run for run in runs if self.result(run) is None}
        lost = {run for run in runs if self.is_lost(run) and any(self.starts_from(run, other) for other in undone)}
        wanted = undone | lost
        return [run for run in runs if run in wanted]

    def is_lost(self, run: Run) -> bool:
        return run.experiment == "pretraining" and not (self.output_dir(run) / "all_results.json").exists()

    def starts_from(self, pretraining: Run, run: Run) -> bool:
        return str(self.output_dir(pretraining)) in run.argv

    def behind(self, runs: Sequence[Run]) -> dict[int, int]:
        """Number of a run among `runs` -> that of the pretraining whose weights it starts from."""
        first = [number for number, run in enumerate(runs) if run.experiment == "pretraining"]
        return {
            number: pretraining
            for number, run in enumerate(runs)
            for pretraining in first
            if number != pretraining and self.starts_from(runs[pretraining], run)
        }

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """SIGTERM is like Ctrl-C; both say how to go on."""
        former = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(STOPPED))
        try:
            yield
        except (KeyboardInterrupt, SystemExit):
            print(f"\nstopped: {self.path} keeps what is finished, and the same command goes on", file=sys.stderr)
            raise
        finally:
            signal.signal(signal.SIGTERM, former)

    def refuse(self, run: Run, error: Exception) -> NoReturn:
        where = f"{run.file_name} (its log: {self.log(run)})"
        if isinstance(error, LostProcess):
            raise LostProcess(f"{where}: {error}; the same command goes on, with --workers 1 if memory was too little")
        if isinstance(error, UserError):
            raise type(error)(f"{where}: {error}")
        raise RuntimeError(f"{where}:\n{error}")

    def result(self, run: Run) -> Result | None:
        """Of the run of that name. Raises `UserError` where it was trained in another way."""
        found = self.named(run)
        if found is None:
            return None
        former, today = without_folders(found["arguments"]), without_folders(arguments_then(run, found))
        if former != today:
            raise UserError(
                f"{self.path}: {run.file_name} was trained with {only_in(former, today)}, and today "
                f"would be with {only_in(today, former)}: name another --output_dir"
            )
        return found

    def named(self, run: Run) -> Result | None:
        names = run.name.items()
        return next((result for result in self.results if all(result.get(key) == value for key, value in names)), None)

    def keep(self, run: Run, result: Result) -> None:
        if self.result(run) is None:
            named = {key: value for key, value in run.name.items() if value is not None or key not in OPTIONAL_NAMES}
            self.results.append({**result, **named})
            write_json(self.path, self.results)

    def forget(self, run: Run) -> None:
        gone = self.named(run)
        self.results = [result for result in self.results if result is not gone]

    def set_apart(self, results: Sequence[Result]) -> None:
        """Keep results that no question is to count any more."""
        for result in results:
            result["experiment"] = OTHER_RATE
        write_json(self.path, self.results)

    def output_dir(self, run: Run) -> Path:
        return self.folder / "runs" / run.file_name

    def log(self, run: Run) -> Path:
        return self.folder / "logs" / f"{run.file_name}.txt"


def threads_of(runs: Sequence[Run], ready: int, workers: int) -> dict[Run, int]:
    """A pretraining, which others wait for, takes half of the cores, or all where nothing else is `ready`."""
    of_pretraining, of_others = threads_each(min(workers, 2, max(1, ready))), threads_each(workers)
    return {run: of_pretraining if run.experiment == "pretraining" else of_others for run in runs}


def arguments_then(run: Run, result: Result) -> list[str]:
    """The run's arguments as the version that has trained `result` wrote them: an earlier one did not say
    `--packing false`, and on a CPU it did not pack either."""
    argv, on_cpu = list(run.argv), platform.machine() in result.get("measured", {}).get("machine", "")
    if "--packing" in argv and "--packing" not in result["arguments"] and on_cpu:
        place = argv.index("--packing")
        del argv[place : place + 2]
    return argv


def without_folders(argv: Sequence[str]) -> list[str]:
    """Arguments as they are wherever the experiment's folder lies."""
    return ["/".join(Path(word).parts[-2:]) for word in argv]


def only_in(argv: Sequence[str], other: Sequence[str]) -> str:
    return " ".join(word for word in argv if word not in other) or "less"


def headline(result: Result) -> str:
    if result.get("exploded"):
        return "the loss exploded: this learning rate is too high"
    name = "test_accuracy" if "test_accuracy" in result else "validation_loss"
    mark = ", collapsed to one class" if result.get("predicted_labels") == 1 else ""
    return f"{name.replace('_', ' ')} {result[name]:.4f}{mark}"
