"""Maintenance plans, when a vehicle is due and why, and what became of the invitations."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from access.audit import Action
from access.permissions import Permission
from crm.maintenance.plans import BadPlan, DatedItem, Interval, Plan
from web.api.contact_shapes import (
    DatedOut,
    PlanIn,
    PlanOut,
    PlansOut,
    PlansQuery,
    RateOut,
    RatesOut,
    RatesQuery,
    ReadingIn,
    ReadingOut,
    RetireIn,
    TrialIn,
    TrialOut,
    VehicleDueOut,
)
from web.ports.maintenance import VehicleDue
from web.routes import Ask, Nothing, Route

_PLAN: Final = "/api/v1/maintenance-plans/{plan_id}"
#: Longest span of rates.
_MOST_DAYS: Final = 800


def plan_out(plan: Plan) -> PlanOut:
    """A plan."""
    return PlanOut.model_validate(plan)


def _plan(given: PlanIn, plan_id: str) -> Plan:
    return Plan(
        id=plan_id,
        version=given.version,
        brand=given.brand,
        model=given.model,
        name=given.name,
        first=Interval(months=given.first.months, km=given.first.km),
        periodic=Interval(months=given.periodic.months, km=given.periodic.km),
        lead_days=given.lead_days,
        useful_days=given.useful_days,
        km_per_day=given.km_per_day,
        fulfilled_by=tuple(given.fulfilled_by),
        items=tuple(
            DatedItem(name=one.name, every_months=one.every_months, lead_days=one.lead_days)
            for one in given.items
        ),
        begins_on=given.begins_on,
    )


def due_out(due: VehicleDue) -> VehicleDueOut:
    """When a vehicle is due."""
    return VehicleDueOut(
        vehicle_id=due.vehicle_id,
        plan=plan_out(due.plan),
        next_due_on=due.next_due_on,
        next_due_mileage=due.next_due_mileage,
        why=dict(due.why),
        state=due.state,
        state_since=due.state_since,
        dated=[DatedOut(name=name, on=on) for name, on in due.dated],
        readings=[ReadingOut(on=one.on, km=one.km) for one in due.readings],
    )


async def list_plans(ask: Ask[PlansQuery, Nothing]) -> PlansOut:
    """Every plan that holds, the house's default first."""
    found = await ask.services.maintenance.plans(retired=ask.query.retired)
    return PlansOut(items=[plan_out(one) for one in found])


async def versions(ask: Ask[Nothing, Nothing]) -> PlansOut:
    """Every version of a plan, the newest first."""
    found = await ask.services.maintenance.versions(ask.path["plan_id"])
    return PlansOut(items=[plan_out(one) for one in found])


async def add(ask: Ask[Nothing, PlanIn]) -> PlanOut:
    """A plan for a model, a brand, or the house."""
    plan = _plan(ask.body, "")
    entry = ask.entry(Action.PLAN_CHANGED, data={"name": plan.name})
    return plan_out(await ask.services.maintenance.save(ask.by, plan, entry, once=ask.once))


async def change(ask: Ask[Nothing, PlanIn]) -> PlanOut:
    """The next version of a plan."""
    plan_id = ask.path["plan_id"]
    entry = ask.entry(Action.PLAN_CHANGED, f"plan:{plan_id}", {"name": ask.body.name})
    return plan_out(await ask.services.maintenance.save(ask.by, _plan(ask.body, plan_id), entry))


async def try_out(ask: Ask[Nothing, TrialIn]) -> TrialOut:
    """What saving a plan would change: due days that move, reminders that come."""
    plan = _plan(ask.body, ask.body.plan_id)
    return TrialOut.model_validate(await ask.services.maintenance.try_out(plan, ask.now))


async def retire(ask: Ask[Nothing, RetireIn]) -> PlanOut:
    """The plan holds no longer."""
    plan_id = ask.path["plan_id"]
    entry = ask.entry(Action.PLAN_CHANGED, f"plan:{plan_id}", {"retired": True})
    return plan_out(await ask.services.maintenance.retire(ask.by, plan_id, ask.body.version, entry))


