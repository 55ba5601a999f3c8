"""Each recipe as its user runs it: through accelerate, from its YAML, with mistakes; its outputs load with plain
transformers."""

import copy
import json
import re
import sys

import matplotlib.image
import pandas
import pytest
import yaml
from conftest import ROOT, execute, recipe, refusal, short
from datasets import Dataset, DatasetDict
from processes import run_recipe, said, start, statuses
from safetensors.torch import load_file
from transformers import AutoTokenizer, BertConfig, pipeline

from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.split_arguments import RECIPES as RECIPES_OF_SPLIT
from bert_recipes.experiment import label_grid
from bert_recipes.models import tokenization
from bert_recipes.results.baseline import score_majority
from bert_recipes.results.reporting import without_tokens
from bert_recipes.run.errors import UserError
from bert_recipes.text.corpora import load_corpus
from bert_recipes.text.documents import load_documents

RECIPES = sorted((ROOT / "recipes").glob("*.py"))
CONFIGS = [
    pytest.param(path, marks=pytest.mark.full if path.stem.startswith("split") else ())
    for path in sorted((ROOT / "recipes" / "configs").glob("*.yaml"))
]
SCORED = {"mlm_pretrain": {"eval_perplexity"}, "ner": {"test_f1", "test_recall"}}  # of a run; else a classifier's
CLASSIFIER_FILES = {
    *("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "README.md"),
    *("all_results.json", "predictions.csv", "figures/training.png", "figures/confusion.png", "figures/confusion.svg"),
}


def files(folder) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if "checkpoint-" not in str(path)}


