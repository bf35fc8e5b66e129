"""SODA rows, as JSON gives them, to frames of published text."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from streams.errors import RequestError
from streams.local.portal.datasets import Dataset

Row = dict[str, Any]


def frame_of(rows: Iterable[Row], columns: Iterable[str]) -> pl.DataFrame:
    """A frame of text columns; what a row lacks is null. Raises :class:`RequestError` for a value that is no text."""
    rows = list(rows)
    return pl.DataFrame(
        {name: [_text(name, row.get(name)) for row in rows] for name in columns},
        schema_overrides=dict.fromkeys(columns, pl.String),
    )


def given_rows(directory: Path, dataset: Dataset) -> pl.DataFrame:
    """The rows of ``<directory>/<dataset>.json``.

    Raises :class:`RequestError`, naming the file, where it is missing or holds anything but SODA rows.
    """
    path = directory / f"{dataset.name}.json"
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise RequestError(
            f"{path}: {error.strerror}", hint="a folder of given rows holds one file a dataset"
        ) from None
    except ValueError as error:
        raise RequestError(f"{path}: no JSON: {error}") from None
    if not isinstance(rows, list):
        raise RequestError(f"{path}: not an array of rows")
    names = {dataset.key: None}
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise RequestError(f"{path}: row {number} is no object")
        if not row.get(dataset.key):
            raise RequestError(f"{path}: row {number} has no {dataset.key}", field=dataset.key)
        names.update(dict.fromkeys(row))
    try:
        return frame_of(rows, names)
    except RequestError as error:
        raise RequestError(f"{path}: {error.message}", field=error.field) from None


def city_frame(frame: pl.DataFrame) -> pl.DataFrame:
    """The generated city's rows as published text: its points become GeoJSON, its system times text."""
    point = pl.when(pl.col("location").struct.field("type").is_not_null()).then(pl.col("location").struct.json_encode())
    times = pl.selectors.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    points = [point.alias("location")] if "location" in frame.columns else []
    return frame.with_columns(times, *points)


def _text(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    raise RequestError(f"{name} is {value!r}, which is no text", field=name, hint="SODA publishes every value as text")
