"""How many are in a group of people put in: kept exact in the transaction that changes who is in it.

Putting in and taking out hold the group's row and know how many came or went (`storage.groups`). A merge, its
undoing and an erasure change who is in groups by the way: they `hold` first and `settle` last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from storage.tables.groups import group_members, groups
from storage.tables.records import customers


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Some people, and how many of them each group had."""

    customer_ids: tuple[str, ...]
    before: Mapping[str, int]


def hold(connection: Connection, customer_ids: Collection[str]) -> Held:
    """Let nobody else change in which groups these people are until this transaction ends.

    Groups before customers, as who puts people in takes them, so that neither waits for the other in a ring; and
    once more, for a group they came into between the two.
    """
    ids = tuple(sorted(customer_ids))
    _lock_groups(connection, _counts(connection, ids))
    people = select(customers.c.id).where(customers.c.id.in_(ids)).order_by(customers.c.id)
    connection.execute(people.with_for_update()).all()
    _lock_groups(connection, _counts(connection, ids))
    return Held(customer_ids=ids, before=_counts(connection, ids))


def settle(connection: Connection, held: Held, now: datetime) -> None:
    """Add up what has come and gone since `hold`."""
    after = _counts(connection, held.customer_ids)
    for group_id in sorted({*held.before, *after}):
        change(connection, group_id, after.get(group_id, 0) - held.before.get(group_id, 0), now)


def change(connection: Connection, group_id: str, by: int, now: datetime) -> None:
    """So many more or fewer are in a group. One that was never counted is counted by `count_rows`."""
    if by:
        connection.execute(
            update(groups)
            .where(groups.c.id == group_id, groups.c.counted.is_not(None))
            .values(counted=groups.c.counted + by, counted_at=now)
        )


def count_rows(connection: Connection, group_id: str) -> int:
    """How many were put into a group, counted one by one."""
    counted = select(func.count()).where(group_members.c.group_id == group_id)
    return int(connection.execute(counted).scalar_one())


def _counts(connection: Connection, customer_ids: Collection[str]) -> dict[str, int]:
    found = (
        select(group_members.c.group_id, func.count())
        .where(group_members.c.customer_id.in_(customer_ids))
        .group_by(group_members.c.group_id)
    )
    return {row[0]: row[1] for row in connection.execute(found)}


def _lock_groups(connection: Connection, group_ids: Collection[str]) -> None:
    if group_ids:
        wanted = select(groups.c.id).where(groups.c.id.in_(sorted(group_ids))).order_by(groups.c.id)
        connection.execute(wanted.with_for_update()).all()
