"""Reports that are written, approved and sent: rows, steps, recipients, distribution lists, schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, delete, func, insert, or_, select, tuple_, update

from access.ids import new_id
from access.sentences import Sentence
from access.users import Principal
from crm.reports.documents import (
    KINDS,
    LONGEST_SECTION,
    LONGEST_TITLE,
    MOST_RECIPIENTS,
    WITH_NOTE,
    Arrival,
    Cadence,
    Entry,
    How,
    Recipient,
    Report,
    ReportKind,
    ReportState,
    ReportStep,
    Schedule,
    next_state,
)
from crm.reports.rows import BadReport, Figure, ReportChanged, ReportNotFound, check_text
from storage.tables.access import users
from storage.tables.records import serials
from storage.tables.reports import report_lists, report_recipients, report_schedules, report_steps, reports
from storage.work_reports import inserting

_SERIAL: Final = "report-{year}"


def _report(row: RowMapping, recipients: Sequence[Recipient] = ()) -> Report:
    return Report(
        id=row["id"],
        number=row["number"],
        kind=ReportKind(row["kind"]),
        language=row["language"],
        title=row["title"],
        case_id=row["case_id"],
        first=row["first"],
        last=row["last"],
        state=ReportState(row["state"]),
        sections=row["sections"],
        figures=[Figure.from_plain(one) for one in row["figures"]],
        figures_at=row["figures_at"],
        drafted_at=row["drafted_at"],
        drafted_by=row["drafted_by"],
        drafted_by_name=row["drafted_by_name"],
        approved_at=row["approved_at"],
        approved_by=row["approved_by"],
        approved_by_name=row["approved_by_name"],
        sent_at=row["sent_at"],
        version=row["version"],
        recipients=tuple(recipients),
    )


def _recipient(row: RowMapping) -> Recipient:
    return Recipient(
        id=row["id"],
        name=row["name"],
        how=How(row["how"]),
        user_id=row["user_id"],
        state=Arrival(row["state"]),
        sent_at=row["sent_at"],
        read_at=row["read_at"],
    )


def report_of_occasion(connection: Connection, occasion: str) -> Report | None:
    """The report an occasion drafted."""
    found = connection.execute(
        select(reports.c.id).where(reports.c.occasion == occasion)
    ).scalar_one_or_none()
    return None if found is None else get(connection, found)


def add(
    connection: Connection,
    *,
    occasion: str,
    kind: ReportKind,
    language: str,
    title: str,
    first: date,
    last: date,
    case_id: str | None,
    sections: Mapping[str, str],
    figures: Sequence[Figure],
    list_id: str | None,
    by: Principal | None,
    now: datetime,
) -> tuple[Report, bool]:
    """A draft, made or found by its occasion: (report, whether it is new). Raises BadReport."""
    known = report_of_occasion(connection, occasion)
    if known is not None:
        return known, False
    if last < first:
        raise BadReport("The period ends before it begins. Nothing was drafted.", field="last")
    report_id = new_id(now)
    made = connection.execute(
        inserting(connection, reports)
        .values(
            id=report_id,
            number=_number(connection, now.year),
            occasion=occasion,
            kind=kind.value,
            language=language,
            title=check_text(title, "title", longest=LONGEST_TITLE, needed=True),
            case_id=case_id,
            first=first,
            last=last,
            state=ReportState.DRAFT.value,
            sections=_sections(kind, sections),
            figures=[one.plain() for one in figures],
            figures_at=now,
            drafted_at=now,
            drafted_by=by.user_id if by else None,
            drafted_by_name=(by.name if by else "")[:64],
            approved_by_name="",
            version=1,
        )
        .on_conflict_do_nothing(index_elements=["occasion"])
        .returning(reports.c.id)
    ).scalar_one_or_none()
    if made is None:
        found = report_of_occasion(connection, occasion)
        assert found is not None
        return found, False
    if list_id is not None:
        set_recipients(connection, report_id, get_list(connection, list_id)["entries"], now)
    report = get(connection, report_id)
    _note(connection, report, "draft", by, "", now)
    return report, True


def _number(connection: Connection, year: int) -> str:
    name = _SERIAL.format(year=year)
    made = inserting(connection, serials).values(name=name, value=1)
    value = connection.execute(
        made.on_conflict_do_update(index_elements=["name"], set_={"value": serials.c.value + 1}).returning(
            serials.c.value
        )
    ).scalar_one()
    return f"BG{year}-{value:04d}"


def _sections(kind: ReportKind, given: Mapping[str, str]) -> dict[str, str]:
    unknown = sorted(set(given) - set(KINDS[kind].sections))
    if unknown:
        raise BadReport(
            Sentence("A report of this kind has no section {fields}.", fields=unknown), field="sections"
        )
    return {
        name: check_text(given.get(name, ""), name, longest=LONGEST_SECTION) for name in KINDS[kind].sections
    }


def _note(
    connection: Connection, report: Report, step: str, by: Principal | None, note: str, now: datetime
) -> None:
    connection.execute(
        insert(report_steps).values(
            id=new_id(now),
            report_id=report.id,
            at=now,
            by_id=by.user_id if by else None,
            by_name=(by.name if by else "")[:64],
            step=step,
            version=report.version,
            note=note,
            content={
                "title": report.title,
                "sections": dict(report.sections),
                "figures": [one.plain() for one in report.figures],
            },
        )
    )


def get(connection: Connection, report_id: str, *, lock: bool = False) -> Report:
    """One report with its recipients. Raises ReportNotFound."""
    wanted = select(reports).where(reports.c.id == report_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise ReportNotFound("There is no such report.")
    to = connection.execute(
        select(report_recipients)
        .where(report_recipients.c.report_id == report_id)
        .order_by(report_recipients.c.place, report_recipients.c.id)
    ).mappings()
    return _report(row, [_recipient(one) for one in to])


def list_reports(
    connection: Connection,
    *,
    state: ReportState | None = None,
    case_id: str = "",
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Report]:
    """Reports, the newest first."""
    wanted = select(reports)
    if state is not None:
        wanted = wanted.where(reports.c.state == state.value)
    if case_id:
        wanted = wanted.where(reports.c.case_id == case_id)
    if before is not None:
        wanted = wanted.where(tuple_(reports.c.drafted_at, reports.c.id) < before)
    rows = connection.execute(
        wanted.order_by(reports.c.drafted_at.desc(), reports.c.id.desc()).limit(min(limit, 201))
    ).mappings()
    return [_report(row) for row in rows]


def steps_of(connection: Connection, report_id: str) -> list[dict[str, Any]]:
    """What was done with a report, in order, with its text after each step."""
    rows = connection.execute(
        select(report_steps)
        .where(report_steps.c.report_id == report_id)
        .order_by(report_steps.c.id)
        .limit(500)
    ).mappings()
    return [dict(row) for row in rows]


def set_recipients(
    connection: Connection, report_id: str, entries: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Who gets it. Who got it already stays. Raises BadReport."""
    if len(entries) > MOST_RECIPIENTS:
        raise BadReport(Sentence("At most {most} recipients.", most=MOST_RECIPIENTS), field="recipients")
    waiting = and_(
        report_recipients.c.report_id == report_id,
        report_recipients.c.state == Arrival.WAITING.value,
    )
    connection.execute(delete(report_recipients).where(waiting))
    there = {
        (row.name, row.how, row.user_id)
        for row in connection.execute(
            select(report_recipients.c.name, report_recipients.c.how, report_recipients.c.user_id).where(
                report_recipients.c.report_id == report_id
            )
        )
    }
    for place, one in enumerate(check_entries(connection, entries)):
        key = (one.name, one.how.value, one.user_id)
        if key in there:
            continue
        there.add(key)
        connection.execute(
            insert(report_recipients).values(
                id=new_id(now),
                report_id=report_id,
                place=place,
                name=one.name,
                how=one.how.value,
                user_id=one.user_id,
                state=Arrival.WAITING.value,
            )
        )


