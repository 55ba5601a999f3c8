"""What the experiment's runs say: tables for the screen, and a page of figures and sentences made of the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from pathlib import Path

from ..run.errors import counted
from ..run.tables import print_table
from .answers import opening_answers
from .comparing import asking, exploded_in_words, opening, that_count
from .experiment import Experiment
from .facts import corpora, facts
from .page import PAGE, UNFINISHED, as_html, links_to
from .questions.accuracy import collapsed_in_words
from .questions.all import QUESTIONS
from .runs import Result, write_text
from .score_tables import table_of_gains, table_of_scores


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
    results, folder = that_count(experiment.runs.results), experiment.folder
    so_far = UNFINISHED.substitute(left=len(experiment.to_do())) if unfinished else ""
    exploded = exploded_in_words(experiment.runs.results)
    measured = facts(experiment) | ({"left out": exploded} if exploded else {})
    write_page(results, experiment.rows, folder, measured, corpora(experiment), so_far)
    if labels := asking(results, "labels"):
        print_table(table_of_scores(labels))
        print_table(table_of_gains(labels))
        print("".join(f"\n{sentence}" for sentence in collapsed_in_words(labels)))
    if exploded:
        print(f"\n{opening(exploded)}")
    said = "what they say so far" if unfinished else "what they say"
    runs = counted(distinct_runs(results), "run")
    print(f"\n{runs} in {folder / 'results.json'}, {said} in {folder / 'report.html'}")
    return experiment.runs.results


def write_page(
    results: list[Result],
    rows: int,
    folder: Path,
    measured: Mapping[str, str],
    data: Mapping[str, str],
    so_far: str = "",
) -> None:
    """`rows` is how many "all" labelled rows are; `measured` says how the runs were made; `data` names the rows of
    "task" and "titles"."""
    sections = {question: section for question in QUESTIONS if (section := question.section(results, rows))}
    (folder / "figures").mkdir(exist_ok=True)
    for section in sections.values():
        write_text(folder / "figures" / f"{section.name}.svg", section.figure)
    said = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in measured.items())
    shown = "\n".join(
        as_html(section, data[question.plan.text], number)
        for number, (question, section) in enumerate(sections.items(), start=1)
    )
    body = links_to(list(sections.values())) + shown
    answers = so_far + opening_answers(list(sections.values()))
    page = PAGE.substitute(answers=answers, body=body, facts=said, runs=distinct_runs(results))
    write_text(folder / "report.html", page)


def distinct_runs(results: list[Result]) -> int:
    """A learning rate's trial that became a run of its number of labels is one run, though it stands there twice."""
    return len({(run["method"], run["start"], *run["arguments"]) for run in results})
