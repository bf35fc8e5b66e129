"""Gold: the typed, queryable copy, in a DuckDB database that one process owns."""

from streams.storage.gold.gold import Gold, Loaded, Status
from streams.storage.gold.readers import Answer
from streams.storage.gold.upsert import Change, Upserted

__all__ = ["Answer", "Change", "Gold", "Loaded", "Status", "Upserted"]
