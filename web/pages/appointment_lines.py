"""Appointments as a section of a customer's page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from web.auth import Signed
from web.ports.appointments import AppointmentView
from web.routes import SERVICES

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class Booked:
    """What the section shows."""

    lines: Sequence[AppointmentView]
    local: Callable[[datetime, str], str]


async def booked_of(request: web.Request, signed: Signed, customer_id: str) -> Booked | None:
    """The latest appointments of a customer; none for those who read no appointments."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.APPOINTMENTS_READ):
        return None
    items, _news = await services.appointments.of_customer(by, customer_id, services.clock.now())
    zone = ZoneInfo(services.zone)
    return Booked(lines=items[:_SHOWN], local=lambda moment, form: moment.astimezone(zone).strftime(form))
