"""Merging is commutative, associative and idempotent, whatever the pages."""

import random

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from streams.domain.merge import empty_month, flatten, merge
from streams.domain.schemas import TABLES, published
from streams.records import DATASETS

ROW = st.fixed_dictionaries(
    {
        "dataset": st.sampled_from(DATASETS),
        "key": st.sampled_from("abc"),
        "crash": st.sampled_from("xyz"),
        "updated": st.integers(0, 3),
        "version": st.integers(0, 1),
        "content": st.sampled_from(["1", "2", None]),
    }
)
PAGES = st.lists(st.lists(ROW, min_size=1, max_size=6), min_size=1, max_size=6)


def rows_of(page: list[dict], dataset: str) -> pl.DataFrame:
    table = TABLES[dataset]
    rows = [
        {
            table.key: row["key"],
            "crash_record_id": row["key"] if dataset == "crashes" else row["crash"],
            "crash_date": "2024-01-05T00:00:00.000",
            (table.names[4] if table.names[4] != "crash_date" else table.names[5]): row["content"],
            ":updated_at": f"2024-01-01T00:00:0{row['updated']}.000Z",
            ":version": f"rv-{row['version']}",
            ":id": f"row-{row['key']}",
        }
        for row in page
        if row["dataset"] == dataset
    ]
    return pl.from_dicts(rows, schema=published(table)) if rows else pl.DataFrame(schema=published(table))


def merged(pages: list[list[dict]]) -> pl.DataFrame:
    silver = empty_month()
    for page in pages:
        for dataset in DATASETS:
            after = merge(silver, rows_of(page, dataset), TABLES[dataset]).silver
            silver = silver if after is None else after
    return silver


@given(PAGES, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_end_in_the_same_month(pages: list, rng: random.Random) -> None:
    again = pages + [rng.choice(pages) for _ in range(3)]
    rng.shuffle(again)
    assert merged(again).equals(merged(pages))


@given(PAGES)
def test_pages_may_be_joined_before_merging(pages: list) -> None:
    assert merged([[row for page in pages for row in page]]).equals(merged(pages))


@given(PAGES)
def test_merging_a_month_again_changes_nothing(pages: list) -> None:
    silver = merged(pages)
    for page in pages:
        for dataset in DATASETS:
            again = merge(silver, rows_of(page, dataset), TABLES[dataset])
            assert again.silver is None
            assert again.delta.is_empty()


@given(PAGES)
def test_the_winner_of_each_key_is_the_row_published_last(pages: list) -> None:
    silver = merged(pages)
    for dataset in DATASETS:
        table = TABLES[dataset]
        best: dict[str, tuple] = {}
        for row in (row for page in pages for row in page if row["dataset"] == dataset):
            best[row["key"]] = max(best.get(row["key"], (-1,)), (row["updated"], row["version"]))
        rows = flatten(silver, table).to_dicts()
        assert sorted(row[table.key] for row in rows) == sorted(best)
        for row in rows:
            updated, version = best[row[table.key]]
            assert row[":updated_at"].endswith(f"0{updated}.000Z")
            assert row[":version"] == f"rv-{version}"


@given(PAGES, PAGES)
def test_a_delta_holds_each_crash_whose_content_changed_and_no_other(first: list, second: list) -> None:
    def content(silver: pl.DataFrame) -> dict[str, dict]:
        found: dict[str, dict] = {}
        for dataset in DATASETS:
            table = TABLES[dataset]
            for row in flatten(silver, table).select(table.names).to_dicts():
                found.setdefault(row["crash_record_id"], {})[(dataset, row[table.key])] = row
        return found

    silver = merged(first)
    for page in second:
        for dataset in DATASETS:
            before = content(silver)
            step = merge(silver, rows_of(page, dataset), TABLES[dataset])
            silver = silver if step.silver is None else step.silver
            after = content(silver)
            changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
            assert set(step.delta["crash_record_id"]) == changed
            told = content(step.delta)
            assert {key: told.get(key) for key in changed} == {key: after.get(key) for key in changed}
