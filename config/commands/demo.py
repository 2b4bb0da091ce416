"""`careline demo`: a working call centre from nothing, with customers who really call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from access.permissions import Role
from config.commands._demo_campaigns import DemoCampaigns, directory
from config.settings import load
from config.site import Person, Site, SiteError, is_free, remove_environment
from lab.agents import Habits
from lab.customers import script
from lab.network import LabBinary, free_port
from lab.network import Phone as LabPhone
from lab.outside import DIRECTORY
from lab.world import Lab
from storage.calls import calls_on_trunk
from storage.database import Database
from storage.samples import sample_callers
from telephony.asterisk.install import InstallError, ensure_asterisk
from telephony.phones import PhoneKind

#: SIP answers of calls that made no channel at ours, so that no row can exist (I4 of the reliability notes).
_NO_CHANNEL = frozenset({0, 401, 404, 488, 503})
#: Longest wait for the last calls to end and the files to be read.
_DRAIN_SECONDS = 90.0
#: The switch's files are read every three seconds.
_FILES_SECONDS = 4.0
#: Simulated agents; agent1's seat is left to whoever looks at the demo.
_SIMULATED = ("agent2", "agent3")
_COLLEAGUES = (("agent3", "孙涛", Role.AGENT),)
#: A simulated agent files nothing and is ready again after this long.
_SIMULATED_WRAPUP_SECONDS = 3.0
#: Ports the demo takes where they are free.
_TCP = {"web": 8080, "ami": 5038, "agi": 4573, "http": 8088}
_UDP = {"sip": 5060, "trunk": 5080}


def demo(
    seconds: Annotated[int, typer.Option(min=0, help="Run unattended for so long; 0: until Ctrl-C.")] = 0,
    report: Annotated[Path | None, typer.Option(help="Write what happened there, as JSON.")] = None,
    rate: Annotated[float, typer.Option(min=0.01, max=20.0, help="Calls a second.")] = 0.2,
    folder: Annotated[Path, typer.Option(help="Where the demo lives.")] = Path(".cache/demo"),
    seed: Annotated[int, typer.Option(help="The same seed, the same callers.")] = 1,
) -> None:
    """Start Asterisk, the service, simulated customers and agents; print what to open."""
    remove_environment()
    try:
        asyncio.run(_demo(folder.absolute(), seconds, report, rate, seed))
    except (SiteError, InstallError, TimeoutError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


async def _demo(folder: Path, seconds: int, report: Path | None, rate: float, seed: int) -> None:
    begin = time.monotonic()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    cache = load(None, {}).cache.absolute()
    binary = ensure_asterisk(cache, say=_say)
    _tell_taken_ports()
    site = Site(folder=folder, cache=cache, overrides=_overrides(), colleagues=_COLLEAGUES)
    _say("Preparing the sample dealership …")
    site.prepare()
    lab = Lab(
        LabBinary(argv=binary.argv_prefix, modules=binary.modules_dir, environment=binary.environment),
        folder / "lab",
        trunk=("127.0.0.1", site.settings.telephony.sip.port),
        sip_port=site.settings.telephony.trunk.port,
        seed=seed,
    )
    try:
        await site.start_switch()
        await site.start_service()
        await lab.start()
        await _sign_on(site, lab)
        _welcome(site, time.monotonic() - begin)
        since = time.time()
        lab.outside.directory = directory(DIRECTORY)
        campaigns = DemoCampaigns(site)
        await campaigns.begin()
        callers = _Callers(site, lab, rate, seed)
        await callers.run(seconds, stop)
        _say("Ending: the last callers hang up …")
        await campaigns.finish()
        await campaigns.settled(_DRAIN_SECONDS)
        found = await _count(site, lab, since)
        found["campaigns"] = await campaigns.count([one for one in lab.records() if one.start >= since])
        if report is not None:
            text = json.dumps(found, indent=2, ensure_ascii=False) + "\n"
            await asyncio.to_thread(report.write_text, text, encoding="utf-8")
        _say(_summary(found))
        kinds = [*found["campaigns"].values(), *(one for name, one in found.items() if name != "campaigns")]
        if any(kind["difference"] for kind in kinds):
            raise SiteError("The log and the outside world do not agree; see the report.")
    finally:
        await lab.stop()
        await site.close()


def _tell_taken_ports() -> None:
    """Say which usual ports are in use, so that nobody looks for the pages where another program answers."""
    taken = [port for port in _TCP.values() if not is_free(port)]
    taken += [port for port in _UDP.values() if not is_free(port, socket.SOCK_DGRAM)]
    if taken:
        found = ", ".join(str(port) for port in sorted(taken))
        _say(f"In use by another program: port {found}. The demo takes free ones in their place.")


def _overrides() -> dict[str, Any]:
    """The demo's settings: default ports where they are free, and a house that is always open."""
    udp_kind = socket.SOCK_DGRAM
    tcp = {name: port if is_free(port) else free_port() for name, port in _TCP.items()}
    udp = {name: port if is_free(port, udp_kind) else free_port(udp_kind) for name, port in _UDP.items()}
    rtp = random.SystemRandom().randrange(20000, 55000, 1000)
    every = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    return {
        "telephony": {
            "sip": {"port": udp["sip"], "rtp_first": rtp, "rtp_last": rtp + 999},
            "trunk": {"port": udp["trunk"], "codecs": ["ulaw"]},
            "switch": {"ami_port": tcp["ami"], "agi_port": tcp["agi"], "http_port": tcp["http"]},
            "recording": {"enabled": True},
            "callback": {"offer_after_seconds": 45},
            "queues": {
                "service": {
                    "label": {"zh-CN": "售后服务", "en": "Service"}, "fallback": True, "wrapup_seconds": 60,
                    "missed_before_pause": 0,
                },
                "sales": {"label": {"zh-CN": "销售咨询", "en": "Sales"}, "overflow": "service", "wrapup_seconds": 60,
                          "missed_before_pause": 0},
                "complaints": {"label": {"zh-CN": "投诉", "en": "Complaints"}, "overflow": "service", "weight": 5,
                               "wrapup_seconds": 60, "missed_before_pause": 0},
                "roadside": {"label": {"zh-CN": "道路救援", "en": "Roadside assistance"}, "overflow": "service",
                             "weight": 10, "wrapup_seconds": 60, "missed_before_pause": 0},
            },
        },
        "crm": {"contactability": {"spans": [{"days": every, "open": "00:00", "close": "24:00"}], "on_holidays": True}},
        "calendar": {"holidays": "", "spans": [{"days": every, "open": "00:00", "close": "24:00"}]},
        "web": {"port": tcp["web"]},
        "log": {"format": "json"},
    }  # fmt: skip


