"""Records that may be one person: found when a record changes, and by a pass over all of them at night.

The pass reads in shares of a few thousand rows, each in a transaction of its own, and keeps nothing between
them but where it stands: a million customers need no more memory than ten thousand. All comparing is done in reading
transactions; what has to be written is written in short ones, so that no call waits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations, pairwise
from typing import Any, Final

from sqlalchemy import Connection, Table, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from access.sentences import SOMEBODY, Sentence
from crm.records.customers import CustomerNotFound, RecordError, name_key
from crm.records.duplicates import MOST_BEHIND_ONE_SIGN, Print, Reason
from storage.duplicate_verdicts import Verdicts, keep, prints, weigh
from storage.tables.merging import duplicate_marks, duplicate_pairs
from storage.tables.records import contacts, customers, vehicle_people, vehicles

#: Rows read by one step of the pass.
SHARE: Final = 8000
#: Marked records looked at by one tick.
MARKED_AT_ONCE: Final = 200
#: People of one name looked at together; among more of them a name says too little, and numbers find the rest.
_MOST_NAMESAKES: Final = 500
_PARAMETERS: Final = 500
#: Behind every letter of a sign.
_PAST: Final = "~"


class PairDecided(RecordError):
    """Somebody has decided about this pair already, or it is none."""

    error_id = "pair-decided"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two records under suspicion."""

    one_id: str
    other_id: str
    score: int
    reasons: tuple[Reason, ...]
    state: str
    found_at: datetime
    decided_by: str = ""


# -- who shares a sign -------------------------------------------------------------------------------


def _alike(connection: Connection, one: Print) -> set[str]:
    """Who shares any sign with this record, by the indexes; signs too many share are left out."""
    found: set[str] = set()
    numbers = one.numbers | one.former_numbers
    for number in numbers:
        found |= _few(connection, select(contacts.c.customer_id).where(contacts.c.number == number))
    for vehicle in one.vehicles:
        found |= _few(
            connection, select(vehicle_people.c.customer_id).where(vehicle_people.c.vehicle_id == vehicle)
        )
    of_people = select(vehicle_people.c.customer_id).join(
        vehicles, vehicles.c.id == vehicle_people.c.vehicle_id
    )
    for plate in one.plates:
        found |= _few(connection, of_people.where(vehicles.c.plate == plate))
    for vin in one.vins:
        tail = _vin_tail(connection, vin)
        if tail:
            found |= _few(connection, of_people.where(vehicles.c.vin_keys.between(tail, tail + "9" * 17)))
    tails = {number[-4:] for number in one.numbers}
    if tails:
        namesakes = select(customers.c.id).where(customers.c.name_key == name_key(one.name)[:128])
        ids = list(connection.execute(namesakes.limit(_MOST_NAMESAKES)).scalars())
        rows = connection.execute(
            select(contacts.c.customer_id, contacts.c.number).where(contacts.c.customer_id.in_(ids))
        )
        alike = {customer_id for customer_id, number in rows if number[-4:] in tails}
        found |= alike if len(alike) <= MOST_BEHIND_ONE_SIGN else set()
    found.discard(one.customer_id)
    return found


def _few(connection: Connection, ids: Any) -> set[str]:
    found = set(connection.execute(ids.limit(MOST_BEHIND_ONE_SIGN + 1)).scalars())
    return found if len(found) <= MOST_BEHIND_ONE_SIGN else set()


def _vin_tail(connection: Connection, vin: str) -> str:
    """The first keys of a VIN's `vin_keys`: its last six places, back to front."""
    kept = select(vehicles.c.vin_keys).where(vehicles.c.vin == vin)
    return str(connection.execute(kept).scalar_one_or_none() or "")[:6]


def judge(connection: Connection, pairs: Iterable[tuple[str, str]], now: datetime) -> int:
    """Compare pairs and keep the suspicious ones at once; returns how many there are."""
    verdicts = weigh(connection, pairs)
    for share in verdicts.shares():
        keep(connection, share, now)
    return verdicts.shown


# -- records that changed -----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Looked:
    """Some of the records that changed, as they were when they were compared, and what came of it."""

    marked: Sequence[str]
    known: Mapping[str, Print]
    verdicts: Verdicts


def compare_marked(connection: Connection) -> Looked | None:
    """Compare some of the records that changed with those that share a sign. It only reads; None: there are none."""
    marked = list(
        connection.execute(
            select(duplicate_marks.c.customer_id)
            .order_by(duplicate_marks.c.customer_id)
            .limit(MARKED_AT_ONCE)
        ).scalars()
    )
    if not marked:
        return None
    known = prints(connection, marked)
    pairs: set[tuple[str, str]] = set()
    for one in known.values():
        pairs |= {_ordered(one.customer_id, other) for other in _alike(connection, one)}
    verdicts = weigh(connection, pairs)
    gone = [*verdicts.gone, *_without_signs(connection, marked, pairs)]
    return Looked(
        marked=marked, known=known, verdicts=Verdicts(fresh=verdicts.fresh, gone=gone, shown=verdicts.shown)
    )


