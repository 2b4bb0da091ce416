"""The screen pop as a value: who it is, what speaks for whom, and what nobody may see (R37, R38, S02)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.screenpop import (
    LONGEST_NAME,
    Choosing,
    DueReason,
    DueRules,
    OpenItem,
    PopContact,
    PopKind,
    PopPerson,
    Reason,
    clean_display_name,
    make_pop,
    next_due,
    pressed_in_words,
)
from telephony.calls import Call, CallId, CallState, Direction

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
CALL = Call(
    id=CallId("01CALL"),
    linkedid="careline-1795309200.1",
    system="careline",
    direction=Direction.INBOUND,
    state=CallState.RINGING,
    started_at=NOW,
    number="+8613812345678",
    raw_number="13812345678",
    flow="service",
    keys="main=1 ask_plate=12345",
)
LI = PopPerson(id="li", number="C000001", name="李雷", label="mobile", primary=True)
HAN = PopPerson(id="han", number="C000002", name="韩梅梅", label="home")
WORDS = {
    ("service", "main"): {"1": {"zh-CN": "预约保养", "en": "Book a service"}},
    ("service", "ask_plate"): {"": {"zh-CN": "输入车牌尾号", "en": "Plate typed"}},
}


def contact(customer: str | None, call: str = "old") -> PopContact:
    return PopContact(
        call_id=call,
        at=NOW - timedelta(days=1),
        direction=Direction.INBOUND,
        outcome="answered",
        queue="service",
        agent_name=None,
        talk_seconds=60,
        customer_id=customer,
    )


def test_one_who_has_the_number_is_that_person() -> None:
    pop = make_pop(CALL, [LI])
    assert (pop.kind, pop.person and pop.person.id) == (PopKind.KNOWN, "li")
    assert not pop.may_choose


def test_of_several_nobody_is_chosen_silently_and_the_reasons_are_said() -> None:
    """R38: the order is by what speaks for them, and still nobody is the person."""
    pop = make_pop(CALL, [LI, HAN], contacts=[contact("han")])
    assert (pop.kind, pop.person) == (PopKind.SEVERAL, None)
    assert [(one.id, one.reasons) for one in pop.candidates] == [
        ("li", (Reason.PRIMARY, Reason.SHARED)),
        ("han", (Reason.LAST_CALLER, Reason.SHARED)),
    ]


def test_what_an_agent_chose_holds_and_can_still_be_changed() -> None:
    pop = make_pop(replace(CALL, customer_id="han"), [LI, HAN], chosen=Choosing(by="王芳", at=NOW))
    assert pop.person is not None
    assert pop.person.id == "han"
    assert pop.person.reasons[0] is Reason.CHOSEN
    assert (pop.may_choose, pop.chosen_by, pop.chosen_at) == (True, "王芳", NOW)


def test_an_agent_may_say_that_it_is_none_of_them() -> None:
    pop = make_pop(CALL, [LI], chosen=Choosing(by="王芳", at=NOW))
    assert (pop.kind, pop.person) == (PopKind.UNKNOWN, None)


def test_a_plate_typed_in_the_menu_speaks_for_its_owner() -> None:
    pop = make_pop(replace(CALL, customer_id="li", explained="plate"), [LI, HAN])
    assert pop.person is not None
    assert pop.person.reasons[0] is Reason.RECOGNISED


@pytest.mark.parametrize(
    ("number", "raw", "kind", "shown"),
    [
        ("+8613912345678", "13912345678", PopKind.UNKNOWN, "+8613912345678"),
        (None, "anonymous", PopKind.HIDDEN, None),
        (None, "", PopKind.HIDDEN, None),
        (None, "abcdef", PopKind.UNREADABLE, "abcdef"),
        (None, "1" * 40, PopKind.UNREADABLE, "1" * 40),
    ],
)
def test_who_cannot_be_told_is_nobody(number: str | None, raw: str, kind: PopKind, shown: str | None) -> None:
    """R37: no crash, no wrong customer."""
    pop = make_pop(replace(CALL, number=number, raw_number=raw), [])
    assert (pop.kind, pop.person, pop.number) == (kind, None, shown)


def test_another_persons_calls_from_the_number_are_not_shown_as_his() -> None:
    pop = make_pop(CALL, [LI], contacts=[contact("han", "a"), contact("li", "b"), contact(None, "c")])
    assert [one.call_id for one in pop.contacts] == ["b", "c"]


def test_keys_become_the_flows_words() -> None:
    pressed = pressed_in_words("main=1 ask_plate=12345 other=9 broken", "service", WORDS)
    assert [(one.words.get("en"), one.keys, one.typed) for one in pressed] == [
        ("Book a service", "1", ""),
        ("Plate typed", "", "12345"),
        (None, "9", ""),
    ]


def test_numbers_are_masked_wherever_they_stand() -> None:
    pop = make_pop(
        replace(CALL, keys="ask_plate=13812345678"),
        [LI],
        words=WORDS,
        display_name="call 13812345678 now",
        open_items=[
            OpenItem(kind="callback", id="t", subject="回电 13812345678", due_at=NOW, owner_name=None)
        ],
    )
    shown = repr(replace(pop.seen_by(sees_numbers=False), call=CALL))
    assert "13812345678" not in shown.replace(repr(CALL), "")
    assert pop.seen_by(sees_numbers=True) is pop


@given(st.text(max_size=3000))
def test_a_display_name_is_one_short_line_without_controls(name: str) -> None:
    """S02: direction marks could turn the line around."""
    cleaned = clean_display_name(name)
    assert len(cleaned) <= LONGEST_NAME
    assert all(letter.isprintable() for letter in cleaned if letter != " ")
    assert not set(cleaned) & set("\u202e\u202d\u2066\u2069\u200f\r\n\x00")


def test_a_display_name_that_repeats_the_number_says_nothing() -> None:
    assert clean_display_name(" 138 1234 5678", number="13812345678") == "138 1234 5678"
    assert clean_display_name("13812345678", number="138 12345678") == ""
    assert clean_display_name("<img src=x onerror=alert(1)>") == "<img src=x onerror=alert(1)>"


@pytest.mark.parametrize(
    ("delivered", "serviced", "expected"),
    [
        (None, None, None),
        (date(2026, 8, 31), None, (date(2027, 2, 28), DueReason.FIRST, False)),
        (date(2026, 1, 1), None, (date(2026, 7, 1), DueReason.FIRST, True)),
        (date(2020, 1, 1), date(2024, 2, 29), (date(2025, 2, 28), DueReason.PERIODIC, True)),
        (date(2020, 1, 1), date(2025, 12, 31), (date(2026, 12, 31), DueReason.PERIODIC, False)),
    ],
)
def test_the_next_service_is_due_by_time(
    delivered: date | None, serviced: date | None, expected: tuple[date, DueReason, bool] | None
) -> None:
    due = next_due(
        delivered_on=delivered, last_service_on=serviced, today=date(2026, 11, 22), rules=DueRules()
    )
    assert (due and (due.on, due.reason, due.overdue)) == expected


def test_of_a_restricted_record_only_its_own_agent_and_those_who_may_see_more_than_a_masked_name() -> None:
    secret = replace(LI, restricted=True, own_agent_id="wang", grade="A")
    pop = make_pop(CALL, [secret], contacts=[contact("li")], display_name="Li")
    closed = pop.seen_by(sees_numbers=True, user_id="zhao")
    assert closed.person is not None
    assert (closed.person.name, closed.person.grade, closed.contacts, closed.display_name) == (
        "李*",
        "",
        (),
        "",
    )
    assert closed.candidates == (closed.person,)
    assert pop.seen_by(sees_numbers=True, user_id="wang") is pop
    assert pop.seen_by(sees_numbers=True, sees_restricted=True) is pop


def task(id_: str, customer: str | None) -> OpenItem:
    return OpenItem(
        kind="callback", id=id_, subject="回电", due_at=NOW, owner_name=None, customer_id=customer
    )


@pytest.mark.parametrize("tied", [None, "li"])
def test_who_shares_a_number_with_a_restricted_customer_hears_nothing_of_what_was_said_with_him(
    tied: str | None,
) -> None:
    """M-050: of several, and of one that is tied and open, what belongs to the closed one is left out."""
    secret = replace(HAN, restricted=True)
    pop = make_pop(
        replace(CALL, customer_id=tied),
        [LI, secret],
        contacts=[contact("li", "ours"), contact("han", "theirs"), contact(None, "nobody's")],
        open_items=[task("ours", "li"), task("theirs", "han"), task("nobody's", None)],
    )
    seen = pop.seen_by(sees_numbers=True, user_id="zhao")
    assert [one.call_id for one in seen.contacts] == ["ours", "nobody's"]
    assert [one.id for one in seen.open_items] == ["ours", "nobody's"]
    assert "theirs" in [one.id for one in pop.seen_by(sees_numbers=True, sees_restricted=True).open_items]
