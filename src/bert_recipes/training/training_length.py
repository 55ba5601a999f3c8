"""How long a classifier trains where nobody says: two passes over its rows, and more where they are few."""

from __future__ import annotations

import math

from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from ..arguments.classifier import ClassifierArguments
from ..run.errors import counted, tell

PASSES = 2
# Test accuracy with 900 rows, batches of 32, the rate that suits the width, seeds 0 and 1 (tf-idf: 0.81 and 0.77):
#                                              58 steps (2 passes)   150           300           600
#     reviews, 2 classes                       0.687, 0.688   0.716, 0.711   0.740, 0.740   (seed 1) 0.751
#     titles of medical questions, 13 classes  0.570, 0.490   0.699, 0.703   0.709, 0.723   0.712, 0.730
# With the 1,061 reports of peoples_daily_titles 0.832, 0.840, 0.870 (seed 0). From 300 steps on little is gained.
FEWEST_STEPS = 300
MOST_EVALUATIONS = 10  # a pass over a hundred rows is four steps: an evaluation behind each takes longer than they do


def choose_length(args: ClassifierArguments, rows: int) -> None:
    """Set `num_train_epochs` where it is None, and say so; with it, where neither is given, how often the run evaluates
    and saves. `max_steps` wins over it, as everywhere."""
    if args.num_train_epochs is not None:
        return
    steps_a_pass = math.ceil(rows / (args.train_batch_size * args.gradient_accumulation_steps * args.world_size))
    args.num_train_epochs = float(max(PASSES, math.ceil(FEWEST_STEPS / steps_a_pass)))
    if args.max_steps > 0:
        return
    steps, cadence = int(args.num_train_epochs) * steps_a_pass, ""
    if args.num_train_epochs > MOST_EVALUATIONS and args.eval_strategy == args.save_strategy == IntervalStrategy.EPOCH:
        args.eval_strategy, args.save_strategy = IntervalStrategy.STEPS, SaveStrategy.STEPS
        args.eval_steps = args.save_steps = math.ceil(steps / MOST_EVALUATIONS)
        cadence = f", with an evaluation and a checkpoint every {args.eval_steps}"
    few = f" (so few rows make {counted(steps_a_pass, 'step')} a pass)" if args.num_train_epochs > PASSES else ""
    tell(
        f"{counted(rows, 'training row')}: {args.num_train_epochs:g} passes{few}, {counted(steps, 'step')}{cadence}; "
        "--num_train_epochs sets another number"
    )
