"""What is known of one person and one number, gathered for `crm.consent.contactability`: look-ups by key, no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, func, or_, select

from campaigns.attempts import GIVEN_BACK, AttemptOutcome
from crm.consent.consents import Consent, ContactSwitch
from crm.consent.contactability import Answer, Facts, Listing, Policy, may_contact, when
from crm.consent.optouts import Channel, OptOut, Purpose
from crm.records.contacts import Contact
from crm.records.vehicles import VehicleState
from storage import suppressions
from storage.cases import stops_contact
from storage.consents import consents_of_many, switches_of_many
from storage.customers import contacts_of_many
from storage.do_not_call import listings_of_many
from storage.optouts import optouts_of_many
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Inquiry:
    """Whom is asked about: his number in turn first, and the vehicle it is about."""

    customer_id: str
    vehicle_id: str | None = None
    turn: int = 0


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
    [asked] = ask_many(
        connection,
        house,
        [Inquiry(customer_id=customer_id, vehicle_id=vehicle_id, turn=turn)],
        purpose=purpose,
        now=now,
        channel=channel,
        lists=lists,
        agent_reserved=agent_reserved,
    )
    return asked


def ask_many(
    connection: Connection,
    house: House,
    inquiries: Sequence[Inquiry],
    *,
    purpose: Purpose,
    now: datetime,
    channel: Channel = Channel.CALL,
    lists: Collection[str] = (),
    agent_reserved: bool = False,
) -> list[list[Asked]]:
    """What `ask` says of each, with as many questions to the database as one takes. Some hundreds at a time."""
    known = Known.of(
        connection,
        [one.customer_id for one in inquiries],
        now=now,
        key=house.key,
        lists=lists,
        vehicle_ids=[one.vehicle_id for one in inquiries if one.vehicle_id is not None],
    )
    policy = house.policies[purpose]
    every: list[list[Asked]] = []
    for inquiry in inquiries:
        right = [one.number for one in known.contacts[inquiry.customer_id] if one.wrong_since is None]
        first = inquiry.turn % len(right) if right else 0
        asked: list[Asked] = []
        for number in (*right[first:], *right[:first]) if right else (None,):
            facts = known.facts(
                inquiry.customer_id,
                number,
                purpose=purpose,
                channel=channel,
                zone=house.zone,
                vehicle_id=inquiry.vehicle_id,
                agent_reserved=agent_reserved,
            )
            answer = may_contact(facts, policy, now)
            moment = now if answer.allowed else when(facts, policy, now)
            asked.append(Asked(number=number, answer=answer, when=moment))
            if answer.allowed:
                break
        every.append(asked)
    return every


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
    known = Known.of(
        connection,
        [customer_id],
        now=now,
        key=key,
        lists=lists,
        vehicle_ids=[vehicle_id] if vehicle_id else [],
        number=number,
    )
    return known.facts(
        customer_id,
        number,
        purpose=purpose,
        channel=channel,
        zone=house,
        vehicle_id=vehicle_id,
        agent_reserved=agent_reserved,
    )


@dataclass(kw_only=True, slots=True)
class Known:
    """What is known of some people at a moment, read with one question for each kind of thing."""

    now: datetime
    contacts: Mapping[str, Sequence[Contact]]
    #: A customer's numbers, wrong ones too: what somebody said on one of his telephones holds for all of them.
    numbers: Mapping[str, Sequence[str]]
    #: By number.
    wishes: Mapping[str, Sequence[OptOut]]
    listings: Mapping[str, Sequence[Listing]]
    tries: Mapping[str, Sequence[Any]]
    #: By customer.
    consents: Mapping[str, Sequence[Consent]]
    switches: Mapping[str, Sequence[ContactSwitch]]
    cases: Mapping[str, str]
    #: Vehicles that are his no more, with what they are.
    gone: Mapping[str, str]
    #: Calls of the last days, the latest first, by number and by customer.
    calls_to: Mapping[str, Sequence[Any]]
    calls_of: Mapping[str, Sequence[Any]]
    #: End of the latest talk, by number and by customer.
    talked_to: Mapping[str, datetime]
    talked_of: Mapping[str, datetime]

    @classmethod
    def of(
        cls,
        connection: Connection,
        customer_ids: Sequence[str],
        *,
        now: datetime,
        key: bytes,
        lists: Collection[str] = (),
        vehicle_ids: Collection[str] = (),
        number: str | None = None,
    ) -> Known:
        """Read it; `number`: one that is asked about though it may be nobody's."""
        ids = list(dict.fromkeys(customer_ids))
        contacts = {one: found[:_MOST_NUMBERS] for one, found in contacts_of_many(connection, ids).items()}
        numbers = {
            one: sorted({contact.number for contact in contacts[one]} | ({number} if number else set()))
            for one in ids
        }
        every = sorted({one for some in numbers.values() for one in some})
        wishes = optouts_of_many(connection, every)
        for one, erased in suppressions.of_numbers(connection, key, every).items():
            wishes[one] = [*wishes[one], *erased]
        calls_to, calls_of = _recent(connection, ids, every, now)
        talked_to, talked_of = _talked(connection, ids, every, now)
        return cls(
            now=now,
            contacts=contacts,
            numbers=numbers,
            wishes=wishes,
            listings=listings_of_many(connection, every, named=lists),
            tries=_tries(connection, every, now),
            consents=consents_of_many(connection, ids),
            switches=switches_of_many(connection, ids),
            cases=stops_contact(connection, ids),
            gone=_gone(connection, vehicle_ids),
            calls_to=calls_to,
            calls_of=calls_of,
            talked_to=talked_to,
            talked_of=talked_of,
        )

    def facts(
        self,
        customer_id: str,
        number: str | None,
        *,
        purpose: Purpose,
        channel: Channel,
        zone: ZoneInfo,
        vehicle_id: str | None = None,
        agent_reserved: bool = False,
    ) -> Facts:
        """What it says of one of these people and one of his numbers."""
        numbers = self.numbers[customer_id]
        own = self.contacts[customer_id]
        recent = {row.id: row for one in numbers for row in self.calls_to.get(one, ())}
        recent |= {row.id: row for row in self.calls_of.get(customer_id, ())}
        tries = [row for one in numbers for row in self.tries.get(one, ())]
        never = {row.id for row in tries if row.outcome in _NEVER_RANG}
        latest = sorted(recent.values(), key=lambda row: row.started_at, reverse=True)
        ours = [row for row in latest if _to(row) and row.id not in never]
        talks = [self.talked_to[one] for one in numbers if one in self.talked_to]
        if customer_id in self.talked_of:
            talks.append(self.talked_of[customer_id])
        return Facts(
            purpose=purpose,
            channel=channel,
            number=number,
            zones=_zones(number, zone),
            vehicle_id=vehicle_id,
            wrong_since=next((one.wrong_since for one in own if one.number == number), None),
            optouts=tuple(wish for one in numbers for wish in self.wishes[one]),
            listings=tuple(self.listings.get(number, ())) if number else (),
            consents=tuple(self.consents[customer_id]),
            switches=tuple(self.switches[customer_id]),
            vehicle_gone=self.gone.get(vehicle_id) if vehicle_id else None,
            open_case=self.cases.get(customer_id),
            call_under_way=next((row.id for row in latest if _under_way(row, number, self.now)), None),
            agent_reserved=agent_reserved,
            abandoned_at=max((row.answered_at for row in tries if _left_alone(row, number)), default=None),
            talked_at=max(talks, default=None),
            calls_to_number=tuple(row.started_at for row in ours if row.number == number),
            calls_to_person=tuple(row.started_at for row in ours),
        )


