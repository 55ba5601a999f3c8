"""Packed pretraining: whole epochs in batches of one size, masks as padded, resume, two processes, reasons why not."""

import types

import numpy as np
import pytest
import torch
from conftest import refusal
from processes import said, start, statuses
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM

from bert_recipes.arguments.data import DataArguments
from bert_recipes.arguments.mlm import MlmArguments
from bert_recipes.arguments.model import ModelArguments
from bert_recipes.models.masked_lm import load_masked_lm
from bert_recipes.text.packing import PackingCollator
from bert_recipes.training import packing
from bert_recipes.training.assembling import masked_language_model_trainer
from bert_recipes.training.data import load_pretraining_data
from bert_recipes.training.packing import choose_packing
from bert_recipes.training.samplers import PackedBatchSampler, packed_batches
from bert_recipes.training.trainer import train_and_evaluate

LIMITS = {"max_train_samples": 60, "max_eval_samples": 30}


def load(folder, model, **given):
    given = {
        "max_steps": 4, "per_device_train_batch_size": 8, "chunk_length": 48, "packing": True, "use_cpu": True,
        "logging_steps": 1, "disable_tqdm": True, "seed": 3, "save_strategy": "no", "eval_strategy": "no", **given,
    }  # fmt: skip
    args = MlmArguments(output_dir=str(folder), **given)
    model_args = ModelArguments(str(model))
    data = load_pretraining_data(model_args, DataArguments(dataset_name="peoples_daily", **LIMITS), args)
    torch.manual_seed(0)
    return load_masked_lm(model_args, data.tokenizer, args.dropout, args.nsp), args, data


def packer(folder, model, **given):
    return masked_language_model_trainer(*load(folder, model, **given))


@pytest.mark.parametrize("batches_a_step", [1, 3, 4])
def test_an_epoch_visits_every_row_once_in_batches_of_one_size(batches_a_step):
    lengths = np.random.default_rng(0).integers(3, 129, 1000)
    sampler = PackedBatchSampler(lengths, 1024, batches_a_step, seed=5)
    epochs = []
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
        sizes = [lengths[batch].sum() for batch in epochs[-1]]
        assert sorted(row for batch in epochs[-1] for row in batch) == list(range(1000))
        assert len(epochs[-1]) == len(sampler) and len(sampler) % batches_a_step == 0
        assert max(sizes) <= 1024 and max(sizes) - min(sizes) <= 2 * 128
    assert epochs[0] != epochs[1] and epochs[1] == list(sampler)
    assert lengths.sum() / (1024 * len(sampler)) > 0.8
    third = epochs[1][2 * batches_a_step : 3 * batches_a_step]
    assert sampler.rows_of_step(2) == [row for batch in third for row in batch]
    assert sampler.rows_of_step(2 + len(sampler) // batches_a_step) == sampler.rows_of_step(2)


def test_rows_that_are_too_few_or_too_long_make_no_batches():
    assert packed_batches(np.array([100, 128]), 128, 1) == 0
    assert packed_batches(np.full(11, 100), 1024, 1) == 2
    assert packed_batches(np.full(11, 100), 1024, 16) == packed_batches(np.full(11, 100), 4096, 1) == 0


@pytest.mark.parametrize("given", [{}, {"whole_word_mask": True}], ids=["tokens", "words"])
def test_tokens_and_labels_of_a_chunk_are_those_of_the_padded_form(tmp_path, tiny_model, given):
    trainer = packer(tmp_path, tiny_model, gradient_accumulation_steps=2, **given)
    dataset, shapes, seen = trainer.train_dataset, set(), 0
    dataset.set_epoch(1)
    batches = trainer.get_train_dataloader()
    trainer.train_sampler.set_epoch(1)
    for rows, batch in zip(trainer.train_sampler, batches.base_dataloader, strict=True):
        ends = batch["cu_seq_lens_q"].tolist()
        for row, start_of, end in zip(rows, ends, ends[1:], strict=False):
            example = dataset[row]
            for name in ("input_ids", "labels"):
                assert batch[name][0, start_of:end].tolist() == example[name].tolist()
            assert batch["position_ids"][0, start_of:end].tolist() == list(range(end - start_of))
        filling = slice(ends[len(rows)], None)
        assert (batch["input_ids"][0, filling] == trainer.processing_class.pad_token_id).all()
        assert batch["num_tokens"] == ends[len(rows)] and ends[-1] == 8 * 48 and max(np.diff(ends)) <= 48
        assert batch["position_ids"].max() < 48
        assert batch["masked_positions"].tolist() == (batch["labels"][0] != -100).nonzero().squeeze(1).tolist()
        shapes.add(tuple(tuple(batch[name].shape) for name in ("input_ids", "cu_seq_lens_q")))
        seen += len(rows)
    assert seen == len(dataset) and len(shapes) == 1


def test_a_batch_of_many_short_documents_has_a_longer_list(tokenizer):
    pack = PackingCollator(tokenizer, positions=64, chunk_length=16, chunks_a_batch=4)
    short = {name: np.full((12, 8), 5) for name in ("input_ids", "labels")} | {"lengths": np.full(12, 3)}
    assert len(pack(short)["cu_seq_lens_q"]) == 17
    with pytest.raises(ValueError, match="do not fit"):
        pack(short | {"lengths": np.full(12, 8)})


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, dropout_model):
    def trainer(**given):
        return packer(
            tmp_path, dropout_model, gradient_accumulation_steps=2, save_strategy="steps", save_steps=4, max_steps=10,
            save_total_limit=None, dropout=0.1, dataloader_num_workers=1, **given,
        )  # fmt: skip

    whole = trainer()
    train_and_evaluate(whole)
    assert whole.state.epoch > 1  # a second epoch has masks and an order of its own
    again = trainer(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
    train_and_evaluate(again)
    assert again.state.num_input_tokens_seen == whole.state.num_input_tokens_seen > 0
    expected = whole.model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in again.model.state_dict().items())
    told = refusal(trainer(resume_from_checkpoint="auto", packing=False).train, str(tmp_path / "checkpoint-4"))
    assert "a run with packing to 384 positions, not left out" in told


