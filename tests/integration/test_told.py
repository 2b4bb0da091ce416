"""Every event of the catalogue is told by the path that brings it about, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import HOURS
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, insert, select

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.survey_seed import seed
from crm.appointments.appointments import Appointment, NewAppointment, Source, Work
from crm.appointments.appointments import Step as AppointmentStep
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from crm.cases.cases import Case, CaseKind, CaseSource, Grade, NewCase
from crm.cases.steps import Given as CaseGiven
from crm.cases.steps import Step as CaseStep
from crm.dispositions.dispositions import Choice
from crm.hooks.events import Event
from crm.hooks.options import HookOptions
from crm.hooks.retries import Outcome as Tried
from crm.imports.fields import ImportKind
from crm.imports.jobs import Counts, ImportJob, ImportState
from crm.records.changes import Author
from crm.registrations.filing import Content
from crm.surveys.questionnaires import Channel
from crm.tasks.tasks import TaskKind
from storage import (
    agents,
    appointments,
    cases,
    customers,
    deliveries,
    erasure,
    import_jobs,
    merging,
    registrations,
    responses,
    slots,
    tasks,
    told,
    traces,
    users,
)
from storage import hooks as subscriptions
from storage.database import Database
from storage.tables.hooks import deliveries as delivery_rows
from storage.tables.hooks import happenings, hooks
from telephony.agents import Agent, AgentState
from telephony.calls import Call, CallId, CallState, Direction
from telephony.numbers import E164

NUMBER = E164("+8613812345678")
BY = Author(name="Wang", id="01K0000000000000000000WANG")
#: Wednesday 17 June 2026, 9:00 in China.
NINE = datetime(2026, 6, 17, 1, tzinfo=UTC)
#: Every question of the service visit that must be answered, by a happy customer.
HAPPY = {
    "overall": 5,
    "fixed": "fixed",
    "advisor": 5,
    "on_time": "in_time",
    "price": "clear",
    "recommend": 10,
}


class Scene:
    """A database with one subscription to everything, and steps that people and calls take in it."""

    def __init__(self, connection: Connection, clock: FrozenClock) -> None:
        self.connection = connection
        self.now = clock.now()
        self.user = User(
            id=new_id(self.now),
            login="wang",
            name="Wang",
            role=Role.MANAGER,
            language="en",
            theme="auto",
            created_at=self.now,
        )
        users.insert_user(connection, self.user, password_hash="x")
        self.hook = self._subscribe("dms")

    def _subscribe(self, name: str) -> str:
        hook_id = new_id(self.now)
        self.connection.execute(
            insert(hooks).values(
                id=hook_id,
                name=name,
                url=f"https://{name}.example/hook",
                events=list(Event),
                language="en",
                active=True,
                secret="whsec_x",
                owner=f"user:{self.user.id}",
                owner_name="Wang",
                created_at=self.now,
                changed_at=self.now,
            )
        )
        return hook_id

    def told(self, event: Event) -> list[tuple[str, Mapping[str, Any]]]:
        """Subject and data of what was told, oldest first."""
        wanted = select(happenings.c.subject, happenings.c.data).where(happenings.c.event == event)
        return [(row.subject, row.data) for row in self.connection.execute(wanted.order_by(happenings.c.id))]

    def customer(self, name: str = "张伟") -> str:
        made = customers.add_customer(self.connection, name=name, now=self.now)
        customers.add_contact(self.connection, made.id, NUMBER, self.now, primary=True)
        return made.id

    def call(self) -> Call:
        return Call(
            id=CallId(new_id(self.now)),
            linkedid="L1",
            system="careline",
            direction=Direction.INBOUND,
            state=CallState.ENDED,
            started_at=self.now - timedelta(minutes=1),
            ended_at=self.now,
            number=NUMBER,
            agent_id=self.user.id,
        )

    # -- one path to every event

    def end_call(self) -> tuple[str, dict[str, Any]]:
        call = self.call()
        told.react_to_call(self.connection, None, call, ())
        return f"call:{call.id}", {"number": NUMBER}

    def correct_call(self) -> tuple[str, dict[str, Any]]:
        call = self.call()
        told.react_to_call(self.connection, call, replace(call, talk_seconds=30.0), ())
        return f"call:{call.id}", {"changed": ["talk_seconds"]}

    def create_record(self) -> tuple[str, dict[str, Any]]:
        return f"customer:{self.customer()}", {"fields": ["created"]}

    def change_record(self) -> tuple[str, dict[str, Any]]:
        made = customers.add_customer(self.connection, name="张伟", now=self.now)
        customers.change_customer(self.connection, made.id, self.now, by=BY, note="喜欢喝茶")
        return f"customer:{made.id}", {"fields": ["note"], "by": BY.id}

    def merge(self) -> tuple[str, dict[str, Any]]:
        survivor, merged = self.customer(), self.customer("张先生")
        made = merging.merge(self.connection, survivor, merged, choices={}, by=BY, now=self.now)
        assert [data["undone"] for _subject, data in self.told(Event.RECORD_MERGED)] == [False]
        merging.undo(self.connection, made.id, by=BY, now=self.now)
        return f"customer:{survivor}", {"survivor_id": survivor, "merged_id": merged, "undone": True}

    def erase(self) -> tuple[str, dict[str, Any]]:
        customer_id = self.customer()
        for _round in range(2):  # he is looked for again after his rows were overwritten, and told once
            person = traces.person_of(self.connection, customer_id)
            found = traces.scan(self.connection, person)
            erasure.erase(self.connection, customer_id, found=found, pseudonym="XABCDE", now=self.now)
        assert len(self.told(Event.RECORD_ERASED)) == 1
        return f"customer:{customer_id}", {
            "customer_id": customer_id,
            "merged_ids": [],
            "pseudonym": "XABCDE",
        }

    def import_list(self) -> tuple[str, dict[str, Any]]:
        job = ImportJob(
            id=new_id(self.now),
            kind=ImportKind.CUSTOMERS,
            source="DMS",
            state=ImportState.RUNNING,
            file_name="list.csv",
            file_bytes=1,
            created_at=self.now,
            by_name="Wang",
            total=3,
            counts=Counts(done=3, added=2, refused=1),
        )
        import_jobs.insert_job(self.connection, job)
        import_jobs.move(self.connection, job.id, ImportState.TAKING_BACK, out_of=[ImportState.RUNNING])
        assert self.told(Event.IMPORT_FINISHED) == []
        import_jobs.move(
            self.connection, job.id, ImportState.DONE, out_of=[ImportState.TAKING_BACK], ended_at=self.now
        )
        return f"import:{job.id}", {"state": "done", "total": 3, "added": 2, "refused": 1, "error_id": None}

    def make_task(self) -> tuple[str, dict[str, Any]]:
        return f"task:{self._task()}", {"kind": "callback", "number": NUMBER}

    def _task(self) -> str:
        made, _new = tasks.add_task(
            self.connection,
            kind=TaskKind.CALLBACK,
            occasion="x",
            now=self.now,
            due_at=self.now,
            number=NUMBER,
        )
        return made.id

    def claim_task(self) -> tuple[str, dict[str, Any]]:
        task_id = self._task()
        tasks.claim_task(self.connection, task_id, self.user.id)
        return f"task:{task_id}", {"owner_id": self.user.id}

    def close_task(self) -> tuple[str, dict[str, Any]]:
        task_id = self._task()
        tasks.close_task(self.connection, task_id, self.user.id, "reached", self.now)
        return f"task:{task_id}", {"state": "done", "result": "reached"}

    def file(self) -> tuple[str, dict[str, Any]]:
        call = self.call()
        self._file(call, "maintenance")
        self._file(call, "maintenance")  # the same again is the first
        assert len(self.told(Event.REGISTRATION_FILED)) == 1
        return f"call:{call.id}", {"call_id": call.id, "call_type": "maintenance", "version": 1}

    def _file(self, call: Call, call_type: str, version: int = 0) -> None:
        label: Any = {"en": "answered", "zh-CN": "已答复"}
        choice = Choice(code="answered", path=("answered",), label=label, flags=frozenset(), note_least=0)
        filed = registrations.Filed(form_version=1, set_name="standard", set_version=1, choice=choice)
        content = Content(call_type=call_type, disposition="answered", summary="打电话给 13812345678")
        by: dict[str, Any] = {"now": self.now, "by": self.user.id, "by_name": "Wang"}
        if version:
            registrations.correct(self.connection, call.id, content, filed, based_on=version, why="x", **by)
        else:
            registrations.file(self.connection, call, content, filed, **by)

    def correct_registration(self) -> tuple[str, dict[str, Any]]:
        call = self.call()
        self._file(call, "maintenance")
        self._file(call, "complaint", 1)
        return f"call:{call.id}", {"call_id": call.id, "call_type": "complaint", "version": 2}

    def change_agent(self) -> tuple[str, dict[str, Any]]:
        agent = Agent(
            id=self.user.id,
            name="Wang",
            state=AgentState.PAUSED,
            since=self.now,
            reason="lunch",
            queues={"b": 1},
        )
        agents.save(self.connection, agent, event="pause", now=self.now)
        return f"agent:{agent.id}", {"state": "paused", "pause_code": "lunch", "queues": ["b"]}

    def lose_hook(self) -> tuple[str, dict[str, Any]]:
        dead = self._subscribe("dead")
        self.connection.execute(delivery_rows.delete())
        by = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Wang")
        subscriptions.send_test(self.connection, dead, by, self.now)
        (job,) = deliveries.claim(
            self.connection, "s", self.now, HookOptions(), room=1, lease=timedelta(minutes=1)
        )
        deliveries.settle(
            self.connection,
            job,
            Tried(at=self.now, milliseconds=1, status=410),
            HookOptions(),
            chance=lambda: 0.5,
        )
        return f"hook:{dead}", {"hook_id": dead, "hook": "dead"}

    def test_hook(self) -> tuple[str, dict[str, Any]]:
        by = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Wang")
        subscriptions.send_test(self.connection, self.hook, by, self.now)
        return f"hook:{self.hook}", {"hook_id": self.hook}

    # -- cases, surveys and appointments

    @property
    def principal(self) -> Principal:
        return Principal(role=Role.MANAGER, via=Via.SESSION, name="Wang", user_id=self.user.id)

    def _case(self) -> Case:
        new = NewCase(
            kind=CaseKind.INQUIRY,
            grade=Grade.ORDINARY,
            source=CaseSource.CALL,
            subject="保养多少钱",
            words="请打 13812345678",
            customer_id=self.customer(),
            occasion="once",
        )
        made, _new = cases.open_case(self.connection, new, by=self.principal, now=self.now, hours=HOURS)
        again, is_new = cases.open_case(self.connection, new, by=self.principal, now=self.now, hours=HOURS)
        assert (again.id, is_new) == (made.id, False)
        return made

    def open_case(self) -> tuple[str, dict[str, Any]]:
        made = self._case()
        assert len(self.told(Event.CASE_OPENED)) == 1
        return f"case:{made.id}", {"case_id": made.id, "kind": "inquiry", "customer_id": made.customer_id}

    def close_case(self) -> tuple[str, dict[str, Any]]:
        made = self._case()
        cases.take_step(
            self.connection,
            made.id,
            CaseStep.ANSWER,
            CaseGiven(words="已报价 13812345678"),
            actor=cases.actor_of(self.principal),
            now=self.now,
            hours=HOURS,
        )
        return f"case:{made.id}", {"state": "closed", "ending": "answered"}

    def finish_survey(self) -> tuple[str, dict[str, Any]]:
        seed(self.connection, self.now)
        by: dict[str, Any] = {"channel": Channel.AGENT, "by": self.principal, "now": self.now}
        customer_id = self.customer()
        made = responses.begin_response(
            self.connection, questionnaire="service_visit", customer_id=customer_id, **by
        )
        for question, value in HAPPY.items():
            responses.answer(self.connection, made.id, question, value, **by)
        assert self.told(Event.SURVEY_FINISHED) == []
        for _twice in range(2):
            responses.finish(self.connection, made.id, hours=HOURS, summary="13812345678", **by)
        assert len(self.told(Event.SURVEY_FINISHED)) == 1
        return f"response:{made.id}", {"customer_id": customer_id, "state": "finished", "dissatisfied": False}

    def _appointment(self) -> Appointment:
        workshop = slots.save_workshop(
            self.connection,
            workshop_id=None,
            name="一号车间",
            address="",
            active=True,
            version=None,
            now=self.now,
        )
        lane = Lane(
            id="",
            workshop_id=workshop.id,
            name="王顾问",
            advisor="王芳",
            works=frozenset({Work.OTHER}),
            weekdays=frozenset(range(5)),
            opens=540,
            closes=1020,
            pause_from=720,
            pause_until=780,
            cell_minutes=30,
            capacity=1,
        )
        slots.save_lane(self.connection, lane, now=self.now, new=True)
        new = NewAppointment(
            work=Work.OTHER, workshop_id=workshop.id, starts_at=NINE, customer_id=self.customer()
        )
        return appointments.book(
            self.connection, new, now=self.now, by=self.principal, hours=HOURS, options=AppointmentOptions()
        )

    def _step(
        self, step: AppointmentStep, given: appointments.Given, *, after: timedelta = timedelta()
    ) -> tuple[str, dict[str, Any]]:
        made = self._appointment()
        appointments.take_step(
            self.connection,
            made.id,
            step,
            given,
            by=self.principal,
            source=Source.PAGE,
            now=max(self.now, made.starts_at + after) if after else self.now,
            hours=HOURS,
            options=AppointmentOptions(),
        )
        return f"appointment:{made.id}", {"id": made.id, "customer_id": made.customer_id}

    def book(self) -> tuple[str, dict[str, Any]]:
        made = self._appointment()
        return f"appointment:{made.id}", {"state": "booked", "starts_at": NINE.isoformat(), "work": "other"}

    def move_appointment(self) -> tuple[str, dict[str, Any]]:
        later = NINE + timedelta(hours=1)
        subject, expected = self._step(AppointmentStep.MOVE, appointments.Given(starts_at=later))
        return subject, {**expected, "starts_at": later.isoformat()}

    def cancel_appointment(self) -> tuple[str, dict[str, Any]]:
        subject, expected = self._step(AppointmentStep.CANCEL, appointments.Given(words="出差 13812345678"))
        return subject, {**expected, "state": "cancelled"}

    def miss_appointment(self) -> tuple[str, dict[str, Any]]:
        subject, expected = self._step(AppointmentStep.MISS, appointments.Given(), after=timedelta(hours=2))
        return subject, {**expected, "state": "missed"}


PATHS: Mapping[Event, Callable[[Scene], tuple[str, dict[str, Any]]]] = {
    Event.CALL_ENDED: Scene.end_call,
    Event.CALL_CORRECTED: Scene.correct_call,
    Event.RECORD_CREATED: Scene.create_record,
    Event.RECORD_CHANGED: Scene.change_record,
    Event.RECORD_MERGED: Scene.merge,
    Event.RECORD_ERASED: Scene.erase,
    Event.IMPORT_FINISHED: Scene.import_list,
    Event.TASK_CREATED: Scene.make_task,
    Event.TASK_CHANGED: Scene.claim_task,
    Event.TASK_CLOSED: Scene.close_task,
    Event.REGISTRATION_FILED: Scene.file,
    Event.REGISTRATION_CORRECTED: Scene.correct_registration,
    Event.AGENT_CHANGED: Scene.change_agent,
    Event.CASE_OPENED: Scene.open_case,
    Event.CASE_CLOSED: Scene.close_case,
    Event.SURVEY_FINISHED: Scene.finish_survey,
    Event.APPOINTMENT_BOOKED: Scene.book,
    Event.APPOINTMENT_MOVED: Scene.move_appointment,
    Event.APPOINTMENT_CANCELLED: Scene.cancel_appointment,
    Event.APPOINTMENT_MISSED: Scene.miss_appointment,
    Event.HOOK_DISABLED: Scene.lose_hook,
    Event.HOOK_TEST: Scene.test_hook,
}


@pytest.mark.parametrize("event", list(Event))
def test_every_event_is_told_by_what_brings_it_about(
    database: Database, clock: FrozenClock, event: Event
) -> None:
    def work(connection: Connection) -> None:
        scene = Scene(connection, clock)
        subject, expected = PATHS[event](scene)
        said, data = scene.told(event)[-1]
        assert said == subject
        assert expected.items() <= data.items()
        assert "13812345678" not in str(data) or data["number"] == NUMBER

    database.write_now(work)


def test_what_was_told_of_an_erased_person_goes_and_is_not_sent_any_more(
    database: Database, clock: FrozenClock
) -> None:
    def work(connection: Connection) -> None:
        scene = Scene(connection, clock)
        customer_id = scene.customer()
        call = replace(scene.call(), customer_id=customer_id)
        told.react_to_call(connection, None, call, ())
        other = scene.end_call()[0]
        person = replace(traces.person_of(connection, customer_id), call_ids=frozenset({call.id}))
        found = traces.scan(connection, person)
        erasure.erase(connection, customer_id, found=found, pseudonym="XABCDE", now=scene.now, known=person)
        rows = {
            row.subject: (row.state, row.event)
            for row in connection.execute(select(delivery_rows).order_by(delivery_rows.c.number))
        }
        assert rows[f"call:{call.id}"] == ("cancelled", "call.ended")
        assert rows[f"customer:{customer_id}"] == ("waiting", "record.erased")
        assert rows[other][0] == "waiting", "the call of nobody we know has to arrive"
        log = str(connection.execute(select(happenings.c.data).where(happenings.c.subject != other)).all())
        assert "13812345678" not in log

    database.write_now(work)
