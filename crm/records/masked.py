"""Free text with telephone numbers in it, for people who see them masked: shown masked, and saved without loss."""

from __future__ import annotations

import re
from typing import Final

from access.masking import mask_number, mask_text

#: As `access.masking` finds numbers in a text.
_NUMBER = re.compile(r"\+?\d(?:[ .()-]{0,2}\d){6,}")
#: Endings of fields that hold no telephone number, however many digits they have.
_NO_NUMBERS: Final = (
    "_on", "_cents", "_since", "birthday", "mileage", "order_number", "invoice", "plate", "vin", "created",
    "person.owner", "person.driver", "person.payer", "person.contact",
)  # fmt: skip
_DAY: Final = re.compile(r"(?<!\d)\d{4}-\d{2}-\d{2}(?!\d)")


def mask_value(field: str, value: str) -> str:
    """A value of the register as those read it who see numbers masked; days and amounts stay readable."""
    if field.endswith(_NO_NUMBERS):
        return value
    parts, kept = _DAY.split(value), _DAY.findall(value)
    masked = [mask_text(part) for part in parts]
    return "".join(part + day for part, day in zip(masked, [*kept, ""], strict=True))


def restore(typed: str, kept: str) -> str:
    """What somebody typed over a masked text, with the numbers behind the masks he left standing.

    Masks that look alike are given back in the order in which their numbers stood.
    """
    if typed == mask_text(kept):
        return kept
    for number in _NUMBER.findall(kept):
        typed = typed.replace(mask_number(number), number, 1)
    return typed
