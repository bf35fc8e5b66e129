"""The algorithms by name, and their hyperparameters as a person writes them."""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from models.algorithms import forest, hist, lightgbm, logistic, xgboost
from models.algorithms.protocol import Algorithm, Fitted, Hyperparameters, OnProgress
from streams import records
from streams.errors import RequestError

__all__ = ["ALGORITHMS", "Algorithm", "Fitted", "Hyperparameters", "OnProgress", "hyperparameters"]

ALGORITHMS: Final[Mapping[records.Algorithm, Algorithm]] = {
    "logistic": logistic,
    "forest": forest,
    "xgboost": xgboost,
    "lightgbm": lightgbm,
    "hist": hist,
}


def hyperparameters(algorithm: records.Algorithm, given: Mapping[str, object]) -> Hyperparameters:
    """The algorithm's hyperparameters, defaults where not `given`; raises `RequestError` naming the one at fault."""
    kind = ALGORITHMS[algorithm].Hyperparameters
    try:
        return kind.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "hyperparameters"
        known = kind.model_fields.get(name)
        reason = first["msg"] if known else f"{algorithm} has no such hyperparameter"
        raise RequestError(
            f"{name}: {reason}",
            field=f"hyperparameters.{name}",
            hint=f"it is {known.description}" if known else f"there are {', '.join(kind.model_fields)}",
        ) from None
