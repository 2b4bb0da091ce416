"""Merging of two customers into one, and the way back.

The record that is given up stays as a pointer (`customers.merged_into`). Everything that names it goes over in
one transaction, each row written down in `merge_moves`; calls get a fact as well, so that a call built again
from its facts stays on the right record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update

from access.ids import new_id
from access.sentences import Sentence
from crm.records.changes import Author, as_text, refuse_stale
from crm.records.customers import CustomerNotFound
from crm.records.merging import (
    FIELDS,
    FieldPair,
    Merge,
    MergeNotFound,
    MergeRefused,
    NotRestored,
    Side,
    UndoRefused,
    check_choices,
    joined_notes,
    proposed,
)
from storage import calls as call_log
from storage import fields as own_fields
from storage import group_counts
from storage.changes import changes_since, customer_subject, note_change, note_changes
from storage.contact_rows import join_merged, part_unmerged
from storage.duplicate_marks import mark
from storage.merge_rows import Journal, add, change, move, named, pointers, restore
from storage.tables.calls import calls
from storage.tables.merging import duplicate_pairs, merge_moves, merges
from storage.tables.privacy import erasures
from storage.tables.records import customers, field_values
from storage.terms import index_names
from storage.told import tell_of_merge
from telephony.calls import CallId
from telephony.facts import Fact, FactKind, Source

#: Rows written to a merged record's id by somebody who had read it before are taken over for so long.
_STRAGGLE: Final = timedelta(days=2)


def current_id(connection: Connection, customer_id: str) -> str:
    """Who this id means now: itself, or the record it was merged into. Unknown ids mean themselves."""
    into = select(customers.c.merged_into).where(customers.c.id == customer_id)
    return connection.execute(into).scalar_one_or_none() or customer_id


def survivors_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, str]:
    """Those of these ids that were merged, each with the record it was merged into."""
    merged = select(customers.c.id, customers.c.merged_into).where(
        customers.c.id.in_(customer_ids), customers.c.merged_into.is_not(None)
    )
    return {row.id: row.merged_into for row in connection.execute(merged)}


def by_number(connection: Connection, number: str) -> str | None:
    """The id of the record a customer number leads to now, also a number that was merged away."""
    found = select(func.coalesce(customers.c.merged_into, customers.c.id)).where(customers.c.number == number)
    return connection.execute(found).scalar_one_or_none()


def names_of(connection: Connection, customer_id: str) -> list[str]:
    """The id and those of every record merged into it: whose history is his history."""
    merged = select(customers.c.id).where(customers.c.merged_into == customer_id).order_by(customers.c.id)
    return [customer_id, *connection.execute(merged).scalars()]


def side_by_side(connection: Connection, survivor_id: str, merged_id: str) -> list[FieldPair]:
    """Both records field by field, with whose value would be kept. Raises CustomerNotFound, MergeRefused."""
    rows = _both(connection, survivor_id, merged_id)
    survivor, merged = rows[survivor_id], rows[merged_id]
    pairs = [
        FieldPair(
            field=name,
            survivor=as_text(survivor[columns[0]]),
            merged=as_text(merged[columns[0]]),
            proposed=proposed(name, survivor[columns[0]], merged[columns[0]]),
        )
        for name, columns in FIELDS.items()
    ]
    values = _own_values(connection, survivor_id, merged_id)
    for one in own_fields.list_fields(connection):
        mine, other = values.get((survivor_id, one.id), ""), values.get((merged_id, one.id), "")
        if mine or other:
            side = proposed(one.key, mine, other)
            pairs.append(FieldPair(field=f"own.{one.key}", survivor=mine, merged=other, proposed=side))
    return pairs


def merge(
    connection: Connection,
    survivor_id: str,
    merged_id: str,
    *,
    choices: Mapping[str, str],
    by: Author,
    now: datetime,
    versions: tuple[int, int] | None = None,
) -> Merge:
    """Make one record of two. `versions` are those of survivor and merged as they were read (None: any).

    Raises CustomerNotFound, BadRecord, RecordChanged; MergeRefused where either was merged already.
    """
    held = group_counts.hold(connection, {survivor_id, merged_id})
    rows = _both(connection, survivor_id, merged_id, lock=True)
    survivor, merged = rows[survivor_id], rows[merged_id]
    own = {f"own.{one.key}": one for one in own_fields.list_fields(connection)}
    chosen = check_choices(choices, tuple(own))
    for row, version in zip((survivor, merged), versions or (), strict=False):
        if row["version"] != version:
            subject = customer_subject(row["id"])
            refuse_stale(subject, version, row["version"], changes_since(connection, subject, version))

    journal = Journal(new_id(now))
    connection.execute(
        insert(merges).values(
            id=journal.merge_id,
            survivor_id=survivor_id,
            merged_id=merged_id,
            at=now,
            by_id=by.id,
            by_name=by.name[:64],
            choices={name: side.value for name, side in chosen.items()},
            moved={},
        )
    )
    _merge_fields(connection, survivor, merged, chosen, journal, by, now)
    _merge_own(
        connection,
        survivor_id,
        merged_id,
        {own[name].id: side for name, side in chosen.items() if name in own},
        journal,
    )
    _move_all(connection, merged_id, survivor_id, journal, now)
    join_merged(connection, survivor_id, merged_id, journal, now)
    group_counts.settle(connection, held, now)
    change(connection, customers, merged, {"merged_into": survivor_id}, journal)
    connection.execute(
        update(customers)
        .where(customers.c.id == merged_id)
        .values(version=merged["version"] + 1, updated_at=now)
    )
    _decide_pairs(connection, survivor_id, merged_id, by, now)
    journal.write(connection)
    connection.execute(update(merges).where(merges.c.id == journal.merge_id).values(moved=journal.moved))
    mark(connection, [survivor_id])
    made = get_merge(connection, journal.merge_id)
    tell_of_merge(connection, made, by, now)
    return made


def _both(
    connection: Connection, survivor_id: str, merged_id: str, *, lock: bool = False
) -> dict[str, RowMapping]:
    """Both rows, locked in one order so that two merges at once wait for each other and do not deadlock."""
    if survivor_id == merged_id:
        raise MergeRefused("This is one and the same record. Nothing was merged.")
    wanted = select(customers).where(customers.c.id.in_([survivor_id, merged_id])).order_by(customers.c.id)
    found = connection.execute(wanted.with_for_update() if lock else wanted).mappings()
    rows = {row["id"]: row for row in found}
    if len(rows) != 2:
        raise CustomerNotFound("There is no such customer. Nothing was merged.")
    for row in rows.values():
        if row["merged_into"] is not None:
            into = connection.execute(
                select(customers.c.number).where(customers.c.id == row["merged_into"])
            ).scalar_one()
            raise MergeRefused(
                Sentence(
                    "The record {number} was merged into {into} already. Nothing was merged; look at {into}.",
                    number=row["number"],
                    into=into,
                )
            )
    erased = select(erasures.c.customer_id).where(erasures.c.customer_id.in_(rows))
    for gone in connection.execute(erased).scalars():
        raise MergeRefused(
            Sentence(
                "The person of the record {number} was erased: it is a shell. Nothing was merged; leave it as it is.",
                number=rows[gone]["number"],
            )
        )
    return rows


def _merge_fields(
    connection: Connection,
    survivor: RowMapping,
    merged: RowMapping,
    chosen: Mapping[str, Side],
    journal: Journal,
    by: Author,
    now: datetime,
) -> None:
    changes: dict[str, Any] = {}
    for name, columns in FIELDS.items():
        side = chosen.get(name) or proposed(name, survivor[columns[0]], merged[columns[0]])
        if side is Side.MERGED:
            changes |= {column: merged[column] for column in columns}
    changes["note"] = joined_notes(survivor["note"], merged["note"])
    change(connection, customers, survivor, changes, journal)
    version = survivor["version"] + 1
    connection.execute(
        update(customers).where(customers.c.id == survivor["id"]).values(version=version, updated_at=now)
    )
    if "name" in changes:
        index_names(connection, [changes["name"]])
    subject = customer_subject(survivor["id"])
    shown = {name: value for name, value in changes.items() if name != "name_key"}
    note_changes(
        connection,
        subject,
        {name: survivor[name] for name in shown},
        shown,
        by,
        now,
        version=version,
        why=f"merged {merged['number']}",
    )
    note_change(connection, subject, "merged", "", merged["number"], by, now, version=version)


def _own_values(connection: Connection, survivor_id: str, merged_id: str) -> dict[tuple[str, str], str]:
    rows = connection.execute(
        select(field_values).where(field_values.c.owner_id.in_([survivor_id, merged_id]))
    )
    return {(row.owner_id, row.field_id): row.value for row in rows}


def _merge_own(
    connection: Connection, survivor_id: str, merged_id: str, chosen: Mapping[str, Side], journal: Journal
) -> None:
    """Fields of the house's own: the pointer keeps its values, the survivor gets those it lacks or that were chosen."""
    values = _own_values(connection, survivor_id, merged_id)
    for (owner, field_id), value in values.items():
        if owner != merged_id:
            continue
        mine = values.get((survivor_id, field_id), "")
        if (chosen.get(field_id) or proposed("", mine, value)) is Side.SURVIVOR:
            continue
        row = {"owner_id": survivor_id, "field_id": field_id, "value": mine}
        if (survivor_id, field_id) in values:
            change(connection, field_values, row, {"value": value}, journal)
        else:
            add(connection, field_values, {**row, "value": value}, journal)


