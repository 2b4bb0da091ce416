"""What the API takes and gives, field by field. These models are the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints, model_validator

from access.permissions import Role
from access.users import Language, Theme
from crm.tasks.tasks import TaskKind
from telephony.agents import AgentState
from telephony.call_lists import LARGEST_PAGE, CallScope, CallSort
from telephony.calls import CallState, Direction, Outcome
from web.routes import Shape


def _no_controls(text: str) -> str:
    if any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in text):
        raise ValueError("control characters are not allowed")
    return text


#: One line of text.
Line = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_no_controls)]
Search = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64), AfterValidator(_no_controls)]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_no_controls)
]
Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{1,64}$")]
Word = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,32}$")]
Department = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_-]{0,32}$")]
Cursor = Annotated[str, StringConstraints(max_length=200)]
Size = Annotated[int, Field(ge=1, le=LARGEST_PAGE)]
Secret = Annotated[str, StringConstraints(max_length=256)]


class CallOut(Shape):
    """One call, numbers masked by the asker's role."""

    id: str
    direction: Direction
    state: CallState
    outcome: Outcome | None
    started_at: datetime
    number: str | None = Field(description="the other side; null: hidden by the caller")
    called: str
    flow: str | None
    language: str | None
    customer_id: str | None
    explained: str | None = Field(description="how the customer was recognised, or why nobody is tied")
    keys: str
    queue: str | None
    agent_id: str | None
    agent_name: str | None
    answered_at: datetime | None
    queued_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    held_since: datetime | None
    wait_seconds: float
    talk_seconds: float
    hold_seconds: float
    recorded: bool
    transfers: str
    origin: str
    proved: bool
    refused_by: str | None = Field(None, description="rule that turned the call away, such as blocked")
    rating: int | None = Field(None, description="what the customer said of the talk, 1 to 5 (best)")


class CallsQuery(Shape):
    scope: CallScope = CallScope.ALL
    direction: Direction | None = None
    received: bool = Field(False, description="those that came in: customers' calls and colleagues'")
    talked: bool = Field(False, description="those somebody of the house talked in")
    outcome: Outcome | None = None
    queue: Word | None = None
    agent_id: Id | None = None
    customer_id: Id | None = None
    since: datetime | None = Field(None, description="with time zone")
    until: datetime | None = Field(None, description="with time zone; exclusive")
    search: Search = Field("", description="a whole number or a call id; compared letter by letter")
    sort: CallSort = Field(
        CallSort.NEWEST,
        description="the longest are those of the last seven days, unless `since` says how far back",
    )
    cursor: Cursor | None = None
    limit: Size = 50


class CallsOut(Shape):
    items: list[CallOut]
    next: str | None = Field(description="cursor of the next page; null: this was the last one")


class FactOut(Shape):
    at: datetime
    source: str
    kind: str
    data: dict[str, object]


class CallDetailOut(Shape):
    call: CallOut
    facts: list[FactOut]


class QueueOut(Shape):
    name: str
    label: dict[str, str]
    waiting: int
    longest_wait: int = Field(description="seconds the caller at the head has waited")
    members: int
    ready: int
    talking: int
    completed: int
    abandoned: int


class QueuesOut(Shape):
    items: list[QueueOut]


class AgentOut(Shape):
    id: str
    name: str
    state: AgentState
    since: datetime
    reason: str
    queues: dict[str, int] = Field(description="queue to penalty, lower first")
    missed_in_row: int
    next_pause: str
    call_id: str | None
    wrapup_until: datetime | None
    here: bool | None = Field(
        None, description="whether a page of the agent answers; null: never had one, or not for the asker"
    )


class AgentsOut(Shape):
    items: list[AgentOut]


class SignInIn(Shape):
    queues: dict[Word, Annotated[int, Field(ge=0, le=100)]] | None = Field(
        None, description="queue to penalty; null: every queue"
    )
    phone: Id | None = Field(None, description="one of the agent's own phones; null: the first")


class PauseIn(Shape):
    reason: Word


class OnCallIn(Shape):
    agent_id: Id | None = Field(None, description="for another agent, where the role allows it")


class TargetIn(Shape):
    kind: Literal["agent", "queue", "department"]
    name: Id = Field(description="user id of an agent, or name of a queue or department")


class TransferIn(OnCallIn):
    target: TargetIn


class ConferenceIn(OnCallIn):
    invited: TargetIn | None = None


class DoneOut(Shape):
    """The order was taken; what came of it shows on the call."""

    call_id: str


