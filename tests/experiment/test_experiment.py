"""The grid of recipes/split.py: the recipes train, numbers repeat, a stopped one goes on, mistakes are told."""

import html
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT
from small_experiments import an_experiment, read, split, write_rows
from transformers import AlbertConfig, BertForMaskedLM, BertModel, GPT2Config, RobertaConfig

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.split_arguments import RECIPES, SIZES, SplitArguments
from bert_recipes.experiment import label_grid
from bert_recipes.experiment.experiment import Experiment
from bert_recipes.experiment.facts import corpora, facts
from bert_recipes.experiment.kept_runs import Runs
from bert_recipes.experiment.recipe_flags import pretraining_run
from bert_recipes.experiment.runs import Run
from bert_recipes.run.errors import UserError
from bert_recipes.run.output_folder import only_run_in
from bert_recipes.text.builtin_corpora import load_builtin

DOCS = ROOT / "docs" / "split"


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, tiny_model) -> list[str]:
    """108 reviews and a tiny model: a run is a matter of a second."""
    rows = load_builtin("reviews")["train"].shuffle(seed=0).take(108)
    flags = write_rows(tmp_path_factory.mktemp("rows"), list(rows))
    sizes = ["--label_counts", "20", "--trial_labels", "20", "--steps_at_100_labels", "6"]
    return [*flags, "--model_name_or_path", str(tiny_model), *sizes, "--experiments", "labels"]


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("experiment") / "split"
    split(folder, *arguments, "--methods", "full,head_only,tfidf", "--starts", "random,continued")
    return folder


def kind(run: dict) -> tuple[str, str]:
    return run["start"], run["method"]


def comparable(folder) -> list[dict]:
    """The results in a fixed order, without what a clock or a folder's name decides."""
    unlike = ("seconds", "peak_memory_mb", "measured", "arguments")
    numbers = [{name: value for name, value in result.items() if name not in unlike} for result in read(folder)]
    return sorted(numbers, key=json.dumps)


def test_every_run_is_there_with_what_it_cost(experiment):
    results = read(experiment)
    labels = [result for result in results if result["experiment"] == "labels"]
    kinds = [(start, method) for start in ("random", "continued") for method in ("full", "head_only")]
    expected = {(*kind, 20, seed) for kind in [*kinds, (None, "tfidf")] for seed in (0, 1)}
    assert {(run["start"], run["method"], run["labels"], run["seed"]) for run in labels} == expected
    assert len(labels) == len(expected)
    for run in labels:
        assert 0 <= run["test_accuracy"] <= 1 and 0 <= run["test_macro_f1"] <= 1
        assert run["seconds"] > 0 and run["peak_memory_mb"] > 100
        # 24 test rows of two classes: one answer for all of them is right at the one share or the other.
        assert 0 < run["majority_accuracy"] < 1 and run["majority_macro_f1"] < 0.5
    for run in [run for run in labels if run["method"] != "tfidf"]:
        assert run["predicted_labels"] in (1, 2) and run["validation_loss"] > 0
        if run["predicted_labels"] == 1:
            shares = [run["majority_accuracy"], 1 - run["majority_accuracy"]]
            assert run["test_accuracy"] in [pytest.approx(share) for share in shares]
    trained = {run["method"]: run["trained_parameters"] for run in labels}
    assert trained["full"] > trained["head_only"] > trained["tfidf"] == 0
    for run in [run for run in labels if run["method"] != "tfidf"]:
        frozen = run["method"] == "head_only"
        moved = {group for group, change in run["weights_moved"].items() if change["moved"]}
        # Frozen is frozen: not one weight of the encoder.
        assert moved == ({"pooler", "head"} if frozen else set(run["weights_moved"]))
        assert len(run["similarity"]) == 3  # of the embeddings' output, and of two layers
        assert all((value == pytest.approx(1, abs=1e-9)) == frozen for value in run["similarity"])
        losses = run.get("masked_lm_loss", {})
        assert set(losses) == (set() if run["start"] == "random" else {"task", "general"})
        assert all((before == after) == frozen for before, after in losses.values())
    (pretraining,) = [result for result in results if result["experiment"] == "pretraining"]
    assert all(change["moved"] for change in pretraining["weights_moved"].values())
    for before, after in pretraining["masked_lm_loss"].values():
        assert before != after


