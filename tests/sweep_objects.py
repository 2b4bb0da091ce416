"""What the permission sweep (tests/integration/test_web_permissions.py) must know about the routes.

The sweep makes itself from the route table. A new route needs nothing here unless it has a **path parameter that is not
below**, or wants a body that cannot be guessed from its Shape. Then say, in this file:

`OBJECTS["thing_id"]` (or `OBJECTS["GET /api/v1/things/{thing_id}"]` for one route only):

    Object(foreign=make_a_thing_of_somebody_else, hidden_from={Role.AGENT})   # an agent gets 403, 404 or 409
    Object(seen=make_a_thing, why="every role with things.read sees every thing")

`foreign` and `seen` take the Office, put a row into its database and give back the id that stands in the path. Use the
planted `NUMBER` and `NAME` in it: the second sweep then proves that no role reads them that must not.

`BODIES["POST /api/v1/things/{thing_id}"] = {...}`: a body (for a page: the form) that the route accepts.
`NOT_SWEPT["POST /x"] = "why"`: calling it would end the sweep itself, as signing out does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from fixtures_hooks import subscribe
from fixtures_web import Office
from pydantic import BaseModel
from sqlalchemy import Connection, insert, select, update

from access.ids import new_id
from access.permissions import Role
from access.privacy import RequestKind
from access.sessions import Session
from access.tokens import hash_secret
from access.users import Principal, Via
from campaigns.campaigns import Mode
from campaigns.campaigns import Purpose as CampaignPurpose
from campaigns.targets import NewTarget
from config.books import definitions as shipped
from config.books import survey_seed
from crm.appointments.appointments import NewAppointment, Work
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.consent.consents import ConsentSource
from crm.consent.optouts import Channel as ContactChannel
from crm.consent.optouts import Purpose as ContactPurpose
from crm.contacts.contacts import NewReason, ReasonKind
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportJob, ExportKind
from crm.groups.groups import GroupKind
from crm.hooks.events import Event
from crm.imports.fields import ImportKind
from crm.imports.jobs import ImportJob, ImportState
from crm.records.changes import HOUSE
from crm.records.fields import FieldDefinition, FieldKind, FieldSubject
from crm.records.purchases import Purchase, ServiceVisit
from crm.records.vehicles import Role as VehicleRole
from crm.reports.documents import Cadence, ReportKind, Schedule
from crm.surveys.questionnaires import Channel
from crm.tasks.tasks import TaskKind
from storage import (
    appointment_days,
    appointments,
    approvals,
    bulletins,
    campaign_targets,
    campaigns,
    case_reports,
    cases,
    consents,
    contacts,
    corrections,
    customers,
    erasure,
    exports,
    fields,
    groups,
    history,
    hooks,
    import_jobs,
    knowledge,
    maker_visits,
    merging,
    privacy_requests,
    problem_lists,
    responses,
    sessions,
    slots,
    survey_links,
    tasks,
    tokens,
    vehicles,
    work_reports,
)
from storage.outgoing import announce
from storage.tables.reports import maker_visits as maker_visit_rows
from storage.tables.reports import report_recipients
from storage.tables.reports import work_reports as work_report_rows
from storage.tables.telephony import recordings, voicemails
from telephony.calls import CallState
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

#: A customer whose number and name may reach only those who may see them.
NUMBER: Final = "+8613812345678"
NAME: Final = "欧阳密语"
#: How they may not be written in any answer.
NUMBER_WRITTEN: Final = ("13812345678", "138 1234 5678", "138-1234-5678")


@dataclass(frozen=True, kw_only=True)
class Object:
    """What a path parameter names."""

    #: Makes one that belongs to somebody else; gives its id.
    foreign: Callable[[Office], str] | None = None
    #: Roles that have the route's right and still may not reach it.
    hidden_from: frozenset[Role] | set[Role] = frozenset()
    #: Makes one that every role with the right may reach.
    seen: Callable[[Office], str] | None = None
    #: Why nobody is refused, where `hidden_from` is empty.
    why: str = ""

    def __post_init__(self) -> None:
        if bool(self.hidden_from) != (self.foreign is not None):
            raise ValueError("foreign and hidden_from belong together")
        if not self.hidden_from and not self.why:
            raise ValueError("say who may not reach it (hidden_from), or why everybody with the right may")


def declared(method: str, path: str, name: str) -> Object | None:
    """What is said here about one parameter of one route."""
    return OBJECTS.get(f"{method} {path}") or OBJECTS.get(name)


def body_for(method: str, path: str, shape: type[BaseModel] | None) -> dict[str, Any]:
    """A body the route takes: the one declared here, else the smallest that its Shape allows."""
    given = BODIES.get(f"{method} {path}")
    if given is not None:
        return dict(given)
    if shape is None:
        return {}
    schema = shape.model_json_schema()
    return dict(_smallest(schema, schema.get("$defs", {})))


#: Texts that fit most patterns: a word, a number, a day, a moment, a telephone number, an id.
_TEXTS: Final = (
    "a",
    "1",
    "word",
    "2026-06-16",
    "2026-06-16T02:00:00Z",
    "13800000000",
    "01ARZ3NDEKTSV4RRFFQ69G5FAV",
)
_FORMATS: Final = {"date-time": "2026-06-16T02:00:00Z", "date": "2026-06-16", "time": "10:00:00"}


def _smallest(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        return _smallest(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            return _smallest(schema[word][0], definitions)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _smallest(properties[name], definitions) for name in schema.get("required", ())}
        case "array":
            return [_smallest(schema.get("items", {}), definitions)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        case "boolean":
            return True
        case "null":
            return None
    if "format" in schema:
        return _FORMATS.get(schema["format"], "a")
    least = schema.get("minLength", 0)
    pattern = re.compile(schema.get("pattern", ""))
    fitting = [text for text in _TEXTS if len(text) >= least and pattern.search(text)]
    return fitting[0] if fitting else "a" * max(least, 1)


def colleague(office: Office) -> str:
    """An agent who is nobody of those who ask."""
    if "colleague" not in office.users:
        office.add_user("colleague", Role.AGENT)
    return office.users["colleague"].id


def campaign(office: Office) -> str:
    """A campaign with the customer on it."""
    return _target(office)[0]


def target(office: Office) -> str:
    """A customer on a campaign."""
    return _target(office)[1]


def _target(office: Office) -> tuple[str, str]:
    whose, now = customer(office), office.clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        made = campaigns.create(
            connection,
            name=f"C {new_id(now)}",
            purpose=CampaignPurpose.CARE,
            mode=Mode.AGENTLESS,
            flow="campaign_maintenance",
            now=now,
        )
        campaign_targets.add(connection, made, [NewTarget(customer_id=whose, key="1")], now)
        return made.id, campaign_targets.page(connection, made.id)[0].id

    return office.database.write_now(work)


def consent(office: Office) -> str:
    """What a customer agreed to."""
    whose, now = customer(office), office.clock.now()
    return office.database.write_now(
        lambda c: consents.agree(
            c,
            customer_id=whose,
            purpose=ContactPurpose.ADVERTISING,
            channel=ContactChannel.ALL,
            source=ConsentSource.SIGNED_FORM,
            given_at=now,
            proof="A-17",
            now=now,
        )
    ).id


def contact_switch(office: Office) -> str:
    """A purpose that is off for a customer."""
    whose, now = customer(office), office.clock.now()
    return office.database.write_now(
        lambda c: consents.turn_off(
            c,
            customer_id=whose,
            vehicle_id=None,
            purpose=ContactPurpose.VISITS,
            channel=ContactChannel.ALL,
            reason="x",
            now=now,
        )
    ).id


def customer(office: Office) -> str:
    """The customer whose data must not leak, with the number."""
    now = office.clock.now()

    def work(connection: Any) -> str:
        found = customers.add_customer(connection, name=NAME, now=now)
        customers.add_contact(connection, found.id, E164(NUMBER), now)
        return str(found.id)

    return office.database.write_now(work)


def foreign_sound(office: Office) -> str:
    """A recording and a message of the same id, of a colleague's call."""
    sound_id = (new_id(office.clock.now()) + "abcdef").lower()
    (office.sounds / f"{sound_id}.wav").write_bytes(b"RIFF" + bytes(100))
    call_id = foreign_call(office)
    now = office.clock.now()

    def work(connection: Any) -> str:
        row = {"id": sound_id, "call_id": call_id, "file": f"{sound_id}.wav", "seconds": 1.0}
        connection.execute(insert(recordings).values(**row, started_at=now, ended_at=now, state="kept"))
        connection.execute(
            insert(voicemails).values(**row, left_at=now, box="service", number=NUMBER, state="new")
        )
        return sound_id

    return office.database.write_now(work)


