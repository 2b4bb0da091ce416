"""Reading a screen pop: a few prepared questions, each by an index, in one transaction.

Prepared as text: every ring asks them, and a page waits (`storage.database.fetch`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from crm.records.customers import Honorific, Secrecy
from crm.records.vehicles import Role
from crm.screenpop import (
    Choosing,
    DueRules,
    MenuWords,
    OpenItem,
    Pop,
    PopAppointment,
    PopCase,
    PopContact,
    PopDue,
    PopPerson,
    PopVehicle,
    make_pop,
    next_due,
)
from storage.database import fetch
from telephony.calls import Call, Direction
from telephony.facts import FactKind

#: Earlier calls and open things shown.
MOST_CONTACTS: Final = 5
MOST_OPEN: Final = 8
#: People on one number that are shown; a number with more is a switchboard.
MOST_PEOPLE: Final = 20

_PERSON: Final = (
    "customers.id, customers.number, customers.name, customers.honorific, customers.key_account,"
    " customers.language, customers.own_agent_id, customers.customer_class, customers.secrecy"
)
_BY_NUMBER: Final = (
    f"SELECT {_PERSON}, contacts.label, contacts.is_primary"  # noqa: S608 - names of our own
    " FROM contacts JOIN customers ON customers.id = contacts.customer_id"
    f" WHERE contacts.number = ? AND contacts.ended_at IS NULL ORDER BY customers.number LIMIT {MOST_PEOPLE}"
)
_BY_ID: Final = f"SELECT {_PERSON} FROM customers WHERE id = ?"  # noqa: S608 - names of our own
_VEHICLES: Final = (
    "SELECT p.customer_id, v.id, v.plate, v.brand, v.model, v.mileage, v.delivered_on, v.last_service_on, p.role,"
    " v.next_due_on, v.next_due_why"
    " FROM vehicle_people p JOIN vehicles v ON v.id = p.vehicle_id"
    " WHERE p.customer_id IN ({places}) AND p.ended_at IS NULL AND v.state = 'owned'"
    " ORDER BY v.delivered_on DESC, v.id LIMIT 60"
)
_CALL: Final = (
    "SELECT id, started_at, direction, outcome, queue, agent_id, talk_seconds, customer_id FROM calls"
    " WHERE {column} = ? AND started_at < ? ORDER BY started_at DESC LIMIT {most}"
)
_CALLS_OF: Final = _CALL.format(column="customer_id", most=MOST_CONTACTS)
_CALLS_FROM: Final = _CALL.format(column="number", most=MOST_CONTACTS)
_TASKS: Final = (
    "SELECT id, kind, subject, due_at, owner_id, customer_id FROM tasks"
    " WHERE state = 'open' AND kind <> 'contact' AND {column} = ? ORDER BY due_at LIMIT {most}"
)
_TASKS_OF: Final = _TASKS.format(column="customer_id", most=MOST_OPEN)
_TASKS_FOR: Final = _TASKS.format(column="number", most=MOST_OPEN)
#: Cases of the caller that a pop shows; the first due first.
_MOST_CASES: Final = 5
_CASES: Final = (
    "SELECT id, number, kind, state, round, subject, promised_at, answered_at, due_at, due_what, customer_id"  # noqa: S608 - names of our own
    " FROM cases WHERE customer_id IN ({places}) AND closed_at IS NULL ORDER BY due_at, id"
    f" LIMIT {_MOST_CASES}"
)
#: What each of these people is to be called about: a contact with its open reasons.
_DUE: Final = (
    "SELECT c.id, c.customer_id, c.due_at, c.held_by, r.kind FROM due_contacts c"
    " JOIN contact_reasons r ON r.contact_id = c.id AND r.state = 'open'"
    " WHERE c.open_key IN ({places}) ORDER BY c.due_at, c.id, r.priority, r.due_at, r.id LIMIT 60"
)
#: Appointments from half a day ago on: who calls on the way is late, not without one.
_APPOINTMENTS: Final = (
    "SELECT a.id, a.customer_id, a.work, a.state, a.starts_at, w.name, a.advisor FROM appointments a"
    " JOIN workshops w ON w.id = a.workshop_id"
    " WHERE a.customer_id IN ({places}) AND a.starts_at > ? AND a.state IN ('booked', 'confirmed')"
    " ORDER BY a.starts_at, a.id LIMIT 5"
)
_LATE: Final = timedelta(hours=12)
_USERS: Final = "SELECT id, name FROM users WHERE id IN ({places})"
_FACTS: Final = (
    "SELECT kind, at, data FROM call_facts WHERE call_id = ?"  # noqa: S608 - names of our own
    f" AND kind IN ('{FactKind.LEG_STARTED}', '{FactKind.IDENTIFIED}') ORDER BY at"
)


def read_pop(
    connection: Connection,
    call: Call,
    *,
    now: datetime,
    today: date,
    rules: DueRules,
    words: MenuWords | None = None,
) -> Pop:
    """Everything shown of a call at a ring, unmasked. `today` is the house's day."""
    people = _people(connection, call)
    people = _with_vehicles(connection, people, today, rules)
    name, chosen = _told(connection, call)
    alone = people[0].id if len(people) == 1 and chosen is None else None
    person = call.customer_id or alone
    contacts = _contacts(connection, call, person)
    items = _open_items(connection, call, person, now)
    ids = [one.id for one in people]
    names = _names(
        connection,
        {
            *(one.own_agent_id for one in people),
            *(contact.agent_name for contact in contacts),
            *(item.owner_name for item in items),
            chosen.by if chosen else None,
        },
    )
    return make_pop(
        call,
        [replace(one, own_agent_name=names.get(one.own_agent_id or "")) for one in people],
        contacts=[replace(one, agent_name=names.get(one.agent_name or "")) for one in contacts],
        open_items=[replace(item, owner_name=names.get(item.owner_name or "")) for item in items],
        cases=_cases(connection, ids, now),
        due=_due(connection, ids, now),
        appointments=_appointments(connection, ids, now),
        words=words,
        display_name=name,
        chosen=replace(chosen, by=names.get(chosen.by, chosen.by)) if chosen else None,
    )


