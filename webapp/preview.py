"""Looking into an object without reading more of it than is shown."""

import asyncio
import io
import json
import zlib
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json, to_json

from streams.errors import RequestError
from streams.storage.objects import ObjectInfo, Objects

Kind = Literal["table", "json", "markdown", "text", "binary"]

# Of an object with text, so much is read, decompressed; a page of rows has a hundred times that.
TEXT_BYTES: Final = 4 * 1024 * 1024
# A Parquet file is read whole, as what is in it is said at its end: one up to this size, and that much decompressed.
PARQUET_BYTES: Final = 64 * 1024 * 1024
PARQUET_DECOMPRESSED: Final = 512 * 1024 * 1024


@dataclass(frozen=True)
class Content:
    """What is in an object: `columns` and the first `rows` of a table, or the beginning of a `text`.

    `count` is how many rows there are, where that is told. `cut` says what is left out.
    """

    kind: Kind
    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    count: int | None = None
    text: str | None = None
    cut: str | None = None


async def look(objects: Objects, bucket: str, info: ObjectInfo, limit: int) -> Content:
    """The first `limit` rows, or the text, of the object that `info` is of. Raises `RequestError` for a damaged one."""
    if info.key.endswith(".parquet"):
        return await _parquet(objects, bucket, info, limit)
    beginning, whole = await _beginning(objects, bucket, info)
    return await asyncio.to_thread(_read, info, beginning, whole, limit)


async def _parquet(objects: Objects, bucket: str, info: ObjectInfo, limit: int) -> Content:
    if info.size > PARQUET_BYTES:
        raise RequestError(
            f"{info.key} has {info.size:,} bytes: too many to look into", field="key", hint="download it"
        )
    body, _ = await objects.get(bucket, info.key)
    try:
        return await asyncio.to_thread(_rows_of_parquet, body, limit)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(info, str(error)) from None


def _rows_of_parquet(body: bytes, limit: int) -> Content:
    file = pq.ParquetFile(io.BytesIO(body), pre_buffer=False)
    count = file.metadata.num_rows
    if file.metadata.num_row_groups and file.metadata.row_group(0).total_byte_size > PARQUET_DECOMPRESSED:
        raise RequestError("its first rows are too large to look into", field="key", hint="download the object")
    batches = [] if not count else [next(file.iter_batches(limit))]
    # A crash of Silver is a struct: its fields are columns.
    table = pa.Table.from_batches(batches, file.schema_arrow).flatten()
    rows = from_json(to_json(table.to_pylist(), inf_nan_mode="null", bytes_mode="base64", fallback=str))
    return Content("table", table.column_names, rows, count, cut=_rest(len(rows), count))


async def _beginning(objects: Objects, bucket: str, info: ObjectInfo) -> tuple[bytes, bool]:
    """The first `TEXT_BYTES` of the body, decompressed; and whether that is all."""
    packed = info.content_encoding == "gzip" or info.key.endswith(".gz")
    unpack = zlib.decompressobj(wbits=31)
    read = bytearray()
    async with aclosing(objects.stream(bucket, info.key)) as pieces:
        async for piece in pieces:
            room = TEXT_BYTES + 1 - len(read)
            try:
                read += unpack.decompress(piece, room) if packed else piece[:room]
            except zlib.error as error:
                raise _damaged(info, f"it does not decompress: {error}") from None
            if len(read) > TEXT_BYTES or unpack.unused_data:
                return bytes(read[:TEXT_BYTES]), False
    if packed and not unpack.eof:
        raise _damaged(info, "it ends too early")
    return bytes(read), True


def _read(info: ObjectInfo, beginning: bytes, whole: bool, limit: int) -> Content:
    cut = None if whole else f"only the first {TEXT_BYTES // 1024**2} MB were read"
    try:
        text = beginning.decode("utf-8", "strict" if whole else "ignore")
    except UnicodeDecodeError:
        return Content("binary")
    if "\0" in text:
        return Content("binary")
    if info.key.endswith(".md"):
        return Content("markdown", text=text, cut=cut)
    if info.content_type == "application/json" or info.key.removesuffix(".gz").endswith(".json"):
        rows = list(_rows(text, limit + 1))
        if rows:
            return _table(info, rows, limit, whole)
        if whole:
            return Content("json", text=_indented(text))
    return Content("text", text=text, cut=cut)


def _table(info: ObjectInfo, rows: list[dict[str, Any]], limit: int, whole: bool) -> Content:
    told = info.metadata.get("rows", "")
    count = int(told) if told.isdecimal() else len(rows) if whole and len(rows) <= limit else None
    rows = rows[:limit]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    more = len(rows) == limit or not whole
    return Content("table", columns, rows, count, cut=_rest(len(rows), count) if count is not None or more else None)


def _rows(text: str, most: int) -> Iterator[dict[str, Any]]:
    """The first objects of a JSON array, one after the other: the text may end in the middle of one."""
    decoder = json.JSONDecoder()
    at = len(text) - len(text.lstrip(" \t\r\n\ufeff"))
    if text[at : at + 1] != "[":
        return
    for _ in range(most):
        at += 1
        while text[at : at + 1] in (" ", "\n", "\r", "\t"):
            at += 1
        try:
            row, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return
        if not isinstance(row, dict):
            return
        yield row
        while text[at : at + 1] in (" ", "\n", "\r", "\t"):
            at += 1
        if text[at : at + 1] != ",":
            return


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def _rest(shown: int, count: int | None) -> str | None:
    if count is None:
        return f"the first {shown:,} rows are shown; there are more"
    return f"{shown:,} of {count:,} rows are shown" if shown < count else None


def _damaged(info: ObjectInfo, reason: str) -> RequestError:
    return RequestError(f"{info.key} is damaged: {reason}", field="key", hint="download it to look at its bytes")
