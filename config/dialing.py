"""Campaigns in the running service: the dialer's rows and line, what its calls are served with, and its ticks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from campaigns.attempts import Attempt, is_late
from campaigns.campaigns import (
    CONTACT_PURPOSE,
    Campaign,
    CampaignState,
    CampaignStep,
    Mode,
    StepNotAllowed,
)
from campaigns.dialer import ORPHAN_AFTER, Dialer, Limits
from campaigns.learning import Learning
from campaigns.seating import Agents, Seating
from campaigns.targets import Target
from config.settings import Settings
from ivr.ports import Called, Unavailable
from storage import attempts, campaign_results, campaign_work, campaigns, customers, nodes
from storage.contactability import House
from storage.database import Database, StorageUnavailable
from storage.journal import Journal
from telephony.agents import AgentState
from telephony.calls import Call, CallState, Direction
from telephony.clock import Clock
from telephony.facts import Fact, FactKind, Source
from telephony.fences import Fences, Pace
from telephony.ports import CallOut, SwitchError
from telephony.tracker import CallChange

log = structlog.get_logger(__name__)

#: An order the switch could not carry out has no channel; its events get this long to say otherwise, in seconds.
_NO_CHANNEL_AFTER = 2.0
#: Modes in which an agent is kept for each customer from the dial on.
_OWN_AGENT = frozenset({Mode.MANUAL, Mode.PREVIEW, Mode.PROGRESSIVE})
#: An agent is reminded of a call-back so long before it; after so long without him it is anybody's.
_ALERT_BEFORE = timedelta(minutes=1)
_POOLED_AFTER = timedelta(minutes=15)
#: Who starts a campaign that is over its limit hears it at once.
_JUST_STARTED = timedelta(seconds=15)
#: Attempts that a pacing rule learns from after a restart.
_HISTORY = 1000
#: The menu for whom no agent took, where a campaign names none.
NOBODY_FLOW = "campaign_nobody"
#: Q.850 cause of a call that nobody could place (no route to the destination).
_NO_ROUTE = 3


class DialBook:
    """`campaigns.dialer.Book` over the database and the call log."""

    def __init__(
        self, database: Database, journal: Journal, clock: Clock, *, node: str, house: House
    ) -> None:
        self._database = database
        self._journal = journal
        self._clock = clock
        self._node = node
        self._house = house

    async def running(self) -> Sequence[Campaign]:
        """The campaigns that run, the most urgent first."""
        return await self._database.read(lambda c: campaigns.every(c, states=[CampaignState.RUNNING]))

    async def open_attempts(self) -> Sequence[Attempt]:
        """Attempts that may still ring somewhere, of every process."""
        return await self._database.read(attempts.open_attempts)

    async def claim(self, campaign: Campaign, most: int) -> Sequence[Attempt]:
        """Ask about those whose moment has come, then write what is to become of each."""
        now, house = self._clock.now(), self._house
        reserved = campaign.mode in _OWN_AGENT
        found = await self._database.read(
            lambda c: attempts.propose(c, campaign, house, now, most, agent_reserved=reserved)
        )
        if not found:
            return ()
        return await self._database.write(
            lambda c: attempts.claim(c, campaign.id, found, node=self._node, now=self._clock.now())
        )

    async def history(self, campaign: Campaign) -> Sequence[Attempt]:
        """Its latest attempts that are over, the oldest first."""
        return await self._database.read(lambda c: attempts.history(c, campaign.id, _HISTORY))

    def time_left(self, campaign: Campaign) -> float:
        """The share of today's hours for its purpose still to come, by the house's clock."""
        window = self._house.policies[CONTACT_PURPOSE[campaign.purpose]].window
        return window.left_of_day(self._clock.now().astimezone(self._house.zone))

    async def open_calls(self, claimed: Sequence[Attempt]) -> None:
        """The call of each, on its customer's record from its first moment on."""
        await self._journal.record_imported(
            [fact for one in claimed for fact in _opening(one)], lambda _connection: None
        )

    async def submitted(self, sent: Sequence[Attempt]) -> None:
        """The switch has taken these orders."""
        await self._database.write(lambda c: attempts.submitted(c, [one.id for one in sent]))

    async def give_back(self, back: Sequence[Attempt], reason: str) -> None:
        """Close their calls, which moves attempt and target in the same transaction."""
        now = self._clock.now()
        await self._journal.record(*(unplaced(one.id, reason, now) for one in back))
        await self._database.write(
            lambda c: attempts.give_back(c, [one.id for one in back], reason=reason, now=now)
        )


