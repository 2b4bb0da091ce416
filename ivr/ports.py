"""What the menus need from the rest of the house, as questions, replies and ports.

The engine asks questions and gets replies; the host answers them through the ports. Every port method
may raise `Unavailable`; the caller then goes on as if the house knew nothing, and never hears a promise
that was not kept.

PortError
├── Unavailable   the part that should answer is away; nothing was stored; retryable
└── LineGone      the caller hung up, or the switch closed the connection
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from ivr.prompts import Sound
from telephony.facts import Fact
from telephony.hours import OpenState


class PortError(Exception):
    """Base of what a port can do to the menu."""

    error_id = "ivr-port-error"
    retryable = False


class Unavailable(PortError):
    """The part that should answer is away; nothing was stored."""

    error_id = "ivr-port-unavailable"
    retryable = True


class LineGone(PortError):
    """The caller hung up, or the switch closed the connection."""

    error_id = "ivr-line-gone"


# --- values -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A customer as far as the menu needs him."""

    customer_id: str
    key_customer: bool = False
    #: Language he chose before, or None.
    language: str | None = None
    #: Plate, where he has exactly one vehicle.
    plate: str | None = None


# --- questions and replies --------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class FindByNumber:
    """Whose number is this? Reply: Found."""

    number: str


@dataclass(frozen=True, kw_only=True, slots=True)
class FindByTail:
    """Whose plate or VIN ends in these keys? Reply: Found.

    `keys` are telephone keys: a letter of the plate is typed on the key that carries it (ITU-T E.161).
    Where `among` is not empty only these customers count.
    """

    kind: str
    keys: str
    among: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """All customers that fit: none, one, or several. Never cut to the first."""

    customers: tuple[Known, ...]
    #: The house takes no calls from this number; told with the look-up of the caller.
    blocked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AskHours:
    """Is somebody at work? Reply: Working."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Working:
    desk: OpenState
    #: When the desk opens again; None while open or where nobody can say.
    opens_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class AskQueue:
    """How is this queue? Reply: QueueView as this caller would meet it."""

    queue: str
    priority: int


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueView:
    """A queue as one caller would meet it now."""

    #: Agents that would be rung at once.
    ready: int
    #: Agents signed in, whatever they do.
    signed_in: int
    #: Place this caller would get, 1 is next.
    position: int
    #: Seconds; None where there is no ground for an estimate.
    expected_wait: float | None
    full: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class AskServant:
    """Is the customer's own agent, or the one who served him last, ready? Reply: Servant.

    `who` is the order of asking: "own" (agents that key customers have), "last".
    """

    customer_id: str
    who: tuple[str, ...]
    queue: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Servant:
    #: Endpoint of the agent's phone; None: nobody of them is ready.
    endpoint: str | None
    #: own or last.
    how: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskCallback:
    """Register a call-back, durably, once per call. Reply: Registered."""

    call_id: str
    #: As typed or as the caller's E.164 number.
    number: str
    queue: str
    customer_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Registered:
    """Durable when it arrives. `promised_at` None: refused (no number we may call), nothing stored."""

    promised_at: datetime | None
    number: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AskTask:
    """Leave a task for a queue's people, durably, once per call and kind. Reply: Done."""

    call_id: str
    task: str
    queue: str
    minutes: int
    number: str | None
    customer_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class AskOptOut:
    """Suppress a number for a purpose, durably; again is harmless. Reply: Done."""

    call_id: str
    number: str
    purpose: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AskText:
    """Send a text by template. Reply: Done, once it is in the outbox."""

    call_id: str
    template: str
    number: str
    language: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AskAppointment:
    """Find free times or the next appointment of a customer; book, move or cancel, durably. Reply: Appointed."""

    call_id: str
    customer_id: str
    act: str
    work: str
    #: The time chosen, for book and move.
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Appointed:
    """What was found or done; `ok` False: nothing was, and nothing changed."""

    ok: bool
    #: In the house's zone.
    at: datetime | None = None
    times: tuple[datetime, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class AskSurvey:
    """Begin a survey, keep an answer, or end it early; durably, and again is harmless. Reply: Surveyed.

    `act`: begin, answer, stop. Where `keys` cannot be an answer, the same question comes back, `refused`.
    """

    call_id: str
    questionnaire: str
    act: str
    language: str
    customer_id: str | None
    response_id: str = ""
    question: str = ""
    keys: str = ""
    #: Why it is stopped: person, no_answer, hung_up.
    why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Surveyed:
    """Where a survey is; all answered before is durable."""

    #: asked, finished, broken_off, or none: nothing can be asked.
    state: str
    response_id: str = ""
    #: The question to ask now, the key of its sound, and how many keys its longest answer has.
    question: str = ""
    sound: str = ""
    most: int = 1
    #: 0 is one of its answers, so it leads to no person.
    zero: bool = False
    #: The keys before were no answer.
    refused: bool = False
    #: Questions passed over because keys cannot answer them or they have no prompt.
    skipped: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    ok: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NoAnswer:
    """The port was away or too slow: a reply to any question."""


Question: TypeAlias = (
    FindByNumber
    | FindByTail
    | AskHours
    | AskQueue
    | AskServant
    | AskCallback
    | AskTask
    | AskOptOut
    | AskText
    | AskAppointment
    | AskSurvey
)
Reply: TypeAlias = Found | Working | QueueView | Servant | Registered | Appointed | Surveyed | Done | NoAnswer


# --- ports ------------------------------------------------------------------------------------------


class Directory(Protocol):
    """Who is who. Implemented over the customers' store."""

    async def by_number(self, number: str, now: datetime) -> Found:
        """Every customer with this E.164 number, and whether it is blocked at this moment."""

    async def by_tail(self, kind: str, keys: str, among: Sequence[str]) -> Sequence[Known]:
        """Every customer with a vehicle whose plate ("plate") or VIN ("vin") ends in these telephone keys."""


class Calendar(Protocol):
    """Working time of the house."""

    def at_work(self, now: datetime) -> Working:
        """Whether somebody is at work, why not, and when again."""


class Queues(Protocol):
    """The queues as the switch tells them; answered from memory."""

    def view(self, queue: str, priority: int) -> QueueView:
        """The queue as a caller of this priority would meet it. Raises Unavailable while unknown."""

    async def servant(self, customer_id: str, who: Sequence[str], queue: str) -> Servant:
        """The first of the customer's agents that is ready now."""


class Tasks(Protocol):
    """Tasks for people; durable when a method returns, and once per call however often it is asked."""

    async def callback(self, request: AskCallback, now: datetime) -> Registered: ...

    async def task(self, request: AskTask, now: datetime) -> bool: ...


class Suppression(Protocol):
    """Who does not want to hear from us."""

    async def opt_out(self, request: AskOptOut, now: datetime) -> bool: ...


class Appointments(Protocol):
    """Appointments of customers; durable when it returns, and once per call however often it is asked."""

    async def appoint(self, request: AskAppointment, now: datetime) -> Appointed: ...


class Surveys(Protocol):
    """Questionnaires by keypad; durable when it returns, and the same call never begins a second response."""

    async def survey(self, request: AskSurvey, now: datetime) -> Surveyed: ...


class TextSender(Protocol):
    """Texts to callers: a row in an outbox, sent later."""

    async def send(self, request: AskText, now: datetime) -> bool: ...


class Journal(Protocol):
    """The call log."""

    async def record(self, *facts: Fact) -> None:
        """Store facts; their call has its row, or they wait on disk, when it returns.

        Raises Unavailable where not even a spool file took them.
        """

    async def secure(self, *facts: Fact) -> None:
        """Make facts outlive the service at once; the call's row shows them a moment later. Raises as `record`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arrival:
    """A call as the switch hands it over, checked and signed."""

    #: ivr, queue-exit or rating (`telephony.asterisk.names`).
    script: str
    uniqueid: str
    linkedid: str
    #: Caller's number as delivered, at most 64 printable characters; "" where hidden.
    caller: str
    #: The called number, the queue left, or the queue of the talk that is over.
    subject: str
    #: Key that took the caller out of the queue.
    key: str = ""
    #: When the switch handed the call over, epoch seconds: tells two visits of one call apart.
    epoch: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Heard:
    """What came back from the line: keys, whether # ended them, whether the sound could be played."""

    keys: str
    hash: bool = False
    played: bool = True


class Line(Protocol):
    """One caller's line. Every method raises LineGone once the caller has hung up."""

    @property
    def arrival(self) -> Arrival: ...

    async def answer(self) -> None:
        """Pick up."""

    async def recall(self, names: Sequence[str]) -> Sequence[str]:
        """What was remembered on the line under these names before; "" for nothing."""

    async def ask(self, sounds: Sequence[Sound], seconds: float, most: int) -> Heard:
        """Play, then take up to `most` keys; the dead man's switch covers the sounds and the waits."""

    async def play(self, sounds: Sequence[Sound]) -> None:
        """Play to the end, whatever is pressed."""

    async def release(self, variables: Sequence[tuple[str, str]]) -> None:
        """Remember variables in order and give the line back to the switch: the last act."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Called:
    """A customer whom a campaign called, and what speaks to him."""

    flow: str
    #: E.164.
    number: str
    #: The language he is known to speak, or None.
    language: str | None
    #: Agents take him; `flow` speaks to whom no agent took.
    by_agents: bool = False
    #: What he was called about (`crm.consent.optouts.Purpose`).
    purpose: str = ""


class Outbound(Protocol):
    """Calls of campaigns."""

    async def called(self, call_id: str) -> Called | None:
        """Whom this call reached; None where no campaign made it. Raises Unavailable."""

    async def seat(self, call_id: str, within: float) -> str | None:
        """The telephone of an agent for this customer; None: nobody came free within so many seconds."""

    async def missed(self, call_id: str) -> None:
        """The telephone given for this customer did not take him."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ports:
    """Everything a host needs to answer the engine's questions."""

    directory: Directory
    calendar: Calendar
    queues: Queues
    tasks: Tasks
    suppression: Suppression
    texts: TextSender
    #: None: a house that books nothing by keypad.
    appointments: Appointments | None = None
    #: None: a house that asks nothing by keypad.
    surveys: Surveys | None = None
    #: None: a house that calls nobody by itself.
    outbound: Outbound | None = None
