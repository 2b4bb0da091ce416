"""The tables, one module per area; importing this package knows them all."""

from __future__ import annotations

from storage.tables import access, calls, consent, operations, records, tasks, telephony
from storage.tables.base import metadata

__all__ = ["access", "calls", "consent", "metadata", "operations", "records", "tasks", "telephony"]
