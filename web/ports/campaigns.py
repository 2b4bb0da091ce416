"""What the pages and API of campaigns need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from campaigns.attempts import Attempt
from campaigns.campaigns import Campaign, CampaignState, CampaignStep, Mode, Purpose
from campaigns.ladder import LadderStep, Rung, RungState
from campaigns.results import Bar, By, Marks, Results, Wanted
from campaigns.rules import Rules
from campaigns.targets import Target, TargetState
from crm.contacts.contacts import ReasonKind


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCampaign:
    """What a campaign is made of."""

    name: str
    purpose: Purpose
    mode: Mode
    queue: str = ""
    flow: str = ""
    caller_id: str = ""
    priority: int = 5
    rules: Rules = field(default_factory=Rules)
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignView:
    """A campaign and how it stands."""

    campaign: Campaign
    #: How many targets are in each state.
    targets: Mapping[TargetState, int]
    #: Calls of it that go on, or are about to.
    calls: int
    #: Why it begins no call just now (`campaigns.dialer.Reason`, or not_running); empty where it does.
    reason: str
    #: Why targets wait, with counts: due, retry, later, or a rule of contactability.
    waiting: Mapping[str, int]
    #: When the next waiting target comes due.
    next_due: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetLine:
    """One target in a list; the name as the viewer may read it."""

    target: Target
    customer_name: str
    customer_number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptLine:
    """One attempt in a list; name and number as the viewer may read them."""

    attempt: Attempt
    customer_name: str
    number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Added:
    """What putting people on a campaign came to."""

    asked: int
    added: int
    #: Asked for, and not open to whoever asked.
    hidden: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Whom:
    """Whom to put on a campaign; exactly one of the three."""

    customer_ids: Sequence[str] = ()
    group_id: str | None = None
    #: Everybody who has an open contact with a reason of one of these kinds.
    reasons: Collection[ReasonKind] = ()
    priority: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsView:
    """What came of a campaign."""

    results: Results
    marks: Marks
    #: The plots: bars in order.
    layouts: Mapping[By, Sequence[Bar]]
    #: Rungs of the ladder by rung and state.
    ladder: Mapping[tuple[Rung, RungState], int]
    #: Names of the agents in the plots.
    agents: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterLine:
    """A letter that waits to be printed; name and address as the viewer may read them."""

    step: LadderStep
    campaign: Campaign
    customer_name: str
    address: str
    plate: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """What a campaign may name."""

    flows: Sequence[str]
    queues: Sequence[str]


class Campaigns(Protocol):
    """Campaigns, their targets and attempts. Raises CampaignNotFound where there is none of that id."""

    async def choices(self) -> Choices: ...

    async def list(
        self, viewer: Principal, now: datetime, *, states: Collection[CampaignState] = ()
    ) -> Sequence[CampaignView]: ...

    async def get(self, viewer: Principal, campaign_id: str, now: datetime) -> CampaignView: ...

    async def create(
        self, viewer: Principal, new: NewCampaign, entry: Entry, *, once: Once | None = None
    ) -> CampaignView:
        """Raises BadCampaign, BadRules, CampaignTaken."""

    async def change(
        self, viewer: Principal, campaign_id: str, version: int, new: NewCampaign, entry: Entry
    ) -> CampaignView:
        """Raises CampaignChanged, BadCampaign, BadRules, CampaignTaken."""

    async def clone(self, viewer: Principal, campaign_id: str, name: str, entry: Entry) -> CampaignView:
        """The same settings under another name, as a draft without targets. Raises CampaignTaken."""

    async def step(
        self, viewer: Principal, campaign_id: str, step: CampaignStep, version: int, entry: Entry
    ) -> CampaignView:
        """Raises CampaignChanged, StepNotAllowed."""

    async def add(self, viewer: Principal, campaign_id: str, whom: Whom, entry: Entry) -> Added:
        """Put people on it; whom the same reason names already stays as he is. Raises GroupNotFound, BadCampaign."""

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
    ) -> tuple[Sequence[TargetLine], str | None]: ...

    async def withdraw(self, viewer: Principal, target_id: str, why: str, entry: Entry) -> Mapping[str, Any]:
        """Take one off. Raises TargetNotFound; one that is being called is taken off after the call."""

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
    ) -> tuple[Sequence[AttemptLine], str | None]: ...

    async def letters(self, viewer: Principal, now: datetime) -> Sequence[LetterLine]:
        """Letters to print, the oldest first, of customers whose record is open to the viewer; at most 200."""

    async def printed(self, viewer: Principal, step_ids: Collection[str], entry: Entry) -> int:
        """These letters are printed; those of customers without an address are passed over. Gives how many."""

    async def results(self, viewer: Principal, campaign_id: str, now: datetime) -> ResultsView:
        """What came of it; every figure opens its rows (`targets` by mark, `attempts` by `wanted`)."""
