"""The tables, one module per area; importing this package knows them all."""

from __future__ import annotations

from storage.tables import telephony
from storage.tables.base import metadata

__all__ = ["metadata", "telephony"]
