"""Corrections: rows and steps, the change of the record at the end, error rates and the check of hand-overs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, insert, or_, select, tuple_, update

from access.ids import new_id
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.corrections.orders import (
    FIELDS,
    LONGEST_NOTE,
    LONGEST_VALUE,
    OF_DEPARTMENT,
    WITH_NOTE,
    Correction,
    CorrectionNotFound,
    Department,
    ErrorRate,
    Result,
    State,
    Step,
    StepRefused,
    check_text,
    next_state,
)
from crm.records.changes import author
from crm.records.customers import BadRecord
from storage import customers as customer_rows
from storage import vehicles as vehicle_rows
from storage.merging import current_id
from storage.sight import in_reach
from storage.tables.access import users
from storage.tables.corrections import correction_steps, corrections, department_users
from storage.tables.records import service_visits, vehicle_people, vehicles

Which = Literal["open", "answered", "refused", "checked", "closed", "overdue", "all"]
#: Asked for by name, so that an index finds them: closed ones are nearly all.
_ALIVE: Final = tuple(state for state in State if state is not State.CLOSED)
#: Fields of the record that are days.
_DAYS: Final = frozenset({"birthday", "delivered_on", "last_service_on", "next_due_on"})
_PLAIN: Final = (
    "id",
    "customer_id",
    "vehicle_id",
    "call_id",
    "field",
    "wrong_value",
    "said",
    "answer",
    "answer_note",
    "applied",
    "created_at",
    "created_by",
    "due_at",
    "answered_at",
    "answered_by",
    "checked_at",
    "checked_by",
    "closed_at",
    "rounds",
    "reminders",
    "reminded_at",
    "version",
)


def correction_from(row: RowMapping) -> Correction:
    """The value of a row that holds every column of `corrections`."""
    return Correction(
        department=Department(row["department"]),
        state=State(row["state"]),
        result=Result(row["result"]) if row["result"] else None,
        **{name: row[name] for name in _PLAIN},
    )


# -- departments --------------------------------------------------------------------------------------


def department_of(connection: Connection, user_id: str | None) -> Department | None:
    """The department a user answers for; None: none."""
    found = connection.execute(
        select(department_users.c.department).where(department_users.c.user_id == user_id)
    ).scalar_one_or_none()
    # The house may have departments that answer cases and hold no records.
    return Department(found) if found in {one.value for one in Department} else None


def set_department(connection: Connection, user_id: str, department: Department | None) -> None:
    """Which department a user answers for; None: none any more."""
    connection.execute(department_users.delete().where(department_users.c.user_id == user_id))
    if department is not None:
        connection.execute(insert(department_users).values(user_id=user_id, department=department))


def departments(connection: Connection) -> dict[str, Department]:
    """Users and the departments they answer for."""
    rows = connection.execute(select(department_users.c.user_id, department_users.c.department))
    known = {one.value for one in Department}
    return {row[0]: Department(row[1]) for row in rows if row[1] in known}


# -- orders -------------------------------------------------------------------------------------------


def raise_order(
    connection: Connection,
    *,
    customer_id: str,
    field: str,
    wrong_value: str,
    said: str,
    by: Principal,
    now: datetime,
    due_at: datetime,
    department: Department | None = None,
    vehicle_id: str | None = None,
    call_id: str | None = None,
) -> Correction:
    """An order about a field; without `department` it goes to the one whose data that usually is.

    The customer may be a merged one: the order is about the record he is now. Raises BadRecord,
    CustomerNotFound, VehicleNotFound.
    """
    kind = FIELDS.get(field)
    if kind is None:
        raise BadRecord(
            Sentence("An order cannot be about '{given}'. Nothing was made.", given=field[:40]), field="field"
        )
    if kind.writes.startswith("vehicle.") and vehicle_id is None:
        raise BadRecord("Say which vehicle it is about. Nothing was made.", field="vehicle_id")
    customer = customer_rows.get_customer(connection, current_id(connection, customer_id))
    if vehicle_id is not None:
        vehicle_rows.get_vehicle(connection, vehicle_id)
    order_id = new_id(now)
    connection.execute(
        insert(corrections).values(
            id=order_id,
            customer_id=customer.id,
            vehicle_id=vehicle_id,
            call_id=call_id,
            department=department or kind.department,
            field=field,
            wrong_value=check_text(wrong_value, "wrong_value", longest=LONGEST_VALUE, needed=False),
            said=check_text(said, "said", longest=LONGEST_NOTE, needed=True),
            state=State.OPEN,
            result="",
            answer="",
            answer_note="",
            applied=False,
            created_at=now,
            created_by=by.user_id,
            due_at=due_at,
            rounds=0,
            reminders=0,
            version=1,
        )
    )
    _note(connection, order_id, Step.RAISE, by, now, said)
    return get_order(connection, order_id)


def get_order(connection: Connection, order_id: str, department: Department | None = None) -> Correction:
    """One order; with `department` only one of theirs. Raises CorrectionNotFound."""
    wanted = select(corrections).where(corrections.c.id == order_id)
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None or (department is not None and row["department"] != department):
        raise CorrectionNotFound("There is no such order.")
    return correction_from(row)


def take_step(
    connection: Connection,
    order_id: str,
    step: Step,
    *,
    by: Principal,
    now: datetime,
    department: Department | None = None,
    version: int | None = None,
    value: str = "",
    note: str = "",
    due_at: datetime | None = None,
) -> Correction:
    """One step with an order. `department`: the asker's own, whose orders alone he can see.

    `value` is the answer (or, with ACCEPT, the answer as the check found it); `due_at` the new deadline where
    it is sent back. Raises CorrectionNotFound, StepRefused, BadRecord, and what the record's change raises.
    """
    locked = select(corrections).where(corrections.c.id == order_id).with_for_update()
    row = connection.execute(locked).mappings().one_or_none()
    if row is None or (department is not None and row["department"] != department):
        raise CorrectionNotFound("There is no such order.")
    before = correction_from(row)
    if version is not None and version != before.version:
        holder = _last_name(connection, order_id)
        raise StepRefused(
            Sentence(
                "{who} has gone on with this order meanwhile. Nothing of yours was saved; look at it again.",
                who=holder or SOMEBODY,
            ),
            state=before.state.value,
            holder=holder,
        )
    if department is not None and step not in OF_DEPARTMENT:
        raise StepRefused(
            "Customer relations takes this step. Nothing was changed.", state=before.state.value
        )
    writes = FIELDS[before.field].writes
    state, result = next_state(before.state, step, writes_itself=bool(writes))
    said = check_text(note, "note", longest=LONGEST_NOTE, needed=step in WITH_NOTE)
    changes: dict[str, Any] = {"state": state, "version": before.version + 1}
    match step:
        case Step.ANSWER:
            answer = check_text(value, "value", longest=LONGEST_VALUE, needed=True)
            _read_answer(writes, answer)
            changes |= {"answer": answer, "answer_note": said, "answered_at": now, "answered_by": by.user_id}
        case Step.REFUSE:
            changes |= {"answer": "", "answer_note": said, "answered_at": now, "answered_by": by.user_id}
        case Step.SEND_BACK:
            changes |= {"rounds": before.rounds + 1, "due_at": due_at or before.due_at}
        case Step.REMIND:
            changes |= {"reminders": before.reminders + 1, "reminded_at": now}
        case Step.ACCEPT:
            right = check_text(value or before.answer, "value", longest=LONGEST_VALUE, needed=True)
            changes |= {"answer": right, "checked_at": now, "checked_by": by.user_id}
            if writes:
                _write(connection, before, writes, right, by, now)
                changes["applied"] = True
    if state is State.CLOSED:
        changes |= {"closed_at": now, "result": result or ""}
    connection.execute(update(corrections).where(corrections.c.id == order_id).values(**changes))
    _note(connection, order_id, step, by, now, said or value)
    return get_order(connection, order_id)


def _read_answer(writes: str, answer: str) -> Any:
    """The answer as the record wants it. Raises BadRecord with what is wanted."""
    name = writes.partition(".")[2]
    if name in _DAYS:
        try:
            return date.fromisoformat(answer.replace("/", "-").replace(".", "-"))
        except ValueError as error:
            raise BadRecord("Write the date as 2026-03-01. Nothing was changed.", field="value") from error
    if name == "mileage":
        kilometres = answer.replace(",", "").removesuffix("km").strip()
        if not kilometres.isascii() or not kilometres.isdigit() or len(kilometres) > 7:
            raise BadRecord("Write the mileage in kilometres. Nothing was changed.", field="value")
        return int(kilometres)
    return answer


def _write(
    connection: Connection, order: Correction, writes: str, answer: str, by: Principal, now: datetime
) -> None:
    scope, _, name = writes.partition(".")
    value = _read_answer(writes, answer)
    why = f"correction {order.id}"
    if scope == "customer":
        owner = current_id(connection, order.customer_id)
        customer_rows.change_customer(connection, owner, now, by=author(by), why=why, **{name: value})
    elif order.vehicle_id is not None:
        vehicle_rows.change_vehicle(connection, order.vehicle_id, now, by=author(by), **{name: value})


def _note(connection: Connection, order_id: str, step: Step, by: Principal, now: datetime, note: str) -> None:
    connection.execute(
        insert(correction_steps).values(
            id=new_id(now),
            correction_id=order_id,
            at=now,
            by_id=by.user_id,
            by_name=by.name[:64],
            step=step,
            note=note[:LONGEST_NOTE],
        )
    )


def _last_name(connection: Connection, order_id: str) -> str:
    last = select(correction_steps.c.by_name).where(correction_steps.c.correction_id == order_id)
    return str(connection.execute(last.order_by(correction_steps.c.id.desc()).limit(1)).scalar() or "")


def steps_of(connection: Connection, order_id: str) -> list[Mapping[str, Any]]:
    """What was done with an order, oldest first: at, by_name, step, note."""
    wanted = select(correction_steps).where(correction_steps.c.correction_id == order_id)
    return [dict(row) for row in connection.execute(wanted.order_by(correction_steps.c.id)).mappings()]


def list_orders(
    connection: Connection,
    *,
    now: datetime,
    which: Which = "open",
    department: Department | None = None,
    customer_id: str | None = None,
    month: str = "",
    zone: ZoneInfo | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
    viewer: Principal | None = None,
) -> list[Correction]:
    """Orders by deadline, the first due first; closed ones and those of a month by when they were raised.

    `after` is the sort value and id of the last one seen. `month` ("2026-06") are those raised in it. Orders
    about customers out of the scope of `viewer` are left out.
    """
    wanted = select(corrections)
    by_age = which in ("closed", "all") or bool(month)
    column = corrections.c.created_at if by_age else corrections.c.due_at
    conditions: list[ColumnElement[bool]] = []
    if viewer is not None:
        conditions.append(in_reach(connection, viewer, corrections.c.customer_id, now))
    if which == "overdue":
        conditions += [corrections.c.state.in_(_ALIVE), corrections.c.due_at < now]
    elif which != "all":
        conditions.append(corrections.c.state == which)
    if department is not None:
        conditions.append(corrections.c.department == department)
    if customer_id is not None:
        conditions.append(corrections.c.customer_id == customer_id)
    if month:
        since, until = month_bounds(month, zone or ZoneInfo("UTC"))
        conditions += [corrections.c.created_at >= since, corrections.c.created_at < until]
    if after is not None:
        conditions.append(
            or_(column > after[0], and_(column == after[0], tuple_(corrections.c.id) > tuple_(after[1])))
        )
    rows = connection.execute(
        wanted.where(*conditions).order_by(column, corrections.c.id).limit(min(max(limit, 1), 200))
    )
    return [correction_from(row) for row in rows.mappings()]


def counts(
    connection: Connection,
    now: datetime,
    department: Department | None = None,
    viewer: Principal | None = None,
) -> dict[str, int]:
    """How many orders are in each state and how many are overdue; closed ones are not counted."""
    theirs = [] if department is None else [corrections.c.department == department]
    if viewer is not None:
        theirs.append(in_reach(connection, viewer, corrections.c.customer_id, now))
    alive = corrections.c.state.in_(_ALIVE)
    rows = connection.execute(
        select(corrections.c.state, func.count()).where(alive, *theirs).group_by(corrections.c.state)
    )
    found = {row[0]: int(row[1]) for row in rows}
    late = select(func.count()).where(alive, corrections.c.due_at < now, *theirs)
    return {**found, "overdue": int(connection.execute(late).scalar_one())}


# -- error rates --------------------------------------------------------------------------------------


def month_bounds(month: str, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Begin and end of a month ("2026-06") of the house, as moments. Raises BadRecord."""
    try:
        first = date.fromisoformat(f"{month}-01")
    except ValueError as error:
        raise BadRecord("Write a month as 2026-06.", field="month") from error
    last = (first + timedelta(days=32)).replace(day=1)
    return tuple(datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, last))  # type: ignore[return-value]


