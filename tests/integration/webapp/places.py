"""A Gold of crashes with places and scores, for the map: made-up scores, of which the newest crashes have none yet."""

from datetime import date
from pathlib import Path

import duckdb

from streams.storage.gold import facets
from streams.storage.gold.gold import Gold
from tests.city_gold import city_changes

MODEL = "injury-report-logistic-20250101t000000-00000000"
UNSCORED = 5

_SCORES = f"""
insert into scores by name
select
    crash_record_id, crash_key, target, '{MODEL}' as model_version,
    probability, probability >= 0.3 as label, 'report' as tier,
    '2025-03-01'::timestamp as scored_at, [{{feature: 'persons', contribution: -0.5}}] as contributions
from (
    select
        crash_record_id, crash_key, unnest(['injury', 'injury_severe']) as target,
        (hash(crash_record_id) % 1000) / 1000 as probability
    from crashes order by crash_date desc, crash_record_id offset {2 * UNSCORED}
)
"""


def write_places(path: Path, *, crashes: int = 1500) -> None:
    """Write it to a new Gold at `path`, which nobody may have open."""
    gold = Gold.open(path)
    gold.load(city_changes(5, date(2025, 1, 1), date(2025, 3, 1), crashes))
    gold.close()
    with duckdb.connect(path) as connection:
        connection.execute(_SCORES)
        facets.build(connection)
