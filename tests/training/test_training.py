import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers.trainer_utils import IntervalStrategy

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.data import DataArguments, LabelledDataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.models.classifiers import load_classifier
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.run.errors import UserError
from bert_recipes.run.output_folder import file_in_the_way
from bert_recipes.text.documents import load_documents
from bert_recipes.text.masking import IGNORED
from bert_recipes.training.assembling import classifier_trainer, masked_language_model_trainer
from bert_recipes.training.data import load_classification_data, load_pretraining_data
from bert_recipes.training.learning_rate import suitable_learning_rate
from bert_recipes.training.samplers import LengthGroupedSampler
from bert_recipes.training.trainer import train_and_evaluate
from bert_recipes.training.training_length import choose_length


@pytest.fixture(scope="module")
def model_args(tiny_model):
    return ModelArguments(str(tiny_model))


@pytest.fixture(scope="module")
def reviews(model_args):
    limits = {"max_train_samples": 64, "max_eval_samples": 37, "max_test_samples": 10, "max_length": 48}
    return load_classification_data(model_args, LabelledDataArguments(**limits), seed=1)


@pytest.fixture(scope="module")
def pretraining_data(model_args, tmp_path_factory):
    """A function that reads 60 paragraphs for the arguments of a run."""
    limits = {"max_train_samples": 60, "max_eval_samples": 30}

    def load(args):
        return load_pretraining_data(model_args, DataArguments(dataset_name="peoples_daily", **limits), args)

    return load


def arguments(kind, folder, **given):
    given = {"max_steps": 6, "logging_steps": 1, "save_strategy": "no", "disable_tqdm": True, "seed": 3} | given
    return kind(output_dir=str(folder), use_cpu=True, **given)


def finetuner(folder, model_args, reviews, **given):
    args = arguments(FinetuneArguments, folder, **given)
    torch.manual_seed(0)
    model = load_classifier(model_args, reviews.label_names)
    return classifier_trainer(model, args, reviews.tokenizer, reviews.encoded)


def pretrainer(folder, model_args, pretraining_data, **given):
    args = arguments(MlmArguments, folder, **({"chunk_length": 48} | given))
    data = pretraining_data(args)
    torch.manual_seed(0)
    return masked_language_model_trainer(load_masked_lm(model_args, data.tokenizer, args.dropout, args.nsp), args, data)


def logged(trainer, name):
    return [entry[name] for entry in trainer.state.log_history if name in entry]


def test_accumulation_changes_neither_loss_nor_gradient_norm_of_a_classifier(tmp_path, model_args, reviews):
    runs = []
    for size, accumulation in ((16, 1), (4, 4)):
        trainer = finetuner(
            tmp_path, model_args, reviews, per_device_train_batch_size=size, gradient_accumulation_steps=accumulation
        )
        trainer.train()
        runs.append((logged(trainer, "loss"), logged(trainer, "grad_norm")))
    assert len(runs[0][0]) == 6
    assert runs[1][0] == pytest.approx(runs[0][0], rel=1e-4)
    assert runs[1][1] == pytest.approx(runs[0][1], rel=1e-4)


def test_accumulation_changes_neither_loss_nor_gradient_norm_of_a_masked_lm(tmp_path, model_args, pretraining_data):
    runs = []
    for size, accumulation in ((16, 1), (4, 4)):
        trainer = pretrainer(
            tmp_path, model_args, pretraining_data,
            per_device_train_batch_size=size, gradient_accumulation_steps=accumulation,
        )  # fmt: skip
        trainer.train()
        runs.append((logged(trainer, "loss"), logged(trainer, "grad_norm")))
    assert runs[1][0] == pytest.approx(runs[0][0], rel=1e-4)
    assert runs[1][1] == pytest.approx(runs[0][1], rel=1e-4)


