"""What a scenario consists of."""

import random
from dataclasses import dataclass
from datetime import date
from typing import Self

from streams.local.portal.faults import Kind

START, ENDS = date(2024, 1, 20), (date(2024, 2, 20), date(2024, 3, 10))
"""The crash dates of a city: two months of them, or three."""

STAGES = ("plan", "poll", "fetch", "merge", "load", "audit")


@dataclass(frozen=True)
class Plan:
    """Everything about a scenario but the order of its steps.

    Rates are shares of calls that fail. `deaths` are (stage, n): the process dies at the n-th step of that stage.
    `rebalances` are steps of merges: that month goes to another worker, and the one that had it does not know yet.
    `full` are the puts that find the store out of space. `commits` is the share of handled messages that are committed
    at once; `repeats` times a partition is read again from there. `haste` is how soon Gold takes what is ready: the
    less, the larger its batches.
    """

    seed: int
    crashes: int
    end: date
    page_rows: int
    workers: int
    changes: int
    polls: int
    audits: int
    commits: float
    repeats: int
    haste: float
    portal: float = 0.0
    kinds: tuple[Kind, ...] = tuple(Kind)
    store: float = 0.0
    broker: float = 0.0
    gold: float = 0.0
    full: range = range(0)
    deaths: frozenset[tuple[str, int]] = frozenset()
    rebalances: frozenset[int] = frozenset()

    @classmethod
    def draw(cls, seed: int) -> Self:
        """The plan of a seed. Each kind of fault is in about half of all scenarios, so that some have few."""
        rng = random.Random(f"plan {seed}")

        def some(value: float) -> float:
            return rng.uniform(0.01, value) if rng.random() < 0.6 else 0.0

        # A drip lasts a second, so it is in few scenarios.
        kinds = tuple(kind for kind in Kind if rng.random() < (0.1 if kind is Kind.DRIP else 0.7)) or (Kind.RESET,)
        puts = rng.randrange(1, 40)
        return cls(
            seed=seed,
            crashes=rng.randrange(30, 60),
            end=rng.choice(ENDS),
            page_rows=rng.choice((40, 100, 400)),
            workers=rng.randrange(1, 4),
            changes=rng.randrange(1, 4),
            polls=rng.randrange(1, 3),
            audits=rng.choice((0, 0, 1)),
            commits=rng.choice((0.1, 0.5, 1.0)),
            repeats=rng.choice((0, 2, 6)),
            haste=rng.choice((0.005, 0.02)),
            portal=some(0.25),
            kinds=kinds,
            store=some(0.04),
            broker=some(0.04),
            gold=some(0.4),
            full=range(puts, puts + rng.randrange(1, 30)) if rng.random() < 0.3 else range(0),
            deaths=frozenset(
                (rng.choice(STAGES), round(2 ** rng.uniform(0, 7.5))) for _ in range(rng.choice((0, 2, 4, 6)))
            ),
            rebalances=frozenset(round(2 ** rng.uniform(0, 8)) for _ in range(rng.choice((0, 0, 3, 8)))),
        )
