"""Menus as data: a flow is a set of named nodes, and every node holds one step.

A flow is read from a file by `ivr.loader` and played by `ivr.engine`. Nothing here does anything.

A prompt is a sequence of pieces: a sentence (by key), a value read aloud, or a group of both that is
left out as a whole where one of its values is not known ("your place is" without a place says nothing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Final, TypeAlias

#: Kinds of values that can be read aloud; `ivr.prompts` knows how each sounds in each language.
VALUE_KINDS: Final = ("number", "digits", "plate", "date", "time", "position", "minutes", "money")

#: In place of a language: the next one of the house, for "For English, press eight".
OTHER: Final = "other"

#: Values every session may know, and what they are. Gathered digits add names of their own.
KNOWN_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "caller": "the caller's number, where he shows it",
        "plate": "plate of the vehicle, where exactly one is known",
        "queue_position": "place in the queue this caller would get",
        "wait_minutes": "expected wait in whole minutes, rounded up",
        "opens_at": "when the desk opens again",
        "promised_at": "by when the call-back was promised",
        "callback_number": "number the call-back will go to",
        "time_1": "first free time for an appointment",
        "time_2": "second free time for an appointment",
        "time_3": "third free time for an appointment",
        "appointment_at": "when the caller's appointment is",
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sentence:
    """A fixed sentence, by its key in the sentence tables."""

    key: str
    #: Spoken in this language whatever the caller's is; `OTHER`: in the one he does not hear now.
    language: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """Something known about the call, read aloud as `kind`."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Pieces that are said together or not at all."""

    pieces: tuple[Sentence | Value, ...]


Piece: TypeAlias = Sentence | Value | Group
Prompt: TypeAlias = tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Say:
    """Say something, go on."""

    kind: ClassVar[str] = "say"
    prompt: Prompt
    next: str

    def targets(self) -> Iterator[str]:
        yield self.next


@dataclass(frozen=True, kw_only=True, slots=True)
class Menu:
    """One key chooses the next node. Wrong and missing keys are counted; then `otherwise`."""

    kind: ClassVar[str] = "menu"
    prompt: Prompt
    keys: Mapping[str, str]
    otherwise: str
    invalid: Prompt
    missing: Prompt
    seconds: float | None = None
    tries: int | None = None

    def targets(self) -> Iterator[str]:
        yield from self.keys.values()
        yield self.otherwise


@dataclass(frozen=True, kw_only=True, slots=True)
class Gather:
    """Keys typed and ended by # become the value `into`; # alone goes to `skip`."""

    kind: ClassVar[str] = "gather"
    prompt: Prompt
    into: str
    least: int
    most: int
    next: str
    skip: str
    otherwise: str
    invalid: Prompt
    missing: Prompt
    seconds: float | None = None
    tries: int | None = None

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.skip, self.otherwise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """Ask what the talk was worth: one key, 1 to 5. It becomes a value of the call."""

    kind: ClassVar[str] = "rate"
    prompt: Prompt
    next: str
    otherwise: str
    invalid: Prompt
    missing: Prompt
    seconds: float | None = None
    tries: int | None = None

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.otherwise)


#: Keys of a rating, the worst first.
RATINGS: Final = ("1", "2", "3", "4", "5")


@dataclass(frozen=True, kw_only=True, slots=True)
class Language:
    """Speak this language, or the other one, from now on."""

    kind: ClassVar[str] = "language"
    language: str
    next: str

    def targets(self) -> Iterator[str]:
        yield self.next


@dataclass(frozen=True, kw_only=True, slots=True)
class Hours:
    """Branch on working time: open, lunch break, closed for the day or not yet open, holiday."""

    kind: ClassVar[str] = "hours"
    open: str
    lunch: str
    closed: str
    holiday: str

    def targets(self) -> Iterator[str]:
        yield from (self.open, self.lunch, self.closed, self.holiday)


