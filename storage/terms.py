"""The table that searches read: terms of names and plates (`crm.records.terms`), kept with every change.

Customers of one name share its terms. The importer gives `index_names` and `index_plates` whole batches.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from crm.records.customers import name_key
from crm.records.terms import name_terms, plate_terms
from storage.database import execute_many
from storage.tables.operations import fillings
from storage.tables.records import customers, search_terms, vehicles

#: A row of the table: term, kind, key.
Term = tuple[str, str, str]
NAME: Final = "name"
PLATE: Final = "plate"

_SQLITE: Final = "INSERT OR IGNORE INTO search_terms (term, kind, key) VALUES (?, ?, ?)"
_POSTGRES: Final = (
    "INSERT INTO search_terms (term, kind, key) "
    "SELECT one ->> 0, one ->> 1, one ->> 2 FROM json_array_elements(%s::json) AS one ON CONFLICT DO NOTHING"
)
#: Rows of one statement.
_BATCH: Final = 20_000
#: Names or plates of one share of an upgrade.
_SHARE: Final = 10_000


def index_names(connection: Connection, names: Iterable[str]) -> None:
    """Make customers of these names findable; again is harmless. 100,000 names at once are a few seconds."""
    add_terms(connection, terms_of_names(names))


def index_plates(connection: Connection, plates: Iterable[str]) -> None:
    """Make vehicles of these plates findable; again is harmless."""
    add_terms(connection, terms_of_plates(plates))


def terms_of_names(names: Iterable[str]) -> list[Term]:
    """What makes customers of these names findable."""
    keys = {name_key(name)[:128]: name for name in names}
    return [(term, NAME, key) for key, name in keys.items() for term in name_terms(name)]


def terms_of_plates(plates: Iterable[str]) -> list[Term]:
    """What makes vehicles of these plates findable."""
    return [(term, PLATE, plate) for plate in set(plates) for term in plate_terms(plate)]


def forget_name(connection: Connection, name: str) -> None:
    """No customer has the name any more."""
    _remove(connection, NAME, name_terms(name), name_key(name)[:128])


def forget_plate(connection: Connection, plate: str) -> None:
    """No vehicle has the plate any more."""
    _remove(connection, PLATE, plate_terms(plate), plate)


def _remove(connection: Connection, kind: str, terms: Iterable[str], key: str) -> None:
    connection.execute(
        delete(search_terms).where(
            search_terms.c.term.in_(list(terms)), search_terms.c.kind == kind, search_terms.c.key == key
        )
    )


def add_terms(connection: Connection, terms: Iterable[Term]) -> None:
    """Add rows of the table; those that are there stay."""
    # In the order of the index: neighbours lie on the same page, and two writers meet in the same order.
    rows = sorted(terms)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_POSTGRES, (json.dumps(part),))
        else:
            execute_many(connection, _SQLITE, part)


def begin_filling(connection: Connection) -> None:
    """Note that names and plates from before there were terms have yet to be made findable (an upgrade)."""
    connection.execute(insert(fillings), [{"what": what} for what in (NAME, PLATE)])


def is_filled(connection: Connection) -> bool:
    """Whether nothing is left to be filled."""
    return connection.execute(select(fillings.c.what).limit(1)).first() is None


def fill_share(connection: Connection, share: int = _SHARE) -> bool:
    """Make the next so many names or plates findable, and note how far that is; False: nothing was left.

    A transaction each: an upgrade that is interrupted goes on behind the last share.
    """
    row = connection.execute(select(fillings).order_by(fillings.c.what).limit(1).with_for_update()).first()
    if row is None:
        return False
    mark = fillings.c.what == row.what
    if row.what == NAME:
        key = customers.c.name_key  # each name once, in the order of its index
        found = connection.execute(
            select(key, func.min(customers.c.name))
            .where(key > row.after)
            .group_by(key)
            .order_by(key)
            .limit(share)
        ).all()
        keys = [one for one, _name in found]
        index_names(connection, [name for _key, name in found])
    else:
        plate = vehicles.c.plate
        keys = list(
            connection.execute(
                select(plate).where(plate > row.after).group_by(plate).order_by(plate).limit(share)
            ).scalars()
        )
        index_plates(connection, keys)
    if len(keys) < share:
        connection.execute(delete(fillings).where(mark))
    else:
        connection.execute(update(fillings).where(mark).values(after=keys[-1]))
    return True
