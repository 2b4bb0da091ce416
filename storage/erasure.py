"""Erasing a person (C07): name, numbers, words and files go in every table; counts and facts without identity stay.

What hangs on the person by a key is treated by the rules below; what merely names him is found by a scan of all text.
A table without a rule is safe, not forgotten: its free text is emptied, names and numbers in it are overwritten.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import JSON, Connection, RowMapping, String, Table, Text, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.sentences import Sentence
from access.users import AccessError
from crm.records.customers import name_key
from storage import erased_duties, group_counts, maker_visits, suppressions, survey_links
from storage.cases import stops_contact
from storage.outgoing import forget_subject
from storage.response_words import forget_words
from storage.tables import metadata
from storage.tables.appointments import appointments
from storage.tables.calls import calls
from storage.tables.cases import cases
from storage.tables.consent import suppressions as suppression_rows
from storage.tables.groups import groups
from storage.tables.hooks import happenings
from storage.tables.privacy import erasures, holds
from storage.tables.records import (
    customers,
    phone_numbers,
    search_terms,
    vehicles,
)
from storage.tables.reports import maker_files
from storage.tables.surveys import responses
from storage.tables.tasks import tasks
from storage.tables.telephony import recordings, voicemails
from storage.told import tell_of_erasure
from storage.traces import (
    PROOF,
    Key,
    Person,
    Tied,
    has_others,
    number_pattern,
    person_of,
    rows_of,
    scan,
    texts_of,
    tied_rows,
    united,
)

#: What stands where something of the person stood and a word is needed.
ERASED: Final = "—"
#: Rows that are nothing but identity: gone.
_GONE: Final = (
    *("field_values", "group_members", "group_freeze_members", "duplicate_pairs", "duplicate_marks"),
    *("merge_moves", "registration_drafts", "recording_marks", "source_keys", "circulation"),
    *("contacts", "vehicle_people", "phone_numbers", "do_not_call_entries"),
)
#: Short columns that hold identity or somebody's words about the person: emptied, not searched.
_EMPTIED: Final[Mapping[str, tuple[str, ...]]] = {
    "customers": (
        *("name_key", "occupation", "address", "source", "need", "budget", "focus", "paper_file"),
        *("sex", "birthday", "purchase_expected_on"),
    ),
    "calls": ("raw_number", "keys", "transfers", "recording", "explained"),
    "vehicles": ("plate", "plate_keys", "vin", "vin_keys"),
    "record_changes": ("old", "new", "why"),
    "cases": ("phone", "caller_name", "departmental_person", "consultant", "advisor", "technician"),
    "appointments": ("place",),
    "appointment_list_rows": ("customer_name", "plate"),
    "reports": ("title",),
    "corrections": ("wrong_value", "said", "answer", "answer_note"),
    "purchases": ("invoice", "note"),
    "service_visits": ("order_number", "note"),
    "approvals": ("reason", "note"),
    "registration_versions": ("why",),
    "recordings": ("hold_reason",),
    "campaign_targets": ("callback_note",),
    "switch_calls": ("caller", "called", "sip_call_id"),
    "privacy_requests": ("identity", "reason", "note"),
    "holds": ("reason", "release_reason"),
}
#: JSON in which people write: every text that is no code is emptied. Elsewhere names and numbers are overwritten.
_WORDS_IN: Final = frozenset(
    {
        *("registration_versions", "happenings", "import_faults", "case_events"),
        *("contact_reasons", "contact_events", "response_answers", "response_scores"),
        *("appointment_events", "reports", "report_steps", "campaign_targets", "campaign_rungs"),
    }
)
#: How events told to other systems call what is not in `Person.subjects`.
_TOLD_OF: Final[Mapping[str, Table]] = {"case": cases, "response": responses, "appointment": appointments}
_CODE: Final = re.compile(r"[0-9A-Za-z_:.+T-]{0,40}")
_ROUNDS: Final = 3
#: Behind every letter.
_LAST: Final = "\U0010ffff"


class ErasureRefused(AccessError):
    """The person's data must stay for now; the sentence says why. Nothing was changed."""

    error_id = "erasure-refused"


