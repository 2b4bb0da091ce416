"""What a comparison says of pairs of records, and how it is written down.

All comparing is done in reading transactions; what has to be written is written in short ones, so that no call waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from crm.records.customers import CustomerKind, Honorific
from crm.records.duplicates import Print, Suspicion, compare
from storage.tables.merging import duplicate_pairs
from storage.tables.records import contacts, customers, vehicle_people, vehicles

#: Verdicts written by one transaction.
WRITTEN_AT_ONCE: Final = 200
_PARAMETERS: Final = 500


def prints(connection: Connection, customer_ids: Collection[str]) -> dict[str, Print]:
    """What these customers are compared by; merged ones are left out."""
    found: dict[str, Print] = {}
    wanted = sorted(set(customer_ids))
    for start in range(0, len(wanted), _PARAMETERS):
        found |= _prints(connection, wanted[start : start + _PARAMETERS])
    return found


def _prints(connection: Connection, ids: Sequence[str]) -> dict[str, Print]:
    numbers: dict[str, tuple[set[str], set[str]]] = {}
    for row in connection.execute(
        select(contacts.c.customer_id, contacts.c.number, contacts.c.ended_at).where(
            contacts.c.customer_id.in_(ids)
        )
    ):
        numbers.setdefault(row[0], (set(), set()))[0 if row[2] is None else 1].add(row[1])
    cars: dict[str, list[Any]] = {}
    for car in connection.execute(
        select(
            vehicle_people.c.customer_id,
            vehicle_people.c.role,
            vehicles.c.id,
            vehicles.c.plate,
            vehicles.c.vin,
        )
        .join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id)
        .where(vehicle_people.c.customer_id.in_(ids), vehicle_people.c.ended_at.is_(None))
    ):
        cars.setdefault(car[0], []).append(car)
    people = select(
        customers.c.id, customers.c.name, customers.c.kind, customers.c.honorific, customers.c.birthday
    ).where(customers.c.id.in_(ids), customers.c.merged_into.is_(None))
    none: tuple[set[str], set[str]] = (set(), set())
    return {
        row.id: Print(
            customer_id=row.id,
            name=row.name,
            kind=CustomerKind(row.kind),
            honorific=Honorific(row.honorific),
            birthday="" if row.birthday is None else row.birthday.isoformat(),
            numbers=frozenset(numbers.get(row.id, none)[0]),
            former_numbers=frozenset(numbers.get(row.id, none)[1]),
            owned=frozenset(car[2] for car in cars.get(row.id, ()) if car[1] == "owner"),
            vehicles=frozenset(car[2] for car in cars.get(row.id, ())),
            plates=frozenset(car[3] for car in cars.get(row.id, ()) if car[3]),
            vins=frozenset(car[4] for car in cars.get(row.id, ()) if car[4]),
        )
        for row in connection.execute(people)
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdicts:
    """What a comparison says of pairs, beside what is known of them already: only what has to be written."""

    #: Pairs that are suspicious and were not, or for other reasons.
    fresh: Mapping[tuple[str, str], Suspicion]
    #: Suspicions that nothing holds up any more.
    gone: Collection[tuple[str, str]] = ()
    #: How many of all pairs are suspicious.
    shown: int = 0

    def shares(self) -> Iterator[Verdicts]:
        """The same in parts of one short transaction each; none where nothing has to be written."""
        fresh, gone = list(self.fresh.items()), sorted(self.gone)
        for start in range(0, max(len(fresh), len(gone)), WRITTEN_AT_ONCE):
            end = start + WRITTEN_AT_ONCE
            yield Verdicts(fresh=dict(fresh[start:end]), gone=gone[start:end])


def weigh(connection: Connection, pairs: Iterable[tuple[str, str]]) -> Verdicts:
    """Compare pairs. It only reads, so that nobody who writes waits for it."""
    wanted = sorted(set(pairs))
    fresh: dict[tuple[str, str], Suspicion] = {}
    gone: list[tuple[str, str]] = []
    shown = 0
    for start in range(0, len(wanted), _PARAMETERS):
        part = wanted[start : start + _PARAMETERS]
        known = prints(connection, {id for pair in part for id in pair})
        before = _known_pairs(connection, part)
        for one, other in part:
            found = compare(known[one], known[other]) if one in known and other in known else None
            state, score, reasons = before.get((one, other), ("", 0, []))
            if found is None or not found.is_shown:
                if state == "suspected":
                    gone.append((one, other))
                continue
            shown += 1
            said = (found.score, [reason.value for reason in found.reasons])
            if not state or (state == "suspected" and said != (score, list(reasons))):
                fresh[one, other] = found
    return Verdicts(fresh=fresh, gone=gone, shown=shown)


def _known_pairs(connection: Connection, pairs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    pair = duplicate_pairs.c
    rows = connection.execute(
        select(pair.one_id, pair.other_id, pair.state, pair.score, pair.reasons).where(
            pair.one_id.in_({one for one, _other in pairs})
        )
    )
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}


def keep(connection: Connection, verdicts: Verdicts, now: datetime) -> None:
    """Write verdicts down; what a person decided stays decided, and who was merged meanwhile is left out."""
    ids = {id for pair in verdicts.fresh for id in pair}
    there = set(
        connection.execute(
            select(customers.c.id).where(customers.c.id.in_(ids), customers.c.merged_into.is_(None))
        ).scalars()
    )
    rows = [
        {
            "one_id": one,
            "other_id": other,
            "score": found.score,
            "reasons": [reason.value for reason in found.reasons],
            "state": "suspected",
            "found_at": now,
        }
        for (one, other), found in verdicts.fresh.items()
        if one in there and other in there
    ]
    if rows:
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        row = engine.insert(duplicate_pairs)
        connection.execute(
            row.on_conflict_do_update(
                index_elements=["one_id", "other_id"],
                set_={"score": row.excluded.score, "reasons": row.excluded.reasons},
                where=duplicate_pairs.c.state == "suspected",
            ),
            rows,
        )
    if verdicts.gone:
        connection.execute(
            delete(duplicate_pairs).where(
                duplicate_pairs.c.one_id == bindparam("one"),
                duplicate_pairs.c.other_id == bindparam("other"),
                duplicate_pairs.c.state == "suspected",
            ),
            [{"one": one, "other": other} for one, other in verdicts.gone],
        )
