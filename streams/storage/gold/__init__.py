"""Gold: the typed, queryable copy, in a DuckDB database that one process owns."""
