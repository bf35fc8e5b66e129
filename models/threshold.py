"""From which probability on a crash counts as positive."""

from math import ceil

import numpy as np
import numpy.typing as npt

from streams.errors import DataTooThin, RequestError


def threshold_for(
    probability: npt.NDArray[np.float64],
    label: npt.NDArray[np.bool_],
    *,
    recall: float | None = None,
    cost: float | None = None,
) -> float:
    """The threshold at or above which calibrated probabilities count as positive.

    `recall` (above 0, at most 1): the highest threshold that finds this share of the positive rows.
    `cost` (of a missed positive, in false alarms): 1 / (1 + cost), which is the best of all for true probabilities,
    whatever the rows at hand. Neither: the threshold of the greatest F1 on the rows, the highest of equals.
    Raises `RequestError` for a share or cost that cannot be, or both; `DataTooThin` when no row is positive.
    """
    if recall is not None and cost is not None:
        raise RequestError("both a recall and a cost", field="cost", hint="give recall or cost, not both")
    if cost is not None:
        if not 0 < cost < float("inf"):
            raise RequestError(
                f"cost {cost} is none", field="cost", hint="say how many false alarms a missed one is worth, such as 5"
            )
        return 1 / (1 + cost)
    if recall is not None and not 0 < recall <= 1:
        raise RequestError(f"recall {recall} is no share", field="recall", hint="give a number such as 0.8")
    positives = np.sort(probability[label])[::-1]
    if not len(positives):
        raise DataTooThin("no row is positive", field="label", hint="take a longer period")
    if recall is not None:
        # The small number undoes what 0.7 * 10 = 7.000000000000001 would do.
        return float(positives[ceil(recall * len(positives) - 1e-9) - 1])
    # F1 is greatest at a positive's probability: just below it, there is only more to be wrong about.
    found = np.arange(1, len(positives) + 1)
    found = found[np.searchsorted(-positives, -positives, side="right") - 1]  # all of equal probability
    flagged = len(probability) - np.searchsorted(np.sort(probability), positives, side="left")
    return float(positives[np.argmax(2 * found / (flagged + len(positives)))])
