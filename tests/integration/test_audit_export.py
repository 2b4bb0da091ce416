"""C10 and features 190, 191: sealed exports, views written down, and what stands out in the audit log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Office
from hypothesis import given
from hypothesis import strategies as st
from sweep_objects import NUMBER, customer

from access.audit import Action, Entry
from access.ids import new_id
from access.seals import SealBroken, check, seal
from access.suspicion import Limits, Look, Pattern, suspicious
from storage import audit
from telephony.calls import Direction

KEY = b"k" * 32
NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
ROWS = [{"id": str(n), "text": f"第{n}行", "n": n} for n in range(5)]
LINES = list(seal({"number": "+8613812345678"}, ROWS, KEY))


def test_c10_a_whole_file_is_whole_with_and_without_the_key() -> None:
    assert (check(LINES, KEY).rows, check(LINES, KEY).signed) == (5, True)
    assert check(LINES).signed is None
    with pytest.raises(SealBroken, match="signature"):
        check(LINES, b"x" * 32)


@given(st.data())
def test_c10_any_change_shows(data: st.DataObject) -> None:
    lines = list(LINES)
    what = data.draw(st.sampled_from(["drop", "swap", "twice", "change", "append"]))
    place = data.draw(st.integers(0, len(lines) - 1))
    if what == "drop":
        del lines[place]
    elif what == "swap":
        other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != place))
        lines[place], lines[other] = lines[other], lines[place]
    elif what == "twice":
        lines.insert(place, lines[place])
    elif what == "append":
        lines.append(lines[place])
    else:
        line = lines[place]
        at = data.draw(st.integers(0, len(line) - 1))
        letter = data.draw(st.characters(exclude_categories=["Cs"]))
        if letter == line[at]:
            return
        lines[place] = line[:at] + letter + line[at + 1 :]
    with pytest.raises(SealBroken):
        check(lines, KEY)


async def test_c10_every_call_of_a_number_in_order_and_nobody_elses(office_on_each: Office) -> None:
    office = office_on_each
    now = office.clock.now()
    wanted = []
    for days in (1, 400, 5 * 365, 30, 5 * 366 + 10):
        at = now - timedelta(days=days)
        made = office.add_call(number=NUMBER, started_at=at, ended_at=at, direction=Direction.OUTBOUND)
        wanted.append((at, str(made.id)))
    unread = office.add_call(number=None, raw_number="13812345678", started_at=now - timedelta(days=2))
    office.add_call(number="+8613812345679")
    manager = await office.signed_in("manager")
    body = {"number": "138 1234 5678", "reason": "通信管理局 2026-17"}
    answer = await manager.post("/api/v1/audit/calls", body)
    assert answer.status == 200, await answer.text()
    lines = (await answer.text()).splitlines(keepends=True)
    found = check(lines, office.services.audit._key)  # type: ignore[attr-defined]
    rows = [json.loads(line) for line in lines[1:-1]]
    inside = sorted(
        [one for one in wanted if one[0] > now - timedelta(days=365.25 * 5)]
        + [(unread.started_at, str(unread.id))]
    )
    assert [row["id"] for row in rows if row["kind"] == "call"] == [one[1] for one in inside]
    assert found.header["calls"] == len(inside)
    entries = office.database.read_now(lambda connection: audit.list_entries(connection, action="exported"))
    assert "2026-17" in str(entries)
    assert NUMBER[3:] not in str(entries), "the audit log names no whole number"
    refused = await (await office.signed_in("supervisor")).post("/api/v1/audit/calls", body)
    assert refused.status == 403


async def test_every_view_of_a_customer_is_a_row_and_a_reload_is_not_another(office: Office) -> None:
    whose = customer(office)
    supervisor = await office.signed_in("supervisor")
    path = f"/api/v1/customers/{whose}/circulation"
    for _ in range(3):
        assert (await supervisor.get(path)).status == 200
    await office.views.flush()

    def views() -> list[Entry]:
        return office.database.read_now(
            lambda connection: audit.list_entries(connection, action="viewed", subject=f"customer:{whose}")
        )

    assert [entry.actor_name for entry in views()] == ["supervisor"]
    office.clock.advance(61)
    await supervisor.get(path)
    await office.views.flush()
    assert len(views()) == 2


async def test_views_outlive_a_store_that_was_away(office: Office) -> None:
    manager = await office.signed_in("manager")
    real = office.services.audit.append_all

    async def away(entries: object) -> None:
        raise OSError("away")

    office.views.replace_store(away)
    await manager.get(f"/api/v1/customers/{customer(office)}/circulation")
    with pytest.raises(OSError, match="away"):
        await office.views.flush()
    assert office.views.waiting == 1
    office.views.replace_store(real)
    await office.views.flush()
    assert office.views.waiting == 0


async def test_the_log_is_asked_by_who_what_whose_and_when(office_on_each: Office) -> None:
    office = office_on_each
    manager = await office.signed_in("manager")
    agent = office.users["agent"]
    for hours in range(4):
        at = office.clock.now() - timedelta(hours=hours)
        row = Entry(
            id=new_id(at),
            at=at,
            action=Action.VIEWED,
            actor_name="agent",
            actor_id=agent.id,
            subject=f"customer:C{hours}",
        )
        office.database.write_now(lambda connection, row=row: audit.append(connection, row))

    async def ask(**query: str) -> list[str]:
        answer = await (await manager.get("/api/v1/audit", params=query)).json()
        return [one["subject"] for one in answer["items"]]

    since = (office.clock.now() - timedelta(hours=2, minutes=1)).isoformat()
    assert await ask(actor_id=agent.id, since=since) == ["customer:C0", "customer:C1", "customer:C2"]
    assert await ask(action="viewed", subject="customer:C3") == ["customer:C3"]
    assert (await manager.get("/api/v1/audit", params={"since": "2026-06-16T02:00:00"})).status == 400


def looks(count: int, at: datetime, prefix: str = "customer:C") -> list[Look]:
    return [
        Look(
            actor_id="A",
            actor_name="王",
            at=at + timedelta(seconds=n),
            action="viewed",
            subject=f"{prefix}{n}",
        )
        for n in range(count)
    ]


def test_m049_what_stands_out_is_listed() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    limits = Limits(views_an_hour=60, key_accounts_a_day=5)
    keys = {f"K{n}": "B" for n in range(9)} | {"C0": "A"}

    def patterns(some: list[Look]) -> list[Pattern]:
        return [one.pattern for one in suspicious(some, key_accounts=keys, zone=zone, limits=limits)]

    assert patterns(looks(59, NOW)) == []
    assert patterns(looks(60, NOW)) == [Pattern.MANY]
    assert patterns(looks(1, NOW) * 500) == [], "the same record again and again is not many records"
    assert patterns(looks(1, NOW.replace(hour=18))) == [Pattern.NIGHT], "02:00 in Shanghai"
    assert patterns(looks(5, NOW, "customer:K")) == [Pattern.KEY_ACCOUNTS]
    assert patterns(looks(1, NOW, "customer:C")) == [], "one's own key account"
