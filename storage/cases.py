"""Cases: opened once per occasion, moved step by step, watched by the clock; each in one transaction.

Every step is a row of the trail, and whatever follows from it (tasks, deadlines, what other systems are told) is
committed with it. Whoever acts on an older version than the newest is told what happened meanwhile (R28).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, insert, or_, select, update

from access.ids import new_id
from access.permissions import TAKES_CALLS, Role
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.cases.applying import HOUSE, Actor, apply
from crm.cases.cases import (
    LONGEST_NAME,
    LONGEST_SUBJECT,
    BadCase,
    By,
    Case,
    CaseChanged,
    CaseState,
    NewCase,
    check_text,
    serial_text,
)
from crm.cases.deadlines import (
    Level,
    Notice,
    date_reached_at,
    due_notices,
    next_look,
    settled,
    with_allowance,
    with_stage,
)
from crm.cases.rules import Rules
from crm.cases.steps import QUIET, ROADS, Given, Road, Step
from crm.hooks.events import Event
from crm.links.links import LinkKind
from storage import case_tasks
from storage import customers as customer_rows
from storage.case_rows import (
    case_from,
    changed,
    events_of,
    get_case,
    note,
    row_of,
    rules_of,
)
from storage.links import revoke_links
from storage.merging import current_id
from storage.outgoing import announce
from storage.tables.access import users
from storage.tables.calls import calls
from storage.tables.cases import case_events, cases
from storage.tables.records import serials
from storage.vehicles import get_vehicle
from telephony.hours import WorkingTime

__all__ = [
    "Told",
    "actor_of",
    "events_of",
    "get_case",
    "look",
    "open_case",
    "open_cases_of",
    "rules_of",
    "stops_contact",
    "take_step",
]

#: Kinds that go the whole way: they stop surveys and reminders, and repeat one another.
_FULL: Final = tuple(kind for kind, road in ROADS.items() if road is Road.FULL)
#: Ids in one question.
_SHARE: Final = 500


def actor_of(by: Principal | None) -> Actor:
    """Who takes a step."""
    if by is None:
        return HOUSE
    if by.user_id is None:
        return Actor(by=By.PROGRAM, name=by.name)
    return Actor(by=By.USER, id=by.user_id, name=by.name)


# -- opening ------------------------------------------------------------------------------------------


def open_case(
    connection: Connection, new: NewCase, *, by: Principal | None, now: datetime, hours: WorkingTime
) -> tuple[Case, bool]:
    """A case for what a customer told us, made or found: (case, whether it is new).

    The same occasion gives the first one, open or closed. With a department it is handed over at once. Whoever
    takes calls and registers it is in charge of it, else the customer's own agent. Raises BadCase,
    CustomerNotFound, VehicleNotFound.
    """
    if new.occasion and (known := _of_occasion(connection, new.occasion)) is not None:
        return known, False
    rules = rules_of(connection)
    number, name = _number(connection, rules, hours, now)
    # The serial's row is ours until the end: who opened for the same occasion meanwhile has committed.
    if new.occasion and (known := _of_occasion(connection, new.occasion)) is not None:
        connection.execute(update(serials).where(serials.c.name == name).values(value=serials.c.value - 1))
        return known, False
    actor = actor_of(by)
    case = _begun(connection, new, number, by, actor, now)
    if new.department is not None and new.department not in rules.departments:
        raise BadCase(
            Sentence(
                "There is no department '{given}'; there are {departments}. Nothing was changed.",
                given=new.department[:32],
                departments=sorted(rules.departments),
            ),
            field="department",
        )
    case = settled(with_allowance(with_stage(case, rules, hours, now), rules, hours))
    connection.execute(insert(cases).values(**row_of(case), look_at=next_look(case, rules, hours)))
    note(
        connection,
        case,
        Step.REGISTER,
        actor,
        now,
        from_state=None,
        data={"kind": case.kind.value, "grade": case.grade.value, "source": case.source.value}
        | ({"repeat_of": case.repeat_of} if case.repeat_of else {}),
    )
    announce(connection, Event.CASE_OPENED, f"case:{case.id}", case_data(case), at=now)
    if new.department is not None:
        given = Given(department=new.department, departmental_person=new.departmental_person)
        case = _apply(connection, case, Step.ASSIGN, given, actor=actor, now=now, rules=rules, hours=hours)
    else:
        case_tasks.match(connection, case, rules, hours, now, by_id=actor.id, result=Step.REGISTER)
    case, _told = _say(connection, case, rules, hours, now)
    return case, True


def _of_occasion(connection: Connection, occasion: str) -> Case | None:
    row = connection.execute(select(cases).where(cases.c.occasion == occasion[:80])).mappings().first()
    return None if row is None else case_from(row)


def _number(connection: Connection, rules: Rules, hours: WorkingTime, now: datetime) -> tuple[str, str]:
    """The next number by the house's rule, one row of serials a year, and the name of that row."""
    year = hours.date_of(now).year
    name = f"cases {year}" if "{year}" in rules.number else "cases"
    while True:
        serial = customer_rows.next_serial(connection, name)
        number = serial_text(rules.number, year=year, serial=serial)
        taken = connection.execute(select(cases.c.id).where(cases.c.number == number)).first()
        if taken is None:
            return number, name


