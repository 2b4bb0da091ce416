"""Who may reach the switch, and what its processes leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures_switch import (
    CACHE,
    DESK,
    ROOT,
    SECRETS,
    MakeSwitch,
    Manager,
    RunningSwitch,
    switch_options,
    until,
)
from waiting import PATIENCE

from telephony.asterisk import names
from telephony.asterisk.install import AsteriskBinary
from telephony.asterisk.process import AsteriskProcess, NotStarted
from telephony.asterisk.render import render

pytestmark = pytest.mark.asterisk


async def test_s18_rights_of_the_two_users(switch: RunningSwitch, tmp_path: Path) -> None:
    """S18: the events user may do nothing, the actions user no command, no system, no configuration."""
    options = switch.options.switch
    events, answer = await Manager.login(switch, options.ami_events_user, SECRETS.ami_events_secret)
    assert answer["Response"] == "Success"
    trap = tmp_path / "trap"
    for action, headers in (
        ("QueuePause", {"Interface": f"PJSIP/{DESK.endpoint}", "Paused": "true"}),
        ("Originate", {"Channel": f"PJSIP/{DESK.endpoint}", "Application": "Wait", "Data": "1"}),
        ("Command", {"Command": "core show version"}),
    ):
        assert (await events.ask(action, **headers))["Response"] == "Error", action
    await events.close()
    actions, answer = await Manager.login(switch, options.ami_actions_user, SECRETS.ami_actions_secret)
    assert answer["Response"] == "Success"
    for action, headers in (
        ("Command", {"Command": "core show version"}),
        ("GetConfig", {"Filename": "manager.conf"}),
        ("UpdateConfig", {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"}),
        ("Reload", {}),
        (
            "Originate",
            {
                "Channel": f"Local/s@{names.PARKED_AGENT}",
                "Application": "System",
                "Data": f"touch {trap}",
            },
        ),
    ):
        assert (await actions.ask(action, **headers))["Response"] == "Error", action
    assert (await actions.ask("QueueStatus", Queue="service"))["Response"] == "Success"
    assert (await actions.ask("CoreStatus"))["Response"] == "Success"
    await actions.close()
    assert not trap.exists()
    wrong, answer = await Manager.login(switch, options.ami_actions_user, "wrong-secret")
    assert answer["Response"] == "Error"
    await wrong.close()


async def test_s18_only_loopback_listens(switch: RunningSwitch) -> None:
    """S18: AMI and HTTP listen on 127.0.0.1 and nowhere else; so does SIP unless settings say so."""
    listening: dict[int, set[str]] = {}
    for table, state in (("tcp", "0A"), ("tcp6", "0A"), ("udp", "07"), ("udp6", "07")):
        for line in (await asyncio.to_thread(Path(f"/proc/net/{table}").read_text)).splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].rsplit(":", 1)
            if fields[3] == state:
                listening.setdefault(int(port, 16), set()).add(address)
    options = switch.options
    for port in (options.switch.ami_port, options.switch.http_port, options.sip.port):
        assert listening[port] == {"0100007F"}, f"port {port} listens on {listening[port]}"


async def test_members_survive_a_crash(make_switch: MakeSwitch) -> None:
    """Members added at run time are there again after kill -9 and a new start (pbx.md)."""
    switch = await make_switch()
    await switch.command(f"queue add member PJSIP/{DESK.endpoint} to service penalty 0 as {DESK.owner_id}")
    # Asterisk commits its database once a second: a member added just before a crash is lost.
    await until(lambda: _stored(switch.folder.layout.home / "db" / "astdb.sqlite3"), saying="committed")
    await switch.process.kill()
    assert not switch.process.running
    assert await switch.process.start()
    await switch.process.wait_ready()
    assert DESK.owner_id in await switch.command("queue show service")


def _stored(database: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("select value from astdb where key like '/Queue/PersistentMembers/%'")
        return any(DESK.owner_id in value for (value,) in rows)


async def test_a_pause_does_not_reach_the_fallback_queue(switch: RunningSwitch) -> None:
    """Pausing an agent everywhere leaves its phone in the fallback queue unpaused."""
    await switch.command(f"queue add member PJSIP/{DESK.endpoint} to service penalty 0 as {DESK.owner_id}")
    await switch.command(f"queue pause member PJSIP/{DESK.endpoint}")
    assert "paused" in await switch.command("queue show service")
    assert "paused" not in await switch.command(f"queue show {names.FALLBACK_QUEUE}")


async def test_log_has_no_complaint(switch: RunningSwitch) -> None:
    """The rendered files load without an error, and warn of nothing but the wanted catch-all patterns.

    pjproject's own word on a SIP message that came while Asterisk was loading its modules says nothing of our
    files: it depends on when the message came.
    """
    text = (switch.log / "messages.log").read_text()
    bad = [line for line in text.splitlines() if " ERROR[" in line or " WARNING[" in line]
    known = ("'_!'", "registered during operation. Enable PJSIP_SAFE_MODULE")
    assert [line for line in bad if not any(one in line for one in known)] == []


async def test_new_phone_needs_only_a_reload(switch: RunningSwitch) -> None:
    """A phone added later is there after reloading what changed; nothing is restarted."""
    pid = switch.process.pid
    folder = render(
        switch.options, SECRETS, (DESK,), switch.binary, switch.data, [ROOT / "config" / "prompts"]
    )
    assert folder.changed == {"pjsip.conf", "queues.conf", "extensions.conf"}
    assert not folder.needs_restart
    await switch.process.reload(*folder.reloads)
    await until(lambda: _gone(switch), saying="the browser phone is gone")
    assert switch.process.pid == pid
    again = render(
        switch.options, SECRETS, (DESK,), switch.binary, switch.data, [ROOT / "config" / "prompts"]
    )
    assert not again.changed


async def _gone(switch: RunningSwitch) -> bool:
    return "pTestsBrowser001" not in await switch.command("pjsip show endpoints")


async def test_start_takes_over_a_running_one(make_switch: MakeSwitch) -> None:
    """A service that comes back after a crash finds the Asterisk that kept the calls."""
    switch = await make_switch()
    second = AsteriskProcess(binary=switch.binary, folder=switch.folder)
    assert not await second.start()
    assert second.pid == switch.process.pid
    await second.wait_ready()
    await second.stop()
    assert not switch.process.running


async def test_kept_running(make_switch: MakeSwitch) -> None:
    """A killed Asterisk is started again."""
    switch = await make_switch()
    first = switch.process.pid
    keeper = asyncio.create_task(switch.process.keep_running(first_wait=0.1))
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: switch.process.pid not in (None, first), saying="a new process")
    await switch.process.wait_ready()
    keeper.cancel()
    await asyncio.gather(keeper, return_exceptions=True)


async def test_last_words_are_told(asterisk_binary: AsteriskBinary, switch_folder: Path) -> None:
    """R41: why Asterisk did not start reaches the one who started it."""
    folder = render(switch_options(), SECRETS, (), asterisk_binary, switch_folder / "data", [])
    broken = replace(asterisk_binary, argv_prefix=("/bin/sh", "-c", "echo 'ERROR: the disk is full'; exit 1"))
    process = AsteriskProcess(binary=broken, folder=folder)
    await process.start()
    with pytest.raises(NotStarted, match="the disk is full"):
        await process.wait_ready(PATIENCE)
    assert not process.running


def test_run_in_the_foreground_and_stop(asterisk_binary: AsteriskBinary, switch_folder: Path) -> None:
    """`careline pbx run` as an ordinary command: it says when it is ready, and SIGTERM leaves nothing behind."""
    options = switch_options()
    settings = switch_folder / "careline.toml"
    data = switch_folder / "data"
    settings.write_text(
        f'data = "{data}"\ncache = "{CACHE}"\n'
        f"[telephony.sip]\nport = {options.sip.port}\nrtp_first = {options.sip.rtp_first}\n"
        f"rtp_last = {options.sip.rtp_last}\n"
        f"[telephony.switch]\nami_port = {options.switch.ami_port}\nhttp_port = {options.switch.http_port}\n"
        f"agi_port = {options.switch.agi_port}\n"
    )
    program = "from config.commands.pbx import app; app()"
    with subprocess.Popen(
        [sys.executable, "-c", program, "run", "--config", str(settings)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert "is ready" in process.stdout.readline()
        pid = int((data / "asterisk" / "run" / "asterisk.pid").read_text())
        with socket.create_connection(("127.0.0.1", options.switch.ami_port), PATIENCE) as ami:
            assert ami.recv(100).startswith(b"Asterisk Call Manager")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    assert (data / "secrets.json").stat().st_mode & 0o077 == 0


def test_tied_asterisk_dies_with_its_parent(asterisk_binary: AsteriskBinary, switch_folder: Path) -> None:
    """No process is left behind when the one that started it is killed."""
    program = f"""
