"""What is past its time, kind by kind: counted, and deleted in bounded pieces; what is on legal hold stays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)

from access.ids import new_id, stamp
from crm.links.links import LinkKind
from storage.maker_visits import file_held
from storage.response_words import forget_words
from storage.tables.access import audit, sessions
from storage.tables.aftercall import (
    recording_marks,
    registration_drafts,
    registration_versions,
    registrations,
    unfiled_calls,
)
from storage.tables.appointments import (
    appointment_events,
    appointment_list_rows,
    appointment_notices,
    appointments,
    visit_credits,
)
from storage.tables.calls import call_facts, call_legs, calls, switch_calls
from storage.tables.campaigns import campaign_rungs, campaign_targets, dial_attempts
from storage.tables.cases import case_events, case_tasks, cases
from storage.tables.contacts import contact_events, contact_reasons, contact_tries, due_contacts
from storage.tables.links import links
from storage.tables.privacy import approvals, holds, retention_runs
from storage.tables.records import record_changes
from storage.tables.reports import (
    maker_downloads,
    maker_file_visits,
    maker_files,
    maker_visits,
    problem_items,
    problem_lists,
    report_recipients,
    report_steps,
    reports,
    work_report_steps,
    work_reports,
)
from storage.tables.surveys import response_answers, response_events, responses, survey_offers
from storage.tables.tasks import task_calls, tasks
from storage.tables.telephony import agent_changes, recordings, voicemails


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data: which rows are old, and what holds them."""

    name: str
    table: Table
    #: What a piece is made of; rows with the same value go together.
    key: Column[Any]
    #: Ids begin with their time: a range of the key; else a column with the moment.
    moment: Column[Any] | None = None
    #: Whose hold keeps a row.
    held: ColumnElement[bool] | None = None
    #: Rows that go with it: table and the column that names the key.
    below: tuple[tuple[Table, Column[Any]], ...] = ()
    #: Which rows at all: what is not at its end has no time to be past.
    only: ColumnElement[bool] | None = None
    #: Whose private links go with it.
    links: LinkKind | None = None
    #: Done first with the keys of a piece.
    first: Callable[[Connection, Sequence[Any]], None] | None = None
    #: The row itself stays, without the person: `first` makes it so, and `only` finds it no more.
    stays: bool = False

    def old(self, before: datetime) -> ColumnElement[bool]:
        past = self.moment < before if self.moment is not None else self.key < stamp(before)
        return past if self.only is None else and_(past, self.only)


