"""Rating all customers again: a run is one row, read in shares by primary key and written in short transactions.

A share is read without the writer and written with it: what somebody changed in between is read once more, and
nothing is written for a run that was stopped or begun anew meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.records.changes import HOUSE, Author
from crm.records.classification import GRADES, ClassRules, classify
from crm.records.customers import ClassedBy
from crm.records.rating import (
    REASONS,
    NoRating,
    Rating,
    RatingState,
    RatingWhy,
    rating_from_json,
    rating_to_json,
)
from storage.changes import customer_subject, note_many
from storage.classes import facts_of_many, get_rules
from storage.tables.privacy import erasures
from storage.tables.records import customers, record_settings

_NAME: Final = "class_rating"
#: Customers a share looks at.
SHARE: Final = 400


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A customer whose grades the rules make other ones."""

    id: str
    version: int
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """What was found about the next customers of a run."""

    rating: Rating
    total: int
    #: The last of them; the next share begins behind it.
    last: str
    looked: int
    kept: int
    wanted: Sequence[Wanted]
    #: Nobody comes after them.
    ends: bool


def get(connection: Connection) -> Rating | None:
    """The run that goes on, or the last one; None before the first."""
    value = connection.execute(
        select(record_settings.c.value).where(record_settings.c.name == _NAME)
    ).scalar_one_or_none()
    return None if value is None else rating_from_json(value)


def begin(connection: Connection, why: RatingWhy, by: Author, now: datetime) -> Rating:
    """Begin at the first customer; a run that goes on is over with it."""
    rating = Rating(id=new_id(now), why=why, by=by, began_at=now, rules_version=get_rules(connection)[1])
    return _put(connection, rating, now)


def begin_night(connection: Connection, now: datetime) -> Rating | None:
    """Begin the nightly run; None where one goes on."""
    going = _locked(connection)
    if going is not None and going.state is RatingState.RUNNING:
        return None
    return begin(connection, RatingWhy.NIGHT, HOUSE, now)


def cancel(connection: Connection, by: Author, now: datetime) -> Rating:
    """Stop the run; what it has changed stays. Raises NoRating."""
    rating = _locked(connection)
    if rating is None or rating.state is not RatingState.RUNNING:
        raise NoRating("Nobody is being rated now. Nothing was changed.")
    stopped = replace(rating, state=RatingState.CANCELLED, ended_at=now, ended_by=by.name)
    return _put(connection, stopped, now)


def look(connection: Connection, today: date, *, most: int = SHARE) -> Share | None:
    """What the rules say of the next customers; None where no run goes on."""
    rating = get(connection)
    if rating is None or rating.state is not RatingState.RUNNING:
        return None
    total = rating.total
    if total is None:
        total = connection.execute(
            select(func.count()).select_from(customers).where(customers.c.merged_into.is_(None))
        ).scalar_one()
    rows = connection.execute(
        select(customers.c.id, customers.c.classed_by, customers.c.merged_into)
        .where(customers.c.id > rating.after)
        .order_by(customers.c.id)
        .limit(most)
    ).all()
    erased = _erased(connection, [row.id for row in rows])
    there = [row for row in rows if row.merged_into is None and row.id not in erased]
    ids = [row.id for row in there if row.classed_by == ClassedBy.RULE]
    return Share(
        rating=rating,
        total=total,
        last=rows[-1].id if rows else rating.after,
        looked=len(there),
        kept=len(there) - len(ids),
        wanted=_wanted(connection, ids, get_rules(connection)[0], today),
        ends=len(rows) < most,
    )


