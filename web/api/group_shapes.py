"""What the API takes and gives about groups, duplicates, merges and corrections, field by field."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from crm.corrections.orders import Department, Result, State
from crm.groups.groups import GroupKind
from crm.records.merging import Side
from web.api.record_shapes import Text64, Text200, Version
from web.api.shapes import Cursor, Id, Size
from web.routes import Shape

#: A query's tree; docs/groups.md says what it may hold.
Tree = Annotated[dict[str, Any], Field(description="query of a group, see docs/groups.md", max_length=4)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=10_000)]
Month = Annotated[str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$")]
Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class GroupsQuery(Shape):
    archived: bool = False
    cursor: Cursor | None = None
    limit: Size = 50


class GroupOut(Shape):
    """A group; `counted` is the last full count, of `counted_at`."""

    id: str
    name: str
    kind: GroupKind
    note: str
    query: dict[str, Any] | None
    sentence: str
    query_version: int
    version: int
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None
    counted: int | None
    counted_at: datetime | None
    filling: bool = Field(
        False, description="people of the imported list are still being put in; it goes on by itself"
    )


class GroupsOut(Shape):
    items: list[GroupOut]
    next: str | None


class NewGroupIn(Shape):
    name: Text64
    kind: GroupKind
    note: Said = ""
    query: Tree | None = None


class GroupChangeIn(Shape):
    version: Version
    name: Text64 | None = None
    note: Said | None = None
    query: Tree | None = None


class OperatorOut(Shape):
    name: str
    label: str


class GroupFieldOut(Shape):
    name: str
    label: str
    kind: str
    operators: list[OperatorOut]
    choices: list[OperatorOut]


class GroupScopeOut(Shape):
    name: str
    label: str
    fields: list[GroupFieldOut]
    things: list[str]


class GroupFieldsOut(Shape):
    """What a query may ask, with labels in the asker's language."""

    root: str
    scopes: list[GroupScopeOut]


class LookIn(Shape):
    query: Tree
    limit: Annotated[int, Field(ge=1, le=50)] = 20
    #: Wait up to a minute for the number instead of two seconds.
    patient: bool = False


class MemberOut(Shape):
    customer_id: str
    number: str
    name: str
    customer_class: str | None
    key_account: bool
    plates: list[str]
    source: str


class LookOut(Shape):
    """`count` is null where counting took longer than allowed."""

    sentence: str
    count: int | None
    members: list[MemberOut]
    seconds: float


class MembersOut(Shape):
    items: list[MemberOut]
    next: str | None


class PageQuery(Shape):
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None
    limit: Size = 50


class PutInIn(Shape):
    """Whom to put in: people by id, everybody a query fits, or everybody of another group."""

    customer_ids: Annotated[list[Id], Field(default_factory=list, max_length=10_000)]
    query: Tree | None = None
    group_id: Id | None = None


class TakeOutIn(Shape):
    customer_ids: Ids


class ChangedOut(Shape):
    count: int


class FreezeIn(Shape):
    purpose: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class FreezeOut(Shape):
    id: str
    group_id: str
    at: datetime
    by: str
    purpose: str
    query_version: int
    sentence: str
    count: int


class FreezesOut(Shape):
    items: list[FreezeOut]


# -- duplicates and merges ----------------------------------------------------------------------------


class PersonOut(Shape):
    customer_id: str
    number: str
    name: str
    version: int
    created_at: datetime
    key_account: bool
    numbers: list[str]
    plates: list[str]
    calls: int


class PairOut(Shape):
    one: PersonOut
    other: PersonOut
    score: Annotated[int, Field(description="0 to 100; shown from 50 on")]
    reasons: list[str]
    found_at: datetime


class PairsOut(Shape):
    items: list[PairOut]
    waiting: int = Field(description="pairs that wait for a decision, counted to 1000")
    waiting_more: bool = Field(description="more wait than were counted")
    next: str | None


class DifferentIn(Shape):
    one_id: Id
    other_id: Id


class DifferentOut(Shape):
    one_id: str
    other_id: str
    state: Literal["different"] = "different"


class CompareQuery(Shape):
    survivor_id: Id
    merged_id: Id


class FieldPairOut(Shape):
    field: str
    survivor: str
    merged: str
    proposed: Side
    differs: bool


