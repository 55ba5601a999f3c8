"""The grid of recipes/split.py: the recipes train, numbers repeat, a stopped one goes on, mistakes are told."""

import json

import pytest
from conftest import ROOT, execute, recipe
from scipy import stats

from bert_recipes.builtin_corpora import load_builtin
from bert_recipes.errors import UserError
from bert_recipes.experiments import mean_and_interval, table_of_gains, table_of_scores


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
    return [*flags, "--model_name_or_path", str(tiny_model), *sizes]


def split(folder, *words, **kwargs):
    return execute("python", str(ROOT / "recipes" / "split.py"), "--output_dir", str(folder), *words, **kwargs)


@pytest.fixture(scope="module")
def experiment(tmp_path_factory, arguments):
    folder = tmp_path_factory.mktemp("experiment") / "split"
    done = split(folder, *arguments, "--methods", "full,head_only,tfidf")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def read(folder) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


def kind(run: dict) -> tuple[str, str]:
    return run["start"], run["method"]


def comparable(folder) -> list[dict]:
    """The results in a fixed order, without what a clock or a folder's name decides."""
    numbers = [
        {name: value for name, value in result.items() if name not in ("seconds", "peak_memory_mb", "arguments")}
        for result in read(folder)
    ]
    return sorted(numbers, key=json.dumps)


def test_every_run_is_there_with_what_it_cost(experiment):
    folder, screen = experiment
    results = read(folder)
    labels = [result for result in results if result["experiment"] == "labels"]
    kinds = [(start, method) for start in ("random", "base", "continued") for method in ("full", "head_only")]
    expected = {(*kind, 20, seed) for kind in [*kinds, (None, "tfidf")] for seed in (0, 1)}
    assert {(run["start"], run["method"], run["labels"], run["seed"]) for run in labels} == expected
    assert len(labels) == len(expected)
    for run in labels:
        assert 0 <= run["test_accuracy"] <= 1 and 0 <= run["test_macro_f1"] <= 1
        assert run["seconds"] > 0 and run["peak_memory_mb"] > 100
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
    assert "base to continued" in screen and str(folder) in screen


def test_each_start_and_method_has_the_rate_that_validation_liked_best(experiment):
    results = read(experiment[0])
    trials = [result for result in results if result["experiment"] == "learning_rate"]
    for start in ("random", "base", "continued"):
        for method in ("full", "head_only"):
            mine = [run for run in trials if (run["start"], run["method"]) == (start, method)]
            assert len({run["learning_rate"] for run in mine}) == 3
            best = max(run["validation_accuracy"] for run in mine)
            chosen = {
                run["learning_rate"]
                for run in results
                if (run["experiment"], run["start"], run["method"]) == ("labels", start, method)
            }
            assert len(chosen) == 1
            assert best in [run["validation_accuracy"] for run in mine if run["learning_rate"] in chosen]


def test_every_start_and_method_gets_the_same_number_of_steps(experiment):
    trained = [run["arguments"] for run in read(experiment[0]) if run["method"] != "tfidf"]
    assert {argv[argv.index("--max_steps") + 1] for argv in trained} == {"3"}  # 6 sqrt(20 / 100) = 2.7


def test_a_seed_gives_one_result_and_a_stopped_experiment_goes_on(experiment, arguments, tmp_path):
    folder = tmp_path / "split"
    assert split(folder, *arguments, "--starts", "random", "--methods", "full").returncode == 0
    first = read(folder)
    assert comparable(folder) == [run for run in comparable(experiment[0]) if kind(run) == ("random", "full")]
    more = ["--starts", "random", "--methods", "full,tfidf", "--label_counts", "20,all"]
    assert split(folder, *arguments, *more).returncode == 0
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
        (["--label_counts", "5000"], "--label_counts 5000: the training split has 60 rows"),
        (["--num_seeds", "1"], "--num_seeds 1: an interval needs 2 or more"),
        (["--workers", "0"], "--workers 0: must be 1 or more"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(arguments, tmp_path, words, message):
    with pytest.raises(UserError, match=message):
        recipe("split").main([*arguments, "--output_dir", str(tmp_path / "split"), *words])
    assert not (tmp_path / "split" / "results.json").exists()


def test_the_folder_of_another_experiment_is_left_alone(experiment, arguments, tmp_path):
    before = (experiment[0] / "results.json").read_bytes()
    with pytest.raises(UserError, match="holds an experiment with steps_at_100_labels 6, not 7"):
        recipe("split").main([*arguments, "--output_dir", str(experiment[0]), "--steps_at_100_labels", "7"])
    assert (experiment[0] / "results.json").read_bytes() == before
    (tmp_path / "thesis.txt").write_text("mine")
    done = split(tmp_path, *arguments)
    assert done.returncode == 2 and done.stderr.startswith(f"error: --output_dir {tmp_path} holds files that are no")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_launched_processes_are_refused(arguments, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UserError, match="launch it as one process"):
        recipe("split").main([*arguments, "--output_dir", str(tmp_path / "split")])


def test_the_interval_is_students():
    values = [0.71, 0.74, 0.69, 0.75, 0.72]
    mean, half = mean_and_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    assert (mean - half, mean + half) == pytest.approx((low, high), abs=1e-12)


def test_gains_are_taken_seed_by_seed():
    scores = {"base": [0.70, 0.80, 0.90], "continued": [0.75, 0.85, 0.95]}
    results = [
        {"start": start, "method": "full", "labels": 100, "seed": seed, "test_accuracy": value}
        for start, values in scores.items()
        for seed, value in reversed(list(enumerate(values)))
    ]
    assert table_of_gains(results)[1] == ["full, base to continued", "+0.0500 ± 0.0000"]
    assert table_of_scores(results)[1] == ["full, base", "0.8000 ± 0.2484"]
