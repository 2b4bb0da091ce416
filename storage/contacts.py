"""Contacts: one customer to be called, every reason in one call, one task, one owner, one deadline, one result.

One contact a customer is open at a time and one reason an occasion exists, whoever writes: unique keys say so on both
databases. What changes is an event row in the same transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, delete, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from access.sentences import Sentence
from access.users import Principal
from crm.contacts.contacts import (
    GIVEN_RESULTS,
    BadContact,
    Contact,
    ContactChanged,
    ContactClosed,
    ContactEvent,
    ContactState,
    ContactTaken,
    NewReason,
    Reason,
    ReasonKind,
    ReasonState,
    Result,
    Step,
    Try,
    bundle,
)
from crm.contacts.rules import Rules, next_try, rules_from, rules_to
from crm.contacts.rules import check as check_rules
from crm.hooks.events import Event
from crm.tasks.tasks import TaskKind, TaskState
from storage.bulk import insert_rows
from storage.cases import stopping, stops_contact
from storage.contact_rows import (
    close_row,
    contact_from,
    event_row,
    get_contact,
    note_row,
    reasons_of,
    rebundle,
    task_of,
)
from storage.outgoing import subscribers
from storage.tables.cases import cases
from storage.tables.contacts import contact_events, contact_reasons, contact_tries, due_contacts
from storage.tables.records import customers, record_settings
from storage.tables.tasks import tasks
from storage.told import tell_of_task
from telephony.hours import WorkingTime

__all__ = [
    "add_reason",
    "add_reasons",
    "cancel_reasons",
    "close_contact",
    "end_reasons",
    "events_of",
    "expire",
    "get_contact",
    "give",
    "hold_and_release",
    "open_contact_of",
    "postpone",
    "reasons_of",
    "rules_of",
    "save_rules",
    "tries_of",
    "withdraw_reason",
]

_RULES: Final = "contact_rules"
#: Ids in one question.
_SHARE: Final = 500
LONGEST_NOTE: Final = 2000


def _upsert(connection: Connection, table: Any) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


# -- rules --------------------------------------------------------------------------------------------


def rules_of(connection: Connection) -> Rules:
    """The house's rules; the built-in ones until it has saved its own."""
    row = connection.execute(
        select(record_settings.c.value, record_settings.c.version).where(record_settings.c.name == _RULES)
    ).first()
    return Rules() if row is None else rules_from(row[0], row[1])


def rules_changed_since(connection: Connection, moment: datetime) -> bool:
    """Whether the house saved rules after a moment."""
    saved = connection.execute(
        select(record_settings.c.updated_at).where(record_settings.c.name == _RULES)
    ).scalar_one_or_none()
    return saved is not None and saved >= moment


def save_rules(connection: Connection, rules: Rules, *, now: datetime) -> Rules:
    """`rules.version` is the one that was edited. Raises BadContact, ContactChanged."""
    check_rules(rules)
    values = {"value": rules_to(rules), "version": rules.version + 1, "updated_at": now}
    if rules.version == 0:
        row = _upsert(connection, record_settings).values(name=_RULES, **values)
        done = connection.execute(
            row.on_conflict_do_nothing().returning(record_settings.c.name)
        ).scalar_one_or_none()
    else:
        done = connection.execute(
            update(record_settings)
            .where(record_settings.c.name == _RULES, record_settings.c.version == rules.version)
            .values(**values)
            .returning(record_settings.c.name)
        ).scalar_one_or_none()
    if done is None:
        raise ContactChanged(
            "Somebody has changed the rules meanwhile. Nothing was changed; look at them again.",
            version=rules_of(connection).version,
        )
    return replace(rules, version=rules.version + 1)


# -- rows ---------------------------------------------------------------------------------------------


def open_contact_of(connection: Connection, customer_id: str) -> Contact | None:
    """The contact of a customer that is open or held."""
    row = (
        connection.execute(select(due_contacts).where(due_contacts.c.open_key == customer_id))
        .mappings()
        .one_or_none()
    )
    return None if row is None else contact_from(row)


def tries_of(connection: Connection, contact_id: str) -> list[Try]:
    """The tries, the first first."""
    rows = connection.execute(
        select(contact_tries).where(contact_tries.c.contact_id == contact_id).order_by(contact_tries.c.id)
    ).mappings()
    return [Try(**{**row, "result": Result(row["result"])}) for row in rows]