def _standing(customer_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(holds.c.customer_id == customer_id, holds.c.released_at.is_(None))


def _call_held(call_id: ColumnElement[Any]) -> ColumnElement[bool]:
    other = calls.alias("held_calls")
    return or_(
        exists().where(recordings.c.call_id == call_id, recordings.c.hold.is_(True)),
        exists().where(voicemails.c.call_id == call_id, voicemails.c.hold.is_(True)),
        exists()
        .where(other.c.id == call_id, holds.c.customer_id == other.c.customer_id)
        .where(holds.c.released_at.is_(None)),
    )


def _has_file(call_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """A recording or message that is kept longer than the call: it must not lose whose it is."""
    return or_(
        exists().where(recordings.c.call_id == call_id, recordings.c.state.in_(("kept", "deleting"))),
        exists().where(voicemails.c.call_id == call_id, voicemails.c.state.in_(("new", "heard", "deleting"))),
    )


def _subject_held(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(
        literal("customer:").concat(holds.c.customer_id) == subject, holds.c.released_at.is_(None)
    )


def _link_held() -> ColumnElement[bool]:
    """A link opens something of a customer on hold."""
    found = [
        exists().where(
            links.c.kind == kind.value, table.c.id == links.c.subject, _standing(table.c.customer_id)
        )
        for kind, table in (
            (LinkKind.CASE, cases),
            (LinkKind.SURVEY, survey_offers),
            (LinkKind.APPOINTMENT, appointments),
        )
    ]
    return or_(*found)


def _without_person(connection: Connection, ids: Sequence[str]) -> None:
    """Responses say how many answered what, and no more who it was or what he wrote."""
    forget_words(connection, ids)
    offered = connection.execute(
        delete(survey_offers).where(survey_offers.c.response_id.in_(ids)).returning(survey_offers.c.link_id)
    )
    connection.execute(delete(links).where(links.c.id.in_(list(offered.scalars()))))
    for table in (response_answers, response_events):
        connection.execute(delete(table).where(table.c.response_id.in_(ids)))
    nobody = dict.fromkeys(
        ("customer_id", "vehicle_id", "contact_id", "call_id", "case_id", "opened_case_id", "occasion")
    )
    connection.execute(update(responses).where(responses.c.id.in_(ids)).values(**nobody, why="", summary=""))


def _forget_offers(connection: Connection, link_ids: Sequence[str]) -> None:
    connection.execute(delete(survey_offers).where(survey_offers.c.link_id.in_(link_ids)))


def _keep_credits(connection: Connection, ids: Sequence[str]) -> None:
    """That a campaign brought the visit still counts."""
    connection.execute(
        update(visit_credits).where(visit_credits.c.appointment_id.in_(ids)).values(appointment_id=None)
    )


def _leave_targets(connection: Connection, ids: Sequence[str]) -> None:
    """A campaign's target outlives the contact it was about where it is younger."""
    connection.execute(
        update(campaign_targets).where(campaign_targets.c.contact_id.in_(ids)).values(contact_id=None)
    )


#: What stays of a response is figures.
_SAYS_WHO: Final = or_(
    responses.c.customer_id.is_not(None),
    responses.c.vehicle_id.is_not(None),
    exists().where(response_answers.c.response_id == responses.c.id),
)
_NOBODY_NEEDS: Final = not_(
    or_(
        exists().where(due_contacts.c.task_id == tasks.c.id),
        exists().where(case_tasks.c.task_id == tasks.c.id),
        exists().where(appointment_notices.c.task_id == tasks.c.id),
    )
)

KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(name="facts", table=call_facts, key=call_facts.c.call_id, held=_call_held(call_facts.c.call_id)),
        Kind(
            name="calls",
            table=calls,
            key=calls.c.id,
            moment=calls.c.started_at,
            held=or_(_call_held(calls.c.id), _has_file(calls.c.id)),
            below=(
                (call_facts, call_facts.c.call_id),
                (call_legs, call_legs.c.call_id),
                (registrations, registrations.c.call_id),
                (registration_drafts, registration_drafts.c.call_id),
                (unfiled_calls, unfiled_calls.c.call_id),
            ),
        ),
        Kind(
            name="switch_calls",
            table=switch_calls,
            key=switch_calls.c.uniqueid,
            moment=switch_calls.c.started_at,
        ),
        Kind(
            name="changes",
            table=record_changes,
            key=record_changes.c.id,
            held=_subject_held(record_changes.c.subject),
        ),
        Kind(name="audit", table=audit, key=audit.c.id, held=_subject_held(audit.c.subject)),
        Kind(
            name="approvals",
            table=approvals,
            key=approvals.c.id,
            held=_standing(approvals.c.customer_id),
        ),
        # Closed ones: what is open has no end yet, and is never past its time.
        Kind(
            name="cases",
            table=cases,
            key=cases.c.id,
            moment=cases.c.closed_at,
            held=_standing(cases.c.customer_id),
            below=((case_events, case_events.c.case_id), (case_tasks, case_tasks.c.case_id)),
            links=LinkKind.CASE,
        ),
        Kind(
            name="responses",
            table=responses,
            key=responses.c.id,
            moment=responses.c.begun_at,
            held=_standing(responses.c.customer_id),
            only=_SAYS_WHO,
            first=_without_person,
            stays=True,
        ),
        Kind(
            name="contacts",
            table=due_contacts,
            key=due_contacts.c.id,
            moment=due_contacts.c.closed_at,
            held=_standing(due_contacts.c.customer_id),
            below=(
                (contact_reasons, contact_reasons.c.contact_id),
                (contact_tries, contact_tries.c.contact_id),
                (contact_events, contact_events.c.contact_id),
            ),
            first=_leave_targets,
        ),
        Kind(
            name="targets",
            table=campaign_targets,
            key=campaign_targets.c.id,
            moment=campaign_targets.c.closed_at,
            held=_standing(campaign_targets.c.customer_id),
            below=(
                (dial_attempts, dial_attempts.c.target_id),
                (campaign_rungs, campaign_rungs.c.target_id),
            ),
        ),
        Kind(
            name="appointments",
            table=appointments,
            key=appointments.c.id,
            moment=appointments.c.starts_at,
            held=_standing(appointments.c.customer_id),
            below=(
                (appointment_events, appointment_events.c.appointment_id),
                (appointment_notices, appointment_notices.c.appointment_id),
                (appointment_list_rows, appointment_list_rows.c.appointment_id),
            ),
            only=appointments.c.state.in_(("done", "cancelled", "missed")),
            links=LinkKind.APPOINTMENT,
            first=_keep_credits,
        ),
        # Behind those that need them.
        Kind(
            name="tasks",
            table=tasks,
            key=tasks.c.id,
            moment=tasks.c.closed_at,
            held=_standing(tasks.c.customer_id),
            below=((task_calls, task_calls.c.task_id),),
            only=_NOBODY_NEEDS,
        ),
        Kind(
            name="links",
            table=links,
            key=links.c.id,
            moment=links.c.expires_at,
            held=_link_held(),
            first=_forget_offers,
        ),
        Kind(
            name="maker_visits",
            table=maker_visits,
            key=maker_visits.c.id,
            moment=maker_visits.c.visited_at,
            held=_standing(maker_visits.c.customer_id),
            below=((maker_file_visits, maker_file_visits.c.visit_id),),
        ),
        # Their content goes sooner (`reports.maker_keep_days`).
        Kind(
            name="maker_files",
            table=maker_files,
            key=maker_files.c.id,
            moment=maker_files.c.made_at,
            held=file_held(),
            below=(
                (maker_file_visits, maker_file_visits.c.file_id),
                (maker_downloads, maker_downloads.c.file_id),
            ),
        ),
        Kind(
            name="problem_lists",
            table=problem_lists,
            key=problem_lists.c.id,
            moment=problem_lists.c.at,
            below=((problem_items, problem_items.c.list_id),),
            links=LinkKind.PROBLEMS,
        ),
        Kind(
            name="reports",
            table=reports,
            key=reports.c.id,
            moment=reports.c.drafted_at,
            held=exists().where(cases.c.id == reports.c.case_id, _standing(cases.c.customer_id)),
            below=(
                (report_steps, report_steps.c.report_id),
                (report_recipients, report_recipients.c.report_id),
            ),
            links=LinkKind.REPORT,
        ),
        Kind(
            name="work_reports",
            table=work_reports,
            key=work_reports.c.id,
            below=((work_report_steps, work_report_steps.c.work_report_id),),
        ),
        # What agents did in them; ids begin with their time.
        Kind(name="agent_changes", table=agent_changes, key=agent_changes.c.id),
        Kind(name="sessions", table=sessions, key=sessions.c.id, moment=sessions.c.seen_at),
    )
}


def due(connection: Connection, kind: Kind, before: datetime) -> tuple[int, int]:
    """How many pieces are past their time and go, and how many stay because of a hold."""
    count = select(func.count(kind.key.distinct())).where(kind.old(before))
    if kind.held is None:
        return connection.execute(count).scalar_one(), 0
    held = connection.execute(count.where(kind.held)).scalar_one()
    return connection.execute(count).scalar_one() - held, held


def delete_some(connection: Connection, kind: Kind, before: datetime, limit: int) -> int:
    """Delete at most `limit` pieces that are past their time and not held; gives how many."""
    free = kind.old(before) if kind.held is None else and_(kind.old(before), not_(kind.held))
    keys = connection.execute(
        select(kind.key).where(free).group_by(kind.key).order_by(kind.key).limit(limit)
    ).scalars()
    found = list(keys)
    if not found:
        return 0
    if kind.table is calls:
        _forget_versions_and_marks(connection, found)
    if kind.links is not None:
        going = delete(links).where(links.c.kind == kind.links.value, links.c.subject.in_(found))
        connection.execute(going)
    if kind.first is not None:
        kind.first(connection, found)
    for table, column in kind.below:
        connection.execute(delete(table).where(column.in_(found)))
    if not kind.stays:
        connection.execute(delete(kind.table).where(kind.key.in_(found)))
    return len(found)


def _forget_versions_and_marks(connection: Connection, call_ids: Sequence[str]) -> None:
    """What hangs on a call by a row of its own: versions of its form, marks in its recordings."""
    forms = select(registrations.c.id).where(registrations.c.call_id.in_(call_ids))
    connection.execute(
        delete(registration_versions).where(registration_versions.c.registration_id.in_(forms))
    )
    files = select(recordings.c.id).where(recordings.c.call_id.in_(call_ids))
    connection.execute(delete(recording_marks).where(recording_marks.c.recording_id.in_(files)))


def note_run(
    connection: Connection, kind: str, *, at: datetime, before: datetime, deleted: int, held: int, left: int
) -> None:
    """Keep what a night did."""
    connection.execute(
        insert(retention_runs).values(
            id=new_id(at), at=at, kind=kind, before=before, deleted=deleted, held=held, remaining=left
        )
    )


def latest_runs(connection: Connection, limit: int = 50) -> list[Mapping[str, Any]]:
    """What the last nights did, newest first."""
    statement = select(retention_runs).order_by(retention_runs.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(statement).mappings()]