def article(office: Office) -> str:
    """What every customer may be told."""
    now = office.clock.now()
    return office.database.write_now(
        lambda c: (
            knowledge.add(
                c,
                title="首保政策",
                body="免费一次",
                tags=["首保"],
                language="zh-CN",
                valid_until=None,
                now=now,
                by=None,
                by_name="x",
                approved=True,
            ).id
        )
    )


def bulletin(office: Office) -> str:
    """What managers tell everybody who takes calls."""
    now = office.clock.now()
    return office.database.write_now(
        lambda c: (
            bulletins.add(
                c,
                words={"zh-CN": "周六延长营业"},
                begins_at=now,
                ends_at=now + timedelta(days=1),
                now=now,
                by=None,
                by_name="x",
            ).id
        )
    )


def foreign_call(office: Office) -> str:
    call = office.add_call(agent_id=colleague(office), number=NUMBER)
    office.desk.holders[call.id] = colleague(office)
    return str(call.id)


def waiting_call(office: Office) -> str:
    return str(office.add_call(state=CallState.QUEUED, number=NUMBER, keys="ask=13812345678").id)


def task(office: Office) -> str:
    now = office.clock.now()

    def work(connection: Any) -> str:
        made, _new = tasks.add_task(
            connection,
            kind=TaskKind.MISSED_CALL,
            occasion=f"sweep:{new_id(now)}",
            subject="13812345678 来电未接",
            number=NUMBER,
            now=now,
            due_at=now,
        )
        return str(made.id)

    return office.database.write_now(work)