def _recent(
    connection: Connection, customer_ids: Sequence[str], numbers: Sequence[str], now: datetime
) -> tuple[Mapping[str, Sequence[Any]], Mapping[str, Sequence[Any]]]:
    """Calls of the last days with these people, whoever called: by number, by customer."""
    rows = connection.execute(
        select(
            calls.c.id,
            calls.c.number,
            calls.c.customer_id,
            calls.c.direction,
            calls.c.started_at,
            calls.c.ended_at,
            calls.c.refused_by,
        ).where(
            or_(calls.c.number.in_(numbers), calls.c.customer_id.in_(customer_ids)),
            calls.c.started_at > now - _CALLS_SINCE,
            calls.c.started_at <= now,
        )
    ).all()
    to: dict[str, list[Any]] = defaultdict(list)
    of: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        to[row.number].append(row)
        of[row.customer_id].append(row)
    return to, of


def _tries(connection: Connection, numbers: Sequence[str], now: datetime) -> Mapping[str, Sequence[Any]]:
    """Campaigns' tries at these numbers, as long as an abandoned one keeps a machine away at most."""
    rows = connection.execute(
        select(
            dial_attempts.c.id,
            dial_attempts.c.number,
            dial_attempts.c.outcome,
            dial_attempts.c.answered_at,
        ).where(dial_attempts.c.number.in_(numbers), dial_attempts.c.intent_at > now - _TALKS_SINCE)
    )
    found: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        found[row.number].append(row)
    return found


def _left_alone(row: Any, number: str | None) -> bool:
    return row.number == number and row.outcome == AttemptOutcome.ABANDONED and row.answered_at is not None


def _to(row: Any) -> bool:
    """A call of ours that left the house; one our own fences refused did not."""
    return row.direction == Direction.OUTBOUND and row.refused_by is None


def _under_way(row: Any, number: str | None, now: datetime) -> bool:
    return row.number == number and row.ended_at is None and row.started_at > now - _LONGEST_CALL


def _talked(
    connection: Connection, customer_ids: Sequence[str], numbers: Sequence[str], now: datetime
) -> tuple[Mapping[str, datetime], Mapping[str, datetime]]:
    """End of the latest talk with these people: by number, by customer."""
    rows = connection.execute(
        select(calls.c.number, calls.c.customer_id, func.max(calls.c.ended_at).label("ended_at"))
        .where(
            or_(calls.c.number.in_(numbers), calls.c.customer_id.in_(customer_ids)),
            calls.c.started_at > now - _TALKS_SINCE,
            calls.c.connected_at.is_not(None),
            calls.c.ended_at <= now,
        )
        .group_by(calls.c.number, calls.c.customer_id)
    )
    to: dict[str, datetime] = {}
    of: dict[str, datetime] = {}
    for row in rows:
        to[row.number] = max(row.ended_at, to.get(row.number, row.ended_at))
        of[row.customer_id] = max(row.ended_at, of.get(row.customer_id, row.ended_at))
    return to, of


def _gone(connection: Connection, vehicle_ids: Collection[str]) -> Mapping[str, str]:
    if not vehicle_ids:
        return {}
    rows = connection.execute(
        select(vehicles.c.id, vehicles.c.state).where(
            vehicles.c.id.in_(list(vehicle_ids)), vehicles.c.state != VehicleState.OWNED
        )
    )
    return {row.id: str(row.state) for row in rows}


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
