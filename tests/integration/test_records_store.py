"""Records on both databases: every change in the register, two editors, search by role, one timeline (R38, S10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, insert

from access.permissions import Role as UserRole
from access.users import Principal, Via
from crm.records.changes import RecordChanged, author
from crm.records.classification import ClassRules
from crm.records.contacts import Label
from crm.records.customers import (
    BadRecord,
    ClassedBy,
    Customer,
    EntryNotFound,
    Honorific,
    RecordClosed,
    Secrecy,
    Sex,
)
from crm.records.fields import FieldDefinition, FieldKind, FieldLocked, FieldSubject, FieldTaken
from crm.records.found import Why
from crm.records.purchases import Payment, Purchase, ServiceVisit, VisitKind
from crm.records.timeline import Kind, Only
from crm.records.vehicles import Role, VehicleState
from storage import classes, customers, fields, history, records, vehicles
from storage.changes import changes_of, customer_subject, vehicle_subject
from storage.database import Database
from storage.person import person_view
from storage.search import search
from storage.tables.calls import calls
from storage.terms import index_names
from storage.timeline import timeline
from telephony.clock import Clock
from telephony.numbers import E164

T = TypeVar("T")

AGENT = Principal(role=UserRole.AGENT, via=Via.SESSION, name="小李", user_id="A1")
SUPERVISOR = Principal(role=UserRole.SUPERVISOR, via=Via.SESSION, name="督导", user_id="S1")
MANAGER = Principal(role=UserRole.MANAGER, via=Via.SESSION, name="经理", user_id="M1")
PHONE = E164("+8613812345678")


class House:
    """A database with one customer and a car, and short ways to ask it."""

    def __init__(self, database: Database, now: datetime) -> None:
        self.database = database
        self.now = now
        self.customer = self.write(
            lambda c: records.add_record(
                c, AGENT, now, rule="C{serial:06d}", name="王小伟", honorific=Honorific.MR, sex=Sex.MALE
            )
        )
        self.car = self.write(
            lambda c: records.add_car(
                c,
                AGENT,
                now,
                owner_id=self.customer.id,
                plate="沪A12345",
                vin="LFV2A21K8B3000001",
                model="Golf",
            )
        )
        self.write(lambda c: customers.add_contact(c, self.customer.id, PHONE, now, primary=True))

    def write(self, work: Callable[[Connection], T]) -> T:
        return self.database.write_now(work)

    def read(self, work: Callable[[Connection], T]) -> T:
        return self.database.read_now(work)

    def find(self, text: str, viewer: Principal = SUPERVISOR) -> dict[str, list[Why]]:
        """Name to why."""
        page = self.read(lambda c: search(c, viewer, text))
        return {item.name: [reason.why for reason in item.why] for item in page.items}

    def edit(self, viewer: Principal = AGENT, version: int | None = None, **changes: Any) -> Customer:
        if version is None:
            version = self.read(lambda c: customers.get_customer(c, self.customer.id)).version
        return self.write(
            lambda c: records.edit_record(c, viewer, self.customer.id, version, self.now, **changes)
        )


@pytest.fixture
def house(database: Database, clock: Clock) -> House:
    """See `House`."""
    return House(database, clock.now())


def test_every_change_leaves_a_row_with_old_and_new(house: House) -> None:
    changed = house.edit(name="王晓伟", birthday=date(1985, 6, 17), address="上海", note="")
    assert (changed.name, changed.birthday, changed.version) == ("王晓伟", date(1985, 6, 17), 3)
    rows = house.read(lambda c: changes_of(c, [customer_subject(house.customer.id)]))
    told = {(row.field, row.old, row.new, row.by.name, row.by.id) for row in rows if row.version == 3}
    assert told == {
        ("name", "王小伟", "王晓伟", "小李", "A1"),
        ("birthday", "", "1985-06-17", "小李", "A1"),
        ("address", "", "上海", "小李", "A1"),
    }
    assert house.edit(address="上海").version == 3  # what is the same changes nothing
    assert {row.field for row in rows} == {"created", "phone", "name", "birthday", "address"}
    car = house.read(lambda c: changes_of(c, [vehicle_subject(house.car.id)]))
    assert {(row.field, row.new) for row in car} == {("created", "沪A12345"), ("person.owner", "C000001")}


def test_the_second_editor_is_refused_and_told(house: House) -> None:
    """Two people open the same card; who saves last hears what the first one did, and nothing is lost."""
    read = house.read(lambda c: customers.get_customer(c, house.customer.id)).version
    house.edit(SUPERVISOR, read, address="北京")
    with pytest.raises(RecordChanged, match="督导 changed address") as refused:
        house.edit(AGENT, read, address="上海", occupation="教师")
    assert refused.value.holder == "督导"
    assert [(one.field, one.new) for one in refused.value.changes] == [("address", "北京")]
    kept = house.read(lambda c: customers.get_customer(c, house.customer.id))
    assert (kept.address, kept.occupation) == ("北京", "")
    assert house.edit(AGENT, refused.value.version, occupation="教师").occupation == "教师"


def test_impossible_values_are_refused_with_the_field(house: House) -> None:
    wrong: tuple[tuple[str, Any], ...] = (
        ("birthday", date(2030, 1, 1)),
        ("birthday", date(1800, 1, 1)),
        ("address", "x" * 201),
        ("address", "a\x00b"),
        ("note", "\ud800"),
        ("visit_every_days", 0),
        ("own_agent_id", "nobody"),
    )
    for field, value in wrong:
        with pytest.raises(BadRecord) as refused:
            house.edit(SUPERVISOR, None, **{field: value})
        assert refused.value.field == field
    with pytest.raises(BadRecord):
        house.edit(name=" ")


def test_grades_are_for_those_who_may_give_them(house: House) -> None:
    with pytest.raises(FieldLocked):
        house.edit(AGENT, key_account=True)
    with pytest.raises(BadRecord, match="reason"):
        house.edit(SUPERVISOR, credit_grade="AA")
    graded = house.edit(
        SUPERVISOR, credit_grade="AA", why="2026 survey", key_account=True, customer_class="A"
    )
    assert (graded.credit_grade, graded.key_account, graded.classed_by) == ("AA", True, ClassedBy.PERSON)
    log = house.read(lambda c: changes_of(c, [customer_subject(house.customer.id)]))
    assert [(row.old, row.new, row.why) for row in log if row.field == "credit_grade"] == [
        ("", "AA", "2026 survey")
    ]
    page = house.read(lambda c: records.list_customers(c, AGENT, key_accounts=True))
    assert [item.customer_id for item in page.items] == [house.customer.id]
    page = house.read(lambda c: records.list_customers(c, AGENT, customer_class="B"))
    assert page.items == []


def test_search_says_why(house: House) -> None:
    assert house.find("小伟") == {"王小伟": [Why.NAME]}
    assert house.find("wangxiaowei") == {"王小伟": [Why.PINYIN]}
    assert house.find("wxw") == {"王小伟": [Why.INITIALS]}
    assert house.find("c000001") == {"王小伟": [Why.CUSTOMER_NUMBER]}
    assert house.find("沪a·12345") == {"王小伟": [Why.PLATE]}
    assert house.find("A123") == {"王小伟": [Why.PLATE]}
    assert house.find("2345") == {"王小伟": [Why.PLATE]}
    assert house.find("LFV2A21K8B3000001") == {"王小伟": [Why.VIN]}
    assert house.find("3000001") == {"王小伟": [Why.VIN]}
    for whole in ("13812345678", "+86 138-1234-5678", "0086 13812345678", "138 1234 5678"):
        assert house.find(whole) == {"王小伟": [Why.PHONE]}
    assert house.find("345678") == {"王小伟": [Why.PHONE_TAIL]}
    assert house.find("王 5678") == {"王小伟": [Why.PHONE_TAIL, Why.NAME]}
    assert house.find("李 5678") == {}
    assert house.find("wang 12345") == {"王小伟": [Why.PLATE, Why.PINYIN]}


@pytest.mark.parametrize(
    "text",
    ["%", "_", "'", "\\", "%%%%", "1;drop table customers", "x" * 10_000, "", "王" * 5_000, "\x00", "伟%"],
)
def test_search_is_literal(house: House, text: str) -> None:
    """S10: what is typed means itself, whatever its length."""
    assert house.find(text, AGENT) == {}


def test_a_renamed_customer_is_found_by_the_new_name_only(house: House) -> None:
    house.edit(name="李芳")
    assert house.find("小伟") == {}
    assert house.find("lifang") == {"李芳": [Why.PINYIN]}
    house.write(lambda c: vehicles.change_vehicle(c, house.car.id, house.now, plate="京B99999"))
    assert house.find("A123") == {}
    assert house.find("B999") == {"李芳": [Why.PLATE]}


def test_masked_digits_cannot_be_found_out_by_trying(house: House) -> None:
    """Who sees 138****5678 learns nothing from a longer tail: every fifth digit gives the same answer."""
    assert house.find("345678", AGENT) == {"王小伟": [Why.PHONE_TAIL]}
    answers = [house.find(f"{digit}5678", AGENT) for digit in range(10)]
    assert answers == [{"王小伟": [Why.PHONE_TAIL]}] * 10
    assert house.find("678", AGENT) == {}
    assert house.find("13812345678", AGENT) == {"王小伟": [Why.PHONE]}
    page = house.read(lambda c: search(c, AGENT, "13812345678"))
    assert page.items[0].phone == page.items[0].why[0].text == "138****5678"
    assert house.read(lambda c: search(c, SUPERVISOR, "5678")).items[0].phone == "138 1234 5678"
    short = E164("+8695588")  # a mask of five digits shows one
    house.write(lambda c: customers.add_contact(c, house.customer.id, short, house.now, label=Label.WORK))
    assert house.find("5588", AGENT) == {}
    assert house.find("5588", SUPERVISOR) == {"王小伟": [Why.PHONE_TAIL]}


def test_two_customers_on_one_number_are_both_found(house: House) -> None:
    """R38: no silent first match, and a number that has moved is found at its new owner only."""
    other = house.write(lambda c: customers.add_customer(c, name="韩梅梅", now=house.now))
    house.write(lambda c: customers.add_contact(c, other.id, PHONE, house.now, primary=True))
    assert set(house.find("13812345678", AGENT)) == {"王小伟", "韩梅梅"}
    house.write(lambda c: customers.end_contact(c, house.customer.id, PHONE, house.now))
    assert set(house.find("13812345678", AGENT)) == {"韩梅梅"}
    assert set(house.find("5678", AGENT)) == {"韩梅梅"}
    assert house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now)).numbers == ()


def test_the_head_of_a_person(house: House) -> None:
    view = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now))
    assert (view.primary and view.primary.text, view.primary and view.primary.number) == ("138****5678", None)
    assert [(line.vehicle.plate, line.roles, line.vin_tail) for line in view.vehicles] == [
        ("沪A12345", (Role.OWNER,), "000001")
    ]
    assert {"birthday", "vehicle.mileage", "vehicle.delivered_on"} <= {one.field for one in view.missing}
    assert house.read(lambda c: customers.number_at(c, house.customer.id, view.numbers[0].place)) == PHONE
    full = house.read(lambda c: person_view(c, SUPERVISOR, house.customer.id, house.now))
    assert full.primary is not None
    assert full.primary.number == PHONE
    house.edit(note="也可打 13900001111")
    shown = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now)).customer.note
    assert shown == "也可打 139****1111"
    assert house.edit(note=shown + "(晚上)").note == "也可打 13900001111(晚上)"  # a mask is no loss
    house.write(lambda c: customers.end_contact(c, house.customer.id, PHONE, house.now))
    with pytest.raises(EntryNotFound):
        house.read(lambda c: customers.number_at(c, house.customer.id, 0))


def test_a_restricted_record_is_a_masked_name(house: House) -> None:
    house.edit(SUPERVISOR, secrecy=Secrecy.RESTRICTED)
    view = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now))
    assert (view.closed, view.customer.name, view.numbers, view.vehicles) == (True, "王**", (), ())
    page = house.read(lambda c: search(c, AGENT, "沪A12345"))
    assert [(item.name, item.phone, item.vehicles, item.why) for item in page.items] == [("王**", "", (), ())]
    for refused in (
        lambda c: timeline(c, AGENT, house.customer.id),
        lambda c: records.vehicle_view(c, AGENT, house.car.id),
        lambda c: records.edit_record(c, AGENT, house.customer.id, 9, house.now, address="x"),
    ):
        with pytest.raises(RecordClosed):
            house.write(refused)
    assert house.read(lambda c: person_view(c, MANAGER, house.customer.id, house.now)).numbers


def test_own_fields_of_the_house(house: House) -> None:
    def define(key: str, kind: FieldKind, **more: Any) -> FieldDefinition:
        field = FieldDefinition(
            id="", subject=FieldSubject.CUSTOMER, key=key, label_zh=key, label_en=key, kind=kind, **more
        )
        return house.write(lambda c: fields.add_field(c, field, author(MANAGER), house.now))

    size = define("family", FieldKind.NUMBER)
    define("secret", FieldKind.TEXT, hidden_from=frozenset({UserRole.AGENT}))
    define(
        "club", FieldKind.CHOICE, choices=("金", "银"), required=True, locked_for=frozenset({UserRole.AGENT})
    )
    with pytest.raises(FieldTaken):
        define("family", FieldKind.TEXT)
    changed = house.edit(custom={"family": "4"}, address="上海")
    assert changed.version == 3
    view = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now))
    assert [(one.field.key, one.value, one.locked) for one in view.fields] == [
        ("club", "", True),
        ("family", "4", False),
    ]
    for custom, error in (
        ({"secret": "x"}, BadRecord),
        ({"club": "金"}, FieldLocked),
        ({"family": "x"}, BadRecord),
    ):
        with pytest.raises(error):
            house.edit(custom=custom, address="北京")
    assert house.read(lambda c: customers.get_customer(c, house.customer.id)).address == "上海"
    house.edit(MANAGER, custom={"secret": "13911112222", "club": "金"})
    house.edit(custom={"family": ""})
    shown = house.read(lambda c: timeline(c, AGENT, house.customer.id, only=[Kind.CHANGE]))
    told = [(one.field, one.old, one.new) for item in shown.items for one in item.changes]
    assert ("custom.family", "4", "") in told
    assert ("custom.club", "", "金") in told
    assert not any(field == "custom.secret" for field, _old, _new in told)
    with pytest.raises(RecordChanged):
        house.write(lambda c: fields.change_field(c, size.id, 9, author(MANAGER), house.now, place=1))
    with pytest.raises(BadRecord):
        house.write(lambda c: fields.change_field(c, size.id, 1, author(MANAGER), house.now, kind="text"))
    house.write(
        lambda c: fields.change_field(c, size.id, 1, author(MANAGER), house.now, retired_at=house.now)
    )
    assert [one.key for one in house.read(partial(fields.list_fields, subject=FieldSubject.CUSTOMER))] == [
        "club",
        "secret",
    ]


def visit(house: House, day: date, **more: Any) -> ServiceVisit:
    """A visit of the house's car."""
    given = {
        "id": "",
        "vehicle_id": house.car.id,
        "visited_on": day,
        "created_at": house.now,
        "updated_at": house.now,
    }
    return ServiceVisit(**{**given, **more})


