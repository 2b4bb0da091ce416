"""Fixtures of the web side: a real server on loopback over the real stores, with a desk that only remembers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from argon2 import PasswordHasher
from fixtures_storage import FrozenClock
from sqlalchemy import Connection

from access.ids import new_id
from access.logins import LoginLimit
from access.passwords import Passwords
from access.permissions import Role
from access.requests import Answer, Once
from access.tokens import Token, hash_secret, make_token_secret
from access.users import Language, Principal, User
from config.web_services import AuditBook, CallBook, SessionBook, TaskBook, TokenBook, UserBook
from storage import calls, idempotency, tokens, users
from storage.database import Database
from telephony.agents import Agent, AgentEvent, Rules, step
from telephony.calls import Call, CallId, CallState, Direction
from telephony.control import NoSuchCall, NotYourCall, Target
from telephony.fences import DialRefused
from telephony.numbers import parse
from telephony.ports import QueueCount
from web.app import make_app
from web.live import LIVE, LiveEvents
from web.options import WebOptions
from web.ports import Dialed, Figure, Ping, Services
from web.server import WebServer

PASSWORD = "korrekt-pferd-7"
#: Cheap on purpose: a suite checks hundreds of passwords.
_cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class RecordingDesk:
    """A `web.ports.Desk` without a switch: states by the real rules, dials committed once, orders remembered."""

    def __init__(self, database: Database, clock: FrozenClock) -> None:
        self._database = database
        self._clock = clock
        self.states: dict[str, Agent] = {}
        self.orders: list[tuple[str, ...]] = []
        #: Numbers that really were dialed.
        self.dialed: list[str] = []
        #: Call id to the user on it.
        self.holders: dict[str, str] = {}
        self.counts = [QueueCount(name="service", waiting=2, longest_wait=42, ready=1, members=2)]
        self.trouble: Exception | None = None

    async def agents(self) -> Sequence[Agent]:
        return list(self.states.values())

    async def queues(self) -> Sequence[QueueCount]:
        if self.trouble is not None:
            raise self.trouble
        return self.counts

    def _step(self, agent_id: str, event: AgentEvent, **values: Any) -> Agent:
        agent = self.states.get(agent_id) or Agent(id=agent_id, name=agent_id, since=self._clock.now())
        self.states[agent_id] = step(agent, event, self._clock.now(), Rules(), **values)
        return self.states[agent_id]

    async def sign_in(
        self, agent_id: str, queues: Mapping[str, int] | None, phone: str | None, by: Principal
    ) -> Agent:
        return self._step(agent_id, AgentEvent.SIGN_IN, phone=phone or "p1", queues=queues or {"service": 0})

    async def sign_out(self, agent_id: str, by: Principal) -> Agent:
        return self._step(agent_id, AgentEvent.SIGN_OUT)

    async def pause(self, agent_id: str, reason: str, by: Principal) -> Agent:
        return self._step(agent_id, AgentEvent.PAUSE, reason=reason)

    async def ready(self, agent_id: str, by: Principal) -> Agent:
        return self._step(agent_id, AgentEvent.READY)

    def _order(self, word: str, agent_id: str, call_id: str, *more: str) -> None:
        if call_id not in self.holders:
            raise NoSuchCall("There is no such call any more; it has ended.")
        if self.holders[call_id] != agent_id:
            raise NotYourCall(self.holders[call_id])
        self.orders.append((word, agent_id, call_id, *more))

    async def hold(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("hold", agent_id, call_id)

    async def resume(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("resume", agent_id, call_id)

    async def transfer(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        self._order("transfer", agent_id, call_id, target.extension)

    async def consult(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        self._order("consult", agent_id, call_id, target.extension)

    async def complete_transfer(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("complete-transfer", agent_id, call_id)

    async def cancel_transfer(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("cancel-transfer", agent_id, call_id)

    async def conference(self, agent_id: str, call_id: str, invited: Target | None, by: Principal) -> None:
        self._order("conference", agent_id, call_id, *([invited.extension] if invited else []))

    async def pause_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("pause-recording", agent_id, call_id)

    async def resume_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("resume-recording", agent_id, call_id)

    async def hang_up(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("hang-up", agent_id, call_id)

    async def dial(self, agent_id: str, number: str, once: Once | None, by: Principal) -> Dialed:
        e164 = parse(number)
        if e164 is None or not e164.startswith("+86"):
            raise DialRefused("prefix-not-allowed", "Numbers outside +86 may not be dialed.")
        now = self._clock.now()
        call_id = new_id(now)

        def work(connection: Connection) -> Dialed:
            if once is not None:
                answer = Answer(status=202, body={"call_id": call_id}, at=now)
                kept = idempotency.answer_once(connection, once, answer)
                if kept is not answer:
                    return Dialed(call_id=str(kept.body["call_id"]), replayed=True)
            return Dialed(call_id=call_id)

        dialed = await self._database.write(work)
        if not dialed.replayed:
            self.dialed.append(e164)
        return dialed


@dataclass
class Browser:
    """A client with cookies, as a browser would be."""

    session: ClientSession
    base: str
    csrf: str = ""

    async def sign_in(self, login: str, password: str = PASSWORD) -> ClientResponse:
        page = await self.session.get(f"{self.base}/login")
        found = re.search(r'name="csrf" value="([^"]+)"', await page.text())
        assert found is not None
        answer = await self.session.post(
            f"{self.base}/login",
            data={"login": login, "password": password, "csrf": found[1], "next": ""},
            allow_redirects=False,
        )
        if answer.status == 303:
            me = await self.session.get(f"{self.base}/api/v1/me")
            self.csrf = (await me.json())["csrf"]
        return answer

    async def get(self, path: str, **more: Any) -> ClientResponse:
        return await self.session.get(self.base + path, allow_redirects=False, **more)

    async def post(self, path: str, json: Any = None, **more: Any) -> ClientResponse:
        headers = {"X-CSRF-Token": self.csrf, **more.pop("headers", {})}
        if json is not None or "data" not in more:
            more["json"] = {} if json is None else json
        return await self.session.post(self.base + path, headers=headers, allow_redirects=False, **more)


@dataclass
class Office:
    """A running web side and the things behind it."""

    database: Database
    clock: FrozenClock
    desk: RecordingDesk
    services: Services
    server: WebServer
    live: LiveEvents
    base: str
    users: dict[str, User] = field(default_factory=dict)
    wells: dict[str, str | None] = field(default_factory=dict)
    _sessions: list[ClientSession] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.server.port

    def add_user(self, login: str, role: Role, *, name: str = "", language: Language = "zh-CN") -> User:
        now = self.clock.now()
        user = User(
            id=new_id(now),
            login=login,
            name=name or login,
            role=role,
            language=language,
            theme="auto",
            created_at=now,
        )
        encoded = _cheap.hash(PASSWORD)
        self.database.write_now(lambda connection: users.insert_user(connection, user, password_hash=encoded))
        self.users[login] = user
        return user

    def add_token(self, role: Role, *, user: User | None = None) -> str:
        now = self.clock.now()
        secret = make_token_secret()
        token = Token(
            id=new_id(now),
            name=f"token of {role}",
            role=role,
            created_at=now,
            created_by="test",
            user_id=user.id if user else None,
        )
        self.database.write_now(
            lambda connection: tokens.insert_token(connection, token, secret_hash=hash_secret(secret))
        )
        return secret

    def add_call(self, *, state: CallState = CallState.ENDED, **values: Any) -> Call:
        now = self.clock.now()
        call_id = CallId(new_id(now))
        call = Call(
            id=call_id,
            linkedid=f"{call_id}.1",
            system="careline",
            direction=values.pop("direction", Direction.INBOUND),
            state=state,
            started_at=values.pop("started_at", now),
            number=values.pop("number", "+8613812345678"),
            raw_number=values.pop("raw_number", "13812345678"),
            called=values.pop("called", "4008001234"),
            ended_at=values.pop("ended_at", now if state is CallState.ENDED else None),
        )
        call = replace(call, **values)
        self.database.write_now(lambda connection: calls.save(connection, [(None, call)]))
        return call

    def program(self, secret: str) -> ClientSession:
        session = ClientSession(self.base, headers={"Authorization": f"Bearer {secret}"})
        self._sessions.append(session)
        return session

    def browser(self) -> Browser:
        session = ClientSession(cookie_jar=CookieJar(unsafe=True))
        self._sessions.append(session)
        return Browser(session, self.base)

    async def signed_in(self, login: str) -> Browser:
        browser = self.browser()
        answer = await browser.sign_in(login)
        assert answer.status == 303, await answer.text()
        return browser

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self.server.stop()
        self.services.passwords.close()


async def open_office(database: Database, clock: FrozenClock, options: WebOptions) -> Office:
    """Start the web side on a free port of loopback."""
    desk = RecordingDesk(database, clock)
    wells: dict[str, str | None] = {"database": None, "switch": None}

    def ping(name: str) -> Ping:
        async def check() -> str | None:
            return wells[name]

        return Ping(name=name, check=check)

    services = Services(
        options=options,
        clock=clock,
        users=UserBook(database),
        sessions=SessionBook(database),
        tokens=TokenBook(database),
        audit=AuditBook(database),
        passwords=Passwords(),
        login_limit=LoginLimit(options.login_tries),
        calls=CallBook(database),
        tasks=TaskBook(database),
        desk=desk,
        pings=[ping("database"), ping("switch")],
        figures=lambda: [Figure(name="careline_calls_open", help="Open calls", value=3.0)],
        read_number=parse,
        queue_labels={"service": {"zh-CN": "售后服务", "en": "Service"}},
        dealership="示例汽车服务中心",
    )
    app = make_app(services)
    server = WebServer(app, options)
    await server.start(port=0)
    return Office(
        database=database,
        clock=clock,
        desk=desk,
        services=services,
        server=server,
        live=app[LIVE],
        base=f"http://127.0.0.1:{server.port}",
        wells=wells,
    )


OfficeMaker = Callable[..., Awaitable[Office]]


@pytest.fixture
async def make_office(sqlite_database: Database, clock: FrozenClock) -> AsyncIterator[OfficeMaker]:
    """Makes web sides on SQLite with the options a test wants; all are stopped after it."""
    opened: list[Office] = []

    async def make(**options: Any) -> Office:
        office = await open_office(sqlite_database, clock, WebOptions(**options))
        opened.append(office)
        return office

    yield make
    for office in opened:
        await office.close()


@pytest.fixture
async def office(make_office: OfficeMaker) -> Office:
    """A web side on SQLite with one user of each role, logins as the roles are called."""
    office = await make_office()
    for role in Role:
        office.add_user(role.value, role)
    return office


@pytest.fixture
async def office_on_each(database: Database, clock: FrozenClock) -> AsyncIterator[Office]:
    """As `office`, once on SQLite and once on PostgreSQL."""
    office = await open_office(database, clock, WebOptions())
    for role in Role:
        office.add_user(role.value, role)
    yield office
    await office.close()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    """Wait for a state. Raises TimeoutError."""
    async with asyncio.timeout(seconds):  # any state, not only those with an event
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
