"""A large model's gradients lie in memory that the process has already; a small model changes nothing."""

import platform
import re

import pytest
import torch
from conftest import execute

from bert_recipes import memory
from bert_recipes.memory import keep_freed_memory

STEPS = """
import resource
import torch
from bert_recipes.memory import keep_freed_memory

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


def test_a_small_model_leaves_malloc_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: pytest.fail("asked the C library"))
    keep_freed_memory(torch.nn.Linear(1024, 1024))
    if platform.libc_ver()[0] == "glibc":
        with pytest.raises(pytest.fail.Exception):
            keep_freed_memory(torch.nn.Linear(1024, 40 * 1024))
