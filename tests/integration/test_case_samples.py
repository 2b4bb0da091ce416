"""The sample dealership's cases go their way on both databases, once."""

from __future__ import annotations

from access.permissions import Role
from access.users import User
from crm.cases.cases import CaseState
from storage import case_samples, cases, samples, users
from storage.database import Database
from telephony.clock import Clock
from telephony.hours import CalendarOptions, WorkingTime

HOURS = WorkingTime.from_options(CalendarOptions())


def test_the_samples_cases_open_once_and_stand_where_they_should(database: Database, clock: Clock) -> None:
    now = clock.now()
    for place, login in enumerate(("agent1", "agent2")):
        user = User(
            id=f"01ARZ3NDEKTSV4RRFFQ69G5FA{place}",
            login=login,
            name=login,
            role=Role.AGENT,
            language="zh-CN",
            theme="auto",
            created_at=now,
        )
        database.write_now(lambda c, user=user: users.insert_user(c, user, password_hash="x"))  # type: ignore[misc]
    database.write_now(lambda connection: samples.load(connection, now))
    assert database.write_now(lambda connection: case_samples.load(connection, now, HOURS)) == 6
    assert database.write_now(lambda connection: case_samples.load(connection, now, HOURS)) == 0
    known = database.read_now(
        lambda connection: connection.exec_driver_sql("SELECT id FROM cases").scalars().all()
    )
    found = [database.read_now(lambda c, one=one: cases.get_case(c, one)) for one in known]  # type: ignore[misc]
    states = {one.subject[:6]: (one.state, one.round) for one in found}
    assert states["保养后左前轮"] == (CaseState.ACCEPTED, 1)
    assert states["取车等候超过"] == (CaseState.REPLIED, 1)
    assert states["高速行驶中动"] == (CaseState.ASSIGNED, 2)
    assert states["表扬服务顾问"] == (CaseState.CLOSED, 1)
    assert any(one.is_overdue(now) for one in found)