def _people(connection: Connection, call: Call) -> list[PopPerson]:
    """Everybody who has the number now, and whoever the call is tied to."""
    rows = fetch(connection, _BY_NUMBER, (call.number,)) if call.number else []
    people = [_person(row, label=row[9], primary=bool(row[10])) for row in rows]
    if call.customer_id and all(one.id != call.customer_id for one in people):
        people += [_person(row) for row in fetch(connection, _BY_ID, (call.customer_id,))]
    return people


def _person(row: Sequence[Any], *, label: str = "", primary: bool = False) -> PopPerson:
    return PopPerson(
        id=row[0],
        number=row[1],
        name=row[2],
        honorific=Honorific(row[3]),
        key_account=bool(row[4]),
        language=row[5],
        own_agent_id=row[6],
        grade=row[7] or "",
        restricted=row[8] == Secrecy.RESTRICTED,
        label=label,
        primary=primary,
    )


def _with_vehicles(
    connection: Connection, people: list[PopPerson], today: date, rules: DueRules
) -> list[PopPerson]:
    if not people:
        return people
    found: dict[str, dict[str, PopVehicle]] = {}
    statement = _VEHICLES.format(places=", ".join("?" for _ in people))
    for row in fetch(connection, statement, [one.id for one in people]):
        vehicle = PopVehicle(
            id=row[1],
            plate=row[2],
            brand=row[3],
            model=row[4],
            mileage=row[5],
            role=Role(row[8]),
            due=next_due(
                delivered_on=_day(row[6]),
                last_service_on=_day(row[7]),
                today=today,
                rules=rules,
                recorded_on=_day(row[9]),
                recorded_why=row[10],
            ),
        )
        found.setdefault(row[0], {}).setdefault(vehicle.id, vehicle)  # owner and driver of one is one line
    return [replace(one, vehicles=tuple(found.get(one.id, {}).values())) for one in people]


def _contacts(connection: Connection, call: Call, person: str | None) -> list[PopContact]:
    """Earlier calls of the person where there is one, else from the number."""
    moment = call.started_at if connection.dialect.name != "sqlite" else _sqlite_moment(call.started_at)
    if person is not None:
        rows = fetch(connection, _CALLS_OF, (person, moment))
    elif call.number:
        rows = fetch(connection, _CALLS_FROM, (call.number, moment))
    else:
        return []
    return [
        PopContact(
            call_id=row[0],
            at=_moment(row[1]),
            direction=Direction(row[2]),
            outcome=row[3],
            queue=row[4],
            agent_name=row[5],
            talk_seconds=row[6],
            customer_id=row[7],
        )
        for row in rows
        if row[0] != call.id
    ]


