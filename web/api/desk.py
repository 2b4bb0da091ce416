"""Agents at work: queues, states, and orders about the call an agent is on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from access.audit import Action
from access.permissions import Permission
from access.users import Principal
from telephony.agents import Agent
from telephony.control import NotYourCall, Target
from web.api.shapes import (
    AgentOut,
    AgentsOut,
    ConferenceIn,
    DialedOut,
    DialIn,
    DoneOut,
    OnCallIn,
    PauseIn,
    QueueOut,
    QueuesOut,
    SignInIn,
    TargetIn,
    TransferIn,
)
from web.ports import Desk
from web.problems import Refused
from web.routes import Ask, Nothing, Reply, Route

Order = Callable[[Desk, str, str, Any, Principal], Awaitable[None]]


def acting_for(by: Principal, agent_id: str | None) -> str:
    """The agent an order is for: oneself ("me" or nothing), or another where the role allows it.

    Raises Refused not-allowed, no-own-user.
    """
    if agent_id is None or agent_id == "me":
        if by.user_id is None:
            raise Refused("no-own-user", "This token belongs to no user; name the agent.")
        return by.user_id
    if agent_id != by.user_id and not by.may(Permission.DESK_OTHERS):
        raise Refused("not-allowed", "You may only act for yourself.")
    return agent_id


async def list_queues(ask: Ask[Nothing, Nothing]) -> QueuesOut:
    """Every queue, now."""
    counts = await ask.services.desk.queues()
    labels = ask.services.queue_labels
    return QueuesOut(
        items=[
            QueueOut(
                name=count.name,
                label=dict(labels.get(count.name, {})),
                waiting=count.waiting,
                longest_wait=count.longest_wait,
                members=count.members,
                ready=count.ready,
                talking=count.talking,
                completed=count.completed,
                abandoned=count.abandoned,
            )
            for count in counts
        ]
    )


async def list_agents(ask: Ask[Nothing, Nothing]) -> AgentsOut:
    """Every agent's state, now."""
    agents = [AgentOut.model_validate(agent) for agent in await ask.services.desk.agents()]
    if ask.services.pops is not None and ask.by.may(Permission.DESK_OTHERS):
        seen = ask.services.pops.presence()
        agents = [agent.model_copy(update={"here": seen.get(agent.id)}) for agent in agents]
    return AgentsOut(items=agents)


async def _changed(ask: Ask[Any, Any], change: Awaitable[Agent]) -> AgentOut:
    agent = await change
    data: dict[str, str | int | bool | None] = {"state": agent.state.value, "reason": agent.reason}
    await ask.services.audit.append(ask.entry(Action.AGENT_CHANGED, f"user:{agent.id}", data))
    return AgentOut.model_validate(agent)


async def sign_in(ask: Ask[Nothing, SignInIn]) -> AgentOut:
    """Sign into queues."""
    agent_id = acting_for(ask.by, ask.path["agent_id"])
    return await _changed(ask, ask.services.desk.sign_in(agent_id, ask.body.queues, ask.body.phone, ask.by))


async def sign_out(ask: Ask[Nothing, Nothing]) -> AgentOut:
    """Sign out of all queues."""
    agent_id = acting_for(ask.by, ask.path["agent_id"])
    return await _changed(ask, ask.services.desk.sign_out(agent_id, ask.by))


async def pause(ask: Ask[Nothing, PauseIn]) -> AgentOut:
    """Pause with a reason, at once or after the call."""
    agent_id = acting_for(ask.by, ask.path["agent_id"])
    return await _changed(ask, ask.services.desk.pause(agent_id, ask.body.reason, ask.by))


async def ready(ask: Ask[Nothing, Nothing]) -> AgentOut:
    """End a pause or the wrap-up."""
    agent_id = acting_for(ask.by, ask.path["agent_id"])
    return await _changed(ask, ask.services.desk.ready(agent_id, ask.by))


async def extend(ask: Ask[Nothing, Nothing]) -> AgentOut:
    """More time to write up the call."""
    agent_id = acting_for(ask.by, ask.path["agent_id"])
    return await _changed(ask, ask.services.desk.extend(agent_id, ask.by))


async def dial(ask: Ask[Nothing, DialIn]) -> Reply:
    """Ring the agent's phone, then the number."""
    agent_id = acting_for(ask.by, ask.body.agent_id)
    number = ask.body.number
    if number is None:
        asked = ask.body
        number = await ask.services.desk.number_of(
            ask.by, customer_id=asked.customer_id, place=asked.place, call_id=asked.call_id
        )
    dialed = await ask.services.desk.dial(agent_id, number, ask.once, ask.by)
    if dialed.replayed:
        return Reply(body=DialedOut(call_id=dialed.call_id), headers={"Idempotency-Replayed": "true"})
    await ask.services.audit.append(ask.entry(Action.CALL_DIALED, f"call:{dialed.call_id}"))
    return Reply(body=DialedOut(call_id=dialed.call_id))


def _target(given: TargetIn) -> Target:
    return Target(kind=given.kind, name=given.name)


