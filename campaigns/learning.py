"""What the pacing rules of campaigns learn from their calls, each thing once, also after a restart."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from campaigns.attempts import GIVEN_BACK, Attempt, AttemptOutcome, is_late
from campaigns.campaigns import Campaign, Mode
from campaigns.pacing.pacers import Fixed, Pacer, Predictive
from telephony.agents import Agent, AgentState
from telephony.clock import Clock

#: Attempts remembered, so that what an agent writes up is known to be a campaign's.
_REMEMBERED: Final = 5000
#: The risk rule needs a cap above nothing; with a cap of nothing a campaign runs by one call for each agent.
_LEAST_CAP: Final = 0.001


def pacer_of(campaign: Campaign) -> Pacer:
    """The rule of a campaign's mode, knowing nothing yet."""
    if campaign.mode is Mode.PREDICTIVE and campaign.rules.abandon_cap >= _LEAST_CAP:
        return Predictive(campaign.rules.abandon_cap)
    return Fixed(campaign.rules.lines if campaign.mode is Mode.RATIO else 1.0)


@dataclass(slots=True)
class _Told:
    """What a rule was told of an attempt."""

    attempt: Attempt
    answered: bool = False
    met: bool = False
    over: bool = False


@dataclass(slots=True)
class _Rule:
    pacer: Pacer
    #: What it was made for; other settings make another rule.
    settings: tuple[Mode, float, float]
    day: date | None = None


@dataclass(kw_only=True)
class Learning:
    """The pacing rules of campaigns with agents, and what each was told."""

    #: Where the house's days begin.
    zone: tzinfo = UTC
    _rules: dict[str, _Rule] = field(default_factory=dict)
    _told: OrderedDict[str, _Told] = field(default_factory=OrderedDict)
    #: Agents who write up a campaign's call: campaign, and since when.
    _wrapping: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def knows(self, campaign: Campaign) -> bool:
        """Whether its rule was begun, for the settings it has now."""
        rule = self._rules.get(campaign.id)
        return rule is not None and rule.settings == _settings(campaign)

    def begin(self, campaign: Campaign, history: Sequence[Attempt], clock: Clock) -> None:
        """Make the rule of a campaign and tell it everything that is known, the oldest first."""
        self._rules[campaign.id] = _Rule(pacer=pacer_of(campaign), settings=_settings(campaign))
        now, mono = clock.now(), clock.monotonic()
        for one in history:
            self._told.pop(one.id, None)
            moment = one.ended_at or one.intent_at
            self._new_day(campaign.id, moment)
            self.follow([one], mono - (now - moment).total_seconds())

    def pacer(self, campaign: Campaign) -> Pacer:
        """Its rule; `begin` made it."""
        return self._rules[campaign.id].pacer

    def attempts_of(self, campaign_id: str) -> Sequence[Attempt]:
        """Its attempts of late."""
        return [one.attempt for one in self._told.values() if one.attempt.campaign_id == campaign_id]

    def follow(self, attempts: Iterable[Attempt], now: float) -> None:
        """Tell the rules what is new of these attempts; `now` of a clock that never jumps."""
        for one in attempts:
            if one.agentless or one.agent_first:
                continue
            told = self._told.get(one.id)
            if told is None:
                told = self._told[one.id] = _Told(one)
                while len(self._told) > _REMEMBERED:
                    self._told.popitem(last=False)
            told.attempt = one
            rule = self._rules.get(one.campaign_id)
            if rule is not None and not told.over:
                self._new_day(one.campaign_id, one.ended_at or one.intent_at)
                _tell(rule.pacer, told, one, now)

    def _new_day(self, campaign_id: str, moment: datetime) -> None:
        rule, day = self._rules[campaign_id], moment.astimezone(self.zone).date()
        if rule.day is not None and day > rule.day:
            rule.pacer.new_day()
        rule.day = max(rule.day or day, day)

    def agent_changed(self, agent: Agent, now: datetime) -> None:
        """How long a wrap-up of a campaign's call lasted."""
        told = self._told.get(agent.call_id or "")
        if agent.state is AgentState.WRAP_UP and told is not None:
            self._wrapping[agent.id] = told.attempt.campaign_id, agent.since
        elif agent.state is not AgentState.WRAP_UP and agent.id in self._wrapping:
            campaign_id, since = self._wrapping.pop(agent.id)
            if campaign_id in self._rules:
                self._rules[campaign_id].pacer.wrapped_up((now - since).total_seconds())


def _settings(campaign: Campaign) -> tuple[Mode, float, float]:
    return campaign.mode, campaign.rules.lines, campaign.rules.abandon_cap


def _tell(pacer: Pacer, told: _Told, one: Attempt, now: float) -> None:
    machine = one.outcome is AttemptOutcome.MACHINE
    if one.answered_at is not None and not told.answered and not machine:
        told.answered = True
        pacer.answered((one.answered_at - one.intent_at).total_seconds(), now=now)
    if told.answered and not told.met and (one.connected_at is not None or not one.is_open):
        told.met = True
        pacer.met(abandoned=is_late(one))
    if one.is_open:
        return
    told.over = True
    if one.connected_at is not None and one.ended_at is not None:
        pacer.talked((one.ended_at - one.connected_at).total_seconds())
    elif not told.answered and one.ended_at is not None and one.outcome not in GIVEN_BACK:
        pacer.failed((one.ended_at - one.intent_at).total_seconds(), now=now)
