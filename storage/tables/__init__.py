"""The tables, one module per area; importing this package knows them all."""

from __future__ import annotations

from storage.tables import access, consent, records, tasks, telephony
from storage.tables.base import metadata

__all__ = ["access", "consent", "metadata", "records", "tasks", "telephony"]
