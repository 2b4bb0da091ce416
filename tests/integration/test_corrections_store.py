"""Corrections from the call to the changed record, error rates, and the check of hand-overs, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from hypothesis import given
from hypothesis import strategies as st

from access.permissions import Role as UserRole
from access.users import Principal, Via
from crm.corrections.orders import (
    STEPS,
    Correction,
    CorrectionNotFound,
    Department,
    Result,
    State,
    Step,
    StepRefused,
    due,
    next_state,
)
from crm.records.changes import Author
from crm.records.customers import BadRecord
from crm.records.vehicles import Role
from storage import corrections, customers, handovers, merging, vehicles
from storage.database import Database
from telephony.hours import WorkingTime
from telephony.numbers import E164

ZONE = ZoneInfo("Asia/Shanghai")
AGENT = Principal(role=UserRole.AGENT, via=Via.COMMAND, name="Agent Li")
SALES = Principal(role=UserRole.DEPARTMENT, via=Via.COMMAND, name="Sales Zhao")
HOURS = WorkingTime(zone=ZONE, week=[[(9 * 60, 18 * 60)]] * 5 + [[], []])


@pytest.fixture
def car(database: Database, clock: FrozenClock) -> dict[str, str]:
    def work(connection: Any) -> dict[str, str]:
        owner = customers.add_customer(connection, name="张伟", now=clock.now())
        customers.add_contact(connection, owner.id, E164("+8613800000001"), clock.now())
        vehicle = vehicles.add_vehicle(
            connection, now=clock.now(), plate="沪A12345", model="Model 3", delivered_on=date(2026, 6, 10)
        )
        vehicles.add_person(connection, vehicle.id, owner.id, Role.OWNER, clock.now())
        return {"owner": owner.id, "vehicle": vehicle.id}

    return database.write_now(work)


def raise_one(database: Database, clock: FrozenClock, car: dict[str, str], **values: Any) -> Correction:
    given = {
        "customer_id": car["owner"],
        "vehicle_id": car["vehicle"],
        "field": "plate",
        "wrong_value": "沪A12345",
        "said": "车牌是沪A54321",
        "by": AGENT,
        "now": clock.now(),
        "due_at": due(clock.now(), HOURS, 16),
        **values,
    }
    return database.write_now(lambda c: corrections.raise_order(c, **given))


def step(database: Database, clock: FrozenClock, order: Correction, what: Step, **values: Any) -> Correction:
    values = {"by": AGENT, **values}
    return database.write_now(lambda c: corrections.take_step(c, order.id, what, now=clock.now(), **values))


def test_from_the_call_to_the_changed_record(
    database: Database, clock: FrozenClock, car: dict[str, str]
) -> None:
    order = raise_one(database, clock, car, call_id="CALL1")
    # Tuesday 10:00, 16 hours of work: 8 today, 8 tomorrow.
    assert order.due_at == datetime(2026, 6, 17, 17, 0, tzinfo=ZONE)
    assert (order.department, order.state) == (Department.SALES, State.OPEN)
    with pytest.raises(StepRefused) as early:
        step(database, clock, order, Step.ACCEPT)
    assert early.value.state == "open"

    with pytest.raises(BadRecord):
        step(database, clock, order, Step.ANSWER, by=SALES, department=Department.SALES, value=" ")
    answered = step(
        database,
        clock,
        order,
        Step.ANSWER,
        by=SALES,
        department=Department.SALES,
        value="沪A54321",
        version=1,
    )
    assert answered.state is State.ANSWERED
    unchanged = database.read_now(lambda c: vehicles.get_vehicle(c, car["vehicle"]))
    assert unchanged.plate == "沪A12345"  # nothing changes before it is checked
    with pytest.raises(StepRefused) as stale:
        step(database, clock, order, Step.ACCEPT, version=1)
    assert stale.value.holder == "Sales Zhao"

    closed = step(database, clock, order, Step.ACCEPT, version=2)
    assert (closed.state, closed.result, closed.applied) == (State.CLOSED, Result.CORRECTED, True)
    assert database.read_now(lambda c: vehicles.get_vehicle(c, car["vehicle"])).plate == "沪A54321"
    told = database.read_now(lambda c: corrections.steps_of(c, order.id))
    assert [(one["step"], one["by_name"]) for one in told] == [
        ("raise", "Agent Li"),
        ("answer", "Sales Zhao"),
        ("accept", "Agent Li"),
    ]
    with pytest.raises(StepRefused):
        step(database, clock, order, Step.WITHDRAW, note="never mind")


def test_an_answer_that_cannot_be_is_refused_and_changes_nothing(
    database: Database, clock: FrozenClock, car: dict[str, str]
) -> None:
    order = raise_one(database, clock, car, field="delivered_on", wrong_value="2026-06-10")
    with pytest.raises(BadRecord):
        step(database, clock, order, Step.ANSWER, by=SALES, department=Department.SALES, value="last June")
    step(
        database,
        clock,
        order,
        Step.ANSWER,
        by=SALES,
        department=Department.SALES,
        value="2026.06.09",
    )
    step(database, clock, order, Step.ACCEPT)
    kept = database.read_now(lambda c: vehicles.get_vehicle(c, car["vehicle"]))
    assert kept.delivered_on == date(2026, 6, 9)
    plate = raise_one(database, clock, car)
    step(database, clock, plate, Step.ANSWER, by=SALES, department=Department.SALES, value="沪A1")
    with pytest.raises(BadRecord):
        step(database, clock, plate, Step.ACCEPT)
    assert database.read_now(lambda c: corrections.get_order(c, plate.id)).state is State.ANSWERED
    step(database, clock, plate, Step.ACCEPT, value="沪A99999")  # the check itself may find what is right
    assert database.read_now(lambda c: vehicles.get_vehicle(c, car["vehicle"])).plate == "沪A99999"


def test_a_department_sees_and_answers_its_own_only(
    database: Database, clock: FrozenClock, car: dict[str, str]
) -> None:
    order = raise_one(database, clock, car)
    theirs = raise_one(database, clock, car, field="mileage", wrong_value="5000")
    assert theirs.department is Department.SERVICE
    with pytest.raises(CorrectionNotFound):
        step(database, clock, theirs, Step.ANSWER, by=SALES, department=Department.SALES, value="5100")
    with pytest.raises(StepRefused):
        step(database, clock, order, Step.WITHDRAW, by=SALES, department=Department.SALES, note="x")
    own = database.read_now(
        lambda c: corrections.list_orders(c, now=clock.now(), department=Department.SALES)
    )
    assert [one.id for one in own] == [order.id]
    refused = step(
        database, clock, order, Step.REFUSE, by=SALES, department=Department.SALES, note="与合同一致"
    )
    assert refused.state is State.REFUSED
    again = step(database, clock, order, Step.SEND_BACK, note="客户发来行驶证", due_at=clock.now())
    assert (again.state, again.rounds) == (State.OPEN, 1)


def test_deadlines_reminders_and_counts(database: Database, clock: FrozenClock, car: dict[str, str]) -> None:
    first = raise_one(database, clock, car)
    clock.advance(86_400 * 3)
    second = raise_one(database, clock, car)
    late = database.read_now(lambda c: corrections.list_orders(c, now=clock.now(), which="overdue"))
    assert [one.id for one in late] == [first.id]
    assert late[0].is_overdue(clock.now())
    assert database.read_now(lambda c: corrections.counts(c, clock.now())) == {"open": 2, "overdue": 1}
    assert step(database, clock, first, Step.REMIND).reminders == 1
    after = (first.due_at, first.id)
    page = database.read_now(lambda c: corrections.list_orders(c, now=clock.now(), after=after))
    assert [one.id for one in page] == [second.id]


def test_error_rate_opens_its_rows(database: Database, clock: FrozenClock, car: dict[str, str]) -> None:
    database.write_now(lambda c: vehicles.add_vehicle(c, now=clock.now(), delivered_on=date(2026, 6, 30)))
    for end in (Step.ACCEPT, Step.KEEP):
        order = raise_one(database, clock, car)
        step(database, clock, order, Step.ANSWER, by=SALES, department=Department.SALES, value="沪A54321")
        step(database, clock, order, end)
    raise_one(database, clock, car)
    clock.set(datetime(2026, 6, 30, 16, 30, tzinfo=UTC))  # already July at the house
    raise_one(database, clock, car)
    june, july = (
        next(rate for rate in rates if rate.department is Department.SALES)
        for rates in (
            database.read_now(lambda c, m=month: corrections.error_rates(c, [m], ZONE))
            for month in ("2026-06", "2026-07")
        )
    )
    assert (june.received, june.wrong, june.pending, june.rate) == (2, 1, 1, 0.5)
    assert (july.received, july.wrong, july.pending, july.rate) == (0, 0, 1, None)
    rows = database.read_now(
        lambda c: corrections.list_orders(c, now=clock.now(), which="all", month="2026-06", zone=ZONE)
    )
    assert len(rows) == 3
    assert sum(one.result is Result.CORRECTED for one in rows) == june.wrong


def test_an_order_follows_a_merge(database: Database, clock: FrozenClock, car: dict[str, str]) -> None:
    """R34: the record an order is about is merged; the answer goes into the record of now."""
    other = database.write_now(lambda c: customers.add_customer(c, name="张 伟", now=clock.now())).id
    order = raise_one(database, clock, car, field="address", wrong_value="", vehicle_id=None)
    by = Author(name="Wu")
    database.write_now(lambda c: merging.merge(c, other, car["owner"], choices={}, by=by, now=clock.now()))
    assert database.read_now(lambda c: corrections.get_order(c, order.id)).customer_id == other
    step(database, clock, order, Step.ANSWER, by=SALES, department=Department.SALES, value="上海市")
    step(database, clock, order, Step.ACCEPT)
    assert database.read_now(lambda c: customers.get_customer(c, other)).address == "上海市"
    late = raise_one(database, clock, car)
    assert late.customer_id == other


def test_hand_overs_late_or_incomplete(database: Database, clock: FrozenClock, car: dict[str, str]) -> None:
    def work(connection: Any) -> None:
        now = clock.now()
        right = vehicles.add_vehicle(
            connection,
            now=now,
            plate="沪A00001",
            vin="LFV2A21K8B3000001",
            model="X",
            delivered_on=date(2026, 6, 14),
        )
        vehicles.add_person(connection, right.id, car["owner"], Role.OWNER, now)
        vehicles.add_vehicle(connection, now=now, delivered_on=date(2026, 5, 31), model="X")

    database.write_now(work)
    found = database.read_now(
        lambda c: handovers.list_handovers(
            c,
            AGENT,
            Department.SALES,
            first=date(2026, 6, 1),
            last=date(2026, 6, 30),
            allowed_days=3,
            zone=ZONE,
        )
    )
    # Delivered on the 10th, on record on the 16th, three days are allowed; its VIN is missing.
    assert [(one.vehicle_id, one.days_late, one.missing) for one in found] == [(car["vehicle"], 3, ("vin",))]


@given(st.lists(st.sampled_from(Step), max_size=12), st.booleans())
def test_whatever_is_done_an_order_ends_once(steps: list[Step], writes: bool) -> None:
    """No walk through the steps leaves "closed", and only its end has a result."""
    state, ended = State.OPEN, False
    for one in steps:
        try:
            state, result = next_state(state, one, writes_itself=writes)
        except StepRefused:
            assert (state, one) not in STEPS
            continue
        assert not ended
        ended = state is State.CLOSED
        assert (result is not None) is ended


def test_a_deadline_in_working_time() -> None:
    friday = datetime(2026, 6, 19, 17, 0, tzinfo=ZONE)
    assert due(friday, HOURS, 9) == datetime(2026, 6, 22, 17, 0, tzinfo=ZONE)
    assert due(friday, HOURS, 1) - friday == timedelta(hours=1)
