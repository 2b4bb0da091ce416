"""Every page of the desk and every way of searching, among many customers and calls, on both databases.

python -m bench pages [--customers 1000000] [--calls 5000000] [--rounds 30] [--engines sqlite,postgres]

The web side runs as the tests start it (a real server over the real stores, a desk that only remembers), so no
switch is needed. What is measured is a whole request over loopback: more than the server's own time, never less.
"its CPU" is what server and client together worked for a request: it tells a slow page from a busy machine.
Which pages there are says the route table; nothing is left out by hand but what streams or hands out files.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import random
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from argon2 import PasswordHasher
from sqlalchemy import Engine, event, update

from access.permissions import GRANTS, Role
from bench._crowd import FLEET, NOW, id_of, name_of, phone_of
from bench._kept import FOLDER, database
from bench.figures import Figure
from storage.database import Database
from storage.tables.access import users
from web.app import ROUTES
from web.options import WebOptions
from web.routes import Route

#: Lists as people narrow and order them: what an index must serve, or a limit must keep small.
_ASKED: Final = (
    "/api/v1/calls?sort=longest_wait",
    "/api/v1/calls?sort=longest_talk",
    "/api/v1/calls?sort=oldest",
    "/api/v1/calls?outcome=abandoned",
    "/api/v1/calls?outcome=voicemail",
    "/api/v1/calls?outcome=failed",
    "/api/v1/calls?queue=nobody",
    "/api/v1/calls?queue=service",
    "/api/v1/calls?queue=nobody&outcome=answered",
    "/api/v1/calls?agent_id=AGENT7",
    "/calls?direction=received",
    "/calls?direction=internal",
    "/calls?direction=outbound",
    "/calls?scope=open",
    "/tasks?scope=closed",
    "/tasks?scope=overdue",
    "/recordings?agent_id=AGENT7",
    "/recordings?since=2024-01-01&agent_id=AGENT10",
    "/recordings?since=2024-01-01&queue=nobody",
    "/recordings?since=2024-01-01&queue=service",
    "/recordings?kind=voicemail",
    "/api/v1/recordings",
    "/api/v1/recordings?marked=true",
    "/registrations?scope=all",
    "/audit?action=viewed",
    "/audit?action=deleted",
    "/api/v1/audit/findings",
    "/api/v1/customers?customer_class=A",
    "/api/v1/customers?key_accounts=true",
    "/corrections?state=closed",
    "/corrections?state=overdue",
)
#: The mission's aims, milliseconds.
PAGE_AIM: Final = 150.0
SEARCH_AIM: Final = 50.0
_HTML: Final = {"Accept": "text/html"}
#: The agent who asks: one whose calls are recorded, a hundred thousand of them.
_AGENT: Final = "AGENT5"
_TESTS: Final = Path(__file__).resolve().parents[1] / "tests"


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """The benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench pages", description=__doc__)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--calls", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=30, help="requests of each page")
    parser.add_argument("--engines", default="sqlite,postgres")
    parser.add_argument("--slow", type=float, default=0, help="print statements slower than so many ms")
    parser.add_argument("--kept", type=Path, default=FOLDER, help="folder of databases made before")
    chosen = parser.parse_args(options)
    sys.path.insert(0, str(_TESTS))
    figures: dict[str, Figure] = {}
    for engine in chosen.engines.split(","):
        print(f"{engine}: {chosen.customers:,} customers, {chosen.calls:,} calls", flush=True)
        with database(
            engine, customers=chosen.customers, calls=chosen.calls, folder=chosen.kept, say=_say
        ) as url:
            figures |= asyncio.run(_measure(engine, url, chosen.customers, chosen.rounds, chosen.slow))
    return figures


def _say(line: str) -> None:
    print("  " + line, flush=True)


async def _measure(engine: str, url: str, customers: int, rounds: int, slow: float) -> dict[str, Figure]:
    web: Any = importlib.import_module("fixtures_web")
    storage: Any = importlib.import_module("fixtures_storage")
    store = Database(url)
    office = await web.open_office(store, storage.FrozenClock(NOW), WebOptions())
    rng = random.Random(7)
    figures: dict[str, Figure] = {}
    watch = _Slow(slow)
    try:
        for role in (Role.AGENT, Role.MANAGER):
            if role is Role.AGENT:
                _give_login(store, role.value, web.PASSWORD)
            elif role.value not in office.users:
                office.add_user(role.value, role)
            browser = await office.signed_in(role.value)
            for route in _pages(role):
                first = await browser.get(_address(route, rng, customers), headers=_HTML)
                await first.read()
                if first.status in (400, 404):
                    print(f"  left out, it asks for more: {route.path} ({first.status})", flush=True)
                    continue
                name = f"{route.path} {role.value} {engine}"
                with watch.of(name):
                    figures[name] = await _time(
                        browser, lambda route=route: _address(route, rng, customers), rounds
                    )
                _told(name, figures[name])
            for asked in _ASKED:
                first = await browser.get(asked, headers=_HTML)
                await first.read()
                if first.status == 403:
                    continue
                name = f"{asked} {role.value} {engine}"
                with watch.of(name):
                    figures[name] = await _time(browser, lambda asked=asked: asked, rounds)
                _told(name, figures[name])
            if role is Role.AGENT:
                for what, texts in _searches(rng, customers, rounds).items():
                    waiting = iter(texts)
                    name = f"search {what} {engine}"
                    with watch.of(name):
                        figures[name] = await _time(
                            browser,
                            lambda w=waiting: "/api/v1/search?q=" + next(w),
                            rounds,
                            aim=SEARCH_AIM,
                            at=95,
                        )
                story = f"/api/v1/customers/{id_of(FLEET)}/timeline"
                figures[f"timeline of a fleet {engine}"] = await _time(
                    browser, lambda story=story: story, rounds, aim=SEARCH_AIM, at=95
                )
    finally:
        watch.close()
        await office.close()
        store.close()
    return figures


