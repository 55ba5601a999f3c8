"""The grid of recipes/split.py: the recipes train, numbers repeat, a stopped one goes on, mistakes are told."""

import itertools
import json
import re
import shutil

import numpy as np
import pytest
from conftest import ROOT, recipe
from scipy import stats
from transformers import AlbertConfig, BertForMaskedLM, BertModel, GPT2Config, RobertaConfig

from bert_recipes.arguments.data import LabelledDataArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.split_arguments import SplitArguments
from bert_recipes.experiment.experiments import Experiment
from bert_recipes.experiment.forecast import Progress
from bert_recipes.experiment.intervals import mean_and_interval, paired_bootstrap
from bert_recipes.experiment.runs import Run, Runs
from bert_recipes.run.checkpoints import only_run_in
from bert_recipes.run.errors import UserError
from bert_recipes.text.builtin_corpora import load_builtin


def write_rows(folder, rows) -> list[str]:
    flags = []
    for split, part in {"train": rows[:60], "validation": rows[60:84], "test": rows[84:]}.items():
        path = folder / f"{split}.jsonl"
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part))
        flags += [f"--{split}_file", str(path)]
    return flags


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, tiny_model) -> list[str]:
    """108 reviews and a tiny model: a run is a matter of a second."""
    rows = load_builtin("reviews")["train"].shuffle(seed=0).take(108)
    flags = write_rows(tmp_path_factory.mktemp("rows"), list(rows))
    sizes = ["--label_counts", "20", "--trial_labels", "20", "--steps_at_100_labels", "6"]
    return [*flags, "--model_name_or_path", str(tiny_model), *sizes, "--experiments", "labels"]


def split(folder, *words) -> dict[str, list[dict]]:
    return recipe("split").main(["--output_dir", str(folder), *words])


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("experiment") / "split"
    split(folder, *arguments, "--methods", "full,head_only,tfidf", "--starts", "random,continued")
    return folder


def read(folder) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


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


def an_experiment(folder, *words) -> Experiment:
    argv = ["--output_dir", str(folder), *words]
    model_args, data_args, args = parse(ModelArguments, LabelledDataArguments, SplitArguments, argv=argv)
    return Experiment(args, model_args, data_args, recipes=ROOT / "recipes")


