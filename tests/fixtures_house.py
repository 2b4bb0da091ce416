"""A whole house for acceptance tests: Asterisk, the service, and the outside world, each its own process."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from sqlalchemy import make_url
from waiting import PATIENCE, until

from config.site import Person, Site, merged, private_ports
from lab.agents import Agent, Habits
from lab.customers import Customer
from lab.network import LabBinary
from lab.network import Phone as LabPhone
from lab.outside import DIRECTORY, Answers
from lab.world import Lab, Placed
from telephony.asterisk.install import AsteriskBinary, ensure_asterisk
from telephony.phones import PhoneKind

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "open": "00:00", "close": "24:00"}]
QUEUE = {"wrapup_seconds": 1, "missed_before_pause": 0}
#: A menu without a word: whoever calls is known and stands in the queue at once, and presses nothing.
STRAIGHT = """\
flow: straight
language: zh-CN
start: who_calls
way_out: queue
nodes:
  who_calls: {{do: identify, by: caller, found: queue, several: queue, unknown: queue}}
  queue: {{do: queue, queue: {queue}, priority: 1}}
"""
#: Whoever answers outside talks until the other side ends: how long a test takes for its steps decides nothing.
STAYS = (*DIRECTORY[:-1], replace(DIRECTORY[-1], does=Answers(after=(1.0, 2.0), talks=None)))
#: So long a service may stand still before the switch takes its callers away: longer than a busy machine makes it.
#: Tests of that very promise set the shipped 3 s.
PATIENT = {"ivr": {"step_margin_seconds": 10}}
#: The shipped service menu, where `a_house` leads its first number straight to a queue.
WITH_MENU = "4008005678"


def when(text: str | None) -> float:
    """An API moment as epoch seconds; 0 for none."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp() if text else 0.0