def events_of(connection: Connection, contact_id: str) -> list[ContactEvent]:
    """The trail, the first first."""
    rows = connection.execute(
        select(contact_events).where(contact_events.c.contact_id == contact_id).order_by(contact_events.c.id)
    ).mappings()
    return [ContactEvent(**{**row, "step": Step(row["step"])}) for row in rows]


# -- reasons ------------------------------------------------------------------------------------------


def add_reason(
    connection: Connection, new: NewReason, now: datetime, *, by: Principal | None = None
) -> Contact | None:
    """A reason to call; joins what is open of the customer. None: expired before it began, or nobody to call.

    The same occasion again gives the contact it made.
    """
    add_reasons(connection, [new], now, by=by)
    row = (
        connection.execute(
            select(due_contacts)
            .join(contact_reasons, contact_reasons.c.contact_id == due_contacts.c.id)
            .where(contact_reasons.c.occasion == new.occasion[:80])
        )
        .mappings()
        .one_or_none()
    )
    return None if row is None else contact_from(row)


def add_reasons(
    connection: Connection,
    given: Sequence[NewReason],
    now: datetime,
    *,
    by: Principal | None = None,
    rules: Rules | None = None,
    plan_ids: Mapping[str, str] | None = None,
) -> int:
    """Reasons of many customers with a few statements; gives how many are new. At most some hundred at once."""
    rules = rules or rules_of(connection)
    wanted = {one.occasion[:80]: one for one in given if one.expires_at is None or one.expires_at > now}
    if not wanted:
        return 0
    known = connection.execute(
        select(contact_reasons.c.occasion).where(contact_reasons.c.occasion.in_(wanted))
    ).scalars()
    for occasion in known.all():
        del wanted[occasion]
    people = _people(connection, {one.customer_id for one in wanted.values()})
    grouped: defaultdict[str, list[NewReason]] = defaultdict(list)
    for one in wanted.values():
        if one.customer_id in people:
            whose = people[one.customer_id]["id"]
            grouped[whose].append(replace(one, customer_id=whose, occasion=one.occasion[:80]))
    if not grouped:
        return 0
    by_id = {row["id"]: row for row in people.values()}
    stops = stops_contact(connection, grouped)
    contacts, fresh = _contacts(connection, grouped, by_id, stops, rules, now, by)
    return _reasons(connection, grouped, contacts, fresh, rules, now, by, plan_ids or {})


def _people(connection: Connection, ids: Collection[str]) -> dict[str, RowMapping]:
    """Each id with the row of whom it means now; whoever was erased or never was is left out."""
    columns = (customers.c.id, customers.c.own_agent_id, customers.c.merged_into)
    rows = {
        row["id"]: row
        for row in connection.execute(select(*columns).where(customers.c.id.in_(ids))).mappings()
    }
    into = {key: row["merged_into"] for key, row in rows.items() if row["merged_into"]}
    if into:
        found = {
            row["id"]: row
            for row in connection.execute(
                select(*columns).where(customers.c.id.in_(set(into.values())))
            ).mappings()
        }
        rows |= {key: found[whose] for key, whose in into.items() if whose in found}
    return rows


def _contacts(
    connection: Connection,
    grouped: Mapping[str, Sequence[NewReason]],
    people: Mapping[str, RowMapping],
    stops: Mapping[str, str],
    rules: Rules,
    now: datetime,
    by: Principal | None,
) -> tuple[dict[str, Contact], set[str]]:
    """The open contact of each customer, found or made; and which of them are new."""
    found = _open_of(connection, grouped)
    missing = [one for one in grouped if one not in found]
    fresh: set[str] = set()
    if missing:
        made, made_tasks = [], []
        for whose in missing:
            first = bundle(grouped[whose], rules.priorities)
            assert first is not None  # a group holds at least one reason
            contact_id, task_id = new_id(now), new_id(now)
            owner = people[whose]["own_agent_id"]
            made_tasks.append(
                {
                    "id": task_id,
                    "kind": TaskKind.CONTACT.value,
                    "state": TaskState.OPEN.value,
                    "occasion": f"contact {contact_id}",
                    "customer_id": whose,
                    "owner_id": owner,
                    "department": None if owner else rules.department,
                    "subject": "",
                    "calls": 0,
                    "created_at": now,
                    "last_at": now,
                    "due_at": first.due_at,
                }
            )
            made.append(
                {
                    "id": contact_id,
                    "customer_id": whose,
                    "open_key": whose,
                    "task_id": task_id,
                    "state": (ContactState.HELD if whose in stops else ContactState.OPEN).value,
                    "owner_id": owner,
                    "department": rules.department,
                    "due_at": first.due_at,
                    "priority": first.priority,
                    "tries": 0,
                    "held_by": stops.get(whose),
                    "note": "",
                    "version": 1,
                    "created_at": now,
                    "closed_by_name": "",
                }
            )
        insert_rows(connection, tasks, made_tasks)
        insert_rows(connection, due_contacts, made, known_stay=True)
        fresh = _there(connection, due_contacts, [str(one["id"]) for one in made])
        lost = [one["task_id"] for one in made if one["id"] not in fresh]
        if lost:  # another process was first
            connection.execute(delete(tasks).where(tasks.c.id.in_(lost)))
        found |= _open_of(connection, missing)
        note_row(
            connection,
            [
                event_row(one["id"], Step.OPENED, now, by, {"held_by": one["held_by"]})
                for one in made
                if one["id"] in fresh
            ],
        )
        if subscribers(connection, Event.TASK_CREATED):
            for one in made_tasks:
                if one["id"] not in lost:
                    tell_of_task(connection, Event.TASK_CREATED, task_of(connection, one["id"]), at=now)
    return found, fresh


