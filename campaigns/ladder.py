"""The ladder: what follows when nobody was reached by telephone: a text, a letter, a mark to ask at the next visit.

After five calls on five days, by the department's papers. One target, one rung at a time, one result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol


class Rung(StrEnum):
    """The rungs, in the order they are climbed."""

    TEXT = "text"
    LETTER = "letter"
    MARK = "mark"


class RungState(StrEnum):
    """Where a rung is."""

    DUE = "due"
    DONE = "done"  # handed to the message port, printed, or asked
    PASSED = "passed"  # could not be done: no consent, no sender, no address
    VOID = "void"  # not needed any more: the customer reacted, or was reached another way


@dataclass(frozen=True, kw_only=True, slots=True)
class LadderStep:
    """One rung of one target. Moments are aware UTC."""

    id: str
    campaign_id: str
    target_id: str
    customer_id: str
    rung: Rung
    state: RungState
    due_at: datetime
    created_at: datetime
    done_at: datetime | None = None
    by_name: str = ""
    why: Mapping[str, Any] = field(default_factory=dict)


def ordered(rungs: Sequence[Rung]) -> tuple[Rung, ...]:
    """The rungs a campaign uses, in climbing order, each once."""
    return tuple(one for one in Rung if one in rungs)


def following(rungs: Sequence[Rung], after: Rung | None) -> Rung | None:
    """The rung behind one; the first for None; None where the ladder ends."""
    own = ordered(rungs)
    if after is None:
        return own[0] if own else None
    return next((one for one in own if list(Rung).index(one) > list(Rung).index(after)), None)


def due_after(state: RungState, now: datetime, days: int) -> datetime:
    """When the next rung is due: whoever got a message has some days to react, who got none waits for nothing."""
    return now if state is RungState.PASSED else now + timedelta(days=days)


@dataclass(frozen=True, kw_only=True, slots=True)
class LadderText:
    """What the message port is to send: one text to one customer, once for its key."""

    key: str
    customer_id: str
    #: E.164.
    number: str
    #: What the campaign called about (`campaigns.campaigns.Purpose`), which names the template.
    purpose: str


class Texts(Protocol):
    """The message port."""

    async def hand_over(self, text: LadderText) -> bool:
        """True: it is a committed row that will be sent; the same key again changes nothing. False: nothing sends."""
