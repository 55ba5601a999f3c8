"""A picture of vectors: the two directions in which they differ most."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from ..run.errors import tell
from .figures import BLUE, save
from .fonts import families_with_glyphs
from .neighbours import names_of, shorten
from .vector_tables import Vectors, normalized, vectors_in

POINTS, NAMED, LETTERS = 1000, 200, 8  # points drawn, points with a name, letters of a name


def draw_vectors(vectors: Vectors, path: Path) -> None:
    """The first 1,000 vectors, of characters the most frequent, projected by PCA; the first 200 have their names, of
    texts their beginnings."""
    tables = list(itertools.islice(vectors.tables(), 1))  # a block has more rows than that
    rows = np.arange(min(POINTS, len(tables[0])))
    if len(rows) < 2:
        tell(f"--picture {path}: one vector has no directions in which it differs: none is drawn")
        return
    names = [shorten(name)[:LETTERS] for name in names_of(tables[0], rows[:NAMED])]
    points = PCA(2, random_state=0).fit_transform(normalized(vectors_in(tables[0])[rows]))
    families, _ = families_with_glyphs("".join(names))
    with rc_context({"font.family": families}):
        figure = Figure(figsize=(9, 9), layout="constrained")
        axes = figure.subplots()
        axes.scatter(*points.T, s=4, alpha=0.3, color=BLUE)
        for name, (x, y) in zip(names, points, strict=False):
            axes.text(x, y, name, fontsize=9, ha="center", va="center", parse_math=False)
        axes.set(xlabel="first component", ylabel="second component")
        save(figure, path)
