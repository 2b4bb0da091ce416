"""Calls: the log, and one call with its facts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from access.permissions import Permission
from access.sentences import Sentence
from telephony.call_lists import CallFilter, CallSort
from web.api.shapes import CallDetailOut, CallOut, CallsOut, CallsQuery, FactOut
from web.problems import Refused
from web.routes import Ask, Nothing, Route

#: How far back the longest are looked for unless the asker says how far.
_LONGEST_RANGE: Final = timedelta(days=7)


async def list_calls(ask: Ask[CallsQuery, Nothing]) -> CallsOut:
    """Calls the asker may see."""
    page = await ask.services.calls.list(
        ask.by, filter_of(ask.query, ask), ask.query.sort, ask.query.cursor, ask.query.limit
    )
    return CallsOut(items=[CallOut.model_validate(item) for item in page.items], next=page.next)


def filter_of(query: CallsQuery, ask: Ask[CallsQuery, Nothing]) -> CallFilter:
    """The query as the log takes it. Raises Refused for a moment without time zone."""
    for name in ("since", "until"):
        moment = getattr(query, name)
        if moment is not None and moment.tzinfo is None:
            raise Refused(
                "bad-query",
                Sentence("{name} needs a time zone, such as 2026-06-16T10:00:00+08:00.", name=name),
            )
    since = query.since
    if since is None and query.sort in (CallSort.LONGEST_WAIT, CallSort.LONGEST_TALK):
        since = ask.now - _LONGEST_RANGE  # no index orders by these; the range keeps the sort small
    return CallFilter(
        scope=query.scope,
        direction=query.direction,
        received=query.received,
        talked=query.talked,
        outcome=query.outcome,
        queue=query.queue,
        agent_id=query.agent_id,
        customer_id=query.customer_id,
        since=since,
        until=query.until,
        search=query.search,
        number=ask.services.read_number(query.search) if query.search else None,
    )


async def get_call(ask: Ask[Nothing, Nothing]) -> CallDetailOut:
    """One call and the facts it was folded from."""
    found = await ask.services.calls.get(ask.by, ask.path["call_id"])
    if found is None:
        raise Refused("call-not-found", "There is no such call, or it is not for you.")
    return CallDetailOut(
        call=CallOut.model_validate(found.call),
        facts=[
            FactOut(at=fact.at, source=fact.source, kind=fact.kind, data=dict(fact.data))
            for fact in found.facts
        ],
    )


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/calls",
        summary="List calls",
        needs=Permission.CALLS_READ,
        json=list_calls,
        query=CallsQuery,
        answer=CallsOut,
        errors=("bad-cursor",),
        tag="calls",
    ),
    Route(
        method="GET",
        path="/api/v1/calls/{call_id}",
        summary="One call with its facts",
        needs=Permission.CALLS_READ,
        json=get_call,
        answer=CallDetailOut,
        errors=("call-not-found",),
        tag="calls",
    ),
)
