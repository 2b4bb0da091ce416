"""Lists as rows of a file: pages by key, in scope and masked for who asked, before anything leaves this module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, and_, insert, or_, select, true, tuple_, update

from access.masking import mask_name, mask_number, mask_text
from access.sentences import Sentence
from access.users import Principal
from crm.exports.cells import ExportFormat
from crm.exports.jobs import (
    BadExportFilter,
    ExportGone,
    ExportJob,
    ExportKind,
    ExportNotFound,
    ExportNotReady,
    ExportState,
)
from crm.records.customers import Customer
from crm.records.vehicle_lists import read_filter
from crm.reports.rows import Source, Wanted, read_wanted
from storage import users
from storage.call_lists import list_calls
from storage.customers import customer_from
from storage.report_rows import SOURCES, list_rows
from storage.search import find_customers
from storage.sight import Sight, in_scope, is_open, is_open_vehicle, sights
from storage.tables.imports import export_jobs
from storage.tables.records import contacts, customers, service_visits, vehicle_people, vehicles
from storage.task_lists import seen_by
from storage.tasks import list_tasks
from storage.vehicle_lists import vehicle_ids
from telephony.call_lists import CallFilter, CallScope, CallSort
from telephony.calls import Direction, Outcome

#: Rows of one reading question.
PAGE: Final = 200


class Word(NamedTuple):
    """A value of an enumeration: the file says it in the language of who asked ("imports.value.KEY")."""

    key: str


class Page(NamedTuple):
    """Some rows, and the place behind them; None: there are no more."""

    rows: list[list[Any]]
    after: Any


#: Which filters a list knows.
FILTERS: Final[Mapping[ExportKind, frozenset[str]]] = {
    ExportKind.CUSTOMERS: frozenset({"search", "class", "key_account"}),
    ExportKind.VEHICLES: frozenset({"plate", "model", "class", "due_from", "due_to"}),
    ExportKind.VISITS: frozenset({"since", "until"}),
    ExportKind.CALLS: frozenset(
        {
            "scope",
            "direction",
            "received",
            "talked",
            "outcome",
            "queue",
            "agent_id",
            "customer_id",
            "since",
            "until",
            "search",
            "number",
        }
    ),
    ExportKind.TASKS: frozenset({"state"}),
    ExportKind.REPORTS: frozenset({"source", *(one.name for one in fields(Wanted))}),
}


def check_filter(kind: ExportKind, wanted: Mapping[str, str]) -> None:
    """Raises BadExportFilter where the list cannot be filtered by that, or a value cannot be read."""
    unknown = sorted(set(wanted) - FILTERS[kind] - {"language"})
    if unknown:
        raise BadExportFilter(
            Sentence(
                "A list of {list_kind} is not filtered by {fields}.", list_kind=kind.value, fields=unknown
            )
        )
    try:
        if kind is ExportKind.CALLS:
            _call_filter(wanted)
        if kind is ExportKind.VEHICLES:
            read_filter(wanted)
        for name in ("since", "until"):
            if kind is ExportKind.VISITS and wanted.get(name):
                date.fromisoformat(wanted[name])
        if kind is ExportKind.TASKS and wanted.get("state", "all") not in ("open", "mine", "closed", "all"):
            raise ValueError(wanted["state"])
        if kind is ExportKind.REPORTS:
            _report_filter(wanted)
    except ValueError as error:
        raise BadExportFilter("A value of the filter cannot be read.") from error


def read_page(
    connection: Connection,
    viewer: Principal,
    kind: ExportKind,
    wanted: Mapping[str, str],
    after: Any,
    now: datetime | None = None,
) -> Page:
    """The next rows of a list as this viewer may see them; `after` is what the page before gave, first None.

    Without `now` no approval is good.
    """
    readers: Mapping[ExportKind, _Reader] = {
        ExportKind.CUSTOMERS: _customers,
        ExportKind.VEHICLES: _vehicles,
        ExportKind.VISITS: _visits,
        ExportKind.CALLS: _calls,
        ExportKind.TASKS: _tasks,
        ExportKind.REPORTS: _report_rows,
    }
    return readers[kind](connection, viewer, wanted, after, now)


_Reader = Callable[[Connection, Principal, Mapping[str, str], Any, datetime | None], Page]


def _customers(
    connection: Connection,
    viewer: Principal,
    wanted: Mapping[str, str],
    after: Any,
    now: datetime | None = None,
) -> Page:
    statement = select(customers).where(customers.c.merged_into.is_(None), in_scope(connection, viewer, now))
    if wanted.get("search"):
        ids = [one.id for one in find_customers(connection, wanted["search"], limit=100)]
        statement = statement.where(customers.c.id.in_(ids))
    if wanted.get("class"):
        statement = statement.where(customers.c.customer_class == wanted["class"])
    if wanted.get("key_account"):
        statement = statement.where(customers.c.key_account == true())
    found, following = _after(connection, statement, customers.c.number, after)
    people = [customer_from(row) for row in found]
    ids = [one.id for one in people]
    seen = sights(connection, viewer, ids, now)
    phones: dict[str, list[str]] = {}
    for owner, number in connection.execute(
        select(contacts.c.customer_id, contacts.c.number)
        .where(contacts.c.customer_id.in_(ids), contacts.c.ended_at.is_(None))
        .order_by(contacts.c.is_primary.desc(), contacts.c.since, contacts.c.number)
    ):
        phones.setdefault(owner, []).append(number)
    cars: dict[str, list[list[Any]]] = {}
    for owner, role, *car in connection.execute(
        select(vehicle_people.c.customer_id, vehicle_people.c.role, *_CAR)
        .select_from(vehicle_people.join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id))
        .where(vehicle_people.c.customer_id.in_(ids), vehicle_people.c.ended_at.is_(None))
        .order_by(vehicles.c.id)
    ):
        cars.setdefault(owner, []).append([*car, Word(role)])
    rows = []
    for one in people:
        closed = seen[one.id] is not Sight.OPEN
        person, note = _person(viewer, one, phones.get(one.id, ()), closed=closed)
        for car in [] if closed else cars.get(one.id, []):
            rows.append([*person, *car, note])
            note = None  # said once: a second import adds nothing
        if closed or one.id not in cars:
            rows.append([*person, *[None] * (len(_CAR) + 1), note])
    return Page(rows, following)


_CAR: Final = (
    vehicles.c.vin,
    vehicles.c.plate,
    vehicles.c.brand,
    vehicles.c.model,
    vehicles.c.delivered_on,
    vehicles.c.mileage,
    vehicles.c.last_service_on,
)


def _person(
    viewer: Principal, one: Customer, phones: Sequence[str], *, closed: bool
) -> tuple[list[Any], str | None]:
    """The customer's own cells, masked, and the note."""
    name = one.name if viewer.sees_names and not closed else mask_name(one.name)
    if closed:
        return [one.number, name, *[None] * 6], None
    shown = [number if viewer.sees_numbers else mask_number(number) for number in phones]
    note = one.note if viewer.sees_numbers else mask_text(one.note)
    honorific = None if one.honorific == "none" else Word(one.honorific.value)
    language = Word(one.language.lower()) if one.language else None
    cells = [
        one.number,
        name,
        honorific,
        Word(one.kind.value),
        language,
        Word("yes") if one.key_account else None,
        shown[0] if shown else None,
        " / ".join(shown[1:]) or None,
    ]
    return cells, note or None


