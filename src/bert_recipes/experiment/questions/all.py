"""The questions, in the order in which the page answers them."""

from . import (
    accuracy,
    forgetting,
    methods,
    moves,
    next_sentence,
    passes,
    ranks,
    representations,
    starts,
    text_and_labels,
    titles,
    tricks,
)

QUESTIONS = [
    accuracy.QUESTION,
    starts.QUESTION,
    text_and_labels.QUESTION,
    methods.QUESTION,
    ranks.QUESTION,
    moves.QUESTION,
    representations.QUESTION,
    forgetting.QUESTION,
    tricks.QUESTION,
    next_sentence.QUESTION,
    titles.QUESTION,
    passes.QUESTION,
]
PLANS = {question.plan.name: question.plan for question in QUESTIONS}  # the names of --experiments
