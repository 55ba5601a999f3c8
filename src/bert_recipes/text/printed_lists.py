"""A list that was printed into a cell, as pandas does with a column of lists in a csv -> the list."""

from __future__ import annotations

import ast
import io
import itertools
import json
import tokenize
from typing import Any

BRACKETS = ("[]", "()", "{}")


def printed_list(cell: Any) -> list[Any] | None:
    """The list that a text prints, as JSON or Python does; None: it prints none."""
    text = cell.strip() if isinstance(cell, str) else ""
    if text[:1] + text[-1:] not in BRACKETS:
        return None
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(value, (list, tuple, set)):
            return sorted(value, key=str) if isinstance(value, set) else list(value)
    return None


def lacks_commas(cell: Any) -> bool:
    """Whether a text is a list such as `[0 1]` or `['a' 'b']`, which Python would read as `['ab']`."""
    text = cell.strip() if isinstance(cell, str) else ""
    if text[:1] + text[-1:] != "[]":
        return False
    try:
        kinds = [token.type for token in tokenize.generate_tokens(io.StringIO(text).readline)]
    except (tokenize.TokenError, SyntaxError):
        return False
    values = (tokenize.STRING, tokenize.NUMBER)
    return any(kind in values and following in values for kind, following in itertools.pairwise(kinds))
