"""A plan tried before it is saved, versions for a day to come, the weeks ahead and what became of reminders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from access.permissions import Role
from access.users import Principal, Via
from crm.contacts.contacts import NewReason, ReasonKind, Result
from crm.maintenance.forecast import Stage
from crm.maintenance.plans import BadPlan, Interval, Plan, PlanChanged
from crm.records.purchases import ServiceVisit, VisitKind
from crm.records.vehicle_lists import VehicleFilter, VehicleSort
from crm.records.vehicles import Role as VehicleRole
from storage import (
    contacts,
    customers,
    due_weeks,
    history,
    invitations,
    maintenance,
    plan_trials,
    vehicle_lists,
    vehicles,
)
from storage.database import Database
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions

HOURS = WorkingTime.from_options(CalendarOptions())
NOW = datetime(2026, 6, 16, 2, tzinfo=UTC)  # a Tuesday, 10:00 at the house
TODAY = date(2026, 6, 16)
BY = Principal(user_id=None, name="chen", role=Role.SUPERVISOR, via=Via.COMMAND)
PLAN = Plan(
    id="",
    brand="丰田",
    model="卡罗拉",
    name="卡罗拉",
    first=Interval(months=6, km=None),
    periodic=Interval(months=12, km=None),
)


def visited(vehicle_id: str, on: date, kind: VisitKind) -> ServiceVisit:
    return ServiceVisit(
        id="", vehicle_id=vehicle_id, visited_on=on, kind=kind, created_at=NOW, updated_at=NOW
    )


def car(
    connection: Connection, delivered_on: date, *, model: str = "卡罗拉", serviced_on: date | None = None
) -> str:
    person = customers.add_customer(connection, name="张伟", now=NOW)
    made = vehicles.add_vehicle(connection, now=NOW, brand="丰田", model=model, delivered_on=delivered_on)
    vehicles.add_person(connection, made.id, person.id, VehicleRole.OWNER, NOW)
    if serviced_on is not None:
        visit = visited(made.id, serviced_on, VisitKind.PERIODIC)
        history.add_visit(connection, visit, NOW)
    maintenance.reckon(connection, [made.id], NOW)
    return made.id


def due_on(connection: Connection, vehicle_id: str) -> date | None:
    on: date | None = maintenance.vehicle_rows(connection, [vehicle_id])[0]["next_due_on"]
    return on


def settled(connection: Connection) -> None:
    while maintenance.gather(connection, NOW):
        maintenance.reckon(connection, maintenance.take_marks(connection, 1000), NOW)


def test_a_trial_says_what_saving_then_does(database: Database) -> None:
    def work(connection: Connection) -> None:
        saved = maintenance.save_plan(connection, PLAN, by=BY, now=NOW, today=TODAY)
        serviced = [
            car(connection, date(2024, 3, 1), serviced_on=date(2025, 12, day)) for day in (20, 21, 28)
        ]
        young = car(connection, date(2026, 4, 1))
        other = car(connection, date(2024, 3, 1), model="凯美瑞", serviced_on=date(2025, 12, 20))
        settled(connection)
        before = {one: due_on(connection, one) for one in (*serviced, young, other)}
        shorter = replace(saved, periodic=Interval(months=6, km=None))
        tried = plan_trials.trial(connection, shorter, NOW, HOURS)
        assert {one: due_on(connection, one) for one in before} == before, "a trial writes nothing"
        assert (tried.vehicles, tried.looked) == (4, 4), "the other model is none of its business"
        assert (tried.earlier, tried.later, tried.same) == (3, 0, 1)
        # Due 20, 21 and 28 June; tomorrow reaches 14 days ahead.
        assert (tried.contacts_before, tried.contacts_after) == (0, 3)
        assert tried.middle_days < -180
        maintenance.save_plan(connection, shorter, by=BY, now=NOW, today=TODAY)
        settled(connection)
        moved = [one for one in before if due_on(connection, one) != before[one]]
        assert moved == serviced

    database.write_now(work)


def test_of_many_vehicles_a_sample_is_stretched(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_trials, "MOST", 5)

    def work(connection: Connection) -> None:
        for day in range(1, 21):
            car(connection, date(2024, 3, 1), serviced_on=date(2026, 1, day))
        tried = plan_trials.trial(connection, PLAN, NOW, HOURS)
        assert tried.vehicles == 20
        assert 0 < tried.looked <= 5
        assert tried.later == 20

    database.write_now(work)


def test_a_version_for_a_day_to_come_holds_from_that_day(database: Database) -> None:
    def work(connection: Connection) -> None:
        saved = maintenance.save_plan(connection, PLAN, by=BY, now=NOW, today=TODAY)
        mine = car(connection, date(2024, 3, 1), serviced_on=date(2026, 1, 10))
        settled(connection)
        assert due_on(connection, mine) == date(2027, 1, 10)
        later = replace(saved, periodic=Interval(months=18, km=None), begins_on=date(2026, 7, 1))
        maintenance.save_plan(connection, later, by=BY, now=NOW, today=TODAY)
        assert [one.version for one in maintenance.plans(connection) if one.id == saved.id] == [1]
        assert [one.version for one in maintenance.waiting_plans(connection)] == [2]
        assert maintenance.begin_waiting(connection, date(2026, 6, 30), NOW) == 0
        with pytest.raises(PlanChanged):  # who still looks at the first version
            maintenance.save_plan(connection, saved, by=BY, now=NOW, today=TODAY)
        with pytest.raises(BadPlan) as refused:
            maintenance.save_plan(
                connection, replace(PLAN, begins_on=date(2026, 8, 1)), by=BY, now=NOW, today=TODAY
            )
        assert refused.value.field == "model"
        assert maintenance.waits_until(connection, date(2026, 7, 1))
        assert maintenance.begin_waiting(connection, date(2026, 7, 1), NOW) == 1
        assert maintenance.begin_waiting(connection, date(2026, 7, 1), NOW) == 0
        settled(connection)
        assert due_on(connection, mine) == date(2027, 7, 10)
        with pytest.raises(BadPlan) as refused:
            maintenance.save_plan(
                connection,
                replace(later, version=2, begins_on=date(2026, 6, 15)),
                by=BY,
                now=NOW,
                today=TODAY,
            )
        assert refused.value.field == "begins_on"

    database.write_now(work)


def test_weeks_are_counted_in_indexes_and_open_their_vehicles(database: Database) -> None:
    def work(connection: Connection) -> None:
        maintenance.save_plan(connection, PLAN, by=BY, now=NOW, today=TODAY)
        first = car(connection, date(2025, 12, 25))  # due 25 June
        second = car(connection, date(2024, 3, 1), serviced_on=date(2025, 6, 20))  # due 20 June
        car(connection, date(2024, 3, 1), serviced_on=date(2026, 6, 1))  # due next year
        weeks = due_weeks.weeks(connection, TODAY)
        assert len(weeks) == due_weeks.WEEKS
        assert (weeks[0].first, weeks[0].last) == (TODAY, date(2026, 6, 21))
        assert [(one.first_maintenance, one.periodic) for one in weeks[:3]] == [(0, 1), (1, 0), (0, 0)]
        for stage, mine in ((Stage.FIRST, first), (Stage.PERIODIC, second), (None, None)):
            wanted = VehicleFilter(due_from=TODAY, due_to=weeks[-1].last, stage=stage)
            page = vehicle_lists.list_vehicles(connection, BY, wanted, sort=VehicleSort.DUE, now=NOW)
            assert [one.vehicle.id for one in page.items] == ([mine] if mine else [second, first])

    database.write_now(work)

    def explained(connection: Connection) -> list[str]:
        postgresql = connection.dialect.name == "postgresql"
        if postgresql:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        found = []
        for sign in ("", " AND substr(next_due_why, 1, 10) = 'plan first'"):
            asked = (
                f"{'EXPLAIN' if postgresql else 'EXPLAIN QUERY PLAN'} SELECT next_due_on, count(*) "
                f"FROM vehicles WHERE next_due_on >= '2026-06-16' AND next_due_on <= '2026-09-06'{sign} "
                "GROUP BY next_due_on"
            )
            found.append(" ".join(str(row) for row in connection.execute(text(asked))))
        return found

    plans = database.write_now(explained)
    assert "ix_vehicles_next_due_on_id" in plans[0], plans[0]
    assert "ix_vehicles_first_due" in plans[1], plans[1]


def test_figures_of_reminders_open_just_their_rows(database: Database) -> None:
    def work(connection: Connection) -> None:
        maintenance.save_plan(connection, PLAN, by=BY, now=NOW, today=TODAY)
        for number in range(3):
            mine = car(connection, date(2025, 12, 25))
            whose = next(iter(vehicles.people_of(connection, mine))).customer_id
            made = contacts.add_reason(
                connection,
                NewReason(
                    kind=ReasonKind.FIRST_MAINTENANCE,
                    occasion=f"due {number}",
                    customer_id=whose,
                    vehicle_id=mine,
                    due_at=NOW + timedelta(days=3),
                ),
                NOW,
            )
            assert made is not None
            if number:
                contacts.close_contact(
                    connection, made.id, Result.DONE, now=NOW + timedelta(minutes=5), hours=HOURS, by=BY
                )
            if number == 2:
                came = visited(mine, TODAY, VisitKind.FIRST)
                history.add_visit(connection, came, NOW)
        first, last = date(2026, 5, 1), date(2026, 6, 30)
        found = invitations.by_kind(connection, BY, first, last, HOURS, NOW)
        assert [(one.month, one.kind) for one in found] == [("2026-06", ReasonKind.FIRST_MAINTENANCE)]
        counts = found[0].counts
        assert [counts[one] for one in invitations.Outcome] == [3, 2, 0, 1]
        for outcome in invitations.Outcome:
            seen = 0
            after = None
            for _ in range(5):
                rows, after = invitations.behind(
                    connection,
                    BY,
                    ReasonKind.FIRST_MAINTENANCE,
                    outcome,
                    first,
                    last,
                    HOURS,
                    NOW,
                    after=after,
                    limit=1,
                )
                seen += len(rows)
                if after is None:
                    break
            assert seen == counts[outcome], outcome

    database.write_now(work)
