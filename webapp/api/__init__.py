"""The REST API: a router a subject."""

from webapp.api import audit, fetch, gold, health, runs, schedule

__all__ = ["audit", "fetch", "gold", "health", "runs", "schedule"]
