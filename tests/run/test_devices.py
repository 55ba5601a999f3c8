"""A device's defaults; a GPU's are read from what the functions set, with the device's answers put in their place."""

from types import SimpleNamespace

import pytest
import torch

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.run import devices


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(devices, "on_gpu", lambda use_cpu: not use_cpu)
    monkeypatch.setattr(devices, "is_torch_tf32_available", lambda: True)


def chosen(**given) -> SimpleNamespace:
    fields = {"per_device_eval_batch_size": None, "tf32": None, "precision_why": None}
    args = SimpleNamespace(**fields | {"bf16": False, "fp16": False, "use_cpu": False, "do_train": True} | given)
    devices.choose_for_device(args)
    return args


def test_a_gpu_evaluates_more_rows_and_takes_tf32_for_fp32(gpu):
    args = chosen()
    assert args.per_device_eval_batch_size == 256
    assert args.tf32 is True and "--tf32 false turns it off" in args.precision_why
    assert chosen(bf16=True).tf32 is None and chosen(fp16=True).tf32 is None
    assert chosen(do_train=False).tf32 is None  # a prediction in fp32 has all digits


def test_what_is_given_stays(gpu):
    args = chosen(tf32=False, per_device_eval_batch_size=8)
    assert (args.tf32, args.per_device_eval_batch_size, args.precision_why) == (False, 8, None)
    cpu = chosen(use_cpu=True)
    assert (cpu.tf32, cpu.per_device_eval_batch_size) == (None, 64)


def test_the_recipes_arguments_have_them(tmp_path):
    (args,) = parse(FinetuneArguments, argv=["--use_cpu", "--output_dir", str(tmp_path)])
    assert args.per_device_eval_batch_size == args.eval_batch_size == 64 and args.optim == "adamw_torch_fused"
    (args,) = parse(FinetuneArguments, argv=["--use_cpu", "--per_device_eval_batch_size", "5"])
    assert args.eval_batch_size == 5
    files = ["--input_file", "a.csv", "--output_file", str(tmp_path / "b.csv"), "--use_cpu"]
    assert parse(PredictArguments, argv=files)[0].for_trainer().eval_batch_size == 64


def test_copies_do_not_wait_where_memory_is_pinned():
    def non_blocking(device: str, pinned: bool = True, **more) -> bool:
        config = SimpleNamespace(non_blocking=False)
        args = SimpleNamespace(
            device=torch.device(device), dataloader_pin_memory=pinned, accelerator_config=config, **more
        )
        devices.copy_without_waiting(args)
        return config.non_blocking

    assert non_blocking("cuda") and not non_blocking("cuda", pinned=False) and not non_blocking("cpu")
    assert not non_blocking("cuda", given={"accelerator_config": "mine.json"})
