"""What the experiment's runs say: tables for the screen, and a page of figures and sentences made of the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape

from ..run.tables import print_table
from .experiments import Experiment
from .label_sections import collapsed_in_words, what_it_buys, what_it_forgets, what_it_sees, what_moves
from .literature import findings
from .page import PAGE, UNFINISHED, Section, as_html
from .results import asking
from .runs import Result, write_text
from .score_tables import table_of_gains, table_of_scores
from .title_sections import what_next_sentences_add, what_the_title_adds, where_passes_stop_to_help


@contextmanager
def page_where_it_stops(experiment: Experiment) -> Iterator[None]:
    """What is stopped by Ctrl-C or SIGTERM leaves the page of its results so far."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        if experiment.runs and experiment.runs.results:
            report_split(experiment, unfinished=True)
        raise


def report_split(experiment: Experiment, unfinished: bool = False) -> list[Result]:
    """The tables on the screen, `figures/*.svg`, and `report.html`: a page that opens in any browser without a network.
    A page of an `unfinished` experiment says so.

    Returns the results of all runs.
    """
    results, folder = experiment.runs.results, experiment.folder
    so_far = UNFINISHED.substitute(left=len(experiment.to_do())) if unfinished else ""
    sections = [section for build in SECTIONS if (section := build(results))]
    (folder / "figures").mkdir(exist_ok=True)
    for section in [section for section in sections if section.figure]:
        name = section.title.lower().replace(" ", "_")
        write_text(folder / "figures" / f"{name}.svg", section.figure)
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in experiment.facts().items())
    corpora = experiment.corpora()
    body = "\n".join(as_html(section, corpora[section.text]) for section in sections)
    page = PAGE.substitute(body=so_far + body, facts=facts, runs=distinct_runs(results))
    write_text(folder / "report.html", page)
    if labels := asking(results, "labels"):
        print_table(table_of_scores(labels))
        print_table(table_of_gains(labels))
        print("".join(f"\n{sentence}" for sentence in collapsed_in_words(labels)))
    said = "what they say so far" if unfinished else "what they say"
    print(f"\n{distinct_runs(results)} runs in {folder / 'results.json'}, {said} in {folder / 'report.html'}")
    return results


def distinct_runs(results: list[Result]) -> int:
    """A learning rate's trial that became a run of its number of labels is one run, though it stands there twice."""
    return len({(run["method"], run["start"], *run["arguments"]) for run in results})


def what_others_found(results: list[Result]) -> Section | None:
    found = findings(results)
    if not found:
        return None
    sentences, table = [], [["what others found", "source", "measured here", "difference", "verdict"]]
    for finding in found:
        gap = f"{finding.mean:+.4f} ± {finding.half:.4f}"
        sentences.append(
            f"{finding.claim} ({finding.source}): {finding.verdict}. Measured: {finding.measured}, {gap} "
            f"(n = {finding.pairs})."
        )
        table.append([finding.claim, finding.source, finding.measured, gap, finding.verdict])
    return Section("What others found", sentences, [table])


SECTIONS: list[Callable[[list[Result]], Section | None]] = [
    what_it_buys,
    what_moves,
    what_it_sees,
    what_it_forgets,
    what_next_sentences_add,
    what_the_title_adds,
    where_passes_stop_to_help,
    what_others_found,
]