def _move_all(
    connection: Connection, merged_id: str, survivor_id: str, journal: Journal, now: datetime
) -> None:
    for pointer in pointers():
        rows = move(connection, pointer, merged_id, survivor_id, journal)
        if pointer.table is calls:
            _tell_calls(connection, rows, survivor_id, journal.merge_id, now)
    _one_primary(connection, survivor_id, journal)


def _one_primary(connection: Connection, survivor_id: str, journal: Journal) -> None:
    """Of two numbers to call first the one that was the survivor's stays; it is the older claim on the record."""
    table = next(one.table for one in pointers() if one.table.name == "contacts")
    first = connection.execute(
        select(table)
        .where(table.c.customer_id == survivor_id, table.c.is_primary, table.c.ended_at.is_(None))
        .order_by(table.c.since, table.c.number)
    ).mappings()
    came = {row["key"]["number"] for row in journal.rows_of("contacts") if row["after"] is not None}
    rows = sorted(first.all(), key=lambda row: row["number"] in came)
    for row in rows[1:]:
        change(connection, table, row, {"is_primary": False}, journal)


def call_fact(call_id: str, linkedid: str, how: str, customer_id: str, key: str, at: datetime) -> Fact:
    """What tells a call, live or over, whose it is now."""
    return Fact(
        source=Source.SERVICE,
        key=key,
        kind=FactKind.IDENTIFIED,
        at=at,
        linkedid=linkedid,
        uniqueid=linkedid,
        data={"customer_id": customer_id, "how": how or "merged"},
    )


