"""A whole house whose database stops, fills up or has no room for sound: calls go on, the log is whole afterwards.

R21 on PostgreSQL, R24 and R39 with limits an ordinary user may set, R25 with 256 file descriptors.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from fixtures_storage import PostgresServer
from house_truth import (
    TO_COMPLAINTS,
    TO_GATHER,
    doubles,
    end_all,
    free,
    fresh,
    proof,
    settle,
    short_sentences,
)

from lab.agents import Habits
from lab.customers import Listen, Press, Stay

pytestmark = [pytest.mark.asterisk]

HIDDEN_KEY = (
    Listen(seconds=2.0),
    Press(keys="9"),
    Listen(seconds=0.5),
    Press(keys="3"),
    Stay(seconds=60, speaks=True),
)


@asynccontextmanager
async def short_house(storage: dict[str, object] | None = None) -> AsyncIterator[House]:
    short = short_sentences()
    try:
        async with a_house(
            {"ivr": {"prompts": str(short)}, "storage": storage or {}}, agents=("agent1", "agent2")
        ) as house:
            for login in house.agents:
                await house.sign_in(login)
            yield house
    finally:
        shutil.rmtree(short, ignore_errors=True)


async def pings(house: House) -> dict[str, str | None]:
    """What readyz says of each part: None, or what is wrong."""
    async with house.site.session.get(f"{house.site.url}/readyz") as response:
        return {one["name"]: one["reason"] for one in (await response.json())["pings"]}


def talk(house: House, seconds: float) -> None:
    for agent in house.agents.values():
        agent.habits = Habits(answers_after=(0.1, 0.2), talks=(seconds, seconds))


@pytest.mark.postgres
async def test_r21_postgresql_stops_at_once_while_calls_go_on(own_postgres_server: PostgresServer) -> None:
    """R21: the hotline on PostgreSQL; stopped as by a crash: calls go on, facts wait on disk, all is stored later."""
    server = own_postgres_server
    async with short_house({"url": server.url(server.create())}) as house:
        talk(house, 2.0)
        walked = await house.call("13918001001", steps=TO_COMPLAINTS)
        record = await walked.ended(60)
        await settle(house, [record], 20.0)
        [row] = house.rows("SELECT * FROM calls WHERE raw_number = '13918001001'")
        assert row["outcome"] == "answered"
        assert row["customer_id"]
        assert "main=3" in row["keys"]

        talk(house, 600.0)
        talking = await house.call("13700000801", steps=TO_COMPLAINTS)
        await house.state_of(talking, "talking")
        gather = await house.call("13700000802", steps=TO_GATHER)
        await asyncio.sleep(1.0)
        server.stop(signal.SIGQUIT)
        late = await house.call("13700000803", steps=TO_COMPLAINTS)

        async def delayed() -> bool:
            return bool((await pings(house))["saving"])

        await until(delayed, saying="nobody says that saving is delayed")

        async def served() -> bool:
            return all(agent.talking for agent in house.agents.values())

        await until(served, 40.0, saying="a caller without the database reached nobody")
        assert not talking.over
        await gather.hang_up()
        assert (house.site.settings.data / "spool" / "facts.jsonl").stat().st_size > 0
        await asyncio.to_thread(server.start)

        async def stored() -> bool:
            return not (await pings(house))["saving"]

        await until(stored, 30.0, saying="saving stays delayed")
        records = [*await end_all([talking, late]), await gather.ended()]
        await settle(house, records, 30.0)
        for one in records:
            facts = house.rows(
                "SELECT f.kind, f.at FROM call_facts f JOIN calls c ON c.id = f.call_id"
                " WHERE c.raw_number = ? AND f.source = 'agi' ORDER BY f.at",
                one.caller,
            )
            assert facts[0]["kind"] == "ivr_started"
        assert not doubles(house)
        await free(house)
        assert not await proof(house)


# --- one house on SQLite for the rest


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with short_house() as built:
        yield built


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """A process under a lower soft limit (prlimit)."""
    soft, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, what, (soft, hard))


@pytest.mark.asyncio(loop_scope="module")
async def test_r24_no_room_for_the_database(house: House) -> None:
    """R24: no file may grow: inbound is still answered and reaches an agent; it recovers by itself."""
    await fresh(house)
    talk(house, 2.0)
    with limited(house.site.pid("service"), resource.RLIMIT_FSIZE, 8192):
        placed = await house.call("13700000811", steps=TO_COMPLAINTS)

        async def delayed() -> bool:
            return bool((await pings(house))["saving"])

        await until(delayed, 30.0, saying="nobody says that saving is delayed")
        record = await placed.ended(60)
        assert [
            one for one in house.lab.records() if one.kind == "agent" and one.caller.endswith("13700000811")
        ]
        headers = {"Idempotency-Key": "no-room-no-dial"}
        body = {"agent_id": house.person("agent1").id, "number": "13700000812"}
        async with house.site.session.post(
            f"{house.site.url}/api/v1/calls", json=body, headers=headers
        ) as answer:
            assert answer.status >= 400, "it dialed though the row could not be kept"

    async def stored() -> bool:
        return not (await pings(house))["saving"]

    await until(stored, 30.0, saying="saving stays delayed")
    await settle(house, [record], 30.0)
    assert not house.rows("SELECT id FROM calls WHERE called LIKE '%13700000812'")
    assert not doubles(house)
    await free(house)
    assert not await proof(house)


@pytest.mark.asyncio(loop_scope="module")
async def test_r39_no_folder_for_recordings(house: House) -> None:
    """R39: the call is not affected; its row says that there is no recording and why; the next one has one."""
    await fresh(house)
    talk(house, 2.0)
    folder = house.site.settings.data / "recordings"
    aside = folder.with_name("recordings-aside")
    folder.rename(aside)
    try:
        placed = await house.call("13700000821", steps=TO_COMPLAINTS)
        await settle(house, [await placed.ended(60)], 20.0)
    finally:
        aside.rename(folder)
    [row] = house.rows(
        "SELECT r.* FROM recordings r JOIN calls c ON c.id = r.call_id WHERE c.raw_number = '13700000821'"
    )
    assert row["state"] == "failed"
    assert row["why"]
    await fresh(house)
    placed = await house.call("13700000822", steps=TO_COMPLAINTS)
    refused = await house.call("13700000823", steps=HIDDEN_KEY)
    await settle(house, [await placed.ended(60), await refused.ended(60)], 20.0)

    async def kept() -> bool:
        return bool(
            house.rows(
                "SELECT r.id FROM recordings r JOIN calls c ON c.id = r.call_id"
                " WHERE c.raw_number = '13700000822' AND r.state = 'kept'"
            )
        )

    await until(kept, 40.0, saying="the recording was never measured")
    # C08: 9 was pressed at the notice.
    assert not house.rows(
        "SELECT r.id FROM recordings r JOIN calls c ON c.id = r.call_id"
        " WHERE c.raw_number = '13700000823' AND r.state IN ('running', 'kept')"
    )
    [row] = house.rows("SELECT recording FROM calls WHERE raw_number = '13700000823'")
    assert not row["recording"]
    named = house.rows("SELECT id FROM recordings WHERE state IN ('running', 'kept')")
    assert len(list(folder.glob("*.wav"))) == len(named)


@pytest.mark.asyncio(loop_scope="module")
async def test_r25_few_descriptors_and_many_idle_connections(house: House) -> None:
    """R25: 256 descriptors and 300 connections that say nothing: calls are unaffected, and nothing spins."""
    await fresh(house)
    talk(house, 2.0)
    await house.site.stop("service")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        await house.site.start_service()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # The child's hard limit stays high, so that it must keep to the soft one itself.
    port = house.site.settings.web.port
    writers = []
    try:
        for _ in range(300):
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            writers.append(writer)
        before = cpu_seconds(house.site.pid("service"))
        placed = [await house.call(f"1370000083{number}", steps=TO_COMPLAINTS) for number in range(2)]
        records = [await one.ended(60) for one in placed]
        spent = cpu_seconds(house.site.pid("service")) - before
        assert spent < 5.0, f"the service spun for {spent:.1f} s"
    finally:
        for writer in writers:
            writer.close()
    await settle(house, records, 30.0)
    assert {
        row["outcome"] for row in house.rows("SELECT outcome FROM calls WHERE raw_number LIKE '1370000083_'")
    } == {"answered"}
    assert not doubles(house)
    await free(house)
    assert not await proof(house)


def cpu_seconds(pid: int) -> float:
    """Processor time a process has had."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
