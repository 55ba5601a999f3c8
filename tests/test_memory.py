"""A large model's gradients lie in memory that the process has already; a small model changes nothing."""

import platform
import re

import pytest
from conftest import execute

STEPS = """
import resource, sys
import torch
from bert_recipes.memory import keep_freed_memory

layers = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024, bias=False) for _ in range(int(sys.argv[1]))])
keep_freed_memory(layers)
for step in range(4):
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    gradients = [torch.ones_like(parameter) for parameter in layers.parameters()]
    del gradients
    print("faults", resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc's memory that is kept")
@pytest.mark.parametrize(
    "layers, environment, kept",
    [(40, {}, True), (4, {}, False), (40, {"MALLOC_TRIM_THRESHOLD_": "131072"}, False)],
    ids=["large", "small", "large, told otherwise"],
)
def test_gradients_of_a_large_model_cost_no_page_faults(layers, environment, kept):
    done = execute("python", "-c", STEPS, str(layers), **environment)
    assert done.returncode == 0, done.stderr
    faults = list(map(int, re.findall(r"faults (\d+)", done.stdout)))
    pages = layers * 1024 * 1024 * 4 // 4096  # of a step's gradients
    assert faults[0] > pages / 2
    assert (faults[-1] < pages / 10) == kept, faults
