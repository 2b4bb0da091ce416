"""Responses of the sample dealership are there once, over three months, and open no case."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import User
from config.books.survey_seed import seed
from storage import samples, survey_samples, users
from storage.database import Database
from storage.tables.cases import cases
from storage.tables.surveys import responses
from telephony.clock import Clock
from telephony.hours import CalendarOptions, WorkingTime

HOURS = WorkingTime.from_options(CalendarOptions())


def test_the_samples_responses_come_once(database: Database, clock: Clock) -> None:
    now = clock.now()
    user = User(
        id="01ARZ3NDEKTSV4RRFFQ69G5FA0",
        login="agent1",
        name="agent1",
        role=Role.AGENT,
        language="zh-CN",
        theme="auto",
        created_at=now,
    )

    def work(connection: Connection) -> list[int]:
        users.insert_user(connection, user, password_hash="x")
        samples.load(connection, now)
        seed(connection, now)
        return [survey_samples.load(connection, now, HOURS) for _ in range(2)]

    # 44 by agents, 6 by link.
    assert database.write_now(work) == [50, 0]

    def count(connection: Connection) -> tuple[int, int, int]:
        rows = select(func.count()).select_from(responses)
        return (
            connection.execute(rows.where(responses.c.state == "finished")).scalar_one(),
            connection.execute(rows.where(responses.c.begun_at < now - timedelta(days=60))).scalar_one(),
            connection.execute(select(func.count()).select_from(cases)).scalar_one(),
        )

    finished, early, opened = database.read_now(count)
    assert finished >= 36
    assert early >= 10
    assert opened == 0
