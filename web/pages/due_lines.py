"""When a vehicle is due, and its appointments, as sections of its page."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from crm.maintenance.forecast import Stage
from web.auth import Signed
from web.pages.contacts import words_of
from web.pages.maintenance import interval_words, whose_words
from web.ports.contacts import ContactFilter
from web.routes import SERVICES

_SHOWN: Final = 3


async def due_of(request: web.Request, signed: Signed, vehicle_id: str) -> dict[str, Any] | None:
    """The forecast in words with the plan and what is open; none for those who read no forecasts."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.MAINTENANCE_READ):
        return None
    now = services.clock.now()
    due = await services.maintenance.due(by, vehicle_id, now)
    words = words_of(request, signed)
    open_ones = await services.contacts.list(
        by, ContactFilter(which="open", vehicle_id=vehicle_id), now, limit=_SHOWN
    )
    # What is said in large above is not said again.
    told = {name: value for name, value in due.why.items() if name not in ("due_on", "due_km")}
    if not due.readings:  # nobody has read the odometer: what it showed then was only reckoned
        told.pop("base_km", None)
    return {
        "due": due,
        "words": words,
        "contacts": open_ones.items,
        "stage": (due.forecast.stage if due.forecast else Stage.PERIODIC).value,
        "reason": words.due(told),
        "whose": whose_words(words, due.plan),
        "first": interval_words(words, due.plan.first),
        "periodic": interval_words(words, due.plan.periodic),
    }


async def booked_of_vehicle(request: web.Request, signed: Signed, vehicle_id: str) -> dict[str, Any] | None:
    """The vehicle's appointments to come and past; none for those who read none."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.APPOINTMENTS_READ):
        return None
    now = services.clock.now()
    found = await services.appointments.of_vehicle(by, vehicle_id, now)
    zone = ZoneInfo(services.zone)
    return {
        "coming": [one for one in reversed(found) if one.appointment.starts_at >= now],
        "past": [one for one in found if one.appointment.starts_at < now],
        "local": lambda moment, form: moment.astimezone(zone).strftime(form),
    }