def test_the_loss_of_a_step_is_the_plain_mean_over_its_rows(tmp_path, model_args, reviews):
    trainer = finetuner(tmp_path, model_args, reviews, per_device_train_batch_size=64, max_steps=1)
    rows = reviews.tokenizer.pad({"input_ids": reviews.encoded["train"]["input_ids"]}, return_tensors="pt")
    with torch.no_grad():
        logits = trainer.model(**rows).logits
    expected = functional.cross_entropy(logits, torch.tensor(reviews.encoded["train"]["labels"])).item()
    trainer.train()
    assert logged(trainer, "loss") == [pytest.approx(expected, rel=1e-5)]


@pytest.mark.parametrize("stage", ["finetune", "mlm"])
def test_one_seed_gives_the_same_weights_bit_for_bit(tmp_path, dropout_model, reviews, pretraining_data, stage):
    weights = []
    model_args = ModelArguments(str(dropout_model))
    for _ in range(2):
        if stage == "finetune":
            trainer = finetuner(tmp_path, model_args, reviews, max_steps=3)
        else:
            trainer = pretrainer(tmp_path, model_args, pretraining_data, max_steps=3, dropout=0.1)
        trainer.train()
        weights.append({name: tensor.clone() for name, tensor in trainer.model.state_dict().items()})
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


@pytest.fixture
def nondeterministic_again(monkeypatch):
    for name in ("CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "FLASH_ATTENTION_DETERMINISTIC"):
        monkeypatch.setenv(name, "")
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False


@pytest.mark.parametrize("stage, full_determinism", [("finetune", False), ("finetune", True), ("mlm", True)])
def test_a_resumed_run_ends_with_the_same_weights(
    tmp_path, dropout_model, reviews, pretraining_data, stage, full_determinism, nondeterministic_again
):
    model_args = ModelArguments(str(dropout_model))

    def trainer(**given):
        given |= {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "steps", "eval_steps": 4}
        given |= {"save_total_limit": None, "max_steps": 10, "load_best_model_at_end": False}
        given |= {"full_determinism": full_determinism}
        if stage == "finetune":
            return finetuner(tmp_path, model_args, reviews, per_device_train_batch_size=16, **given)
        return pretrainer(tmp_path, model_args, pretraining_data, per_device_train_batch_size=16, dropout=0.1, **given)

    whole = trainer()
    train_and_evaluate(whole)
    again = trainer(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    train_and_evaluate(again)
    assert torch.are_deterministic_algorithms_enabled() == full_determinism  # an operation without one would raise
    assert logged(again, "loss")[4:] == logged(whole, "loss")[4:]
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.model.state_dict().items())
    stored = load_file(tmp_path / "checkpoint-8" / "model.safetensors")
    assert stored.keys() <= expected.keys()
    assert not list(tmp_path.rglob("training_args.bin"))  # a pickle


@pytest.mark.parametrize("strategy", ["random", "sequential", "batch_rebalance"])
def test_every_order_of_the_rows_trains(tmp_path, model_args, reviews, strategy):
    trainer = finetuner(tmp_path, model_args, reviews, train_sampling_strategy=strategy, max_steps=3)
    trainer.train()
    assert trainer.state.global_step == 3 and all(math.isfinite(loss) for loss in logged(trainer, "loss"))


def test_the_best_checkpoint_is_kept(tmp_path, model_args, reviews):
    trainer = finetuner(
        tmp_path, model_args, reviews, save_strategy="epoch", max_steps=-1, num_train_epochs=3, learning_rate=0.05
    )
    results = train_and_evaluate(trainer)
    assert results["eval_macro_f1"] == pytest.approx(max(logged(trainer, "eval_macro_f1")), abs=1e-9)


def test_early_stopping(tmp_path, model_args, reviews):
    trainer = finetuner(
        tmp_path, model_args, reviews, save_strategy="epoch", max_steps=-1, num_train_epochs=20,
        learning_rate=1e-12, early_stopping_patience=2,
    )  # fmt: skip
    trainer.train()
    assert trainer.state.epoch == 3  # the first is the best; two more without a better one


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path, model_args, reviews):
    trainer = finetuner(tmp_path, model_args, reviews, learning_rate=1e30, warmup_steps=0, max_grad_norm=0)
    told = (
        r"the loss is nan at step 2 \(training rows \d+, .*, …\), learning rate 8\.33e\+29; there is no checkpoint yet"
    )
    with pytest.raises(UserError, match=told):
        trainer.train()


