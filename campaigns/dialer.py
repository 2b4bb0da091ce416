"""The dialer: begins the calls of the running campaigns, each only after its attempt and its call are committed rows.

It holds nothing that matters: what is open, what is due and what came of it are rows, and what became of a call follows
the call log (docs/decisions/0044-attempts-follow-the-call-log.md). It may die at any line here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Final, Protocol

from campaigns.attempts import FENCE, TRUNK_FAILED, Attempt, AttemptOutcome
from campaigns.breaker import Breaker, BreakerState
from campaigns.campaigns import Campaign, Mode
from campaigns.learning import Learning
from campaigns.seating import Agents, Seating
from campaigns.teams import calls_of, floor_of, free_for_campaign, team_of
from telephony.agents import Agent
from telephony.clock import Clock
from telephony.fences import DialRefused, Fences, Pace, TooManyCalls
from telephony.ports import ActionUnknown, CallOut, Place, SwitchError

log = logging.getLogger(__name__)

#: An attempt that was not sent so long after its row was written is not sent any more: another process may have taken
#: it for lost (`ORPHAN_AFTER`), if this one stood still meanwhile.
LEASE: Final = timedelta(seconds=15)
#: An attempt whose call was never opened is given back after so long, by whoever finds it.
ORPHAN_AFTER: Final = timedelta(seconds=60)
#: The dialer looks at least so often, in seconds.
_IDLE: Final = 1.0
#: Most calls of one round; the rest follow in the next.
_BURST: Final = 50


class Reason(StrEnum):
    """Why a running campaign begins no call just now; the first that applies."""

    SWITCH_AWAY = "switch_away"
    SAVING_DELAYED = "saving_delayed"
    TRUNK_BROKEN = "trunk_broken"  # the breaker is open
    NO_LINES = "no_lines"  # the trunk's channels are in use, or kept for the hotline
    CAMPAIGN_FULL = "campaign_full"  # as many calls as the campaign may have
    CALLERS_WAIT = "callers_wait"  # the hotline goes first
    NO_AGENTS = "no_agents"  # nobody is signed in, or everybody is busy
    AGENTS_KEPT = "agents_kept"  # who is ready is kept for the hotline
    ENOUGH_RINGING = "enough_ringing"  # as many as the agents can take
    BY_HAND = "by_hand"  # agents dial themselves
    NOBODY_DUE = "nobody_due"  # everybody is done, or waits for his moment


class Book(Protocol):
    """The rows. Each raises the store's own error where the database is away; nothing was written then."""

    async def running(self) -> Sequence[Campaign]:
        """The campaigns that run, the most urgent first."""

    async def open_attempts(self) -> Sequence[Attempt]:
        """Attempts that may still ring somewhere, of every process."""

    async def claim(self, campaign: Campaign, most: int) -> Sequence[Attempt]:
        """Attempts to send now, as committed rows; those asked about in vain are put off with their reason."""

    async def open_calls(self, attempts: Sequence[Attempt]) -> None:
        """Commit the row of each attempt's call."""

    async def history(self, campaign: Campaign) -> Sequence[Attempt]:
        """Its latest attempts that are over, the oldest first: what the pacing rule learns from."""

    def time_left(self, campaign: Campaign) -> float:
        """The share of the day's dialing time still to come, 0 to 1."""

    async def submitted(self, attempts: Sequence[Attempt]) -> None:
        """The switch has taken these orders."""

    async def give_back(self, attempts: Sequence[Attempt], reason: str) -> None:
        """These were never sent; their calls are closed and their targets wait again."""


class Line(Protocol):
    """The way out."""

    @property
    def ready(self) -> bool:
        """Whether the switch can be asked."""

    def calls_going_on(self) -> int:
        """Calls with the outside world, in and out."""

    async def call_out(self, out: CallOut) -> None:
        """`telephony.ports.Switch.call_out`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the house gives to campaigns."""

    #: Channels of the trunk, and how many of them stay free for callers.
    channels: int
    kept: int


