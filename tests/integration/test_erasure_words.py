"""C07: no table is forgotten, tomorrow's neither: what is handed out, and words without a name that go.

Both walk the tables themselves. A new table that is about a person is in the copy he gets, or stands here with the
reason why not; a new column people write in is emptied when he is erased, or stands here with the reason why not.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fixtures_erasure import NAME, World, dump, erase, fill
from fixtures_storage import FrozenClock
from sqlalchemy import JSON, Connection, String, Table, Text, select

from crm.appointments.appointments import AppointmentState
from crm.contacts.contacts import NewReason, ReasonKind
from crm.links.links import LinkKind
from storage import contacts, customers, erasure, traces
from storage.database import Database
from storage.links import make_link
from storage.tables import metadata
from storage.tables.appointments import appointment_cells, appointment_lanes, appointments, workshops
from storage.tables.base import Utc
from storage.tables.contacts import contact_reasons, due_contacts
from storage.tables.links import links
from storage.tables.surveys import questionnaires, response_answers, response_scores, responses
from storage.tables.tasks import tasks as task_rows

#: Tables that no copy of a person's data holds, and why.
NOT_HANDED_OUT: dict[str, str] = {}

#: Columns that stay, and why; without a dot: in every table.
STAYS: dict[str, str] = {
    **dict.fromkeys(
        (
            *(
                "by_name",
                "closed_by_name",
                "opened_by_name",
                "created_by_name",
                "told_by_name",
                "made_by_name",
            ),
            *("withdrawn_by_name", "on_by_name", "removed_by_name"),
            *("replied_by_name", "exception_by_name", "drafted_by_name", "approved_by_name", "begun_by_name"),
            *("ended_by_name", "undone_by", "advisor", "cases.corrective_owner", "report_recipients.name"),
            *("holds.placed_by", "holds.released_by", "audit.actor_name", "calls.agent_id"),
        ),
        "who of the house did it",
    ),
    **dict.fromkeys(
        (
            *("event", "field", "queue", "campaign", "questionnaire", "script", "linkedid", "uniqueid"),
            *("calls.called", "calls.flow", "calls.route", "case_events.occasion", "case_tasks.what"),
            *("due_contacts.held_by", "deliveries.claimed_by", "voicemails.why", "vehicles.purpose"),
            *(
                "campaign_targets.key",
                "campaign_targets.counts",
                "campaign_targets.held_by",
                "campaign_rungs.rung",
                "dial_attempts.node",
                "dial_attempts.reason",
            ),
            *("vehicles.next_due_why", "appointment_list_rows.workshop", "merges.choices", "merges.moved"),
        ),
        "a word of a list, or an id",
    ),
    "model": "thousands have such a car; figures by model stay",
    "dial_attempts.answer": "why the call was allowed: codes, ids and moments; the proof",
    "appointments.cells": "times of the lane",
    "audit.data": "who saw and did what is the proof; names and numbers in it are overwritten",
    "audit.address": "of who looked, not of who is looked at",
    "call_facts.data": "what the telephone system said; names and numbers in it are overwritten",
    "deliveries.last_error": "what another system answered; names and numbers in it are overwritten",
    "delivery_tries.error": "what another system answered; names and numbers in it are overwritten",
    "merges.not_restored": "names of columns",
    "privacy_requests.result": "counts: the proof",
}


def reaching() -> set[str]:
    """Tables that reach a customer by foreign keys, whatever their columns are called."""
    found = {"customers"}
    while True:
        more = {
            table.name
            for table in metadata.sorted_tables
            if any(key.column.table.name in found for key in table.foreign_keys)
        }
        if more <= found:
            return found
        found |= more


def test_c07_every_table_about_a_person_is_in_his_copy(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: World(connection, clock))
    out = database.read_now(
        lambda connection: traces.handed_out(connection, traces.person_of(connection, world.person))
    )
    missing = reaching() - traces.OF_THE_HOUSE - set(out)
    assert missing == set(NOT_HANDED_OUT), f"in no copy, and nobody says why: {missing - set(NOT_HANDED_OUT)}"


class Planted(World):
    """The same, with words in every column people write in: they name nobody and are of him alone."""

    def __init__(self, connection: Connection, clock: FrozenClock) -> None:
        self.planted: dict[str, tuple[str, str]] = {}
        super().__init__(connection, clock)

    def _value(self, table: Table, column: Any) -> Any:
        kind = column.type
        words = isinstance(kind, JSON | Text) or (isinstance(kind, String) and (kind.length or 0) >= 40)
        plain = column.foreign_keys or column.primary_key or column.unique or isinstance(kind, Utc)
        if not words or plain or table.name in traces.OF_THE_HOUSE or column.name == "subject":
            return super()._value(table, column)
        canary = f"密{len(self.planted):03d} 语"
        self.planted[canary] = (table.name, column.name)
        return (
            {"code": "kept_code", "words": [canary, {"more": canary}]} if isinstance(kind, JSON) else canary
        )


def test_c07_words_that_name_nobody_go_too(database: Database, clock: FrozenClock) -> None:
    world = database.write_now(lambda connection: Planted(connection, clock))
    tied = database.read_now(lambda c: traces.tied_rows(c, traces.person_of(c, world.person)))
    about = {name for name, keys in tied.keys.items() if keys}
    before = database.read_now(dump)
    erase(database, world.person, clock)
    after = database.read_now(dump)
    planted = {where: canary for canary, where in world.planted.items() if where[0] in about}
    assert all(canary in before[where[0]] for where, canary in planted.items())
    left = {
        f"{table}.{column}"
        for (table, column), canary in planted.items()
        if any(canary in text for text in after.values()) and not ({f"{table}.{column}", column} & set(STAYS))
    }
    assert not left, f"words that stay, and nobody says why: {sorted(left)}"
    assert {"response_answers", "contact_reasons", "appointment_events", "cases", "reports"} <= about


def test_c07_one_word_that_looks_like_a_code_goes_and_choices_stay(
    database: Database, clock: FrozenClock
) -> None:
    """What he answered counts on in the figures, what he wrote is gone, be it a single word."""
    now = clock.now()
    asked = {"questions": [{"code": "why", "kind": "text"}, {"code": "how", "kind": "choice"}]}
    said = {"why": "horrible", "how": "very_bad"}

    def work(connection: Connection) -> str:
        person = customers.add_customer(connection, name=NAME, now=now)
        fill(connection, questionnaires, code="q", version=1, at=now, body=asked)
        response = fill(
            connection,
            responses,
            questionnaire="q",
            version=1,
            customer_id=person.id,
            begun_at=now,
            touched_at=now,
        )
        for seq, (question, value) in enumerate(said.items(), 1):
            row = {"response_id": response, "question": question, "body": {"value": value}, "at": now}
            fill(connection, response_answers, **row, seq=seq)
            fill(connection, response_scores, **row, questionnaire="q", score=25.0)
        return person.id

    erase(database, database.write_now(work), clock)

    def kept(connection: Connection) -> list[dict[str, Any]]:
        return [
            {row[0]: row[1] for row in connection.execute(select(table.c.question, table.c.body))}
            for table in (response_answers, response_scores)
        ]

    assert database.read_now(kept) == [{"why": {"value": None}, "how": {"value": "very_bad"}}] * 2
    assert (
        database.read_now(lambda c: c.execute(select(response_scores.c.score)).scalars().all()) == [25.0] * 2
    )


def test_c07_nobody_calls_or_waits_for_him_and_no_link_opens(database: Database, clock: FrozenClock) -> None:
    """What is owed is shown first; after it the contact is closed, the lane is free, the links are dead."""
    now = clock.now()
    soon = now + timedelta(days=2)

    def work(connection: Connection) -> tuple[str, str]:
        person = customers.add_customer(connection, name=NAME, now=now)
        reason = NewReason(
            kind=ReasonKind.CUSTOM, occasion="o", customer_id=person.id, due_at=now, why={"text": "回访"}
        )
        contacts.add_reason(connection, reason, now=now)
        shop = fill(connection, workshops)
        lane = fill(connection, appointment_lanes, workshop_id=shop)
        fill(connection, appointment_cells, lane_id=lane, at=soon, taken=1)
        booked = fill(
            connection,
            appointments,
            state=AppointmentState.BOOKED.value,
            work="repair",
            source="page",
            workshop_id=shop,
            lane_id=lane,
            starts_at=soon,
            cells=[soon.isoformat()],
            customer_id=person.id,
            created_at=now,
            changed_at=now,
        )
        make_link(connection, LinkKind.APPOINTMENT, booked, audience="本人", now=now, expires_at=soon)
        return person.id, booked

    person, booked = database.write_now(work)
    owed = database.read_now(lambda c: erasure.obligations(c, traces.person_of(c, person)))
    assert ("appointment", booked, soon) in owed
    assert "task:contact" in [kind for kind, _id, _due in owed]
    out = database.read_now(lambda c: traces.handed_out(c, traces.person_of(c, person)))
    assert [set(row) & {"hash", "pin_hash", "browser"} for row in out["links"]] == [set()], (
        "no secrets go out"
    )
    erase(database, person, clock)
    one = database.read_now(
        lambda c: {
            table.name: c.execute(select(table)).mappings().one()
            for table in (due_contacts, contact_reasons, task_rows, appointments, appointment_cells, links)
        }
    )
    assert (one["due_contacts"]["state"], one["due_contacts"]["open_key"]) == ("closed", None)
    assert one["contact_reasons"]["state"] == "cancelled"
    assert one["tasks"]["state"] == "cancelled"
    assert one["appointments"]["state"] == "cancelled"
    assert one["appointment_cells"]["taken"] == 0
    assert (one["links"]["revoked_at"], one["links"]["audience"]) == (now, "")