def _there(connection: Connection, table: Table, ids: Sequence[str]) -> set[str]:
    return set(connection.execute(select(table.c.id).where(table.c.id.in_(ids))).scalars())


def _open_of(connection: Connection, ids: Collection[str]) -> dict[str, Contact]:
    rows = connection.execute(
        select(due_contacts)
        .where(due_contacts.c.open_key.in_(list(ids)))
        .order_by(due_contacts.c.id)
        .with_for_update()
    ).mappings()
    return {row["customer_id"]: contact_from(row) for row in rows}


def _reasons(
    connection: Connection,
    grouped: Mapping[str, Sequence[NewReason]],
    contacts: Mapping[str, Contact],
    fresh: set[str],
    rules: Rules,
    now: datetime,
    by: Principal | None,
    plan_ids: Mapping[str, str],
) -> int:
    rows: list[dict[str, Any]] = []
    for whose, some in grouped.items():
        for one in some:
            rule = rules.rule(one.kind)
            rows.append(
                {
                    "id": new_id(now),
                    "contact_id": contacts[whose].id,
                    "customer_id": whose,
                    "vehicle_id": one.vehicle_id,
                    "kind": one.kind.value,
                    "occasion": one.occasion,
                    "state": ReasonState.OPEN.value,
                    "due_at": one.due_at,
                    "expires_at": one.expires_at,
                    "priority": rule.priority if one.priority is None else one.priority,
                    "why": dict(one.why),
                    "questionnaire": one.questionnaire or rule.questionnaire,
                    "script": one.script or rule.script,
                    "plan_id": plan_ids.get(one.occasion),
                    "created_at": now,
                    "closed_why": {},
                }
            )
    insert_rows(connection, contact_reasons, rows, known_stay=True)
    added = _there(connection, contact_reasons, [row["id"] for row in rows])
    kept = [row for row in rows if row["id"] in added]
    note_row(
        connection,
        [
            event_row(
                row["contact_id"],
                Step.REASON_ADDED,
                now,
                by,
                {"reason_id": row["id"], "kind": row["kind"]},
            )
            for row in kept
        ],
    )
    got: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in kept:
        got[row["contact_id"]].append(row)
    for contact in contacts.values():
        more = got.get(contact.id)
        if more is None:
            if contact.id in fresh:  # the occasion was another customer's: nothing is left of this one
                _remove(connection, contact)
            continue
        due_at = min([contact.due_at, *(row["due_at"] for row in more)])
        priority = min([contact.priority, *(row["priority"] for row in more)])
        if contact.id not in fresh:
            connection.execute(
                update(due_contacts)
                .where(due_contacts.c.id == contact.id)
                .values(due_at=due_at, priority=priority, version=contact.version + 1)
            )
            connection.execute(
                update(tasks)
                .where(tasks.c.id == contact.task_id, tasks.c.state == TaskState.OPEN)
                .values(due_at=due_at, last_at=now)
            )
    return len(kept)


def _remove(connection: Connection, contact: Contact) -> None:
    connection.execute(delete(contact_events).where(contact_events.c.contact_id == contact.id))
    connection.execute(delete(due_contacts).where(due_contacts.c.id == contact.id))
    connection.execute(delete(tasks).where(tasks.c.id == contact.task_id))