def own_user(office: Office) -> str:
    return office.users["department"].id


def foreign_session(office: Office) -> str:
    """A browser in which a colleague is signed in."""
    now = office.clock.now()
    colleague(office)
    session = Session(
        id=hash_secret(new_id(now)),
        user=office.users["colleague"],
        csrf="c",
        created_at=now,
        seen_at=now,
        address="127.0.0.1",
    )
    office.database.write_now(lambda connection: sessions.insert_session(connection, session))
    return session.id


def approval(office: Office) -> str:
    """A colleague waits to open a record."""
    now = office.clock.now()
    who, whose, made = colleague(office), customer(office), new_id(now)
    office.database.write_now(
        lambda connection: approvals.ask(
            connection, id=made, customer_id=whose, user_id=who, reason="13812345678 来电", now=now
        )
    )
    return made


def privacy_request(office: Office) -> str:
    """A person wants all that is held about him; approved, so that the file can be fetched."""
    now = office.clock.now()
    who, whose, made = colleague(office), customer(office), new_id(now)

    def work(connection: Any) -> None:
        kind = RequestKind.EXPORT
        privacy_requests.ask(
            connection,
            id=made,
            kind=kind,
            customer_id=whose,
            asked_by=who,
            identity="身份证",
            reason="要看",
            now=now,
        )
        privacy_requests.decide(
            connection, made, by=office.users["manager"].id, approved=True, note="", now=now
        )

    office.database.write_now(work)
    return made


def hold(office: Office) -> str:
    now = office.clock.now()
    whose, made = customer(office), new_id(now)
    office.database.write_now(
        lambda connection: erasure.place_hold(
            connection, id=made, customer_id=whose, reason="诉讼", by="m", now=now
        )
    )
    return made


def token(office: Office) -> str:
    office.add_token(Role.AGENT)
    return office.database.read_now(tokens.list_tokens)[0].id


def hook(office: Office) -> str:
    """A manager's subscription with a delivery about the planted customer."""
    owner = f"user:{office.users['manager'].id}"
    made, _ = subscribe(
        office.database, office.clock, "https://dms.example/", Event.RECORD_CHANGED, owner=owner
    )
    data = {"number": NUMBER, "customer_name": NAME, "note": f"{NAME} 13812345678"}
    office.database.write_now(
        lambda connection: announce(
            connection,
            Event.RECORD_CHANGED,
            f"customer:{new_id(office.clock.now())}",
            data,
            at=office.clock.now(),
        )
    )
    return made.id