def test_equal_accuracies_are_told_apart_by_the_loss_where_it_was_kept(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--starts", "base", "--methods", "full")
    experiment.runs = Runs(experiment.folder)
    trials = experiment.trials(20)
    for losses, chosen in (([0.7, 0.5, 0.6], 1), ([None, None, None], 0)):  # old results have none: the first
        experiment.runs.results = [
            {**trial.name, "arguments": list(trial.argv), "validation_accuracy": 0.6733}
            | ({} if loss is None else {"validation_loss": loss})
            for trial, loss in zip(trials, losses, strict=True)
        ]
        assert experiment.rates(20) == {("base", "full"): trials[chosen].learning_rate}


def test_an_own_file_without_titles_is_not_asked_about_the_newspapers(arguments, tmp_path, capsys):
    *words, _, _ = arguments  # but for --experiments
    experiment = an_experiment(tmp_path / "own", *words)
    assert experiment.args.experiments == ["labels"]
    said = capsys.readouterr().out
    assert "train.jsonl has no title beside its text: nsp, titles and passes are left out" in said
    assert said.count("--experiments labels,nsp,titles,passes") == 1
    asked = an_experiment(tmp_path / "asked", *words, "--experiments", "nsp,passes")
    assert asked.args.experiments == ["nsp", "passes"] and "left out" not in capsys.readouterr().out
    assert asked.corpora()["task"].endswith("train.jsonl")
    assert asked.corpora()["titles"] == "peoples_daily_titles, the built-in corpus"
    built_in = an_experiment(tmp_path / "built_in", "--label_counts", "20")
    assert built_in.args.experiments == ["labels", "nsp", "titles", "passes"]


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
        argv = experiment.pretraining_run().argv
        return float(argv[argv.index("--num_train_epochs") + 1])

    assert epochs("few_rows") == pytest.approx(500 / 60, rel=1e-3)  # 60 rows
    monkeypatch.setattr("bert_recipes.experiment.experiments.MOST_PRETRAINED_TOKENS", 1000)
    assert 0.1 < epochs("many_tokens") < 1
    assert epochs("asked", "--pretraining_epochs", "3") == 3


def test_a_number_of_labels_takes_the_rate_of_the_nearest_trial(arguments, tmp_path):
    experiment = an_experiment(tmp_path / "split", *arguments, "--trial_labels", "4,20", "--label_counts", "8,all")
    # sqrt(4 x 20) = 8.9 lies half-way between the two, and "all" are 60.
    assert [experiment.nearest_trial(count) for count in (1, 8, 9, 20, "all")] == [4, 4, 20, 20, 20]


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
        (["--methods", "lora,ful"], "--methods ful: must be of full, lora, head_only, tfidf"),
        (["--label_counts", "20,some"], "--label_counts some"),
        (["--label_counts", "5000"], "--label_counts 5000: the training split has 60 rows of 2 labels"),
        (["--label_counts", "1"], "--label_counts 1: the training split has 60 rows of 2 labels"),
        (["--trial_labels", "1"], "--trial_labels 1: the training split has 60 rows of 2 labels"),
        (["--pretraining_epochs", "0"], "--pretraining_epochs 0.0: must be above 0"),
        (["--trial_labels", "0"], "--trial_labels 0: must be numbers above 0, or all"),
        (["--from_scratch"], "random weights are one of --starts already"),
        (["--num_seeds", "1"], "--num_seeds 1: an interval needs 2 or more"),
        (["--experiments", "lables"], "--experiments lables: must be of labels, nsp, titles, passes"),
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
    (tmp_path / "one.jsonl").write_text("".join(f'{{"text": "第{row}行", "label": "a"}}\n' for row in range(40)))
    with pytest.raises(UserError, match=r"one\.jsonl has one label only, 'a'"):
        split(tmp_path / "split", *arguments, "--train_file", str(tmp_path / "one.jsonl"))
    assert not (tmp_path / "split").exists()


def test_a_model_without_its_head_has_no_loss_to_forget(arguments, tmp_path, tiny_model, tokenizer, capfd):
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
    assert "What it forgets" not in (tmp_path / "split" / "report.html").read_text(encoding="utf-8")


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


def test_a_pretraining_shows_how_far_it_is(tmp_path, tiny_model):
    (tmp_path / "train.txt").write_text("\n".join(f"第{row}行，今天的天气很好。" for row in range(100)), "utf-8")
    argv = ["--train_file", str(tmp_path / "train.txt"), "--validation_file", str(tmp_path / "train.txt")]
    argv += ["--model_name_or_path", str(tiny_model), "--max_steps", "4"]
    run = Run("pretraining", "base", "mlm", recipe=ROOT / "recipes" / "mlm_pretrain.py", argv=tuple(argv))
    progress, seen = Progress({run.file_name: 100.0}), []
    progress.show = lambda: seen.append(progress.done[run.file_name])
    Runs(tmp_path / "split").execute([run], 1, progress)
    assert seen == pytest.approx([20, 40, 60, 80, 100])  # four steps, then the scores and measures


def test_a_run_that_fails_is_named_with_its_log(tmp_path):
    missing = ("--train_file", str(tmp_path / "none.jsonl"))
    run = Run("labels", "base", "full", 20, recipe=ROOT / "recipes" / "finetune.py", argv=missing)
    log = tmp_path / "logs" / "labels-base-full-20-0.txt"
    with pytest.raises(UserError, match=rf"labels-base-full-20-0 \(its log: {log}\): --train_file .*none\.jsonl"):
        Runs(tmp_path).execute([run], workers=1)
    assert log.exists() and not (tmp_path / "results.json").exists()


def test_a_row_with_several_labels_is_right_when_all_are_in_any_order(tmp_path, tiny_model):
    cells = ["b|a", "a|b", "a", "b"] * 30
    rows = [
        f"{'好' if 'a' in cell else '差'}{'快' if 'b' in cell else '慢'}{number}" for number, cell in enumerate(cells)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{row},{cell}\n" for row, cell in zip(rows, cells, strict=True)))
    argv = ["--train_file", str(path), "--label_separator", "|", "--model_name_or_path", str(tiny_model)]
    argv += ["--max_steps", "60", "--learning_rate", "3e-3", "--eval_strategy", "no", "--save_strategy", "no"]
    run = Run("titles", "base", "full", recipe=ROOT / "recipes" / "finetune.py", argv=(*argv, "--no_baseline"))
    (result,) = Runs(tmp_path / "split").execute([run], workers=1)
    assert (
        np.mean(result["rows_told_right"]) == pytest.approx(result["test_accuracy"]) and result["test_accuracy"] > 0.5
    )


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


def test_the_interval_is_students():
    values = [0.71, 0.74, 0.69, 0.75, 0.72]
    mean, half = mean_and_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-12)


def test_the_bootstrap_draws_rows():
    generator = np.random.default_rng(1)
    before = (generator.random(400) < 0.7).astype(float)
    after = np.maximum(before, generator.random(400) < 0.2)  # right wherever it was, and in a fifth of the rest
    mean, low, high = paired_bootstrap(after, before)
    assert mean == pytest.approx((after - before).mean()) and low < mean < high
    # The normal interval of a mean of 400 differences is near it.
    half = 1.96 * (after - before).std() / 20
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.005)
    assert paired_bootstrap(before, before) == (0, 0, 0)


