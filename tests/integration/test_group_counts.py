"""How many are in a group of people put in: exact whatever changes who is in it, on both databases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, insert, select

from access.permissions import Role
from access.users import Principal, Via
from crm.groups.groups import Group, GroupKind
from crm.records.changes import Author
from storage import customers, erasure, group_counts, groups, merging, traces
from storage.database import Database, StorageUnavailable
from storage.tables.groups import group_members

BY = Author(name="Supervisor Wu")
WU = Principal(role=Role.SUPERVISOR, via=Via.COMMAND, name="Supervisor Wu")
ZONE = ZoneInfo("Asia/Shanghai")


def made(database: Database, clock: FrozenClock, people: int) -> tuple[str, list[str]]:
    """A group, and people who are in none."""

    def work(connection: Connection) -> tuple[str, list[str]]:
        now = clock.now()
        group = groups.add_group(connection, name="VIP", kind=GroupKind.STATIC, now=now, by=WU)
        return group.id, [
            customers.add_customer(connection, name=f"客户{number}", now=now).id for number in range(people)
        ]

    return database.write_now(work)


def counts(database: Database, group_id: str) -> tuple[int | None, int]:
    """What the group says, and how many there are."""
    rows = select(func.count()).where(group_members.c.group_id == group_id)
    return database.read_now(
        lambda c: (groups.get_group(c, group_id).counted, int(c.execute(rows).scalar_one()))
    )


def put(database: Database, clock: FrozenClock, group_id: str, *ids: str) -> int:
    return database.write_now(lambda c: groups.put_in(c, group_id, ids, by="", now=clock.now()))


@pytest.fixture
def uncounted(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nothing may be counted one by one, as in a group of a million."""

    def forbid() -> None:
        def refuse(_connection: Connection, _group_id: str) -> int:
            raise AssertionError("everybody was counted")

        monkeypatch.setattr(group_counts, "count_rows", refuse)

    return forbid


def test_merges_and_erasures_change_the_count_in_their_own_transaction(
    database: Database, clock: FrozenClock, uncounted: Callable[[], None]
) -> None:
    group_id, (a, b, c, d) = made(database, clock, 4)
    assert put(database, clock, group_id, a, b, c) == 3
    uncounted()
    assert put(database, clock, group_id, c, d) == 1
    assert counts(database, group_id) == (4, 4)

    merge = database.write_now(lambda con: merging.merge(con, a, b, choices={}, by=BY, now=clock.now()))
    assert counts(database, group_id) == (3, 3)
    # Somebody who had read the merged record before, and whose row is taken over: he is in already.
    late = insert(group_members).values(
        group_id=group_id, customer_id=b, added_at=clock.now(), added_by="", source="hand"
    )

    def unaware(connection: Connection) -> None:
        connection.execute(late)
        group_counts.change(connection, group_id, 1, clock.now())

    database.write_now(unaware)
    assert counts(database, group_id) == (4, 4)
    assert database.write_now(lambda con: merging.gather_stragglers(con, merge.id, clock.now())) == 1
    assert counts(database, group_id) == (3, 3)

    clock.advance(60)
    database.write_now(lambda con: merging.undo(con, merge.id, by=BY, now=clock.now()))
    assert counts(database, group_id) == (4, 4)

    found = database.read_now(lambda con: traces.scan(con, traces.person_of(con, c)))
    database.write_now(
        lambda con: erasure.erase(con, c, found=found, pseudonym="XABCDEFGHJKMN", now=clock.now())
    )
    assert counts(database, group_id) == (3, 3)
    assert database.write_now(lambda con: groups.take_out(con, group_id, [a, c], clock.now())) == 1
    assert counts(database, group_id) == (2, 2)


def test_a_count_that_people_came_into_is_not_kept(database: Database, clock: FrozenClock) -> None:
    """Counted beside the writer: who comes before it is written down is not lost again."""
    group_id, people = made(database, clock, 3)
    put(database, clock, group_id, *people[:2])

    def count(connection: Connection) -> tuple[Group, int]:
        group = groups.get_group(connection, group_id)
        return group, groups.count_group(connection, group, clock.now(), ZONE)

    group, counted = database.read_now(count)
    assert counted == 2
    put(database, clock, group_id, people[2])
    database.write_now(lambda c: groups.keep_count(c, group, counted, clock.now()))
    assert counts(database, group_id) == (3, 3)
    frozen = database.write_now(
        lambda c: groups.begin_freeze(c, group, purpose="x", by="", now=clock.now(), language="en")
    )
    database.write_now(lambda c: groups.add_frozen(c, frozen, people[:1]))
    database.write_now(lambda c: groups.complete_freeze(c, group, frozen, clock.now()))
    assert counts(database, group_id) == (3, 3)


def test_the_count_holds_where_all_happens_at_once(
    database_url: str, open_database: Callable[..., Database], clock: FrozenClock
) -> None:
    """People put in and taken out while records are merged: whoever waits, nothing is counted twice or lost."""
    database = open_database(database_url)
    group_id, people = made(database, clock, 24)
    put(database, clock, group_id, *people[:12])
    pairs = list(zip(people[:12:2], people[1:12:2], strict=True))

    def attempt(step: int) -> None:
        def work(connection: Connection) -> None:
            match step % 3:
                case 0:
                    one, other = pairs[step // 3]
                    merging.merge(connection, one, other, choices={}, by=BY, now=clock.now())
                case 1:
                    some = [people[step // 3 * 2 + 1], people[12 + step // 3]]
                    groups.put_in(connection, group_id, some, by="", now=clock.now())
                case _:
                    groups.take_out(connection, group_id, [people[step // 3 * 2]], clock.now())

        for _ in range(20):
            try:
                return database.write_now(work)
            except StorageUnavailable:  # two that waited for each other: nothing was written
                continue
        raise AssertionError("never its turn")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(attempt, range(18)))
    said, there = counts(database, group_id)
    assert said == there
