"""Campaigns of a whole house for acceptance tests: put up in its database, dialed by its service, judged by the lab."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fixtures_house import House, until

from campaigns.attempts import Attempt, AttemptState
from campaigns.campaigns import Campaign, CampaignState, CampaignStep, Mode, Purpose
from campaigns.rules import Rules
from campaigns.targets import NewTarget, Target, TargetState
from storage import attempts, campaign_targets, campaigns, customers
from storage.database import Database
from telephony.numbers import E164


class Outbound:
    """One campaign of a house and what is on it."""

    def __init__(self, house: House, database: Database, name: str, **more: Any) -> None:
        self.house = house
        self.database = database
        self.people: dict[str, str] = {}
        now = datetime.now(UTC)
        self.campaign: Campaign = database.write_now(
            lambda c: campaigns.create(
                c,
                name=name,
                purpose=more.pop("purpose", Purpose.PERIODIC_MAINTENANCE),
                mode=more.pop("mode", Mode.AGENTLESS),
                flow=more.pop("flow", "campaign_maintenance"),
                queue=more.pop("queue", ""),
                now=now,
                rules=more.pop("rules", Rules(ring_seconds=15)),
            )
        )

    def add(self, *numbers: str) -> None:
        now = datetime.now(UTC)

        def work(connection: Any) -> None:
            for number in numbers:
                one = customers.add_customer(connection, name=f"客户{number[-4:]}", now=now)
                customers.add_contact(connection, one.id, E164(number), now)
                self.people[number] = one.id
            new = [NewTarget(customer_id=self.people[number], key=number) for number in numbers]
            campaign_targets.add(connection, self.campaign, new, now)

        self.database.write_now(work)

    def step(self, step: CampaignStep) -> Campaign:
        return self.database.write_now(lambda c: campaigns.step(c, self.campaign.id, step, datetime.now(UTC)))

    def targets(self) -> dict[str, Target]:
        rows = self.database.read_now(
            lambda c: (
                c.execute(
                    campaign_targets.targets.select().where(
                        campaign_targets.targets.c.campaign_id == self.campaign.id
                    )
                )
                .mappings()
                .all()
            )
        )
        return {row["key"]: campaign_targets.target_from(row) for row in rows}

    def attempts(self, number: str) -> list[Attempt]:
        return self.database.read_now(lambda c: attempts.of_target(c, self.targets()[number].id))

    async def settled(self, *numbers: str) -> dict[str, Attempt]:
        """The last attempt of each, once it is over."""

        async def look() -> bool:
            found = [self.attempts(number) for number in numbers]
            return all(one and not one[-1].is_open for one in found)

        await until(look, 90, saying="attempts that do not end")
        return {number: self.attempts(number)[-1] for number in numbers}

    def state(self) -> CampaignState:
        return self.database.read_now(lambda c: campaigns.get(c, self.campaign.id)).state

    def dialed(self, number: str) -> int:
        """How often the outside world saw this number called."""
        return sum(one.called.endswith(number[-11:]) for one in self.house.lab.records())


def numbers(*ends: str) -> list[str]:
    return [f"+8613900{end}" for end in ends]


def wrong(outbound: Iterable[Outbound]) -> Counter[str]:
    """The invariants of dialing (reliability.md 5), each with how often it is broken by the lab's own log."""
    found: Counter[str] = Counter(
        dict.fromkeys(
            (
                "I1 number dialed twice for an attempt",
                "I2 two calls to one number at once",
                "I3 target lost",
                "I4 call without a row",
                "unknown",
            ),
            0,
        )
    )
    for one in outbound:
        for number, target in one.targets().items():
            tries = one.attempts(number)
            seen = sorted(
                (call for call in one.house.lab.records() if call.called.endswith(number[-11:])),
                key=lambda call: call.start,
            )
            dialed = sum(attempt.dialed for attempt in tries)
            found["I1 number dialed twice for an attempt"] += max(0, len(seen) - dialed)
            found["I4 call without a row"] += sum(
                not one.house.rows("SELECT id FROM calls WHERE id = ?", attempt.id)
                for attempt in tries
                if attempt.dialed
            ) + max(0, dialed - len(seen))
            found["I2 two calls to one number at once"] += sum(
                later.start < earlier.end for earlier, later in itertools.pairwise(seen)
            )
            lost = target.state is TargetState.DIALING or any(attempt.is_open for attempt in tries)
            found["I3 target lost"] += lost
            found["unknown"] += sum(attempt.state is AttemptState.UNKNOWN for attempt in tries)
    return found


async def quiet(outbound: Iterable[Outbound], seconds: float = 90.0) -> None:
    """Until nobody is rung or due any more: what waits, waits for a moment far enough away."""
    some = list(outbound)

    async def look() -> bool:
        soon = datetime.now(UTC) + timedelta(minutes=3)
        return not any(
            target.state is TargetState.DIALING
            or (target.state is TargetState.WAITING and target.due_at < soon)
            for one in some
            for target in one.targets().values()
        )

    await until(look, seconds, saying="targets that stay due")
