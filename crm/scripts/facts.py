"""What the occasion of a call says for the places of a script, besides who the customer is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

from crm.cases.cases import Case, CaseKind, CaseState
from crm.contacts.contacts import MAINTENANCE_KINDS, Reason

#: Nothing is known besides the customer.
NO_FACTS: Final[Mapping[str, object]] = MappingProxyType({})
#: The script for taking a complaint.
INTAKE: Final = "complaint_intake"
#: Kinds of cases that are taken, told and asked about by these scripts.
_HEARD: Final = frozenset({CaseKind.COMPLAINT, CaseKind.GRUMBLE})
#: What is said to the customer while a case is there.
SAID: Final[Mapping[CaseState, str]] = MappingProxyType(
    {
        CaseState.REGISTERED: INTAKE,
        CaseState.REPLIED: "tell_plan",
        CaseState.SECOND_VISIT: "second_visit",
    }
)


@dataclass(frozen=True, slots=True)
class Worded:
    """A fact that is a text of the pages, in the language the customer is spoken to in."""

    key: str


@dataclass(frozen=True, slots=True)
class Due:
    """When a service is due: a day, kilometres, or whichever comes first."""

    on: date | None
    mileage: int | None


def of_reasons(reasons: Sequence[Reason]) -> dict[str, object]:
    """What the reasons of a call say: of the first that has it."""
    found: dict[str, object] = {}
    for one in reasons:
        why = one.why
        day = _read_day(why.get("delivered_on") or why.get("visited_on") or why.get("starts_at"))
        if day is not None:
            found.setdefault("visit.day", day)
        if one.kind in MAINTENANCE_KINDS:
            found.setdefault("service.kind", Worded(f"contacts.kind.{one.kind.value}"))
            mileage = why.get("due_km")
            due = Due(_read_day(why.get("due_on")), mileage if isinstance(mileage, int) else None)
            if due != Due(None, None):
                found.setdefault("vehicle.next_service", due)
    return found


def _read_day(written: object) -> date | None:
    """A day, or the moment of an appointment that was missed."""
    if not isinstance(written, str):
        return None
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return read(written)
        except ValueError:
            continue
    return None


def of_case(case: Case) -> dict[str, object]:
    """What a case says; the time of the answer only while it is to come."""
    due = (case.promised_at or case.answer_due_at) if case.answered_at is None else None
    return {
        "case.number": case.number,
        "case.subject": case.subject,
        **({"case.promised": due} if due is not None else {}),
    }


def script_of(kind: CaseKind, state: CaseState) -> str | None:
    """The script of what is to be said to the customer now; None where nothing is."""
    return SAID.get(state) if kind in _HEARD else None
