"""Rows behind the figures of reports. A figure is the count of the very statement whose rows it opens.

Every source is one statement with the same columns, so that it can be counted, summed, grouped by department,
paged and exported in one way. Scope and masks are applied here: nothing unmasked leaves this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Select,
    String,
    Subquery,
    and_,
    cast,
    exists,
    func,
    literal,
    not_,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from access.masking import mask_name, mask_number, mask_text
from access.permissions import Permission
from access.users import Principal
from crm.reports.rows import Figure, Row, Source, Wanted
from crm.tasks.tasks import TaskKind, TaskState
from storage import customers as customer_rows
from storage import users
from storage.sight import Sight, in_reach, sights
from storage.tables.aftercall import registration_versions, registrations, unfiled_calls
from storage.tables.appointments import appointments, visit_credits
from storage.tables.calls import calls
from storage.tables.cases import case_events, cases
from storage.tables.contacts import contact_tries, due_contacts
from storage.tables.corrections import corrections
from storage.tables.records import contacts as numbers
from storage.tables.records import vehicles
from storage.tables.reports import problem_items, problem_lists
from storage.tables.surveys import responses
from storage.tables.tasks import tasks
from storage.tables.telephony import agent_changes
from telephony.agents import AgentEvent
from telephony.call_lists import BadCursor
from telephony.numbers import readable

_NO_TEXT: Final = cast(null(), String)
_NO_SECONDS: Final = cast(literal(0.0), Float)
#: Most rows of one page.
LARGEST: Final = 200


def _columns(
    kind: str,
    *,
    id: ColumnElement[Any],
    at: ColumnElement[Any],
    customer_id: ColumnElement[Any] = _NO_TEXT,
    number: ColumnElement[Any] = _NO_TEXT,
    user_id: ColumnElement[Any] = _NO_TEXT,
    department: ColumnElement[Any] = _NO_TEXT,
    word: ColumnElement[Any] = _NO_TEXT,
    text: ColumnElement[Any] = _NO_TEXT,
    seconds: ColumnElement[Any] = _NO_SECONDS,
    about: ColumnElement[Any] = _NO_TEXT,
) -> list[ColumnElement[Any]]:
    return [
        cast(literal(kind), String).label("kind"),
        id.label("id"),
        at.label("at"),
        customer_id.label("customer_id"),
        number.label("number"),
        user_id.label("user_id"),
        func.coalesce(department, "").label("department"),
        func.coalesce(word, "").label("word"),
        func.coalesce(text, "").label("text"),
        seconds.label("seconds"),
        func.coalesce(about, "").label("about"),
    ]


def _within(column: ColumnElement[Any], wanted: Wanted) -> list[ColumnElement[bool]]:
    where = []
    if wanted.since is not None:
        where.append(column >= wanted.since)
    if wanted.until is not None:
        where.append(column < wanted.until)
    return where


def _of(column: ColumnElement[Any], worth: str) -> list[ColumnElement[bool]]:
    return [column == worth] if worth else []


def _department(column: ColumnElement[Any], wanted: Wanted) -> list[ColumnElement[bool]]:
    if wanted.no_department:
        return [or_(column.is_(None), column == "")]
    return _of(column, wanted.department)


def _calls(wanted: Wanted, *which: ColumnElement[bool]) -> Select[Any]:
    return select(
        *_columns(
            "call",
            id=calls.c.id,
            at=calls.c.started_at,
            customer_id=calls.c.customer_id,
            number=calls.c.number,
            user_id=calls.c.agent_id,
            department=calls.c.queue,
            word=calls.c.direction,
            text=calls.c.outcome,
            seconds=calls.c.talk_seconds,
        )
    ).where(
        *which,
        *_within(calls.c.started_at, wanted),
        *_of(calls.c.agent_id, wanted.user_id),
        *_of(calls.c.customer_id, wanted.customer_id),
        *_department(calls.c.queue, wanted),
    )


_TALKED: Final = calls.c.connected_at.is_not(None)


def _calls_in(wanted: Wanted) -> Select[Any]:
    return _calls(wanted, _TALKED, calls.c.direction != "outbound", calls.c.agent_id.is_not(None))


def _calls_out(wanted: Wanted) -> Select[Any]:
    return _calls(wanted, _TALKED, calls.c.direction == "outbound", calls.c.agent_id.is_not(None))


def _calls_talked(wanted: Wanted) -> Select[Any]:
    return _calls(wanted, _TALKED, calls.c.agent_id.is_not(None))


def _calls_missed(wanted: Wanted) -> Select[Any]:
    """Rings an agent did not take; a call may ring at several, and again. The call stands in the ring before."""
    rang = agent_changes.alias("rang")
    before = (
        select(rang.c.call_id)
        .where(
            rang.c.user_id == agent_changes.c.user_id,
            rang.c.event == AgentEvent.RANG.value,
            rang.c.at <= agent_changes.c.at,
        )
        .order_by(rang.c.at.desc(), rang.c.id.desc())
        .limit(1)
        .correlate(agent_changes)
        .scalar_subquery()
    )
    call = calls.alias("missed_call")
    return (
        select(
            *_columns(
                "ring",
                id=agent_changes.c.id,
                at=agent_changes.c.at,
                customer_id=call.c.customer_id,
                number=call.c.number,
                user_id=agent_changes.c.user_id,
                department=call.c.queue,
                word=cast(literal("missed"), String),
                text=call.c.outcome,
                about=call.c.id,
            )
        )
        .select_from(agent_changes.outerjoin(call, call.c.id == before))
        .where(
            agent_changes.c.event == AgentEvent.MISSED.value,
            *_within(agent_changes.c.at, wanted),
            *_of(agent_changes.c.user_id, wanted.user_id),
        )
    )


def _unfiled(wanted: Wanted) -> Select[Any]:
    return (
        select(
            *_columns(
                "call",
                id=unfiled_calls.c.call_id,
                at=unfiled_calls.c.ended_at,
                customer_id=calls.c.customer_id,
                number=calls.c.number,
                user_id=unfiled_calls.c.agent_id,
                department=calls.c.queue,
                word=calls.c.direction,
                seconds=func.coalesce(calls.c.talk_seconds, 0.0),
            )
        )
        .select_from(unfiled_calls.outerjoin(calls, calls.c.id == unfiled_calls.c.call_id))
        .where(
            *_within(unfiled_calls.c.ended_at, wanted),
            *_of(unfiled_calls.c.agent_id, wanted.user_id),
        )
    )


def _newest_words() -> ColumnElement[Any]:
    """The customer's words, or the agent's, of a registration as it stands."""
    content = registration_versions.c.content
    return func.coalesce(
        func.nullif(content["customer_words"].as_string(), ""), content["summary"].as_string(), ""
    )


def _registrations(wanted: Wanted, *which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(
            *_columns(
                "registration",
                id=registrations.c.id,
                at=registrations.c.filed_at,
                customer_id=registrations.c.customer_id,
                user_id=registrations.c.filed_by,
                word=registrations.c.call_type,
                text=_newest_words(),
                about=registrations.c.call_id,
            )
        )
        .select_from(
            registrations.join(
                registration_versions,
                and_(
                    registration_versions.c.registration_id == registrations.c.id,
                    registration_versions.c.version == registrations.c.version,
                ),
            )
        )
        .where(
            *which,
            *_within(registrations.c.filed_at, wanted),
            *_of(registrations.c.filed_by, wanted.user_id),
            *_of(registrations.c.customer_id, wanted.customer_id),
        )
    )


#: Calls that are visits: what people file them as.
_VISITS: Final = ("return_visit", "reminder")


def _no_try() -> ColumnElement[bool]:
    """The call is no try of a contact: there it stands once more."""
    return not_(exists().where(contact_tries.c.call_id == registrations.c.call_id).correlate(registrations))


def _main_number(customer_id: ColumnElement[Any]) -> ColumnElement[Any]:
    return (
        select(numbers.c.number)
        .where(numbers.c.customer_id == customer_id, numbers.c.ended_at.is_(None))
        .order_by(numbers.c.is_primary.desc(), numbers.c.since, numbers.c.number)
        .limit(1)
        .scalar_subquery()
    )


def _visits_tried(wanted: Wanted) -> Any:
    """Every try of a contact, and every call filed as a visit that was none."""
    tries = (
        select(
            *_columns(
                "contact_try",
                id=contact_tries.c.id,
                at=contact_tries.c.at,
                customer_id=due_contacts.c.customer_id,
                number=_main_number(due_contacts.c.customer_id),
                user_id=contact_tries.c.by_id,
                department=due_contacts.c.department,
                word=contact_tries.c.result,
                text=contact_tries.c.note,
                about=due_contacts.c.id,
            )
        )
        .select_from(contact_tries.join(due_contacts, due_contacts.c.id == contact_tries.c.contact_id))
        .where(
            *_within(contact_tries.c.at, wanted),
            *_of(contact_tries.c.by_id, wanted.user_id),
            *_of(due_contacts.c.customer_id, wanted.customer_id),
            *_department(due_contacts.c.department, wanted),
        )
    )
    if wanted.department:
        return tries
    return union_all(tries, _registrations(wanted, registrations.c.call_type.in_(_VISITS), _no_try()))


def _contacts(wanted: Wanted, *results: str) -> Select[Any]:
    return select(
        *_columns(
            "contact",
            id=due_contacts.c.id,
            at=due_contacts.c.closed_at,
            customer_id=due_contacts.c.customer_id,
            number=_main_number(due_contacts.c.customer_id),
            user_id=due_contacts.c.closed_by,
            department=due_contacts.c.department,
            word=due_contacts.c.result,
            text=cast(due_contacts.c.tries, String) + literal("× ") + due_contacts.c.note,
        )
    ).where(
        due_contacts.c.result.in_(results),
        due_contacts.c.closed_at.is_not(None),
        *_within(due_contacts.c.closed_at, wanted),
        *_of(due_contacts.c.closed_by, wanted.user_id),
        *_of(due_contacts.c.customer_id, wanted.customer_id),
        *_department(due_contacts.c.department, wanted),
    )


def _visits_done(wanted: Wanted) -> Any:
    contacts_done = _contacts(wanted, "done", "partly")
    if wanted.department:
        return contacts_done
    filed = _registrations(
        wanted, registrations.c.call_type.in_(_VISITS), registrations.c.contact.is_(True), _no_try()
    )
    return union_all(contacts_done, filed)


#: Contacts that came to nothing.
_FAILED: Final = ("unsuccessful", "wrong_number")


def _reached_later() -> ColumnElement[bool]:
    later, done = registrations.alias("later"), due_contacts.alias("done")
    return or_(
        exists()
        .where(
            later.c.customer_id == registrations.c.customer_id,
            later.c.filed_at > registrations.c.filed_at,
            later.c.call_type.in_(_VISITS),
            later.c.contact.is_(True),
        )
        .correlate(registrations),
        exists()
        .where(
            done.c.customer_id == registrations.c.customer_id,
            done.c.closed_at > registrations.c.filed_at,
            done.c.result.in_(("done", "partly")),
        )
        .correlate(registrations),
    )


def _unsuccessful(wanted: Wanted) -> Any:
    """Contacts whose tries were used up, with how many and why; and filed calls in which nobody was reached since."""
    failed = _contacts(wanted, *_FAILED)
    if wanted.department:
        return failed
    filed = _registrations(
        wanted,
        registrations.c.call_type.in_(_VISITS),
        registrations.c.contact.is_(False),
        _no_try(),
        not_(_reached_later()),
    )
    return union_all(failed, filed)


def _ask_next(wanted: Wanted) -> Select[Any]:
    """Who was not reached and comes by appointment: to be asked then."""
    done = due_contacts.alias("done")
    failed = (
        exists()
        .where(
            due_contacts.c.customer_id == appointments.c.customer_id,
            due_contacts.c.result.in_(_FAILED),
            not_(
                exists()
                .where(
                    done.c.customer_id == due_contacts.c.customer_id,
                    done.c.closed_at > due_contacts.c.closed_at,
                    done.c.result.in_(("done", "partly")),
                )
                .correlate(due_contacts)
            ),
        )
        .correlate(appointments)
    )
    filed = (
        exists()
        .where(
            registrations.c.customer_id == appointments.c.customer_id,
            registrations.c.call_type.in_(_VISITS),
            registrations.c.contact.is_(False),
            _no_try(),
            not_(_reached_later()),
        )
        .correlate(appointments)
    )
    return select(
        *_columns(
            "appointment",
            id=appointments.c.id,
            at=appointments.c.starts_at,
            customer_id=appointments.c.customer_id,
            user_id=appointments.c.created_by,
            word=appointments.c.work,
            text=appointments.c.words,
        )
    ).where(
        appointments.c.state.in_(("booked", "confirmed", "arrived")),
        or_(failed, filed),
        *_within(appointments.c.starts_at, wanted),
        *_of(appointments.c.created_by, wanted.user_id),
        *_of(appointments.c.customer_id, wanted.customer_id),
    )


def _tasks(wanted: Wanted, at: ColumnElement[Any], *which: ColumnElement[bool]) -> Select[Any]:
    return select(
        *_columns(
            "task",
            id=tasks.c.id,
            at=at,
            customer_id=tasks.c.customer_id,
            number=tasks.c.number,
            user_id=tasks.c.owner_id,
            department=tasks.c.department,
            word=tasks.c.kind,
            text=tasks.c.subject,
        )
    ).where(*which, *_of(tasks.c.customer_id, wanted.customer_id), *_department(tasks.c.department, wanted))


def _tasks_done(wanted: Wanted) -> Select[Any]:
    whose = []
    if wanted.user_id:
        by_call = and_(tasks.c.owner_id == wanted.user_id, tasks.c.closed_by.like("call:%"))
        whose = [or_(tasks.c.closed_by == wanted.user_id, by_call)]
    return _tasks(
        wanted,
        tasks.c.closed_at,
        tasks.c.state == TaskState.DONE.value,
        *_within(tasks.c.closed_at, wanted),
        *whose,
    )


def _tasks_late(wanted: Wanted) -> Select[Any]:
    """Past their time at the end of the period, whatever became of them afterwards."""
    where: list[ColumnElement[bool]] = [tasks.c.state == TaskState.OPEN.value]
    if wanted.until is not None:
        closed_later = and_(tasks.c.state != TaskState.OPEN.value, tasks.c.closed_at >= wanted.until)
        where = [or_(*where, closed_later), tasks.c.due_at < wanted.until]
    return _tasks(wanted, tasks.c.due_at, *where, *_of(tasks.c.owner_id, wanted.user_id))


def _corrections(wanted: Wanted) -> Select[Any]:
    return select(
        *_columns(
            "correction",
            id=corrections.c.id,
            at=corrections.c.created_at,
            customer_id=corrections.c.customer_id,
            user_id=corrections.c.created_by,
            department=corrections.c.department,
            word=corrections.c.field,
            text=corrections.c.said,
        )
    ).where(
        *_within(corrections.c.created_at, wanted),
        *_of(corrections.c.created_by, wanted.user_id),
        *_department(corrections.c.department, wanted),
        *_of(corrections.c.customer_id, wanted.customer_id),
    )


#: An answer or solution that came late in any round makes the case a late one.
_ANSWERED: Final = or_(cases.c.answered_at.is_not(None), cases.c.round > 1, cases.c.answer_late.is_(True))
_SOLVED: Final = or_(cases.c.solved_at.is_not(None), cases.c.round > 1, cases.c.solution_late.is_(True))
CASE_MARKS: Final[Mapping[str, ColumnElement[bool]]] = {
    "answered": _ANSWERED,
    "solved": _SOLVED,
    "first_on_time": and_(_ANSWERED, cases.c.answer_late.is_(False)),
    "first_late": cases.c.answer_late.is_(True),
    "solved_on_time": and_(_SOLVED, cases.c.solution_late.is_(False)),
    "solved_late": cases.c.solution_late.is_(True),
    "repeated": cases.c.repeat_of.is_not(None),
    "reopened": cases.c.round > 1,
    "satisfied_first": and_(cases.c.round == 1, cases.c.ending == "satisfied"),
    "visited": or_(cases.c.verdict.in_(("satisfied", "dissatisfied")), cases.c.round > 1),
    "exception": cases.c.ending == "exception",
    "open": cases.c.state != "closed",
    "closed": cases.c.state == "closed",
}
#: What cases are grouped by. Free text (the cause) by its words.
CASE_GROUPS: Final[Mapping[str, ColumnElement[Any]]] = {
    "kind": cases.c.kind,
    "grade": cases.c.grade,
    "department": func.coalesce(cases.c.department, ""),
    "model": func.coalesce(vehicles.c.model, ""),
    "cause": cases.c.cause,
    "responsibility": func.coalesce(cases.c.responsibility, ""),
    "round": cases.c.round,
    "handler_id": func.coalesce(cases.c.handler_id, ""),
}


def _case_where(wanted: Wanted, at: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    return [
        *_within(at, wanted),
        *_of(cases.c.kind, wanted.kind),
        *_of(cases.c.grade, wanted.grade),
        *_of(vehicles.c.model, wanted.model),
        *_of(cases.c.cause, wanted.cause),
        *_of(cases.c.responsibility, wanted.responsibility),
        *_of(cases.c.handler_id, wanted.handler_id),
        *_of(cases.c.customer_id, wanted.customer_id),
        *_department(cases.c.department, wanted),
        *([cases.c.round == wanted.round] if wanted.round is not None else []),
        *([CASE_MARKS[wanted.mark]] if wanted.mark else []),
    ]


def _case_columns(at: ColumnElement[Any], user_id: ColumnElement[Any]) -> list[ColumnElement[Any]]:
    return _columns(
        "case",
        id=cases.c.id,
        at=at,
        customer_id=cases.c.customer_id,
        number=cases.c.phone,
        user_id=user_id,
        department=cases.c.department,
        word=cases.c.kind,
        text=cases.c.number + literal(" ") + cases.c.subject,
    )


def _from_cases() -> Any:
    return cases.outerjoin(vehicles, vehicles.c.id == cases.c.vehicle_id)


def _cases(wanted: Wanted) -> Select[Any]:
    return (
        select(*_case_columns(cases.c.opened_at, cases.c.handler_id))
        .select_from(_from_cases())
        .where(*_case_where(wanted, cases.c.opened_at), *_of(cases.c.handler_id, wanted.user_id))
    )


def _cases_closed(wanted: Wanted) -> Select[Any]:
    return (
        select(*_case_columns(cases.c.closed_at, cases.c.handler_id))
        .select_from(_from_cases())
        .where(
            cases.c.closed_at.is_not(None),
            *_case_where(wanted, cases.c.closed_at),
            *_of(cases.c.handler_id, wanted.user_id),
        )
    )


def _cases_opened(wanted: Wanted) -> Select[Any]:
    return (
        select(*_case_columns(cases.c.opened_at, cases.c.opened_by))
        .select_from(_from_cases())
        .where(*_case_where(wanted, cases.c.opened_at), *_of(cases.c.opened_by, wanted.user_id))
    )


def _case_steps(wanted: Wanted) -> Select[Any]:
    """What people did with cases after they were registered."""
    return (
        select(
            *_columns(
                "case_step",
                id=case_events.c.id,
                at=case_events.c.at,
                customer_id=cases.c.customer_id,
                number=cases.c.phone,
                user_id=case_events.c.by_id,
                department=cases.c.department,
                word=case_events.c.step,
                text=cases.c.number + literal(" ") + cases.c.subject,
                about=cases.c.id,
            )
        )
        .select_from(case_events.join(cases, cases.c.id == case_events.c.case_id))
        .where(
            case_events.c.by == "user",
            case_events.c.step != "register",
            *_within(case_events.c.at, wanted),
            *_of(case_events.c.by_id, wanted.user_id),
        )
    )


def _responses(wanted: Wanted, at: ColumnElement[Any], *which: ColumnElement[bool]) -> Select[Any]:
    case = cases.alias("opened_case")
    return (
        select(
            *_columns(
                "response",
                id=responses.c.id,
                at=at,
                customer_id=responses.c.customer_id,
                user_id=responses.c.begun_by,
                department=case.c.department,
                word=responses.c.purpose,
                text=func.coalesce(func.nullif(responses.c.summary, ""), responses.c.model),
            )
        )
        .select_from(responses.outerjoin(case, case.c.id == responses.c.opened_case_id))
        .where(
            *which,
            *_within(at, wanted),
            *_of(responses.c.begun_by, wanted.user_id),
            *_of(responses.c.customer_id, wanted.customer_id),
            *_of(responses.c.model, wanted.model),
            *_department(case.c.department, wanted),
        )
    )


def _surveys(wanted: Wanted) -> Select[Any]:
    return _responses(wanted, responses.c.ended_at, responses.c.state == "finished")


def _dissatisfied(wanted: Wanted) -> Any:
    """Customers who said so: in a questionnaire, in a second visit, or by complaining or grumbling of themselves."""
    answers = _responses(wanted, responses.c.ended_at, responses.c.dissatisfied.is_(True))
    visits = (
        select(
            *_columns(
                "case_step",
                id=case_events.c.id,
                at=case_events.c.at,
                customer_id=cases.c.customer_id,
                number=cases.c.phone,
                user_id=case_events.c.by_id,
                department=cases.c.department,
                word=case_events.c.step,
                text=cases.c.number + literal(" ") + cases.c.subject,
                about=cases.c.id,
            )
        )
        .select_from(case_events.join(cases, cases.c.id == case_events.c.case_id))
        .where(
            case_events.c.step == "second_visit",
            case_events.c.data["reached"].as_string() == "dissatisfied",
            *_within(case_events.c.at, wanted),
            *_of(case_events.c.by_id, wanted.user_id),
            *_of(cases.c.customer_id, wanted.customer_id),
            *_department(cases.c.department, wanted),
        )
    )
    told = (
        select(*_case_columns(cases.c.opened_at, cases.c.opened_by))
        .select_from(_from_cases())
        .where(
            cases.c.kind.in_(("complaint", "grumble")),
            cases.c.response_id.is_(None),  # else the answer that opened it stands here
            *_case_where(wanted, cases.c.opened_at),
            *_of(cases.c.opened_by, wanted.user_id),
        )
    )
    return union_all(answers, visits, told)


def _appointments(wanted: Wanted) -> Select[Any]:
    return select(
        *_columns(
            "appointment",
            id=appointments.c.id,
            at=appointments.c.created_at,
            customer_id=appointments.c.customer_id,
            user_id=appointments.c.created_by,
            word=appointments.c.work,
            text=appointments.c.words,
        )
    ).where(
        *_within(appointments.c.created_at, wanted),
        *_of(appointments.c.created_by, wanted.user_id),
        *_of(appointments.c.customer_id, wanted.customer_id),
    )


def _brought(wanted: Wanted) -> Any:
    """Visits to the workshop that an appointment or a reminder brought, by the time that was known."""
    about = (*_within(visit_credits.c.at, wanted), *_of(visit_credits.c.customer_id, wanted.customer_id))
    booked = (
        select(
            *_columns(
                "appointment",
                id=appointments.c.id,
                at=visit_credits.c.at,
                customer_id=visit_credits.c.customer_id,
                user_id=appointments.c.created_by,
                word=appointments.c.work,
                text=appointments.c.words,
            )
        )
        .join_from(visit_credits, appointments, appointments.c.id == visit_credits.c.appointment_id)
        .where(*about, *_of(appointments.c.created_by, wanted.user_id))
    )
    reminded = (
        select(
            *_columns(
                "contact",
                id=due_contacts.c.id,
                at=visit_credits.c.at,
                customer_id=visit_credits.c.customer_id,
                user_id=due_contacts.c.closed_by,
                department=due_contacts.c.department,
                word=due_contacts.c.result,
                text=due_contacts.c.note,
            )
        )
        .join_from(visit_credits, due_contacts, due_contacts.c.id == visit_credits.c.contact_id)
        .where(
            visit_credits.c.appointment_id.is_(None), *about, *_of(due_contacts.c.closed_by, wanted.user_id)
        )
    )
    return union_all(booked, reminded)


def _problems(wanted: Wanted) -> Any:
    """What customers found wrong, each told once: cases, what departments were asked to do, complaints filed only."""
    case = cases.alias("same_call")
    task = tasks.alias("same_call_task")
    told = [
        select(*_case_columns(cases.c.opened_at, cases.c.opened_by))
        .select_from(_from_cases())
        .where(
            cases.c.kind != "praise",
            *_case_where(wanted, cases.c.opened_at),
            *_of(cases.c.opened_by, wanted.user_id),
        ),
        _tasks(
            wanted,
            tasks.c.created_at,
            tasks.c.kind == TaskKind.FOLLOW_UP.value,
            *_within(tasks.c.created_at, wanted),
            *_of(tasks.c.made_by, wanted.user_id),
        ),
    ]
    told.append(
        _responses(
            wanted,
            responses.c.ended_at,
            responses.c.dissatisfied.is_(True),
            responses.c.opened_case_id.is_(None),
        )
    )
    if not wanted.department:
        told.append(
            _registrations(
                wanted,
                registrations.c.call_type == "complaint",
                not_(exists().where(case.c.call_id == registrations.c.call_id)),
                not_(
                    exists().where(
                        task.c.call_id == registrations.c.call_id, task.c.kind == TaskKind.FOLLOW_UP.value
                    )
                ),
            )
        )
    return union_all(*told)


_Statement = Callable[[Wanted], Any]
SOURCES: Final[dict[Source, _Statement]] = {
    Source.CALLS_IN: _calls_in,
    Source.CALLS_OUT: _calls_out,
    Source.CALLS_MISSED: _calls_missed,
    Source.CALLS_TALKED: _calls_talked,
    Source.UNFILED: _unfiled,
    Source.REGISTRATIONS: _registrations,
    Source.CASES_OPENED: _cases_opened,
    Source.CASE_STEPS: _case_steps,
    Source.CONTACTS_DONE: _visits_done,
    Source.CONTACTS_TRIED: _visits_tried,
    Source.UNSUCCESSFUL: _unsuccessful,
    Source.ASK_NEXT: _ask_next,
    Source.SURVEYS: _surveys,
    Source.APPOINTMENTS_BOOKED: _appointments,
    Source.DISSATISFIED: _dissatisfied,
    Source.TASKS_DONE: _tasks_done,
    Source.TASKS_LATE: _tasks_late,
    Source.CORRECTIONS_RAISED: _corrections,
    Source.PROBLEMS: _problems,
    Source.CASES: _cases,
    Source.CASES_CLOSED: _cases_closed,
    Source.BROUGHT: _brought,
}


def narrowed(viewer: Principal, wanted: Wanted) -> Wanted:
    """What this person may ask for: everybody's rows, or his own alone."""
    if viewer.may(Permission.REPORTS_READ):
        return wanted
    return replace(wanted, user_id=viewer.user_id or "-")


