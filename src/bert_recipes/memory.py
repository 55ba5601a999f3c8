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
LARGE_BLOCK = 1 << 23  # bytes; of 4 layers x 256 and 32 x 128 tokens a layer's output has 4 MB, its feed-forward 16 MB


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


def suit_malloc_to(model: torch.nn.Module) -> None:
    """Tell glibc what to do with the memory that a training step frees; the numbers stay the same.

    Gradients of a large model (440 MB for BERT-base) are kept from step to step: glibc would give them to the system,
    which zeroes and hands them out anew, 4 KB at a time, 100,000 page faults a step. Of a small model activations are
    most, of another size in each batch, and leave holes in the heap that the next ones do not fit: blocks of 8 MB or
    more lie apart from it, and go back at once. Holes of either are for `give_back_holes`.
    """
    if malloc_is_ours():
        gradients = sum(4 * parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        mallopt = ctypes.CDLL(None).mallopt
        if gradients < LARGE_GRADIENTS:
            mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)
        elif mallopt(M_MMAP_THRESHOLD, 1 << 30):  # older versions refuse so much: then all stays as it was
            mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_holes() -> None:
    """Give the free pages inside the heap to the system: what is allocated next has to fetch them again."""
    if malloc_is_ours():
        ctypes.CDLL(None).malloc_trim(0)


def malloc_is_ours() -> bool:
    """Whether it is glibc's, and the environment has no wishes of its own for it."""
    told = any(name in os.environ for name in ("GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"))
    return platform.libc_ver()[0] == "glibc" and not told