def delivery(office: Office) -> str:
    hook_id = hook(office)
    page = office.database.read_now(
        lambda connection: hooks.list_deliveries(connection, hook_id, state=None, cursor=None, limit=1)
    )
    return page.items[0].id


def vehicle(office: Office) -> str:
    """A car of the planted customer."""
    now = office.clock.now()
    owner = customer(office)

    def work(connection: Any) -> str:
        made = vehicles.add_vehicle(connection, now=now, model="Golf")
        vehicles.add_person(connection, made.id, owner, VehicleRole.OWNER, now)
        return str(made.id)

    return office.database.write_now(work)


def visit(office: Office) -> str:
    """A visit to the workshop with the planted number in its note."""
    now = office.clock.now()
    made = ServiceVisit(
        id="", vehicle_id=vehicle(office), visited_on=now.date(), note=NUMBER, created_at=now, updated_at=now
    )
    return office.database.write_now(lambda connection: history.add_visit(connection, made, now).id)


def purchase(office: Office) -> str:
    now = office.clock.now()
    made = Purchase(
        id="", customer_id=customer(office), bought_on=now.date(), note=NUMBER, created_at=now, updated_at=now
    )
    return office.database.write_now(lambda connection: history.add_purchase(connection, made, now).id)


def own_field(office: Office) -> str:
    """A field that the house has defined."""
    now = office.clock.now()
    made = FieldDefinition(
        id="",
        subject=FieldSubject.CUSTOMER,
        key=f"k{new_id(now).lower()}",
        label_zh="自定",
        label_en="Own",
        kind=FieldKind.TEXT,
    )
    return office.database.write_now(lambda connection: fields.add_field(connection, made, HOUSE, now).id)


_RECORDS: Final = "records are the whole department's: who may read them reads all that are not restricted"

#: Who made the planted things.
_BY: Final = Principal(role=Role.SUPERVISOR, via=Via.COMMAND, name="Supervisor")


def group(office: Office) -> str:
    """A static group with the planted customer in it."""
    person = customer(office)

    def work(connection: Any) -> str:
        made = groups.add_group(
            connection,
            name=new_id(office.clock.now()),
            kind=GroupKind.STATIC,
            now=office.clock.now(),
            by=_BY,
        )
        groups.put_in(connection, made.id, [person], by="", now=office.clock.now())
        return made.id

    return office.database.write_now(work)


def frozen_group(office: Office) -> str:
    """A frozen list of such a group."""
    group_id = group(office)
    now = office.clock.now()

    def work(connection: Any) -> str:
        found = groups.get_group(connection, group_id)
        made = groups.begin_freeze(connection, found, purpose="a", by="", now=now, language="en")
        people = groups.people_of(connection, found, now, ZoneInfo("UTC"))
        groups.add_frozen(connection, made, groups.found_ids(connection, people))
        return groups.complete_freeze(connection, found, made, now).id

    return office.database.write_now(work)


def merge(office: Office) -> str:
    """The planted customer merged into another."""
    person = customer(office)

    def work(connection: Any) -> str:
        now = office.clock.now()
        other = customers.add_customer(connection, name=NAME, now=now)
        return merging.merge(connection, other.id, person, choices={}, by=HOUSE, now=now).id

    return office.database.write_now(work)


def foreign_case(office: Office) -> str:
    """A complaint of the planted person that is in no department's hands."""
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject=f"{NAME} 13812345678",
        words=f"请打 13812345678 找{NAME}",
        customer_id=customer(office),
    )
    hours = WorkingTime.from_options(CalendarOptions())
    made, _new = office.database.write_now(
        lambda c: cases.open_case(c, new, by=None, now=office.clock.now(), hours=hours)
    )
    return made.id


def contact(office: Office) -> str:
    """The planted customer is to be called."""
    whose, now = customer(office), office.clock.now()
    new = NewReason(
        kind=ReasonKind.CUSTOM,
        occasion="sweep",
        customer_id=whose,
        due_at=now + timedelta(days=1),
        why={"words": "x"},
    )
    made = office.database.write_now(lambda c: contacts.add_reason(c, new, now))
    assert made is not None
    return made.id


