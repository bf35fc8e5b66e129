"""From features to the matrix that classifiers take, fitted on the rows that they train on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models.features import Feature, Kind
from streams.errors import ModelDamaged, RequestError

Matrix = npt.NDArray[np.float32]

# A level that fewer training rows have is pooled with the other rare ones: nothing could be learned of it alone.
_RARE: Final = 20
_RARE_SHARE: Final = 0.0005

_OTHER: Final = "<other>"
_NOT_STATED: Final = "<not stated>"


@dataclass(frozen=True)
class _Part:
    """A feature's columns: itself, or of a category its `levels`, then the others (`rare` and unknown), then null."""

    name: str
    kind: Kind
    levels: tuple[str, ...] = ()
    rare: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> tuple[str, ...]:
        if self.kind != "category":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in (*self.levels, _OTHER, _NOT_STATED))

    @property
    def code(self) -> pl.Expr:
        """Which of the columns each of a category's values is in."""
        value = pl.col(self.name)
        code = value.cast(pl.Enum(self.levels), strict=False).to_physical().cast(pl.Int64)
        return pl.when(value.is_null()).then(len(self.levels) + 1).otherwise(code.fill_null(len(self.levels)))


@dataclass(frozen=True)
class Encoding:
    """Which columns of the matrix each feature has, as fitted on the training rows.

    Numbers and flags are a column each, NaN where they are null. A category is one column a level, one for the levels
    that were rare or never seen, and one for null. A feature that no training row has is without columns.
    """

    parts: tuple[_Part, ...]

    @classmethod
    def fit(cls, frame: pl.DataFrame, features: Sequence[Feature]) -> Self:
        """The encoding of `features` by what `frame` (of `features.build`) holds."""
        known = [feature for feature in features if frame[feature.name].null_count() < frame.height]
        return cls(tuple(_fitted(frame[feature.name], feature) for feature in known))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the matrix's columns, such as `hour` and `damage=OVER $1,500`."""
        return tuple(column for part in self.parts for column in part.columns)

    @property
    def feature_of(self) -> tuple[str, ...]:
        """The feature of each of the matrix's columns."""
        return tuple(part.name for part in self.parts for _ in part.columns)

    def matrix(self, frame: pl.DataFrame) -> Matrix:
        """The rows of `frame` as (rows, columns), in order, C-contiguous.

        Raises `RequestError` naming a feature that the frame lacks.
        """
        if lacking := [part.name for part in self.parts if part.name not in frame.columns]:
            raise RequestError(
                f"the rows have no feature {lacking[0]}",
                field=lacking[0],
                hint="features come from models.features.build",
            )
        matrix = np.zeros((frame.height, len(self.columns)), dtype=np.float32)
        plain = [part.name for part in self.parts if part.kind != "category"]
        if plain:
            matrix[:, self._plain] = frame.select(plain).cast(pl.Float32).to_numpy()
        rows = np.arange(frame.height)
        for codes in frame.select(self._codes):
            matrix[rows, codes.to_numpy()] = 1
        return matrix

    @cached_property
    def _plain(self) -> list[int]:
        """The columns of numbers and flags."""
        return [first for part, first in self._starts if part.kind != "category"]

    @cached_property
    def _codes(self) -> list[pl.Expr]:
        """The column that is 1, for each category."""
        return [(first + part.code).alias(part.name) for part, first in self._starts if part.kind == "category"]

    @cached_property
    def _starts(self) -> list[tuple[_Part, int]]:
        widths = [len(part.columns) for part in self.parts]
        return list(zip(self.parts, accumulate(widths, initial=0), strict=False))

    def unknown(self, frame: pl.DataFrame) -> dict[str, list[str]]:
        """The values of categories that no training row had, by feature: they count among the others."""
        found = {
            part.name: frame[part.name].drop_nulls().unique().sort().to_list()
            for part in self.parts
            if part.kind == "category"
        }
        seen = {part.name: {*part.levels, *part.rare} for part in self.parts}
        new = {name: [value for value in values if value not in seen[name]] for name, values in found.items()}
        return {name: values for name, values in new.items() if values}

    def to_json(self) -> str:
        """As JSON; `from_json` gives an equal one."""
        parts = [
            {"name": part.name, "kind": part.kind, "levels": list(part.levels), "rare": list(part.rare)}
            for part in self.parts
        ]
        return json.dumps({"parts": parts}, ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what `to_json` wrote; raises `ModelDamaged` if it did not."""
        try:
            return cls(tuple(_read(part) for part in json.loads(text)["parts"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ModelDamaged(f"the encoding is not readable: {error}", hint="train the model again") from error


def _fitted(values: pl.Series, feature: Feature) -> _Part:
    if feature.kind != "category":
        return _Part(feature.name, feature.kind)
    least = max(_RARE, _RARE_SHARE * len(values))
    counts: dict[str, int] = dict(values.drop_nulls().value_counts().sort(values.name).iter_rows())
    return _Part(
        feature.name,
        feature.kind,
        tuple(level for level, count in counts.items() if count >= least),
        tuple(level for level, count in counts.items() if count < least),
    )


def _read(part: Mapping[str, object]) -> _Part:
    name, kind, levels, rare = part["name"], part["kind"], part["levels"], part["rare"]
    if not isinstance(name, str) or kind not in ("number", "flag", "category"):
        raise ValueError(f"{name} of kind {kind}")
    if not isinstance(levels, list) or not isinstance(rare, list):
        raise TypeError(f"levels of {name}")
    return _Part(name, kind, tuple(map(str, levels)), tuple(map(str, rare)))
