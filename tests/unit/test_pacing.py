"""How many calls to begin: the counts behind the risk, the governor of the cap, the modes, the hotline's reserve."""

from __future__ import annotations

import math
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench._floor_model import Day, simulate, together
from bench._pacing_rules import Ours, Progressive
from campaigns.pacing import risk
from campaigns.pacing.floor import Floor
from campaigns.pacing.governor import LEAST_RISK, MOST_RISK, AnswerRate, Governor
from campaigns.pacing.lengths import Curve, Lengths, Mix, Part
from campaigns.pacing.pacers import Fixed, Predictive
from campaigns.pacing.reserve import reserve, service_level

_GUESS = Mix((Part(1, 10, 0.5),))
_seconds = st.floats(min_value=0, max_value=4000, allow_nan=False)
_ages = st.lists(_seconds, max_size=30)
_floors = st.builds(
    Floor,
    st.integers(0, 60),
    st.integers(0, 10),
    _ages,
    _ages,
    _ages,
)


# -- lengths ------------------------------------------------------------------------------------------


@given(st.lists(_seconds, max_size=700), _seconds, _seconds)
def test_curve_is_a_distribution(seen: list[float], one: float, other: float) -> None:
    lengths = Lengths(_GUESS, step=0.5, most=60)
    for seconds in seen:
        lengths.add(seconds)
    curve = lengths.curve()
    low, high = sorted((one, other))
    assert 0 <= curve.at(low) <= curve.at(high) <= 1 + 1e-9
    assert len(lengths) == len(seen)


@given(st.floats(0.01, 0.99))
def test_quantile_is_the_inverse_of_the_share(share: float) -> None:
    curve = Lengths(_GUESS, step=0.5, most=60).curve()
    assert curve.at(curve.quantile(share)) == pytest.approx(share, abs=1e-6)


def test_guess_fades_and_old_lengths_are_forgotten() -> None:
    lengths = Lengths(_GUESS, step=1, most=60, keep=500)
    for _ in range(500):
        lengths.add(40)
    assert lengths.curve().at(39) == 0
    assert lengths.curve().at(41) == 1
    for _ in range(500):
        lengths.add(5)
    assert lengths.curve().at(6) == 1
    assert len(lengths) == 500


def test_mix_has_the_mean_it_names() -> None:
    mix = Mix((Part(1, 117, 0.4),))
    step = 0.5
    mean = sum((1 - mix.at(index * step)) * step for index in range(8000))
    assert mean == pytest.approx(117, rel=0.01)


# -- risk ---------------------------------------------------------------------------------------------


@given(
    st.lists(st.floats(0, 1), max_size=6),
    st.lists(st.floats(0, 1), max_size=6),
    st.integers(-3, 6),
)
def test_exact_count_agrees_with_every_case_written_out(
    answering: list[float], freeing: list[float], spare: int
) -> None:
    found = risk._at_least(risk._law(answering), risk._law(freeing), spare)
    chances = [*answering, *freeing]
    written_out = 0.0
    for fate in product((0, 1), repeat=len(chances)):
        chance = math.prod(p if hit else 1 - p for p, hit in zip(chances, fate, strict=True))
        answers, freed = sum(fate[: len(answering)]), sum(fate[len(answering) :])
        written_out += chance if answers >= spare + freed else 0
    assert found == pytest.approx(written_out, abs=1e-3)


def _tables(rate: float) -> tuple[risk.Agents, risk.Rings]:
    answer = Lengths(Mix((Part(1, 12, 0.5),), most=45), step=0.5, most=60).curve()
    fail = Lengths(Mix((Part(1, 25, 0.3),), most=90), step=0.5, most=120).curve()
    talk = Lengths(Mix((Part(1, 110, 0.9),)), step=2, most=1200).curve()
    wrap = Lengths(Mix((Part(1, 20, 0.6),)), step=1, most=600).curve()
    agents = risk.Agents(answer, talk, wrap)
    return agents, risk.Rings(answer, fail, agents.looks, rate)


def test_normal_law_agrees_with_the_exact_count_for_a_large_team() -> None:
    agents, rings = _tables(0.4)
    floor = Floor(
        6,
        1,
        [float(age) for age in range(0, 24, 2)],
        [10.0 * index for index in range(34)],
        [2.0 * index for index in range(10)],
    )
    for limit in (0.01, 0.03, 0.1):
        exact = risk._by_counting(floor, agents, rings, limit, 50)
        normal = risk._by_normal_law(floor, agents, rings, limit, 50)
        assert abs(exact - normal) <= 1
    assert risk._by_counting(floor, agents, rings, 0.1, 50) > 0


@given(_floors, st.floats(0.05, 0.95), st.floats(LEAST_RISK, MOST_RISK))
def test_more_risk_never_means_fewer_calls(floor: Floor, rate: float, limit: float) -> None:
    agents, rings = _CACHED
    few = risk.launches(floor, agents, rings, limit / 2, 40)
    many = risk.launches(floor, agents, rings, limit, 40)
    assert 0 <= few <= many <= 40


_CACHED = _tables(0.3)


def test_nobody_to_talk_means_no_call() -> None:
    agents, rings = _CACHED
    assert risk.launches(Floor(0), agents, rings, MOST_RISK, 40) == 0
    assert Predictive(0.03).calls(Floor(0, 0, [1.0]), now=0, left=1) == 0


