"""A large model's gradients lie in memory that the process has already; what a small model frees goes back."""

import platform
import re

import pytest
import torch
from conftest import execute

from bert_recipes import memory
from bert_recipes.memory import give_back_holes, suit_malloc_to

STEPS = """
import resource
import torch
from bert_recipes.memory import suit_malloc_to

layers = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024, bias=False) for _ in range(40)])
suit_malloc_to(layers)
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
from bert_recipes.memory import give_back_holes, suit_malloc_to

def resident():
    return psutil.Process().memory_info().rss / 1e6

suit_malloc_to(torch.nn.Linear(8, 8))
empty = resident()
blocks = [torch.ones(16 << 18) for _ in range(20)]  # 16 MB each
print("full", resident() - empty)
kept, blocks = blocks[::2], None
print("large", resident() - empty)
blocks, kept = [torch.ones(1 << 18) for _ in range(200)], None  # 1 MB each
kept, blocks = blocks[::2], None
print("small", resident() - empty)
give_back_holes()
print("given back", resident() - empty)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's memory that is given back")
def test_what_a_small_model_frees_goes_back():
    done = execute("python", "-c", HOLES)
    assert done.returncode == 0, done.stderr
    full, large, small, given_back = (float(part.split()[-1]) for part in done.stdout.splitlines())
    assert full > 300 and large == pytest.approx(168, abs=20)  # ten blocks of 16.8 MB: the others went at once
    assert small == pytest.approx(210, abs=20)  # a hundred blocks of 1.05 MB, and a hundred holes
    assert given_back == pytest.approx(105, abs=20)


def test_the_wishes_of_the_environment_win(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked the C library"))
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "4194304")
    suit_malloc_to(torch.nn.Linear(1024, 1024))
    give_back_holes()
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_")
    if platform.libc_ver()[0] == "glibc":
        with pytest.raises(pytest.fail.Exception):
            suit_malloc_to(torch.nn.Linear(1024, 1024))
