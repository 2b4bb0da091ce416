"""What is known of one person and one number, gathered for `crm.consent.contactability`: look-ups by key, no more."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, func, or_, select

from campaigns.attempts import GIVEN_BACK, AttemptOutcome
from crm.consent.contactability import Answer, Facts, Policy, may_contact, when
from crm.consent.optouts import Channel, Purpose
from crm.records.vehicles import VehicleState
from storage import suppressions
from storage.cases import stops_contact
from storage.consents import consents_of, switches_of
from storage.customers import contacts_of
from storage.do_not_call import listings
from storage.optouts import optouts_of
from storage.tables.calls import calls
from storage.tables.campaigns import dial_attempts
from storage.tables.records import vehicles
from telephony.calls import Direction
from telephony.numbers import zones_of

#: Calls so old count for no day and no distance.
_CALLS_SINCE: Final = timedelta(days=3)
#: A talk so old keeps nobody away.
_TALKS_SINCE: Final = timedelta(days=31)
#: An open call so old is a row nobody closed, not a talk.
_LONGEST_CALL: Final = timedelta(hours=12)
#: Outcomes of a try that rang nobody's telephone: it counts for no cap and no distance.
_NEVER_RANG: Final = frozenset(GIVEN_BACK)
#: Numbers of one person that are looked at; the house's longest record has a handful.
_MOST_NUMBERS: Final = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What the house allows, and where it is."""

    zone: ZoneInfo
    policies: Mapping[Purpose, Policy]
    #: Finds the wishes of people who were erased.
    key: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What was said of one number of a customer (None: he has none that is right)."""

    number: str | None
    answer: Answer
    #: When the contact may be made if nothing else happens; None: a person must act first.
    when: datetime | None


def ask(
    connection: Connection,
    house: House,
    *,
    customer_id: str,
    purpose: Purpose,
    now: datetime,
    channel: Channel = Channel.CALL,
    vehicle_id: str | None = None,
    lists: Collection[str] = (),
    turn: int = 0,
    agent_reserved: bool = False,
) -> list[Asked]:
    """May this customer be contacted now? His right numbers in order, `turn` first, up to the first that may be."""
    numbers = [one.number for one in contacts_of(connection, customer_id) if one.wrong_since is None]
    first = turn % len(numbers) if numbers else 0
    policy = house.policies[purpose]
    found: list[Asked] = []
    for number in (*numbers[first:], *numbers[:first]) if numbers else (None,):
        facts = facts_of(
            connection,
            customer_id=customer_id,
            number=number,
            purpose=purpose,
            channel=channel,
            now=now,
            house=house.zone,
            key=house.key,
            vehicle_id=vehicle_id,
            lists=lists,
            agent_reserved=agent_reserved,
        )
        answer = may_contact(facts, policy, now)
        found.append(
            Asked(number=number, answer=answer, when=now if answer.allowed else when(facts, policy, now))
        )
        if answer.allowed:
            break
    return found


def facts_of(
    connection: Connection,
    *,
    customer_id: str,
    number: str | None,
    purpose: Purpose,
    channel: Channel,
    now: datetime,
    house: ZoneInfo,
    key: bytes,
    vehicle_id: str | None = None,
    lists: Collection[str] = (),
    agent_reserved: bool = False,
) -> Facts:
    """What is known of a customer and one of his numbers (E.164; None: he has none).

    `house` is the house's zone, for numbers that say none or several; `key` finds the wishes of people who were erased;
    `lists` are the do-not-call lists a campaign names beside those that hold everywhere.
    """
    own = contacts_of(connection, customer_id)[:_MOST_NUMBERS]
    numbers = sorted({one.number for one in own} | ({number} if number else set()))
    wrong = next((one.wrong_since for one in own if one.number == number), None)
    # What somebody said on one of his telephones holds for all of them.
    told = [
        wish
        for one in numbers
        for wish in (*optouts_of(connection, one), *suppressions.of_number(connection, key, one))
    ]
    recent = _recent(connection, customer_id, numbers, now)
    tries = _tries(connection, numbers, now)
    never = {row.id for row in tries if row.outcome in _NEVER_RANG}
    ours = [row for row in recent if _to(row) and row.id not in never]
    return Facts(
        purpose=purpose,
        channel=channel,
        number=number,
        zones=_zones(number, house),
        vehicle_id=vehicle_id,
        wrong_since=wrong,
        optouts=tuple(told),
        listings=tuple(listings(connection, number, named=lists)) if number else (),
        consents=tuple(consents_of(connection, customer_id)),
        switches=tuple(switches_of(connection, customer_id)),
        vehicle_gone=_gone(connection, vehicle_id),
        open_case=stops_contact(connection, [customer_id]).get(customer_id),
        call_under_way=next((row.id for row in recent if _under_way(row, number, now)), None),
        agent_reserved=agent_reserved,
        abandoned_at=max((row.answered_at for row in tries if _left_alone(row, number)), default=None),
        talked_at=_talked_at(connection, customer_id, numbers, now),
        calls_to_number=tuple(row.started_at for row in ours if row.number == number),
        calls_to_person=tuple(row.started_at for row in ours),
    )


def _recent(connection: Connection, customer_id: str, numbers: Sequence[str], now: datetime) -> Sequence[Any]:
    """Calls of the last days with the person, whoever called."""
    rows = connection.execute(
        select(
            calls.c.id,
            calls.c.number,
            calls.c.direction,
            calls.c.started_at,
            calls.c.ended_at,
            calls.c.refused_by,
        )
        .where(
            or_(calls.c.number.in_(numbers), calls.c.customer_id == customer_id),
            calls.c.started_at > now - _CALLS_SINCE,
            calls.c.started_at <= now,
        )
        .order_by(calls.c.started_at.desc())
        .limit(100)
    )
    return rows.all()


def _tries(connection: Connection, numbers: Sequence[str], now: datetime) -> Sequence[Any]:
    """Campaigns' tries at these numbers, as long as an abandoned one keeps a machine away at most."""
    rows = connection.execute(
        select(
            dial_attempts.c.id,
            dial_attempts.c.number,
            dial_attempts.c.outcome,
            dial_attempts.c.answered_at,
        ).where(dial_attempts.c.number.in_(numbers), dial_attempts.c.intent_at > now - _TALKS_SINCE)
    )
    return rows.all()


