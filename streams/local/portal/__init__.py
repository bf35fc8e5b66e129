"""A simulated open-data portal: a server that answers as SODA 2.1 does, over given rows or a generated city."""

from streams.local.portal.faults import Faults
from streams.local.portal.server import create_app
from streams.local.portal.tables import Tables

__all__ = ["Faults", "Tables", "create_app"]