def cancel_reasons(
    connection: Connection,
    *,
    kinds: Collection[ReasonKind],
    why: Mapping[str, Any],
    now: datetime,
    occasion: str | None = None,
    vehicle_id: str | None = None,
    customer_id: str | None = None,
    by: Principal | None = None,
) -> int:
    """These reasons are void; a contact without any reason left closes as cancelled. Gives how many there were."""
    named = [
        column == value
        for column, value in (
            (contact_reasons.c.occasion, occasion),
            (contact_reasons.c.vehicle_id, vehicle_id),
            (contact_reasons.c.customer_id, customer_id),
        )
        if value is not None
    ]
    if not named:
        raise ValueError("which reasons: name an occasion, a vehicle or a customer")
    ids = connection.execute(
        select(contact_reasons.c.id).where(
            *named,
            contact_reasons.c.kind.in_([one.value for one in kinds]),
            contact_reasons.c.state == ReasonState.OPEN,
        )
    ).scalars()
    return end_reasons(connection, ids.all(), ReasonState.CANCELLED, why, now, by=by)


def end_reasons(
    connection: Connection,
    ids: Collection[str],
    state: ReasonState,
    why: Mapping[str, Any],
    now: datetime,
    *,
    by: Principal | None = None,
) -> int:
    """End open reasons, and the contacts that have none left."""
    if not ids:
        return 0
    whose = connection.execute(
        select(contact_reasons.c.contact_id).where(contact_reasons.c.id.in_(ids)).distinct()
    ).scalars()
    locked = (
        connection.execute(
            select(due_contacts)
            .where(due_contacts.c.id.in_(whose.all()))
            .order_by(due_contacts.c.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    ended = connection.execute(
        update(contact_reasons)
        .where(contact_reasons.c.id.in_(ids), contact_reasons.c.state == ReasonState.OPEN)
        .values(state=state.value, closed_at=now, closed_why=dict(why))
        .returning(contact_reasons.c.id, contact_reasons.c.contact_id)
    ).all()
    step = Step.REASON_EXPIRED if state is ReasonState.EXPIRED else Step.REASON_CANCELLED
    note_row(
        connection,
        [event_row(row[1], step, now, by, {"reason_id": row[0], "why": dict(why)}) for row in ended],
    )
    left = reasons_of(connection, [row["id"] for row in locked])
    for row in locked:
        contact = contact_from(row)
        if contact.state is ContactState.CLOSED:
            continue
        open_ones = [one for one in left.get(contact.id, []) if one.state is ReasonState.OPEN]
        if not open_ones:
            close_row(connection, contact, Result.CANCELLED, now, by, data={"why": dict(why)})
        else:
            rebundle(connection, contact, open_ones)
    return len(ended)


def withdraw_reason(connection: Connection, reason_id: str, why: Mapping[str, Any], now: datetime) -> None:
    """End a reason that came too early, and leave its occasion free: the same event makes it again when it is time."""
    if end_reasons(connection, [reason_id], ReasonState.CANCELLED, why, now):
        connection.execute(
            update(contact_reasons)
            .where(contact_reasons.c.id == reason_id)
            .values(occasion=f"withdrawn:{reason_id}")
        )


# -- what people do -----------------------------------------------------------------------------------


def _hold(
    connection: Connection, contact_id: str, version: int | None, by: Principal | None, *, force: bool = False
) -> Contact:
    """The contact, locked, if this person may change it now."""
    contact = get_contact(connection, contact_id, lock=True)
    if contact.state is ContactState.CLOSED:
        raise ContactClosed("This contact has its result already. Nothing was changed.")
    if version is not None and version != contact.version:
        raise ContactChanged(
            "Somebody has changed this contact meanwhile. Nothing was changed; look at it again.",
            version=contact.version,
        )
    owner = contact.owner_id
    if not force and by is not None and owner not in (None, by.user_id):
        raise ContactTaken("Somebody else has this contact. Nothing was changed.")
    return contact


def put_off_try(connection: Connection, contact_id: str, at: datetime) -> None:
    """The customer is to be called at a moment that was promised to him; a closed contact stays as it is."""
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact_id, due_contacts.c.state == ContactState.OPEN)
        .values(next_try_at=at)
    )


def close_contact(
    connection: Connection,
    contact_id: str,
    result: Result,
    *,
    now: datetime,
    hours: WorkingTime,
    by: Principal | None = None,
    version: int | None = None,
    note: str = "",
    call_id: str | None = None,
    done_reasons: Collection[str] | None = None,
    force: bool = False,
) -> Contact:
    """What came of it. NOT_REACHED is one try; the last one makes it UNSUCCESSFUL.

    PARTLY ends `done_reasons`, the others stay open. The same call told again changes nothing.
    Raises ContactNotFound, ContactClosed, ContactChanged, ContactTaken, BadContact.
    """
    if result not in GIVEN_RESULTS:
        raise BadContact("This result is not given by hand. Nothing was changed.", field="result")
    if len(note) > LONGEST_NOTE:
        raise BadContact(
            Sentence("A note has at most {most} characters. Nothing was changed.", most=LONGEST_NOTE),
            field="note",
        )
    if call_id is not None and _told(connection, contact_id, call_id, result):
        return get_contact(connection, contact_id)
    contact = _hold(connection, contact_id, version, by, force=force)
    open_ones = [
        one
        for one in reasons_of(connection, [contact_id]).get(contact_id, [])
        if one.state is ReasonState.OPEN
    ]
    if result is Result.CANCELLED:
        if not note.strip():
            raise BadContact("Say why nobody is to call. Nothing was changed.", field="note")
    else:
        contact = _count_try(connection, contact, result, now, by, note, call_id)
    if result is Result.NOT_REACHED:
        rules = rules_of(connection)
        if contact.tries >= rules.tries:
            return _finish(connection, contact, Result.UNSUCCESSFUL, open_ones, note, now, by)
        again = next_try(now, rules, hours)
        connection.execute(
            update(due_contacts).where(due_contacts.c.id == contact_id).values(next_try_at=again)
        )
        return get_contact(connection, contact_id)
    if result is Result.PARTLY:
        chosen = {one.id for one in open_ones} & set(done_reasons or ())
        if not chosen or len(chosen) == len(open_ones):
            raise BadContact(
                "Partly done: name some of the open reasons, not all of them. Nothing was changed.",
                field="done_reasons",
            )
        _end_spoken(connection, chosen, result, now)
        rebundle(connection, contact, [one for one in open_ones if one.id not in chosen])
        _visited(connection, [one for one in open_ones if one.id in chosen], now, hours)
        return get_contact(connection, contact_id)
    if result is Result.DONE:
        _visited(connection, open_ones, now, hours)
    return _finish(connection, contact, result, open_ones, note, now, by)


def _told(connection: Connection, contact_id: str, call_id: str, result: Result) -> bool:
    """Whether this call was told with this result; a better result of the same call is taken."""
    row = connection.execute(
        select(contact_tries.c.result).where(
            contact_tries.c.contact_id == contact_id, contact_tries.c.call_id == call_id
        )
    ).scalar_one_or_none()
    return row is not None and row == result


def _count_try(
    connection: Connection,
    contact: Contact,
    result: Result,
    now: datetime,
    by: Principal | None,
    note: str,
    call_id: str | None,
) -> Contact:
    row = _upsert(connection, contact_tries).values(
        id=new_id(now),
        contact_id=contact.id,
        at=now,
        by_id=by.user_id if by else None,
        by_name=by.name[:64] if by else "",
        call_id=call_id,
        result=result.value,
        note=note,
    )
    new = connection.execute(
        row.on_conflict_do_nothing(index_elements=["contact_id", "call_id"]).returning(contact_tries.c.id)
    ).scalar_one_or_none()
    if new is None:
        connection.execute(
            update(contact_tries)
            .where(contact_tries.c.contact_id == contact.id, contact_tries.c.call_id == call_id)
            .values(result=result.value, note=note)
        )
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact.id)
        .values(
            tries=contact.tries + (new is not None),
            last_try_at=now,
            next_try_at=None,
            version=contact.version + 1,
        )
    )
    note_row(
        connection, [event_row(contact.id, Step.TRIED, now, by, {"result": result.value, "call_id": call_id})]
    )
    return get_contact(connection, contact.id)


