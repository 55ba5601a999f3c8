"""What libraries print for their developers, kept off the screen."""

from __future__ import annotations

import functools
import warnings

import datasets
import transformers


def quiet_libraries() -> None:
    """Once for a process that a person looks at."""
    transformers.utils.logging.disable_progress_bar()  # of loading weights: less than a second
    # A call of one library to another that will be renamed: nothing that a user could put right.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|peft|datasets|accelerate")
    datasets.arrow_dataset.hf_tqdm = functools.partial(datasets.utils.tqdm, leave=False)


def show_bars(shown: bool) -> None:
    """Of the reading and tokenising; those of the training are its own."""
    (datasets.enable_progress_bars if shown else datasets.disable_progress_bars)()
