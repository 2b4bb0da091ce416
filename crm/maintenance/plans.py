"""Maintenance plans: what a model needs after how many months and kilometres, and when the house says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from access.sentences import Sentence
from crm.records.purchases import VisitKind

MOST_MONTHS: Final = 120
MOST_KM: Final = 200_000
MOST_LEAD_DAYS: Final = 120
MOST_ITEMS: Final = 8


class PlanError(Exception):
    """Base of what is refused about plans; nothing was changed."""

    error_id = "plan-error"


class PlanNotFound(PlanError):
    """There is no such plan."""

    error_id = "plan-not-found"


class PlanChanged(PlanError):
    """Somebody has saved a newer version meanwhile."""

    error_id = "plan-changed"


class BadPlan(PlanError):
    """A value that cannot be."""

    error_id = "bad-plan"

    def __init__(self, message: str | Sentence, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class DatedItem:
    """Something that is due by date alone, counted from the delivery: inspection, insurance."""

    name: str
    every_months: int
    lead_days: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """Due after so many months or kilometres, whichever comes first; None: this side does not count."""

    months: int | None = None
    km: int | None = None

    @property
    def is_set(self) -> bool:
        return self.months is not None or self.km is not None


FIRST: Final = Interval(months=6, km=5_000)
PERIODIC: Final = Interval(months=6, km=10_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One version of the plan of a brand's model. An empty brand and model: the house's default."""

    id: str
    brand: str = ""
    model: str = ""
    name: str = ""
    version: int = 1
    first: Interval = FIRST
    periodic: Interval = PERIODIC
    #: How many days before it is due the customer is called.
    lead_days: int = 14
    #: How many days after it was due a reminder is still of use.
    useful_days: int = 60
    #: What the vehicle is taken to drive where its own readings say nothing.
    km_per_day: int = 40
    #: Work that fulfils it.
    fulfilled_by: tuple[VisitKind, ...] = (VisitKind.FIRST, VisitKind.PERIODIC)
    items: tuple[DatedItem, ...] = ()
    updated_at: datetime | None = None
    updated_by_name: str = ""
    retired_at: datetime | None = None
    #: The day from which this version holds, where it was not at once.
    begins_on: date | None = None

    @property
    def is_default(self) -> bool:
        return not self.brand and not self.model


#: What holds until the house has saved its own.
DEFAULT: Final = Plan(id="", items=(DatedItem(name="inspection", every_months=12),))


def check(plan: Plan) -> Plan:
    """The plan, if it can be followed. Raises BadPlan."""
    if plan.model and not plan.brand:
        raise BadPlan("A plan for a model names its brand. Nothing was changed.", field="brand")
    for field, interval in (("first", plan.first), ("periodic", plan.periodic)):
        if not interval.is_set:
            raise BadPlan("Give months, kilometres or both. Nothing was changed.", field=field)
        if interval.months is not None and not 1 <= interval.months <= MOST_MONTHS:
            raise BadPlan(
                Sentence("Months lie between 1 and {most}. Nothing was changed.", most=MOST_MONTHS),
                field=field,
            )
        if interval.km is not None and not 500 <= interval.km <= MOST_KM:
            raise BadPlan(
                Sentence("Kilometres lie between 500 and {most}. Nothing was changed.", most=MOST_KM),
                field=field,
            )
    if not 0 <= plan.lead_days <= MOST_LEAD_DAYS or not 1 <= plan.useful_days <= 365:
        raise BadPlan(
            "The reminder comes 0 to 120 days ahead and is of use for 1 to 365 days. Nothing was changed.",
            field="lead_days",
        )
    if not 1 <= plan.km_per_day <= 1_000:
        raise BadPlan("A vehicle drives 1 to 1000 km a day. Nothing was changed.", field="km_per_day")
    if not plan.fulfilled_by:
        raise BadPlan(
            "Name at least one kind of work that fulfils it. Nothing was changed.", field="fulfilled_by"
        )
    names = [item.name for item in plan.items]
    if len(names) > MOST_ITEMS or len(set(names)) < len(names):
        raise BadPlan(
            "Each yearly item has its own name, and there are at most 8. Nothing was changed.", field="items"
        )
    for item in plan.items:
        if not 1 <= item.every_months <= MOST_MONTHS or not 0 <= item.lead_days <= MOST_LEAD_DAYS:
            raise BadPlan(
                "A dated item comes every 1 to 120 months, its reminder 0 to 120 days ahead. Nothing was changed.",
                field="items",
            )
    return plan


def plan_for(plans: Iterable[Plan], brand: str, model: str) -> Plan:
    """The plan of this model, else of its brand, else the house's default."""
    best: Sequence[Plan] = sorted(
        (
            one
            for one in plans
            if one.retired_at is None and one.brand in ("", brand) and one.model in ("", model)
        ),
        key=lambda one: (bool(one.model), bool(one.brand)),
    )
    return best[-1] if best else DEFAULT


def add_months(day: date, months: int) -> date:
    """The same day so many months on; the month's last where it has no such day (31 January, 29 February)."""
    place = day.year * 12 + day.month - 1 + months
    year, month = divmod(place, 12)
    month += 1
    following = date(year + month // 12, month % 12 + 1, 1)
    return date.fromordinal(min(date(year, month, 1).toordinal() + day.day - 1, following.toordinal() - 1))