@dataclass(kw_only=True, slots=True)
class Counts:
    """What the dialer did since it started."""

    sent: int = 0
    unsure: int = 0
    given_back: int = 0
    fenced: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What the agents of a campaign can take now."""

    calls: int
    #: Ready agents that may be kept for it.
    free: Sequence[Agent]
    #: Reserved agents nobody who rings needs; negative where more ring than are reserved.
    spare: int
    #: Each call needs an agent of its own.
    one_each: bool


@dataclass(kw_only=True)
class Dialer:
    """Begins calls while there is room and somebody is due. One for each process."""

    book: Book
    line: Line
    clock: Clock
    fences: Fences
    pace: Pace
    limits: Limits
    #: Errors of the store that mean "not now".
    away: tuple[type[Exception], ...] = ()
    #: Who takes the customers of campaigns with agents; None: a house without such campaigns.
    seating: Seating | None = None
    learning: Learning = field(default_factory=Learning)
    breaker: Breaker = field(default_factory=Breaker)
    #: For each running campaign: why it begins no call now; nothing where it does.
    reasons: dict[str, Reason] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _round: asyncio.Lock = field(default_factory=asyncio.Lock)

    def nudge(self) -> None:
        """Something changed that may let a call begin: an end, a new target, an agent who is ready."""
        self._wake.set()

    async def run(self) -> None:
        """Dial until cancelled; the caller owns this as a task."""
        while True:
            self._wake.clear()
            try:
                begun = await self.look()
            except self.away as error:
                log.warning("nothing is dialed", extra={"action": "dialer-waits", "why": str(error)[:200]})
                self.reasons = dict.fromkeys(self.reasons, Reason.SAVING_DELAYED)
                begun = 0
            except Exception:
                # The boundary of one round: the next begins anew from the rows.
                log.exception("a round of dialing failed", extra={"action": "dialer-round"})
                begun = 0
            if not begun:
                try:
                    await asyncio.wait_for(self._wake.wait(), _IDLE)
                except TimeoutError:
                    continue

    async def look(self) -> int:
        """One round over all running campaigns; gives how many calls were begun."""
        async with self._round:
            every = await self.book.running()
            campaigns = [one for one in every if one.mode.by_machine]
            by_hand = {one.id: Reason.BY_HAND for one in every if not one.mode.by_machine}
            kept = self.agents is not None and any(one.reserved_for for one in self.agents.known())
            if not campaigns and not kept:
                self.reasons = by_hand
                return 0
            open_attempts = await self.book.open_attempts()
            self.learning.follow(open_attempts, self.clock.monotonic())
            stopped = self._stopped()
            reasons: dict[str, Reason] = dict(by_hand)
            begun = 0
            lines = self.limits.channels - self.limits.kept - self._in_use(open_attempts)
            for campaign in campaigns:
                if stopped is not None:
                    reasons[campaign.id] = stopped
                    continue
                sent, reason = await self._look_at(campaign, open_attempts, lines - begun)
                begun += sent
                if reason is not None:
                    reasons[campaign.id] = reason
            if kept or begun:
                await self._release(every)
            self.reasons = reasons
            return begun

    @property
    def agents(self) -> Agents | None:
        """The house's agents, where campaigns have some."""
        return None if self.seating is None else self.seating.agents

    async def _look_at(
        self, campaign: Campaign, open_attempts: Sequence[Attempt], lines: int
    ) -> tuple[int, Reason | None]:
        """Begin what a campaign may begin now: how many calls, and why none."""
        own = sum(one.campaign_id == campaign.id for one in open_attempts)
        room = min(lines, campaign.rules.most_calls - own, _BURST)
        if room <= 0:
            return 0, Reason.NO_LINES if lines <= 0 else Reason.CAMPAIGN_FULL
        plan: _Plan | None = None
        if campaign.mode.needs_agents:
            planned = await self._plan(campaign, open_attempts)
            if isinstance(planned, Reason):
                return 0, planned
            plan = planned
            room = min(room, plan.calls)
        if self.breaker.state(self.clock.monotonic()) is BreakerState.PROBING:
            room = 1
        if not self.breaker.may_dial(self.clock.monotonic()):
            return 0, Reason.TRUNK_BROKEN
        claimed = await self.book.claim(campaign, self._at_this_pace(room))
        if not claimed:
            return 0, Reason.NOBODY_DUE
        if plan is not None:
            claimed = await self._reserve(campaign, plan, claimed)
        return await self._send(campaign, claimed), None

    async def _plan(self, campaign: Campaign, open_attempts: Sequence[Attempt]) -> _Plan | Reason:
        """How many calls its agents can take, and who of them is to be kept for it."""
        agents = self.agents
        if agents is None:
            return Reason.NO_AGENTS
        team = team_of(campaign, agents.known(), self.learning.attempts_of(campaign.id))
        if not team.signed_in:
            return Reason.NO_AGENTS
        waiting, kept = agents.callers_waiting(campaign.queue), agents.kept(campaign.queue)
        free = free_for_campaign(team, kept=kept, callers_waiting=waiting)
        calls = calls_of(campaign, open_attempts)
        if waiting and len(team.reserved) <= calls.without_agent:
            return Reason.CALLERS_WAIT
        if not self.learning.knows(campaign):
            self.learning.begin(campaign, await self.book.history(campaign), self.clock)
        floor = floor_of(team, calls, len(free), self.clock.now())
        wanted = self.learning.pacer(campaign).calls(
            floor, now=self.clock.monotonic(), left=self.book.time_left(campaign)
        )
        if waiting:  # callers first: only who is reserved already gets a customer
            wanted = min(wanted, len(team.reserved) - calls.without_agent)
        if wanted > 0:
            return _Plan(
                calls=wanted,
                free=free,
                spare=len(team.reserved) - calls.without_agent,
                one_each=campaign.mode is Mode.PROGRESSIVE,
            )
        if floor.idle or calls.without_agent:
            return Reason.ENOUGH_RINGING
        return Reason.AGENTS_KEPT if team.ready else Reason.NO_AGENTS

    async def _reserve(
        self, campaign: Campaign, plan: _Plan, claimed: Sequence[Attempt]
    ) -> Sequence[Attempt]:
        """Keep agents for these calls. Where each needs one of its own, those nobody is there for are given back."""
        agents = self.agents
        spare = plan.spare
        for one in plan.free:
            if agents is None or spare >= len(claimed):
                break
            spare += await agents.reserve(one.id, campaign.id)
        if not plan.one_each or spare >= len(claimed):
            return claimed
        back = claimed[max(0, spare) :]
        self.counts.given_back += len(back)
        await self.book.give_back(back, "no_agent")
        return claimed[: max(0, spare)]

    async def _release(self, campaigns: Sequence[Campaign]) -> None:
        """Let go whom no ringing customer needs, also of campaigns that do not run any more."""
        agents = self.agents
        if agents is None or self.seating is None:
            return
        open_attempts = await self.book.open_attempts()
        known = {one.id: one for one in campaigns}
        taken = self.seating.taken()
        held = [one for one in agents.known() if one.reserved_for]
        for campaign_id in {one.reserved_for for one in held if one.reserved_for}:
            own = sorted(
                (one for one in held if one.reserved_for == campaign_id), key=lambda one: (one.since, one.id)
            )
            campaign = known.get(campaign_id)
            ringing = 0 if campaign is None else calls_of(campaign, open_attempts).without_agent
            if campaign is None:
                ringing = sum(
                    one.campaign_id == campaign_id and one.is_open and one.connected_at is None
                    for one in open_attempts
                )
            for one in [one for one in own if one.id not in taken][ringing:]:
                await agents.release(one.id)

    def agent_changed(self, agent: Agent) -> None:
        """An agent moved: a customer who waits may be his, and a call may begin."""
        self.learning.agent_changed(agent, self.clock.now())
        if self.seating is not None:
            self.seating.changed(agent)
        self.nudge()

    def ended(self, attempt: Attempt) -> None:
        """An attempt is over: what it says of the trunk and to the pacing rule, and that there is room again."""
        self.learning.follow([attempt], self.clock.monotonic())
        if attempt.outcome in TRUNK_FAILED:
            self.breaker.failed(self.clock.monotonic())
        elif attempt.outcome not in (AttemptOutcome.NOT_DIALED, AttemptOutcome.UNKNOWN, None):
            self.breaker.worked()
        self.nudge()

    def _stopped(self) -> Reason | None:
        if not self.line.ready:
            return Reason.SWITCH_AWAY
        if self.breaker.state(self.clock.monotonic()) is BreakerState.OPEN:
            return Reason.TRUNK_BROKEN
        return None

    def _in_use(self, open_attempts: Sequence[Attempt]) -> int:
        """Channels in use: calls that go on, and attempts that may be about to ring."""
        return max(self.line.calls_going_on(), len(open_attempts))

    def _at_this_pace(self, room: int) -> int:
        """No more than may leave within the pace's patience: a claimed attempt is sent at once."""
        return max(1, min(room, int(self.pace.calls_per_second * self.pace.patience)))

    async def _send(self, campaign: Campaign, claimed: Sequence[Attempt]) -> int:
        allowed, fenced = self._fenced(claimed)
        if fenced:
            self.counts.fenced += len(fenced)
            await self.book.open_calls(fenced)
            await self.book.give_back(fenced, FENCE)
        if not allowed:
            return 0
        began = self.clock.monotonic()
        await self.book.open_calls(allowed)
        back: list[Attempt] = []
        sent: list[Attempt] = []
        for attempt in allowed:
            if await self._turn_missed(attempt, began):
                back.append(attempt)
                continue
            try:
                await self.line.call_out(order_for(campaign, attempt))
                sent.append(attempt)
            except ActionUnknown:
                self.counts.unsure += 1  # the call log tells, or nobody can
            except SwitchError:
                back.append(attempt)
        self.counts.sent += len(sent)
        self.counts.given_back += len(back)
        if sent:
            await self.book.submitted(sent)
        if back:
            await self.book.give_back(back, "not_sent")
        return len(sent)

    def _fenced(self, claimed: Sequence[Attempt]) -> tuple[list[Attempt], list[Attempt]]:
        allowed: list[Attempt] = []
        fenced: list[Attempt] = []
        for attempt in claimed:
            try:
                self.fences.check(attempt.number, (), self.clock.now())
            except DialRefused:
                fenced.append(attempt)
            else:
                allowed.append(attempt)
        return allowed, fenced

    async def _turn_missed(self, attempt: Attempt, began: float) -> bool:
        """Wait for the trunk's turn. True where the attempt may not be sent any more, or no turn comes in time."""
        try:
            wait = self.pace.reserve(self.clock.monotonic())
        except TooManyCalls:
            return True
        if wait > 0:
            await asyncio.sleep(wait)
        stood = timedelta(seconds=self.clock.monotonic() - began)
        return max(stood, self.clock.now() - attempt.intent_at) > LEASE


def order_for(campaign: Campaign, attempt: Attempt) -> CallOut:
    """What the switch is told of an attempt: ids, numbers and seconds, no word of anybody's."""
    return CallOut(
        call_id=attempt.id,
        order=f"{attempt.id}-{attempt.send}",
        number=attempt.number,
        caller_id=campaign.caller_id,
        ring_seconds=campaign.rules.ring_seconds,
        place=Place.AGENT if campaign.mode.needs_agents else Place.MENU,
    )
