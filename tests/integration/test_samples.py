"""The sample dealership loads on both databases, once."""

from __future__ import annotations

from collections import Counter

from crm.records.matching import MatchKind
from crm.records.vehicles import PlateKind, parse_plate, vin_checks
from storage import matching, samples, search, vehicles
from storage.database import Database
from telephony.clock import Clock


def test_the_sample_loads_once(database: Database, clock: Clock) -> None:
    first = database.write_now(lambda connection: samples.load(connection, clock.now()))
    again = database.write_now(lambda connection: samples.load(connection, clock.now()))
    assert first.customers == 60
    assert first.contacts > first.customers
    assert (again.customers, again.contacts, again.vehicles) == (0, 0, 0)


def test_the_sample_has_what_a_dealership_has(database: Database, clock: Clock) -> None:
    """Known callers, shared numbers, key accounts, both languages, and callers nobody knows (R38)."""
    database.write_now(lambda connection: samples.load(connection, clock.now()))
    callers = samples.sample_callers()
    answers = {
        number: database.read_now(lambda connection, number=number: matching.identify(connection, number))  # type: ignore[misc]
        for number in callers.numbers
    }
    kinds = Counter(match.kind for match in answers.values())
    assert kinds[MatchKind.ONE] >= 40
    assert kinds[MatchKind.SEVERAL] >= 10
    assert kinds[MatchKind.NONE] >= 10
    assert len(callers.key_numbers) >= 6
    assert all(answers[number].key_account for number in callers.key_numbers)
    assert {"zh-CN", "en"} <= {match.language for match in answers.values()}
    assert set(callers.names) == set(callers.numbers)


def test_sample_vehicles_are_well_formed(database: Database, clock: Clock) -> None:
    database.write_now(lambda connection: samples.load(connection, clock.now()))
    person = database.read_now(lambda connection: search.find_customers(connection, "C000001"))[0]
    cars = database.read_now(lambda connection: vehicles.vehicles_of(connection, person.id))
    assert len(cars) >= 2
    for car, _role in cars:
        assert car.vin is not None
        assert vin_checks(car.vin)
        assert car.plate is not None
        plate = parse_plate(car.plate)
        assert plate is not None
        assert plate.kind in (PlateKind.ORDINARY, PlateKind.NEW_ENERGY)
