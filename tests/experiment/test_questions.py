"""Each question has its runs, its sentence, its figure and its tables, all made of the numbers."""

import random
import re
from functools import partial

import pytest
from made_up_runs import every_question, kept_results, labelled, with_majority

from bert_recipes.experiment.comparing import MAJORITY
from bert_recipes.experiment.intervals import paired_bootstrap
from bert_recipes.experiment.questions import (
    accuracy,
    forgetting,
    methods,
    moves,
    next_sentence,
    passes,
    starts,
    titles,
)
from bert_recipes.experiment.questions.all import PLANS, QUESTIONS
from bert_recipes.experiment.stages import layer_changes

ROWS = 13_740  # of docs/split
INTERVAL = re.compile(r"±|\d to [+-]\d")


def named(question) -> str:
    return question.section.__name__


def test_the_names_of_experiments_are_those_of_the_questions():
    assert list(PLANS) == ["labels", "text", "ranks", "tricks", "nsp", "titles", "passes"]


@pytest.mark.parametrize("question", QUESTIONS, ids=named)
@pytest.mark.parametrize(
    "results, has_all",
    [(every_question(), True), (kept_results(), False), (kept_results("docs/split"), False)],
    ids=["made up", "docs/split/v2", "docs/split"],
)
def test_every_question_has_runs_a_sentence_a_figure_and_tables(question, results, has_all):
    assert question.section([], ROWS) is None
    section = question.section(results, ROWS)
    asked = question.plan.name in {run["experiment"] for run in results}
    assert asked or not section
    if not section:
        assert not has_all
        return
    assert section.sentence.endswith(".") and len(re.findall(r"\.(?= [A-Z])", section.sentence)) == 0  # one sentence
    assert len(INTERVAL.findall(section.sentence)) <= 1
    assert section.figure.startswith("<svg") and section.figure.count("<svg") == 1
    assert section.tables and all(len(line) == len(table[0]) for table in section.tables for line in table)
    assert "nan" not in section.sentence + str(section.tables)


@pytest.mark.parametrize("results", [every_question(), kept_results("docs/split")], ids=["made up", "docs/split"])
def test_what_is_said_does_not_depend_on_which_run_ended_first(results, monkeypatch):
    monkeypatch.setattr(
        "bert_recipes.experiment.questions.titles.paired_bootstrap", partial(paired_bootstrap, draws=10)
    )
    for question in QUESTIONS:
        first, last = question.section(results, ROWS), question.section(results[::-1], ROWS)
        if first and named(question) in ("next_sentence", "titles"):  # whose tables have the order of their plan
            first, last = ((section.sentence, section.answers) for section in (first, last))
        assert first == last, named(question)