class ComparisonOut(Shape):
    survivor: PersonOut
    merged: PersonOut
    fields: list[FieldPairOut]
    score: int
    reasons: list[str]


class MergeIn(Shape):
    """`choices`: field to "survivor" or "merged"; what is not named is kept as the comparison proposes."""

    survivor_id: Id
    merged_id: Id
    choices: Annotated[
        dict[Annotated[str, StringConstraints(max_length=64)], Side],
        Field(default_factory=dict, max_length=200),
    ]
    survivor_version: Version | None = None
    merged_version: Version | None = None


class MergesQuery(Shape):
    customer_id: Id | None = None
    cursor: Annotated[str, StringConstraints(max_length=26)] | None = None
    limit: Size = 50


class NotRestoredOut(Shape):
    what: str
    why: str
    count: int


class MergeOut(Shape):
    id: str
    survivor_id: str
    merged_id: str
    survivor_number: str
    merged_number: str
    name: str
    at: datetime
    by_name: str
    choices: dict[str, str]
    moved: dict[str, int]
    undone_at: datetime | None
    undone_by: str
    not_restored: list[NotRestoredOut]


class MergesOut(Shape):
    items: list[MergeOut]
    next: str | None


# -- corrections --------------------------------------------------------------------------------------


class OrdersQuery(Shape):
    state: Literal["open", "answered", "refused", "checked", "closed", "overdue", "all"] = "open"
    department: Department | None = None
    customer_id: Id | None = None
    month: Month | None = None
    cursor: Annotated[str, StringConstraints(max_length=64)] | None = None
    limit: Size = 50


class OrderStepOut(Shape):
    at: datetime
    by_name: str
    step: str
    note: str


class OrderOut(Shape):
    id: str
    customer_id: str
    customer_number: str
    customer_name: str
    vehicle_id: str | None
    plate: str
    call_id: str | None
    department: Department
    field: str
    wrong_value: str
    said: str
    state: State
    result: Result | None
    answer: str
    answer_note: str
    applied: bool
    overdue: bool
    created_at: datetime
    created_by_name: str
    due_at: datetime
    answered_at: datetime | None
    answered_by_name: str
    closed_at: datetime | None
    rounds: int
    reminders: int
    version: int
    possible: list[str]
    steps: list[OrderStepOut]


class OrdersOut(Shape):
    items: list[OrderOut]
    counts: dict[str, int]
    next: str | None


#: Which of a customer's numbers, in the order in which they came.
NumberPlace = Annotated[int, Field(ge=0, le=9999)]


class NewOrderIn(Shape):
    customer_id: Id
    field: Annotated[str, StringConstraints(max_length=64)]
    wrong_value: Text200 = ""
    said: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
    department: Department | None = None
    vehicle_id: Id | None = None
    call_id: Id | None = None
    number_place: NumberPlace | None = Field(
        None, description="which of the customer's numbers is wrong; wrong_value is then read from the record"
    )


class AnswerIn(Shape):
    """What is right; or, with `refuse`, that the record is right, and why."""

    value: Text200 = ""
    note: Said = ""
    refuse: bool = False
    version: Version | None = None


class OrderStepIn(Shape):
    step: Literal["send_back", "accept", "close", "keep", "withdraw", "remind"]
    #: With "accept": what the check found, where it differs from the answer.
    value: Text200 = ""
    note: Said = ""
    version: Version | None = None


class RatesQuery(Shape):
    first: Month
    months: Annotated[int, Field(ge=1, le=36)] = 12


class RateOut(Shape):
    department: Department
    month: str
    received: int
    wrong: int
    pending: int
    rate: float | None


class RatesOut(Shape):
    items: list[RateOut]


class HandoversQuery(Shape):
    department: Literal["sales", "service"]
    first: date
    last: date
    every: bool = False
    limit: Size = 50


class HandoverOut(Shape):
    department: Department
    vehicle_id: str
    customer_id: str | None
    name: str
    plate: str | None
    happened_on: date
    received_on: date
    missing: list[str]
    days_late: int


class HandoversOut(Shape):
    items: list[HandoverOut]


class DepartmentIn(Shape):
    department: Department | None


class DepartmentOut(Shape):
    user_id: str
    department: Department | None
