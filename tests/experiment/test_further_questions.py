"""Tricks, ranks, text against labels: which runs they want, none twice; what they say; what the page opens with."""

import json
import platform
import re
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
from conftest import ROOT
from made_up_runs import every_question, labelled, pretrained, ranked, read_text, tricked, with_majority
from small_experiments import an_experiment, read, split, write_rows
from transformers import RobertaConfig, RobertaForMaskedLM

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.split_arguments import SplitArguments
from bert_recipes.experiment import label_grid
from bert_recipes.experiment.answers import TOPICS, opening_answers
from bert_recipes.experiment.comparing import Difference, exploded_in_words, merit, that_count
from bert_recipes.experiment.experiment import Experiment
from bert_recipes.experiment.intervals import paired_bootstrap
from bert_recipes.experiment.kept_runs import Runs
from bert_recipes.experiment.questions import ranks, starts, text_and_labels, tricks
from bert_recipes.experiment.questions.all import QUESTIONS
from bert_recipes.experiment.recipe_flags import pretraining_run
from bert_recipes.experiment.runs import Run, write_json
from bert_recipes.experiment.score_tables import table_of_trials
from bert_recipes.run.errors import UserError
from bert_recipes.text.builtin_corpora import load_builtin

ROWS = 13_740
NEW = "text,ranks,tricks"


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, tiny_model) -> list[str]:
    rows = load_builtin("reviews")["train"].shuffle(seed=0).take(108)
    flags = write_rows(tmp_path_factory.mktemp("rows"), list(rows))
    sizes = ["--label_counts", "20,30", "--trial_labels", "20", "--steps_at_100_labels", "6", "--num_seeds", "2"]
    return [*flags, "--model_name_or_path", str(tiny_model), *sizes, "--methods", "full,lora"]


def planned(folder, *words) -> list[Run]:
    experiment = an_experiment(folder, *words)
    experiment.runs = Runs(experiment.folder)
    return experiment.to_do()


def value(argv, flag: str) -> str:
    """Of several the last one wins, as on the command line."""
    return argv[len(argv) - argv[::-1].index(flag)]


# --- the runs ---


def test_what_the_label_grid_has_is_not_planned_again(arguments, tmp_path):
    words = [*arguments, "--full", "--starts", "base,continued"]
    runs = planned(tmp_path / "all", *words, "--experiments", f"labels,{NEW}")
    assert len({run.file_name for run in runs}) == len(runs)
    assert Counter(run.experiment for run in runs) == {
        "pretraining": 1 + 4 + 2,
        "learning_rate": 5 * 4,
        "labels": 4 * 2 * 2 - 4,  # four trials become runs
        "text": 4 * 2 * 2,
        "ranks": 6 * 2,
        "tricks": 12 * 2,
    }
    assert len({(run.recipe, run.argv) for run in runs}) == len(runs)
    alone = planned(tmp_path / "alone", *words, "--experiments", "tricks")
    # A pretraining each for two tricks and the plain run; the trials of one cell; the plain runs of 30 labels.
    assert Counter(run.experiment for run in alone) == {
        "pretraining": 3, "learning_rate": 5, "labels": 2, "tricks": 24,
    }  # fmt: skip
    assert {run.file_name for run in alone} < {run.file_name for run in runs}


def test_a_trick_is_the_plain_run_and_its_flags(arguments, tmp_path):
    words = [*arguments, "--full", "--starts", "random,base,continued", "--experiments", "tricks"]
    runs = [run for run in planned(tmp_path / "split", *words) if run.seed == 1]
    (plain,) = [run for run in runs if run.experiment == "labels"]
    tricked = {run.variant: run for run in runs if run.experiment == "tricks"}
    assert list(tricked) == [trick.name for trick in tricks.TRICKS]
    for trick in tricks.TRICKS:
        run = tricked[trick.name]
        assert (run.start, run.method, run.labels, run.learning_rate) == ("continued", "full", 30, plain.learning_rate)
        if not trick.pretraining:
            more = trick.flags.format(half=1, tenth=1).split()  # of two layers, of three steps
            assert run.argv == (*plain.argv[:-2], *more, "--seed", "1")
        else:  # from weights of its own
            assert f"pretraining-base-mlm-all-42-{trick.name}" in value(run.argv, "--model_name_or_path")
    pretraining = {
        run.variant: run.argv for run in planned(tmp_path / "split", *words) if run.experiment == "pretraining"
    }
    assert pretraining["whole_words"] == (*pretraining[None][:-2], "--whole_word_mask", "--seed", "42")
    assert value(pretraining["mask_30"], "--mlm_probability") == "0.3"


