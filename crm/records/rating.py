"""Rating all customers again by the house's rules: what is kept of a run, so that a restart does not end it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from crm.records.changes import Author
from crm.records.classification import ClassRules, rules_to_json
from crm.records.customers import RecordError


class RatingWhy(StrEnum):
    """What began a run."""

    RULES = "rules"  # other thresholds
    NIGHT = "night"  # what was bought and brought since
    ASKED = "asked"  # a person, without other thresholds


class RatingState(StrEnum):
    """Where a run stands."""

    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


#: Why a class became another one, as the register of changes keeps it.
REASONS: Final[Mapping[RatingWhy, str]] = {
    RatingWhy.RULES: "rule:changed",
    RatingWhy.NIGHT: "rule:night",
    RatingWhy.ASKED: "rule:asked",
}


class NoRating(RecordError):
    """Nothing is being rated, so nothing can be stopped."""

    error_id = "no-rating"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rating:
    """A run over all customers, by id: where it stands and what it has done."""

    id: str
    why: RatingWhy
    by: Author
    began_at: datetime
    state: RatingState = RatingState.RUNNING
    #: Version of the rules it began with.
    rules_version: int = 0
    #: Customers there were at the beginning; None: not counted yet.
    total: int | None = None
    #: The last customer looked at; those after it are still to come.
    after: str = ""
    looked: int = 0
    #: Customers whose class became another, and those whose record changed at all (a grade may change alone).
    moved: int = 0
    changed: int = 0
    #: Customers whose class a person has set: they are left as they are.
    kept: int = 0
    ended_at: datetime | None = None
    #: Who stopped it.
    ended_by: str = ""


def rates_otherwise(before: ClassRules, after: ClassRules) -> bool:
    """Whether other rules can make another class of anybody; what a class gets does not."""
    return _thresholds(before) != _thresholds(after)


def _thresholds(rules: ClassRules) -> dict[str, Any]:
    return {name: value for name, value in rules_to_json(rules).items() if name != "plans"}


def rating_to_json(rating: Rating) -> dict[str, Any]:
    """The run as plain JSON."""
    return {
        "id": rating.id,
        "why": rating.why.value,
        "by_id": rating.by.id,
        "by_name": rating.by.name,
        "began_at": rating.began_at.isoformat(),
        "state": rating.state.value,
        "rules_version": rating.rules_version,
        "total": rating.total,
        "after": rating.after,
        "looked": rating.looked,
        "moved": rating.moved,
        "changed": rating.changed,
        "kept": rating.kept,
        "ended_at": rating.ended_at.isoformat() if rating.ended_at else None,
        "ended_by": rating.ended_by,
    }


def rating_from_json(plain: Mapping[str, Any]) -> Rating:
    """The run that `rating_to_json` wrote."""
    ended = plain["ended_at"]
    return Rating(
        id=plain["id"],
        why=RatingWhy(plain["why"]),
        by=Author(id=plain["by_id"], name=plain["by_name"]),
        began_at=datetime.fromisoformat(plain["began_at"]),
        state=RatingState(plain["state"]),
        rules_version=plain["rules_version"],
        total=plain["total"],
        after=plain["after"],
        looked=plain["looked"],
        moved=plain["moved"],
        changed=plain["changed"],
        kept=plain["kept"],
        ended_at=datetime.fromisoformat(ended) if ended else None,
        ended_by=plain["ended_by"],
    )