def _open_items(connection: Connection, call: Call, person: str | None, now: datetime) -> list[OpenItem]:
    """Open tasks of the person and of the number, the most urgent first."""
    rows: dict[str, Sequence[Any]] = {}
    for statement, value in ((_TASKS_OF, person), (_TASKS_FOR, call.number)):
        if value:
            rows |= {row[0]: row for row in fetch(connection, statement, (value,))}
    items = [
        OpenItem(
            kind=row[1],
            id=row[0],
            subject=row[2],
            due_at=_moment(row[3]),
            owner_name=row[4],
            overdue=_moment(row[3]) < now,
            customer_id=row[5],
        )
        for row in rows.values()
    ]
    return sorted(items, key=lambda item: (item.due_at or now, item.id))[:MOST_OPEN]


def _cases(connection: Connection, people: Sequence[str], now: datetime) -> list[PopCase]:
    """Cases of these people that are not closed, the first due first."""
    if not people:
        return []
    statement = _CASES.format(places=", ".join("?" for _ in people))
    return [
        PopCase(
            id=row[0],
            number=row[1],
            kind=row[2],
            state=row[3],
            round=row[4],
            subject=row[5],
            promised_at=_moment(row[6]) if row[6] and not row[7] else None,
            due_at=_moment(row[8]) if row[8] else None,
            due_what=row[9],
            overdue=bool(row[8]) and _moment(row[8]) < now,
            customer_id=row[10],
        )
        for row in fetch(connection, statement, tuple(people))
    ]


def _due(connection: Connection, people: Sequence[str], now: datetime) -> list[PopDue]:
    """What these people are to be called about, whoever is to call."""
    if not people:
        return []
    found: dict[str, PopDue] = {}
    for row in fetch(connection, _DUE.format(places=", ".join("?" for _ in people)), tuple(people)):
        due_at = _moment(row[2])
        one = found.setdefault(
            row[0],
            PopDue(
                id=row[0],
                kinds=(),
                due_at=due_at,
                held_by=row[3] or None,
                overdue=due_at < now,
                customer_id=row[1],
            ),
        )
        found[row[0]] = replace(one, kinds=tuple(dict.fromkeys((*one.kinds, row[4]))))
    return list(found.values())


def _appointments(connection: Connection, people: Sequence[str], now: datetime) -> list[PopAppointment]:
    """What these people have booked and did not come for yet."""
    if not people:
        return []
    since = now - _LATE
    moment = since if connection.dialect.name != "sqlite" else _sqlite_moment(since)
    statement = _APPOINTMENTS.format(places=", ".join("?" for _ in people))
    return [
        PopAppointment(
            id=row[0],
            customer_id=row[1],
            work=row[2],
            state=row[3],
            starts_at=_moment(row[4]),
            workshop=row[5],
            advisor=row[6] or "",
        )
        for row in fetch(connection, statement, (*people, moment))
    ]


def _told(connection: Connection, call: Call) -> tuple[str, Choosing | None]:
    """The name the caller's side sent, and who chose the customer last."""
    name, chosen = "", None
    for kind, at, raw in fetch(connection, _FACTS, (call.id,)):
        data = _json(raw)
        if kind == FactKind.LEG_STARTED and not name and data.get("trunk"):
            name = str(data.get("name") or "")
        elif kind == FactKind.IDENTIFIED and data.get("how") == "agent":
            chosen = Choosing(by=str(data.get("by") or ""), at=_moment(at))
    return name, chosen


def _names(connection: Connection, ids: set[str | None]) -> dict[str, str]:
    wanted = sorted(one for one in ids if one)
    if not wanted:
        return {}
    statement = _USERS.format(places=", ".join("?" for _ in wanted))
    return {row[0]: row[1] for row in fetch(connection, statement, wanted)}


def _json(value: Any) -> dict[str, Any]:
    loaded = json.loads(value) if isinstance(value, str) else value
    return loaded if isinstance(loaded, dict) else {}


def _moment(value: Any) -> datetime:
    """A moment as the driver gives it: text on SQLite."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value.astimezone(UTC)


def _sqlite_moment(value: datetime) -> str:
    """As `storage.tables.base.Utc` writes it."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _day(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