def test_where_no_start_is_continued_the_tricks_of_that_stage_are_left_out(arguments, tmp_path):
    runs = planned(tmp_path / "split", *arguments, "--starts", "random,base", "--experiments", "tricks")
    assert {run.start for run in runs} == {"base"} and "pretraining" not in {run.experiment for run in runs}
    assert len({run.variant for run in runs if run.experiment == "tricks"}) == len(tricks.TRICKS) - 2


def test_a_model_that_is_no_bert_has_the_tricks_without_mean_pooling(arguments, tmp_path, tokenizer, capsys):
    roberta = RobertaConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
    )
    RobertaForMaskedLM(roberta).save_pretrained(tmp_path / "roberta")
    tokenizer.save_pretrained(tmp_path / "roberta")
    words = [*arguments, "--model_name_or_path", str(tmp_path / "roberta"), "--experiments", "tricks"]
    runs = planned(tmp_path / "split", *words)
    assert capsys.readouterr().out == "tricks without mean pooling: it is for BERT, and this model is of type roberta\n"
    others = [trick.name for trick in tricks.TRICKS if trick.name != "mean_pooling"]
    assert list(dict.fromkeys(run.variant for run in runs if run.experiment == "tricks")) == others


def test_ranks_keep_their_scale_and_text_its_multiples_of_the_default(arguments, tmp_path):
    runs = planned(tmp_path / "split", *arguments, "--full", "--experiments", "ranks,text")
    by_rank = {run.variant: run.argv for run in runs if run.experiment == "ranks"}
    assert list(by_rank) == ["r1", "r2", "r4", "r16", "r64", "r8_all_linear"]
    scales = {int(value(argv, "--lora_alpha")) / int(value(argv, "--lora_r")) for argv in by_rank.values()}
    assert scales == {2} and value(by_rank["r8_all_linear"], "--lora_target_modules") == "all-linear"
    passes = [run.passes for run in runs if run.experiment == "pretraining"]
    assert passes == [None, 1, 3, 6, 24]
    for run in runs:
        if run.experiment == "text":
            assert f"mlm-all-42-{run.passes}" in value(run.argv, "--model_name_or_path")
    with pytest.raises(UserError, match="--experiments text: name two numbers of --label_counts or more"):
        planned(tmp_path / "one", *arguments, "--label_counts", "20", "--experiments", "text")


def test_runs_at_a_learning_rate_that_lost_its_place_are_kept_apart(arguments, tmp_path, capsys):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "base", "--experiments", "labels")
    experiment.runs = Runs(experiment.folder)
    cell = ("base", "full", 20)
    former = [run | {"labels": 20, "learning_rate": 1e-5} for run in labelled("base", [0.7, 0.8])]
    others = [former[0] | {"method": "lora"}, former[0] | {"experiment": "learning_rate"}]
    experiment.runs.results = [*former, *others]
    label_grid.leave_other_rates_out(experiment, cell, 1e-5)
    assert experiment.runs.results == [*former, *others] and "apart" not in capsys.readouterr().out
    label_grid.leave_other_rates_out(experiment, cell, 3e-5)
    apart = [run | {"experiment": "other_rate"} for run in former]
    assert experiment.runs.results == [*apart, *others] == json.loads(experiment.runs.path.read_text())
    said = "2 earlier runs of full from base with 20 labels stand apart in "
    assert said in (out := capsys.readouterr().out) and "learning rate 3e-05 best" in out


