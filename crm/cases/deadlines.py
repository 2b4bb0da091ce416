"""Deadlines of cases on working time, what is nearest, and who is told when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from crm.cases.cases import Case, CaseState, Due, Grade, Reached
from crm.cases.rules import Rules
from crm.cases.steps import ROADS, Road
from telephony.hours import NoWorkingTime, WorkingTime

#: Working time is looked for backwards this far.
_BACK_DAYS: Final = 60


class Level(StrEnum):
    """Who is told."""

    REMIND = "remind"  # who has the next step
    SUPERVISOR = "supervisor"
    MANAGER = "manager"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """Something the house says by itself about a case, once."""

    at: datetime
    level: Level
    #: What it is about; the same is never said twice.
    occasion: str


def after_minutes(hours: WorkingTime, moment: datetime, minutes: int) -> datetime:
    """So many working minutes later; where the house never opens, by the clock."""
    try:
        return hours.add_working(moment, timedelta(minutes=minutes))
    except NoWorkingTime:
        return moment + timedelta(minutes=minutes)


def before_minutes(hours: WorkingTime, moment: datetime, minutes: int) -> datetime:
    """So many working minutes earlier: the latest moment with that much working time until `moment`."""
    left = timedelta(minutes=minutes)
    day = hours.date_of(moment)
    for back in range(_BACK_DAYS):
        for opens, closes in reversed(hours.intervals(day - timedelta(days=back))):
            closes = min(closes, moment)
            if closes <= opens:
                continue
            if closes - opens >= left:
                return closes - left
            left -= closes - opens
    return moment - left


def after_days(hours: WorkingTime, moment: datetime, days: int) -> datetime:
    """The end of the working day so many working days later."""
    day = hours.date_of(moment)
    try:
        for _ in range(max(days, 1)):
            day = hours.next_working_day(day)
    except NoWorkingTime:
        return moment + timedelta(days=days)
    return hours.intervals(day)[-1][1]


def end_of_day(hours: WorkingTime, day: date) -> datetime:
    """When the house closes that day; the end of the date where it does not open."""
    if intervals := hours.intervals(day):
        return intervals[-1][1]
    return datetime.combine(day + timedelta(days=1), time(), hours.zone).astimezone(UTC)


def morning_after(hours: WorkingTime, day: date) -> datetime:
    """The first working moment after a date."""
    midnight = datetime.combine(day + timedelta(days=1), time(), hours.zone).astimezone(UTC)
    try:
        return hours.next_open(midnight)
    except NoWorkingTime:
        return midnight


def with_allowance(case: Case, rules: Rules, hours: WorkingTime) -> Case:
    """The deadlines of the first answer and of the solution, of this round's kind and grade; a promise counts too."""
    allowance = rules.allowance(case.kind, case.grade)
    answer = after_minutes(hours, case.round_at, allowance.answer)
    if case.promised_at is not None:
        answer = min(answer, case.promised_at)
    solve = after_minutes(hours, case.round_at, max(allowance.solve, allowance.answer))
    if case.state is CaseState.AGREED and case.carry_out_on is not None:
        solve = max(solve, morning_after(hours, case.carry_out_on))
    return replace(
        case,
        answer_due_at=answer if case.answered_at is None else case.answer_due_at,
        solve_due_at=solve if case.solved_at is None else case.solve_due_at,
    )


def with_stage(case: Case, rules: Rules, hours: WorkingTime, now: datetime) -> Case:
    """The deadline of the state it has just come into."""
    due: datetime | None = None
    match case.state:
        case CaseState.REGISTERED if ROADS[case.kind] is Road.FULL:
            due = after_minutes(hours, now, rules.assign_minutes)
        case CaseState.ASSIGNED:
            due = after_minutes(hours, now, rules.accept_minutes)
        case CaseState.SECOND_VISIT if case.verdict is Reached.SATISFIED:
            due = after_minutes(hours, now, rules.close_minutes)
        case CaseState.SECOND_VISIT:
            due = after_days(hours, now, 1 if case.visit_tries else rules.visit_days)
    return replace(case, stage_due_at=due)


