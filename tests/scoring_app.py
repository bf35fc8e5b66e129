"""An owner of Gold for tests: `python -m tests.scoring_app DIR DIE` loads DIR's month and scores it.

It dies of kill -9 at DIE: `load` (Gold has committed, nothing is scored), `emit` (a slice is scored).
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

import polars as pl

from agents import score as score_agent
from agents.score import Scoring
from models.model import Model
from models.registry import Registry
from models.scorer import Scorer
from streams.publisher import Publisher
from streams.records import Record
from streams.storage.gold.gold import Gold
from streams.storage.gold.upsert import Change
from streams.storage.objects import S3Objects
from streams.topics import Topic


def serving(model: Model) -> Scorer:
    """A scorer that has looked and found this model."""
    nowhere = "http://127.0.0.1:1"
    scorer = Scorer(Registry(S3Objects(nowhere, "", ""), Publisher(nowhere).publish))
    scorer._models = {model.target: model}
    return scorer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


async def main(folder: Path, when: str) -> None:
    gold = Gold.open(folder / "gold.duckdb")
    model = Model.load({file.name: file.read_bytes() for file in (folder / "model").iterdir()})
    score_agent.SLICE = 40  # type: ignore[misc]  # of the month's crashes some are scored, and some are not

    async def emit(topic: Topic, record: Record) -> None:
        if when == "emit":
            die()

    version = gold.applied().get("2024-01", 0) + 1
    touched = gold.load([Change("2024-01", version, pl.read_parquet(folder / f"{version}.parquet"))]).rows.touched
    if when == "load":
        die()
    scoring = Scoring(gold, serving(model), emit)
    scoring.changed(touched)
    await scoring.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
