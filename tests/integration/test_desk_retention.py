"""What cases, contacts, surveys, appointments, links and reports leave goes after its time, but for holds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pytest
from fixtures_erasure import fill
from fixtures_storage import FrozenClock
from pydantic import ValidationError
from sqlalchemy import Connection, Table, select

from access.ids import new_id
from access.options import RetentionOptions
from config.data_retention import limits, rehearse, run
from crm.links.links import LinkKind
from storage import customers, erasure, maker_visits
from storage.database import Database
from storage.links import make_link
from storage.retention import KINDS
from storage.tables import appointments as booked
from storage.tables import campaigns as dialed
from storage.tables import cases as complaints
from storage.tables import contacts as called
from storage.tables import metadata
from storage.tables import reports as written
from storage.tables import surveys as asked
from storage.tables.links import links
from storage.tables.records import service_visits, vehicles
from storage.tables.tasks import tasks

#: Tables a row of which must be gone, in the order rows are made in.
GOING: Final = (
    *(called.due_contacts, called.contact_reasons, called.contact_tries, called.contact_events),
    *(dialed.campaign_targets, dialed.dial_attempts, dialed.campaign_rungs),
    *(booked.appointments, booked.appointment_events, booked.appointment_notices),
    *(booked.appointment_list_rows, asked.survey_offers, asked.response_answers, asked.response_events),
    *(complaints.cases, written.maker_visits, written.maker_files, written.maker_file_visits),
    *(
        written.maker_downloads,
        written.reports,
        written.report_steps,
        written.report_recipients,
        links,
        tasks,
    ),
)
#: Foreign keys to what goes, and who sees to them: table, column.
SEEN_TO: Final = {
    ("survey_offers", "link_id"): "go first",
    ("visit_credits", "appointment_id"): "is emptied: the visit still counts",
    ("due_contacts", "task_id"): "the task stays as long",
    ("campaign_targets", "contact_id"): "is emptied: the target has times of its own",
    ("case_tasks", "task_id"): "the task stays as long",
    ("appointment_notices", "task_id"): "the task stays as long",
}


def lives(connection: Connection, clock: FrozenClock, name: str, days: int) -> tuple[str, list[str]]:
    """A customer with one of everything, so many days ago: his id, and those of his rows."""
    now, at = clock.now(), clock.now() - timedelta(days=days)
    who = customers.add_customer(connection, name=name, now=now).id
    times = {"created_at": at, "due_at": at}

    def row(table: Table, **values: Any) -> str:
        given = {column.name: at for column in table.columns if "_at" in column.name and not column.nullable}
        ids = {"id": new_id(at)} if "id" in table.c else {}
        return fill(connection, table, **(given | ids | values))

    task = row(tasks, customer_id=who, closed_at=at, kind="contact", state="done", occasion=name)
    contact = row(called.due_contacts, customer_id=who, task_id=task, state="closed", closed_at=at, **times)
    row(called.contact_reasons, contact_id=contact, customer_id=who, occasion=name)
    row(called.contact_tries, contact_id=contact, at=at)
    row(called.contact_events, contact_id=contact, at=at)
    campaign = row(dialed.campaigns, name=f"{name}{days}")
    target = row(
        dialed.campaign_targets,
        campaign_id=campaign,
        customer_id=who,
        contact_id=contact,
        closed_at=at,
        key="1",
    )
    row(dialed.dial_attempts, campaign_id=campaign, target_id=target, customer_id=who, no=1, send=1)
    row(dialed.campaign_rungs, campaign_id=campaign, target_id=target, customer_id=who, rung="text")
    shop = row(booked.workshops)
    lane = row(booked.appointment_lanes, workshop_id=shop)
    vehicle = row(vehicles)
    visit = row(service_visits, customer_id=who, visited_on=at.date(), vehicle_id=vehicle)
    one = row(
        booked.appointments,
        customer_id=who,
        workshop_id=shop,
        lane_id=lane,
        state="done",
        starts_at=at,
        closed_at=at,
        visit_id=visit,
    )
    row(booked.appointment_events, appointment_id=one, at=at)
    row(booked.appointment_notices, appointment_id=one)
    kept = row(
        booked.appointment_lists,
        made_on=at.date() + timedelta(days=len(name)),
        first=at.date(),
        last=at.date(),
    )
    row(booked.appointment_list_rows, list_id=kept, appointment_id=one, customer_id=who)
    row(
        booked.visit_credits, visit_id=visit, customer_id=who, appointment_id=one, visited_on=at.date(), at=at
    )
    response = row(
        asked.responses, customer_id=who, questionnaire="q", version=1, why="不满", summary="刹车", total=40.0
    )
    row(
        asked.response_answers, response_id=response, seq=1, question="why", body={"value": "刹车异响"}, at=at
    )
    row(asked.response_scores, response_id=response, question="why", questionnaire="q", at=at, score=40.0)
    row(asked.response_events, response_id=response, seq=1, at=at)
    offer = new_id(at)
    for kind, subject in ((LinkKind.SURVEY, offer), (LinkKind.APPOINTMENT, one)):
        link, _secret, _pin = make_link(
            connection, kind, subject, audience="本人", now=at, expires_at=at + timedelta(days=14)
        )
        if kind is LinkKind.SURVEY:
            row(asked.survey_offers, id=offer, link_id=link.id, customer_id=who, response_id=response)
    case = row(
        complaints.cases,
        number=f"TS-{name}",
        customer_id=who,
        occurred_at=at,
        closed_at=at,
        occasion=name,
        state="closed",
    )
    made = row(written.maker_visits, occasion=name, customer_id=who)
    file = row(written.maker_files, occasion=name, content=name.encode())
    row(written.maker_file_visits, file_id=file, visit_id=made)
    row(written.maker_downloads, file_id=file, at=at)
    report = row(written.reports, number=name, occasion=name, case_id=case, first=at.date(), last=at.date())
    row(written.report_steps, report_id=report, at=at)
    row(written.report_recipients, report_id=report)
    return who, [task, contact, one, offer, case, made, file, report]


def counts(connection: Connection) -> dict[str, int]:
    return {table.name: len(connection.execute(select(table)).all()) for table in GOING}


async def test_c07_what_the_desk_keeps_goes_and_what_is_held_stays(
    database: Database, clock: FrozenClock
) -> None:
    """Three people: one long ago, one long ago and on hold, one of last month."""

    def work(connection: Connection) -> None:
        lives(connection, clock, "甲", 2000)
        held, _ids = lives(connection, clock, "乙方", 2000)
        erasure.place_hold(
            connection, id=new_id(clock.now()), customer_id=held, reason="诉讼", by="m", now=clock.now()
        )
        lives(connection, clock, "丙丙丙", 30)

    database.write_now(work)
    before = database.read_now(counts)
    assert set(before.values()) == {3, 6}
    assert before["links"] == 6
    told = {
        one.kind: (one.deleted, one.held) for one in await rehearse(database, RetentionOptions(), clock.now())
    }
    assert database.read_now(counts) == before
    nights = {
        one.kind: (one.deleted, one.held) for one in await run(database, RetentionOptions(), clock.now())
    }
    assert database.read_now(counts) == {name: number // 3 * 2 for name, number in before.items()}, (
        "the held one and last month's"
    )
    for kind in ("responses", "contacts", "appointments", "maker_visits", "maker_files", "reports", "cases"):
        assert told[kind] == nights[kind] == (1, 1), kind
    again = await run(database, RetentionOptions(), clock.now())
    assert sum(one.deleted for one in again) == 0

    def left(connection: Connection) -> tuple[list[Any], int, int]:
        rows = connection.execute(
            select(asked.responses.c.customer_id, asked.responses.c.why, asked.responses.c.total)
        ).all()
        scores = connection.execute(select(asked.response_scores.c.score)).all()
        brought = connection.execute(select(booked.visit_credits)).all()
        return [tuple(row) for row in rows], len(scores), len(brought)

    rows, scores, brought = database.read_now(left)
    assert (None, "", 40.0) in rows, "the figure stays without the person"
    assert len([row for row in rows if row[0] is not None and row[1] == "不满"]) == 2
    assert (scores, brought) == (3, 3)


async def test_c07_what_is_open_is_never_past_its_time(database: Database, clock: FrozenClock) -> None:
    database.write_now(lambda connection: lives(connection, clock, "甲", 2000))

    def reopen(connection: Connection) -> None:
        for table, state in ((called.due_contacts, "open"), (booked.appointments, "booked"), (tasks, "open")):
            connection.execute(table.update().values(state=state, closed_at=None))
        connection.execute(complaints.cases.update().values(closed_at=None))

    database.write_now(reopen)
    done = {one.kind: one.deleted for one in await run(database, RetentionOptions(), clock.now())}
    assert [done[kind] for kind in ("contacts", "appointments", "tasks", "cases")] == [0, 0, 0, 0]


def test_c07_a_file_for_the_maker_with_somebody_on_hold_keeps_its_content(
    database: Database, clock: FrozenClock
) -> None:
    def work(connection: Connection) -> list[bytes | None]:
        held, _ids = lives(connection, clock, "乙方", 2000)
        lives(connection, clock, "甲", 2000)
        erasure.place_hold(
            connection, id=new_id(clock.now()), customer_id=held, reason="诉讼", by="m", now=clock.now()
        )
        assert maker_visits.remove_old(connection, clock.now(), clock.now()) == 1
        return list(connection.execute(select(written.maker_files.c.content)).scalars())

    left = database.write_now(work)
    assert set(left) == {None, "乙方".encode()}


def test_every_kind_has_days_and_forgets_no_row_that_points_to_it(clock: FrozenClock) -> None:
    assert {kind.name for kind, _ in limits(RetentionOptions(), clock.now())} == set(KINDS)
    for kind in KINDS.values():
        if kind.stays:
            continue
        below = {(table.name, column.name) for table, column in kind.below}
        pointing = {
            (table.name, column.name)
            for table in metadata.sorted_tables
            for column in table.columns
            for key in column.foreign_keys
            if key.column.table is kind.table and table is not kind.table
        }
        assert pointing <= below | set(SEEN_TO), f"{kind.name}: {pointing - below - set(SEEN_TO)}"


def test_contacts_outlive_the_event_that_made_them() -> None:
    """A reason's occasion keeps a customer from being called twice for the same maintenance."""
    for days in (0, 400):
        assert RetentionOptions(contacts_days=days).contacts_days == days
    with pytest.raises(ValidationError, match="400"):
        RetentionOptions(contacts_days=399)