def _begun(
    connection: Connection, new: NewCase, number: str, by: Principal | None, actor: Actor, now: datetime
) -> Case:
    if new.promised_at is not None and new.promised_at <= now:
        raise BadCase(
            "The promised answer time has passed already; promise a later one. Nothing was changed.",
            field="promised_at",
        )
    customer_id = new.customer_id and current_id(connection, new.customer_id)
    phone = new.number
    own_agent = None
    if customer_id:
        customer = customer_rows.get_customer(connection, customer_id)
        own_agent = customer.own_agent_id
        phone = phone or _main_number(connection, customer_id)
    if phone is None and new.call_id is not None:
        phone = connection.execute(
            select(calls.c.number).where(calls.c.id == new.call_id)
        ).scalar_one_or_none()
    if new.vehicle_id is not None:
        get_vehicle(connection, new.vehicle_id)
    if new.handler_id is not None and _working(connection, new.handler_id) is None:
        raise BadCase("This person cannot be in charge of a case. Nothing was changed.", field="handler_id")
    repeat_of = new.repeat_of
    if repeat_of is not None:
        get_case(connection, repeat_of)
    elif new.kind in _FULL:
        repeat_of = _repeated(connection, customer_id, new.vehicle_id, now)
    registrar = by.user_id if by is not None and by.role in TAKES_CALLS else None
    return Case(
        id=new_id(now),
        number=number,
        kind=new.kind,
        grade=new.grade,
        source=new.source,
        state=CaseState.REGISTERED,
        events=1,
        subject=check_text(new.subject, "subject", longest=LONGEST_SUBJECT, needed=True),
        words=check_text(new.words, "words"),
        summary=check_text(new.summary, "summary"),
        happened=check_text(new.happened, "happened", longest=LONGEST_SUBJECT),
        place=check_text(new.place, "place", longest=LONGEST_SUBJECT),
        symptom=check_text(new.symptom, "symptom"),
        wants=check_text(new.wants, "wants"),
        occurred_at=min(new.occurred_at or now, now),
        opened_at=now,
        round_at=now,
        opened_by=actor.id,
        opened_by_name=actor.name[:LONGEST_NAME],
        customer_id=customer_id,
        vehicle_id=new.vehicle_id,
        mileage=new.mileage,
        phone=phone,
        caller_name=check_text(new.caller_name, "caller_name", longest=LONGEST_NAME),
        call_id=new.call_id,
        response_id=new.response_id,
        occasion=new.occasion[:80] or None,
        handler_id=new.handler_id or registrar or _working(connection, own_agent),
        departmental_person=check_text(new.departmental_person, "departmental_person", longest=LONGEST_NAME),
        consultant=check_text(new.consultant, "consultant", longest=LONGEST_NAME),
        advisor=check_text(new.advisor, "advisor", longest=LONGEST_NAME),
        technician=check_text(new.technician, "technician", longest=LONGEST_NAME),
        promised_at=new.promised_at,
        repeat_of=repeat_of,
    )


