"""Cases of the sample dealership, opened and moved on by the same steps as everybody else's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from sqlalchemy import Connection, select

from access.permissions import Role
from access.users import Principal, Via
from crm.cases.applying import Actor
from crm.cases.cases import By, CaseKind, CaseSource, Grade, NewCase, Reached, Responsibility
from crm.cases.steps import Given, Step
from storage import cases
from storage.tables.access import users
from storage.tables.records import customers
from storage.tables.records import vehicle_people as people_of_vehicles
from telephony.hours import WorkingTime

SHIPPED: Final = Path(__file__).resolve().parents[1] / "config" / "sample" / "cases.yaml"


def load(connection: Connection, now: datetime, hours: WorkingTime, path: Path = SHIPPED) -> int:
    """Open the sample's cases; how many are new. Customers or agents that are not there are passed over."""
    made = 0
    for place, row in enumerate(yaml.safe_load(path.read_text("utf-8"))):
        customer_id = connection.execute(
            select(customers.c.id).where(customers.c.number == row["customer"])
        ).scalar_one_or_none()
        user = connection.execute(
            select(users.c.id, users.c.name, users.c.role).where(users.c.login == row["by"])
        ).one_or_none()
        if customer_id is None or user is None:
            continue
        vehicle_id = connection.execute(
            select(people_of_vehicles.c.vehicle_id)
            .where(people_of_vehicles.c.customer_id == customer_id)
            .order_by(people_of_vehicles.c.vehicle_id)
        ).scalar()
        case, new = cases.open_case(
            connection,
            NewCase(
                kind=CaseKind(row["kind"]),
                grade=Grade(row["grade"]),
                source=CaseSource(row["source"]),
                subject=row["subject"],
                customer_id=customer_id,
                vehicle_id=vehicle_id,
                occasion=f"sample {place}",
                **{
                    name: row.get(name, "")
                    for name in ("words", "summary", "happened", "place", "symptom", "wants")
                },
            ),
            by=Principal(role=Role(user.role), via=Via.SESSION, name=user.name, user_id=user.id, proof_id=""),
            now=now - timedelta(hours=row["ago"]),
            hours=hours,
        )
        if not new:
            continue
        made += 1
        for step in row.get("steps", ()):
            at = now - timedelta(hours=step["ago"])
            actor = Actor(by=By.USER, id=user.id, name=user.name)
            if "name" in step:
                actor = Actor(by=By.LINK, name=step["name"])
            cases.take_step(
                connection, case.id, Step(step["step"]), _given(step, at), actor=actor, now=at, hours=hours
            )
    return made


def _given(step: Mapping[str, Any], at: datetime) -> Given:
    plain = {name: step[name] for name in ("words", "department", "cause", "plan") if name in step}
    if step["step"] == Step.REPLY:
        plain |= {
            "responsibility": Responsibility(step["responsibility"]),
            "carry_out_on": (at + timedelta(days=step["days"])).date(),
            "corrective_action": step.get("corrective_action"),
            "corrective_owner": step.get("corrective_owner"),
        }
    if "reached" in step:
        plain["reached"] = Reached(step["reached"])
    return Given(**plain)
