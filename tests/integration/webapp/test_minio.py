"""The object store over the API: browse, look, download, and delete what was typed out."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import polars as pl
import pytest

from models.registry import BUCKET as MODELS
from streams.domain.compare import changed_crashes
from streams.domain.merge import empty_month
from streams.records import Promotion
from streams.storage.objects import S3Objects
from streams.storage.silver import Head, Silver
from tests.embedded_s3 import shared_objects, shared_store
from tests.gold_rows import crash, person, silver
from tests.integration.webapp.serving import TOKEN, Outbox, nowhere, serve_web
from webapp.preview import TEXT_BYTES

BEARER = {"Authorization": f"Bearer {TOKEN}"}
PAGE = "crashes/2024-01-01_2024-02-01/ab.json.gz"
ROWS = [{"crash_record_id": f"c{n}", "latitude": "41.9", "location": {"type": "Point"}} for n in range(300)]
RAW = gzip.compress(json.dumps(ROWS).encode())
META = {"request": "http://portal/resource/85ca-t3if.json", "rows": "300", "sha256": hashlib.sha256(RAW).hexdigest()}
MONTH = silver([crash("a", weather_condition="RAIN"), crash("b")], [], [person("P1", "a")])


@pytest.fixture
async def objects() -> AsyncIterator[S3Objects]:
    async with shared_objects() as objects:
        await objects.put("bronze", PAGE, RAW, metadata=META, content_type="application/json", content_encoding="gzip")
        await objects.put("bronze", "_extent.json", b'{"since": "2024-01-01"}', content_type="application/json")
        head = Head("2024-01")
        await Silver(objects).append(head, "page", MONTH, changed_crashes(empty_month(), MONTH))
        await objects.put(MODELS, "versions/served/card.md", b"# A model\n\nIt **serves**.")
        await objects.put(MODELS, "versions/old/card.md", b"# Another")
        await objects.put(MODELS, "versions/old/model.bin", bytes(range(256)))
        promoted = Promotion(target="injury", number=1, version="served", by="test")
        await objects.put(MODELS, "serving/injury/00000001.json", promoted.encode())
        yield objects


@pytest.fixture
async def session(objects: S3Objects, tmp_path: Path) -> AsyncIterator[aiohttp.ClientSession]:
    store = shared_store()
    settings = nowhere(
        tmp_path,
        s3_endpoint_url=store.endpoint_url,
        s3_access_key=store.access_key,
        s3_secret_key=store.secret_key,
    )
    async with serve_web(settings, Outbox()) as url, aiohttp.ClientSession(url) as session:
        yield session


async def ask(
    session: aiohttp.ClientSession, path: str, status: int = 200, method: str = "GET", headers: Any = None, **given: str
) -> dict[str, Any]:
    async with session.request(method, f"/api/minio/{path}", params=given, headers=headers) as response:
        body: dict[str, Any] = await response.json()
        assert response.status == status, body
        return body


async def delete(session: aiohttp.ClientSession, path: str, status: int = 200, **given: str) -> dict[str, Any]:
    return await ask(session, path, status, "DELETE", BEARER, **given)


async def test_folders_and_objects_are_listed_part_by_part(session: aiohttp.ClientSession, objects: S3Objects) -> None:
    top = await ask(session, "browse", bucket="bronze")
    assert (top["folders"], [one["key"] for one in top["objects"]]) == (["crashes/"], ["_extent.json"])
    folder = await ask(session, "browse", bucket="bronze", prefix=PAGE.rsplit("/", 1)[0] + "/", metadata="true")
    (page,) = folder["objects"]
    assert (page["key"], page["size"], page["metadata"]) == (PAGE, len(RAW), META)
    for n in range(5):
        await objects.put("bronze", f"in-parts/{n}/x.json", b"[]")
    parts: list[list[str]] = []
    after = None
    while not parts or after:
        more = {"after": after} if after else {}
        part = await ask(session, "browse", bucket="bronze", prefix="in-parts/", limit="2", **more)
        after = part["after"]
        parts.append(part["folders"])
    # A store may say that there is more, and then have nothing.
    assert [part for part in parts if part] == [[f"in-parts/{n}/" for n in at] for at in ((0, 1), (2, 3), (4,))]


async def test_a_page_is_decompressed_and_shown_as_rows(session: aiohttp.ClientSession) -> None:
    page = await ask(session, "preview", bucket="bronze", key=PAGE, limit="2")
    assert (page["kind"], page["rows"], page["count"]) == ("table", ROWS[:2], 300)
    assert page["columns"] == ["crash_record_id", "latitude", "location"]
    assert (page["metadata"], page["cut"]) == (META, "2 of 300 rows are shown")
    async with session.get("/api/minio/preview.csv", params={"bucket": "bronze", "key": PAGE}) as response:
        header, first, *rest = csv.reader(io.StringIO(await response.text()))
        assert response.headers["X-Truncated"] == "true"
    assert (header, first, len(rest)) == (page["columns"], ["c0", "41.9", '{"type":"Point"}'], 49)


async def test_parquet_json_cards_and_bytes_are_shown_as_what_they_are(session: aiohttp.ClientSession) -> None:
    key = "month=2024-01/versions/00000001.parquet"
    month = await ask(session, "preview", bucket="silver", key=key)
    assert (month["kind"], month["count"], month["metadata"]["page"]) == ("table", 2, "page")
    assert [row["crash.weather_condition"] for row in month["rows"]] == ["RAIN", None]
    extent = await ask(session, "preview", bucket="bronze", key="_extent.json")
    assert (extent["kind"], json.loads(extent["text"])) == ("json", {"since": "2024-01-01"})
    card = await ask(session, "preview", bucket="models", key="versions/served/card.md")
    assert (card["kind"], card["text"].splitlines()[0]) == ("markdown", "# A model")
    model = await ask(session, "preview", bucket="models", key="versions/old/model.bin")
    assert (model["kind"], model["text"], model["rows"]) == ("binary", None, [])


async def test_an_object_is_downloaded_as_it_is_stored(session: aiohttp.ClientSession) -> None:
    async with session.get("/api/minio/object", params={"bucket": "bronze", "key": PAGE}) as response:
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''ab.json.gz"
        assert "Content-Encoding" not in response.headers
        assert await response.read() == RAW


async def test_a_bomb_is_cut_and_what_is_damaged_is_told(session: aiohttp.ClientSession, objects: S3Objects) -> None:
    await objects.put("bronze", "bomb.json.gz", gzip.compress(b'[{"a": "' + b"x" * 40 * 1024**2))
    await objects.put("bronze", "many.json.gz", gzip.compress(json.dumps(ROWS * 400).encode()))
    await objects.put("bronze", "short.json.gz", RAW[:-30])
    await objects.put("bronze", "none.json.gz", b"this is no gzip")
    await objects.put("bronze", "none.parquet", b"this is no parquet")
    bomb = await ask(session, "preview", bucket="bronze", key="bomb.json.gz")
    assert (bomb["kind"], len(bomb["text"]), "4 MB" in bomb["cut"]) == ("text", TEXT_BYTES, True)
    many = await ask(session, "preview", bucket="bronze", key="many.json.gz", limit="3")
    assert (many["rows"], many["count"], "more" in many["cut"]) == (ROWS[:3], None, True)
    for name in ("short.json.gz", "none.json.gz", "none.parquet"):
        error = (await ask(session, "preview", 422, bucket="bronze", key=name))["error"]
        assert (error["field"], "damaged" in error["message"], "download" in error["hint"]) == ("key", True, True)


async def test_a_folder_goes_once_its_name_is_typed_out(session: aiohttp.ClientSession, objects: S3Objects) -> None:
    given = {"bucket": "bronze", "prefix": "crashes/"}
    assert (await ask(session, "folder", 401, "DELETE", **given, confirm="bronze/crashes"))["error"]["field"]
    counted = await delete(session, "folder", **given, dry_run="true")
    assert (counted["objects"], counted["size"], counted["deleted"]) == (1, len(RAW), False)
    assert counted["lost"]
    assert counted["heals"]
    for confirm in ("", "bronze", "crashes/"):
        assert (await delete(session, "folder", 422, **given, confirm=confirm))["error"]["field"] == "confirm"
    assert [info.key async for info in objects.list("bronze")] == ["_extent.json", PAGE]
    gone = await delete(session, "folder", **given, confirm=counted["name"])
    assert gone == counted | {"deleted": True}
    assert [info.key async for info in objects.list("bronze")] == ["_extent.json"]
    assert (await delete(session, "folder", 404, **given, confirm="bronze/crashes"))["error"]["field"] == "prefix"


async def test_a_month_and_a_model_that_serves_stay_and_their_layers_may_go(
    session: aiohttp.ClientSession, objects: S3Objects
) -> None:
    for bucket, prefix in (("silver", "month=2024-01/"), ("models", "versions/served/"), ("models", "versions/")):
        name = f"{bucket}/{prefix}"
        error = (await delete(session, "folder", 409, bucket=bucket, prefix=prefix, confirm=name))["error"]
        assert (error["code"], error["field"], bool(error["hint"])) == ("kept", "prefix", True)
    await delete(session, "folder", bucket="models", prefix="versions/old/", confirm="models/versions/old")
    assert (await delete(session, "bucket", 422, bucket="silver", confirm="bronze"))["error"]["field"] == "confirm"
    await delete(session, "bucket", bucket="silver", confirm="silver")
    assert pl.DataFrame(await Silver(objects).at("2024-01")).is_empty()
    await delete(session, "bucket", bucket="bronze", confirm="bronze")
    assert [info.key async for info in objects.list("bronze")] == ["_extent.json"]
    assert "no page" in (await delete(session, "bucket", 409, bucket="silver", confirm="silver"))["error"]["message"]
    assert (await delete(session, "bucket", bucket="models", confirm="models"))["objects"] == 2
    assert [info.key async for info in objects.list("models")] == []


WRONG = (
    ("browse", 422, {"bucket": "gold"}, "bucket"),
    ("browse", 422, {"bucket": "bronze", "limit": "0"}, "limit"),
    ("browse", 422, {"bucket": "bronze", "prefix": "a\0"}, "prefix"),
    ("preview", 404, {"bucket": "bronze", "key": "no/such"}, "key"),
    ("preview", 422, {"bucket": "bronze"}, "key"),
    ("preview", 422, {"bucket": "bronze", "key": "_extent.json", "format": "csv"}, "format"),
    ("object", 404, {"bucket": "bronze", "key": "crashes"}, "key"),
)


async def test_a_wrong_question_is_told_its_field_and_the_remedy(session: aiohttp.ClientSession) -> None:
    for path, status, given, field in WRONG:
        error = (await ask(session, path, status, **given))["error"]
        assert (error["field"], bool(error["hint"])) == (field, True), (path, given)
    for path, given, field in (
        ("folder", {"bucket": "bronze", "prefix": "crashes"}, "prefix"),
        ("folder", {"bucket": "bronze", "prefix": ""}, "prefix"),
        ("bucket", {"bucket": "bronze"}, "confirm"),
    ):
        assert (await delete(session, path, 422, **given))["error"]["field"] == field
