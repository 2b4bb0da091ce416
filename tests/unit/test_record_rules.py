"""Pure rules of records: what names are found by, own fields, classes, credit, and what is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.masking import mask_text
from access.permissions import Role
from access.users import Principal, Via
from crm.records.changes import Author, Change, RecordChanged, refuse_stale
from crm.records.classification import (
    ClassFacts,
    ClassRules,
    CustomerClass,
    Grade,
    class_of,
    classify,
    next_visit_on,
    rules_from_json,
    rules_to_json,
)
from crm.records.contacts import Contact
from crm.records.credit import CreditGrade, check_credit
from crm.records.customers import BadRecord, Customer, CustomerId, CustomerKind, Honorific
from crm.records.fields import (
    FieldDefinition,
    FieldKind,
    FieldLocked,
    FieldSubject,
    check_changes,
    check_definition,
    read_value,
    show_value,
    visible,
)
from crm.records.masked import restore
from crm.records.missing import Doubt, missing_of
from crm.records.terms import LONGEST_TERM, name_terms, plate_terms, read_as, readings, typed_term
from crm.records.timeline import Item, Kind, make_cursor, page_of, read_cursor
from crm.records.vehicles import Vehicle, VehicleId, VehicleState
from telephony.call_lists import BadCursor
from telephony.numbers import E164

NOW = datetime(2026, 6, 16, 2, tzinfo=UTC)
TODAY = date(2026, 6, 16)


def found(name: str, typed: str) -> bool:
    """Whether a customer of this name is in the list when this was typed."""
    return any(term.startswith(typed_term(typed)) for term in name_terms(name))


@pytest.mark.parametrize(
    ("name", "typed", "how"),
    [
        ("王伟", "王伟", "name"),
        ("王伟", "wangwei", "pinyin"),
        ("王伟", "WANG Wei", "pinyin"),
        ("王伟", "wangw", "pinyin"),
        ("王伟", "ww", "initials"),
        ("王小伟", "小伟", "name"),
        ("王小伟", "xiaowei", "pinyin"),
        ("王小伟", "xw", "initials"),
        ("欧阳志远", "ouyang", "pinyin"),
        ("欧阳志远", "oyzy", "initials"),
        ("单田芳", "shantianfang", "pinyin"),  # as a surname
        ("单田芳", "dan", "pinyin"),  # as people misread it
        ("曾志伟", "zeng", "pinyin"),
        ("仇和", "qiu", "pinyin"),
        ("吕布", "lvbu", "pinyin"),
        ("吕布", "lubu", "pinyin"),
        ("西安汽车", "xi'an", "pinyin"),
        ("上海永达汽车销售有限公司", "永达", "name"),
        ("上海永达汽车销售有限公司", "yongda", "pinyin"),
        ("上海永达汽车销售有限公司", "ydqc", "initials"),
        ("James Miller", "james", "name"),
        ("James Miller", "miller", "name"),
        ("James Miller", "JAMES MIL", "name"),
        ("4S店王伟", "王伟", "name"),
        ("王伟", "李", ""),
        ("王伟", "wangww", ""),
        ("王伟", "%", ""),
    ],
)
def test_names_are_found_by_any_part(name: str, typed: str, how: str) -> None:
    assert found(name, typed) is bool(how)
    assert read_as(name, typed_term(typed)) == how


CHINESE = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=2, max_size=4)


@given(CHINESE, st.data())
def test_every_two_characters_of_a_name_find_it(name: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(name) - 2))
    assert found(name, name[begin : begin + 2])


@given(CHINESE)
def test_pinyin_and_initials_find_a_name(name: str) -> None:
    ways = [readings(letter)[:1] or (letter,) for letter in name]
    assert found(name, "".join(way[0] for way in ways)[:LONGEST_TERM])
    assert found(name, "".join(way[0][0] for way in ways))


@given(st.text(max_size=64))
def test_terms_are_short_and_never_fail(name: str) -> None:
    terms = name_terms(name)
    assert all(0 < len(term) <= LONGEST_TERM for term in terms)
    assert len(terms) < 16 * 9 + 1
    assert typed_term(name) == "" or read_as(name, typed_term(name)) in ("name", "pinyin", "initials", "")


def test_plates_are_found_with_and_without_their_province() -> None:
    assert plate_terms("沪A12345") == {"沪A12345", "A12345"}
    assert plate_terms("ABC123") == {"ABC123"}


def own(kind: FieldKind, **more: object) -> FieldDefinition:
    """A field of the house's own."""
    given = {
        "id": "F1",
        "subject": FieldSubject.CUSTOMER,
        "key": "own",
        "label_zh": "自定",
        "label_en": "Own",
    }
    return FieldDefinition(**{**given, "kind": kind, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "typed", "shown"),
    [
        (FieldKind.TEXT, "  喜欢 喝茶 ", "喜欢 喝茶"),
        (FieldKind.NUMBER, "1,200.50", "1200.5"),
        (FieldKind.NUMBER, "-3", "-3"),
        (FieldKind.NUMBER, "0", "0"),
        (FieldKind.DATE, "2026/03/01", "2026-03-01"),
        (FieldKind.YES_NO, "是", "yes"),
        (FieldKind.YES_NO, "false", "no"),
        (FieldKind.CHOICE, "红", "红"),
        (FieldKind.TEXT, "", ""),
    ],
)
def test_values_are_read_as_typed(kind: FieldKind, typed: str, shown: str) -> None:
    field = own(kind, choices=("红", "蓝") if kind is FieldKind.CHOICE else ())
    assert show_value(field, read_value(field, typed)) == shown


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        (FieldKind.NUMBER, "abc"),
        (FieldKind.NUMBER, "1_000"),
        (FieldKind.NUMBER, "nan"),
        (FieldKind.NUMBER, "1e99"),
        (FieldKind.NUMBER, "0.0000001"),
        (FieldKind.DATE, "31.02.2026"),
        (FieldKind.CHOICE, "绿"),
        (FieldKind.YES_NO, "maybe"),
        (FieldKind.TEXT, "x" * 501),
        (FieldKind.TEXT, "a\x00b"),
    ],
)
def test_impossible_values_are_refused_with_the_field(kind: FieldKind, typed: str) -> None:
    with pytest.raises(BadRecord) as refused:
        read_value(own(kind, choices=("红", "蓝") if kind is FieldKind.CHOICE else ()), typed)
    assert refused.value.field == "own"


