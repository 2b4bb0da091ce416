"""All customers rated again: in shares, as the register says, past those a person has classed, and over a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import NamedTuple

import pytest
from fixtures_hooks import subscribe
from fixtures_storage import FrozenClock
from fixtures_web import Office
from sqlalchemy import Connection, func, insert, select, update

from access.permissions import Role
from access.users import Principal, Via
from config.class_ticks import ClassTicks
from crm.hooks.events import Event
from crm.records.changes import HOUSE, Author
from crm.records.classification import ClassRules, classify
from crm.records.purchases import Payment, Purchase
from crm.records.rating import NoRating, Rating, RatingState, RatingWhy
from storage import class_rating, classes, customers, history, records
from storage.changes import changes_of, customer_subject
from storage.database import Database
from storage.tables.hooks import happenings
from storage.tables.privacy import erasures
from storage.tables.records import customers as table
from storage.tables.records import record_changes

MANAGER = Author(id="01ARZ3NDEKTSV4RRFFQ69G5FAV", name="经理")


class People(NamedTuple):
    """Customers who have bought for more and more; the last one was classed by a person."""

    ids: Sequence[str]
    ticks: ClassTicks


@pytest.fixture
def people(database: Database, clock: FrozenClock) -> People:
    now = clock.now()

    def work(connection: Connection) -> list[str]:
        made: list[str] = []
        for place in range(7):
            person = customers.add_customer(connection, name=f"客户{place}", now=now)
            bought = Purchase(
                id="",
                customer_id=person.id,
                bought_on=now.date(),
                model="A7",
                price_cents=place * 100_000,
                payment=Payment.CASH,
                created_at=now,
                updated_at=now,
            )
            history.add_purchase(connection, bought, now)
            made.append(person.id)
        customers.change_customer(
            connection, made[-1], now, by=MANAGER, customer_class="A", classed_by="person"
        )
        return made

    return People(database.write_now(work), ClassTicks(database, clock, "Asia/Shanghai"))


RULES = replace(ClassRules(), high_spent_cents=400_000, middle_spent_cents=200_000)


def change_rules(database: Database, clock: FrozenClock) -> None:
    def work(connection: Connection) -> None:
        classes.set_rules(connection, RULES, MANAGER, clock.now(), version=0)
        class_rating.begin(connection, RatingWhy.RULES, MANAGER, clock.now())

    database.write_now(work)


def share(database: Database, clock: FrozenClock, most: int) -> Rating | None:
    """One share, as a tick works at it."""
    today = clock.now().date()
    found = database.read_now(lambda c: class_rating.look(c, today, most=most))
    assert found is not None
    return database.write_now(lambda c: class_rating.keep(c, found, today, clock.now()))


async def test_all_are_rated_and_each_change_has_its_row(
    database: Database, clock: FrozenClock, people: People
) -> None:
    before = database.read_now(lambda c: customers.several(c, people.ids))
    change_rules(database, clock)
    clock.advance(60)
    await people.ticks.look()
    done = database.read_now(class_rating.get)
    assert done is not None
    assert (done.state, done.total, done.looked, done.moved, done.changed, done.kept) == (
        RatingState.DONE,
        7,
        7,
        6,
        6,
        1,
    )
    after = database.read_now(lambda c: customers.several(c, people.ids))
    today = clock.now().date()
    wanted = database.read_now(lambda c: classes.facts_of_many(c, people.ids, RULES, today))
    assert Counter(one.customer_class for one in after.values()) == Counter({"D": 2, "C": 4, "A": 1})
    for one in people.ids[:-1]:
        made = classify(wanted[one], RULES)
        assert (after[one].customer_class, after[one].value_grade) == (made.customer_class, made.value)
        assert after[one].version == before[one].version + 1
        log = database.read_now(partial(changes_of, subjects=[customer_subject(one)], limit=4))
        assert {(row.field, row.new) for row in log} == {
            ("customer_class", made.customer_class),
            ("value_grade", made.value),
            ("loyalty_grade", made.loyalty),
            ("potential_grade", made.potential),
        }
        assert {(row.why, row.by, row.version) for row in log} == {
            ("rule:changed", MANAGER, after[one].version)
        }
    assert after[people.ids[-1]] == before[people.ids[-1]], "a person has classed this one"
    # Once more: nothing is another class, so nothing is written.
    rows = database.read_now(
        lambda c: c.execute(select(func.count()).select_from(record_changes)).scalar_one()
    )
    await people.ticks.begin_night()
    await people.ticks.look()
    night = database.read_now(class_rating.get)
    assert night is not None
    assert (night.why, night.by, night.looked, night.changed) == (RatingWhy.NIGHT, HOUSE, 7, 0)
    assert rows == database.read_now(
        lambda c: c.execute(select(func.count()).select_from(record_changes)).scalar_one()
    )


async def test_a_night_rates_by_what_was_bought_since(
    database: Database, clock: FrozenClock, people: People
) -> None:
    change_rules(database, clock)
    await people.ticks.look()
    poor = people.ids[0]
    now = clock.now()
    purchase = Purchase(
        id="",
        customer_id=poor,
        bought_on=now.date(),
        model="Golf",
        price_cents=500_000,
        payment=Payment.CASH,
        created_at=now,
        updated_at=now,
    )
    database.write_now(lambda c: history.add_purchase(c, purchase, now))
    await people.ticks.begin_night()
    await people.ticks.look()
    log = database.read_now(lambda c: changes_of(c, [customer_subject(poor)]))
    told = {(row.field, row.old, row.new, row.why) for row in log if row.why == "rule:night"}
    assert told == {
        ("customer_class", "D", "C", "rule:night"),
        ("value_grade", "low", "high", "rule:night"),
    }


async def test_a_run_goes_on_after_a_restart_and_can_be_stopped(
    database: Database, clock: FrozenClock, people: People
) -> None:
    change_rules(database, clock)
    first = share(database, clock, 3)
    assert first is not None
    assert (first.looked, first.total, first.after) == (3, 7, sorted(people.ids)[2])
    await ClassTicks(database, clock, "Asia/Shanghai").begin_night()
    assert database.read_now(class_rating.get) == first, "a run that goes on takes the night's place"
    today = clock.now().date()
    found = database.read_now(lambda c: class_rating.look(c, today, most=2))
    assert found is not None
    stopped = database.write_now(lambda c: class_rating.cancel(c, MANAGER, clock.now()))
    assert (stopped.state, stopped.ended_by, stopped.looked) == (RatingState.CANCELLED, "经理", 3)
    assert database.write_now(lambda c: class_rating.keep(c, found, today, clock.now())) is None
    await people.ticks.look()
    rated = [
        one.id
        for one in database.read_now(lambda c: customers.several(c, people.ids)).values()
        if one.value_grade
    ]
    assert sorted(rated) == sorted(people.ids)[:3]
    with pytest.raises(NoRating):
        database.write_now(lambda c: class_rating.cancel(c, MANAGER, clock.now()))
    # Begun again and cut off by a restart: another process goes on where this one was.
    database.write_now(lambda c: class_rating.begin(c, RatingWhy.ASKED, MANAGER, clock.now()))
    assert share(database, clock, 3) is not None
    await ClassTicks(database, clock, "Asia/Shanghai").look()
    done = database.read_now(class_rating.get)
    assert done is not None
    assert (done.state, done.looked, done.changed, done.kept) == (RatingState.DONE, 7, 3, 1)


async def test_what_somebody_changes_meanwhile_is_read_once_more(
    database: Database, clock: FrozenClock, people: People
) -> None:
    change_rules(database, clock)
    today = clock.now().date()
    found = database.read_now(lambda c: class_rating.look(c, today))
    assert found is not None
    renamed, classed, key, *_ = people.ids

    def meanwhile(connection: Connection) -> None:
        now = clock.now()
        customers.change_customer(connection, renamed, now, by=MANAGER, name="王五")
        customers.change_customer(
            connection, classed, now, by=MANAGER, customer_class="A", classed_by="person"
        )
        customers.change_customer(connection, key, now, by=MANAGER, key_account=True)

    database.write_now(meanwhile)
    done = database.write_now(lambda c: class_rating.keep(c, found, today, clock.now()))
    assert done is not None
    assert (done.state, done.changed) == (RatingState.DONE, 5)
    after = database.read_now(lambda c: customers.several(c, people.ids))
    assert (after[renamed].name, after[renamed].customer_class) == ("王五", "D")
    assert (after[classed].customer_class, after[classed].value_grade) == ("A", None)
    assert after[key].customer_class == "B", "a key account since a moment ago"


def test_a_share_reads_by_primary_key_and_others_hear_of_changes(
    database: Database, clock: FrozenClock, people: People
) -> None:
    merged, other = people.ids[0], people.ids[1]
    database.write_now(
        lambda c: c.execute(update(table).where(table.c.id == merged).values(merged_into=other))
    )
    subscribe(database, clock, "https://dms.example/", Event.RECORD_CHANGED, owner=f"user:{MANAGER.id}")
    change_rules(database, clock)
    done = share(database, clock, 100)
    assert done is not None
    assert (done.total, done.looked, done.changed) == (6, 6, 5), "a merged record is nobody"
    told = database.read_now(
        lambda c: c.execute(
            select(happenings.c.subject, happenings.c.data).where(happenings.c.event == "record.changed")
        ).all()
    )
    assert {row.subject for row in told} == {customer_subject(one) for one in people.ids[1:-1]}
    assert told[0].data["fields"] == ["value_grade", "loyalty_grade", "potential_grade", "customer_class"]


async def test_the_page_shows_how_far_it_is_and_stops_it(office: Office) -> None:
    def work(connection: Connection) -> None:
        for place in range(4):
            customers.add_customer(connection, name=f"客户{place}", now=office.clock.now())

    office.database.write_now(work)
    manager = await office.signed_in("manager")
    assert "还没有对全部客户评定过" in await (await manager.get("/settings/classes")).text()
    asked = {"csrf": manager.csrf}
    began = await manager.post("/settings/classes/rating", data={**asked, "begin": "yes"})
    assert began.status == 303
    share(office.database, office.clock, 3)
    page = await (await manager.get("/settings/classes")).text()
    assert "已查看 3 / 4 位" in page
    assert 'name="stop"' in page
    office.clock.advance(timedelta(seconds=5).total_seconds())
    stopped = await manager.post("/settings/classes/rating", data={**asked, "stop": "yes"})
    assert stopped.status == 303
    page = await (await manager.get("/settings/classes")).text()
    assert f"由{office.users['manager'].name}停止" in page
    assert 'name="stop"' not in page
    again = await manager.post("/settings/classes/rating", data={**asked, "stop": "yes"})
    assert again.status == 303, "it ended meanwhile"
    now = await (await manager.get("/api/v1/classes/rating")).json()
    assert (now["rating"]["state"], now["rating"]["looked"]) == ("cancelled", 3)
    rules = await (await manager.get("/api/v1/classes")).json()
    plain = {name: value for name, value in rules.items() if name != "plans"}
    way, headers = f"{office.base}/api/v1/classes", {"X-CSRF-Token": manager.csrf}
    plans = {**plain, "plans": {"A": {"service": "专人"}}}
    same = await manager.session.patch(way, json=plans, headers=headers)
    assert same.status == 200
    now = await (await manager.get("/api/v1/classes/rating")).json()
    assert now["rating"]["state"] == "cancelled", "what a class gets makes nobody another class"
    other = {**plain, "version": 1, "months": 6}
    saved = await manager.session.patch(way, json=other, headers=headers)
    assert saved.status == 200
    now = await (await manager.get("/api/v1/classes/rating")).json()
    rating = now["rating"]
    assert (rating["state"], rating["why"], rating["rules_version"], rating["looked"]) == (
        "running",
        "rules",
        2,
        0,
    )


async def test_what_a_person_graded_stays_and_nothing_is_said_of_the_erased(
    database: Database, clock: FrozenClock
) -> None:
    manager = Principal(role=Role.MANAGER, via=Via.SESSION, name="经理")

    def work(connection: Connection) -> list[str]:
        now = clock.now()
        new = records.add_record(
            connection, manager, now, rule="C{serial:06d}", name="新人", customer_class="A"
        )
        old = records.add_record(connection, manager, now, rule="C{serial:06d}", name="旧人")
        records.edit_record(connection, manager, old.id, old.version, now, potential_grade="high")
        gone = records.add_record(connection, manager, now, rule="C{serial:06d}", name="已删")
        connection.execute(insert(erasures).values(customer_id=gone.id, at=now, pseudonym="x", counts={}))
        return [new.id, old.id, gone.id]

    ids = database.write_now(work)
    before = database.read_now(lambda c: customers.several(c, ids))
    change_rules(database, clock)
    done = share(database, clock, 10)
    assert done is not None
    assert (done.state, done.looked, done.kept, done.changed) == (RatingState.DONE, 2, 2, 0)
    assert database.read_now(lambda c: customers.several(c, ids)) == before
