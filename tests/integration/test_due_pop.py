"""What the house meant to call a customer about, and his appointment: on the desk's pop and on his timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fixtures_desk import Switchboard
from fixtures_web import Office, OfficeMaker
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from config.books.survey_seed import seed
from crm.appointments.appointments import NewAppointment, Source, Step, Work
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.contacts.contacts import NewReason, ReasonKind
from crm.records.timeline import Kind
from crm.surveys.questionnaires import Channel
from storage import appointments, cases, contacts, responses, slots
from storage.timeline import timeline
from telephony.hours import CalendarOptions, WorkingTime

HOURS = WorkingTime.from_options(CalendarOptions())
AGENT = Principal(role=Role.AGENT, via=Via.SESSION, name="王芳")


@dataclass
class Line:
    """An agent at a ringing telephone, and the customer who calls."""

    office: Office
    board: Switchboard
    customer: str
    #: Id of the contact, id of the appointment.
    contact: str = ""
    appointment: str = ""

    def write(self, work: Any) -> Any:
        return self.office.database.write_now(work)

    def remind(self, kind: ReasonKind, customer: str | None = None, **more: Any) -> str:
        now = self.office.clock.now()
        new = NewReason(
            kind=kind,
            occasion=f"{kind}:{customer or self.customer}",
            customer_id=customer or self.customer,
            due_at=now + timedelta(hours=3),
            why={},
            **more,
        )
        made = self.write(lambda c: contacts.add_reason(c, new, now))
        assert made is not None
        return str(made.id)

    def book(self, starts_at: datetime) -> str:
        now = self.office.clock.now()

        def work(connection: Connection) -> str:
            workshop = slots.save_workshop(
                connection, workshop_id=None, name="一号车间", address="", active=True, version=None, now=now
            )
            lane = Lane(
                id="",
                workshop_id=workshop.id,
                name="王顾问",
                advisor="赵敏",
                works=frozenset({Work.MAINTENANCE, Work.OTHER}),
                weekdays=frozenset(range(7)),
                opens=0,
                closes=1440,
                pause_from=None,
                pause_until=None,
                cell_minutes=30,
                capacity=1,
            )
            slots.save_lane(connection, lane, now=now, new=True)
            new = NewAppointment(
                work=Work.OTHER,
                workshop_id=workshop.id,
                starts_at=starts_at,
                customer_id=self.customer,
                words="带 13812345678 的备用钥匙",
            )
            made = appointments.book(
                connection, new, now=now, by=AGENT, hours=HOURS, options=AppointmentOptions()
            )
            return made.id

        return str(self.write(work))

    async def rung(self) -> str:
        """What the agent's page is told when the customer rings."""
        call = await self.board.call()
        await self.board.ring("wang", call)
        browser = await self.office.signed_in("wang")
        answer = await browser.session.get(f"{browser.base}/api/v1/desk/now")
        assert answer.status == 200
        return str((await answer.json())["pop"]["html"]["open"])

    def story(self, *kinds: Kind) -> list[tuple[str, str, str]]:
        page = self.office.database.read_now(lambda c: timeline(c, AGENT, self.customer, only=kinds))
        return [(item.kind.value, item.what, item.state) for item in page.items]


@pytest.fixture
async def line(make_office: OfficeMaker) -> Line:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    board = Switchboard(office)
    board.own_phone("wang")
    return Line(office=office, board=board, customer=board.customer("李雷", "+8613812345678"))


#: The next day at ten, in the house.
def ten_tomorrow(now: datetime) -> datetime:
    day = now.astimezone(HOURS.zone).date() + timedelta(days=1)
    while not HOURS.is_working_day(day):
        day += timedelta(days=1)
    return datetime(day.year, day.month, day.day, 10, tzinfo=HOURS.zone).astimezone(UTC)


async def test_a_caller_is_told_what_he_was_to_be_called_about(line: Line) -> None:
    contact = line.remind(ReasonKind.PERIODIC_MAINTENANCE)
    assert line.remind(ReasonKind.SERVICE_VISIT) == contact
    appointment = line.book(ten_tomorrow(line.office.clock.now()))
    told = await line.rung()
    assert told.count(f"/contacts/{contact}") == 1
    assert "定期保养" in told
    assert "售后回访" in told
    assert f"/appointments/{appointment}" in told
    assert "一号车间" in told
    # The task behind the contact is not told a second time.
    assert told.count("回访与提醒") == 1


async def test_what_is_over_or_somebody_elses_is_not_told(line: Line) -> None:
    now = line.office.clock.now()
    other = line.board.customer("韩梅梅", "+8613900000000")
    line.remind(ReasonKind.SERVICE_VISIT, customer=other)
    appointment = line.book(ten_tomorrow(now))
    line.write(
        lambda c: appointments.take_step(
            c,
            appointment,
            Step.CANCEL,
            appointments.Given(words="出差"),
            by=AGENT,
            source=Source.PAGE,
            now=now,
            hours=HOURS,
            options=AppointmentOptions(),
        )
    )
    told = await line.rung()
    assert "/contacts/" not in told
    assert appointment not in told