import asyncio, sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from pathlib import Path
from fixtures_switch import SECRETS, CACHE, switch_options
from telephony.asterisk.install import ensure_asterisk
from telephony.asterisk.render import render
from telephony.asterisk.process import AsteriskProcess
async def main():
    binary = ensure_asterisk(CACHE)
    folder = render(switch_options(), SECRETS, (), binary, Path({str(switch_folder / "data")!r}), [])
    process = AsteriskProcess(binary=binary, folder=folder)
    await process.start()
    await process.wait_ready()
    print(process.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()


async def test_browser_phones_reach_the_websocket(switch: RunningSwitch) -> None:
    """The WebSocket of browser phones speaks SIP; nothing else is served on that port."""
    port = switch.options.switch.http_port

    async def ask(path: str, *headers: str) -> str:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        request = "\r\n".join([f"GET {path} HTTP/1.1", "Host: localhost", *headers, "", ""])
        writer.write(request.encode())
        async with asyncio.timeout(PATIENCE):
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.close()
        await writer.wait_closed()
        return answer

    answer = await ask(
        "/ws",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Protocol: sip",
        "Sec-WebSocket-Version: 13",
    )
    assert answer.startswith("HTTP/1.1 101")
    for path in ("/httpstatus", "/static/", "/ari/channels", "/rawman"):
        assert "404" in (await ask(path)).splitlines()[0], path
