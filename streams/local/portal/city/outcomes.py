"""Who is hurt, and how badly: an explicit logistic model over what the published rows say.

A person is injured with probability sigmoid(INJURED), an injury is severe (incapacitating or fatal) with
sigmoid(SEVERE), a severe one fatal with sigmoid(FATAL). Each score is a base plus one effect a column,
listed below; persons are independent given their causes. All causes are published columns, read exactly
as published: what a report does not know has its own effect, so the probabilities of a crash can be
computed from its rows alone, and no model can know more. `impact`, the hidden force of a crash, acts only
through its published traces: airbags, towing, ejection, whether police came.
"""

from dataclasses import dataclass

import polars as pl

_DEPLOYED = {
    "DEPLOYED, COMBINATION": 2.1, "DEPLOYED, FRONT": 1.6, "DEPLOYED, SIDE": 1.7,
    "DEPLOYED OTHER (KNEE, AIR, BELT, ETC.)": 1.4, "DEPLOYMENT UNKNOWN": -0.5,
}  # fmt: skip
_IMPAIRED = ("IMPAIRED - ALCOHOL", "IMPAIRED - DRUGS", "IMPAIRED - ALCOHOL AND DRUGS", "HAD BEEN DRINKING")


@dataclass(frozen=True)
class Score:
    """A linear score in logits: `base`, effects by value of a column, and slopes of age and speed.

    `per_mph` counts from 30 (a limit outside 5-65, or none, is taken as 30); `old` and `child` count
    the years above 60 and below 10; an unknown age has the effect `age_unknown`.
    """

    base: float
    effects: dict[str, dict[str, float]]
    per_mph: float = 0.0
    old: float = 0.0
    child: float = 0.0
    age_unknown: float = 0.0
    per_extra_unit: float = 0.0

    def expression(self) -> pl.Expr:
        """The score over a frame of causes (see `causes`)."""
        mph = pl.col("posted_speed_limit").cast(pl.Float64, strict=False)
        mph = pl.when(mph.is_between(5, 65)).then(mph).otherwise(30.0)
        age = pl.col("age").cast(pl.Float64, strict=False)
        extra = pl.col("num_units").cast(pl.Float64, strict=False) - 2
        score: pl.Expr = pl.lit(self.base) + self.per_mph * (mph - 30.0)
        score += self.old * (age - 60.0).clip(0.0, 40.0).fill_null(0.0)
        score += self.child * (10.0 - age).clip(0.0, 10.0).fill_null(0.0)
        score += pl.when(age.is_null()).then(self.age_unknown).otherwise(0.0)
        score += self.per_extra_unit * extra.clip(0.0, 4.0).fill_null(0.0)
        for column, effects in self.effects.items():
            score += pl.col(column).replace_strict(effects, default=0.0, return_dtype=pl.Float64)
        return score

    def probability(self) -> pl.Expr:
        """The probability over a frame of causes."""
        return 1.0 / (1.0 + (-self.expression()).exp())


INJURED = Score(
    base=-3.17,
    per_mph=0.05,
    old=0.012,
    child=-0.03,
    age_unknown=-0.45,
    per_extra_unit=0.15,
    effects={
        "role": {
            "PASSENGER": 1.0, "PEDESTRIAN": 7.0, "BICYCLE": 5.9, "NON-MOTOR VEHICLE": 5.3, "MOTORCYCLIST": 2.9,
            "NON-CONTACT VEHICLE": -2.0,
        },
        "first_crash_type": {
            "PARKED MOTOR VEHICLE": -0.25, "SIDESWIPE SAME DIRECTION": -1.05, "SIDESWIPE OPPOSITE DIRECTION": -0.5,
            "REAR END": -0.2, "TURNING": 0.0, "ANGLE": 0.15, "FIXED OBJECT": 0.05, "HEAD ON": 0.75, "OVERTURNED": 1.5,
            "TRAIN": 1.5,
            "REAR TO FRONT": -1.2, "REAR TO SIDE": -1.2, "REAR TO REAR": -1.4, "OTHER NONCOLLISION": 0.3,
            "OTHER OBJECT": 0.0, "ANIMAL": -1.0, "PEDESTRIAN": -2.0, "PEDALCYCLIST": -2.2,
        },
        "lighting_condition": {
            "DARKNESS": 0.3, "DARKNESS, LIGHTED ROAD": 0.35, "DUSK": 0.15, "DAWN": 0.2, "UNKNOWN": -0.6,
        },
        "trafficway_type": {
            "FOUR WAY": 0.65, "T-INTERSECTION": 0.4, "Y-INTERSECTION": 0.6, "UNKNOWN INTERSECTION TYPE": 0.5,
            "PARKING LOT": -0.9, "ONE-WAY": -0.15, "DIVIDED - W/MEDIAN BARRIER": 0.15,
        },
        "traffic_control_device": {"TRAFFIC SIGNAL": 0.15, "STOP SIGN/FLASHER": 0.15, "UNKNOWN": -0.2},
        "sex": {"F": 0.25, "X": -1.1},
        "safety_equipment": {
            "SAFETY BELT USED": -0.15, "SAFETY BELT NOT USED": 1.2, "NONE PRESENT": 0.1, "HELMET NOT USED": 0.35,
            "SHOULD/LAP BELT USED IMPROPERLY": 0.5, "CHILD RESTRAINT NOT USED": 0.7, "BOOSTER SEAT": -0.3,
            "CHILD RESTRAINT - FORWARD FACING": -0.4, "CHILD RESTRAINT - REAR FACING": -0.5,
        },
        "airbag_deployed": _DEPLOYED,
        "ejection": {"TOTALLY EJECTED": 2.5, "PARTIALLY EJECTED": 2.2, "TRAPPED/EXTRICATED": 2.6},
        "physical_condition": {
            **dict.fromkeys(_IMPAIRED, 0.2), "FATIGUED/ASLEEP": 0.4, "EMOTIONAL": 0.7, "ILLNESS/FAINTED": 1.0,
            "UNKNOWN": -0.2,
        },
        "towed_i": {"Y": 0.45},
        "report_type": {"ON SCENE": 0.45, "NOT ON SCENE (DESK REPORT)": -0.55},
        "prim_contributory_cause": {
            "DISREGARDING TRAFFIC SIGNALS": 0.5, "DISREGARDING STOP SIGN": 0.3, "IMPROPER BACKING": -0.7,
            "DRIVING ON WRONG SIDE/WRONG WAY": 0.4,
        },
    },
)  # fmt: skip

