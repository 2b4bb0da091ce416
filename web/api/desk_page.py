"""What the agent's page asks: the present state, who the caller is, a call back, and the agent's own figures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

from access.audit import Action, Entry
from access.permissions import Permission
from access.users import Language
from crm.records.customers import Honorific
from crm.screenpop import Pop
from crm.tasks.tasks import TaskTaken
from telephony.agents import AgentState
from telephony.control import NotYourCall
from web.api.desk import acting_for
from web.api.shapes import AgentOut, CallOut, DialedOut, Id, Name, _no_controls
from web.api.tasks import taken
from web.pages.pop import pop_data
from web.ports import Services
from web.ports.desk import NewCaller, Phase, Pops
from web.problems import Refused
from web.routes import Ask, Nothing, Reply, Route, Shape

Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64), AfterValidator(_no_controls)]


class PopOut(Shape):
    """The screen pop as the page shows it."""

    call_id: str
    kind: str = Field(description="known, several, unknown, hidden or unreadable")
    customer_id: str | None
    direction: str
    waiting_since: datetime
    connected_at: datetime | None
    name: str
    said: str = Field(description="one sentence, for a screen reader")
    html: dict[str, str] = Field(description="place of the page to its HTML")


class ColleagueOut(Shape):
    id: str
    name: str
    ringing: bool = Field(description="has not answered yet")


class CompanyOut(Shape):
    """Colleagues on one's own call: consulted, or in a conference."""

    call_id: str
    mine: bool = Field(description="false: a colleague consults this agent, or has invited her")
    together: bool = Field(description="everybody hears the customer")
    people: list[ColleagueOut]


class NowOut(Shape):
    """Everything the page needs to be right again."""

    phase: Phase
    agent: AgentOut | None
    call: CallOut | None
    pop: PopOut | None
    company: CompanyOut
    now: datetime
    live: str = Field(description="id of the newest live event when this was read")


class ChoiceIn(Shape):
    customer_id: Id | None = Field(description="null: none of those known")


class NewCallerIn(Shape):
    name: Name
    honorific: Honorific = Honorific.NONE
    language: Literal["zh-CN", "en"] | None = None
    plate: Short = ""
    model: Short = ""
    number: Short = Field("", description="where the call carries none")


class HereIn(Shape):
    page: Id = Field(description="what the stream's event `ping` named")


class HereOut(Shape):
    known: bool = Field(description="false: the stream is gone; open another")


class DayQuery(Shape):
    day: date | None = Field(None, description="null: today at the house")


class HourOut(Shape):
    begins: datetime
    calls: int
    talk_seconds: float
    wrapup_seconds: float


class NumbersOut(Shape):
    """An agent's day. docs/desk.md says what each figure means."""

    day: date
    inbound: int
    outbound: int
    missed: int
    talk_seconds: float
    hold_seconds: float
    wrapup_seconds: float
    handle_seconds_inbound: float | None
    handle_seconds_outbound: float | None
    signed_in_seconds: float
    ready_seconds: float
    paused_seconds: float
    first_sign_in: datetime | None
    last_sign_out: datetime | None
    by_hour: list[HourOut]


class JournalQuery(DayQuery):
    agent_id: Id | None = Field(
        None, description="another agent, for those who may act for others; null: oneself"
    )


class StayOut(Shape):
    state: AgentState
    reason: str = Field(description="of a pause")
    since: datetime
    until: datetime
    goes_on: bool = Field(description="`until` is only now")


class MissedRingOut(Shape):
    at: datetime
    call: CallOut | None = Field(description="null: not for the asker to see, or not known")


class JournalOut(Shape):
    """The rows behind an agent's figures of a day."""

    user_id: str
    name: str
    day: date
    stays: list[StayOut]
    missed: list[MissedRingOut]
    seconds: dict[AgentState, float]


def pops_of(services: Services) -> Pops:
    """The pops of this installation. Raises Refused where it has none."""
    if services.pops is None:
        raise Refused("not-found", "This installation has no desk.")
    return services.pops


def _shown(ask: Ask[Any, Any], pop: Pop) -> PopOut:
    session = ask.signed.session
    language: Language = session.user.language if session else "zh-CN"
    return PopOut.model_validate(
        pop_data(pop, language=language, now=ask.now, zone=ZoneInfo(ask.services.zone))
    )


async def desk_now(ask: Ask[Nothing, Nothing]) -> NowOut:
    """The present state of one's own desk."""
    found = await pops_of(ask.services).now(ask.by, acting_for(ask.by, None))
    return NowOut(
        phase=found.phase,
        agent=AgentOut.model_validate(found.agent) if found.agent else None,
        call=CallOut.model_validate(found.call) if found.call else None,
        pop=_shown(ask, found.pop) if found.pop else None,
        company=CompanyOut.model_validate(found.company),
        now=ask.now,
        live=found.live,
    )


async def here(ask: Ask[Nothing, HereIn]) -> HereOut:
    """The page is still there; its stream asked."""
    return HereOut(known=pops_of(ask.services).here(ask.by, ask.body.page))


