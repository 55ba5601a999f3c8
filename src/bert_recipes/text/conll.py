"""Files with a token and its tag a line, and a blank line between sentences -> texts with their entities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ..run.errors import UserError, tell
from .lines import read_lines
from .sentences import UNSPACED
from .tags import OUTSIDE, TAG, Entity, broken, entities_of, parts

SUFFIXES = (".txt", ".conll", ".bio", ".bioes", ".bmes", ".iob", ".tsv")
DOCUMENT_MARK = "-DOCSTART-"
LETTERS = re.compile(rf"[^\W{UNSPACED}]+")


@dataclass
class Sentence:
    """Tokens and tags; `places` says where each stands, for messages."""

    tokens: list[str]
    tags: list[str]
    places: Sequence[str]


def read_sentences(path: str, encoding: str, argument: str) -> Iterator[Sentence]:
    """Of a file whose first column is the token and whose last is the tag, parted by tabs or spaces."""
    if not Path(path).is_file():
        raise UserError(f"{argument} {path}: there is no such file")
    name, rows = Path(path).name, []
    for number, line in enumerate(read_lines(Path(path), encoding), 1):
        line = line.rstrip(" \t\r\n")
        if line and not line.startswith(DOCUMENT_MARK):
            rows.append((*token_and_tag(line, f"line {number} of {name}"), f"line {number} of {name}"))
        elif rows:
            yield Sentence(*map(list, zip(*rows, strict=True)))
            rows = []
    if rows:
        yield Sentence(*map(list, zip(*rows, strict=True)))


def token_and_tag(line: str, place: str) -> tuple[str, str]:
    """A line that begins with a space, and has no tab, has a space for its token."""
    token, *others = line.split("\t") if "\t" in line else [line[0], *line[1:].split()]
    if "\t" not in line and token != " ":
        token, *others = line.split(" ")
    others = [cell for cell in others if cell.strip()]
    if not others:
        raise UserError(f"{place} has one column, {line!r}: a token and its tag are needed")
    if not token:
        raise UserError(f"{place} has the tag {others[-1]} and no token")
    return token, others[-1].strip()


def check_tags(sentences: Sequence[Sentence], repair: bool) -> None:
    """Raises `UserError` with the place of the first tag that breaks the scheme; `repair` lets what should follow an
    opening tag open an entity itself, which is told."""
    for sentence in sentences:
        for tag, place in zip(sentence.tags, sentence.places, strict=True):
            if tag != OUTSIDE and not TAG.fullmatch(tag):
                raise UserError(f"{place}: {tag!r} is no tag: write O, or B-, I-, E- or S- and the type, as in B-PER")
    ends_marked = any(parts(tag)[0] in ("E", "S") for sentence in sentences for tag in sentence.tags)
    found = [
        (sentence.places[number], fault)
        for sentence in sentences
        for number, fault in broken(sentence.tags, ends_marked)
    ]
    if not found:
        return
    (place, fault), others = found[0], f" ({len(found):,} such tags)" if len(found) > 1 else ""
    if not repair:
        raise UserError(f"{place}: {fault}{others}: correct it, or let --repair_tags begin and end entities there")
    tell(f"{place}: {fault}{others}: --repair_tags begins or ends an entity there")


def texts_of(sentences: Sequence[Sentence], name: str) -> list[tuple[str, list[Entity]]]:
    """The sentences as texts with character spans. A space goes between two tokens that meet with letters or marks of a
    script that sets spaces, unless the file's tokens of such letters are single ones (a character a line)."""
    letters = [token for sentence in sentences for token in sentence.tokens if LETTERS.fullmatch(token)]
    spaced = sum(len(token) > 1 for token in letters) > len(letters) / 2
    texts = []
    for sentence in sentences:
        text, starts = join(sentence.tokens, spaced)
        ends = [start + len(token) for start, token in zip(starts, sentence.tokens, strict=True)]
        texts.append((text, entities_of(sentence.tags, starts, ends)))
    example = max((text for text, _ in texts[:20]), key=len)
    how = "with a space between words of letters" if spaced else "without spaces between"
    tell(f"{name}: the tokens are joined {how}: {example[:30]}")
    return texts


def join(tokens: Sequence[str], spaced: bool) -> tuple[str, list[int]]:
    text, starts = tokens[0], [0]
    for before, token in pairwise(tokens):
        if spaced and not any(re.match(rf"[{UNSPACED}\s\uff00-\uffef]", char) for char in (before[-1], token[0])):
            text += " "
        starts.append(len(text))
        text += token
    return text, starts