class OnHold(ErasureRefused):
    """A legal hold forbids it."""

    error_id = "legal-hold"


class CaseOpen(ErasureRefused):
    """A complaint of the person is not at its end."""


class CallGoingOn(ErasureRefused):
    """The person is in a call at this moment."""

    error_id = "call-going-on"


@dataclass(kw_only=True)
class Erasure:
    """What was done, in counts."""

    customer_id: str
    pseudonym: str
    #: Table to rows changed or removed.
    counts: dict[str, int] = field(default_factory=dict)
    #: Numbers that another record has too: left there.
    shared: int = 0
    #: Rows that still named the person at the end; must be 0.
    left: int = 0

    def count(self, table: Table, rows: int) -> None:
        if rows:
            self.counts[table.name] = self.counts.get(table.name, 0) + rows


def refuse_where_held(connection: Connection, person: Person, *, live: bool = True) -> None:
    """Raise OnHold or CallGoingOn where the person's data must stay.

    `live` is False where no call can be going on: in a restore, an open call is one of the day of the backup.
    """
    held = select(holds.c.reason).where(
        holds.c.customer_id.in_(person.customer_ids), holds.c.released_at.is_(None)
    )
    reason = connection.execute(held.limit(1)).scalar_one_or_none()
    if reason is not None:
        raise OnHold(
            Sentence(
                "A legal hold is on this record: {reason}. Nothing was erased; release it first.",
                reason=reason,
            )
        )
    for table in (recordings, voicemails):
        on_hold = select(table.c.id).where(table.c.call_id.in_(person.call_ids), table.c.hold.is_(True))
        if person.call_ids and connection.execute(on_hold.limit(1)).first() is not None:
            raise OnHold(
                Sentence(
                    "One of the person's {table} is on legal hold. Nothing was erased; release it first.",
                    table=table.name,
                )
            )
    # A restore repeats erasures that were done: a complaint open on the day of the backup was closed by then.
    number = next(iter(stops_contact(connection, person.customer_ids).values()), None) if live else None
    if number is not None:
        raise CaseOpen(
            Sentence(
                "Complaint {number} of this person is not closed. Nothing was erased; bring it to its end first, "
                "or let a manager sign an exception.",
                number=number,
            )
        )
    going_on = select(calls.c.id).where(calls.c.id.in_(person.call_ids), calls.c.ended_at.is_(None))
    if live and person.call_ids and connection.execute(going_on.limit(1)).first() is not None:
        raise CallGoingOn("The person is in a call at this moment. Nothing was erased; try again after it.")


def obligations(connection: Connection, person: Person) -> list[tuple[str, str, datetime | None]]:
    """What the house still owes the person: kind, id and when; shown before anything is erased."""
    found: list[tuple[str, str, datetime | None]] = []
    open_tasks = select(tasks.c.kind, tasks.c.id, tasks.c.due_at).where(
        tasks.c.customer_id.in_(person.customer_ids), tasks.c.closed_at.is_(None)
    )
    found += [(f"task:{row.kind}", row.id, row.due_at) for row in connection.execute(open_tasks)]
    found += [("appointment", id, at) for id, at in erased_duties.expected(connection, person.customer_ids)]
    for name in ("corrections", "cases", "complaints"):
        table = metadata.tables.get(name)
        if table is None or not {"customer_id", "closed_at", "due_at"} <= set(table.c.keys()):
            continue
        statement = select(table.c.id, table.c.due_at).where(
            table.c.customer_id.in_(person.customer_ids), table.c.closed_at.is_(None)
        )
        found += [(name.removesuffix("s"), row.id, row.due_at) for row in connection.execute(statement)]
    return found


