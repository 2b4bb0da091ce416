"""When a vehicle is due: both sides of an interval, learned rates, misread odometers, leap days."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crm.maintenance.forecast import (
    MOST_KM_A_DAY,
    Cause,
    Reading,
    Stage,
    Visit,
    dated,
    forecast,
    learn_rate,
    plausible,
)
from crm.maintenance.plans import DEFAULT, Plan, add_months, plan_for
from crm.records.purchases import VisitKind

DELIVERED = date(2025, 12, 1)
readings = st.lists(
    st.builds(
        Reading,
        on=st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 1, 1)),
        km=st.integers(min_value=-5, max_value=400_000),
    ),
    max_size=12,
)
visits = st.lists(
    st.builds(
        Visit,
        on=st.dates(min_value=date(2020, 1, 1), max_value=date(2030, 1, 1)),
        kind=st.sampled_from(VisitKind),
        km=st.none() | st.integers(min_value=0, max_value=400_000),
    ),
    max_size=6,
)


def test_the_last_day_of_a_month_and_of_february() -> None:
    assert add_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    assert add_months(date(2024, 2, 29), 12) == date(2025, 2, 28)
    assert add_months(date(2024, 2, 29), 48) == date(2028, 2, 29)
    assert add_months(date(2026, 12, 15), 1) == date(2027, 1, 15)


def test_a_new_car_is_due_by_date_or_by_what_it_drives() -> None:
    found = forecast(DEFAULT, delivered_on=DELIVERED, visits=[])
    assert found is not None
    assert (found.stage, found.cause, found.due_on) == (Stage.FIRST, Cause.MILEAGE, date(2026, 4, 5))
    slow = forecast(
        DEFAULT, delivered_on=DELIVERED, visits=[], readings=[Reading(on=date(2026, 3, 1), km=900)]
    )
    assert slow is not None
    assert (slow.cause, slow.due_on) == (Cause.DATE, date(2026, 6, 1))


def test_ten_thousand_kilometres_after_the_last_visit() -> None:
    done = Visit(on=date(2026, 3, 2), kind=VisitKind.PERIODIC, km=20_150)
    found = forecast(
        DEFAULT,
        delivered_on=date(2025, 1, 1),
        visits=[done],
        readings=[Reading(on=date(2026, 3, 2) + timedelta(days=40), km=20_150 + 40 * 80)],
    )
    assert found is not None
    why = found.why()
    assert (why["base_on"], why["base_km"], why["due_km"]) == ("2026-03-02", 20_150, 30_150)
    assert (found.stage, found.cause) == (Stage.PERIODIC, Cause.MILEAGE)
    assert 52 < found.rate.km_per_day < 80
    assert why["learned"] is True
    assert found.due_on < date(2026, 9, 2)


def test_repairs_do_not_fulfil_the_plan_and_given_dates_come_first() -> None:
    repair = Visit(on=date(2026, 2, 1), kind=VisitKind.REPAIR, km=3_000)
    found = forecast(DEFAULT, delivered_on=DELIVERED, visits=[repair])
    assert found is not None
    assert (found.stage, found.base_on) == (Stage.FIRST, DELIVERED)
    given_by_maker = Visit(on=date(2026, 2, 1), kind=VisitKind.FIRST, km=3_000, given_on=date(2026, 11, 5))
    told = forecast(DEFAULT, delivered_on=DELIVERED, visits=[given_by_maker])
    assert told is not None
    assert (told.cause, told.due_on) == (Cause.GIVEN, date(2026, 11, 5))


def test_a_misread_odometer_is_left_out() -> None:
    true = [Reading(on=DELIVERED + timedelta(days=30 * n), km=1_500 * n) for n in range(5)]
    misread = [*true, Reading(on=DELIVERED + timedelta(days=70), km=350_000)]
    rate = learn_rate(misread, 40)
    assert (round(rate.km_per_day), rate.left_out) == (50, 1)


def test_the_plan_of_the_model_before_that_of_the_brand_before_the_house() -> None:
    house, brand, model = Plan(id="h"), Plan(id="b", brand="B"), Plan(id="m", brand="B", model="M")
    assert [plan_for([model, house, brand], *car).id for car in (("B", "M"), ("B", "X"), ("C", "M"))] == [
        "m",
        "b",
        "h",
    ]


def test_inspections_come_every_year_on_the_day_of_delivery() -> None:
    assert dated(DEFAULT, date(2024, 2, 29), date(2026, 3, 1)) == [("inspection", date(2027, 2, 28))]
    assert dated(DEFAULT, date(2024, 5, 1), date(2026, 5, 1)) == [("inspection", date(2026, 5, 1))]


@given(readings)
def test_what_is_kept_can_all_be_true(some: list[Reading]) -> None:
    kept = plausible(some)
    for early, late in itertools.pairwise(kept):
        assert early.on < late.on
        assert 0 <= late.km - early.km <= MOST_KM_A_DAY * (late.on - early.on).days
    assert bool(kept) == any(one.km >= 0 for one in some)
    assert 1 <= learn_rate(some, 40).km_per_day <= MOST_KM_A_DAY


@given(readings, visits, st.none() | st.dates(min_value=date(2019, 1, 1), max_value=date(2029, 1, 1)))
def test_a_forecast_is_never_before_what_it_counts_from(
    some: list[Reading], done: list[Visit], delivered: date | None
) -> None:
    found = forecast(DEFAULT, delivered_on=delivered, visits=done, readings=some)
    fulfilled = [one.on for one in done if one.kind in DEFAULT.fulfilled_by]
    assert (found is None) == (delivered is None and not fulfilled)
    if found is not None:
        assert found.base_on == (max(fulfilled) if fulfilled else delivered)
        assert found.base_on is not None
        assert found.base_on <= found.due_on <= add_months(found.base_on, 6)