@pytest.mark.parametrize("stage", ["finetune", "mlm"])
def test_evaluation_does_not_depend_on_the_batch_size(tmp_path, model_args, reviews, pretraining_data, stage):
    scores = []
    for size in (5, 32):
        if stage == "finetune":
            trainer = finetuner(tmp_path, model_args, reviews, per_device_eval_batch_size=size)
        else:
            trainer = pretrainer(tmp_path, model_args, pretraining_data, per_device_eval_batch_size=size)
        scores.append(trainer.evaluate())
    names = [name for name in scores[0] if not name.endswith(("runtime", "second", "time"))]
    assert len(names) >= 3
    assert [scores[0][name] for name in names] == pytest.approx([scores[1][name] for name in names], rel=1e-4)


def test_the_masked_evaluation_is_the_dense_models(tmp_path, model_args, pretraining_data):
    trainer = pretrainer(tmp_path, model_args, pretraining_data)
    total, count = 0.0, 0
    with torch.no_grad():
        for row in trainer.eval_dataset:
            labels = torch.from_numpy(row["labels"])
            logits = trainer.model(input_ids=torch.from_numpy(row["input_ids"]).unsqueeze(0)).logits[0]
            total += functional.cross_entropy(logits, labels, reduction="sum").item()
            count += (labels != IGNORED).sum().item()
    results = trainer.evaluate()
    assert results["eval_loss"] == pytest.approx(total / count, rel=1e-5)
    assert results["eval_perplexity"] == pytest.approx(math.exp(total / count), rel=1e-4)


def test_an_epoch_visits_every_row_once_in_an_order_of_its_own():
    sampler = LengthGroupedSampler([length % 17 for length in range(500)], batch_size=4, seed=5)
    first = list(sampler)
    assert sorted(first) == list(range(500)) and list(sampler) == first
    sampler.set_epoch(1)
    assert sorted(sampler) == list(range(500)) and list(sampler) != first
    lengths = [[sampler.lengths[i] for i in first[start : start + 4]] for start in range(0, 200, 4)]
    assert sum(max(batch) - min(batch) for batch in lengths) < 60  # 50 batches of random rows: about 500


@pytest.mark.parametrize("given", [{"nsp": True}, {"whole_word_mask": True, "nsp": True}])
def test_next_sentence_prediction_is_right_at_every_accumulation(tmp_path, model_args, pretraining_data, given):
    runs, scores = [], []
    for size, accumulation, eval_size in ((16, 1, 5), (4, 4, 32)):
        trainer = pretrainer(
            tmp_path, model_args, pretraining_data, per_device_train_batch_size=size, max_steps=4,
            gradient_accumulation_steps=accumulation, per_device_eval_batch_size=eval_size, **given,
        )  # fmt: skip
        trainer.train()
        runs.append([*logged(trainer, "loss"), *logged(trainer, "grad_norm")])
        scores.append(trainer.evaluate())
    assert runs[1] == pytest.approx(runs[0], rel=1e-4) and len(runs[0]) == 8
    names = ("eval_loss", "eval_masked_accuracy", "eval_nsp_accuracy", "eval_nsp_loss")
    assert [scores[1][name] for name in names] == pytest.approx([scores[0][name] for name in names], rel=1e-4)
    assert runs[0][0] == pytest.approx(math.log(len(trainer.processing_class)) + math.log(2), abs=0.3)


