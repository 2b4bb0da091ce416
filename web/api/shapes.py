"""What the API takes and gives, field by field. These models are the API's description."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from access.permissions import Role
from access.users import Language, Theme
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
    outcome: Outcome | None = None
    queue: Word | None = None
    agent_id: Id | None = None
    customer_id: Id | None = None
    since: datetime | None = Field(None, description="with time zone")
    until: datetime | None = Field(None, description="with time zone; exclusive")
    search: Search = Field("", description="a whole number or a call id; compared letter by letter")
    sort: CallSort = CallSort.NEWEST
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
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]


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


class TasksOut(Shape):
    items: list[TaskOut]
    next: str | None


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


class UsersOut(Shape):
    items: list[UserOut]


class NewUserIn(Shape):
    login: Annotated[str, StringConstraints(max_length=64)]
    name: Name
    role: Role
    language: Language = "zh-CN"
    password: Secret | None = Field(None, description="null: one is made and given back once")


class NewUserOut(Shape):
    user: UserOut
    password: str | None = Field(description="the password that was made; shown only now")


class UserChangeIn(Shape):
    name: Name | None = None
    role: Role | None = None
    language: Language | None = None
    theme: Theme | None = None


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
