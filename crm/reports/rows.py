"""What a figure counts, and the rows it opens: one question for both, so that they cannot differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from access.sentences import Sentence


class ReportError(Exception):
    """Base of what can be refused about reports; nothing was changed.

    ReportError
    ├── ReportNotFound      there is no such list, report or file, or not for this person
    ├── BadReport           a field is missing or cannot be; `field` says which
    ├── ReportStepRefused   the state does not allow the step; `allowed_steps` are those it does
    └── ReportChanged       somebody was first; `theirs` is what stands there now
    """

    error_id = "report-error"


class ReportNotFound(ReportError):
    """There is none, or it is not for this person."""

    error_id = "report-not-found"


class BadReport(ReportError):
    """A field is missing, too long, or says what cannot be."""

    error_id = "bad-report"

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class ReportStepRefused(ReportError):
    """The state does not allow the step."""

    error_id = "report-step-refused"

    def __init__(self, sentence: str, *, state: str = "", allowed_steps: tuple[str, ...] = ()) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed_steps = allowed_steps


class ReportChanged(ReportError):
    """Somebody else was first."""

    error_id = "report-changed"

    def __init__(self, sentence: str, *, version: int, theirs: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.version = version
        self.theirs = theirs


class Source(StrEnum):
    """A kind of rows that is counted and listed."""

    # an agent's day
    CALLS_IN = "calls_in"
    CALLS_OUT = "calls_out"
    CALLS_MISSED = "calls_missed"
    CALLS_TALKED = "calls_talked"
    UNFILED = "unfiled"
    REGISTRATIONS = "registrations"
    CONTACTS_DONE = "contacts_done"
    CONTACTS_TRIED = "contacts_tried"
    SURVEYS = "surveys"
    CASES_OPENED = "cases_opened"
    CASE_STEPS = "case_steps"
    APPOINTMENTS_BOOKED = "appointments_booked"
    TASKS_DONE = "tasks_done"
    TASKS_LATE = "tasks_late"
    CORRECTIONS_RAISED = "corrections_raised"
    # lists of the papers
    DISSATISFIED = "dissatisfied"
    UNSUCCESSFUL = "unsuccessful"
    ASK_NEXT = "ask_next"
    BROUGHT = "brought"  # visits that an appointment or a reminder brought
    PROBLEMS = "problems"
    # complaints
    CASES = "cases"
    CASES_CLOSED = "cases_closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which rows of a source. Empty texts and None narrow nothing."""

    since: datetime | None = None
    #: Exclusive.
    until: datetime | None = None
    user_id: str = ""
    department: str = ""
    #: Rows of no department.
    no_department: bool = False
    customer_id: str = ""
    #: Of cases.
    kind: str = ""
    grade: str = ""
    model: str = ""
    responsibility: str = ""
    cause: str = ""
    handler_id: str = ""
    round: int | None = None
    #: A yes or no about cases: one of `MARKS`.
    mark: str = ""

    def words(self) -> dict[str, str]:
        """As parameters of an address; what narrows nothing is left out."""
        found: dict[str, str] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value in (None, "", False):
                continue
            if isinstance(value, datetime):
                found[one.name] = value.isoformat()
            else:
                found[one.name] = "true" if value is True else str(value)
        return found


#: What is asked of cases with yes or no.
MARKS: Final = (
    "answered",
    "solved",
    "first_on_time",
    "first_late",
    "solved_on_time",
    "solved_late",
    "repeated",
    "reopened",
    "satisfied_first",
    "visited",
    "exception",
    "open",
    "closed",
)


def read_wanted(words: Mapping[str, str]) -> Wanted:
    """What `Wanted.words` wrote. Raises ValueError."""

    def moment(name: str) -> datetime | None:
        if not words.get(name):
            return None
        value = datetime.fromisoformat(words[name])
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone")
        return value

    names = {one.name for one in fields(Wanted)}
    if unknown := set(words) - names:
        raise ValueError(f"unknown: {sorted(unknown)}")
    mark = words.get("mark", "")
    if mark and mark not in MARKS:
        raise ValueError(f"no such mark: {mark}")
    plain = ("user_id", "department", "customer_id", "kind", "grade", "model", "responsibility", "cause")
    return Wanted(
        since=moment("since"),
        until=moment("until"),
        no_department=words.get("no_department") == "true",
        round=int(words["round"]) if words.get("round") else None,
        mark=mark,
        handler_id=words.get("handler_id", ""),
        **{name: words.get(name, "") for name in plain},
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A number with the rows behind it."""

    name: str
    source: Source
    wanted: Wanted = field(default_factory=Wanted)
    count: int = 0
    #: Of sources that have a length.
    seconds: float = 0.0

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.name,
            "source": self.source.value,
            "wanted": self.wanted.words(),
            "count": self.count,
            "seconds": round(self.seconds, 1),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Figure:
        """Of the JSON that `plain` made."""
        return cls(
            name=plain["name"],
            source=Source(plain["source"]),
            wanted=read_wanted(plain["wanted"]),
            count=plain["count"],
            seconds=plain["seconds"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row behind a figure, as this viewer may see it."""

    #: What it is: call, task, registration, case, contact, response, appointment, correction.
    kind: str
    id: str
    at: datetime
    customer_id: str | None = None
    customer_name: str = ""
    customer_number: str = ""
    #: A restricted record: the row says that it is there, and no more.
    closed: bool = False
    number: str = ""
    user_id: str | None = None
    user_name: str = ""
    department: str = ""
    #: What came of it: a word of its kind.
    word: str = ""
    text: str = ""
    seconds: float = 0.0
    #: Id of what it is a part of: the case of a step, the call of a registration.
    about: str = ""
    #: Where it was passed to its department, and when (problems only).
    passed_at: datetime | None = None
    list_id: str | None = None


def day_bounds(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """From the beginning of the first day to the end of the last one (exclusive), of the house's days."""
    return (
        datetime.combine(first, time(), zone),
        datetime.combine(last + timedelta(days=1), time(), zone),
    )


def check_text(value: str, name: str, *, longest: int, needed: bool = False) -> str:
    """A text a person wrote, tidied. Raises BadReport."""
    text = value.replace("\r\n", "\n").strip()
    if needed and not text:
        raise BadReport(
            Sentence(
                "{report_field}: something has to be written here. Nothing was changed.", report_field=name
            ),
            field=name,
        )
    if len(text) > longest:
        raise BadReport(
            Sentence(
                "{report_field}: at most {most} characters. Nothing was changed.",
                report_field=name,
                most=longest,
            ),
            field=name,
        )
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise BadReport(
            Sentence("{report_field}: control characters are not allowed.", report_field=name), field=name
        )
    return text
