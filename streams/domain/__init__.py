"""Schemas, merge, clean: pure functions over Polars frames; no I/O, no clock."""
