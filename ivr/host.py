"""The host: performs what the engine says over a line, answers its questions through the ports, resumes.

Order of things in a call, so that nothing is lost whatever dies: the call's row is durable before the
caller hears anything; what he chose is durable before the last prompt; the route is the very last act. If
the service dies anywhere before it, the dialplan sees no route and takes the caller to the fallback queue.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog

from ivr import engine
from ivr.engine import (
    AllowRecording,
    Finished,
    Input,
    Limits,
    Note,
    Opening,
    Say,
    SetLanguage,
    Spoken,
    Turn,
    Typed,
    WaitKeys,
    WaitReply,
)
from ivr.flow import Flow
from ivr.ports import (
    Arrival,
    AskAppointment,
    AskCallback,
    AskHours,
    AskOptOut,
    AskQueue,
    AskServant,
    AskSurvey,
    AskTask,
    AskText,
    Called,
    Done,
    FindByNumber,
    FindByTail,
    Found,
    Journal,
    Line,
    LineGone,
    NoAnswer,
    Outbound,
    Ports,
    Question,
    Reply,
    Unavailable,
)
from ivr.prompts import Item, PromptBook, PromptError, Sentence, Sound, item
from ivr.routes import ToFallback, ToSeat, route_word
from telephony.asterisk import names
from telephony.clock import Clock
from telephony.facts import Fact, FactKind, Source
from telephony.numbers import is_hidden
from telephony.tracker import call_id

log = structlog.get_logger(__name__)

#: A question the house does not answer within this many seconds is taken as not answered.
QUESTION_SECONDS: Final = 1.5
#: A campaign's customer waits so long for an agent to come free (pacing: `campaigns.attempts.PATIENCE`).
SEAT_SECONDS: Final = 2.0
#: A wait that is noticed to be over this many seconds late was no wait: the service itself stood still.
_STOOD_STILL_SECONDS: Final = 0.25
#: What callers chose is stored at the latest this many seconds after the key.
FLUSH_SECONDS: Final = 1.0
#: Prompts remembered with their files.
_MOST_PROMPTS: Final = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class Menus:
    """Which flow answers which call. Replaced as a whole when files change; calls keep theirs."""

    #: Called number to flow.
    numbers: Mapping[str, Flow]
    #: For called numbers nobody named: no call is turned away.
    default: Flow
    #: Queue to the flow for callers who leave it.
    leaving: Mapping[str, Flow] = field(default_factory=dict)
    #: The flow after a talk; None: nobody is asked.
    rating: Flow | None = None
    #: Flows of campaigns, by name.
    outbound: Mapping[str, Flow] = field(default_factory=dict)


@dataclass(kw_only=True, slots=True)
class Counts:
    """What the host did since it started."""

    calls: int = 0
    routed: int = 0
    hung_up: int = 0
    fallback: int = 0
    failed: int = 0
    unanswered_questions: int = 0
    missing_sounds: int = 0


class _Call:
    """One call being served: what is to be said, and facts not yet stored."""

    __slots__ = ("arrival", "call_id", "facts", "number", "rating", "recording", "said")

    def __init__(self, arrival: Arrival, call_id: str) -> None:
        self.arrival = arrival
        self.call_id = call_id
        self.facts: list[Fact] = []
        self.number = 0
        self.said: list[Spoken] = []
        self.recording = False
        #: Its talk is over: where the menu before it led stays the call's route.
        self.rating = False

    def note(self, kind: FactKind, at: datetime, data: Mapping[str, str | int | bool | None]) -> Fact:
        arrival = self.arrival
        self.number += 1
        return Fact(
            source=Source.AGI,
            key=f"{arrival.uniqueid}:{arrival.epoch}:{self.number}",
            kind=kind,
            at=at,
            linkedid=arrival.linkedid,
            uniqueid=arrival.uniqueid,
            data=data,
        )


class Host:
    """Serves calls; one coroutine a call. `number_of` reads a caller's number as E.164, or None."""

    def __init__(
        self,
        *,
        menus: Menus,
        ports: Ports,
        journal: Journal,
        book: PromptBook,
        limits: Limits,
        number_of: Callable[[str], str | None],
        clock: Clock,
    ) -> None:
        self.menus = menus
        self.counts = Counts()
        self._ports = ports
        self._journal = journal
        self._book = book
        self._limits = limits
        self._number_of = number_of
        self._clock = clock
        self._prompts: dict[tuple[Spoken, ...], tuple[Sound, ...]] = {}
        self._missing: set[tuple[str, str]] = set()
        self._unsaved: list[_Call] = []
        self._flush_at: asyncio.TimerHandle | None = None
        self._flushes: set[asyncio.Task[None]] = set()

    # --- one call

    async def serve(self, line: Line) -> None:
        """Take one caller from his arrival to his route. Never raises for what callers or ports do."""
        arrival = line.arrival
        self.counts.calls += 1
        if arrival.script == names.AGI_ATTEMPT:
            await self._serve_called(line)
            return
        flow = self._flow_of(arrival)
        if flow is None:
            self.counts.fallback += 1
            log.warning("no flow for this", action="ivr_refused", script=arrival.script)
            return
        try:
            if arrival.script == names.AGI_EXIT:
                await self._serve_leaving(line, flow)
            elif arrival.script == names.AGI_RATING:
                await self._serve_rating(line, flow)
            else:
                await self._serve_new(line, flow)
        except Unavailable as error:
            self.counts.fallback += 1
            log.error("call log away", action="ivr_fallback", uniqueid=arrival.uniqueid, error=str(error))

    def _flow_of(self, arrival: Arrival) -> Flow | None:
        if arrival.script == names.AGI_IVR:
            return self.menus.numbers.get(arrival.subject, self.menus.default)
        if arrival.script == names.AGI_RATING:
            return self.menus.rating
        return self.menus.leaving.get(arrival.subject) if arrival.script == names.AGI_EXIT else None

    async def _serve_new(self, line: Line, flow: Flow) -> None:
        arrival, now = line.arrival, self._clock.now()
        call = _Call(arrival, call_id("", arrival.linkedid, now))
        caller = self._number_of(arrival.caller)
        started = call.note(
            FactKind.IVR_STARTED,
            now,
            {
                "call_id": call.call_id,
                "flow": flow.name,
                "caller": arrival.caller,
                "called": arrival.subject,
            },
        )
        await self._journal.record(started)
        unreadable = caller is None and not is_hidden(arrival.caller)
        opening = Opening(call_id=call.call_id, caller=caller, unreadable=unreadable)
        await self._walk(line, call, flow, opening, answer=True)

    async def _serve_called(self, line: Line) -> None:
        """A customer whom a campaign called has answered."""
        arrival = line.arrival
        try:
            outbound = self._ports.outbound
            called = None
            if outbound is not None:
                async with asyncio.timeout(QUESTION_SECONDS):
                    called = await outbound.called(arrival.subject)
            if outbound is not None and called is not None and called.by_agents:
                if arrival.key == names.SEAT_MISSED:
                    await outbound.missed(arrival.subject)
                elif await self._seat(line, called, outbound):
                    return
            flow = None if called is None else self.menus.outbound.get(called.flow)
            if called is None or flow is None:
                self.counts.fallback += 1
                log.error("no flow for a campaign's call", action="ivr_refused", call=arrival.subject)
                return
            call = _Call(arrival, arrival.subject)
            data = {"call_id": call.call_id, "flow": flow.name, "caller": "", "called": ""}
            await self._journal.record(call.note(FactKind.IVR_STARTED, self._clock.now(), data))
            opening = Opening(
                call_id=call.call_id,
                caller=called.number,
                language=called.language,
                purpose=called.purpose,
            )
            await self._walk(line, call, flow, opening, answer=False)
        except (Unavailable, TimeoutError) as error:
            self.counts.fallback += 1
            log.error(
                "campaign's call not served", action="ivr_fallback", call=arrival.subject, error=str(error)
            )

    async def _seat(self, line: Line, called: Called, outbound: Outbound) -> bool:
        """Give a customer to an agent; False: nobody came free in time, or he has hung up."""
        endpoint = await outbound.seat(line.arrival.subject, SEAT_SECONDS)
        if endpoint is None:
            return False
        self.counts.routed += 1
        variables = [(names.LANGUAGE, called.language)] if called.language else []
        word = route_word(ToSeat(endpoint=endpoint, seconds=math.ceil(SEAT_SECONDS)))
        try:
            await line.release([*variables, (names.IVR_DONE, word or "")])
        except LineGone:
            self.counts.hung_up += 1
        return True

    async def _serve_leaving(self, line: Line, flow: Flow) -> None:
        arrival = line.arrival
        try:
            call_id, language = await line.recall((names.CALL, names.LANGUAGE))
        except LineGone:
            self.counts.hung_up += 1
            return
        call = _Call(arrival, call_id or arrival.linkedid)
        opening = Opening(
            call_id=call.call_id,
            caller=self._number_of(arrival.caller),
            language=language or None,
            left_by=arrival.key,
        )
        await self._walk(line, call, flow, opening, answer=False)

    async def _serve_rating(self, line: Line, flow: Flow) -> None:
        """The agent hung up: the talk is over, and what the customer presses now is what he says of it."""
        arrival, now = line.arrival, self._clock.now()
        try:
            call_id, language = await line.recall((names.CALL, names.LANGUAGE))
        except LineGone:
            self.counts.hung_up += 1
            return
        call = _Call(arrival, call_id or arrival.linkedid)
        call.rating = True
        self._keep(call, call.note(FactKind.RATING_ASKED, now, {"queue": arrival.subject}))
        opening = Opening(
            call_id=call.call_id, caller=self._number_of(arrival.caller), language=language or None
        )
        await self._walk(line, call, flow, opening, answer=False)

    async def _walk(self, line: Line, call: _Call, flow: Flow, opening: Opening, *, answer: bool) -> None:
        turn = engine.start(flow, opening, self._limits, self._clock.now())
        try:
            if answer:
                await line.answer()
            while True:
                self._perform(call, turn)
                given: Input
                match turn.wait:
                    case WaitKeys() as wait:
                        given = await self._keys(line, call, wait)
                    case WaitReply() as wait:
                        given = await self._reply(wait.question)
                    case Finished() as wait:
                        await self._finish(line, call, turn, wait)
                        return
                turn = engine.resume(flow, turn.session, given, self._limits, self._clock.now())
        except LineGone:
            self.counts.hung_up += 1
            left = engine.hung_up(flow, turn.session, self._limits, self._clock.now())
            if left is not None:
                await self._reply(left)
            ended = call.note(
                FactKind.IVR_ENDED,
                self._clock.now(),
                {"route": "", "outcome": "hung_up", "node": turn.session.node},
            )
            await self._record(call, ended)

    def _perform(self, call: _Call, turn: Turn) -> None:
        for command in turn.commands:
            match command:
                case Say():
                    call.said.extend(command.items)
                case Note():
                    self._keep(call, call.note(command.kind, self._clock.now(), command.data))
                case AllowRecording():
                    call.recording = True
                case SetLanguage():
                    pass  # the session carries it; the line learns it with the route

    async def _keys(self, line: Line, call: _Call, wait: WaitKeys) -> Typed:
        sounds = self._sounds(call)
        heard = await line.ask(sounds, wait.seconds, wait.most)
        if not heard.played:
            log.error(
                "a prompt could not be played",
                action="ivr_prompt_failed",
                files=[sound.file for sound in sounds],
            )
            self.counts.missing_sounds += 1
        return Typed(keys=heard.keys, hash=heard.hash)

    async def _finish(self, line: Line, call: _Call, turn: Turn, wait: Finished) -> None:
        session = turn.session
        word = route_word(wait.route)
        why = wait.route.why if isinstance(wait.route, ToFallback) else "routed"
        route = "" if call.rating else word or ""
        ended = call.note(FactKind.IVR_ENDED, self._clock.now(), {"route": route, "outcome": why})
        await self._record(call, ended)
        if sounds := self._sounds(call):
            await line.play(sounds)
        variables = [(names.CALL, call.call_id), (names.LANGUAGE, session.language)]
        if session.record:
            variables.append((names.RECORD, "yes"))
        if word is None:
            self.counts.fallback += 1
        else:
            self.counts.routed += 1
            variables.append((names.IVR_DONE, word))
        await line.release(variables)

    # --- facts

    def _keep(self, call: _Call, fact: Fact) -> None:
        """Store soon: together with what other callers chose in the same second."""
        if not call.facts:
            self._unsaved.append(call)
        call.facts.append(fact)
        if self._flush_at is None:
            self._flush_at = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._start_flush)

    def _start_flush(self) -> None:
        self._flush_at = None
        task = asyncio.create_task(self._flush(), name="ivr-flush")
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        calls, self._unsaved = self._unsaved, []
        facts = [fact for call in calls for fact in call.facts]
        for call in calls:
            call.facts = []
        if not facts:
            return
        try:
            await self._journal.secure(*facts)
        except Unavailable as error:
            log.error("steps not stored", action="ivr_steps_lost", facts=len(facts), error=str(error))

    async def _record(self, call: _Call, last: Fact) -> None:
        """Store everything about the call now. A log that takes nothing must not keep a caller from people."""
        facts, call.facts = [*call.facts, last], []
        try:
            await self._journal.secure(*facts)
        except Unavailable as error:
            log.error("result not stored", action="ivr_result_lost", call=call.call_id, error=str(error))

    async def drain(self) -> None:
        """Store what waits to be stored; call it after the last line is closed."""
        if self._flush_at is not None:
            self._flush_at.cancel()
            self._flush_at = None
        await self._flush()
        while self._flushes:
            await asyncio.gather(*self._flushes)

    # --- sounds

    def _sounds(self, call: _Call) -> tuple[Sound, ...]:
        said = tuple(call.said)
        call.said = []
        if not said:
            return ()
        found = self._prompts.get(said)
        if found is None:
            if len(self._prompts) >= _MOST_PROMPTS:
                self._prompts.clear()
            found = self._prompts[said] = self._compose(said)
        return found

    def _compose(self, said: tuple[Spoken, ...]) -> tuple[Sound, ...]:
        sounds: list[Sound] = []
        run: list[Item] = []
        for index, spoken in enumerate(said):
            try:
                run.append(_item_of(spoken))
            except PromptError as error:
                log.error("a value cannot be said", action="ivr_value_unsaid", error=str(error))
            last = index + 1 == len(said) or said[index + 1].language != spoken.language
            if last and run:
                composed = self._book.compose(spoken.language, run)
                sounds.extend(composed.sounds)
                self._report(spoken.language, composed.missing)
                run = []
        return tuple(sounds)

    def _report(self, language: str, missing: tuple[str, ...]) -> None:
        for key in missing:
            self.counts.missing_sounds += 1
            if (language, key) not in self._missing:
                self._missing.add((language, key))
                log.error("no sound", action="ivr_sound_missing", language=language, key=key)

    # --- questions

    async def _reply(self, question: Question) -> Reply:
        """What the house answers; NoAnswer where it is away or slow."""
        try:
            if isinstance(question, AskQueue):
                return self._ports.queues.view(question.queue, question.priority)
            if isinstance(question, AskHours):
                return self._ports.calendar.at_work(self._clock.now())
            return await self._in_time(question)
        except (Unavailable, TimeoutError) as error:
            self.counts.unanswered_questions += 1
            name = type(question).__name__
            log.warning("question not answered", action="ivr_no_answer", question=name, error=repr(error))
            return NoAnswer()

    async def _in_time(self, question: Question) -> Reply:
        """What the stores answer. Raises TimeoutError where that takes too long.

        An answer that lies there when the service wakes up counts: what it asked for is done and stored.
        """
        loop = asyncio.get_running_loop()
        asked = asyncio.create_task(self._ask(question))
        try:
            while True:
                until = loop.time() + QUESTION_SECONDS
                await asyncio.wait({asked}, timeout=QUESTION_SECONDS)
                if asked.done():
                    return asked.result()
                if loop.time() < until + _STOOD_STILL_SECONDS:
                    raise TimeoutError
        finally:
            asked.cancel()

    async def _ask(self, question: Question) -> Reply:
        ports, now = self._ports, self._clock.now()
        match question:
            case FindByNumber():
                return await ports.directory.by_number(question.number, now)
            case FindByTail():
                tail = ports.directory.by_tail(question.kind, question.keys, question.among)
                return Found(customers=tuple(await tail))
            case AskServant():
                return await ports.queues.servant(question.customer_id, question.who, question.queue)
            case AskCallback():
                return await ports.tasks.callback(question, now)
            case AskTask():
                return Done(ok=await ports.tasks.task(question, now))
            case AskOptOut():
                return Done(ok=await ports.suppression.opt_out(question, now))
            case AskText():
                return Done(ok=await ports.texts.send(question, now))
            case AskAppointment():
                if ports.appointments is None:
                    raise Unavailable("This house books nothing by keypad.")
                return await ports.appointments.appoint(question, now)
            case AskSurvey():
                if ports.surveys is None:
                    raise Unavailable("This house asks nothing by keypad.")
                return await ports.surveys.survey(question, now)
            case AskHours() | AskQueue():
                raise Unavailable("answered from memory")


def _item_of(spoken: Spoken) -> Item:
    """The prompt item of one thing to say. Raises PromptError where it cannot be said."""
    if spoken.kind == "sentence":
        return Sentence(key=str(spoken.value))
    return item(spoken.kind, spoken.value)
