"""The answer to "who is calling?": customers by a number, a plate, or the tail of a plate or VIN."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, select

from crm.records.matching import Candidate, Match, Sign, decide, hidden
from crm.records.vehicles import as_keys, clean_tail, parse_plate, reversed_keys
from storage.database import fetch
from storage.tables.records import customers, vehicle_people, vehicles
from telephony.numbers import is_hidden, parse

#: More people than this on one number or tail are not shown; the answer is "several" all the same.
MOST_CANDIDATES: Final = 50

_CANDIDATE = (
    customers.c.id,
    customers.c.number,
    customers.c.name,
    customers.c.key_account,
    customers.c.language,
    customers.c.own_agent_id,
)

_COLUMNS: Final = "customers.id, customers.number, customers.name, customers.key_account, customers.language"
_BY_NUMBER: Final = (
    f"SELECT {_COLUMNS}, customers.own_agent_id"  # noqa: S608 - names of our own
    " FROM contacts JOIN customers ON customers.id = contacts.customer_id"
    f" WHERE contacts.number = ? AND contacts.ended_at IS NULL LIMIT {MOST_CANDIDATES}"
)

_BY_ITS_NUMBER: Final = frozenset({Sign.NUMBER})

_PEOPLE: Final = (
    select(*_CANDIDATE, vehicles.c.plate, vehicles.c.vin)
    .select_from(
        vehicles.join(
            vehicle_people,
            and_(vehicle_people.c.vehicle_id == vehicles.c.id, vehicle_people.c.ended_at.is_(None)),
        ).join(customers, customers.c.id == vehicle_people.c.customer_id)
    )
    .limit(MOST_CANDIDATES)
)
_BY_PLATE: Final = _PEOPLE.where(vehicles.c.plate == bindparam("wanted"))
_BY_PLATE_KEYS: Final = _PEOPLE.where(vehicles.c.plate_keys.between(bindparam("first"), bindparam("last")))
_BY_VIN_KEYS: Final = _PEOPLE.where(vehicles.c.vin_keys.between(bindparam("first"), bindparam("last")))


def find_by_number(connection: Connection, number: str) -> list[Candidate]:
    """Everybody whose number this is now (E.164), in no order that means anything.

    Prepared as text: every call asks it.
    """
    return [
        Candidate(
            customer_id=id,
            customer_number=customer_number,
            name=name,
            key_account=bool(key_account),
            language=language,
            own_agent_id=own_agent_id,
            plates=(),
            why=_BY_ITS_NUMBER,
        )
        for id, customer_number, name, key_account, language, own_agent_id in fetch(
            connection, _BY_NUMBER, (number,)
        )
    ]


def find_by_plate(connection: Connection, plate: str) -> list[Candidate]:
    """Everybody who has to do with a vehicle of this plate, however it is written."""
    parsed = parse_plate(plate)
    if parsed is None:
        return []
    return _candidates(connection, _BY_PLATE, {"wanted": parsed.text}, Sign.PLATE)


def find_by_plate_tail(connection: Connection, tail: str, among: Collection[str] = ()) -> list[Candidate]:
    """Everybody with a vehicle whose plate ends so; with `among` only these customers count.

    Digits may be telephone keys that stand for letters. A tail has 4 to 17 characters.
    """
    return _by_tail(connection, _BY_PLATE_KEYS, tail, among, Sign.PLATE)


def find_by_vin_tail(connection: Connection, tail: str, among: Collection[str] = ()) -> list[Candidate]:
    """Everybody with a vehicle whose VIN ends so; as `find_by_plate_tail`."""
    return _by_tail(connection, _BY_VIN_KEYS, tail, among, Sign.VIN)


def identify(connection: Connection, raw: str, *, country: str = "CN", area_code: str = "") -> Match:
    """Who calls from what the trunk delivered (R37, R38): nobody, one, or several, and why."""
    number = parse(raw, country, area_code)
    if number is None:
        return hidden(readable=not is_hidden(raw))
    return decide(find_by_number(connection, number))


def _by_tail(
    connection: Connection, statement: Select[Any], tail: str, among: Collection[str], sign: Sign
) -> list[Candidate]:
    cleaned = clean_tail(tail)
    if cleaned is None:
        return []
    if cleaned != as_keys(cleaned):
        # Letters were typed as letters, so others on the same keys do not fit. Only letters and digits are left.
        column = vehicles.c.plate if sign is Sign.PLATE else vehicles.c.vin
        statement = statement.where(column.like("%" + cleaned))
    if among:
        statement = statement.where(customers.c.id.in_(list(among)))
    first = reversed_keys(cleaned)
    return _candidates(connection, statement, {"first": first, "last": first + "9" * 17}, sign)


def _candidates(
    connection: Connection, statement: Select[Any], values: dict[str, str], sign: Sign
) -> list[Candidate]:
    found = []
    for row in connection.execute(statement, values):
        plate = row[6] if len(row) > 6 else None
        found.append(
            Candidate(
                customer_id=row[0],
                customer_number=row[1],
                name=row[2],
                key_account=row[3],
                language=row[4],
                own_agent_id=row[5],
                plates=(plate,) if plate else (),
                why=frozenset({sign}),
            )
        )
    return found
