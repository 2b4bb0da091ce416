"""Corrections: orders by state and deadline, one order with its steps, error rates, and the check of hand-overs."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import StringConstraints

from access.permissions import Permission
from crm.corrections.orders import FIELDS, LONGEST_VALUE, Department, ErrorRate
from web.api.corrections import months_from
from web.api.group_shapes import NumberPlace, OrdersQuery
from web.api.shapes import Id
from web.auth import Signed
from web.bodies import read_query
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route, Shape, note_view

_SHEETS = ("groups.css",)
#: Months of the plot.
_MONTHS = 12
#: How far back deliveries and visits are checked.
_CHECKED_DAYS = 45
#: The plot, in its own units.
_PLOT_HEIGHT = 96
_BAR = 28


class NewOrderQuery(Shape):
    """What a page that found something wrong hands on."""

    customer_id: Id
    vehicle_id: Id | None = None
    call_id: Id | None = None
    #: Which field is wrong; what is on record there is filled in.
    field: Annotated[str, StringConstraints(pattern=r"^[a-z_]{0,32}$")] = ""
    #: Which of the customer's numbers (`NumberView.place`), where the field is one.
    place: NumberPlace | None = None


async def show_orders(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list. A department sees its own orders."""
    services = request.app[SERVICES]
    query = read_query(OrdersQuery, request)
    by = signed.principal
    works = by.may(Permission.CORRECTIONS_WORK)
    page = await services.corrections.list(
        by,
        services.clock.now(),
        which=query.state,
        department=query.department,
        customer_id=query.customer_id,
        month=query.month or "",
        cursor=query.cursor,
        limit=query.limit,
    )
    states = ("open", "overdue", "answered", "refused", "checked", "closed", "all")
    address = {
        name: value
        for name, value in (
            ("department", query.department),
            ("month", query.month),
            ("customer_id", query.customer_id),
        )
        if value
    }
    return show(
        request,
        signed,
        "corrections/list.html",
        here="corrections",
        sheets=_SHEETS,
        values={
            "items": page.items,
            "next": page.next,
            "counts": page.counts,
            "states": states,
            "query": query,
            "address": address,
            "works": works,
            "departments": [one.value for one in Department],
        },
    )


async def begin(request: web.Request, signed: Signed) -> web.StreamResponse:
    """An order about a customer, to be written."""
    services = request.app[SERVICES]
    query = read_query(NewOrderQuery, request)
    known = query.field if query.field in FIELDS else ""
    value, place = await _on_record(request, signed, query) if known else ("", None)
    return show(
        request,
        signed,
        "corrections/new.html",
        here="corrections",
        sheets=_SHEETS,
        values={
            "query": query,
            "field_chosen": known,
            "department": FIELDS[known].department.value if known else "",
            "value": value,
            "place": place,
            "fields": [(name, wrong.department.value) for name, wrong in FIELDS.items()],
            "departments": [one.value for one in Department],
            "now_there": services.clock.now(),
        },
    )


async def _on_record(request: web.Request, signed: Signed, query: NewOrderQuery) -> tuple[str, int | None]:
    """What is on record in the field, as this person may read it, and the place of a number.

    Reading it is a view of the record. Raises CustomerNotFound.
    """
    services = request.app[SERVICES]
    by, now = signed.principal, services.clock.now()
    room, _, name = FIELDS[query.field].writes.partition(".")
    person = await services.records.person(by, query.customer_id, now)
    if person.closed:
        return "", None
    note_view(request, signed, f"customer:{person.id}", "get_corrections_new")
    if query.field == "number":
        only = person.numbers[0].place if len(person.numbers) == 1 else None
        place = only if query.place is None else query.place
        return next(((one.text, place) for one in person.numbers if one.place == place), ("", None))
    worth: object = None
    if room == "customer":
        worth = getattr(person.customer, name)
    elif room == "vehicle":
        car = next((one.vehicle for one in person.vehicles if one.vehicle.id == query.vehicle_id), None)
        if car is not None:
            note_view(request, signed, f"vehicle:{car.id}", "get_corrections_new")
            worth = getattr(car, name)
    return "" if worth is None else str(worth)[:LONGEST_VALUE], None


async def show_order(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One order, with what can be done with it now."""
    services = request.app[SERVICES]
    view = await services.corrections.get(
        signed.principal, request.match_info["correction_id"], services.clock.now()
    )
    return show(
        request,
        signed,
        "corrections/order.html",
        here="corrections",
        sheets=_SHEETS,
        values={"view": view, "order": view.order},
    )


async def show_rates(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Error rates of the last twelve months, each with its rows; and what was handed over late or incomplete."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    today = services.clock.now().astimezone(ZoneInfo(services.zone)).date()
    began = today.year * 12 + today.month - _MONTHS
    months = months_from(f"{began // 12}-{began % 12 + 1:02}", _MONTHS)
    rates = await services.corrections.rates(signed.principal, months)
    handovers = {
        department.value: await services.corrections.handovers(
            signed.principal,
            department,
            first=today - timedelta(days=_CHECKED_DAYS),
            last=today,
            wrong_only=True,
            limit=25,
            now=services.clock.now(),
        )
        for department in (Department.SALES, Department.SERVICE)
    }
    return show(
        request,
        signed,
        "corrections/rates.html",
        here="corrections",
        sheets=_SHEETS,
        values={
            "plots": [_plot(department, rates) for department in (Department.SALES, Department.SERVICE)],
            "handovers": handovers,
            "days": _CHECKED_DAYS,
            "height": _PLOT_HEIGHT,
            "bar": _BAR,
        },
    )


def _plot(department: Department, rates: Any) -> dict[str, Any]:
    """Bars of one department: their places in the plot, and the numbers beside them."""
    own: list[ErrorRate] = [one for one in rates if one.department is department]
    highest = max([one.rate or 0.0 for one in own] + [0.05])
    bars = []
    for one in own:
        height = round((one.rate or 0.0) / highest * _PLOT_HEIGHT)
        if one.wrong:
            height = max(height, 2)
        bars.append(
            {
                "y": _PLOT_HEIGHT - height,
                "height": height,
                "month": one.month,
                "short": date.fromisoformat(f"{one.month}-01").month,
                "rate": one.rate,
                "wrong": one.wrong,
                "received": one.received,
                "pending": one.pending,
            }
        )
    return {"department": department.value, "bars": bars, "last": bars[-1]}


ROUTES = (
    Route(
        method="GET",
        path="/corrections",
        summary="Orders to mend records",
        needs=Permission.CORRECTIONS_READ,
        page=show_orders,
        query=OrdersQuery,
        media="text/html",
        tag="corrections",
    ),
    Route(
        method="GET",
        path="/corrections/new",
        summary="A new order",
        needs=Permission.CORRECTIONS_WORK,
        page=begin,
        query=NewOrderQuery,
        media="text/html",
        tag="corrections",
    ),
    Route(
        method="GET",
        path="/corrections/rates",
        summary="Error rates and hand-overs",
        needs=Permission.CORRECTIONS_WORK,
        page=show_rates,
        media="text/html",
        tag="corrections",
    ),
    Route(
        method="GET",
        path="/corrections/{correction_id}",
        summary="One order",
        needs=Permission.CORRECTIONS_READ,
        page=show_order,
        media="text/html",
        errors=("correction-not-found",),
        tag="corrections",
    ),
)