async def test_a_contact_held_by_a_complaint_says_so(line: Line) -> None:
    now = line.office.clock.now()
    contact = line.remind(ReasonKind.PERIODIC_MAINTENANCE)
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject="异响",
        customer_id=line.customer,
    )
    made, _new = line.write(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
    line.write(lambda c: contacts.hold_and_release(c, now))
    told = await line.rung()
    assert f"/contacts/{contact}" in told
    assert f"待投诉 {made.number} 处理完毕" in told


async def test_the_timeline_tells_cases_contacts_surveys_and_appointments(line: Line) -> None:
    now = line.office.clock.now()
    line.write(lambda c: seed(c, now))
    contact = line.remind(ReasonKind.SERVICE_VISIT)
    line.book(ten_tomorrow(now))
    new = NewCase(
        kind=CaseKind.PRAISE,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject="请谢谢 13812345678",
        customer_id=line.customer,
    )
    made, _new = line.write(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
    response = line.write(
        lambda c: responses.begin_response(
            c,
            questionnaire="service_visit",
            channel=Channel.AGENT,
            customer_id=line.customer,
            contact_id=contact,
            now=now,
            by=AGENT,
        )
    )
    # One moment made three of them: what is told last among equals is a matter of their ids.
    assert sorted(line.story()) == sorted(
        [
            ("appointment", "other", "booked"),
            ("survey", "service_visit", "begun"),
            ("case", "praise", "registered"),
            ("contact", "service_visit", "open"),
            *line.story(Kind.CHANGE),
            *line.story(Kind.TASK),
        ]
    )
    assert line.story(Kind.TASK) == []
    browser = await line.office.signed_in("wang")
    page = await (await browser.session.get(f"{browser.base}/customers/{line.customer}")).text()
    story = page[page.index('id="story-frame"') :]
    for there in (
        f"/contacts/{contact}",
        f"/cases/{made.id}",
        f"/surveys/responses/{response.id}",
        "一号车间",
    ):
        assert there in story
    assert "13812345678" not in story
    assert "备用钥匙" in story


async def test_the_task_of_a_contact_ends_with_the_contact(line: Line) -> None:
    """No general list closes it behind the contact's back; every list says where it ends."""
    contact = line.remind(ReasonKind.SERVICE_VISIT)
    browser = await line.office.signed_in("wang")
    listed = await (await browser.session.get(f"{browser.base}/api/v1/tasks?state=open")).json()
    (task,) = listed["items"]
    assert (task["about"], task["customer_name"]) == (f"contact:{contact}", "李雷")
    for step, body in (("claim", {}), ("close", {"result": "好了"}), ("release", {})):
        answer = await browser.post(f"/api/v1/tasks/{task['id']}/{step}", body)
        assert answer.status == 409
        assert (await answer.json())["error_id"] == "task-elsewhere"
    page = await (await browser.session.get(f"{browser.base}/tasks?scope=free")).text()
    assert f'href="/contacts/{contact}"' in page
    assert "data-act" not in page[page.index(f'data-task="{task["id"]}"') :]
    found = line.office.database.read_now(lambda c: contacts.get_contact(c, contact))
    assert (found.state.value, found.owner_id) == ("open", None)


async def test_a_notice_of_a_case_may_be_put_away_and_its_duty_may_not(line: Line) -> None:
    office, now = line.office, line.office.clock.now()
    office.add_user("boss", Role.MANAGER, name="经理")
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.MAJOR,
        source=CaseSource.CALL,
        subject="刹车异响",
        customer_id=line.customer,
        handler_id=office.users["wang"].id,
    )
    made, _new = line.write(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
    line.write(lambda c: cases.look(c, now, HOURS))
    boss, agent = await office.signed_in("boss"), await office.signed_in("wang")
    (told,) = (await (await boss.session.get(f"{boss.base}/api/v1/tasks?state=mine")).json())["items"]
    assert (told["about"], told["notice"]) == (f"case:{made.id}", True)
    (duty,) = (await (await agent.session.get(f"{agent.base}/api/v1/tasks?state=mine")).json())["items"]
    assert (duty["about"], duty["notice"]) == (f"case:{made.id}", False)
    refused = await agent.post(f"/api/v1/tasks/{duty['id']}/close", {"result": "好了"})
    assert refused.status == 409
    assert (await boss.post(f"/api/v1/tasks/{told['id']}/close", {"result": "已知悉"})).status == 200
    assert line.office.database.read_now(lambda c: cases.get_case(c, made.id)).closed_at is None