def _seen(
    connection: Connection, viewer: Principal, source: Source, wanted: Wanted, now: datetime
) -> tuple[Subquery, ColumnElement[bool]]:
    """The source's rows, and which of them are there at all for this person."""
    rows = SOURCES[source](narrowed(viewer, wanted)).subquery("seen")
    return rows, in_reach(connection, viewer, rows.c.customer_id, now)


def figure(
    connection: Connection,
    viewer: Principal,
    source: Source,
    wanted: Wanted,
    now: datetime,
    *,
    name: str = "",
) -> Figure:
    """How many rows there are for this person, and how long they are together."""
    rows, there = _seen(connection, viewer, source, wanted, now)
    count, seconds = connection.execute(
        select(func.count(), func.coalesce(func.sum(rows.c.seconds), 0.0)).select_from(rows).where(there)
    ).one()
    return Figure(
        name=name or source.value, source=source, wanted=wanted, count=int(count), seconds=float(seconds)
    )


def by_department(
    connection: Connection, viewer: Principal, source: Source, wanted: Wanted, now: datetime
) -> dict[str, int]:
    """Department ("": none) to how many rows."""
    rows, there = _seen(connection, viewer, source, wanted, now)
    found = connection.execute(
        select(rows.c.department, func.count())
        .where(there)
        .group_by(rows.c.department)
        .order_by(rows.c.department)
    )
    return {department: int(count) for department, count in found}


