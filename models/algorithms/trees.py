"""Trees as LightGBM's text: fast to score, explained exactly, and nothing in it can be executed."""

from collections.abc import Mapping
from typing import Final, Self

import lightgbm
import numpy as np

from models.algorithms.protocol import Floats, Matrix, only_file
from streams.errors import ModelDamaged

FILE: Final = "classifier.lightgbm.txt"


class Trees:
    """A classifier that LightGBM evaluates, whoever grew it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._booster = lightgbm.Booster(model_str=text)
        # LightGBM divides a forest's prediction by its trees, but not its contributions.
        self._averaged = self._booster.num_trees() if "\naverage_output\n" in text else 1

    @property
    def width(self) -> int:
        """Columns of the matrices it takes."""
        return self._booster.num_feature()

    def probability(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Of (rows, columns) with NaN for missing: the uncalibrated probability of each row."""
        return np.asarray(self._booster.predict(matrix, num_threads=threads), dtype=np.float64)

    def contributions(self, matrix: Matrix, threads: int = 1) -> Floats:
        """Shapley values in log-odds, (rows, columns), by TreeSHAP."""
        if not len(matrix):  # LightGBM divides by it
            return np.zeros_like(matrix, dtype=np.float64)
        values = self._booster.predict(matrix, pred_contrib=True, num_threads=threads)
        return np.asarray(values, dtype=np.float64)[:, :-1] / self._averaged

    def dump(self) -> dict[str, bytes]:
        """LightGBM's text."""
        return {FILE: self._text.encode()}

    @classmethod
    def load(cls, files: Mapping[str, bytes]) -> Self:
        """Read what `dump` gave; raises `ModelDamaged`."""
        try:
            return cls(only_file(files, FILE).decode())
        except (lightgbm.basic.LightGBMError, ValueError) as error:
            raise ModelDamaged(f"{FILE} is not readable: {error}", hint="train the model again") from error