async def _hold(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.hold(agent, call, by)


async def _resume(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.resume(agent, call, by)


async def _transfer(desk: Desk, agent: str, call: str, body: TransferIn, by: Principal) -> None:
    await desk.transfer(agent, call, _target(body.target), by)


async def _consult(desk: Desk, agent: str, call: str, body: TransferIn, by: Principal) -> None:
    await desk.consult(agent, call, _target(body.target), by)


async def _complete(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.complete_transfer(agent, call, by)


async def _cancel(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.cancel_transfer(agent, call, by)


async def _conference(desk: Desk, agent: str, call: str, body: ConferenceIn, by: Principal) -> None:
    await desk.conference(agent, call, _target(body.invited) if body.invited else None, by)


async def _leave(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.leave(agent, call, by)


async def _pause_recording(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.pause_recording(agent, call, by)


async def _resume_recording(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.resume_recording(agent, call, by)


async def _hang_up(desk: Desk, agent: str, call: str, _body: OnCallIn, by: Principal) -> None:
    await desk.hang_up(agent, call, by)


_CALL_ERRORS = (
    "no-such-call",
    "not-your-call",
    "not-possible-now",
    "switch-unavailable",
    "switch-action-unknown",
    "switch-action-refused",
)


def _order(word: str, summary: str, order: Order, body: type[OnCallIn] = OnCallIn) -> Route:
    async def handle(ask: Ask[Nothing, OnCallIn]) -> DoneOut:
        agent_id = acting_for(ask.by, ask.body.agent_id)
        call_id = ask.path["call_id"]
        try:
            await order(ask.services.desk, agent_id, call_id, ask.body, ask.by)
        except NotYourCall as error:
            names = await ask.services.users.names()
            raise NotYourCall(names.get(error.holder, error.holder)) from error
        await ask.services.audit.append(
            ask.entry(Action.CALL_CONTROLLED, f"call:{call_id}", {"order": word, "agent": agent_id})
        )
        return DoneOut(call_id=call_id)

    errors = _CALL_ERRORS if body is OnCallIn else (*_CALL_ERRORS, "no-such-target")
    return Route(
        method="POST",
        path=f"/api/v1/calls/{{call_id}}/{word}",
        summary=summary,
        needs=Permission.DESK_SELF,
        json=handle,
        body=body,
        answer=DoneOut,
        errors=errors,
        tag="desk",
    )


_AGENT_ERRORS = ("no-such-agent", "agent-step-refused", "no-own-user")

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/queues",
        summary="Queues now",
        needs=Permission.QUEUES_READ,
        json=list_queues,
        answer=QueuesOut,
        errors=("switch-unavailable",),
        tag="desk",
    ),
    Route(
        method="GET",
        path="/api/v1/agents",
        summary="Agents now",
        needs=Permission.AGENTS_READ,
        json=list_agents,
        answer=AgentsOut,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/agents/{agent_id}/sign-in",
        summary="Sign into queues",
        needs=Permission.DESK_SELF,
        json=sign_in,
        body=SignInIn,
        answer=AgentOut,
        errors=(*_AGENT_ERRORS, "no-such-queue", "no-such-phone"),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/agents/{agent_id}/sign-out",
        summary="Sign out of all queues",
        needs=Permission.DESK_SELF,
        json=sign_out,
        body=Nothing,
        answer=AgentOut,
        errors=_AGENT_ERRORS,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/agents/{agent_id}/pause",
        summary="Pause with a reason",
        needs=Permission.DESK_SELF,
        json=pause,
        body=PauseIn,
        answer=AgentOut,
        errors=_AGENT_ERRORS,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/agents/{agent_id}/ready",
        summary="End pause or wrap-up",
        needs=Permission.DESK_SELF,
        json=ready,
        body=Nothing,
        answer=AgentOut,
        errors=_AGENT_ERRORS,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/agents/{agent_id}/extend",
        summary="More time to write up the call",
        needs=Permission.DESK_SELF,
        json=extend,
        body=Nothing,
        answer=AgentOut,
        errors=_AGENT_ERRORS,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/calls",
        summary="Place a call: the agent's phone rings, then the number is dialed",
        needs=Permission.CALLS_DIAL,
        json=dial,
        body=DialIn,
        answer=DialedOut,
        status=202,
        once=True,
        errors=(
            "dial-refused",
            "too-many-calls",
            "idempotency-key-reused",
            "no-such-agent",
            "switch-unavailable",
        ),
        tag="desk",
    ),
    _order("hold", "Customer on hold", _hold),
    _order("resume", "Back to the customer", _resume),
    _order("transfer", "Blind transfer", _transfer, TransferIn),
    _order("consult", "Attended transfer: talk to the target first", _consult, TransferIn),
    _order("complete-transfer", "Attended transfer: hand the customer over", _complete),
    _order("cancel-transfer", "Attended transfer: take the customer back", _cancel),
    _order("conference", "Everybody into one room", _conference, ConferenceIn),
    _order("leave", "Leave a conference or a consultation: the others go on", _leave),
    _order("pause-recording", "Record nothing for a while", _pause_recording),
    _order("resume-recording", "Record again", _resume_recording),
    _order("hang-up", "End the call for everybody", _hang_up),
)