def foreign_correction(office: Office) -> str:
    """An order about the planted customer to a department the swept user does not belong to."""
    person = customer(office)
    now = office.clock.now()
    return office.database.write_now(
        lambda c: (
            corrections.raise_order(
                c,
                customer_id=person,
                field="number",
                wrong_value=NUMBER,
                said=f"Call {NUMBER}",
                by=_BY,
                now=now,
                due_at=now,
            ).id
        )
    )


def import_job(office: Office) -> str:
    """A list with the planted person in it, as it waits for its columns."""
    now = office.clock.now()
    row = {"row": 2, "hidden": False, "cells": [NAME, NUMBER]}
    job = ImportJob(
        id=new_id(now),
        kind=ImportKind.CUSTOMERS,
        source="sweep",
        state=ImportState.CHOOSING,
        file_name="a.csv",
        created_at=now,
        found={"first": [row], "sheets": [{"name": "a", "hidden": False}]},
    )
    office.database.write_now(lambda c: import_jobs.insert_job(c, job))
    return job.id


def foreign_export(office: Office) -> str:
    """Somebody else's export."""
    now = office.clock.now()
    job = ExportJob(
        id=new_id(now),
        kind=ExportKind.CUSTOMERS,
        format=ExportFormat.CSV,
        created_at=now,
        owner="user:somebody",
    )
    office.database.write_now(lambda c: exports.insert_export(c, job))
    return job.id


def foreign_work_report(office: Office) -> str:
    """A colleague's work report with the planted person in it."""
    now, who = office.clock.now(), colleague(office)

    def work(connection: Any) -> str:
        made = work_reports.draft(connection, who, now.date(), due_at=now, now=now)
        words = f"{NAME} 13812345678"
        connection.execute(
            update(work_report_rows).where(work_report_rows.c.id == made.id).values(problems=words)
        )
        return made.id

    return office.database.write_now(work)


def foreign_maker_visit(office: Office) -> str:
    """A colleague's visit to the planted customer, to be entered in the maker's CRM."""
    now, who, whose, made = (
        office.clock.now(),
        colleague(office),
        customer(office),
        new_id(office.clock.now()),
    )
    row = {
        "id": made,
        "occasion": made,
        "customer_id": whose,
        "agent_id": who,
        "result": "done",
        "visited_at": now,
        "state": "waiting",
        "digest": "",
        "exports": 0,
        "note": "",
        "version": 1,
    }
    office.database.write_now(lambda c: c.execute(insert(maker_visit_rows).values(**row)))
    return made


def maker_file(office: Office) -> str:
    """An empty file for the maker's CRM."""
    now = office.clock.now()
    return office.database.write_now(
        lambda c: str(
            maker_visits.keep_file(
                c,
                occasion=new_id(now),
                visits=[],
                behind=0,
                format="csv",
                content=b"x",
                sha256="0",
                by=None,
                now=now,
            )["id"]
        )
    )


def problems(office: Office) -> str:
    """A list with the planted person's task that was passed to a department."""
    now, whose = office.clock.now(), customer(office)
    since, until = now - timedelta(days=1), now + timedelta(days=1)

    def work(connection: Any) -> str:
        tasks.add_task(
            connection,
            kind=TaskKind.FOLLOW_UP,
            occasion=f"sweep:{new_id(now)}",
            subject=f"13812345678 {NAME}",
            customer_id=whose,
            department="sales",
            now=now,
            due_at=now,
        )
        made, _new = problem_lists.pass_on(
            connection,
            _BY,
            occasion=new_id(now),
            day=now.date(),
            department="sales",
            how="printed",
            recipient="x",
            since=since,
            until=until,
            now=now,
        )
        return str(made["id"])

    return office.database.write_now(work)


def report(office: Office) -> str:
    """A report that was drafted from a period."""
    now = office.clock.now()
    return office.database.write_now(
        lambda c: (
            case_reports.add(
                c,
                occasion=new_id(now),
                kind=ReportKind.COMPLAINTS,
                language="en",
                title="a",
                first=now.date(),
                last=now.date(),
                case_id=None,
                sections={},
                figures=[],
                list_id=None,
                by=_BY,
                now=now,
            )[0].id
        )
    )


