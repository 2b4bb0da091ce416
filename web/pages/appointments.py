"""Appointments: days of a workshop, booking in two clicks, one appointment, no-shows, calls, slots, kept lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from access.audit import Action
from access.permissions import Permission
from crm.appointments.appointments import AppointmentState, NewsKind, Work
from crm.appointments.sheet import write_sheet
from crm.scripts.facts import Worded
from web.api.shapes import Cursor, Id
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text
from web.pages.script_lines import spoken_to
from web.pages.shell import show
from web.ports.appointments import AppointmentView, LaneDay
from web.routes import SERVICES, Nothing, Route, Shape

_SHEETS = ("appointments.css",)
#: What is said to the customer about an appointment in this state.
_SAID: Final[Mapping[AppointmentState, str]] = {
    AppointmentState.BOOKED: "appointment_confirmation",
    AppointmentState.MISSED: "no_show",
}
#: Free times are offered over so many days at once.
_FREE_DAYS = 7


class BoardQuery(Shape):
    day: date | None = None
    view: Literal["day", "week"] = "day"
    workshop_id: Id | None = None


class NewQuery(Shape):
    """Who the appointment is for, and what is chosen so far. `again` names the missed one that is booked again,
    `move` the one that is moved."""

    customer: Id | None = None
    vehicle: Id | None = None
    call: Id | None = None
    contact: Id | None = None
    again: Id | None = None
    move: Id | None = None
    work: Work | None = None
    workshop_id: Id | None = None
    first: date | None = None


class MissedPageQuery(Shape):
    cursor: Cursor | None = None


def _today(request: web.Request) -> date:
    services = request.app[SERVICES]
    return services.clock.now().astimezone(ZoneInfo(services.zone)).date()


async def show_board(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A day or a week of one workshop: how full it is and who comes."""
    services = request.app[SERVICES]
    query = read_query(BoardQuery, request)
    day = query.day or _today(request)
    first, last = day, day
    if query.view == "week":
        first = day - timedelta(days=day.weekday())
        last = first + timedelta(days=6)
    board = await services.appointments.board(
        signed.principal,
        workshop_id=query.workshop_id,
        first=first,
        last=last,
        now=services.clock.now(),
    )
    step = 7 if query.view == "week" else 1
    zone = ZoneInfo(services.zone)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return show(
        request,
        signed,
        "appointments/board.html",
        here="appointments",
        sheets=_SHEETS,
        values={
            "board": board,
            "query": query,
            "day": day,
            "days": [
                {
                    "day": one,
                    "lanes": [lane for lane in board.lanes if lane.day == one and lane.cells],
                    "items": [
                        view
                        for view in board.items
                        if view.appointment.starts_at.astimezone(zone).date() == one
                    ],
                    "full": _full([lane for lane in board.lanes if lane.day == one]),
                    "axis": _axis([lane for lane in board.lanes if lane.day == one], zone),
                }
                for one in days
            ],
            "previous": day - timedelta(days=step),
            "following": day + timedelta(days=step),
            "today": _today(request),
            "local": _local(zone),
        },
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """The hours a day's lanes are drawn along: all of them side by side, whenever each begins."""

    begins: datetime
    hours: Sequence[int]

    @property
    def minutes(self) -> int:
        """Its length."""
        return 60 * len(self.hours)

    def place(self, at: datetime) -> float:
        """Minutes from its beginning."""
        return (at - self.begins).total_seconds() / 60


def _axis(lanes: Sequence[LaneDay], zone: ZoneInfo) -> Axis | None:
    spans = [
        (cell.at, cell.at + timedelta(minutes=lane.lane.cell_minutes))
        for lane in lanes
        for cell, _taken in lane.cells
    ]
    if not spans:
        return None
    begins = min(start for start, _end in spans).astimezone(zone).replace(minute=0)
    ends = max(end for _start, end in spans)
    count = -(-int((ends - begins).total_seconds()) // 3600)
    return Axis(begins=begins, hours=[(begins.hour + number) % 24 for number in range(count)])


def _full(lanes: Sequence[LaneDay]) -> tuple[int, int]:
    return sum(one.taken for one in lanes), sum(one.capacity for one in lanes)


def _local(zone: ZoneInfo) -> Any:
    def said(moment: datetime, form: str = "%H:%M") -> str:
        return moment.astimezone(zone).strftime(form)

    return said


async def show_new(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Choose a free time: for a new appointment, one that is booked again, or one that is moved."""
    services = request.app[SERVICES]
    query = read_query(NewQuery, request)
    now, by = services.clock.now(), signed.principal
    before: AppointmentView | None = None
    if query.move or query.again:
        before, _trail, _notices = await services.appointments.get(by, query.move or query.again or "", now)
    customer_id = before.appointment.customer_id if before else query.customer
    whose = None if customer_id is None else await services.appointments.prefill(by, customer_id, now)
    setup = await services.appointments.setup(now)
    work = query.work or (before.appointment.work if before else Work.MAINTENANCE)
    shops = [one for one in setup.workshops if one.active]
    shop = query.workshop_id or (before.appointment.workshop_id if before else None)
    if shop is None and shops:
        shop = shops[0].id
    first = max(query.first or _today(request), _today(request))
    free = []
    if shop is not None:
        free = list(
            await services.appointments.free(
                work,
                workshop_id=shop,
                first=first,
                last=first + timedelta(days=_FREE_DAYS - 1),
                now=now,
            )
        )
    zone = ZoneInfo(services.zone)
    vehicle = query.vehicle or (before.appointment.vehicle_id if before else None)
    if vehicle is None and whose is not None and len(whose.vehicles) == 1:
        vehicle = whose.vehicles[0][0]
    given = {
        name: value
        for name, value in (
            ("customer", customer_id),
            ("vehicle", vehicle),
            ("call", query.call),
            ("contact", query.contact),
            ("again", query.again),
            ("move", query.move),
        )
        if value
    }
    return show(
        request,
        signed,
        "appointments/new.html",
        here="appointments",
        sheets=_SHEETS,
        values={
            "query": query,
            "before": before,
            "whose": whose,
            "works": [one for one in setup.kinds if one.active],
            "work": work,
            "shops": shops,
            "shop": shop,
            "vehicle": vehicle,
            "first": first,
            "earlier": max(first - timedelta(days=_FREE_DAYS), _today(request)),
            "later": first + timedelta(days=_FREE_DAYS),
            "given": given,
            "today": _today(request),
            "days": [
                (
                    first + timedelta(days=number),
                    [one for one in free if one.at.astimezone(zone).date() == first + timedelta(days=number)],
                )
                for number in range(_FREE_DAYS)
            ],
            "lanes": [one for one in setup.lanes if one.active and one.workshop_id == shop],
            "local": _local(zone),
            "overbooks": by.may(Permission.APPOINTMENTS_WRITE),
        },
    )


async def show_one(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One appointment: what can be done with it, and its trail."""
    services = request.app[SERVICES]
    view, trail, notices = await services.appointments.get(
        signed.principal, request.match_info["appointment_id"], services.clock.now()
    )
    one = view.appointment
    name = _SAID.get(one.state)
    said = None
    if name is not None and not view.closed and signed.principal.may(Permission.APPOINTMENTS_WORK):
        facts: dict[str, object] = {
            "appointment.time": one.starts_at,
            "appointment.work": Worded(f"appointments.work.{one.work.value}"),
        }
        if one.state is AppointmentState.MISSED:
            facts = {"visit.day": one.starts_at}
        said = await spoken_to(request, signed, one.customer_id, name, vehicle_id=one.vehicle_id, facts=facts)
    return show(
        request,
        signed,
        "appointments/one.html",
        here="appointments",
        sheets=(*_SHEETS, "scripts.css"),
        values={
            "view": view,
            "spoken": [said] if said is not None else [],
            "one": view.appointment,
            "trail": trail,
            "notices": notices,
            "local": _local(ZoneInfo(services.zone)),
            "moment": _moment(ZoneInfo(services.zone)),
        },
    )


def _moment(zone: ZoneInfo) -> Any:
    """A moment in the data of a step, as people read it."""

    def said(word: str) -> str:
        return datetime.fromisoformat(word).astimezone(zone).strftime("%m/%d %H:%M")

    return said


async def show_calls(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Whom to call: what no message has told, and who has not come."""
    services = request.app[SERVICES]
    query = read_query(MissedPageQuery, request)
    now = services.clock.now()
    missed, following = await services.appointments.missed(
        signed.principal, now, cursor=query.cursor, limit=50
    )
    told = await services.appointments.to_tell(signed.principal, now)
    return show(
        request,
        signed,
        "appointments/calls.html",
        here="appointments",
        sheets=_SHEETS,
        values={
            "told": told,
            "missed": missed,
            "next": following,
            "local": _local(ZoneInfo(services.zone)),
        },
    )


async def show_setup(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Workshops, lanes, kinds of work and days that are otherwise."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    setup = await services.appointments.setup(services.clock.now())
    return show(
        request,
        signed,
        "appointments/setup.html",
        here="appointments",
        sheets=_SHEETS,
        values={"setup": setup, "works": list(Work), "minute": _minute, "today": _today(request)},
    )


def _minute(value: int | None) -> str:
    return "" if value is None else f"{value // 60:02}:{value % 60:02}"


async def show_lists(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The lists that were made at 16:00."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    return show(
        request,
        signed,
        "appointments/lists.html",
        here="appointments",
        sheets=_SHEETS,
        values={"lists": await services.appointments.day_lists()},
    )


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One list as it was made, with what has changed since."""
    made, rows, local = await _list(request, signed)
    return show(
        request,
        signed,
        "appointments/list.html",
        here="appointments",
        sheets=_SHEETS,
        values={"made": made, "rows": rows, "local": local},
    )


async def _list(request: web.Request, signed: Signed) -> tuple[Any, Sequence[Any], Any]:
    services = request.app[SERVICES]
    read_query(Nothing, request)
    try:
        made_on = date.fromisoformat(request.match_info["made_on"])
    except ValueError:
        made_on = date.min
    made, rows = await services.appointments.day_list(signed.principal, made_on, services.clock.now())
    return made, rows, _local(ZoneInfo(services.zone))


async def download_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The same as a sheet for workshop and parts."""
    made, rows, local = await _list(request, signed)
    language = language_of(request)
    columns = ("when", "workshop", "advisor", "work", "plate", "model", "customer", "parts", "words", "since")
    head = [text(language, f"appointments.{name}") for name in columns]
    lines = [
        [
            local(one.starts_at, "%Y-%m-%d %H:%M"),
            one.workshop,
            one.advisor,
            text(language, f"appointments.work.{one.work}"),
            one.plate,
            one.model,
            one.customer_name,
            one.parts,
            one.words,
            text(language, f"appointments.since.{one.since}") if one.since else "",
        ]
        for one in rows
    ]
    content = write_sheet(head, lines)
    return web.Response(
        body=content,
        content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={"Content-Disposition": f'attachment; filename="appointments-{made.made_on}.xlsx"'},
    )


async def show_customer(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Everything a customer has booked, and the way of his new vehicle."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    now, customer_id = services.clock.now(), request.match_info["customer_id"]
    whose = await services.appointments.prefill(signed.principal, customer_id, now)
    items, news = await services.appointments.of_customer(signed.principal, customer_id, now)
    return show(
        request,
        signed,
        "appointments/customer.html",
        here="appointments",
        sheets=_SHEETS,
        values={
            "whose": whose,
            "items": items,
            "news": news,
            "news_kinds": [
                (one.value, text(language_of(request), f"appointments.news.{one.value}")) for one in NewsKind
            ],
            "today": _today(request),
            "local": _local(ZoneInfo(services.zone)),
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/appointments",
        summary="Appointments by day and week",
        needs=Permission.APPOINTMENTS_READ,
        page=show_board,
        query=BoardQuery,
        media="text/html",
        errors=("bad-appointment",),
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/new",
        summary="Choose a free time",
        needs=Permission.APPOINTMENTS_WORK,
        page=show_new,
        query=NewQuery,
        media="text/html",
        errors=("appointment-not-found", "customer-not-found", "record-closed"),
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/calls",
        summary="Whom to call about appointments",
        needs=Permission.APPOINTMENTS_READ,
        page=show_calls,
        query=MissedPageQuery,
        media="text/html",
        errors=("bad-cursor",),
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/setup",
        summary="Workshops and their lanes",
        needs=Permission.APPOINTMENTS_WRITE,
        page=show_setup,
        media="text/html",
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/lists",
        summary="Lists of the next two days",
        needs=Permission.APPOINTMENTS_READ,
        page=show_lists,
        media="text/html",
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/lists/{made_on}",
        summary="One list of the next two days",
        needs=Permission.APPOINTMENTS_READ,
        page=show_list,
        media="text/html",
        errors=("appointment-not-found",),
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/lists/{made_on}/sheet",
        summary="One list of the next two days as a sheet",
        needs=Permission.APPOINTMENTS_READ,
        page=download_list,
        media="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        errors=("appointment-not-found",),
        leaves=Action.EXPORTED,
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/appointments/{appointment_id}",
        summary="One appointment",
        needs=Permission.APPOINTMENTS_READ,
        page=show_one,
        media="text/html",
        errors=("appointment-not-found",),
        views="appointment",
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/customers/{customer_id}/appointments",
        summary="A customer's appointments and the way of his new vehicle",
        needs=Permission.APPOINTMENTS_READ,
        page=show_customer,
        media="text/html",
        errors=("customer-not-found", "record-closed"),
        views="customer",
        tag="appointments",
    ),
)
