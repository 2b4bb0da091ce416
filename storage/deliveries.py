"""What waits to be delivered: claimed by a sender, tried, tried again, given up.

A claim is a lease with a number, so that two senders never have one row and a sender that was away too long does
not overwrite what another found out. Events of one subject wait for each other, subscription by subscription.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, func, insert, or_, select, update

from access.audit import Action, Entry
from access.ids import new_id
from crm.hooks.events import Event, Happening
from crm.hooks.options import HookOptions
from crm.hooks.retries import (
    BREAKS_AFTER,
    LONGEST_ASKED,
    Chance,
    Outcome,
    Why,
    is_hopeless,
    next_try,
    pause_until,
)
from crm.hooks.subscriptions import DeliveryState, Job
from storage import audit
from storage.hooks import right_of
from storage.outgoing import announce
from storage.tables.hooks import deliveries, delivery_tries, happenings, hooks

_WAITING: Final = deliveries.c.state == DeliveryState.WAITING
_earlier = deliveries.alias("earlier")


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """What a try led to."""

    state: DeliveryState
    #: The subscription was switched off by it.
    disabled: Why | None = None


def anything_due(connection: Connection, now: datetime) -> bool:
    """Whether a sender should claim; one look into the index of what waits."""
    statement = (
        select(deliveries.c.number)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(_WAITING, deliveries.c.next_at <= now, _free(now), _open(now))
        .limit(1)
    )
    return connection.execute(statement).first() is not None


def _free(now: datetime) -> Any:
    return or_(deliveries.c.claimed_until.is_(None), deliveries.c.claimed_until <= now)


def _open(now: datetime) -> Any:
    return and_(hooks.c.active, or_(hooks.c.paused_until.is_(None), hooks.c.paused_until <= now))


def claim(
    connection: Connection, sender: str, now: datetime, options: HookOptions, *, room: int, lease: timedelta
) -> list[Job]:
    """Take at most `room` deliveries that are due and in their turn, until `lease` is over.

    An address that just failed gets one at a time. A subscription whose owner may not manage any more is
    switched off instead.
    """
    rows = (
        connection.execute(select(hooks).where(_open(now)).with_for_update(skip_locked=True, key_share=True))
        .mappings()
        .all()
    )
    busy = _busy(connection, now)
    found: list[Job] = []
    for hook in random.sample(rows, len(rows)):  # nobody is always first
        most = 1 if hook["failures"] else options.parallel_per_address
        free = min(room - len(found), most - busy[hook["url"]])
        if free <= 0:
            continue
        due = _due(connection, hook["id"], now, free)
        if not due:
            continue
        right = right_of(connection, hook["owner"], now)
        if not right.may:
            _disable(connection, hook, Why.OWNER_GONE, now)
            continue
        keys = [hook["secret"]]
        if hook["old_secret"] and hook["old_until"] and hook["old_until"] > now:
            keys.append(hook["old_secret"])
        for row in due:
            number = row["number"]
            connection.execute(
                update(deliveries)
                .where(deliveries.c.number == number)
                .values(claimed_by=sender, claimed_until=now + lease, claim=deliveries.c.claim + 1)
            )
            busy[hook["url"]] += 1
            found.append(
                Job(
                    number=number,
                    claim=row["claim"] + 1,
                    tries=row["tries"],
                    since=row["since"],
                    hook_id=hook["id"],
                    url=hook["url"],
                    keys=tuple(keys),
                    language="en" if hook["language"] == "en" else "zh-CN",
                    happening=Happening(
                        id=row["happening_id"],
                        event=Event(row["event"]),
                        subject=row["subject"],
                        at=row["at"],
                        data=row["data"],
                    ),
                    right=right,
                )
            )
    return found


def _busy(connection: Connection, now: datetime) -> Counter[str]:
    """How many are on their way to each address, of every sender."""
    rows = connection.execute(
        select(hooks.c.url, func.count())
        .select_from(deliveries)
        .join(hooks, hooks.c.id == deliveries.c.hook_id)
        .where(deliveries.c.claimed_by.is_not(None), deliveries.c.claimed_until > now)
        .group_by(hooks.c.url)
    )
    return Counter({row[0]: row[1] for row in rows})


def _due(connection: Connection, hook_id: str, now: datetime, most: int) -> list[RowMapping]:
    """What is due for a subscription and not behind an earlier one of its subject."""
    behind = (
        select(_earlier.c.number)
        .where(
            _earlier.c.hook_id == deliveries.c.hook_id,
            _earlier.c.subject == deliveries.c.subject,
            _earlier.c.state == DeliveryState.WAITING,
            _earlier.c.number < deliveries.c.number,
        )
        .exists()
    )
    statement = (
        select(deliveries, happenings.c.data)
        .join(happenings, happenings.c.id == deliveries.c.happening_id)
        .where(deliveries.c.hook_id == hook_id, _WAITING, deliveries.c.next_at <= now, _free(now), ~behind)
        .order_by(deliveries.c.next_at, deliveries.c.number)
        .limit(most)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    return list(connection.execute(statement).mappings())


def settle(
    connection: Connection, job: Job, outcome: Outcome, options: HookOptions, *, chance: Chance
) -> Settled | None:
    """Write down what came of a try and what follows. None where the claim was lost: nothing is changed."""
    row = (
        connection.execute(
            select(deliveries)
            .where(deliveries.c.number == job.number, deliveries.c.claim == job.claim, _WAITING)
            .with_for_update()
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    tries = row["tries"] + 1
    connection.execute(
        insert(delivery_tries).values(
            {
                "delivery_number": job.number,
                "try": tries,
                "at": outcome.at,
                "milliseconds": outcome.milliseconds,
                "status": outcome.status,
                "error": outcome.word,
            }
        )
    )
    values: dict[str, Any] = {
        "tries": tries,
        "claimed_by": None,
        "claimed_until": None,
        "last_status": outcome.status,
        "last_error": outcome.word,
    }
    longest = timedelta(hours=options.longest_hours)
    disabled = None
    if outcome.arrived:
        state = DeliveryState.DELIVERED
        values |= {"state": state, "done_at": outcome.at}
        _recovered(connection, job.url)
    else:
        again = next_try(
            _tries_since(connection, job.number, row["since"]),
            row["since"],
            outcome,
            longest=longest,
            chance=chance,
        )
        state = DeliveryState.WAITING if again is not None else DeliveryState.FAILED
        values |= {"next_at": again} if again is not None else {"state": state, "done_at": outcome.at}
    connection.execute(update(deliveries).where(deliveries.c.number == job.number).values(values))
    if not outcome.arrived:
        disabled = _failed(connection, job, outcome, options, chance)
    return Settled(state=state, disabled=disabled)


def _tries_since(connection: Connection, number: int, since: datetime) -> int:
    """Tries of this round: a replay begins with short waits again."""
    return max(
        1,
        connection.execute(
            select(func.count())
            .select_from(delivery_tries)
            .where(delivery_tries.c.delivery_number == number, delivery_tries.c.at >= since)
        ).scalar_one(),
    )


def _recovered(connection: Connection, url: str) -> None:
    connection.execute(
        update(hooks)
        .where(hooks.c.url == url, or_(hooks.c.failures > 0, hooks.c.paused_until.is_not(None)))
        .values(failures=0, failing_since=None, paused_until=None)
    )


def _failed(
    connection: Connection, job: Job, outcome: Outcome, options: HookOptions, chance: Chance
) -> Why | None:
    """The address failed: for every subscription of it the breaker, and in the end the switch."""
    rows = (
        connection.execute(select(hooks).where(hooks.c.url == job.url).with_for_update(key_share=True))
        .mappings()
        .all()
    )
    mine: Why | None = None
    for hook in rows:
        failures = hook["failures"] + 1
        pause = pause_until(failures, outcome, chance=chance)
        if outcome.asked_seconds > 0 and outcome.status in (429, 503):
            asked = outcome.at + timedelta(seconds=min(outcome.asked_seconds, LONGEST_ASKED))
            pause = max(pause, asked) if pause is not None else asked
        held = hook["paused_until"]
        if held is not None and held > outcome.at and (pause is None or held > pause):
            pause = held  # a try that was on its way beside the one that opened it
        since = hook["failing_since"] or outcome.at
        connection.execute(
            update(hooks)
            .where(hooks.c.id == hook["id"])
            .values(failures=failures, failing_since=since, paused_until=pause)
        )
        if failures >= BREAKS_AFTER:
            _give_up_old(
                connection, hook["id"], outcome.at - timedelta(hours=options.longest_hours), outcome.at
            )
        why = is_hopeless(since, outcome, longest=timedelta(days=options.disable_days))
        if why is not None and hook["active"]:
            _disable(connection, hook, why, outcome.at)
            if hook["id"] == job.hook_id:
                mine = why
    return mine


def _give_up_old(connection: Connection, hook_id: str, before: datetime, now: datetime) -> None:
    """Nothing arrives there: what has waited its whole time is given up without a try of its own."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.hook_id == hook_id, _WAITING, deliveries.c.since < before, _free(now))
        .values(state=DeliveryState.FAILED, done_at=now, last_error="given-up", claimed_by=None)
    )


