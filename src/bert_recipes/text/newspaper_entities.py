"""Persons and places of People's Daily, January 1998, out of the tags of its words."""

from __future__ import annotations

import re

import pandas

from .newspaper import NARROW, in_ranges
from .packaged_text import read_lines
from .tags import Entity

WORD = re.compile(r"(.*?)/(\w+)\s*")
PERSON, PLACE = "nr", "ns"
COMPOUND_SURNAMES = ("欧阳", "司马", "诸葛", "南宫", "司徒", "上官", "夏侯", "皇甫", "慕容", "尉迟", "端木", "令狐")


def split_entities() -> dict[str, pandas.DataFrame]:
    """Text and entities of the paragraphs, in the ranges of `newspaper.split_newspaper`."""
    rows = [annotated(line) for line in read_lines("tag/199801.txt")]
    rows = [(text, [entity._asdict() for entity in entities]) for text, entities in rows]
    return {split: pandas.DataFrame(part, columns=["text", "entities"]) for split, part in in_ranges(rows).items()}


def annotated(line: str) -> tuple[str, list[Entity]]:
    """The text of "江/nr 泽民/nr 在/p 北京/ns", and its entities: the persons 江泽民 and the place 北京."""
    words = WORD.findall(line)
    entities, start, number = [], 0, 0
    while number < len(words):
        tag = words[number][1]
        size = words_of_person([word for word, _ in run_of_persons(words, number)]) if tag == PERSON else 1
        end = start + sum(len(word) for word, _ in words[number : number + size])
        if tag in (PERSON, PLACE):
            entities.append(Entity(start, end, "PER" if tag == PERSON else "LOC"))
        start, number = end, number + size
    return "".join(word for word, _ in words).translate(NARROW), entities


def run_of_persons(words: list[tuple[str, str]], start: int) -> list[tuple[str, str]]:
    end = start
    while end < len(words) and words[end][1] == PERSON:
        end += 1
    return words[start:end]


def words_of_person(names: list[str]) -> int:
    """How many words, of those that follow one another as names, the first person has: surname and given name are two,
    and names can follow one another without a mark between."""
    lengths = [len(name) for name in names]
    if lengths[:3] == [1, 1, 2]:
        return 3  # 陈/方/安生: a husband's surname in front of the own
    return 2 if len(names) > 1 and (lengths[0] == 1 or names[0] in COMPOUND_SURNAMES) else 1
