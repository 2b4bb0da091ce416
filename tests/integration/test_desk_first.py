"""Whose phone rings does not wait for those who look through lists: a pop's question stands behind nobody's."""

from __future__ import annotations

import asyncio
import threading

from fixtures_desk import Switchboard
from fixtures_web import OfficeMaker, until
from sqlalchemy import Connection
from waiting import PATIENCE

from access.permissions import Role
from storage import screenpop
from storage.database import Database


async def test_a_pop_does_not_wait_for_long_questions(make_office: OfficeMaker) -> None:
    """Every thread that reads for pages is busy with a question that takes long."""
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    board = Switchboard(office)
    board.own_phone("wang")
    li = board.customer("李雷", "+8613812345678")
    browser = await office.signed_in("wang")
    answer = await browser.session.get(f"{browser.base}/api/v1/live")
    call = await board.call()
    over, begun = threading.Event(), threading.Semaphore(0)

    def long(_connection: Connection) -> None:
        begun.release()
        over.wait(60)

    asking = [asyncio.create_task(office.database.read(long)) for _ in range(64)]
    said = b""
    try:
        await until(lambda: begun.acquire(blocking=False))
        await board.ring("wang", call)
        while b"event: pop\n" not in said or not said.endswith(b"\n\n"):
            said += await asyncio.wait_for(answer.content.readany(), PATIENCE)
    finally:
        over.set()
        answer.close()
        await asyncio.gather(*asking)
    assert li in said.decode()


def test_a_pop_finds_everything_by_whose_it_is(sqlite_database: Database) -> None:
    """Never by walking what is open, or the log: a million customers later that takes 14 ms instead of 0.02."""
    asked = [
        text.format(places="?")
        for name, text in vars(screenpop).items()
        if isinstance(text, str) and text.startswith("SELECT") and "{column}" not in text
    ]
    assert len(asked) > 7

    def plans(connection: Connection) -> list[str]:
        return [
            str(row[3])
            for text in asked
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", ("x",) * text.count("?"))
        ]

    found = sqlite_database.read_now(plans)
    assert not [step for step in found if step.startswith("SCAN") or "(state=?" in step]
