"""Do the rows still look as they did in training? The population stability index of each feature and of the scores.

A `Reference` is counts alone: it is kept with the model as JSON, and counts of later rows, taken batch by batch with
the same bins, add up.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from streams.errors import RequestError

Band = Literal["stable", "shifted", "drifted", "too few rows"]
SHIFTED: Final = 0.1
DRIFTED: Final = 0.25
BINS: Final = 10
FEW: Final = 20
LEVELS: Final = 50
# An empty bin would make the index infinite; half a row is the usual stand-in.
_NOTHING: Final = 0.5


class _Counts(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Histogram(_Counts):
    """Counts of a column: by bins right-open between `edges`, or by `levels` and then all other ones; last the nulls.

    A flag is a column of the levels "false" and "true".
    """

    edges: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...]

    @classmethod
    def of(cls, values: pl.Series) -> Self:
        """Counts of a number by ten bins of equal mass, or by value where few; of texts and flags by level.

        Few values stand alone because a count such as pedestrians is nearly always 0: one bin would hold all of it.
        """
        known = values.drop_nulls()
        if values.dtype.is_numeric():
            number = known.cast(pl.Float64).drop_nans().to_numpy()
            seen = np.unique(number)
            cuts = seen[1:] if len(seen) <= FEW else np.quantile(number, np.arange(1, BINS) / BINS)
            bare = cls(edges=tuple(np.unique(cuts).tolist()), counts=())
        else:
            levels = (
                known.cast(pl.String).rename("level").value_counts().sort("count", "level", descending=[True, False])
            )
            bare = cls(levels=tuple(levels["level"].head(LEVELS)), counts=())
        return bare.count(values)

    def count(self, values: pl.Series) -> Self:
        """Counts of other values in these bins."""
        if self.levels or not values.dtype.is_numeric():
            places = {level: place for place, level in enumerate(self.levels)}
            text = values.cast(pl.String)
            place = text.replace_strict(places, default=len(places), return_dtype=pl.Int64)
            bins = len(places) + 1
        else:
            number = values.cast(pl.Float64).fill_nan(None)
            place = pl.Series(np.searchsorted(self.edges, number.fill_null(0.0).to_numpy(), side="right"))
            values, bins = number, len(self.edges) + 1
        place = place.set(values.is_null(), bins)
        counts = np.bincount(place.to_numpy(), minlength=bins + 1)
        return self.model_copy(update={"counts": tuple(counts.tolist())})

    def __add__(self, other: Self) -> Self:
        if (self.edges, self.levels) != (other.edges, other.levels):
            raise RequestError("counts of different bins do not add up", hint="count both by the same reference")
        return self.model_copy(
            update={"counts": tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))}
        )


class Reference(_Counts):
    """How many rows there were, and the histograms of each feature and of the scores."""

    rows: int
    features: dict[str, Histogram]
    scores: Histogram

    @classmethod
    def of(cls, features: pl.DataFrame, names: Sequence[str], probability: NDArray[Any]) -> Self:
        """Of the rows a model was trained on; `names` are its features, columns of `features`."""
        return cls(
            rows=len(features),
            features={name: Histogram.of(features[name]) for name in names},
            scores=Histogram.of(pl.Series("probability", probability, dtype=pl.Float64)),
        )

    def count(self, features: pl.DataFrame, probability: NDArray[Any]) -> Self:
        """Counts of other rows, in the same bins."""
        return self.model_copy(
            update={
                "rows": len(features),
                "features": {name: held.count(features[name]) for name, held in self.features.items()},
                "scores": self.scores.count(pl.Series("probability", probability, dtype=pl.Float64)),
            }
        )

    def __add__(self, other: Self) -> Self:
        if self.features.keys() != other.features.keys():
            raise RequestError("counts of different features do not add up", hint="count both by the same reference")
        return self.model_copy(
            update={
                "rows": self.rows + other.rows,
                "features": {name: held + other.features[name] for name, held in self.features.items()},
                "scores": self.scores + other.scores,
            }
        )


class Shift(_Counts):
    """How far a column is from its reference: below 0.1 `stable`, below 0.25 `shifted`, else `drifted`.

    Chance alone moves the index by about (bins - 1) / rows; where that may reach 0.1, there are `too few rows`.
    """

    psi: float
    band: Band


class Drift(_Counts):
    """The shifts of `rows` rows."""

    rows: int
    features: dict[str, Shift]
    scores: Shift


def psi(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The population stability index of two histograms of the same bins; bins that are empty in both do not count."""
    held, seen = np.asarray(expected, dtype=np.float64), np.asarray(actual, dtype=np.float64)
    used = (held > 0) | (seen > 0)
    if not held.sum() or not seen.sum():
        return 0.0
    before = np.maximum(held[used], _NOTHING) / held.sum()
    now = np.maximum(seen[used], _NOTHING) / seen.sum()
    return float(((now - before) * np.log(now / before)).sum())


def drift(reference: Reference, counted: Reference) -> Drift:
    """How far the rows counted (`reference.count(...)`, added up as one likes) are from the reference."""
    return Drift(
        rows=counted.rows,
        features={name: _shift(held, counted.features[name]) for name, held in reference.features.items()},
        scores=_shift(reference.scores, counted.scores),
    )


def _shift(held: Histogram, seen: Histogram) -> Shift:
    found = psi(held.counts, seen.counts)
    rows, trained = sum(seen.counts), sum(held.counts)
    free = sum(1 for one, two in zip(held.counts, seen.counts, strict=True) if one or two) - 1
    if not rows or not trained or _chance(free) * (1 / rows + 1 / trained) >= SHIFTED:
        return Shift(psi=found, band="too few rows")
    return Shift(psi=found, band="stable" if found < SHIFTED else "shifted" if found < DRIFTED else "drifted")


def _chance(free: int) -> float:
    """The 95 % quantile of chi-squared with so many degrees of freedom (Wilson and Hilferty)."""
    return free * (1 - 2 / (9 * free) + 1.645 * (2 / (9 * free)) ** 0.5) ** 3 if free else 0.0
