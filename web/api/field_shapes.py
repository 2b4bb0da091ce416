"""What the API takes and gives about the house's own fields and its rules of classes, field by field."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from access.permissions import Role as UserRole
from crm.records.fields import FieldKind, FieldSubject
from crm.records.rating import RatingState, RatingWhy
from web.api.record_shapes import Days, PlanOut, Text64, Text200, Version
from web.api.shapes import Line
from web.routes import Shape


class FieldsQuery(Shape):
    subject: FieldSubject | None = None
    retired: bool = False


Choices = Annotated[list[Text200], Field(max_length=100)]
Roles = Annotated[list[UserRole], Field(max_length=5)]


class FieldOut(Shape):
    id: str
    subject: FieldSubject
    key: str
    label_zh: str
    label_en: str
    kind: FieldKind
    choices: list[str]
    required: bool
    hidden_from: list[UserRole]
    locked_for: list[UserRole]
    place: int
    retired_at: datetime | None
    version: int


class FieldsOut(Shape):
    items: list[FieldOut]


class NewFieldIn(Shape):
    subject: FieldSubject
    key: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    label_zh: Text64
    label_en: Text64
    kind: FieldKind
    choices: Choices = Field([])
    required: bool = False
    hidden_from: Roles = Field([])
    locked_for: Roles = Field([])
    place: Annotated[int, Field(ge=0, le=1000)] = 0


class FieldChangeIn(Shape):
    version: Version
    label_zh: Text64 | None = None
    label_en: Text64 | None = None
    choices: Choices | None = None
    required: bool | None = None
    hidden_from: Roles | None = None
    locked_for: Roles | None = None
    place: Annotated[int, Field(ge=0, le=1000)] | None = None
    retired: bool | None = Field(None, description="no longer asked for; values stay")


class PlanIn(Shape):
    service: Line = ""
    visit_every_days: Days | None = None


class ClassRulesIn(Shape):
    """The thresholds of grades and the plan of each class (docs/records.md)."""

    version: Version
    months: Annotated[int, Field(ge=1, le=120)] = 24
    high_spent_cents: Annotated[int, Field(ge=0, le=10**13)] = 15_000_000
    middle_spent_cents: Annotated[int, Field(ge=0, le=10**13)] = 500_000
    high_visits: Annotated[int, Field(ge=1, le=1000)] = 4
    middle_visits: Annotated[int, Field(ge=1, le=1000)] = 2
    fresh_months: Annotated[int, Field(ge=1, le=120)] = 12
    ageing_years: Annotated[int, Field(ge=1, le=50)] = 5
    expected_months: Annotated[int, Field(ge=1, le=60)] = 6
    plans: dict[Literal["A", "B", "C", "D"], PlanIn] = Field({})


class ClassMoveOut(Shape):
    now: str = Field(description="class now; empty: none yet")
    then: str
    customers: int


class ClassPreviewOut(Shape):
    """What rules would do; in a large house by a share of the customers."""

    looked: int
    total: int = Field(description="customers whose class a rule decides")
    changed: int = Field(description="of those looked at")
    moves: list[ClassMoveOut]


class RatingOut(Shape):
    """A run that rates all customers again (docs/records.md)."""

    id: str
    why: RatingWhy
    state: RatingState
    began_at: datetime
    by_name: str = Field(description="empty: the house itself")
    rules_version: int
    total: int | None = Field(description="customers at the beginning; null: not counted yet")
    looked: int
    moved: int = Field(description="customers whose class became another")
    changed: int = Field(description="customers of whom a grade or the class became another")
    kept: int = Field(description="customers whose class a person has set; they are left as they are")
    ended_at: datetime | None
    ended_by: str = Field(description="who stopped it")


class RatingNowOut(Shape):
    rating: RatingOut | None = Field(
        description="the run that goes on, or the last one; null before the first"
    )


class ClassRulesOut(Shape):
    version: int
    months: int
    high_spent_cents: int
    middle_spent_cents: int
    high_visits: int
    middle_visits: int
    fresh_months: int
    ageing_years: int
    expected_months: int
    plans: dict[str, PlanOut]
