"""Working time: split shifts, China's calendar of 2026, the house's dates, and clocks that jump."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.hours import CalendarRefused, DayKind, NoWorkingTime, OpenState, Why, WorkingTime
from telephony.options import CalendarOptions, SpanOptions

SHANGHAI = ZoneInfo("Asia/Shanghai")
HOUSE = WorkingTime.from_options(CalendarOptions())
EVERY_DAY = [[(510, 720), (780, 1050)]] * 7


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("moment", "state", "why", "next_open"),
    [
        ("2026-06-16 08:29:59", OpenState.CLOSED, Why.BEFORE_OPENING, "2026-06-16 08:30"),
        ("2026-06-16 08:30:00", OpenState.OPEN, Why.WORKING_HOURS, "2026-06-16 13:00"),
        ("2026-06-16 11:59:59", OpenState.OPEN, Why.WORKING_HOURS, "2026-06-16 13:00"),
        ("2026-06-16 12:00:00", OpenState.LUNCH, Why.LUNCH_BREAK, "2026-06-16 13:00"),
        ("2026-06-16 17:30:00", OpenState.CLOSED, Why.AFTER_CLOSING, "2026-06-17 08:30"),
        ("2026-06-14 10:00:00", OpenState.CLOSED, Why.WEEKLY_REST, "2026-06-15 08:30"),  # Sunday
        ("2026-06-19 10:00:00", OpenState.HOLIDAY, Why.STATUTORY_HOLIDAY, "2026-06-22 08:30"),  # 端午节
        ("2026-10-01 10:00:00", OpenState.HOLIDAY, Why.STATUTORY_HOLIDAY, "2026-10-08 08:30"),  # 国庆节
        ("2026-09-20 10:00:00", OpenState.OPEN, Why.WORKING_HOURS, "2026-09-20 13:00"),  # Sunday, worked
    ],
)
def test_state_at(moment: str, state: OpenState, why: Why, next_open: str) -> None:
    found = HOUSE.state_at(at(moment))
    assert (found.state, found.why, found.next_open) == (state, why, at(next_open))


CHINA_2026 = {
    # The State Council's notice for 2026: each holiday's whole stretch, and the days worked for it.
    "元旦": (("2026-01-01", "2026-01-03"), ["2026-01-04"]),
    "春节": (("2026-02-15", "2026-02-23"), ["2026-02-14", "2026-02-28"]),
    "清明节": (("2026-04-04", "2026-04-06"), []),
    "劳动节": (("2026-05-01", "2026-05-05"), ["2026-05-09"]),
    "端午节": (("2026-06-19", "2026-06-21"), []),
    "中秋节": (("2026-09-25", "2026-09-27"), []),
    "国庆节": (("2026-10-01", "2026-10-07"), ["2026-09-20", "2026-10-10"]),
}


def test_china_2026_is_the_official_notice() -> None:
    """Every day of 2026 is a holiday, a make-up workday or neither, exactly as the notice says."""
    house = WorkingTime(zone=SHANGHAI, week=EVERY_DAY, holidays_of="CN")
    off: set[date] = set()
    worked: set[date] = set()
    for (first, last), makeup in CHINA_2026.values():
        day = date.fromisoformat(first)
        while day <= date.fromisoformat(last):
            off.add(day)
            day += timedelta(days=1)
        worked.update(map(date.fromisoformat, makeup))
    days = [house.day(date(2026, 1, 1) + timedelta(days=n)) for n in range(365)]
    assert {day.date for day in days if day.kind is DayKind.HOLIDAY} == off
    assert {day.date for day in days if day.kind is DayKind.MAKE_UP} == worked
    assert house.day(date(2026, 10, 1)).holiday == "国庆节"


def test_makeup_workday_has_the_hours_of_the_chosen_weekday() -> None:
    options = CalendarOptions(
        spans=[
            SpanOptions(days=["mon", "tue", "wed", "thu"], open="09:00", close="18:00"),
            SpanOptions(days=["fri"], open="09:00", close="16:00"),
        ]
    )
    house = WorkingTime.from_options(options)
    assert house.day(date(2026, 10, 10)).spans == ((540, 960),)
    assert house.next_working_day(date(2026, 9, 30)) == date(2026, 10, 8)
    assert house.next_working_day(date(2026, 9, 18)) == date(2026, 9, 20)


def test_the_house_decides_before_the_state() -> None:
    house = WorkingTime.from_options(
        CalendarOptions(
            closed_dates=[date(2026, 6, 16), date(2026, 10, 10)],
            open_dates=[date(2026, 10, 2), date(2026, 6, 14), date(2026, 10, 10)],
        )
    )
    assert house.state_at(at("2026-06-16 10:00")).why is Why.CLOSED_BY_HOUSE
    assert house.is_open(at("2026-10-02 10:00"))
    assert house.day(date(2026, 6, 14)).kind is DayKind.OPENED_BY_HOUSE  # a Sunday: Friday's hours
    assert house.is_open(at("2026-06-14 10:00"))
    assert house.day(date(2026, 10, 10)).kind is DayKind.CLOSED_BY_HOUSE


def test_other_countries_come_from_the_library() -> None:
    house = WorkingTime(zone=ZoneInfo("Europe/Berlin"), week=EVERY_DAY, holidays_of="DE")
    assert house.day(date(2026, 10, 3)).kind is DayKind.HOLIDAY
    assert house.day(date(2026, 10, 4)).kind is DayKind.ORDINARY
    assert not house.warnings(datetime(2026, 12, 1, tzinfo=UTC))


def test_warns_before_a_year_whose_makeup_days_are_unknown() -> None:
    assert not HOUSE.warnings(datetime(2026, 6, 1, tzinfo=UTC))
    (warning,) = HOUSE.warnings(datetime(2098, 11, 20, tzinfo=UTC) - timedelta(days=0))[-1:]
    assert warning.year == 2099
    assert "2099" in warning.text["zh-CN"]
    assert "2099" in warning.text["en"]
    known = WorkingTime.from_options(
        CalendarOptions(open_dates=[date(2098, 1, 4), date(2099, 1, 4)], zone="Asia/Shanghai")
    )
    assert not known.warnings(datetime(2098, 11, 20, tzinfo=UTC))


def test_promises_run_over_lunch_nights_and_holidays() -> None:
    half_hour = timedelta(minutes=30)
    assert HOUSE.add_working(at("2026-06-16 10:00"), half_hour) == at("2026-06-16 10:30")
    assert HOUSE.add_working(at("2026-06-16 11:45"), half_hour) == at("2026-06-16 13:15")
    assert HOUSE.add_working(at("2026-06-16 11:30"), half_hour) == at("2026-06-16 12:00")
    assert HOUSE.add_working(at("2026-06-16 20:00"), half_hour) == at("2026-06-17 09:00")
    assert HOUSE.add_working(at("2026-09-30 17:15"), half_hour) == at("2026-10-08 08:45")
    assert HOUSE.working_between(at("2026-09-30 17:00"), at("2026-10-08 09:00")) == timedelta(hours=1)
    assert HOUSE.add_working(at("2026-06-14 10:00"), timedelta(0)) == at("2026-06-14 10:00")


def test_around_the_clock() -> None:
    house = WorkingTime(zone=SHANGHAI, week=[[(0, 1440)]] * 7)
    state = house.state_at(at("2026-06-16 03:00"))
    assert state.is_open
    assert state.until is None
    assert house.working_between(at("2026-06-16 00:00"), at("2026-06-19 00:00")) == timedelta(days=3)


def test_a_usual_day_is_as_long_as_the_house_is_open() -> None:
    assert WorkingTime(zone=SHANGHAI, week=[[(0, 1440)]] * 7).usual_day() == timedelta(hours=24)
    lunch, short = [(540, 720), (780, 1080)], [(540, 720)]
    assert WorkingTime(zone=SHANGHAI, week=[lunch] * 5 + [short, []]).usual_day() == timedelta(minutes=430)
    assert WorkingTime(zone=SHANGHAI, week=[[]] * 7).usual_day() == timedelta()


def test_a_gap_moves_the_opening_to_the_jump() -> None:
    """In Berlin 02:00 to 03:00 does not exist on 29 March 2026."""
    house = WorkingTime(zone=ZoneInfo("Europe/Berlin"), week=[[(150, 240)]] * 7)  # 02:30 to 04:00
    (interval,) = house.intervals(date(2026, 3, 29))
    assert interval == (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 3, 29, 2, 0, tzinfo=UTC))


def test_a_fold_counts_the_hour_twice() -> None:
    """In Berlin 02:00 to 03:00 comes twice on 25 October 2026."""
    house = WorkingTime(zone=ZoneInfo("Europe/Berlin"), week=[[(60, 240)]] * 7)  # 01:00 to 04:00
    (interval,) = house.intervals(date(2026, 10, 25))
    assert interval[1] - interval[0] == timedelta(hours=4)
    inside = WorkingTime(zone=ZoneInfo("Europe/Berlin"), week=[[(150, 170)]] * 7)  # 02:30 to 02:50
    assert inside.is_open(datetime(2026, 10, 25, 0, 40, tzinfo=UTC))
    assert inside.is_open(datetime(2026, 10, 25, 1, 40, tzinfo=UTC))


def test_a_skipped_day_has_no_hours() -> None:
    """Samoa skipped 30 December 2011."""
    house = WorkingTime(zone=ZoneInfo("Pacific/Apia"), week=[[(540, 1020)]] * 7)
    assert house.intervals(date(2011, 12, 30)) == ()


def test_a_house_that_never_opens_says_so() -> None:
    house = WorkingTime(zone=SHANGHAI, week=[[]] * 7)
    assert house.state_at(at("2026-06-16 10:00")).next_open is None
    with pytest.raises(NoWorkingTime):
        house.add_working(at("2026-06-16 10:00"), timedelta(minutes=1))
    with pytest.raises(NoWorkingTime):
        house.next_working_day(date(2026, 6, 16))


def test_wrong_settings_name_the_key() -> None:
    with pytest.raises(CalendarRefused, match=r"calendar\.zone"):
        WorkingTime.from_options(CalendarOptions(zone="Asia/Nowhere"))
    with pytest.raises(CalendarRefused, match=r"calendar\.spans\[0\]"):
        WorkingTime.from_options(
            CalendarOptions(spans=[SpanOptions(days=["mon"], open="20:00", close="04:00")])
        )
    with pytest.raises(CalendarRefused, match=r"calendar\.holidays"):
        WorkingTime.from_options(CalendarOptions(holidays="XX"))


def test_naive_moments_are_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        HOUSE.state_at(datetime(2026, 6, 16, 10))  # noqa: DTZ001


zones = st.sampled_from(
    [
        "Asia/Shanghai",
        "Europe/Berlin",
        "America/New_York",
        "Australia/Lord_Howe",
        "Africa/Cairo",
        "Atlantic/Azores",
    ]
)
spans = st.lists(
    st.tuples(st.integers(0, 1439), st.integers(60, 600)).map(lambda pair: (pair[0], min(1440, sum(pair)))),
    max_size=3,
)
weeks = st.lists(spans, min_size=7, max_size=7).filter(any)
moments = st.datetimes(
    datetime(2024, 1, 1),  # noqa: DTZ001
    datetime(2028, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
durations = st.timedeltas(timedelta(0), timedelta(hours=20))


@settings(max_examples=150, deadline=None)
@given(zones, weeks, st.sampled_from(["", "CN", "US"]), moments, durations)
def test_add_and_between_are_inverse(
    zone: str, week: list[list[tuple[int, int]]], country: str, moment: datetime, duration: timedelta
) -> None:
    house = WorkingTime(zone=ZoneInfo(zone), week=week, holidays_of=country)
    later = house.add_working(moment, duration)
    assert later >= moment
    assert house.working_between(moment, later) == duration
    if duration:
        assert house.is_open(later - timedelta(microseconds=1))


@settings(max_examples=150, deadline=None)
@given(zones, weeks, moments, durations, durations)
def test_add_is_monotone_and_adds_up(
    zone: str, week: list[list[tuple[int, int]]], moment: datetime, one: timedelta, two: timedelta
) -> None:
    house = WorkingTime(zone=ZoneInfo(zone), week=week)
    both = house.add_working(moment, one + two)
    assert house.add_working(house.add_working(moment, one), two) == (
        both if two else house.add_working(moment, one)
    )
    assert house.add_working(moment, one) <= both
    assert house.add_working(moment + one, two) >= house.add_working(moment, two)


@settings(max_examples=150, deadline=None)
@given(zones, weeks, moments)
def test_state_agrees_with_is_open_and_next_open(
    zone: str, week: list[list[tuple[int, int]]], moment: datetime
) -> None:
    house = WorkingTime(zone=ZoneInfo(zone), week=week)
    state = house.state_at(moment)
    assert state.is_open == house.is_open(moment)
    if state.is_open:
        if state.until is None:  # around the clock
            assert house.working_between(moment, moment + timedelta(30)) == timedelta(30)
            return
        assert house.next_open(moment) == moment
        assert house.working_between(moment, state.until) == state.until - moment
    else:
        assert state.next_open == house.next_open(moment)
        assert state.next_open is not None
        assert house.is_open(state.next_open)
        assert house.working_between(moment, state.next_open) == timedelta(0)
