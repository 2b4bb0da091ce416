"""Blocks: callers the hotline does not serve, by whole number or by how numbers begin.

BlockError
└── BadBlock   neither a whole number nor a long enough beginning of one, no reason, or over already
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from telephony.numbers import is_e164

#: A shorter beginning would shut out a whole region.
SHORTEST_PREFIX: Final = 6
_LONGEST_REASON: Final = 200
_PREFIX = re.compile(r"\+[1-9][0-9]{5,13}")


class BlockError(Exception):
    """Base of what can be refused about blocks; nothing was changed."""

    error_id = "block-error"


class BadBlock(BlockError):
    """This cannot be blocked; the message says what can."""

    error_id = "bad-block"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pattern:
    """What is blocked: a whole E.164 number, or the beginning of numbers, written with * at its end."""

    digits: str
    whole: bool

    def __str__(self) -> str:
        return self.digits if self.whole else f"{self.digits}*"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One pattern that is not served, from a moment on."""

    id: str
    pattern: Pattern
    reason: str
    at: datetime
    #: Name of who did it, as it was then.
    by: str
    #: None: for ever.
    until: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by: str = ""

    def holds_at(self, now: datetime) -> bool:
        """Whether callers are turned away by it at this moment."""
        return self.withdrawn_at is None and (self.until is None or self.until > now)


def read_pattern(text: str) -> Pattern:
    """`+8613812345678` or `+86138123*`. Raises BadBlock."""
    written = text.strip().replace(" ", "")
    if written.endswith("*"):
        if _PREFIX.fullmatch(written[:-1]):
            return Pattern(digits=written[:-1], whole=False)
        raise BadBlock(
            f"{text!r} is no beginning of numbers. Allowed: + and {SHORTEST_PREFIX} to 14 digits, then *."
        )
    if is_e164(written):
        return Pattern(digits=written, whole=True)
    raise BadBlock(
        f"{text!r} is no whole number. Allowed: +8613812345678, or a beginning with * at its end, +86138123*."
    )


def clean_reason(text: str) -> str:
    """The reason on one line. Raises BadBlock where there is none."""
    reason = " ".join(text.split())[:_LONGEST_REASON]
    if not reason:
        raise BadBlock("A block needs a reason, for whoever wonders in a year.")
    return reason


def patterns_of(number: str) -> tuple[Pattern, ...]:
    """Every pattern that fits an E.164 number: the number itself first, then its beginnings."""
    ends = range(len(number) - 1, SHORTEST_PREFIX, -1)
    return (Pattern(digits=number, whole=True), *(Pattern(digits=number[:end], whole=False) for end in ends))


def turning_away(blocks: Iterable[Block], now: datetime, *, key_customer: bool) -> Block | None:
    """Which of the blocks that fit a caller's number turns him away now, or None.

    A key customer is turned away by his whole number only, never by how it begins.
    """
    for block in sorted(blocks, key=lambda block: not block.pattern.whole):
        if block.holds_at(now) and (block.pattern.whole or not key_customer):
            return block
    return None
