"""The engine: given a flow, a session and an input, it says what should happen and what to wait for.

It does nothing itself. A turn is a list of commands (say, note a fact, speak another language, allow
recording) and one wait: keys, the reply to a question, or the end with a route. The host performs the
commands and resumes with an input. All limits are here: no flow can go round without the caller, no caller
can go round for ever, and every way ends in a route.

EngineError
└── InputRefused   an input that does not answer the wait; the session is unchanged, ask again
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final, TypeAlias

from ivr import flow as steps
from ivr.flow import Flow, Group, Prompt, Sentence
from ivr.ports import (
    Appointed,
    AskAppointment,
    AskCallback,
    AskHours,
    AskOptOut,
    AskQueue,
    AskServant,
    AskSurvey,
    AskTask,
    AskText,
    Done,
    FindByNumber,
    FindByTail,
    Found,
    NoAnswer,
    Question,
    QueueView,
    Registered,
    Reply,
    Servant,
    Surveyed,
    Working,
)
from ivr.routes import Route, ToAgent, ToFallback, ToHangUp, ToQueue, ToVoicemail
from ivr.session import ENDED, KEYS, REPLY, Scalar, Session
from telephony.facts import FactKind
from telephony.hours import OpenState


class EngineError(Exception):
    """Base of what can go wrong between host and engine."""

    error_id = "ivr-engine-error"


class InputRefused(EngineError):
    """The input does not answer what the session waits for."""

    error_id = "ivr-input-refused"


# --- what goes in -----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """How patient the menus are, and how far a call may go."""

    max_steps: int = 100
    tries: int = 3
    digit_seconds: float = 5.0
    offer_after_seconds: int = 60
    #: Seconds a caller may wait per queue, where a flow names none.
    max_waits: Mapping[str, int] = field(default_factory=dict)
    max_wait: int = 300
    #: The house's zone: dates and times are said in it.
    zone: tzinfo = UTC


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What is known when the call comes in."""

    call_id: str
    #: E.164, or None where hidden or no number.
    caller: str | None
    #: The caller sent something, but no number.
    unreadable: bool = False
    #: Language spoken with the caller before, where he comes back from a queue.
    language: str | None = None
    #: Why he left the queue: the key he pressed, or "empty" where nobody is signed in.
    left_by: str = ""
    #: What a campaign called about (`crm.consent.optouts.Purpose`); empty for callers.
    purpose: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Typed:
    """Keys the caller pressed; none with `hash` False is silence, none with `hash` True is a lone #."""

    keys: str
    hash: bool = False


Input: TypeAlias = Typed | Reply


