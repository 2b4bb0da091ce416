"""Customers and their numbers: rows. Who is calling says `storage.matching`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    Connection,
    RowMapping,
    String,
    and_,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.sentences import Sentence
from crm.records.changes import HOUSE, Author, refuse_stale
from crm.records.contacts import Contact, Label
from crm.records.customers import (
    BadRecord,
    ClassedBy,
    Customer,
    CustomerId,
    CustomerKind,
    CustomerNotFound,
    EntryNotFound,
    Honorific,
    NumberTaken,
    Secrecy,
    Sex,
    check_text,
    clean_name,
    name_key,
    number_by_rule,
)
from crm.records.merging import RecordMerged
from storage.changes import changes_since, customer_subject, note_change, note_changes
from storage.tables.records import contacts, customers, phone_numbers, serials
from storage.terms import forget_name, index_names
from telephony.numbers import E164, reversed_digits

#: Fields of `Customer` that are stored as they are.
_PLAIN: Final = (
    "version",
    "birthday",
    "occupation",
    "address",
    "source",
    "need",
    "budget",
    "focus",
    "purchase_expected_on",
    "paper_file",
    "value_grade",
    "loyalty_grade",
    "potential_grade",
    "customer_class",
    "credit_grade",
    "visit_every_days",
    "visited_on",
)
LONGEST_NOTE: Final = 10_000
#: Longest text per field; what is longer is refused, never cut.
_LONGEST: Final = {
    name: column.type.length
    for name, column in customers.c.items()
    if isinstance(column.type, String) and column.type.length is not None and name in _PLAIN
}

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
        sex=Sex(row[customers.c.sex]) if row[customers.c.sex] else None,
        secrecy=Secrecy(row[customers.c.secrecy]),
        classed_by=ClassedBy(row[customers.c.classed_by]),
        **{name: row[customers.c[name]] for name in _PLAIN},
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
        "sex": customer.sex,
        "secrecy": customer.secrecy,
        "classed_by": customer.classed_by,
        **{name: getattr(customer, name) for name in _PLAIN},
    }


def _shown(customer: Customer) -> dict[str, object]:
    """What the register of changes compares."""
    row = customer_row(customer)
    for name in ("id", "name_key", "created_at", "updated_at", "version"):
        del row[name]
    return row


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
    by: Author = HOUSE,
    known_id: CustomerId | None = None,
    **more: Any,
) -> Customer:
    """Add a customer; without `number` the rule gives one, and an id without `known_id`.

    `more` are further fields of `Customer`.

    Raises BadRecord, NumberTaken.
    """
    customer = Customer(
        id=known_id or CustomerId(new_id(now)),
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
        **more,
    )
    _check(customer, now.date())
    try:
        with connection.begin_nested():
            connection.execute(insert(customers).values(**customer_row(customer)))
    except IntegrityError as error:
        if _number_exists(connection, customer.number):
            raise NumberTaken(
                Sentence("The customer number {number} is taken. Nothing was added.", number=customer.number)
            ) from error
        raise
    index_names(connection, [customer.name])
    note_change(connection, customer_subject(customer.id), "created", "", customer.number, by, now, version=1)
    return customer


def _check(customer: Customer, today: date) -> None:
    """Raises BadRecord where a field cannot be what was given."""
    for name, longest in _LONGEST.items():
        value = getattr(customer, name)
        if value is not None:
            check_text(name, value, longest)
    check_text("note", customer.note, LONGEST_NOTE)
    if customer.birthday is not None and not date(1880, 1, 1) <= customer.birthday <= today:
        raise BadRecord("The birthday cannot be right. Nothing was changed.", field="birthday")
    if customer.visit_every_days is not None and not 1 <= customer.visit_every_days <= 3660:
        raise BadRecord("A cadence is 1 to 3660 days. Nothing was changed.", field="visit_every_days")


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


def display_names(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    """Names of customers as they stand, unmasked; at most a page's worth of ids."""
    if not ids:
        return {}
    rows = connection.execute(select(customers.c.id, customers.c.name).where(customers.c.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def change_customer(
    connection: Connection,
    customer_id: str,
    now: datetime,
    *,
    by: Author = HOUSE,
    version: int | None = None,
    why: str = "",
    extra_changes: int = 0,
    **changes: Any,
) -> Customer:
    """Change fields of a customer (those of `Customer` but id, number and times), with a row for each in the register.

    `version` is the one that was edited (None: whatever it is). What is the same already changes nothing,
    unless `extra_changes` says that other parts of the record did (its number is raised for them, too).
    Raises CustomerNotFound, BadRecord, RecordChanged.
    """
    if "name" in changes:
        changes["name"] = clean_name(changes["name"])
    before = _locked(connection, customer_id)
    subject = customer_subject(customer_id)
    if version is not None and version != before.version:
        refuse_stale(subject, version, before.version, changes_since(connection, subject, version))
    changed = replace(before, **changes, updated_at=now, version=before.version + 1)
    _check(changed, now.date())
    if _shown(changed) == _shown(before) and not extra_changes:
        return before
    row = customer_row(changed)
    connection.execute(update(customers).where(customers.c.id == customer_id).values(**row))
    note_changes(
        connection, subject, _shown(before), _shown(changed), by, now, version=changed.version, why=why
    )
    if name_key(changed.name) != name_key(before.name):
        index_names(connection, [changed.name])
        if not connection.execute(
            select(customers.c.id).where(customers.c.name_key == name_key(before.name)[:128]).limit(1)
        ).first():
            forget_name(connection, before.name)
    return changed


def _locked(connection: Connection, customer_id: str) -> Customer:
    """One customer, whose row nobody else changes until the transaction ends.

    Raises CustomerNotFound; RecordMerged where it is only a pointer to another record by now.
    """
    row = (
        connection.execute(select(customers).where(customers.c.id == customer_id).with_for_update())
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise CustomerNotFound("There is no such customer.")
    if row["merged_into"] is not None:
        into = select(customers.c.number).where(customers.c.id == row["merged_into"])
        raise RecordMerged(row["number"], connection.execute(into).scalar_one())
    return customer_from(row)


# -- numbers ------------------------------------------------------------------------------------------


def add_contact(
    connection: Connection,
    customer_id: str,
    number: E164,
    now: datetime,
    *,
    label: Label = Label.MOBILE,
    primary: bool = False,
    by: Author = HOUSE,
) -> None:
    """Tie a number to a customer; again is harmless. Others who have the number keep it. Raises CustomerNotFound."""
    before = _locked(connection, customer_id)
    known = _insert(connection, phone_numbers).values(
        number=number, reversed=reversed_digits(number), first_seen_at=now
    )
    connection.execute(known.on_conflict_do_nothing())
    own = and_(contacts.c.customer_id == customer_id, contacts.c.number == number)
    row = connection.execute(select(contacts).where(own)).mappings().one_or_none()
    wanted = {"label": str(label), "is_primary": primary, "ended_at": None}
    if row is not None and all(row[name] == value for name, value in wanted.items()):
        return
    if primary:
        connection.execute(
            update(contacts)
            .where(contacts.c.customer_id == customer_id, contacts.c.number != number)
            .values(is_primary=False)
        )
    tie = _insert(connection, contacts).values(customer_id=customer_id, number=number, since=now, **wanted)
    again = {**wanted, "wrong_since": None} if row is not None and row["ended_at"] else wanted
    connection.execute(tie.on_conflict_do_update(index_elements=["customer_id", "number"], set_=again))
    old = "" if row is None or row["ended_at"] else _told(number, row["label"], row["is_primary"])
    _note_number(connection, before, old, _told(number, label, primary), by, now)


def end_contact(
    connection: Connection, customer_id: str, number: str, now: datetime, *, by: Author = HOUSE
) -> bool:
    """The number is no longer this customer's (R38); the row stays as history. False where it was not."""
    ended = (
        update(contacts)
        .where(
            contacts.c.customer_id == customer_id, contacts.c.number == number, contacts.c.ended_at.is_(None)
        )
        .values(ended_at=now, is_primary=False)
    )
    if connection.execute(ended).rowcount != 1:
        return False
    _note_number(connection, _locked(connection, customer_id), number, "", by, now)
    return True


def mark_number(
    connection: Connection,
    customer_id: str,
    number: str,
    now: datetime,
    *,
    wrong: bool,
    by: Author = HOUSE,
) -> bool:
    """Say that somebody else answers there, or that it is right after all. False where that was known.

    A wrong number stays on the record until somebody corrects it; nobody dials it meanwhile
    (`crm.consent.contactability`). Raises CustomerNotFound.
    """
    other_way = contacts.c.wrong_since.is_(None) if wrong else contacts.c.wrong_since.is_not(None)
    marked = (
        update(contacts)
        .where(
            contacts.c.customer_id == customer_id,
            contacts.c.number == number,
            contacts.c.ended_at.is_(None),
            other_way,
        )
        .values(wrong_since=now if wrong else None)
    )
    if connection.execute(marked).rowcount != 1:
        return False
    words = (number, f"{number} wrong") if wrong else (f"{number} wrong", number)
    _note_number(connection, _locked(connection, customer_id), *words, by, now)
    return True


def _told(number: str, label: str, primary: bool) -> str:
    return f"{number} {label}{' primary' if primary else ''}"


def _note_number(
    connection: Connection, customer: Customer, old: str, new: str, by: Author, now: datetime
) -> None:
    """A number came, went or got another label: the record has changed."""
    version = customer.version + 1
    connection.execute(
        update(customers).where(customers.c.id == customer.id).values(version=version, updated_at=now)
    )
    note_change(connection, customer_subject(customer.id), "phone", old, new, by, now, version=version)


def number_at(connection: Connection, customer_id: str, place: int) -> E164:
    """The number at a place of the customer's list (`NumberView.place`), for those who may dial but not read it.

    Raises EntryNotFound where there is none, or it is no longer this customer's.
    """
    for found, contact in in_places(contacts_of(connection, customer_id, ended=True)):
        if found == place and contact.ended_at is None:
            return contact.number
    raise EntryNotFound("The customer has no such number any more.")


def in_places(found: Collection[Contact]) -> list[tuple[int, Contact]]:
    """Contacts, ended ones included, each with its place: the order in which they came, which no later one changes."""
    return list(enumerate(sorted(found, key=lambda one: (one.since, one.number))))


def contacts_of(connection: Connection, customer_id: str, *, ended: bool = False) -> list[Contact]:
    """A customer's numbers, the primary one first."""
    return contacts_of_many(connection, [customer_id], ended=ended)[customer_id]


def contacts_of_many(
    connection: Connection, customer_ids: Sequence[str], *, ended: bool = False
) -> dict[str, list[Contact]]:
    """What `contacts_of` says of each."""
    wanted = select(contacts).where(contacts.c.customer_id.in_(customer_ids))
    if not ended:
        wanted = wanted.where(contacts.c.ended_at.is_(None))
    found: dict[str, list[Contact]] = {one: [] for one in customer_ids}
    rows = connection.execute(wanted.order_by(contacts.c.is_primary.desc(), contacts.c.number)).mappings()
    for row in rows:
        found[row["customer_id"]].append(
            Contact(
                customer_id=row["customer_id"],
                number=E164(row["number"]),
                label=Label(row["label"]),
                primary=row["is_primary"],
                since=row["since"],
                ended_at=row["ended_at"],
                wrong_since=row["wrong_since"],
            )
        )
    return found


def _insert(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, of the engine at hand."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def find_by_sign(connection: Connection, sought: str) -> Customer | None:
    """The customer whose id or customer number this is."""
    same = or_(customers.c.id == sought.upper(), customers.c.number == sought.upper())
    row = connection.execute(select(customers).where(same)).mappings().first()
    return None if row is None else customer_from(row)


def numbers_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, list[str]]:
    """Telephone numbers these customers have now, the first one first."""
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        select(contacts.c.customer_id, contacts.c.number)
        .where(contacts.c.customer_id.in_(list(customer_ids)), contacts.c.ended_at.is_(None))
        .order_by(contacts.c.is_primary.desc(), contacts.c.number)
    )
    for customer_id, number in rows:
        found.setdefault(customer_id, []).append(number)
    return found


def restrict_merged(connection: Connection, customer_ids: Collection[str]) -> None:
    """Records that were merged into a restricted one are restricted too."""
    merged = customers.c.id.in_(list(customer_ids))
    connection.execute(update(customers).where(merged).values(secrecy=Secrecy.RESTRICTED))


def several(connection: Connection, customer_ids: Collection[str]) -> dict[str, Customer]:
    """Customers by id; unknown ids are left out."""
    rows = connection.execute(select(customers).where(customers.c.id.in_(list(customer_ids)))).mappings()
    return {row[customers.c.id]: customer_from(row) for row in rows}
