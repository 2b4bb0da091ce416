"""Customers, numbers and vehicles on both databases (R37, R38, S10)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from crm.records.customers import BadRecord, CustomerNotFound, NumberTaken, VinTaken
from crm.records.matching import MatchKind
from crm.records.vehicles import Role
from storage import customers, matching, search, vehicles
from storage.database import Database
from telephony.clock import Clock
from telephony.numbers import E164

LI = E164("+8613800000001")
FAMILY = E164("+8613800000002")


def house(connection: Connection, clock: Clock) -> dict[str, str]:
    """Two customers share a number; each has a car, one of them both."""
    now = clock.now()
    li = customers.add_customer(connection, name="李雷", now=now, language="zh-CN", key_account=True)
    han = customers.add_customer(connection, name="韩梅梅", now=now, language="zh-CN")
    customers.add_contact(connection, li.id, LI, now, primary=True)
    customers.add_contact(connection, li.id, FAMILY, now)
    customers.add_contact(connection, han.id, FAMILY, now, primary=True)
    golf = vehicles.add_vehicle(connection, now=now, plate="沪a·12345", vin="LFV2A21K8B3000001", model="Golf")
    tesla = vehicles.add_vehicle(connection, now=now, plate="沪AD12345", vin="LRW3E7EK1NC000002")
    vehicles.add_person(connection, golf.id, li.id, Role.OWNER, now)
    vehicles.add_person(connection, golf.id, han.id, Role.DRIVER, now)
    vehicles.add_person(connection, tesla.id, li.id, Role.OWNER, now)
    return {"li": li.id, "han": han.id, "golf": golf.id, "tesla": tesla.id}


def test_customer_numbers_follow_the_rule_and_are_never_doubled(database: Database, clock: Clock) -> None:
    def add(name: str) -> str:
        return database.write_now(
            lambda connection: customers.add_customer(connection, name=name, now=clock.now()).number
        )

    with ThreadPoolExecutor(8) as threads:
        numbers = list(threads.map(add, [f"客户{n}" for n in range(24)]))
    assert sorted(numbers) == [f"C{n:06d}" for n in range(1, 25)]


def test_a_number_somebody_imported_is_skipped_by_the_rule(database: Database, clock: Clock) -> None:
    def work(connection: Connection) -> tuple[str, str]:
        now = clock.now()
        customers.add_customer(connection, name="甲", number="C000001", now=now)
        with pytest.raises(NumberTaken):
            customers.add_customer(connection, name="乙", number="C000001", now=now)
        return "", customers.add_customer(connection, name="丙", now=now).number

    assert database.write_now(work)[1] == "C000002"


def test_who_is_calling(database: Database, clock: Clock) -> None:
    """R38: two customers on one number are several; a plate decides; none is none."""
    ids = database.write_now(lambda connection: house(connection, clock))

    def ask(connection: Connection) -> None:
        one = matching.identify(connection, "13800000001")
        assert (one.kind, one.customer_id, one.explained) == (MatchKind.ONE, ids["li"], "number")
        several = matching.identify(connection, "+86 138 0000 0002")
        assert (several.kind, several.customer_id) == (MatchKind.SEVERAL, None)
        assert {candidate.customer_id for candidate in several.candidates} == {ids["li"], ids["han"]}
        assert matching.identify(connection, "13899999999").explained == "unknown_number"
        assert matching.identify(connection, "anonymous").explained == "hidden_number"
        assert matching.identify(connection, "1380000000").explained == "unreadable_number"
        assert matching.identify(connection, "1" * 40).kind is MatchKind.NONE
        assert {one.customer_id for one in matching.find_by_plate(connection, "沪 AD12345")} == {ids["li"]}
        assert {one.customer_id for one in matching.find_by_plate(connection, "沪A12345")} == {
            ids["li"],
            ids["han"],
        }
        assert matching.find_by_plate(connection, "'; DROP TABLE vehicles; --") == []

    database.read_now(ask)


def test_tails_as_typed_on_a_telephone_and_on_a_keyboard(database: Database, clock: Clock) -> None:
    ids = database.write_now(lambda connection: house(connection, clock))

    def found(connection: Connection, find: str, tail: str, among: tuple[str, ...] = ()) -> set[str]:
        return {one.customer_id for one in getattr(matching, find)(connection, tail, among)}

    def ask(connection: Connection) -> None:
        both = {ids["li"], ids["han"]}
        assert found(connection, "find_by_plate_tail", "2345") == both
        assert found(connection, "find_by_plate_tail", "212345") == both  # A is on key 2
        assert found(connection, "find_by_plate_tail", "2312345") == {ids["li"]}  # AD12345
        assert found(connection, "find_by_plate_tail", "D12345") == {ids["li"]}
        assert found(connection, "find_by_plate_tail", "E12345") == set()  # same key, other letter
        assert found(connection, "find_by_plate_tail", "2345", (ids["han"],)) == {ids["han"]}
        assert found(connection, "find_by_vin_tail", "000001") == both
        assert found(connection, "find_by_vin_tail", "c000002") == {ids["li"]}
        assert found(connection, "find_by_vin_tail", "001") == set()  # too short to mean anything
        assert found(connection, "find_by_vin_tail", "%%%%") == set()

    database.read_now(ask)


def test_a_number_moves_to_another_customer(database: Database, clock: Clock) -> None:
    """R38: history stays, the look-up follows."""
    ids = database.write_now(lambda connection: house(connection, clock))
    later = clock.now() + timedelta(days=1)
    assert database.write_now(lambda connection: customers.end_contact(connection, ids["li"], FAMILY, later))
    assert not database.write_now(
        lambda connection: customers.end_contact(connection, ids["li"], FAMILY, later)
    )
    match = database.read_now(lambda connection: matching.identify(connection, FAMILY))
    assert match.customer_id == ids["han"]
    history = database.read_now(lambda connection: customers.contacts_of(connection, ids["li"], ended=True))
    assert [(contact.number, contact.ended_at) for contact in history] == [(LI, None), (FAMILY, later)]
    database.write_now(lambda connection: customers.add_contact(connection, ids["li"], FAMILY, later))
    match = database.read_now(lambda connection: matching.identify(connection, FAMILY))
    assert match.kind is MatchKind.SEVERAL


def test_people_leave_vehicles(database: Database, clock: Clock) -> None:
    ids = database.write_now(lambda connection: house(connection, clock))
    now = clock.now()

    def sell(connection: Connection) -> None:
        assert vehicles.end_person(connection, ids["golf"], ids["li"], Role.OWNER, now)
        assert not vehicles.end_person(connection, ids["golf"], ids["li"], Role.OWNER, now)

    database.write_now(sell)
    people = database.read_now(lambda connection: vehicles.people_of(connection, ids["golf"]))
    assert [(person.customer_id, person.role) for person in people] == [(ids["han"], Role.DRIVER)]
    owned = database.read_now(lambda connection: vehicles.vehicles_of(connection, ids["li"]))
    assert [vehicle.plate for vehicle, _role in owned] == ["沪AD12345"]


def test_records_change_and_refuse(database: Database, clock: Clock) -> None:
    ids = database.write_now(lambda connection: house(connection, clock))
    later = clock.now() + timedelta(hours=1)
    changed = database.write_now(
        lambda connection: customers.change_customer(
            connection, ids["han"], later, name=" 韩 梅梅 ", language="en"
        )
    )
    assert changed == database.read_now(lambda connection: customers.get_customer(connection, ids["han"]))
    assert (changed.name, changed.language, changed.updated_at) == ("韩 梅梅", "en", later)
    with pytest.raises(CustomerNotFound):
        database.read_now(lambda connection: customers.get_customer(connection, "nobody"))
    with pytest.raises(BadRecord):
        database.write_now(lambda connection: vehicles.add_vehicle(connection, now=later, plate="???"))
    with pytest.raises(VinTaken):
        database.write_now(
            lambda connection: vehicles.add_vehicle(connection, now=later, vin="LFV2A21K8B3000001")
        )
    vehicle = database.write_now(
        lambda connection: vehicles.change_vehicle(
            connection, ids["golf"], later, mileage=15000, plate="沪B99999"
        )
    )
    assert (vehicle.mileage, vehicle.plate) == (15000, "沪B99999")
    assert database.read_now(lambda connection: matching.find_by_plate(connection, "沪A12345")) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("李", {"李雷"}),
        ("c000002", {"李雷", "韩梅梅"}),  # a VIN ends so, and a customer number is so
        ("C000001", {"李雷"}),
        ("0001", {"李雷", "韩梅梅"}),  # the tail of a number, and of a VIN
        ("13800000002", {"李雷", "韩梅梅"}),
        ("0000 0001", {"李雷"}),
        ("沪AD12345", {"李雷"}),
        ("000002", {"李雷", "韩梅梅"}),
        ("%", set()),
        ("_", set()),
        ("'", set()),
        ("\\", set()),
        ("x" * 10_000, set()),
        ("", set()),
        ("1;drop table customers", set()),
    ],
)
def test_search_is_literal(database: Database, clock: Clock, text: str, names: set[str]) -> None:
    """S10: what is typed means itself."""
    database.write_now(lambda connection: house(connection, clock))
    found = database.read_now(lambda connection: search.find_customers(connection, text))
    assert {customer.name for customer in found} == names