@pytest.fixture(scope="module")
def titles(tmp_path_factory, tiny_model):
    """The other questions, on a user's own titles and texts."""
    rows = load_builtin("peoples_daily_titles")["train"].take(150)
    rows = [{"headline": row["title"], "body": row["text"][:60], "label": row["label"]} for row in rows]
    folder = tmp_path_factory.mktemp("titles")
    split(
        folder / "split", *write_rows(folder, rows), "--text_columns", "headline,body",
        "--model_name_or_path", str(tiny_model), "--steps_at_100_labels", "1", "--label_counts", "20",
        "--experiments", "nsp,titles,passes",
    )  # fmt: skip
    return folder / "split", rows


def test_every_row_is_a_test_row_once_and_shuffled_titles_are_those_of_other_rows(titles):
    folder, rows = titles
    results = [result for result in read(folder) if result["experiment"] == "titles"]
    variants = ["headline", "body", "headline,body", "headline,body (shuffled)"]
    assert sorted((run["columns"], run["fold"]) for run in results) == sorted(itertools.product(variants, range(5)))
    for shuffled in ("", "_shuffled"):
        folds = [folder / "data" / f"fold{fold}{shuffled}" / "test.jsonl" for fold in range(5)]
        tested = [json.loads(line) for path in folds for line in path.read_text().splitlines()]
        assert [row["body"] for row in tested] == [row["body"] for row in rows]
        assert [row["label"] for row in tested] == [row["label"] for row in rows]
        same = sum(one["headline"] == two["headline"] for one, two in zip(tested, rows, strict=True))
        assert same == len(rows) if not shuffled else same < 10
    for fold in range(5):  # a shuffled title comes from another row of its own split
        paths = [folder / "data" / f"fold{fold}{shuffled}" / "test.jsonl" for shuffled in ("", "_shuffled")]
        mine, others = ([json.loads(line)["headline"] for line in path.read_text().splitlines()] for path in paths)
        assert sorted(mine) == sorted(others) and mine != others
    for run in results:
        tested = (folder / "data" / f"fold{run['fold']}" / "test.jsonl").read_text().splitlines()
        assert len(run["rows_told_right"]) == len(tested)
        assert np.mean(run["rows_told_right"]) == pytest.approx(run["test_accuracy"])
        training = (folder / "data" / f"fold{run['fold']}" / "train.jsonl").read_text().splitlines()
        assert not set(training) & set(tested) and len(training) > 90


def test_a_fold_without_a_label_is_told_before_anything_is_trained(titles, tmp_path):
    rows = [row | {"label": "rare"} if number < 8 else row for number, row in enumerate(titles[1])]
    words = [*write_rows(tmp_path, rows), "--text_columns", "headline,body", "--experiments", "titles"]
    with pytest.raises(UserError, match="of 5 folds of the rows in their order, number 1 has no training row of label"):
        split(tmp_path / "split", *words, "--label_counts", "20")
    assert not (tmp_path / "split").exists()  # the file put right is no other experiment


def test_both_kinds_of_pretraining_and_every_number_of_passes_is_there(titles):
    results = read(titles[0])
    pretraining = {run["method"]: run for run in results if run["experiment"] == "pretraining"}
    assert set(pretraining) == {"mlm", "mlm+nsp"}
    assert pretraining["mlm"]["tokens_seen"] > 0 and 0 <= pretraining["mlm+nsp"]["nsp_accuracy"] <= 1
    nsp = [(run["start"], run["seed"]) for run in results if run["experiment"] == "nsp"]
    assert sorted(nsp) == sorted(itertools.product(("mlm", "mlm+nsp"), (0, 1)))
    passes = {run["passes"]: run for run in results if run["experiment"] == "passes"}
    assert set(passes) == {1, 2}
    steps = {count: run["arguments"][run["arguments"].index("--max_steps") + 1] for count, run in passes.items()}
    assert steps == {1: "4", 2: "8"}  # 60 rows, 16 a step
    assert all(0 <= run["training_accuracy"] <= 1 and "validation_accuracy" not in run for run in passes.values())