def _end_spoken(connection: Connection, ids: Collection[str], result: Result, now: datetime) -> None:
    connection.execute(
        update(contact_reasons)
        .where(contact_reasons.c.id.in_(ids))
        .values(state=ReasonState.DONE.value, closed_at=now, closed_why={"code": result.value})
    )


def _visited(connection: Connection, spoken: Sequence[Reason], now: datetime, hours: WorkingTime) -> None:
    """A key account that was spoken to: its cadence counts from today."""
    ids = {one.customer_id for one in spoken if one.kind is ReasonKind.KEY_ACCOUNT}
    if ids:
        connection.execute(
            update(customers).where(customers.c.id.in_(ids)).values(visited_on=hours.date_of(now))
        )


def _finish(
    connection: Connection,
    contact: Contact,
    result: Result,
    open_ones: Sequence[Reason],
    note: str,
    now: datetime,
    by: Principal | None,
) -> Contact:
    ids = [one.id for one in open_ones]
    if result is Result.CANCELLED:
        connection.execute(
            update(contact_reasons)
            .where(contact_reasons.c.id.in_(ids))
            .values(state=ReasonState.CANCELLED.value, closed_at=now, closed_why={"code": "by_hand"})
        )
    else:
        _end_spoken(connection, ids, result, now)
    return close_row(connection, contact, result, now, by, note=note)


