"""What others measured, beside what these runs measured: agreed with, contradicted, or no difference measured."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..run.tables import Table


@dataclass
class Finding:
    """A finding of the literature and the difference here that it says is above 0: mean, half of its 95 % interval,
    and of how many pairs."""

    claim: str
    source: str
    measured: str
    mean: float
    half: float
    pairs: int

    @property
    def verdict(self) -> str:
        if abs(self.mean) <= self.half:
            return "no difference measured"
        return "agrees" if self.mean > 0 else "does not agree"


def table_of_findings(findings: list[Finding]) -> Table:
    table = [["what others found", "verdict", "difference", "n", "measured here"]]
    for finding in findings:
        gap = f"{finding.mean:+.4f} ± {finding.half:.4f}"
        claim = f"{finding.claim} ({finding.source})"
        table.append([claim, finding.verdict, gap, str(finding.pairs), finding.measured])
    return table


def verdicts_in_words(findings: list[Finding]) -> str:
    counts = Counter(finding.verdict for finding in findings)
    return ", ".join(f"{verdict}: {count}" for verdict, count in counts.items())
