"""Responses of the sample dealership over three months, begun, answered and ended by the same steps as real ones."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import Principal, Via
from crm.surveys.questionnaires import Channel
from storage import responses
from storage.tables.access import users
from storage.tables.records import customers
from storage.tables.records import vehicle_people as people_of_vehicles
from storage.tables.surveys import responses as response_rows
from telephony.hours import WorkingTime

_HOW_MANY: Final = 44
_QUESTIONNAIRE: Final = "service_visit"
_ADVISORS: Final = ("周敏", "吴强", "郑洁")
_WORDS: Final = (
    "等待时间有点长，休息区座位不够",
    "服务顾问讲得很清楚，下次还来",
    "希望可以提前告诉我几点能取车",
    "洗车不干净，轮毂没有擦",
    "预约以后还是等了半个多小时",
    "价格比预想的高，配件能不能分开列",
)


def load(connection: Connection, now: datetime, hours: WorkingTime) -> int:
    """Add the sample's responses; how many are new. The questionnaire must be there.

    Nobody here is dissatisfied by an answer that opens a case: the sample's cases are its own.
    """
    people = connection.execute(
        select(customers.c.id, func.min(people_of_vehicles.c.vehicle_id).label("vehicle_id"))
        .join(people_of_vehicles, people_of_vehicles.c.customer_id == customers.c.id)
        .where(people_of_vehicles.c.ended_at.is_(None))
        .group_by(customers.c.id)
        .order_by(customers.c.id)
        .limit(40)
    ).all()
    asking = connection.execute(
        select(users.c.id, users.c.name, users.c.role)
        .where(users.c.role == Role.AGENT.value)
        .order_by(users.c.login)
        .limit(4)
    ).all()
    if not people or not asking:
        return 0
    random = Random(104)
    made = 0
    for place in range(_HOW_MANY):
        at = now - timedelta(days=2 * (_HOW_MANY - place), hours=random.randint(0, 6))
        person, user = random.choice(people), random.choice(asking)
        ending = "decline" if place % 15 == 7 else "break_off" if place % 13 == 5 else "finish"
        given = _answers(random)
        occasion = f"sample {_QUESTIONNAIRE} {place}"
        if connection.execute(
            select(response_rows.c.id).where(response_rows.c.occasion == occasion)
        ).scalar():
            continue
        by = Principal(role=Role(user.role), via=Via.SESSION, name=user.name, user_id=user.id, proof_id="")
        begun = responses.begin_response(
            connection,
            questionnaire=_QUESTIONNAIRE,
            channel=Channel.AGENT,
            customer_id=person.id,
            vehicle_id=person.vehicle_id,
            occasion=occasion,
            advisor=_ADVISORS[place % len(_ADVISORS)],
            now=at,
            by=by,
        )
        made += 1
        every: dict[str, Any] = {"channel": Channel.AGENT, "by": by, "now": at + timedelta(minutes=4)}
        if ending == "decline":
            responses.decline(connection, begun.id, why="客户正在忙，不愿意回答", hours=hours, **every)
            continue
        asked = list(given.items())[: 2 if ending == "break_off" else None]
        for question, value in asked:
            responses.answer(connection, begun.id, question, value, **every)
        if ending == "break_off":
            responses.break_off(connection, begun.id, why="客户挂断", hours=hours, **every)
        else:
            responses.finish(connection, begun.id, hours=hours, **every)
    return made


def _answers(random: Random) -> dict[str, Any]:
    given: dict[str, Any] = {
        "overall": random.choice((4, 4, 5, 5, 5)),
        "fixed": "fixed",
        "advisor": random.choice((4, 5, 5)),
        "on_time": random.choice(("in_time", "in_time", "told", "late")),
        "price": random.choice(("clear", "clear", "explained", "unclear")),
        "recommend": random.choice((7, 8, 9, 9, 10)),
    }
    if random.random() < 0.5:
        given["improve"] = random.choice(_WORDS)
    return given
