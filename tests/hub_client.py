"""Scripts in processes that talk to a Hub of the tests: forked, since the libraries read HF_ENDPOINT when imported.

Each line of the input is a job: words of a command line, a folder to run in, more environment, a file for what is
printed. Each line of the output is the exit status of one.
"""

import json
import os
import runpy
import sys
import time
import traceback

import torch

import bert_recipes.results.reporting  # noqa: F401 - the imports, done once


def work(words: list[str], cwd: str, environment: dict[str, str], log: str) -> int:
    os.environ.update(environment)
    time.sleep = lambda seconds: None  # the client waits, longer each time, before it tries again
    os.chdir(cwd)
    for descriptor in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    torch.set_num_threads(1)
    sys.argv = words
    try:
        runpy.run_path(words[0], run_name="__main__")
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if not child:
            status = work(**json.loads(line))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
