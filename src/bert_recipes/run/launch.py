"""What a launch decides, checked: the precision, the group of processes, the cores of a CPU."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import torch
from transformers import TrainingArguments

from .devices import on_gpu
from .errors import UserError

# As /proc/cpuinfo calls the instructions that multiply in bf16; elsewhere they are not looked for.
BF16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16")
# What oneDNN, whose products torch takes, can be limited to, without these instructions.
WITHOUT_BF16 = {"SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}


def choose_precision(args: TrainingArguments) -> str | None:
    """Set `bf16` and `fp16`: a flag wins; else the launch, unless it says "no" (which accelerate exports when nothing
    was said); else the device (`precision_of_device`). The reason in words, where it is the device."""
    flags = {name for name in ("bf16", "fp16") if getattr(args, name)} | ({args.precision} - {None})
    if len(flags) > 1:
        raise UserError(f"precision is asked for as {' and as '.join(sorted(flags))}: keep one")
    asked, why = next(iter(flags), None) or launched_precision(), None
    precision = asked
    if asked is None:
        precision, why = precision_of_device(args.use_cpu, args.do_train)
    if precision == "fp16" and args.use_cpu:
        raise UserError("fp16 needs a GPU: on a CPU use --bf16, or leave precision out")
    args.bf16, args.fp16 = precision == "bf16", precision == "fp16"
    # TrainingArguments reads it again, and would put the launch above the flag.
    if launched_precision():
        os.environ["ACCELERATE_MIXED_PRECISION"] = "no" if precision == "fp32" else precision
    return why


def launched_precision() -> str | None:
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    return None if launched == "no" else launched


def precision_of_device(use_cpu: bool, train: bool = True) -> tuple[str, str]:
    """What a run has that neither a flag nor the launch tells otherwise, and why. On a CPU bf16 is for training alone:
    predictions take little time there, and have all their digits in fp32."""
    if use_cpu:
        instructions = native_bf16() if train else None
        if instructions:
            return "bf16", f"this processor multiplies in it natively ({instructions}); --precision fp32 turns it off"
        return "fp32", "this processor has no products in bf16" if train else "predictions on a CPU have all digits"
    if not on_gpu(use_cpu):
        return "fp32", "this accelerator is no CUDA device; --bf16 turns bf16 on"
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "this GPU multiplies in it natively; --precision fp32 turns it off"
    return "fp16", "this GPU has no bf16; --precision fp32 turns it off"


def native_bf16() -> str | None:
    """The instructions with which this processor multiplies in bf16, where torch uses them."""
    cpuinfo = Path("/proc/cpuinfo")
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in WITHOUT_BF16 or not torch.backends.mkldnn.is_available():
        return None
    words = set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()
    return next((name for name in BF16_INSTRUCTIONS if name in words), None)


def launched_processes() -> int:
    """As the launcher says; `srun` without one starts each of its tasks for itself."""
    name = "WORLD_SIZE" if "WORLD_SIZE" in os.environ else "SLURM_STEP_NUM_TASKS"
    count = os.environ.get(name, "1")
    if not count.isdecimal():
        raise UserError(f"{name} is {count!r} in the environment, and must be a number: unset it")
    return int(count)


def form_group(args: TrainingArguments) -> None:
    """On CPUs transformers hands `--ddp_timeout` to nobody, and gloo would wait 1,800 s for a lost process."""
    launched = launched_processes() > 1 and "RANK" in os.environ  # mpirun sets names of its own
    if args.use_cpu and launched and not torch.distributed.is_initialized():
        if "MASTER_ADDR" not in os.environ:
            raise UserError("WORLD_SIZE and RANK are set, and no MASTER_ADDR: start the recipe with accelerate launch")
        torch.distributed.init_process_group("gloo", timeout=datetime.timedelta(seconds=args.ddp_timeout))


def refuse_separate_runs(args: TrainingArguments) -> None:
    """Several launched processes that do not form one group would each train alone and write one folder."""
    launched = launched_processes()
    if launched == args.world_size:
        return
    advice = (
        "on CPUs add --use_cpu, as in accelerate launch --multi_gpu --num_processes 2 --num_machines 1 "
        "--mixed_precision no --dynamo_backend no recipes/finetune.py --use_cpu"
    )
    if "WORLD_SIZE" not in os.environ:
        advice = (
            "have srun start accelerate launch --config_file recipes/accelerate/multi_node.yaml, one task a machine, "
            "as docs/launching.md has it"
        )
    raise UserError(f"{launched} processes were launched, but they train as {args.world_size}: {advice}")


def use_every_core(args: TrainingArguments) -> None:
    """`accelerate launch` exports OMP_NUM_THREADS=1 where the user said nothing, so all cores but one would idle.

    `taskset` holds a run to fewer cores."""
    if args.use_cpu and os.environ.get("OMP_NUM_THREADS") == "1" and "ACCELERATE_MIXED_PRECISION" in os.environ:
        torch.set_num_threads(max(1, available_cores() // int(os.environ.get("LOCAL_WORLD_SIZE", 1))))


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
