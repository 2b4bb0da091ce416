"""`web.ports.corrections.Corrections` over the database."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Literal, cast
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_text
from access.permissions import Permission, Role
from access.users import Principal
from crm.corrections.handover import Handover
from crm.corrections.orders import (
    OF_DEPARTMENT,
    STEPS,
    Correction,
    CorrectionNotFound,
    Department,
    ErrorRate,
    Step,
    due,
)
from crm.options import CorrectionOptions
from storage import audit, corrections, customers, handovers, merging, users, vehicles
from storage.database import Database
from storage.person import open_customer
from storage.sight import Sight, sight, sights
from telephony.call_lists import BadCursor
from telephony.hours import WorkingTime
from telephony.numbers import readable
from web.ports.corrections import OrderPage, OrderView

_DAY = re.compile(r"[12][0-9]{3}[-/.][0-9]{1,2}[-/.][0-9]{1,2}")


class CorrectionBook:
    """Orders to mend a record."""

    def __init__(self, database: Database, hours: WorkingTime, options: CorrectionOptions) -> None:
        self._database = database
        self._hours = hours
        self._options = options

    @property
    def _zone(self) -> ZoneInfo:
        return self._hours.zone

    async def list(
        self,
        viewer: Principal,
        now: datetime,
        *,
        which: str,
        department: Department | None = None,
        customer_id: str | None = None,
        month: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> OrderPage:
        after = _read_cursor(cursor)

        def work(connection: Connection) -> OrderPage:
            wanted = department
            if viewer.role is Role.DEPARTMENT:
                wanted = corrections.department_of(connection, viewer.user_id)
                if wanted is None:
                    return OrderPage(items=[], counts={})
            found = corrections.list_orders(
                connection,
                now=now,
                which=cast("corrections.Which", which),
                department=wanted,
                customer_id=customer_id,
                month=month,
                zone=self._zone,
                after=after,
                limit=limit + 1,
                viewer=viewer,
            )
            kept = found[:limit]
            following = None
            if len(found) > limit:
                last = kept[-1]
                moment = last.created_at if month or which in ("closed", "all") else last.due_at
                following = f"{moment.isoformat()}~{last.id}"
            return OrderPage(
                items=_views(connection, viewer, kept, now),
                counts=corrections.counts(connection, now, wanted, viewer),
                next=following,
            )

        return await self._database.read(work)

    async def get(self, viewer: Principal, order_id: str, now: datetime) -> OrderView:
        def work(connection: Connection) -> OrderView:
            order = corrections.get_order(connection, order_id, _scope(connection, viewer))
            if viewer.role is Role.AGENT and sight(connection, viewer, order.customer_id, now) is Sight.NONE:
                raise CorrectionNotFound("There is no such order.")
            return _with_steps(connection, viewer, order, now)

        return await self._database.read(work)

    async def raise_order(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        customer_id: str,
        field: str,
        wrong_value: str,
        said: str,
        department: Department | None = None,
        vehicle_id: str | None = None,
        call_id: str | None = None,
        number_place: int | None = None,
    ) -> OrderView:
        def work(connection: Connection) -> OrderView:
            whose = open_customer(
                connection, viewer, merging.current_id(connection, customer_id), now=entry.at
            )
            wrong = wrong_value
            if field == "number" and number_place is not None:
                wrong = readable(customers.number_at(connection, whose.id, number_place))
            order = corrections.raise_order(
                connection,
                customer_id=customer_id,
                field=field,
                wrong_value=wrong,
                said=said,
                by=viewer,
                now=entry.at,
                due_at=self._due(entry.at),
                department=department,
                vehicle_id=vehicle_id,
                call_id=call_id,
            )
            audit.append(connection, replace(entry, subject=f"correction:{order.id}"))
            return _with_steps(connection, viewer, order, entry.at)

        return await self._database.write(work)

    async def step(
        self,
        viewer: Principal,
        order_id: str,
        step: Step,
        entry: Entry,
        *,
        version: int | None = None,
        value: str = "",
        note: str = "",
    ) -> OrderView:
        def work(connection: Connection) -> OrderView:
            if viewer.role is not Role.DEPARTMENT:
                about = corrections.get_order(connection, order_id, None)
                open_customer(connection, viewer, about.customer_id, now=entry.at)
            order = corrections.take_step(
                connection,
                order_id,
                step,
                by=viewer,
                now=entry.at,
                department=_scope(connection, viewer),
                version=version,
                value=value,
                note=note,
                due_at=self._due(entry.at),
            )
            audit.append(connection, entry)
            return _with_steps(connection, viewer, order, entry.at)

        return await self._database.write(work)

    async def rates(self, viewer: Principal, months: Sequence[str]) -> Sequence[ErrorRate]:
        return await self._database.read(lambda c: corrections.error_rates(c, months, self._zone))

    async def handovers(
        self,
        viewer: Principal,
        department: Department,
        *,
        first: date,
        last: date,
        wrong_only: bool,
        limit: int,
        now: datetime | None = None,
    ) -> Sequence[Handover]:
        return await self._database.read(
            lambda c: handovers.list_handovers(
                c,
                viewer,
                cast("Literal[Department.SALES, Department.SERVICE]", department),
                first=first,
                last=last,
                allowed_days=self._options.handover_days,
                zone=self._zone,
                wrong_only=wrong_only,
                limit=limit,
                now=now,
            )
        )

    async def set_department(self, user_id: str, department: Department | None, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            users.get_user(connection, user_id)
            corrections.set_department(connection, user_id, department)
            audit.append(connection, entry)

        await self._database.write(work)

    def _due(self, now: datetime) -> datetime:
        return due(now, self._hours, self._options.answer_hours)


def _scope(connection: Connection, viewer: Principal) -> Department | None:
    """The one department whose orders the viewer may see; None: all of them. Raises CorrectionNotFound."""
    if viewer.role is not Role.DEPARTMENT:
        return None
    found = corrections.department_of(connection, viewer.user_id)
    if found is None:
        raise CorrectionNotFound("There is no such order.")
    return found


def _with_steps(connection: Connection, viewer: Principal, order: Correction, now: datetime) -> OrderView:
    view = _views(connection, viewer, [order], now)[0]
    steps = corrections.steps_of(connection, order.id)
    if view.closed:
        steps = [{**one, "note": ""} for one in steps]
    elif not viewer.sees_numbers:
        steps = [{**one, "note": _masked_value(str(one["note"]))} for one in steps]
    return replace(view, steps=steps)


def _views(
    connection: Connection, viewer: Principal, orders: Iterable[Correction], now: datetime
) -> list[OrderView]:
    """Orders as the viewer may see them. A department gets what it needs to look the record up, and no more."""
    found = list(orders)
    people = customers.several(connection, [one.customer_id for one in found])
    plates = vehicles.plates(connection, [one.vehicle_id for one in found if one.vehicle_id])
    names = corrections.person_names(
        connection, [one.created_by for one in found] + [one.answered_by for one in found]
    )
    theirs = viewer.role is Role.DEPARTMENT
    seen = sights(connection, viewer, people, now)
    views = []
    for one in found:
        person = people[one.customer_id]
        closed = seen[one.customer_id] is not Sight.OPEN
        emptied = closed and not theirs  # a department answers about what it looks up
        hidden = theirs or closed or not viewer.may(Permission.NAMES_FULL)
        views.append(
            OrderView(
                order=_emptied(one) if emptied else one if viewer.sees_numbers else _masked(one),
                closed=emptied,
                customer_number=person.number,
                customer_name=mask_name(person.name) if hidden else person.name,
                plate="" if emptied else plates.get(one.vehicle_id or "", ""),
                overdue=one.is_overdue(now),
                created_by_name=names.get(one.created_by or "", ""),
                answered_by_name=names.get(one.answered_by or "", ""),
                possible=[] if emptied else _possible(one, viewer),
            )
        )
    return views


def _possible(order: Correction, viewer: Principal) -> list[str]:
    may = [Permission.CORRECTIONS_ANSWER] if viewer.may(Permission.CORRECTIONS_ANSWER) else []
    may += [Permission.CORRECTIONS_WORK] if viewer.may(Permission.CORRECTIONS_WORK) else []
    return [
        step.value
        for at, step in STEPS
        if at is order.state
        and (Permission.CORRECTIONS_ANSWER if step in OF_DEPARTMENT else Permission.CORRECTIONS_WORK) in may
    ]


def _emptied(order: Correction) -> Correction:
    """That there is an order, and nothing of what it says."""
    return replace(order, wrong_value="", said="", answer="", answer_note="")


def _masked(order: Correction) -> Correction:
    return replace(
        order,
        wrong_value=_masked_value(order.wrong_value),
        said=mask_text(order.said),
        answer=_masked_value(order.answer),
        answer_note=mask_text(order.answer_note),
    )


def _masked_value(value: str) -> str:
    """A field's value without the numbers in it; a day is no number."""
    return value if _DAY.fullmatch(value) else mask_text(value)


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, order_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(order_id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, order_id