def unmark(connection: Connection, looked: Looked) -> int:
    """They were looked at, but for those who changed again since; returns how many were."""
    now = prints(connection, looked.marked)
    same = [one for one in looked.marked if now.get(one) == looked.known.get(one)]
    connection.execute(delete(duplicate_marks).where(duplicate_marks.c.customer_id.in_(same)))
    return len(same)


def look_at_marked(connection: Connection, now: datetime) -> int:
    """All of it in one transaction; returns how many records were looked at."""
    looked = compare_marked(connection)
    if looked is None:
        return 0
    for share in looked.verdicts.shares():
        keep(connection, share, now)
    return unmark(connection, looked)


def _without_signs(
    connection: Connection, looked_at: Collection[str], pairs: Collection[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Suspicions about these records that no sign holds up any more."""
    pair = duplicate_pairs.c
    old = connection.execute(
        select(pair.one_id, pair.other_id).where(
            pair.state == "suspected", or_(pair.one_id.in_(looked_at), pair.other_id.in_(looked_at))
        )
    )
    return [(row[0], row[1]) for row in old if (row[0], row[1]) not in pairs]


def _ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


# -- the pass over all --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Where a pass stands: which sign it reads by, and after which row it goes on. None: it is done."""

    sign: str = "number"
    after: tuple[str, str] = ("", "")
    looked_at: int = 0
    found: int = 0


_SIGNS: Final = ("number", "vehicle", "plate", "vin", "name")


def _rows(sign: str) -> tuple[Table, Any, Any]:
    """The table a sign is read from, in the order of an index: the sign's column and the row's id."""
    match sign:
        case "number":
            return contacts, contacts.c.number, contacts.c.customer_id
        case "vehicle":
            return vehicle_people, vehicle_people.c.vehicle_id, vehicle_people.c.customer_id
        case "plate":
            return vehicles, vehicles.c.plate, vehicles.c.id
        case "vin":
            return vehicles, vehicles.c.vin_keys, vehicles.c.id
        case _:
            return customers, customers.c.name_key, customers.c.id


def scan(connection: Connection, step: Step) -> tuple[set[tuple[str, str]], Step | None]:
    """Read one share: the pairs behind one sign, to be judged, and where to go on. None: all were read.

    It only reads, so that nobody who writes waits for it. Signs are read in order, so that records behind one
    sign stand together, also over the end of a share.
    """
    table, sign, id = _rows(step.sign)
    wanted = select(sign, id).select_from(table).where(sign.is_not(None))
    if step.after != ("", ""):
        wanted = wanted.where(tuple_(sign, id) > tuple_(*step.after))
    rows = [(row[0], row[1]) for row in connection.execute(wanted.order_by(sign, id).limit(SHARE))]
    groups = list(_grouped(rows, step.sign))
    full = len(rows) == SHARE
    go_on = rows[-1] if rows else step.after
    if full and len(groups) > 1:
        rows = rows[: len(rows) - len(groups[-1][1])]  # it may go on in the next share
        groups.pop()
        go_on = rows[-1]
    elif full:
        go_on = (groups[0][0] + _PAST, _PAST)  # far too many behind one value; the rest is passed over
    pairs: set[tuple[str, str]] = set()
    if step.sign == "name":
        pairs = _namesakes(connection, [ids for _value, ids in groups])
    else:
        for _value, ids in groups:
            pairs |= _pairs_of(connection, step.sign, ids)
    looked_at = step.looked_at + len(rows)
    if full:
        return pairs, Step(sign=step.sign, after=go_on, looked_at=looked_at, found=step.found)
    following = dict(pairwise(_SIGNS)).get(step.sign)
    if following is None:
        return pairs, None
    return pairs, Step(sign=following, looked_at=looked_at, found=step.found)


def _grouped(rows: Iterable[tuple[str, str]], sign: str) -> Iterator[tuple[str, list[str]]]:
    value, ids = "", list[str]()
    for this, id in rows:
        this = this[:6] if sign == "vin" else this
        if this != value and ids:
            yield value, ids
            ids = []
        value = this
        ids.append(id)
    if ids:
        yield value, ids


def _pairs_of(connection: Connection, sign: str, ids: Sequence[str]) -> set[tuple[str, str]]:
    """Pairs of customers behind one value of a sign; of signs too many share, none."""
    distinct = sorted(set(ids))
    if len(distinct) < 2:
        return set()
    if len(distinct) > MOST_BEHIND_ONE_SIGN:
        return set()
    if sign in ("plate", "vin"):
        people = connection.execute(
            select(vehicle_people.c.customer_id)
            .where(vehicle_people.c.vehicle_id.in_(distinct), vehicle_people.c.ended_at.is_(None))
            .limit(MOST_BEHIND_ONE_SIGN + 1)
        )
        distinct = sorted(set(people.scalars()))
        if not 2 <= len(distinct) <= MOST_BEHIND_ONE_SIGN:
            return set()
    return set(combinations(distinct, 2))


def _namesakes(connection: Connection, names: Sequence[Sequence[str]]) -> set[tuple[str, str]]:
    """Of people with one name, for each of these names, those whose numbers end alike."""
    place = {id: n for n, ids in enumerate(names) if len(ids) > 1 for id in ids}
    wanted = list(place)
    by_tail: dict[tuple[int, str], set[str]] = {}
    for start in range(0, len(wanted), _PARAMETERS):
        rows = connection.execute(
            select(contacts.c.customer_id, contacts.c.number).where(
                contacts.c.customer_id.in_(wanted[start : start + _PARAMETERS]), contacts.c.ended_at.is_(None)
            )
        )
        for customer_id, number in rows:
            by_tail.setdefault((place[customer_id], number[-4:]), set()).add(customer_id)
    return {
        pair
        for alike in by_tail.values()
        if 2 <= len(alike) <= MOST_BEHIND_ONE_SIGN
        for pair in combinations(sorted(alike), 2)
    }


# -- what people see and say --------------------------------------------------------------------------


def list_pairs(
    connection: Connection,
    *,
    state: str = "suspected",
    after: tuple[int, str, str] | None = None,
    limit: int = 50,
) -> list[Pair]:
    """Pairs, the most alike first; `after` is score and ids of the last one seen."""
    pair = duplicate_pairs.c
    wanted = select(duplicate_pairs).where(pair.state == state)
    if after is not None:
        score, one, other = after
        later = and_(pair.score == score, tuple_(pair.one_id, pair.other_id) > tuple_(one, other))
        wanted = wanted.where(or_(pair.score < score, later))
    wanted = wanted.order_by(pair.score.desc(), pair.one_id, pair.other_id).limit(min(max(limit, 1), 200))
    return [_pair_from(row) for row in connection.execute(wanted).mappings()]


def pairs_of(connection: Connection, customer_id: str) -> list[Pair]:
    """Who else this customer may be, the most alike first."""
    pair = duplicate_pairs.c
    wanted = select(duplicate_pairs).where(
        pair.state == "suspected", or_(pair.one_id == customer_id, pair.other_id == customer_id)
    )
    rows = connection.execute(wanted.order_by(pair.score.desc(), pair.one_id).limit(50)).mappings()
    return [_pair_from(row) for row in rows]


#: Most pairs that are counted.
MOST_COUNTED: Final = 1000


def count_pairs(connection: Connection) -> tuple[int, bool]:
    """How many pairs wait for a decision, of more than `MOST_COUNTED` so many, and whether there are more."""
    some = select(duplicate_pairs.c.one_id).where(duplicate_pairs.c.state == "suspected")
    counted = select(func.count()).select_from(some.limit(MOST_COUNTED + 1).subquery())
    count = int(connection.execute(counted).scalar_one())
    return min(count, MOST_COUNTED), count > MOST_COUNTED


def get_pair(connection: Connection, one_id: str, other_id: str) -> Pair | None:
    """What is known of a pair, in either order."""
    one, other = _ordered(one_id, other_id)
    wanted = select(duplicate_pairs).where(
        duplicate_pairs.c.one_id == one, duplicate_pairs.c.other_id == other
    )
    row = connection.execute(wanted).mappings().one_or_none()
    return None if row is None else _pair_from(row)


def _pair_from(row: Any) -> Pair:
    return Pair(
        one_id=row["one_id"],
        other_id=row["other_id"],
        score=row["score"],
        reasons=tuple(Reason(word) for word in row["reasons"]),
        state=row["state"],
        found_at=row["found_at"],
        decided_by=row["decided_by"],
    )


def say_different(connection: Connection, one_id: str, other_id: str, *, by: str, now: datetime) -> Pair:
    """They are two people; it stays said, whatever is found later. Raises CustomerNotFound, PairDecided."""
    one, other = _ordered(one_id, other_id)
    rows = connection.execute(
        select(customers.c.id).where(customers.c.id.in_([one, other]), customers.c.merged_into.is_(None))
    )
    if one == other or len(set(rows.scalars())) != 2:
        raise CustomerNotFound("There is no such customer, or one of them was merged. Nothing was changed.")
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    fresh = engine.insert(duplicate_pairs).values(
        one_id=one, other_id=other, score=0, reasons=[], state="suspected", found_at=now
    )
    connection.execute(fresh.on_conflict_do_nothing())
    said = connection.execute(
        update(duplicate_pairs)
        .where(
            duplicate_pairs.c.one_id == one,
            duplicate_pairs.c.other_id == other,
            duplicate_pairs.c.state == "suspected",
        )
        .values(state="different", decided_at=now, decided_by=by[:64])
    ).rowcount
    found = get_pair(connection, one, other)
    if not said or found is None:
        who = found.decided_by if found else ""
        raise PairDecided(
            Sentence("{who} has decided about this pair already. Nothing was changed.", who=who or SOMEBODY)
        )
    return found
