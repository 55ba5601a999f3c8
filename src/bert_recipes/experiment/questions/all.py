"""The questions, in the order in which the page answers them."""

from . import accuracy, forgetting, literature, moves, next_sentence, passes, representations, titles

QUESTIONS = [
    accuracy.QUESTION,
    moves.QUESTION,
    representations.QUESTION,
    forgetting.QUESTION,
    next_sentence.QUESTION,
    titles.QUESTION,
    passes.QUESTION,
    literature.QUESTION,
]
PLANS = {question.plan.name: question.plan for question in QUESTIONS}  # the names of --experiments
