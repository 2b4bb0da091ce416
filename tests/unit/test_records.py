"""Plates, VINs, names and "who is calling?" without a database."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.records.customers import BadRecord, clean_name, name_key, number_by_rule
from crm.records.matching import Candidate, MatchKind, Sign, Unmatched, chosen, decide, hidden, narrow
from crm.records.vehicles import (
    PlateKind,
    as_keys,
    clean_tail,
    parse_plate,
    parse_vin,
    reversed_keys,
    vin_checks,
)

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "text", "kind"),
    [
        ("沪A12345", "沪A12345", PlateKind.ORDINARY),
        (" 沪a·123 45 ", "沪A12345", PlateKind.ORDINARY),
        ("沪Ａ１２３４５", "沪A12345", PlateKind.ORDINARY),
        ("沪A-O1I23", "沪A01123", PlateKind.ORDINARY),
        ("粤B8K88K", "粤B8K88K", PlateKind.ORDINARY),
        ("沪AD12345", "沪AD12345", PlateKind.NEW_ENERGY),
        ("粤BF12345", "粤BF12345", PlateKind.NEW_ENERGY),
        ("京AA12345", "京AA12345", PlateKind.NEW_ENERGY),
        ("沪A12345D", "沪A12345D", PlateKind.NEW_ENERGY),
        ("粤Z1234港", "粤Z1234港", PlateKind.SPECIAL),
        ("沪A1234学", "沪A1234学", PlateKind.SPECIAL),
        ("B MW 1234", "BMW1234", PlateKind.OTHER),
    ],
)
def test_plates(raw: str, text: str, kind: PlateKind) -> None:
    plate = parse_plate(raw)
    assert plate is not None
    assert (plate.text, plate.kind) == (text, kind)


@pytest.mark.parametrize(
    "raw", ["", "沪A", "沪A1234", "沪A1234567", "沪112345", "HELLO", "沪A12345; DROP", "A" * 70, "%", "_"]
)
def test_what_is_no_plate(raw: str) -> None:
    assert parse_plate(raw) is None


def test_vins() -> None:
    assert parse_vin("lfv2a21k 8b3-000001") == "LFV2A21K8B3000001"
    assert parse_vin("1M8GDM9AXKP042788") == "1M8GDM9AXKP042788"
    assert vin_checks("1M8GDM9AXKP042788")
    assert not vin_checks("1M8GDM9A1KP042788")
    assert parse_vin("LFV2A21K8B300000") is None
    assert parse_vin("LFV2A21K8B3OOOOO1") == "LFV2A21K8B3000001"


def test_plates_and_vins_as_telephone_keys() -> None:
    assert as_keys("沪AD12345") == "2312345"
    assert reversed_keys("沪A12345") == "543212"
    assert as_keys("WXYZ") == "9999"
    assert clean_tail("沪a·12345") == "沪A12345"
    assert clean_tail("123") is None
    assert clean_tail("12%4") is None
    assert clean_tail("1" * 18) is None


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    plate = parse_plate(text)
    assert plate is None or parse_plate(plate.text) == plate
    vin = parse_vin(text)
    assert vin is None or len(vin) == 17
    assert all("0" <= key <= "9" for key in as_keys(text))


def test_names() -> None:
    assert clean_name("  王\t小明\x00 ") == "王 小明"
    assert name_key("Ｗang  Ming") == "wangming"
    with pytest.raises(BadRecord):
        clean_name(" \x00 ")
    with pytest.raises(BadRecord):
        clean_name("x" * 65)


def test_customer_number_by_rule() -> None:
    assert number_by_rule("C{serial:06d}", 123, NOW) == "C000123"
    assert number_by_rule("SH{year}{serial:05d}", 7, NOW) == "SH202600007"


def candidate(name: str, *why: Sign, **more: object) -> Candidate:
    return Candidate(customer_id=name, customer_number=name, name=name, why=frozenset(why), **more)  # type: ignore[arg-type]


def test_nobody_one_and_several() -> None:
    """R38: two customers on one number are several, whatever their order."""
    assert decide([]).explained == Unmatched.UNKNOWN_NUMBER
    one = decide([candidate("a", Sign.NUMBER)])
    assert (one.kind, one.customer_id, one.explained) == (MatchKind.ONE, "a", Sign.NUMBER)
    several = decide([candidate("b", Sign.NUMBER), candidate("a", Sign.NUMBER)])
    assert (several.kind, several.customer_id, several.explained) == (
        MatchKind.SEVERAL,
        None,
        Unmatched.SEVERAL_CUSTOMERS,
    )
    assert [one.customer_id for one in several.candidates] == ["a", "b"]
    assert decide([candidate("a", Sign.PLATE, plates=("1",)), candidate("a", Sign.NUMBER)]).customer_id == "a"


def test_several_agree_on_what_is_common() -> None:
    both = decide(
        [
            candidate("a", language="en", key_account=True, own_agent_id="x"),
            candidate("b", language="en", own_agent_id="y"),
        ]
    )
    assert (both.language, both.key_account, both.own_agent_id) == ("en", True, None)


def test_hidden_and_unreadable_say_so() -> None:
    assert hidden().explained == Unmatched.HIDDEN_NUMBER
    assert hidden(readable=True).explained == Unmatched.UNREADABLE_NUMBER


def test_a_second_sign_narrows() -> None:
    family = decide([candidate("a", Sign.NUMBER), candidate("b", Sign.NUMBER)])
    assert narrow(family, [candidate("b", Sign.PLATE)]).customer_id == "b"
    assert narrow(family, [candidate("b", Sign.PLATE)]).explained == Sign.PLATE
    assert narrow(family, [candidate("b", Sign.PLATE), candidate("c", Sign.PLATE)]).customer_id == "b"
    assert narrow(family, []).kind is MatchKind.SEVERAL
    assert narrow(decide([]), [candidate("c", Sign.VIN)]).customer_id == "c"
    # The plate that was typed counts more than the number somebody lent.
    assert narrow(decide([candidate("a", Sign.NUMBER)]), [candidate("c", Sign.PLATE)]).customer_id == "c"


def test_an_agents_choice_is_a_match() -> None:
    match = chosen(candidate("a", Sign.NUMBER))
    assert (match.customer_id, match.explained) == ("a", Sign.AGENT)