def erase(
    connection: Connection,
    customer_id: str,
    *,
    found: Tied,
    pseudonym: str,
    now: datetime,
    request_id: str | None = None,
    known: Person | None = None,
    key: bytes | None = None,
    live: bool = True,
    tied: Tied | None = None,
) -> Erasure:
    """Erase one person in this transaction. `found` is what `scan` gave and `tied` what `tied_rows` did, both read
    before so that nobody waits for them: here everything is found by a key. Without `tied` it is read here.
    `known` is who he was before a first round took his numbers away. `key` keeps that he wants no calls and no texts
    as hashes of his numbers (`storage.suppressions`); None: a restore, which brings them along.

    Recordings and messages are marked as to be deleted; their files go with the next round of retention, which the
    caller starts. `live` as in `refuse_where_held`. Raises OnHold, CallGoingOn.
    """
    # Who he was, and what came since: a call that began meanwhile.
    person = united(known, person_of(connection, customer_id))
    refuse_where_held(connection, person, live=live)
    done = Erasure(customer_id=customer_id, pseudonym=pseudonym, shared=len(person.shared))
    tied = tied_rows(connection, person) if tied is None else Tied(keys=dict(tied.keys))
    found = Tied(keys=dict(found.keys))
    scrub = _Scrub(person, pseudonym)
    _forget_terms(connection, person)
    survey_links.revoke_of(connection, person.customer_ids, now)
    erased_duties.end_all(connection, person.customer_ids, tied, now)
    forget_words(connection, tied.ids(responses))
    if key is not None:
        done.count(suppression_rows, suppressions.keep(connection, key, person.numbers))
    done.count(happenings, _take_back_what_was_told(connection, person, tied))
    done.count(maker_files, maker_visits.forget_person(connection, person.customer_ids, now))
    held = group_counts.hold(connection, person.customer_ids)
    for name in _GONE:
        table = metadata.tables[name]
        done.count(
            table, _delete(connection, table, tied.keys.pop(name, set()) | found.keys.pop(name, set()))
        )
    group_counts.settle(connection, held, now)
    gone = delete(phone_numbers).where(phone_numbers.c.number.in_(person.numbers))
    done.count(phone_numbers, connection.execute(gone).rowcount if person.numbers else 0)
    for table in reversed(metadata.sorted_tables):
        own, named = tied.keys.get(table.name, set()), found.keys.get(table.name, set())
        if table is groups or not (own or named):
            continue
        changed = 0
        for primary, row in _with_keys(connection, table, own | named):
            values = scrub.values(table, row, own=primary in own)
            if values:
                connection.execute(update(table).where(*_is(table, primary)).values(values))
                changed += 1
        done.count(table, changed)
    done.count(groups, _clean_groups(connection, person, pseudonym, now))
    _files_go(connection, person, done)
    if connection.execute(select(erasures.c.at).where(erasures.c.customer_id == customer_id)).first() is None:
        merged = sorted(person.customer_ids - {customer_id})
        tell_of_erasure(connection, customer_id, merged_ids=merged, pseudonym=pseudonym, at=now)
    _remember(connection, done, person.customer_ids, now, request_id)
    return done


def prove(connection: Connection, person: Person) -> int:
    """Rows that still name the person (as he was before) by a number; must be 0."""
    without_ids = Person(
        customer_id="",
        customer_ids=frozenset(),
        names=person.names,
        numbers=person.numbers,
        shared=(),
        call_ids=frozenset(),
        vehicle_ids=frozenset(),
        marks=(),
    )
    return sum(len(keys) for keys in scan(connection, without_ids).keys.values()) if person.numbers else 0