def is_drawn(figure) -> bool:
    return matplotlib.image.imread(figure).std() > 0.05


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """outputs/ of the chain that the README tells: continue pretraining, fine-tune from there, LoRA, label a file."""
    folder = tmp_path_factory.mktemp("outputs")

    def launch(name, *words):
        argv = [*short(name), *([] if name == "predict" else ["--output_dir", str(folder / name)]), *words]
        log = folder / f"{name}.log"
        if name == "finetune":
            done = execute("accelerate", "launch", "--quiet", f"recipes/{name}.py", *argv)
            assert done.returncode == 0, done.stdout + done.stderr
            log.write_text(done.stdout)
        else:
            assert statuses(start(log, run_recipe, name, argv)) == [0], said(log)

    launch("mlm_pretrain")
    launch("finetune", "--model_name_or_path", str(folder / "mlm_pretrain"))
    launch("lora")
    rows = pandas.read_csv(folder / "finetune" / "predictions.csv")
    rows[["text", "label"]].to_csv(folder / "rows.csv", index=False)
    launch(
        "predict", "--model_name_or_path", str(folder / "finetune"),
        "--input_file", str(folder / "rows.csv"), "--output_file", str(folder / "labelled.csv"),
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("name", ["finetune", "lora"])
def test_what_a_classifiers_run_leaves(outputs, name):
    folder = outputs / name
    assert files(folder) >= CLASSIFIER_FILES
    results = json.loads((folder / "all_results.json").read_text())
    scores = {"accuracy", "macro_f1", "macro_precision", "macro_recall"}
    assert results.keys() >= {
        f"{split}_{score}" for split in ("eval", "test", "baseline", "majority") for score in scores
    }
    assert results.keys() >= {"train_loss", "train_runtime", "train_parameters", "frozen_parameters"}
    rows = pandas.read_csv(folder / "predictions.csv")
    test = load_corpus(LabelledDataArguments(dataset_name="reviews", max_test_samples=24))["test"]
    assert rows["text"].tolist() == list(test["text"])
    assert (rows["label"] == rows["prediction"]).mean() == pytest.approx(results["test_accuracy"])
    assert is_drawn(folder / "figures" / "training.png") and is_drawn(folder / "figures" / "confusion.png")
    classify = pipeline("text-classification", model=str(folder))
    for text, label, score in rows[["text", "prediction", "score"]].head(5).itertuples(index=False):
        (guess,) = classify(text, truncation=True)
        assert guess["label"] == label and guess["score"] == pytest.approx(score, abs=1e-4)
    card = (folder / "README.md").read_text()
    assert yaml.safe_load(card.split("---")[1])["pipeline_tag"] == "text-classification"
    assert f"{results['test_accuracy']:.4f}" in card and "sha256 `70fe8507" in card and "recipes/" in card


def test_a_classifier_of_single_texts_labels_no_pairs(outputs, tmp_path):
    words = ["--model_name_or_path", str(outputs / "finetune"), "--input_file", str(outputs / "rows.csv")]
    words += ["--output_file", str(tmp_path / "pairs.csv"), "--text_columns", "text,label"]
    told = refusal(recipe("predict").main, words)
    assert told.endswith("finetune was trained on 1 text a row: name one column, such as text")


def test_the_screen_ends_with_the_results_and_the_path(outputs):
    table, steps = (outputs / "finetune.log").read_text().split("\n\nNext:\n")
    *_, heading, run, validation, baseline, majority, _, cost, saved = table.splitlines()
    results = json.loads((outputs / "finetune" / "all_results.json").read_text())
    assert heading.split() == ["accuracy", "macro-F1"]
    assert run.split()[-2:] == [f"{results['test_accuracy']:.4f}", f"{results['test_macro_f1']:.4f}"]
    assert validation.startswith("this run, validation")
    assert baseline.startswith("character tf-idf") and f"{results['baseline_accuracy']:.4f}" in baseline
    assert majority.startswith("majority class, test") and f"{results['majority_accuracy']:.4f}" in majority
    assert "weights trained" in cost and "peak memory" in cost and saved == f"saved in {outputs / 'finetune'}"
    assert next(line for line in steps.splitlines() if line.startswith("  # ")) == "  # label a file"


def test_a_model_that_gives_every_row_one_answer_is_told(tmp_path, tiny_model, capsys):
    words = [*short("finetune"), "--model_name_or_path", str(tiny_model), "--output_dir", str(tmp_path / "out")]
    # A step of no size leaves the head's bias as it is drawn: 0, and the tiny model's answer is one for all rows.
    results = recipe("finetune").main([*words, "--learning_rate", "1e-12", "--no_baseline"])
    predicted = set(pandas.read_csv(tmp_path / "out" / "predictions.csv")["prediction"])
    assert len(predicted) == 1
    said = f"(the majority class alone has accuracy {results['majority_accuracy']:.4f}); train for more steps"
    assert f"Every test row is predicted {predicted.pop()!r}: the model has collapsed to one class {said}" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    "train, test, accuracy, macro_f1",
    [
        # F1 of b: 2 x 1/2 / (1 + 1/2) = 2/3, of a 0.
        (["b", "a", "b"], ["b", "a"], 1 / 2, 1 / 3),
        # The set of a and b is the most frequent one: both rows have a, one has b; right as a whole is one.
        ([["a", "b"], ["b", "a"], ["a"]], [["a"], ["a", "b"]], 1 / 2, (1 + 2 / 3) / 2),
    ],
    ids=["a label a row", "several"],
)
def test_the_majority_class_is_scored(train, test, accuracy, macro_f1):
    corpus = DatasetDict(train=Dataset.from_dict({"label": train}), test=Dataset.from_dict({"label": test}))
    scores = score_majority(corpus, ["a", "b"])
    assert (scores["accuracy"], scores["macro_f1"]) == pytest.approx((accuracy, macro_f1))


def test_lora_leaves_its_adapter_apart_and_counts_what_it_trains(outputs):
    assert files(outputs / "lora" / "adapter") >= {"adapter_model.safetensors", "adapter_config.json"}
    assert "adapter_config.json" not in files(outputs / "lora")
    results = json.loads((outputs / "lora" / "all_results.json").read_text())
    weights = (
        f"{results['train_parameters']:,} of {results['train_parameters'] + results['frozen_parameters']:,} weights"
    )
    assert f"Training {weights}: 4 steps of 8 rows" in (outputs / "lora.log").read_text()
    assert results["train_parameters"] < 0.03 * results["frozen_parameters"]


