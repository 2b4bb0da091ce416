"""A campaign: whom the house calls for one purpose, in which mode, and by which rules.

CampaignError
├── BadCampaign        a value that cannot be; names the field
├── CampaignNotFound
├── CampaignChanged    somebody has changed it meanwhile
├── CampaignTaken      another campaign has this name
└── StepNotAllowed     the state does not allow it; says which steps are allowed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from campaigns.rules import Rules
from crm.consent import optouts

_LONGEST_NAME: Final = 64


class CampaignError(Exception):
    """Base of what is refused about campaigns; nothing was changed."""

    error_id = "campaign-error"

    def __init__(self, message: str | Sentence, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadCampaign(CampaignError):
    """A value that cannot be."""

    error_id = "bad-campaign"


class CampaignNotFound(CampaignError):
    """There is no such campaign."""

    error_id = "campaign-not-found"


class CampaignChanged(CampaignError):
    """Somebody has changed it meanwhile; `version` is what holds now."""

    error_id = "campaign-changed"

    def __init__(self, message: str | Sentence, *, version: int) -> None:
        super().__init__(message)
        self.version = version


class CampaignTaken(CampaignError):
    """Another campaign has this name."""

    error_id = "campaign-taken"


class CampaignState(StrEnum):
    """Where a campaign is; only a running one dials."""

    DRAFT = "draft"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    ARCHIVED = "archived"


class CampaignStep(StrEnum):
    """What can be done with a campaign, or happens to it."""

    SCHEDULE = "schedule"
    START = "start"
    PAUSE = "pause"
    FINISH = "finish"
    ARCHIVE = "archive"


class StepNotAllowed(CampaignError):
    """The campaign's state does not allow this step."""

    error_id = "campaign-step-not-allowed"

    def __init__(self, state: CampaignState, step: CampaignStep) -> None:
        self.state = state
        self.step = step
        self.allowed = allowed_steps(state)
        super().__init__(
            Sentence(
                "{campaign_step} is not possible while the campaign is {campaign_state}; possible now: "
                "{campaign_steps}",
                campaign_step=step,
                campaign_state=state,
                campaign_steps=list(self.allowed) or ["nothing"],
            )
        )


#: What is not listed is refused. Pausing what is paused changes nothing.
STEPS: Final[Mapping[tuple[CampaignState, CampaignStep], CampaignState]] = {
    (CampaignState.DRAFT, CampaignStep.SCHEDULE): CampaignState.SCHEDULED,
    (CampaignState.DRAFT, CampaignStep.START): CampaignState.RUNNING,
    (CampaignState.DRAFT, CampaignStep.ARCHIVE): CampaignState.ARCHIVED,
    (CampaignState.SCHEDULED, CampaignStep.START): CampaignState.RUNNING,
    (CampaignState.SCHEDULED, CampaignStep.PAUSE): CampaignState.PAUSED,
    (CampaignState.SCHEDULED, CampaignStep.FINISH): CampaignState.FINISHED,
    (CampaignState.RUNNING, CampaignStep.PAUSE): CampaignState.PAUSED,
    (CampaignState.RUNNING, CampaignStep.FINISH): CampaignState.FINISHED,
    (CampaignState.PAUSED, CampaignStep.PAUSE): CampaignState.PAUSED,
    (CampaignState.PAUSED, CampaignStep.START): CampaignState.RUNNING,
    (CampaignState.PAUSED, CampaignStep.FINISH): CampaignState.FINISHED,
    (CampaignState.FINISHED, CampaignStep.START): CampaignState.RUNNING,  # more targets came
    (CampaignState.FINISHED, CampaignStep.ARCHIVE): CampaignState.ARCHIVED,
}


def allowed_steps(state: CampaignState) -> tuple[CampaignStep, ...]:
    """The steps a state allows, in the order of `CampaignStep`."""
    return tuple(step for step in CampaignStep if (state, step) in STEPS)


def stepped(state: CampaignState, step: CampaignStep) -> CampaignState:
    """The state after a step. Raises StepNotAllowed."""
    after = STEPS.get((state, step))
    if after is None:
        raise StepNotAllowed(state, step)
    return after