def _main_number(connection: Connection, customer_id: str) -> str | None:
    found = customer_rows.contacts_of(connection, customer_id)
    return next((one.number for one in found if one.ended_at is None), None)


def _working(connection: Connection, user_id: str | None) -> str | None:
    """The user, where he can sign in still."""
    if user_id is None:
        return None
    there = select(users.c.id).where(users.c.id == user_id, users.c.disabled_at.is_(None))
    return connection.execute(there).scalar_one_or_none()


def _repeated(
    connection: Connection, customer_id: str | None, vehicle_id: str | None, now: datetime
) -> str | None:
    """The newest grumble or complaint of the same customer or vehicle within the house's days."""
    since = now - timedelta(days=rules_of(connection).repeat_days)
    newest: tuple[datetime, str] | None = None
    for column, value in ((cases.c.customer_id, customer_id), (cases.c.vehicle_id, vehicle_id)):
        if value is None:
            continue
        row = connection.execute(
            select(cases.c.opened_at, cases.c.id)
            .where(column == value, cases.c.opened_at >= since, cases.c.kind.in_(_FULL))
            .order_by(cases.c.opened_at.desc())
            .limit(1)
        ).first()
        if row is not None and (newest is None or (row[0], row[1]) > newest):
            newest = (row[0], row[1])
    return None if newest is None else newest[1]


# -- steps --------------------------------------------------------------------------------------------


def take_step(
    connection: Connection,
    case_id: str,
    step: Step,
    given: Given,
    *,
    actor: Actor,
    now: datetime,
    hours: WorkingTime,
    version: int | None = None,
) -> Case:
    """One step with a case. `version` is the one the actor decided on; None: whatever it is now.

    Who may take which step is asked before (`config.books.cases`). Raises CaseNotFound, StepNotAllowed,
    StepForbidden, CaseChanged, BadCase, and CustomerNotFound or VehicleNotFound where a change names one.
    """
    before = get_case(connection, case_id, lock=True)
    if version is not None and version != before.version and step not in QUIET:
        raise _changed_meanwhile(connection, before, version)
    given = _looked_up(connection, before, step, given)
    rules = rules_of(connection)
    # The trail has one order: clocks that went back do not turn it round.
    now = max(now, _last_at(connection, before))
    after = _apply(connection, before, step, given, actor=actor, now=now, rules=rules, hours=hours)
    after, _told = _say(connection, after, rules, hours, now)
    return after


def _last_at(connection: Connection, case: Case) -> datetime:
    last = select(case_events.c.at).where(case_events.c.case_id == case.id, case_events.c.seq == case.events)
    at: datetime = connection.execute(last).scalar_one()
    return at


def _looked_up(connection: Connection, case: Case, step: Step, given: Given) -> Given:
    """What a step names exists, and customers that were merged are who they are now."""
    if step is Step.TIE and given.other_id:
        get_case(connection, given.other_id)
    if given.handler_id is not None and _working(connection, given.handler_id) is None:
        raise BadCase("This person cannot be in charge of a case. Nothing was changed.", field="handler_id")
    if step is not Step.CHANGE:
        return given
    fields = dict(given.fields)
    if customer_id := fields.get("customer_id"):
        fields["customer_id"] = customer_rows.get_customer(connection, current_id(connection, customer_id)).id
    if vehicle_id := fields.get("vehicle_id"):
        get_vehicle(connection, vehicle_id)
    return replace(given, fields=fields)


def _apply(
    connection: Connection,
    before: Case,
    step: Step,
    given: Given,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    hours: WorkingTime,
) -> Case:
    after, data = apply(before, step, given, actor=actor, now=now, rules=rules, hours=hours)
    after = replace(
        after,
        events=before.events + 1,
        version=before.version if step in QUIET else before.version + 1,
    )
    connection.execute(
        update(cases)
        .where(cases.c.id == before.id)
        .values(**changed(before, after), look_at=next_look(after, rules, hours))
    )
    note(
        connection,
        after,
        step,
        actor,
        now,
        from_state=before.state,
        words=given.words.strip().replace("\r\n", "\n"),
        data=data,
    )
    case_tasks.match(connection, after, rules, hours, now, by_id=actor.id, result=step)
    if _takes_links_back(before, after, step):
        revoke_links(connection, LinkKind.CASE, after.id, now)
    if after.state is CaseState.CLOSED and before.state is not CaseState.CLOSED:
        announce(connection, Event.CASE_CLOSED, f"case:{after.id}", case_data(after), at=now)
    return after


