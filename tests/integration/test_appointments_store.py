"""Appointments in the store, on both databases: capacity, steps, the clock's work, the kept list, credit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import Principal, Via
from crm.appointments.appointments import (
    Appointment,
    AppointmentChanged,
    AppointmentRefused,
    AppointmentState,
    BadAppointment,
    NewAppointment,
    NoticeState,
    Source,
    Step,
    TimeTaken,
    Work,
)
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from crm.contacts.contacts import NewReason, ReasonKind, Result
from crm.records.changes import HOUSE
from crm.records.purchases import ServiceVisit, VisitKind
from crm.records.vehicles import Role as VehicleRole
from crm.reports.rows import Source as Rows
from crm.reports.rows import Wanted
from storage import (
    appointment_days,
    appointments,
    contacts,
    customers,
    history,
    merging,
    report_rows,
    slots,
    vehicles,
)
from storage.appointments import Given
from storage.database import Database
from storage.tables.appointments import (
    appointment_cells,
    appointment_events,
    appointment_notices,
    visit_credits,
)
from storage.tables.appointments import appointments as rows
from storage.tables.tasks import tasks
from telephony.hours import WorkingTime
from tests.fixtures_storage import FrozenClock

HOURS = WorkingTime(
    zone=ZoneInfo("Asia/Shanghai"),
    week=[[(540, 1080)]] * 5 + [[], []],
    holidays_of="CN",
)
OPTIONS = AppointmentOptions()
AGENT = Principal(role=Role.AGENT, via=Via.SESSION, name="陈静")
#: Wednesday 17 June 2026, 9:00 in China.
NINE = datetime(2026, 6, 17, 1, tzinfo=UTC)


class House:
    """A workshop with one advisor who takes one car in every half hour, and customers."""

    def __init__(self, connection: Connection, now: datetime, *, capacity: int = 1) -> None:
        self.workshop = slots.save_workshop(
            connection, workshop_id=None, name="一号车间", address="", active=True, version=None, now=now
        )
        self.lane = slots.save_lane(
            connection,
            Lane(
                id="",
                workshop_id=self.workshop.id,
                name="王顾问",
                advisor="王芳",
                works=frozenset({Work.MAINTENANCE, Work.OTHER}),
                weekdays=frozenset(range(5)),
                opens=540,
                closes=1020,
                pause_from=720,
                pause_until=780,
                cell_minutes=30,
                capacity=capacity,
            ),
            now=now,
            new=True,
        )
        self.people = [customers.add_customer(connection, name=name, now=now).id for name in "甲乙丙丁"]
        self.cars = []
        for number, person in enumerate(self.people):
            car = vehicles.add_vehicle(connection, now=now, plate=f"沪A1234{number}", model="K5")
            vehicles.add_person(connection, car.id, person, VehicleRole.OWNER, now)
            self.cars.append(car.id)

    def new(self, who: int = 0, at: datetime = NINE, **more: object) -> NewAppointment:
        return NewAppointment(
            work=Work.OTHER,
            workshop_id=self.workshop.id,
            starts_at=at,
            customer_id=self.people[who],
            vehicle_id=self.cars[who],
            **more,  # type: ignore[arg-type]
        )


def book(connection: Connection, new: NewAppointment, now: datetime) -> Appointment:
    return appointments.book(connection, new, now=now, by=AGENT, hours=HOURS, options=OPTIONS)


def step(
    connection: Connection,
    appointment_id: str,
    what: Step,
    now: datetime,
    version: int | None = None,
    source: Source = Source.PAGE,
    **more: object,
) -> Appointment:
    return appointments.take_step(
        connection,
        appointment_id,
        what,
        Given(**more),  # type: ignore[arg-type]
        by=AGENT,
        source=source,
        now=now,
        hours=HOURS,
        options=OPTIONS,
        version=version,
    )


@pytest.fixture
def house(database: Database, clock: FrozenClock) -> House:
    return database.write_now(lambda c: House(c, clock.now()))


def test_the_last_place_goes_to_one_of_two(database: Database, clock: FrozenClock, house: House) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(4)

    def try_it(who: int) -> None:
        start.wait()
        try:
            database.write_now(lambda c: book(c, house.new(who), clock.now()))
            outcomes.append("booked")
        except TimeTaken:
            outcomes.append("taken")

    threads = [threading.Thread(target=try_it, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["booked", "taken", "taken", "taken"]
    taken = database.read_now(lambda c: c.execute(select(appointment_cells.c.taken)).scalars().all())
    assert taken == [1]


def test_free_times_skip_breaks_holidays_and_what_is_taken(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        book(connection, house.new(), now)
        today = HOURS.date_of(NINE)
        found = slots.find_free(connection, Work.MAINTENANCE, first=today, last=today, now=now, hours=HOURS)
        said = [one.at.astimezone(HOURS.zone).strftime("%H:%M") for one in found]
        # An hour's work: not at 9:00 (taken), not over the break, not past closing.
        assert said[0] == "09:30"
        assert "11:30" not in said
        assert "13:00" in said
        assert said[-1] == "16:00"
        # 19 June 2026 is the Dragon Boat Festival.
        festival = date(2026, 6, 19)
        assert not slots.find_free(
            connection, Work.OTHER, first=festival, last=festival, now=now, hours=HOURS
        )
        slots.save_exception(
            connection,
            workshop_id=house.workshop.id,
            lane_id=None,
            day=today,
            capacity=0,
            why="盘点",
            now=now,
        )
        assert not slots.find_free(connection, Work.OTHER, first=today, last=today, now=now, hours=HOURS)

    database.write_now(work)


def test_a_move_and_a_cancel_give_the_place_back(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        first = book(connection, house.new(), now)
        moved = step(connection, first.id, Step.MOVE, now, starts_at=NINE + timedelta(hours=1))
        assert moved.version == 2
        second = book(connection, house.new(1), now)
        with pytest.raises(BadAppointment):
            step(connection, second.id, Step.CANCEL, now)
        step(connection, second.id, Step.CANCEL, now, words="出差")
        book(connection, house.new(2), now)
        with pytest.raises(AppointmentRefused) as refused:
            step(connection, second.id, Step.MOVE, now, starts_at=NINE)
        assert refused.value.error_id == "appointment-step-refused"
        trail = appointments.events_of(connection, first.id)
        assert [one.step for one in trail] == [Step.BOOK, Step.MOVE]
        assert trail[1].data["from"] == NINE.isoformat()

    database.write_now(work)


def test_whoever_comes_second_sees_the_change_of_the_first(
    database: Database, clock: FrozenClock, house: House
) -> None:
    made = database.write_now(lambda c: book(c, house.new(), clock.now()))
    database.write_now(lambda c: step(c, made.id, Step.CONFIRM, clock.now(), 1))
    with pytest.raises(AppointmentChanged) as changed:
        database.write_now(lambda c: step(c, made.id, Step.CANCEL, clock.now(), 1, words="x"))
    assert changed.value.version == 2
    assert "陈静" in str(changed.value)
    assert database.read_now(lambda c: appointments.get_appointment(c, made.id)).state is (
        AppointmentState.CONFIRMED
    )


def test_one_more_than_there_is_room_for_needs_a_reason(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        book(connection, house.new(), now)
        with pytest.raises(TimeTaken):
            book(connection, house.new(1), now)
        beyond = book(connection, house.new(1, overbook_reason="长途客户"), now)
        assert beyond.overbooked
        assert beyond.overbook_reason == "长途客户"

    database.write_now(work)


def test_the_same_occasion_is_the_same_appointment(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> tuple[str, str]:
        now = clock.now()
        one = book(connection, house.new(occasion="keypad 1"), now)
        return one.id, book(connection, house.new(occasion="keypad 1"), now).id

    first, second = database.write_now(work)
    assert first == second


def at_once(*works: Callable[[], str]) -> list[str]:
    """What each came to: its answer, or its error."""
    begin = threading.Barrier(len(works))
    found = [""] * len(works)

    def run(place: int) -> None:
        begin.wait()
        try:
            found[place] = works[place]()
        except Exception as error:
            found[place] = repr(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_the_same_occasion_at_once_is_the_same_appointment(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def ask() -> str:
        new = house.new(occasion="keypad 1")
        return database.write_now(lambda c: book(c, new, clock.now()).id)

    first, second, third = at_once(ask, ask, ask)
    kept = database.read_now(lambda c: c.execute(select(rows.c.id)).scalars().all())
    assert [first, second, third] == [kept[0]] * 3
    assert database.read_now(lambda c: c.execute(select(appointment_cells.c.taken)).scalars().all()) == [1]


def test_two_who_move_into_each_others_lane_do_not_wait_for_each_other(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def prepare(connection: Connection) -> tuple[list[str], list[str]]:
        lanes = [
            slots.save_lane(connection, replace(house.lane, id="", name=name, capacity=2), now=NINE, new=True)
            for name in ("东", "西")
        ]
        made = [
            book(connection, house.new(who, lane_id=lane.id), clock.now()) for who, lane in enumerate(lanes)
        ]
        return [one.id for one in made], [one.id for one in lanes]

    (first, second), lanes = database.write_now(prepare)

    def move(appointment_id: str, lane_id: str) -> str:
        return database.write_now(
            lambda c: (
                step(c, appointment_id, Step.MOVE, now=clock.now(), starts_at=NINE, lane_id=lane_id).lane_id
            )
        )

    for there, here in (lanes[::-1], lanes) * 4:
        ended = at_once(partial(move, first, there), partial(move, second, here))
        assert ended == [there, here]
    taken = database.read_now(lambda c: c.execute(select(appointment_cells.c.taken)).scalars().all())
    assert list(taken) == [1, 1]


def test_what_nobody_told_becomes_a_task_and_ends_with_the_telling(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        by_page = book(connection, house.new(), now)
        in_call = book(connection, house.new(1, NINE + timedelta(hours=1), source=Source.CALL), now)
        assert appointment_days.call_about(connection, now, HOURS) == 1
        assert appointment_days.call_about(connection, now, HOURS) == 0
        told = appointments.to_tell(connection, now)
        assert [one.appointment.id for one in told] == [by_page.id]
        step(connection, by_page.id, Step.CONFIRM, now, source=Source.CALL)
        states = connection.execute(select(tasks.c.state)).scalars().all()
        assert states == ["done"]
        assert appointments.to_tell(connection, now) == []
        # The one of the talk is reminded of the day before: 10:00 on Tuesday is now, so it is too late for it.
        reminders = connection.execute(
            select(func.count())
            .select_from(appointment_notices)
            .where(
                appointment_notices.c.appointment_id == in_call.id,
                appointment_notices.c.state == NoticeState.WAITING,
            )
        ).scalar_one()
        assert reminders == 0

    database.write_now(work)


def test_a_talk_about_maintenance_brings_a_visit_and_another_talk_does_not(
    database: Database, clock: FrozenClock, house: House
) -> None:
    """Each of four cars was in the workshop; of two of them nobody had spoken in time. Shares of one go on."""

    def work(connection: Connection) -> None:
        now = clock.now()
        kinds = (ReasonKind.PERIODIC_MAINTENANCE, ReasonKind.SERVICE_VISIT, ReasonKind.PERIODIC_MAINTENANCE)
        made = []
        for who, kind in enumerate(kinds):
            reason = NewReason(
                kind=kind,
                occasion=f"o{who}",
                customer_id=house.people[who],
                vehicle_id=house.cars[who],
                due_at=now + timedelta(days=1),
                why={},
            )
            found = contacts.add_reason(connection, reason, now)
            assert found is not None
            made.append(found.id)
            spoken = now if who < 2 else now + timedelta(days=4)
            contacts.close_contact(connection, found.id, Result.DONE, by=AGENT, now=spoken, hours=HOURS)
        later = now + timedelta(days=5)
        for who in range(4):
            visit = ServiceVisit(
                id="",
                vehicle_id=house.cars[who],
                customer_id=house.people[who],
                visited_on=HOURS.date_of(now + timedelta(days=3)),
                kind=VisitKind.PERIODIC,
                created_at=later,
                updated_at=later,
            )
            history.add_visit(connection, visit, later)
        after, given = "", 0
        for _share in range(3):
            some = appointment_days.give_credit(connection, later, HOURS, OPTIONS, after=after, limit=1)
            after, given = some.after, given + some.given
        assert (after, given) == ("", 1)
        credit = connection.execute(select(visit_credits)).mappings().one()
        assert (credit["contact_id"], credit["appointment_id"], credit["days"]) == (made[0], None, 3)
        manager = Principal(role=Role.MANAGER, via=Via.SESSION, name="经理")
        wanted = Wanted(since=now, until=later + timedelta(days=1))
        rows, _next = report_rows.list_rows(connection, manager, Rows.BROUGHT, wanted, later, limit=10)
        assert [(row.kind, row.id, row.customer_id) for row in rows] == [
            ("contact", made[0], house.people[0])
        ]

    database.write_now(work)


def test_who_does_not_come_has_missed_it_and_who_came_has_not(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        absent = book(connection, house.new(0), now)
        came = book(connection, house.new(1, NINE + timedelta(minutes=30), campaign="夏季保养"), now)
        later = NINE + timedelta(hours=6)
        visit = history.add_visit(
            connection,
            ServiceVisit(
                id="",
                vehicle_id=house.cars[1],
                customer_id=house.people[1],
                visited_on=HOURS.date_of(NINE),
                kind=VisitKind.PERIODIC,
                created_at=later,
                updated_at=later,
            ),
            later,
        )
        assert appointment_days.note_arrivals(connection, later, HOURS, OPTIONS) == 1
        missed = appointment_days.note_missed(connection, later, HOURS, OPTIONS)
        assert [one.id for one in missed] == [absent.id]
        assert appointments.get_appointment(connection, came.id).visit_id == visit.id
        assert appointment_days.give_credit(connection, later, HOURS, OPTIONS).given == 1
        assert appointment_days.give_credit(connection, later, HOURS, OPTIONS).given == 0
        credit = connection.execute(select(visit_credits)).mappings().one()
        assert (credit["appointment_id"], credit["campaign"]) == (came.id, "夏季保养")
        listed = appointments.missed(connection, since=now)
        assert [one.id for one in listed] == [absent.id]
        book(connection, house.new(0, NINE + timedelta(days=1), rebooked_from=absent.id), later)
        assert appointments.missed(connection, since=now) == []
        # Who is booked again need not be called about it.
        states = connection.execute(select(tasks.c.state).where(tasks.c.kind == "contact")).scalars().all()
        assert "open" not in states

    database.write_now(work)


def test_the_kept_list_says_what_it_said_and_what_changed(
    database: Database, clock: FrozenClock, house: House
) -> None:
    def work(connection: Connection) -> None:
        now = datetime(2026, 6, 16, 8, 0, tzinfo=UTC)  # Tuesday 16:00
        assert appointment_days.is_list_due(now, HOURS, OPTIONS)
        assert not appointment_days.is_list_due(now - timedelta(minutes=1), HOURS, OPTIONS)
        moved = book(connection, house.new(0, parts="机油滤芯"), now)
        gone = book(connection, house.new(1, NINE + timedelta(hours=1)), now)
        made = appointment_days.make_list(connection, now, HOURS)
        assert made is not None
        assert appointment_days.make_list(connection, now, HOURS) is None
        step(connection, moved.id, Step.MOVE, now, starts_at=NINE + timedelta(hours=2))
        step(connection, gone.id, Step.CANCEL, now, words="x")
        fresh = book(connection, house.new(2, NINE + timedelta(hours=5)), now)
        said = appointment_days.list_rows(connection, made, HOURS)
        assert [(one.appointment_id, one.since) for one in said] == [
            (moved.id, "changed"),
            (gone.id, "cancelled"),
            (fresh.id, "new"),
        ]
        assert said[0].starts_at == NINE
        assert said[0].parts == "机油滤芯"
        assert said[0].now_at == NINE + timedelta(hours=2)

    database.write_now(work)


def test_appointments_go_over_with_a_merge(database: Database, clock: FrozenClock, house: House) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        made = book(connection, house.new(1), now)
        merging.merge(
            connection, house.people[0], house.people[1], choices={"name": "survivor"}, by=HOUSE, now=now
        )
        assert appointments.get_appointment(connection, made.id).customer_id == house.people[0]
        assert house.people[0] in appointments.next_of(connection, [house.people[0]], now)

    database.write_now(work)


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(("book", "move", "cancel", "miss", "confirm", "arrive")),
        st.integers(0, 5),
        st.integers(0, 3),
    ),
    max_size=25,
)


@given(ACTIONS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_order_of_steps_goes_beyond_capacity_or_loses_an_event(
    sqlite_database: Database, clock: FrozenClock, actions: Sequence[tuple[str, int, int]]
) -> None:
    def work(connection: Connection) -> None:
        now = clock.now()
        house = House(connection, now, capacity=2)
        made: list[str] = []
        events = 0
        for what, which, when in actions:
            at = NINE + timedelta(minutes=30 * when)
            moment = NINE + timedelta(hours=9) if what == "miss" else now
            try:
                with connection.begin_nested():
                    if what == "book":
                        made.append(book(connection, house.new(which % 4, at), moment).id)
                    elif made:
                        step(
                            connection,
                            made[which % len(made)],
                            Step(what),
                            moment,
                            starts_at=at,
                            words="x",
                        )
                    else:
                        continue
                events += 1
            except (TimeTaken, AppointmentRefused, BadAppointment):
                pass
        used = connection.execute(
            select(rows.c.starts_at, func.count())
            .where(rows.c.state != "cancelled", rows.c.lane_id == house.lane.id)
            .group_by(rows.c.starts_at)
        ).all()
        held = dict(
            connection.execute(
                select(appointment_cells.c.at, appointment_cells.c.taken).where(
                    appointment_cells.c.lane_id == house.lane.id, appointment_cells.c.taken > 0
                )
            ).all()
        )
        assert held == dict(used)
        assert all(count <= 2 for count in held.values())
        noted = connection.execute(
            select(func.count())
            .select_from(appointment_events)
            .where(appointment_events.c.appointment_id.in_(made))
        ).scalar_one()
        assert noted == events

    sqlite_database.write_now(work)