def test_what_is_saved_is_a_plain_model_and_evaluation_that_of_one(tmp_path, tiny_model):
    trainer = packer(tmp_path, tiny_model)
    results = train_and_evaluate(trainer)
    trainer.save_model()
    assert "attn_implementation" not in (tmp_path / "config.json").read_text()
    saved = AutoModelForMaskedLM.from_pretrained(tmp_path)
    assert saved.config._attn_implementation == "sdpa"
    ids = torch.arange(5, 45).view(2, 20)
    torch.testing.assert_close(saved(ids).logits, trainer.model.eval()(input_ids=ids).logits, atol=1e-5, rtol=1e-5)
    padded = packer(tmp_path / "again", tmp_path, packing=False, do_train=False)
    assert padded.evaluate()["eval_loss"] == pytest.approx(results["eval_loss"], rel=1e-5)


def pretrain(folder, model, processes):
    trainer = packer(folder, model, gradient_accumulation_steps=2 // processes)
    trainer.train()
    trainer.save_model()


def test_two_processes_take_the_steps_of_one(tmp_path, tiny_model):
    weights = []
    for processes in (1, 2):
        folder, log = tmp_path / str(processes), tmp_path / f"{processes}.log"
        started = start(log, pretrain, folder, tiny_model, processes, processes=processes)
        assert statuses(started) == [0] * processes, said(log)
        weights.append(load_file(folder / "model.safetensors"))
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize(
    "given, reason",
    [
        ({"nsp": True}, "--nsp needs a row for each pair"),
        ({"streaming": True}, "--streaming has not counted"),
        ({"auto_find_batch_size": True}, "--auto_find_batch_size changes the size"),
        ({"train_sampling_strategy": "sequential"}, "--train_sampling_strategy sequential asks for another order"),
    ],
)
def test_arguments_that_do_not_go_with_packing(tmp_path, given, reason):
    given = {"output_dir": str(tmp_path), "use_cpu": True, "max_steps": 4, **given}
    told = refusal(MlmArguments, packing=True, **given)
    assert told.startswith(f"--packing: {reason}")
    assert reason in MlmArguments(**given).why_padded


@pytest.mark.parametrize("rows", [1, 900])
def test_text_that_does_not_fill_its_batches(tmp_path, tiny_model, capsys, rows):
    model, args, data = load(tmp_path, tiny_model, per_device_train_batch_size=rows)
    told = refusal(choose_packing, model, args, data)
    expected = {
        1: "--per_device_train_batch_size 2 or more",
        900: "do not fill batches of 43,200 tokens, and chunks of up to 48",
    }
    assert expected[rows] in told
    args.packing = None
    assert choose_packing(model, args, data) is None
    assert "acking" not in capsys.readouterr().out  # no word of it on a CPU


@pytest.mark.parametrize(
    "reason, dropout, told",
    [
        ("it is a T4", 0.0, "No packing, batches are padded: it is a T4\n"),
        (None, 0.1, "No packing, batches are padded: the kernel has no dropout\n"),
        (None, 0.0, "Packing: "),
    ],
)
def test_a_gpu_packs_by_itself_or_says_why_not(tmp_path, tiny_model, capsys, monkeypatch, reason, dropout, told):
    model, args, data = load(tmp_path, tiny_model, packing=None, dropout=dropout)
    monkeypatch.setattr(type(args), "device", types.SimpleNamespace(type="cuda"))
    monkeypatch.setattr(packing, "why_no_kernel", lambda device, dtype: reason)
    monkeypatch.setattr(packing, "take_packed", lambda *given: None)
    pack = choose_packing(model, args, data)
    assert told in capsys.readouterr().out and (pack is not None) == told.startswith("Packing")
    args.packing = False
    assert choose_packing(model, args, data) is None