def cases_by(
    connection: Connection, viewer: Principal, group: str, wanted: Wanted, now: datetime, *, most: int = 20
) -> list[tuple[str, int]]:
    """Cases of a period by one of `CASE_GROUPS`, the most frequent first."""
    column = CASE_GROUPS[group]
    found = connection.execute(
        select(column, func.count())
        .select_from(_from_cases())
        .where(
            *_case_where(narrowed(viewer, wanted), cases.c.opened_at),
            *_of(cases.c.handler_id, narrowed(viewer, wanted).user_id),
            in_reach(connection, viewer, cases.c.customer_id, now),
        )
        .group_by(column)
        .order_by(func.count().desc(), column)
        .limit(most)
    )
    return [(str(worth), int(count)) for worth, count in found]


def list_rows(
    connection: Connection,
    viewer: Principal,
    source: Source,
    wanted: Wanted,
    now: datetime,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> tuple[list[Row], str | None]:
    """A page of rows, the newest first, as this person may see them. Raises BadCursor."""
    limit = max(1, min(limit, LARGEST))
    rows, there = _seen(connection, viewer, source, wanted, now)
    statement = select(rows).where(there)
    if cursor is not None:
        statement = statement.where(tuple_(rows.c.at, rows.c.id) < read_cursor(cursor))
    found = list(
        connection.execute(statement.order_by(rows.c.at.desc(), rows.c.id.desc()).limit(limit + 1)).mappings()
    )
    kept = found[:limit]
    following = f"{kept[-1]['at'].isoformat()}~{kept[-1]['id']}" if len(found) > limit else None
    return as_seen(connection, viewer, kept, now), following


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """The place a cursor names. Raises BadCursor."""
    moment, _, place = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(place) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, place


def as_seen(
    connection: Connection, viewer: Principal, found: Sequence[Mapping[Any, Any]], now: datetime
) -> list[Row]:
    """Rows with names, masked for this person; what is closed to him says nothing."""
    people = customer_rows.several(connection, [row["customer_id"] for row in found if row["customer_id"]])
    seen = sights(connection, viewer, list(people), now)
    names = users.user_names(connection)
    passed = _passed(connection, found)
    made = []
    for row in found:
        person = people.get(row["customer_id"] or "")
        closed = person is not None and seen[person.id] is not Sight.OPEN
        full = viewer.sees_numbers
        number = row["number"] or ""
        text = row["text"] or ""
        name = "" if person is None else person.name
        at, list_id = passed.get((row["department"], row["kind"], row["id"]), (None, None))
        made.append(
            Row(
                kind=row["kind"],
                id=row["id"],
                at=row["at"],
                customer_id=None if person is None else person.id,
                customer_name=mask_name(name) if closed or not viewer.sees_names else name,
                customer_number="" if person is None else person.number,
                closed=closed,
                number="" if closed or not number else readable(number) if full else mask_number(number),
                user_id=row["user_id"],
                user_name=names.get(row["user_id"] or "", ""),
                department=row["department"],
                word=row["word"],
                text="" if closed else text if full else mask_text(text),
                seconds=row["seconds"] or 0.0,
                about=row["about"],
                passed_at=at,
                list_id=list_id,
            )
        )
    return made


def _passed(
    connection: Connection, found: Sequence[Mapping[Any, Any]]
) -> dict[tuple[str, str, str], tuple[datetime, str]]:
    """Which of these were passed to their department, when, and in which list."""
    ids: Collection[str] = [row["id"] for row in found if row["kind"] in PROBLEM_KINDS]
    if not ids:
        return {}
    rows = connection.execute(
        select(
            problem_items.c.department,
            problem_items.c.kind,
            problem_items.c.item_id,
            problem_lists.c.at,
            problem_lists.c.id,
        )
        .select_from(problem_items.join(problem_lists, problem_lists.c.id == problem_items.c.list_id))
        .where(problem_items.c.item_id.in_(ids))
    )
    return {(row[0], row[1], row[2]): (row[3], row[4]) for row in rows}


#: What a problem of the day can be.
PROBLEM_KINDS: Final = frozenset({"case", "task", "registration", "response"})