@dataclass
class House:
    """One dealership and the world around it."""

    site: Site
    lab: Lab
    binary: AsteriskBinary
    agents: dict[str, Agent]
    #: When each call was placed, by the outside world's own id of it.
    placed_at: dict[str, float] = field(default_factory=dict)

    def person(self, login: str) -> Person:
        return self.site.people[login]

    async def sign_in(self, login: str, queues: Mapping[str, int] | None = None) -> None:
        person = self.person(login)
        phone = person.phone(PhoneKind.DESK).endpoint
        await self.site.post(f"/agents/{person.id}/sign-in", {"phone": phone, "queues": queues})

    async def call(self, caller: str = "13918001001", called: str = "4008001234", **more: Any) -> Placed:
        """A customer calls and does what the test makes her do."""
        began = time.time()
        placed = await self.lab.dial(
            Customer(person="test", caller=caller, called=called, steps=more.pop("steps", ()), **more)
        )
        self.placed_at[placed.id] = began
        return placed

    async def row_of(self, placed: Placed, seconds: float = PATIENCE) -> dict[str, Any]:
        """The log's row of a call: the newest one from the caller's number, and none of an earlier call."""
        began = self.placed_at.get(placed.id, 0.0)

        async def look() -> Any:
            rows = self.rows(
                "SELECT id FROM calls WHERE raw_number = ? ORDER BY started_at DESC LIMIT 1",
                placed.customer.caller,
            )
            row = await self.detail(rows[0]["id"]) if rows else None
            return row if row is not None and when(row["started_at"]) > began - 1.0 else None

        return await until(look, seconds, saying=f"no row for {placed.customer.caller}")  # type: ignore[no-any-return]

    async def detail(self, call_id: str) -> dict[str, Any]:
        """One call as the API shows it to a supervisor."""
        return dict((await self.site.get(f"/calls/{call_id}"))["call"])

    async def state_of(self, placed: Placed, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """The row, once it is in one of these states."""
        row: dict[str, Any] = {}

        async def look() -> bool:
            row.update(await self.row_of(placed))
            return row["state"] in states

        try:
            await until(look, seconds)
        except AssertionError:
            raise AssertionError(f"after {seconds:g} s never {'/'.join(states)}: {row}") from None
        return row

    async def agent_state(self, login: str) -> str:
        listed = await self.site.get("/agents")
        return str(next(one["state"] for one in listed["items"] if one["id"] == self.person(login).id))

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Straight from the database: what is committed, whatever the service says. Rows are read by name."""
        url = self.site.settings.storage.url
        if url.startswith("postgresql"):
            with psycopg.connect(url.replace("+psycopg", ""), row_factory=dict_row) as server:
                wanted = statement.replace("%", "%%").replace("?", "%s")
                return server.execute(wanted.encode(), values).fetchall()
        path = make_url(self.site.settings.database_url).database
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            return list(connection.execute(statement, values))
        finally:
            connection.close()


def _straight_to(queue: str, folder: Path) -> dict[str, Any]:
    """Settings that lead the first number to this queue; the flows are made below `folder`."""
    flows = folder / "flows"
    shutil.copytree(ROOT / "config" / "ivr", flows)
    (flows / "straight.yaml").write_text(STRAIGHT.format(queue=queue), "utf-8")
    numbers = {"4008001234": "straight", WITH_MENU: "service"}
    return {"ivr": {"flows": str(flows)}, "telephony": {"hotline": {"numbers": numbers}}}


@asynccontextmanager
async def a_house(
    overrides: Mapping[str, Any] | None = None,
    *,
    agents: tuple[str, ...] = ("agent1", "agent2"),
    seed: int = 1,
    straight: str = "",
    https: str = "",
) -> AsyncIterator[House]:
    """Build, start and afterwards end a house. Agents' phones are registered; signing in is the test's.

    `straight`: callers of the first number stand in this queue at once, without a menu and without a recording;
    the service menu is at `WITH_MENU`. `https`: the pages have this name and the certificate that the command
    makes for it.
    """
    folder = Path(tempfile.mkdtemp(prefix="careline-house-"))
    cache = ROOT / ".cache"
    binary = await asyncio.to_thread(ensure_asterisk, cache)
    settings: dict[str, Any] = merged(
        merged(
            {
                "telephony": {
                    "trunk": {"codecs": ["ulaw"]},
                    "recording": {"enabled": True},
                    "queues": {
                        "service": {**QUEUE, "fallback": True},
                        "sales": {**QUEUE, "overflow": "service"},
                        "complaints": {**QUEUE, "overflow": "service"},
                        "roadside": {**QUEUE, "overflow": "service"},
                    },
                },
                "calendar": {"holidays": "", "spans": ALWAYS},
            },
            merged(private_ports(), PATIENT),
        ),
        overrides or {},
    )
    if straight:
        settings = merged(settings, await asyncio.to_thread(_straight_to, straight, folder))
    if https:
        tls = {"certificate": str(folder / "data/tls/cert.pem"), "key": str(folder / "data/tls/key.pem")}
        public = f"https://{https}:{settings['web']['port']}"
        settings = merged(settings, {"web": {"public_url": public, "tls": tls}})
    site = Site(folder=folder, cache=cache, overrides=settings)
    await asyncio.to_thread(site.prepare)
    if https:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "config", "pbx", "certificate", "--name", https, "--config", str(site.config),
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert await process.wait() == 0
    lab = Lab(
        LabBinary(argv=binary.argv_prefix, modules=binary.modules_dir, environment=binary.environment),
        folder / "lab",
        trunk=("127.0.0.1", site.settings.telephony.sip.port),
        sip_port=site.settings.telephony.trunk.port,
        seed=seed,
    )
    lab.outside.directory = STAYS
    try:
        await site.start_switch()
        await site.start_service()
        await lab.start()
        port = site.settings.telephony.sip.port
        phones = {
            login: LabPhone(
                endpoint=site.people[login].phone(PhoneKind.DESK).endpoint,
                secret=site.people[login].phone(PhoneKind.DESK).secret,
                host="127.0.0.1",
                port=port,
            )
            for login in agents
        }
        signed = await lab.sign_on_agents(
            list(phones.values()), Habits(answers_after=(0.2, 0.4), talks=(3.0, 3.0))
        )
        yield House(site=site, lab=lab, binary=binary, agents=dict(zip(phones, signed, strict=True)))
    finally:
        await lab.stop()
        await site.close()
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["WITH_MENU", "House", "a_house", "until", "when"]
