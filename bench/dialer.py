"""`python -m bench dialer`: attempts a second, durable, from due targets to the INVITE that SIPp sees.

Beside it, on the same Asterisk and the same trunk in the same run: a bare loop that sends AMI Originate, one after the
answer to the other, and stores nothing. SIPp is the carrier: it says busy to every call, and its own message log tells
when each INVITE came. Options: --calls N, --repeat N, --engine sqlite|postgres|both, --quick.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.figures import Figure
from campaigns.campaigns import Campaign, CampaignStep, Mode, Purpose
from campaigns.rules import Rules
from campaigns.targets import NewTarget
from config.secrets import switch_secrets
from config.site import Site, private_ports
from lab.ami import Ami
from lab.network import die_with_parent, free_port
from storage import campaign_targets, campaigns, customers
from storage.database import Database
from telephony.asterisk import names
from telephony.asterisk.install import ensure_asterisk, find_tool
from telephony.numbers import E164

ROOT: Final = Path(__file__).resolve().parents[1]
_ALWAYS: Final = [
    {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "open": "00:00", "close": "24:00"}
]
#: Calls at the beginning and the end of a run that are left out of its rate.
_EDGE: Final = 0.05
_BUSY: Final = """<?xml version="1.0"?><scenario name="busy">
<recv request="INVITE"/>
<send retrans="500"><![CDATA[
SIP/2.0 486 Busy Here
[last_Via:]
[last_From:]
[last_To:];tag=[call_number]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
<recv request="ACK"/>
</scenario>
"""


def run(options: Sequence[str]) -> dict[str, Figure]:
    """Both ways on each engine; the median of the repeats."""
    parser = argparse.ArgumentParser(prog="python -m bench dialer")
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--engine", choices=("sqlite", "postgres", "both"), default="both")
    parser.add_argument("--quick", action="store_true", help="300 calls, once")
    chosen = parser.parse_args(options)
    calls, repeat = (300, 1) if chosen.quick else (chosen.calls, chosen.repeat)
    engines = ("sqlite", "postgres") if chosen.engine == "both" else (chosen.engine,)
    figures: dict[str, Figure] = {}
    for engine in engines:
        ours, floor = asyncio.run(_measure(engine, calls, repeat))
        figures[f"attempts, {engine}"] = Figure(
            value=median(ours), unit="INVITE/s", peers={"bare Originate loop": median(floor)}
        )
    return figures


async def _measure(engine: str, calls: int, repeat: int) -> tuple[list[float], list[float]]:
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-dialer-"))
    ours: list[float] = []
    floor: list[float] = []
    try:
        async with (
            _database(engine, folder) as url,
            _house(folder, url) as site,
            _carrier(site, folder) as log,
        ):
            database = Database(site.settings.database_url)
            people = await asyncio.to_thread(_people, database, calls)
            for number in range(repeat):
                floor.append(await _bare(site, log, calls))
                ours.append(await _dialed(database, log, people, number, calls))
                print(f"{engine}: ours {ours[-1]:.0f}, bare loop {floor[-1]:.0f} INVITE/s", flush=True)
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ours, floor


@asynccontextmanager
async def _database(engine: str, folder: Path) -> AsyncIterator[str]:
    if engine == "sqlite":
        yield ""
        return
    sys.path.insert(0, str(ROOT / "tests"))
    from fixtures_storage import PostgresServer  # type: ignore[import-not-found]

    server = PostgresServer(folder / "pg")
    await asyncio.to_thread(server.start)
    try:
        yield server.url()
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _house(folder: Path, url: str) -> AsyncIterator[Site]:
    settings: dict[str, Any] = {
        **private_ports(),
        "calendar": {"holidays": "", "spans": _ALWAYS},
        "campaigns": {"lines_kept": 0},
        "crm": {
            "contactability": {
                "spans": _ALWAYS,
                "on_holidays": True,
                "hours_apart": 0,
                "number_a_day": 10,
                "person_a_day": 10,
            }
        },
    }
    telephony = dict(settings.get("telephony", {}))
    telephony["trunk"] = {
        **telephony.get("trunk", {}),
        "channels": 2000,
        "calls_per_second": 1000,
        "codecs": ["ulaw"],
    }
    settings["telephony"] = telephony
    if url:
        settings["storage"] = {"url": url}
    site = Site(folder=folder / "site", cache=ROOT / ".cache", overrides=settings)
    await asyncio.to_thread(ensure_asterisk, ROOT / ".cache")
    await asyncio.to_thread(site.prepare, sample=False)
    try:
        await site.start_switch()
        await site.start_service()
        yield site
    finally:
        await site.close()


@asynccontextmanager
async def _carrier(site: Site, folder: Path) -> AsyncIterator[Path]:
    """SIPp at the trunk's address; gives its log of messages."""
    place = folder / "carrier"
    place.mkdir()
    (place / "busy.xml").write_text(_BUSY, "utf-8")
    tool = await asyncio.to_thread(find_tool, ROOT / ".cache", "sipp")
    log = place / "messages.csv"
    trunk = site.settings.telephony.trunk
    process = await asyncio.create_subprocess_exec(
        *tool, "-sf", "busy.xml", "-i", "127.0.0.1", "-p", str(trunk.port), "-mi", "127.0.0.1",
        "-mp", str(free_port(socket.SOCK_DGRAM, "127.0.0.1")), "-aa", "-nostdin",
        "-trace_shortmsg", "-shortmessage_file", str(log),
        cwd=place, env={**os.environ, "TERM": "dumb"}, preexec_fn=die_with_parent,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        await asyncio.sleep(2)
        yield log
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _people(database: Database, count: int) -> list[str]:
    now = datetime.now(UTC)

    def work(connection: Any) -> list[str]:
        found: list[str] = []
        for place in range(count):
            one = customers.add_customer(connection, name=f"客户{place}", now=now)
            customers.add_contact(connection, one.id, E164(f"+86138{place:08d}"), now)
            found.append(one.id)
        return found

    return database.write_now(work)


def _put_up(database: Database, people: Sequence[str], number: int) -> Campaign:
    now = datetime.now(UTC)

    def work(connection: Any) -> Campaign:
        made = campaigns.create(
            connection,
            name=f"bench {number}",
            purpose=Purpose.SERVICE_VISIT,
            mode=Mode.AGENTLESS,
            flow="campaign_maintenance",
            now=now,
            rules=Rules(most_calls=500, ring_seconds=15),
        )
        campaign_targets.add(connection, made, [NewTarget(customer_id=one, key=one) for one in people], now)
        return campaigns.step(connection, made.id, CampaignStep.START, now)

    return database.write_now(work)


async def _dialed(database: Database, log: Path, people: Sequence[str], number: int, calls: int) -> float:
    before = len(_invites(log))
    campaign = await asyncio.to_thread(_put_up, database, people, number)
    rate = await _rate(log, before, calls)
    await database.write(lambda c: campaigns.step(c, campaign.id, CampaignStep.FINISH, datetime.now(UTC)))
    return rate


async def _bare(site: Site, log: Path, calls: int) -> float:
    before = len(_invites(log))
    switch = site.settings.telephony.switch
    secrets = switch_secrets(switch, site.settings.data)
    ami = Ami(lambda _message: None)
    await ami.connect(switch.ami_host, switch.ami_port, switch.ami_actions_user, secrets.ami_actions_secret)
    mark = os.urandom(4).hex()
    for place in range(calls):
        headers = {
            "Channel": f"PJSIP/+86138{place:08d}@{names.TRUNK}",
            "Context": names.HOLD,
            "Exten": "s",
            "Priority": "1",
            "ChannelId": f"b{mark}-{place}",
            "Async": "true",
            "Timeout": "15000",
        }
        await ami.do("Originate", headers, id=f"b{mark}-{place}")
    rate = await _rate(log, before, calls)
    await ami.close()
    return rate


async def _rate(log: Path, before: int, calls: int) -> float:
    """INVITEs a second in the middle of a run that is over when all of them have come. Raises TimeoutError."""
    async with asyncio.timeout(120):
        while len(found := _invites(log)) < before + calls:  # noqa: ASYNC110 - SIPp's log tells nobody
            await asyncio.sleep(0.25)
    mine = sorted(found[before : before + calls])
    edge = int(len(mine) * _EDGE)
    middle = mine[edge : len(mine) - edge]
    return (len(middle) - 1) / (middle[-1] - middle[0])


def _invites(log: Path) -> list[float]:
    """When SIPp received each INVITE, epoch seconds; a repeated one counts once."""
    seen: dict[str, float] = {}
    if not log.exists():
        return []
    for line in log.read_text("utf-8", "replace").splitlines():
        fields = line.split("\t")
        if len(fields) >= 6 and fields[-4] == "R" and fields[-1].startswith("INVITE "):
            seen.setdefault(fields[-3], float(fields[-5]))
    return list(seen.values())