def _tell_calls(
    connection: Connection, rows: Sequence[Mapping[Any, Any]], customer_id: str, key: str, now: datetime
) -> None:
    facts = [
        (
            CallId(row["id"]),
            call_fact(row["id"], row["linkedid"], row["explained"] or "", customer_id, f"merge:{key}", now),
        )
        for row in rows
    ]
    for start in range(0, len(facts), 500):
        call_log.add_facts(connection, facts[start : start + 500])


def _decide_pairs(
    connection: Connection, survivor_id: str, merged_id: str, by: Author, now: datetime
) -> None:
    """The pair is merged; the merged one's other suspicions are the survivor's to be found anew."""
    one, other = sorted((survivor_id, merged_id))
    pair = duplicate_pairs.c
    connection.execute(
        update(duplicate_pairs)
        .where(pair.one_id == one, pair.other_id == other)
        .values(state="merged", decided_at=now, decided_by=by.name[:64])
    )
    connection.execute(
        update(duplicate_pairs)
        .where(or_(pair.one_id == merged_id, pair.other_id == merged_id), pair.state == "suspected")
        .values(state="merged", decided_at=now, decided_by=by.name[:64])
    )


# -- the way back -------------------------------------------------------------------------------------


def get_merge(connection: Connection, merge_id: str) -> Merge:
    """One merge. Raises MergeNotFound."""
    row = connection.execute(select(merges).where(merges.c.id == merge_id)).mappings().one_or_none()
    if row is None:
        raise MergeNotFound("There is no such merge.")
    return _merge_from(row)


def merges_of(
    connection: Connection, customer_id: str = "", *, before: str = "", limit: int = 50
) -> list[Merge]:
    """Merges newest first, of one record or of all; `before` is the id of the last one seen."""
    wanted = select(merges).order_by(merges.c.id.desc()).limit(min(max(limit, 1), 200))
    if customer_id:
        wanted = wanted.where(or_(merges.c.survivor_id == customer_id, merges.c.merged_id == customer_id))
    if before:
        wanted = wanted.where(merges.c.id < before)
    return [_merge_from(row) for row in connection.execute(wanted).mappings()]


def _merge_from(row: RowMapping) -> Merge:
    return Merge(
        id=row["id"],
        survivor_id=row["survivor_id"],
        merged_id=row["merged_id"],
        at=row["at"],
        by_name=row["by_name"],
        choices=row["choices"],
        moved=row["moved"],
        undone_at=row["undone_at"],
        undone_by=row["undone_by"],
        not_restored=[NotRestored(**one) for one in row["not_restored"] or ()],
    )


