"""`python -m bench screenpop`: from the ring that Asterisk reports to the customer's name painted in a browser.

A whole house: Asterisk, `careline run`, callers over SIP through the menu into a queue, and signed-in agents. One of
them sits in a real Chromium, whose telephone the queue rings first; each of the others has a stream of live events.
The ring's moment is the time stamp that Asterisk itself wrote into AgentCalled; the paint's is the browser's own
time of the frame with the name (Element Timing, https://w3c.github.io/element-timing/). Both are the same machine's
clock. A ring is paired with the first paint of its call after it and before the call's next ring; one that was never
painted counts as lost, and more than one in fifty fail the measurement. A part of the bench is over when every caller
of it has hung up: no ring is counted twice, and none after the paints were taken. The bare page shows the call's id at
the agent's own change of state (`state`: no customer, no vehicles, no page; told once it is stored): what the way costs
without the person. A second table says where the time went (`bench._pop_legs`).
Options: --customers N, --log N (calls before), --agents N, --calls N (measured rings), --rate N (calls a second).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
from playwright.async_api import Page, async_playwright
from sqlalchemy import Connection, make_url, select

from access.ids import new_id
from access.passwords import hash_password
from access.permissions import Role
from access.tokens import Token, hash_secret, make_token_secret
from access.users import User
from bench._callers import percentile
from bench._kept import FOLDER, sqlite_file
from bench._pop_legs import Moment, Rang, on_its_way, table
from bench._pop_service import FILE
from bench.figures import Figure
from config.secrets import switch_secrets
from config.site import Person, Site, SiteError, private_ports
from lab.agents import Habits
from lab.customers import Customer, Listen, Press, Stay
from lab.network import LabBinary
from lab.network import Phone as LabPhone
from lab.world import Lab, Placed
from storage import agents, tokens, users
from storage.database import Database
from storage.tables.calls import calls
from telephony.asterisk.install import ensure_asterisk
from telephony.phones import Phone, PhoneKind

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM: Final = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
ALWAYS: Final = [
    {"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "open": "00:00", "close": "24:00"}
]
PASSWORD: Final = "bench-screen-pop-7"  # noqa: S105 - of a house that lives for minutes, on loopback
#: Notes in the page when a pop comes in, before anything else hears of it.
_RECEIVE: Final = """(() => {
  const Plain = window.EventSource;
  window.received = [];
  window.EventSource = class extends Plain {
    constructor(...given) {
      super(...given);
      this.addEventListener("pop", (event) => window.received.push(
        [/"call_id": "([^"]+)"/.exec(event.data)?.[1] ?? "", performance.timeOrigin + performance.now()]));
    }
  };
})()"""
#: Notes every frame that shows an element marked with a call's id; `mark` once for each element.
_FRAMES: Final = """
  window.painted = [];
  window.filled = [];
  window.frames_seen?.disconnect();
  window.frames_seen = new PerformanceObserver((list) => {
    for (const one of list.getEntries()) window.painted.push([one.identifier, performance.timeOrigin + one.renderTime]);
  });
  window.frames_seen.observe({type: "element"});
"""
#: A name is marked as it is written. One that stands there already is not painted anew: its next frame counts.
_WATCH: Final = (
    "() => {"
    + _FRAMES
    + """
  if (window.watches) return;
  window.watches = true;
  document.addEventListener("desk:painted", (event) => {
    const call = event.detail.call;
    const now = () => performance.timeOrigin + performance.now();
    const name = document.querySelector("#who-name");
    window.filled.push([call, now()]);
    if (name.getAttribute("elementtiming") !== call) name.setAttribute("elementtiming", call);
    else requestAnimationFrame(() => requestAnimationFrame(() => window.painted.push([call, now()])));
  });
}"""
)
#: Rings that may go without a paint, as a share; more is a failure.
MOST_LOST: Final = 0.02
#: A part of the bench rings no longer than this, in seconds: all of it ends within five minutes.
MOST_SECONDS: Final = 90.0
#: The bare page: a stream, and the id of each call that rings as text.
_BARE: Final = (
    "(number) => new Promise((ready) => {"
    + _FRAMES
    + """
  const stream = new EventSource("/api/v1/live");
  stream.addEventListener("reset", () => ready());
  stream.addEventListener("state", (event) => {
    const agent = JSON.parse(event.data);
    if (agent.state !== "ringing") return;
    const line = document.createElement("p");
    line.textContent = agent.call_id;
    line.setAttribute("elementtiming", agent.call_id);
    document.body.replaceChildren(line);
  });
})"""
)


def number_of(place: int) -> str:
    """The national number of a customer, spread over a whole range."""
    return f"139{place * 7919 % 100_000_000:08d}"


@dataclass
class Crowd(Site):
    """A dealership with many agents and very many customers."""

    agents: int = 50
    customers: int = 1_000_000
    #: Calls in the log before the first one rings.
    log: int = 5_000_000
    kept: Path = FOLDER
    #: User id to the secret of a token of his own.
    tokens: dict[str, str] = field(default_factory=dict)

    def populate(self) -> None:
        """A house with its customers and its log, and agents until there are enough."""
        self.write_settings()
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = make_url(settings.database_url).database
        assert target is not None
        sqlite_file(
            Path(target),
            customers=self.customers,
            calls=self.log,
            folder=self.kept,
            say=lambda line: print("  " + line, file=sys.stderr, flush=True),
        )
        self.prepare(sample=False)
        database = Database(self.settings.database_url, readers=1, writers=1)
        encoded = hash_password(PASSWORD)
        try:
            for place in range(self.agents):
                self._hire(database, f"bench{place}", f"坐席{place}", encoded)
        finally:
            database.close()

    def _hire(self, database: Database, login: str, name: str, encoded: str) -> None:
        now = datetime.now(UTC)
        user = User(
            id=new_id(now),
            login=login,
            name=name,
            role=Role.AGENT,
            language="zh-CN",
            theme="auto",
            created_at=now,
        )
        secret = make_token_secret()
        token = Token(
            id=new_id(now), name=login, role=Role.AGENT, created_at=now, created_by="bench", user_id=user.id
        )

        def work(connection: Connection) -> Sequence[Phone]:
            users.insert_user(connection, user, password_hash=encoded)
            tokens.insert_token(connection, token, secret_hash=hash_secret(secret))
            return agents.give_phones(connection, user.id, now)

        phones = database.write_now(work)
        self.tokens[user.id] = secret
        self.people[login] = Person(
            login=login, name=name, role=user.role, id=user.id, password=PASSWORD, phones=phones
        )


class Rings:
    """The manager's own word on when the first agent's phone rang, by the call's linkedid.

    Who has talked is made ready at once: the house knows no wrap-up, but ends one only by its tick of a second.
    """

    def __init__(self, site: Site, agent_id: str) -> None:
        self._site = site
        self._agent_id = agent_id
        #: Time stamp (s) of each AgentCalled, in order.
        self.at: list[tuple[str, float]] = []
        self._releasing: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Read the manager's events until cancelled."""
        switch = self._site.settings.telephony.switch
        secret = switch_secrets(switch, self._site.settings.data).ami_events_secret
        reader, writer = await asyncio.open_connection("127.0.0.1", switch.ami_port)
        writer.write(
            f"Action: Login\r\nUsername: {switch.ami_events_user}\r\nSecret: {secret}\r\nEvents: on\r\n\r\n".encode()
        )
        event_: dict[str, str] = {}
        while line := await reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if text:
                name, _, value = text.partition(": ")
                event_[name] = value
                continue
            if event_.get("Event") == "AgentCalled" and event_.get("MemberName") == self._agent_id:
                self.at.append((event_.get("Linkedid", ""), float(event_["Timestamp"]) * 1000))
            if event_.get("Event") == "AgentComplete" and event_.get("MemberName") == self._agent_id:
                task = asyncio.create_task(self._release())
                self._releasing.add(task)
                task.add_done_callback(self._releasing.discard)
            event_ = {}

    async def _release(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0.06)
            with contextlib.suppress(SiteError, aiohttp.ClientError, TimeoutError):  # the tick does it then
                agent = await self._site.post(f"/agents/{self._agent_id}/ready")
                if agent["state"] == "on_call":
                    continue
            return