def test_what_a_masked_language_models_run_leaves(outputs):
    folder = outputs / "mlm_pretrain"
    assert files(folder) >= CLASSIFIER_FILES - {"predictions.csv", "figures/confusion.png", "figures/confusion.svg"}
    results = json.loads((folder / "all_results.json").read_text())
    assert results["eval_perplexity"] == pytest.approx(2.718281828 ** results["eval_loss"], rel=1e-6)
    assert 0 <= results["eval_masked_accuracy"] <= 1 and results["train_tokens_seen"] > 1000
    assert is_drawn(folder / "figures" / "training.png")
    assert "Score against tokens seen" in (folder / "README.md").read_text()
    assert len(pipeline("fill-mask", model=str(folder))("房间很[MASK]净。")) == 5


def test_finetuning_starts_from_what_pretraining_saved(outputs):
    saved = load_file(outputs / "mlm_pretrain" / "model.safetensors")
    tuned = load_file(outputs / "finetune" / "model.safetensors")
    embedded = load_file(ROOT / "src/bert_recipes/assets/bert-mini-zh/model.safetensors")
    word = "bert.embeddings.word_embeddings.weight"
    assert (tuned[word] - saved[word]).norm() < (tuned[word] - embedded[word]).norm()


def test_predict_keeps_the_rows_and_reports_the_metrics(outputs):
    before, after = pandas.read_csv(outputs / "rows.csv"), pandas.read_csv(outputs / "labelled.csv")
    assert list(after.columns) == ["text", "label", "prediction", "score"]
    assert after["text"].tolist() == before["text"].tolist()
    finetuned = pandas.read_csv(outputs / "finetune" / "predictions.csv")
    assert after["prediction"].tolist() == finetuned["prediction"].tolist()
    assert after["score"].tolist() == pytest.approx(finetuned["score"].tolist(), abs=1e-4)
    accuracy = (after["label"] == after["prediction"]).mean()
    log = (outputs / "predict.log").read_text()
    assert f"{accuracy:.4f}" in log and log.splitlines()[-1] == f"24 rows labelled, saved in {outputs / 'labelled.csv'}"


def test_predict_labels_the_same_with_the_adapter_as_with_the_merged_model(outputs, tmp_path):
    labelled = []
    for folder in ("lora", "lora/adapter"):
        output = tmp_path / f"{len(labelled)}.jsonl"
        recipe("predict").main(
            ["--model_name_or_path", str(outputs / folder), "--input_file", str(outputs / "rows.csv"),
             "--output_file", str(output), "--use_cpu"]
        )  # fmt: skip
        labelled.append(pandas.read_json(output, lines=True))
    assert labelled[0]["prediction"].tolist() == labelled[1]["prediction"].tolist()
    assert labelled[0]["score"].tolist() == pytest.approx(labelled[1]["score"].tolist(), abs=1e-5)


@pytest.fixture
def own_files(tmp_path, monkeypatch):
    """data/train.csv as own_csv.yaml wants it (GB18030, title, text, label), and what make base-text leaves."""
    rows = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=30))["train"]["text"]
    (tmp_path / "outputs" / "base_text").mkdir(parents=True)
    for split, texts in (("train", rows[6:]), ("validation", rows[:6])):
        pandas.DataFrame({"text": texts}).to_json(
            tmp_path / "outputs" / "base_text" / f"{split}.jsonl", orient="records", lines=True, force_ascii=False
        )
    table = pandas.DataFrame({"title": [text[:8] for text in rows], "text": list(rows), "label": ["短", "长"] * 15})
    (tmp_path / "data").mkdir()
    marks = [[[n, n + 1, "MARK"] for n, mark in enumerate(text) if mark in "，。"] for text in rows]
    entities = pandas.DataFrame({"text": rows, "entities": marks})
    entities.to_json(tmp_path / "data" / "entities.jsonl", orient="records", lines=True, force_ascii=False)
    table.to_csv(tmp_path / "data" / "train.csv", index=False, encoding="gb18030")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: path.stem)