@pytest.mark.full
def test_a_learning_rate_at_which_the_loss_explodes_is_passed_over(arguments, tmp_path, capsys):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "base", "--experiments", "labels")
    experiment.runs = Runs(experiment.folder)
    trial, other, *_ = label_grid.trials(experiment, [("base", "full", 20)])
    wild = replace(trial, argv=tuple("1e9" if word == str(trial.learning_rate) else word for word in trial.argv))
    run_of_the_grid = replace(wild, experiment="labels", seed=1)
    exploded, lost, whole = experiment.runs.execute([wild, run_of_the_grid, other], 1)
    assert exploded["exploded"] and "test_accuracy" not in exploded
    assert that_count([exploded, lost, whole]) == [exploded, whole]
    assert exploded_in_words([exploded, lost, whole]) == (
        "the loss of 1 run exploded, and no score counts them: labels base full 20 1"
    )
    assert not (tmp_path / "split" / "runs" / wild.file_name).exists()
    assert "the loss exploded: this learning rate is too high" in capsys.readouterr().out
    assert merit(whole) > merit(exploded)
    assert table_of_trials([exploded, whole])[1][2:] == [
        f"{trial.learning_rate:g} (exploded), {other.learning_rate:g}", f"{other.learning_rate:g}", "yes, the highest",
    ]  # fmt: skip


def test_where_every_learning_rate_explodes_the_cell_is_named(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "base", "--experiments", "labels")
    experiment.runs = Runs(experiment.folder)
    cell = ("base", "full", 20)
    for trial in label_grid.trials(experiment, [cell]):
        experiment.runs.keep(trial, {"exploded": True, "arguments": list(trial.argv)})
    with pytest.raises(UserError, match="full from base: the loss explodes at each of the learning rates"):
        label_grid.rate_of(experiment, cell)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--experiments", "ranks", "--methods", "full"],
            "compares LoRA with full fine-tuning: name both in --methods",
        ),
        (["--experiments", "tricks", "--methods", "lora"], "tricks is about full fine-tuning of a pretrained start"),
        (["--experiments", "tricks", "--starts", "random"], "tricks is about full fine-tuning of a pretrained start"),
        (["--experiments", "text", "--starts", "base"], "text is about full fine-tuning from base and continued"),
    ],
)
def test_a_question_without_its_methods_or_starts_is_refused(arguments, tmp_path, words, said):
    with pytest.raises(UserError, match=said):
        an_experiment(tmp_path / "split", *arguments, *words)


@pytest.fixture
def no_figures(monkeypatch):
    """To draw them takes most of a section's time."""
    for question in QUESTIONS:
        for name in ("line_chart", "heat_map", "difference_chart", "contour_chart"):
            monkeypatch.setattr(f"{question.section.__module__}.{name}", lambda *args, **kwargs: "<svg>", raising=False)
    monkeypatch.setattr(
        "bert_recipes.experiment.questions.titles.paired_bootstrap", partial(paired_bootstrap, draws=10)
    )


@pytest.fixture
def done_at_once(monkeypatch):
    """No run trains: each ends with a result of its own. Returns the names of the runs that were done."""
    done = []

    def perform_none(function, calls, workers, behind):
        pretrained_here = {str(output_dir) for run, output_dir, *_ in calls if run.experiment == "pretraining"}
        for number, (run, output_dir, *_) in enumerate(calls):
            assert run.experiment != "pretraining" or "--packing false" in " ".join(run.argv)
            assert number not in behind or calls[behind[number]][0].file_name in done
            assert (number in behind) == bool(pretrained_here & set(run.argv))
            done.append(run.file_name)
            output_dir.mkdir(parents=True, exist_ok=True)
            (output_dir / "all_results.json").touch()
            made = pretrained() if run.experiment == "pretraining" else labelled("base", [0.5 + run.seed / 10])[0]
            yield number, made | {"arguments": list(run.argv), "measured": {}, "validation_loss": 0.5}

    monkeypatch.setattr("bert_recipes.experiment.kept_runs.call_each", perform_none)
    monkeypatch.setattr("bert_recipes.experiment.experiment.seconds_a_token", lambda *args: 1e-6)
    return done


def test_it_is_stopped_and_goes_on_without_a_run_twice(arguments, tmp_path, done_at_once, no_figures):
    words = [*arguments, "--starts", "base,continued", "--experiments", f"labels,{NEW}"]
    experiment = an_experiment(tmp_path / "split", *words)
    experiment.answer()
    whole, kept = list(done_at_once), experiment.runs.results
    assert len(set(whole)) == len(whole) and experiment.to_do() == []
    for section in (text_and_labels.text_and_labels, ranks.ranks, tricks.tricks):
        assert section(kept, experiment.rows).tables
    lost = [run for run in kept if run["experiment"] == "tricks" and run["seed"] == 1]
    write_json(experiment.runs.path, [run for run in kept if run not in lost])
    done_at_once.clear()
    experiment.answer()
    assert sorted(done_at_once) == sorted(name for name in whole if name.startswith("tricks-continued-full-30-1"))
    assert len(done_at_once) == len(lost) == len(tricks.TRICKS)