@dataclass(frozen=True, kw_only=True, slots=True)
class Identify:
    """Find out who calls: by calling number, or by plate or VIN tail typed before.

    Several customers behind one number are never narrowed to the first: `several` asks on, and a later
    plate or VIN step looks among exactly those customers.
    """

    kind: ClassVar[str] = "identify"
    by: str
    #: Name of the gathered value, for plate and vin.
    using: str | None
    found: str
    several: str
    unknown: str
    #: Whether the language on the customer's record is taken over.
    language: bool

    def targets(self) -> Iterator[str]:
        yield from (self.found, self.several, self.unknown)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Branch on something known about the call."""

    kind: ClassVar[str] = "check"
    when: str
    yes: str
    no: str

    def targets(self) -> Iterator[str]:
        yield from (self.yes, self.no)


#: What `Check.when` may ask.
CONDITIONS: Final = (
    "blocked_caller",
    "key_customer",
    "known_customer",
    "hidden_number",
    "language_known",
    "nobody_signed_in",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Staffing:
    """Branch on a queue: somebody ready, all busy, nobody signed in, no room for another caller."""

    kind: ClassVar[str] = "staffing"
    queue: str
    ready: str
    busy: str
    unstaffed: str
    full: str

    def targets(self) -> Iterator[str]:
        yield from (self.ready, self.busy, self.unstaffed, self.full)


@dataclass(frozen=True, kw_only=True, slots=True)
class Queue:
    """Route to a queue; key customers get `key_priority`. Ends the flow."""

    kind: ClassVar[str] = "queue"
    queue: str
    priority: int
    key_priority: int
    #: Seconds; None: as the queue's own settings say.
    max_wait: int | None
    prompt: Prompt

    def targets(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Ring one agent first, then the queue: a key customer's own agent, the agent who served last.

    Where none of them is ready now, `otherwise`.
    """

    kind: ClassVar[str] = "person"
    who: tuple[str, ...]
    queue: str
    seconds: int
    priority: int
    key_priority: int
    own_prompt: Prompt
    last_prompt: Prompt
    otherwise: str

    def targets(self) -> Iterator[str]:
        yield self.otherwise


@dataclass(frozen=True, kw_only=True, slots=True)
class Announce:
    """Say place and expected wait, if the caller has to wait at all."""

    kind: ClassVar[str] = "announce"
    queue: str
    prompt: Prompt
    next: str

    def targets(self) -> Iterator[str]:
        yield self.next


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferCallback:
    """Offer a call-back where the expected wait is long; silence and any other key stay on the line.

    Callers on the line are served first and the call-back comes within the promised time: moving work out
    of the peak is what halves abandonment, not a virtual place in line.
    """

    kind: ClassVar[str] = "offer_callback"
    queue: str
    #: Expected wait in seconds from which the offer is made; None: as the settings say.
    after_seconds: int | None
    prompt: Prompt
    accept: str
    seconds: float | None
    accepted: str
    declined: str

    def targets(self) -> Iterator[str]:
        yield from (self.accepted, self.declined)


