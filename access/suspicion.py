"""What in the audit log a manager should look at: act on a risk of a leak and report it (M-049, feature 190)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Final

from access.audit import Action

#: What shows or hands out a record.
LOOKS: Final = (Action.VIEWED, Action.EXPORTED, Action.RECORDING_PLAYED, Action.RECORDING_DOWNLOADED)


class Pattern(StrEnum):
    """Why it is listed."""

    MANY = "many"  # many different records within an hour
    NIGHT = "night"  # outside of the hours in which people work
    KEY_ACCOUNTS = "key_accounts"  # key accounts that somebody else looks after


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """From when on something is listed."""

    views_an_hour: int = 60
    key_accounts_a_day: int = 5
    #: Hours of the house's day in which views are ordinary.
    day_from: int = 7
    day_until: int = 21


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One row of the audit log that shows or hands out a record."""

    actor_id: str
    actor_name: str
    at: datetime
    action: str
    subject: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Somebody did something, how often, and when it began."""

    pattern: Pattern
    actor_id: str
    actor_name: str
    since: datetime
    until: datetime
    count: int


def suspicious(
    looks: Iterable[Look],
    *,
    key_accounts: Mapping[str, str | None],
    zone: tzinfo,
    limits: Limits,
    exempt: Collection[str] = (),
) -> list[Finding]:
    """What stands out, most first. `key_accounts`: customer id to the user who looks after him; `exempt`: user ids
    whose work it is to look at night, such as those who answer the hotline then.
    """
    hours: dict[tuple[str, datetime], list[Look]] = defaultdict(list)
    nights: dict[tuple[str, object], list[Look]] = defaultdict(list)
    others: dict[tuple[str, object], list[Look]] = defaultdict(list)
    for look in looks:
        local = look.at.astimezone(zone)
        hours[look.actor_id, local.replace(minute=0, second=0, microsecond=0)].append(look)
        if not limits.day_from <= local.hour < limits.day_until and look.actor_id not in exempt:
            nights[look.actor_id, local.date()].append(look)
        customer = look.subject.removeprefix("customer:")
        if customer in key_accounts and key_accounts[customer] not in (None, look.actor_id):
            others[look.actor_id, local.date()].append(look)
    found = [
        _finding(Pattern.MANY, some)
        for some in hours.values()
        if len({look.subject for look in some}) >= limits.views_an_hour
    ]
    found += [_finding(Pattern.NIGHT, some) for some in nights.values()]
    found += [
        _finding(Pattern.KEY_ACCOUNTS, some)
        for some in others.values()
        if len({look.subject for look in some}) >= limits.key_accounts_a_day
    ]
    return sorted(found, key=lambda finding: (-finding.count, finding.since))


def _finding(pattern: Pattern, some: list[Look]) -> Finding:
    return Finding(
        pattern=pattern,
        actor_id=some[0].actor_id,
        actor_name=some[0].actor_name,
        since=min(look.at for look in some),
        until=max(look.at for look in some),
        count=len({look.subject for look in some}),
    )