def _opening(attempt: Attempt) -> tuple[Fact, Fact]:
    def fact(kind: FactKind, key: str, **data: str) -> Fact:
        return Fact(
            source=Source.SERVICE,
            key=f"{key}:{attempt.id}",
            kind=kind,
            at=attempt.intent_at,
            linkedid=attempt.id,
            uniqueid=attempt.id,
            data=data,
        )

    agent = attempt.agent_id if attempt.agent_first and attempt.agent_id else ""
    return (
        fact(FactKind.LEG_STARTED, "outbound", direction="outbound", called=attempt.number, agent=agent),
        fact(FactKind.IDENTIFIED, "campaign", customer_id=attempt.customer_id, how="campaign"),
    )


def unplaced(call_id: str, reason: str, at: datetime) -> Fact:
    """The end of a call that was never placed."""
    return Fact(
        source=Source.SERVICE,
        key=f"unplaced:{call_id}",
        kind=FactKind.LEG_ENDED,
        at=at,
        linkedid=call_id,
        uniqueid=call_id,
        data={"cause": _NO_ROUTE, "unplaced": reason[:64]},
    )


class DialLine:
    """`campaigns.dialer.Line` over the switch."""

    def __init__(
        self,
        *,
        ready: Callable[[], bool],
        live_calls: Callable[[], Sequence[Call]],
        call_out: Callable[[CallOut], Coroutine[None, None, None]],
    ) -> None:
        self._ready = ready
        self._live_calls = live_calls
        self._call_out = call_out

    @property
    def ready(self) -> bool:
        """Connected, booted, resynchronised."""
        return self._ready()

    def calls_going_on(self) -> int:
        """Calls with the outside world, in and out."""
        return sum(one.direction is not Direction.INTERNAL for one in self._live_calls())

    async def call_out(self, out: CallOut) -> None:
        """Give the order. Raises SwitchError."""
        await self._call_out(out)


class HouseOutbound:
    """`ivr.ports.Outbound`: what speaks to whom a campaign called."""

    def __init__(self, database: Database, seating: Seating) -> None:
        self._database = database
        self._seating = seating

    async def called(self, call_id: str) -> Called | None:
        """Whom this call reached, in his language. Raises Unavailable."""

        def look(connection: Connection) -> Called | None:
            attempt = attempts.get(connection, call_id)
            if attempt is None:
                return None
            campaign = campaigns.get(connection, attempt.campaign_id)
            customer = customers.get_customer(connection, attempt.customer_id)
            by_agents = campaign.mode.needs_agents
            return Called(
                flow=campaign.flow or (NOBODY_FLOW if by_agents else ""),
                number=attempt.number,
                language=customer.language,
                by_agents=by_agents,
                purpose=CONTACT_PURPOSE[campaign.purpose].value,
            )

        try:
            return await self._database.read_first(look)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The campaigns are away.") from error

    async def seat(self, call_id: str, within: float) -> str | None:
        """The telephone of an agent for this customer. Raises Unavailable."""

        def look(connection: Connection) -> Campaign | None:
            attempt = attempts.get(connection, call_id)
            return None if attempt is None else campaigns.get(connection, attempt.campaign_id)

        try:
            campaign = await self._database.read_first(look)
            if campaign is None:
                return None
            agent = await self._seating.seat(call_id, campaign, within)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The campaigns are away.") from error
        return agent.phone if agent is not None else None

    async def missed(self, call_id: str) -> None:
        """The telephone given for this customer did not take him."""
        try:
            await self._seating.failed(call_id)
        except StorageUnavailable as error:
            log.warning("a missed seat is not counted", action="seat_missed", call=call_id, why=str(error))