def check_entries(connection: Connection, entries: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Lines of a distribution list, tidied. Raises BadReport."""
    found = []
    names = {
        row.id: row.name
        for row in connection.execute(
            select(users.c.id, users.c.name).where(
                users.c.id.in_([one.get("user_id") or "" for one in entries])
            )
        )
    }
    for one in entries:
        try:
            how = How(one["how"])
        except ValueError as error:
            raise BadReport("A report goes by page, printed or by link.", field="how") from error
        user_id = one.get("user_id") or None
        if how is How.PAGE and user_id not in names:
            raise BadReport("Who reads it in Careline must be a person of the house.", field="user_id")
        name = one.get("name") or names.get(user_id or "", "")
        found.append(
            Entry(
                name=check_text(name, "name", longest=64, needed=True),
                how=how,
                user_id=user_id if how is How.PAGE else None,
            )
        )
    return found


def take_step(
    connection: Connection,
    report_id: str,
    step: ReportStep,
    *,
    by: Principal,
    approves: bool,
    version: int,
    now: datetime,
    note: str = "",
    title: str | None = None,
    sections: Mapping[str, str] | None = None,
    figures: Sequence[Figure] | None = None,
    recipients: Sequence[Mapping[str, Any]] | None = None,
) -> Report:
    """Take a step. Sent again because its answer was lost, it is taken once.

    Raises ReportNotFound, ReportStepRefused, ReportChanged, BadReport.
    """
    found = get(connection, report_id, lock=True)
    words = check_text(note, "note", longest=1000, needed=step in WITH_NOTE)
    new_title = (
        found.title if title is None else check_text(title, "title", longest=LONGEST_TITLE, needed=True)
    )
    new_sections = (
        dict(found.sections) if sections is None else _sections(found.kind, {**found.sections, **sections})
    )
    if version != found.version:
        last = steps_of(connection, report_id)[-1]
        same = last["content"]["title"] == new_title and last["content"]["sections"] == new_sections
        if version == found.version - 1 and last["step"] == step and last["by_id"] == by.user_id and same:
            return found
        raise ReportChanged(
            Sentence(
                "Somebody changed this report meanwhile. Nothing of yours was lost; compare and send again."
            ),
            version=found.version,
            theirs={"state": found.state.value, "title": found.title, "sections": dict(found.sections)},
        )
    state = next_state(found.state, step, approves=approves)
    if step in (ReportStep.SUBMIT, ReportStep.APPROVE) and found.empty:
        raise BadReport(
            Sentence(
                "These sections still have to be written: {sections}. Nothing was changed.",
                sections=found.empty,
            ),
            field="sections",
        )
    values: dict[str, Any] = {"state": state.value, "version": found.version + 1}
    if step is ReportStep.EDIT:
        values |= {"title": new_title, "sections": new_sections}
    if step is ReportStep.REFRESH and figures is not None:
        values |= {"figures": [one.plain() for one in figures], "figures_at": now}
    if step is ReportStep.APPROVE:
        values |= {"approved_at": now, "approved_by": by.user_id, "approved_by_name": by.name[:64]}
    if step is ReportStep.RETURN:
        values |= {"approved_at": None, "approved_by": None, "approved_by_name": ""}
    if recipients is not None and step in (ReportStep.EDIT, ReportStep.SEND):
        set_recipients(connection, report_id, recipients, now)
    if step is ReportStep.SEND:
        sent = connection.execute(
            update(report_recipients)
            .where(
                report_recipients.c.report_id == report_id,
                report_recipients.c.state == Arrival.WAITING.value,
            )
            .values(state=Arrival.SENT.value, sent_at=now, sent_by=by.user_id)
        )
        if not sent.rowcount:
            raise BadReport("There is nobody to send it to. Add recipients first.", field="recipients")
        values["sent_at"] = found.sent_at or now
    connection.execute(update(reports).where(reports.c.id == report_id).values(**values))
    report = get(connection, report_id)
    _note(connection, report, step.value, by, words, now)
    return report


# -- recipients ------------------------------------------------------------------------------------------


def received(connection: Connection, user_id: str, *, limit: int = 100) -> list[tuple[Report, Recipient]]:
    """Reports sent to a person of the house, the newest first."""
    rows = (
        connection.execute(
            select(report_recipients)
            .where(report_recipients.c.user_id == user_id, report_recipients.c.sent_at.is_not(None))
            .order_by(report_recipients.c.sent_at.desc(), report_recipients.c.id.desc())
            .limit(limit)
        )
        .mappings()
        .all()
    )
    found = {
        row["id"]: _report(row)
        for row in connection.execute(
            select(reports).where(reports.c.id.in_([one["report_id"] for one in rows]))
        ).mappings()
    }
    return [(found[one["report_id"]], _recipient(one)) for one in rows]


def recipient(connection: Connection, recipient_id: str) -> tuple[str, Recipient]:
    """A recipient with the id of the report. Raises ReportNotFound."""
    row = (
        connection.execute(select(report_recipients).where(report_recipients.c.id == recipient_id))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise ReportNotFound("There is no such recipient.")
    return row["report_id"], _recipient(row)


def note_read(
    connection: Connection,
    report_id: str,
    now: datetime,
    *,
    user_id: str | None = None,
    recipient_id: str | None = None,
) -> bool:
    """The recipient has it: by his own look, or because somebody gave it into his hands. False: was noted before."""
    whom = [report_recipients.c.user_id == user_id] if user_id else []
    whom += [report_recipients.c.id == recipient_id] if recipient_id else []
    noted = connection.execute(
        update(report_recipients)
        .where(
            report_recipients.c.report_id == report_id,
            report_recipients.c.state == Arrival.SENT.value,
            *whom,
        )
        .values(state=Arrival.READ.value, read_at=now)
    )
    return bool(whom) and noted.rowcount > 0


def is_sent_to(connection: Connection, report_id: str, user_id: str) -> bool:
    """Whether this person got the report."""
    wanted = select(report_recipients.c.id).where(
        report_recipients.c.report_id == report_id,
        report_recipients.c.user_id == user_id,
        report_recipients.c.sent_at.is_not(None),
    )
    return connection.execute(wanted.limit(1)).first() is not None


# -- distribution lists and schedules ----------------------------------------------------------------------


def lists(connection: Connection) -> list[dict[str, Any]]:
    """Distribution lists by name."""
    rows = connection.execute(select(report_lists).order_by(report_lists.c.name).limit(200)).mappings()
    return [dict(row) for row in rows]


def get_list(connection: Connection, list_id: str) -> dict[str, Any]:
    """One list. Raises ReportNotFound."""
    row = (
        connection.execute(select(report_lists).where(report_lists.c.id == list_id)).mappings().one_or_none()
    )
    if row is None:
        raise ReportNotFound("There is no such distribution list.")
    return dict(row)


def save_list(
    connection: Connection,
    *,
    list_id: str | None,
    name: str,
    entries: Sequence[Mapping[str, Any]],
    version: int,
    now: datetime,
) -> dict[str, Any]:
    """Make or change a distribution list. Raises BadReport, ReportNotFound, ReportChanged."""
    if len(entries) > MOST_RECIPIENTS:
        raise BadReport(Sentence("At most {most} recipients.", most=MOST_RECIPIENTS), field="entries")
    plain = [one.plain() for one in check_entries(connection, entries)]
    called = check_text(name, "name", longest=64, needed=True)
    taken = (
        connection.execute(
            select(report_lists).where(report_lists.c.name == called, report_lists.c.id != (list_id or ""))
        )
        .mappings()
        .one_or_none()
    )
    if taken is not None:
        if list_id is None and taken["entries"] == plain:
            return dict(taken)  # the same request again
        raise BadReport("There is a distribution list of this name.", field="name")
    if list_id is None:
        list_id = new_id(now)
        connection.execute(
            insert(report_lists).values(id=list_id, name=called, entries=plain, version=1, updated_at=now)
        )
        return get_list(connection, list_id)
    changed = connection.execute(
        update(report_lists)
        .where(report_lists.c.id == list_id, report_lists.c.version == version)
        .values(name=called, entries=plain, version=version + 1, updated_at=now)
    )
    stands = get_list(connection, list_id)
    if not changed.rowcount and (stands["name"], stands["entries"]) != (called, plain):
        raise ReportChanged(
            Sentence(
                "Somebody changed this list meanwhile. Nothing of yours was lost; compare and send again."
            ),
            version=stands["version"],
            theirs={"name": stands["name"], "entries": stands["entries"]},
        )
    return stands


def schedules(connection: Connection, *, only_on: bool = False) -> list[Schedule]:
    """What is drafted by itself."""
    wanted = select(report_schedules)
    if only_on:
        wanted = wanted.where(report_schedules.c.is_on.is_(True))
    return [
        Schedule(
            id=row["id"],
            kind=ReportKind(row["kind"]),
            language=row["language"],
            cadence=Cadence(row["cadence"]),
            day=row["day"],
            list_id=row["list_id"],
            is_on=row["is_on"],
            since=row["since"],
            version=row["version"],
        )
        for row in connection.execute(wanted.order_by(report_schedules.c.id).limit(100)).mappings()
    ]


def save_schedule(connection: Connection, schedule: Schedule, now: datetime) -> Schedule:
    """Make (no id) or change a schedule. Raises BadReport, ReportNotFound, ReportChanged."""
    most = 7 if schedule.cadence is Cadence.WEEKLY else 31
    if not 1 <= schedule.day <= most:
        raise BadReport(Sentence("The day is from 1 to {most}.", most=most), field="day")
    if schedule.list_id is not None:
        get_list(connection, schedule.list_id)
    values = {
        "kind": schedule.kind.value,
        "language": schedule.language,
        "cadence": schedule.cadence.value,
        "day": schedule.day,
        "list_id": schedule.list_id,
        "is_on": schedule.is_on,
    }
    if not schedule.id:
        same = [
            one
            for one in schedules(connection)
            if all(
                getattr(one, name) == getattr(schedule, name)
                for name in ("kind", "cadence", "language", "day", "list_id")
            )
        ]
        if same:
            return same[0]  # the same request again
        made = new_id(now)
        connection.execute(
            insert(report_schedules).values(id=made, since=schedule.since, version=1, **values)
        )
        return next(one for one in schedules(connection) if one.id == made)
    changed = connection.execute(
        update(report_schedules)
        .where(report_schedules.c.id == schedule.id, report_schedules.c.version == schedule.version)
        .values(version=schedule.version + 1, **values)
    )
    stands = next((one for one in schedules(connection) if one.id == schedule.id), None)
    if stands is None:
        raise ReportNotFound("There is no such schedule.")
    if not changed.rowcount and any(
        getattr(stands, name) != getattr(schedule, name)
        for name in ("kind", "language", "cadence", "day", "list_id", "is_on")
    ):
        raise ReportChanged(
            Sentence("Somebody changed this schedule meanwhile. Nothing was changed."),
            version=stands.version,
            theirs={"day": stands.day, "is_on": stands.is_on},
        )
    return stands


def counts(connection: Connection, user_id: str) -> dict[str, int]:
    """State to how many reports; and "unread" of this person."""
    found = {
        state: int(count)
        for state, count in connection.execute(
            select(reports.c.state, func.count())
            .where(
                or_(reports.c.state == "draft", reports.c.state == "submitted", reports.c.state == "approved")
            )
            .group_by(reports.c.state)
        )
    }
    found["unread"] = int(
        connection.execute(
            select(func.count())
            .select_from(report_recipients)
            .where(
                report_recipients.c.user_id == user_id,
                report_recipients.c.sent_at.is_not(None),
                report_recipients.c.state == Arrival.SENT.value,
            )
        ).scalar_one()
    )
    return found
