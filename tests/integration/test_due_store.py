"""The day's contacts on both databases: what makes them, bundles them, stops them, holds them and ends them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from fixtures_cases import ZONE, CaseHouse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from crm.contacts.contacts import (
    BadContact,
    Contact,
    ContactChanged,
    ContactClosed,
    ContactState,
    NewReason,
    ReasonKind,
    ReasonState,
    Result,
    Step,
)
from crm.contacts.rules import Rule, Rules, due_day, end_of
from crm.maintenance.plans import Interval, Plan, PlanChanged
from crm.records.changes import Author
from crm.records.purchases import ServiceVisit, VisitKind
from crm.records.vehicles import Role, VehicleState
from crm.tasks.tasks import TaskState
from storage import contacts, customers, due, history, maintenance, merging, tasks, vehicles
from storage.database import Database
from storage.tables.cases import cases as case_rows
from storage.tables.contacts import contact_events, contact_reasons, due_contacts
from storage.tables.records import customers as customer_rows
from storage.tables.tasks import tasks as task_rows
from telephony.hours import WorkingTime

#: The calendar of China: holidays, make-up workdays.
HOURS = WorkingTime(
    zone=ZONE, week=[[(9 * 60, 12 * 60), (13 * 60, 18 * 60)]] * 5 + [[], []], holidays_of="CN"
)


@pytest.fixture
def house(case_house: CaseHouse) -> CaseHouse:
    return case_house


def at(month: int, day: int, hour: int = 8, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, tzinfo=ZONE)


def generate(house: CaseHouse, now: datetime, *, limit: int = 200) -> dict[str, int]:
    while house.database.write_now(lambda c: due.run_share(c, now, HOURS, limit=limit)):
        pass
    found: dict[str, int] = house.database.read_now(lambda c: due.runs(c))[0]["counts"]
    return found


def settle(house: CaseHouse, now: datetime) -> None:
    while house.database.write_now(lambda c: maintenance.gather(c, now)):
        pass
    while house.database.write_now(lambda c: due.settle(c, now, HOURS)):
        pass


def deliver(house: CaseHouse, on: date) -> None:
    house.database.write_now(
        lambda c: vehicles.change_vehicle(c, house.vehicle, house.clock.now(), delivered_on=on)
    )


def contact(house: CaseHouse, customer: str = "") -> Contact:
    found = house.database.read_now(lambda c: contacts.open_contact_of(c, customer or house.customer))
    assert found is not None
    return found


def kinds(house: CaseHouse, one: Contact) -> list[tuple[ReasonKind, ReasonState]]:
    found = house.database.read_now(lambda c: contacts.reasons_of(c, [one.id]))[one.id]
    return [(reason.kind, reason.state) for reason in found]


def add(house: CaseHouse, occasion: str, **values: Any) -> Contact | None:
    given: dict[str, Any] = {
        "kind": ReasonKind.CUSTOM,
        "customer_id": house.customer,
        "due_at": at(6, 20),
        **values,
    }
    new = NewReason(occasion=occasion, **given)
    return house.database.write_now(lambda c: contacts.add_reason(c, new, at(6, 16, 10)))


def close(
    house: CaseHouse, one: Contact, result: Result, now: datetime | None = None, **values: Any
) -> Contact:
    done: Contact = house.database.write_now(
        lambda c: contacts.close_contact(
            c, one.id, result, now=now or at(6, 17), hours=HOURS, by=house.agent, **values
        )
    )
    return done


def test_the_third_day_after_delivery_or_the_next_one_worked(house: CaseHouse) -> None:
    deliver(house, date(2026, 6, 16))  # Tuesday; the third day is Friday 19 June, the Dragon Boat Festival
    assert generate(house, at(6, 18))["delivered"] == 0
    assert generate(house, at(6, 19))["delivered"] == 0
    assert generate(house, at(6, 22))["delivered"] == 1
    found = contact(house)
    assert found.due_at == at(6, 22, 18)
    assert kinds(house, found) == [(ReasonKind.DELIVERY_VISIT, ReasonState.OPEN)]
    task = house.database.read_now(lambda c: tasks.get_task(c, found.task_id))
    assert (task.state, task.due_at, task.customer_id) == (TaskState.OPEN, found.due_at, house.customer)
    assert generate(house, at(6, 23))["delivered"] == 0


def test_days_across_a_holiday_a_make_up_workday_and_a_leap_day() -> None:
    rule = Rules().rule(ReasonKind.DELIVERY_VISIT)
    assert due_day(date(2026, 9, 28), rule, HOURS) == date(2026, 10, 8)  # National Day until the 7th
    assert due_day(date(2026, 2, 11), rule, HOURS) == date(2026, 2, 14)  # a Saturday that is worked
    assert due_day(date(2028, 2, 26), rule, HOURS) == date(2028, 2, 29)
    assert end_of(date(2026, 6, 20), HOURS) == at(6, 21, 0)  # not worked: the midnight after it


def test_a_visit_of_the_workshop_is_asked_about_once(house: CaseHouse) -> None:
    def work(connection: Any) -> None:
        for order in ("A1", "A2"):
            visit = ServiceVisit(
                id="",
                vehicle_id=house.vehicle,
                visited_on=date(2026, 6, 12),
                kind=VisitKind.REPAIR,
                order_number=order,
                created_at=house.clock.now(),
                updated_at=house.clock.now(),
            )
            history.add_visit(connection, visit, house.clock.now())

    house.database.write_now(work)
    assert generate(house, at(6, 16), limit=1)["serviced"] == 1
    assert kinds(house, contact(house)) == [(ReasonKind.SERVICE_VISIT, ReasonState.OPEN)]


def test_a_reminder_comes_with_its_lead_and_goes_when_the_work_is_done(house: CaseHouse) -> None:
    deliver(house, date(2026, 2, 26))
    settle(house, at(6, 16, 11))  # 5000 km at 40 a day: due on 1 July, 14 days ahead is the 17th
    vehicle = house.database.read_now(lambda c: vehicles.get_vehicle(c, house.vehicle))
    assert (vehicle.next_due_on, vehicle.next_due_mileage) == (date(2026, 7, 1), 5_000)
    assert generate(house, at(6, 16, 12))["maintenance"] == 0
    assert generate(house, at(6, 17))["maintenance"] == 1
    found = contact(house)
    assert kinds(house, found) == [(ReasonKind.FIRST_MAINTENANCE, ReasonState.OPEN)]
    assert found.due_at == at(7, 1, 18)

    visit = ServiceVisit(
        id="",
        vehicle_id=house.vehicle,
        visited_on=date(2026, 6, 18),
        mileage=4_480,
        kind=VisitKind.FIRST,
        created_at=at(6, 18),
        updated_at=at(6, 18),
    )
    house.database.write_now(lambda c: history.add_visit(c, visit, at(6, 18)))
    settle(house, at(6, 18, 9))
    assert kinds(house, found) == [(ReasonKind.FIRST_MAINTENANCE, ReasonState.CANCELLED)]
    ended = house.database.read_now(lambda c: contacts.get_contact(c, found.id))
    assert (ended.state, ended.result) == (ContactState.CLOSED, Result.CANCELLED)
    task = house.database.read_now(lambda c: tasks.get_task(c, found.task_id))
    assert task.state is TaskState.CANCELLED


def test_a_reminder_nobody_spoke_of_waits_when_the_forecast_moves_on(house: CaseHouse) -> None:
    deliver(house, date(2026, 2, 26))
    settle(house, at(6, 16, 11))
    generate(house, at(6, 17))
    first = contact(house)

    def read(connection: Any) -> None:  # driven 10 a day: by kilometres not before the date, 26 August
        maintenance.add_reading(
            connection,
            house.vehicle,
            1_130,
            date(2026, 6, 18),
            source="customer",
            by=house.agent,
            now=at(6, 18),
            today=date(2026, 6, 18),
        )

    house.database.write_now(read)
    settle(house, at(6, 18, 9))
    ended = house.database.read_now(lambda c: contacts.reasons_of(c, [first.id]))[first.id][0]
    assert (ended.state, ended.closed_why) == (ReasonState.CANCELLED, {"code": "later"})
    assert generate(house, at(8, 11))["maintenance"] == 0
    assert generate(house, at(8, 12))["maintenance"] == 1
    assert contact(house).due_at == at(8, 26, 18)


def test_a_reminder_somebody_tried_stays_when_the_forecast_moves_on(house: CaseHouse) -> None:
    deliver(house, date(2026, 2, 26))
    settle(house, at(6, 16, 11))
    generate(house, at(6, 17))
    close(house, contact(house), Result.NOT_REACHED, at(6, 17, 10), call_id="C1")
    house.database.write_now(
        lambda c: maintenance.add_reading(
            c,
            house.vehicle,
            1_130,
            date(2026, 6, 18),
            source="customer",
            by=house.agent,
            now=at(6, 18),
            today=date(2026, 6, 18),
        )
    )
    settle(house, at(6, 18, 9))
    assert kinds(house, contact(house)) == [(ReasonKind.FIRST_MAINTENANCE, ReasonState.OPEN)]


@pytest.mark.parametrize("state", [VehicleState.SOLD, VehicleState.SCRAPPED, VehicleState.MOVED])
def test_a_vehicle_that_is_gone_stops_its_reminder(house: CaseHouse, state: VehicleState) -> None:
    deliver(house, date(2026, 2, 20))
    settle(house, at(6, 16, 11))
    found = contact(house)
    house.database.write_now(lambda c: vehicles.change_vehicle(c, house.vehicle, at(6, 17), state=state))
    settle(house, at(6, 17, 9))
    ended = house.database.read_now(lambda c: contacts.reasons_of(c, [found.id]))[found.id][0]
    assert (ended.state, ended.closed_why) == (ReasonState.CANCELLED, {"code": state.value})
    vehicle = house.database.read_now(lambda c: vehicles.get_vehicle(c, house.vehicle))
    assert vehicle.next_due_on is None


def test_several_reasons_are_one_contact_with_the_earliest_deadline(house: CaseHouse) -> None:
    first = add(house, "one", due_at=at(6, 25), priority=5)
    second = add(house, "two", due_at=at(6, 19), priority=7)
    again = add(house, "two", due_at=at(6, 17), priority=1)
    assert first
    assert second
    assert again
    assert first.id == second.id == again.id
    found = contact(house)
    assert (found.due_at, found.priority) == (at(6, 19), 5)
    assert len(kinds(house, found)) == 2
    house.database.write_now(
        lambda c: contacts.cancel_reasons(
            c, occasion="two", kinds=[ReasonKind.CUSTOM], why={"code": "x"}, now=at(6, 16)
        )
    )
    assert contact(house).due_at == at(6, 25)


def test_the_own_agent_has_it_others_are_pooled(house: CaseHouse) -> None:
    house.database.write_now(
        lambda c: c.execute(
            update(customer_rows)
            .where(customer_rows.c.id == house.customer)
            .values(own_agent_id=house.agent.user_id)
        )
    )
    made = add(house, "own")
    assert made is not None
    assert made.owner_id == house.agent.user_id


def test_an_open_complaint_holds_it_back_and_lets_it_go(house: CaseHouse) -> None:
    made = add(house, "one")
    case = house.open()
    house.database.write_now(lambda c: contacts.hold_and_release(c, at(6, 16, 11)))
    held = contact(house)
    assert made is not None
    assert (held.id, held.state, held.held_by) == (made.id, ContactState.HELD, case.number)
    house.database.write_now(
        lambda c: c.execute(update(case_rows).values(closed_at=at(6, 16, 12), state="closed"))
    )
    house.database.write_now(lambda c: contacts.hold_and_release(c, at(6, 16, 13)))
    freed = contact(house)
    assert (freed.state, freed.held_by) == (ContactState.OPEN, None)


def test_tries_are_counted_once_a_call_and_used_up(house: CaseHouse) -> None:
    one = add(house, "one")
    assert one is not None
    after = close(house, one, Result.NOT_REACHED, at(6, 18, 10), call_id="C1")
    assert (after.tries, after.state) == (1, ContactState.OPEN)
    assert after.next_try_at == at(6, 22, 9)  # Friday is a holiday
    assert close(house, one, Result.NOT_REACHED, at(6, 18, 11), call_id="C1").tries == 1
    for number in range(2, 5):
        after = close(house, one, Result.NOT_REACHED, at(6, 22, 10), call_id=f"C{number}")
        assert (after.tries, after.state) == (number, ContactState.OPEN)
    last = close(house, one, Result.NOT_REACHED, at(6, 26, 10), call_id="C5")
    assert (last.tries, last.state, last.result) == (5, ContactState.CLOSED, Result.UNSUCCESSFUL)
    with pytest.raises(ContactClosed):
        close(house, one, Result.DONE)


def test_partly_done_leaves_the_rest_and_old_versions_are_told(house: CaseHouse) -> None:
    add(house, "one", due_at=at(6, 18))
    one = add(house, "two", due_at=at(6, 30))
    assert one is not None
    spoken = house.database.read_now(lambda c: contacts.reasons_of(c, [one.id]))[one.id]
    chosen = [reason.id for reason in spoken if reason.occasion == "one"]
    with pytest.raises(BadContact):
        close(house, one, Result.PARTLY, done_reasons=[])
    with pytest.raises(ContactChanged) as refused:
        close(house, one, Result.DONE, version=one.version - 1)
    assert refused.value.version == one.version
    after = close(house, one, Result.PARTLY, done_reasons=chosen)
    assert (after.state, after.due_at) == (ContactState.OPEN, at(6, 30))
    assert close(house, one, Result.DONE).result is Result.DONE
    trail = house.database.read_now(lambda c: contacts.events_of(c, one.id))
    assert [event.step for event in trail] == [
        Step.OPENED,
        Step.REASON_ADDED,
        Step.REASON_ADDED,
        Step.TRIED,
        Step.TRIED,
        Step.CLOSED,
    ]


def test_what_is_of_no_use_any_more_expires(house: CaseHouse) -> None:
    made = add(house, "one", expires_at=at(6, 20))
    assert made is not None
    assert house.database.write_now(lambda c: contacts.expire(c, at(6, 19))) == 0
    assert house.database.write_now(lambda c: contacts.expire(c, at(6, 20))) == 1
    assert kinds(house, made) == [(ReasonKind.CUSTOM, ReasonState.EXPIRED)]
    assert add(house, "late", expires_at=at(6, 1)) is None


def test_a_key_account_comes_back_at_its_own_pace(house: CaseHouse) -> None:
    house.database.write_now(
        lambda c: c.execute(
            update(customer_rows)
            .where(customer_rows.c.id == house.customer)
            .values(key_account=True, visit_every_days=30, visited_on=date(2026, 5, 17))
        )
    )
    assert generate(house, at(6, 15))["key_accounts"] == 0
    assert generate(house, at(6, 16))["key_accounts"] == 1
    close(house, contact(house), Result.DONE, at(6, 17, 10))
    assert generate(house, at(6, 18))["key_accounts"] == 0
    assert generate(house, at(7, 17))["key_accounts"] == 1


def test_inspections_come_on_their_day_of_the_year(house: CaseHouse) -> None:
    deliver(house, date(2024, 7, 17))  # the call is due 30 days ahead
    before = generate(house, at(6, 16))["dated"]
    counts = [generate(house, at(6, day))["dated"] for day in (17, 18)]
    assert (before, counts) == (0, [1, 0])
    found = contact(house)
    assert (ReasonKind.DATED_ITEM, ReasonState.OPEN) in kinds(house, found)


def test_merged_customers_have_one_contact(house: CaseHouse) -> None:
    other = house.database.write_now(
        lambda c: customers.add_customer(c, name="张伟", now=house.clock.now())
    ).id
    kept = add(house, "one", due_at=at(6, 30))
    gone = add(house, "two", customer_id=other, due_at=at(6, 18))
    house.database.write_now(
        lambda c: merging.merge(c, house.customer, other, choices={}, by=Author(name="x"), now=at(6, 16, 12))
    )
    found = contact(house)
    assert kept is not None
    assert gone is not None
    assert (found.id, found.due_at) == (kept.id, at(6, 18))
    assert len(kinds(house, found)) == 2
    open_keys = house.database.read_now(
        lambda c: (
            c.execute(select(due_contacts.c.open_key).where(due_contacts.c.open_key.is_not(None)))
            .scalars()
            .all()
        )
    )
    assert open_keys == [house.customer]
    # What is told under the old id joins the one record.
    later = add(house, "three", customer_id=other)
    assert later is not None
    assert later.id == kept.id


def _merged(house: CaseHouse, other: str) -> str:
    made = house.database.write_now(
        lambda c: merging.merge(c, house.customer, other, choices={}, by=Author(name="x"), now=at(6, 16, 12))
    )
    return made.id


def _undone(house: CaseHouse, merge_id: str) -> list[str]:
    made = house.database.write_now(
        lambda c: merging.undo(c, merge_id, by=Author(name="x"), now=at(6, 16, 14))
    )
    return [one.what for one in made.not_restored]


@pytest.fixture
def other(house: CaseHouse) -> str:
    return house.database.write_now(
        lambda c: customers.add_customer(c, name="张伟", now=house.clock.now())
    ).id


def test_r34_undoing_a_merge_gives_each_his_own_contact_back(house: CaseHouse, other: str) -> None:
    kept = add(house, "one", due_at=at(6, 30))
    gone = add(house, "two", customer_id=other, due_at=at(6, 18))
    assert kept is not None
    assert gone is not None
    assert _undone(house, _merged(house, other)) == []
    mine, his = contact(house), contact(house, other)
    assert (mine.id, mine.due_at, his.id, his.due_at) == (kept.id, at(6, 30), gone.id, at(6, 18))
    assert (his.state, his.result, his.closed_at) == (ContactState.OPEN, None, None)
    assert [len(kinds(house, one)) for one in (mine, his)] == [1, 1]
    states = house.database.read_now(
        lambda c: (
            c.execute(select(task_rows.c.state).where(task_rows.c.id.in_([mine.task_id, his.task_id])))
            .scalars()
            .all()
        )
    )
    assert states == ["open", "open"]


def test_r34_the_only_contact_goes_over_and_comes_back(house: CaseHouse, other: str) -> None:
    gone = add(house, "two", customer_id=other)
    assert gone is not None
    _undone(house, _merged(house, other))
    assert contact(house, other).id == gone.id
    # Both take new reasons as if nothing had been.
    mine, his = add(house, "three"), add(house, "four", customer_id=other)
    assert mine is not None
    assert his is not None
    assert (his.id, mine.customer_id) == (gone.id, house.customer)
    assert mine.id != gone.id


def test_r34_what_was_talked_about_while_they_were_one_is_not_asked_again(
    house: CaseHouse, other: str
) -> None:
    kept = add(house, "one")
    assert kept is not None
    assert add(house, "two", customer_id=other) is not None
    merge_id = _merged(house, other)
    close(house, contact(house), Result.DONE, at(6, 16, 13))
    _undone(house, merge_id)
    for whose in (house.customer, other):
        assert house.database.read_now(lambda c, w=whose: contacts.open_contact_of(c, w)) is None
    left = house.database.read_now(
        lambda c: c.execute(select(func.count()).where(due_contacts.c.open_key.is_not(None))).scalar_one()
    )
    assert left == 0


def test_plans_keep_their_versions_and_reckon_their_vehicles_anew(house: CaseHouse) -> None:
    deliver(house, date(2026, 6, 1))
    settle(house, at(6, 16, 11))
    plan = Plan(id="", first=Interval(months=1), periodic=Interval(months=2), name="快")
    saved = house.database.write_now(
        lambda c: maintenance.save_plan(c, plan, by=house.manager, now=at(6, 16, 12))
    )
    settle(house, at(6, 16, 13))
    vehicle = house.database.read_now(lambda c: vehicles.get_vehicle(c, house.vehicle))
    assert vehicle.next_due_on == date(2026, 7, 1)
    with pytest.raises(PlanChanged):
        house.database.write_now(
            lambda c: maintenance.retire_plan(c, saved.id, saved.version - 1, now=at(6, 17))
        )


def test_whom_to_call_about_a_vehicle(house: CaseHouse) -> None:
    def work(connection: Any) -> str:
        driver = customers.add_customer(connection, name="司机", now=house.clock.now())
        vehicles.add_person(connection, house.vehicle, driver.id, Role.DRIVER, house.clock.now())
        return driver.id

    driver = house.database.write_now(work)
    found = house.database.read_now(lambda c: due.people_of(c, [house.vehicle]))
    assert found == {house.vehicle: [house.customer, driver]}


def test_what_becomes_known_after_its_day_was_made_is_called_that_day(house: CaseHouse) -> None:
    assert generate(house, at(6, 16))["delivered"] == 0
    deliver(house, date(2026, 6, 12))  # typed in on Tuesday, after the morning's generation
    visit = ServiceVisit(
        id="",
        vehicle_id=house.vehicle,
        customer_id=house.customer,
        visited_on=date(2026, 6, 11),
        kind=VisitKind.REPAIR,
        created_at=house.clock.now(),
        updated_at=house.clock.now(),
    )
    house.database.write_now(lambda c: history.add_visit(c, visit, house.clock.now()))
    settle(house, at(6, 16, 20))
    found = contact(house)
    assert sorted(kinds(house, found)) == [
        (ReasonKind.DELIVERY_VISIT, ReasonState.OPEN),
        (ReasonKind.SERVICE_VISIT, ReasonState.OPEN),
    ]
    assert found.due_at == at(6, 16, 18)
    settle(house, at(6, 16, 21))
    generate(house, at(6, 17))
    assert len(kinds(house, contact(house))) == 2


def _fleet(house: CaseHouse, count: int) -> list[str]:
    """So many customers with a vehicle each, handed over on 12 June."""

    def work(connection: Any) -> list[str]:
        ids: list[str] = []
        for number in range(count):
            person = customers.add_customer(connection, name=f"车主{number}", now=house.clock.now())
            car = vehicles.add_vehicle(
                connection, brand="VW", model="Golf", delivered_on=date(2026, 6, 12), now=house.clock.now()
            )
            vehicles.add_person(connection, car.id, person.id, Role.OWNER, house.clock.now())
            ids.append(person.id)
        return ids

    made: list[str] = house.database.write_now(work)
    return made


def _made(house: CaseHouse) -> tuple[list[str], int, int]:
    def work(connection: Any) -> tuple[list[str], int, int]:
        keys = connection.execute(select(due_contacts.c.customer_id)).scalars().all()
        reasons = connection.execute(select(contact_reasons.c.id)).all()
        open_tasks = connection.execute(select(task_rows.c.id).where(task_rows.c.kind == "contact")).all()
        return sorted(keys), len(reasons), len(open_tasks)

    found: tuple[list[str], int, int] = house.database.read_now(work)
    return found


def test_two_processes_at_once_make_each_contact_once(house: CaseHouse) -> None:
    ids = _fleet(house, 30)
    other = Database(house.database.url)
    start = threading.Barrier(2)

    def work(database: Database) -> None:
        start.wait()
        while database.write_now(lambda c: due.run_share(c, at(6, 16), HOURS, limit=4)):
            pass

    try:
        with ThreadPoolExecutor(2) as pool:
            for one in [pool.submit(work, house.database), pool.submit(work, other)]:
                one.result(timeout=60)
    finally:
        other.close()
    assert _made(house) == (sorted(ids), 30, 30)
    assert house.database.read_now(lambda c: due.runs(c))[0]["counts"]["delivered"] == 30


def test_two_processes_give_the_same_reasons_at_once(house: CaseHouse) -> None:
    ids = _fleet(house, 20)
    both = [
        NewReason(kind=ReasonKind.CUSTOM, occasion=f"both {one}", customer_id=one, due_at=at(6, 20))
        for one in ids
    ]
    other = Database(house.database.url)
    start = threading.Barrier(2)

    def work(database: Database) -> int:
        start.wait()
        added: int = database.write_now(lambda c: contacts.add_reasons(c, both, at(6, 16)))
        return added

    try:
        with ThreadPoolExecutor(2) as pool:
            done = [pool.submit(work, house.database), pool.submit(work, other)]
            assert sum(one.result(timeout=60) for one in done) == 20
    finally:
        other.close()
    assert _made(house) == (sorted(ids), 20, 20)


def test_a_day_that_was_cut_off_between_shares_goes_on(house: CaseHouse) -> None:
    ids = _fleet(house, 10)
    assert house.database.write_now(lambda c: due.run_share(c, at(6, 16), HOURS, limit=3))

    def cut(connection: Any) -> None:
        due.run_share(connection, at(6, 16), HOURS, limit=3)
        raise RuntimeError

    with pytest.raises(RuntimeError):  # cut off within a share: nothing of it stays
        house.database.write_now(cut)
    assert len(_made(house)[0]) == 3
    assert generate(house, at(6, 16, 9), limit=3)["delivered"] == 10
    assert _made(house) == (sorted(ids), 10, 10)


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "cancel", "close"]), st.integers(0, 1), st.integers(0, 4), st.integers(1, 9)
    ),
    max_size=9,
)


@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(steps=_STEPS)
def test_whatever_comes_and_goes_one_contact_with_the_earliest_deadline(
    house: CaseHouse, steps: list[tuple[str, int, int, int]]
) -> None:
    ids = _fleet(house, 2)
    open_ones: dict[str, dict[str, datetime]] = {one: {} for one in ids}
    used: set[str] = set()
    events = 0
    for step, whose, place, day in steps:
        customer = ids[whose]
        occasion = f"{customer}:{place}"
        if step == "add":
            add(house, occasion, customer_id=customer, due_at=at(7, day))
            if occasion not in used:
                events += 1 if open_ones[customer] else 2  # opened, reason added
                open_ones[customer][occasion] = at(7, day)
                used.add(occasion)
        elif step == "cancel":
            house.database.write_now(
                lambda c, occasion=occasion: contacts.cancel_reasons(
                    c, occasion=occasion, kinds=[ReasonKind.CUSTOM], why={"code": "x"}, now=at(6, 16)
                )
            )
            if open_ones[customer].pop(occasion, None):
                events += 1 if open_ones[customer] else 2  # reason cancelled, closed
        elif open_ones[customer]:
            close(house, contact(house, customer), Result.DONE, at(6, 17))
            open_ones[customer] = {}
            events += 2  # tried, closed
        for one in ids:
            found = house.database.read_now(lambda c, one=one: contacts.open_contact_of(c, one))
            assert (found.due_at if found else None) == min(open_ones[one].values(), default=None)
    mine = select(due_contacts.c.id).where(due_contacts.c.customer_id.in_(ids))
    trail = house.database.read_now(
        lambda c: c.execute(select(contact_events.c.id).where(contact_events.c.contact_id.in_(mine))).all()
    )
    assert len(trail) == events


def test_days_not_worked_are_made_up_for_and_other_rules_look_back_once(house: CaseHouse) -> None:
    deliver(house, date(2026, 6, 10))  # its third day is Saturday
    for day in (11, 12, 13, 14):
        assert generate(house, at(6, day))["delivered"] == 0
    assert generate(house, at(6, 15))["delivered"] == 1
    # A day later in the rules: nothing again. Deliveries that the new days make due are found once.
    other = house.database.write_now(
        lambda c: vehicles.add_vehicle(
            c, now=house.clock.now(), plate="沪B00001", delivered_on=date(2026, 6, 12)
        )
    )
    house.database.write_now(
        lambda c: vehicles.add_person(c, other.id, house.customer, Role.OWNER, house.clock.now())
    )
    rules = house.database.read_now(contacts.rules_of)
    week = replace(rules, kinds={ReasonKind.DELIVERY_VISIT: Rule(days=7)})
    house.database.write_now(lambda c: contacts.save_rules(c, week, now=at(6, 15, 10)))
    assert generate(house, at(6, 16))["delivered"] == 0
    saved = house.database.read_now(contacts.rules_of)
    day = replace(saved, kinds={ReasonKind.DELIVERY_VISIT: Rule(days=1)})
    house.database.write_now(lambda c: contacts.save_rules(c, day, now=at(6, 16, 10)))
    assert generate(house, at(6, 17))["delivered"] == 1