def test_a_pretraining_whose_weights_are_gone_is_done_again_where_a_run_starts_from_it(
    arguments, tmp_path, done_at_once, no_figures
):
    words = [*arguments, "--starts", "continued", "--methods", "full", "--experiments", "labels,tricks"]
    experiment = an_experiment(tmp_path / "split", *words)
    experiment.answer()
    shutil.rmtree(tmp_path / "split" / "runs")
    assert experiment.to_do() == []
    behind = [run for run in experiment.runs.results if run.get("variant") == "mask_30" and run["labels"] == 30]
    write_json(experiment.runs.path, [run for run in experiment.runs.results if run not in behind])
    done_at_once.clear()
    experiment.answer()
    pretrained = "pretraining-base-mlm-all-42-mask_30"
    assert sorted(done_at_once) == sorted(
        [pretrained, *(f"tricks-continued-full-30-{seed}-8.1e-05-mask_30" for seed in (0, 1))]
    )
    assert done_at_once[0] == pretrained
    assert Counter(run["experiment"] for run in experiment.runs.results)["pretraining"] == 3
    # An earlier version did not say that batches are padded, which they are on a CPU; a GPU had packed them.
    machine = {"machine": f"2 cores, {platform.machine()}, Linux"}
    former = [
        run
        | {"arguments": [word for word in run["arguments"] if word not in ("--packing", "false")], "measured": machine}
        for run in experiment.runs.results
    ]
    write_json(experiment.runs.path, former)
    done_at_once.clear()
    experiment.answer()
    assert done_at_once == []
    write_json(
        experiment.runs.path, [run | {"measured": {"machine": "16 cores, NVIDIA H100, Linux"}} for run in former]
    )
    with pytest.raises(UserError, match="trained with less, and today would be with --packing false"):
        experiment.answer()


@pytest.mark.full
def test_ranks_are_measured_for_real(arguments, tmp_path):
    words = ["--starts", "base", "--trial_labels", "30", "--experiments", "ranks"]
    split(tmp_path / "split", *arguments, *words)
    results = read(tmp_path / "split")
    counted = Counter(run["experiment"] for run in results)
    assert counted == {"learning_rate": 6, "labels": 2 * 2, "ranks": 2 * 2}
    adapted = [run for run in results if run["method"] == "lora" and run["experiment"] != "learning_rate"]
    by_rank = {run.get("variant"): run["trained_parameters"] for run in adapted}
    assert by_rank["r1"] < by_rank[None] < by_rank["r8_all_linear"]
    assert all(0 <= run["validation_accuracy"] <= 1 for run in adapted)
    assert ">LoRA&#x27;s rank<" in (tmp_path / "split" / "report.html").read_text(encoding="utf-8")


@pytest.mark.full
def test_every_trick_trains(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "continued", "--experiments", "tricks")
    experiment.runs = Runs(experiment.folder)
    runs = [run for run in tricks.trick_runs(experiment) if run.experiment != "labels" and not run.seed % 42]
    results = experiment.do([pretraining_run(experiment), *runs])
    by_trick = {run["variant"]: run for run in results if run["experiment"] == "tricks"}
    assert list(by_trick) == [trick.name for trick in tricks.TRICKS]
    assert all(0 <= run["test_accuracy"] <= 1 for run in by_trick.values())
    # Half of two layers and the embeddings stand still.
    assert by_trick["freezing"]["trained_parameters"] < by_trick["fgm"]["trained_parameters"]
    log = experiment.runs.log(runs[-1]).parent / "tricks-continued-full-30-0-8.1e-05-averaging.txt"
    assert "checkpoint" in log.read_text(encoding="utf-8")


# --- what they say ---


