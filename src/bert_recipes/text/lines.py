"""A text file -> its lines, whatever its encoding; characters that would part or join lines in silence are told."""

from __future__ import annotations

import codecs
import io
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ..run.errors import UserError, counted, tell


def read_lines(file: Path, encoding: str) -> Iterator[str]:
    """The lines with their ends, one at a time; a byte-order mark is left out.

    A line ends at a line feed, with or without a carriage return before it, and at nothing else: form feeds, U+0085
    and U+2028 are text. A file without any line feed has its lines ended by carriage returns, as old Macs wrote them,
    which is told. A NUL is an error: no text file has one.
    """
    with decoded(file, encoding) as text:
        first = text.readline().removeprefix("\ufeff")
        lines: Iterable[str] = itertools.chain([first] if first else [], text)
        if "\r" in first.rstrip("\r\n") and not first.endswith("\n"):
            tell(f"{file.name} has no line feed: its lines are taken to end at carriage returns")
            lines = io.StringIO(first, newline="")
        for number, line in enumerate(lines, 1):
            if "\0" in line:
                raise UserError(
                    f"line {number} of {file.name} has a NUL character: the file is damaged, or in another encoding "
                    "(--encoding utf-16-le, say)"
                )
            yield line


def tell_of_returns(lines: Iterable[str], name: str) -> Iterator[str]:
    """The lines as they are; at the end, how many of them have a carriage return inside."""
    count, first = 0, 0
    for number, line in enumerate(lines, 1):
        if "\r" in line.rstrip("\r\n"):
            count, first = count + 1, first or number
        yield line
    if count:
        lines = counted(count, "line")
        tell(f"{name}: carriage returns inside {lines} are read as text, not as line ends (line {first} first)")


@contextmanager
def decoded(file: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, read as it is asked for; what is not in `encoding` is an error that names byte and line."""
    try:
        text = file.open(encoding=encoding, newline="\n")
    except LookupError as error:
        raise UserError(f"--encoding {encoding}: no such encoding; common ones are utf-8, gb18030, utf-16") from error
    with text:
        try:
            yield text
        except UnicodeError as error:
            content = file.read_bytes()
            start = first_undecodable_byte(content, encoding)
            line = content.count(b"\n", 0, start) + 1
            raise UserError(
                f"{file.name} is not {encoding} (byte {start}, line {line}): {encoding_advice(content)}"
            ) from error


def first_undecodable_byte(content: bytes, encoding: str) -> int:
    """Where it is in the file: a reader's own error counts from the start of its buffer."""
    try:
        content.decode(encoding)
    except UnicodeError as error:
        return getattr(error, "start", 0)  # utf-16 without its mark has none
    return 0


def encoding_advice(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "try --encoding utf-16"
    for encoding in ("utf-8", "gb18030"):
        try:
            content.decode(encoding)
            return f"try --encoding {encoding}"
        except UnicodeDecodeError:
            continue
    return "say with --encoding which it is, or save it as utf-8"