@given(
    st.decimals(-(10**14), 10**14, places=6, allow_nan=False),
    st.decimals(-(10**14), 10**14, places=6, allow_nan=False),
)
def test_numbers_sort_as_their_text_does(one: object, other: object) -> None:
    field = own(FieldKind.NUMBER)
    left, right = read_value(field, f"{one:f}"), read_value(field, f"{other:f}")
    assert (left < right) == (one < other)  # type: ignore[operator]
    assert len(left) == len(right)


def test_roles_see_and_change_what_the_house_allows() -> None:
    plain = own(FieldKind.TEXT)
    hidden = own(FieldKind.TEXT, id="F2", key="secret", hidden_from=frozenset({Role.AGENT}))
    locked = own(FieldKind.TEXT, id="F3", key="fixed", locked_for=frozenset({Role.AGENT}), required=True)
    fields = (plain, hidden, locked)
    seen = visible(fields, {"F2": "x", "F3": "y"}, Principal(role=Role.AGENT, via=Via.SESSION, name="a"))
    assert [(one.field.key, one.value, one.locked) for one in seen] == [
        ("fixed", "y", True),
        ("own", "", False),
    ]
    assert check_changes(fields, {"own": "neu"}, Role.AGENT) == {"F1": "neu"}
    with pytest.raises(FieldLocked):
        check_changes(fields, {"fixed": "z"}, Role.AGENT)
    for key in ("secret", "nothing"):  # one cannot even learn that it is there
        with pytest.raises(BadRecord, match="There is no field"):
            check_changes(fields, {key: "z"}, Role.AGENT)
    with pytest.raises(BadRecord, match="required"):
        check_changes(fields, {"fixed": " "}, Role.MANAGER)