def _takes_links_back(before: Case, after: Case, step: Step) -> bool:
    """Whether what a department was sent is no longer its business: handed to another, back, round over, closed."""
    return (
        step is Step.ASSIGN
        or after.department != before.department
        or after.round != before.round
        or (after.state is CaseState.CLOSED and before.state is not CaseState.CLOSED)
    )


def _changed_meanwhile(connection: Connection, case: Case, version: int) -> CaseChanged:
    news = [one for one in events_of(connection, case.id, after_version=version) if one.step not in QUIET]
    holder = news[-1].by_name if news else ""
    return CaseChanged(
        Sentence(
            "{who} has gone on with case {number} meanwhile. Nothing of yours was saved; look at it again.",
            who=holder or SOMEBODY,
            number=case.number,
        ),
        holder=holder,
        state=case.state.value,
        version=case.version,
        theirs={
            "state": case.state.value,
            "round": case.round,
            "version": case.version,
            "events": [
                {
                    "seq": one.seq,
                    "step": one.step,
                    "by": one.by.value,
                    "by_name": one.by_name,
                    "at": one.at.isoformat(),
                    "to_state": one.to_state.value,
                }
                for one in news[-20:]
            ],
        },
    )


# -- the clock ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A notice that was given: of which case, and to whom."""

    case: Case
    notice: Notice
    user_ids: Sequence[str]


