"""Classes of customers by value, loyalty and potential, and the service each class gets (M-057 to M-062).

Each of the three is graded high, middle or low by thresholds of the house; the grades make a class, A to D.
What a person has decided is never overwritten by the rule. The thresholds and plans are the house's own
(`storage.classes`); those here are a beginning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Final

from access.sentences import Sentence
from crm.records.customers import BadRecord


class Grade(StrEnum):
    """How much of one thing a customer has."""

    HIGH = "high"
    MIDDLE = "middle"
    LOW = "low"


class CustomerClass(StrEnum):
    """What the grades make, best first."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassFacts:
    """What is known of a customer's dealings with the house on one day."""

    on: date
    #: Spent in the last `ClassRules.months`, hundredths of the currency, purchases and workshop together.
    spent_cents: int = 0
    #: Workshop visits in the last `ClassRules.months`.
    visits: int = 0
    last_visit_on: date | None = None
    #: Vehicles the house looks after.
    vehicles: int = 0
    #: Delivery of the newest of them.
    newest_delivery_on: date | None = None
    purchase_expected_on: date | None = None
    key_account: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ServicePlan:
    """What a class of customers gets."""

    #: One sentence for the desk.
    service: str = ""
    #: A person of the house talks to them at least so often; None: no cadence.
    visit_every_days: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassRules:
    """The house's thresholds and plans."""

    #: How far back is counted.
    months: int = 24
    #: Spent at least so much: high, middle (hundredths).
    high_spent_cents: int = 15_000_000
    middle_spent_cents: int = 500_000
    #: Visits at least so many: high, middle; and the last not longer ago than so many months.
    high_visits: int = 4
    middle_visits: int = 2
    fresh_months: int = 12
    #: A vehicle of so many years makes a replacement likely; an expected purchase so near makes it certain.
    ageing_years: int = 5
    expected_months: int = 6
    plans: Mapping[CustomerClass, ServicePlan] = field(
        default_factory=lambda: {
            CustomerClass.A: ServicePlan(
                service="专属客户经理、优先接听、每月回访、节日与生日问候", visit_every_days=30
            ),
            CustomerClass.B: ServicePlan(service="优先预约、每季度回访、生日问候", visit_every_days=90),
            CustomerClass.C: ServicePlan(service="按保养周期提醒、半年回访", visit_every_days=180),
            CustomerClass.D: ServicePlan(service="按保养周期提醒", visit_every_days=None),
        }
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Classification:
    """A customer's grades and class."""

    value: Grade
    loyalty: Grade
    potential: Grade
    customer_class: CustomerClass

    def grades(self) -> dict[str, Any]:
        """As the record keeps it, by the names of `GRADES`."""
        kept = (self.value, self.loyalty, self.potential, self.customer_class)
        return {name: one.value for name, one in zip(GRADES, kept, strict=True)}


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassPreview:
    """What other rules would do to the classes of those whom no person has classed."""

    #: How many were looked at, of how many.
    looked: int
    total: int
    #: Class now ("" for none) and class then, to how many; also those that stay.
    moves: Mapping[tuple[str, str], int]

    @property
    def changed(self) -> int:
        """How many of those looked at would get another class."""
        return sum(count for (now, then), count in self.moves.items() if now != then)

    def after(self, customer_class: str) -> int:
        """How many of those looked at would be in this class."""
        return sum(count for (_, then), count in self.moves.items() if then == customer_class)

    def before(self, customer_class: str) -> int:
        """How many of those looked at are in this class now."""
        return sum(count for (now, _), count in self.moves.items() if now == customer_class)


#: What a record keeps of a classification; who sets one of them decides about all.
GRADES: Final = ("value_grade", "loyalty_grade", "potential_grade", "customer_class")
_POINTS: Final = {Grade.HIGH: 2, Grade.MIDDLE: 1, Grade.LOW: 0}


def classify(facts: ClassFacts, rules: ClassRules) -> Classification:
    """The grades of these facts and the class they make; a key account is never below B."""
    value = _at_least(facts.spent_cents, rules.high_spent_cents, rules.middle_spent_cents)
    loyalty = _at_least(facts.visits, rules.high_visits, rules.middle_visits)
    if facts.last_visit_on is None or _months(facts.last_visit_on, facts.on) > rules.fresh_months:
        loyalty = Grade.LOW
    potential = _potential(facts, rules)
    made = class_of(value, loyalty, potential)
    if facts.key_account and made > CustomerClass.B:
        made = CustomerClass.B
    return Classification(value=value, loyalty=loyalty, potential=potential, customer_class=made)


def class_of(value: Grade, loyalty: Grade, potential: Grade) -> CustomerClass:
    """Value counts twice: 7 or 8 points make A, 5 and 6 B, 2 to 4 C, fewer D."""
    points = 2 * _POINTS[value] + _POINTS[loyalty] + _POINTS[potential]
    if points >= 7:
        return CustomerClass.A
    if points >= 5:
        return CustomerClass.B
    return CustomerClass.C if points >= 2 else CustomerClass.D


def next_visit_on(
    rules: ClassRules,
    *,
    customer_class: str | None,
    own_days: int | None,
    visited_on: date | None,
    today: date,
) -> date | None:
    """When a person of the house should next talk to the customer; today where nobody ever did."""
    days = own_days
    if days is None and customer_class is not None:
        plan = rules.plans.get(CustomerClass(customer_class))
        days = plan.visit_every_days if plan else None
    if days is None:
        return None
    return today if visited_on is None else date.fromordinal(visited_on.toordinal() + days)


def rules_to_json(rules: ClassRules) -> dict[str, Any]:
    """The rules as plain JSON."""
    plain = {name: value for name, value in asdict(rules).items() if name != "plans"}
    plain["plans"] = {kind.value: asdict(rules.plans[kind]) for kind in CustomerClass if kind in rules.plans}
    return plain


_BOUNDS: Final[Mapping[str, tuple[int, int]]] = {
    "months": (1, 120),
    "high_spent_cents": (0, 10**13),
    "middle_spent_cents": (0, 10**13),
    "high_visits": (1, 1000),
    "middle_visits": (1, 1000),
    "fresh_months": (1, 120),
    "ageing_years": (1, 50),
    "expected_months": (1, 60),
}


def rules_from_json(plain: Mapping[str, Any]) -> ClassRules:
    """The rules from plain JSON; what is missing is as shipped. Raises BadRecord."""
    known: dict[str, Any] = {}
    for name, (least, most) in _BOUNDS.items():
        if name not in plain:
            continue
        value = plain[name]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise BadRecord(
                Sentence(
                    "{field} must be a whole number from {least} to {most}.",
                    field=name,
                    least=least,
                    most=most,
                ),
                field=name,
            )
        known[name] = value
    plans = dict(ClassRules().plans)
    for kind, plan in dict(plain.get("plans", {})).items():
        days = plan.get("visit_every_days")
        if days is not None and (not isinstance(days, int) or not 1 <= days <= 3660):
            raise BadRecord("A cadence is 1 to 3660 days.", field=f"plans.{kind}.visit_every_days")
        try:
            plans[CustomerClass(kind)] = ServicePlan(
                service=str(plan.get("service", ""))[:200], visit_every_days=days
            )
        except ValueError as error:
            raise BadRecord(Sentence("'{kind}' is no class.", kind=kind), field="plans") from error
    rules = ClassRules(**known, plans=plans)
    if rules.middle_spent_cents > rules.high_spent_cents:
        raise BadRecord("Middle value begins above high value.", field="middle_spent_cents")
    if rules.middle_visits > rules.high_visits:
        raise BadRecord("Middle loyalty begins above high loyalty.", field="middle_visits")
    return rules


def _at_least(count: int, high: int, middle: int) -> Grade:
    if count >= high:
        return Grade.HIGH
    return Grade.MIDDLE if count >= middle else Grade.LOW


def _potential(facts: ClassFacts, rules: ClassRules) -> Grade:
    expected = facts.purchase_expected_on
    if expected is not None and -1 <= _months(facts.on, expected) <= rules.expected_months:
        return Grade.HIGH
    if facts.newest_delivery_on is None:
        return Grade.MIDDLE if expected is not None else Grade.LOW
    age = _months(facts.newest_delivery_on, facts.on) / 12
    return Grade.MIDDLE if age >= rules.ageing_years or facts.vehicles > 1 else Grade.LOW


def _months(begin: date, end: date) -> int:
    return (end.year - begin.year) * 12 + end.month - begin.month
