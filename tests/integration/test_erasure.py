"""C07: a person is erased in every table, on both databases; counts, other people and proofs stay.

The world is made from the tables themselves: every table gets a row about the person with his name and number in
every text. A table that comes tomorrow is in it by itself.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from fixtures_erasure import (
    HOUSE,
    NAME,
    NUMBER,
    OTHER_NAME,
    OTHER_NUMBER,
    PLATE,
    VIN,
    World,
    dump,
    erase,
)
from fixtures_storage import FrozenClock
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Connection,
    event,
    select,
)

from access.ids import new_id
from access.permissions import Role
from access.privacy import RequestKind
from access.users import User
from crm.records.changes import Author
from crm.records.merging import MergeRefused
from storage import (
    customers,
    erasure,
    matching,
    merge_rows,
    merging,
    privacy_requests,
    restored,
    tasks,
    traces,
    users,
)
from storage.database import Database
from storage.tables import metadata
from telephony.numbers import E164


def test_c07_nothing_in_any_table_names_an_erased_person(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    before = database.read_now(dump)
    person = database.read_now(lambda connection: traces.person_of(connection, world.person))
    counted = {name: text.count("\n") + bool(text) for name, text in before.items()}
    done = erase(database, world.person, clock)
    after = database.read_now(dump)
    for name, text in after.items():
        if name in HOUSE:
            continue
        for trace in (NAME, "13812345678", "138 1234 5678", "138-1234-5678", "87654321831", PLATE, VIN):
            assert trace not in text, f"{name} still says {trace}: {text[:400]}"
    assert database.read_now(lambda connection: erasure.prove(connection, person)) == 0
    stays = {
        name for name in counted if name not in erasure._GONE and name not in ("search_terms", "erasures")
    }
    for name in stays - {"phone_numbers"}:
        assert after[name].count("\n") + bool(after[name]) == counted[name], (
            f"{name} lost a row: counts must stay"
        )
    assert OTHER_NAME in after["customers"]
    assert OTHER_NUMBER in after["contacts"]
    assert "XABCDEFGHJKMN" in after["calls"], "the call log keeps who called again, without saying who it was"
    assert "kept_code" in after["registration_versions"]
    assert done.counts["calls"] == 1


@pytest.mark.parametrize("also", ["", "欧阳密语言"])
def test_c07_what_people_wrote_about_the_erasing_goes_too(
    database: Database, clock: FrozenClock, also: str
) -> None:
    """Requests, released holds and groups of queries are the house's own, but people write names into them."""
    now = clock.now()

    def set_up(connection: Connection) -> tuple[str, str]:
        person = customers.add_customer(connection, name=NAME, now=now)
        customers.add_contact(connection, person.id, E164(NUMBER), now, primary=True)
        if also:  # somebody else is called so: a query for that name may be meant for him
            customers.add_customer(connection, name=also, now=now)
        boss = new_id(now)
        manager = User(
            id=boss,
            login="boss",
            name="经理",
            role=Role.MANAGER,
            language="zh-CN",
            theme="auto",
            created_at=now,
        )
        users.insert_user(connection, manager, password_hash="-")
        asked = privacy_requests.ask(
            connection,
            id=new_id(now),
            kind=RequestKind.ERASE,
            customer_id=person.id,
            asked_by=boss,
            identity=f"身份证 {NAME} 310101199001010011",
            reason="本人来电 138-1234-5678",
            now=now,
        )
        other = customers.add_customer(connection, name=OTHER_NAME, now=now)
        privacy_requests.ask(
            connection,
            id=new_id(now),
            kind=RequestKind.EXPORT,
            customer_id=other.id,
            asked_by=boss,
            identity="护照",
            reason=f"请发到 {NUMBER}",
            now=now,
        )
        hold = new_id(now)
        erasure.place_hold(
            connection, id=hold, customer_id=person.id, reason=f"{NAME} 诉讼", by="经理", now=now
        )
        erasure.release_hold(connection, hold, reason=f"{NAME} 撤诉", by="经理", now=now)
        for name, query in (
            (f"{NAME}一家", {"field": "name", "op": "contains", "value": NAME}),
            ("号码", {"all": [{"field": "note", "op": "contains", "value": "13812345678"}]}),
            ("别的", {"field": "name", "op": "contains", "value": "王"}),
        ):
            connection.execute(
                metadata.tables["groups"]
                .insert()
                .values(
                    id=new_id(now),
                    name=name,
                    name_key=name,
                    kind="dynamic",
                    note="",
                    query=query,
                    query_version=1,
                    version=1,
                    created_at=now,
                    updated_at=now,
                )
            )
        return person.id, asked.id

    person_id, asked_id = database.write_now(set_up)
    person = database.read_now(lambda connection: traces.person_of(connection, person_id))
    assert database.read_now(lambda connection: erasure.prove(connection, person)) > 0
    erase(database, person_id, clock)
    assert database.read_now(lambda connection: erasure.prove(connection, person)) == 0
    after = database.read_now(dump)
    for name in ("privacy_requests", "holds"):
        assert not [one for one in (NAME, NUMBER, "138-1234-5678", "310101") if one in after[name]], after[
            name
        ]
    assert "护照" in after["privacy_requests"], "words about another person stay"
    assert "经理" in after["holds"], "who placed and released it is the proof"
    asked = database.read_now(lambda connection: privacy_requests.get(connection, asked_id))
    assert (asked.identity, asked.reason, asked.note) == ("", "", "")
    assert "13812345678" not in after["groups"]
    assert (NAME in after["groups"]) == bool(also), "who else goes by the name may be meant by the query"
    groups = metadata.tables["groups"].c
    versions = database.read_now(
        lambda connection: connection.execute(select(groups.query, groups.version)).all()
    )
    for query, version in versions:
        assert (version == 1) == (str(query).find("王") > 0 or (bool(also) and NAME in str(query))), query