def _left_alone(row: Any, number: str | None) -> bool:
    return row.number == number and row.outcome == AttemptOutcome.ABANDONED and row.answered_at is not None


def _to(row: Any) -> bool:
    """A call of ours that left the house; one our own fences refused did not."""
    return row.direction == Direction.OUTBOUND and row.refused_by is None


def _under_way(row: Any, number: str | None, now: datetime) -> bool:
    return row.number == number and row.ended_at is None and row.started_at > now - _LONGEST_CALL


def _talked_at(
    connection: Connection, customer_id: str, numbers: Sequence[str], now: datetime
) -> datetime | None:
    """End of the latest talk with the person."""
    latest: datetime | None = connection.execute(
        select(func.max(calls.c.ended_at)).where(
            or_(calls.c.number.in_(numbers), calls.c.customer_id == customer_id),
            calls.c.started_at > now - _TALKS_SINCE,
            calls.c.connected_at.is_not(None),
            calls.c.ended_at <= now,
        )
    ).scalar_one_or_none()
    return latest


def _gone(connection: Connection, vehicle_id: str | None) -> str | None:
    if vehicle_id is None:
        return None
    state = connection.execute(
        select(vehicles.c.state).where(vehicles.c.id == vehicle_id)
    ).scalar_one_or_none()
    return None if state in (None, VehicleState.OWNED) else str(state)


def _zones(number: str | None, house: ZoneInfo) -> tuple[ZoneInfo, ...]:
    """Every zone the person may be in: what the digits say; the house's too where they say none, or several."""
    said = _known_zones(number or "")
    return said if len(said) == 1 else tuple(dict.fromkeys((*said, house)))


@lru_cache(maxsize=4096)
def _known_zones(number: str) -> tuple[ZoneInfo, ...]:
    found = []
    for name in zones_of(number):
        try:
            found.append(ZoneInfo(name))
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return tuple(found)
