"""Run a script until its first training step is done, and write down when that is.

    accelerate launch benchmarks/first_step.py moment.txt recipes/finetune.py --output_dir outputs/finetune

The script is any that trains with `transformers.Trainer`, and is not changed: as soon as it has imported `Trainer`, the
Trainers that it makes get one more callback. Nothing is imported here that the script would not import itself.
"""

import importlib.abc
import importlib.util
import os
import runpy
import sys
import time


class AfterImport(importlib.abc.MetaPathFinder):
    """Calls `then(module)` when a module of that name has been imported."""

    def __init__(self, name, then):
        self.name, self.then = name, then

    def find_spec(self, name, path, target=None):
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        whole = spec.loader.exec_module

        def exec_module(module):
            whole(module)
            self.then(module)

        spec.loader.exec_module = exec_module
        return spec


def stop_after_first_step(moment: str):
    def add_callback(trainer_module) -> None:
        import torch

        class FirstStep(trainer_module.TrainerCallback):
            def on_step_end(self, args, state, control, **kwargs):
                if torch.cuda.is_initialized():
                    torch.cuda.synchronize()
                with open(moment, "w") as file:
                    file.write(str(time.time()))
                os._exit(0)  # neither an evaluation nor a report

        trainer_module.DEFAULT_CALLBACKS.append(FirstStep)

    return add_callback


if __name__ == "__main__":
    _, moment, script, *arguments = sys.argv
    sys.meta_path.insert(0, AfterImport("transformers.trainer", stop_after_first_step(moment)))
    sys.argv, sys.path[0] = [script, *arguments], os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
