"""Fixtures of the web side: a real server on loopback over the real stores, with a desk that only remembers."""

from __future__ import annotations

import asyncio
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from aiohttp import ClientResponse, ClientSession, CookieJar
from argon2 import PasswordHasher
from fixtures_storage import FrozenClock
from sqlalchemy import Connection
from waiting import until as until

from access.audit import Entry
from access.ids import new_id
from access.logins import LoginLimit
from access.passwords import Passwords
from access.permissions import Role
from access.requests import Answer, Once
from access.tokens import Token, hash_secret, make_token_secret
from access.users import Language, Principal, User
from config.books.aftercall import aftercall
from config.books.appointments import AppointmentBook
from config.books.approvals import ApprovalBook
from config.books.audit import AuditBook
from config.books.bulletins import BulletinBook
from config.books.calling import CallingBook, Hands
from config.books.campaigns import CampaignBook
from config.books.case_desk import CaseDeskBook
from config.books.cases import CaseBook
from config.books.contactability import ContactabilityBook
from config.books.contacts import ContactBook
from config.books.corrections import CorrectionBook
from config.books.groups import GroupBook
from config.books.hooks import HookBook
from config.books.maintenance import MaintenanceBook
from config.books.merging import MergeBook
from config.books.pops import PopBook
from config.books.privacy import PrivacyBook
from config.books.records import RecordBook
from config.books.reports import ReportBook
from config.books.second_factors import FactorBook
from config.books.survey_links import SurveyLinkBook
from config.books.survey_results import SurveyResultBook
from config.books.surveys import SurveyBook
from config.desk import HouseDesk
from config.dialing import DialBook
from config.lists.erased_files import ErasedFiles
from config.lists.room import ListRoom, make_lists
from config.web_services import CallBook, SessionBook, TaskBook, TokenBook, UserBook
from crm.appointments.options import AppointmentOptions
from crm.consent.options import ContactabilityOptions
from crm.options import AftercallOptions, CaseOptions, CorrectionOptions, RecordOptions
from crm.reports.options import ReportOptions
from storage import agents, audit, calls, idempotency, tokens, users
from storage.contactability import House as ContactHouse
from storage.database import Database
from storage.journal import Journal
from telephony.agents import Agent, AgentEvent, AgentState, Rules, step
from telephony.calls import Call, CallId, CallState, Direction
from telephony.control import NoSuchCall, NotYourCall, Target
from telephony.desk import NoSuchAgent, NoSuchPhone
from telephony.directory import Department
from telephony.fences import DialRefused
from telephony.hours import WorkingTime
from telephony.listening import SoundKind
from telephony.numbers import parse
from telephony.options import CalendarOptions
from telephony.phones import PhoneKind
from telephony.ports import Placing, QueueCount
from web.app import make_app
from web.live import LIVE, LiveEvents
from web.options import WebOptions
from web.ports import Dialed, Figure, Ping, Services
from web.ports.phone import OwnPhone, PhoneKey, PhoneOffer, Waiting
from web.server import WebServer
from web.views import VIEWS, ViewLog

PASSWORD = "korrekt-pferd-7"
#: Cheap on purpose: a suite checks hundreds of passwords.
_cheap = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


