"""Private links of cases: a department without an account accepts and answers by one (`storage.links`)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from crm.cases.applying import Actor
from crm.cases.cases import By, Case
from crm.cases.steps import Given, Step
from crm.links.links import Link, LinkKind
from storage import links
from storage.case_rows import rules_of
from storage.cases import take_step
from storage.tables.corrections import department_users
from telephony.hours import WorkingTime


def department_of(connection: Connection, user_id: str | None) -> str | None:
    """The department a user answers for; None: none."""
    found = select(department_users.c.department).where(department_users.c.user_id == user_id)
    return connection.execute(found).scalar_one_or_none()


def make(
    connection: Connection, case: Case, *, actor: Actor, now: datetime, hours: WorkingTime
) -> tuple[Case, Link, str, str]:
    """A new link for the case's department: (case, link, secret, PIN). Older ones open nothing from now on.

    Raises StepNotAllowed where no department has the case.
    """
    rules = rules_of(connection)
    case = take_step(connection, case.id, Step.LINK, Given(), actor=actor, now=now, hours=hours)
    links.revoke_links(connection, LinkKind.CASE, case.id, now)
    label = rules.departments.get(case.department or "", {})
    audience = " ".join(filter(None, (label.get("zh-CN") or case.department, case.departmental_person)))
    link, secret, pin = links.make_link(
        connection,
        LinkKind.CASE,
        case.id,
        audience=audience,
        now=now,
        expires_at=now + timedelta(days=rules.link_days),
        by=actor.id,
        with_pin=True,
    )
    return case, link, secret, pin


def actor_of(link: Link, name: str) -> Actor:
    """Whoever typed this name behind the link."""
    return Actor(by=By.LINK, name=name, link_id=link.id)