def test_customers_who_wait_come_before_new_calls() -> None:
    agents, rings = _CACHED
    assert risk.launches(Floor(3), agents, rings, 0.03, 40) > 0
    assert risk.launches(Floor(3, waiting=3), agents, rings, 0.03, 40) == 0


# -- governor -----------------------------------------------------------------------------------------


@given(st.lists(st.booleans(), max_size=400), st.sampled_from([0.01, 0.03]), st.floats(0, 1))
def test_risk_stays_in_its_bounds_whatever_happens(fates: list[bool], cap: float, left: float) -> None:
    governor = Governor(cap)
    for abandoned in fates:
        before = governor.risk(1)
        governor.answer(abandoned=abandoned)
        after = governor.risk(1)
        assert LEAST_RISK <= after <= MOST_RISK
        if abandoned:
            assert after <= before
    assert governor.risk(left) <= MOST_RISK


def test_day_that_used_up_its_share_dials_with_care() -> None:
    governor = Governor(0.03)
    for _ in range(3):
        governor.answer(abandoned=True)
    assert governor.risk(1.0) <= 0.001
    for _ in range(60):
        governor.answer(abandoned=False)
    assert governor.risk(1.0) > 0.001
    assert governor.risk(0.0) <= 0.001, "at the day's end nothing may be ahead of the cap"
    governor.new_day()
    assert governor.risk(0.0) > 0.001


@pytest.mark.parametrize("cap", [0, -0.01, 1, 3])
def test_cap_that_is_no_share_is_refused(cap: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Governor(cap)


def test_answer_rate_follows_the_last_ten_minutes() -> None:
    rate = AnswerRate()
    assert rate.value > 0.6
    for second in range(3000):
        rate.add(answered=second % 4 == 0, now=second)
    assert rate.value == pytest.approx(0.25, abs=0.02)
    for second in range(3000, 6000):
        rate.add(answered=second % 5 != 0, now=second)
    assert rate.value == pytest.approx(0.8, abs=0.03)


# -- modes --------------------------------------------------------------------------------------------


@given(_floors)
def test_progressive_never_has_more_calls_than_ready_agents(floor: Floor) -> None:
    calls = Fixed().calls(floor, now=0, left=1)
    assert calls == 0 or calls + len(floor.ringing) + floor.waiting <= floor.idle


@pytest.mark.parametrize("lines", [0.5, 6])
def test_lines_out_of_range_are_refused(lines: float) -> None:
    with pytest.raises(ValueError, match="lines for each ready agent"):
        Fixed(lines)


def test_progressive_abandons_nobody_and_predictive_keeps_its_cap() -> None:
    days = [Day(agents=3, rates=(0.4,), hours=8, seed=seed) for seed in range(2)]
    progressive = together([simulate(day, Progressive()) for day in days])
    ours = together([simulate(day, Ours(0.03)) for day in days])
    assert progressive.abandoned == 0
    assert ours.abandonment <= 0.03
    assert ours.occupancy > progressive.occupancy + 0.02


def test_replayed_calls_teach_as_much_as_lived_ones() -> None:
    floor = Floor(2, 0, [3.0], [40.0], [])
    lived, replayed = Predictive(0.03), Predictive(0.03)
    for pacer in (lived, replayed):
        for second in range(200):
            if second % 2:
                pacer.answered(9, now=second)
                pacer.met(abandoned=False)
                pacer.talked(90)
                pacer.wrapped_up(20)
            else:
                pacer.failed(25, now=second)
            if pacer is lived:
                pacer.calls(floor, now=second, left=1)
    assert replayed.answer_rate == lived.answer_rate
    later = lived.calls(floor, now=500, left=1), replayed.calls(floor, now=500, left=1)
    assert later[0] == later[1] > 0


# -- the hotline's reserve ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "share", "seconds", "kept"),
    [
        (3, 0.8, 20, [1, 2, 3]),
        (10, 0.8, 20, [1, 1, 2]),
        (50, 0.8, 20, [0, 0, 0]),
        (200, 0.8, 20, [0, 0, 0]),
        (10, 0.9, 10, [1, 2, 4]),
    ],
)
def test_reserve_is_the_threshold_of_the_blending_chain(
    agents: int, share: float, seconds: float, kept: list[int]
) -> None:
    for load, expected in zip((0.1, 0.3, 0.5), kept, strict=True):
        calls = agents * load * 3600 / 150
        assert (
            reserve(agents, calls_per_hour=calls, handling_seconds=150, share=share, within_seconds=seconds)
            == expected
        )


@given(st.integers(1, 60), st.floats(0, 2000), st.floats(10, 900))
def test_keeping_more_back_never_makes_callers_wait_longer(
    agents: int, calls: float, handling: float
) -> None:
    levels = [
        service_level(agents, kept, calls_per_hour=calls, handling_seconds=handling, within_seconds=20)
        for kept in range(agents + 1)
    ]
    assert all(after >= before - 1e-9 for before, after in pairwise(levels))
    assert all(0 <= level <= 1 + 1e-9 for level in levels)


def test_curve_beyond_its_end_says_what_is_known() -> None:
    curve = Curve(1.0, (0.0, 0.5, 0.9))
    assert (curve.at(-1), curve.at(100), curve.quantile(0.95)) == (0.0, 0.9, 2.0)