class Dialing:
    """The dialer with all it needs, what it is told of calls, and its slower ticks."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        journal: Journal,
        clock: Clock,
        *,
        house: House,
        line: DialLine,
        pace: Pace,
        agents: Agents,
        house_work: bool = True,
        alert: Callable[[Target], None] = lambda _target: None,
    ) -> None:
        """`alert`: told of a personal call-back a minute before its moment; `house_work`: also what only one process of
        a database does."""
        phone = settings.telephony
        self._database = database
        self._journal = journal
        self._clock = clock
        self._orders: set[asyncio.Task[None]] = set()
        self._agents = agents
        self._house_work = house_work
        self._node = phone.switch.system_name
        self._role = settings.role
        self._lost_after = timedelta(seconds=settings.campaigns.node_lost_seconds)
        self._alert = alert
        #: Somebody answered and met nobody since the limits were looked at.
        self._left_alone = True
        #: Call-backs up to this moment were told of.
        self._alerted = clock.now()
        self.book = DialBook(database, journal, clock, node=phone.switch.system_name, house=house)
        self.seating = Seating(agents=agents, clock=clock)
        self.dialer = Dialer(
            book=self.book,
            line=line,
            clock=clock,
            fences=Fences(options=phone.fences),
            pace=pace,
            limits=Limits(channels=phone.trunk.channels, kept=settings.campaigns.lines_kept),
            away=(StorageUnavailable, SwitchError),
            seating=self.seating,
            learning=Learning(zone=house.zone),
        )

    def calls_changed(self, changes: Sequence[CallChange]) -> None:
        """An outbound call is over: the trunk is judged by it, and there is room for the next."""
        over = [
            change.after.id
            for change in changes
            if change.after.direction is Direction.OUTBOUND and change.after.state is CallState.ENDED
        ]
        if over:
            self._order(self._look_at(over))
        if any(change.after.direction is Direction.OUTBOUND and _moved(change) for change in changes):
            self.dialer.nudge()

    async def _look_at(self, call_ids: Sequence[str]) -> None:
        try:
            found = await self._database.read(lambda c: attempts.several(c, call_ids))
        except StorageUnavailable:
            return  # the next one tells as much
        for attempt in found:
            self._left_alone = self._left_alone or is_late(attempt)
            self.seating.gone(attempt.id)
            self.dialer.ended(attempt)

    def not_out(self, out: CallOut) -> None:
        """The switch says that an order came to nothing; its events tell more, unless there never was a channel."""
        self._order(self._close_unplaced(out))

    async def _close_unplaced(self, out: CallOut) -> None:
        await asyncio.sleep(_NO_CHANNEL_AFTER)
        try:
            attempt = await self._database.read(lambda c: attempts.get(c, out.call_id))
            if attempt is not None and attempt.is_open and not attempt.dialed:
                await self._journal.record(unplaced(out.call_id, "no_channel", self._clock.now()))
        except StorageUnavailable as error:
            log.warning("an attempt is closed later", action="attempt_open", call=out.call_id, why=str(error))

    def _order(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="dialing-order")
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    async def unwatched(self) -> None:
        """The switch was not seen for a while: whatever is open may have rung meanwhile. Raises StorageUnavailable."""
        now = self._clock.now()
        found = await self._database.read(attempts.open_attempts)
        facts = [
            Fact(
                source=Source.SERVICE,
                key=f"unwatched:{one.id}",
                kind=FactKind.FAR_SIGN,
                at=now,
                linkedid=one.id,
                uniqueid=one.id,
                data={"how": "unwatched"},
            )
            for one in found
            if not one.rang and self._journal.live(one.id) is not None
        ]
        await self._journal.record(*facts)

    async def _call_backs(self, now: datetime) -> None:
        """Remind agents of what they promised; what an agent who is away promised is anybody's after a while."""
        until = now + _ALERT_BEFORE
        since, self._alerted = self._alerted, until
        for target in await self._database.read(lambda c: campaign_work.due_call_backs(c, since, until)):
            self._alert(target)
        there = {one.id for one in self._agents.known() if one.state is not AgentState.SIGNED_OUT}

        def give(connection: Connection) -> int:
            promised = campaign_work.promised_by(connection, now - _POOLED_AFTER)
            return campaign_work.give_to_pool(connection, now - _POOLED_AFTER, promised - there)

        if await self._database.read(lambda c: campaign_work.promised_by(c, now - _POOLED_AFTER)) - there:
            await self._database.write(give)

    async def _lost_nodes(self, now: datetime) -> None:
        """What a dialer that is gone had open."""
        before = now - self._lost_after
        gone = [
            one for one in await self._database.read(lambda c: nodes.lost(c, before)) if one != self._node
        ]
        if not gone:
            return
        count = await self._database.write(lambda c: nodes.settle_lost(c, gone, before, now))
        if count:
            log.warning("a dialer is gone", action="node_lost", nodes=gone, unknown=count)

    async def _stop_at_limit(self, now: datetime) -> None:
        """A campaign that has left too many customers alone is paused; a manager sees why."""
        running = [one for one in await self.book.running() if one.mode.by_machine and one.mode.needs_agents]
        fresh = any(now - one.state_at < _JUST_STARTED for one in running)
        if not running or not (self._left_alone or fresh):
            return
        self._left_alone = False

        def work(connection: Connection) -> list[str]:
            over = campaign_results.over_their_limit(connection, running, now)
            for campaign_id in over:
                campaigns.step(connection, campaign_id, CampaignStep.PAUSE, now, why="abandon_limit")
            return over

        found = await self._database.read(lambda c: campaign_results.over_their_limit(c, running, now))
        if found:
            log.warning("campaigns stopped", action="abandon_limit", campaigns=found)
            await self._database.write(work)

    async def look(self) -> None:
        """What moments bring: campaigns begin and end, and attempts nobody sent are given back."""
        now = self._clock.now()
        try:
            await self._database.write(lambda c: nodes.beat(c, self._node, self._role, now))
            if self._house_work:
                await self._database.write(lambda c: _step_due(c, now))
                await self._stop_at_limit(now)
                await self._call_backs(now)
                await self._lost_nodes(now)
            lost = await self._database.read(lambda c: attempts.orphans(c, now - ORPHAN_AFTER))
            if lost:
                await self._database.write(
                    lambda c: attempts.give_back(c, lost, reason="never_sent", now=now)
                )
        except StorageUnavailable as error:
            log.warning("campaigns wait", action="campaigns_delayed", why=str(error))
            return
        self.dialer.nudge()


def _moved(change: CallChange) -> bool:
    """A customer answered, or an agent began to talk with him."""
    before, after = change.before, change.after
    known = (None, None) if before is None else (before.answered_at, before.connected_at)
    return known != (after.answered_at, after.connected_at)


def _step_due(connection: Connection, now: datetime) -> None:
    wanted = [(one, CampaignStep.START, "") for one in campaigns.due_to_start(connection, now)]
    wanted += [(one, CampaignStep.FINISH, why) for one, why in campaigns.due_to_end(connection, now)]
    for campaign_id, step, why in wanted:
        try:
            campaigns.step(connection, campaign_id, step, now, why=why)
        except StepNotAllowed:
            continue  # somebody was faster
