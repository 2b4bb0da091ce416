"""Corrections: orders to departments, error rates, and the check of what they hand over."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from access.audit import Action
from access.permissions import Permission
from crm.corrections.orders import Department, Step
from web.api.group_shapes import (
    AnswerIn,
    DepartmentIn,
    DepartmentOut,
    HandoverOut,
    HandoversOut,
    HandoversQuery,
    NewOrderIn,
    OrderOut,
    OrdersOut,
    OrdersQuery,
    OrderStepIn,
    OrderStepOut,
    RateOut,
    RatesOut,
    RatesQuery,
)
from web.ports.corrections import OrderPage, OrderView
from web.routes import Ask, Nothing, Route

_HIDDEN = ("created_by", "answered_by", "checked_by", "checked_at", "reminded_at")


def order_out(view: OrderView) -> OrderOut:
    """An order."""
    order = view.order
    plain = {name: getattr(order, name) for name in order.__slots__ if name not in _HIDDEN}
    return OrderOut.model_validate(
        {
            **plain,
            "customer_number": view.customer_number,
            "customer_name": view.customer_name,
            "plate": view.plate,
            "overdue": view.overdue,
            "created_by_name": view.created_by_name,
            "answered_by_name": view.answered_by_name,
            "possible": list(view.possible),
            "steps": [
                OrderStepOut(at=one["at"], by_name=one["by_name"], step=one["step"], note=one["note"])
                for one in view.steps
            ],
        }
    )


def orders_out(page: OrderPage) -> OrdersOut:
    """A page of orders."""
    return OrdersOut(items=[order_out(one) for one in page.items], counts=dict(page.counts), next=page.next)


async def list_orders(ask: Ask[OrdersQuery, Nothing]) -> OrdersOut:
    """Orders the asker may see, the first due first."""
    wanted = ask.query
    page = await ask.services.corrections.list(
        ask.by,
        ask.now,
        which=wanted.state,
        department=wanted.department,
        customer_id=wanted.customer_id,
        month=wanted.month or "",
        cursor=wanted.cursor,
        limit=wanted.limit,
    )
    return orders_out(page)


async def raise_order(ask: Ask[Nothing, NewOrderIn]) -> OrderOut:
    """Send wrong data back to the department whose it is."""
    body = ask.body
    made = await ask.services.corrections.raise_order(
        ask.by,
        ask.entry(Action.CORRECTION_STEPPED, data={"step": "raise", "field": body.field}),
        customer_id=body.customer_id,
        field=body.field,
        wrong_value=body.wrong_value,
        said=body.said,
        department=body.department,
        vehicle_id=body.vehicle_id,
        call_id=body.call_id,
        number_place=body.number_place,
    )
    return order_out(made)


async def get(ask: Ask[Nothing, Nothing]) -> OrderOut:
    """One order with its steps."""
    return order_out(await ask.services.corrections.get(ask.by, ask.path["correction_id"], ask.now))


async def answer(ask: Ask[Nothing, AnswerIn]) -> OrderOut:
    """What the department says."""
    body = ask.body
    return await _step(ask, Step.REFUSE if body.refuse else Step.ANSWER, body.version, body.value, body.note)


async def step(ask: Ask[Nothing, OrderStepIn]) -> OrderOut:
    """What customer relations does with an order."""
    body = ask.body
    return await _step(ask, Step(body.step), body.version, body.value, body.note)


async def _step(ask: Ask[Any, Any], taken: Step, version: int | None, value: str, note: str) -> OrderOut:
    order_id = ask.path["correction_id"]
    entry = ask.entry(Action.CORRECTION_STEPPED, f"correction:{order_id}", {"step": taken.value})
    return order_out(
        await ask.services.corrections.step(
            ask.by, order_id, taken, entry, version=version, value=value, note=note
        )
    )


def months_from(first: str, count: int) -> list[str]:
    """So many months from this one on, as "2026-06"."""
    day = date.fromisoformat(f"{first}-01")
    found = []
    for _ in range(count):
        found.append(f"{day:%Y-%m}")
        day = (day + timedelta(days=32)).replace(day=1)
    return found


async def rates(ask: Ask[RatesQuery, Nothing]) -> RatesOut:
    """How much of what departments hand over is wrong, by month."""
    found = await ask.services.corrections.rates(ask.by, months_from(ask.query.first, ask.query.months))
    return RatesOut(
        items=[
            RateOut.model_validate({**{n: getattr(one, n) for n in one.__slots__}, "rate": one.rate})
            for one in found
        ]
    )


async def handovers(ask: Ask[HandoversQuery, Nothing]) -> HandoversOut:
    """What was handed over late or incomplete."""
    wanted = ask.query
    found = await ask.services.corrections.handovers(
        ask.by,
        Department(wanted.department),
        first=wanted.first,
        last=wanted.last,
        wrong_only=not wanted.every,
        limit=wanted.limit,
        now=ask.now,
    )
    return HandoversOut(
        items=[
            HandoverOut.model_validate(
                {**{n: getattr(one, n) for n in one.__slots__}, "missing": list(one.missing)}
            )
            for one in found
        ]
    )


async def set_department(ask: Ask[Nothing, DepartmentIn]) -> DepartmentOut:
    """Which department a user answers for."""
    user_id, department = ask.path["user_id"], ask.body.department
    entry = ask.entry(
        Action.DEPARTMENT_SET, f"user:{user_id}", {"department": department.value if department else None}
    )
    await ask.services.corrections.set_department(user_id, department, entry)
    return DepartmentOut(user_id=user_id, department=department)


_ONE = "/api/v1/corrections/{correction_id}"
_STEP_ERRORS = (
    "correction-not-found",
    "correction-step-refused",
    "bad-record",
    "customer-not-found",
    "record-closed",
    "vehicle-not-found",
    "vin-taken",
)

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/corrections",
        summary="Orders to mend records",
        needs=Permission.CORRECTIONS_READ,
        json=list_orders,
        query=OrdersQuery,
        answer=OrdersOut,
        errors=("bad-cursor", "bad-record"),
        tag="corrections",
    ),
    Route(
        method="POST",
        path="/api/v1/corrections",
        summary="Send wrong data back to a department",
        needs=Permission.CORRECTIONS_WORK,
        json=raise_order,
        body=NewOrderIn,
        answer=OrderOut,
        status=201,
        errors=("bad-record", "customer-not-found", "entry-not-found", "record-closed", "vehicle-not-found"),
        tag="corrections",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="One order",
        needs=Permission.CORRECTIONS_READ,
        json=get,
        answer=OrderOut,
        errors=("correction-not-found",),
        tag="corrections",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/answer",
        summary="Answer an order, or refuse it",
        needs=Permission.CORRECTIONS_ANSWER,
        json=answer,
        body=AnswerIn,
        answer=OrderOut,
        errors=_STEP_ERRORS,
        tag="corrections",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/steps",
        summary="Check, send back, close or withdraw an order, or remind of it",
        needs=Permission.CORRECTIONS_WORK,
        json=step,
        body=OrderStepIn,
        answer=OrderOut,
        errors=_STEP_ERRORS,
        tag="corrections",
    ),
    Route(
        method="GET",
        path="/api/v1/correction-rates",
        summary="Error rates of departments by month",
        needs=Permission.CORRECTIONS_WORK,
        json=rates,
        query=RatesQuery,
        answer=RatesOut,
        errors=("bad-record",),
        tag="corrections",
    ),
    Route(
        method="GET",
        path="/api/v1/handovers",
        summary="Records handed over late or incomplete",
        needs=Permission.CORRECTIONS_WORK,
        json=handovers,
        query=HandoversQuery,
        answer=HandoversOut,
        tag="corrections",
    ),
    Route(
        method="POST",
        path="/api/v1/users/{user_id}/department",
        summary="Say which department a user answers for",
        needs=Permission.USERS_WRITE,
        json=set_department,
        body=DepartmentIn,
        answer=DepartmentOut,
        errors=("user-not-found",),
        tag="users",
    ),
)