def _disable(connection: Connection, hook: RowMapping, why: Why, now: datetime) -> None:
    """Switch a subscription off, and say so: in the audit log, on the page, and to other subscriptions."""
    connection.execute(
        update(hooks).where(hooks.c.id == hook["id"]).values(active=False, disabled_at=now, disabled_why=why)
    )
    audit.append(
        connection,
        Entry(
            id=new_id(now),
            at=now,
            action=Action.HOOK_DISABLED,
            actor_name="Careline",
            subject=f"hook:{hook['id']}",
            data={"why": why.value},
        ),
    )
    announce(
        connection,
        Event.HOOK_DISABLED,
        f"hook:{hook['id']}",
        {"hook_id": hook["id"], "hook": hook["name"], "why": why.value},
        at=now,
    )


def release(connection: Connection, sender: str) -> int:
    """Give back what this sender has claimed and not settled; it may be tried at once. Gives how many."""
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.claimed_by == sender, _WAITING)
        .values(claimed_by=None, claimed_until=None, claim=deliveries.c.claim + 1)
    ).rowcount


def known_addresses(connection: Connection) -> Mapping[str, str]:
    """Active subscriptions of this database and where they send; of none where it has no such table."""
    if not connection.dialect.has_table(connection, hooks.name):
        return {}
    rows = connection.execute(select(hooks.c.id, hooks.c.url).where(hooks.c.active))
    return {row.id: row.url for row in rows}


def quiet(connection: Connection, known: Mapping[str, str], now: datetime) -> None:
    """After a restore: nothing that waited in the backup is sent, for it may have been sent since.

    A subscription goes on only where the replaced database had it (`known`: id to address); anywhere else a copy
    of the house would talk to the house's systems.
    """
    connection.execute(
        update(deliveries)
        .where(_WAITING)
        .values(state=DeliveryState.CANCELLED, last_error="restored", done_at=now)
    )
    for id, url in connection.execute(select(hooks.c.id, hooks.c.url).where(hooks.c.active)).all():
        if known.get(id) != url:
            connection.execute(
                update(hooks)
                .where(hooks.c.id == id)
                .values(active=False, disabled_at=now, disabled_why=Why.RESTORED)
            )