def error_rates(connection: Connection, months: Iterable[str], zone: ZoneInfo) -> list[ErrorRate]:
    """Per department and month: what it handed over, what of it was wrong."""
    rates = []
    for month in months:
        since, until = month_bounds(month, zone)
        rows = connection.execute(
            select(corrections.c.department, corrections.c.state, corrections.c.result, func.count())
            .where(corrections.c.created_at >= since, corrections.c.created_at < until)
            .group_by(corrections.c.department, corrections.c.state, corrections.c.result)
        ).all()
        received = _received(connection, date.fromisoformat(f"{month}-01"))
        for department in Department:
            own = [row for row in rows if row[0] == department]
            rates.append(
                ErrorRate(
                    department=department,
                    month=month,
                    received=received.get(department, 0),
                    wrong=sum(row[3] for row in own if row[2] == Result.CORRECTED),
                    pending=sum(row[3] for row in own if row[1] != State.CLOSED),
                )
            )
    return rates


def _received(connection: Connection, first: date) -> dict[Department, int]:
    last = (first + timedelta(days=32)).replace(day=1)
    deliveries = select(func.count()).where(vehicles.c.delivered_on >= first, vehicles.c.delivered_on < last)
    visits = select(func.count()).where(
        service_visits.c.visited_on >= first, service_visits.c.visited_on < last
    )
    return {
        Department.SALES: int(connection.execute(deliveries).scalar_one()),
        Department.SERVICE: int(connection.execute(visits).scalar_one()),
    }


def person_names(connection: Connection, ids: Iterable[str | None]) -> dict[str, str]:
    """Names of users."""
    wanted = {one for one in ids if one}
    rows = connection.execute(select(users.c.id, users.c.name).where(users.c.id.in_(wanted)))
    return {row[0]: row[1] for row in rows}


def owner_of(connection: Connection, vehicle_id: str) -> str | None:
    """Somebody who owns the vehicle now."""
    found = select(vehicle_people.c.customer_id).where(
        vehicle_people.c.vehicle_id == vehicle_id,
        vehicle_people.c.ended_at.is_(None),
    )
    return connection.execute(found.order_by(vehicle_people.c.role.desc()).limit(1)).scalar_one_or_none()
