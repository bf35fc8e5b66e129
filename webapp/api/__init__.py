"""The REST API: a router a subject."""

from webapp.api import fetch, gold, health, runs

__all__ = ["fetch", "gold", "health", "runs"]