def test_mean_pooling_stands_beside_the_other_methods(arguments, tmp_path):
    folder = tmp_path / "split"
    split(folder, *arguments, "--methods", "full,mean_pooling", "--starts", "base")
    pooled = [run for run in read(folder) if run["method"] == "mean_pooling" and run["experiment"] == "labels"]
    assert [run["seed"] for run in pooled] == [0, 1]
    for run in pooled:
        assert "--pooling mean" in " ".join(run["arguments"]) and len(run["similarity"]) == 3
        before, after = run["masked_lm_loss"]["general"]
        assert before != after and all(change["moved"] for change in run["weights_moved"].values())
    page = html.unescape((folder / "report.html").read_text(encoding="utf-8"))
    assert "mean pooling beside full fine-tuning" in page.lower()


def test_each_start_and_method_has_the_rate_that_validation_liked_best(experiment):
    results = read(experiment)
    trials = [result for result in results if result["experiment"] == "learning_rate"]
    for start in ("random", "continued"):
        for method in ("full", "head_only"):
            mine = [run for run in trials if (run["start"], run["method"]) == (start, method)]
            assert len({run["learning_rate"] for run in mine}) == 3
            best = max(mine, key=lambda run: (run["validation_accuracy"], -run["validation_loss"]))["learning_rate"]
            chosen = {
                run["learning_rate"]
                for run in results
                if (run["experiment"], run["start"], run["method"]) == ("labels", start, method)
            }
            assert chosen == {best}


def test_equal_accuracies_are_told_apart_by_the_loss_where_it_was_kept(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "base", "--methods", "full")
    experiment.runs = Runs(experiment.folder)
    trials = label_grid.trials(experiment, label_grid.grid(experiment))
    for losses, chosen in (([0.7, 0.5, 0.6], 1), ([None, None, None], 0)):  # old results have none: the first
        experiment.runs.results = [
            {**trial.name, "arguments": list(trial.argv), "validation_accuracy": 0.6733}
            | ({} if loss is None else {"validation_loss": loss})
            for trial, loss in zip(trials, losses, strict=True)
        ]
        assert label_grid.rate_of(experiment, ("base", "full", 20)) == trials[chosen].learning_rate


def test_an_own_file_without_titles_is_not_asked_about_the_newspapers(arguments, tmp_path, capsys):
    *words, _, _ = arguments  # but for --experiments
    experiment = an_experiment(tmp_path / "own", *words)
    assert experiment.asked == ["labels"]
    said = capsys.readouterr().out
    assert "train.jsonl has no title beside its text: nsp, titles and passes are left out" in said
    assert said.count("--experiments labels,nsp,titles,passes") == 1
    assert an_experiment(tmp_path / "full", *words, "--full").asked == ["labels", "ranks", "tricks"]
    assert "text is left out: --experiments text: name two numbers of --label_counts or more" in capsys.readouterr().out
    asked = an_experiment(tmp_path / "asked", *words, "--experiments", "nsp,passes")
    assert asked.asked == ["nsp", "passes"] and "left out" not in capsys.readouterr().out
    assert corpora(asked)["task"].endswith("train.jsonl")
    assert corpora(asked)["titles"] == "peoples_daily_titles, the built-in corpus"
    built_in = an_experiment(tmp_path / "built_in", "--label_counts", "20")
    assert built_in.asked == ["labels", "nsp", "titles", "passes"]
    everything = an_experiment(tmp_path / "everything", "--full")
    assert everything.asked == ["labels", "text", "ranks", "tricks", "nsp", "titles", "passes"]