def test_what_was_typed_over_a_mask_loses_no_number() -> None:
    kept = "家 13812345678, 备用 13899995678, 晚上打"
    shown = mask_text(kept)
    assert restore(shown, kept) == kept
    assert restore(shown + "!", kept) == kept + "!"
    assert restore(shown.replace("晚上", "早上"), kept) == kept.replace("晚上", "早上")
    assert restore("", kept) == ""
    assert restore("上海", "") == "上海"
    assert restore("新 13911112222", kept) == "新 13911112222"


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "Not a key"},
        {"key": ""},
        {"label_zh": " "},
        {"kind": FieldKind.CHOICE, "choices": ("only",)},
        {"choices": ("a", "b")},
    ],
)
def test_definitions_are_checked(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRecord):
        check_definition(replace(own(FieldKind.TEXT), **wrong))  # type: ignore[arg-type]


def facts(**more: object) -> ClassFacts:
    """A customer who came to the workshop lately."""
    given = {"on": TODAY, "visits": 2, "last_visit_on": date(2026, 3, 1), "vehicles": 1}
    return ClassFacts(**{**given, **more})  # type: ignore[arg-type]


def test_classes_follow_value_loyalty_and_potential() -> None:
    rules = ClassRules()
    rich = classify(facts(spent_cents=20_000_000, visits=5), rules)
    assert (rich.value, rich.loyalty, rich.potential, rich.customer_class) == (
        Grade.HIGH,
        Grade.HIGH,
        Grade.LOW,
        CustomerClass.B,
    )
    soon = facts(spent_cents=20_000_000, visits=5, purchase_expected_on=date(2026, 9, 1))
    assert classify(soon, rules).customer_class is CustomerClass.A
    gone = facts(spent_cents=600_000, visits=5, last_visit_on=date(2024, 1, 1))
    assert classify(gone, rules).loyalty is Grade.LOW
    assert classify(facts(visits=0, last_visit_on=None), rules).customer_class is CustomerClass.D
    assert (
        classify(facts(visits=0, last_visit_on=None, key_account=True), rules).customer_class
        is CustomerClass.B
    )
    old = facts(newest_delivery_on=date(2019, 1, 1))
    assert classify(old, rules).potential is Grade.MIDDLE


@given(st.sampled_from(Grade), st.sampled_from(Grade), st.sampled_from(Grade))
def test_more_never_makes_a_lower_class(value: Grade, loyalty: Grade, potential: Grade) -> None:
    here = class_of(value, loyalty, potential)
    assert class_of(Grade.HIGH, loyalty, potential) <= here
    assert class_of(value, Grade.HIGH, potential) <= here
    assert class_of(value, loyalty, Grade.HIGH) <= here


def test_rules_survive_json_and_refuse_nonsense() -> None:
    assert rules_from_json(rules_to_json(ClassRules())) == ClassRules()
    nonsense: tuple[dict[str, Any], ...] = (
        {"months": 0},
        {"months": "x"},
        {"middle_spent_cents": 10**12, "high_spent_cents": 1},
        {"plans": {"Z": {}}},
        {"plans": {"A": {"visit_every_days": 0}}},
    )
    for wrong in nonsense:
        with pytest.raises(BadRecord):
            rules_from_json(wrong)


def test_key_accounts_are_due_by_their_own_cadence_first() -> None:
    rules = ClassRules()
    day = date(2026, 6, 1)
    assert next_visit_on(rules, customer_class="A", own_days=None, visited_on=day, today=TODAY) == date(
        2026, 7, 1
    )
    assert next_visit_on(rules, customer_class="A", own_days=7, visited_on=day, today=TODAY) == date(
        2026, 6, 8
    )
    assert next_visit_on(rules, customer_class="D", own_days=None, visited_on=day, today=TODAY) is None
    assert next_visit_on(rules, customer_class="A", own_days=None, visited_on=None, today=TODAY) == TODAY


def test_credit_changes_need_a_reason() -> None:
    assert check_credit("AA", "survey 2026-05") is CreditGrade.AA
    assert check_credit(None, "closed") is None
    for grade, why in (("AA", " "), ("Z", "because")):
        with pytest.raises(BadRecord):
            check_credit(grade, why)


