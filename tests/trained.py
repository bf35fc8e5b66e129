"""Small models of simulated crashes, trained in a moment."""

from collections.abc import Sequence
from datetime import UTC, datetime

from models.algorithms import ALGORITHMS, hyperparameters
from models.calibrate import Calibration
from models.encode import Encoding
from models.features import FEATURES, build
from models.model import Model
from streams.domain.clean import GoldFrames
from streams.records import Algorithm, Target

SOME = ("hour", "num_units", "posted_speed_limit", "lighting_condition", "first_crash_type", "persons", "airbags_kept")


def trained(
    frames: GoldFrames,
    target: Target = "injury",
    algorithm: Algorithm = "lightgbm",
    names: Sequence[str] = SOME,
    threshold: float = 0.3,
    trained_at: datetime = datetime(2024, 6, 1, tzinfo=UTC),
) -> Model:
    """A model of all crashes whose outcome is known; another one for another threshold or time."""
    features = [feature for feature in FEATURES if feature.name in names]
    known = frames.crashes.drop_nulls(target)
    rows, label = build(known, frames.vehicles, frames.people), known[target].to_numpy()
    encoding = Encoding.fit(rows, features)
    matrix = encoding.matrix(rows)
    fitted = ALGORITHMS[algorithm].fit(matrix, label, None, hyperparameters(algorithm, {}), lambda share, score: None)
    first, last = (known["crash_date"].sort()[place] for place in (0, -1))
    return Model(
        target=target,
        tier="report",
        algorithm=algorithm,
        features=tuple(feature.name for feature in features),
        encoding=encoding,
        classifier=fitted,
        calibration=Calibration.fit(fitted.probability(matrix), label),
        threshold=threshold,
        data_from=first,
        data_through=last,
        trained_at=trained_at,
    )
