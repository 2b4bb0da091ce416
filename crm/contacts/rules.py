"""Which events make contacts, after how many days, and what becomes of one nobody answers. Data of the house."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from crm.contacts.contacts import BadContact, ReasonKind
from telephony.hours import NoWorkingTime, WorkingTime

#: The reasons days of an event or of a calendar make by themselves.
GENERATED: Final = (
    ReasonKind.DELIVERY_VISIT,
    ReasonKind.SERVICE_VISIT,
    ReasonKind.FIRST_MAINTENANCE,
    ReasonKind.PERIODIC_MAINTENANCE,
    ReasonKind.DATED_ITEM,
    ReasonKind.KEY_ACCOUNT,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """How one kind of reason comes about."""

    on: bool = True
    #: Calendar days after the event; reminders take the lead of their plan instead.
    days: int = 0
    #: Where the day is not worked, the next one that is.
    shift: bool = True
    priority: int = 5
    #: Days after it was due on which the call is still of use.
    useful_days: int = 30
    questionnaire: str | None = None
    script: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """All of them, one version."""

    version: int = 0
    kinds: Mapping[ReasonKind, Rule] = field(default_factory=dict)
    #: Minute of the house's day at which the day's reasons are made.
    at_minute: int = 5 * 60
    tries: int = 5
    #: Days between two tries; the next is on a working day.
    days_between: int = 1
    department: str | None = None
    #: An event older than so many days when it becomes known makes no visit any more.
    looks_back_days: int = 14
    #: Class of a key account to the days between two visits, where the customer has no pace of his own.
    class_days: Mapping[str, int] = field(default_factory=lambda: {"A": 30, "B": 60, "C": 90})
    key_account_days: int = 90

    def rule(self, kind: ReasonKind) -> Rule:
        return self.kinds.get(kind, DEFAULTS.get(kind, Rule()))

    @property
    def priorities(self) -> dict[ReasonKind, int]:
        return {kind: self.rule(kind).priority for kind in ReasonKind}


DEFAULTS: Final[Mapping[ReasonKind, Rule]] = {
    ReasonKind.DELIVERY_VISIT: Rule(
        days=3, priority=3, useful_days=14, questionnaire="delivery_visit", script="delivery_visit"
    ),
    ReasonKind.SERVICE_VISIT: Rule(
        days=3, priority=4, useful_days=14, questionnaire="service_visit", script="service_visit"
    ),
    ReasonKind.FIRST_MAINTENANCE: Rule(priority=4, useful_days=60, script="maintenance_reminder"),
    ReasonKind.PERIODIC_MAINTENANCE: Rule(priority=5, useful_days=60, script="maintenance_reminder"),
    ReasonKind.DATED_ITEM: Rule(priority=6, useful_days=30),
    ReasonKind.NO_SHOW: Rule(days=1, priority=3, useful_days=14, script="no_show"),
    ReasonKind.KEY_ACCOUNT: Rule(priority=3, useful_days=60),
    ReasonKind.SURVEY: Rule(priority=6, useful_days=30),
    ReasonKind.CUSTOM: Rule(priority=5, useful_days=90),
}


def check(rules: Rules) -> Rules:
    """The rules, if they can be followed. Raises BadContact."""
    for kind, rule in rules.kinds.items():
        if not 0 <= rule.days <= 365 or not 0 <= rule.priority <= 9 or not 1 <= rule.useful_days <= 365:
            raise BadContact(
                "Days lie between 0 and 365, priority between 0 and 9, use between 1 and 365 days. "
                "Nothing was changed.",
                field=kind.value,
            )
    if not 1 <= rules.tries <= 20 or not 1 <= rules.days_between <= 30:
        raise BadContact("1 to 20 tries, 1 to 30 days apart. Nothing was changed.", field="tries")
    if not 0 <= rules.at_minute < 1440:
        raise BadContact(
            "The time of day lies between 00:00 and 23:59. Nothing was changed.", field="at_minute"
        )
    if not 1 <= rules.looks_back_days <= 90:
        raise BadContact("The house looks back 1 to 90 days. Nothing was changed.", field="looks_back_days")
    if not 7 <= rules.key_account_days <= 730 or any(
        not 7 <= days <= 730 for days in rules.class_days.values()
    ):
        raise BadContact(
            "Key accounts are visited every 7 to 730 days. Nothing was changed.", field="class_days"
        )
    return rules


def due_day(event_on: date, rule: Rule, hours: WorkingTime) -> date:
    """The day of the call: so many calendar days after the event, the next working day where that one is none."""
    day = event_on + timedelta(days=rule.days)
    return shifted(day, hours) if rule.shift else day


def shifted(day: date, hours: WorkingTime) -> date:
    """The day, or the next one the house works on; a calendar without one leaves it."""
    if hours.is_working_day(day):
        return day
    try:
        return hours.next_working_day(day)
    except NoWorkingTime:
        return day


def end_of(day: date, hours: WorkingTime) -> datetime:
    """When the house closes on a day; midnight after a day it does not work."""
    spans = hours.intervals(day)
    if spans:
        return spans[-1][1]
    return datetime.combine(day + timedelta(days=1), time(), tzinfo=hours.zone).astimezone(UTC)


def next_try(now: datetime, rules: Rules, hours: WorkingTime) -> datetime:
    """When the next try may be made: so many days on, on a working day, as soon as the house opens."""
    day = shifted(hours.date_of(now) + timedelta(days=rules.days_between), hours)
    spans = hours.intervals(day)
    if spans:
        return spans[0][0]
    return datetime.combine(day, time(), tzinfo=hours.zone).astimezone(UTC)


def rules_to(rules: Rules) -> dict[str, Any]:
    """As plain JSON."""
    plain = {name: getattr(rules, name) for name in Rules.__slots__ if name not in ("version", "kinds")}
    kinds = {
        kind.value: {name: getattr(rule, name) for name in Rule.__slots__}
        for kind, rule in rules.kinds.items()
    }
    return {**plain, "class_days": dict(rules.class_days), "kinds": kinds}


def rules_from(value: Mapping[str, Any], version: int) -> Rules:
    """From plain JSON; what a later release added takes its default."""
    known = {
        name: value[name] for name in Rules.__slots__ if name in value and name not in ("version", "kinds")
    }
    kinds = {
        ReasonKind(kind): Rule(**{name: one for name, one in rule.items() if name in Rule.__slots__})
        for kind, rule in value.get("kinds", {}).items()
        if kind in set(ReasonKind)
    }
    return Rules(**known, version=version, kinds=kinds)