def test_every_config_runs_in_a_short_form(config, own_files, tiny_model, monkeypatch):
    """With every recipe that its opening comment names, and a tiny model in the place of its own."""
    opening = config.read_text().split("\n\n")[0]
    commands = re.findall(rf"accelerate launch recipes/(\w+)\.py --config recipes/configs/{config.name}(.*)", opening)
    assert len(commands) == 2
    for number, (name, extra) in enumerate(commands):
        argv = ["--config", str(config), *extra.split(), *short(name), "--output_dir", str(own_files / f"out{number}")]
        if name == "split":  # the second command asks what the short form of the first one does
            argv += ["--methods", "full", "--output_dir", str(own_files / "split")]
            argv += ["--model_name_or_path", str(tiny_model)]
            monkeypatch.setattr(label_grid, "RECIPES", {"full": (*RECIPES_OF_SPLIT["full"][:-1], (1,))})
            assert len(recipe(name).main(argv)) == 3  # a trial, which is a run too, and the second seed's run
            break
        if config.stem == "own_csv":
            argv += ["--encoding", "gb18030"]
        argv += ["--model_name_or_path", str(tiny_model)]
        results = recipe(name).main(argv)
        if config.stem == "next_sentence":
            assert 0 <= results["eval_nsp_accuracy"] <= 1
        assert results.keys() >= SCORED.get(name, {"test_accuracy", "eval_loss"})
        assert (own_files / f"out{number}" / "model.safetensors").exists()


def test_a_file_without_a_header_and_the_names_of_its_classes(tmp_path, tiny_model, capsys):
    texts = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=40))["train"]["text"]
    train = tmp_path / "train.txt"
    train.write_text("".join(f"{' '.join(text.split())}\t{row % 2}\n" for row, text in enumerate(texts)))
    (tmp_path / "class.txt").write_text("体育\n财经\n")
    arguments = ["--column_names", "text,label", "--label_names_file", str(tmp_path / "class.txt")]
    recipe("finetune").main(
        ["--train_file", str(train), *arguments, "--model_name_or_path", str(tiny_model), *short("finetune"),
         "--output_dir", str(tmp_path / "out")]
    )  # fmt: skip
    assert json.loads((tmp_path / "out" / "config.json").read_text())["id2label"] == {"0": "体育", "1": "财经"}
    facts = json.loads(next((tmp_path / "out").glob("checkpoint-*/run.json")).read_text())
    assert facts["column_names"] == "text,label" and facts["label_names_file"] == arguments[-1]
    capsys.readouterr()
    scores = recipe("predict").main(
        ["--model_name_or_path", str(tmp_path / "out"), "--input_file", str(train), *arguments,
         "--output_file", str(tmp_path / "out.csv"), "--use_cpu"]
    )  # fmt: skip
    after = pandas.read_csv(tmp_path / "out.csv", dtype=str)
    assert after["label"].tolist() == [str(row % 2) for row in range(40)]
    right = after["prediction"] == after["label"].map({"0": "体育", "1": "财经"})
    assert scores["accuracy"] == pytest.approx(right.mean())


def test_several_labels_a_row(tmp_path, tiny_model):
    texts = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=40))["train"]["text"]
    rows = [{"text": t, "label": [w for w in ("国", "人", "年") if w in t]} for t in texts]
    (tmp_path / "rows.jsonl").write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows))
    results = recipe("finetune").main(
        ["--train_file", str(tmp_path / "rows.jsonl"), "--model_name_or_path", str(tiny_model), *short("finetune"),
         "--output_dir", str(tmp_path / "out")]
    )  # fmt: skip
    assert results.keys() >= {"test_macro_f1", "baseline_macro_f1"}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["problem_type"] == "multi_label_classification"
    assert files(tmp_path / "out") >= CLASSIFIER_FILES
    assert is_drawn(tmp_path / "out" / "figures" / "confusion.png")


