"""The tables, one module per area; importing this package knows them all."""

from __future__ import annotations

from storage.tables import (
    access,
    aftercall,
    appointments,
    bulletins,
    calls,
    cases,
    consent,
    corrections,
    groups,
    hooks,
    imports,
    links,
    merging,
    operations,
    privacy,
    records,
    reports,
    surveys,
    tasks,
    telephony,
)
from storage.tables.base import metadata

__all__ = [
    "access",
    "aftercall",
    "appointments",
    "bulletins",
    "calls",
    "cases",
    "consent",
    "corrections",
    "groups",
    "hooks",
    "imports",
    "links",
    "merging",
    "metadata",
    "operations",
    "privacy",
    "records",
    "reports",
    "surveys",
    "tasks",
    "telephony",
]
