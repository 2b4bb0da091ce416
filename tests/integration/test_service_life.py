"""The service as a whole: alone on its folder, not ended by one fact, and its end is bounded."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection
from waiting import PATIENCE, SLACK

from config.locks import LOCK_FILE, hold_folder
from config.service import Service
from config.settings import Settings, SettingsError
from storage.database import Database
from telephony.asterisk.ami import AmiEvent
from telephony.facts import Fact, FactKind, Source

_HOLDER = """
import sys, time
from pathlib import Path
from config.locks import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


async def _run(data: Path) -> None:
    await Service(Settings(data=data)).run(asyncio.Event())


def test_a_second_careline_on_the_same_folder_starts_nothing(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SettingsError, match="another Careline"):
            asyncio.run(_run(tmp_path))
        assert {path.name for path in tmp_path.glob("*.db*")} == set()
        holder.kill()
    with hold_folder(tmp_path):  # whatever the other died of
        assert (tmp_path / LOCK_FILE).exists()


async def test_a_fact_that_cannot_be_followed_does_not_end_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = Service(Settings(data=tmp_path))
    followed: list[str] = []
    done = asyncio.Event()

    async def follow(facts: list[Fact], _call_of: object) -> None:
        if facts[0].uniqueid == "odd":
            raise KeyError("a mistake of ours")
        followed.append(facts[0].uniqueid)
        done.set()

    monkeypatch.setattr(service.agents, "follow", follow)
    for uniqueid in ("odd", "good"):
        at = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
        service._following.put_nowait(
            Fact(
                source=Source.AMI,
                key=uniqueid,
                kind=FactKind.RINGING,
                at=at,
                linkedid="l",
                uniqueid=uniqueid,
                data={},
            )
        )
    following = asyncio.create_task(service._follow())
    await asyncio.wait_for(done.wait(), PATIENCE)
    assert followed == ["good"]
    assert not following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    service.database.close()


@pytest.mark.parametrize(
    ("keys", "ended"),
    [
        ({"DestChannel": "PJSIP/careline-trunk-00000001", "DestUniqueid": "careline-1795314428.1"}, True),
        ({"DestChannel": "Local/x@careline-outbound-00000001;1", "DestUniqueid": "careline-1795.1"}, True),
        ({"DestChannel": "PJSIP/pdesk-00000000", "DestUniqueid": "01M808K8VG37RMJCZXF5D7RHME"}, False),
        (
            {
                "Channel": "PJSIP/pdesk-00000000",
                "Uniqueid": "01M808K8VG37RMJCZXF5D7RHME",
                "DestChannel": "PJSIP/careline-trunk-00000001",
                "DestUniqueid": "careline-1795314428.1",
            },
            False,
        ),
    ],
)
async def test_s16_what_a_phone_forwards_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: dict[str, str], ended: bool
) -> None:
    """S16: an Originate follows a phone's 302; the leg it dials has no caller and no id of ours."""
    service = Service(Settings(data=tmp_path))
    gone: list[str] = []

    async def hang_up(channel: str) -> None:
        gone.append(channel)

    monkeypatch.setattr(service.switch, "hang_up", hang_up)
    raw = "".join(f"{key}: {value}\r\n" for key, value in {"Event": "DialBegin", **keys}.items()) + "\r\n"
    await service._take_events([AmiEvent(raw.encode())])
    await asyncio.gather(*service._orders)
    assert gone == [keys["DestChannel"]] * ended
    assert service.forwards_ended == len(gone)
    service.database.close()


async def test_agents_behind_their_calls_are_asked_for_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What there is no room for is counted, and afterwards the switch says who is on a call."""
    monkeypatch.setattr("config.service._FOLLOW_LIMIT", 2)
    service = Service(Settings(data=tmp_path))
    followed: list[str] = []
    asked, third = asyncio.Event(), asyncio.Event()

    async def follow(facts: list[Fact], _call_of: object) -> None:
        followed.extend(fact.uniqueid for fact in facts)
        if len(followed) == 3:
            third.set()

    async def reconcile() -> None:
        asked.set()

    monkeypatch.setattr(service.agents, "follow", follow)
    monkeypatch.setattr(service, "_reconcile", reconcile)
    events = [
        AmiEvent(
            f"Event: Hangup\r\nChannel: PJSIP/pdesk-{n}\r\nUniqueid: c-1.{n}\r\nLinkedid: c-1.0\r\n\r\n".encode()
        )
        for n in range(3)
    ]
    await service._take_events(events)
    assert service.follow_dropped == 1
    following = asyncio.create_task(service._follow())
    await asyncio.wait_for(asked.wait(), PATIENCE)
    assert followed == ["c-1.0", "c-1.1"]
    asked.clear()
    await service._take_events(events[:1])
    await asyncio.wait_for(third.wait(), PATIENCE)
    await asyncio.sleep(0)
    assert not asked.is_set(), "once is enough"
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    service.database.close()


async def test_r29_work_that_hangs_cannot_hold_up_the_end(sqlite_url: str) -> None:
    """A frozen server answers no query; the process ends all the same."""
    database = Database(sqlite_url, readers=1, writers=1, pool_seconds=0.2)
    go_on = threading.Event()

    def hang(_connection: Connection) -> None:
        go_on.wait(30)

    waits = [asyncio.ensure_future(database.read(hang)), database.start_write(hang)]
    await asyncio.sleep(0)
    began = time.monotonic()
    await asyncio.to_thread(database.close, patience_seconds=0.3)
    assert time.monotonic() - began < 5 + SLACK
    go_on.set()
    await asyncio.gather(*waits, return_exceptions=True)