SEVERE = Score(
    base=-2.95,
    per_mph=0.025,
    old=0.025,
    child=-0.02,
    effects={
        "role": {"PEDESTRIAN": 0.55, "BICYCLE": 0.1, "MOTORCYCLIST": 1.0, "PASSENGER": -0.1},
        "lighting_condition": {"DARKNESS": 0.3, "DARKNESS, LIGHTED ROAD": 0.3, "DUSK": 0.1, "DAWN": 0.3},
        "first_crash_type": {"FIXED OBJECT": 0.5, "HEAD ON": 0.4, "REAR END": -0.3, "SIDESWIPE SAME DIRECTION": -0.2},
        "safety_equipment": {"SAFETY BELT USED": -0.2, "SAFETY BELT NOT USED": 0.8, "HELMET NOT USED": 0.4},
        "airbag_deployed": {"DEPLOYED, COMBINATION": 0.35, "DEPLOYED, FRONT": 0.15},
        "ejection": {"TOTALLY EJECTED": 1.2, "PARTIALLY EJECTED": 1.0, "TRAPPED/EXTRICATED": 1.7},
        "physical_condition": dict.fromkeys(_IMPAIRED, 0.5),
        "towed_i": {"Y": 0.5},
        "report_type": {"ON SCENE": 0.45, "NOT ON SCENE (DESK REPORT)": -1.6},
    },
)

FATAL = Score(
    base=-3.5,
    per_mph=0.05,
    old=0.03,
    effects={
        "role": {"PEDESTRIAN": 0.4, "MOTORCYCLIST": 0.5},
        "lighting_condition": {"DARKNESS": 0.5, "DARKNESS, LIGHTED ROAD": 0.5},
        "safety_equipment": {"SAFETY BELT NOT USED": 0.7},
        "ejection": {"TOTALLY EJECTED": 0.8, "TRAPPED/EXTRICATED": 0.8},
    },
)

OF_CRASH = ("posted_speed_limit", "num_units", "first_crash_type", "lighting_condition", "trafficway_type",
            "traffic_control_device", "report_type", "prim_contributory_cause")  # fmt: skip
OF_VEHICLE = ("vehicle_type", "towed_i")
OF_PERSON = ("person_type", "age", "sex", "safety_equipment", "airbag_deployed", "ejection", "physical_condition")
EVIDENT = 0.637  # of the injuries that are not severe: nonincapacitating rather than reported, not evident


def chances(causes: pl.DataFrame, motorcycles: tuple[str, ...]) -> pl.DataFrame:
    """One row a person with `injured`, `severe` (given injured) and `fatal` (given severe).

    `causes` holds OF_CRASH, OF_VEHICLE and OF_PERSON, as published.
    """
    rider = pl.col("vehicle_type").is_in(motorcycles).fill_null(False)
    role = pl.when(rider).then(pl.lit("MOTORCYCLIST")).otherwise("person_type").alias("role")
    return causes.with_columns(role).select(
        injured=INJURED.probability(), severe=SEVERE.probability(), fatal=FATAL.probability()
    )


def truth(
    crashes: pl.DataFrame, vehicles: pl.DataFrame, people: pl.DataFrame, motorcycles: tuple[str, ...]
) -> pl.DataFrame:
    """crash_record_id, `injury` and `severe`: the probabilities that anyone is, null for crashes without people."""
    causes = (
        people.select("crash_record_id", "vehicle_id", *OF_PERSON)
        .join(crashes.select("crash_record_id", *OF_CRASH), on="crash_record_id", maintain_order="left")
        .join(vehicles.select("vehicle_id", *OF_VEHICLE).drop_nulls("vehicle_id"), on="vehicle_id", how="left",
              maintain_order="left")
    )  # fmt: skip
    by_crash = (
        causes.select("crash_record_id")
        .hstack(chances(causes, motorcycles))
        .group_by("crash_record_id")
        .agg(
            injury=1.0 - (1.0 - pl.col("injured")).product(),
            severe=1.0 - (1.0 - pl.col("injured") * pl.col("severe")).product(),
        )
    )
    return crashes.select("crash_record_id").join(by_crash, on="crash_record_id", how="left", maintain_order="left")
