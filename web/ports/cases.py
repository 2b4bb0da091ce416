"""What the pages and API of cases need. A department's user sees the cases of his own department only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.cases.cases import Case, CaseEvent, CaseKind, CaseSource, CaseState, Grade, NewCase
from crm.cases.steps import Given, Step
from crm.links.links import Link


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseFilter:
    """Which cases a list holds. Everything given must hold."""

    #: open: not closed; overdue: open and past the nearest deadline, most overdue first.
    which: Literal["open", "overdue", "closed", "all"] = "open"
    state: CaseState | None = None
    kind: CaseKind | None = None
    grade: Grade | None = None
    source: CaseSource | None = None
    department: str | None = None
    handler_id: str | None = None
    #: Only those the viewer is in charge of.
    mine: bool = False
    #: Only those nobody is in charge of.
    free: bool = False
    customer_id: str | None = None
    vehicle_id: str | None = None
    #: Number of a case, or words of its subject and of what the customer said.
    text: str = ""
    #: Days of the house on which the case was opened, both included.
    opened_from: date | None = None
    opened_to: date | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseLine:
    """One case of a list as this viewer may see it: names, numbers and words masked where they must be."""

    case: Case
    customer_name: str = ""
    plate: str = ""
    model: str = ""
    handler_name: str = ""
    overdue: bool = False
    #: About a customer whose record is closed to this viewer: it says nothing but that there is one.
    closed_to_viewer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseView:
    """One case with its trail, and what this viewer can do with it now."""

    line: CaseLine
    events: Sequence[CaseEvent] = ()
    #: Steps the state allows and this viewer may take, in the order of the way.
    allowed: Sequence[Step] = ()
    #: Cases of the same customer or vehicle, the newest first, itself left out.
    others: Sequence[CaseLine] = ()
    #: The private links made for it, the newest first; no secret is in them.
    links: Sequence[Link] = ()
    #: The grade it should have, where it repeats another.
    suggested_grade: Grade | None = None
    exception_possible: bool = False

    @property
    def case(self) -> Case:
        return self.line.case


@dataclass(frozen=True, kw_only=True, slots=True)
class CasePage:
    items: Sequence[CaseLine]
    #: Open cases by state, and "overdue", "mine", "free"; of what the viewer may see.
    counts: Mapping[str, int]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkMade:
    """A link as it was made: the only moment at which secret and PIN can be read."""

    link: Link
    #: Address to send to the department: web.public_url and /l/case/{secret}.
    path: str
    secret: str
    pin: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Stepped:
    """What a step came to; `link` where a new private link was made for the department with it."""

    view: CaseView
    link: LinkMade | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkCase:
    """What a private link shows of its case after the right PIN: what the department needs, and no number."""

    link: Link
    line: CaseLine
    events: Sequence[CaseEvent] = ()
    allowed: Sequence[Step] = ()
    #: Language to how the customer is addressed, 王先生: a department needs no whole name.
    addressed: Mapping[str, str] = field(default_factory=dict)

    @property
    def case(self) -> Case:
        return self.line.case


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseChoices:
    """What forms offer."""

    #: Department to its name per language.
    departments: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: User id to name of who can be in charge.
    handlers: Mapping[str, str] = field(default_factory=dict)


class Cases(Protocol):
    """Cases. `entry` is written to the audit log in the same transaction."""

    async def list(
        self,
        viewer: Principal,
        wanted: CaseFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> CasePage:
        """Open ones the first due first, others the newest first. Raises BadCursor."""

    async def get(self, viewer: Principal, case_id: str, now: datetime) -> CaseView:
        """Raises CaseNotFound."""

    async def create(
        self, viewer: Principal, new: NewCase, entry: Entry, *, once: Once | None = None
    ) -> CaseView:
        """Open a case. The same occasion, or the same key of `once`, gives the first one again.

        Raises BadCase, CustomerNotFound, VehicleNotFound, UserNotFound, KeyReused.
        """

    async def step(
        self,
        viewer: Principal,
        case_id: str,
        step: Step,
        given: Given,
        entry: Entry,
        *,
        version: int | None = None,
        with_link: bool = False,
    ) -> Stepped:
        """Take a step. `version`: the one the viewer decided on; None: whatever it is now. `with_link` (ASSIGN,
        LINK, SECOND_VISIT): make the department's private link with it.

        Raises CaseNotFound, StepNotAllowed, StepForbidden, CaseChanged, BadCase.
        """

    async def of_customer(self, viewer: Principal, customer_id: str, now: datetime) -> Sequence[CaseLine]:
        """Open cases of a customer, the first due first; for the desk and the person's page."""

    async def choices(self) -> CaseChoices: ...

    # -- a department without an account (/l/case/{secret})

    async def open_link(self, secret: str, now: datetime) -> Link:
        """Before the PIN: the link says whether one is needed and for which department it is, nothing of the case.

        Raises LinkNotFound, LinkUsed, LinkRevoked, LinkExpired.
        """

    async def link_case(self, secret: str, pin: str, now: datetime) -> LinkCase:
        """The case behind a link. Raises as `open_link`, and PinWrong."""

    async def link_step(
        self,
        secret: str,
        pin: str,
        step: Step,
        given: Given,
        *,
        name: str,
        version: int | None,
        now: datetime,
        address: str = "",
    ) -> LinkCase:
        """A step of `OF_LINK` by whoever typed this name. Raises as `link_case` and `step`."""
