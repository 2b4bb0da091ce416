"""What the pages and API of contacts need: whom to call, why, what came of it, and the rules that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.contacts.contacts import Contact, ContactEvent, NewReason, Reason, ReasonKind, Result, Try
from crm.contacts.rules import Rules


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactFilter:
    """Which contacts a list holds. Everything given must hold."""

    #: open: to be called, held ones left out; unsuccessful: closed because the tries were used up.
    which: Literal["open", "overdue", "held", "closed", "unsuccessful", "all"] = "open"
    kind: ReasonKind | None = None
    owner_id: str | None = None
    mine: bool = False
    #: Only those nobody has.
    free: bool = False
    department: str | None = None
    customer_id: str | None = None
    vehicle_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReasonLine:
    reason: Reason
    plate: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactLine:
    """One contact of a list as this viewer may see it."""

    contact: Contact
    #: Open ones first.
    reasons: Sequence[ReasonLine] = ()
    customer_name: str = ""
    #: As this viewer may see it.
    number: str = ""
    owner_name: str = ""
    overdue: bool = False
    #: Codes of wishes not to be called that hold for the number: shown, never silently dropped.
    blocked: Sequence[str] = ()
    closed_to_viewer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Callee:
    """Somebody who can be called for it, in the order to try."""

    customer_id: str
    name: str
    role: str
    number: str
    #: Which of his numbers it is, for who may not read it (`storage.customers.in_places`).
    place: int = 0
    vehicle_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactView:
    line: ContactLine
    tries: Sequence[Try] = ()
    events: Sequence[ContactEvent] = ()
    callees: Sequence[Callee] = ()
    #: What may be given now; empty: closed, or somebody else's.
    allowed: Sequence[Result] = ()

    @property
    def contact(self) -> Contact:
        return self.line.contact


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactPage:
    items: Sequence[ContactLine]
    #: "open", "overdue", "held", "mine", "free".
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Open reasons of open contacts, by kind.
    kinds: Mapping[str, int] = field(default_factory=dict)
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DueRun:
    """One day's generation."""

    day: date
    started_at: datetime
    finished_at: datetime | None
    part: str
    counts: Mapping[str, int]
    seconds: float


class Contacts(Protocol):
    """Contacts. `entry` is written to the audit log in the same transaction."""

    async def list(
        self,
        viewer: Principal,
        wanted: ContactFilter,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> ContactPage:
        """Open ones the first due first, closed ones the last closed first. Raises BadCursor."""

    async def get(self, viewer: Principal, contact_id: str, now: datetime) -> ContactView:
        """Raises ContactNotFound."""

    async def of_customer(self, viewer: Principal, customer_id: str, now: datetime) -> ContactLine | None:
        """The open or held contact of a customer; for the desk and the person's page."""

    async def add(
        self, viewer: Principal, new: NewReason, entry: Entry, *, once: Once | None = None
    ) -> ContactView:
        """A reason by hand. Raises BadContact, CustomerNotFound, VehicleNotFound."""

    async def give_result(
        self,
        viewer: Principal,
        contact_id: str,
        result: Result,
        entry: Entry,
        *,
        version: int | None = None,
        note: str = "",
        call_id: str | None = None,
        done_reasons: Sequence[str] | None = None,
    ) -> ContactView:
        """What came of a call. PARTLY: `done_reasons` were spoken about, the others stay open.

        Raises ContactNotFound, ContactClosed, ContactTaken, ContactChanged, BadContact.
        """

    async def assign(
        self, viewer: Principal, contact_id: str, owner_id: str | None, version: int | None, entry: Entry
    ) -> ContactView:
        """Take it, give it back, or (with the right) give it to somebody. Raises as `give_result`, UserNotFound."""

    async def postpone(
        self, viewer: Principal, contact_id: str, until: datetime, version: int | None, entry: Entry
    ) -> ContactView:
        """The customer asked for another time. Raises as `give_result`."""

    async def rules(self) -> Rules: ...

    async def save_rules(self, viewer: Principal, rules: Rules, entry: Entry) -> Rules:
        """`rules.version`: the one that was edited. Raises BadContact, ContactChanged."""

    async def rule_changes(self) -> Sequence[Entry]:
        """The latest changes of the rules, the newest first: in `data`, what was and what is, by name."""

    async def runs(self, *, limit: int = 30) -> Sequence[DueRun]:
        """The newest first."""
