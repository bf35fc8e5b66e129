"""What goes with what: odds ratios against independence. Tables raked with them keep their frequencies."""

from functools import lru_cache

import numpy as np

from streams.local.portal.city.draws import Codes, Conditional, Floats, Table, associate, rake
from streams.local.portal.city.frequencies import (
    CONTROL,
    FIRST_CRASH,
    PRIMARY_CAUSE,
    SECONDARY_CAUSE,
    SPEED,
    TRAFFICWAY,
)

KINDS = ("side street", "side corner", "side arterial", "arterial", "arterial corner", "arterial arterial")
SITES = ("lot", "alley", "signal", "stop", "open arterial", "open street")
_JUNCTIONS = ("FOUR WAY", "T-INTERSECTION", "UNKNOWN INTERSECTION TYPE", "FIVE POINT, OR MORE",
              "Y-INTERSECTION", "ROUNDABOUT", "L-INTERSECTION")  # fmt: skip
_MEDIAN = ("DIVIDED - W/MEDIAN (NOT RAISED)", "DIVIDED - W/MEDIAN BARRIER", "CENTER TURN LANE")
NIGHT_SHARE = 0.29


def _trafficway_odds() -> dict[str, dict[str, float]]:
    odds: dict[str, dict[str, float]] = {kind: {} for kind in KINDS}
    for kind in ("side street", "arterial"):
        odds[kind].update(dict.fromkeys(_JUNCTIONS, 0.02))
    for kind in ("side street", "side corner", "side arterial"):
        odds[kind].update({"ONE-WAY": 5.0, "ALLEY": 4.0, "PARKING LOT": 1.6} | dict.fromkeys(_MEDIAN, 0.2))
    for kind in ("side arterial", "arterial arterial"):
        odds[kind].update({"FOUR WAY": 2.0, "PARKING LOT": 0.4, "ALLEY": 0.3})
    odds["arterial arterial"]["T-INTERSECTION"] = 0.6
    return odds


def _control_odds() -> dict[str, dict[str, float]]:
    return {
        "lot": {"TRAFFIC SIGNAL": 0.03, "STOP SIGN/FLASHER": 0.2, "LANE USE MARKING": 3.0},
        "alley": {"TRAFFIC SIGNAL": 0.03, "STOP SIGN/FLASHER": 0.2},
        "arterial arterial": {"TRAFFIC SIGNAL": 16.0, "STOP SIGN/FLASHER": 1.0},
        "arterial corner": {"TRAFFIC SIGNAL": 3.0, "STOP SIGN/FLASHER": 3.0, "PEDESTRIAN CROSSING SIGN": 3.0},
        "side arterial": {"TRAFFIC SIGNAL": 7.0, "STOP SIGN/FLASHER": 6.0},
        "side corner": {"TRAFFIC SIGNAL": 1.5, "STOP SIGN/FLASHER": 14.0},
        "side street": {"SCHOOL ZONE": 3.0},
    }