async def choose(ask: Ask[Nothing, ChoiceIn]) -> PopOut:
    """Say who is on the line."""
    call_id = ask.path["call_id"]
    entry = ask.entry(Action.CALLER_CHOSEN, f"call:{call_id}", {"customer": ask.body.customer_id})
    try:
        pop = await pops_of(ask.services).choose(ask.by, call_id, ask.body.customer_id, entry)
    except NotYourCall as error:
        raise await _named(ask.services, error) from error
    return _shown(ask, pop)


async def create(ask: Ask[Nothing, NewCallerIn]) -> PopOut:
    """Add a customer for who is on the line, and tie the call to it."""
    call_id = ask.path["call_id"]
    body = ask.body
    caller = NewCaller(
        name=body.name,
        honorific=body.honorific,
        language=body.language,
        plate=body.plate,
        model=body.model,
        number=body.number,
    )
    entry = ask.entry(Action.CALLER_RECORDED, f"call:{call_id}")
    try:
        pop = await pops_of(ask.services).create(ask.by, call_id, caller, ask.once, entry)
    except NotYourCall as error:
        raise await _named(ask.services, error) from error
    return _shown(ask, pop)


async def _named(services: Services, error: NotYourCall) -> NotYourCall:
    names = await services.users.names()
    return NotYourCall(names.get(error.holder, error.holder))


async def call_back(ask: Ask[Nothing, Nothing]) -> Reply:
    """Call whom the task asks to call; the number may stay masked."""
    agent_id = acting_for(ask.by, None)
    task_id = ask.path["task_id"]
    try:
        number = await pops_of(ask.services).number_of_task(ask.by, task_id)
    except TaskTaken as error:
        names = await ask.services.users.names()
        raise taken(error, names) from error
    if not number:
        raise Refused("dial-refused", "This task has no number that can be dialed.")
    dialed = await ask.services.desk.dial(agent_id, number, ask.once, ask.by)
    if not dialed.replayed:
        entry: Entry = ask.entry(Action.CALL_DIALED, f"call:{dialed.call_id}", {"task": task_id})
        await ask.services.audit.append(entry)
    headers: Mapping[str, str] = {"Idempotency-Replayed": "true"} if dialed.replayed else {}
    return Reply(body=DialedOut(call_id=dialed.call_id), headers=headers)


async def my_numbers(ask: Ask[DayQuery, Nothing]) -> NumbersOut:
    """One's own day so far."""
    found = await pops_of(ask.services).numbers(acting_for(ask.by, None), ask.query.day)
    return NumbersOut.model_validate(found)


async def day_journal(ask: Ask[JournalQuery, Nothing]) -> JournalOut:
    """In which states somebody was, from when until when, and which rings were not answered."""
    agent_id = acting_for(ask.by, ask.query.agent_id)
    return JournalOut.model_validate(await pops_of(ask.services).journal(ask.by, agent_id, ask.query.day))


_CALLER_ERRORS = ("no-such-call", "not-your-call")

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/desk/now",
        summary="The present state of one's own desk",
        needs=Permission.DESK_SELF,
        json=desk_now,
        answer=NowOut,
        errors=("no-own-user",),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/desk/here",
        summary="A page answers its stream",
        needs=Permission.DESK_SELF,
        json=here,
        body=HereIn,
        answer=HereOut,
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/calls/{call_id}/customer",
        summary="Say who is on the line",
        needs=Permission.DESK_SELF,
        json=choose,
        body=ChoiceIn,
        answer=PopOut,
        errors=(*_CALLER_ERRORS, "customer-not-found", "record-closed"),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/calls/{call_id}/new-customer",
        summary="Add a customer for who is on the line",
        needs=Permission.DESK_SELF,
        json=create,
        body=NewCallerIn,
        answer=PopOut,
        once=True,
        errors=(*_CALLER_ERRORS, "bad-record", "idempotency-key-reused"),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks/{task_id}/call",
        summary="Call whom a task asks to call",
        needs=Permission.CALLS_DIAL,
        json=call_back,
        body=Nothing,
        answer=DialedOut,
        status=202,
        once=True,
        errors=(
            "task-not-found",
            "task-taken",
            "customer-not-found",
            "record-closed",
            "dial-refused",
            "too-many-calls",
            "idempotency-key-reused",
            "no-such-agent",
            "no-own-user",
            "switch-unavailable",
        ),
        tag="desk",
    ),
    Route(
        method="GET",
        path="/api/v1/me/numbers",
        summary="One's own day in figures",
        needs=Permission.DESK_SELF,
        json=my_numbers,
        query=DayQuery,
        answer=NumbersOut,
        errors=("no-own-user",),
        tag="desk",
    ),
    Route(
        method="GET",
        path="/api/v1/me/journal",
        summary="A day's states from when until when, and the rings missed",
        needs=Permission.DESK_SELF,
        json=day_journal,
        query=JournalQuery,
        answer=JournalOut,
        errors=("no-own-user", "not-allowed", "no-such-agent"),
        tag="desk",
    ),
)