def test_the_plan_has_every_run(arguments, tmp_path, experiment, capsys):
    kinds = ["--methods", "full,head_only,tfidf", "--starts", "random,continued"]
    planned = an_experiment(tmp_path / "split", *arguments, *kinds)
    planned.runs = Runs(planned.folder)
    # One pretraining, 3 rates of 4 kinds, and of the second seed 4 runs, tf-idf with each of two.
    assert len(planned.to_do()) == len(planned.plan()) == 1 + 12 + 4 + 2
    seconds = planned.forecast()
    said = capsys.readouterr().out
    assert re.search(r"19 runs to do, about \d+ (s|min): a step of the model was timed on this machine", said)
    assert len(seconds) == 19 and min(seconds.values()) > 0
    done = an_experiment(experiment, *arguments, *kinds)
    done.runs = Runs(done.folder)
    assert done.to_do() == [] and done.forecast() == {}
    assert {log.stem for log in (experiment / "logs").iterdir()} == {run.file_name for run in done.plan() if run.recipe}


def test_the_short_forms_pretraining_is_bounded(arguments, tmp_path, monkeypatch):
    def epochs(folder, *words):
        experiment = an_experiment(tmp_path / folder, *arguments, *words)
        experiment.runs = Runs(experiment.folder)
        argv = pretraining_run(experiment).argv
        return float(argv[argv.index("--num_train_epochs") + 1])

    assert epochs("few_rows") == pytest.approx(500 / 60, rel=1e-3)  # 60 rows
    monkeypatch.setattr("bert_recipes.experiment.recipe_flags.MOST_PRETRAINED_TOKENS", 1000)
    assert 0.1 < epochs("many_tokens") < 1
    assert epochs("asked", "--pretraining_epochs", "3") == 3


def test_the_page_says_how_many_passes_the_pretraining_has(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments)
    experiment.runs = Runs(experiment.folder)
    assert "pretraining_epochs 8.33333" in facts(experiment)["arguments"]


