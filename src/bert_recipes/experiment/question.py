"""What a question of the experiment is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .page import Section
from .runs import Result, Run
from .setting import Setting


@dataclass(frozen=True)
class Plan:
    """The runs that a name of `--experiments` asks for. Some have a learning rate that trials choose: these are done
    first, and `choose` keeps the best. Before that, `runs` has them at the first rate to be tried."""

    name: str
    runs: Callable[[Setting], list[Run]]
    trials: Callable[[Setting], list[Run]] = lambda setting: []
    choose: Callable[[Setting], None] = lambda setting: None
    check: Callable[[Setting], None] = lambda setting: None  # before anything is trained: raises `UserError`
    text: str = "task"  # the rows: the "task"'s, or those with "titles"
    short: bool = True  # whether the short form asks it, where nobody names the questions


@dataclass(frozen=True)
class Question:
    """A section of the page, and the runs that it is made of."""

    plan: Plan
    section: Callable[[list[Result], int], Section | None]  # of so many labelled rows; None: not enough runs yet
