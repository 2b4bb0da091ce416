"""What the web side needs from the rest. The composition root plugs the real things in.

Every method is one unit of work. What it did is durable when it returns, and nothing was done where it
raises. Errors carry an `error_id` that `web.problems` knows; a method may always raise the store's
"unavailable" error beside those named here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import IO, Literal, Protocol

from access.audit import Entry
from access.logins import LoginLimit
from access.passwords import Passwords
from access.permissions import Role
from access.requests import Once
from access.sessions import Session, SessionEnd
from access.suspicion import Finding
from access.tokens import Token
from access.users import Language, Principal, Theme, User
from telephony.agents import Agent
from telephony.call_lists import CallDetail, CallFilter, CallPage, CallSort
from telephony.clock import Clock
from telephony.control import Target
from telephony.directory import Department
from telephony.ports import QueueCount
from web.options import WebOptions
from web.ports.aftercall import Aftercall
from web.ports.appointments import Appointments
from web.ports.bulletins import Bulletins
from web.ports.calling import Calling
from web.ports.campaigns import Campaigns
from web.ports.case_desk import CaseDesk
from web.ports.cases import Cases
from web.ports.contactability import Contactability
from web.ports.contacts import Contacts
from web.ports.corrections import Corrections
from web.ports.desk import Pops
from web.ports.groups import Groups
from web.ports.hooks import Hooks
from web.ports.imports import Exports, Imports
from web.ports.maintenance import Maintenance
from web.ports.merging import Merging
from web.ports.phone import BrowserPhones
from web.ports.privacy import Approvals, Privacy, SecondFactors
from web.ports.records import Records
from web.ports.reports import Reports
from web.ports.survey_links import SurveyLinks
from web.ports.survey_results import SurveyResults
from web.ports.surveys import Surveys


class Users(Protocol):
    """People. `entry` is written to the audit log in the same transaction."""

    async def password_of(self, login: str) -> tuple[User, str] | None:
        """The user with this cleaned login and the stored hash."""

    async def list(self) -> Sequence[User]: ...

    async def get(self, user_id: str) -> User:
        """Raises UserNotFound."""

    async def create(self, user: User, password_hash: str, entry: Entry) -> None:
        """Raises LoginTaken."""

    async def change(
        self,
        user_id: str,
        entry: Entry,
        *,
        name: str | None = None,
        role: Role | None = None,
        language: Language | None = None,
        theme: Theme | None = None,
        department: str | None = None,
    ) -> User:
        """Raises UserNotFound, LastAdmin. Another role ends the user's sessions; department "" is none."""

    async def disable(self, user_id: str, entry: Entry) -> User:
        """Ends the user's sessions. Raises UserNotFound, LastAdmin."""

    async def enable(self, user_id: str, entry: Entry) -> User:
        """Raises UserNotFound."""

    async def set_password(
        self, user_id: str, password_hash: str, entry: Entry, keep_session: str, *, must_change: bool = False
    ) -> None:
        """Ends the user's sessions but one. Raises UserNotFound."""

    async def names(self) -> Mapping[str, str]:
        """Id to name, of everybody who ever was a user."""


class Sessions(Protocol):
    """Signed-in browsers."""

    async def begin(
        self, session: Session, entry: Entry, *, replaces: Sequence[str], password_hash: str
    ) -> None:
        """Add a session and end those the browser had (empty ones are none).

        Raises LoginRefused where the user was disabled, or got another password, since it was checked.
        """

    async def find(self, session_id: str) -> Session | None: ...

    async def touch(self, session_id: str, now: datetime) -> None: ...

    async def end(self, session_id: str, why: SessionEnd, entry: Entry) -> None: ...

    async def live(self, ids: Collection[str], now: datetime, longest: timedelta) -> Collection[str]:
        """Which of these are still good: not ended, not too old, the user not disabled."""

    async def of_user(
        self, user_id: str, now: datetime, idle: timedelta, longest: timedelta
    ) -> Sequence[Session]:
        """The user's sessions that still count, last used first."""

    async def end_of(self, user_id: str, session_id: str, why: SessionEnd, entry: Entry) -> bool:
        """End one session of this user; False where it is not his, or over."""

    async def end_others(self, user_id: str, but: str, why: SessionEnd, entry: Entry) -> None:
        """End all of the user's sessions but one (empty: all)."""