def recipient(office: Office) -> str:
    """Somebody a report was sent to by link."""
    made, now = report(office), office.clock.now()

    def work(connection: Any) -> str:
        case_reports.set_recipients(connection, made, [{"name": "a", "how": "link", "user_id": None}], now)
        connection.execute(
            update(report_recipients)
            .where(report_recipients.c.report_id == made)
            .values(state="sent", sent_at=now)
        )
        return str(
            connection.execute(
                select(report_recipients.c.id).where(report_recipients.c.report_id == made)
            ).scalar_one()
        )

    return office.database.write_now(work)


def report_list(office: Office) -> str:
    """A distribution list."""
    now = office.clock.now()
    return office.database.write_now(
        lambda c: str(
            case_reports.save_list(c, list_id=None, name=new_id(now), entries=[], version=0, now=now)["id"]
        )
    )


def schedule(office: Office) -> str:
    """A report that is drafted by itself."""
    now = office.clock.now()
    wanted = Schedule(
        id="",
        kind=ReportKind.COMPLAINTS,
        language="en",
        cadence=Cadence.WEEKLY,
        day=1,
        list_id=None,
        is_on=True,
        since=now.date(),
    )
    return office.database.write_now(lambda c: case_reports.save_schedule(c, wanted, now).id)


_CAMPAIGNS: Final = "campaigns are the whole house's; names and numbers in them are masked by role"
_REPORTS: Final = "reports.read and reports.write are for the whole house"


def questionnaire(office: Office) -> str:
    """A questionnaire in use; the shipped ones."""
    now = office.clock.now()
    office.database.write_now(lambda c: survey_seed.seed(c, now))
    return "service_visit"


def survey_offer(office: Office) -> str:
    """A survey offered to the customer by link."""
    questionnaire(office)
    person, now = customer(office), office.clock.now()
    offer, _secret = office.database.write_now(
        lambda c: survey_links.offer_survey(
            c,
            questionnaire="service_visit",
            customer_id=person,
            life=timedelta(days=14),
            now=now,
            by=_BY,
        )
    )
    return str(offer.id)


def questionnaire_version(office: Office) -> str:
    """Its first version."""
    questionnaire(office)
    return "1"


def script(office: Office) -> str:
    """A script in use; the shipped ones."""
    now = office.clock.now()
    office.database.write_now(lambda c: shipped.seed(c, now))
    return "reception"


def script_version(office: Office) -> str:
    """Its first version."""
    script(office)
    return "1"


def foreign_response(office: Office) -> str:
    """What the planted customer answered, with his number in his words."""
    person = customer(office)
    now = office.clock.now()
    questionnaire(office)

    def work(c: Connection) -> str:
        begun = responses.begin_response(
            c, questionnaire="service_visit", channel=Channel.AGENT, customer_id=person, now=now, by=_BY
        )
        responses.answer(
            c,
            begun.id,
            "improve",
            f"Call {NUMBER}",
            words=f"Call {NUMBER}",
            channel=Channel.AGENT,
            by=_BY,
            now=now,
        )
        return begun.id

    return office.database.write_now(work)


def appointment(office: Office) -> str:
    """An appointment of the planted person."""
    now, whose = office.clock.now(), customer(office)

    def work(connection: Any) -> str:
        shop = slots.save_workshop(
            connection, workshop_id=None, name="a", address="", active=True, version=None, now=now
        )
        lane = slots.save_lane(
            connection,
            Lane(
                id="",
                workshop_id=shop.id,
                name="a",
                advisor="a",
                works=frozenset(Work),
                weekdays=frozenset(range(7)),
                opens=540,
                closes=1020,
                pause_from=None,
                pause_until=None,
                cell_minutes=60,
                capacity=99,
            ),
            now=now,
            new=True,
        )
        made = appointments.book(
            connection,
            NewAppointment(
                work=Work.OTHER,
                workshop_id=shop.id,
                lane_id=lane.id,
                starts_at=now + timedelta(days=1),
                customer_id=whose,
                words=f"{NAME} 13812345678",
            ),
            now=now,
            by=_BY,
            hours=WorkingTime.from_options(CalendarOptions()),
            options=AppointmentOptions(),
        )
        return made.id

    return office.database.write_now(work)


def special_day(office: Office) -> str:
    """A day on which a workshop is closed."""
    now = office.clock.now()

    def work(connection: Any) -> str:
        shop = slots.save_workshop(
            connection, workshop_id=None, name="b", address="", active=True, version=None, now=now
        )
        return slots.save_exception(
            connection, workshop_id=shop.id, lane_id=None, day=now.date(), capacity=0, why="", now=now
        ).id

    return office.database.write_now(work)


