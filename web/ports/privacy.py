"""What the web side needs of the second factor, and of everything about who may see what."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO, Protocol

from access.approvals import Approval
from access.audit import Entry
from access.privacy import PrivacyRequest, RequestKind
from access.second_factor import Factor
from access.users import Principal


class SecondFactors(Protocol):
    """Authenticator apps and recovery codes. `entry` is written in the same transaction."""

    async def of(self, user_id: str) -> Factor | None: ...

    async def owners(self) -> Collection[str]:
        """Ids of the users who have a confirmed one."""

    async def begin(self, user_id: str, now: datetime) -> str:
        """A new secret in base 32, for the QR code. Raises FactorExists where one is confirmed."""

    async def begun(self, user_id: str) -> str | None:
        """The secret of a set-up that is not confirmed yet; None where there is none."""

    async def confirm(self, user_id: str, code: str, now: datetime, entry: Entry) -> Sequence[str]:
        """The recovery codes, this once. Raises CodeRefused, NoFactor, FactorExists."""

    async def take(self, user_id: str, code: str, now: datetime, used_up: Entry) -> None:
        """Use a code of the app, or a recovery code (then `used_up` is written). Raises CodeRefused, NoFactor."""

    async def remove(self, user_id: str, entry: Entry) -> None:
        """Raises NoFactor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ApprovalView:
    """A request to open a record, with names a person can read."""

    approval: Approval
    customer: str
    customer_number: str
    asked_by: str
    decided_by: str | None
    may_decide: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestView:
    """A person's request about his data, with names a person can read, and what is still owed to him."""

    request: PrivacyRequest
    customer: str
    customer_number: str
    asked_by: str
    decided_by: str | None
    may_decide: bool
    #: Kind, id and when, of what is open; empty in lists.
    owed: Sequence[tuple[str, str, datetime | None]] = ()
    #: Why it cannot be erased now; empty: nothing is in the way.
    held: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """A legal hold that stands."""

    id: str
    customer_id: str
    customer: str
    reason: str
    placed_by: str
    placed_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Whose:
    """A customer whom a form is about."""

    id: str
    name: str
    number: str


class Approvals(Protocol):
    """Opening restricted records. `entry` is written in the same transaction."""

    async def list(self, viewer: Principal, *, waiting: bool, before: str = "") -> Sequence[ApprovalView]:
        """What waits for a decision, or all (without `approvals.decide`: one's own)."""

    async def ask(self, viewer: Principal, customer_id: str, reason: str, entry: Entry) -> ApprovalView:
        """Raises CustomerNotFound, ReasonMissing."""

    async def open_in_call(
        self, viewer: Principal, customer_id: str, reason: str, entry: Entry
    ) -> ApprovalView:
        """Raises CustomerNotFound, NoSuchCallNow, ReasonMissing."""

    async def decide(
        self, viewer: Principal, approval_id: str, *, granted: bool, hours: int, note: str, entry: Entry
    ) -> ApprovalView:
        """Raises ApprovalNotFound, SamePerson, AlreadyDecided."""

    async def review(self, viewer: Principal, approval_id: str, entry: Entry) -> ApprovalView:
        """Sign an emergency opening off. Raises as `decide`."""

    async def circulation(self, customer_id: str) -> Sequence[tuple[str, str]]:
        """User id and name of those who may open the record without asking."""

    async def circulate(self, customer_id: str, user_id: str, on: bool, entry: Entry) -> None:
        """Put somebody on the list or take him off. Raises UserNotFound, CustomerNotFound."""


class Privacy(Protocol):
    """People's rights over their data. `entry` is written in the same transaction."""

    async def list(
        self, viewer: Principal, *, state: str = "", before: str = ""
    ) -> Sequence[RequestView]: ...

    async def get(self, viewer: Principal, request_id: str) -> RequestView:
        """With what is owed and what is in the way. Raises RequestNotFound."""

    async def ask(
        self, viewer: Principal, kind: RequestKind, customer_id: str, identity: str, reason: str, entry: Entry
    ) -> RequestView:
        """Raises CustomerNotFound, RequestOpen."""

    async def decide(
        self, viewer: Principal, request_id: str, *, approved: bool, note: str, entry: Entry
    ) -> RequestView:
        """Approve or refuse; what was approved is done at once. Raises RequestNotFound, SamePerson, AlreadyDecided,
        OnHold, CallGoingOn (then it stays as it was).
        """

    async def finish_correction(self, request_id: str, entry: Entry) -> None:
        """The record was corrected."""

    async def archive(self, viewer: Principal, request_id: str, entry: Entry) -> tuple[str, IO[bytes]]:
        """File name and content of an approved export; `entry` is committed before. Raises RequestNotFound."""

    async def whose(self, viewer: Principal, sought: str) -> Whose | None:
        """The customer with this id or customer number."""

    async def holds(self) -> Sequence[Hold]: ...

    async def hold(self, viewer: Principal, customer_id: str, reason: str, entry: Entry) -> None:
        """Raises CustomerNotFound."""

    async def release(self, viewer: Principal, hold_id: str, reason: str, entry: Entry) -> None:
        """Raises HoldNotFound."""