def test_other_label_names_are_another_experiment(arguments, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("positive\nnegative\n")
    words = [*arguments, "--label_names_file", str(names)]
    an_experiment(tmp_path / "split", *words)
    an_experiment(tmp_path / "split", *words)  # the same again
    names.write_text("negative\npositive\n")
    with pytest.raises(UserError, match="holds an experiment with data"):
        an_experiment(tmp_path / "split", *words)
    # An earlier version did not write of them.
    path = tmp_path / "split" / "experiment.json"
    former = json.loads(path.read_text())
    del former["data"][str(names)]
    path.write_text(json.dumps(former))
    an_experiment(tmp_path / "split", *words)


def test_a_file_with_as_many_rows_as_a_default_count_has_it_once(arguments, tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "label_counts", ("20,60", "20,60,all"))
    place = arguments.index("--label_counts")
    words = [*arguments[:place], *arguments[place + 2 :], "--full"]
    assert an_experiment(tmp_path / "split", *words).args.label_counts == [20, "all"]


def test_a_number_of_labels_takes_the_rate_of_the_nearest_trial(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--trial_labels", "4,20", "--label_counts", "8,all")
    # sqrt(4 x 20) = 8.9 lies half-way between the two, and "all" are 60.
    assert [label_grid.nearest_trial(experiment, count) for count in (1, 8, 9, 20, "all")] == [4, 4, 20, 20, 20]


def test_every_start_and_method_gets_the_same_number_of_steps(experiment):
    trained = [run["arguments"] for run in read(experiment) if run["method"] in ("full", "head_only")]
    assert {argv[argv.index("--max_steps") + 1] for argv in trained} == {"3"}  # 6 sqrt(20 / 100) = 2.7
    for run in read(experiment):
        if run["experiment"] != "pretraining":  # a trial and the run that it becomes have the seed of their name
            assert run["arguments"][run["arguments"].index("--seed") + 1] == str(run["seed"])


def test_a_seed_gives_one_result_and_a_stopped_experiment_goes_on(experiment, arguments, tmp_path):
    folder = tmp_path / "split"
    split(folder, *arguments, "--starts", "random", "--methods", "full")
    first = read(folder)
    assert comparable(folder) == [run for run in comparable(experiment) if kind(run) == ("random", "full")]
    more = ["--starts", "random", "--methods", "full,tfidf", "--label_counts", "20,all"]
    split(folder, *arguments, *more)
    assert read(folder)[: len(first)] == first  # to the clock: nothing was run again
    assert {(*kind(run), run["labels"]) for run in read(folder)[len(first) :]} == {
        *((None, "tfidf", labels) for labels in (20, "all")),
        ("random", "full", "all"),
    }


@pytest.mark.parametrize(
    "words, message",
    [
        (["--starts", "base,bsae"], "--starts bsae: must be of random, base, continued"),
        (["--methods", "lora,ful"], "--methods ful: must be of full, mean_pooling, lora, head_only, tfidf"),
        (["--label_counts", "20,some"], "--label_counts some"),
        (["--label_counts", "5000"], "--label_counts 5000: the training split has 60 rows of 2 labels"),
        (["--label_counts", "1"], "--label_counts 1: the training split has 60 rows of 2 labels"),
        (["--label_counts", "60,all"], "--label_counts 60 and all are the same rows: leave one of them out"),
        (["--experiments", "ranks", "--label_counts", "500"], "--label_counts 500: the training split has 60 rows"),
        (["--experiments", "tricks", "--label_counts", "500"], "--label_counts 500: the training split has 60 rows"),
        (["--experiments", "text", "--label_counts", "20,500"], "--label_counts 500: the training split has 60 rows"),
        (["--trial_labels", "1"], "--trial_labels 1: the training split has 60 rows of 2 labels"),
        (["--pretraining_epochs", "0"], "--pretraining_epochs 0.0: must be above 0"),
        (["--trial_labels", "0"], "--trial_labels 0: must be numbers above 0, or all"),
        (["--from_scratch"], "random weights are one of --starts already"),
        (["--num_seeds", "1"], "--num_seeds 1: an interval needs 2 or more"),
        (["--experiments", "lables"], "--experiments lables: must be of labels, text, ranks, tricks, nsp"),
        (["--long_text", "windows"], "unknown argument --long_text"),
        (["--workers", "0"], "--workers 0: must be 1 or more"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(arguments, tmp_path, words, message):
    with pytest.raises(UserError, match=message):
        split(tmp_path / "split", *arguments, *words)
    assert not (tmp_path / "split" / "results.json").exists()


def test_a_model_or_labels_that_no_question_can_be_put_to(arguments, tmp_path, tokenizer):
    shared = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 16}
    for name, config in (
        ("albert", AlbertConfig(embedding_size=8, **shared)),
        ("gpt", GPT2Config(n_embd=16, n_head=2)),
    ):
        config.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
    for name, message in (
        ("albert", "models of type albert have no stack of layers that can be compared"),
        ("gpt", "models of type gpt2 do not guess masked tokens"),
    ):
        with pytest.raises(UserError, match=message):
            split(tmp_path / "split", *arguments, "--model_name_or_path", str(tmp_path / name))
    RobertaConfig(**shared).save_pretrained(tmp_path / "roberta")
    with pytest.raises(UserError, match=r"type roberta do not predict next sentences.* leave nsp out of --experiments"):
        words = ["--model_name_or_path", str(tmp_path / "roberta"), "--experiments", "labels,nsp"]
        split(tmp_path / "split", *arguments, *words)
    with pytest.raises(UserError, match="--methods mean_pooling is for BERT, and this model is of type roberta"):
        words = ["--model_name_or_path", str(tmp_path / "roberta"), "--methods", "full,mean_pooling"]
        split(tmp_path / "split", *arguments, *words)
    (tmp_path / "one.jsonl").write_text("".join(f'{{"text": "第{row}行", "label": "a"}}\n' for row in range(40)))
    with pytest.raises(UserError, match=r"one\.jsonl has one label only, 'a'"):
        split(tmp_path / "split", *arguments, "--train_file", str(tmp_path / "one.jsonl"))
    assert not (tmp_path / "split").exists()


@pytest.mark.full
def test_a_model_without_its_head_has_no_loss_to_forget(arguments, tmp_path, tiny_model, tokenizer, capfd, monkeypatch):
    one_rate = {method: (*kind, (1, 1, 1)) for method, (*kind, _) in RECIPES.items()}
    monkeypatch.setattr(label_grid, "RECIPES", one_rate)
    BertModel.from_pretrained(tiny_model).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    words = ["--model_name_or_path", str(tmp_path / "encoder"), "--starts", "base,continued", "--methods", "full,lora"]
    split(tmp_path / "split", *arguments, *words)
    said = capfd.readouterr().out
    assert said.count(f"{tmp_path / 'encoder'} has no masked-language-model head: what fine-tuning forgets") == 1
    results = read(tmp_path / "split")
    # Continued pretraining gave it one.
    assert {run["start"] for run in results if "masked_lm_loss" in run} == {"continued"}
    assert all("head" not in run["weights_moved"] for run in results if run["experiment"] == "pretraining")
    assert ">Forgetting<" not in (tmp_path / "split" / "report.html").read_text(encoding="utf-8")


def test_the_folder_of_another_experiment_is_left_alone(experiment, arguments, tmp_path):
    before = (experiment / "results.json").read_bytes()
    with pytest.raises(UserError, match="holds an experiment with steps_at_100_labels 6, not 7"):
        split(experiment, *arguments, "--steps_at_100_labels", "7")
    assert (experiment / "results.json").read_bytes() == before
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(UserError, match="holds files that are no experiment's"):
        split(tmp_path, *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_task_of_the_same_text_is_another_experiment(experiment, tmp_path):
    for name in ("reviews", "review_domains"):
        words = ["--output_dir", str(tmp_path / "split"), "--dataset_name", name, "--experiments", "labels"]
        model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=words)
        if name == "reviews":
            Experiment(args, model_args, data_args, recipes=tmp_path)
        else:
            with pytest.raises(UserError, match="holds an experiment with dataset_name reviews, not review_domains"):
                Experiment(args, model_args, data_args, recipes=tmp_path)


def test_results_of_other_arguments_are_not_taken(experiment, tmp_path):
    runs = Runs(experiment)
    (result,) = [run for run in runs.results if run["experiment"] == "pretraining"]
    names = {name: result.get(name) for name in ("experiment", "start", "method", "labels", "seed", "learning_rate")}
    moved = tuple(word.replace(str(experiment), "elsewhere") for word in result["arguments"])
    assert runs.result(Run(**names, argv=moved)) is result
    with pytest.raises(UserError, match="was trained with less, and today would be with --whole_word_mask"):
        runs.result(Run(**names, argv=(*moved, "--whole_word_mask")))
    assert runs.result(Run(**names, columns="title,text", argv=moved)) is None  # not the run of titles and texts


def test_other_weights_of_the_same_name_are_another_experiment(arguments, tmp_path, tiny_model):
    model = shutil.copytree(tiny_model, tmp_path / "model")
    words = ["--output_dir", str(tmp_path / "split"), *arguments, "--model_name_or_path", str(model)]
    model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=words)
    for _ in range(2):
        Experiment(args, model_args, data_args, recipes=tmp_path)
    BertForMaskedLM(BertForMaskedLM.from_pretrained(model).config).save_pretrained(model)
    with pytest.raises(UserError, match=r"holds an experiment with weights [0-9a-f]{64}, not [0-9a-f]{64}"):
        Experiment(args, model_args, data_args, recipes=tmp_path)


def test_damaged_results_are_told(experiment, arguments, tmp_path):
    for content, message in (("[{", r"results\.json is damaged"), ("{}", r"results\.json is no list of results")):
        folder = shutil.copytree(experiment, tmp_path / "split", dirs_exist_ok=True)
        (folder / "results.json").write_text(content)
        with pytest.raises(UserError, match=message):
            split(folder, *arguments)
        assert (folder / "results.json").read_text() == content


def test_two_at_a_time_in_one_folder_are_refused(experiment, arguments):
    with only_run_in(experiment), pytest.raises(UserError, match="another run is writing there"):
        split(experiment, *arguments, "--methods", "full,head_only,tfidf", "--starts", "random,continued")


def test_another_precision_is_another_experiment(experiment, arguments, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(UserError, match="holds an experiment with precision fp32, not bf16"):
        split(experiment, *arguments)


def test_two_launched_processes_are_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="launch it as one process"):
        split(tmp_path / "split", *arguments)


def of_docs(folder: Path, into: Path) -> Path:
    for name in ("experiment.json", "results.json"):
        shutil.copy(folder / name, into)
    return into


def check_measured_as_the_page_says(experiment: Experiment, folder: Path) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    said = {name: html.unescape(value) for name, value in re.findall("<dt>(.*?)</dt><dd>(.*?)</dd>", page)}
    assert facts(experiment) == said
    assert f"On {corpora(experiment)['task']}<" in page


def test_the_experiment_of_docs_split_was_measured_as_its_page_says(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    words = ["--experiments", "labels", "--label_counts", "100,500,2000", "--num_seeds", "5"]
    words += ["--methods", "full,mean_pooling,lora,head_only,tfidf"]
    experiment = an_experiment(of_docs(DOCS, tmp_path), "--full", *words)
    experiment.runs = Runs(experiment.folder)
    assert experiment.to_do() == []
    check_measured_as_the_page_says(experiment, DOCS)
    ranks = an_experiment(experiment.folder, "--full", "--num_seeds", "5", "--experiments", "ranks")
    ranks.runs = Runs(experiment.folder)
    assert ranks.to_do() == []
    # Of the numbers of passes two are missing.
    text = an_experiment(experiment.folder, "--full", *words[2:], "--experiments", "text")
    text.runs = Runs(experiment.folder)
    assert Counter((run.experiment, run.passes) for run in text.to_do()) == {
        **{("pretraining", passes): 1 for passes in (3, 6)},
        **{("text", passes): 3 * 5 for passes in (3, 6)},
    }
    # Of the tricks those are missing that have a pretraining of their own.
    tricks = an_experiment(experiment.folder, "--full", "--num_seeds", "5", "--experiments", "tricks")
    tricks.runs = Runs(experiment.folder)
    assert Counter((run.experiment, run.variant) for run in tricks.to_do()) == {
        **{("pretraining", name): 1 for name in ("whole_words", "mask_30")},
        **{("tricks", name): 2 * 5 for name in ("whole_words", "mask_30")},
    }


def test_an_experiment_of_the_second_version_does_not_go_on_with_the_third(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    of_docs(DOCS / "v2", tmp_path)
    asked = ["--experiments", "labels,nsp,titles,passes"]
    with pytest.raises(UserError, match="holds an experiment with weights"):
        an_experiment(tmp_path, "--full", "--trial_labels", "500,2000")
    weights = json.loads((tmp_path / "experiment.json").read_text())["weights"]
    monkeypatch.setattr("bert_recipes.experiment.checks.weights_fingerprint", lambda model_args: weights)
    experiment = an_experiment(tmp_path, "--full", "--trial_labels", "500,2000", *asked)
    experiment.runs = Runs(experiment.folder)
    # All is there but the lowest and the highest learning rate (three were tried), and the weights of the pretraining
    # that some of these start from.
    assert Counter(run.experiment for run in experiment.to_do()) == {"pretraining": 1, "learning_rate": 9 * 2 * 2}
    check_measured_as_the_page_says(experiment, DOCS / "v2")
