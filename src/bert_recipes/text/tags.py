"""Entities as tags of the pieces that a text is cut into, and back: B-PER opens one, I-PER goes on with it, O is none.

Read are BIO and the schemes that mark the end too: BIOES (S-: alone, E-: the last), BMES (M- for I-), BILOU (L-, U-).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

OUTSIDE = "O"
TAG = re.compile(r"([BIOESMLU])-(.+)")
OF_BIOES = {"M": "I", "L": "E", "U": "S"}  # prefix -> what BIOES calls it
OPENS, GOES_ON, ENDS = "BS", "IE", "ES"


class Entity(NamedTuple):
    """`text[start:end]` is of the type `label`."""

    start: int
    end: int
    label: str


def tag_names(types: Iterable[str]) -> list[str]:
    """The tags of a model that knows these types: O, B-LOC, I-LOC, B-PER, …"""
    return [OUTSIDE, *(f"{prefix}-{name}" for name in sorted(types) for prefix in "BI")]


def types_of(tags: Iterable[str]) -> list[str]:
    return sorted({parts(tag)[1] for tag in tags} - {""})


def parts(tag: str) -> tuple[str, str]:
    """Prefix, as BIOES has it, and type; O and "" for O. Any other tag (a model's PER) goes on with its type."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    found = TAG.fullmatch(tag)
    return (OF_BIOES.get(found[1], found[1]), found[2]) if found else ("I", tag)


def groups(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """First piece, the one behind the last, and type of each entity. A piece that goes on with nothing opens an entity,
    as transformers' pipelines and seqeval read tags too."""
    first, before = 0, (OUTSIDE, "")
    for number, (prefix, label) in enumerate([*map(parts, tags), (OUTSIDE, "")]):
        if prefix in GOES_ON and label == before[1] and before[0] not in ENDS:
            before = prefix, label
            continue
        if before[1]:
            yield first, number, before[1]
        first, before = number, (prefix, label)


def tag_pieces(entities: Iterable[Entity], starts: Sequence[int], ends: Sequence[int]) -> list[str]:
    """A tag for each piece `text[start:end]`, the pieces in their order: those that an entity reaches into are its own.
    Of two entities in one piece it is the first one's."""
    tags, piece = [OUTSIDE] * len(starts), 0
    for entity in sorted(entities):
        while piece < len(starts) and ends[piece] <= entity.start:
            piece += 1
        prefix = "B"
        while piece < len(starts) and starts[piece] < entity.end:
            tags[piece], prefix, piece = f"{prefix}-{entity.label}", "I", piece + 1
    return tags


def entities_of(tags: Sequence[str], starts: Sequence[int], ends: Sequence[int]) -> list[Entity]:
    """The entities of pieces with these tags, from the start of their first piece to the end of their last."""
    return [Entity(int(starts[first]), int(ends[last - 1]), label) for first, last, label in groups(tags)]


def broken(tags: Sequence[str], ends_marked: bool) -> Iterator[tuple[int, str]]:
    """Which tag of a sentence breaks the scheme, and how; `ends_marked`: the scheme is BIOES or its like."""
    before, opened = OUTSIDE, ("", "")
    for number, tag in enumerate([*tags, OUTSIDE]):
        prefix, label = parts(tag)
        inside = opened[0] in ("B", "I")
        if prefix in GOES_ON and not (inside and opened[1] == label):
            yield (
                number,
                f"{tag} follows {before if number else 'nothing'}: B-{label} or I-{label} must stand before it",
            )
        elif ends_marked and inside and prefix not in GOES_ON:
            yield number - 1, f"{before} is not followed by I-{opened[1]} or E-{opened[1]}"
        before, opened = tag, (prefix, label)
