"""The screen pop at work: hears rings before they are stored, reads who calls, tells that agent's pages alone.

The way of a ring to the page: the switch's event, the ring board, one short read, the stream of one agent. The
call's row is there by then (the menus record a caller before the first prompt); where it is not, because the
switch served the caller alone, the pop waits for the journal's commit: nobody acts on a call without a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from access.audit import Entry
from access.ids import new_id
from access.permissions import Permission
from access.permissions import Role as AccessRole
from access.requests import Answer, Once
from access.users import Language, Principal, Via
from config.books import desk_days
from crm.records.customers import BadRecord, CustomerId, clean_name
from crm.records.vehicles import Role, parse_plate
from crm.screenpop import DueRules, MenuWords, Pop, make_pop
from crm.workday import DayJournal
from storage import agent_numbers, agents, audit, calls, customers, idempotency, tasks, vehicles
from storage.database import Database, StorageUnavailable
from storage.journal import Journal
from storage.person import open_customer
from storage.screenpop import read_pop
from storage.sight import open_among
from telephony.agents import Agent, AgentState
from telephony.call_lists import may_see, view_of
from telephony.calls import Call, CallState
from telephony.clock import Clock
from telephony.company import Company, CompanyBoard
from telephony.control import NoSuchCall, NotYourCall
from telephony.facts import Fact, FactKind, Source
from telephony.numbers import E164
from telephony.ringing import Ring, RingBoard, RingChange
from telephony.tracker import CallChange
from web.live import LiveEvents
from web.pages.pop import company_json, end_json, pop_json, state_json
from web.ports.desk import DeskNow, MyNumbers, NewCaller, Phase

log = structlog.get_logger(__name__)

#: States in which the agent's row names a call of his.
_WITH_CALL: Final = (AgentState.ON_CALL, AgentState.WRAP_UP)


class PopBook:
    """`web.ports.desk.Pops`, and the reactions that fill it. Belongs to the event loop's thread."""

    def __init__(
        self,
        *,
        database: Database,
        journal: Journal,
        clock: Clock,
        zone: str,
        owner_of: Callable[[str], str | None],
        read_number: Callable[[str], str | None],
        live: Callable[[], LiveEvents],
        words: MenuWords,
        viewed: Callable[[str, str], None] = lambda _agent, _customer: None,
        due: DueRules | None = None,
    ) -> None:
        """`owner_of`: whose phone an endpoint is; `live`: the streams, once there is an application; `viewed`: told
        whose record (second) was shown to whom (first)."""
        self._database = database
        self._journal = journal
        self._clock = clock
        self._zone = ZoneInfo(zone)
        self._read_number = read_number
        self._live = live
        self._words = words
        self._viewed = viewed
        self._due = due or DueRules()
        self.rings = RingBoard(owner_of)
        self._company = CompanyBoard(journal.live)
        #: Agent to the call his pages show.
        self._shown: dict[str, str] = {}
        #: Agent to the call he talks in or writes up: no ring takes its place.
        self._has_call: dict[str, str] = {}
        #: Rings of calls whose row is not there yet, by linkedid.
        self._early: dict[str, list[Ring]] = {}
        self._work: set[asyncio.Task[None]] = set()

    # --- what happens

    def heard(self, facts: Iterable[Fact]) -> None:
        """The switch's facts, as they come and before they are stored."""
        self._changed(self.rings.take(facts))

    def resume(self, rows: Sequence[Agent], endpoints: Iterable[str], at: datetime) -> None:
        """After a look at the switch: who rings by the rows, and by the channels that were there `at` that time."""
        found = []
        for agent in rows:
            self._company_changed(self._company.agent_changed(agent))
            if agent.state in _WITH_CALL and agent.call_id is not None:
                self._has_call[agent.id] = agent.call_id
            call = self._journal.live(agent.call_id) if agent.call_id else None
            if agent.state is AgentState.RINGING and call is not None and call.state is not CallState.ENDED:
                found.append(
                    Ring(agent_id=agent.id, endpoint=agent.phone, linkedid=call.linkedid, since=agent.since)
                )
        self._changed(self.rings.resume(found))
        self._changed(self.rings.only(frozenset(endpoints), at))

    def agent_changed(self, agent: Agent) -> None:
        """A committed change of an agent: his pages hear it, and who began to talk sees whom with."""
        self._live().to_agent(
            agent.id, "state", lambda _viewer, _language: state_json(agent, self._clock.now())
        )
        self._company_changed(self._company.agent_changed(agent))
        if agent.state in _WITH_CALL and agent.call_id is not None:
            self._has_call[agent.id] = agent.call_id
            if self._shown.get(agent.id) != agent.call_id:
                self._begin(agent.id, agent.call_id)
            return
        busy = self._has_call.pop(agent.id, None)
        ring = self.rings.of(agent.id)
        if ring is None:
            self._shown.pop(agent.id, None)
        elif busy is not None:  # what rang meanwhile goes on ringing
            self._changed([RingChange(ring=ring)])

    def calls_changed(self, changes: Sequence[CallChange]) -> None:
        """Committed changes of calls: a ring that came before its row, or another customer."""
        for change in changes:
            call, before = change.after, change.before
            if before is not None and (before.state, before.agent_id) != (call.state, call.agent_id):
                self._company_changed(self._company.call_changed(call.id))
            for ring in self._early.pop(call.linkedid, ()):
                if self.rings.of(ring.agent_id) == ring:
                    self._rings(ring.agent_id, call.id)
            if before is not None and before.customer_id != call.customer_id:
                for agent_id, shown in list(self._shown.items()):
                    if shown == call.id:
                        self._begin(agent_id, call.id)

    def _company_changed(self, changes: Iterable[tuple[str, Company]]) -> None:
        for agent_id, company in changes:
            self._live().to_agent(agent_id, "company", partial(_told, company_json(company)))

    def _changed(self, changes: Sequence[RingChange]) -> None:
        for change in changes:
            ring = change.ring
            call = self._journal.live_of(ring.linkedid)
            if change.end is not None:
                waiting = self._early.get(ring.linkedid)
                if waiting and ring in waiting:
                    waiting.remove(ring)
                if change.end == "answered" or ring.agent_id in self._has_call:
                    continue
                call_id = self._shown.pop(ring.agent_id, None)
                if call_id is not None:
                    told = end_json(call_id, change.end)
                    self._live().to_agent(ring.agent_id, "pop_end", partial(_told, told))
            elif call is None:
                self._early.setdefault(ring.linkedid, []).append(ring)
            else:
                self._rings(ring.agent_id, call.id)

    def _rings(self, agent_id: str, call_id: str) -> None:
        """A second call at the phone of somebody who talks or writes up does not take the person from his page."""
        if self._has_call.get(agent_id, call_id) == call_id:
            self._begin(agent_id, call_id)

    def _begin(self, agent_id: str, call_id: str) -> None:
        self._shown[agent_id] = call_id
        self._soon(self._show(agent_id, call_id))

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name="pop")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _show(self, agent_id: str, call_id: str) -> None:
        """Read the pop and tell the agent's pages, unless it is over by then."""
        call = self._journal.live(call_id)
        opened: frozenset[str] = frozenset()
        try:
            if call is not None:
                pop, opened = await self._database.read_first(
                    lambda connection: self._pop_and_opened(connection, call, self._agent(agent_id))
                )
            else:
                pop, opened = await self._stored_pop(call_id, self._agent(agent_id))
        except StorageUnavailable as error:
            if call is None:
                return
            log.warning("a pop without its records", action="pop_partly", call=call_id, why=str(error))
            pop = make_pop(call, [], words=self._words)
        except NoSuchCall:
            return
        if self._shown.get(agent_id) != call_id:
            return

        everybody = frozenset(one.id for one in pop.candidates)

        def render(viewer: Principal, language: Language) -> str:
            allowed = everybody if viewer.may(Permission.CRM_RESTRICTED) else opened
            return pop_json(
                seen_by(pop, allowed, viewer), language=language, now=self._clock.now(), zone=self._zone
            )

        self._live().to_agent(agent_id, "pop", render)
        if pop.person is not None:
            self._viewed(agent_id, pop.person.id)

    def _agent(self, agent_id: str) -> Principal:
        """What any agent sees on his own page: a role above it is asked for when the page is painted."""
        return Principal(role=AccessRole.AGENT, via=Via.SESSION, name="", user_id=agent_id)

    def _pop_and_opened(
        self, connection: Connection, call: Call, viewer: Principal
    ) -> tuple[Pop, frozenset[str]]:
        """The pop, and whose of its records this person may open now."""
        pop = self._pop_of(connection, call)
        restricted = {one.id: one.restricted for one in pop.candidates}
        return pop, open_among(connection, viewer, restricted, self._clock.now())

    def _pop_of(self, connection: Connection, call: Call) -> Pop:
        now = self._clock.now()
        today = now.astimezone(self._zone).date()
        return read_pop(connection, call, now=now, today=today, rules=self._due, words=self._words)

    async def _stored_pop(self, call_id: str, viewer: Principal) -> tuple[Pop, frozenset[str]]:
        def work(connection: Connection) -> tuple[Pop, frozenset[str]] | None:
            call = calls.by_id(connection, call_id)
            return None if call is None else self._pop_and_opened(connection, call, viewer)

        found = await self._database.read(work)
        if found is None:
            raise NoSuchCall("There is no such call.")
        return found

    # --- what pages ask

    def here(self, viewer: Principal, page: str) -> bool:
        return self._live().here(viewer, page)

    def presence(self) -> Mapping[str, bool]:
        return {user: seen.here for user, seen in self._live().presence.seen.items()}

    async def now(self, viewer: Principal, user_id: str) -> DeskNow:
        live = self._live().last_id  # read first: what happens meanwhile comes through the stream
        ring = self.rings.of(user_id)
        rung = self._journal.live_of(ring.linkedid) if ring is not None else None

        def work(
            connection: Connection,
        ) -> tuple[Agent | None, Call | None, tuple[Pop, frozenset[str]] | None]:
            agent = agents.get(connection, user_id)
            call = rung
            busy = agent is not None and agent.state in _WITH_CALL
            if agent is not None and agent.call_id is not None and (busy or rung is None):
                call = self._journal.live(agent.call_id) or calls.by_id(connection, agent.call_id)
            found = self._pop_and_opened(connection, call, viewer) if call is not None else None
            return agent, call, found

        agent, call, found = await self._database.read(work)
        phase = phase_of(agent, rung=rung)
        if phase is Phase.IDLE or call is None or found is None:
            return DeskNow(phase=phase if call is not None else Phase.IDLE, agent=agent, live=live)
        self._shown.setdefault(user_id, call.id)
        return DeskNow(
            phase=phase,
            agent=agent,
            call=view_of(call, sees_numbers=viewer.sees_numbers),
            pop=seen_by(*found, viewer),
            company=self._company.of(user_id),
            live=live,
        )

    async def pop(self, viewer: Principal, call_id: str) -> Pop:
        pop, opened = await self._stored_pop(call_id, viewer)
        if not (self._has(viewer, pop.call) or may_see(pop.call, viewer)):
            raise NoSuchCall("There is no such call.")
        return seen_by(pop, opened, viewer)

    async def choose(self, viewer: Principal, call_id: str, customer_id: str | None, entry: Entry) -> Pop:
        call = await self._own(viewer, call_id)
        if customer_id is not None:
            await self._database.read(lambda connection: self._may_be(connection, viewer, call, customer_id))
        await self._tie(viewer, call, customer_id, entry)
        return await self.pop(viewer, call_id)

    def _may_be(self, connection: Connection, viewer: Principal, call: Call, customer_id: str) -> None:
        """Who shares the call's number may be named by anybody; others by those who may open the record.

        Raises CustomerNotFound, RecordClosed: nobody opens a record by naming its id in a call.
        """
        customers.get_customer(connection, customer_id)
        if call.number is not None:
            known = {contact.number for contact in customers.contacts_of(connection, customer_id)}
            if call.number in known:
                return
        open_customer(connection, viewer, customer_id, now=self._clock.now())

    async def create(
        self, viewer: Principal, call_id: str, caller: NewCaller, once: Once | None, entry: Entry
    ) -> Pop:
        call = await self._own(viewer, call_id)
        name = clean_name(caller.name)
        if caller.plate and parse_plate(caller.plate) is None:
            raise BadRecord("This is no licence plate. Nothing was saved; correct it or leave it empty.")
        number = call.number or (self._read_number(caller.number) if caller.number else None)
        if caller.number and number is None:
            raise BadRecord("This is no telephone number. Nothing was saved; correct it or leave it empty.")
        now = self._clock.now()
        new = CustomerId(new_id(now))

        def work(connection: Connection) -> CustomerId:
            if once is not None:
                answer = Answer(status=200, body={"customer_id": new}, at=now)
                kept = idempotency.answer_once(connection, once, answer)
                if kept is not answer:
                    return CustomerId(str(kept.body["customer_id"]))
            customer = customers.add_customer(
                connection,
                name=name,
                now=now,
                honorific=caller.honorific,
                language=caller.language,
                known_id=new,
            )
            if number is not None:
                customers.add_contact(connection, customer.id, E164(number), now, primary=True)
            if caller.plate or caller.model:
                vehicle = vehicles.add_vehicle(
                    connection, now=now, plate=caller.plate or None, model=caller.model.strip()[:64]
                )
                vehicles.add_person(connection, vehicle.id, customer.id, Role.OWNER, now)
            audit.append(connection, replace(entry, data={**entry.data, "customer": customer.id}))
            return customer.id

        made = await self._database.write(work)
        if made == new or call.customer_id is None:  # the same again does not undo what was chosen since
            await self._tie(viewer, call, made)
        return await self.pop(viewer, call_id)

    async def number_of_task(self, viewer: Principal, task_id: str) -> str:
        def work(connection: Connection) -> str:
            task = tasks.open_task(connection, task_id, viewer.user_id)
            if task.customer_id is not None:
                open_customer(connection, viewer, task.customer_id, now=self._clock.now())
            return task.number or ""

        return await self._database.read(work)

    async def numbers(self, user_id: str, day: date | None) -> MyNumbers:
        now = self._clock.now()
        day, since, until = desk_days.bounds(day, now, self._zone)

        def work(
            connection: Connection,
        ) -> tuple[Sequence[agent_numbers.TalkedCall], Sequence[agent_numbers.Change]]:
            return (
                agent_numbers.talked_calls(connection, user_id, since, until),
                agent_numbers.changes(connection, user_id, since, until),
            )

        talked, changes = await self._database.read(work)
        return desk_days.day_of(talked, changes, day=day, since=since, until=max(since, min(until, now)))

    async def journal(self, viewer: Principal, user_id: str, day: date | None) -> DayJournal:
        return await desk_days.journal(
            self._database, viewer, user_id, day=day, now=self._clock.now(), zone=self._zone
        )

    # --- who may

    def _has(self, viewer: Principal, call: Call) -> bool:
        """Whether the call rings at this person, is talked in or is written up by him."""
        ring = self.rings.of(viewer.user_id or "")
        return (ring is not None and ring.linkedid == call.linkedid) or call.agent_id == viewer.user_id

    async def _own(self, viewer: Principal, call_id: str) -> Call:
        """A call this person may say something about. Raises NoSuchCall, NotYourCall."""

        def work(connection: Connection) -> tuple[Call | None, Agent | None]:
            return calls.by_id(connection, call_id), agents.get(connection, viewer.user_id or "")

        stored, agent = await self._database.read(work)
        call = self._journal.live(call_id) or stored
        if call is None:
            raise NoSuchCall("There is no such call.")
        own = self._has(viewer, call) or (agent is not None and agent.call_id == call.id)
        if own or viewer.may(Permission.DESK_OTHERS):
            return call
        if call.agent_id is not None:
            raise NotYourCall(call.agent_id)
        raise NoSuchCall("There is no such call.")

    async def _tie(
        self, viewer: Principal, call: Call, customer_id: str | None, entry: Entry | None = None
    ) -> None:
        """The choice is a fact of the call: with who made it, and a later one takes its place.

        The entry goes with it (`storage.audit.react_to_choice`): one transaction, or one line on disk.
        """
        now = self._clock.now()
        by = viewer.user_id or viewer.proof_id
        data: dict[str, str | None] = {"customer_id": customer_id, "how": "agent", "by": by}
        if customer_id is None:
            data["explained"] = "unknown_number" if call.number else "hidden_number"
        if entry is not None:
            data |= audit.choice_of(entry)
        await self._journal.record(
            Fact(
                source=Source.SERVICE,
                key=f"chosen:{call.id}:{new_id(now)}",
                kind=FactKind.IDENTIFIED,
                at=now,
                linkedid=call.linkedid,
                uniqueid=call.linkedid,
                data=data,
            )
        )


def _told(told: str, _viewer: Principal, _language: Language) -> str:
    return told


def seen_by(pop: Pop, opened: frozenset[str], viewer: Principal) -> Pop:
    """The pop with what this viewer may not see hidden; `opened`: whose records he may open (`storage.sight`)."""
    return pop.seen_by(sees_numbers=viewer.sees_numbers, user_id=viewer.user_id, opened=opened)


def phase_of(agent: Agent | None, *, rung: Call | None) -> Phase:
    """What the page is for; `rung` is the call that rings at the agent, as far as the switch has told."""
    if agent is None:
        return Phase.IDLE
    if agent.state is AgentState.ON_CALL:
        return Phase.TALKING
    if agent.state is AgentState.WRAP_UP:
        return Phase.WRAP_UP
    return Phase.RINGING if rung is not None or agent.state is AgentState.RINGING else Phase.IDLE
