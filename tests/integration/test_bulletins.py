"""What managers tell those who take calls: shown from a moment until another, marked read, told to open pages."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from fixtures_storage import FrozenClock
from fixtures_web import Office
from sqlalchemy import Connection, select

from access.permissions import Role
from access.users import User
from crm.bulletins import BadBulletin, BulletinChanged, BulletinState
from storage import bulletins, users
from storage.database import Database
from storage.tables.access import audit


def test_other_words_are_read_again_and_another_time_is_not(database: Database, clock: FrozenClock) -> None:
    now = clock.now()
    day = timedelta(days=1)

    def work(c: Connection) -> None:
        made = bulletins.add(
            c,
            words={"en": " Open on Sunday "},
            begins_at=now,
            ends_at=now + day,
            now=now,
            by=None,
            by_name="m",
        )
        agent = User(
            id="a" * 26, login="a1", name="A", role=Role.AGENT, language="en", theme="auto", created_at=now
        )
        users.insert_user(c, agent, password_hash="x")
        bulletins.mark_read(c, made.id, agent.id, 1, now)
        assert bulletins.shown(c, agent.id, now)[0].read_at == now
        later = now + timedelta(hours=1)
        bulletins.mark_read(c, made.id, agent.id, 1, later)
        assert bulletins.shown(c, agent.id, now)[0].read_at == now, "the first time stays"
        longer = bulletins.change(
            c,
            made.id,
            based_on=1,
            words={"en": "Open on Sunday"},
            begins_at=now,
            ends_at=now + 2 * day,
            now=later,
            by_name="n",
        )
        assert bulletins.shown(c, agent.id, now)[0].read_at == now
        with pytest.raises(BulletinChanged) as refused:
            bulletins.withdraw(c, made.id, based_on=1, now=later, by_name="m")
        assert refused.value.holder == "n"
        other = bulletins.change(
            c,
            made.id,
            based_on=longer.version,
            words={"en": "Open on Monday"},
            begins_at=now,
            ends_at=now + day,
            now=later,
            by_name="n",
        )
        assert bulletins.shown(c, agent.id, now)[0].read_at is None
        with pytest.raises(BulletinChanged):
            bulletins.mark_read(c, made.id, agent.id, longer.version, later)
        bulletins.mark_read(c, made.id, agent.id, other.version, later)
        assert [(one.name, one.read_at) for one in bulletins.readers(c, made.id)] == [("A", later)]
        assert bulletins.shown(c, agent.id, now + day) == [], "its time is over"
        page = bulletins.listed(c, None, state=BulletinState.SHOWN, now=now, cursor=None, limit=1)
        assert [(one.read, one.readers) for one in page.items] == [(1, 1)]
        with pytest.raises(BadBulletin) as empty:
            bulletins.add(c, words={}, begins_at=now, ends_at=now + day, now=now, by=None, by_name="m")
        assert empty.value.field == "zh-CN"

    database.write_now(work)


async def test_a_notice_stands_on_the_desk_until_it_is_read_and_the_manager_sees_by_whom(
    office: Office,
) -> None:
    manager = await office.signed_in("manager")
    form = {
        "csrf": manager.csrf,
        "zh-CN": "周六延长营业至 20:00",
        "en": "",
        "begins_on": f"{office.clock.now():%Y-%m-%d}",
        "begins_time": "00:00",
        "ends_on": f"{office.clock.now() + timedelta(days=2):%Y-%m-%d}",
        "ends_time": "18:00",
    }
    late = await manager.post("/bulletins/new", data={**form, "ends_time": "6pm"})
    assert (late.status, "周六延长营业" in await late.text()) == (422, True), "what was typed is kept"
    before = office.live.last_id
    assert (await manager.post("/bulletins/new", data=form)).status == 303
    assert office.live.last_id != before, "open pages are told"

    agent = await office.signed_in("agent")
    desk = await (await agent.get("/desk")).text()
    found = re.search(r'data-bulletin="(\w+)"', desk)
    assert found is not None
    assert "周六延长营业至 20:00" in desk
    assert (await agent.get(f"/bulletins/{found[1]}")).status == 403
    assert (await agent.post("/api/v1/bulletins", {})).status == 403
    assert (await agent.post(f"/api/v1/bulletins/{found[1]}/read", {"version": 1})).status == 200
    part = await (await agent.get("/desk/bulletins")).text()
    assert "周六延长营业" in part
    assert "data-bulletin" not in part

    one = await (await manager.get(f"/api/v1/bulletins/{found[1]}")).json()
    read = {who["name"]: who["read_at"] for who in one["readers"]}
    assert {name for name, at in read.items() if at} == {"agent"}
    assert "supervisor" in read
    withdrawn = await manager.post(f"/api/v1/bulletins/{found[1]}/withdraw", {"based_on": 1})
    assert (await withdrawn.json())["state"] == "over"
    assert "周六" not in await (await agent.get("/desk")).text()
    rows = office.database.read_now(
        lambda c: c.execute(select(audit.c.subject).where(audit.c.action == "bulletin_changed")).all()
    )
    assert [row.subject for row in rows] == [f"bulletin:{found[1]}"] * 2