class _Scrub:
    """Overwrites what names the person."""

    def __init__(self, person: Person, pseudonym: str) -> None:
        self._pseudonym = pseudonym
        self._numbers = number_pattern(person.numbers)
        self._all_numbers = number_pattern((*person.numbers, *person.shared))
        words = [re.escape(word) for word in (*person.names, *person.marks) if len(word) > 1]
        self._words = re.compile("|".join(words), re.IGNORECASE) if words else None

    def values(self, table: Table, row: RowMapping, *, own: bool) -> dict[str, Any]:
        """New values of a row. `own`: it hangs on the person, so that people's words in it go too."""
        if own and table is customers:
            return self._customer(row)
        changed: dict[str, Any] = {}
        for column in texts_of(table):
            old = row[column.name]
            if old is None or column.foreign_keys or column.primary_key:
                continue
            if table.name in PROOF and column.name not in (*_EMPTIED[table.name], "result"):
                continue
            new: Any
            if isinstance(column.type, JSON):
                new = self._json(old, empty=own and table.name in _WORDS_IN)
            elif own and column.name in _EMPTIED.get(table.name, ()):
                new = None if column.nullable else ""
            elif own and isinstance(column.type, Text):
                new = None if column.nullable else ERASED
            elif isinstance(column.type, String):
                new = self._text(old)[: column.type.length or 10_000]
            else:
                continue
            if new != old:
                changed[column.name] = new
        if own and table is calls and row["number"]:
            changed["number"] = self._pseudonym
        return changed

    def _customer(self, row: RowMapping) -> dict[str, Any]:
        """The shell that purchases and counts hang on."""
        changed: dict[str, Any] = {
            name: None if customers.c[name].nullable else "" for name in _EMPTIED["customers"]
        }
        own = row["merged_into"] is None
        return changed | {
            "name": ERASED,
            "number": self._pseudonym if own else _of_pointer(self._pseudonym, row["id"]),
            "note": "",
            "honorific": "none",
            "language": None,
        }

    def _text(self, text: str) -> str:
        if self._all_numbers:
            text = self._all_numbers.sub(self._pseudonym, text)
        return self._words.sub(ERASED, text) if self._words else text

    def _json(self, value: Any, *, empty: bool) -> Any:
        if isinstance(value, str):
            cleaned = self._text(value)
            return cleaned if not empty or _CODE.fullmatch(cleaned) else ""
        if isinstance(value, dict):
            return {self._text(str(name)): self._json(item, empty=empty) for name, item in value.items()}
        if isinstance(value, list):
            return [self._json(item, empty=empty) for item in value]
        if isinstance(value, int) and not isinstance(value, bool) and self._all_numbers:
            return 0 if self._all_numbers.fullmatch(str(value)) else value
        return value


def _with_keys(connection: Connection, table: Table, keys: set[Key]) -> list[tuple[Key, RowMapping]]:
    names = [column.name for column in table.primary_key.columns]
    return [(tuple(row[name] for name in names), row) for row in rows_of(connection, table, keys)]


def _is(table: Table, key: Key) -> list[Any]:
    return [column == value for column, value in zip(table.primary_key.columns, key, strict=True)]


def _delete(connection: Connection, table: Table, keys: set[Key]) -> int:
    return sum(connection.execute(delete(table).where(*_is(table, key))).rowcount for key in keys)


def _forget_terms(connection: Connection, person: Person) -> None:
    """What the search knows of his name and plates, where nobody else goes by them."""
    rows = connection.execute(
        select(customers.c.name_key).where(customers.c.id.in_(person.customer_ids))
    ).scalars()
    for key in set(rows):
        if key and not has_others(connection, key, person.customer_ids):
            connection.execute(
                delete(search_terms).where(search_terms.c.kind == "name", search_terms.c.key == key)
            )
    for mark in person.marks:
        other = select(vehicles.c.id).where(
            vehicles.c.plate == mark, vehicles.c.id.not_in(person.vehicle_ids)
        )
        if connection.execute(other).first() is None:
            connection.execute(
                delete(search_terms).where(search_terms.c.kind == "plate", search_terms.c.key == mark)
            )


def _clean_groups(connection: Connection, person: Person, pseudonym: str, now: datetime) -> int:
    """Groups are the house's own, but a query may look for him, and a name or a note may name him.

    By his numbers and plates; by his name only where nobody else's has it in it, since the query may be meant for
    those. Comes after `_forget_terms`. Who edits an older version is told.
    """
    names = tuple(name for name in person.names if not _in_another_name(connection, name_key(name)[:128]))
    scrub = _Scrub(replace(person, names=names), pseudonym)
    changed = 0
    for row in connection.execute(select(groups)).mappings().all():
        values = scrub.values(groups, row, own=False)
        if not values:
            continue
        if "name_key" in values:
            values["name_key"] = None  # two that are cleaned may look alike
        if "query" in values:
            values["query_version"] = row["query_version"] + 1
        values |= {"version": row["version"] + 1, "updated_at": now}
        connection.execute(update(groups).where(groups.c.id == row["id"]).values(values))
        changed += 1
    return changed


