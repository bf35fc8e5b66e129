"""Whoever is killed between a load and its scores, or among them: no score is wrong, and in the end none is missing."""

import asyncio
import subprocess
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from agents.score import Scoring
from models.features import build
from models.model import Model
from streams.domain.clean import gold_frames
from streams.records import Record
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.topics import Topic
from tests.city_gold import city_changes
from tests.scoring_app import serving
from tests.trained import trained

CRASHES, AMENDED = 150, 60


@pytest.fixture(scope="module")
def silver() -> pl.DataFrame:
    (month,) = city_changes(5, date(2024, 1, 1), date(2024, 1, 31), CRASHES)
    return month.silver


@pytest.fixture(scope="module")
def model(silver: pl.DataFrame) -> Model:
    return trained(gold_frames(silver))


@pytest.fixture
def folder(tmp_path: Path, silver: pl.DataFrame, model: Model) -> Path:
    """What the owner of Gold finds: crashes of the month that are amended, and the model."""
    amended = pl.col("crash").struct.with_fields(
        pl.lit("9").alias("num_units"), pl.lit("60").alias("posted_speed_limit")
    )
    silver.head(AMENDED).with_columns(amended).write_parquet(tmp_path / "2.parquet")
    (tmp_path / "model").mkdir()
    for name, body in model.dump().items():
        (tmp_path / "model" / name).write_bytes(body)
    return tmp_path


def owner(folder: Path, when: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "tests.scoring_app", str(folder), when], check=False, timeout=120
    ).returncode


def right(gold: Gold, model: Model) -> int:
    """How many crashes have a score; each is that of the crash as it is."""
    held = gold.query("select crash_record_id, probability, label from scores order by all").table
    frames = gold.to_score(pl.Series(held["crash_record_id"].to_pylist(), dtype=pl.String))
    computed = model.score(build(frames.crashes, frames.vehicles, frames.people))
    assert held.to_pylist() == computed.sort("crash_record_id").to_dicts()
    return held.num_rows


@pytest.mark.parametrize(("when", "scored"), [("load", 0), ("emit", 40)])
async def test_after_kill_9_every_score_is_right_and_in_the_end_all_are_there(
    folder: Path, silver: pl.DataFrame, model: Model, when: str, scored: int
) -> None:
    async def nobody(topic: Topic, record: Record) -> None:
        pass

    async def score_all(gold: Gold) -> None:
        running = asyncio.create_task(Scoring(gold, serving(model), nobody).run())
        async with asyncio.timeout(60):
            while not gold.unscored("injury", model.version, 1).is_empty():
                await asyncio.sleep(0.05)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    gold = Gold.open(folder / "gold.duckdb")
    gold.load([Change("2024-01", 1, silver)])
    await score_all(gold)
    assert right(gold, model) == CRASHES
    gold.close()

    assert owner(folder, when) == -9
    gold = Gold.open(folder / "gold.duckdb")
    assert gold.query("select count(*) as n from crashes where num_units = 9").table.to_pylist() == [{"n": AMENDED}]
    assert right(gold, model) == CRASHES - AMENDED + scored
    await score_all(gold)
    assert right(gold, model) == CRASHES
    gold.close()
