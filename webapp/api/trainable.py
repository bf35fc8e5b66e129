"""What a model can be made of: features by tier, and algorithms with their hyperparameters."""

from functools import cache
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from models.features import FEATURES, REFUSED, Kind
from streams.records import TIERS, Algorithm, Tier

TIER_MEANS: Final[dict[Tier, str]] = {
    "pre-crash": "where and when it is, the light and the weather: known without the crash itself",
    "at-scene": "what an officer sees on arrival",
    "report": "what only the finished report says",
}
TITLES: Final[dict[Algorithm, str]] = {
    "logistic": "Logistic regression",
    "forest": "Random forest",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "hist": "Histogram boosting (scikit-learn)",
}


class TableFeature(BaseModel):
    """One thing that a model may know of a crash."""

    name: str
    kind: Kind
    source: str = Field(description="columns of Gold that it is made of")
    meaning: str
    missing: str = Field(description="what becomes of it where it is not known")


class TierOfFeatures(BaseModel):
    """What is known first at a tier; a model of it knows the tiers before, too."""

    tier: Tier
    meaning: str
    features: list[TableFeature]


class RefusedColumn(BaseModel):
    """A column that no model may know."""

    column: str
    why: str


class FeatureTable(BaseModel):
    """All features by tier, and what is in none because it gives the outcome away."""

    tiers: list[TierOfFeatures]
    refused: list[RefusedColumn]


class Hyperparameter(BaseModel):
    """One that an algorithm takes; `minimum` and `maximum` are allowed values unless said otherwise."""

    name: str
    type: Literal["integer", "number", "boolean"]
    default: bool | int | float
    minimum: float | None
    maximum: float | None
    without_minimum: bool = Field(description="whether `minimum` itself is not allowed")
    without_maximum: bool = Field(description="whether `maximum` itself is not allowed")
    meaning: str


class DescribedAlgorithm(BaseModel):
    """An algorithm, and what it can be told."""

    name: Algorithm
    title: str
    meaning: str
    hyperparameters: list[Hyperparameter]


class Algorithms(BaseModel):
    """All algorithms."""

    algorithms: list[DescribedAlgorithm]


def features() -> FeatureTable:
    """The declared table of features."""
    return FeatureTable(
        tiers=[
            TierOfFeatures(
                tier=tier,
                meaning=TIER_MEANS[tier],
                features=[
                    TableFeature(
                        name=feature.name,
                        kind=feature.kind,
                        source=feature.source,
                        meaning=feature.meaning,
                        missing=feature.missing,
                    )
                    for feature in FEATURES
                    if feature.tier == tier
                ],
            )
            for tier in TIERS
        ],
        refused=[RefusedColumn(column=column, why=why) for column, why in REFUSED.items()],
    )


@cache
def algorithms() -> Algorithms:
    """Every algorithm. The first call imports their libraries, which takes seconds: not on the event loop."""
    from models.algorithms import ALGORITHMS

    return Algorithms(
        algorithms=[
            DescribedAlgorithm(
                name=name,
                title=TITLES[name],
                meaning=(algorithm.__doc__ or "").partition("\n")[0].rstrip("."),
                hyperparameters=[
                    _hyperparameter(parameter, schema)
                    for parameter, schema in algorithm.Hyperparameters.model_json_schema()["properties"].items()
                ],
            )
            for name, algorithm in ALGORITHMS.items()
        ]
    )


def _hyperparameter(name: str, schema: dict[str, Any]) -> Hyperparameter:
    return Hyperparameter(
        name=name,
        type=schema["type"],
        default=schema["default"],
        minimum=schema.get("minimum", schema.get("exclusiveMinimum")),
        maximum=schema.get("maximum", schema.get("exclusiveMaximum")),
        without_minimum="exclusiveMinimum" in schema,
        without_maximum="exclusiveMaximum" in schema,
        meaning=schema["description"],
    )