def undo(connection: Connection, merge_id: str, *, by: Author, now: datetime) -> Merge:
    """Put everything back where it was; what changed since stays as it is and is told.

    Raises MergeNotFound, UndoRefused.
    """
    found = (
        connection.execute(select(merges).where(merges.c.id == merge_id).with_for_update())
        .mappings()
        .one_or_none()
    )
    if found is None:
        raise MergeNotFound("There is no such merge.")
    made = _merge_from(found)
    if made.undone_at is not None:
        raise UndoRefused(
            Sentence("This merge was undone already by {holder}. Nothing was changed.", holder=made.undone_by)
        )
    later = connection.execute(
        select(merges.c.id)
        .where(
            merges.c.id > merge_id,
            merges.c.undone_at.is_(None),
            or_(
                merges.c.survivor_id.in_([made.survivor_id, made.merged_id]),
                merges.c.merged_id.in_([made.survivor_id, made.merged_id]),
            ),
        )
        .limit(1)
    ).scalar_one_or_none()
    if later is not None:
        raise UndoRefused(
            "One of these records was merged again later; undo that first, the last one first. Nothing was changed."
        )
    held = group_counts.hold(connection, {made.survivor_id, made.merged_id})
    locked = select(customers).where(customers.c.id.in_([made.survivor_id, made.merged_id]))
    rows = {
        row["id"]: row
        for row in connection.execute(locked.order_by(customers.c.id).with_for_update()).mappings()
    }
    theirs = connection.execute(select(calls).where(calls.c.customer_id == made.survivor_id)).mappings().all()
    left = restore(connection, merge_id)
    part_unmerged(connection, [made.survivor_id, made.merged_id], now)
    group_counts.settle(connection, held, now)
    back = set(connection.execute(select(calls.c.id).where(calls.c.customer_id == made.merged_id)).scalars())
    returned = [row for row in theirs if row["id"] in back]
    _tell_calls(connection, returned, made.merged_id, f"{merge_id}:undone", now)
    fresh = sum(1 for row in theirs if row["id"] not in back and row["started_at"] > made.at)
    if fresh:
        left.append(NotRestored(what="calls", why="new", count=fresh))
    for row in rows.values():
        connection.execute(
            update(customers)
            .where(customers.c.id == row["id"])
            .values(version=row["version"] + 1, updated_at=now)
        )
        note_change(
            connection,
            customer_subject(row["id"]),
            "merge_undone",
            rows[made.merged_id]["number"],
            "",
            by,
            now,
            version=row["version"] + 1,
        )
    names = select(customers.c.name).where(customers.c.id.in_(list(rows)))
    index_names(connection, connection.execute(names).scalars())
    connection.execute(
        update(merges)
        .where(merges.c.id == merge_id)
        .values(undone_at=now, undone_by=by.name[:64], not_restored=[asdict(one) for one in left])
    )
    one, other = sorted((made.survivor_id, made.merged_id))
    connection.execute(
        update(duplicate_pairs)
        .where(duplicate_pairs.c.one_id == one, duplicate_pairs.c.other_id == other)
        .values(state="different", decided_at=now, decided_by=by.name[:64])
    )
    mark(connection, [made.survivor_id, made.merged_id])
    undone = get_merge(connection, merge_id)
    tell_of_merge(connection, undone, by, now)
    return undone


def with_stragglers(connection: Connection, now: datetime) -> list[str]:
    """Merges of the last days whose merged record is named by some row again, the oldest first. Reads only."""
    recent = select(merges.c.id, merges.c.merged_id).where(
        merges.c.at > now - _STRAGGLE, merges.c.undone_at.is_(None)
    )
    merge_of = {row.merged_id: row.id for row in connection.execute(recent)}
    merged = sorted(merge_of)
    found: set[str] = set()
    for start in range(0, len(merged), 500):
        found |= named(connection, merged[start : start + 500])
    return sorted(merge_of[one] for one in found)


def gather_stragglers(connection: Connection, merge_id: str, now: datetime) -> int:
    """Take over what somebody who had read the merged record before wrote to it since; returns how many rows.

    It joins the merge's journal, so that an undo gives it back as well. A merge that was undone meanwhile is
    left alone: the lock on its row lets an undo come before or after, never between.
    """
    wanted = select(merges).where(merges.c.id == merge_id, merges.c.undone_at.is_(None)).with_for_update()
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        return 0
    survivor = current_id(connection, row["merged_id"])
    if survivor == row["merged_id"]:
        return 0
    held = group_counts.hold(connection, {row["merged_id"], survivor})
    journal = Journal(merge_id, place=_next_place(connection, merge_id))
    _move_all(connection, row["merged_id"], survivor, journal, now)
    group_counts.settle(connection, held, now)
    journal.write(connection)
    return sum(journal.moved.values())


def _next_place(connection: Connection, merge_id: str) -> int:
    last = select(func.max(merge_moves.c.place)).where(merge_moves.c.merge_id == merge_id)
    found = connection.execute(last).scalar_one()
    return 0 if found is None else int(found) + 1
