"""What a subscription can ask for, and how much of an event its owner may see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.masking import mask_name, mask_text


class Event(StrEnum):
    """One kind of event. docs/webhooks.md says what `data` of each holds."""

    CALL_ENDED = "call.ended"
    CALL_CORRECTED = "call.corrected"  # facts of an ended call that came late
    RECORD_CREATED = "record.created"
    RECORD_CHANGED = "record.changed"
    RECORD_MERGED = "record.merged"
    RECORD_ERASED = "record.erased"
    IMPORT_FINISHED = "import.finished"
    TASK_CREATED = "task.created"
    TASK_CHANGED = "task.changed"
    TASK_CLOSED = "task.closed"
    REGISTRATION_FILED = "registration.filed"
    REGISTRATION_CORRECTED = "registration.corrected"
    CASE_OPENED = "case.opened"
    CASE_CLOSED = "case.closed"
    APPOINTMENT_BOOKED = "appointment.booked"
    APPOINTMENT_MOVED = "appointment.moved"
    APPOINTMENT_CANCELLED = "appointment.cancelled"
    APPOINTMENT_MISSED = "appointment.missed"
    SURVEY_FINISHED = "survey.finished"
    AGENT_CHANGED = "agent.changed"
    HOOK_DISABLED = "hook.disabled"
    HOOK_TEST = "hook.test"


#: Goes to the one subscription that asked for it; nobody subscribes to it.
UNASKED: Final = frozenset({Event.HOOK_TEST})


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """Something that happened, as it was committed with what it tells of."""

    #: Stable: every delivery and every repetition carries it, so receivers can leave out what they know.
    id: str
    event: Event
    #: What it is about, e.g. "call:01H…"; events of one subject arrive in their order.
    subject: str
    at: datetime
    #: Plain JSON with full numbers and names; `masked` makes of it what goes out.
    data: Mapping[str, object]


#: Stands for what is hidden whole.
HIDDEN: Final = "****"

#: Values that are no telephone number although they have many digits: our ids, and moments as ISO 8601.
_ID = re.compile(r"(?=.*[A-Z])[0-9A-HJKMNP-TV-Z]{26}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?")
#: A key whose last word is one of these holds a person's name; one of those what a person said, or an address.
_NAMES: Final = ("name", "names", "contact", "driver", "owner")
_SAID: Final = (
    "note",
    "notes",
    "text",
    "summary",
    "said",
    "result",
    "reason",
    "subject",
    "address",
    "value",
    "values",
)


def masked(data: Mapping[str, object], *, numbers: bool, names: bool) -> dict[str, object]:
    """The data as somebody may see it: `numbers` and `names` say what is left in full.

    Numbers are found wherever they stand, also inside notes; names, and what people said, by their key
    (`name`, `customer_name`, `note`, …). Ids and moments stay.
    """
    if numbers and names:
        return dict(data)
    return {
        key if numbers else mask_text(key): _masked(key, value, numbers, names) for key, value in data.items()
    }


def _masked(key: str, value: object, numbers: bool, names: bool) -> object:
    if isinstance(value, str):
        if _ID.fullmatch(value) or _MOMENT.fullmatch(value):
            return value
        kind = key.rpartition("_")[2]
        if not names and kind in _SAID:
            return HIDDEN if value else value
        text = value if numbers else mask_text(value)
        return mask_name(text) if not names and kind in _NAMES else text
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**6 and not numbers:
        return mask_text(str(value))
    if isinstance(value, Mapping):
        return masked(value, numbers=numbers, names=names)
    if isinstance(value, list | tuple):
        return [_masked(key, item, numbers, names) for item in value]
    return value