def test_tricks_are_paired_by_seed_with_the_plain_run(no_figures):
    section = tricks.tricks(every_question(), ROWS)
    assert section.sentence == (
        "From continued pretraining, FGM raises the test accuracy of full fine-tuning with 100 labels, freezing the "
        "lower half lowers it, and in 1 of 3 comparisons no difference was measured."
    )
    (table,) = section.tables
    assert table[1][:2] == ["none: the plain run's test accuracy", "0.8133 ± 0.0379"]
    # 9 s beside 6; a pretraining beside the plain pretraining.
    assert [line[2] for line in table[2:]] == ["1.50", "1.50", "pretraining 1.00"]
    assert "Miyato et al. 2017" in table[2][3]
    assert section.notes == [
        "Every trick trains at the learning rate that was chosen for the plain run: another one may suit it better.",
        "One pretraining of each kind: the intervals do not cover how two pretrainings differ.",
    ]


def test_of_several_numbers_of_labels_each_trick_names_its_own(no_figures):
    scattered = {"fgm": [0.89, 0.90, 0.92], "freezing": [0.7, 0.71, 0.73], "whole_words": [0.80, 0.81, 0.84]}
    more = [
        run | {"experiment": "tricks", "variant": name, "seconds": 9}
        for name, scores in scattered.items()
        for run in labelled("continued", scores, labels=500)
    ]
    plain = [run for run in every_question() if (run["experiment"], run.get("labels")) != ("labels", 500)]
    more += labelled("continued", [0.84, 0.85, 0.87], labels=500)
    section = tricks.tricks([*plain, *more], ROWS)
    assert section.sentence == (
        "From continued pretraining, FGM (100 and 500) raises the test accuracy of full fine-tuning with 100 and 500 "
        "labels, freezing the lower half (100 and 500) and masking whole words (500) lower it, and in 1 of 6 "
        "comparisons no difference was measured."
    )


def test_where_no_trick_pays_it_says_so_and_missing_or_collapsed_runs_are_told(no_figures):
    plain = labelled("continued", [0.80, 0.81, 0.83])
    alike = [
        run | {"experiment": "tricks", "variant": name, "predicted_labels": 1}
        for name in ("fgm", "r_drop")
        for run in labelled("continued", [0.83, 0.80, 0.81])
    ]
    section = tricks.tricks([*plain, *alike], ROWS)
    assert "no trick raises the test accuracy" in section.sentence and "no trick lowers it" in section.sentence
    assert section.sentence.endswith("in 2 of 2 comparisons no difference was measured.")
    assert section.notes[1:] == ["6 of 6 runs here collapsed to one class, which every test row is predicted to have."]
    assert tricks.tricks(alike, ROWS) is None  # without the plain run
    one_seed = [run for run in [*plain, *alike] if run["experiment"] == "labels" or run["seed"] == 0]
    assert tricks.tricks(one_seed, ROWS) is None
    twelve = [run | {"variant": trick.name} for trick in tricks.TRICKS for run in alike[:3]]
    assert tricks.tricks([*plain, *twelve], ROWS).notes[1] == (
        "Of 12 intervals, about 1 would leave out zero by chance."
    )
    ten = [run for run in twelve if run["variant"] not in ("whole_words", "mask_30")]
    assert not any("by chance" in note for note in tricks.tricks([*plain, *ten], ROWS).notes)


def test_ranks_are_flat_from_the_smallest_that_is_level_with_the_largest(no_figures):
    section = ranks.ranks(every_question(), ROWS)
    assert section.sentence == (
        "From r 8 on, no difference to r 64 is measured in LoRA's test accuracy, from continued pretraining with 100 "
        "labelled rows (r 1, 8, 64 were tried)."
    )
    (table,) = section.tables
    assert [line[0] for line in table[1:]] == ["full fine-tuning", "r 1", "r 8", "r 64", "r 8, all linear layers"]
    assert table[2][2:4] == ["-0.1033 ± 0.0379 (n = 3)", "-0.0833 ± 0.0287 (n = 3)"]
    rising = [run for run in ranked() if run["variant"] != "r8_all_linear"]
    grid = labelled("continued", [0.70, 0.72, 0.711], "lora")
    section = ranks.ranks([*rising, *grid], ROWS)
    assert section.sentence.startswith("LoRA's test accuracy is not flat up to r 64, from continued pretraining")
    assert "from r 8 to it test accuracy rises by" in section.sentence
    assert ranks.ranks(ranked()[:3], ROWS) is None  # one rank
    # A rank that shares no two seeds with the largest has a row, and no part in the sentence.
    other_seeds = [run | {"seed": 5 + run["seed"], "variant": "r2"} for run in ranked()[:3]]
    section = ranks.ranks([*every_question(), *other_seeds], ROWS)
    assert section.sentence.endswith("(r 1, 8, 64 were tried).") and section.tables[0][3][0] == "r 2"


