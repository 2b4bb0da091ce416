"""Contactability: may we contact this person, for this purpose, by this channel, now? One function answers.

It is asked when somebody plans a contact, and again at the moment of dialing or sending; that answer is stored with
the attempt. Facts are gathered by `storage.contactability`; the house's policy comes from the settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from crm.consent import consents, windows
from crm.consent.consents import Consent, ContactSwitch
from crm.consent.optouts import Channel, OptOut, Purpose, refusing
from crm.consent.windows import Window
from telephony.hours import Why

#: Further moments looked at by `when`, each the end of one refusal.
_STEPS: Final = 40


class Rule(StrEnum):
    """What may forbid a contact, in the order it is asked: first what only a person can change, then what passes."""

    NO_NUMBER = "no_number"
    WRONG_NUMBER = "wrong_number"
    OPTED_OUT = "opted_out"
    LISTED = "listed"  # on a do-not-call list
    NO_CONSENT = "no_consent"
    SWITCHED_OFF = "switched_off"
    VEHICLE_GONE = "vehicle_gone"
    OPEN_CASE = "open_case"
    IN_CONTACT = "in_contact"  # a call with the number is going on, or about to
    ABANDONED = "abandoned"  # the last answer met nobody
    SPOKEN = "spoken"  # we talked not long ago
    NUMBER_CAP = "number_cap"
    PERSON_CAP = "person_cap"
    TOO_SOON = "too_soon"
    HOLIDAY = "holiday"
    WINDOW = "window"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """A number on a do-not-call list."""

    list_id: str
    list_name: str
    reason: str
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What the house allows for one purpose."""

    window: Window
    #: Calls to one number, and to one person over all numbers, on one day; over all campaigns and by hand.
    number_a_day: int = 1
    person_a_day: int = 2
    #: Between two calls to one person.
    apart: timedelta = timedelta(hours=4)
    #: After a talk nothing of this purpose is begun for so long; none: a talk changes nothing.
    quiet_after_talk: timedelta = timedelta()
    #: After an answered call that met no agent no machine dials the number for so long.
    quiet_after_abandoned: timedelta = timedelta(hours=72)
    consent_needed: bool = False
    #: An open complaint holds it back.
    stopped_by_case: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of one person and one number at a moment. Moments are timezone-aware."""

    purpose: Purpose
    channel: Channel
    #: E.164; None: the customer has none.
    number: str | None
    #: Every zone the person may be in; a window must be open in each. Never empty.
    zones: Sequence[ZoneInfo]
    vehicle_id: str | None = None
    #: Somebody said that the number is not the customer's.
    wrong_since: datetime | None = None
    optouts: Sequence[OptOut] = ()
    listings: Sequence[Listing] = ()
    consents: Sequence[Consent] = ()
    switches: Sequence[ContactSwitch] = ()
    #: sold, scrapped, moved; None where nothing about the vehicle forbids a contact.
    vehicle_gone: str | None = None
    #: Number of the complaint that is open.
    open_case: str | None = None
    #: Id of a call with this number that is not over.
    call_under_way: str | None = None
    #: An agent is reserved for the call before it begins: no answer can meet nobody.
    agent_reserved: bool = False
    abandoned_at: datetime | None = None
    #: End of the latest talk with the person, whoever called.
    talked_at: datetime | None = None
    #: Beginnings of our calls to the number and to the person, of the last two days.
    calls_to_number: Sequence[datetime] = ()
    calls_to_person: Sequence[datetime] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One rule that forbids the contact."""

    rule: Rule
    #: From when on it forbids it no more; None: a person has to change something.
    until: datetime | None = None
    #: Plain JSON: what pages turn into words and auditors look up.
    evidence: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """Allowed, or every rule that forbids it; the first one is the answer that is stored."""

    asked_at: datetime
    findings: tuple[Finding, ...] = ()
    #: Of what allows it: the consent, and when the window closes.
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """Whether the contact may be made now."""
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The first rule that forbids it."""
        return self.findings[0] if self.findings else None

    def to_json(self) -> dict[str, Any]:
        """As it is stored with an attempt."""
        return {
            "allowed": self.allowed,
            "asked_at": self.asked_at.isoformat(),
            "findings": [
                {
                    "rule": one.rule.value,
                    "until": None if one.until is None else one.until.isoformat(),
                    "evidence": dict(one.evidence),
                }
                for one in self.findings
            ],
            "evidence": dict(self.evidence),
        }


def may_contact(facts: Facts, policy: Policy, now: datetime) -> Answer:
    """May this person be contacted now? Never raises; what is missing forbids."""
    found = [*_lasting(facts, policy, now), *_passing(facts, policy, now)]
    if found:
        return Answer(asked_at=now, findings=tuple(found))
    evidence: dict[str, Any] = {}
    consent = consents.agreed(facts.consents, facts.purpose, facts.channel, now)
    if consent is not None:
        evidence["consent"] = consent.id
    closes = policy.window.closes(facts.zones, now)
    if closes is not None:
        evidence["window_closes"] = closes.isoformat()
    return Answer(asked_at=now, evidence=evidence)


def when(facts: Facts, policy: Policy, now: datetime) -> datetime | None:
    """The first moment at which the contact may be made, if nothing else happens; None: a person must act first."""
    moment = now
    for _ in range(_STEPS):
        answer = may_contact(facts, policy, moment)
        if answer.allowed:
            return moment
        ends = [one.until for one in answer.findings]
        if None in ends:
            return None
        moment = max(one for one in ends if one is not None)
    return None


def _lasting(facts: Facts, policy: Policy, now: datetime) -> list[Finding]:
    """What a person has to change."""
    found = []
    if facts.number is None:
        found.append(Finding(rule=Rule.NO_NUMBER))
    if facts.wrong_since is not None:
        found.append(Finding(rule=Rule.WRONG_NUMBER, evidence={"since": facts.wrong_since.isoformat()}))
    optout = refusing(facts.optouts, facts.purpose, facts.channel, now)
    if optout is not None:
        found.append(
            Finding(
                rule=Rule.OPTED_OUT,
                evidence={
                    "optout": optout.id,
                    "purpose": optout.purpose.value,
                    "source": optout.source.value,
                    "at": optout.at.isoformat(),
                },
            )
        )
    if facts.listings:
        first = facts.listings[0]
        found.append(
            Finding(
                rule=Rule.LISTED,
                evidence={"list": first.list_id, "name": first.list_name, "reason": first.reason},
            )
        )
    if policy.consent_needed and not consents.agreed(facts.consents, facts.purpose, facts.channel, now):
        found.append(Finding(rule=Rule.NO_CONSENT))
    switch = consents.off(facts.switches, facts.purpose, facts.channel, facts.vehicle_id, now)
    if switch is not None:
        found.append(
            Finding(
                rule=Rule.SWITCHED_OFF,
                until=switch.until,
                evidence={"switch": switch.id, "reason": switch.reason, "by": switch.by_name},
            )
        )
    if facts.vehicle_gone is not None:
        found.append(Finding(rule=Rule.VEHICLE_GONE, evidence={"state": facts.vehicle_gone}))
    if policy.stopped_by_case and facts.open_case is not None:
        found.append(Finding(rule=Rule.OPEN_CASE, evidence={"case": facts.open_case}))
    return found


#: A call that is going on is looked at again so soon.
_LOOK_AGAIN: Final = timedelta(minutes=1)


def _passing(facts: Facts, policy: Policy, now: datetime) -> list[Finding]:
    """What time changes by itself."""
    found = []
    if facts.call_under_way is not None:
        found.append(
            Finding(rule=Rule.IN_CONTACT, until=now + _LOOK_AGAIN, evidence={"call": facts.call_under_way})
        )
    if facts.abandoned_at is not None and not facts.agent_reserved:
        found += _until(Rule.ABANDONED, facts.abandoned_at, policy.quiet_after_abandoned, now)
    if facts.talked_at is not None:
        found += _until(Rule.SPOKEN, facts.talked_at, policy.quiet_after_talk, now)
    found += _capped(Rule.NUMBER_CAP, facts.calls_to_number, policy.number_a_day, facts.zones, now)
    found += _capped(Rule.PERSON_CAP, facts.calls_to_person, policy.person_a_day, facts.zones, now)
    latest = max((at for at in facts.calls_to_person if at <= now), default=None)
    if latest is not None:
        found += _until(Rule.TOO_SOON, latest, policy.apart, now)
    closed = policy.window.refusing(facts.zones, now)
    if closed is not None:
        zone, state = closed
        holiday = state.why is Why.STATUTORY_HOLIDAY
        found.append(
            Finding(
                rule=Rule.HOLIDAY if holiday else Rule.WINDOW,
                until=policy.window.next_open(facts.zones, now),
                evidence={
                    "zone": zone.key,
                    "local": now.astimezone(zone).strftime("%Y-%m-%d %H:%M"),
                    **({"holiday": state.day.holiday} if holiday else {}),
                },
            )
        )
    return found


def _until(rule: Rule, at: datetime, lasts: timedelta, now: datetime) -> list[Finding]:
    end = at + lasts
    return [Finding(rule=rule, until=end, evidence={"at": at.isoformat()})] if now < end else []


def _capped(
    rule: Rule, calls: Sequence[datetime], most: int, zones: Sequence[ZoneInfo], now: datetime
) -> list[Finding]:
    """A day's cap, counted in the zone in which most calls fall on today."""
    worst: tuple[int, datetime] | None = None
    for zone in zones:
        today = now.astimezone(zone).date()
        count = sum(at <= now and at.astimezone(zone).date() == today for at in calls)
        if count >= most:
            end = windows.next_midnight(now, zone)
            worst = max(worst or (count, end), (count, end))
    if worst is None:
        return []
    return [Finding(rule=rule, until=worst[1], evidence={"calls": worst[0], "most": most})]
