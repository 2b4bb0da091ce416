"""What the agent's page needs: the present state, the screen pop, who the caller is, and the agent's own figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.records.customers import Honorific, Language
from crm.screenpop import Pop
from crm.workday import DayJournal
from telephony.agents import Agent
from telephony.call_lists import CallView
from telephony.company import Company


class Phase(StrEnum):
    """What the page is for, just now."""

    IDLE = "idle"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap_up"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeskNow:
    """Everything a page needs to be right again, whatever it missed."""

    phase: Phase
    #: None for somebody who takes no calls.
    agent: Agent | None = None
    call: CallView | None = None
    #: As this viewer may see it; None while idle.
    pop: Pop | None = None
    #: Colleagues on the same call.
    company: Company = field(default_factory=Company)
    #: Id of the newest live event when this was read.
    live: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCaller:
    """What is asked for of somebody nobody knows yet."""

    name: str
    honorific: Honorific = Honorific.NONE
    language: Language | None = None
    plate: str = ""
    model: str = ""
    #: Where the call carries no number: what the customer said.
    number: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class HourNumbers:
    """One hour of a day's work."""

    begins: datetime
    calls: int = 0
    talk_seconds: float = 0.0
    wrapup_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class MyNumbers:
    """An agent's day so far. What each figure means stands in docs/desk.md."""

    day: date
    #: Calls talked in, by who called whom.
    inbound: int
    outbound: int
    #: Rings not answered.
    missed: int
    talk_seconds: float
    hold_seconds: float
    wrapup_seconds: float
    #: (talk + hold + wrap-up) / handled, per direction; None without a call.
    handle_seconds_inbound: float | None
    handle_seconds_outbound: float | None
    #: Time signed in, and of it ready and paused.
    signed_in_seconds: float
    ready_seconds: float
    paused_seconds: float
    first_sign_in: datetime | None
    last_sign_out: datetime | None
    by_hour: Sequence[HourNumbers]


class Pops(Protocol):
    """The screen pop and what an agent says about it. Numbers are masked for `viewer` in here."""

    def here(self, viewer: Principal, page: str) -> bool:
        """A page answers its stream. False where the stream is not known (any more)."""

    def presence(self) -> Mapping[str, bool]:
        """Users who had a page that answered, and whether it still does."""

    async def now(self, viewer: Principal, user_id: str) -> DeskNow:
        """The state of a person's desk, from the rows and the calls that are going on."""

    async def pop(self, viewer: Principal, call_id: str) -> Pop:
        """The pop of a call the viewer may see. Raises NoSuchCall."""

    async def choose(self, viewer: Principal, call_id: str, customer_id: str | None, entry: Entry) -> Pop:
        """Store on the call who it is (None: none of those known), and who said so. May be changed any time.

        Raises NoSuchCall, NotYourCall (`holder` is a user id), CustomerNotFound.
        """

    async def create(
        self, viewer: Principal, call_id: str, caller: NewCaller, once: Once | None, entry: Entry
    ) -> Pop:
        """Add a customer with the call's number and tie the call to it; with the same `once` again, no second one.

        Raises as `choose`, BadRecord (nothing was saved) and KeyReused.
        """

    async def number_of_task(self, viewer: Principal, task_id: str) -> str:
        """Whom a task asks to call, whole: to be dialed, not shown.

        Raises TaskNotFound, TaskTaken (another has it, or it is closed), CustomerNotFound, RecordClosed.
        """

    async def numbers(self, user_id: str, day: date | None) -> MyNumbers:
        """A person's day (None: today at the house)."""

    async def journal(self, viewer: Principal, user_id: str, day: date | None) -> DayJournal:
        """The rows behind those figures: states from when until when, rings not answered.

        Raises NoSuchAgent, also for another's day where the viewer may not act for others.
        """