class Purpose(StrEnum):
    """Why the house calls."""

    DELIVERY_VISIT = "delivery_visit"
    SERVICE_VISIT = "service_visit"
    SECOND_VISIT = "second_visit"
    FIRST_MAINTENANCE = "first_maintenance"
    PERIODIC_MAINTENANCE = "periodic_maintenance"
    NO_SHOW = "no_show"
    CARE = "care"
    CUSTOM = "custom"


#: What contactability is asked for. Care and what the house makes up itself are held to the strictest rule.
CONTACT_PURPOSE: Final[Mapping[Purpose, optouts.Purpose]] = {
    Purpose.DELIVERY_VISIT: optouts.Purpose.VISITS,
    Purpose.SERVICE_VISIT: optouts.Purpose.VISITS,
    Purpose.SECOND_VISIT: optouts.Purpose.VISITS,
    Purpose.FIRST_MAINTENANCE: optouts.Purpose.REMINDERS,
    Purpose.PERIODIC_MAINTENANCE: optouts.Purpose.REMINDERS,
    Purpose.NO_SHOW: optouts.Purpose.REMINDERS,
    Purpose.CARE: optouts.Purpose.ADVERTISING,
    Purpose.CUSTOM: optouts.Purpose.ADVERTISING,
}


class Mode(StrEnum):
    """How a campaign dials."""

    MANUAL = "manual"  # the agent chooses from the list and dials
    PREVIEW = "preview"  # the agent is given the record first, then dials or skips
    PROGRESSIVE = "progressive"  # one call for each reserved agent
    RATIO = "ratio"  # so many lines for each ready agent
    PREDICTIVE = "predictive"  # as many as the cap on abandoned calls allows
    AGENTLESS = "agentless"  # a menu speaks

    @property
    def by_machine(self) -> bool:
        """Whether the service begins the calls, customer first."""
        return self not in (Mode.MANUAL, Mode.PREVIEW)

    @property
    def needs_agents(self) -> bool:
        """Whether an answered customer is given to a person."""
        return self is not Mode.AGENTLESS


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """One campaign. Moments are aware UTC."""

    id: str
    name: str
    purpose: Purpose
    mode: Mode
    state: CampaignState
    #: The queue whose agents work on it; empty for an agentless one.
    queue: str
    #: The menu that speaks to whom an agentless campaign reaches.
    flow: str
    #: The number shown, digits; empty: the house's.
    caller_id: str
    #: 0 most urgent … 9; campaigns that share agents are served in this order.
    priority: int
    rules: Rules = field(default_factory=Rules)
    #: Not before, and not after.
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    version: int = 1
    created_at: datetime
    by_name: str
    #: Since when it is in its state, and why where the service itself put it there (abandon_limit, no_targets).
    state_at: datetime
    state_why: str = ""


def check(campaign: Campaign) -> Campaign:
    """The campaign, if it could run. Raises BadCampaign."""
    name = " ".join(campaign.name.split())
    if not name or len(name) > _LONGEST_NAME or name != campaign.name:
        raise BadCampaign("A campaign needs a name of 1 to 64 characters. Nothing was kept.", field="name")
    if campaign.mode.needs_agents and not campaign.queue:
        raise BadCampaign(
            "This way of dialing needs agents: choose the queue whose agents take the calls. Nothing was kept.",
            field="queue",
        )
    if campaign.mode is Mode.AGENTLESS and not campaign.flow:
        raise BadCampaign(
            "A campaign without agents needs a menu that speaks to the customer. Nothing was kept.",
            field="flow",
        )
    if not 0 <= campaign.priority <= 9:
        raise BadCampaign("The priority lies between 0 and 9. Nothing was kept.", field="priority")
    if campaign.caller_id and not (campaign.caller_id.isascii() and campaign.caller_id.lstrip("+").isdigit()):
        raise BadCampaign("The number shown consists of digits. Nothing was kept.", field="caller_id")
    if campaign.starts_at and campaign.ends_at and campaign.ends_at <= campaign.starts_at:
        raise BadCampaign("A campaign cannot end before it starts. Nothing was kept.", field="ends_at")
    campaign.rules.check()
    return campaign
