"""Customers and their numbers: rows, look-ups, and the answer to "who is calling?"."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    RowMapping,
    Select,
    and_,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from crm.records.contacts import Contact, Label
from crm.records.customers import (
    Customer,
    CustomerId,
    CustomerKind,
    CustomerNotFound,
    Honorific,
    NumberTaken,
    clean_name,
    name_key,
    number_by_rule,
)
from crm.records.matching import Candidate, Match, Sign, decide, hidden
from crm.records.vehicles import as_keys, clean_tail, parse_plate, reversed_keys
from storage.database import fetch
from storage.tables.records import contacts, customers, phone_numbers, serials, vehicle_people, vehicles
from telephony.numbers import E164, is_hidden, parse, reversed_digits, tail_range

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


# -- rows ---------------------------------------------------------------------------------------------


def customer_from(row: RowMapping) -> Customer:
    """The value of a row that holds every column of `customers`."""
    return Customer(
        id=CustomerId(row[customers.c.id]),
        number=row[customers.c.number],
        name=row[customers.c.name],
        kind=CustomerKind(row[customers.c.kind]),
        honorific=Honorific(row[customers.c.honorific]),
        language=row[customers.c.language],
        key_account=row[customers.c.key_account],
        own_agent_id=row[customers.c.own_agent_id],
        note=row[customers.c.note],
        created_at=row[customers.c.created_at],
        updated_at=row[customers.c.updated_at],
    )


def customer_row(customer: Customer) -> dict[str, Any]:
    """Column values of a customer."""
    return {
        "id": customer.id,
        "number": customer.number,
        "name": customer.name,
        "name_key": name_key(customer.name)[:128],
        "kind": customer.kind,
        "honorific": customer.honorific,
        "language": customer.language,
        "key_account": customer.key_account,
        "own_agent_id": customer.own_agent_id,
        "note": customer.note,
        "created_at": customer.created_at,
        "updated_at": customer.updated_at,
    }


def next_serial(connection: Connection, name: str) -> int:
    """The next serial of a rule; the row is locked until the transaction ends, so none is given twice."""
    raised = (
        update(serials)
        .where(serials.c.name == name)
        .values(value=serials.c.value + 1)
        .returning(serials.c.value)
    )
    while (value := connection.execute(raised).scalar_one_or_none()) is None:
        connection.execute(_insert(connection, serials).values(name=name, value=0).on_conflict_do_nothing())
    return int(value)


def add_customer(
    connection: Connection,
    *,
    name: str,
    now: datetime,
    rule: str = "C{serial:06d}",
    number: str | None = None,
    kind: CustomerKind = CustomerKind.PERSON,
    honorific: Honorific = Honorific.NONE,
    language: Any = None,
    key_account: bool = False,
    own_agent_id: str | None = None,
    note: str = "",
) -> Customer:
    """Add a customer; without `number` the rule gives one. Raises BadRecord, NumberTaken."""
    customer = Customer(
        id=CustomerId(new_id(now)),
        number=number or _free_number(connection, rule, now),
        name=clean_name(name),
        kind=kind,
        honorific=honorific,
        language=language,
        key_account=key_account,
        own_agent_id=own_agent_id,
        note=note,
        created_at=now,
        updated_at=now,
    )
    try:
        with connection.begin_nested():
            connection.execute(insert(customers).values(**customer_row(customer)))
    except IntegrityError as error:
        if _number_exists(connection, customer.number):
            raise NumberTaken(
                f"The customer number {customer.number} is taken. Nothing was added."
            ) from error
        raise
    return customer


def _free_number(connection: Connection, rule: str, now: datetime) -> str:
    """The rule's next number that nobody has: imported customers may sit where the rule would go."""
    while True:
        number = number_by_rule(rule, next_serial(connection, "customers"), now)
        if not _number_exists(connection, number):
            return number


def _number_exists(connection: Connection, number: str) -> bool:
    found = connection.execute(select(customers.c.id).where(customers.c.number == number))
    return found.first() is not None


def get_customer(connection: Connection, customer_id: str) -> Customer:
    """One customer. Raises CustomerNotFound."""
    row = connection.execute(select(customers).where(customers.c.id == customer_id)).mappings().one_or_none()
    if row is None:
        raise CustomerNotFound("There is no such customer.")
    return customer_from(row)


def change_customer(connection: Connection, customer_id: str, now: datetime, **changes: Any) -> Customer:
    """Change fields of a customer (those of `Customer` but id, number and times). Raises CustomerNotFound."""
    if "name" in changes:
        changes["name"] = clean_name(changes["name"])
    changed = replace(get_customer(connection, customer_id), **changes, updated_at=now)
    row = customer_row(changed)
    connection.execute(update(customers).where(customers.c.id == customer_id).values(**row))
    return changed


# -- numbers ------------------------------------------------------------------------------------------