def test_c07_recordings_and_messages_are_marked_to_go(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    erase(database, world.person, clock)
    rows = database.read_now(
        lambda connection: connection.execute(select(metadata.tables["recordings"].c.state)).scalars().all()
    )
    assert list(rows) == ["deleting"]


@pytest.mark.parametrize("where", ["customer", "recording"])
def test_c07_a_hold_refuses_with_its_reason(database: Database, clock: FrozenClock, where: str) -> None:
    world = database.write_now(lambda connection: World(connection, clock))

    def hold(connection: Connection) -> None:
        if where == "customer":
            erasure.place_hold(
                connection,
                id=new_id(clock.now()),
                customer_id=world.person,
                reason="诉讼中",
                by="m",
                now=clock.now(),
            )
        else:
            table = metadata.tables["recordings"]
            connection.execute(table.update().values(hold=True))

    database.write_now(hold)
    before = database.read_now(dump)
    with pytest.raises(erasure.OnHold, match="诉讼中" if where == "customer" else "legal hold"):
        erase(database, world.person, clock)
    assert database.read_now(dump) == before, "nothing was changed"


def test_c07_a_call_that_goes_on_refuses(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    table = metadata.tables["calls"]
    database.write_now(lambda connection: connection.execute(table.update().values(ended_at=None)))
    with pytest.raises(erasure.CallGoingOn):
        erase(database, world.person, clock)


def test_c07_a_number_of_another_person_stays_his(database: Database, clock: FrozenClock) -> None:
    """A family's number: the other record keeps it, and its own calls; the erased person's calls lose it."""

    def work(connection: Connection) -> tuple[str, str]:
        one = customers.add_customer(connection, name=NAME, now=clock.now())
        two = customers.add_customer(connection, name=OTHER_NAME, now=clock.now())
        for customer in (one, two):
            customers.add_contact(connection, customer.id, E164(NUMBER), clock.now())
        return one.id, two.id

    one, two = database.write_now(work)
    done = erase(database, one, clock)
    assert done.shared == 1
    left = database.read_now(lambda connection: matching.find_by_number(connection, E164(NUMBER)))
    assert two in str(left)
    assert one not in str(left)


def test_c07_what_is_owed_is_shown_first(database: Database, clock: FrozenClock) -> None:
    def work(connection: Connection) -> list[tuple[str, str, Any]]:
        person = customers.add_customer(connection, name=NAME, now=clock.now())
        tasks.add_task(
            connection,
            kind=tasks.TaskKind.CALLBACK,
            occasion="o",
            now=clock.now(),
            due_at=clock.now() + timedelta(hours=1),
            customer_id=person.id,
        )
        return erasure.obligations(connection, traces.person_of(connection, person.id))

    owed = database.write_now(work)
    assert [kind for kind, _id, _due in owed] == ["task:callback"]


def test_c07_everything_about_a_person_is_handed_out(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    out = database.read_now(
        lambda connection: traces.handed_out(connection, traces.person_of(connection, world.person))
    )
    assert {"customers", "contacts", "calls", "call_facts", "recordings", "tasks", "vehicles"} <= set(out)
    assert not set(out) & traces.OF_THE_HOUSE
    assert [row["name"] for row in out["customers"]] == [NAME], "and of nobody else"
    json.dumps(out)


@given(
    st.sampled_from(["", "+86", "0086", "86", "+86 ", "0"]),
    st.lists(st.sampled_from(["", " ", "-", ".", ") "]), min_size=10, max_size=10),
)
def test_a_number_is_known_however_it_is_written(prefix: str, between: list[str]) -> None:
    digits = "13812345678"
    text = prefix + digits[0] + "".join(gap + digit for gap, digit in zip(between, digits[1:], strict=True))
    pattern = traces.number_pattern([NUMBER])
    assert pattern is not None
    assert pattern.sub("X", f"拨打{text}。") == "拨打X。"
    assert pattern.sub("X", "9" + digits + "9") == "9" + digits + "9", (
        "a part of a longer number is another number"
    )
    assert not re.search(pattern, "13812345679")


def test_c07_a_restore_does_not_bring_an_erased_person_back(database: Database, clock: FrozenClock) -> None:
    """The backup still has the person; the database it replaces knows that he was erased."""
    world = database.write_now(lambda connection: World(connection, clock))
    known = restored.Known(tokens={}, users={}, erased=((str(world.person), "XABCDEFGHJKMN"), ("GONE", "X")))
    database.write_now(lambda connection: connection.execute(metadata.tables["erasures"].delete()))
    database.write_now(lambda connection: restored.carry(connection, known, now=clock.now()))
    after = database.read_now(dump)
    assert NAME not in "".join(text for name, text in after.items() if name not in HOUSE)
    assert database.read_now(erasure.erased_ids) == [(world.person, "XABCDEFGHJKMN")]


def a_merged_person(connection: Connection, clock: FrozenClock) -> tuple[str, str]:
    """Two records of one person with a number each, not merged yet: who stays, who goes into him."""
    one = customers.add_customer(connection, name=NAME, now=clock.now())
    two = customers.add_customer(connection, name="欧阳密", now=clock.now())
    customers.add_contact(connection, one.id, E164(NUMBER), clock.now(), primary=True)
    customers.add_contact(connection, two.id, E164("+8613812345679"), clock.now(), primary=True)
    return one.id, two.id


def test_c07_an_erased_person_stays_erased_in_a_backup_from_before_the_merge(
    database: Database, clock: FrozenClock
) -> None:
    """The backup has two records; the replaced database had made one of them and erased it."""

    def later(connection: Connection) -> restored.Known:
        one, two = a_merged_person(connection, clock)
        with connection.begin_nested() as back:  # what happened after the backup
            merging.merge(connection, one, two, choices={}, by=Author(name="m"), now=clock.now())
            found = traces.scan(connection, traces.person_of(connection, one))
            erasure.erase(connection, one, found=found, pseudonym="XABCDEFGHJKMN", now=clock.now())
            known = restored.Known(tokens={}, users={}, erased=tuple(erasure.erased_ids(connection)))
            back.rollback()
        return known

    known = database.write_now(later)
    access = database.write_now(lambda connection: restored.carry(connection, known, now=clock.now()))
    text = "".join(database.read_now(dump).values())
    assert access.not_erased == ()
    assert "欧阳密" not in text
    assert not re.search("1381234567[89]", text)


def test_c07_a_restore_erases_him_whose_call_the_backup_has_open(
    database: Database, clock: FrozenClock
) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    known = restored.Known(tokens={}, users={}, erased=((str(world.person), "XABCDEFGHJKMN"),))

    def older(connection: Connection) -> None:
        connection.execute(metadata.tables["erasures"].delete())
        connection.execute(metadata.tables["calls"].update().values(ended_at=None))

    database.write_now(older)
    access = database.write_now(lambda connection: restored.carry(connection, known, now=clock.now()))
    assert access.not_erased == ()
    assert [one for one, _ in database.read_now(erasure.erased_ids)] == [world.person]


def test_c07_a_restore_says_whom_a_hold_of_its_day_keeps(database: Database, clock: FrozenClock) -> None:
    def work(connection: Connection) -> restored.Access:
        one, two = a_merged_person(connection, clock)
        erasure.place_hold(connection, id="H", customer_id=two, reason="诉讼中", by="m", now=clock.now())
        known = restored.Known(tokens={}, users={}, erased=((one, "XABCDEFGHJKMN"), (two, "XABCDEFGHJKMP")))
        return restored.carry(connection, known, now=clock.now())

    (why,) = database.write_now(work).not_erased
    assert "诉讼中" in why
    assert [one for one, _ in database.read_now(erasure.erased_ids)] != [], "the other one was erased"


def test_c07_what_is_left_of_an_erased_person_is_merged_with_nobody(
    database: Database, clock: FrozenClock
) -> None:
    """Else the note of who was erased would name a living person, and a restore would erase that one."""
    one, two = database.write_now(lambda connection: a_merged_person(connection, clock))
    erase(database, one, clock)
    for survivor, merged in ((one, two), (two, one)):
        with pytest.raises(MergeRefused, match="erased"):
            database.write_now(
                lambda connection, survivor=survivor, merged=merged: merging.merge(  # type: ignore[misc]
                    connection, survivor, merged, choices={}, by=Author(name="m"), now=clock.now()
                )
            )
    assert [row for row, _ in database.read_now(erasure.erased_ids)] == [one]
    assert ("erasures", "customer_id") in merge_rows.STAYS


def test_c07_who_writes_waits_for_no_look_through_a_table(database: Database, clock: FrozenClock) -> None:
    """What hangs on a person is read before: the writing transaction finds every row by its key."""
    world = database.write_now(lambda connection: World(connection, clock))
    said: list[str] = []

    def look(connection: Connection) -> tuple[traces.Person, traces.Tied, traces.Tied]:
        person = traces.person_of(connection, world.person)
        return person, traces.tied_rows(connection, person), traces.scan(connection, person)

    def work(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *args: said.append(args[2]))
        erasure.erase(
            connection, world.person, found=found, tied=tied, known=person, pseudonym="X", now=clock.now()
        )

    person, tied, found = database.read_now(look)
    database.write_now(work)
    assert said
    unindexed = (
        "switch_calls.caller IN",
        "switch_calls.linkedid IN",
        "deliveries.subject IN",
        "last_call_id IN",
    )
    assert not [one for one in said if any(name in one for name in unindexed)]
    assert NAME not in "".join(text for name, text in database.read_now(dump).items() if name not in HOUSE)