def test_a_vocabulary_of_its_own_from_random_weights(tmp_path, tiny_model):
    (tmp_path / "mine.txt").write_text("\n".join(f"第{i}天，我们去海边看日出。" for i in range(60)), encoding="utf-8")
    recipe("mlm_pretrain").main(
        ["--from_scratch", "--train_file", str(tmp_path / "mine.txt"), "--model_name_or_path", str(tiny_model),
         "--max_steps", "2", "--vocab_size", "200", "--output_dir", str(tmp_path / "out")]
    )  # fmt: skip
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["vocab_size"] <= 200 and config["hidden_size"] == 32
    guess = pipeline("fill-mask", model=str(tmp_path / "out"), tokenizer=str(tmp_path / "out"))
    assert guess.tokenizer.tokenize("我们去海边") == list("我们去海边")


def test_random_weights_with_the_checkpoints_vocabulary(tmp_path, tiny_model, tokenizer):
    recipe("mlm_pretrain").main(
        [*short("mlm_pretrain"), "--from_scratch", "--keep_vocabulary", "--model_name_or_path", str(tiny_model),
         "--output_dir", str(tmp_path / "out")]
    )  # fmt: skip
    assert AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab() == tokenizer.get_vocab()
    words = "bert.embeddings.word_embeddings.weight"
    saved, began = (load_file(folder / "model.safetensors")[words] for folder in (tmp_path / "out", tiny_model))
    assert saved.shape == began.shape and (saved - began).abs().mean() > 0.01


def test_a_run_from_scratch_goes_on_with_its_own_vocabulary(tmp_path, tiny_model, monkeypatch):
    (tmp_path / "mine.txt").write_text("\n".join(f"第{i}天，我们去海边看日出。" for i in range(60)), encoding="utf-8")
    argv = ["--from_scratch", "--train_file", str(tmp_path / "mine.txt"), "--model_name_or_path", str(tiny_model)]
    argv += ["--vocab_size", "200", "--save_strategy", "steps", "--save_steps", "1", "--eval_strategy", "no"]
    recipe("mlm_pretrain").main([*argv, "--max_steps", "2", "--output_dir", str(tmp_path / "out")])
    before = (tmp_path / "out" / "tokenizer.json").read_text()
    (tmp_path / "out" / "all_results.json").unlink()
    # A vocabulary trained again comes out in another order, and words would have one another's weights.
    monkeypatch.setattr(tokenization, "train_tokenizer", lambda *args: pytest.fail("trained again"))
    again = ["--max_steps", "3", "--output_dir", str(tmp_path / "out"), "--resume_from_checkpoint", "auto"]
    recipe("mlm_pretrain").main([*argv, *again])
    assert (tmp_path / "out" / "tokenizer.json").read_text() == before


MISTAKES = {
    "a typo": (["--learning_rat", "1"], "did you mean --learning_rate?"),
    "no such file": (["--train_file", "none.csv"], "--train_file none.csv: there is no such file"),
    "an unknown column": (["--train_file", "a.csv", "--text_columns", "texts"], "did you mean 'text'?"),
    "a header and no row": (["--train_file", "header.csv"], "header.csv"),
    "another encoding": (["--train_file", "gb.csv"], "--encoding gb18030"),
    "an empty text": (["--train_file", "empty.csv"], "row 3 of empty.csv"),
    "one class": (["--train_file", "one.csv"], "one label only"),
    "no model": (["--model_name_or_path", "folder"], "no config.json"),
    "a finished run": (["--output_dir", "done"], "holds an earlier run"),
}


