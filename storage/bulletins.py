"""Bulletins: rows, and who has read which words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, func, insert, or_, select, update

from access.ids import new_id
from access.permissions import TAKES_CALLS
from access.sentences import Sentence
from crm.bulletins import (
    Board,
    Bulletin,
    BulletinChanged,
    BulletinNotFound,
    BulletinPage,
    BulletinState,
    Reader,
    check,
)
from storage.definitions import inserting
from storage.tables.access import users
from storage.tables.bulletins import bulletin_reads, bulletins
from telephony.call_lists import BadCursor

#: Those who read while nothing rings; more than these at once nobody reads.
MOST_SHOWN: Final = 20


def _bulletin(row: RowMapping) -> Bulletin:
    return Bulletin(**{column.name: row[column] for column in bulletins.c})


def get(connection: Connection, bulletin_id: str) -> Bulletin:
    """One bulletin. Raises BulletinNotFound."""
    row = connection.execute(select(bulletins).where(bulletins.c.id == bulletin_id)).mappings().first()
    if row is None:
        raise BulletinNotFound("There is no such bulletin.")
    return _bulletin(row)


def _seen_by(user_id: str | None) -> Select[Any]:
    """Every bulletin, with when this user read its words."""
    mine = and_(
        bulletin_reads.c.bulletin_id == bulletins.c.id,
        bulletin_reads.c.user_id == user_id,
        bulletin_reads.c.version >= bulletins.c.words_version,
    )
    return select(bulletins, bulletin_reads.c.at).outerjoin(bulletin_reads, mine)


def shown(connection: Connection, user_id: str | None, now: datetime) -> list[Board]:
    """What is shown now, what this user has not read first, then the newest."""
    rows = connection.execute(
        _seen_by(user_id)
        .where(bulletins.c.ends_at > now, bulletins.c.begins_at <= now)
        .order_by(bulletin_reads.c.at.is_not(None), bulletins.c.begins_at.desc(), bulletins.c.id.desc())
        .limit(MOST_SHOWN)
    ).mappings()
    return [Board(bulletin=_bulletin(row), read_at=row[bulletin_reads.c.at]) for row in rows]


def listed(
    connection: Connection,
    user_id: str | None,
    *,
    state: BulletinState | None,
    now: datetime,
    cursor: str | None,
    limit: int,
) -> BulletinPage:
    """Bulletins by their end, the latest first, with how many have read them. Raises BadCursor."""
    statement = _seen_by(user_id)
    if state is BulletinState.OVER:
        statement = statement.where(bulletins.c.ends_at <= now)
    elif state is not None:
        begun = bulletins.c.begins_at <= now
        statement = statement.where(
            bulletins.c.ends_at > now, begun if state is BulletinState.SHOWN else ~begun
        )
    if cursor:
        moment, last = _place(cursor)
        statement = statement.where(
            or_(
                bulletins.c.ends_at < moment,
                and_(bulletins.c.ends_at == moment, bulletins.c.id < last),
            )
        )
    rows = (
        connection.execute(
            statement.order_by(bulletins.c.ends_at.desc(), bulletins.c.id.desc()).limit(limit + 1)
        )
        .mappings()
        .all()
    )
    kept = rows[:limit]
    counted = _counts(connection, [row[bulletins.c.id] for row in kept])
    meant = connection.execute(select(func.count()).select_from(users).where(_reads())).scalar_one()
    items = [
        Board(
            bulletin=_bulletin(row),
            read_at=row[bulletin_reads.c.at],
            read=counted.get(row[bulletins.c.id], 0),
            readers=meant,
        )
        for row in kept
    ]
    last_one = items[-1].bulletin if len(rows) > limit else None
    following = f"{last_one.ends_at.isoformat()}~{last_one.id}" if last_one else None
    return BulletinPage(items=items, next=following)


def _place(cursor: str) -> tuple[datetime, str]:
    at, _, last = cursor.partition("~")
    try:
        return datetime.fromisoformat(at).astimezone(UTC), last
    except (ValueError, OverflowError) as error:
        raise BadCursor("This place in the list cannot be read. Start from the first page.") from error


def _reads() -> ColumnElement[bool]:
    """Those bulletins are for: who takes calls and may sign in."""
    return and_(users.c.role.in_(sorted(TAKES_CALLS)), users.c.active.is_(True))


def _counts(connection: Connection, ids: list[str]) -> Mapping[str, int]:
    if not ids:
        return {}
    rows = connection.execute(
        select(bulletin_reads.c.bulletin_id, func.count())
        .join(bulletins, bulletins.c.id == bulletin_reads.c.bulletin_id)
        .join(users, users.c.id == bulletin_reads.c.user_id)
        .where(
            bulletin_reads.c.bulletin_id.in_(ids),
            bulletin_reads.c.version >= bulletins.c.words_version,
            _reads(),
        )
        .group_by(bulletin_reads.c.bulletin_id)
    )
    return {row[0]: row[1] for row in rows}


def readers(connection: Connection, bulletin_id: str) -> list[Reader]:
    """Those it is for: who has not read it first. Raises BulletinNotFound."""
    found = get(connection, bulletin_id)
    rows = connection.execute(
        select(users.c.id, users.c.name, bulletin_reads.c.at)
        .outerjoin(
            bulletin_reads,
            and_(
                bulletin_reads.c.user_id == users.c.id,
                bulletin_reads.c.bulletin_id == found.id,
                bulletin_reads.c.version >= found.words_version,
            ),
        )
        .where(_reads())
        .order_by(bulletin_reads.c.at.is_not(None), users.c.name, users.c.id)
        .limit(1000)
    )
    return [Reader(user_id=row.id, name=row.name, read_at=row.at) for row in rows]


def add(
    connection: Connection,
    *,
    words: Mapping[str, str],
    begins_at: datetime,
    ends_at: datetime,
    now: datetime,
    by: str | None,
    by_name: str,
) -> Bulletin:
    """A new bulletin. Raises BadBulletin."""
    made = Bulletin(
        id=new_id(now),
        words=check(words, begins_at, ends_at),
        begins_at=begins_at,
        ends_at=ends_at,
        version=1,
        words_version=1,
        created_at=now,
        written_by=by,
        written_by_name=by_name,
        changed_at=now,
        changed_by_name=by_name,
    )
    connection.execute(
        insert(bulletins).values({column.name: getattr(made, column.name) for column in bulletins.c})
    )
    return made


def change(
    connection: Connection,
    bulletin_id: str,
    *,
    based_on: int,
    words: Mapping[str, str],
    begins_at: datetime,
    ends_at: datetime,
    now: datetime,
    by_name: str,
) -> Bulletin:
    """Other words or another time. Raises BulletinNotFound, BulletinChanged, BadBulletin."""
    kept = check(words, begins_at, ends_at)
    before = get(connection, bulletin_id)
    version = based_on + 1
    return _saved(
        connection,
        before,
        based_on,
        words=kept,
        begins_at=begins_at,
        ends_at=ends_at,
        version=version,
        words_version=version if kept != before.words else before.words_version,
        withdrawn_at=None,
        changed_at=now,
        changed_by_name=by_name,
    )


def withdraw(
    connection: Connection, bulletin_id: str, *, based_on: int, now: datetime, by_name: str
) -> Bulletin:
    """Show it no more. Raises BulletinNotFound, BulletinChanged."""
    before = get(connection, bulletin_id)
    return _saved(
        connection,
        before,
        based_on,
        version=based_on + 1,
        ends_at=min(before.ends_at, now),
        withdrawn_at=now,
        changed_at=now,
        changed_by_name=by_name,
    )


def _saved(connection: Connection, before: Bulletin, based_on: int, **values: object) -> Bulletin:
    statement = update(bulletins).where(bulletins.c.id == before.id, bulletins.c.version == based_on)
    if connection.execute(statement.values(**values)).rowcount == 0:
        there = get(connection, before.id)
        raise BulletinChanged(
            Sentence(
                "{holder} has changed this bulletin meanwhile. Nothing was saved; look at it first.",
                holder=there.changed_by_name,
            ),
            holder=there.changed_by_name,
        )
    return get(connection, before.id)


def mark_read(connection: Connection, bulletin_id: str, user_id: str, version: int, now: datetime) -> None:
    """This user has read the words of this version; said again, the first time stays.

    Raises BulletinNotFound, and BulletinChanged where there are other words by now.
    """
    found = get(connection, bulletin_id)
    if found.state(now) is not BulletinState.SHOWN:
        raise BulletinNotFound("This bulletin is not shown now.")
    if version < found.words_version:
        raise BulletinChanged(
            Sentence(
                "{holder} has changed the words of this bulletin meanwhile. Read them first.",
                holder=found.changed_by_name,
            ),
            holder=found.changed_by_name,
        )
    read = min(version, found.version)
    values = {"bulletin_id": found.id, "user_id": user_id, "version": read, "at": now}
    statement = inserting(connection, bulletin_reads).values(**values)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["bulletin_id", "user_id"],
            set_={"version": statement.excluded.version, "at": statement.excluded.at},
            where=bulletin_reads.c.version < found.words_version,
        )
    )
