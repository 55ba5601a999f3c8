"""Random numbers that are a function of where they are used: no generator, no order, whole arrays at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

GAMMA = 0x9E3779B97F4A7C15  # of splitmix64 (Steele, Lea and Flood 2014): odd, and near 2^64 / golden ratio


def mix(state: np.ndarray) -> np.ndarray:
    """The output function of splitmix64: uint64 -> uint64, each bit of the result hangs on every bit of the state."""
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def keys(seed: Iterable[int], indices: np.ndarray) -> np.ndarray:
    """A key for each index, uint64, a function of all numbers of the seed and of the index."""
    key = np.zeros(1, np.uint64)
    for number in seed:
        key = draw(key, number)
    return draw(key, indices)


def draw(key: np.ndarray, counter: np.ndarray | int) -> np.ndarray:
    """The number at `counter` of the splitmix64 sequence that begins at `key`, uint64; both broadcast."""
    counter = np.atleast_1d(np.asarray(counter, np.uint64))  # an array wraps around, a scalar warns
    return mix(key + (counter + np.uint64(1)) * np.uint64(GAMMA))


def share(drawn: np.ndarray) -> np.ndarray:
    """As float64, evenly in [0, 1)."""
    return (drawn >> np.uint64(11)) * 2.0**-53


def below(drawn: np.ndarray, limit: np.ndarray | int) -> np.ndarray:
    """As int64, evenly in [0, limit); the limit below 2^32."""
    return ((drawn >> np.uint64(32)) * np.asarray(limit, np.uint64) >> np.uint64(32)).astype(np.int64)
