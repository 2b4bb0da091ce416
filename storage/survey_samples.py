"""Responses of the sample dealership over three months, begun, answered and ended by the same steps as real ones."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.tokens import hash_secret, make_secret
from access.users import Principal, Via
from crm.surveys.questionnaires import Channel
from storage import responses, survey_links
from storage.cases import stops_contact
from storage.tables.access import users
from storage.tables.records import customers
from storage.tables.records import vehicle_people as people_of_vehicles
from storage.tables.surveys import responses as response_rows
from storage.tables.surveys import survey_offers
from telephony.hours import WorkingTime

_HOW_MANY: Final = 44
_QUESTIONNAIRE: Final = "service_visit"
_ADVISORS: Final = ("周敏", "吴强", "郑洁")
#: How many days ago a link was made, and what came of it.
_LINKS: Final = (
    *((12, "answered"), (9, "answered"), (7, "answered"), (5, "answered"), (2, "answered")),
    *((3, "half"), (1, "unopened"), (4, "unopened"), (20, "unopened")),
)
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
    return made + _by_link(connection, people, asking, now, hours)


def _by_link(
    connection: Connection,
    people: Sequence[Any],
    asking: Sequence[Any],
    now: datetime,
    hours: WorkingTime,
) -> int:
    """Links to the same questionnaire: some answered, one left half-way, some not opened, one too late."""
    if connection.execute(select(survey_offers.c.id).limit(1)).first() is not None:
        return 0
    random, made = Random(211), 0
    stopped = stops_contact(connection, [one.id for one in people])
    free = [one for one in people if one.id not in stopped]
    for place, person in enumerate(free[: len(_LINKS)]):
        days, ending = _LINKS[place]
        at, user = now - timedelta(days=days), random.choice(asking)
        by = Principal(role=Role(user.role), via=Via.SESSION, name=user.name, user_id=user.id, proof_id="")
        _offer, secret = survey_links.offer_survey(
            connection,
            questionnaire=_QUESTIONNAIRE,
            customer_id=person.id,
            vehicle_id=person.vehicle_id,
            life=timedelta(days=14),
            now=at,
            by=by,
        )
        if ending == "unopened":
            continue
        browser, at = hash_secret(make_secret()), at + timedelta(hours=random.randint(1, 9))
        survey_links.begin(connection, secret, browser, at)
        made += 1
        asked = list(_answers(random).items())[: 2 if ending == "half" else None]
        for question, value in asked:
            survey_links.answer(connection, secret, browser, question, value, based_on=None, now=at)
        if ending == "answered":
            survey_links.finish(connection, secret, browser, now=at + timedelta(minutes=3), hours=hours)
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
