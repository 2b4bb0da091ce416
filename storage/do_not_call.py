"""Do-not-call lists: the lists, the numbers on them, and which of them forbid a contact."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, and_, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.consent.contactability import Listing
from crm.consent.do_not_call import (
    BadListing,
    DoNotCallEntry,
    DoNotCallList,
    ListNotFound,
    ListTaken,
    clean_entry_reason,
    clean_list_name,
)
from storage.tables.consent import do_not_call_entries as entries
from storage.tables.consent import do_not_call_lists as lists
from telephony.numbers import is_e164

_LONGEST_NOTE = 500


def _list_from(row: RowMapping, numbers: int = 0) -> DoNotCallList:
    names = (name for name in DoNotCallList.__slots__ if name != "numbers")
    return DoNotCallList(numbers=numbers, **{name: row[name] for name in names})


def _entry_from(row: RowMapping) -> DoNotCallEntry:
    return DoNotCallEntry(**{name: row[name] for name in DoNotCallEntry.__slots__})


def create(
    connection: Connection, *, name: str, everywhere: bool, note: str, now: datetime, by_name: str
) -> DoNotCallList:
    """A new list. Raises BadListing, ListTaken."""
    clean = clean_list_name(name)
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    list_id = new_id(now)
    row = engine.insert(lists).values(
        id=list_id,
        name=clean,
        everywhere=everywhere,
        note=" ".join(note.split())[:_LONGEST_NOTE],
        created_at=now,
        by_name=by_name[:64],
        version=1,
        retired_at=None,
    )
    made = connection.execute(row.on_conflict_do_nothing().returning(lists.c.id)).scalar_one_or_none()
    if made is None:
        raise ListTaken("Another list has this name. Nothing was kept; give it another name.", field="name")
    return get(connection, list_id)


def get(connection: Connection, list_id: str) -> DoNotCallList:
    """One list with how many numbers stand on it. Raises ListNotFound."""
    row = connection.execute(select(lists).where(lists.c.id == list_id)).mappings().one_or_none()
    if row is None:
        raise ListNotFound("There is no such do-not-call list. Nothing was changed.")
    return _list_from(row, _counts(connection, [list_id]).get(list_id, 0))


def change(
    connection: Connection,
    list_id: str,
    *,
    everywhere: bool | None = None,
    retired: bool | None = None,
    now: datetime,
) -> DoNotCallList:
    """Another flag, retired, or in use again. Raises ListNotFound."""
    before = get(connection, list_id)
    values = {
        "everywhere": before.everywhere if everywhere is None else everywhere,
        "retired_at": before.retired_at if retired is None else (now if retired else None),
        "version": lists.c.version + 1,
    }
    connection.execute(update(lists).where(lists.c.id == list_id).values(**values))
    return get(connection, list_id)


def every(connection: Connection, *, retired: bool = False) -> list[DoNotCallList]:
    """The lists by name; those of a house are few."""
    wanted = select(lists).order_by(lists.c.name)
    if not retired:
        wanted = wanted.where(lists.c.retired_at.is_(None))
    rows = list(connection.execute(wanted).mappings())
    counts = _counts(connection, [row["id"] for row in rows])
    return [_list_from(row, counts.get(row["id"], 0)) for row in rows]


def _counts(connection: Connection, list_ids: Collection[str]) -> dict[str, int]:
    counted = connection.execute(
        select(entries.c.list_id, func.count())
        .where(entries.c.list_id.in_(list(list_ids)), entries.c.holds.is_not(None))
        .group_by(entries.c.list_id)
    )
    return {row[0]: row[1] for row in counted}


def add(
    connection: Connection, list_id: str, *, number: str, reason: str, now: datetime, by_name: str
) -> bool:
    """Put a number on a list; again is harmless. True where it is new. Raises ListNotFound, BadListing."""
    get(connection, list_id)
    if not is_e164(number):
        raise BadListing("This is no whole telephone number. Nothing was kept.", field="number")
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = engine.insert(entries).values(
        id=new_id(now),
        list_id=list_id,
        number=number,
        reason=clean_entry_reason(reason),
        at=now,
        by_name=by_name[:64],
        removed_at=None,
        removed_by_name="",
        holds=f"{list_id} {number}",
    )
    new = connection.execute(row.on_conflict_do_nothing().returning(entries.c.id))
    return new.scalar_one_or_none() is not None


def entry_of(connection: Connection, entry_id: str) -> DoNotCallEntry | None:
    """One entry by its id."""
    row = connection.execute(select(entries).where(entries.c.id == entry_id)).mappings().one_or_none()
    return None if row is None else _entry_from(row)


def remove(connection: Connection, entry_id: str, *, now: datetime, by_name: str) -> bool:
    """Take a number off; the row stays as history. False where it was off."""
    gone = (
        update(entries)
        .where(entries.c.id == entry_id, entries.c.holds.is_not(None))
        .values(removed_at=now, removed_by_name=by_name[:64], holds=None)
    )
    return connection.execute(gone).rowcount == 1


def entries_of(
    connection: Connection, list_id: str, *, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[DoNotCallEntry]:
    """The numbers on a list, the latest first, behind a place."""
    wanted = select(entries).where(entries.c.list_id == list_id, entries.c.holds.is_not(None))
    if before is not None:
        at, last = before
        wanted = wanted.where(or_(entries.c.at < at, and_(entries.c.at == at, entries.c.id < last)))
    rows = connection.execute(wanted.order_by(entries.c.at.desc(), entries.c.id.desc()).limit(limit))
    return [_entry_from(row) for row in rows.mappings()]


def listings_of_many(
    connection: Connection, numbers: Sequence[str], *, named: Collection[str] = ()
) -> dict[str, list[Listing]]:
    """What forbids a contact with each number: lists that hold everywhere, and those a campaign names by id."""
    rows = connection.execute(
        select(entries.c.number, entries.c.list_id, lists.c.name, entries.c.reason, entries.c.at)
        .join(lists, lists.c.id == entries.c.list_id)
        .where(
            entries.c.number.in_(numbers),
            entries.c.holds.is_not(None),
            lists.c.retired_at.is_(None),
            or_(lists.c.everywhere.is_(True), lists.c.id.in_(list(named))),
        )
        .order_by(entries.c.at, entries.c.id)
    )
    found: dict[str, list[Listing]] = {}
    for row in rows:
        one = Listing(list_id=row.list_id, list_name=row.name, reason=row.reason, at=row.at)
        found.setdefault(row.number, []).append(one)
    return found
