"""Signs that a feature, or a set of them, knows the answer: a score that no honest feature has.

Outcomes are refused by name (`features.REFUSED`). This finds what slips in under another name.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models.features import KEY
from streams.errors import LeakFound
from streams.records import Target, Tier

# ROC-AUC that a single feature may have alone. The strongest honest one, `first_crash_type`, has 0.76 for injuries and
# 0.77 for severe ones (0.77 and 0.79 in the simulated city); `crash_type`, which says the outcome, has 0.93 and 0.88
# (0.92 and 0.86), and `injury` 0.94 for severe ones.
ALONE: Final = 0.83

# ROC-AUC that all features together may have. In the simulated city, whose chances are known, the best possible is
# 0.888 for injuries and 0.926 for severe ones.
CEILINGS: Final[Mapping[Target, float]] = {"injury": 0.90, "injury_severe": 0.96}

_BINS: Final = 64
_PRIOR: Final = 10.0  # rows of the base rate that each level is thought to have had besides its own


def refuse_leaks(features: pl.DataFrame, label: pl.Series) -> None:
    """Measure each feature alone, and refuse one that nearly gives the label away.

    `features` are columns of `features.build` (any others are measured just the same), `label` the Boolean outcome of
    the same rows. A feature is scored by the mean label of its level (numbers: of their quantile; null is a level),
    learned on one half of the rows and measured on the other. `LeakFound` names the first whose ROC-AUC is above ALONE,
    by more than a standard error.
    """
    hurt = label.to_numpy().astype(bool)
    for name in features.columns:
        if name == KEY:
            continue
        alone, error = _alone(_levels(features[name]), hurt)
        if alone - error > ALONE:
            raise LeakFound(
                f"{name} alone has a ROC-AUC of {alone:.3f}, above {ALONE}: it gives the outcome away",
                field=name,
                hint=f"leave {name} out",
            )


def refuse_ceiling(roc_auc: float, tier: Tier, target: Target) -> None:
    """Refuse a model whose ROC-AUC is beyond what anybody could know at its tier.

    Give the lower end of the score's interval, so that the luck of a small test set is no leak. Raises `LeakFound`.
    """
    ceiling = CEILINGS[target]
    if roc_auc > ceiling:
        raise LeakFound(
            f"a ROC-AUC of {roc_auc:.3f} for {target} at tier {tier} is above {ceiling}: a feature knows the outcome",
            field="features",
            hint="look for a column that is written after the outcome, and leave it out",
        )


def _levels(values: pl.Series) -> npt.NDArray[np.int64]:
    """Each row's level as a number; 0 is null."""
    if values.dtype == pl.String:
        values = values.cast(pl.Categorical).to_physical()
    elif values.dtype.is_numeric() and values.n_unique() > _BINS:
        values = (values.rank("average") * (_BINS / len(values))).floor()  # ties share a rank, and so a level
    return values.rank("dense").fill_null(0).cast(pl.Int64).to_numpy()


def _alone(levels: npt.NDArray[np.int64], hurt: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """ROC-AUC of the levels' mean labels, each half of the rows scored by the other's, and its standard error."""
    count = int(levels.max(initial=0)) + 1
    half = np.arange(len(levels)) % 2
    cells = half * count + levels
    rows = np.bincount(cells, minlength=2 * count).reshape(2, count)
    events = np.bincount(cells[hurt], minlength=2 * count).reshape(2, count)
    mean = (events + _PRIOR * hurt.mean()) / (rows + _PRIOR)
    return _roc_auc(mean[::-1].ravel(), events.ravel(), (rows - events).ravel())


def _roc_auc(
    score: npt.NDArray[np.float64], hurt: npt.NDArray[np.int64], unhurt: npt.NDArray[np.int64]
) -> tuple[float, float]:
    """ROC-AUC of scores that so many rows of either class have, and its standard error (Hanley and McNeil, 1982)."""
    _, tied = np.unique(score, return_inverse=True)
    hurt, unhurt = np.bincount(tied, weights=hurt), np.bincount(tied, weights=unhurt)
    positives, negatives = hurt.sum(), unhurt.sum()
    if not positives or not negatives:
        return 0.5, 0.5
    a = float((hurt * (np.cumsum(unhurt) - unhurt / 2)).sum() / (positives * negatives))
    one, two = a / (2 - a), 2 * a * a / (1 + a)
    variance = a * (1 - a) + (positives - 1) * (one - a * a) + (negatives - 1) * (two - a * a)
    return a, float(np.sqrt(variance / (positives * negatives)))