def test_a_visit_tells_the_vehicle_what_it_knows(house: House) -> None:
    made = house.write(
        lambda c: history.add_visit(
            c,
            visit(
                house,
                date(2026, 5, 1),
                mileage=20_000,
                kind=VisitKind.PERIODIC,
                order_number="R1",
                next_due_on=date(2026, 11, 1),
                next_due_mileage=30_000,
            ),
            house.now,
        )
    )
    house.write(lambda c: history.add_visit(c, visit(house, date(2025, 5, 1), mileage=10_000), house.now))
    car = house.read(lambda c: vehicles.get_vehicle(c, house.car.id))
    assert (car.mileage, car.last_service_on, car.next_due_on, car.next_due_mileage, car.next_due_why) == (
        20_000,
        date(2026, 5, 1),
        date(2026, 11, 1),
        30_000,
        "periodic 2026-05-01",
    )
    changed = house.write(lambda c: history.change_visit(c, made.id, 1, house.now, mileage=21_000))
    with pytest.raises(RecordChanged):
        house.write(lambda c: history.change_visit(c, made.id, 1, house.now, mileage=22_000))
    with pytest.raises(BadRecord):
        house.write(lambda c: history.add_visit(c, visit(house, date(2027, 5, 1)), house.now))
    view = house.read(lambda c: records.vehicle_view(c, AGENT, house.car.id))
    assert [(one.visited_on, one.mileage) for one in view.visits] == [
        (date(2026, 5, 1), 21_000),
        (date(2025, 5, 1), 10_000),
    ]
    assert [(one.name, one.role, one.phone) for one in view.people] == [("王小伟", Role.OWNER, "138****5678")]
    house.write(lambda c: history.remove_visit(c, made.id, changed.version, house.now))
    with pytest.raises(EntryNotFound):
        house.write(lambda c: history.remove_visit(c, made.id, 3, house.now))
    log = house.read(lambda c: changes_of(c, [vehicle_subject(house.car.id)]))
    assert ("visit.mileage", "21000", "") in {(row.field, row.old, row.new) for row in log}


