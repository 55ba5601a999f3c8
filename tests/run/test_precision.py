"""The precision that a run has: a flag's, else the launch's, else the device's, and the reason for it."""

from pathlib import Path

import pytest
from conftest import refusal

from bert_recipes.arguments.classifier import FinetuneArguments
from bert_recipes.arguments.parse import parse
from bert_recipes.arguments.predict import PredictArguments
from bert_recipes.run import launch

NATIVE = "flags\t\t: fpu avx512f avx512_bf16\n"


@pytest.fixture
def processor(tmp_path, monkeypatch):
    """Sets what /proc/cpuinfo says; nothing limits oneDNN."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(launch, "Path", lambda path: cpuinfo if path == "/proc/cpuinfo" else Path(path))
    return cpuinfo.write_text


def precision(*words: str) -> tuple[bool, str | None]:
    (args,) = parse(FinetuneArguments, argv=["--use_cpu", *words])
    return args.bf16, args.precision_why


@pytest.mark.parametrize(
    "cpuinfo, instructions",
    [(NATIVE, "avx512_bf16"), ("flags : avx512f amx_bf16 avx512_bf16", "amx_bf16"), ("flags : avx512f", None)],
)
def test_bf16_by_itself_where_the_processor_multiplies_in_it(processor, cpuinfo, instructions):
    processor(cpuinfo)
    assert launch.native_bf16() == instructions
    bf16, why = precision()
    assert bf16 == bool(instructions)
    assert f"natively ({instructions}); --precision fp32 turns it off" in why or not instructions


def test_a_flag_and_a_launch_win_over_the_processor(processor, monkeypatch):
    processor(NATIVE)
    assert precision("--precision", "fp32") == (False, None)
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert precision() == (True, None) and precision("--precision", "fp32") == (False, None)


def test_no_bf16_where_onednn_is_kept_from_it_or_there_is_no_such_file(processor, monkeypatch):
    assert launch.native_bf16() is None
    processor(NATIVE)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "avx512_core")
    assert launch.native_bf16() is None and precision()[0] is False


def test_predictions_on_a_cpu_have_all_digits(processor):
    processor(NATIVE)
    files = ["--input_file", "a.csv", "--output_file", "b.csv", "--use_cpu"]
    assert not parse(PredictArguments, argv=files)[0].for_trainer().bf16
    assert parse(PredictArguments, argv=[*files, "--bf16"])[0].for_trainer().bf16


def test_fp16_needs_a_gpu(processor):
    processor(NATIVE)
    assert refusal(precision, "--fp16").startswith("fp16 needs a GPU")
