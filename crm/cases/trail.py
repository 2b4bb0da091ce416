"""The trail of a case read again: what its events say must be what the case says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from crm.cases.cases import CaseEvent, CaseState, Reached
from crm.cases.steps import Step


class TrailBroken(Exception):
    """An event is missing, out of order, or does not follow from the one before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """What the trail comes to."""

    state: CaseState
    round: int
    events: int
    satisfied: bool = False
    signed_by: str | None = None
    closed: bool = False


def replay(events: Iterable[CaseEvent]) -> Replayed:
    """Fold a trail, oldest first. Raises TrailBroken."""
    now: Replayed | None = None
    last_at, version = None, 1
    for event in events:
        if now is None:
            if event.seq != 1 or event.step != Step.REGISTER or event.from_state is not None:
                raise TrailBroken(f"the trail begins with {event.step} ({event.seq})")
            now = Replayed(state=event.to_state, round=1, events=1)
            last_at, version = event.at, event.version
            continue
        if event.seq != now.events + 1:
            raise TrailBroken(f"after event {now.events} comes {event.seq}")
        if event.from_state is not now.state:
            raise TrailBroken(f"event {event.seq} begins in {event.from_state}, not in {now.state}")
        if last_at is not None and event.at < last_at:
            raise TrailBroken(f"event {event.seq} is older than the one before")
        if event.version not in (version, version + 1):
            raise TrailBroken(f"event {event.seq} leaves version {event.version} after {version}")
        last_at, version = event.at, event.version
        now = _after(now, event)
    if now is None:
        raise TrailBroken("there is no event")
    return now


def _after(before: Replayed, event: CaseEvent) -> Replayed:
    reached = event.data.get("reached")
    satisfied, signed = before.satisfied, before.signed_by
    round_ = before.round
    if event.step == Step.SECOND_VISIT and reached == Reached.DISSATISFIED:
        round_, satisfied, signed = round_ + 1, False, None
    elif event.step == Step.SECOND_VISIT and reached == Reached.SATISFIED:
        satisfied = True
    elif event.step == Step.EXCEPTION:
        signed = event.by_id
    return Replayed(
        state=event.to_state,
        round=round_,
        events=event.seq,
        satisfied=satisfied,
        signed_by=signed,
        closed=event.to_state is CaseState.CLOSED,
    )