async def due(ask: Ask[Nothing, Nothing]) -> VehicleDueOut:
    """When a vehicle is due, and why."""
    return due_out(await ask.services.maintenance.due(ask.by, ask.path["vehicle_id"], ask.now))


async def add_reading(ask: Ask[Nothing, ReadingIn]) -> VehicleDueOut:
    """What the odometer shows; the forecast is reckoned anew at once."""
    vehicle_id, given = ask.path["vehicle_id"], ask.body
    entry = ask.entry(Action.READING_ADDED, f"vehicle:{vehicle_id}", {"km": given.km})
    return due_out(
        await ask.services.maintenance.add_reading(
            ask.by, vehicle_id, given.km, given.read_on, entry, call_id=given.call_id
        )
    )


async def rates(ask: Ask[RatesQuery, Nothing]) -> RatesOut:
    """Invited, reached, booked, came: per plan and month."""
    first, last = ask.query.first, ask.query.last
    if last < first or last - first > timedelta(days=_MOST_DAYS):
        raise BadPlan("Choose a span of at most 800 days that ends after it begins.", field="last")
    found = await ask.services.maintenance.rates(first, last)
    return RatesOut(items=[RateOut.model_validate(one) for one in found])


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/api/v1/maintenance-plans",
        summary="Maintenance plans",
        needs=Permission.MAINTENANCE_READ,
        json=list_plans,
        query=PlansQuery,
        answer=PlansOut,
        tag="maintenance",
    ),
    Route(
        method="POST",
        path="/api/v1/maintenance-plans",
        summary="Add a plan for a model, a brand or the house",
        needs=Permission.MAINTENANCE_WRITE,
        json=add,
        body=PlanIn,
        answer=PlanOut,
        status=201,
        once=True,
        errors=("bad-plan", "plan-not-found"),
        tag="maintenance",
    ),
    Route(
        method="POST",
        path="/api/v1/maintenance-trials",
        summary="Try a plan without saving it",
        needs=Permission.MAINTENANCE_WRITE,
        json=try_out,
        body=TrialIn,
        answer=TrialOut,
        errors=("bad-plan",),
        tag="maintenance",
    ),
    Route(
        method="GET",
        path=_PLAN,
        summary="Every version of a plan",
        needs=Permission.MAINTENANCE_READ,
        json=versions,
        answer=PlansOut,
        errors=("plan-not-found",),
        tag="maintenance",
    ),
    Route(
        method="POST",
        path=_PLAN,
        summary="Save the next version of a plan",
        needs=Permission.MAINTENANCE_WRITE,
        json=change,
        body=PlanIn,
        answer=PlanOut,
        errors=("bad-plan", "plan-not-found", "plan-changed"),
        tag="maintenance",
    ),
    Route(
        method="POST",
        path=f"{_PLAN}/retire",
        summary="A plan that holds no longer",
        needs=Permission.MAINTENANCE_WRITE,
        json=retire,
        body=RetireIn,
        answer=PlanOut,
        errors=("plan-not-found", "plan-changed"),
        tag="maintenance",
    ),
    Route(
        method="GET",
        path="/api/v1/vehicles/{vehicle_id}/due",
        summary="When a vehicle is due, and why",
        needs=Permission.MAINTENANCE_READ,
        json=due,
        answer=VehicleDueOut,
        errors=("vehicle-not-found",),
        views="vehicle",
        tag="maintenance",
    ),
    Route(
        method="POST",
        path="/api/v1/vehicles/{vehicle_id}/readings",
        summary="What an odometer shows",
        needs=Permission.TASKS_WORK,
        json=add_reading,
        body=ReadingIn,
        answer=VehicleDueOut,
        errors=("bad-plan", "vehicle-not-found"),
        tag="maintenance",
    ),
    Route(
        method="GET",
        path="/api/v1/invitation-rates",
        summary="What became of the invitations, per plan and month",
        needs=Permission.REPORTS_READ,
        json=rates,
        query=RatesQuery,
        answer=RatesOut,
        errors=("bad-plan",),
        tag="maintenance",
    ),
)
