"""May we contact this person now? Windows in the customer's zone, caps, consents, switches, and when it will be yes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.consent.consents import (
    BadConsent,
    BadSwitch,
    Consent,
    ConsentSource,
    ContactSwitch,
    check_span,
    clean_proof,
    clean_switch_reason,
)
from crm.consent.contactability import Facts, Listing, Policy, Rule, may_contact, when
from crm.consent.optouts import Channel, OptOut, OptOutSource, Purpose
from crm.consent.windows import Window, next_midnight

_SHANGHAI = ZoneInfo("Asia/Shanghai")
_NEW_YORK = ZoneInfo("America/New_York")
_LONDON = ZoneInfo("Europe/London")
_DAY = ((9 * 60, 12 * 60), (13 * 60, 20 * 60))
_WINDOW = Window((_DAY,) * 6 + ((),), "CN")
_POLICY = Policy(window=_WINDOW)
_NUMBER = "+8613800000001"


def _at(text: str, zone: ZoneInfo = _SHANGHAI) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


#: A Thursday morning.
_NOW = _at("2026-11-19T10:00")


def _facts(**more: Any) -> Facts:
    known: dict[str, Any] = {
        "purpose": Purpose.VISITS,
        "channel": Channel.CALL,
        "number": _NUMBER,
        "zones": (_SHANGHAI,),
    }
    return Facts(**{**known, **more})


def _rules(facts: Facts, policy: Policy = _POLICY, now: datetime = _NOW) -> list[Rule]:
    return [one.rule for one in may_contact(facts, policy, now).findings]


def _optout(**more: Any) -> OptOut:
    known: dict[str, Any] = {
        "id": "o1",
        "number": _NUMBER,
        "purpose": Purpose.ALL,
        "channel": Channel.ALL,
        "source": OptOutSource.AGENT,
        "at": _NOW - timedelta(days=3),
        "proof": "call c1",
    }
    return OptOut(**{**known, **more})


def _consent(**more: Any) -> Consent:
    known: dict[str, Any] = {
        "id": "k1",
        "customer_id": "c1",
        "purpose": Purpose.ADVERTISING,
        "channel": Channel.CALL,
        "source": ConsentSource.SIGNED_FORM,
        "given_at": _NOW - timedelta(days=30),
        "proof": "form 12",
        "by_name": "Li",
    }
    return Consent(**{**known, **more})


def _switch(**more: Any) -> ContactSwitch:
    known: dict[str, Any] = {
        "id": "s1",
        "customer_id": "c1",
        "vehicle_id": None,
        "purpose": Purpose.VISITS,
        "channel": Channel.ALL,
        "reason": "is abroad",
        "off_at": _NOW - timedelta(days=1),
        "by_name": "Li",
    }
    return ContactSwitch(**{**known, **more})


# -- windows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-19T08:59:59", False),
        ("2026-11-19T09:00", True),
        ("2026-11-19T11:59:59", True),
        ("2026-11-19T12:00", False),
        ("2026-11-19T13:00", True),
        ("2026-11-19T19:59:59", True),
        ("2026-11-19T20:00", False),
        ("2026-11-22T10:00", False),  # a Sunday
        ("2026-10-01T10:00", False),  # the National Day
        ("2026-10-10T10:00", True),  # a Saturday worked for it
    ],
)
def test_window_opens_and_closes_to_the_second(moment: str, allowed: bool) -> None:
    assert may_contact(_facts(), _POLICY, _at(moment)).allowed is allowed


def test_holiday_is_told_apart_and_names_the_day() -> None:
    answer = may_contact(_facts(), _POLICY, _at("2026-10-01T10:00"))
    assert answer.first is not None
    assert answer.first.rule is Rule.HOLIDAY
    assert answer.first.evidence["holiday"]
    assert answer.first.until == _at("2026-10-08T09:00")


@pytest.mark.parametrize(
    ("moment", "allowed"),
    [
        ("2026-11-19T07:59", False),
        ("2026-11-19T08:00", True),
        ("2026-11-19T20:59", True),
        ("2026-11-19T21:00", False),
    ],
)
def test_hours_are_those_of_the_called_person(moment: str, allowed: bool) -> None:
    american = Policy(window=Window((((8 * 60, 21 * 60),),) * 7))
    facts = _facts(zones=(_NEW_YORK,))
    assert may_contact(facts, american, _at(moment, _NEW_YORK)).allowed is allowed


def test_where_the_zone_is_not_known_every_candidate_must_be_open() -> None:
    policy = Policy(window=Window((((8 * 60, 21 * 60),),) * 7))
    facts = _facts(zones=(_LONDON, _NEW_YORK))
    assert not may_contact(facts, policy, _at("2026-11-19T09:00", _LONDON)).allowed
    assert may_contact(facts, policy, _at("2026-11-19T14:00", _LONDON)).allowed
    assert when(facts, policy, _at("2026-11-19T09:00", _LONDON)) == _at("2026-11-19T08:00", _NEW_YORK)
    apart = _facts(zones=(_SHANGHAI, _NEW_YORK))
    assert when(apart, Policy(window=Window((((9 * 60, 17 * 60),),) * 7)), _NOW) is None


@pytest.mark.parametrize("day", ["2027-03-13", "2027-03-14", "2027-11-06", "2027-11-07"])
def test_nothing_before_eight_or_after_nine_where_clocks_change(day: str) -> None:
    policy = Policy(window=Window((((8 * 60, 21 * 60),),) * 7))
    facts = _facts(zones=(_NEW_YORK,))
    moment = _at(f"{day}T00:00", _NEW_YORK)
    for _ in range(26 * 4):
        local = moment.astimezone(_NEW_YORK)
        assert may_contact(facts, policy, moment).allowed is (8 <= local.hour < 21), local
        moment += timedelta(minutes=15)


def test_answer_names_when_the_window_closes() -> None:
    answer = may_contact(_facts(), _POLICY, _NOW)
    assert answer.evidence["window_closes"] == _at("2026-11-19T12:00").isoformat()
    assert answer.to_json()["allowed"] is True


# -- what a person has to change ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"number": None}, Rule.NO_NUMBER),
        ({"wrong_since": _NOW - timedelta(days=2)}, Rule.WRONG_NUMBER),
        ({"optouts": (_optout(),)}, Rule.OPTED_OUT),
        ({"optouts": (_optout(purpose=Purpose.VISITS, channel=Channel.CALL),)}, Rule.OPTED_OUT),
        (
            {"listings": (Listing(list_id="l1", list_name="Staff", reason="colleague", at=_NOW),)},
            Rule.LISTED,
        ),
        ({"switches": (_switch(),)}, Rule.SWITCHED_OFF),
        ({"vehicle_gone": "sold"}, Rule.VEHICLE_GONE),
        ({"open_case": "K20261119-001"}, Rule.OPEN_CASE),
    ],
)
def test_what_forbids_until_somebody_acts(more: dict[str, Any], rule: Rule) -> None:
    answer = may_contact(_facts(**more), _POLICY, _NOW)
    assert [one.rule for one in answer.findings] == [rule]
    assert when(_facts(**more), _POLICY, _NOW) is None


@pytest.mark.parametrize(
    "more",
    [
        {"optouts": (_optout(purpose=Purpose.ADVERTISING),)},
        {"optouts": (_optout(channel=Channel.TEXT),)},
        {"optouts": (_optout(withdrawn_at=_NOW - timedelta(hours=1)),)},
        {"switches": (_switch(vehicle_id="v2"),)},
        {"switches": (_switch(on_at=_NOW - timedelta(hours=1)),)},
        {"switches": (_switch(until=_NOW),)},
        {"switches": (_switch(purpose=Purpose.ADVERTISING),)},
    ],
)
def test_what_is_about_something_else_forbids_nothing(more: dict[str, Any]) -> None:
    assert may_contact(_facts(vehicle_id="v1", **more), _POLICY, _NOW).allowed


def test_switch_of_one_vehicle_holds_for_that_vehicle_and_ends_by_itself() -> None:
    facts = _facts(vehicle_id="v1", switches=(_switch(vehicle_id="v1", until=_NOW + timedelta(hours=1)),))
    assert _rules(facts) == [Rule.SWITCHED_OFF]
    assert when(facts, _POLICY, _NOW) == _NOW + timedelta(hours=1)


def test_advertising_needs_a_consent_that_holds_and_names_it() -> None:
    policy = Policy(window=_WINDOW, consent_needed=True)

    def ask(consents: Sequence[Consent]) -> tuple[list[Rule], Any]:
        answer = may_contact(_facts(purpose=Purpose.ADVERTISING, consents=consents), policy, _NOW)
        return [one.rule for one in answer.findings], answer.evidence.get("consent")

    assert ask(()) == ([Rule.NO_CONSENT], None)
    assert ask((_consent(),)) == ([], "k1")
    assert ask((_consent(withdrawn_at=_NOW - timedelta(days=1)),)) == ([Rule.NO_CONSENT], None)
    assert ask((_consent(until=_NOW - timedelta(days=1)),)) == ([Rule.NO_CONSENT], None)
    assert ask((_consent(channel=Channel.TEXT),)) == ([Rule.NO_CONSENT], None)
    assert ask((_consent(given_at=_NOW + timedelta(days=1)),)) == ([Rule.NO_CONSENT], None)
    later = _consent(id="k2", given_at=_NOW - timedelta(days=2), purpose=Purpose.ALL)
    assert ask((_consent(), later)) == ([], "k2")


def test_every_rule_that_forbids_is_named_and_the_first_is_what_lasts() -> None:
    facts = _facts(optouts=(_optout(),), open_case="K1")
    answer = may_contact(facts, _POLICY, _at("2026-11-22T10:00"))
    assert [one.rule for one in answer.findings] == [Rule.OPTED_OUT, Rule.OPEN_CASE, Rule.WINDOW]
    assert answer.to_json()["findings"][0]["evidence"]["source"] == "agent"


# -- what time changes --------------------------------------------------------------------------------


def test_one_call_a_day_is_counted_over_everything_in_the_customers_day() -> None:
    yesterday, today = _at("2026-11-18T19:59"), _at("2026-11-19T09:01")
    policy = Policy(window=_WINDOW, apart=timedelta())
    assert may_contact(_facts(calls_to_number=(yesterday,)), policy, _NOW).allowed
    facts = _facts(calls_to_number=(yesterday, today))
    assert _rules(facts, policy) == [Rule.NUMBER_CAP]
    assert when(facts, policy, _NOW) == _at("2026-11-20T09:00")
    person = _facts(calls_to_person=(today, today + timedelta(minutes=5)))
    assert _rules(person, policy) == [Rule.PERSON_CAP]


def test_calls_lie_apart() -> None:
    facts = _facts(calls_to_person=(_at("2026-11-19T09:30"),))
    assert _rules(facts) == [Rule.TOO_SOON]
    assert when(facts, _POLICY, _NOW) == _at("2026-11-19T13:30")


def test_abandoned_answer_is_not_dialed_again_for_three_days_without_a_reserved_agent() -> None:
    facts = _facts(abandoned_at=_NOW - timedelta(hours=71))
    assert _rules(facts) == [Rule.ABANDONED]
    assert when(facts, _POLICY, _NOW) == _NOW + timedelta(hours=1)
    assert may_contact(_facts(abandoned_at=_NOW, agent_reserved=True), _POLICY, _NOW).allowed
    assert may_contact(facts, _POLICY, _NOW + timedelta(hours=1)).allowed


def test_talk_of_today_keeps_surveys_away_for_its_time() -> None:
    policy = Policy(window=_WINDOW, quiet_after_talk=timedelta(days=1))
    facts = _facts(talked_at=_NOW - timedelta(hours=2))
    assert _rules(facts, policy) == [Rule.SPOKEN]
    assert when(facts, policy, _NOW) == _at("2026-11-20T09:00")
    assert may_contact(facts, _POLICY, _NOW).allowed


def test_number_in_a_call_is_left_alone_for_now() -> None:
    answer = may_contact(_facts(call_under_way="call1"), _POLICY, _NOW)
    assert answer.first is not None
    assert (answer.first.rule, answer.first.evidence["call"]) == (Rule.IN_CONTACT, "call1")


_moments = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001
    max_value=datetime(2026, 12, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)


@given(
    _moments,
    st.lists(st.timedeltas(timedelta(0), timedelta(days=2)), max_size=4),
    st.lists(st.sampled_from([_SHANGHAI, _LONDON, ZoneInfo("Asia/Tokyo")]), min_size=1, max_size=2),
)
def test_moment_that_is_promised_is_allowed_and_none_before_it_is(
    now: datetime, ages: list[timedelta], zones: list[ZoneInfo]
) -> None:
    calls = tuple(now - age for age in ages)
    policy = Policy(window=Window((((9 * 60, 20 * 60),),) * 6 + ((),)))
    facts = _facts(zones=zones, calls_to_number=calls, calls_to_person=calls)
    promised = when(facts, policy, now)
    if promised is None:
        assert all(not may_contact(facts, policy, now + timedelta(hours=h)).allowed for h in range(24 * 8))
        return
    assert may_contact(facts, policy, promised).allowed
    step = (promised - now) / 7
    assert not any(may_contact(facts, policy, now + step * part).allowed for part in range(7) if step)


# -- proofs -------------------------------------------------------------------------------------------


def test_consent_without_proof_and_switch_without_reason_are_refused() -> None:
    assert clean_proof("  form \n 12 ") == "form 12"
    assert clean_switch_reason(" is  abroad ") == "is abroad"
    with pytest.raises(BadConsent, match="needs its proof"):
        clean_proof(" \n")
    with pytest.raises(BadSwitch, match="needs a reason"):
        clean_switch_reason("")


def test_consent_has_a_span_that_can_be() -> None:
    check_span(_NOW, None, _NOW)
    with pytest.raises(BadConsent, match="in the future"):
        check_span(_NOW + timedelta(seconds=1), None, _NOW)
    with pytest.raises(BadConsent, match="cannot end before"):
        check_span(_NOW, _NOW, _NOW)


def test_next_midnight_is_the_next_day_there() -> None:
    assert next_midnight(_NOW, _SHANGHAI) == _at("2026-11-20T00:00")
    assert next_midnight(_at("2027-03-14T01:00", _NEW_YORK), _NEW_YORK) == _at("2027-03-15T00:00", _NEW_YORK)
