"""Visits for the maker's CRM: collected from what was done, completed from the records, exported once.

A file and the marks of the visits in it are one transaction: what stands in a file is marked, what is marked stands
in a file. The file is made before, from rows as they were read; where one changed meanwhile, nothing is written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    tuple_,
    update,
)

from access.ids import new_id
from access.sentences import Sentence
from access.users import Principal
from crm.reports.maker import (
    MakerState,
    MakerStep,
    MakerVisit,
    Need,
    cells_of,
    digest_of,
    missing_of,
    next_state,
)
from crm.reports.options import MakerColumn
from crm.reports.rows import ReportChanged, ReportNotFound, check_text
from storage import customers as customer_rows
from storage import users
from storage.sight import in_reach
from storage.tables.aftercall import registrations
from storage.tables.contacts import contact_reasons, contact_tries, due_contacts
from storage.tables.privacy import holds
from storage.tables.records import contacts as numbers
from storage.tables.records import customers, service_visits, vehicle_people, vehicles
from storage.tables.reports import maker_downloads, maker_file_visits, maker_files, maker_visits
from storage.work_reports import inserting
from telephony.numbers import readable

#: Most rows of a file; more go into another one.
MOST: Final = 2000
_SHARE: Final = 500


def _add(
    connection: Connection,
    *,
    occasion: str,
    customer_id: str,
    vehicle_id: str | None,
    call_id: str | None,
    agent_id: str | None,
    result: str,
    visited_at: datetime,
    now: datetime,
) -> bool:
    """A visit that has to be entered; False where it stands here already."""
    row = (
        inserting(connection, maker_visits)
        .values(
            id=new_id(now),
            occasion=occasion,
            customer_id=customer_id,
            vehicle_id=vehicle_id,
            call_id=call_id,
            agent_id=agent_id,
            result=result,
            visited_at=visited_at,
            state=MakerState.WAITING.value,
            digest="",
            exports=0,
            note="",
            version=1,
        )
        .on_conflict_do_nothing()
        .returning(maker_visits.c.id)
    )
    return connection.execute(row).scalar_one_or_none() is not None


def collect(connection: Connection, since: datetime, now: datetime) -> int:
    """Write down every customer who was talked to in a return visit since then, once; how many are new."""
    return _collect_contacts(connection, since, now) + _collect_filed(connection, since, now)


def _collect_contacts(connection: Connection, since: datetime, now: datetime) -> int:
    """Contacts that were closed with the customer on the line. Known by their last call, as the filing is."""
    call = (
        select(contact_tries.c.call_id)
        .where(contact_tries.c.contact_id == due_contacts.c.id, contact_tries.c.call_id.is_not(None))
        .order_by(contact_tries.c.at.desc(), contact_tries.c.id.desc())
        .limit(1)
        .correlate(due_contacts)
        .scalar_subquery()
    )
    car = (
        select(contact_reasons.c.vehicle_id)
        .where(contact_reasons.c.contact_id == due_contacts.c.id, contact_reasons.c.vehicle_id.is_not(None))
        .order_by(contact_reasons.c.due_at, contact_reasons.c.id)
        .limit(1)
        .correlate(due_contacts)
        .scalar_subquery()
    )
    occasion = func.coalesce("call:" + call, "contact:" + due_contacts.c.id)
    known = select(maker_visits.c.id).where(maker_visits.c.occasion == occasion)
    rows = connection.execute(
        select(
            occasion.label("occasion"),
            call.label("call_id"),
            car.label("vehicle_id"),
            due_contacts.c.customer_id,
            due_contacts.c.closed_by,
            due_contacts.c.closed_at,
            due_contacts.c.result,
        )
        .where(
            due_contacts.c.closed_at >= since,
            due_contacts.c.closed_at <= now,
            due_contacts.c.result.in_(("done", "partly", "refused")),
            ~known.correlate(due_contacts).exists(),
        )
        .order_by(due_contacts.c.closed_at, due_contacts.c.id)
        .limit(MOST)
    ).all()
    return sum(
        _add(
            connection,
            occasion=row.occasion,
            customer_id=row.customer_id,
            vehicle_id=row.vehicle_id,
            call_id=row.call_id,
            agent_id=row.closed_by,
            result=row.result,
            visited_at=row.closed_at,
            now=now,
        )
        for row in rows
    )


def _collect_filed(connection: Connection, since: datetime, now: datetime) -> int:
    """Calls that were filed as return visits in which somebody was talked to."""
    known = select(maker_visits.c.id).where(maker_visits.c.occasion == "call:" + registrations.c.call_id)
    rows = connection.execute(
        select(
            registrations.c.call_id,
            registrations.c.customer_id,
            registrations.c.filed_by,
            registrations.c.filed_at,
            registrations.c.success,
        )
        .select_from(registrations.join(customers, customers.c.id == registrations.c.customer_id))
        .where(
            registrations.c.filed_at >= since,
            registrations.c.filed_at <= now,
            registrations.c.call_type == "return_visit",
            registrations.c.contact.is_(True),
            ~known.correlate(registrations).exists(),
        )
        .order_by(registrations.c.filed_at, registrations.c.id)
        .limit(MOST)
    ).all()
    cars = _cars_of(connection, [row.customer_id for row in rows])
    new = 0
    for row in rows:
        new += _add(
            connection,
            occasion=f"call:{row.call_id}",
            customer_id=row.customer_id,
            vehicle_id=cars.get(row.customer_id),
            call_id=row.call_id,
            agent_id=row.filed_by,
            result="done" if row.success else "partly",
            visited_at=row.filed_at,
            now=now,
        )
    return new


def _cars_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, str]:
    """The car each was most likely visited about: the one that was in the workshop last."""
    found: dict[str, str] = {}
    rows = connection.execute(
        select(vehicle_people.c.customer_id, vehicles.c.id)
        .select_from(vehicle_people.join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id))
        .where(
            vehicle_people.c.customer_id.in_(list(customer_ids)),
            vehicle_people.c.ended_at.is_(None),
            vehicles.c.state == "owned",
        )
        .order_by(
            func.coalesce(vehicles.c.last_service_on, vehicles.c.delivered_on).desc().nulls_last(),
            vehicles.c.id,
        )
    )
    for customer_id, vehicle_id in rows:
        found.setdefault(customer_id, vehicle_id)
    return found


def _visits(
    connection: Connection, rows: Sequence[RowMapping], columns: Sequence[MakerColumn], zone: ZoneInfo
) -> list[MakerVisit]:
    """Rows with what their records say now."""
    people = customer_rows.several(connection, {row["customer_id"] for row in rows})
    phones: dict[str, list[str]] = {}
    for owner, number in connection.execute(
        select(numbers.c.customer_id, numbers.c.number)
        .where(numbers.c.customer_id.in_(list(people)), numbers.c.ended_at.is_(None))
        .order_by(numbers.c.is_primary.desc(), numbers.c.since, numbers.c.number)
    ):
        phones.setdefault(owner, []).append(number)
    # Nobody knew the car when he was called: the one he has now, so that completing the record completes the visit.
    found = _cars_of(connection, {row["customer_id"] for row in rows if not row["vehicle_id"]})
    car_of = {row["id"]: row["vehicle_id"] or found.get(row["customer_id"]) for row in rows}
    car_ids = {one for one in car_of.values() if one}
    cars = {
        row["id"]: dict(row)
        for row in connection.execute(select(vehicles).where(vehicles.c.id.in_(car_ids))).mappings()
    }
    orders: dict[str, list[tuple[Any, str]]] = {}
    for vehicle_id, day, order in connection.execute(
        select(service_visits.c.vehicle_id, service_visits.c.visited_on, service_visits.c.order_number)
        .where(service_visits.c.vehicle_id.in_(car_ids), service_visits.c.order_number != "")
        .order_by(service_visits.c.visited_on.desc(), service_visits.c.id.desc())
    ):
        orders.setdefault(vehicle_id, []).append((day, order))
    names = users.user_names(connection)
    made = []
    for row in rows:
        person = people[row["customer_id"]]
        car: Mapping[Any, Any] = cars.get(car_of[row["id"]] or "") or {}
        visited_on = row["visited_at"].astimezone(zone).date()
        own = [readable(number) for number in phones.get(person.id, ())]
        values: dict[str, object] = {
            "visited_on": visited_on,
            "visited_at": row["visited_at"],
            "customer_number": person.number,
            "name": person.name,
            "honorific": "" if person.honorific == "none" else person.honorific.value,
            "phone": own[0] if own else "",
            "phone_2": own[1] if len(own) > 1 else "",
            "address": person.address,
            "order_number": next(
                (order for day, order in orders.get(car_of[row["id"]] or "", ()) if day <= visited_on), ""
            ),
            "result": row["result"],
            "agent": names.get(row["agent_id"] or "", ""),
            **{
                name: car.get(name)
                for name in ("plate", "vin", "brand", "model", "delivered_on", "mileage", "last_service_on")
            },
        }
        made.append(
            MakerVisit(
                id=row["id"],
                customer_id=row["customer_id"],
                vehicle_id=car_of[row["id"]],
                call_id=row["call_id"],
                agent_id=row["agent_id"],
                visited_at=row["visited_at"],
                result=row["result"],
                state=MakerState(row["state"]),
                digest=row["digest"],
                exported_at=row["exported_at"],
                exports=row["exports"],
                by_id=row["by_id"],
                by_at=row["by_at"],
                note=row["note"],
                version=row["version"],
                values=values,
                cells=cells_of(columns, values),
                missing=missing_of(columns, values),
            )
        )
    return made


def get(
    connection: Connection,
    visit_id: str,
    columns: Sequence[MakerColumn],
    zone: ZoneInfo,
    *,
    lock: bool = False,
) -> MakerVisit:
    """One visit. Raises ReportNotFound."""
    wanted = select(maker_visits).where(maker_visits.c.id == visit_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise ReportNotFound("There is no such visit in the list.")
    return _visits(connection, [row], columns, zone)[0]


def list_visits(
    connection: Connection,
    viewer: Principal,
    columns: Sequence[MakerColumn],
    zone: ZoneInfo,
    *,
    since: datetime | None,
    until: datetime | None,
    state: MakerState | None,
    agent_id: str = "",
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
    now: datetime,
) -> list[MakerVisit]:
    """Visits, the newest first, of customers who are there for this person."""
    where: list[ColumnElement[bool]] = [in_reach(connection, viewer, maker_visits.c.customer_id, now)]
    if since is not None:
        where.append(maker_visits.c.visited_at >= since)
    if until is not None:
        where.append(maker_visits.c.visited_at < until)
    if state is not None:
        where.append(maker_visits.c.state == state.value)
    if agent_id:
        where.append(maker_visits.c.agent_id == agent_id)
    if after is not None:
        where.append(tuple_(maker_visits.c.visited_at, maker_visits.c.id) < after)
    rows = (
        connection.execute(
            select(maker_visits)
            .where(*where)
            .order_by(maker_visits.c.visited_at.desc(), maker_visits.c.id.desc())
            .limit(min(limit, 201))
        )
        .mappings()
        .all()
    )
    return _visits(connection, rows, columns, zone)


def for_file(
    connection: Connection, columns: Sequence[MakerColumn], zone: ZoneInfo, *, corrected_since: datetime
) -> tuple[list[MakerVisit], int]:
    """What goes into the next file, the oldest first, and how many visits are incomplete and stay behind."""
    found: list[MakerVisit] = []
    behind = 0
    place: tuple[datetime, str] | None = None
    which = or_(
        maker_visits.c.state == MakerState.WAITING.value,
        and_(
            maker_visits.c.state.in_((MakerState.EXPORTED.value, MakerState.BY_HAND.value)),
            maker_visits.c.visited_at >= corrected_since,
        ),
    )
    while True:
        wanted = select(maker_visits).where(which)
        if place is not None:
            wanted = wanted.where(tuple_(maker_visits.c.visited_at, maker_visits.c.id) > place)
        rows = (
            connection.execute(wanted.order_by(maker_visits.c.visited_at, maker_visits.c.id).limit(_SHARE))
            .mappings()
            .all()
        )
        for visit in _visits(connection, rows, columns, zone):
            if visit.need is Need.MISSING:
                behind += 1
            elif visit.need in (Need.COMPLETE, Need.CORRECTED) and len(found) < MOST:
                found.append(visit)
        if len(rows) < _SHARE:
            return found, behind
        place = (rows[-1]["visited_at"], rows[-1]["id"])


class VisitChanged(Exception):
    """A visit of the file was changed while the file was made: it is made again."""


def file_of_occasion(connection: Connection, occasion: str) -> dict[str, Any] | None:
    """The file an occasion made, without its content."""
    row = (
        connection.execute(select(*_FILE_COLUMNS).where(maker_files.c.occasion == occasion))
        .mappings()
        .one_or_none()
    )
    return None if row is None else dict(row)


def keep_file(
    connection: Connection,
    *,
    occasion: str,
    visits: Sequence[MakerVisit],
    behind: int,
    format: str,
    content: bytes,
    sha256: str,
    by: Principal | None,
    now: datetime,
) -> dict[str, Any]:
    """Keep a file and mark the visits in it, or give the one this occasion made before. Raises VisitChanged."""
    known = file_of_occasion(connection, occasion)
    if known is not None:
        return known
    file_id = new_id(now)
    made = (
        inserting(connection, maker_files)
        .values(
            id=file_id,
            occasion=occasion,
            made_at=now,
            made_by=by.user_id if by else None,
            made_by_name=(by.name if by else "")[:64],
            format=format,
            rows=len(visits),
            corrected=sum(1 for one in visits if one.need is Need.CORRECTED),
            left_out=behind,
            bytes=len(content),
            sha256=sha256,
            content=content,
        )
        .on_conflict_do_nothing()
        .returning(maker_files.c.id)
    )
    if connection.execute(made).scalar_one_or_none() is None:  # another made it at the same moment
        found = file_of_occasion(connection, occasion)
        assert found is not None
        return found
    for one in visits:
        marked = connection.execute(
            update(maker_visits)
            .where(maker_visits.c.id == one.id, maker_visits.c.version == one.version)
            .values(
                state=MakerState.EXPORTED.value,
                digest=digest_of(one.cells),
                exported_at=now,
                exports=maker_visits.c.exports + 1,
                version=one.version + 1,
            )
        )
        if marked.rowcount != 1:
            raise VisitChanged(one.id)
    if visits:
        connection.execute(
            insert(maker_file_visits),
            [
                {
                    "file_id": file_id,
                    "visit_id": one.id,
                    "mark": "corrected" if one.need is Need.CORRECTED else "new",
                }
                for one in visits
            ],
        )
    kept = file_of_occasion(connection, occasion)
    assert kept is not None
    return kept


_FILE_COLUMNS: Final = tuple(column for column in maker_files.c if column.name != "content")


def list_files(
    connection: Connection, *, before: tuple[datetime, str] | None = None, limit: int = 30
) -> list[dict[str, Any]]:
    """Files, the newest first, each with who took it out."""
    wanted = select(*_FILE_COLUMNS)
    if before is not None:
        wanted = wanted.where(tuple_(maker_files.c.made_at, maker_files.c.id) < before)
    rows = connection.execute(
        wanted.order_by(maker_files.c.made_at.desc(), maker_files.c.id.desc()).limit(limit)
    ).mappings()
    found = [{**row, "downloads": []} for row in rows]
    by_id = {one["id"]: one for one in found}
    for row in connection.execute(
        select(maker_downloads)
        .where(maker_downloads.c.file_id.in_(list(by_id)))
        .order_by(maker_downloads.c.at, maker_downloads.c.id)
        .limit(1000)
    ).mappings():
        by_id[row["file_id"]]["downloads"].append(dict(row))
    return found


def take_file(
    connection: Connection, file_id: str, by: Principal, now: datetime
) -> tuple[dict[str, Any], bytes]:
    """A file, and a note of who took it. Raises ReportNotFound where it is gone."""
    row = connection.execute(select(maker_files).where(maker_files.c.id == file_id)).mappings().one_or_none()
    if row is None or row["content"] is None:
        raise ReportNotFound("There is no such file any more. What stood in it is still marked as exported.")
    connection.execute(
        insert(maker_downloads).values(
            id=new_id(now), file_id=file_id, at=now, by_id=by.user_id, by_name=by.name[:64]
        )
    )
    return dict(row), row["content"]


def take_step(
    connection: Connection,
    visit_id: str,
    step: MakerStep,
    *,
    by: Principal,
    own_only: bool,
    version: int,
    note: str,
    columns: Sequence[MakerColumn],
    zone: ZoneInfo,
    now: datetime,
) -> MakerVisit:
    """Say that a visit was entered by hand, need not be, or must after all. Raises Report*, BadReport."""
    found = get(connection, visit_id, columns, zone, lock=True)
    if own_only and found.agent_id != by.user_id:
        raise ReportNotFound("There is no such visit in the list.")
    words = check_text(note, "note", longest=200, needed=step is MakerStep.LEAVE_OUT)
    if found.version != version:
        state = next((to for (_at, one), to in _TO.items() if one is step), None)
        if found.version == version + 1 and found.state is state and found.by_id == by.user_id:
            return found  # its answer was lost
        raise ReportChanged(
            Sentence(
                "This visit changed meanwhile: it is {report_state} now.", report_state=found.state.value
            ),
            version=found.version,
            theirs={"state": found.state.value},
        )
    to = next_state(found.state, step)
    values: dict[str, Any] = {
        "state": to.value,
        "version": version + 1,
        "by_id": by.user_id,
        "by_at": now,
        "note": words,
    }
    if to is MakerState.BY_HAND:
        values["digest"] = digest_of(found.cells)
    elif to is MakerState.WAITING:
        values["digest"] = ""
    connection.execute(update(maker_visits).where(maker_visits.c.id == visit_id).values(**values))
    return replace(
        found,
        state=to,
        version=version + 1,
        by_id=by.user_id,
        by_at=now,
        note=words,
        digest=values.get("digest", found.digest),
    )


_TO: Final = {
    (None, MakerStep.BY_HAND): MakerState.BY_HAND,
    (None, MakerStep.LEAVE_OUT): MakerState.LEFT_OUT,
    (None, MakerStep.BACK): MakerState.WAITING,
}


def forget_person(connection: Connection, customer_ids: Collection[str], now: datetime) -> int:
    """A person is erased: his visits are not exported any more, and files in which he stands go. How many files."""
    theirs = select(maker_visits.c.id).where(maker_visits.c.customer_id.in_(list(customer_ids)))
    connection.execute(
        update(maker_visits)
        .where(maker_visits.c.customer_id.in_(list(customer_ids)))
        .values(state=MakerState.LEFT_OUT.value, digest="", note="", version=maker_visits.c.version + 1)
    )
    gone = connection.execute(
        update(maker_files)
        .where(
            maker_files.c.id.in_(
                select(maker_file_visits.c.file_id).where(maker_file_visits.c.visit_id.in_(theirs))
            ),
            maker_files.c.content.is_not(None),
        )
        .values(content=None, removed_at=now)
    )
    return gone.rowcount


def file_held() -> ColumnElement[bool]:
    """A customer on legal hold stands in the file."""
    return exists().where(
        maker_file_visits.c.file_id == maker_files.c.id,
        maker_visits.c.id == maker_file_visits.c.visit_id,
        holds.c.customer_id == maker_visits.c.customer_id,
        holds.c.released_at.is_(None),
    )


def remove_old(connection: Connection, before: datetime, now: datetime) -> int:
    """The content of files goes after its time, but for a legal hold; what they were stays. How many."""
    old = (
        select(maker_files.c.id)
        .where(maker_files.c.made_at < before, maker_files.c.content.is_not(None), not_(file_held()))
        .limit(100)
    )
    gone = connection.execute(
        update(maker_files)
        .where(maker_files.c.id.in_(list(connection.execute(old).scalars())))
        .values(content=None, removed_at=now)
    )
    return gone.rowcount


def state_counts(connection: Connection, viewer: Principal, agent_id: str, now: datetime) -> dict[str, int]:
    """State to how many visits of the last 90 days."""
    where = [
        maker_visits.c.visited_at >= now - timedelta(days=90),
        in_reach(connection, viewer, maker_visits.c.customer_id, now),
    ]
    if agent_id:
        where.append(maker_visits.c.agent_id == agent_id)
    rows = connection.execute(
        select(maker_visits.c.state, func.count()).where(*where).group_by(maker_visits.c.state)
    )
    return {state: int(count) for state, count in rows}