def test_a_sold_vehicle_is_no_longer_asked_about(house: House) -> None:
    car = house.read(lambda c: vehicles.get_vehicle(c, house.car.id))
    house.write(
        lambda c: records.edit_vehicle(c, AGENT, car.id, car.version, house.now, state=VehicleState.SOLD)
    )
    view = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now))
    assert view.vehicles[0].vehicle.state_since == house.now.date()
    assert not any(one.field.startswith("vehicle.") for one in view.missing)


def test_the_class_follows_the_rule_and_the_rule_has_a_register(house: House) -> None:
    bought = Purchase(
        id="",
        customer_id=house.customer.id,
        vehicle_id=house.car.id,
        bought_on=date(2026, 1, 1),
        model="Golf",
        price_cents=16_000_000,
        payment=Payment.LOAN,
        invoice="F1",
        created_at=house.now,
        updated_at=house.now,
    )
    house.write(lambda c: history.add_purchase(c, bought, house.now))
    today = house.now.date()
    with pytest.raises(FieldLocked):
        house.write(lambda c: records.classify_customer(c, AGENT, house.customer.id, house.now, today))
    made = house.write(
        lambda c: records.classify_customer(c, SUPERVISOR, house.customer.id, house.now, today)
    )
    assert (made.value_grade, made.loyalty_grade, made.customer_class) == ("high", "low", "C")
    rules, version = house.write(
        lambda c: classes.set_rules(
            c,
            replace(ClassRules(), high_spent_cents=90_000_000),
            author(MANAGER),
            house.now,
            version=0,
        )
    )
    assert (version, house.read(classes.get_rules)) == (1, (rules, 1))
    with pytest.raises(RecordChanged):
        house.write(lambda c: classes.set_rules(c, rules, author(MANAGER), house.now, version=0))
    log = house.read(lambda c: changes_of(c, ["classes"]))
    assert [(row.field, row.old, row.new, row.by.name) for row in log] == [
        ("high_spent_cents", "15000000", "90000000", "经理")
    ]
    made = house.write(
        lambda c: records.classify_customer(c, SUPERVISOR, house.customer.id, house.now, today)
    )
    assert made.value_grade == "middle"
    view = house.read(lambda c: person_view(c, AGENT, house.customer.id, house.now))
    assert view.plan is not None
    assert view.plan.service