@dataclass(frozen=True, kw_only=True, slots=True)
class Callback:
    """Register a call-back with a promised time. `number` names a gathered value or is the caller's."""

    kind: ClassVar[str] = "callback"
    queue: str
    number: str
    next: str
    otherwise: str

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.otherwise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Voicemail:
    """Route to a queue's voicemail box. Ends the flow."""

    kind: ClassVar[str] = "voicemail"
    box: str
    prompt: Prompt

    def targets(self) -> Iterator[str]:
        yield from ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOut:
    """Suppress the caller's number for a purpose, durably, before it is confirmed to him."""

    kind: ClassVar[str] = "opt_out"
    #: "campaign": whatever the campaign called about; without one, everything.
    purpose: str
    next: str
    otherwise: str

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.otherwise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Say that the call is recorded. Only after it, and without the refusing key, recording may start.

    Any other key is kept as typed ahead for the next menu.
    """

    kind: ClassVar[str] = "notice"
    notice: str
    prompt: Prompt
    refuse: str
    refused: Prompt
    seconds: float
    next: str

    def targets(self) -> Iterator[str]:
        yield self.next


@dataclass(frozen=True, kw_only=True, slots=True)
class SendText:
    """Send a text by template to the caller; the call goes on whatever becomes of it."""

    kind: ClassVar[str] = "send_text"
    template: str
    next: str

    def targets(self) -> Iterator[str]:
        yield self.next


@dataclass(frozen=True, kw_only=True, slots=True)
class CreateTask:
    """Leave a task for the people of a queue."""

    kind: ClassVar[str] = "task"
    task: str
    queue: str
    #: Working minutes until it is due.
    minutes: int
    next: str
    otherwise: str

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.otherwise)


#: What an appointment step does.
APPOINTMENT_ACTS: Final = ("times", "book", "next", "move", "cancel")


@dataclass(frozen=True, kw_only=True, slots=True)
class Appointment:
    """Appointments of a known caller: find free times, book one of them, find, move or cancel the next one.

    `times` fills time_1 to time_3 and `next` fills appointment_at; `book` and `move` take time number `choice`.
    """

    kind: ClassVar[str] = "appointment"
    act: str
    work: str
    choice: int
    next: str
    #: There is no free time, no appointment, or the time was taken meanwhile.
    none: str
    #: Nobody could tell, or the caller is not known: towards a person.
    otherwise: str

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.none, self.otherwise)


@dataclass(frozen=True, kw_only=True, slots=True)
class Survey:
    """Ask the questions of an approved questionnaire that keys can answer, one after the other.

    Every answer is stored before the next question is asked; whatever ends it, what was answered is kept.
    """

    kind: ClassVar[str] = "survey"
    questionnaire: str
    #: Said before a number that # ends.
    number_prompt: Prompt
    invalid: Prompt
    missing: Prompt
    #: Everything that had to be answered is.
    next: str
    #: It ended before: a question keys cannot answer, no prompt, or too many wrong or missing keys.
    partly: str
    #: There is nothing to ask, or nobody could tell.
    otherwise: str
    #: Where 0 leads; None: nowhere.
    person: str | None = None
    seconds: float | None = None
    tries: int | None = None

    def targets(self) -> Iterator[str]:
        yield from (self.next, self.partly, self.otherwise)
        if self.person is not None:
            yield self.person


@dataclass(frozen=True, kw_only=True, slots=True)
class HangUp:
    """Say goodbye. Ends the flow and the call."""

    kind: ClassVar[str] = "hangup"
    prompt: Prompt

    def targets(self) -> Iterator[str]:
        yield from ()


Step: TypeAlias = (
    Say
    | Menu
    | Gather
    | Rate
    | Language
    | Hours
    | Identify
    | Check
    | Staffing
    | Queue
    | Person
    | Announce
    | OfferCallback
    | Callback
    | Voicemail
    | OptOut
    | Notice
    | SendText
    | CreateTask
    | Appointment
    | Survey
    | HangUp
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flow:
    """A checked flow: every target exists, every node is reachable, nothing loops without the caller."""

    name: str
    #: SHA-1 of the file, first 12 hex digits: a session belongs to exactly one version.
    version: str
    start: str
    #: Where wrong or missing input leads when a step names nothing else: always towards a person.
    way_out: str
    #: Language before anything is known of the caller.
    language: str
    #: All languages, the first one first.
    languages: tuple[str, ...]
    #: Keys that work in every menu ("0": a person at any time).
    anywhere: Mapping[str, str] = field(default_factory=dict)
    #: What a node is called on the agents' page, by language: "pressed 1: book a service".
    titles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    nodes: Mapping[str, Step]


def silent_targets(step: Step) -> Iterator[str]:
    """Nodes this step can lead to while the caller presses nothing."""
    match step:
        case Menu() | Gather() | Rate():
            yield step.otherwise
        case OfferCallback():
            yield step.declined
        case _:
            yield from step.targets()