def day_list(office: Office) -> str:
    """The list of the next two days."""
    now = office.clock.now()
    made = office.database.write_now(
        lambda c: appointment_days.make_list(c, now, WorkingTime.from_options(CalendarOptions()))
    )
    return str(now.date() if made is None else made.made_on)


_HOUSE_TIMES: Final = "appointments are the house's; what is of a closed record is masked by storage.sight"

OBJECTS: Final[Mapping[str, Object]] = {
    "appointment_id": Object(seen=appointment, why=_HOUSE_TIMES),
    "day_id": Object(seen=special_day, why=_HOUSE_TIMES),
    "made_on": Object(seen=day_list, why=_HOUSE_TIMES),
    "questionnaire": Object(seen=questionnaire, why="questionnaires are the house's"),
    "version": Object(seen=questionnaire_version, why="questionnaires are the house's"),
    "offer_id": Object(
        seen=survey_offer,
        why="whoever asks customers may take a link back; of records closed to him there is none",
    ),
    "response_id": Object(
        seen=foreign_response,
        why="whoever asks customers reads what they answered; records closed to him do not",
    ),
    "source": Object(
        seen=lambda _office: "problems", why="a list's name; whose rows are in it, the store decides"
    ),
    "work_report_id": Object(foreign=foreign_work_report, hidden_from={Role.AGENT}, seen=foreign_work_report),
    "maker_visit_id": Object(foreign=foreign_maker_visit, hidden_from={Role.AGENT}, seen=foreign_maker_visit),
    "maker_file_id": Object(seen=maker_file, why="export.read takes the house's lists out"),
    "problems_id": Object(seen=problems, why=_REPORTS),
    "report_id": Object(seen=report, why=_REPORTS),
    "GET /reports/received/{report_id}": Object(foreign=report, hidden_from=set(Role)),
    "recipient_id": Object(seen=recipient, why=_REPORTS),
    "list_id": Object(seen=report_list, why=_REPORTS),
    "schedule_id": Object(seen=schedule, why=_REPORTS),
    "import_id": Object(seen=import_job, why="imports.write is for the whole house's lists"),
    "export_id": Object(foreign=foreign_export, hidden_from=set(Role)),
    "call_id": Object(foreign=foreign_call, hidden_from={Role.AGENT}, seen=waiting_call),
    "agent_id": Object(foreign=colleague, hidden_from={Role.AGENT}),
    "task_id": Object(seen=task, why="open tasks are the house's: whoever may read tasks reads them all"),
    "user_id": Object(seen=own_user, why="users.read and users.write are for the whole house"),
    "approval_id": Object(
        seen=approval, why="approvals.decide is for the whole house; one's own is refused: same-person"
    ),
    "request_id": Object(seen=privacy_request, why="privacy.ask and privacy.decide are for the whole house"),
    "hold_id": Object(seen=hold, why="privacy.decide is for the whole house"),
    "session_id": Object(foreign=foreign_session, hidden_from=set(Role)),
    "hook_id": Object(
        seen=hook, why="who manages webhooks manages all of them, and sends no more than he may see"
    ),
    "delivery_id": Object(seen=delivery, why="the same; what is shown is masked for owner and viewer"),
    "customer_id": Object(seen=customer, why=_RECORDS),
    "campaign_id": Object(seen=campaign, why=_CAMPAIGNS),
    "target_id": Object(seen=target, why=_CAMPAIGNS),
    "consent_id": Object(seen=consent, why=_RECORDS),
    "switch_id": Object(seen=contact_switch, why=_RECORDS),
    "vehicle_id": Object(seen=vehicle, why=_RECORDS),
    "visit_id": Object(seen=visit, why=_RECORDS),
    "purchase_id": Object(seen=purchase, why=_RECORDS),
    "number_id": Object(seen=lambda _office: "0", why="names a number of a customer the asker may open"),
    "field_id": Object(seen=own_field, why="who may define fields defines all of them"),
    "group_id": Object(seen=group, why="groups are the house's; who may read them reads all of them"),
    "freeze_id": Object(seen=frozen_group, why="as the group it was frozen from"),
    "merge_id": Object(seen=merge, why="records.merge is for the whole house"),
    "contact_id": Object(seen=contact, why=_RECORDS),
    "plan_id": Object(seen=lambda _office: "none", why="plans are the house's; who may read them reads all"),
    "case_id": Object(foreign=foreign_case, hidden_from={Role.DEPARTMENT}, seen=foreign_case),
    "correction_id": Object(
        foreign=foreign_correction, hidden_from={Role.DEPARTMENT}, seen=foreign_correction
    ),
    "sound_id": Object(foreign=foreign_sound, hidden_from={Role.AGENT}, seen=foreign_sound),
    "bulletin_id": Object(seen=bulletin, why="bulletins are for everybody who takes calls"),
    "article_id": Object(seen=article, why="what the house knows is for all who may read it"),
    "kind": Object(seen=lambda _office: "script", why="forms, dispositions and scripts are the house's"),
    "name": Object(seen=script, why="forms, dispositions and scripts are the house's"),
    "script": Object(seen=script, why="scripts are the house's; agents read those that are approved"),
    "script_version": Object(seen=script_version, why="scripts are the house's"),
    "token_id": Object(seen=token, why="only the administrator manages tokens, all of them"),
}