@asynccontextmanager
async def house(options: argparse.Namespace) -> AsyncIterator[tuple[Crowd, Lab]]:
    """The dealership and the world around it, up and running."""
    folder = Path(tempfile.mkdtemp(prefix="careline-pop-"))
    binary = await asyncio.to_thread(ensure_asterisk, ROOT / ".cache")
    overrides = private_ports()
    queue = {"wrapup_seconds": 0, "missed_before_pause": 0}
    overrides["telephony"] |= {
        "recording": {"enabled": False},
        "queues": {name: dict(queue) for name in ("service", "sales", "complaints", "roadside")},
    }
    overrides["telephony"]["queues"]["service"]["fallback"] = True
    for name in ("sales", "complaints", "roadside"):
        overrides["telephony"]["queues"][name]["overflow"] = "service"
    overrides["telephony"]["trunk"] |= {"codecs": ["ulaw"]}
    overrides["calendar"] = {"holidays": "", "spans": ALWAYS}
    overrides["log"] = {"level": "warning"}
    site = Crowd(
        folder=folder,
        cache=ROOT / ".cache",
        overrides=overrides,
        agents=options.agents,
        customers=options.customers,
        log=options.log,
        kept=options.kept,
        service_module="bench._pop_service",
    )
    await asyncio.to_thread(site.populate)
    lab = Lab(
        LabBinary(argv=binary.argv_prefix, modules=binary.modules_dir, environment=binary.environment),
        folder / "lab",
        trunk=("127.0.0.1", site.settings.telephony.sip.port),
        sip_port=site.settings.telephony.trunk.port,
        seed=1,
    )
    try:
        await site.start_switch()
        await site.start_service()
        await lab.start()
        port = site.settings.telephony.sip.port
        phones = [
            LabPhone(endpoint=phone.endpoint, secret=phone.secret, host="127.0.0.1", port=port)
            for login, person in site.people.items()
            if login.startswith("bench")
            for phone in [person.phone(PhoneKind.DESK)]
        ]
        await lab.sign_on_agents(phones, Habits(answers_after=(0.3, 0.4), talks=(0.2, 0.3)))
        for login, person in site.people.items():
            if login.startswith("bench"):
                first = login == "bench0"
                await site.post(
                    f"/agents/{person.id}/sign-in",
                    {
                        "phone": person.phone(PhoneKind.DESK).endpoint,
                        "queues": {"service": 0 if first else 1},
                    },
                )
        yield site, lab
    finally:
        await lab.stop()
        await site.close()
        shutil.rmtree(folder, ignore_errors=True)