# --- what comes out ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """One thing to say: a sentence (kind `sentence`), or a value read as `kind`."""

    language: str
    kind: str
    #: Key of the sentence, or the value: text, whole number, or aware datetime in the house's zone.
    value: str | int | datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Say:
    items: tuple[Spoken, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SetLanguage:
    language: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AllowRecording:
    """The notice was given and not refused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """A fact for the call log."""

    kind: FactKind
    data: Mapping[str, str | int | bool | None]


Command: TypeAlias = Say | SetLanguage | AllowRecording | Note


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitKeys:
    """Play what is to be said, take up to `most` keys; # ends early; silence ends after `seconds`."""

    most: int
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitReply:
    question: Question


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    route: Route


Wait: TypeAlias = WaitKeys | WaitReply | Finished


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """What to do now, then what to wait for, and the session to resume with."""

    session: Session
    commands: tuple[Command, ...]
    wait: Wait


#: How a question is told apart from another: a reply of another type is refused.
_REPLIES: Final[Mapping[str, type[Reply]]] = {
    "identify": Found,
    "hours": Working,
    "staffing": QueueView,
    "announce": QueueView,
    "offer_callback": QueueView,
    "person": Servant,
    "appointment": Appointed,
    "survey": Surveyed,
    "callback": Registered,
    "opt_out": Done,
    "task": Done,
    "send_text": Done,
}


#: What a session knows of the survey it is in; a new one begins without them.
_SURVEY_VALUES: Final = tuple(
    f"survey_{name}" for name in ("response", "question", "sound", "most", "zero", "stopped")
)


def hung_up(flow: Flow, session: Session, limits: Limits, now: datetime) -> AskSurvey | None:
    """What is to be done for a caller who hung up: a survey he was in is stopped."""
    step = flow.nodes[session.node]
    if not isinstance(step, steps.Survey) or not session.values.get("survey_response"):
        return None
    return _Run(flow, session, limits, now).survey(step, "stop", why="hung_up")


def start(flow: Flow, opening: Opening, limits: Limits, now: datetime) -> Turn:
    """The first turn of a call."""
    session = Session(
        call_id=opening.call_id,
        flow=flow.name,
        version=flow.version,
        node=flow.start,
        waits="",
        language=opening.language if opening.language in flow.languages else flow.language,
        language_known=opening.language in flow.languages,
        caller=opening.caller,
        unreadable=opening.unreadable,
        values={
            "caller": opening.caller,
            "left_by": opening.left_by or None,
            "purpose": opening.purpose or None,
        },
    )
    return _Run(flow, session, limits, now).enter(flow.start)


def resume(flow: Flow, session: Session, given: Input, limits: Limits, now: datetime) -> Turn:
    """The next turn. Raises InputRefused where `given` does not answer the session's wait."""
    run = _Run(flow, session, limits, now)
    step = flow.nodes[session.node]
    if session.waits == KEYS and isinstance(given, Typed):
        return run.typed(step, given)
    if session.waits == REPLY and isinstance(given, (_REPLIES.get(step.kind, NoAnswer), NoAnswer)):
        return run.replied(step, given)
    raise InputRefused(
        f"{type(given).__name__} does not answer {session.waits or 'nothing'} at {session.node}"
    )


class _Run:
    """One turn in the making: a working copy of the session, thrown away at the wait."""

    __slots__ = (
        "ahead",
        "blocked",
        "candidates",
        "commands",
        "customer",
        "flow",
        "language",
        "language_known",
        "limits",
        "misses",
        "node",
        "now",
        "record",
        "session",
        "steps",
        "values",
    )

    def __init__(self, flow: Flow, session: Session, limits: Limits, now: datetime) -> None:
        self.flow = flow
        self.session = session
        self.limits = limits
        self.now = now
        self.node = session.node
        self.language = session.language
        self.language_known = session.language_known
        self.customer = session.customer
        self.candidates = session.candidates
        self.values: dict[str, Scalar] = dict(session.values)
        self.misses = session.misses
        self.steps = session.steps
        self.ahead = session.ahead
        self.record = session.record
        self.blocked = session.blocked
        self.commands: list[Command] = []

    # --- ends of a turn

    def _turn(self, waits: str, wait: Wait) -> Turn:
        before = self.session
        session = Session(
            call_id=before.call_id,
            flow=before.flow,
            version=before.version,
            node=self.node,
            waits=waits,
            language=self.language,
            language_known=self.language_known,
            caller=before.caller,
            unreadable=before.unreadable,
            customer=self.customer,
            candidates=self.candidates,
            values=self.values,
            misses=self.misses,
            steps=self.steps,
            ahead=self.ahead,
            record=self.record,
            blocked=self.blocked,
        )
        return Turn(session=session, commands=tuple(self.commands), wait=wait)

    def _keys(self, most: int, seconds: float | None) -> Turn:
        return self._turn(KEYS, WaitKeys(most=most, seconds=seconds or self.limits.digit_seconds))

    def _ask(self, question: Question) -> Turn:
        return self._turn(REPLY, WaitReply(question=question))

    def _end(self, route: Route) -> Turn:
        return self._turn(ENDED, Finished(route=route))

    # --- speaking and noting

    def _say(self, prompt: Prompt) -> None:
        items: list[Spoken] = []
        for piece in prompt:
            pieces = piece.pieces if isinstance(piece, Group) else (piece,)
            spoken = [self._spoken(part) for part in pieces]
            if None not in spoken:
                items.extend(part for part in spoken if part is not None)
        if items:
            self.commands.append(Say(items=tuple(items)))

    def _spoken(self, piece: Sentence | steps.Value) -> Spoken | None:
        if isinstance(piece, Sentence):
            language = self._named(piece.language) if piece.language else self.language
            return Spoken(language=language, kind="sentence", value=piece.key)
        known = self.values.get(piece.name)
        if known is None:
            return None
        if piece.kind in ("date", "time") and isinstance(known, str):
            moment = datetime.fromisoformat(known).astimezone(self.limits.zone)
            return Spoken(language=self.language, kind=piece.kind, value=moment)
        return Spoken(language=self.language, kind=piece.kind, value=known)

    def _named(self, language: str) -> str:
        if language != steps.OTHER:
            return language
        languages = self.flow.languages
        return languages[(languages.index(self.language) + 1) % len(languages)]

    def _note(self, kind: FactKind, **data: str | int | bool | None) -> None:
        self.commands.append(Note(kind=kind, data=data))

    def _step_note(self, keys: str, outcome: str) -> None:
        self._note(FactKind.IVR_STEP, node=self.node, keys=keys, outcome=outcome)

    # --- facts about the caller

    @property
    def _is_key_customer(self) -> bool:
        return self.customer is not None and self.customer.key_customer

    def _purpose(self, step: steps.OptOut) -> str:
        """What the customer wants no more of."""
        return step.purpose if step.purpose != "campaign" else str(self.values.get("purpose") or "all")

    def _priority(self, step: steps.Queue | steps.Person) -> int:
        return max(step.priority, step.key_priority) if self._is_key_customer else step.priority

    # --- walking

    def enter(self, node: str) -> Turn:
        """Walk from `node` until something has to be waited for."""
        while True:
            self.node = node
            self.misses = 0
            self.steps += 1
            if self.steps > self.limits.max_steps:
                self._step_note("", "too_many_steps")
                return self._end(ToFallback(why="too_many_steps"))
            step = self.flow.nodes[node]
            match step:
                case steps.Say():
                    self._say(step.prompt)
                    node = step.next
                case steps.Menu():
                    if self.ahead:
                        keys, self.ahead = self.ahead, ""
                        return self.typed(step, Typed(keys=keys))
                    self._say(step.prompt)
                    return self._keys(1, step.seconds)
                case steps.Rate():
                    self._say(step.prompt)
                    return self._keys(1, step.seconds)
                case steps.Gather():
                    self.ahead = ""
                    self._say(step.prompt)
                    return self._keys(step.most, step.seconds)
                case steps.Notice():
                    self._say(step.prompt)
                    return self._keys(1, step.seconds)
                case steps.Language():
                    self._speak(self._named(step.language))
                    node = step.next
                case steps.Check():
                    holds = self._holds(step.when)
                    if holds and step.when == "blocked_caller":
                        self._note(FactKind.REFUSED, rule="blocked")
                    node = step.yes if holds else step.no
                case steps.Hours():
                    return self._ask(AskHours())
                case steps.Identify():
                    question = self._who(step)
                    if question is not None:
                        return self._ask(question)
                    node = self._unknown(step)
                case steps.Staffing() | steps.Announce() | steps.OfferCallback():
                    priority = 10 if self._is_key_customer else 0
                    return self._ask(AskQueue(queue=step.queue, priority=priority))
                case steps.Person():
                    if self.customer is not None:
                        who = step.who if self._is_key_customer else tuple(w for w in step.who if w != "own")
                        if who:
                            return self._ask(
                                AskServant(customer_id=self.customer.customer_id, who=who, queue=step.queue)
                            )
                    node = step.otherwise
                case steps.Queue():
                    self._say(step.prompt)
                    wait = step.max_wait or self.limits.max_waits.get(step.queue, self.limits.max_wait)
                    return self._end(ToQueue(queue=step.queue, priority=self._priority(step), max_wait=wait))
                case steps.Voicemail():
                    self._say(step.prompt)
                    return self._end(ToVoicemail(box=step.box))
                case steps.HangUp():
                    self._say(step.prompt)
                    return self._end(ToHangUp())
                case steps.Appointment():
                    wanted = self._appointment(step)
                    if wanted is not None:
                        return self._ask(wanted)
                    node = step.otherwise
                case steps.Survey():
                    self.values = {k: v for k, v in self.values.items() if k not in _SURVEY_VALUES}
                    return self._ask(self.survey(step, "begin"))
                case steps.Callback() | steps.OptOut() | steps.CreateTask() | steps.SendText():
                    request = self._request(step)
                    if request is not None:
                        return self._ask(request)
                    node = step.next if isinstance(step, steps.SendText) else step.otherwise

    def _speak(self, language: str) -> None:
        self.language_known = True
        if language != self.language:
            self.language = language
            self.commands.append(SetLanguage(language=language))
        self._note(FactKind.LANGUAGE_SET, language=language)

    def _holds(self, condition: str) -> bool:
        match condition:
            case "blocked_caller":
                return self.blocked
            case "key_customer":
                return self._is_key_customer
            case "known_customer":
                return self.customer is not None
            case "hidden_number":
                return self.session.caller is None
            case "nobody_signed_in":
                return self.values.get("left_by") == "empty"
            case _:
                return self.language_known

    def _who(self, step: steps.Identify) -> Question | None:
        if step.by == "caller":
            number = self.session.caller
            return None if number is None else FindByNumber(number=number)
        keys = self.values.get(step.using or "")
        if not isinstance(keys, str) or not keys:
            return None
        return FindByTail(kind=step.by, keys=keys, among=self.candidates)

    def _unknown(self, step: steps.Identify) -> str:
        if step.by == "caller":
            explained = "unknown_number"
            if self.session.caller is None:
                explained = "unreadable_number" if self.session.unreadable else "hidden_number"
            self._note(FactKind.IDENTIFIED, customer_id=None, how="", explained=explained)
        return step.unknown

    def _request(
        self, step: steps.Callback | steps.OptOut | steps.CreateTask | steps.SendText
    ) -> Question | None:
        """The question that does what the step wants; None where nothing can be asked."""
        call_id, caller = self.session.call_id, self.session.caller
        customer_id = None if self.customer is None else self.customer.customer_id
        match step:
            case steps.Callback():
                number = self.values.get(step.number)
                if not isinstance(number, str) or not number:
                    return None
                return AskCallback(call_id=call_id, number=number, queue=step.queue, customer_id=customer_id)
            case steps.CreateTask():
                return AskTask(
                    call_id=call_id,
                    task=step.task,
                    queue=step.queue,
                    minutes=step.minutes,
                    number=caller,
                    customer_id=customer_id,
                )
            case _ if caller is None:
                return None
            case steps.OptOut():
                return AskOptOut(call_id=call_id, number=caller, purpose=self._purpose(step))
            case steps.SendText():
                return AskText(call_id=call_id, template=step.template, number=caller, language=self.language)

    def _appointment(self, step: steps.Appointment) -> Question | None:
        """None where the caller is not known, or chose a time that was not offered."""
        if self.customer is None:
            return None
        at = None
        if step.act in ("book", "move"):
            chosen = self.values.get(f"time_{step.choice}")
            if not isinstance(chosen, str):
                return None
            at = datetime.fromisoformat(chosen)
        return AskAppointment(
            call_id=self.session.call_id,
            customer_id=self.customer.customer_id,
            act=step.act,
            work=step.work,
            at=at,
        )

    def _appointed(self, step: steps.Appointment, reply: Input) -> str:
        if not isinstance(reply, Appointed):
            self._step_note("", "no_answer")
            return step.otherwise
        if step.act == "times":
            for number in (1, 2, 3):
                there = reply.times[number - 1] if len(reply.times) >= number else None
                self.values[f"time_{number}"] = None if there is None else there.isoformat()
        if reply.at is not None:
            self.values["appointment_at"] = reply.at.isoformat()
        self._step_note("", step.act if reply.ok else f"no_{step.act}")
        return step.next if reply.ok else step.none

    def survey(self, step: steps.Survey, act: str, *, keys: str = "", why: str = "") -> AskSurvey:
        """What the house is asked to do with the survey the caller is in."""
        return AskSurvey(
            call_id=self.session.call_id,
            questionnaire=step.questionnaire,
            act=act,
            language=self.language,
            customer_id=None if self.customer is None else self.customer.customer_id,
            response_id=str(self.values.get("survey_response") or ""),
            question=str(self.values.get("survey_question") or ""),
            keys=keys,
            why=why,
        )

    def _ask_again(self, step: steps.Survey) -> Turn:
        most = int(self.values.get("survey_most") or 1)
        self._say((Sentence(key=str(self.values["survey_sound"])),))
        if most > 1:
            self._say(step.number_prompt)
        return self._keys(most, step.seconds)

    def _surveyed(self, step: steps.Survey, reply: Input) -> Turn:
        stopped = self.values.get("survey_stopped")
        if not isinstance(reply, Surveyed):
            self._step_note("", "no_answer")
            return self.enter(step.person if stopped == "person" and step.person else step.otherwise)
        if reply.state == "asked" and not stopped:
            if reply.refused and self.misses >= (step.tries or self.limits.tries):
                self.values["survey_stopped"] = "no_answer"
                return self._ask(self.survey(step, "stop", why="no_answer"))
            if reply.refused:
                self._say(step.invalid)
            else:
                self.misses = 0
            self.values["survey_response"] = reply.response_id
            self.values["survey_question"] = reply.question
            self.values["survey_sound"] = reply.sound
            self.values["survey_most"] = reply.most
            self.values["survey_zero"] = int(reply.zero)
            return self._ask_again(step)
        self.values["survey_response"] = None  # over: a caller who hangs up now breaks nothing off
        outcome = f"survey_{reply.state}"
        self._note(FactKind.IVR_STEP, node=self.node, keys="", outcome=outcome, skipped=reply.skipped or None)
        if stopped == "person" and step.person is not None:
            return self.enter(step.person)
        if reply.state == "finished":
            return self.enter(step.next)
        return self.enter(step.partly if reply.state == "broken_off" else step.otherwise)

    def _survey_keys(self, step: steps.Survey, given: Typed) -> Turn:
        """An answer, the key to a person, or nothing: asked again as long as the flow is patient."""
        self.steps += 1
        if self.steps > self.limits.max_steps:
            self._step_note(given.keys, "too_many_steps")
            return self._end(ToFallback(why="too_many_steps"))
        if given.keys == "0" and step.person is not None and not self.values.get("survey_zero"):
            self._step_note("0", "chosen")
            self.values["survey_stopped"] = "person"
            return self._ask(self.survey(step, "stop", why="person"))
        self.misses += 1  # taken back where the house takes the answer
        if given.keys or given.hash:  # # alone passes over what may be left out
            self._step_note(given.keys, "answered")
            return self._ask(self.survey(step, "answer", keys=given.keys))
        self._step_note("", "missing")
        if self.misses >= (step.tries or self.limits.tries):
            self.values["survey_stopped"] = "no_answer"
            return self._ask(self.survey(step, "stop", why="no_answer"))
        self._say(step.missing)
        return self._ask_again(step)

    # --- inputs

    def typed(self, step: steps.Step, given: Typed) -> Turn:
        """Go on with keys."""
        match step:
            case steps.Menu():
                target = step.keys.get(given.keys) or self.flow.anywhere.get(given.keys)
                if target is not None:
                    self._step_note(given.keys, "chosen")
                    return self.enter(target)
                return self._missed(step, given, 1)
            case steps.Rate():
                if given.keys not in steps.RATINGS:
                    return self._missed(step, given, 1)
                self._step_note(given.keys, "rated")
                self._note(FactKind.RATED, rating=int(given.keys))
                return self.enter(step.next)
            case steps.Gather():
                return self._gathered(step, given)
            case steps.Survey():
                return self._survey_keys(step, given)
            case steps.Notice():
                return self._noticed(step, given)
            case steps.OfferCallback():
                accepted = given.keys == step.accept
                self._step_note(given.keys, "accepted" if accepted else "declined")
                return self.enter(step.accepted if accepted else step.declined)
            case _:
                raise InputRefused(f"{step.kind} takes no keys")

    def _gathered(self, step: steps.Gather, given: Typed) -> Turn:
        if step.least > 1 and given.keys in self.flow.anywhere:
            self._step_note(given.keys, "chosen")
            return self.enter(self.flow.anywhere[given.keys])
        if not given.keys and given.hash:
            self._step_note("", "skipped")
            return self.enter(step.skip)
        if step.least <= len(given.keys) <= step.most and given.keys.isdecimal():
            self.values[step.into] = given.keys
            self._step_note(given.keys, "gathered")
            return self.enter(step.next)
        return self._missed(step, given, step.most)

    def _missed(self, step: steps.Menu | steps.Gather | steps.Rate, given: Typed, most: int) -> Turn:
        """Wrong or no keys: once more, or the way out."""
        self.misses += 1
        nothing = not given.keys and not given.hash
        self._step_note(given.keys, "missing" if nothing else "invalid")
        if self.misses >= (step.tries or self.limits.tries):
            return self.enter(step.otherwise)
        self._say(step.missing if nothing else step.invalid)
        self._say(step.prompt)
        return self._keys(most, step.seconds)

    def _noticed(self, step: steps.Notice, given: Typed) -> Turn:
        refused = given.keys == step.refuse
        self._note(FactKind.NOTICE_GIVEN, notice=step.notice, refused=refused)
        if refused:
            self.record = False
            self._step_note(given.keys, "refused")
            self._say(step.refused)
        else:
            self.record = True
            self.ahead = given.keys
            self.commands.append(AllowRecording())
        return self.enter(step.next)

    # --- replies

    def replied(self, step: steps.Step, reply: Input) -> Turn:
        """Go on with what the house answered; NoAnswer is as if it knew nothing."""
        match step:
            case steps.Identify():
                return self.enter(self._found(step, reply))
            case steps.Hours():
                return self.enter(self._desk(step, reply))
            case steps.Staffing():
                return self.enter(_staffed(step, reply))
            case steps.Announce():
                if isinstance(reply, QueueView) and reply.ready == 0:
                    self._keep_view(reply)
                    self._say(step.prompt)
                return self.enter(step.next)
            case steps.OfferCallback():
                return self._offered(step, reply)
            case steps.Person():
                return self._served(step, reply)
            case steps.Appointment():
                return self.enter(self._appointed(step, reply))
            case steps.Survey():
                return self._surveyed(step, reply)
            case steps.Callback():
                return self.enter(self._registered(step, reply))
            case steps.OptOut():
                done = isinstance(reply, Done) and reply.ok
                if done:
                    self._note(FactKind.OPTED_OUT, number=self.session.caller, purpose=self._purpose(step))
                return self.enter(step.next if done else step.otherwise)
            case steps.CreateTask():
                done = isinstance(reply, Done) and reply.ok
                self._step_note("", "task" if done else "no_task")
                return self.enter(step.next if done else step.otherwise)
            case steps.SendText():
                done = isinstance(reply, Done) and reply.ok
                self._step_note("", "text" if done else "no_text")
                return self.enter(step.next)
            case _:
                raise InputRefused(f"{step.kind} asks nothing")

    def _found(self, step: steps.Identify, reply: Input) -> str:
        if not isinstance(reply, Found):
            self._note(FactKind.IDENTIFIED, customer_id=None, how="", explained="not_looked_up")
            return step.unknown
        self.blocked = self.blocked or reply.blocked
        if len(reply.customers) > 1:
            self.candidates = tuple(known.customer_id for known in reply.customers)
            self._note(FactKind.IDENTIFIED, customer_id=None, how="", explained="several_customers")
            return step.several
        if not reply.customers:
            return self._unknown(step)
        known = reply.customers[0]
        self.customer = known
        self.candidates = ()
        self.values["plate"] = known.plate
        how = "number" if step.by == "caller" else step.by
        self._note(FactKind.IDENTIFIED, customer_id=known.customer_id, how=how, explained=how)
        if step.language and known.language in self.flow.languages and not self.language_known:
            self._speak(known.language)
        return step.found

    def _desk(self, step: steps.Hours, reply: Input) -> str:
        # A calendar that cannot be asked must not send callers away.
        desk = reply.desk if isinstance(reply, Working) else OpenState.OPEN
        if isinstance(reply, Working) and reply.opens_at is not None:
            self.values["opens_at"] = reply.opens_at.isoformat()
        self._step_note("", desk.value)
        match desk:
            case OpenState.OPEN:
                return step.open
            case OpenState.LUNCH:
                return step.lunch
            case OpenState.CLOSED:
                return step.closed
            case OpenState.HOLIDAY:
                return step.holiday

    def _keep_view(self, view: QueueView) -> None:
        self.values["queue_position"] = view.position
        wait = view.expected_wait
        self.values["wait_minutes"] = None if wait is None else max(1, math.ceil(wait / 60))

    def _offered(self, step: steps.OfferCallback, reply: Input) -> Turn:
        after = step.after_seconds if step.after_seconds is not None else self.limits.offer_after_seconds
        if not isinstance(reply, QueueView) or reply.ready > 0:
            return self.enter(step.declined)
        if reply.signed_in > 0 and (reply.expected_wait is None or reply.expected_wait <= after):
            return self.enter(step.declined)
        self._keep_view(reply)
        self._say(step.prompt)
        return self._keys(1, step.seconds)

    def _served(self, step: steps.Person, reply: Input) -> Turn:
        if not isinstance(reply, Servant) or reply.endpoint is None:
            return self.enter(step.otherwise)
        self._say(step.own_prompt if reply.how == "own" else step.last_prompt)
        return self._end(
            ToAgent(
                endpoint=reply.endpoint,
                seconds=step.seconds,
                queue=step.queue,
                priority=self._priority(step),
            )
        )

    def _registered(self, step: steps.Callback, reply: Input) -> str:
        if not isinstance(reply, Registered) or reply.promised_at is None:
            self._step_note("", "no_callback")
            return step.otherwise
        promised = reply.promised_at.isoformat()
        self.values["promised_at"] = promised
        self.values["callback_number"] = reply.number
        self._note(FactKind.CALLBACK_ASKED, number=reply.number, promised_by=promised)
        return step.next


def _staffed(step: steps.Staffing, reply: Input) -> str:
    """A queue nobody can tell about is taken as busy: the switch still rings who is there."""
    if not isinstance(reply, QueueView):
        return step.busy
    if reply.full:
        return step.full
    if reply.signed_in == 0:
        return step.unstaffed
    return step.ready if reply.ready > 0 else step.busy
