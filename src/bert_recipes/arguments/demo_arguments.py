"""The arguments of recipes/demo.py: what to label, and how long each stage is."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..run.errors import UserError
from ..run.launch import launched_processes


@dataclass
class DemoArguments:
    _argument_group_name = "demo"

    text: str | None = field(
        default=None, metadata={"help": "sentences to label, with | between them; else three of ours"}
    )
    output_dir: str = field(default="outputs/demo", metadata={"help": "a stopped demo goes on there"})
    labels: int = field(default=500, metadata={"help": "labelled reviews that a classifier trains on"})
    num_seeds: int = field(default=2, metadata={"help": "runs of each kind, each with other labelled reviews"})
    steps: int = field(default=107, metadata={"help": "optimiser steps of each classifier"})
    pretraining_epochs: float = field(default=1.5, metadata={"help": "passes over the reviews' text"})
    max_pretraining_samples: int | None = field(default=None, metadata={"help": "reviews to pretrain on; else all"})
    max_test_samples: int | None = field(default=None, metadata={"help": "reviews to test on; else all"})

    def __post_init__(self):
        if launched_processes() > 1:
            raise UserError("demo.py runs one stage behind the other: launch it as one process")
        for name in ("labels", "num_seeds", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} {getattr(self, name)}: must be 1 or more")
        if self.text is not None and not self.sentences:
            raise UserError('--text is empty: give sentences, as in --text "房间很干净|服务太差了"')

    @property
    def sentences(self) -> list[str]:
        return [sentence.strip() for sentence in (self.text or "").split("|") if sentence.strip()]
