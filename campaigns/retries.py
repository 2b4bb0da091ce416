"""What becomes of a target after an attempt: when it is tried again, at which number, or that it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from campaigns.attempts import GIVEN_BACK, Attempt, AttemptOutcome
from campaigns.rules import Rules
from campaigns.targets import Target, TargetState

#: A proved `not_dialed` is sent again at once, but not in a circle.
SENT_AGAIN_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryDecision:
    """What an outcome makes of a target."""

    target: Target
    #: The number is to be marked as wrong.
    wrong_number: bool = False


def decide(target: Target, attempt: Attempt, rules: Rules, now: datetime) -> RetryDecision:
    """The target after an attempt that is over; `attempt.outcome` is set.

    A try that was given back (the trunk's or our own fault) does not count against the target's tries, but each
    outcome has its own bound, so that nothing goes round for ever.
    """
    outcome = attempt.outcome
    if outcome is None:
        raise ValueError(f"the attempt {attempt.id} is not over")
    rule = rules.retry(outcome)
    count = target.counts.get(outcome, 0) + 1
    after = replace(
        target,
        counts={**target.counts, outcome: count},
        tries=target.tries + (outcome not in GIVEN_BACK),
        turn=target.turn + rule.next_number,
        last_outcome=outcome,
        last_attempt_id=attempt.id,
        callback_of=None if outcome is AttemptOutcome.HUMAN else target.callback_of,
    )
    if rule.success:
        ended = _over(after, TargetState.DONE, now, {"why": "reached"})
    elif count >= rule.tries:
        why = {"why": "outcome", "outcome": outcome.value, "tries": count}
        ended = _over(after, TargetState.GIVEN_UP, now, why)
    elif after.tries >= rules.most_tries:
        ended = _over(after, TargetState.GIVEN_UP, now, {"why": "tries", "tries": after.tries})
    else:
        due = now + max(rule.after(count), SENT_AGAIN_AFTER)
        if due >= target.expires_at:
            ended = _over(after, TargetState.GIVEN_UP, now, {"why": "expired"})
        else:
            waits = {"why": "retry", "outcome": outcome.value}
            ended = replace(after, state=TargetState.WAITING, due_at=due, why=waits)
    return RetryDecision(target=ended, wrong_number=rule.wrong_number)


def _over(target: Target, state: TargetState, now: datetime, why: Mapping[str, Any]) -> Target:
    return replace(target, state=state, closed_at=now, why=why)
