"""Character spans in a cell of jsonl, json or parquet -> entities, where every mistake names its file and row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..run.errors import UserError, counted, tell
from .tags import Entity

# What tools call the parts of an entity: doccano, spaCy, brat's converters, transformers' pipelines.
START = ("start", "start_offset", "start_idx", "begin")
END = ("end", "end_offset", "end_idx")
LABEL = ("label", "type", "entity", "entity_type", "entity_group", "tag")
TEXT = ("text", "word", "mention", "span")
SHAPES = '{"start": 0, "end": 2, "label": "PER"}, [0, 2, "PER"], or {"PER": {"张三": [[0, 1]]}} in place of the list'

# What is done to entities, of one and of several.
BARED = ("entity loses the spaces at its borders", "entities lose the spaces at their borders")
TWICE = ("entity stands twice in a row, and counts once", "entities stand twice in a row, and count once")
OVERLAPPED = ("entity overlaps a longer one, and is left out", "entities overlap a longer one, and are left out")
Told = Counter[tuple[str, str]]


class Span(NamedTuple):
    """As written: whether `end` is the last character or the one behind it is not known yet."""

    start: int
    end: int
    label: str
    text: str | None = None


def read_entities(
    name: str, places: list[str], texts: list[str], cells: list[Any], span_ends: str | None, overlaps: str
) -> tuple[list[list[Entity]], str | None]:
    """Of each row, whose place is for messages, the entities in their order, without overlaps and without spaces at
    their borders; and how the ends were read, None where there are none and nothing was given."""
    rows = [list(spans_of(cell, place)) for cell, place in zip(cells, places, strict=True)]
    inclusive = ends_are_inclusive(name, places, texts, rows, span_ends)
    told = Told()
    entities = [
        check(text, [span._replace(end=span.end + inclusive) for span in spans], place, inclusive, overlaps, told)
        for text, spans, place in zip(texts, rows, places, strict=True)
    ]
    for what, count in told.items():
        if count:
            tell(f"{name}: {counted(count, *what)}")
    return entities, given_name(inclusive) if any(rows) else span_ends


# --- shapes ---


def spans_of(cell: Any, place: str) -> Iterator[Span]:
    if isinstance(cell, dict):  # type -> spans, or type -> text -> spans
        for label, spans in cell.items():
            by_text = spans.items() if isinstance(spans, dict) else [(None, spans)]
            for text, pairs in by_text:
                if not isinstance(pairs, list):
                    raise unreadable(cell, place)
                yield from (checked(pair[0], pair[1], label, text, place) for pair in map(pair_of(place), pairs))
        return
    if not isinstance(cell, list):
        kind = f"no list of entities, but {'text' if isinstance(cell, str) else type(cell).__name__}: write a JSON list"
        raise UserError(f"{place} has " + ("no entities: write [] where a text has none" if cell is None else kind))
    for part in cell:
        if isinstance(part, dict):
            yield checked(of(part, START), of(part, END), of(part, LABEL), of(part, TEXT), place, part)
        elif isinstance(part, list) and len(part) == 3:
            start, end, label = part if isinstance(part[2], str) else (*part[1:], part[0])
            yield checked(start, end, label, None, place, part)
        else:
            raise unreadable(part, place)


def pair_of(place: str):
    def pair(cell: Any) -> list:
        if not isinstance(cell, list) or len(cell) != 2:
            raise unreadable(cell, place)
        return cell

    return pair


def of(part: dict, names: tuple[str, ...]) -> Any:
    return next((part[name] for name in names if part.get(name) is not None), None)


def checked(start: Any, end: Any, label: Any, text: Any, place: str, part: Any = None) -> Span:
    numbers = all(isinstance(value, int) and not isinstance(value, bool) for value in (start, end))
    if not numbers or not isinstance(label, str) or not label.strip() or not isinstance(text, str | None):
        raise unreadable([start, end, label] if part is None else part, place)
    return Span(start, end, label.strip(), text)


def unreadable(part: Any, place: str) -> UserError:
    return UserError(f"{place}: {str(part)[:80]} is no entity: write {SHAPES}")


# --- where a span ends ---


def alike(found: str, written: str) -> bool:
    """But for spaces and case, which transformers' pipelines change: they write the tokens of an entity."""
    return "".join(found.split()).casefold() == "".join(written.split()).casefold()


def ends_are_inclusive(
    name: str, places: list[str], texts: list[str], rows: list[list[Span]], given: str | None
) -> bool:
    """Whether `end` is the last character of an entity, and not the one behind it: as --span_ends says, else as the
    entities' own texts say, else not, which is told."""
    every = [(span, text, place) for spans, text, place in zip(rows, texts, places, strict=True) for span in spans]
    inclusive = given == "inclusive"
    with_text = [(span, text, place) for span, text, place in every if span.text is not None]
    if given is None and with_text:
        fits = [
            sum(alike(text[span.start : span.end + more], span.text) for span, text, _ in with_text) for more in (0, 1)
        ]
        inclusive = fits[1] > fits[0]
    for span, text, place in with_text:
        if not alike(text[max(0, span.start) : span.end + inclusive], span.text):
            raise UserError(
                f"{place}: the entity {span.text!r} is not what stands at its place, {span.start} to {span.end} "
                f"({text[max(0, span.start) : span.end + inclusive]!r}, ends being {given_name(inclusive)}): "
                "correct its place or its text"
            )
    if every and given is None:
        span, text, _ = every[0]
        why = (
            "as the entities' texts say"
            if with_text
            else f"--span_ends {given_name(not inclusive)} reads them otherwise"
        )
        found = text[span.start : span.end + inclusive]
        tell(f"{name}: ends of spans are {given_name(inclusive)}, {why}: {span.start} to {span.end} is {found!r}")
    return inclusive


def given_name(inclusive: bool) -> str:
    return "inclusive" if inclusive else "exclusive"


# --- what a span may be ---


def check(text: str, spans: list[Span], place: str, inclusive: bool, overlaps: str, told: Told) -> list[Entity]:
    kept: list[Entity] = []
    for span in sorted(set((span.start, span.end, span.label) for span in spans)):
        start, end, label = span
        written = f"{label} from {start} to {end - inclusive}"
        if not 0 <= start < end <= len(text):
            other = given_name(not inclusive)
            raise UserError(
                f"{place}: {written} is no part of the text, which has {counted(len(text), 'character')} (with ends "
                f"that are {given_name(inclusive)}; --span_ends {other} reads them otherwise)"
            )
        bare = text[start:end].strip()
        if not bare:
            raise UserError(f"{place}: {written} holds spaces alone")
        if len(bare) < end - start:
            told[BARED] += 1
            start += len(text[start:end]) - len(text[start:end].lstrip())
        kept.append(Entity(start, start + len(bare), label))
    told[TWICE] += len(spans) - len(kept)
    return without_overlaps(text, sorted(set(kept)), place, overlaps, told) if kept else []


def without_overlaps(text: str, entities: list[Entity], place: str, overlaps: str, told: Told) -> list[Entity]:
    kept = entities[:1]
    for entity in entities[1:]:
        before = kept[-1]
        if entity.start >= before.end:
            kept.append(entity)
            continue
        if overlaps == "error":
            raise UserError(
                f"{place}: {text[before.start : before.end]!r} ({before.label}) and "
                f"{text[entity.start : entity.end]!r} ({entity.label}) overlap, and a character has one tag: correct "
                "it, or keep the longer with --overlaps longest"
            )
        told[OVERLAPPED] += 1
        if entity.end - entity.start > before.end - before.start:
            kept[-1] = entity
    return kept
