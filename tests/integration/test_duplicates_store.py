"""Suspected duplicates: found when a record changes and by the pass over all, on both databases."""

from __future__ import annotations

import random
from datetime import datetime
from functools import partial

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, select

from crm.records.changes import Author
from crm.records.customers import CustomerNotFound
from crm.records.vehicles import Role
from storage import customers, duplicates, merging, vehicles
from storage.database import Database
from storage.tables.merging import duplicate_marks, duplicate_pairs
from telephony.numbers import E164

BY = Author(name="Supervisor Wu")
Pairs = set[tuple[str, str]]


def shown(database: Database) -> Pairs:
    return {(one.one_id, one.other_id) for one in database.read_now(duplicates.list_pairs)}


def look_around(database: Database, now: datetime) -> None:
    while database.write_now(lambda c: duplicates.look_at_marked(c, now)):
        pass


def pass_over_all(database: Database, now: datetime) -> duplicates.Step:
    step: duplicates.Step | None = duplicates.Step()
    last = duplicates.Step()
    steps = 0
    while step is not None:
        last = step
        pairs, step = database.read_now(partial(duplicates.scan, step=last))
        database.write_now(partial(duplicates.judge, pairs=pairs, now=now))
        steps += 1
        assert steps < 1000
    return last


def crowd(connection: Connection, clock: FrozenClock) -> Pairs:
    """People, some of them twice; returns who is."""
    rng = random.Random(5)
    now = clock.now()
    twice: Pairs = set()
    for n in range(60):
        name = rng.choice(["张伟", "李娜", "王芳", f"客户{n}"])
        number = E164(f"+8613{n:09d}")
        one = customers.add_customer(connection, name=name, now=now)
        customers.add_contact(connection, one.id, number, now)
        car = vehicles.add_vehicle(connection, now=now, plate=f"沪A{n:05d}")
        vehicles.add_person(connection, car.id, one.id, Role.OWNER, now)
        if n % 7:
            continue
        other = customers.add_customer(connection, name=name, now=now)
        match n % 3:
            case 0:
                customers.add_contact(connection, other.id, number, now)
            case 1:
                customers.add_contact(connection, other.id, E164(f"+8615{n:09d}"), now)
            case 2:
                vehicles.add_person(connection, car.id, other.id, Role.OWNER, now)
        twice.add((one.id, other.id))
    for _ in range(60):  # a switchboard: behind it are many, and none is another
        customers.add_contact(
            connection,
            customers.add_customer(connection, name="前台", now=now).id,
            E164("+862160000000"),
            now,
        )
    return twice


def test_found_when_records_change_and_by_the_pass(
    database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ways find the same pairs: those that are one, and no one of the switchboard's."""
    twice = database.write_now(lambda c: crowd(c, clock))
    look_around(database, clock.now())
    assert shown(database) == twice

    database.write_now(lambda c: c.execute(duplicate_pairs.delete()))
    monkeypatch.setattr(duplicates, "SHARE", 23)  # many shares, with groups over their ends
    done = pass_over_all(database, clock.now())
    assert shown(database) == twice
    assert done.sign == "name"
    assert done.looked_at > 200
    # Again changes nothing.
    pass_over_all(database, clock.now())
    assert shown(database) == twice


def test_said_to_be_different_stays_said(database: Database, clock: FrozenClock) -> None:
    def twins(connection: Connection) -> tuple[str, str]:
        ids = [customers.add_customer(connection, name="张伟", now=clock.now()).id for _ in range(2)]
        for one in ids:
            customers.add_contact(connection, one, E164("+8613800000001"), clock.now())
        return ids[0], ids[1]

    one, other = database.write_now(twins)
    look_around(database, clock.now())
    (pair,) = database.read_now(lambda c: duplicates.pairs_of(c, other))
    assert (pair.one_id, pair.other_id, pair.score) == (one, other, 85)
    said = database.write_now(
        lambda c: duplicates.say_different(c, other, one, by="Supervisor Wu", now=clock.now())
    )
    assert (said.state, said.decided_by) == ("different", "Supervisor Wu")
    database.write_now(lambda c: customers.change_customer(c, one, clock.now(), address="上海"))
    look_around(database, clock.now())
    pass_over_all(database, clock.now())
    assert shown(database) == set()
    with pytest.raises(duplicates.PairDecided, match="Supervisor Wu"):
        database.write_now(lambda c: duplicates.say_different(c, one, other, by="x", now=clock.now()))
    with pytest.raises(CustomerNotFound):
        database.write_now(lambda c: duplicates.say_different(c, one, one, by="x", now=clock.now()))


def test_what_no_sign_holds_up_any_more_goes(database: Database, clock: FrozenClock) -> None:
    twice = database.write_now(lambda c: crowd(c, clock))
    look_around(database, clock.now())
    one, other = min(twice)
    number = E164("+8613000000000")
    database.write_now(lambda c: customers.end_contact(c, other, number, clock.now()))
    database.write_now(lambda c: customers.change_customer(c, other, clock.now(), name="赵敏"))
    look_around(database, clock.now())
    assert shown(database) == twice - {(one, other)}


def test_a_merge_settles_its_pair_and_undo_says_they_are_two(database: Database, clock: FrozenClock) -> None:
    twice = database.write_now(lambda c: crowd(c, clock))
    look_around(database, clock.now())
    one, other = min(twice)
    made = database.write_now(lambda c: merging.merge(c, one, other, choices={}, by=BY, now=clock.now()))
    look_around(database, clock.now())
    assert shown(database) == twice - {(one, other)}
    database.write_now(lambda c: merging.undo(c, made.id, by=BY, now=clock.now()))
    look_around(database, clock.now())
    assert shown(database) == twice - {(one, other)}
    assert (
        database.read_now(lambda c: c.execute(select(func.count()).select_from(duplicate_marks)).scalar())
        == 0
    )