def look(connection: Connection, now: datetime, hours: WorkingTime, *, limit: int = 50) -> list[Told] | None:
    """Do and say what is due by now for the next cases; None where nothing is due. Each thing happens once.

    Costs what is due, not what exists. The caller asks again until None.
    """
    due = (
        select(cases)
        .where(cases.c.look_at <= now)
        .order_by(cases.c.look_at, cases.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    found = [case_from(row) for row in connection.execute(due).mappings()]
    if not found:
        return None
    rules = rules_of(connection)
    told: list[Told] = []
    for case in found:
        reached = date_reached_at(case, hours)
        if reached is not None and reached <= now:
            case = _apply(
                connection, case, Step.DATE_REACHED, Given(), actor=HOUSE, now=now, rules=rules, hours=hours
            )
        _after, some = _say(connection, case, rules, hours, now)
        told += some
    return told


def anything_due(connection: Connection, now: datetime) -> bool:
    """Whether `look` would find something; asked first, so that nobody waits for the writer for nothing."""
    return connection.execute(select(cases.c.id).where(cases.c.look_at <= now).limit(1)).first() is not None


def _say(
    connection: Connection, case: Case, rules: Rules, hours: WorkingTime, now: datetime
) -> tuple[Case, list[Told]]:
    """Give the notices that are due and were not given yet, and remember when to look again."""
    wanted = due_notices(case, rules, hours, now)
    given: set[str] = set()
    if wanted:
        known = select(case_events.c.occasion).where(
            case_events.c.case_id == case.id,
            case_events.c.occasion.in_([one.occasion for one in wanted]),
        )
        given = set(connection.execute(known).scalars())
    told: list[Told] = []
    for one in wanted:
        if one.occasion in given:
            continue
        case = replace(case, events=case.events + 1)
        user_ids = case_tasks.tell(connection, case, one, now)
        note(
            connection,
            case,
            Step.REMIND if one.level is Level.REMIND else Step.ESCALATE,
            HOUSE,
            now,
            from_state=case.state,
            data=_notice_data(case, one, user_ids),
            occasion=one.occasion,
        )
        told.append(Told(case=case, notice=one, user_ids=user_ids))
    connection.execute(
        update(cases)
        .where(cases.c.id == case.id)
        .values(events=case.events, look_at=next_look(case, rules, hours, after=now))
    )
    return case, told


def _notice_data(case: Case, notice: Notice, user_ids: Sequence[str]) -> Mapping[str, Any]:
    if notice.occasion == "major":
        return {"level": notice.level.value, "why": "major", "told": list(user_ids)}
    return {
        "level": notice.level.value,
        "why": "due" if notice.level is Level.REMIND else "overdue",
        "due_what": case.due_what.value if case.due_what else None,
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "told": list(user_ids),
    }


# -- what other areas ask -----------------------------------------------------------------------------


def open_cases_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, list[Case]]:
    """Open cases of these customers, the first due first; customers without one are left out."""
    found: dict[str, list[Case]] = {}
    for some in _shares(customer_ids):
        wanted = (
            select(cases)
            .where(cases.c.customer_id.in_(some), cases.c.closed_at.is_(None))
            .order_by(cases.c.due_at, cases.c.id)
        )
        for row in connection.execute(wanted).mappings():
            found.setdefault(row["customer_id"], []).append(case_from(row))
    return found


def stopping() -> ColumnElement[bool]:
    """For a statement over `cases`: those that stop surveys and reminders to their customer."""
    return (cases.c.closed_at.is_(None)) & cases.c.kind.in_(_FULL)


def stops_contact(connection: Connection, customer_ids: Collection[str]) -> dict[str, str]:
    """Customers who are not to be surveyed or reminded now, with the number of the case that stops it."""
    found: dict[str, str] = {}
    for some in _shares(customer_ids):
        rows = connection.execute(
            select(cases.c.customer_id, cases.c.number)
            .where(cases.c.customer_id.in_(some), stopping())
            .order_by(cases.c.opened_at)
        )
        for customer_id, number in rows:
            found.setdefault(customer_id, number)
    return found


def of_customer_or_vehicle(connection: Connection, case: Case, *, limit: int = 20) -> list[Case]:
    """Other cases of the same customer or vehicle, or tied to it, the newest first."""
    same: list[ColumnElement[bool]] = [
        cases.c.id.in_([one for one in (case.repeat_of, case.duplicate_of) if one])
    ]
    if case.customer_id is not None:
        same.append(cases.c.customer_id == case.customer_id)
    if case.vehicle_id is not None:
        same.append(cases.c.vehicle_id == case.vehicle_id)
    rows = connection.execute(
        select(cases)
        .where(or_(*same), cases.c.id != case.id)
        .order_by(cases.c.opened_at.desc(), cases.c.id.desc())
        .limit(limit)
    ).mappings()
    return [case_from(row) for row in rows]


def handlers(connection: Connection) -> dict[str, str]:
    """Who can be in charge of a case: id to name."""
    rows = connection.execute(
        select(users.c.id, users.c.name)
        .where(users.c.role.in_((Role.AGENT, Role.SUPERVISOR, Role.MANAGER)), users.c.disabled_at.is_(None))
        .order_by(users.c.name)
    )
    return {row[0]: row[1] for row in rows}


def case_data(case: Case) -> dict[str, object]:
    """A case as other systems know it; what was said stays in the house."""
    return {
        "case_id": case.id,
        "case_code": case.number,
        "kind": case.kind.value,
        "grade": case.grade.value,
        "source": case.source.value,
        "state": case.state.value,
        "round": case.round,
        "customer_id": case.customer_id,
        "vehicle_id": case.vehicle_id,
        "call_id": case.call_id,
        "department": case.department,
        "handler_id": case.handler_id,
        "responsibility": case.responsibility.value if case.responsibility else None,
        "ending": case.ending.value if case.ending else None,
        "answer_late": case.answer_late,
        "solution_late": case.solution_late,
        "opened_at": case.opened_at.isoformat(),
        "due_at": case.due_at.isoformat() if case.due_at else None,
        "closed_at": case.closed_at.isoformat() if case.closed_at else None,
    }


def _shares(ids: Collection[str]) -> list[list[str]]:
    every = list(dict.fromkeys(ids))
    return [every[start : start + _SHARE] for start in range(0, len(every), _SHARE)]
