"""Cases without a store: roads and states as data, deadlines on working time, notices, settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crm.cases.cases import (
    Case,
    CaseKind,
    CaseSource,
    CaseState,
    Due,
    Grade,
    Reached,
    StepNotAllowed,
)
from crm.cases.deadlines import (
    Level,
    before_minutes,
    due_notices,
    next_look,
    notices,
    settled,
    with_allowance,
    with_stage,
)
from crm.cases.rules import Rules
from crm.cases.steps import OF_HOUSE, OF_LINK, QUIET, ROADS, STEPS, Step, allowed, next_state, require
from crm.options import CaseOptions
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions

ZONE = ZoneInfo("Asia/Shanghai")
HOURS = WorkingTime.from_options(CalendarOptions())
RULES = Rules()
MOMENTS = st.integers(0, 330 * 24 * 3600).map(
    lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


def case_at(now: datetime, **values: object) -> Case:
    made = Case(
        id="CASE",
        number="TS2026-000001",
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        state=CaseState.REGISTERED,
        subject="异响",
        occurred_at=now,
        opened_at=now,
        round_at=now,
    )
    return replace(made, **values)  # type: ignore[arg-type]


def dued(case: Case, now: datetime) -> Case:
    return settled(with_allowance(with_stage(case, RULES, HOURS, now), RULES, HOURS))


def test_every_state_but_the_end_has_a_way_on() -> None:
    for state in CaseState:
        way = {step for step, states in STEPS.items() if state in states}
        onward = {
            step
            for step in way
            for reached in (None, *Reached)
            if next_state(case_at(datetime.now(UTC), state=state), step, reached) is not state
        }
        assert onward or state is CaseState.CLOSED
    assert set(ROADS) == set(CaseKind)
    assert set(STEPS) == set(Step) - {Step.REGISTER}
    assert not QUIET & OF_LINK
    assert not set(allowed(case_at(datetime.now(UTC)))) & OF_HOUSE


def test_closing_says_what_it_needs() -> None:
    now = datetime(2026, 6, 16, 2, tzinfo=UTC)
    case = case_at(now, state=CaseState.SECOND_VISIT, round=2)
    with pytest.raises(StepNotAllowed, match="satisfied second visit of its last round") as refused:
        require(case, Step.CLOSE)
    assert refused.value.state == "second_visit"
    assert "second_visit" in refused.value.allowed_steps
    require(replace(case, verdict=Reached.SATISFIED), Step.CLOSE)
    # A verdict of another state is none: the handling began again.
    with pytest.raises(StepNotAllowed):
        require(replace(case, verdict=Reached.SATISFIED, state=CaseState.HANDLING), Step.CLOSE)
    signed = replace(case, exception_at=now, exception_by="A", handler_id="B")
    require(signed, Step.CLOSE)
    with pytest.raises(StepNotAllowed):
        require(replace(signed, handler_id="A"), Step.CLOSE)


@given(moment=MOMENTS, minutes=st.integers(0, 3000))
def test_so_many_minutes_before_a_deadline_is_that_much_working_time_before_it(
    moment: datetime, minutes: int
) -> None:
    early = before_minutes(HOURS, moment, minutes)
    assert early <= moment
    assert HOURS.working_between(early, moment) == timedelta(minutes=minutes)


@given(moment=MOMENTS, kind=st.sampled_from(CaseKind), grade=st.sampled_from(Grade))
def test_deadlines_lie_in_working_time_and_a_graver_grade_is_never_later(
    moment: datetime, kind: CaseKind, grade: Grade
) -> None:
    case = dued(case_at(moment, kind=kind, grade=grade), moment)
    allowance = RULES.allowance(kind, grade)
    assert case.answer_due_at is not None
    assert case.solve_due_at is not None
    assert HOURS.working_between(moment, case.answer_due_at) == timedelta(minutes=allowance.answer)
    assert HOURS.working_between(moment, case.solve_due_at) == timedelta(minutes=allowance.solve)
    assert case.answer_due_at <= case.solve_due_at
    graver = dued(replace(case, grade=Grade.MAJOR), moment)
    assert graver.answer_due_at is not None
    assert graver.answer_due_at <= case.answer_due_at


@given(moment=MOMENTS, late=st.integers(0, 5000), grade=st.sampled_from(Grade))
def test_notices_come_in_order_and_the_next_look_misses_none(
    moment: datetime, late: int, grade: Grade
) -> None:
    case = dued(case_at(moment, state=CaseState.ASSIGNED, grade=grade), moment)
    found = notices(case, RULES, HOURS)
    assert [one.at for one in found] == sorted(one.at for one in found)
    assert len({one.occasion for one in found}) == len(found)
    now = moment + timedelta(minutes=late)
    given_now = due_notices(case, RULES, HOURS, now)
    again = next_look(case, RULES, HOURS, after=now)
    assert all(one.at <= now for one in given_now)
    assert again == min((one.at for one in found if one.at > now), default=None)
    if case.due_at is not None and case.due_at <= now:
        assert Level.REMIND not in {one.level for one in given_now}  # it is late already
        assert Level.SUPERVISOR in {one.level for one in given_now}


def test_deadlines_over_lunch_midnight_holidays_and_make_up_workdays() -> None:
    """The house works 8:30 to 12 and 13 to 17:30 from Monday to Saturday, by China's calendar."""
    friday = datetime(2026, 9, 25, 17, 0, tzinfo=ZONE)  # Mid-Autumn Festival: closed
    case = dued(case_at(friday.astimezone(UTC), grade=Grade.MAJOR), friday)
    assert HOURS.day(friday.date()).holiday
    assert case.answer_due_at is not None
    assert case.answer_due_at.astimezone(ZONE).date() > friday.date()
    # 30 September 2026, 17:00: the National Day holiday begins; 120 minutes are 30 today and 90 after it.
    eve = datetime(2026, 9, 30, 17, 0, tzinfo=ZONE)
    over = dued(case_at(eve.astimezone(UTC), grade=Grade.MAJOR), eve)
    assert over.answer_due_at is not None
    back = HOURS.next_working_day(eve.date())
    assert over.answer_due_at.astimezone(ZONE) == datetime.combine(
        back, datetime.min.time(), ZONE
    ) + timedelta(hours=10)
    noon = datetime(2026, 6, 16, 11, 30, tzinfo=ZONE)
    lunch = dued(case_at(noon.astimezone(UTC)), noon)
    assert (lunch.due_what, lunch.due_at) == (
        Due.ASSIGN,
        datetime(2026, 6, 16, 13, 30, tzinfo=ZONE),
    )


def test_settings_become_rules_and_impossible_ones_are_refused() -> None:
    options = CaseOptions.model_validate(
        {"allowances": {"complaint": {"major": {"answer": 30, "solve": 90}}}, "visit_days": 3}
    )
    rules = options.rules("en")
    assert rules.allowance(CaseKind.COMPLAINT, Grade.MAJOR).answer == 30
    assert rules.allowance(CaseKind.COMPLAINT, Grade.ORDINARY) == Rules().allowance(
        CaseKind.COMPLAINT, Grade.ORDINARY
    )
    assert rules.visit_days == 3
    assert CaseOptions().rules("zh-CN") == Rules()
    for wrong in ({"number": "TS"}, {"number": "{year}{serial}x"}, {"link_days": 0}, {"departments": {}}):
        with pytest.raises(ValidationError):
            CaseOptions.model_validate(wrong)