def add_calls(connection: Connection, customer_id: str, now: datetime, count: int) -> None:
    """Calls a day apart, two at each moment; every third one recorded, every second one A1's."""
    connection.execute(
        insert(calls),
        [
            {
                "id": f"CALL{n:022d}",
                "linkedid": str(n),
                "system": "s",
                "direction": "inbound",
                "state": "ended",
                "started_at": now - timedelta(days=1 + n // 2),
                "ended_at": now,
                "customer_id": customer_id,
                "agent_id": "A1" if n % 2 else "A2",
                "outcome": "answered",
                "recording": "x.wav" if n % 3 == 0 else None,
            }
            for n in range(count)
        ],
    )


def test_the_timeline_is_one_story_in_parts(house: House) -> None:
    """Pages of three hold the same things in the same order as one page, with nothing twice and nothing lost."""
    house.write(lambda c: add_calls(c, house.customer.id, house.now, 9))
    for month in (1, 2, 3):
        done = visit(house, date(2026, month, 1))
        house.write(partial(history.add_visit, visit=done, now=house.now))
    house.edit(address="上海")
    whole = house.read(lambda c: timeline(c, AGENT, house.customer.id, limit=100))
    assert whole.next is None
    assert [item.at for item in whole.items] == sorted((item.at for item in whole.items), reverse=True)
    assert {item.kind for item in whole.items} == {Kind.CALL, Kind.VISIT, Kind.CHANGE}
    pages: list[Any] = []
    cursor: str | None = None
    while True:
        page = house.read(
            partial(timeline, viewer=AGENT, customer_id=house.customer.id, cursor=cursor, limit=3)
        )
        pages += page.items
        cursor = page.next
        if cursor is None:
            break
    assert [(item.kind, item.id) for item in pages] == [(item.kind, item.id) for item in whole.items]
    recorded = house.read(lambda c: timeline(c, AGENT, house.customer.id, only=[Only.RECORDED]))
    assert [item.id[-1] for item in recorded.items] == ["0", "3", "6"]
    # A colleague's talk is on the record, but the call opens only for those who may see it.
    assert {item.call_id is None for item in whole.items if item.kind is Kind.CALL} == {True, False}
    all_of = house.read(lambda c: timeline(c, SUPERVISOR, house.customer.id, only=[Kind.CALL]))
    assert all(item.call_id for item in all_of.items)


def test_numbers_in_changes_are_masked_by_role(house: House) -> None:
    page = house.read(lambda c: timeline(c, AGENT, house.customer.id, only=[Kind.CHANGE]))
    text = str(page)
    assert "138****5678" in text
    assert PHONE not in text
    assert "1234567" not in text
    assert PHONE in str(house.read(lambda c: timeline(c, SUPERVISOR, house.customer.id)))


def test_a_hundred_names_at_once_are_found(house: House) -> None:
    """What the importer calls: terms of many names, again and again, change nothing twice."""
    names = [f"客户{chr(0x4E00 + n)}" for n in range(100)]

    def work(connection: Connection) -> None:
        for name in names:
            customers.add_customer(connection, name=name, now=house.now)
        index_names(connection, names)

    house.write(work)
    page = house.read(lambda c: search(c, SUPERVISOR, "kehu", limit=100))
    assert len(page.items) == 100
    page = house.read(lambda c: search(c, SUPERVISOR, "客户", limit=20))
    assert (len(page.items), page.more) == (20, True)