def _after(connection: Connection, statement: Select[Any], column: Any, after: Any) -> tuple[list[Any], Any]:
    """A page in the order of a unique column."""
    if after is not None:
        statement = statement.where(column > after)
    found = list(connection.execute(statement.order_by(column).limit(PAGE)).mappings())
    return found, found[-1][column] if len(found) == PAGE else None


def _vehicles(
    connection: Connection,
    viewer: Principal,
    wanted: Mapping[str, str],
    after: Any,
    now: datetime | None,
) -> Page:
    """As the list of vehicles shows them, the newest first."""
    ids, following = vehicle_ids(connection, viewer, read_filter(wanted), after=after, limit=PAGE, now=now)
    columns = (*_CAR, vehicles.c.next_due_on)
    found = list(
        connection.execute(
            select(vehicles.c.id, *columns).where(vehicles.c.id.in_(ids)).order_by(vehicles.c.id.desc())
        ).mappings()
    )
    owners: dict[str, tuple[str, str]] = {}
    for vehicle_id, number, role in connection.execute(
        select(vehicle_people.c.vehicle_id, customers.c.number, vehicle_people.c.role)
        .select_from(vehicle_people.join(customers, customers.c.id == vehicle_people.c.customer_id))
        .where(
            vehicle_people.c.vehicle_id.in_([row[vehicles.c.id] for row in found]),
            vehicle_people.c.ended_at.is_(None),
            in_scope(connection, viewer, now),
        )
        .order_by(vehicle_people.c.role.desc(), customers.c.number)  # owner before driver before contact
    ):
        if vehicle_id not in owners or role == "owner":
            owners[vehicle_id] = (number, role)
    rows = []
    for row in found:
        number, role = owners.get(row[vehicles.c.id], ("", ""))
        rows.append([*(row[column] for column in columns), number or None, Word(role) if role else None])
    return Page(rows, following)