def give(
    connection: Connection,
    contact_id: str,
    owner_id: str | None,
    *,
    by: Principal,
    now: datetime,
    version: int | None = None,
    force: bool = False,
) -> Contact:
    """Take it, give it back or hand it to somebody. Raises as `close_contact`."""
    contact = _hold(connection, contact_id, version, by, force=force)
    if contact.owner_id == owner_id:
        return contact
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact_id)
        .values(owner_id=owner_id, version=contact.version + 1)
    )
    connection.execute(
        update(tasks)
        .where(tasks.c.id == contact.task_id, tasks.c.state == TaskState.OPEN)
        .values(owner_id=owner_id)
    )
    note_row(
        connection, [event_row(contact_id, Step.GIVEN, now, by, {"from": contact.owner_id, "to": owner_id})]
    )
    tell_of_task(connection, Event.TASK_CHANGED, task_of(connection, contact.task_id), at=now)
    return get_contact(connection, contact_id)


def postpone(
    connection: Connection,
    contact_id: str,
    until: datetime,
    *,
    by: Principal,
    now: datetime,
    version: int | None = None,
    force: bool = False,
) -> Contact:
    """The customer asked to be called at another time. Raises as `close_contact`."""
    contact = _hold(connection, contact_id, version, by, force=force)
    if until <= now:
        raise BadContact("The other time lies ahead. Nothing was changed.", field="until")
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact_id)
        .values(next_try_at=until, version=contact.version + 1)
    )
    note_row(connection, [event_row(contact_id, Step.POSTPONED, now, by, {"until": until.isoformat()})])
    return get_contact(connection, contact_id)


# -- what the house does by itself --------------------------------------------------------------------


def hold_and_release(connection: Connection, now: datetime, *, limit: int = 200) -> int:
    """Complaints hold contacts back; contacts whose complaint is closed come back. Gives how many moved."""
    stopped = connection.execute(
        select(due_contacts.c.id, cases.c.number)
        .join(cases, cases.c.customer_id == due_contacts.c.customer_id)
        .where(stopping(), due_contacts.c.state == ContactState.OPEN)
        .order_by(due_contacts.c.id, cases.c.opened_at.desc())
        .limit(limit)
    ).all()
    still = select(cases.c.id).where(cases.c.customer_id == due_contacts.c.customer_id, stopping())
    freed = connection.execute(
        select(due_contacts.c.id)
        .where(due_contacts.c.state == ContactState.HELD, ~still.exists())
        .limit(limit)
    ).scalars()
    moved = 0
    for contact_id, number in {row[0]: row[1] for row in stopped}.items():
        moved += _move(connection, contact_id, ContactState.OPEN, ContactState.HELD, number, now)
    for contact_id in freed.all():
        moved += _move(connection, contact_id, ContactState.HELD, ContactState.OPEN, None, now)
    return moved


def _move(
    connection: Connection,
    contact_id: str,
    before: ContactState,
    after: ContactState,
    number: str | None,
    now: datetime,
) -> int:
    changed = connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact_id, due_contacts.c.state == before)
        .values(state=after.value, held_by=number, version=due_contacts.c.version + 1)
    ).rowcount
    if changed:
        step = Step.HELD if after is ContactState.HELD else Step.RELEASED
        note_row(connection, [event_row(contact_id, step, now, None, {"case": number})])
    return changed


def expire(connection: Connection, now: datetime, *, limit: int = 200) -> int:
    """Reasons that are of no use any more. Gives how many."""
    ids = connection.execute(
        select(contact_reasons.c.id)
        .where(contact_reasons.c.state == ReasonState.OPEN, contact_reasons.c.expires_at <= now)
        .order_by(contact_reasons.c.expires_at, contact_reasons.c.id)
        .limit(limit)
    ).scalars()
    return end_reasons(connection, ids.all(), ReasonState.EXPIRED, {"code": "expired"}, now)
