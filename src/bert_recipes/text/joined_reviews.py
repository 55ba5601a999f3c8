"""Long texts about several things, made of the reviews: one of a book, one of a hotel and one of a laptop."""

from __future__ import annotations

import random
import re

import pandas

from .reviews import SPLIT_SEED, SPLITS, reviews_with_splits
from .sentences import SENTENCE_END

ASPECTS = {"book": "书", "hotel": "酒店", "laptop": "笔记本电脑"}


def join_reviews() -> dict[str, pandas.DataFrame]:
    """Of each split's own reviews: text, three reviews in random order, one of each domain; aspect, one of the three;
    label, the sentiment of its review. A text stands there once for each aspect."""
    reviews = reviews_with_splits()
    splits = {}
    for split in SPLITS:
        drawing, of_split = random.Random(SPLIT_SEED), reviews[reviews["split"] == split]
        by_domain = {}
        for domain in ASPECTS:
            rows = of_split[of_split["domain"] == domain]
            by_domain[domain] = list(zip(map(closed, rows["text"]), rows["label"], strict=True))
            drawing.shuffle(by_domain[domain])
        joined = []
        for of_domains in zip(*by_domain.values(), strict=False):  # as many texts as the rarest domain has reviews
            order = drawing.sample(of_domains, len(of_domains))
            text = "".join(review for review, _ in order)
            joined += [(aspect, text, label) for aspect, (_, label) in zip(ASPECTS.values(), of_domains, strict=True)]
        drawing.shuffle(joined)
        splits[split] = pandas.DataFrame(joined, columns=["aspect", "text", "label"])
    return splits


def closed(review: str) -> str:
    """With a full stop where it ends without one, so that two reviews do not share a sentence."""
    ends = [match.end() for match in re.finditer(SENTENCE_END, review)]
    return review if ends and ends[-1] == len(review) else f"{review}。"
