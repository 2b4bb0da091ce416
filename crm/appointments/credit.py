"""Who brought the customer: a visit within N days counts to the talk or the appointment before it (feature 136)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True, slots=True)
class Touch:
    """What may have brought a customer: a kept appointment, or a talk about a contact."""

    on: date
    appointment_id: str | None = None
    contact_id: str | None = None
    campaign: str = ""
    #: The customer came for it, by our own knowledge.
    kept: bool = False


def credited(visited_on: date, touches: Iterable[Touch], days: int) -> Touch | None:
    """The one touch a visit counts to.

    An appointment the customer came for says it best; then the latest touch, an appointment before a talk of the
    same day. Touches after the visit, or more than `days` days before it, brought nobody.
    """
    near = [one for one in touches if 0 <= (visited_on - one.on).days <= days]
    if not near:
        return None
    return max(
        near,
        key=lambda one: (
            one.kept,
            one.on,
            one.appointment_id is not None,
            one.appointment_id or one.contact_id or "",
        ),
    )