PRETRAINING_MISTAKES = {
    "nothing to mask": (
        ["--train_file", "blank.txt"],
        "no document of the train text has a token that could be masked",
    ),
    "a probability of 1": (["--mlm_probability", "1"], "--mlm_probability 1.0: must lie between 0 and 1"),
    "a probability of 0": (["--mlm_probability", "0"], "--mlm_probability 0.0: must lie between 0 and 1"),
    "too long a chunk": (["--chunk_length", "600"], "--chunk_length 600: must lie between 8 and 512"),
    "another model's tokenizer": (["--model_name_or_path", "mixed"], "they belong to different models"),
    "a stream without end": (["--streaming", "--train_file", "blank.txt"], "--streaming needs --max_steps"),
    "a test split": (["--test_file", "a.csv"], "unknown argument --test_file"),
    "too short to mask": (["--train_file", "short.txt", "--mlm_probability", "0.9"], "too short for a masked token"),
    "no [MASK]": (["--model_name_or_path", "unmasked"], "its tokenizer has no mask token"),
    "a vocabulary that is there": (["--vocab_size", "500"], "--vocab_size is for --from_scratch"),
    "a vocabulary kept": (["--keep_vocabulary"], "--keep_vocabulary is for --from_scratch"),
    "two vocabularies": (
        ["--from_scratch", "--keep_vocabulary", "--vocab_size", "500"],
        "--vocab_size is for a new vocabulary, --keep_vocabulary takes the checkpoint's: keep one",
    ),
    "smoothed tokens": (["--label_smoothing_factor", "0.1"], "--label_smoothing_factor is for classifiers"),
    "workers of one epoch": (["--dataloader_persistent_workers", "true"], "--dataloader_persistent_workers"),
    "no step": (["--max_steps", "0"], "--max_steps 0: must be above 0"),
    "one document of pairs": (
        ["--train_file", "lines.txt", "--nsp"],
        "--nsp needs two training documents",
    ),
}


@pytest.mark.parametrize("name", PRETRAINING_MISTAKES)
def test_a_mistake_is_found_before_pretraining(name, mistakes, tokenizer, monkeypatch):
    argv, message = PRETRAINING_MISTAKES[name]
    monkeypatch.chdir(mistakes)
    if name == "another model's tokenizer":
        BertConfig(vocab_size=30_000).save_pretrained("mixed")
        tokenizer.save_pretrained("mixed")
    if name == "no [MASK]":
        BertConfig(vocab_size=len(tokenizer)).save_pretrained("unmasked")
        without = copy.deepcopy(tokenizer)
        without.mask_token = None
        without.save_pretrained("unmasked")
    before = files(mistakes)
    with pytest.raises(UserError) as error:
        recipe("mlm_pretrain").main(argv)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert files(mistakes) == before


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    rows = ["text,label", *(f"第{i}行,{'ab'[i % 2]}" for i in range(20))]
    (folder / "a.csv").write_text("\n".join(rows), encoding="utf-8")
    (folder / "gb.csv").write_text("\n".join(rows), encoding="gb18030")
    (folder / "header.csv").write_text("text,label\n")
    (folder / "empty.csv").write_text("text,label\n好,a\n ,b\n坏,b\n", encoding="utf-8")
    (folder / "one.csv").write_text("text,label\n" + "".join(f"第{i}行,a\n" for i in range(20)), encoding="utf-8")
    (folder / "blank.txt").write_text("".join("\U00020bb7" * n + "\n" for n in range(1, 9)), encoding="utf-8")
    (folder / "short.txt").write_text("好\n坏\n行\n", encoding="utf-8")
    (folder / "lines.txt").write_text("".join(f"这一行没有句号{i}\n" for i in range(9)), encoding="utf-8")
    (folder / "folder").mkdir()
    (folder / "done").mkdir()
    (folder / "done" / "all_results.json").write_text("{}")
    return folder


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_before_anything_is_written(name, mistakes, monkeypatch):
    argv, message = MISTAKES[name]
    monkeypatch.chdir(mistakes)
    before = files(mistakes)
    with pytest.raises(UserError) as error:
        recipe("finetune").main(argv)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert files(mistakes) == before


def test_a_mistake_ends_with_status_2_and_one_line(mistakes):
    done = execute(sys.executable, str(ROOT / "recipes" / "finetune.py"), "--train_file", "empty.csv", cwd=mistakes)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "error: row 3 of empty.csv: column 'text' is empty: remove such rows, or fill them in"
    ]


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_fits_on_one_screen_and_opens_with_two_commands(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 80
    assert len(re.findall(rf"^accelerate launch recipes/{path.name}", text, re.MULTILINE)) == 2


def test_a_secret_is_not_published_with_the_card():
    words = ["recipes/finetune.py", "--hub_token", "hf_secret", "--hub_token=hf_secret", "--seed", "1"]
    assert without_tokens(words) == ["recipes/finetune.py", "--hub_token", "***", "--hub_token=***", "--seed", "1"]
