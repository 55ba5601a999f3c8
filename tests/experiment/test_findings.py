"""What others found, beside the runs: agreed with, contradicted, or no difference measured, by the numbers alone."""

import pytest
from made_up_runs import labelled

from bert_recipes.experiment.finding import verdicts_in_words
from bert_recipes.experiment.questions.all import QUESTIONS


def runs(method: str, accuracies: list[float], upper=0.2, seen=0.5, forgotten=1.0) -> list[dict]:
    """Base-model runs of a method, whose upper layer moved by `upper` (the lower one 0.1), whose last layer has a CKA
    of `seen` (the first 0.9), and whose loss on general text grew by `forgotten`; each seed a little off."""
    results = labelled("base", accuracies, method)
    for seed, run in enumerate(results):
        off = 0.001 * seed
        run["weights_moved"] = {
            f"layer {layer} {part}": {"relative_change": change + off, "moved": 9, "weights": 10, "effective_rank": 2.0}
            for layer, change in ((0, 0.1), (1, upper + off))
            for part in ("attention", "feed-forward")
        }
        run["similarity"] = [1.0, 0.9, seen + off]
        run["masked_lm_loss"] = {"task": [3.0, 3.0], "general": [4.0, 4.0 + forgotten + off]}
    return results


def verdicts(results: list[dict]) -> dict[str, str]:
    sections = [section for question in QUESTIONS if (section := question.section(results, 2000))]
    return {finding.claim: finding.verdict for section in sections for finding in section.findings}


@pytest.mark.parametrize(
    "claim, results, expected",
    [
        ("Fine-tuning changes the top layers most", runs("full", [0.7, 0.7, 0.7]), "agrees"),
        ("Fine-tuning changes the top layers most", runs("full", [0.7, 0.7, 0.7], upper=0.05), "does not agree"),
        ("Fine-tuning leaves the representations of early", runs("full", [0.7, 0.7, 0.7]), "agrees"),
        (
            "Fine-tuning leaves the representations of early",
            runs("full", [0.7, 0.7, 0.7], seen=0.95),
            "does not agree",
        ),
        ("LoRA learns less", [*runs("full", [0.8, 0.81, 0.82]), *runs("lora", [0.7, 0.71, 0.72])], "agrees"),
        ("LoRA learns less", [*runs("full", [0.8, 0.7]), *runs("lora", [0.7, 0.8])], "no difference measured"),
        ("LoRA forgets less", [*runs("full", [0.8, 0.8]), *runs("lora", [0.8, 0.8], forgotten=0.2)], "agrees"),
        ("LoRA forgets less", [*runs("full", [0.8, 0.8]), *runs("lora", [0.8, 0.8], forgotten=2.0)], "does not agree"),
        (
            "Pretraining on the task's own text helps",
            [*labelled("base", [0.7, 0.71]), *labelled("continued", [0.8, 0.811])],
            "agrees",
        ),
        (
            "Runs with few labels scatter",
            [
                run
                for start in ("random", "base")
                for labels, scores in ((100, [0.6, 0.8]), (2000, [0.8, 0.801]))
                for run in labelled(start, scores, labels=labels)
            ],
            "agrees",
        ),
    ],
)
def test_the_verdict_is_made_of_the_numbers(claim, results, expected):
    (verdict,) = [verdict for told, verdict in verdicts(results).items() if told.startswith(claim)]
    assert verdict == expected


def test_one_seed_speaks_to_nothing():
    assert verdicts([*runs("full", [0.7]), *runs("lora", [0.7]), *labelled("continued", [0.7])]) == {}


def test_the_verdicts_are_counted():
    (section,) = [
        section
        for question in QUESTIONS
        if (section := question.section([*runs("full", [0.8, 0.81]), *runs("lora", [0.7, 0.71])], 2000))
        and section.title == "What each method gives up"
    ]
    assert verdicts_in_words(section.findings * 2) == "agrees: 2"
