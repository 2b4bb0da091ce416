"""The directory of the transfer dialog: whom the customer on the line can be handed to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from access.permissions import Permission
from access.users import Language
from telephony.agents import AgentState
from telephony.directory import Handing, Reachable, directory
from telephony.ports import SwitchError
from web.api.desk import acting_for
from web.api.desk_page import pops_of
from web.routes import Ask, Nothing, Route, Shape


class ReachableOut(Shape):
    """One line of the directory. What `orders` names can be ordered with this kind and name as its target."""

    kind: Literal["agent", "queue", "department"]
    name: str
    label: str = Field(description="what people call it")
    own: bool = Field(description="the agent who looks after the customer on the line")
    state: AgentState | None = Field(description="an agent's")
    ready: int | None = Field(description="agents who could take the customer now; null: not a queue's")
    outside: bool = Field(description="a number outside the house")
    orders: list[Handing]


class DirectoryOut(Shape):
    items: list[ReachableOut]


def _shown(one: Reachable, language: Language) -> ReachableOut:
    labels = one.labels
    return ReachableOut(
        kind=one.target.kind,
        name=one.target.name,
        label=one.name or labels.get(language) or next(iter(labels.values()), "") or one.target.name,
        own=one.own,
        state=one.state,
        ready=one.ready,
        outside=one.outside,
        orders=list(one.orders),
    )


async def targets(ask: Ask[Nothing, Nothing]) -> DirectoryOut:
    """Whom a call can be handed to: the customer's own agent, colleagues, queues, departments."""
    services = ask.services
    pop = await pops_of(services).pop(ask.by, ask.path["call_id"])
    try:
        queues = await services.desk.queues()
    except SwitchError:
        queues = ()  # colleagues and departments are known without the switch
    found = directory(
        await services.desk.agents(),
        queues,
        services.departments,
        labels=services.queue_labels,
        asking=acting_for(ask.by, None),
        own=pop.person.own_agent_id if pop.person is not None else None,
    )
    session = ask.signed.session
    language: Language = session.user.language if session else "zh-CN"
    return DirectoryOut(items=[_shown(one, language) for one in found])


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/calls/{call_id}/targets",
        summary="Whom a call can be handed to",
        needs=Permission.DESK_SELF,
        json=targets,
        answer=DirectoryOut,
        errors=("no-such-call", "no-own-user"),
        tag="desk",
    ),
)
