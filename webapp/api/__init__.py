"""The REST API: a router a subject."""

from webapp.api import audit, dead_letters, fetch, gold, health, lineage, runs, schedule, versions

__all__ = ["audit", "dead_letters", "fetch", "gold", "health", "lineage", "runs", "schedule", "versions"]
