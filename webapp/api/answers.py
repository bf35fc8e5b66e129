"""A table as the caller wants it: JSON, CSV, Arrow or Parquet."""

import asyncio
import io
from typing import Any, Final, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from fastapi import Request, Response
from pydantic_core import to_json

from streams.storage.gold.answer import Answer

Format = Literal["json", "csv", "arrow", "parquet"]
MEDIA: Final[dict[Format, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}

# How a route that answers with a table describes what it may answer beside JSON.
TABULAR: Final[dict[str, Any]] = {media.split(";")[0]: {} for form, media in MEDIA.items() if form != "json"}


def wanted(request: Request, chosen: Format | None) -> Format:
    """The format chosen by `format=`, or else by the header Accept; JSON where neither says."""
    if chosen is not None:
        return chosen
    accept = request.headers.get("accept", "")
    if "text/csv" in accept:
        return "csv"
    if "application/vnd.apache.parquet" in accept:
        return "parquet"
    return "arrow" if "application/vnd.apache.arrow" in accept else "json"


async def as_response(answer: Answer, form: Format) -> Response:
    """The answer in `form`; whether rows were cut off stands in the header X-Truncated, too."""
    body = await asyncio.to_thread(_encoded, answer, form)  # up to 100,000 rows: not on the event loop
    return Response(body, media_type=MEDIA[form], headers={"X-Truncated": str(answer.truncated).lower()})


def _encoded(answer: Answer, form: Format) -> bytes:
    if form == "csv":
        return as_csv(answer.table)
    if form == "arrow":
        return _arrow(answer.table)
    if form == "parquet":
        return _parquet(answer.table)
    return _json(answer)


def _json(answer: Answer) -> bytes:
    """Rows as objects; a name that occurs twice is numbered, since an object can carry it only once."""
    table = answer.table.rename_columns(_distinct(answer.table.column_names))
    columns = [{"name": field.name, "type": str(field.type)} for field in table.schema]
    for index, field in enumerate(table.schema):
        if pa.types.is_decimal(field.type):  # DuckDB's sums of integers; as JSON they would turn into text
            numbers = pa.int64() if field.type.scale == 0 else pa.float64()
            table = table.set_column(index, field.name, table.column(index).cast(numbers, safe=False))
    body: dict[str, Any] = {"columns": columns, "rows": table.to_pylist(), "truncated": answer.truncated}
    return to_json(body, inf_nan_mode="null", bytes_mode="base64", fallback=str)


def as_csv(table: pa.Table, *, header: bool = True) -> bytes:
    """CSV; lists and structs, which CSV has no notion of, as JSON."""
    for index, field in enumerate(table.schema):
        if pa.types.is_nested(field.type):
            texts = [None if value is None else to_json(value).decode() for value in table.column(index).to_pylist()]
            table = table.set_column(index, field.name, pa.array(texts, pa.string()))
    buffer = io.BytesIO()
    pyarrow.csv.write_csv(table, buffer, pyarrow.csv.WriteOptions(include_header=header))
    return buffer.getvalue()


def _arrow(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    with pa.ipc.new_stream(buffer, table.schema) as stream:
        stream.write_table(table)
    return buffer.getvalue()


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(table.rename_columns(_distinct(table.column_names)), buffer, compression="zstd")
    return buffer.getvalue()


def _distinct(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct
