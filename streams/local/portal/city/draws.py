"""Vectorised draws: tables of weighted categories, and how to sample them.

Everything random in the city goes through a numpy ``Generator`` over PCG64, whose stream numpy keeps
the same on every platform. A draw yields integer codes; ``gather`` turns codes into published text.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Codes = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
Weights = Mapping[str, float] | Mapping[str | None, float] | Iterable[tuple[str | None, float]]


def generator(*key: int) -> np.random.Generator:
    """A generator that depends on `key` (non-negative integers) alone."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


class Table:
    """Categories with their weights. A category of None is published as null."""

    def __init__(self, weights: Weights) -> None:
        pairs: list[tuple[str | None, float]] = list(weights.items() if isinstance(weights, Mapping) else weights)
        self.names = [name for name, _ in pairs]
        share = np.array([weight for _, weight in pairs], dtype=np.float64)
        self.shares: Floats = share / share.sum()
        self._edges = np.cumsum(self.shares)
        self._texts = pl.Series(self.names, dtype=pl.String)

    def __len__(self) -> int:
        return len(self.names)

    def code(self, name: str | None) -> int:
        """The code of a category."""
        return self.names.index(name)

    def mask(self, *names: str | None) -> Flags:
        """For each code, whether it is one of `names`."""
        return np.array([name in names for name in self.names])

    def codes(self, rng: np.random.Generator, n: int) -> Codes:
        """`n` independent codes."""
        found: Codes = np.minimum(np.searchsorted(self._edges, rng.random(n), side="right"), len(self) - 1)
        return found

    def gather(self, codes: Codes) -> pl.Series:
        """Codes as text; a code of -1 is null."""
        texts = pl.concat([self._texts, pl.Series([None], dtype=pl.String)])
        return texts.gather(np.where(codes < 0, len(self), codes).astype(np.uint32))

    def draw(self, rng: np.random.Generator, n: int) -> pl.Series:
        """`n` independent values as text."""
        return self.gather(self.codes(rng, n))

    def some(self, rng: np.random.Generator, present: Flags) -> pl.Series:
        """A value where `present`, null elsewhere."""
        codes = np.full(len(present), -1, dtype=np.int64)
        codes[present] = self.codes(rng, int(present.sum()))
        return self.gather(codes)


class Conditional:
    """A table whose weights depend on another code: row i of `matrix` holds those given code i."""

    def __init__(self, names: Sequence[str | None], matrix: Floats) -> None:
        self.table = Table(dict.fromkeys(names, 1.0))
        self.matrix = matrix / matrix.sum(axis=1, keepdims=True)
        # Row i is searched in [i, i + 1): one sorted array serves all rows at once.
        self._edges = (np.cumsum(self.matrix, axis=1) + np.arange(len(matrix))[:, None]).ravel()

    def codes(self, rng: np.random.Generator, given: Codes) -> Codes:
        """One code for each of `given`."""
        width = len(self.table)
        found = np.searchsorted(self._edges, given + rng.random(len(given)), side="right")
        codes: Codes = np.clip(found - given * width, 0, width - 1)
        return codes


def rake(odds: Floats, rows: Floats, columns: Floats) -> Floats:
    """Fit a matrix to the margins `rows` and `columns` and keep the odds ratios of `odds`.

    Iterative proportional fitting: associations are stated as odds, frequencies hold all the same.
    """
    fitted = odds * rows[:, None] * columns[None, :]
    for _ in range(60):
        fitted *= (columns / fitted.sum(axis=0))[None, :]
        fitted *= (rows / fitted.sum(axis=1))[:, None]
    return fitted


def associate(
    given: Table, drawn: Table, odds: Mapping[str, Mapping[str, float]], rows: Floats | None = None
) -> Conditional:
    """`drawn` given `given`, independent but for the `odds[given][drawn]` that are stated."""
    matrix = np.ones((len(given), len(drawn)))
    for row, entries in odds.items():
        for column, ratio in entries.items():
            matrix[given.code(row), drawn.code(column)] = ratio
    return Conditional(drawn.names, rake(matrix, given.shares if rows is None else rows, drawn.shares))


def sigmoid(x: Floats) -> Floats:
    """The logistic function."""
    result: Floats = 1.0 / (1.0 + np.exp(-x))
    return result


def chance(rng: np.random.Generator, p: Floats | float, n: int) -> Flags:
    """`n` coin flips that come up with probability `p`."""
    flips: Flags = rng.random(n) < p
    return flips


def yes_no(rng: np.random.Generator, n: int, yes: Floats | float, no: Floats | float) -> pl.Series:
    """A flag column: Y with probability `yes`, N with `no`, else null."""
    u = rng.random(n)
    return FLAG.gather(np.where(u < yes, 0, np.where(u < yes + no, 1, -1)))


def kept(keep: Flags, values: pl.Series) -> pl.Series:
    """`values` where `keep`, null elsewhere."""
    return pl.DataFrame({"keep": keep, "values": values}).select(pl.when("keep").then("values")).to_series()


def texts(numbers: Codes | Floats) -> pl.Series:
    """Numbers as published."""
    return pl.Series(numbers).cast(pl.String)


def numbered(base: Codes, day: Codes, counted: Flags) -> Codes:
    """Ids for the rows `counted`, from `base[day] + 1` on in each day; `day` ascends."""
    rank = np.cumsum(counted)
    before = np.concatenate([[0], rank])[np.searchsorted(day, np.arange(len(base)))]
    ids: Codes = base[day] + rank - before[day]
    return ids


FLAG = Table({"Y": 1, "N": 1})