def keep(connection: Connection, share: Share, today: date, now: datetime) -> Rating | None:
    """Write a share, each changed field with its row in the register. None where the run is not at this place now."""
    rating = _locked(connection)
    if rating is None or rating != share.rating:
        return None
    wanted = _as_they_are(connection, share.wanted, today)
    if wanted:
        _write(connection, wanted, rating, now)
    moved = sum(one.before["customer_class"] != one.after["customer_class"] for one in wanted)
    done = replace(
        rating,
        total=max(share.total, rating.looked + share.looked),
        after=share.last,
        looked=rating.looked + share.looked,
        kept=rating.kept + share.kept,
        moved=rating.moved + moved,
        changed=rating.changed + len(wanted),
    )
    if share.ends:
        done = replace(done, state=RatingState.DONE, ended_at=now, total=done.looked)
    return _put(connection, done, now)


def _wanted(connection: Connection, ids: Collection[str], rules: ClassRules, today: date) -> list[Wanted]:
    """Those of these customers whose grades the rules make other ones."""
    if not ids:
        return []
    facts = facts_of_many(connection, list(ids), rules, today)
    rows = connection.execute(
        select(customers.c.id, customers.c.version, *(customers.c[name] for name in GRADES))
        .where(customers.c.id.in_(ids))
        .order_by(customers.c.id)
    ).mappings()
    found = []
    for row in rows:
        if row["id"] not in facts:
            continue
        before = {name: row[name] for name in GRADES}
        after = classify(facts[row["id"]], rules).grades()
        if before != after:
            found.append(Wanted(id=row["id"], version=row["version"], before=before, after=after))
    return found


def _erased(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of these whose person was erased: nothing is said of them any more."""
    return set(
        connection.execute(select(erasures.c.customer_id).where(erasures.c.customer_id.in_(ids))).scalars()
    )


def _as_they_are(connection: Connection, wanted: Sequence[Wanted], today: date) -> list[Wanted]:
    """The same, from the rows as they are now; nobody else changes them until the transaction ends."""
    if not wanted:
        return []
    rows = connection.execute(
        select(customers.c.id, customers.c.version)
        .where(
            customers.c.id.in_([one.id for one in wanted]),
            customers.c.classed_by == ClassedBy.RULE,
            customers.c.merged_into.is_(None),
        )
        .order_by(customers.c.id)
        .with_for_update()
    )
    erased = _erased(connection, [one.id for one in wanted])
    versions = {row.id: row.version for row in rows if row.id not in erased}
    same = [one for one in wanted if versions.get(one.id) == one.version]
    others = [id for id in versions if id not in {one.id for one in same}]
    return same + _wanted(connection, others, get_rules(connection)[0], today)


_SET: Final = (
    update(customers)
    .where(customers.c.id == bindparam("of_id"))
    .values(
        {name: bindparam(f"new_{name}") for name in (*GRADES, "version", "updated_at")},
    )
)


def _write(connection: Connection, wanted: Sequence[Wanted], rating: Rating, now: datetime) -> None:
    connection.execute(
        _SET,
        [
            {
                "of_id": one.id,
                "new_version": one.version + 1,
                "new_updated_at": now,
                **{f"new_{name}": value for name, value in one.after.items()},
            }
            for one in wanted
        ],
    )
    note_many(
        connection,
        [(customer_subject(one.id), one.before, one.after, one.version + 1) for one in wanted],
        rating.by,
        now,
        why=REASONS[rating.why],
    )


def _locked(connection: Connection) -> Rating | None:
    value = connection.execute(
        select(record_settings.c.value).where(record_settings.c.name == _NAME).with_for_update()
    ).scalar_one_or_none()
    return None if value is None else rating_from_json(value)


def _put(connection: Connection, rating: Rating, now: datetime) -> Rating:
    row: dict[str, Any] = {"value": rating_to_json(rating), "updated_at": now}
    again = (
        update(record_settings)
        .where(record_settings.c.name == _NAME)
        .values(version=record_settings.c.version + 1, **row)
    )
    if connection.execute(again).rowcount == 0:
        first = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(record_settings)
        made = first.values(name=_NAME, version=1, **row).on_conflict_do_nothing()
        if connection.execute(made).rowcount == 0:  # another process was first
            connection.execute(again)
    return rating