def test_any_part_of_the_results_has_answers(monkeypatch):
    """Removed one by one, at random, down to none."""
    generator = random.Random(0)
    results = [with_majority(run, predicted_labels=generator.choice([1, 2])) for run in kept_results()]
    generator.shuffle(results)
    monkeypatch.setattr(
        "bert_recipes.experiment.questions.titles.paired_bootstrap", partial(paired_bootstrap, draws=10)
    )
    few = (len(results) // 2, 20, 3)  # of these the figures are drawn
    for left in few:
        for question in QUESTIONS:
            assert (section := question.section(results[:left], ROWS)) is None or section.figure
    for name in ("line_chart", "heat_map", "difference_chart", "contour_chart"):
        for module in {question.section.__module__ for question in QUESTIONS}:
            monkeypatch.setattr(f"{module}.{name}", lambda *args, **kwargs: "<svg>", raising=False)
    for left in [*range(40), *range(40, len(results), 12)]:
        for question in QUESTIONS:
            section = question.section(results[:left], ROWS)
            assert section is None or (section.sentence and section.tables and "nan" not in section.sentence)


# --- accuracy ---


def test_the_best_start_and_method_is_named_with_the_floors_beside_it():
    floor = [run | {"start": None} for run in labelled("base", [0.70, 0.70], "tfidf", 500)]
    runs = [run for labels in (100, 500) for run in labelled("base", [0.71, 0.73], labels=labels)]
    # t(0.975, 1) = 12.71, s = 0.0141, half = 12.71 x 0.0141 / sqrt(2) = 0.1271.
    assert accuracy.accuracy([*runs, *floor], ROWS).sentence == (
        "With 500 labelled rows, full fine-tuning from the base model has the highest mean test accuracy: "
        "0.7200 ± 0.1271 (tf-idf + logistic regression 0.7000)."
    )
    whole = accuracy.accuracy([run | {"labels": "all"} for run in labelled("base", [0.71, 0.73])], ROWS)
    assert whole.sentence.startswith("With all 13,740 labelled rows, full")


def test_one_run_alone_is_not_the_best_mean():
    runs = [*labelled("base", [0.9], labels=500), *labelled("random", [0.7, 0.72], labels=500)]
    assert accuracy.accuracy(runs, ROWS).sentence.startswith(
        "With 500 labelled rows, full fine-tuning from random weights has the highest mean test accuracy: 0.7100"
    )
    assert accuracy.accuracy(runs[:1], ROWS).sentence == (
        "With 500 labelled rows, full fine-tuning from the base model has one run, of test accuracy: 0.9000."
    )


def test_the_baseline_alone_is_an_answer_too():
    floor = [run | {"start": None} for run in labelled("base", [0.7, 0.7], "tfidf")]
    section = accuracy.accuracy(floor, ROWS)
    assert section.sentence == (
        "With 100 labelled rows, tf-idf + logistic regression has the highest mean test accuracy: 0.7000."
    )
    assert "tf-idf + logistic" in section.figure
    assert starts.starts(floor, ROWS) is None and methods.methods(floor, ROWS) is None


def test_without_full_fine_tuning_the_figure_is_of_another_method():
    section = accuracy.accuracy(labelled("base", [0.7, 0.8], "lora"), ROWS)
    assert "Test accuracy against labelled rows, LoRA" in section.figure and "base model" in section.figure


def test_the_rates_that_were_chosen_stand_in_a_table():
    runs = [*labelled("base", [0.7, 0.8]), *labelled("base", [0.7, 0.8], labels=500), *labelled("random", [0.5, 0.5])]
    floor = [run | {"start": None, "learning_rate": None} for run in labelled("base", [0.7, 0.7], "tfidf")]
    assert accuracy.accuracy([*runs, *floor], ROWS).tables[-1] == [
        ["learning rate", "100 labels", "500 labels", "at the end of those tried"],
        ["full, random", "0.0001", "–", "–"],
        ["full, base", "0.0001", "0.0005", "–"],
    ]
    trials = [
        run | {"experiment": "learning_rate", "learning_rate": rate}
        for start, rates in (("base", (2e-5, 1e-4, 5e-4)), ("random", (2e-5, 1e-4, 5e-4)))
        for rate in rates
        for run in labelled(start, [0.7])
    ]
    ends = [line[-1] for line in accuracy.accuracy([*runs, *trials], ROWS).tables[2][1:]]
    assert ends == ["none", "0.0005, the highest"]


def test_a_learning_rate_at_the_end_of_those_tried_has_a_column():
    trials = [
        run | {"experiment": "learning_rate", "learning_rate": rate, "validation_accuracy": score}
        for start, scores in (("base", [0.6, 0.7, 0.65]), ("random", [0.7, 0.6, 0.5]), ("continued", [0.1, 0.2, 0.3]))
        for rate, score in zip((1e-4, 3e-4, 9e-4), scores, strict=True)
        for run in labelled(start, [0.7])
    ]
    assert accuracy.accuracy([*labelled("base", [0.7, 0.8]), *trials], ROWS).tables[-1] == [
        ["trial", "labels", "tried", "chosen", "at the end of its range"],
        ["full, random", "100", "0.0001, 0.0003, 0.0009", "0.0001", "yes, the lowest"],
        ["full, base", "100", "0.0001, 0.0003, 0.0009", "0.0003", "no"],
        ["full, continued", "100", "0.0001, 0.0003, 0.0009", "0.0009", "yes, the highest"],
    ]


def test_the_majority_class_is_a_line_and_collapsed_runs_are_marked():
    runs = [with_majority(run) for run in labelled("base", [0.7, 0.71])]
    runs += [with_majority(run, predicted_labels=1 + run["seed"]) for run in labelled("random", [0.6, 0.65])]
    section = accuracy.accuracy(runs, ROWS)
    assert section.tables[0] == [
        ["test accuracy", "100 labels"],
        ["full, random", "0.6250 ± 0.3177 (1 of 2 collapsed)"],
        ["full, base", "0.7050 ± 0.0635"],
        ["majority class", "0.6000"],
    ]
    assert section.tables[1][-1] == ["majority class", "0.3750"]
    assert section.sentence.endswith("(the majority class 0.6000).") and "majority class" in section.figure
    (note,) = section.notes
    assert (
        "Collapsed to one class" in note and "full fine-tuning from random weights at 100 labels (1 of 2 runs)" in note
    )


# --- starts and methods ---


def test_a_gain_has_its_interval_and_no_difference_is_said_to_be_none():
    # Differences 0.10, 0.10, 0.11: mean 0.1033, s = 0.0058, half = 4.303 x 0.0058 / sqrt(3) = 0.0143.
    better = [*labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.80, 0.81, 0.83])]
    assert starts.starts(better, ROWS).sentence == (
        "Full fine-tuning, from the base model to continued pretraining, with 100 labelled rows: test accuracy rises "
        "by 0.1033 ± 0.0143."
    )
    # Differences 0.02, -0.02, 0.01: mean 0.0033, s = 0.0208, t(0.975, 2) = 4.303, half = 0.0517.
    alike = [*labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", [0.72, 0.69, 0.73])]
    said = "no difference was measured in test accuracy (+0.0033 ± 0.0517)."
    assert starts.starts(alike, ROWS).sentence.endswith(said)


def test_gains_are_taken_seed_by_seed_and_counted():
    runs = [
        run
        for labels, more in ((100, 0.1), (500, -0.1))
        for start, score in (("base", 0.7), ("continued", 0.7 + more))
        for run in labelled(start, [score, score + 0.01, score + 0.02], labels=labels)
    ]
    section = starts.starts(runs, ROWS)
    assert section.sentence.endswith("(of the 2 differences below: gains 1, losses 1, no difference 0).")
    assert "every time, too even for an interval" in section.sentence
    unlike = [*labelled("continued", [0.75, 0.85, 0.95]), *reversed(labelled("base", [0.70, 0.80, 0.90, 0.1]))]
    assert starts.starts(unlike, ROWS).tables[0][1] == ["full, base to continued", "+0.0500 ± 0.0000"]


def test_methods_are_set_beside_full_fine_tuning_and_tfidf_from_the_last_start():
    adapters = [run for start in ("base", "continued") for run in labelled(start, [0.6, 0.61], "lora")]
    floor = [run | {"start": None} for run in labelled("base", [0.5, 0.5], "tfidf")]
    section = methods.methods([*labelled("continued", [0.7, 0.71]), *adapters, *floor], ROWS)
    assert section.sentence == (
        "LoRA beside full fine-tuning, from continued pretraining with 100 labelled rows: test accuracy changes by "
        "-0.1000 every time, too even for an interval (of the 3 differences below: gains 2, losses 0, no difference 1)."
    )  # two runs may lie as far apart by accident, and are no difference
    assert [line[0] for line in section.tables[0][1:]] == [
        "LoRA beside full fine-tuning",
        "full fine-tuning beside tf-idf + logistic regression",
        "LoRA beside tf-idf + logistic regression",
    ]


def test_over_several_numbers_of_labels_it_is_counted_where_a_method_is_ahead_or_behind():
    scores = {"full": (0.7, 0.7), "mean_pooling": (0.8, 0.6), "lora": (0.6, 0.6), "head_only": (0.7, 0.7)}
    results = [
        run
        for method, by_count in scores.items()
        for count, score in zip((100, 500), by_count, strict=True)
        for run in labelled("continued", [score, score + 0.01, score + 0.02], method, count)
    ]
    assert methods.methods(results, ROWS).answers["methods"] == (
        "beside full fine-tuning from continued pretraining, mean pooling is ahead at 1 and behind at 1 of 2 numbers "
        "of labels, LoRA is behind at 2 of 2 and the head alone shows no measured difference at any of 2"
    )


# --- what a stage changes ---


def test_layers_are_counted_from_below_and_frozen_ones_stand_still():
    frozen = labelled("base", [0.7, 0.7], "head_only")
    assert layer_changes(frozen) == [0, 0]
    section = moves.moves(frozen, ROWS)
    assert section.sentence == "The head alone moves no weight of the layers." and section.notes == []
    parts, by_halves = section.tables
    assert parts[2] == ["layer 0 attention", "0.0000; 0 of 10 moved; effective rank 0.0"]
    assert by_halves[1][:3] == ["the head alone", "0.0000", "0.0000"]
    for run in frozen:
        run["weights_moved"]["embeddings"] |= {"moved": 1}
    notes = moves.moves(frozen, ROWS).notes
    assert "The head alone: NOT FROZEN: weights of embeddings moved, and none should." in notes


# --- titles and texts ---


def test_titles_are_compared_by_rows_and_passes_step_by_step():
    results = every_question()
    assert titles.titles(results, ROWS).sentence == (
        "Columns title and text against text alone: test accuracy rises (+0.5000, 95 % interval +0.3500 to +0.6500)."
    )
    gains = {line[0]: line[1] for line in titles.titles(results, ROWS).tables[1][1:]}
    assert gains["title,text (shuffled) less text"] == "+0.0000" and len(gains) == 4
    section = passes.passes(results, ROWS)
    assert section.sentence == "The largest number of passes tried (1, 2) still raises the test accuracy."
    assert section.tables[0][2] == ["2", "0.9000", "0.8000", "+0.1000 ± 0.0000 (n = 3)"]
    one = next_sentence.next_sentence(results, ROWS)
    assert one.notes == ["One pretraining of each kind: the interval does not cover how two pretrainings differ."]


def test_what_forgets_most_is_measured_to_forget():
    def loss(gains: list[float], **named) -> list[dict]:
        runs = labelled("base", [0.7] * len(gains), **named)
        return [
            run | {"masked_lm_loss": {"task": [3.0, 3.0], "general": [4.0, 4.0 + gain]}}
            for run, gain in zip(runs, gains, strict=True)
        ]

    lora = loss([0.1, 0.11, 0.12], method="lora")
    section = forgetting.forgetting([*loss([9.0, -1.0, 0.5]), *lora], ROWS)
    assert section.sentence.startswith("LoRA forgets most: the loss on general text")
    # One run has no interval, and counts where it has lost: a pretraining is one.
    section = forgetting.forgetting([*loss([0.1, 0.2, 0.0]), *loss([2.0], method="lora")], ROWS)
    assert section.sentence.startswith("LoRA forgets most: ") and "(one run)" in section.sentence
    section = forgetting.forgetting(loss([-0.1, -0.11, -0.12]), ROWS)
    assert section.sentence.startswith("No stage was measured to forget; in ")
    assert "falls by 0.1100" in section.sentence and section.answers["changes"][0] == "n"


def test_these_questions_know_the_majority_and_collapsed_runs_too():
    runs = [with_majority(run, predicted_labels=1) for run in every_question()]
    answers = ((next_sentence.next_sentence, 6), (titles.titles, 4), (passes.passes, 6))
    for answer, collapsed in answers:
        section = answer(runs, ROWS)
        assert [MAJORITY in str(section.tables), "0.6000" in str(section.tables)] == [True, True]
        assert f"{collapsed} of {collapsed} runs here collapsed to one class" in section.notes[-1]