async def _sign_on(site: Site, lab: Lab) -> None:
    """Simulated people behind the sample agents' desk phones, signed into every queue."""
    workers = [site.people[login] for login in _SIMULATED]
    phones = [_lab_phone(site, person) for person in workers]
    await lab.sign_on_agents(phones, Habits(talks=(6.0, 25.0), misses=0.05))
    for person in workers:
        await site.post(
            f"/agents/{person.id}/sign-in", {"phone": person.phone(PhoneKind.DESK).endpoint, "queues": None}
        )


def _lab_phone(site: Site, person: Person) -> LabPhone:
    phone = person.phone(PhoneKind.DESK)
    return LabPhone(
        endpoint=phone.endpoint, secret=phone.secret, host="127.0.0.1", port=site.settings.telephony.sip.port
    )


@dataclass
class _Callers:
    """Customers who call at random, script after script, until told to stop."""

    site: Site
    lab: Lab
    rate: float
    seed: int

    async def run(self, seconds: int, stop: asyncio.Event) -> None:
        numbers = tuple(self.site.settings.telephony.hotline.numbers)
        sample = sample_callers()
        deadline = time.monotonic() + seconds if seconds else None
        shown = asyncio.create_task(self._show(stop))
        calling_back = asyncio.create_task(self._call_back(stop))
        wrapping_up = asyncio.create_task(self._wrap_up(stop))
        batch = 0
        running: asyncio.Task[Any] | None = None
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set() and (deadline is None or time.monotonic() < deadline):
                left = 300.0 if deadline is None else min(300.0, max(1.0, deadline - time.monotonic()))
                visits = script(
                    seed=f"{self.seed}-{batch}",
                    called=numbers,
                    callers=sample.numbers,
                    key_callers=sample.key_numbers,
                    names=sample.names,
                    rate=self.rate,
                    seconds=left,
                )
                batch += 1
                running = self.lab.run_customers(visits)
                await asyncio.wait(
                    {stopping, asyncio.create_task(asyncio.sleep(left))}, return_when="FIRST_COMPLETED"
                )
            if running is not None and not running.done():
                # Those who are talking may finish for a while; then everybody hangs up.
                await asyncio.wait({running, stopping}, timeout=0.0 if stop.is_set() else 30.0)
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
        finally:
            for task in (stopping, shown, calling_back, wrapping_up):
                task.cancel()
            await asyncio.gather(stopping, shown, calling_back, wrapping_up, return_exceptions=True)

    async def _wrap_up(self, stop: asyncio.Event) -> None:
        """Simulated agents are ready again soon; the person at agent1's page has the whole time to file."""
        theirs = {self.site.people[login].id for login in _SIMULATED}
        while not stop.is_set():
            await asyncio.sleep(1.0)
            now = time.time()
            for one in (await self.site.get("/agents"))["items"]:
                since = datetime.fromisoformat(one["since"]).timestamp()
                if (
                    one["id"] in theirs
                    and one["state"] == "wrap_up"
                    and now - since > _SIMULATED_WRAPUP_SECONDS
                ):
                    with contextlib.suppress(SiteError):  # the state has changed meanwhile
                        await self.site.post(f"/agents/{one['id']}/ready")

    async def _call_back(self, stop: asyncio.Event) -> None:
        """An agent who is free calls back who was missed: the task closes when they have talked."""
        workers = [self.site.people[login] for login in _SIMULATED]
        given_up: set[str] = set()
        while not stop.is_set():
            await asyncio.sleep(8.0)
            states = {one["id"]: one["state"] for one in (await self.site.get("/agents"))["items"]}
            free = next((person for person in workers if states.get(person.id) == "ready"), None)
            tasks = (await self.site.get("/tasks", state="open"))["items"]
            waiting = [one for one in tasks if one["number"] and one["id"] not in given_up]
            if free is None or not waiting:
                continue
            try:
                await self.site.post("/calls", {"agent_id": free.id, "number": waiting[0]["number"]})
            except SiteError as error:
                if "dial-refused" in str(error):  # a number the fences keep out stays out
                    given_up.add(waiting[0]["id"])
                _say(f"  {time.strftime('%H:%M:%S')}  {waiting[0]['number']} is not called back: {error}")

    async def _show(self, stop: asyncio.Event) -> None:
        """One line a finished call, so that somebody who watches sees the hotline work."""
        told = 0
        while not stop.is_set():
            records = self.lab.records()
            for record in records[told:]:
                if record.kind in ("customer", "outside"):
                    _say(
                        f"  {time.strftime('%H:%M:%S')}  {record.person:<16} → {record.called}  "
                        f"{record.outcome}, keys {record.keys_sent or '-'}, {record.talk_seconds:.0f} s"
                    )
            told = len(records)
            await asyncio.sleep(1.0)


