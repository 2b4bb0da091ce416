"""The running service: everything plugged together, started and stopped in order.

What reacts across packages is wired here and nowhere else (`Service.__init__`): which reactions run in the
transaction of a call, who is told afterwards, and what the ticks do.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from access.audit import Action, Entry
from access.ids import new_id
from access.logins import LoginLimit
from access.masking import mask_name
from access.passwords import Passwords
from access.users import Language, Principal
from campaigns.targets import Target as CampaignTarget
from config import data_retention, memory, menus, phones_changed
from config.appointment_menu import HouseAppointments
from config.appointment_ticks import AppointmentTicks
from config.books.aftercall import aftercall, departments_of
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
from config.books.definitions import seed
from config.books.groups import GroupBook
from config.books.hooks import HookBook
from config.books.maintenance import MaintenanceBook
from config.books.merging import MergeBook
from config.books.phone import PhoneBook, offer_of
from config.books.pops import PopBook
from config.books.privacy import PrivacyBook
from config.books.records import RecordBook
from config.books.reports import ReportBook
from config.books.second_factors import FactorBook, keep_key
from config.books.survey_links import survey_link_book
from config.books.survey_results import SurveyResultBook
from config.books.survey_seed import seed as seed_questionnaires
from config.books.surveys import SurveyBook
from config.case_ticks import CaseTicks
from config.class_ticks import ClassTicks
from config.desk import HouseDesk
from config.dialing import Dialing, DialLine, HouseOutbound
from config.dialing_agents import HouseAgents
from config.disk import full_disks, reserve
from config.due_ticks import DueTicks
from config.duplicate_ticks import DuplicateTicks
from config.hooks.sender import HookSender
from config.hooks.transport import HookTransport
from config.ladder_ticks import LadderTicks, NoSender
from config.lists.erased_files import ErasedFiles
from config.lists.room import make_lists
from config.locks import hold_database, hold_folder
from config.menu_ports import (
    CustomerDirectory,
    HouseCalendar,
    HouseQueues,
    HouseSuppression,
    HouseTasks,
    NoTexts,
)
from config.recordings import look_at_recordings
from config.report_ticks import ReportTicks
from config.retention import Retention
from config.schedule import Ticks
from config.secrets import switch_secrets
from config.settings import Settings
from config.survey_menu import HouseSurveys
from config.survey_sounds import SurveySounds
from config.survey_ticks import SurveyTicks
from config.web_services import CallBook, SessionBook, TaskBook, TokenBook, UserBook
from crm.records.matching import decide
from ivr.asterisk.server import AgiServer, Door
from ivr.host import Host
from ivr.ports import Ports
from storage import (
    attempts,
    audit,
    calls,
    customers,
    hooks,
    idempotency,
    matching,
    nodes,
    optouts,
    outgoing,
    recordings,
    registrations,
    told,
)
from storage.agents import AgentTable, all_phones
from storage.alone import Alone
from storage.call_tasks import CallTasks
from storage.contactability import House
from storage.database import Database, StorageUnavailable
from storage.imports import Importer
from storage.journal import Journal
from storage.migrations import upgrade
from storage.reconciliation import Reconciler
from telephony.agents import Agent, Rules
from telephony.asterisk.ami import Alarm, AmiEvent
from telephony.asterisk.events import MAPPED, facts_of_all, forwarded_leg
from telephony.asterisk.link import AsteriskLink
from telephony.asterisk.living import LivingChannels
from telephony.asterisk.render import Layout
from telephony.asterisk.resync import Resync
from telephony.asterisk.switch import AsteriskSwitch
from telephony.calls import Call, CallState
from telephony.clock import Clock, SystemClock
from telephony.control import Control, Target, call_of_invited
from telephony.desk import AgentDesk
from telephony.directory import Department
from telephony.facts import Fact, FactKind, Source
from telephony.fences import Fences, Pace
from telephony.hours import WorkingTime
from telephony.listening import SoundKind
from telephony.numbers import parse
from telephony.ports import ActionRefused, Channel, Placing, SwitchError
from telephony.queues import QueueBoard
from telephony.recordings import keep_days
from telephony.returning import Returning
from telephony.tracker import CallChange, call_id
from web.app import make_app
from web.languages import text
from web.live import LIVE
from web.ports import Figure, Ping, Services
from web.server import WebServer
from web.views import VIEWS

log = structlog.get_logger(__name__)

#: Callers in the menu may finish for this long at a stop; then the fallback queue takes them (R29).
_DRAIN_SECONDS = 15.0
#: Times, a second apart, that a call on hold is looked at after it lost a leg.
_HELD_LOOKS = 10
#: Q.850 cause of a phone that is not there (subscriber absent).
_ABSENT = 20
#: Agents' facts that wait to be followed; beyond it the next reconciliation catches up.
_FOLLOW_LIMIT = 10_000
_FOLLOWED = frozenset(
    {
        FactKind.RINGING,
        FactKind.RING_MISSED,
        FactKind.LEG_ANSWERED,
        FactKind.CONNECTED,
        FactKind.LEG_ENDED,
    }
)
#: Facts that say who; the log wants a person, not a phone.
_NAMES_AGENT = frozenset({FactKind.RINGING, FactKind.RING_MISSED, FactKind.CONNECTED, FactKind.DISCONNECTED})


class Service:
    """One running Careline. `run` serves until it is asked to stop."""

    def __init__(self, settings: Settings, *, clock: Clock | None = None) -> None:
        phone = settings.telephony
        self.settings = settings
        #: One house does what a database needs once; dialers beside it only dial (decision 0046).
        self.is_house = settings.role == "house"
        self.clock = clock or SystemClock()
        self.layout = Layout(data=settings.data.absolute())
        self.secrets = switch_secrets(phone.switch, settings.data)
        self.hours = WorkingTime.from_options(settings.calendar)
        self.database = Database(
            settings.database_url,
            readers=settings.storage.readers,
            writers=settings.storage.writers,
            pool_seconds=settings.storage.pool_seconds,
        )
        rules_of_cases = settings.crm.cases.rules(settings.telephony.hotline.languages[0])
        self.database.use(agents_see=settings.crm.records.agents_see, case_rules=rules_of_cases)
        #: Files that no more room could be kept for, and why.
        self._short: Mapping[str, str] = {}
        #: The lock on PostgreSQL while the service runs.
        self.alone: Alone | None = None
        self.alarms: list[Alarm] = []
        self.alarm_count = 0
        self._tasks: asyncio.TaskGroup | None = None

        # The call log: what happens with a call happens in the transaction that stores it.
        self.journal = Journal(
            self.database,
            system=phone.switch.system_name,
            number_of=self.read_number,
            spool_folder=settings.data / "spool",
            identify=_identify,
        )
        self.call_tasks = CallTasks(
            self.hours,
            settings.crm.tasks,
            promise=timedelta(minutes=phone.callback.promise_minutes),
            country=phone.hotline.country,
            area_code=phone.hotline.area_code,
        )
        for reaction in (
            recordings.react_to_recording,
            optouts.react_to_call,
            registrations.react_to_call,
            self.call_tasks.react_to_call,
            told.react_to_call,
            audit.react_to_choice,
            partial(attempts.react_to_call, hours=self.hours),
        ):
            self.journal.react(reaction)
        self.journal.watch(self._calls_changed)
        self.journal.watch(lambda changes: self.pops.calls_changed(changes))

        # The switch.
        self.board = QueueBoard()
        self.link = AsteriskLink(
            phone.switch,
            on_events=self._take_events,
            on_resync=self._resynchronise,
            on_alarm=self._alarm,
            wanted=MAPPED,
            events_secret=self.secrets.ami_events_secret,
            actions_secret=self.secrets.ami_actions_secret,
            last_boot="",
            clock=self.clock,
        )
        self.switch = AsteriskSwitch(
            self.link,
            self.clock,
            unplaced=self._unplaced,
            not_out=lambda out: self.dialing.not_out(out),
            plus=phone.trunk.number_format == "e164",
        )
        self.living = LivingChannels(lambda: self.link.is_ready, self.switch.channels)
        self.importer = Importer(self.journal, self.database, folder=self.layout.log, clock=self.clock)
        self.reconciler = Reconciler(self.journal, self.database, options=phone, clock=self.clock)
        wrapups = [queue.wrapup_seconds for queue in phone.queues.values()] or [0]
        self.retention = Retention(
            database=self.database,
            recordings_folder=self._recordings_folder,
            voicemail_folder=self.layout.voicemail,
        )
        self.agents = AgentDesk(
            rows=AgentTable(self.database),
            switch=self.switch,
            clock=self.clock,
            rules=Rules(
                extension_seconds=settings.crm.aftercall.wrapup_extension_seconds,
                longest_extension_seconds=settings.crm.aftercall.longest_extension_seconds,
                wrapup_seconds=max(wrapups),
                missed_before_pause=max(queue.missed_before_pause for queue in phone.queues.values()),
            ),
            queues=frozenset(phone.queues),
            changed=self._agent_changed,
        )
        self._following: asyncio.Queue[Fact] = asyncio.Queue(_FOLLOW_LIMIT)
        #: Calls on hold that lost a leg, and how many more times they are looked at.
        self._held_looks: dict[str, int] = {}
        #: Facts of agents' legs there was no room for; the switch is asked instead (`_behind`).
        self.follow_dropped = 0
        self._behind = False
        self.forwards_ended = 0
        self._orders: set[asyncio.Task[None]] = set()
        self.control = Control(
            switch=self.switch,
            calls=self.journal,
            clock=self.clock,
            fences=Fences(options=phone.fences),
            pace=Pace(calls_per_second=phone.trunk.calls_per_second),
            recent_dials=self._recent_dials,
            open_outbound=self._open_outbound,
            targets=self._targets,
            owner_of=self.agents.owner_of,
        )
        contact_house = House(
            zone=ZoneInfo(settings.calendar.zone),
            policies=settings.crm.contactability.policies(settings.calendar.holidays),
            key=keep_key(settings.data),
        )
        self.campaign_agents = HouseAgents(
            self.agents,
            self.database,
            self.board,
            self.clock,
            live_calls=self.journal.live_calls,
            queues=phone.queues,
            agents_kept=settings.campaigns.agents_kept,
        )
        self.dialing = Dialing(
            settings,
            self.database,
            self.journal,
            self.clock,
            house=contact_house,
            line=DialLine(
                ready=lambda: self.link.is_ready,
                live_calls=self.journal.live_calls,
                call_out=self.switch.call_out,
            ),
            pace=self.control.pace,
            agents=self.campaign_agents,
            house_work=self.is_house,
            alert=self._call_back_due,
        )
        self.journal.watch(self.dialing.calls_changed)
        self._phones: frozenset[str] = frozenset()
        self.returning = Returning(
            control=self.control,
            agents=self.agents,
            clock=self.clock,
            live=self.journal.live,
            seconds=phone.browser_phone.reload_seconds,
        )

        # The menus.
        directory = CustomerDirectory(self.database)
        self.journal.foresee(directory.foresee)
        prompts = menus.load_prompts(settings)
        self.host = Host(
            menus=menus.load_menus(settings),
            ports=Ports(
                directory=directory,
                calendar=HouseCalendar(self.hours, settings.calendar.zone),
                queues=HouseQueues(
                    board=self.board,
                    desk=self.agents,
                    live_calls=self.journal.live_calls,
                    database=self.database,
                    options=phone.queues,
                    now=self.clock.now,
                ),
                tasks=HouseTasks(self.database, self.call_tasks),
                suppression=HouseSuppression(self.database),
                texts=NoTexts(),
                appointments=HouseAppointments(self.database, self.hours, settings.crm.appointments),
                surveys=HouseSurveys(self.database, self.hours, prompts.has),
                outbound=HouseOutbound(self.database, self.dialing.seating),
            ),
            journal=menus.SafeJournal(self.journal),
            book=prompts,
            limits=menus.limits(settings),
            number_of=self.read_number,
            clock=self.clock,
        )
        self.agi = AgiServer(
            self.host.serve,
            Door(
                secret=self.secrets.agi_secret,
                most_calls=settings.ivr.max_calls,
                margin=settings.ivr.step_margin_seconds,
            ),
            self.clock,
            live=self.living,
        )

        # The web.
        self.privacy = PrivacyBook(
            self.database,
            self.clock,
            recordings_folder=lambda: self._recordings_folder,
            voicemail_folder=lambda: self.layout.voicemail,
            house=settings.dealership,
            key=keep_key(settings.data),
            files_go=self._files_go,
            erased_files=ErasedFiles(
                self.database, self.clock, lists=settings.data / "lists", spool=settings.data / "spool"
            ),
        )
        self.pops = PopBook(
            database=self.database,
            journal=self.journal,
            clock=self.clock,
            zone=settings.calendar.zone,
            owner_of=self.agents.owner_of,
            read_number=self.read_number,
            live=lambda: self.app[LIVE],
            words=menus.menu_words(self.host.menus),
            viewed=self._note_pop,
        )
        desk = HouseDesk(
            agents=self.agents,
            control=self.control,
            returning=self.returning,
            board=self.board,
            database=self.database,
            clock=self.clock,
            queue_names=tuple(phone.queues),
            read_number=self.read_number,
        )
        self.lists = make_lists(
            self.database,
            self.clock,
            folder=settings.data / "lists",
            options=settings.crm.lists,
            zone=settings.calendar.zone,
            country=phone.hotline.country,
            area_code=phone.hotline.area_code,
            rule=settings.crm.records.customer_number,
        )
        self.cases = CaseTicks(self.database, self.clock, self.hours, lambda: self.app[LIVE])
        self.reports = ReportBook(self.database, self.hours, settings.crm.reports, now=self.clock.now)
        self.app = make_app(
            Services(
                options=settings.web,
                clock=self.clock,
                users=UserBook(self.database),
                sessions=SessionBook(self.database),
                tokens=TokenBook(self.database),
                audit=AuditBook(
                    self.database,
                    key=keep_key(settings.data),
                    zone=settings.calendar.zone,
                    house=settings.dealership,
                ),
                factors=FactorBook(self.database, keep_key(settings.data)),
                approvals=ApprovalBook(self.database),
                privacy=self.privacy,
                passwords=Passwords(),
                login_limit=LoginLimit(settings.web.login_tries),
                calls=CallBook(self.database),
                tasks=TaskBook(self.database),
                desk=desk,
                pops=self.pops,
                hooks=HookBook(self.database, settings.web.hooks),
                imports=self.lists.imports,
                exports=self.lists.exports,
                records=RecordBook(
                    self.database,
                    settings.crm.records,
                    zone=settings.calendar.zone,
                    read_number=self.read_number,
                ),
                groups=GroupBook(self.database, settings.calendar.zone),
                merging=MergeBook(self.database, self.journal),
                bulletins=BulletinBook(self.database, changed=lambda: self.app[LIVE].bulletins_changed()),
                survey_links=survey_link_book(self.database, self.hours, settings),
                survey_results=SurveyResultBook(self.database, self.hours.zone),
                surveys=SurveyBook(
                    self.database, self.hours, dealership=settings.dealership, has_sound=prompts.has
                ),
                corrections=CorrectionBook(self.database, self.hours, settings.crm.corrections),
                appointments=AppointmentBook(self.database, self.hours, settings.crm.appointments),
                reports=self.reports,
                contacts=ContactBook(self.database, self.hours),
                maintenance=MaintenanceBook(self.database, self.hours),
                contactability=ContactabilityBook(self.database, contact_house),
                campaigns=CampaignBook(
                    self.database,
                    settings.calendar.zone,
                    flows=lambda: self.host.menus.outbound,
                    queues=phone.queues,
                    reasons=lambda: self.dialing.dialer.reasons,
                    changed=self.dialing.dialer.nudge,
                ),
                calling=CallingBook(
                    self.database,
                    self.clock,
                    house=contact_house,
                    book=self.dialing.book,
                    hands=Hands(self.agents, self.control, self.clock),
                    node=phone.switch.system_name,
                    queues=phone.queues,
                ),
                cases=CaseBook(self.database, self.hours, rules_of_cases, tell=self.cases.tell),
                case_desk=CaseDeskBook(
                    self.database, self.hours, rules_of_cases, lambda: self._recordings_folder
                ),
                aftercall=aftercall(
                    self.database,
                    due=self.call_tasks.due,
                    options=settings.crm.aftercall,
                    departments=departments_of(phone),
                    folders=lambda: {
                        SoundKind.RECORDING: self._recordings_folder,
                        SoundKind.VOICEMAIL: self.layout.voicemail,
                    },
                    queue_labels={name: queue.label for name, queue in phone.queues.items()},
                    dealership=settings.dealership,
                    zone=settings.calendar.zone,
                    now=self.clock.now,
                ),
                pings=(
                    Ping(name="database", check=self._check_database),
                    Ping(name="alone", check=self._check_alone),
                    Ping(name="switch", check=self._check_switch),
                    Ping(name="saving", check=self._check_saving, needed=False),
                    Ping(name="disk", check=self._check_disk, needed=False),
                    Ping(name="retention", check=self._check_retention, needed=False),
                    Ping(name="calendar", check=self._check_calendar, needed=False),
                    Ping(name="webhooks", check=self._check_hooks, needed=False),
                ),
                figures=self._figures,
                phones=PhoneBook(
                    self.database,
                    offer=offer_of(settings),
                    agents=self.agents,
                    returning=self.returning,
                    clock=self.clock,
                    changed=self._phones_changed,
                ),
                read_number=self.read_number,
                queue_labels={name: queue.label for name, queue in phone.queues.items()},
                departments={
                    name: Department(label=one.label, queue=one.queue)
                    for name, one in phone.departments.items()
                },
                zone=settings.calendar.zone,
                dealership=settings.dealership,
            ),
            only_health=not self.is_house,
        )
        self.web = WebServer(self.app, settings.web)
        self.hooks = HookSender(
            self.database,
            settings.web.hooks,
            HookTransport(settings.web.hooks),
            self.clock,
            words=lambda language, event: text(language, f"hooks.event.{event}"),
        )
        # Its own switch is every process's business; the house's work is done by one of them.
        self.ticks = Ticks(settings.calendar.zone)
        self.house_ticks = house = Ticks(settings.calendar.zone)
        self.ticks.every(2, "queues", self._look_at_queues)
        house.every(1, "wrapups", self.agents.end_wrapups)
        self.ticks.every(1, "held", self._look_again)
        house.every(1, "returning", self.returning.look)
        self.ticks.every(3, "imports", self._import)
        self.ticks.every(5, "reserve", self._reserve)
        self.ticks.every(60, "reconciliation", self._reconcile)
        house.every(20, "recordings", self._measure_recordings)
        house.daily(3, 30, "retention", self._retain)
        self.duplicates = DuplicateTicks(self.database, self.clock, self.journal)
        self.journal.watch(self.duplicates.calls_changed)
        house.every(15, "duplicates", self.duplicates.look)
        house.daily(2, 30, "all_duplicates", self.duplicates.look_at_all)
        self.classes = ClassTicks(self.database, self.clock, settings.calendar.zone)
        house.every(3, "classes", self.classes.look)
        self.survey_ticks = SurveyTicks(self.database, self.clock, self.hours)
        house.every(60, "surveys", self.survey_ticks.look)
        self.survey_sounds = SurveySounds(self.database, self.clock, prompts, settings)
        house.every(60, "survey sounds", self.survey_sounds.look)
        house.daily(1, 30, "all_classes", self.classes.begin_night)
        self.appointments = AppointmentTicks(self.database, self.clock, self.hours, settings.crm.appointments)
        house.every(60, "appointments", self.appointments.look)
        house.every(10, "cases", self.cases.look)
        self.ticks.every(5, "campaigns", self.dialing.look)
        house.every(60, "hotline load", self.campaign_agents.look)
        self.ladder = LadderTicks(
            self.database,
            self.clock,
            self.hours,
            contact_house,
            NoSender(),
            mark=text(phone.hotline.languages[0], "campaigns.ladder.mark", campaign="{campaign}"),
        )
        house.every(60, "ladder", self.ladder.look)
        self.due = DueTicks(self.database, self.clock, self.hours)
        house.every(60, "due", self.due.look)
        self.report_ticks = ReportTicks(
            self.database, self.reports, settings.crm.reports, self.hours, self.clock
        )
        house.every(60, "reports", self.report_ticks.look)
        house.daily(3, 50, "report_files", self.report_ticks.clear)
        self.ticks.every(600, "memory", self._sweep)
        house.every(3600, "lists", self.lists.clear)

    def read_number(self, raw: str) -> str | None:
        """What a person typed or a trunk delivered as E.164, or None."""
        hotline = self.settings.telephony.hotline
        return parse(raw, hotline.country, hotline.area_code)

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, serve until `stop`, end everything in order (R29).

        Raises OSError where a port is taken, StorageUnavailable where the database is away at the start,
        SettingsError where another Careline runs on the same data folder, DatabaseTaken where one runs on the
        same database.
        """
        for folder in (self.settings.data, self.settings.data / "spool"):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (
            hold_folder(self.settings.data),
            hold_database(
                self.settings.database_url,
                self.settings.data,
                system=self.settings.telephony.switch.system_name,
                dialer=not self.is_house,
            ) as self.alone,
        ):
            await self._run(stop)

    async def _run(self, stop: asyncio.Event) -> None:
        await asyncio.to_thread(upgrade, self.settings.database_url)
        now = self.clock.now()
        if self.is_house:
            await self.database.write(lambda connection: seed(connection, now))
            await self.database.write(lambda connection: seed_questionnaires(connection, now))
        await self.database.write(
            lambda connection: nodes.beat(
                connection, self.journal.system, self.settings.role, now, starts=True
            )
        )
        boot = await self.database.read(lambda connection: calls.last_boot(connection, self.journal.system))
        self.link.remember_boot(boot.boot if boot is not None else "")
        async with AsyncExitStack() as stack:
            stack.callback(self.database.close)
            journal = asyncio.create_task(self.journal.run(), name="journal")
            stack.push_async_callback(self._end_journal, journal)
            follower = asyncio.create_task(self._follow(), name="agents")
            stack.push_async_callback(_cancelled, follower)
            await self._import()
            memory.settle()
            await self.agi.start(
                self.settings.telephony.switch.agi_host, self.settings.telephony.switch.agi_port
            )
            await self.web.start()
            stack.push_async_callback(self.web.stop)
            if self.is_house:
                lists = asyncio.create_task(self.lists.run(), name="lists")
                stack.push_async_callback(_cancelled, lists)
                telling = asyncio.create_task(self.hooks.run(), name="hooks")
                stack.push_async_callback(self.hooks.close)
                stack.push_async_callback(_cancelled, telling)
            link = asyncio.create_task(self.link.run(), name="ami-link")
            stack.push_async_callback(_cancelled, link)
            stack.push_async_callback(self.host.drain)
            stack.push_async_callback(self.agi.close, _DRAIN_SECONDS)
            self.ticks.start()
            stack.callback(self.ticks.stop)
            if self.is_house:
                self.house_ticks.start()
                stack.callback(self.house_ticks.stop)
            dialing = asyncio.create_task(self.dialing.dialer.run(), name="dialer")
            stack.push_async_callback(
                _cancelled, dialing
            )  # first of all: no new call while others finish (R29)
            log.info(
                "serving",
                action="service_started",
                web=f"http://{self.settings.web.host}:{self.web.port}",
                agi_port=self.settings.telephony.switch.agi_port,
            )
            asked = asyncio.create_task(stop.wait(), name="stop")
            stack.push_async_callback(_cancelled, asked)
            done, _ = await asyncio.wait(
                {asked, journal, link, follower}, return_when=asyncio.FIRST_COMPLETED
            )
            log.info("stopping", action="service_stopping")
            for task in done - {asked}:
                task.result()  # a task that should have gone on: its error ends the service
        log.info("stopped", action="service_stopped")

    async def _end_journal(self, task: asyncio.Task[None]) -> None:
        self.journal.stop()
        await asyncio.wait({task}, timeout=20.0)
        await _cancelled(task)

    # --- what the switch says

    async def _take_events(self, events: Sequence[AmiEvent]) -> None:
        for event in events:
            if channel := forwarded_leg(event.name, event.get):
                self._order(self._end_forwarded(channel))
        facts = facts_of_all(((event.name, event.get) for event in events), self.clock.now())
        if not facts:
            return
        self.living.follow(facts)
        facts = [self._with_agent(fact) for fact in facts]
        self.pops.heard(facts)
        self.journal.record_soon(*facts)
        for fact in facts:
            if fact.kind in _FOLLOWED:
                self._follow_soon(fact)

    def _with_agent(self, fact: Fact) -> Fact:
        """A phone rung directly, not by a queue: the switch knows the phone, we know whose it is."""
        endpoint = fact.data.get("endpoint")
        if not endpoint or fact.data.get("agent") or fact.kind not in _NAMES_AGENT:
            return fact
        owner = self.agents.owner_of(str(endpoint))
        return replace(fact, data={**fact.data, "agent": owner}) if owner else fact

    def _follow_soon(self, fact: Fact) -> None:
        """Where there is no room the fact is counted and the switch asked afterwards who is on a call."""
        if not self._following.full():
            self._following.put_nowait(fact)
            return
        self.follow_dropped += 1
        if not self._behind:
            self._behind = True
            log.warning(
                "agents are behind their calls; they are asked for anew",
                action="follow_overflow",
                waiting=self._following.qsize(),
            )

    async def _follow(self) -> None:
        """Move agents along with their calls, one after the other, apart from the reading of events."""
        while True:
            fact = await self._following.get()
            try:
                await self.agents.follow([fact], self._call_of)
                if fact.kind is FactKind.LEG_ANSWERED:
                    await self.returning.answered(fact)
                if fact.kind is FactKind.LEG_ENDED:
                    await self._look_after_held(fact)
            except (StorageUnavailable, SwitchError) as error:
                log.warning("agent not followed", action="agent_not_followed", why=str(error))
            except Exception:
                # The boundary of one fact: the others are followed, and the service goes on.
                log.exception("agent not followed", action="agent_not_followed", call=fact.linkedid)
            if self._behind and self._following.empty():
                self._behind = False
                await self._reconcile()

    def _order(self, work: Coroutine[None, None, None]) -> None:
        """Do something that an event asks for apart from the reading of events."""
        task = asyncio.create_task(work, name="order")
        self._orders.add(task)
        task.add_done_callback(self._orders.discard)

    def _unplaced(self, placing: Placing) -> None:
        if agent_id := self.agents.owner_of(placing.agent_endpoint):
            self._order(self._free_dialer(agent_id, placing.call_id))

    async def _free_dialer(self, agent_id: str, call: str) -> None:
        """Nobody took the first leg of a call he had placed. Where it could not even be rung, no event ends it."""
        live = self.journal.live(call)
        if live is not None and live.state is not CallState.ENDED:
            self.journal.record_soon(
                Fact(
                    source=Source.SERVICE,
                    key=f"unplaced:{call}",
                    kind=FactKind.LEG_ENDED,
                    at=self.clock.now(),
                    linkedid=call,
                    uniqueid=call,
                    data={"cause": _ABSENT},
                )
            )
        try:
            await self.agents.dialed_nothing(agent_id, call_id=call)
        except StorageUnavailable as error:
            log.warning("agent not followed", action="agent_not_followed", why=str(error))

    async def _end_forwarded(self, channel: str) -> None:
        """A phone answered our own call with 302: what the switch dials instead is ended at once (S16)."""
        self.forwards_ended += 1
        log.warning("a phone's call forwarding was ended", action="forward_ended", channel=channel)
        try:
            await self.switch.hang_up(channel)
        except ActionRefused:
            return  # it is gone already
        except SwitchError as error:
            log.error(
                "a forwarded call may go on", action="forward_not_ended", channel=channel, why=str(error)
            )

    async def _look_after_held(self, fact: Fact) -> None:
        live = self.journal.live_of(fact.linkedid)
        if live is not None and live.state is CallState.HELD:
            self._held_looks[live.id] = _HELD_LOOKS
            await self._rescue_held(live)

    async def _look_again(self) -> None:
        """Calls on hold that lost a leg a moment ago: the call's other legs may have followed by now."""
        for held, looks in list(self._held_looks.items()):
            live = self.journal.live(held)
            if live is None or live.state is not CallState.HELD or looks == 0:
                self._held_looks.pop(held, None)
                continue
            self._held_looks[held] = looks - 1
            try:
                await self._rescue_held(live)
            except SwitchError as error:
                log.warning("customer on hold not looked after", action="held_pending", why=str(error))

    async def _rescue_held(self, live: Call) -> None:
        if self.returning.awaits(live.id):
            return  # his agent's page is being loaded again
        if live.state is CallState.HELD and await self.control.leave_nobody_on_hold(live.id):
            self._held_looks.pop(live.id, None)
            log.info("customer left on hold was looked after", action="held_rescued", call=live.id)

    def _call_of(self, fact: Fact) -> str:
        live = self.journal.live_of(fact.linkedid)
        if live is None and (invited := call_of_invited(fact.uniqueid)):
            return invited  # her leg is linked to nothing until she talks
        return live.id if live else call_id(self.journal.system, fact.linkedid, fact.at)

    def _call_on(self, channel: Channel) -> str | None:
        live = self.journal.live_of(channel.linkedid)
        return live.id if live else call_of_invited(channel.uniqueid)

    async def _resynchronise(self, resync: Resync) -> None:
        """After every (re)connect: who is alive, which calls ended unseen, which members are wanted."""
        snapshot = resync.snapshot
        self.living.begin(snapshot.channels)
        self.board.look(snapshot.queues, asyncio.get_running_loop().time())
        try:
            await self.database.write(
                lambda connection: calls.saw_boot(connection, self.journal.system, snapshot.boot, snapshot.at)
            )
            await self._import()
            await self.dialing.unwatched()
            await self.reconciler.reconcile(snapshot)
            if not self.is_house:
                return  # agents and their telephones are at the house's switch
            await self._learn_targets()
            await self.agents.reconcile(
                [one for one in snapshot.members if one.queue in self.agents.queues],
                snapshot.channels,
                at=snapshot.at,
                call_of=self._call_on,
            )
            self.pops.resume(
                tuple(self.agents.board.values()),
                [one.endpoint for one in snapshot.channels],
                snapshot.at,
            )
        except StorageUnavailable as error:
            log.warning("resynchronised without the database", action="resync_partly", why=str(error))

    def _alarm(self, alarm: Alarm) -> None:
        self.alarm_count += 1
        self.alarms = [*self.alarms[-19:], alarm]
        if alarm.kind == "lost":
            self.reconciler.lost(self.clock.now())
        if alarm.kind in ("lost", "trouble"):
            self.board.lose_sight()
        log.warning(alarm.text, action=f"ami_{alarm.kind}")

    def _calls_changed(self, changes: Sequence[CallChange]) -> None:
        live = self.app[LIVE]
        for change in changes:
            live.call_changed(change.after)
            before, after = change.before, change.after
            if (
                after.ended_at
                and after.queue
                and after.talk_seconds
                and (before is None or not before.ended_at)
            ):
                wrapup = self.settings.telephony.queues.get(after.queue)
                extra = wrapup.wrapup_seconds if wrapup else 0
                self.board.handled(after.queue, after.talk_seconds + extra)

    def _agent_changed(self, agent: Agent) -> None:
        self.app[LIVE].agent_changed(agent)
        self.pops.agent_changed(agent)
        self.dialing.dialer.agent_changed(agent)

    def _call_back_due(self, target: CampaignTarget) -> None:
        """Remind an agent of a call he promised."""

        async def tell() -> None:
            try:
                found = await self.database.read(lambda c: customers.several(c, [target.customer_id]))
            except StorageUnavailable:
                return  # the list shows it
            name = found[target.customer_id].name if found else ""

            def render(viewer: Principal, _language: Language) -> str:
                shown = name if viewer.sees_names else mask_name(name)
                return json.dumps({"target_id": target.id, "name": shown})

            self.app[LIVE].to_agent(target.callback_of or "", "callback", render)

        self._order(tell())

    def _note_pop(self, agent_id: str, customer_id: str) -> None:
        """Whose record a ring showed to whom, for the audit log."""
        now = self.clock.now()
        agent = self.agents.board.get(agent_id)
        self.app[VIEWS].note(
            Entry(
                id=new_id(now),
                at=now,
                action=Action.VIEWED,
                actor_name=agent.name if agent else agent_id,
                actor_id=agent_id,
                via="pop",
                subject=f"customer:{customer_id}",
            )
        )

    # --- ticks

    async def _look_at_queues(self) -> None:
        if not self.link.is_ready:
            self.board.lose_sight()
            return
        try:
            self.board.look(await self.switch.queues(), asyncio.get_running_loop().time())
        except SwitchError:
            self.board.lose_sight()

    async def _import(self) -> None:
        try:
            await self.importer.run_once()
        except (StorageUnavailable, OSError) as error:
            log.warning("files not imported now", action="import_delayed", why=str(error))

    async def _reconcile(self) -> None:
        if not self.link.is_ready:
            return
        try:
            snapshot = await self.link.snapshot()
            await self.reconciler.reconcile(snapshot)
            if not self.is_house:
                return
            await self._learn_targets()
            await self.agents.reconcile(
                [one for one in snapshot.members if one.queue in self.agents.queues],
                snapshot.channels,
                at=snapshot.at,
                call_of=self._call_on,
            )
            self.pops.resume(
                tuple(self.agents.board.values()),
                [one.endpoint for one in snapshot.channels],
                snapshot.at,
            )
            for live in self.journal.live_calls():
                await self._rescue_held(live)  # whose agent's end was not seen, or came too early
        except (SwitchError, StorageUnavailable) as error:
            log.warning("not reconciled now", action="reconcile_delayed", why=str(error))

    async def _measure_recordings(self) -> None:
        try:
            await look_at_recordings(self.database, self._recordings_folder)
        except StorageUnavailable as error:
            log.warning("recordings not looked at now", action="recordings_delayed", why=str(error))

    async def _files_go(self) -> None:
        """Delete at once what is marked: somebody was erased."""
        phone = self.settings.telephony
        try:
            await self.retention.run(
                self.clock.now(),
                recording_days=keep_days(
                    phone.recording.keep_days, china_profile=phone.recording.china_profile
                ),
                voicemail_days=phone.voicemail.keep_days,
            )
        except StorageUnavailable as error:
            log.warning("files go tonight", action="retention_delayed", why=str(error))

    async def _retain(self) -> None:
        """Delete what is past its time; a held one stays."""
        now = self.clock.now()
        phone = self.settings.telephony
        try:
            await self.retention.run(
                now,
                recording_days=keep_days(
                    phone.recording.keep_days, china_profile=phone.recording.china_profile
                ),
                voicemail_days=phone.voicemail.keep_days,
            )
            await self.database.write(lambda c: idempotency.forget_old_answers(c, now=now))
            kept = timedelta(days=self.settings.web.hooks.keep_days)
            while await self.database.write(lambda c: outgoing.forget_before(c, now - kept)):
                continue  # a bounded number at a time, so that nobody waits for the writer
            kept = timedelta(days=self.settings.crm.aftercall.draft_days)
            await self.database.write(lambda c: registrations.forget_old_drafts(c, before=now - kept))
            await data_retention.run(self.database, self.settings.retention, now)
            await self.privacy.carry_out_approved()
        except StorageUnavailable as error:
            log.warning("retention goes on tomorrow", action="retention_delayed", why=str(error))

    # --- small answers

    @property
    def _recordings_folder(self) -> Path:
        named = self.settings.telephony.recording.folder
        return Path(named) if named else self.layout.data / "recordings"

    async def _recent_dials(self) -> Sequence[datetime]:
        since = self.clock.now() - timedelta(hours=1)
        return await self.database.read(lambda connection: calls.outbound_since(connection, since))

    async def _open_outbound(self, call: str, number: str, by: str) -> None:
        await self.journal.open_outbound(call, number, by, self.clock.now())

    def _phones_changed(self) -> None:
        """A page's telephone has a new secret: whoever runs Asterisk renders its files (`careline pbx run`)."""
        phones_changed.tell(self.settings.data)

    async def _learn_targets(self) -> None:
        phones = await self.database.read(all_phones)
        self._phones = frozenset(phone.endpoint for phone in phones)

    def _targets(self) -> frozenset[str]:
        phone = self.settings.telephony
        return frozenset(
            target.extension
            for target in (
                *(Target(kind="agent", name=name) for name in self._phones),
                *(Target(kind="queue", name=name) for name in phone.queues),
                *(Target(kind="department", name=name) for name in phone.departments),
            )
        )

    async def _check_database(self) -> str | None:
        try:
            await self.database.ping()
        except StorageUnavailable as error:
            return f"The database does not answer: {error}"
        return None

    async def _check_alone(self) -> str | None:
        return self.alone.trouble if self.alone is not None else None

    async def _check_switch(self) -> str | None:
        if self.link.is_ready:
            return None
        return str(self.link.trouble or "Asterisk is not resynchronised yet.")

    async def _check_saving(self) -> str | None:
        return "Saving is delayed; calls wait on disk." if self.journal.saving_delayed else None

    async def _check_disk(self) -> str | None:
        folders = (self.settings.data, self._recordings_folder, self.layout.log, self.layout.voicemail)
        return " ".join(await asyncio.to_thread(full_disks, folders)) or None

    async def _sweep(self) -> None:
        """What only a full pass of the collector finds, when nobody is in a menu whose keys could be lost."""
        if self.agi.calls == 0:
            memory.sweep()

    async def _reserve(self) -> None:
        """Room for the switch's own log and for the spool, whatever else fills the disk."""
        short = await asyncio.to_thread(reserve, self.layout.log, self.settings.data / "spool")
        if short.keys() - self._short.keys():
            log.warning("no room kept for the call log", action="reserve_short", why=str(short))
        self._short = short

    async def _check_retention(self) -> str | None:
        try:
            return await self.retention.trouble()
        except StorageUnavailable:
            return None  # the database has a line of its own

    async def _check_hooks(self) -> str | None:
        try:
            off = await self.database.read(hooks.troubled)
        except StorageUnavailable:
            return None  # the database has a line of its own
        return f"Webhooks switched off by themselves: {len(off)}." if off else None

    async def _check_calendar(self) -> str | None:
        found = self.hours.warnings(self.clock.now())
        return found[0].text.get("en") if found else None

    def _figures(self) -> Iterable[Figure]:
        state = self.journal.state()
        events = self.link.events.gauges
        yield from self.hooks.figures()
        live = self.journal.live_calls()
        yield Figure(name="careline_calls_live", help="Calls going on", value=len(live))
        yield Figure(name="careline_switch_ready", help="1: resynchronised", value=int(self.link.is_ready))
        yield Figure(
            name="careline_saving_delayed", help="1: facts wait on disk", value=int(state.saving_delayed)
        )
        yield Figure(name="careline_spool_bytes", help="Facts on disk, bytes", value=state.spooled_bytes)
        yield Figure(name="careline_facts_stored", help="Facts stored", value=state.stored, kind="counter")
        yield Figure(
            name="careline_facts_refused", help="Facts put aside", value=state.refused, kind="counter"
        )
        if (figures := self.reconciler.gauges) is not None:
            yield Figure(name="careline_calls_open", help="Calls without an end", value=figures.open)
            yield Figure(
                name="careline_calls_recovered",
                help="Calls of a day built from files",
                value=figures.recovered,
            )
            yield Figure(
                name="careline_calls_interrupted",
                help="Calls of a day nobody saw end",
                value=figures.interrupted,
            )
            yield Figure(
                name="careline_calls_missing",
                help="Trunk calls without a row; must be 0",
                value=figures.missing,
            )
        yield Figure(name="careline_ami_lag_seconds", help="Age of the newest event", value=events.lag)
        yield Figure(name="careline_ami_queued", help="Events waiting", value=events.queued)
        yield Figure(name="careline_ami_lost", help="Events lost", value=events.lost, kind="counter")
        yield Figure(
            name="careline_ami_connects", help="Log-ins to AMI", value=events.connects, kind="counter"
        )
        yield Figure(
            name="careline_alarms", help="Alarms of the switch", value=self.alarm_count, kind="counter"
        )
        yield Figure(
            name="careline_agent_facts_dropped",
            help="Legs of agents not followed one by one; the switch was asked instead",
            value=self.follow_dropped,
            kind="counter",
        )
        yield Figure(
            name="careline_forwards_ended",
            help="Calls ended that a phone forwarded",
            value=self.forwards_ended,
            kind="counter",
        )
        yield Figure(
            name="careline_ivr_refused_dead",
            help="Openings for no living call, refused",
            value=self.agi.counts.refused_dead,
            kind="counter",
        )
        yield Figure(
            name="careline_ivr_asked",
            help="Openings for which the switch was asked whether the call lives",
            value=self.living.asked,
            kind="counter",
        )
        yield Figure(
            name="careline_ivr_unsure",
            help="Openings let in while the switch could not be asked",
            value=self.living.unsure,
            kind="counter",
        )
        yield Figure(name="careline_ivr_calls", help="Calls in a menu now", value=self.agi.calls)
        served = self.host.counts
        yield Figure(name="careline_ivr_served", help="Calls served", value=served.calls, kind="counter")
        yield Figure(
            name="careline_ivr_fallback", help="To the fallback", value=served.fallback, kind="counter"
        )
        for name, count in self.board.counts.items():
            labels = {"queue": name}
            yield Figure(
                name="careline_queue_waiting", help="Callers waiting", value=count.waiting, labels=labels
            )
            yield Figure(name="careline_queue_ready", help="Agents ready", value=count.ready, labels=labels)
            yield Figure(
                name="careline_queue_members", help="Agents signed in", value=count.members, labels=labels
            )


def _identify(connection: Connection, number: str) -> tuple[str | None, str]:
    match = decide(matching.find_by_number(connection, number))
    return match.customer_id, str(match.explained)


async def _cancelled(task: asyncio.Task[object]) -> None:
    """End a task and take what it raises; its own failure was told where it was waited for."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
