"""`web.ports.maintenance.Maintenance` over the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping

from access.audit import Entry
from access.requests import Answer, Once
from access.users import Principal
from config.books.contacts import lines as contact_lines
from config.books.contacts import read_cursor
from crm.contacts.contacts import ReasonKind
from crm.maintenance.forecast import Forecast, Stage, dated
from crm.maintenance.plans import DEFAULT, Plan, PlanNotFound
from crm.records.customers import VehicleNotFound
from crm.records.vehicle_lists import VehicleFilter, VehicleSort
from storage import (
    audit,
    contact_rows,
    due_weeks,
    idempotency,
    invitations,
    maintenance,
    plan_trials,
    vehicle_lists,
    vehicles,
)
from storage.database import Database
from storage.sight import Sight, sights
from telephony.hours import WorkingTime
from web.ports.maintenance import (
    DueVehicle,
    DueWeek,
    InvitationMonth,
    InvitationRate,
    InvitedLine,
    PlanTrial,
    VehicleDue,
)


class MaintenanceBook:
    """Plans, forecasts, readings."""

    def __init__(self, database: Database, hours: WorkingTime) -> None:
        self._database = database
        self._hours = hours

    async def plans(self, *, retired: bool = False) -> Sequence[Plan]:
        def work(connection: Connection) -> Sequence[Plan]:
            found = maintenance.plans(connection)
            return [*found, *maintenance.retired_plans(connection)] if retired else found

        return await self._database.read(work)

    async def versions(self, plan_id: str) -> Sequence[Plan]:
        return await self._database.read(lambda connection: maintenance.versions(connection, plan_id))

    async def save(self, viewer: Principal, plan: Plan, entry: Entry, *, once: Once | None = None) -> Plan:
        def work(connection: Connection) -> Plan:
            if once is not None:
                answer = Answer(status=201, body={"made": entry.id}, at=entry.at)
                kept = idempotency.answer_once(connection, once, answer)
                if kept.body["made"] != entry.id:  # the same request again: what it saved then
                    return _saved_then(connection, plan)
            today = self._hours.date_of(entry.at)
            saved = maintenance.save_plan(connection, plan, by=viewer, now=entry.at, today=today)
            audit.append(connection, replace(entry, subject=f"plan:{saved.id}"))
            return saved

        return await self._database.write(work)

    async def waiting(self) -> Sequence[Plan]:
        return await self._database.read(maintenance.waiting_plans)

    async def try_out(self, plan: Plan, now: datetime) -> PlanTrial:
        found = await self._database.read(lambda c: plan_trials.trial(c, plan, now, self._hours))
        return PlanTrial(**{name: getattr(found, name) for name in PlanTrial.__slots__})

    async def weeks(self, now: datetime) -> Sequence[DueWeek]:
        found = await self._database.read(lambda c: due_weeks.weeks(c, self._hours.date_of(now)))
        return [
            DueWeek(
                first=one.first,
                last=one.last,
                first_maintenance=one.first_maintenance,
                periodic=one.periodic,
            )
            for one in found
        ]

    async def due_between(
        self,
        viewer: Principal,
        first: date,
        last: date,
        stage: Stage | None,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[DueVehicle], str | None]:
        def work(connection: Connection) -> tuple[Sequence[DueVehicle], str | None]:
            page = vehicle_lists.list_vehicles(
                connection,
                viewer,
                VehicleFilter(due_from=first, due_to=last, stage=stage),
                sort=VehicleSort.DUE,
                after=cursor,
                limit=limit,
                now=now,
            )
            rows = maintenance.vehicle_rows(connection, [one.vehicle.id for one in page.items])
            made = maintenance.forecasts(connection, rows, maintenance.plans(connection))
            by_id = {row["id"]: row for row in rows}
            found = []
            for one in page.items:
                row = by_id[one.vehicle.id]
                is_first = row["next_due_why"].startswith(f"{maintenance.RECKONED}{Stage.FIRST.value}")
                found.append(
                    DueVehicle(
                        line=one,
                        stage=Stage.FIRST if is_first else Stage.PERIODIC,
                        why=_why(row, made[one.vehicle.id][1]),
                    )
                )
            return found, page.next

        return await self._database.read(work)

    async def invitations(
        self, viewer: Principal, first: date, last: date, now: datetime
    ) -> Sequence[InvitationMonth]:
        found = await self._database.read(
            lambda c: invitations.by_kind(c, viewer, first, last, self._hours, now)
        )
        return [
            InvitationMonth(
                month=one.month,
                kind=one.kind,
                counts={outcome.value: number for outcome, number in one.counts.items()},
            )
            for one in found
        ]

    async def invited(
        self,
        viewer: Principal,
        kind: ReasonKind,
        outcome: str,
        first: date,
        last: date,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[InvitedLine], str | None]:
        after = read_cursor(cursor)

        def work(connection: Connection) -> tuple[Sequence[InvitedLine], str | None]:
            found, place = invitations.behind(
                connection,
                viewer,
                kind,
                invitations.Outcome(outcome),
                first,
                last,
                self._hours,
                now,
                after=after,
                limit=limit,
            )
            called = contact_rows.several(connection, [one.contact_id for one in found])
            lines = {one.contact.id: one for one in contact_lines(connection, viewer, called, now)}
            shown = [
                InvitedLine(
                    contact=lines[one.contact_id],
                    reason_id=one.id,
                    made_at=one.created_at,
                    reached=one.reached,
                    booked=one.booked,
                    came=one.came,
                )
                for one in found
                if one.contact_id in lines
            ]
            return shown, None if place is None else f"{place[0].isoformat()}~{place[1]}"

        return await self._database.read(work)

    async def retire(self, viewer: Principal, plan_id: str, version: int, entry: Entry) -> Plan:
        def work(connection: Connection) -> Plan:
            retired = maintenance.retire_plan(connection, plan_id, version, now=entry.at)
            audit.append(connection, entry)
            return retired

        return await self._database.write(work)

    async def due(self, viewer: Principal, vehicle_id: str, now: datetime) -> VehicleDue:
        return await self._database.read(lambda connection: self._due(connection, viewer, vehicle_id, now))

    async def add_reading(
        self,
        viewer: Principal,
        vehicle_id: str,
        km: int,
        read_on: date,
        entry: Entry,
        *,
        call_id: str | None = None,
    ) -> VehicleDue:
        def work(connection: Connection) -> VehicleDue:
            _reachable(connection, viewer, vehicle_id, entry.at)
            maintenance.add_reading(
                connection,
                vehicle_id,
                km,
                read_on,
                source="asked",
                by=viewer,
                now=entry.at,
                today=self._hours.date_of(entry.at),
                call_id=call_id,
            )
            maintenance.reckon(connection, [vehicle_id], entry.at)
            audit.append(connection, entry)
            return self._due(connection, viewer, vehicle_id, entry.at)

        return await self._database.write(work)

    async def rates(self, first: date, last: date) -> Sequence[InvitationRate]:
        def work(connection: Connection) -> Sequence[InvitationRate]:
            rows = invitations.rates(connection, first, last, self._hours)
            return [
                InvitationRate(
                    month=row.month,
                    plan_id=row.plan_id,
                    plan_name=row.plan_name,
                    invited=row.invited,
                    reached=row.reached,
                    booked=row.booked,
                    came=row.came,
                )
                for row in rows
            ]

        return await self._database.read(work)

    def _due(self, connection: Connection, viewer: Principal, vehicle_id: str, now: datetime) -> VehicleDue:
        _reachable(connection, viewer, vehicle_id, now)
        row = maintenance.vehicle_rows(connection, [vehicle_id])[0]
        plan, made, readings = maintenance.forecasts(connection, [row], maintenance.plans(connection))[
            vehicle_id
        ]
        owned = row["state"] == "owned"
        return VehicleDue(
            vehicle_id=vehicle_id,
            plan=plan,
            forecast=made,
            next_due_on=row["next_due_on"],
            next_due_mileage=row["next_due_mileage"],
            why=_why(row, made),
            state=row["state"],
            state_since=row["state_since"],
            dated=dated(plan, row["delivered_on"], self._hours.date_of(now)) if owned else [],
            readings=readings,
        )


def _why(row: RowMapping, made: Forecast | None) -> Mapping[str, Any]:
    """Why a vehicle is due, as plain data: by the plan, or on the day that was given and still stands."""
    why = made.why() if made is not None else {}
    if row["next_due_on"] is not None and maintenance.keeps_given(row, made):
        given = {"cause": "given", "given": row["next_due_why"]}
        return {**why, **given, "due_on": row["next_due_on"].isoformat(), "due_km": row["next_due_mileage"]}
    return why


def _saved_then(connection: Connection, plan: Plan) -> Plan:
    """What holds for the model of a plan that was saved by an earlier answer to the same request."""
    for one in maintenance.plans(connection):
        if (one.brand, one.model) == (plan.brand, plan.model) and one.id != DEFAULT.id:
            return one
    raise PlanNotFound("There is no such plan.")


def _reachable(connection: Connection, viewer: Principal, vehicle_id: str, now: datetime) -> None:
    """Raises VehicleNotFound where the vehicle is not there for this person: all its people are somebody else's."""
    vehicles.get_vehicle(connection, vehicle_id)
    people = [one.customer_id for one in vehicles.people_of(connection, vehicle_id)]
    if not people:
        return
    seen = sights(connection, viewer, people, now)
    if all(seen.get(one) is not Sight.OPEN for one in people):
        raise VehicleNotFound("There is no such vehicle.")
