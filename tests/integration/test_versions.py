"""Silver's past can be read, compared and expired, and nothing of that breaks the chain of versions."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
import pytest_asyncio

from streams.domain.compare import changed_crashes
from streams.errors import ObjectExists, RequestError
from streams.expire import expire
from streams.storage.silver import BUCKET, Head, Silver
from tests.embedded_s3 import embedded_store
from tests.gold_rows import crash, person, silver, vehicle

MONTH = "2024-01"
DAY = timedelta(days=1)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Silver]:
    async with embedded_store(tmp_path_factory.mktemp("store") / "s3") as store, store.client() as objects:
        await objects.ensure_buckets([BUCKET])
        yield Silver(objects)


@pytest_asyncio.fixture(loop_scope="module")
async def versions(shared: Silver) -> AsyncIterator[Silver]:
    yield shared
    objects = shared._objects
    await objects.delete(BUCKET, [info.key async for info in objects.list(BUCKET)])


def held(number: int) -> pl.DataFrame:
    """The month as of a version."""
    crashes = [crash(f"c{one}", lane_cnt=str(number)) for one in range(number)]
    return silver(crashes, [vehicle(1, "c0")], [person("P1", "c0", **{":gone": True})])


async def write(versions: Silver, *numbers: int, month: str = MONTH) -> Head:
    head = await versions.head(month)
    before = await versions.month(head)
    for number in numbers:
        after = held(number)
        head = await versions.append(head, f"page-{number}", after, changed_crashes(before, after))
        before = after
    return head


async def test_history_tells_what_each_version_holds_and_which_page_caused_it(versions: Silver) -> None:
    await write(versions, 1, 2, 2)
    first, second, third = await versions.history(MONTH)
    assert (first.version, first.content, first.page) == (1, 1, "page-1")
    assert first.rows == {"crashes": 1, "vehicles": 1, "people": 0}, "tombstones do not count"
    assert (third.version, third.content, third.rows) == (3, 2, second.rows)
    assert first.written_at <= second.written_at <= datetime.now(UTC)
    assert await versions.newest() == {MONTH: third}


async def test_a_month_is_read_as_of_a_version_or_a_time(versions: Silver) -> None:
    await write(versions, 1)
    await asyncio.sleep(1.1)  # the store's clock may have whole seconds only
    await write(versions, 2)
    first, second = await versions.history(MONTH)
    assert (await versions.at(MONTH, version=1)).equals(held(1))
    assert (await versions.at(MONTH, at=first.written_at)).equals(held(1))
    assert (await versions.at(MONTH, at=second.written_at)).equals(held(2))
    assert (await versions.at(MONTH)).equals(held(2))


async def test_what_is_not_there_is_named_with_what_is(versions: Silver) -> None:
    await write(versions, 1, 2)
    with pytest.raises(RequestError, match=r"no month 2024-02.*there are: 2024-01") as error:
        await versions.at("2024-02")
    assert error.value.field == "month"
    with pytest.raises(RequestError, match=r"version 3 .* does not exist.*versions 1 to 2 can be read") as error:
        await versions.at(MONTH, version=3)
    assert error.value.field == "version"
    with pytest.raises(RequestError, match=r"its first version is of") as error:
        await versions.at(MONTH, at=datetime.now(UTC) - DAY)
    assert error.value.field == "at"
    await expire(versions, DAY, datetime.now(UTC) + 2 * DAY)
    with pytest.raises(RequestError, match=r"version 1 of 2024-01 has expired.*version 2 can be read"):
        await versions.at(MONTH, version=1)
    with pytest.raises(RequestError, match=r"has expired"):
        await versions.at(MONTH, at=datetime.now(UTC) - DAY)


async def test_expiry_leaves_what_is_young_and_the_head_with_its_delta(versions: Silver) -> None:
    await write(versions, 1, 2, 3, 3, 3)
    await write(versions, 1, month="2024-02")
    assert await expire(versions, DAY, datetime.now(UTC)) == 0
    assert await expire(versions, DAY, datetime.now(UTC) + 2 * DAY) == 5
    assert [version.version for version in await versions.history(MONTH)] == [3, 5]
    head = await versions.head(MONTH)
    assert (head.version, head.content, head.base) == (5, 3, 2)
    assert (await versions.read(head.delta_key)).equals(held(3))
    assert (await versions.head("2024-02")).version == 1
    assert await expire(versions, DAY, datetime.now(UTC) + 2 * DAY) == 0


@pytest.mark.parametrize("stale", [0, 3])
async def test_a_number_freed_by_expiry_is_no_place_to_go_on_from(versions: Silver, stale: int) -> None:
    """A worker without its table, or with an old one, must not fork the chain where versions have expired."""
    await write(versions, 1, 2, 3, 3, 3)
    await expire(versions, DAY, datetime.now(UTC) + 2 * DAY)
    with pytest.raises(ObjectExists):
        await versions.append(Head(MONTH, stale), "late", held(9), held(9))
    assert (await versions.month(await versions.head(MONTH))).equals(held(3))


async def test_versions_are_written_while_others_expire(versions: Silver) -> None:
    async def expiring() -> None:
        for _ in range(10):
            await expire(versions, DAY, datetime.now(UTC) + 2 * DAY)

    await write(versions, 1)
    await asyncio.gather(write(versions, *range(2, 22)), expiring())
    head = await versions.head(MONTH)
    assert head.version == 21
    assert (await versions.month(head)).equals(held(21))
