"""The agents a campaign works with: who is kept for it, who could be, and what its floor looks like.

Pure: agents as last known, open attempts and the moment are arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from campaigns.attempts import Attempt
from campaigns.campaigns import Campaign
from campaigns.pacing.floor import Floor
from telephony.agents import Agent, AgentState

#: An agent may be at work for the campaign, though not at this moment.
_THERE = frozenset(AgentState) - {AgentState.SIGNED_OUT}


@dataclass(frozen=True, kw_only=True, slots=True)
class Team:
    """The agents of a campaign's queue by what they do for it; who waits longest first."""

    #: Kept for this campaign.
    reserved: Sequence[Agent]
    #: Ready for anybody.
    ready: Sequence[Agent]
    #: Writing up one of its calls.
    wrapping: Sequence[Agent]
    #: Signed in, whatever they do.
    signed_in: int


def team_of(campaign: Campaign, agents: Iterable[Agent], attempts: Sequence[Attempt]) -> Team:
    """Who works for a campaign now. `attempts` are its open ones and those that ended a moment ago."""
    own = sorted((one for one in agents if campaign.queue in one.queues and one.state in _THERE), key=_since)
    calls = {attempt.id for attempt in attempts}
    return Team(
        # Who has asked for a pause gets no further customer; he is free once those who ring are dealt with.
        reserved=[one for one in own if one.reserved_for == campaign.id and not one.next_pause],
        ready=[one for one in own if one.state is AgentState.READY],
        wrapping=[one for one in own if one.state is AgentState.WRAP_UP and one.call_id in calls],
        signed_in=len(own),
    )


def _since(agent: Agent) -> tuple[datetime, str]:
    return agent.since, agent.id


@dataclass(frozen=True, kw_only=True, slots=True)
class Calls:
    """A campaign's open attempts, customer first, by where they are."""

    ringing: Sequence[Attempt]
    #: Answered; nobody talks with the customer yet.
    waiting: Sequence[Attempt]
    talking: Sequence[Attempt]

    @property
    def without_agent(self) -> int:
        """How many agents they may need in a moment."""
        return len(self.ringing) + len(self.waiting)


def calls_of(campaign: Campaign, attempts: Iterable[Attempt]) -> Calls:
    """Where the open attempts of a campaign are. Those an agent placed himself have their agent."""
    own = [one for one in attempts if one.campaign_id == campaign.id and one.is_open and not one.agent_first]
    return Calls(
        ringing=[one for one in own if one.answered_at is None],
        waiting=[one for one in own if one.answered_at is not None and one.connected_at is None],
        talking=[one for one in own if one.connected_at is not None],
    )


def floor_of(team: Team, calls: Calls, free: int, now: datetime) -> Floor:
    """What the pacing rule is told; `free`: ready agents that may be taken for the campaign now."""
    return Floor(
        idle=len(team.reserved) + free,
        waiting=len(calls.waiting),
        ringing=tuple(_seconds(one.intent_at, now) for one in calls.ringing),
        talking=tuple(_seconds(one.connected_at or now, now) for one in calls.talking),
        wrapping=tuple(_seconds(one.since, now) for one in team.wrapping),
    )


def _seconds(since: datetime, now: datetime) -> float:
    return max(0.0, (now - since).total_seconds())


def free_for_campaign(team: Team, *, kept: int, callers_waiting: int) -> Sequence[Agent]:
    """Ready agents that may be taken: beyond those kept for the hotline, and none while callers wait there."""
    if callers_waiting:
        return ()
    return team.ready[: max(0, len(team.ready) - kept)]