def settled(case: Case) -> Case:
    """The nearest deadline that is not met, and what it is about."""
    if case.state is CaseState.CLOSED:
        return replace(case, due_at=None, due_what=None, stage_due_at=None)
    open_ones = list(_open_deadlines(case))
    at, what = min(open_ones, key=lambda one: one[0], default=(None, None))
    return replace(case, due_at=at, due_what=what)


def _open_deadlines(case: Case) -> Iterator[tuple[datetime, Due]]:
    if case.stage_due_at is not None:
        stage = {CaseState.REGISTERED: Due.ASSIGN, CaseState.ASSIGNED: Due.ACCEPT}.get(case.state)
        if stage is None:
            stage = Due.CLOSE if case.verdict is Reached.SATISFIED else Due.VISIT
        yield case.stage_due_at, stage
    if case.answered_at is None and case.answer_due_at is not None:
        yield case.answer_due_at, Due.ANSWER
    if case.solved_at is None and case.solve_due_at is not None:
        yield case.solve_due_at, Due.SOLVE


def deadline_key(case: Case) -> str:
    """Names the nearest deadline: another round, another matter or another time is another deadline."""
    if case.due_at is None or case.due_what is None:
        return ""
    return f"{case.due_what}:{case.round}:{case.due_at:%Y%m%d%H%M}"


def notices(case: Case, rules: Rules, hours: WorkingTime) -> list[Notice]:
    """What the house says about the nearest deadline, in the order of time; of a major case managers hear at once."""
    if case.due_at is None:
        return []
    key = deadline_key(case)
    late = (
        case.due_at if case.grade is Grade.MAJOR else after_minutes(hours, case.due_at, rules.manager_minutes)
    )
    found = [
        Notice(
            at=before_minutes(hours, case.due_at, _lead(case, rules, hours)),
            level=Level.REMIND,
            occasion=f"{key}:remind",
        ),
        Notice(at=case.due_at, level=Level.SUPERVISOR, occasion=f"{key}:supervisor"),
        Notice(at=late, level=Level.MANAGER, occasion=f"{key}:manager"),
    ]
    if case.grade is Grade.MAJOR:
        found.insert(0, Notice(at=case.opened_at, level=Level.MANAGER, occasion="major"))
    return found


def _lead(case: Case, rules: Rules, hours: WorkingTime) -> int:
    """Minutes before its deadline at which a case is reminded of: never in the first half of its time."""
    match case.due_what:
        case Due.ASSIGN:
            whole = rules.assign_minutes
        case Due.ACCEPT:
            whole = rules.accept_minutes
        case Due.CLOSE:
            whole = rules.close_minutes
        case Due.ANSWER | Due.SOLVE if case.due_at is not None:
            whole = int(hours.working_between(case.round_at, case.due_at) / timedelta(minutes=1))
        case _:
            return rules.remind_minutes
    return min(rules.remind_minutes, max(whole, 0) // 2)


def due_notices(case: Case, rules: Rules, hours: WorkingTime, now: datetime) -> list[Notice]:
    """What has to be said by now; nobody is reminded of what is late already."""
    return [
        one
        for one in notices(case, rules, hours)
        if one.at <= now and (one.level is not Level.REMIND or case.due_at is None or case.due_at > now)
    ]


def date_reached_at(case: Case, hours: WorkingTime) -> datetime | None:
    """When the day of an agreed plan is over and the customer is asked, whatever the department says."""
    if case.state is not CaseState.AGREED or case.carry_out_on is None:
        return None
    return morning_after(hours, case.carry_out_on)


def next_look(case: Case, rules: Rules, hours: WorkingTime, after: datetime | None = None) -> datetime | None:
    """When the house has to look at the case again: the first thing it says or does later than `after`."""
    moments = [one.at for one in notices(case, rules, hours)]
    if (reached := date_reached_at(case, hours)) is not None:
        moments.append(reached)
    return min((one for one in moments if after is None or one > after), default=None)