def _in_another_name(connection: Connection, key: str) -> bool:
    """Whether somebody else's name is this or has it in it, as the search knows."""
    terms = search_terms.c
    found = (
        select(terms.key).where(terms.kind == "name", terms.term >= key, terms.term < key + _LAST).limit(1)
    )
    return connection.execute(found).first() is not None


def _take_back_what_was_told(connection: Connection, person: Person, tied: Tied) -> int:
    """Events of his records, calls, vehicles, tasks and cases, of what he answered and booked: full numbers and
    words stand in them, and some still wait."""
    theirs = select(tasks.c.id).where(tasks.c.customer_id.in_(person.customer_ids))
    subjects = [
        *(f"customer:{id}" for id in person.customer_ids),
        *(f"call:{id}" for id in person.call_ids),
        *(f"vehicle:{id}" for id in person.vehicle_ids),
        *(f"task:{id}" for id in connection.execute(theirs).scalars()),
        *(f"{kind}:{id}" for kind, table in _TOLD_OF.items() for id in tied.ids(table)),
    ]
    return sum(forget_subject(connection, subject) for subject in subjects)


def _files_go(connection: Connection, person: Person, done: Erasure) -> None:
    for table, states in ((recordings, ("kept",)), (voicemails, ("new", "heard"))):
        if not person.call_ids:
            continue
        going = (
            update(table)
            .where(table.c.call_id.in_(person.call_ids), table.c.state.in_(states))
            .values(state="deleting", why="erased")
        )
        done.counts[f"{table.name} files"] = connection.execute(going).rowcount


def _of_pointer(pseudonym: str, customer_id: str) -> str:
    """The number of a record that was merged: the one that stays has the pseudonym itself."""
    return f"{pseudonym[:13]}-{customer_id[-6:]}"


def _remember(
    connection: Connection, done: Erasure, ids: Iterable[str], now: datetime, request_id: str | None
) -> None:
    """Note the record, and those merged into it: a backup from before the merge has them by themselves."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    for one in sorted({*ids} - {done.customer_id}):
        merged = engine.insert(erasures).values(
            customer_id=one,
            at=now,
            pseudonym=_of_pointer(done.pseudonym, one),
            request_id=request_id,
            counts={},
        )
        connection.execute(merged.on_conflict_do_nothing(index_elements=["customer_id"]))
    row = engine.insert(erasures).values(
        customer_id=done.customer_id,
        at=now,
        pseudonym=done.pseudonym,
        request_id=request_id,
        counts=dict(done.counts),
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["customer_id"], set_={"at": now, "counts": dict(done.counts)}
        )
    )


def erased_ids(connection: Connection) -> list[tuple[str, str]]:
    """Customer id and pseudonym of everybody who was erased; kept outside of backups by the operator."""
    rows = connection.execute(select(erasures.c.customer_id, erasures.c.pseudonym).order_by(erasures.c.at))
    return [(row.customer_id, row.pseudonym) for row in rows]


def place_hold(
    connection: Connection, *, id: str, customer_id: str, reason: str, by: str, now: datetime
) -> None:
    """Nothing of this customer is erased or deleted until the hold is released."""
    connection.execute(
        insert(holds).values(id=id, customer_id=customer_id, reason=reason, placed_by=by[:64], placed_at=now)
    )


def release_hold(connection: Connection, hold_id: str, *, reason: str, by: str, now: datetime) -> bool:
    """Retention and erasure may go on. False where there is no such hold, or it was released."""
    released = (
        update(holds)
        .where(holds.c.id == hold_id, holds.c.released_at.is_(None))
        .values(released_at=now, released_by=by[:64], release_reason=reason[:500])
    )
    return connection.execute(released).rowcount == 1


def holds_of(connection: Connection, customer_id: str = "") -> list[Mapping[str, Any]]:
    """Holds that stand, of one customer or all, newest first."""
    statement = select(holds).where(holds.c.released_at.is_(None)).order_by(holds.c.id.desc())
    if customer_id:
        statement = statement.where(holds.c.customer_id == customer_id)
    return [dict(row) for row in connection.execute(statement).mappings()]