def test_text_is_worth_the_labels_that_the_base_model_wants_for_the_same(no_figures):
    section = text_and_labels.text_and_labels(every_question(), ROWS)
    # 0.71 with 100 labels, 0.79 with 500; 0.75 lies half-way: 100 x 5 ** 0.5 = 223.6.
    assert section.sentence == (
        "With 100 labelled rows, 6 passes over the unlabelled text are worth about 120 more labels (120 to 120)."
    )
    accuracies, worth = section.tables
    assert [line[0] for line in accuracies[1:]] == ["0", "6", "12"]
    assert worth[1:] == [
        ["6", "about 120 more (120 to 120); +0.0400 ± 0.0000", "more than tried; +0.0400 ± 0.0000"],
        ["12", "more than tried; +0.1033 ± 0.0143", "more than tried; +0.0500 ± 0.0000"],
    ]
    assert "One pretraining of each length" in section.notes[1]


def test_what_text_is_worth_has_the_ends_of_the_gains_interval():
    base = {100: 0.71, 500: 0.79, 2000: 0.79, 5000: 0.83}
    # Of the way to 500, 0.08 in all, a quarter and three quarters: 100 x 5 ** 0.25 = 149.5, 100 x 5 ** 0.75 = 334.4.
    assert text_and_labels.more_labels(base, 100, 0.02) == pytest.approx(49.5, abs=0.1)
    assert text_and_labels.more_labels(base, 100, 0.06) == pytest.approx(234.4, abs=0.1)
    assert text_and_labels.more_labels(base, 100, 0.10) == pytest.approx(
        500 * 10**0.5 - 100
    )  # from 500, not from 2,000
    assert text_and_labels.more_labels(base, 100, 0.13) is None
    worth = text_and_labels.Worth(Difference(0.04, 0.02, 5), 123.6, 49.5, 234.4)
    assert text_and_labels.labels_between(worth, "more labels") == "about 120 more labels (50 to 230)"
    assert text_and_labels.labels_between(worth._replace(most=None), "more") == "about 120 more (50 to more than tried)"


def test_text_that_adds_nothing_or_more_than_all_labels_has_no_number(no_figures):
    def said(six_passes, others=("text", "pretraining")):
        runs = [run for run in every_question() if run["experiment"] not in others]
        with_500 = labelled("continued", [0.80, 0.78, 0.79], labels=500)  # as without the text
        more = [run | {"experiment": "text", "passes": 6.0} for run in [*labelled("continued", six_passes), *with_500]]
        return text_and_labels.text_and_labels([*runs, *more], ROWS).sentence

    opening = "With 100 labelled rows, 6 passes over the unlabelled text are worth "
    assert said([0.72, 0.71, 0.71]) == f"{opening}no number of labels: no difference in test accuracy was measured."
    assert said([0.60, 0.61, 0.62]) == f"{opening}no number of labels: the test accuracy falls."
    assert said([0.90, 0.91, 0.92]) == (
        f"{opening}more labels than were tried: the base model's test accuracy stays lower with all of them."
    )
    # What is measured to help is named first.
    assert said([0.72, 0.71, 0.71], ("text",)).startswith("With 100 labelled rows, 12 passes over the unlabelled text")
    short = [run for run in every_question() if run.get("labels") != 500]
    assert text_and_labels.text_and_labels(short, ROWS) is None  # one number of labels
    marked = [with_majority(run, predicted_labels=1) for run in every_question()]
    assert "6 of 6 runs here collapsed" in text_and_labels.text_and_labels(marked, ROWS).notes[-1]