_SPEED_ODDS = {
    "lot": {"10": 40, "15": 25, "5": 40, "20": 6, "0": 8, "25": 1.5, "35": 0.1, "40": 0.05, "45": 0.05},
    "alley": {"10": 6, "15": 25, "5": 8, "20": 5, "0": 3, "35": 0.1, "40": 0.05, "45": 0.05},
    "signal": {"35": 2.2, "40": 2.5, "45": 2.0, "20": 0.5, "15": 0.3, "10": 0.3},
    "open arterial": {"35": 2.4, "40": 3.0, "45": 3.5, "55": 6.0, "20": 0.6, "15": 0.4},
    "stop": {"25": 1.5, "20": 1.3, "35": 0.5, "40": 0.3},
    "open street": {"25": 1.6, "20": 1.8, "35": 0.35, "40": 0.2},
}  # fmt: skip
_CRASH_ODDS = {
    "lot": {"PARKED MOTOR VEHICLE": 3.0, "REAR END": 0.25, "SIDESWIPE SAME DIRECTION": 0.3, "TURNING": 0.4,
            "FIXED OBJECT": 2.0, "REAR TO FRONT": 6, "REAR TO SIDE": 15, "REAR TO REAR": 40, "PEDESTRIAN": 0.8,
            "HEAD ON": 1.3, "OTHER OBJECT": 2, "SIDESWIPE OPPOSITE DIRECTION": 1.5, "PEDALCYCLIST": 0.3},
    "alley": {"PARKED MOTOR VEHICLE": 1.3, "FIXED OBJECT": 9, "OTHER OBJECT": 8, "ANGLE": 2.5, "REAR END": 0.1,
              "SIDESWIPE OPPOSITE DIRECTION": 3, "REAR TO FRONT": 4, "REAR TO REAR": 3, "TURNING": 0.8},
    "signal": {"PARKED MOTOR VEHICLE": 0.06, "TURNING": 3.0, "ANGLE": 1.6, "REAR END": 1.9, "PEDESTRIAN": 1.7,
               "SIDESWIPE SAME DIRECTION": 1.1, "FIXED OBJECT": 0.6, "PEDALCYCLIST": 1.3},
    "stop": {"PARKED MOTOR VEHICLE": 0.3, "TURNING": 2.2, "ANGLE": 9.0, "PEDESTRIAN": 3.0, "PEDALCYCLIST": 2.5,
             "REAR END": 0.9, "SIDESWIPE SAME DIRECTION": 0.5, "FIXED OBJECT": 0.6},
    "open street": {"PARKED MOTOR VEHICLE": 3.2, "REAR END": 0.5, "SIDESWIPE SAME DIRECTION": 0.7, "TURNING": 0.6},
}  # fmt: skip
_NIGHT = {
    "PARKED MOTOR VEHICLE": 1.7, "FIXED OBJECT": 2.6, "REAR END": 0.85, "HEAD ON": 1.8, "PEDESTRIAN": 1.3,
    "PEDALCYCLIST": 0.7, "OVERTURNED": 2.0, "ANIMAL": 2.5, "REAR TO REAR": 0.6, "REAR TO SIDE": 0.6,
}  # fmt: skip
_CAUSE_ODDS: dict[str, dict[str, float]] = {
    "PARKED MOTOR VEHICLE": {"FAILING TO YIELD RIGHT-OF-WAY": 0.08, "FOLLOWING TOO CLOSELY": 0.12,
                             "IMPROPER BACKING": 2.2, "IMPROPER LANE USAGE": 0.7, "NOT APPLICABLE": 1.4,
                             "DISREGARDING TRAFFIC SIGNALS": 0.02, "IMPROPER TURNING/NO SIGNAL": 0.4,
                             "PHYSICAL CONDITION OF DRIVER": 2.0, "IMPROPER OVERTAKING/PASSING": 0.6},
    "REAR END": {"FOLLOWING TOO CLOSELY": 30.0, "FAILING TO REDUCE SPEED TO AVOID CRASH": 4.0,
                 "FAILING TO YIELD RIGHT-OF-WAY": 0.12, "IMPROPER TURNING/NO SIGNAL": 0.05,
                 "DISTRACTION - FROM INSIDE VEHICLE": 3.0, "IMPROPER LANE USAGE": 0.1,
                 "DISREGARDING TRAFFIC SIGNALS": 0.05, "IMPROPER OVERTAKING/PASSING": 0.25},
    "SIDESWIPE SAME DIRECTION": {"IMPROPER LANE USAGE": 9.0, "IMPROPER OVERTAKING/PASSING": 8.0,
                                 "IMPROPER BACKING": 0.1, "DISREGARDING TRAFFIC SIGNALS": 0.05},
    "TURNING": {"FAILING TO YIELD RIGHT-OF-WAY": 4.0, "IMPROPER TURNING/NO SIGNAL": 16.0, "IMPROPER BACKING": 0.1,
                "DISREGARDING TRAFFIC SIGNALS": 2.0, "FOLLOWING TOO CLOSELY": 0.5},
    "ANGLE": {"FAILING TO YIELD RIGHT-OF-WAY": 6.0, "DISREGARDING STOP SIGN": 30.0,
              "DISREGARDING TRAFFIC SIGNALS": 22.0, "FOLLOWING TOO CLOSELY": 0.1},
    "FIXED OBJECT": {"DRIVING SKILLS/KNOWLEDGE/EXPERIENCE": 2.5, "EQUIPMENT - VEHICLE CONDITION": 5.0,
                     "WEATHER": 3.0, "FAILING TO YIELD RIGHT-OF-WAY": 0.04, "FOLLOWING TOO CLOSELY": 0.05,
                     "ROAD ENGINEERING/SURFACE/MARKING DEFECTS": 12.0, "NOT APPLICABLE": 2.0,
                     "PHYSICAL CONDITION OF DRIVER": 2.5},
    "PEDESTRIAN": {"FAILING TO YIELD RIGHT-OF-WAY": 4.0, "FOLLOWING TOO CLOSELY": 0.02, "NOT APPLICABLE": 1.8},
    "PEDALCYCLIST": {"FAILING TO YIELD RIGHT-OF-WAY": 3.0, "FOLLOWING TOO CLOSELY": 0.1, "NOT APPLICABLE": 1.6},
    "REAR TO FRONT": {"IMPROPER BACKING": 30.0}, "REAR TO SIDE": {"IMPROPER BACKING": 20.0},
    "REAR TO REAR": {"IMPROPER BACKING": 25.0}, "OTHER OBJECT": {"NOT APPLICABLE": 4.0, "ANIMAL": 5.0},
    "OTHER NONCOLLISION": {"NOT APPLICABLE": 6.0}, "ANIMAL": {"ANIMAL": 3000.0, "NOT APPLICABLE": 4.0},
    "HEAD ON": {"DRIVING ON WRONG SIDE/WRONG WAY": 20.0},
    "SIDESWIPE OPPOSITE DIRECTION": {"DRIVING ON WRONG SIDE/WRONG WAY": 14.0, "IMPROPER LANE USAGE": 2.0},
}  # fmt: skip