class Tokens(Protocol):
    """Programs' keys."""

    async def find(self, secret_hash: str) -> Token | None: ...

    async def list(self) -> Sequence[Token]: ...

    async def create(self, token: Token, secret_hash: str, entry: Entry) -> None:
        """Raises UserNotFound where the token is for a user who is not there."""

    async def revoke(self, token_id: str, entry: Entry) -> Token:
        """Raises TokenNotFound."""

    async def touch(self, token_id: str, now: datetime) -> None: ...

    async def live(self, ids: Collection[str], now: datetime) -> Collection[str]: ...


class AuditLog(Protocol):
    """Who did what."""

    async def append(self, entry: Entry) -> None: ...

    async def append_all(self, entries: Sequence[Entry]) -> None:
        """All of them or none."""

    async def list(
        self,
        *,
        before: str,
        subject: str,
        limit: int,
        actor_id: str = "",
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Entry]: ...

    async def suspicious(self, since: datetime) -> Sequence[Finding]:
        """What stands out since then: many views, at night, others' key accounts."""

    async def calls_of(
        self, number: str, since: datetime, until: datetime, entry: Entry
    ) -> tuple[str, IO[bytes]]:
        """File name and content: every call of an E.164 number in order, sealed; `entry` is committed before (C10)."""


class CallLog(Protocol):
    """The call log as this viewer may see it: scope and masks are the data layer's work."""

    async def list(
        self, viewer: Principal, wanted: CallFilter, sort: CallSort, cursor: str | None, limit: int
    ) -> CallPage:
        """Raises BadCursor."""

    async def get(self, viewer: Principal, call_id: str) -> CallDetail | None:
        """None where there is no such call, and also where the viewer may not see it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskView:
    """Something a person must do by a time, as this viewer may see it (numbers masked)."""

    id: str
    kind: str
    state: str
    due_at: datetime | None
    created_at: datetime
    subject: str = ""
    number: str | None = None
    customer_id: str | None = None
    call_id: str | None = None
    owner_id: str | None = None
    owner_name: str | None = None
    closed_at: datetime | None = None
    result: str | None = None
    #: Queue or department it is for.
    department: str | None = None
    #: Name of who made it by hand.
    made_by: str | None = None
    customer_name: str | None = None
    #: What it is a step of and ends with: "contact:ID", "case:ID", "appointment:ID".
    about: str | None = None
    #: It only tells of that, and may be put away by itself.
    notice: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskPage:
    items: Sequence[TaskView]
    next: str | None = None


class Tasks(Protocol):
    """The task list. Claims and closings of one task take turns in the database."""

    async def list(
        self,
        viewer: Principal,
        *,
        state: Literal["open", "mine", "closed", "all"],
        now: datetime,
        cursor: str | None,
        limit: int,
    ) -> TaskPage:
        """Open first by due time. Raises BadCursor."""

    async def claim(self, viewer: Principal, task_id: str, now: datetime) -> TaskView:
        """The task is the viewer's from now on; claiming one's own task again changes nothing.

        Raises crm.tasks.tasks.TaskNotFound; TaskTaken with the holder's user id.
        """

    async def close(self, viewer: Principal, task_id: str, result: str, now: datetime) -> TaskView:
        """The task is done. Raises TaskNotFound; TaskTaken where another holds it or it is closed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dialed:
    """A call that was ordered. `replayed`: the same request had been answered before."""

    call_id: str
    replayed: bool = False