def _visits(
    connection: Connection,
    viewer: Principal,
    wanted: Mapping[str, str],
    after: Any,
    now: datetime | None,
) -> Page:
    """Visits of vehicles that are open to the viewer, brought by nobody or by somebody who is."""
    by_whom = or_(service_visits.c.customer_id.is_(None), is_open(connection, viewer, now))
    statement = (
        select(
            service_visits.c.id,
            service_visits.c.order_number,
            vehicles.c.vin,
            vehicles.c.plate,
            service_visits.c.visited_on,
            service_visits.c.mileage,
            service_visits.c.note,
            service_visits.c.amount_cents,
            customers.c.number,
        )
        .select_from(
            service_visits.join(vehicles, vehicles.c.id == service_visits.c.vehicle_id).outerjoin(
                customers, customers.c.id == service_visits.c.customer_id
            )
        )
        .where(*_between(wanted), is_open_vehicle(connection, viewer, now), by_whom)
    )
    found, following = _after(connection, statement, service_visits.c.id, after)
    rows = [
        [
            row["order_number"] or None,
            row["vin"],
            row["plate"],
            row["visited_on"],
            row["mileage"],
            row["note"] if viewer.sees_numbers else mask_text(row["note"]),
            None if row["amount_cents"] is None else row["amount_cents"] / 100,
            row["number"],
        ]
        for row in found
    ]
    return Page(rows, following)


def _between(wanted: Mapping[str, str]) -> list[Any]:
    where = []
    if wanted.get("since"):
        where.append(service_visits.c.visited_on >= date.fromisoformat(wanted["since"]))
    if wanted.get("until"):
        where.append(service_visits.c.visited_on < date.fromisoformat(wanted["until"]))
    return where or [and_(True)]


def _call_filter(wanted: Mapping[str, str]) -> CallFilter:
    """Raises ValueError."""

    def moment(name: str) -> datetime | None:
        if not wanted.get(name):
            return None
        value = datetime.fromisoformat(wanted[name])
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value

    return CallFilter(
        scope=CallScope(wanted.get("scope") or "all"),
        direction=Direction(wanted["direction"]) if wanted.get("direction") else None,
        received=wanted.get("received") == "true",
        talked=wanted.get("talked") == "true",
        outcome=Outcome(wanted["outcome"]) if wanted.get("outcome") else None,
        queue=wanted.get("queue") or None,
        agent_id=wanted.get("agent_id") or None,
        customer_id=wanted.get("customer_id") or None,
        since=moment("since"),
        until=moment("until"),
        search=wanted.get("search", ""),
        number=wanted.get("number") or None,
    )


def _calls(
    connection: Connection,
    viewer: Principal,
    wanted: Mapping[str, str],
    after: Any,
    _now: datetime | None,
) -> Page:
    page = list_calls(connection, viewer, _call_filter(wanted), CallSort.NEWEST, after, PAGE)
    rows = [
        [
            one.started_at,
            Word(one.direction.value),
            one.number,
            one.called,
            one.queue,
            one.agent_name,
            Word(one.outcome.value) if one.outcome else None,
            round(one.wait_seconds, 1),
            round(one.talk_seconds, 1),
            one.ended_at,
            one.rating,
            one.id,
        ]
        for one in page.items
    ]
    return Page(rows, page.next)


def _tasks(
    connection: Connection, viewer: Principal, wanted: Mapping[str, str], after: Any, now: datetime | None
) -> Page:
    state: Any = wanted.get("state") or "all"
    seen = seen_by(connection, viewer, now)
    found = list_tasks(
        connection, state=state, user_id=viewer.user_id or "", seen=seen, after=after, limit=PAGE
    )
    names = users.user_names(connection)
    full = viewer.sees_numbers
    rows = [
        [
            Word(one.kind.value),
            Word(one.state.value),
            one.due_at,
            one.subject if full else mask_text(one.subject),
            one.number if full or not one.number else mask_number(one.number),
            names.get(one.owner_id or ""),
            one.created_at,
            one.closed_at,
            one.result if full or not one.result else mask_text(one.result),
        ]
        for one in found
    ]
    if len(found) < PAGE:
        return Page(rows, None)
    last = found[-1]
    moment = {"closed": last.closed_at, "all": last.created_at}.get(state, last.due_at)
    return Page(rows, (moment or last.created_at, last.id))