class DialIn(OnCallIn):
    """Exactly one way to say whom: a number, a customer's number by its place, or the other side of a call."""

    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)] | None = (
        None
    )
    customer_id: Id | None = None
    place: Annotated[int, Field(ge=0, le=1000)] = Field(0, description="which of the customer's numbers")
    call_id: Id | None = Field(None, description="the number of the other side of this call")

    @model_validator(mode="after")
    def _says_one(self) -> Self:
        if sum(one is not None for one in (self.number, self.customer_id, self.call_id)) != 1:
            raise ValueError("name a number, a customer_id or a call_id, and only one of them")
        return self


class DialedOut(Shape):
    call_id: str


class TasksQuery(Shape):
    state: Literal["open", "mine", "closed", "all"] = "open"
    cursor: Cursor | None = None
    limit: Size = 50


class TaskOut(Shape):
    id: str
    kind: str
    state: str
    due_at: datetime | None
    created_at: datetime
    subject: str
    number: str | None
    customer_id: str | None
    call_id: str | None
    owner_id: str | None
    owner_name: str | None
    closed_at: datetime | None
    result: str | None
    department: str | None = Field(None, description="queue or department it is for")
    made_by: str | None = Field(None, description="name of who made it by hand")
    customer_name: str | None = None
    about: str | None = Field(
        None, description="what it is a step of and ends with: contact:ID, case:ID, appointment:ID"
    )
    notice: bool = Field(False, description="it only tells of that, and may be closed by itself")


class TasksOut(Shape):
    items: list[TaskOut]
    next: str | None


class TaskListQuery(Shape):
    scope: Literal["today", "mine", "team", "free", "overdue", "closed"] = "today"
    kind: TaskKind | None = None
    department: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,32}$")] | None = None
    owner_id: Id | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class TaskCountsOut(Shape):
    today: int
    mine: int
    team: int
    free: int
    overdue: int


class NewTaskIn(Shape):
    kind: Literal["callback", "correction", "follow_up", "inquiry", "other"]
    subject: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
        AfterValidator(_no_controls),
    ]
    due_at: AwareDatetime | None = Field(None, description="null: four hours of working time from now")
    call_id: Id | None = None
    customer_id: Id | None = Field(None, description="null: the call's customer")
    department: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,32}$")] | None = None
    owner_id: Id | None = Field(None, description="null: nobody in particular")


class AssignTaskIn(Shape):
    owner_id: Id | None = Field(description="null: back to everybody")


class CloseTaskIn(Shape):
    result: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=500),
        AfterValidator(_no_controls),
    ]


class UserOut(Shape):
    id: str
    login: str
    name: str
    role: Role
    language: Language
    theme: Theme
    created_at: datetime
    disabled_at: datetime | None
    department: str = Field("", description="for those who answer orders and cases; empty: none")
    must_change: bool = Field(False, description="must choose a new password before anything else")


class UsersOut(Shape):
    items: list[UserOut]


class NewUserIn(Shape):
    login: Annotated[str, StringConstraints(max_length=64)]
    name: Name
    role: Role
    language: Language = "zh-CN"
    department: Department = ""
    password: Secret | None = Field(None, description="null: one is made and given back once")


class NewUserOut(Shape):
    user: UserOut
    password: str | None = Field(description="the password that was made; shown only now")


class UserChangeIn(Shape):
    name: Name | None = None
    role: Role | None = None
    language: Language | None = None
    theme: Theme | None = None
    department: Department | None = Field(None, description="empty: none")


class PasswordIn(Shape):
    password: Secret | None = Field(None, description="null: one is made and given back once")


class PasswordOut(Shape):
    password: str | None


class OwnPasswordIn(Shape):
    current: Secret
    password: Secret


class ProfileIn(Shape):
    language: Language | None = None
    theme: Theme | None = None


class MeOut(Shape):
    name: str
    role: Role
    user: UserOut | None
    permissions: list[str]
    csrf: str | None = Field(description="goes into X-CSRF-Token of every change; null for tokens")


class TokenOut(Shape):
    id: str
    name: str
    role: Role
    user_id: str | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None


class TokensOut(Shape):
    items: list[TokenOut]


class NewTokenIn(Shape):
    name: Name
    role: Role
    user_id: Id | None = Field(None, description="the user it acts for")
    expires_at: datetime | None = None


class NewTokenOut(Shape):
    token: TokenOut
    secret: str = Field(description="shown only now")


class AuditQuery(Shape):
    before: Id | None = None
    subject: Annotated[str, StringConstraints(max_length=96), AfterValidator(_no_controls)] = ""
    actor_id: Id | None = None
    action: Annotated[str, StringConstraints(pattern=r"^[a-z_]{0,32}$")] = ""
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    limit: Size = 50


class EntryOut(Shape):
    id: str
    at: datetime
    action: str
    actor_name: str
    actor_id: str | None
    via: str
    subject: str
    address: str
    data: dict[str, object]


class AuditOut(Shape):
    items: list[EntryOut]
    next: str | None