class OfficeHands:
    """The way of an agent's own dial to the telephone, remembered among the desk's orders."""

    def __init__(self, desk: RecordingDesk) -> None:
        self._desk = desk

    def agent(self, agent_id: str) -> Agent | None:
        return self._desk.states.get(agent_id)

    async def turn(self, number: str) -> None:
        return None

    async def place(self, agent_id: str, placing: Placing) -> None:
        if self._desk.trouble is not None:
            raise self._desk.trouble
        self._desk.orders.append(("place", agent_id, placing.agent_endpoint, placing.number))

    async def came_to_nothing(self, agent_id: str, call_id: str) -> None:
        self._desk.orders.append(("nothing", agent_id, call_id))


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
        #: Hears of every step once it is committed, as pages do.
        self.told: Callable[[Agent], None] = lambda agent: None

    async def agents(self) -> Sequence[Agent]:
        return list(self.states.values())

    async def queues(self) -> Sequence[QueueCount]:
        if self.trouble is not None:
            raise self.trouble
        return self.counts

    def _step(self, agent_id: str, event: AgentEvent, **values: Any) -> Agent:
        agent = self.states.get(agent_id) or self._database.read_now(
            lambda connection: agents.get(connection, agent_id)
        )
        if agent is None:
            raise NoSuchAgent("There is no such agent.")
        now = self._clock.now()
        stepped = step(agent, event, now, Rules(), **values)
        self.states[agent_id] = stepped
        # Kept and told as the real one does it: a page that loads afresh in between shows the same.
        self._database.write_now(
            lambda connection: agents.save(connection, stepped, event=event.value, now=now)
        )
        self.told(stepped)
        return stepped

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

    async def extend(self, agent_id: str, by: Principal) -> Agent:
        return self._step(agent_id, AgentEvent.EXTEND)

    async def filed(self, agent_id: str, call_id: str, by: Principal) -> Agent | None:
        agent = self.states.get(agent_id)
        if agent is None or agent.state is not AgentState.WRAP_UP:
            return None
        return self._step(agent_id, AgentEvent.WRAPPED_UP)

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

    async def leave(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("leave", agent_id, call_id)

    async def pause_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("pause-recording", agent_id, call_id)

    async def resume_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("resume-recording", agent_id, call_id)

    async def hang_up(self, agent_id: str, call_id: str, by: Principal) -> None:
        self._order("hang-up", agent_id, call_id)

    async def number_of(
        self, by: Principal, *, customer_id: str | None, place: int, call_id: str | None
    ) -> str:
        return await HouseDesk.number_of(
            self,  # type: ignore[arg-type]  # it asks the database only, and so it is asked here too
            by,
            customer_id=customer_id,
            place=place,
            call_id=call_id,
        )

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


class NoPhones:
    """Nobody here has a telephone: pages work without one."""

    offer = PhoneOffer(switch_url="ws://127.0.0.1:1/ws")

    async def own(self, user_id: str) -> Sequence[OwnPhone]:
        return []

    async def use(self, user_id: str, kind: PhoneKind, entry: Entry) -> None:
        raise NoSuchPhone("You have no telephone of this kind; an administrator can give you one.")

    async def renew(self, user_id: str, kind: PhoneKind, entry: Entry) -> PhoneKey:
        raise NoSuchPhone("This person has no telephone of this kind.")

    async def sign_on(self, viewer: Principal, since: datetime, entry: Entry) -> PhoneKey:
        raise NoSuchPhone("You have no telephone in the page; an administrator can give you one.")

    async def gone(self, user_id: str) -> None:
        return None

    async def back(self, user_id: str) -> Waiting | None:
        return None


@dataclass
class Office:
    """A running web side and the things behind it."""

    database: Database
    clock: FrozenClock
    desk: RecordingDesk
    services: Services
    server: WebServer
    live: LiveEvents
    views: ViewLog
    #: Imports are worked on by hand: `office.lists.import_work.work(id)`.
    lists: ListRoom
    base: str
    #: Folder of recordings and messages.
    sounds: Path
    #: The call log's writer, for what needs calls that go on.
    journal: Journal
    writing: asyncio.Task[None]
    #: Endpoint of a phone to its owner's id.
    owners: dict[str, str]
    pops: PopBook
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
        self.journal.stop()
        await self.writing
        self.services.passwords.close()
        shutil.rmtree(self.sounds, ignore_errors=True)


async def open_office(
    database: Database,
    clock: FrozenClock,
    options: WebOptions,
    options_of_aftercall: AftercallOptions | None = None,
) -> Office:
    """Start the web side on a free port of loopback."""
    sounds = Path(tempfile.mkdtemp(prefix="careline-sounds-"))
    desk = RecordingDesk(database, clock)
    wells: dict[str, str | None] = {"database": None, "switch": None}

    def ping(name: str) -> Ping:
        async def check() -> str | None:
            return wells[name]

        return Ping(name=name, check=check)

    # A transaction is waited for however long the disk takes: what was recorded is in its row then.
    journal = Journal(
        database,
        system="careline",
        number_of=parse,
        spool_folder=sounds / "spool",
        linger_seconds=0.0,
        patience_seconds=120.0,
    )
    owners: dict[str, str] = {}
    pops = PopBook(
        database=database,
        journal=journal,
        clock=clock,
        zone="Asia/Shanghai",
        owner_of=owners.get,
        read_number=parse,
        live=lambda: app[LIVE],
        words={("service", "main"): {"1": {"zh-CN": "预约保养", "en": "Book a service"}}},
    )
    journal.react(audit.react_to_choice)
    journal.watch(pops.calls_changed)
    desk.told = pops.agent_changed
    lists = make_lists(database, clock, folder=sounds / "lists")
    contact_house = ContactHouse(
        zone=ZoneInfo("Asia/Shanghai"), policies=ContactabilityOptions().policies("CN"), key=b"k" * 32
    )
    services = Services(
        pops=pops,
        phones=NoPhones(),
        options=options,
        clock=clock,
        users=UserBook(database),
        sessions=SessionBook(database),
        tokens=TokenBook(database),
        audit=AuditBook(database),
        factors=FactorBook(database, b"k" * 32),
        approvals=ApprovalBook(database),
        privacy=PrivacyBook(
            database,
            clock,
            recordings_folder=lambda: Path("/nonexistent"),
            voicemail_folder=lambda: Path("/nonexistent"),
            house="示例汽车服务中心",
            key=b"k" * 32,
            erased_files=ErasedFiles(database, clock, lists=sounds / "lists", spool=sounds / "spool"),
        ),
        passwords=Passwords(),
        login_limit=LoginLimit(options.login_tries),
        calls=CallBook(database),
        tasks=TaskBook(database),
        desk=desk,
        hooks=HookBook(database, options.hooks),
        records=RecordBook(database, RecordOptions(), read_number=parse),
        imports=lists.imports,
        exports=lists.exports,
        groups=GroupBook(database, "Asia/Shanghai"),
        merging=MergeBook(database, journal),
        bulletins=BulletinBook(database, changed=lambda: app[LIVE].bulletins_changed()),
        reports=ReportBook(
            database, WorkingTime.from_options(CalendarOptions()), ReportOptions(), now=clock.now
        ),
        appointments=AppointmentBook(
            database, WorkingTime.from_options(CalendarOptions()), AppointmentOptions()
        ),
        survey_links=SurveyLinkBook(
            database,
            WorkingTime.from_options(CalendarOptions()),
            days=14,
            dealership="示例汽车服务中心",
            phone="400 800 1234",
        ),
        survey_results=SurveyResultBook(database, ZoneInfo("Asia/Shanghai")),
        surveys=SurveyBook(
            database, WorkingTime.from_options(CalendarOptions()), dealership="示例汽车服务中心"
        ),
        corrections=CorrectionBook(
            database, WorkingTime.from_options(CalendarOptions()), CorrectionOptions()
        ),
        contacts=ContactBook(database, WorkingTime.from_options(CalendarOptions())),
        maintenance=MaintenanceBook(database, WorkingTime.from_options(CalendarOptions())),
        calling=CallingBook(
            database,
            clock,
            house=contact_house,
            book=DialBook(database, journal, clock, node="careline", house=contact_house),
            hands=cast("Hands", OfficeHands(desk)),
            node="careline",
            queues={"service": None},
        ),
        campaigns=CampaignBook(
            database, "Asia/Shanghai", flows=lambda: ("campaign_maintenance",), queues=("service",)
        ),
        contactability=ContactabilityBook(
            database,
            contact_house,
        ),
        cases=CaseBook(database, WorkingTime.from_options(CalendarOptions()), CaseOptions().rules("zh-CN")),
        case_desk=CaseDeskBook(
            database,
            WorkingTime.from_options(CalendarOptions()),
            CaseOptions().rules("zh-CN"),
            lambda: sounds,
        ),
        aftercall=aftercall(
            database,
            due=lambda at, minutes: at + timedelta(minutes=minutes),
            options=options_of_aftercall or AftercallOptions(),
            departments={
                "service": {"zh-CN": "售后服务", "en": "Service"},
                "sales": {"zh-CN": "销售", "en": "Sales"},
            },
            folders=lambda: {SoundKind.RECORDING: sounds, SoundKind.VOICEMAIL: sounds},
            queue_labels={"service": {"zh-CN": "售后服务", "en": "Service"}},
            dealership="示例汽车服务中心",
            zone="Asia/Shanghai",
            now=clock.now,
        ),
        pings=[ping("database"), ping("switch")],
        figures=lambda: [Figure(name="careline_calls_open", help="Open calls", value=3.0)],
        read_number=parse,
        queue_labels={"service": {"zh-CN": "售后服务", "en": "Service"}},
        departments={
            "showroom": Department(label={"zh-CN": "展厅", "en": "Showroom"}, queue="service"),
            "workshop": Department(label={"zh-CN": "钣喷车间", "en": "Body shop"}),
        },
        dealership="示例汽车服务中心",
    )
    app = make_app(services)
    server = WebServer(app, options)
    await server.start(port=0)
    return Office(
        journal=journal,
        writing=asyncio.create_task(journal.run(), name="journal"),
        owners=owners,
        pops=pops,
        database=database,
        clock=clock,
        desk=desk,
        services=services,
        server=server,
        live=app[LIVE],
        views=app[VIEWS],
        lists=lists,
        base=f"http://127.0.0.1:{server.port}",
        wells=wells,
        sounds=sounds,
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