def test_only_the_continued_starts_pretraining_stands_for_its_stage(no_figures):
    runs = [*labelled("base", [0.7, 0.7]), *read_text(), *tricked(), pretrained()]
    for run in runs:
        if run["experiment"] == "pretraining":
            run["masked_lm_loss"]["general"] = [4.0, 9.0 if "passes" in run or "variant" in run else 4.5]
    (forgetting,) = [question.section for question in QUESTIONS if question.section.__name__ == "forgetting"]
    assert "9.0" not in str(forgetting(runs, ROWS).tables)


# --- the page's opening ---


def sections(results: list[dict]) -> list:
    return [section for question in QUESTIONS if (section := question.section(results, ROWS))]


def test_the_page_opens_with_an_answer_a_topic_and_one_interval_in_each(no_figures):
    results = [
        *every_question(),
        *labelled("random", [0.60, 0.62, 0.61]),
        *labelled("random", [0.79, 0.80, 0.78], labels=500),
    ]
    answered = sections(results)
    items = re.findall("<li>(.*?)</li>", opening_answers(answered))
    assert len(items) == len(TOPICS)
    for item in items:
        assert item[0].isupper() and item.endswith("</a>).") and len(re.findall("±", item)) <= 1, item
        for place, number in re.findall(r'<a href="#(\w+)">(?:figure )?(\d+)</a>', item):
            assert answered[int(number) - 1].name == place
    assert "beside random weights, raises the test accuracy of full fine-tuning at 1 of 2 numbers of labels" in items[0]
    assert "6 passes over the unlabelled text are worth about 120 more labels" in items[1]
    assert "LoRA shows no measured difference to full fine-tuning" in items[2]
    assert "no stage was measured to forget" in items[3] and items[4].startswith("FGM raises")


def test_a_topic_without_runs_has_no_sentence(no_figures):
    only_base = sections(labelled("base", [0.7, 0.71]))
    (item,) = re.findall("<li>(.*?)</li>", opening_answers(only_base))
    assert item.startswith("Full fine-tuning moves the layers farthest")
    floor = [run | {"start": None} for run in labelled("base", [0.7, 0.7], "tfidf")]
    assert opening_answers(sections(floor)) == ""


def test_a_start_that_adds_nothing_or_less_says_so(no_figures):
    def answer(scores: list[float]) -> str:
        section = starts.starts([*labelled("base", [0.70, 0.71, 0.72]), *labelled("continued", scores)], ROWS)
        return section.answers["continued"]

    what = "continued pretraining on the task's own text"
    assert answer([0.72, 0.69, 0.73]) == (
        f"{what} makes no difference that was measured to full fine-tuning (100 labels tried)"
    )
    assert answer([0.60, 0.61, 0.63]) == (
        f"{what} lowers the test accuracy of full fine-tuning with 100 labels (-0.0967 ± 0.0143)"
    )


# --- the experiment with a full-size checkpoint ---

FULL_SIZE = ROOT / "recipes" / "configs" / "split_bert_base_chinese.yaml"


def parsed(folder, model: str) -> tuple:
    argv = ["--config", str(FULL_SIZE), "--output_dir", str(folder / "split"), "--model_name_or_path", model]
    return parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=argv)


def test_the_yaml_of_a_full_size_checkpoint_is_read(tmp_path, tiny_model):
    _, data_args, args = parsed(tmp_path, str(tiny_model))
    assert args.full and args.label_counts == [100, 500, 2000] and args.trial_labels == [2000]
    assert (args.num_seeds, args.pretraining_epochs, args.workers) == (3, 3, 4)
    assert data_args.dataset_name == "reviews"


@pytest.mark.full
def test_its_comment_counts_its_runs_and_their_tokens(tmp_path):
    model_args, data_args, args = parsed(tmp_path, "bert-mini-zh")  # characters are tokens in both vocabularies
    experiment = Experiment(args, model_args, data_args, recipes=ROOT / "recipes")
    experiment.runs = Runs(experiment.folder)
    runs = experiment.to_do()
    measured = [run for run in runs if run.experiment in ("labels", "learning_rate") and run.recipe]
    comment = re.sub(r"\n# ", " ", FULL_SIZE.read_text(encoding="utf-8"))
    tokens = f"{round(sum(run.tokens for run in runs), -7) / 1e6:.0f} million tokens"
    assert f"its {len(runs)} runs train on {tokens}" in comment
    assert f"45 s for {len(measured)} of the runs" in comment
