"""Reading a customer's timeline: one small reader per kind, each a range of its own index, merged by time.

What stands on the timeline belongs to the customer's record, so who may open the record sees that a colleague
talked to him; the call itself opens only for those who may see it (`telephony.call_lists.may_see`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from itertools import groupby
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, literal, or_, select, true, tuple_

from access.masking import mask_text
from access.permissions import Permission
from access.users import Principal
from crm.records.fields import FieldKind, FieldSubject
from crm.records.masked import mask_value
from crm.records.timeline import (
    LARGEST_PAGE,
    FieldChange,
    Item,
    Kind,
    Only,
    Place,
    TimelinePage,
    page_of,
    read_cursor,
)
from crm.tasks.tasks import TaskKind
from storage.changes import changes_of, customer_subject, vehicle_subject
from storage.fields import list_fields
from storage.person import open_customer
from storage.tables.access import users
from storage.tables.aftercall import registration_versions, registrations
from storage.tables.appointments import appointments, workshops
from storage.tables.calls import calls
from storage.tables.cases import cases
from storage.tables.contacts import contact_reasons, due_contacts
from storage.tables.records import purchases, service_visits, vehicle_people, vehicles
from storage.tables.surveys import responses
from storage.tables.tasks import tasks
from storage.tables.telephony import voicemails
from storage.users import user_names

#: Vehicles of one customer whose history is read; a fleet's is looked at by vehicle.
_MOST_VEHICLES: Final = 50
#: Tasks that are somebody's step in what stands on the timeline by itself.
_TOLD_ELSEWHERE: Final = (
    *(TaskKind.CONTACT, TaskKind.CASE, TaskKind.TELL_PLAN),
    *(TaskKind.SECOND_VISIT, TaskKind.EFFECT_CHECK, TaskKind.APPOINTMENT),
)
#: Fields one form changes at most.
_FIELDS: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """One question, as every reader gets it."""

    connection: Connection
    viewer: Principal
    customer_id: str
    vehicle_ids: Sequence[str]
    #: Only what lies behind this place.
    before: Place | None
    #: One more than the page.
    most: int
    zone: tzinfo
    recorded: bool

    def text(self, text: str) -> str:
        """Free text as this viewer may read it."""
        return text if self.viewer.sees_numbers else mask_text(text)

    def after(self, at: Any, id: Any) -> ColumnElement[bool]:
        """Rows behind the place, for a column of moments."""
        if self.before is None:
            return true()
        return tuple_(at, id) < tuple_(literal(self.before[0], at.type), literal(self.before[1]))

    def after_day(self, day: Any, id: Any) -> ColumnElement[bool]:
        """Rows behind the place, for a column of days: a day stands at its first moment."""
        if self.before is None:
            return true()
        local = self.before[0].astimezone(self.zone)
        if local.time() > time(0):
            return day <= local.date()  # type: ignore[no-any-return]
        return or_(day < local.date(), and_(day == local.date(), id < self.before[1]))

    def moment(self, day: date) -> datetime:
        """The first moment of a day of the house."""
        return datetime.combine(day, time(0), self.zone).astimezone(UTC)


def timeline(
    connection: Connection,
    viewer: Principal,
    customer_id: str,
    *,
    only: Collection[Kind | Only] = (),
    cursor: str | None = None,
    limit: int = 30,
    zone: tzinfo = UTC,
    now: datetime | None = None,
) -> TimelinePage:
    """A page of a customer's timeline. `only`: these kinds; empty: all. `zone` is the house's.

    Raises CustomerNotFound, RecordClosed, BadCursor.
    """
    open_customer(connection, viewer, customer_id, now=now)
    limit = min(max(limit, 1), LARGEST_PAGE)
    asked = _Asked(
        connection=connection,
        viewer=viewer,
        customer_id=customer_id,
        vehicle_ids=_vehicles(connection, customer_id),
        before=read_cursor(cursor) if cursor else None,
        most=limit + 1,
        zone=zone,
        recorded=Only.RECORDED in only and Kind.CALL not in only,
    )
    wanted = [kind for kind in READERS if not only or kind in only or (kind is Kind.CALL and asked.recorded)]
    return page_of((item for kind in wanted for item in READERS[kind](asked)), limit)


def _vehicles(connection: Connection, customer_id: str) -> list[str]:
    rows = connection.execute(
        select(vehicle_people.c.vehicle_id)
        .where(vehicle_people.c.customer_id == customer_id, vehicle_people.c.ended_at.is_(None))
        .distinct()
        .limit(_MOST_VEHICLES)
    )
    return list(rows.scalars())


def _calls(asked: _Asked) -> list[Item]:
    wanted = (
        select(calls, users.c.name.label("agent_name"), registration_versions.c.content)
        .select_from(
            calls.outerjoin(users, users.c.id == calls.c.agent_id)
            .outerjoin(registrations, registrations.c.call_id == calls.c.id)
            .outerjoin(
                registration_versions,
                and_(
                    registration_versions.c.registration_id == registrations.c.id,
                    registration_versions.c.version == registrations.c.version,
                ),
            )
        )
        .where(calls.c.customer_id == asked.customer_id, asked.after(calls.c.started_at, calls.c.id))
        .order_by(calls.c.started_at.desc(), calls.c.id.desc())
        .limit(asked.most)
    )
    if asked.recorded:
        wanted = wanted.where(calls.c.recording.is_not(None))
    viewer = asked.viewer
    every = viewer.may(Permission.CALLS_READ_ALL)
    return [
        Item(
            kind=Kind.CALL,
            id=row.id,
            at=row.started_at,
            what=row.direction,
            state=row.outcome or row.state,
            by=row.agent_name or "",
            seconds=row.talk_seconds,
            recorded=row.recording is not None,
            call_id=row.id if every or (viewer.user_id and row.agent_id == viewer.user_id) else None,
            text=asked.text((row.content or {}).get("summary", "")),
            more=_filled(
                queue=row.queue or "",
                customer_words=asked.text((row.content or {}).get("customer_words", "")),
            ),
        )
        for row in asked.connection.execute(wanted)
    ]


def _voicemails(asked: _Asked) -> list[Item]:
    wanted = (
        select(voicemails)
        .where(
            voicemails.c.customer_id == asked.customer_id, asked.after(voicemails.c.left_at, voicemails.c.id)
        )
        .order_by(voicemails.c.left_at.desc(), voicemails.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.VOICEMAIL,
            id=row.id,
            at=row.left_at,
            what="voicemail",
            state=row.state,
            seconds=row.seconds,
            recorded=row.state in ("new", "heard"),
        )
        for row in asked.connection.execute(wanted)
    ]


def _cases(asked: _Asked) -> list[Item]:
    if not asked.viewer.may(Permission.CASES_READ):
        return []
    wanted = (
        select(cases, users.c.name.label("handler_name"))
        .select_from(cases.outerjoin(users, users.c.id == cases.c.handler_id))
        .where(cases.c.customer_id == asked.customer_id, asked.after(cases.c.opened_at, cases.c.id))
        .order_by(cases.c.opened_at.desc(), cases.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.CASE,
            id=row.id,
            at=row.opened_at,
            what=row.kind,
            state=row.state,
            text=asked.text(row.subject),
            by=row.handler_name or "",
            vehicle_id=row.vehicle_id,
            more=_filled(number=row.number),
        )
        for row in asked.connection.execute(wanted)
    ]


def _contacts(asked: _Asked) -> list[Item]:
    """Contacts with the kinds of their reasons; what was withdrawn is not what it was about."""
    if not asked.viewer.may(Permission.MAINTENANCE_READ):
        return []
    wanted = (
        select(due_contacts, users.c.name.label("owner_name"))
        .select_from(due_contacts.outerjoin(users, users.c.id == due_contacts.c.owner_id))
        .where(
            due_contacts.c.customer_id == asked.customer_id,
            asked.after(due_contacts.c.created_at, due_contacts.c.id),
        )
        .order_by(due_contacts.c.created_at.desc(), due_contacts.c.id.desc())
        .limit(asked.most)
    )
    rows = asked.connection.execute(wanted).all()
    kinds: dict[str, dict[str, None]] = {row.id: {} for row in rows}
    if rows:
        reasons = select(contact_reasons.c.contact_id, contact_reasons.c.kind)
        for contact_id, kind in asked.connection.execute(
            reasons.where(contact_reasons.c.contact_id.in_(kinds)).order_by(contact_reasons.c.id)
        ):
            kinds[contact_id][kind] = None
    return [
        Item(
            kind=Kind.CONTACT,
            id=row.id,
            at=row.created_at,
            what=" ".join(kinds[row.id]),
            state=row.result or row.state,
            text=asked.text(row.note),
            by=row.closed_by_name or row.owner_name or "",
        )
        for row in rows
    ]


def _surveys(asked: _Asked) -> list[Item]:
    wanted = (
        select(responses)
        .where(
            responses.c.customer_id == asked.customer_id,
            asked.after(responses.c.begun_at, responses.c.id),
        )
        .order_by(responses.c.begun_at.desc(), responses.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.SURVEY,
            id=row.id,
            at=row.begun_at,
            what=row.purpose,
            state=row.state,
            text=asked.text(row.summary),
            by=row.ended_by_name or row.begun_by_name,
            vehicle_id=row.vehicle_id,
            more=_filled(
                channel=row.channel,
                total="" if row.total is None else f"{row.total:g}",
                dissatisfied="yes" if row.dissatisfied else "",
                case_id=row.opened_case_id or "",
            ),
        )
        for row in asked.connection.execute(wanted)
    ]


def _appointments(asked: _Asked) -> list[Item]:
    if not asked.viewer.may(Permission.APPOINTMENTS_READ):
        return []
    wanted = (
        select(appointments, workshops.c.name.label("workshop"))
        .select_from(appointments.join(workshops, workshops.c.id == appointments.c.workshop_id))
        .where(
            appointments.c.customer_id == asked.customer_id,
            asked.after(appointments.c.starts_at, appointments.c.id),
        )
        .order_by(appointments.c.starts_at.desc(), appointments.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.APPOINTMENT,
            id=row.id,
            at=row.starts_at,
            what=row.work,
            state=row.state,
            text=asked.text(row.cancel_reason or row.words),
            by=row.advisor,
            vehicle_id=row.vehicle_id,
            more=_filled(workshop=row.workshop),
        )
        for row in asked.connection.execute(wanted)
    ]


def _tasks(asked: _Asked) -> list[Item]:
    wanted = (
        select(tasks, users.c.name.label("owner_name"))
        .select_from(tasks.outerjoin(users, users.c.id == tasks.c.owner_id))
        .where(
            tasks.c.customer_id == asked.customer_id,
            tasks.c.kind.not_in(_TOLD_ELSEWHERE),
            asked.after(tasks.c.created_at, tasks.c.id),
        )
        .order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.TASK,
            id=row.id,
            at=row.created_at,
            what=row.kind,
            state=row.state,
            text=asked.text(row.result or row.subject),
            by=row.owner_name or "",
        )
        for row in asked.connection.execute(wanted)
    ]


def _visits(asked: _Asked) -> list[Item]:
    if not asked.vehicle_ids:
        return []
    wanted = (
        select(service_visits, vehicles.c.plate, vehicles.c.model)
        .select_from(service_visits.join(vehicles, vehicles.c.id == service_visits.c.vehicle_id))
        .where(
            service_visits.c.vehicle_id.in_(asked.vehicle_ids),
            asked.after_day(service_visits.c.visited_on, service_visits.c.id),
        )
        .order_by(service_visits.c.visited_on.desc(), service_visits.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.VISIT,
            id=row.id,
            at=asked.moment(row.visited_on),
            whole_day=True,
            what=row.kind,
            text=asked.text(row.note),
            mileage=row.mileage,
            amount_cents=row.amount_cents,
            vehicle_id=row.vehicle_id,
            more=_filled(vehicle=row.plate or row.model, order_number=row.order_number),
        )
        for row in asked.connection.execute(wanted)
    ]


def _purchases(asked: _Asked) -> list[Item]:
    wanted = (
        select(purchases)
        .where(
            purchases.c.customer_id == asked.customer_id,
            asked.after_day(purchases.c.bought_on, purchases.c.id),
        )
        .order_by(purchases.c.bought_on.desc(), purchases.c.id.desc())
        .limit(asked.most)
    )
    return [
        Item(
            kind=Kind.PURCHASE,
            id=row.id,
            at=asked.moment(row.bought_on),
            whole_day=True,
            what=row.payment,
            text=row.model,
            amount_cents=row.price_cents,
            vehicle_id=row.vehicle_id,
            more=_filled(invoice=row.invoice),
        )
        for row in asked.connection.execute(wanted)
    ]


def _changes(asked: _Asked) -> list[Item]:
    subjects = [customer_subject(asked.customer_id), *map(vehicle_subject, asked.vehicle_ids)]
    most = asked.most * 4 + _FIELDS
    found = changes_of(asked.connection, subjects, before=asked.before, limit=most)
    own = {
        f"custom.{field.key}": field
        for subject in FieldSubject
        for field in list_fields(asked.connection, subject, retired=True)
    }
    names = user_names(asked.connection) if any(one.field == "own_agent_id" for one in found) else {}

    def shown(field: str, value: str) -> str:
        if field == "own_agent_id":
            return names.get(value, value)
        defined = own.get(field)
        if asked.viewer.sees_numbers or (defined is not None and defined.kind is not FieldKind.TEXT):
            return value
        return mask_value(field, value)

    items = []
    for (subject, version), group in groupby(found, key=lambda one: (one.subject, one.version)):
        together = list(group)
        seen = [
            one
            for one in together
            if one.field not in own or asked.viewer.role not in own[one.field].hidden_from
        ]
        # A new visit or purchase stands on the timeline itself.
        if not seen or all(one.field.startswith(("visit.", "purchase.")) and not one.old for one in seen):
            continue
        items.append(
            Item(
                kind=Kind.CHANGE,
                id=together[-1].id,
                at=together[-1].at,
                what=subject.partition(":")[0],
                by=together[0].by.name,
                text=asked.text(together[0].why),
                vehicle_id=subject.partition(":")[2] if subject.startswith("vehicle:") else None,
                changes=tuple(
                    FieldChange(field=one.field, old=shown(one.field, one.old), new=shown(one.field, one.new))
                    for one in reversed(seen)
                ),
                more={"version": str(version)},
            )
        )
    return items[: asked.most]


def _filled(**texts: str) -> Mapping[str, str]:
    return {name: text for name, text in texts.items() if text}


#: Who reads what; a later room adds its own.
READERS: Final[Mapping[Kind, Callable[[_Asked], list[Item]]]] = {
    Kind.CALL: _calls,
    Kind.VOICEMAIL: _voicemails,
    Kind.CASE: _cases,
    Kind.CONTACT: _contacts,
    Kind.SURVEY: _surveys,
    Kind.APPOINTMENT: _appointments,
    Kind.TASK: _tasks,
    Kind.VISIT: _visits,
    Kind.PURCHASE: _purchases,
    Kind.CHANGE: _changes,
}
