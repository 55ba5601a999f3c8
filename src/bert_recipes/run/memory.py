"""The memory of this process: its peak, and what the C library keeps of what was freed."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from pathlib import Path

import psutil
import torch

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h; mallopt(3)
LARGE_GRADIENTS = 1 << 27  # bytes; 32 M weights: above it gradients, below it activations are most of what a step frees


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory of this process in MB: of the GPU where it trains on one, else resident memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    memory = psutil.Process().memory_info()
    if hasattr(memory, "peak_wset"):  # Windows
        return memory.peak_wset / 1e6
    status = Path("/proc/self/status")
    if status.exists():  # Linux, where `ru_maxrss` begins with the peak of the process that started this one
        return int(re.search(r"VmHWM:\s*(\d+) kB", status.read_text())[1]) * 1024 / 1e6
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes on macOS


def keep_freed_memory(model: torch.nn.Module) -> None:
    """Let a large model's gradients lie, step by step, in memory that the process has already: exact.

    They are freed after each step, 440 MB for BERT-base, and glibc gives what is freed to the system, which zeroes and
    hands it out anew, 4 KB at a time: 100,000 page faults a step. A small model stays as it is: its activations, of
    another size in each batch, would leave holes that nothing fits.
    """
    gradients = sum(4 * parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if gradients >= LARGE_GRADIENTS and malloc_is_ours():
        mallopt = ctypes.CDLL(None).mallopt
        if mallopt(M_MMAP_THRESHOLD, 1 << 30):  # older versions refuse so much: then all stays as it was
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_holes() -> None:
    """Give the free pages inside the heap to the system: what is allocated next has to fetch them again."""
    if malloc_is_ours():
        ctypes.CDLL(None).malloc_trim(0)


def malloc_is_ours() -> bool:
    """Whether it is glibc's, and the environment has no wishes of its own for it."""
    told = any(name in os.environ for name in ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"))
    return platform.libc_ver()[0] == "glibc" and not told
