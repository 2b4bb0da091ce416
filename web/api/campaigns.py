"""Campaigns: made, changed, run, paused; whom they call, every try, and why nothing is being dialed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from campaigns.attempts import AttemptOutcome, AttemptState
from campaigns.campaigns import CampaignState, CampaignStep, Mode, Purpose, allowed_steps
from campaigns.ladder import Rung, RungState, ordered
from campaigns.results import By, Wanted
from campaigns.rules import RETRIES, Retry, Rules
from campaigns.targets import TargetState
from crm.contacts.contacts import ReasonKind
from web.api.shapes import Cursor, Id, Size
from web.ports.campaigns import AttemptLine, CampaignView, NewCampaign, ResultsView, TargetLine, Whom
from web.routes import Ask, Nothing, Route, Shape

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Word = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_]{0,64}$")]
Shown = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{0,19}$")]
BarKey = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{0,32}$")]
Mark = Literal["", "tried", "reached", "completed", "dissatisfied", "booked", "came"]
Why = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]

_CAMPAIGN: Final = "/api/v1/campaigns/{campaign_id}"
#: Rules that are more than a number.
_BY_HAND: Final = ("retries", "lists", "ladder")
#: Most customers named in one request; more come as a group.
_MOST: Final = 1000


class RetryShape(Shape):
    """What follows one outcome."""

    tries: int = Field(ge=0, le=50, description="most tries that end so; 0 or 1: it ends the target")
    minutes: int = Field(ge=0, le=86_400, description="until the next")
    growing: bool = Field(False, description="each further one after twice the time")
    next_number: bool = Field(False, description="the next try goes to the customer's next number")
    success: bool = Field(False, description="it ends the target as reached")
    wrong_number: bool = Field(False, description="the number is marked as wrong")


class RulesShape(Shape):
    """How often, how far apart, how long, and how fast."""

    retries: dict[AttemptOutcome, RetryShape] = Field(
        default_factory=dict, description="what is not named follows the house's rules"
    )
    most_tries: int = Field(5, ge=1, le=20)
    expires_days: int = Field(14, ge=1, le=365)
    ring_seconds: int = Field(30, ge=15, le=60)
    lines: float = Field(1.2, ge=1, le=5, description="ratio: lines for each ready agent")
    abandon_cap: float = Field(0.01, ge=0, le=0.03)
    most_calls: int = Field(10, ge=1, le=500)
    lists: list[Id] = Field([], description="do-not-call lists that hold for this campaign too")
    detect_machines: bool = False
    preview_seconds: int = Field(120, ge=10, le=1800)
    ladder: list[Rung] = Field([], description="what follows when the tries are used up")
    ladder_days: int = Field(7, ge=1, le=60, description="days to react before the next of them")


class CampaignIn(Shape):
    name: Name
    purpose: Purpose
    mode: Mode
    queue: Word = Field("", description="whose agents take the calls; empty for an agentless one")
    flow: Word = Field("", description="the menu that speaks, campaign_…; empty where agents do")
    caller_id: Shown = Field("", description="the number shown; empty: the house's")
    priority: int = Field(5, ge=0, le=9)
    rules: RulesShape = Field(default_factory=RulesShape)
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class CampaignChangeIn(CampaignIn):
    version: int = Field(ge=1, description="the version that was read")


class CloneIn(Shape):
    name: Name


class StepIn(Shape):
    step: CampaignStep
    version: int = Field(ge=1, description="the version that was read")


class CampaignsQuery(Shape):
    state: CampaignState | None = Field(None, description="null: all but archived ones")


class CampaignOut(CampaignIn):
    id: str
    state: CampaignState
    state_at: datetime
    state_why: str = Field(description="why the service itself put it there: no_targets, ends_at")
    version: int
    created_at: datetime
    by_name: str
    steps: list[CampaignStep] = Field(description="what can be done with it now")
    targets: dict[TargetState, int]
    calls: int = Field(description="calls of it that go on, or are about to")
    reason: str = Field(description="why it begins no call just now; empty where it does")
    waiting: dict[str, int] = Field(description="why targets wait, with counts")
    next_due: datetime | None


class CampaignsOut(Shape):
    items: list[CampaignOut]


class WhomIn(Shape):
    """Exactly one of customers, group and reasons."""

    customer_ids: list[Id] = Field(default_factory=list, max_length=_MOST)
    group_id: Id | None = None
    reasons: list[ReasonKind] = Field(
        default_factory=list, description="everybody with an open contact for one of these"
    )
    priority: int = Field(5, ge=0, le=9)


class AddedOut(Shape):
    asked: int
    added: int = Field(description="how many are new on it")
    hidden: int = Field(description="asked for, and not open to whoever asked")


class TargetsQuery(Shape):
    state: TargetState | None = None
    mark: Mark = Field("", description="a figure of the results")
    cursor: Cursor | None = None
    limit: Size = 50


class TargetOut(Shape):
    id: str
    customer_id: str
    customer_name: str
    customer_number: str
    vehicle_id: str | None
    contact_id: str | None
    state: TargetState
    due_at: datetime
    expires_at: datetime
    priority: int
    tries: int
    counts: dict[AttemptOutcome, int]
    last_outcome: AttemptOutcome | None
    why: dict[str, Any]
    closed_at: datetime | None


class TargetsOut(Shape):
    items: list[TargetOut]
    next: str | None


class WithdrawIn(Shape):
    why: Why = ""


class WithdrawnOut(Shape):
    id: str
    state: TargetState


class BarOut(Shape):
    key: str = Field(description="a day, an hour, an agent's id, or the number of the try")
    tries: int
    answered: int
    reached: int
    abandoned: int


class ResultsOut(Shape):
    """Counts, and the shares made of them; null where there is nothing to divide by."""

    targets: int
    tried: int
    tries: int
    answered: int
    reached_tries: int
    reached: int
    completed: int
    dissatisfied: int
    booked: int
    came: int
    live: int = Field(description="answered by a person")
    abandoned: int
    live_30: int = Field(description="of the last 30 days")
    abandoned_30: int
    abandon_rate: float | None
    list_penetration: float | None = Field(description="tried / targets")
    contact_per_record: float | None = Field(description="reached / tried")
    contact_per_attempt: float | None = Field(description="reached_tries / tries")
    talk_seconds: float
    outcomes: dict[AttemptOutcome, int]
    ladder: dict[Rung, dict[RungState, int]]
    layouts: dict[By, list[BarOut]]
    agents: dict[str, str] = Field(description="names of the agents in the plots")


class PrintedIn(Shape):
    step_ids: list[Id] = Field(min_length=1, max_length=200, description="letters that were printed")


class PrintedOut(Shape):
    printed: int = Field(description="without those that have no address, which are passed over")


class AttemptsQuery(Shape):
    target_id: Id | None = None
    outcome: AttemptOutcome | None = None
    only: Literal["", "counted", "answered", "reached", "abandoned"] = Field(
        "", description="a figure of the results; counted: all but those given back"
    )
    by: By | None = Field(None, description="with key: one bar of a plot of the results")
    key: BarKey = ""
    cursor: Cursor | None = None
    limit: Size = 50


class AttemptOut(Shape):
    id: str = Field(description="also the call's id")
    target_id: str
    customer_id: str
    customer_name: str
    number: str
    no: int
    send: int
    state: AttemptState
    outcome: AttemptOutcome | None
    cause: int | None
    reason: str
    intent_at: datetime
    answered_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    answer: dict[str, Any] = Field(description="contactability's answer at the moment of dialing")


class AttemptsOut(Shape):
    items: list[AttemptOut]
    next: str | None


def campaign_out(view: CampaignView) -> CampaignOut:
    """A campaign and how it stands."""
    one = view.campaign
    names = (
        "id",
        "name",
        "purpose",
        "mode",
        "queue",
        "flow",
        "caller_id",
        "priority",
        "starts_at",
        "ends_at",
    )
    more = ("state", "state_at", "state_why", "version", "created_at", "by_name")
    return CampaignOut(
        **{name: getattr(one, name) for name in (*names, *more)},
        rules=rules_out(one.rules),
        steps=list(allowed_steps(one.state)),
        targets=dict(view.targets),
        calls=view.calls,
        reason=view.reason,
        waiting=dict(view.waiting),
        next_due=view.next_due,
    )


def rules_out(rules: Rules) -> RulesShape:
    """All rules, those of the house filled in."""
    plain = {name: getattr(rules, name) for name in Rules.__slots__ if name not in _BY_HAND}
    every = {outcome: rules.retry(outcome) for outcome in RETRIES}
    return RulesShape(
        **plain,
        lists=list(rules.lists),
        ladder=list(rules.ladder),
        retries={outcome: RetryShape.model_validate(retry) for outcome, retry in every.items()},
    )


def _rules(given: RulesShape) -> Rules:
    plain = {name: getattr(given, name) for name in Rules.__slots__ if name not in _BY_HAND}
    retries = {
        outcome: Retry(**{name: getattr(retry, name) for name in Retry.__slots__})
        for outcome, retry in given.retries.items()
    }
    own = {outcome: retry for outcome, retry in retries.items() if retry != RETRIES[outcome]}
    return Rules(**plain, lists=tuple(given.lists), ladder=ordered(given.ladder), retries=own)


def _new(given: CampaignIn) -> NewCampaign:
    plain = {name: getattr(given, name) for name in NewCampaign.__slots__ if name != "rules"}
    return NewCampaign(**plain, rules=_rules(given.rules))


def target_out(line: TargetLine) -> TargetOut:
    """One target."""
    one = line.target
    names = [name for name in TargetOut.model_fields if name not in ("customer_name", "customer_number")]
    return TargetOut(
        **{name: getattr(one, name) for name in names if name not in ("counts", "why")},
        customer_name=line.customer_name,
        customer_number=line.customer_number,
        counts=dict(one.counts),
        why=dict(one.why),
    )


def attempt_out(line: AttemptLine) -> AttemptOut:
    """One attempt."""
    one = line.attempt
    names = [name for name in AttemptOut.model_fields if name not in ("customer_name", "number", "answer")]
    return AttemptOut(
        **{name: getattr(one, name) for name in names},
        customer_name=line.customer_name,
        number=line.number,
        answer=dict(one.answer),
    )


async def every(ask: Ask[CampaignsQuery, Nothing]) -> CampaignsOut:
    """The most urgent first."""
    states = () if ask.query.state is None else (ask.query.state,)
    found = await ask.services.campaigns.list(ask.by, ask.now, states=states)
    return CampaignsOut(items=[campaign_out(one) for one in found])


async def create(ask: Ask[Nothing, CampaignIn]) -> CampaignOut:
    """A draft."""
    entry = ask.entry(Action.CAMPAIGN_CHANGED, data={"name": ask.body.name})
    return campaign_out(await ask.services.campaigns.create(ask.by, _new(ask.body), entry, once=ask.once))


async def one(ask: Ask[Nothing, Nothing]) -> CampaignOut:
    """A campaign, how it stands, and why it dials nobody."""
    return campaign_out(await ask.services.campaigns.get(ask.by, ask.path["campaign_id"], ask.now))


async def change(ask: Ask[Nothing, CampaignChangeIn]) -> CampaignOut:
    """Other settings; a running campaign dials by them from its next call on."""
    campaign_id = ask.path["campaign_id"]
    entry = ask.entry(Action.CAMPAIGN_CHANGED, f"campaign:{campaign_id}", {"name": ask.body.name})
    return campaign_out(
        await ask.services.campaigns.change(ask.by, campaign_id, ask.body.version, _new(ask.body), entry)
    )


async def clone(ask: Ask[Nothing, CloneIn]) -> CampaignOut:
    """The same settings under another name, nobody on it."""
    entry = ask.entry(Action.CAMPAIGN_CHANGED, data={"like": ask.path["campaign_id"]})
    return campaign_out(
        await ask.services.campaigns.clone(ask.by, ask.path["campaign_id"], ask.body.name, entry)
    )


async def step(ask: Ask[Nothing, StepIn]) -> CampaignOut:
    """Start, pause, finish, archive."""
    campaign_id = ask.path["campaign_id"]
    entry = ask.entry(Action.CAMPAIGN_STEPPED, f"campaign:{campaign_id}", {"step": ask.body.step.value})
    return campaign_out(
        await ask.services.campaigns.step(ask.by, campaign_id, ask.body.step, ask.body.version, entry)
    )


async def add(ask: Ask[Nothing, WhomIn]) -> AddedOut:
    """Customers, a group, or everybody with an open contact for one of some reasons."""
    campaign_id, given = ask.path["campaign_id"], ask.body
    whom = Whom(
        customer_ids=given.customer_ids,
        group_id=given.group_id,
        reasons=given.reasons,
        priority=given.priority,
    )
    entry = ask.entry(Action.CAMPAIGN_CHANGED, f"campaign:{campaign_id}")
    return AddedOut.model_validate(await ask.services.campaigns.add(ask.by, campaign_id, whom, entry))


async def targets(ask: Ask[TargetsQuery, Nothing]) -> TargetsOut:
    """Whom it calls, and how each stands."""
    found, following = await ask.services.campaigns.targets(
        ask.by,
        ask.path["campaign_id"],
        ask.now,
        state=ask.query.state,
        mark=ask.query.mark,
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )
    return TargetsOut(items=[target_out(line) for line in found], next=following)


async def withdraw(ask: Ask[Nothing, WithdrawIn]) -> WithdrawnOut:
    """Nobody calls this customer for this campaign any more."""
    entry = ask.entry(Action.CAMPAIGN_CHANGED, data={"target": ask.path["target_id"]})
    return WithdrawnOut.model_validate(
        await ask.services.campaigns.withdraw(ask.by, ask.path["target_id"], ask.body.why, entry)
    )


def wanted_of(query: AttemptsQuery) -> Wanted | None:
    """Attempts behind one figure; None: every attempt."""
    if query.target_id is not None or not (query.outcome or query.only or query.by):
        return None
    only = "" if query.only == "counted" else query.only
    return Wanted(outcome=query.outcome, only=only, by=query.by, key=query.key)


async def attempts(ask: Ask[AttemptsQuery, Nothing]) -> AttemptsOut:
    """Every try, the latest first."""
    found, following = await ask.services.campaigns.attempts(
        ask.by,
        ask.path["campaign_id"],
        ask.now,
        target_id=ask.query.target_id,
        wanted=wanted_of(ask.query),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )
    return AttemptsOut(items=[attempt_out(line) for line in found], next=following)


def results_out(view: ResultsView) -> ResultsOut:
    """Figures and plots."""
    plain = [name for name in ResultsOut.model_fields if hasattr(view.results, name)]
    rungs: dict[Rung, dict[RungState, int]] = {}
    for (rung, state), count in view.ladder.items():
        rungs.setdefault(rung, {})[state] = count
    return ResultsOut(
        **{name: getattr(view.results, name) for name in plain if name != "outcomes"},
        **{name: getattr(view.marks, name) for name in ("completed", "dissatisfied", "booked", "came")},
        outcomes=dict(view.results.outcomes),
        ladder=rungs,
        layouts={by: [BarOut.model_validate(bar) for bar in some] for by, some in view.layouts.items()},
        agents=dict(view.agents),
    )


async def results(ask: Ask[Nothing, Nothing]) -> ResultsOut:
    """What came of a campaign."""
    return results_out(await ask.services.campaigns.results(ask.by, ask.path["campaign_id"], ask.now))


async def printed(ask: Ask[Nothing, PrintedIn]) -> PrintedOut:
    """The ladder goes on for these customers."""
    entry = ask.entry(Action.CAMPAIGN_CHANGED, data={"batch": len(ask.body.step_ids)})
    return PrintedOut(printed=await ask.services.campaigns.printed(ask.by, ask.body.step_ids, entry))


_MAKING: Final = ("bad-campaign", "bad-campaign-rules", "campaign-taken")

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/api/v1/campaigns",
        summary="Campaigns, and why each dials nobody just now",
        needs=Permission.CAMPAIGNS_READ,
        json=every,
        query=CampaignsQuery,
        answer=CampaignsOut,
        tag="campaigns",
    ),
    Route(
        method="POST",
        path="/api/v1/campaigns",
        summary="A new campaign, as a draft",
        needs=Permission.CAMPAIGNS_WRITE,
        json=create,
        body=CampaignIn,
        answer=CampaignOut,
        status=201,
        once=True,
        errors=_MAKING,
        tag="campaigns",
    ),
    Route(
        method="GET",
        path=_CAMPAIGN,
        summary="One campaign",
        needs=Permission.CAMPAIGNS_READ,
        json=one,
        answer=CampaignOut,
        errors=("campaign-not-found",),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path=_CAMPAIGN,
        summary="Change a campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        json=change,
        body=CampaignChangeIn,
        answer=CampaignOut,
        errors=("campaign-not-found", "campaign-changed", *_MAKING),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path=f"{_CAMPAIGN}/clone",
        summary="The same settings under another name",
        needs=Permission.CAMPAIGNS_WRITE,
        json=clone,
        body=CloneIn,
        answer=CampaignOut,
        status=201,
        errors=("campaign-not-found", *_MAKING),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path=f"{_CAMPAIGN}/step",
        summary="Start, pause, finish or archive a campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        json=step,
        body=StepIn,
        answer=CampaignOut,
        errors=("campaign-not-found", "campaign-changed", "campaign-step-not-allowed"),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path=f"{_CAMPAIGN}/targets",
        summary="Put people on a campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        json=add,
        body=WhomIn,
        answer=AddedOut,
        errors=("campaign-not-found", "bad-campaign", "group-not-found"),
        tag="campaigns",
    ),
    Route(
        method="GET",
        path=f"{_CAMPAIGN}/targets",
        summary="Whom a campaign calls",
        needs=Permission.CAMPAIGNS_READ,
        json=targets,
        query=TargetsQuery,
        answer=TargetsOut,
        errors=("campaign-not-found",),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path="/api/v1/campaign-targets/{target_id}/withdraw",
        summary="Take somebody off a campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        json=withdraw,
        body=WithdrawIn,
        answer=WithdrawnOut,
        errors=("target-not-found",),
        tag="campaigns",
    ),
    Route(
        method="GET",
        path=f"{_CAMPAIGN}/attempts",
        summary="Every try of a campaign",
        needs=Permission.CAMPAIGNS_READ,
        json=attempts,
        query=AttemptsQuery,
        answer=AttemptsOut,
        errors=("campaign-not-found",),
        tag="campaigns",
    ),
    Route(
        method="GET",
        path=f"{_CAMPAIGN}/results",
        summary="What came of a campaign",
        needs=Permission.CAMPAIGNS_READ,
        json=results,
        answer=ResultsOut,
        errors=("campaign-not-found",),
        tag="campaigns",
    ),
    Route(
        method="POST",
        path="/api/v1/campaign-letters/printed",
        summary="Letters of the ladder were printed",
        needs=Permission.CAMPAIGNS_WRITE,
        json=printed,
        body=PrintedIn,
        answer=PrintedOut,
        tag="campaigns",
    ),
)
