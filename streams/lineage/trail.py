"""What is found of a row's way: in Gold, in Silver, in Bronze, and who fetched it."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from streams.records import Dataset


class InGold(BaseModel):
    """The row, its crash month, and which content version of that month Gold holds since when (UTC)."""

    row: dict[str, Any]
    month: str
    version: int | None
    loaded_at: datetime | None


class InSilver(BaseModel):
    """The row as published, in the newest version of its month. Its stamp decided that it won."""

    key: str = Field(description="object of the bucket `silver`")
    version: int
    content: int = Field(description="version at which the month's content last changed")
    row_id: str | None = Field(description="the portal's `:id`")
    created_at: str | None = Field(description="the portal's `:created_at`")
    updated_at: str | None = Field(description="the portal's `:updated_at`")
    row_version: str | None = Field(description="the portal's `:version`")


class InBronze(BaseModel):
    """The page that the row came with, as received. All but the key is null where the object is gone."""

    key: str = Field(description="object of the bucket `bronze`")
    request: str | None = Field(None, description="what the portal was asked")
    headers: dict[str, str] = Field(default_factory=dict, description="what it said beside the rows")
    rows: int | None = None
    size: int | None = Field(None, description="bytes as received")
    sha256: str | None = Field(None, description="of the bytes as received")
    archived_at: datetime | None = None


class FetchedBy(BaseModel):
    """A page of a run that brought the object, and when (UTC) it was merged into the row's month and loaded."""

    run_id: str
    kind: str | None
    page_id: str
    request: str
    fetched_at: datetime
    merged_at: datetime | None
    loaded_at: datetime | None


class Lineage(BaseModel):
    """Where a row of Gold came from. `ends` says why a part of the trail is missing, where one is."""

    table: Dataset
    key: str
    gold: InGold
    silver: InSilver | None = None
    bronze: InBronze | None = None
    fetched: list[FetchedBy] = Field(default_factory=list, description="from the first on")
    ends: str | None = None
