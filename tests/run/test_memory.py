"""A large model's gradients lie in memory that the process has already; the holes of any model's heap go back."""

import platform
import re

import pytest
import torch
from conftest import execute

from bert_recipes.run import memory
from bert_recipes.run.memory import give_back_holes, keep_freed_memory

STEPS = """
import resource
import torch
from bert_recipes.run.memory import keep_freed_memory

layers = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024, bias=False) for _ in range(40)])
keep_freed_memory(layers)
for step in range(4):
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    gradients = [torch.ones_like(parameter) for parameter in layers.parameters()]
    del gradients
    print("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""
PAGES = 40 * 1024 * 1024 * 4 // 4096  # of a step's gradients


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's memory that is kept")
@pytest.mark.parametrize("environment, kept", [({}, True), ({"MALLOC_TRIM_THRESHOLD_": "131072"}, False)])
def test_gradients_of_a_large_model_cost_no_page_faults(environment, kept):
    done = execute("python", "-c", STEPS, **environment)
    assert done.returncode == 0, done.stderr
    faults = list(map(int, re.findall(r"faults (\d+)", done.stdout)))
    assert faults[0] > PAGES / 2
    assert (faults[-1] < PAGES / 10) == kept, faults


HOLES = """
import psutil
import torch
from bert_recipes.run.memory import give_back_holes

def resident():
    return psutil.Process().memory_info().rss / 1e6

empty = resident()
blocks = [torch.ones(25_000) for _ in range(2000)]  # 0.1 MB each: too small to lie apart from the heap
kept, blocks = blocks[::2], None
print("with holes", resident() - empty)
give_back_holes()
print("given back", resident() - empty)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's memory that is given back")
def test_holes_go_back():
    done = execute("python", "-c", HOLES)
    assert done.returncode == 0, done.stderr
    with_holes, given_back = (float(part.split()[-1]) for part in done.stdout.splitlines())
    assert with_holes == pytest.approx(200, abs=20)  # a thousand blocks of 0.1 MB, and a thousand holes
    assert given_back == pytest.approx(100, abs=20)


def test_the_wishes_of_the_environment_win(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked the C library"))
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "4194304")
    keep_freed_memory(torch.nn.Linear(1024, 40 * 1024))
    give_back_holes()
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_")
    keep_freed_memory(torch.nn.Linear(1024, 1024))  # a small model
    if platform.libc_ver()[0] == "glibc":
        for ask in (give_back_holes, lambda: keep_freed_memory(torch.nn.Linear(1024, 40 * 1024))):
            with pytest.raises(pytest.fail.Exception):
                ask()
