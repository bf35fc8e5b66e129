"""A model: what is trained, kept and served."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from os import cpu_count
from typing import Final, Literal, Self

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.algorithms import ALGORITHMS, Fitted
from models.calibrate import Calibration
from models.encode import Encoding
from models.features import KEY
from streams.errors import ModelDamaged
from streams.records import Algorithm, Target, Tier

MANIFEST: Final = "manifest.json"
_ENCODING: Final = "encoding.json"
_CALIBRATION: Final = "calibration.json"

# Rows scored at once, which bounds memory; and those that are worth a thread of their own.
_SLICE: Final = 100_000
_ROWS_A_THREAD: Final = 2_000
_REMEDY: Final = "promote another version, or train the model again"


class _Manifest(BaseModel):
    """What a model is, beside what it learned, and the SHA-256 of each of its other files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    version: str
    target: Target
    tier: Tier
    algorithm: Algorithm
    features: tuple[str, ...]
    threshold: float = Field(ge=0, le=1)
    data_from: datetime
    data_through: datetime
    trained_at: datetime
    files: Mapping[str, str]

    def encode(self) -> bytes:
        """As kept: there is one way to write it."""
        return self.model_dump_json(indent=1).encode()

    def named(self) -> "_Manifest":
        """With the version that its content has."""
        digest = sha256(self.model_dump_json(exclude={"version"}).encode()).hexdigest()
        at = self.trained_at.astimezone(UTC)
        version = f"{self.target}-{self.tier}-{self.algorithm}-{at:%Y%m%dt%H%M%S}-{digest[:8]}"
        return self.model_copy(update={"version": version})


@dataclass(frozen=True, eq=False)
class Model:
    """From the features of `features.build` to a calibrated probability and a label.

    `data_from` and `data_through` are the first and the last crash it was made with, `trained_at` is aware.
    Safe to use from several threads at once.
    """

    target: Target
    tier: Tier
    algorithm: Algorithm
    features: tuple[str, ...]
    encoding: Encoding
    classifier: Fitted
    calibration: Calibration
    threshold: float
    data_from: datetime
    data_through: datetime
    trained_at: datetime

    @cached_property
    def version(self) -> str:
        """Names the model: what it is for, when it was trained, and its content."""
        return self._manifest(self._files()).version

    def score(self, features: pl.DataFrame, explain: int = 0) -> pl.DataFrame:
        """Score rows of `features.build`, in their order.

        Columns: crash_record_id, probability (calibrated), label (at or above the threshold); with `explain` also
        contributions: a list of the so many features of the greatest weight, each with its Shapley value in log-odds
        before calibration. Raises `RequestError` naming a feature that the frame lacks.
        """
        parts = [self._scored(rows, explain) for rows in features.iter_slices(_SLICE)]
        return pl.concat(parts or [self._scored(features, explain)])

    def probability(self, features: pl.DataFrame) -> npt.NDArray[np.float64]:
        """The calibrated probability of each row of `features.build`."""
        return self.score(features)["probability"].to_numpy()

    def _scored(self, rows: pl.DataFrame, explain: int) -> pl.DataFrame:
        matrix = self.encoding.matrix(rows)
        threads = min(cpu_count() or 1, 1 + rows.height // _ROWS_A_THREAD)
        probability = self.calibration.apply(self.classifier.probability(matrix, threads))
        columns = [rows[KEY], pl.Series("probability", probability), pl.Series("label", probability >= self.threshold)]
        if explain:
            columns.append(self._largest(self.classifier.contributions(matrix, threads), explain))
        return pl.DataFrame(columns)

    def _largest(self, by_column: npt.NDArray[np.float64], count: int) -> pl.Series:
        """A row's `count` largest contributions of features, from those of columns (rows, columns)."""
        names = list(dict.fromkeys(self.encoding.feature_of))
        first = [self.encoding.feature_of.index(name) for name in names]
        by_feature = np.add.reduceat(by_column, first, axis=1)  # a feature's columns are side by side
        order = np.argsort(-np.abs(by_feature), axis=1, kind="stable")[:, :count]
        flat = pl.DataFrame(
            {
                "feature": np.asarray(names, dtype=object)[order].ravel(),
                "contribution": np.take_along_axis(by_feature, order, axis=1).ravel(),
            },
            schema={"feature": pl.String, "contribution": pl.Float64},
        )
        return flat.to_struct("contributions").reshape(order.shape).arr.to_list()

    def dump(self) -> dict[str, bytes]:
        """The model's files by name, in formats that cannot execute code; `load` reads them."""
        files = self._files()
        return {MANIFEST: self._manifest(files).encode(), **files}

    def _files(self) -> dict[str, bytes]:
        return {
            _ENCODING: self.encoding.to_json().encode(),
            _CALIBRATION: self.calibration.to_json().encode(),
            **self.classifier.dump(),
        }

    def _manifest(self, files: Mapping[str, bytes]) -> _Manifest:
        return _Manifest(
            version="",
            target=self.target,
            tier=self.tier,
            algorithm=self.algorithm,
            features=self.features,
            threshold=self.threshold,
            data_from=self.data_from,
            data_through=self.data_through,
            trained_at=self.trained_at,
            files={name: sha256(files[name]).hexdigest() for name in sorted(files)},
        ).named()

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `dump` gave. Raises `ModelDamaged` when a file is missing, one too many, or a byte changed."""
        manifest = _read(files)
        rest = {name: body for name, body in files.items() if name not in (MANIFEST, _ENCODING, _CALIBRATION)}
        encoding = Encoding.from_json(files[_ENCODING])
        classifier = ALGORITHMS[manifest.algorithm].load(rest)
        if classifier.width != len(encoding.columns):
            raise ModelDamaged(
                f"the classifier takes {classifier.width} columns, the encoding gives {len(encoding.columns)}",
                hint=_REMEDY,
            )
        return cls(
            target=manifest.target,
            tier=manifest.tier,
            algorithm=manifest.algorithm,
            features=manifest.features,
            encoding=encoding,
            classifier=classifier,
            calibration=Calibration.from_json(files[_CALIBRATION]),
            threshold=manifest.threshold,
            data_from=manifest.data_from,
            data_through=manifest.data_through,
            trained_at=manifest.trained_at,
        )


def _read(files: Mapping[str, bytes]) -> _Manifest:
    """The manifest, when all files are as it says."""
    if MANIFEST not in files:
        raise ModelDamaged(f"the model has no {MANIFEST}", hint=_REMEDY)
    try:
        manifest = _Manifest.model_validate_json(files[MANIFEST])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ModelDamaged(f"{MANIFEST}: {place}: {first['msg']}", hint=_REMEDY) from None
    if manifest.encode() != files[MANIFEST] or manifest.named() != manifest:
        raise ModelDamaged(f"{MANIFEST} was changed after it was written", hint=_REMEDY)
    named = {*manifest.files, _ENCODING, _CALIBRATION}
    if lacking := sorted(named - set(files)):
        raise ModelDamaged(f"the model has no {lacking[0]}", hint=_REMEDY)
    if beyond := sorted(set(files) - {MANIFEST} - set(manifest.files)):
        raise ModelDamaged(f"{beyond[0]} is no file of the model", hint=_REMEDY)
    for name, digest in manifest.files.items():
        if sha256(files[name]).hexdigest() != digest:
            raise ModelDamaged(f"{name} was changed after it was written", hint=_REMEDY)
    return manifest