def sites(kinds: Codes, trafficway: Codes, control: Codes) -> Codes:
    """The codes of SITES."""
    site = np.where(kinds >= 3, SITES.index("open arterial"), SITES.index("open street"))
    site = np.where(CONTROL.mask("STOP SIGN/FLASHER", "YIELD")[control], SITES.index("stop"), site)
    site = np.where(CONTROL.mask("TRAFFIC SIGNAL")[control], SITES.index("signal"), site)
    site = np.where(TRAFFICWAY.mask("ALLEY", "DRIVEWAY")[trafficway], SITES.index("alley"), site)
    return np.where(TRAFFICWAY.mask("PARKING LOT")[trafficway], SITES.index("lot"), site)


def settings(kinds: Codes, trafficway: Codes) -> Codes:
    """What decides on the control device: the kind of place, or 6 for a lot and 7 for an alley."""
    setting = np.where(TRAFFICWAY.mask("ALLEY", "DRIVEWAY")[trafficway], 7, kinds)
    return np.where(TRAFFICWAY.mask("PARKING LOT")[trafficway], 6, setting)


class Associations:
    """The conditional tables, raked so that the frequencies hold over all places."""

    def __init__(self, kind_shares: Floats) -> None:
        kinds = Table(zip(KINDS, kind_shares, strict=True))
        self.trafficway = associate(kinds, TRAFFICWAY, _trafficway_odds())
        joint = self.trafficway.matrix * kind_shares[:, None]  # kind x trafficway
        kind, way = np.indices(joint.shape)
        setting = settings(kind, way)
        weights = np.bincount(setting.ravel(), weights=joint.ravel(), minlength=8)
        self.control = associate(Table(zip((*KINDS, "lot", "alley"), weights, strict=True)), CONTROL, _control_odds())
        joint3 = joint[:, :, None] * self.control.matrix[setting]  # kind x trafficway x control
        site = sites(*np.indices(joint3.shape))
        shares = np.bincount(site.ravel(), weights=joint3.ravel(), minlength=len(SITES)).astype(np.float64)
        by_site = Table(zip(SITES, shares, strict=True))
        self.speed = associate(by_site, SPEED, _SPEED_ODDS)
        self.first_crash = self._first_crash(shares)
        self.primary_cause = associate(FIRST_CRASH, PRIMARY_CAUSE, _CAUSE_ODDS)
        self.secondary_cause = associate(FIRST_CRASH, SECONDARY_CAUSE, _CAUSE_ODDS)

    @staticmethod
    def _first_crash(shares: Floats) -> Conditional:
        """First crash type given 2 x site + night."""
        odds = np.ones((2 * len(SITES), len(FIRST_CRASH)))
        for site, entries in _CRASH_ODDS.items():
            for name, ratio in entries.items():
                odds[2 * SITES.index(site) : 2 * SITES.index(site) + 2, FIRST_CRASH.code(name)] = ratio
        for name, ratio in _NIGHT.items():
            odds[1::2, FIRST_CRASH.code(name)] *= ratio
        rows = (shares[:, None] * [1 - NIGHT_SHARE, NIGHT_SHARE]).ravel()
        return Conditional(FIRST_CRASH.names, rake(odds, rows, FIRST_CRASH.shares))


@lru_cache(maxsize=1)
def associations() -> Associations:
    """The tables for the city's places."""
    from streams.local.portal.city.places import places

    here = places()
    return Associations(np.bincount(here.kinds(), weights=here.weight, minlength=len(KINDS)).astype(np.float64))