def person(**more: object) -> Customer:
    """A customer of whom everything is known."""
    given = {
        "id": CustomerId("C"),
        "number": "C1",
        "name": "王伟",
        "honorific": Honorific.MR,
        "language": "zh-CN",
        "birthday": date(1985, 6, 17),
        "occupation": "教师",
        "address": "上海",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Customer(**{**given, **more})  # type: ignore[arg-type]


def car(**more: object) -> Vehicle:
    """A vehicle of which everything is known."""
    given = {
        "id": VehicleId("V"),
        "plate": "沪A12345",
        "vin": "WVWZZZ1KZ6W000001",
        "model": "Golf",
        "delivered_on": date(2024, 6, 1),
        "mileage": 20_000,
        "mileage_on": date(2026, 5, 1),
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Vehicle(**{**given, **more})  # type: ignore[arg-type]


MOBILE = [Contact(customer_id="C", number=E164("+8613800000001"), since=NOW)]


def asked(customer: Customer, contacts: list[Contact], vehicles: list[Vehicle]) -> list[tuple[str, Doubt]]:
    """What the desk would ask for."""
    return [(one.field, one.doubt) for one in missing_of(customer, contacts, vehicles, TODAY)]


def test_what_is_missing_or_doubtful_is_asked_for() -> None:
    assert asked(person(), MOBILE, [car()]) == []
    assert person().age_on(TODAY) == 40
    assert asked(person(birthday=None, address=""), [], [])[0] == ("mobile", Doubt.MISSING)
    assert asked(person(name="王"), MOBILE, []) == [("name", Doubt.UNLIKELY)]
    assert asked(person(birthday=date(1900, 1, 1)), MOBILE, []) == [("birthday", Doubt.IMPOSSIBLE)]
    assert asked(person(birthday=date(2015, 1, 1)), MOBILE, []) == [("birthday", Doubt.UNLIKELY)]
    assert asked(person(), MOBILE, [car(mileage=900_000)]) == [("vehicle.mileage", Doubt.IMPOSSIBLE)]
    assert asked(person(), MOBILE, [car(mileage_on=date(2025, 1, 1))]) == [("vehicle.mileage", Doubt.STALE)]
    assert asked(person(), MOBILE, [car(vin="LFV2A21K8B3000001")]) == [("vehicle.vin", Doubt.UNLIKELY)]
    assert asked(person(), MOBILE, [car(plate=None, state=VehicleState.SOLD)]) == []
    company = person(
        kind=CustomerKind.COMPANY, name="永达汽车", honorific=Honorific.NONE, birthday=None, language=None
    )
    assert asked(company, MOBILE, []) == []
    required = [
        (own(FieldKind.TEXT, required=True), ""),
        (own(FieldKind.TEXT, required=True, key="x"), "known"),
    ]
    assert [one.field for one in missing_of(person(), MOBILE, [], TODAY, required=required)] == ["custom.own"]


def test_the_second_editor_hears_what_changed_and_by_whom() -> None:
    change = Change(
        id="1", at=NOW, subject="customer:C", by=Author(name="小李"), field="address", old="a", new="b"
    )
    refuse_stale("customer:C", 3, 3, [])
    with pytest.raises(RecordChanged, match="小李 changed address") as refused:
        refuse_stale("customer:C", 3, 4, [change])
    assert (refused.value.version, refused.value.holder, refused.value.changes) == (4, "小李", [change])


def test_a_page_of_the_timeline_is_the_newest_of_all_readers() -> None:
    items = [Item(kind=Kind.CALL, id=f"{n:02d}", at=NOW.replace(minute=n)) for n in range(5)]
    page = page_of([items[2], items[0], items[4], items[1], items[3]], 2)
    assert [item.id for item in page.items] == ["04", "03"]
    assert read_cursor(page.next or "") == (items[3].at, "03") == read_cursor(make_cursor(items[3]))
    assert page_of(items[:2], 2).next is None
    for wrong in (
        "",
        "x",
        "2026-06-16T02:00:00~1",
        "2026-06-16T02:00:00+00:00~",
        "2026-06-16T02:00:00+00:00~'; --",
    ):
        with pytest.raises(BadCursor):
            read_cursor(wrong)