_SHOWN: Final = {"zh": "x", "begins_at": "2026-06-16T02:00:00Z", "ends_at": "2026-06-17T02:00:00Z"}
_SHOWN_FORM: Final = {
    "zh-CN": "x",
    "begins_on": "2026-06-16",
    "begins_time": "08:00",
    "ends_on": "2026-06-17",
    "ends_time": "18:00",
    "version": "1",
}
_DELETED: Final = {"reason": "the customer asked for it"}

BODIES: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /api/v1/questionnaires/play": {"body": {"code": "x", "purpose": "plan"}, "values": {}},
    "POST /api/v1/questionnaires/{questionnaire}/drafts": {"body": None},
    "POST /api/v1/questionnaires/{questionnaire}/versions/{version}/steps": {"step": "submit"},
    "POST /api/v1/scripts/{script}/drafts": {"body": None},
    "POST /api/v1/scripts/{script}/versions/{script_version}/steps": {"step": "submit", "why": "a"},
    "POST /api/v1/responses": {"questionnaire": "service_visit"},
    "POST /api/v1/survey-links": {
        "questionnaire": "service_visit",
        "customer_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV",
    },
    "POST /api/v1/responses/{response_id}/answers": {"question": "overall", "value": 5},
    "POST /api/v1/responses/{response_id}/end": {"how": "decline"},
    "POST /api/v1/recordings/{sound_id}/delete": _DELETED,
    "POST /api/v1/voicemails/{sound_id}/delete": _DELETED,
    "POST /api/v1/bulletins": _SHOWN,
    "POST /api/v1/bulletins/{bulletin_id}": {**_SHOWN, "based_on": 1},
    "POST /bulletins/new": _SHOWN_FORM,
    "POST /bulletins/{bulletin_id}": _SHOWN_FORM,
    "POST /api/v1/groups": {"name": "A", "kind": "static"},
    "POST /api/v1/group-look": {"query": {"all": []}},
    "POST /api/v1/corrections/{correction_id}/answer": {"value": "x"},
    "POST /api/v1/report-lists": {"name": "a", "entries": []},
    "POST /api/v1/report-lists/{list_id}": {"name": "b", "entries": [], "version": 1},
    "POST /api/v1/problems": {"day": "2026-06-16", "how": "printed"},
    "POST /api/v1/contacts/{contact_id}/result": {"result": "not_reached"},
    "POST /api/v1/contact-rules": {
        "version": 0,
        "kinds": {},
        "at_minute": 300,
        "tries": 5,
        "days_between": 1,
        "looks_back_days": 14,
        "class_days": {},
        "key_account_days": 90,
    },
    "POST /api/v1/maintenance-trials": {
        "name": "a",
        "first": {"months": 6},
        "periodic": {"months": 6},
        "fulfilled_by": ["periodic"],
    },
    "POST /api/v1/hooks": {"name": "dms", "url": "https://dms.example/", "events": ["call.ended"]},
}

NOT_SWEPT: Final[Mapping[str, str]] = {
    "POST /logout": "ends the session the sweep asks with",
}