async def _streams(site: Crowd, stack: AsyncExitStack) -> None:
    """A stream for each agent but the first, read as a browser reads it."""
    for login, person in list(site.people.items()):
        if not login.startswith("bench") or login == "bench0":
            continue
        session = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {site.tokens[person.id]}"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        await stack.enter_async_context(session)
        answer = await session.get(f"{site.url}/api/v1/live")

        async def read(answer: aiohttp.ClientResponse = answer) -> None:
            with contextlib.suppress(aiohttp.ClientError):
                async for _ in answer.content.iter_any():
                    pass

        task = asyncio.create_task(read())
        stack.callback(task.cancel)


async def _sign_in(page: Page, site: Crowd) -> None:
    await page.goto(f"{site.url}/login")
    await page.fill("#login", "bench0")
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a part of the bench found: milliseconds from ring to paint, and of each leg of the way."""

    times: Sequence[float]
    ways: Sequence[Mapping[str, float]]


async def _measure(site: Crowd, lab: Lab, page: Page, rings: Rings, *, most: int, rate: float) -> Measured:
    """Rings of the first agent until there are `most`, or the time is over, and every caller has hung up."""
    rings.at.clear()
    loop = asyncio.get_running_loop()
    began, until = datetime.now(UTC), loop.time() + MOST_SECONDS
    placed: list[asyncio.Task[Placed]] = []
    while len(rings.at) < most and loop.time() < until:
        caller = number_of(len(placed) * 5 % site.customers + 5)
        steps = (Listen(seconds=1.0), Press(keys="0"), Stay(seconds=20.0))
        call = Customer(person="bench", caller=caller, called="4008001234", steps=steps)
        placed.append(asyncio.create_task(lab.dial(call)))
        await asyncio.sleep(1 / rate)
    for calling in placed:
        await (await calling).ended()
    await asyncio.sleep(0.5)  # the last frame
    seen = await page.evaluate("[window.painted, window.filled, window.received ?? []]")
    linked = await asyncio.to_thread(_linkedids, site, began)
    rung = [(linked.get(linkedid, linkedid), at) for linkedid, at in rings.at]
    painted = [(call_id, at) for call_id, at in seen[0]]
    times, lost = paired(rung, painted)
    moments = _moments(site)
    for name, found in zip(("painted", "filled", "received"), seen, strict=True):
        moments += [Moment(point=name, call=call_id, agent="", at=at) for call_id, at in found]
    agent = site.people["bench0"].id
    of = {call_id: linkedid for linkedid, call_id in linked.items()}
    ways = [
        on_its_way(
            Rang(call=call_id, linkedid=of.get(call_id, call_id), at=at, ends=_next(rung, place)),
            agent,
            moments,
        )
        for place, (call_id, at) in enumerate(rung)
    ]
    if lost > MOST_LOST * len(rung):
        rest = f"of the others p50 {percentile(times, 0.5):.0f} ms" if times else "none was"
        raise RuntimeError(f"{lost} of {len(rung)} rings were never painted; {rest}\n{table(ways)}")
    return Measured(times=times, ways=ways)


def _moments(site: Site) -> list[Moment]:
    path = site.folder / FILE
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    return [Moment(point=point, call=call, agent=agent, at=at) for point, call, agent, at in found]


def _next(rung: Sequence[tuple[str, float]], place: int) -> float:
    """When the call of this ring rings the next time."""
    call_id = rung[place][0]
    return next((later for other, later in rung[place + 1 :] if other == call_id), float("inf"))


def paired(
    rung: Sequence[tuple[str, float]], painted: Sequence[tuple[str, float]]
) -> tuple[list[float], int]:
    """Milliseconds from each ring (call, ms) to the first paint of its call after it and before its next ring.

    And how many rings have none.
    """
    times, lost = [], 0
    for place, (call_id, at) in enumerate(rung):
        ends = _next(rung, place)
        after = [when for other, when in painted if other == call_id and at <= when < ends]
        if after:
            times.append(min(after) - at)
        else:
            lost += 1
    return times, lost


def _linkedids(site: Site, since: datetime) -> Mapping[str, str]:
    database = Database(site.settings.database_url, readers=1, writers=1)
    try:
        return dict(
            database.read_now(
                lambda c: [
                    tuple(row)
                    for row in c.execute(
                        select(calls.c.linkedid, calls.c.id).where(calls.c.started_at >= since)
                    )
                ]
            )
        )
    finally:
        database.close()


async def bench(options: argparse.Namespace) -> Mapping[str, Figure]:
    """All of it."""
    async with house(options) as (site, lab), AsyncExitStack() as stack:
        rings = Rings(site, site.people["bench0"].id)
        listening = asyncio.create_task(rings.listen())
        stack.callback(listening.cancel)
        await _streams(site, stack)
        play = await stack.enter_async_context(async_playwright())
        browser = await play.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        stack.push_async_callback(browser.close)
        page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
        await page.add_init_script(_RECEIVE)
        await _sign_in(page, site)
        await page.wait_for_selector("#link[data-state=on]")
        await page.evaluate(_WATCH)
        await _measure(
            site, lab, page, rings, most=3, rate=options.rate
        )  # caches are warm in a house at work
        await page.evaluate(_WATCH)
        ours = await _measure(site, lab, page, rings, most=options.calls, rate=options.rate)
        await page.goto(f"{site.url}/healthz")
        await page.evaluate(_BARE, "")
        bare = await _measure(site, lab, page, rings, most=options.calls, rate=options.rate)
    print(f"{len(ours.times)} rings on the desk, {len(bare.times)} on the bare page", file=sys.stderr)
    print(table(ours.ways), end="\n\n", flush=True)
    return {
        f"ring to painted name, {name}": Figure(
            value=percentile(ours.times, share),
            unit="ms",
            peers={"bare page with the number": percentile(bare.times, share)},
            more_is_better=False,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    }


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """The figures of `python -m bench screenpop`."""
    parser = argparse.ArgumentParser(prog="python -m bench screenpop")
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--log", type=int, default=5_000_000, help="calls that were before")
    parser.add_argument("--agents", type=int, default=50)
    parser.add_argument("--calls", type=int, default=80)
    parser.add_argument("--rate", type=float, default=5.0)
    parser.add_argument("--kept", type=Path, default=FOLDER, help="folder of databases made before")
    return asyncio.run(bench(parser.parse_args(list(options))))
