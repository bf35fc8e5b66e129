"""What is chosen on the page: read from its address, written there, and sent to the API."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final, Literal, Self
from urllib.parse import urlencode

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError, field_validator

from streams.records import Algorithm, Target, Tier


class Choices(BaseModel):
    """Every choice, with what it is where nobody has chosen."""

    model_config = ConfigDict(frozen=True)

    target: Target = "injury"
    tier: Tier = "report"
    algorithm: Algorithm = "lightgbm"
    without: tuple[str, ...] = ()  # features that are left out
    hyper: dict[str, int | FiniteFloat] = {}  # hyperparameters other than by default
    imbalance: Literal["none", "weights"] = "none"
    rule: Literal["f1", "recall", "cost"] = "f1"  # how the threshold is chosen
    recall: FiniteFloat = 0.8
    cost: FiniteFloat = 5
    search: FiniteFloat | None = None
    start: date | None = None
    end: date | None = None
    maturity: int = 14
    promote: Literal["if-better", "never", "always"] = "if-better"
    job: str | None = None
    version: str | None = None
    beside: str | None = None

    @field_validator("without", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("hyper", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {name: text for name, _, text in (pair.partition(":") for pair in value.split(","))}

    @classmethod
    def read(cls, given: Mapping[str, str]) -> Self:
        """The choices of an address; what cannot be is as if it were not there."""
        known = {name: value for name, value in given.items() if name in cls.model_fields and value}
        while True:
            try:
                return cls.model_validate(known)
            except ValidationError as error:
                for name in {problem["loc"][0] for problem in error.errors()}:
                    del known[str(name)]


_DEFAULTS: Final = Choices()


def search(chosen: Mapping[str, Any]) -> str:
    """What stands behind the path of the address: the choices that differ from the defaults."""
    differ = {name: _text(value) for name, value in chosen.items() if value != _plain(getattr(_DEFAULTS, name))}
    query = urlencode({name: text for name, text in differ.items() if text}, safe=",:")
    return f"?{query}" if query else ""


def body(chosen: Mapping[str, Any], features: Iterable[str]) -> dict[str, Any]:
    """The request for `POST /api/model/train`; `features` are all that the tier knows. It checks what was chosen."""
    without = set(chosen["without"])
    rule = {chosen["rule"]: chosen[chosen["rule"]]} if chosen["rule"] != "f1" else {}
    request = {
        "target": chosen["target"],
        "tier": chosen["tier"],
        "algorithm": chosen["algorithm"],
        "features": [name for name in features if name not in without] if without else None,
        "hyperparameters": chosen["hyper"] or None,
        "search_seconds": chosen["search"],
        "imbalance": chosen["imbalance"],
        **rule,
        "start": chosen["start"],
        "end": chosen["end"],
        "maturity_days": chosen["maturity"],
        "promote": chosen["promote"],
    }
    return {name: value for name, value in request.items() if value is not None and value != ""}


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{name}:{each}" for name, each in value.items())
    return ",".join(value) if isinstance(value, list | tuple) else str(value)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