def add_contact(
    connection: Connection,
    customer_id: str,
    number: E164,
    now: datetime,
    *,
    label: Label = Label.MOBILE,
    primary: bool = False,
) -> None:
    """Tie a number to a customer; again is harmless. Others who have the number keep it. Raises CustomerNotFound."""
    get_customer(connection, customer_id)
    known = _insert(connection, phone_numbers).values(
        number=number, reversed=reversed_digits(number), first_seen_at=now
    )
    connection.execute(known.on_conflict_do_nothing())
    if primary:
        connection.execute(
            update(contacts).where(contacts.c.customer_id == customer_id).values(is_primary=False)
        )
    tie = _insert(connection, contacts).values(
        customer_id=customer_id, number=number, label=label, is_primary=primary, since=now, ended_at=None
    )
    connection.execute(
        tie.on_conflict_do_update(
            index_elements=["customer_id", "number"],
            set_={"label": label, "is_primary": primary, "ended_at": None},
        )
    )


def end_contact(connection: Connection, customer_id: str, number: str, now: datetime) -> bool:
    """The number is no longer this customer's (R38); the row stays as history. False where it was not."""
    ended = (
        update(contacts)
        .where(
            contacts.c.customer_id == customer_id, contacts.c.number == number, contacts.c.ended_at.is_(None)
        )
        .values(ended_at=now, is_primary=False)
    )
    return connection.execute(ended).rowcount == 1


def contacts_of(connection: Connection, customer_id: str, *, ended: bool = False) -> list[Contact]:
    """A customer's numbers, the primary one first."""
    wanted = select(contacts).where(contacts.c.customer_id == customer_id)
    if not ended:
        wanted = wanted.where(contacts.c.ended_at.is_(None))
    rows = connection.execute(wanted.order_by(contacts.c.is_primary.desc(), contacts.c.number)).mappings()
    return [
        Contact(
            customer_id=row["customer_id"],
            number=E164(row["number"]),
            label=Label(row["label"]),
            primary=row["is_primary"],
            since=row["since"],
            ended_at=row["ended_at"],
        )
        for row in rows
    ]


# -- who is calling -----------------------------------------------------------------------------------


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


def candidate_of(connection: Connection, customer_id: str) -> Candidate:
    """A customer as a candidate, for an agent's choice. Raises CustomerNotFound."""
    customer = get_customer(connection, customer_id)
    return Candidate(
        customer_id=customer.id,
        customer_number=customer.number,
        name=customer.name,
        key_account=customer.key_account,
        language=customer.language,
        own_agent_id=customer.own_agent_id,
    )


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


# -- search -------------------------------------------------------------------------------------------


def search(connection: Connection, text: str, *, limit: int = 20) -> list[Customer]:
    """Customers for what a person typed: customer number, last digits of a number, plate, VIN tail, or name.

    The text is matched as it stands (S10: % and _ mean themselves); names match by their beginning, and
    every way of searching uses an index. At most `limit` (1 to 100), by customer number.
    """
    text = text.strip()[:64]
    limit = min(max(limit, 1), 100)
    if not text:
        return []
    ids: dict[str, None] = {}
    exact = select(customers.c.id).where(customers.c.number == text.upper())
    _note(ids, connection.execute(exact).scalars())
    number = parse(text)
    if number is not None:
        _note(ids, (one.customer_id for one in find_by_number(connection, number)))
    bounds = tail_range(text) if not any(letter.isalpha() for letter in text) else None
    if bounds is not None:
        by_tail = (
            select(contacts.c.customer_id)
            .select_from(phone_numbers.join(contacts, contacts.c.number == phone_numbers.c.number))
            .where(phone_numbers.c.reversed.between(*bounds), contacts.c.ended_at.is_(None))
            .limit(limit)
        )
        _note(ids, connection.execute(by_tail).scalars())
    for find in (find_by_plate, find_by_plate_tail, find_by_vin_tail):
        _note(ids, (one.customer_id for one in find(connection, text)))
    key = name_key(text)
    if key:
        by_name = (
            select(customers.c.id)
            .where(customers.c.name_key >= key, customers.c.name_key <= key + "\U0010ffff")
            .order_by(customers.c.name_key)
            .limit(limit)
        )
        _note(ids, connection.execute(by_name).scalars())
    if not ids:
        return []
    rows = connection.execute(
        select(customers).where(customers.c.id.in_(list(ids)[:limit])).order_by(customers.c.number)
    ).mappings()
    return [customer_from(row) for row in rows]


def _note(ids: dict[str, None], found: Iterable[str]) -> None:
    ids.update(dict.fromkeys(found))


def _insert(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, of the engine at hand."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def several(connection: Connection, customer_ids: Collection[str]) -> dict[str, Customer]:
    """Customers by id; unknown ids are left out."""
    rows = connection.execute(select(customers).where(customers.c.id.in_(list(customer_ids)))).mappings()
    return {row[customers.c.id]: customer_from(row) for row in rows}