def _give_login(store: Database, login: str, password: str) -> None:
    """Let one of the crowd's agents sign in."""
    encoded = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(password)
    values = {"login": login, "password_hash": encoded, "active": True}
    store.write_now(
        lambda connection: connection.execute(update(users).where(users.c.id == _AGENT).values(values))
    )


def _told(name: str, figure: Figure) -> None:
    """What misses its aim is said at once."""
    if figure.value > figure.peers["aim"]:
        _say(f"{name}: {figure.value:.0f} {figure.unit}, of that CPU {figure.peers['its CPU']:.0f}")


class _Slow:
    """Which page asks statements that take long: their text, once each."""

    def __init__(self, ms: float) -> None:
        self._ms = ms
        self._now = ""
        self._seen: dict[tuple[str, str], float] = {}
        if ms:
            event.listen(Engine, "before_cursor_execute", self._before)
            event.listen(Engine, "after_cursor_execute", self._after)

    def _before(self, _c: Any, _u: Any, _statement: str, _values: Any, context: Any, _m: Any) -> None:
        context.began = time.perf_counter()

    def _after(self, _c: Any, _u: Any, statement: str, values: Any, context: Any, _m: Any) -> None:
        took = (time.perf_counter() - context.began) * 1000
        if took >= self._ms:
            key = (self._now, statement)
            self._seen[key] = max(took, self._seen.get(key, 0.0))

    @contextlib.contextmanager
    def of(self, page: str) -> Iterator[None]:
        """What is asked in here is this page's."""
        self._now = page
        yield
        for (asked_by, statement), took in self._seen.items():
            if asked_by == page:
                print(f"  {page}: {took:.0f} ms: {' '.join(statement.split())}", flush=True)

    def close(self) -> None:
        """No longer listen."""
        if self._ms:
            event.remove(Engine, "before_cursor_execute", self._before)
            event.remove(Engine, "after_cursor_execute", self._after)


def _pages(role: Role) -> list[Route]:
    """Every page that can be asked for without knowing more than a customer or a vehicle."""
    found = []
    for route in ROUTES:
        named = set(re.findall(r"{(\w+)}", route.path))
        fits = named <= {"customer_id", "vehicle_id"} and route.leaves is None
        page = route.page is not None and route.method == "GET" and route.media == "text/html"
        if page and fits and route.needs in GRANTS[role]:
            found.append(route)
    return found


def _address(route: Route, rng: random.Random, customers: int) -> str:
    anybody = id_of(rng.randrange(1, customers))
    return re.sub(r"{\w+}", anybody, route.path)


def _searches(rng: random.Random, customers: int, rounds: int) -> dict[str, list[str]]:
    """What people type: random customers, so that no page of the index is warm by chance."""
    people = [rng.randrange(1, customers) for _ in range(rounds)]
    terms: Any = importlib.import_module("crm.records.terms")
    return {
        "name": [name_of(n)[-2:] for n in people],
        "pinyin": ["".join(terms.readings(letter)[0] for letter in name_of(n)) for n in people],
        "initials": ["".join(terms.readings(letter)[0][0] for letter in name_of(n)) for n in people],
        "plate": [f"A{n % 100_000:05d}" for n in people],
        "vin tail": [f"{n % 1_000_000:06d}" for n in people],
        "number": ["021-6" + phone_of(n)[1:] for n in people],
        "number tail": [phone_of(n)[-4:] for n in people],
        "name and tail": [f"{name_of(n)[:1]} {phone_of(n)[-4:]}" for n in people],
    }


async def _time(browser: Any, address: Any, rounds: int, *, aim: float = PAGE_AIM, at: int = 99) -> Figure:
    times = []
    worked = time.process_time()
    for _ in range(rounds):
        path = address()
        began = time.perf_counter()
        answer = await browser.get(path, headers=_HTML if aim == PAGE_AIM else {})
        await answer.read()
        times.append((time.perf_counter() - began) * 1000)
        if answer.status not in (200, 303):
            raise RuntimeError(f"{path} answered {answer.status}")
    worked = (time.process_time() - worked) * 1000 / rounds
    times.sort()
    slow = times[min(len(times) - 1, len(times) * at // 100)]
    return Figure(
        value=slow,
        unit=f"ms p{at}",
        peers={"its p50": times[len(times) // 2], "its CPU": worked, "aim": aim},
        more_is_better=False,
    )