def test_the_loss_of_both_tasks_is_that_of_transformers(tmp_path, model_args, pretraining_data):
    trainer = pretrainer(tmp_path, model_args, pretraining_data, nsp=True, max_steps=1, per_device_train_batch_size=8)
    batch = trainer.data_collator([trainer.train_dataset[i] for i in range(8)])
    with torch.no_grad():
        dense = {name: tensor for name, tensor in batch.items() if name != "masked_positions"}
        assert (batch["next_sentence_label"] != IGNORED).any()
        expected = trainer.model(**dense).loss
        found = trainer.compute_loss(trainer.model, batch, num_items_in_batch=None)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_a_stream_trains_and_a_resumed_run_goes_on_in_it(tmp_path, dropout_model, tokenizer):
    documents = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=80, max_eval_samples=20))
    files = {}
    for split, rows in documents.items():
        files[f"{split}_file"] = str(tmp_path / f"{split}.txt")
        (tmp_path / f"{split}.txt").write_text("\n".join(rows["text"]), encoding="utf-8")

    def trainer(**given):
        given |= {"save_strategy": "steps", "save_steps": 4, "eval_strategy": "no", "streaming": True, "max_steps": 9}
        args = arguments(MlmArguments, tmp_path / "run", chunk_length=48, save_total_limit=None, **given)
        data = load_pretraining_data(ModelArguments(str(dropout_model)), DataArguments(**files), args)
        torch.manual_seed(0)
        return masked_language_model_trainer(load_masked_lm(ModelArguments(str(dropout_model)), tokenizer), args, data)

    whole = trainer()
    train_and_evaluate(whole)
    again = trainer(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-4"))
    results = train_and_evaluate(again)
    assert logged(again, "loss")[4:] == logged(whole, "loss")[4:]
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), again.model.parameters(), strict=True))
    assert results["eval_loss"] > 0 and whole.state.num_input_tokens_seen > 1000


def test_bf16_on_a_cpu_keeps_to_the_loss_of_fp32(tmp_path, model_args, pretraining_data):
    losses = {}
    for precision in ("fp32", "bf16"):
        trainer = pretrainer(
            tmp_path, model_args, pretraining_data, precision=precision, max_steps=200, logging_steps=10,
            per_device_train_batch_size=8, learning_rate=1e-3, eval_strategy="no",
        )  # fmt: skip
        trainer.train()
        losses[precision] = logged(trainer, "loss")
    assert losses["fp32"][-1] < losses["fp32"][0] - 1  # it learns
    gap = abs(losses["bf16"][-1] / losses["fp32"][-1] - 1)
    print(
        f"\nAfter 200 steps: loss {losses['fp32'][-1]:.4f} in fp32, {losses['bf16'][-1]:.4f} in bf16 ({gap:.2%} apart)"
    )
    assert gap < 0.02


def test_masks_change_with_the_epoch(tmp_path, model_args, pretraining_data):
    trainer = pretrainer(tmp_path, model_args, pretraining_data, max_steps=-1, num_train_epochs=2)
    before = trainer.train_dataset[0]["labels"]
    trainer.train()
    assert trainer.train_dataset.epoch == 1 and (trainer.train_dataset[0]["labels"] != before).any()
    assert trainer.eval_dataset.epoch == 0


@pytest.mark.parametrize("width, rate", [(768, 3e-5), (256, 2.7e-4), (1024, 1.7e-5), (32, 2.7e-4)])
def test_the_rate_follows_the_width(tmp_path, width, rate):
    model = type("Model", (), {"config": type("Config", (), {"hidden_size": width})})
    assert suitable_learning_rate(FinetuneArguments, model.config) == rate


@pytest.mark.parametrize("holds_run", [False, True])
def test_overwrite_gives_up_a_run_and_nothing_of_the_users(tmp_path, model_args, reviews, holds_run):
    former = (
        "README.md",
        "predictions.csv",
        "predictions.jsonl",
        "sentence_filter.safetensors",
        "sentence_filter.json",
    )
    for name in (*former, "notes.txt", *(["all_results.json"] if holds_run else [])):
        (tmp_path / name).write_text("mine")
    assert (file_in_the_way(tmp_path) is None) == holds_run
    train_and_evaluate(finetuner(tmp_path, model_args, reviews, max_steps=1, overwrite=True))
    assert {(tmp_path / name).exists() for name in former} == {not holds_run}
    assert (tmp_path / "notes.txt").exists() and not (tmp_path / "all_results.json").exists()


