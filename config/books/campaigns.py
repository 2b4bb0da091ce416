"""Campaigns over the database (`web.ports.campaigns.Campaigns`)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number
from access.requests import Answer, Once
from access.users import Principal
from campaigns.campaigns import BadCampaign, Campaign, CampaignState, CampaignStep
from campaigns.dialer import Reason
from campaigns.ladder import LadderStep, Rung, RungState
from campaigns.results import By, Wanted
from campaigns.targets import NewTarget, TargetState
from crm.records.customers import Customer
from storage import (
    attempts,
    audit,
    campaign_results,
    campaign_targets,
    campaigns,
    customers,
    groups,
    idempotency,
    ladder,
    users,
    vehicles,
)
from storage.database import Database
from storage.sight import Sight, sights
from telephony.numbers import readable
from web.ports.campaigns import (
    Added,
    AttemptLine,
    CampaignView,
    Choices,
    LetterLine,
    NewCampaign,
    ResultsView,
    TargetLine,
    Whom,
)

#: Letters of one batch.
_MOST_LETTERS: Final = 200
#: Why a campaign that does not run begins no call.
NOT_RUNNING: Final = "not_running"


class CampaignBook:
    """`web.ports.campaigns.Campaigns`."""

    def __init__(
        self,
        database: Database,
        zone: str,
        *,
        flows: Callable[[], Collection[str]],
        queues: Collection[str],
        reasons: Callable[[], Mapping[str, Reason]] = dict,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """`flows` and `queues` are what a campaign may name; `reasons` is the dialer's word; `changed` wakes it."""
        self._database = database
        self._zone = ZoneInfo(zone)
        self._flows = flows
        self._queues = frozenset(queues)
        self._reasons = reasons
        self._changed = changed

    async def choices(self) -> Choices:
        return Choices(flows=sorted(self._flows()), queues=sorted(self._queues))

    async def list(
        self, viewer: Principal, now: datetime, *, states: Collection[CampaignState] = ()
    ) -> Sequence[CampaignView]:
        def look(connection: Connection) -> Sequence[CampaignView]:
            return [self._view(connection, one, now) for one in campaigns.every(connection, states=states)]

        return await self._database.read(look)

    async def get(self, viewer: Principal, campaign_id: str, now: datetime) -> CampaignView:
        return await self._database.read(lambda c: self._view(c, campaigns.get(c, campaign_id), now))

    async def create(
        self, viewer: Principal, new: NewCampaign, entry: Entry, *, once: Once | None = None
    ) -> CampaignView:
        self._check_names(new)

        def work(connection: Connection) -> Campaign:
            if once is not None:
                first = idempotency.answer_once(
                    connection, once, Answer(status=201, body={"made": entry.id}, at=entry.at)
                )
                if first.body["made"] != entry.id:  # the same request again: what it made then
                    return campaigns.by_name(connection, " ".join(new.name.split()))
            made = campaigns.create(connection, now=entry.at, by=viewer, **_values(new))
            audit.append(connection, replace(entry, subject=f"campaign:{made.id}"))
            return made

        return await self._write(work, entry.at)

    async def change(
        self, viewer: Principal, campaign_id: str, version: int, new: NewCampaign, entry: Entry
    ) -> CampaignView:
        self._check_names(new)

        def work(connection: Connection) -> Campaign:
            changed = campaigns.change(connection, campaign_id, version, _values(new), entry.at)
            audit.append(connection, entry)
            return changed

        return await self._write(work, entry.at)

    async def clone(self, viewer: Principal, campaign_id: str, name: str, entry: Entry) -> CampaignView:
        def work(connection: Connection) -> Campaign:
            like = campaigns.get(connection, campaign_id)
            made = campaigns.create(
                connection,
                name=name,
                purpose=like.purpose,
                mode=like.mode,
                queue=like.queue,
                flow=like.flow,
                caller_id=like.caller_id,
                priority=like.priority,
                rules=like.rules,
                now=entry.at,
                by=viewer,
            )
            audit.append(connection, replace(entry, subject=f"campaign:{made.id}"))
            return made

        return await self._write(work, entry.at)

    async def step(
        self, viewer: Principal, campaign_id: str, step: CampaignStep, version: int, entry: Entry
    ) -> CampaignView:
        def work(connection: Connection) -> Campaign:
            after = campaigns.step(connection, campaign_id, step, entry.at, version=version)
            audit.append(connection, entry)
            return after

        return await self._write(work, entry.at)

    async def add(self, viewer: Principal, campaign_id: str, whom: Whom, entry: Entry) -> Added:
        def work(connection: Connection) -> Added:
            campaign = campaigns.get(connection, campaign_id)
            if campaign.state is CampaignState.ARCHIVED:
                raise BadCampaign("An archived campaign takes nobody on. Nothing was changed.")
            wanted = self._whom(connection, viewer, whom, entry.at)
            seen = sights(connection, viewer, [one.customer_id for one in wanted], entry.at)
            open_ones = [one for one in wanted if seen.get(one.customer_id) is Sight.OPEN]
            added = campaign_targets.add(connection, campaign, open_ones, entry.at)
            audit.append(connection, replace(entry, data={**entry.data, "added": added}))
            return Added(asked=len(wanted), added=added, hidden=len(wanted) - len(open_ones))

        done = await self._database.write(work)
        self._changed()
        return done

    async def targets(
        self,
        viewer: Principal,
        campaign_id: str,
        now: datetime,
        *,
        state: TargetState | None = None,
        mark: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[TargetLine], str | None]:
        def look(connection: Connection) -> tuple[Sequence[TargetLine], str | None]:
            campaigns.get(connection, campaign_id)
            after = cursor or ""
            if mark:
                ids = sorted(campaign_results.marked(connection, campaign_id, mark))
                behind = [one for one in ids if one > after][: limit + 1]
                found = campaign_targets.several(connection, behind)
            else:
                found = campaign_targets.page(
                    connection, campaign_id, state=state, after=after, limit=limit + 1
                )
            shown, more = found[:limit], len(found) > limit
            names = _Names(connection, viewer, [one.customer_id for one in shown], now)
            lines = [
                TargetLine(
                    target=one,
                    customer_name=names.name(one.customer_id),
                    customer_number=names.number(one.customer_id),
                )
                for one in shown
            ]
            return lines, shown[-1].id if more else None

        return await self._database.read(look)

    async def withdraw(self, viewer: Principal, target_id: str, why: str, entry: Entry) -> Mapping[str, Any]:
        def work(connection: Connection) -> Mapping[str, Any]:
            words = {"why": "person", "reason": " ".join(why.split())[:200], "by": viewer.name}
            found = campaign_targets.withdraw(connection, target_id, why=words, now=entry.at)
            audit.append(connection, replace(entry, subject=f"campaign:{found.campaign_id}"))
            return {"id": found.id, "state": found.state.value}

        return await self._database.write(work)

    async def attempts(
        self,
        viewer: Principal,
        campaign_id: str,
        now: datetime,
        *,
        target_id: str | None = None,
        wanted: Wanted | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[AttemptLine], str | None]:
        def look(connection: Connection) -> tuple[Sequence[AttemptLine], str | None]:
            campaigns.get(connection, campaign_id)
            if wanted is not None:
                found = campaign_results.attempts_behind(
                    connection, campaign_id, wanted, self._zone, before=cursor or "", limit=limit + 1
                )
            else:
                found = attempts.page(
                    connection, campaign_id, target_id=target_id, before=cursor or "", limit=limit + 1
                )
            shown, more = found[:limit], len(found) > limit
            names = _Names(connection, viewer, [one.customer_id for one in shown], now)
            lines = [
                AttemptLine(
                    attempt=one,
                    customer_name=names.name(one.customer_id),
                    number=readable(one.number) if viewer.sees_numbers else mask_number(one.number),
                )
                for one in shown
            ]
            return lines, shown[-1].id if more else None

        return await self._database.read(look)

    async def results(self, viewer: Principal, campaign_id: str, now: datetime) -> ResultsView:
        def look(connection: Connection) -> ResultsView:
            campaigns.get(connection, campaign_id)
            layouts = campaign_results.layouts(connection, campaign_id, self._zone)
            agents = {bar.key for bar in layouts[By.AGENT] if bar.key}
            return ResultsView(
                results=campaign_results.figures(connection, campaign_id, now),
                marks=campaign_results.marks(connection, campaign_id),
                layouts=layouts,
                ladder=ladder.counts(connection, campaign_id),
                agents={id: name for id, name in users.user_names(connection).items() if id in agents},
            )

        return await self._database.read(look)

    async def letters(self, viewer: Principal, now: datetime) -> Sequence[LetterLine]:
        def look(connection: Connection) -> Sequence[LetterLine]:
            steps = ladder.due(connection, Rung.LETTER, now, _MOST_LETTERS)
            seen = sights(connection, viewer, [one.customer_id for one in steps], now)
            open_ones = [one for one in steps if seen.get(one.customer_id) is Sight.OPEN]
            known = customers.several(connection, [one.customer_id for one in open_ones])
            return [
                self._letter(connection, one, known[one.customer_id], viewer)
                for one in open_ones
                if one.customer_id in known
            ]

        return await self._database.read(look)

    def _letter(
        self, connection: Connection, step: LadderStep, customer: Customer, viewer: Principal
    ) -> LetterLine:
        target = campaign_targets.get(connection, step.target_id)
        plates = (
            {}
            if target is None or target.vehicle_id is None
            else vehicles.plates(connection, [target.vehicle_id])
        )
        return LetterLine(
            step=step,
            campaign=campaigns.get(connection, step.campaign_id),
            customer_name=customer.name if viewer.sees_names else mask_name(customer.name),
            address=customer.address if viewer.sees_names else "",
            plate=next(iter(plates.values()), ""),
        )

    async def printed(self, viewer: Principal, step_ids: Collection[str], entry: Entry) -> int:
        wanted = set(step_ids)

        def work(connection: Connection) -> int:
            steps = [
                one
                for one in ladder.due(connection, Rung.LETTER, entry.at, _MOST_LETTERS)
                if one.id in wanted
            ]
            known = customers.several(connection, [one.customer_id for one in steps])
            done = 0
            for one in steps:
                customer = known.get(one.customer_id)
                sent = customer is not None and bool(customer.address)
                state, why = (RungState.DONE, {}) if sent else (RungState.PASSED, {"why": "no_address"})
                if ladder.close(connection, one, state, entry.at, by_name=viewer.name, why=why):
                    done += sent
            audit.append(connection, replace(entry, data={**entry.data, "letters": done}))
            return done

        return await self._database.write(work)

    async def _write(self, work: Callable[[Connection], Campaign], now: datetime) -> CampaignView:
        found = await self._database.write(lambda c: self._view(c, work(c), now))
        self._changed()
        return found

    def _view(self, connection: Connection, campaign: Campaign, now: datetime) -> CampaignView:
        reason = self._reasons().get(campaign.id)
        running = campaign.state is CampaignState.RUNNING
        return CampaignView(
            campaign=campaign,
            targets=campaign_targets.counts(connection, campaign.id),
            calls=len(attempts.open_attempts(connection, campaign_id=campaign.id)),
            reason=("" if reason is None else reason.value) if running else NOT_RUNNING,
            waiting=campaign_targets.waiting_reasons(connection, campaign.id, now),
            next_due=campaign_targets.next_due(connection, campaign.id),
        )

    def _check_names(self, new: NewCampaign) -> None:
        if new.flow and new.flow not in self._flows():
            raise BadCampaign("There is no such menu for campaigns. Nothing was kept.", field="flow")
        if new.queue and new.queue not in self._queues:
            raise BadCampaign("There is no such queue. Nothing was kept.", field="queue")

    def _whom(
        self, connection: Connection, viewer: Principal, whom: Whom, now: datetime
    ) -> Sequence[NewTarget]:
        if (bool(whom.customer_ids) + (whom.group_id is not None) + bool(whom.reasons)) != 1:
            raise BadCampaign(
                "Name customers, or a group, or reasons of contacts. Nobody was put on the campaign.",
                field="whom",
            )
        if whom.reasons:
            return campaign_targets.of_contacts(connection, viewer, whom.reasons, now)
        ids: Sequence[str] = whom.customer_ids
        if whom.group_id is not None:
            group = groups.get_group(connection, whom.group_id)
            ids = groups.found_ids(connection, groups.people_of(connection, group, now, self._zone))
        known = customers.several(connection, ids)
        return [
            NewTarget(customer_id=one, key=f"customer:{one}", priority=whom.priority)
            for one in ids
            if one in known
        ]


class _Names:
    """Names of customers as one person may read them."""

    def __init__(self, connection: Connection, viewer: Principal, ids: Sequence[str], now: datetime) -> None:
        self._known = customers.several(connection, ids)
        seen = sights(connection, viewer, ids, now)
        self._open = (
            {one for one, sight in seen.items() if sight is Sight.OPEN} if viewer.sees_names else set()
        )

    def name(self, customer_id: str) -> str:
        found = self._known.get(customer_id)
        if found is None:
            return ""
        return found.name if customer_id in self._open else mask_name(found.name)

    def number(self, customer_id: str) -> str:
        found = self._known.get(customer_id)
        return "" if found is None else found.number


def _values(new: NewCampaign) -> dict[str, Any]:
    return {name: getattr(new, name) for name in NewCampaign.__slots__}