def _report_filter(wanted: Mapping[str, str]) -> tuple[Source, Wanted]:
    """Raises ValueError."""
    words = {name: worth for name, worth in wanted.items() if worth and name not in ("source", "language")}
    source = Source(wanted.get("source", ""))
    if source not in SOURCES:
        raise ValueError(source.value)
    return source, read_wanted(words)


def _report_rows(
    connection: Connection, viewer: Principal, wanted: Mapping[str, str], after: Any, now: datetime | None
) -> Page:
    source, which = _report_filter(wanted)
    found, following = list_rows(
        connection, viewer, source, which, now or datetime.now(UTC), cursor=after, limit=PAGE
    )
    rows: list[list[Any]] = [
        [
            one.at,
            Word(one.kind),
            Word(one.word) if one.word else None,
            one.customer_number or None,
            one.customer_name or None,
            one.number or None,
            one.department or None,
            one.user_name or None,
            (Word(one.text) if one.kind in ("call", "ring") else one.text) if one.text else None,
            round(one.seconds, 1),
            one.passed_at,
        ]
        for one in found
    ]
    return Page(rows, following)


# -- jobs ---------------------------------------------------------------------------------------------


def insert_export(connection: Connection, job: ExportJob) -> None:
    """Add an export."""
    connection.execute(
        insert(export_jobs).values(
            id=job.id,
            kind=job.kind,
            format=job.format,
            state=job.state,
            wanted=dict(job.wanted),
            created_at=job.created_at,
            by_id=job.by_id,
            by_name=job.by_name[:64],
            owner=job.owner,
            rows=0,
            bytes=0,
            cut=False,
            error="",
        )
    )


def _export_from(row: Any) -> ExportJob:
    return ExportJob(
        id=row["id"],
        kind=ExportKind(row["kind"]),
        format=ExportFormat(row["format"]),
        state=ExportState(row["state"]),
        wanted=row["wanted"],
        created_at=row["created_at"],
        by_id=row["by_id"],
        by_name=row["by_name"],
        owner=row["owner"],
        rows=row["rows"],
        bytes=row["bytes"],
        cut=row["cut"],
        error=row["error"],
        ended_at=row["ended_at"],
        removed_at=row["removed_at"],
    )


def get_export(connection: Connection, job_id: str, owner: str, *, lock: bool = False) -> ExportJob:
    """One export of this owner. Raises ExportNotFound, also where it is somebody else's."""
    wanted = select(export_jobs).where(export_jobs.c.id == job_id, export_jobs.c.owner == owner)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise ExportNotFound("There is no such export of yours.")
    return _export_from(row)


def require_file(job: ExportJob) -> None:
    """Raises ExportGone, ExportNotReady unless its file can be fetched."""
    if job.state is ExportState.REMOVED:
        raise ExportGone("The file was removed after its hours. Make it again.")
    if job.state is not ExportState.READY:
        raise ExportNotReady("The file is not ready. Ask again in a moment.")


def list_exports(
    connection: Connection, owner: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[ExportJob]:
    """An owner's exports, newest first."""
    wanted = select(export_jobs).where(export_jobs.c.owner == owner)
    if before is not None:
        wanted = wanted.where(tuple_(export_jobs.c.created_at, export_jobs.c.id) < before)
    order = wanted.order_by(export_jobs.c.created_at.desc(), export_jobs.c.id.desc())
    return [_export_from(row) for row in connection.execute(order.limit(min(max(limit, 1), 200))).mappings()]


def in_the_making(connection: Connection, owner: str | None = None) -> list[str]:
    """Ids of exports that are not ended: an owner's, or everybody's."""
    wanted = select(export_jobs.c.id).where(export_jobs.c.state == ExportState.MAKING.value)
    if owner is not None:
        wanted = wanted.where(export_jobs.c.owner == owner)
    return list(connection.execute(wanted).scalars())


def change_export(connection: Connection, job_id: str, state: ExportState, **values: Any) -> None:
    """What became of an export."""
    connection.execute(
        update(export_jobs).where(export_jobs.c.id == job_id).values(state=state.value, **values)
    )


def exports_to_remove(connection: Connection, before: datetime) -> list[str]:
    """Exports whose files are older than this."""
    wanted = select(export_jobs.c.id).where(
        export_jobs.c.created_at < before,
        export_jobs.c.removed_at.is_(None),
        export_jobs.c.state != ExportState.MAKING.value,
    )
    return list(connection.execute(wanted.limit(500)).scalars())