def test_a_checkpoint_that_is_none(tmp_path, model_args, reviews):
    trainer = finetuner(tmp_path, model_args, reviews, resume_from_checkpoint=str(tmp_path))
    with pytest.raises(UserError, match="no whole checkpoint: it has no files"):
        train_and_evaluate(trainer)


def test_rows_that_fill_no_batch(tmp_path, model_args, pretraining_data):
    trainer = pretrainer(
        tmp_path, model_args, pretraining_data, dataloader_drop_last=True, per_device_train_batch_size=4096
    )
    with pytest.raises(UserError, match="training rows do not fill a batch"):
        trainer.train()


@pytest.mark.parametrize("given", [{}, {"nsp": True}, {"whole_word_mask": True}, {"streaming": True, "max_steps": 1}])
def test_validation_is_masked_alike_whatever_training_masks(tmp_path, model_args, given):
    documents = load_documents(DataArguments(dataset_name="peoples_daily", max_train_samples=60, max_eval_samples=40))
    files = {f"{split}_file": str(tmp_path / f"{split}.txt") for split in documents}
    for split, rows in documents.items():
        (tmp_path / f"{split}.txt").write_text("\n".join(rows["text"]), encoding="utf-8")
    labels, shares = {}, {}
    for probability in (0.15, 0.5):
        args = arguments(MlmArguments, tmp_path / "run", mlm_probability=probability, overwrite=True, **given)
        data = load_pretraining_data(model_args, DataArguments(**files), args)
        labels[probability] = np.concatenate([data.validation[i]["labels"] for i in range(len(data.validation))])
        train = data.train.masked_block(0) if "streaming" in given else data.train
        trained = np.concatenate([train[i]["labels"] for i in range(len(train))])
        shares[probability] = (trained != IGNORED).mean()
        assert any("masked once, 15% of the tokens" in note for note in data.summary.notes)
    assert np.array_equal(labels[0.15], labels[0.5])
    assert 0.12 < (labels[0.5] != IGNORED).mean() < 0.16 and shares[0.5] > 0.4 > 0.2 > shares[0.15]


@pytest.mark.parametrize(
    ("rows", "argv", "passes", "evaluations"),
    [
        (13_740, [], 2, IntervalStrategy.EPOCH),
        (4_000, [], 3, IntervalStrategy.EPOCH),
        (900, [], 11, IntervalStrategy.STEPS),
        (900, ["--eval_strategy", "no", "--save_strategy", "no"], 11, IntervalStrategy.NO),
        (900, ["--num_train_epochs", "1.5"], 1.5, IntervalStrategy.EPOCH),
        (900, ["--max_steps", "7"], 11, IntervalStrategy.EPOCH),
        (10, ["--per_device_train_batch_size", "8", "--gradient_accumulation_steps", "4"], 300, IntervalStrategy.STEPS),
    ],
)
def test_few_rows_are_passed_over_more_often(tmp_path, capsys, rows, argv, passes, evaluations):
    (args,) = parse(FinetuneArguments, argv=["--output_dir", str(tmp_path / "out"), "--use_cpu", *argv])
    choose_length(args, rows)
    assert (args.num_train_epochs, args.eval_strategy) == (passes, evaluations)
    chosen = not {"--num_train_epochs", "--max_steps"} & set(argv)
    assert (f"{rows:,} training rows: {passes} passes" in capsys.readouterr().out) == chosen
    if evaluations == IntervalStrategy.STEPS:
        assert args.save_steps == args.eval_steps and 9 <= passes * math.ceil(rows / 32) / args.eval_steps <= 10
