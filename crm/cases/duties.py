"""What people have to do for a case as it stands: its tasks are made and closed to match, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from access.permissions import Role
from crm.cases.cases import Case, CaseState, Grade, Reached
from crm.cases.deadlines import after_minutes, deadline_key, end_of_day
from crm.cases.rules import Rules
from crm.cases.steps import ROADS, Road
from crm.tasks.tasks import TaskKind
from telephony.hours import WorkingTime

#: The department has the next step.
WAITS_FOR_DEPARTMENT = frozenset(
    {CaseState.ASSIGNED, CaseState.ACCEPTED, CaseState.HANDLING, CaseState.AGREED}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """One thing somebody has to do."""

    #: Names it within the case: the same duty is the same task.
    what: str
    kind: TaskKind
    due_at: datetime
    #: Whoever has this role, each; None: who is in charge of the case.
    role: Role | None = None


def duties(case: Case, rules: Rules, hours: WorkingTime, now: datetime) -> Iterator[Duty]:
    """What has to be done now, beside what notices ask for (`is_current`)."""
    short = ROADS[case.kind] is Road.SHORT
    due = case.due_at or now
    match case.state:
        case CaseState.REGISTERED | CaseState.REPLIED if short:
            yield Duty(what=f"answer {case.round}", kind=TaskKind.CASE, due_at=due)
        case CaseState.REGISTERED:
            yield Duty(what=f"assign {case.round}", kind=TaskKind.CASE, due_at=due)
        case CaseState.REPLIED:
            tell = after_minutes(hours, case.replied_at or now, rules.tell_minutes)
            if case.answered_at is None and case.answer_due_at is not None:
                tell = min(tell, case.answer_due_at)
            yield Duty(what=f"tell_plan {case.round}", kind=TaskKind.TELL_PLAN, due_at=tell)
        case CaseState.SECOND_VISIT if case.verdict is Reached.SATISFIED:
            yield Duty(what=f"close {case.round}", kind=TaskKind.CASE, due_at=due)
        case CaseState.SECOND_VISIT:
            yield Duty(what=f"visit {case.round} {case.visit_tries}", kind=TaskKind.SECOND_VISIT, due_at=due)
        case CaseState.CLOSED:
            if case.corrective_action and case.effect is None and case.effect_on is not None:
                check = end_of_day(hours, case.effect_on)
                yield Duty(what="effect", kind=TaskKind.EFFECT_CHECK, due_at=check)
    if case.state is not CaseState.CLOSED and case.withdrawn_at is not None and case.exception_at is None:
        sign = after_minutes(hours, case.withdrawn_at, rules.close_minutes)
        yield Duty(what="sign", kind=TaskKind.CASE, due_at=sign, role=Role.MANAGER)


def is_current(case: Case, occasion: str) -> bool:
    """Whether what a notice asked for still has to be done: the same deadline is still the nearest."""
    if case.state is CaseState.CLOSED:
        return False
    if occasion == "major":
        return case.grade is Grade.MAJOR
    return occasion.rpartition(":")[0] == deadline_key(case)