async def _count(site: Site, lab: Lab, since: float) -> dict[str, Any]:
    """What the outside world counted and what the log holds, once everything has ended."""
    deadline = time.monotonic() + _DRAIN_SECONDS
    while time.monotonic() < deadline:
        going = await site.get("/calls", scope="open", limit="1")
        if not going["items"] and not lab.book.open_calls:
            break
        await asyncio.sleep(0.5)
    await asyncio.sleep(_FILES_SECONDS)
    records = [record for record in lab.records() if record.start >= since]
    outside = {
        "inbound": [one for one in records if one.kind == "customer" and one.sip_code not in _NO_CHANNEL],
        "outbound": [one for one in records if one.kind == "outside"],
    }
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since - 1))
    found: dict[str, Any] = {}
    for kind, theirs in outside.items():
        ours = await asyncio.to_thread(_on_trunk, site, await site.all_calls(direction=kind, since=stamp))
        found[kind] = {
            "lab": len(theirs),
            "careline": len(ours),
            "difference": len(theirs) - len(ours),
            "lab_by_outcome": dict(Counter(one.outcome for one in theirs)),
            "careline_by_outcome": dict(Counter(one["outcome"] or one["state"] for one in ours)),
        }
    for kind in ("sms_out", "sms_in"):
        found[kind] = {"lab": 0, "careline": 0, "difference": 0, "by_outcome": {}}
    return found


def _on_trunk(site: Site, calls: Sequence[Any]) -> list[Any]:
    """Those that reached the trunk: a call back whose agent did not pick up never left the house."""
    database = Database(site.settings.database_url, readers=1, writers=1)
    try:
        known = database.read_now(lambda connection: calls_on_trunk(connection, [one["id"] for one in calls]))
    finally:
        database.close()
    return [one for one in calls if one["id"] in known]


def _welcome(site: Site, took: float) -> None:
    logins = site.folder / "logins.json"
    _say("")
    _say(f"Careline is ready after {took:.0f} s: {site.url}")
    _say("  sign in as:")
    for person in site.people.values():
        _say(f"    {person.login:<12} {person.password:<24} {person.role.value}, {person.name}")
    _say(f"  these are kept in {_short(logins)}")
    _say(f"  other commands see it too: .venv/bin/careline check calls --config {_short(site.config)}")
    _say(
        "  customers are calling now. Sign in as agent1, press 签入 (sign in, S) on the desk and let the browser use"
    )
    _say(
        "  the microphone: the next call rings in the page. agent2 and agent3 are simulated. Ctrl-C ends everything."
    )
    _say("")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _summary(found: Mapping[str, Any]) -> str:
    lines: Sequence[str] = [
        f"{kind}: {one['lab']} calls outside, {one['careline']} in the log, difference {one['difference']}"
        for kind, one in found.items()
        if kind in ("inbound", "outbound")
    ]
    lines = [
        *lines,
        *(
            f"{name}: {one['lab']} calls outside, {one['careline']} tries, difference {one['difference']}"
            for name, one in found.get("campaigns", {}).items()
        ),
    ]
    return "\n".join(lines)


def _say(line: str) -> None:
    typer.echo(line)
