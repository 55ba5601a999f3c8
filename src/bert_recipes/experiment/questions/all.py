"""The questions, in the order in which the page answers them."""

from . import accuracy, forgetting, methods, moves, next_sentence, passes, representations, starts, titles

QUESTIONS = [
    accuracy.QUESTION,
    starts.QUESTION,
    methods.QUESTION,
    moves.QUESTION,
    representations.QUESTION,
    forgetting.QUESTION,
    next_sentence.QUESTION,
    titles.QUESTION,
    passes.QUESTION,
]
PLANS = {question.plan.name: question.plan for question in QUESTIONS}  # the names of --experiments
