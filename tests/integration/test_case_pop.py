"""The desk's pop names a caller's open cases, and no number to those who may not read one."""

from __future__ import annotations

from fixtures_desk import Switchboard
from fixtures_web import OfficeMaker
from sqlalchemy import Connection

from access.permissions import Role
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from storage import cases
from telephony.hours import CalendarOptions, WorkingTime

HOURS = WorkingTime.from_options(CalendarOptions())


async def test_a_pop_shows_what_the_caller_still_waits_for(make_office: OfficeMaker) -> None:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    board = Switchboard(office)
    board.own_phone("wang")
    customer = board.customer("李雷", "+8613812345678")
    now = office.clock.now()

    def work(connection: Connection) -> str:
        made, _new = cases.open_case(
            connection,
            NewCase(
                kind=CaseKind.COMPLAINT,
                grade=Grade.ORDINARY,
                source=CaseSource.CALL,
                subject="请回电 13812345678 说明异响",
                customer_id=customer,
            ),
            by=None,
            now=now,
            hours=HOURS,
        )
        return made.number

    number = office.database.write_now(work)
    call = await board.call()
    await board.ring("wang", call)
    browser = await office.signed_in("wang")
    answer = await browser.session.get(f"{browser.base}/api/v1/desk/now")
    told = await answer.text()
    assert answer.status == 200
    assert number in told
    assert "说明异响" in told
    assert "13812345678" not in told
    assert f"/cases/new?call_id={call.id}" in told