class Desk(Protocol):
    """What an agent, or a supervisor for an agent, does at the telephone.

    `agent_id` is the user's id; which of his phones is used is the desk's knowledge. `by` is who asks,
    for the audit trail of the fact. Every order acts on the switch as it is at that moment.

    Raises, all of them: NoSuchAgent, AgentError (a step the state does not allow), NoSuchCall, NotYourCall
    (`holder` is the user id or the name of who is on it), NotPossibleNow, NoSuchTarget, SwitchUnavailable
    (nothing was asked), ActionUnknown (asked, answer lost; look before asking again), ActionRefused.
    No order is ever repeated by itself.
    """

    async def agents(self) -> Sequence[Agent]:
        """Everybody who can take calls, signed out ones included."""

    async def queues(self) -> Sequence[QueueCount]:
        """Every queue of the settings, also where nobody waits. Never older than two seconds."""

    async def sign_in(
        self, agent_id: str, queues: Mapping[str, int] | None, phone: str | None, by: Principal
    ) -> Agent:
        """Member of `queues` (name to penalty; None: all) on `phone` (endpoint; None: his first one).

        A paused agent stays paused. Raises NoSuchQueue, NoSuchPhone.
        """

    async def sign_out(self, agent_id: str, by: Principal) -> Agent: ...

    async def pause(self, agent_id: str, reason: str, by: Principal) -> Agent:
        """At once, or after the call that is going on. `reason` is [0-9A-Za-z-]{1,32}."""

    async def ready(self, agent_id: str, by: Principal) -> Agent:
        """Ends pause or wrap-up; during a call it takes back a pause that was asked for."""

    async def extend(self, agent_id: str, by: Principal) -> Agent:
        """More time to write up the call."""

    async def filed(self, agent_id: str, call_id: str, by: Principal) -> Agent | None:
        """The call is registered: ends the wrap-up after it. None where there was none to end."""

    async def hold(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def resume(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def transfer(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        """Blind: the customer goes to the target, the agent is free. Target agents are user ids."""

    async def consult(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        """Attended, first half: the customer hears music while the agent talks to the target."""

    async def complete_transfer(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def cancel_transfer(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def conference(
        self, agent_id: str, call_id: str, invited: Target | None, by: Principal
    ) -> None: ...

    async def leave(self, agent_id: str, call_id: str, by: Principal) -> None:
        """Only the agent's own leg ends. Raises NotPossibleNow where nobody would be left with the customer."""

    async def pause_recording(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def resume_recording(self, agent_id: str, call_id: str, by: Principal) -> None: ...

    async def hang_up(self, agent_id: str, call_id: str, by: Principal) -> None:
        """End the call for everybody."""

    async def number_of(
        self, by: Principal, *, customer_id: str | None, place: int, call_id: str | None
    ) -> str:
        """The number of a customer at a place of his list, or of the other side of a call, for dialing alone.

        Who may not read it may dial it. Raises DialRefused where there is none that this person may reach.
        """

    async def dial(self, agent_id: str, number: str, once: Once | None, by: Principal) -> Dialed:
        """Ring the agent's phone, then `number` (as typed; the desk reads it).

        The row of the call, and with `once` the answer kept for its key (`storage.idempotency.answer_once`
        with status 202 and body {"call_id": …}), are committed in one transaction before anything rings.
        The same key again, also in parallel, gives the first answer with `replayed` and rings nobody.
        Raises DialRefused by the fences, KeyReused, and where the number cannot be read DialRefused too.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Ping:
    """One thing whose health matters. `check` gives None, or a sentence saying what is wrong."""

    name: str
    check: Callable[[], Awaitable[str | None]]
    #: False: shown, but the service is ready without it.
    needed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One number for /metrics, read when it is asked for."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["gauge", "counter"] = "gauge"


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything the application works with; made once, by the composition root."""

    options: WebOptions
    clock: Clock
    users: Users
    sessions: Sessions
    tokens: Tokens
    audit: AuditLog
    factors: SecondFactors
    approvals: Approvals
    privacy: Privacy
    passwords: Passwords
    login_limit: LoginLimit
    calls: CallLog
    tasks: Tasks
    desk: Desk
    aftercall: Aftercall
    bulletins: Bulletins
    hooks: Hooks
    records: Records
    imports: Imports
    exports: Exports
    groups: Groups
    merging: Merging
    corrections: Corrections
    surveys: Surveys
    survey_links: SurveyLinks
    survey_results: SurveyResults
    appointments: Appointments
    reports: Reports
    cases: Cases
    case_desk: CaseDesk
    contacts: Contacts
    maintenance: Maintenance
    contactability: Contactability
    campaigns: Campaigns
    calling: Calling
    #: Telephones in pages; None: this installation has none.
    phones: BrowserPhones | None = None
    pings: Sequence[Ping] = ()
    figures: Callable[[], Iterable[Figure]] = tuple
    #: The agent's page; None: this installation has none.
    pops: Pops | None = None
    #: Reads what a person typed as E.164, or None.
    read_number: Callable[[str], str | None] = lambda _text: None
    #: Queue name to its label per language.
    queue_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    #: Departments calls are transferred to.
    departments: Mapping[str, Department] = field(default_factory=dict)
    #: IANA time zone of the house; pages show its time.
    zone: str = "Asia/Shanghai"
    dealership: str = "Careline"
    version: str = "0.1.0"
