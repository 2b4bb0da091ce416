"""Plays a flow without a telephone: a case is a caller, a moment, a house and keys; its transcript is the proof.

A case file is YAML and holds what is expected as lines of the transcript, so that a case recorded in the
terminal is a test (`tests/ivr_cases`). Between every two steps the session is written to JSON and read back.

CaseError
└── CaseRefused   the file is no case
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import yaml

from crm.records.vehicles import as_keys
from ivr import engine
from ivr.engine import (
    AllowRecording,
    Command,
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
    Calendar,
    Done,
    FindByNumber,
    FindByTail,
    Found,
    Known,
    NoAnswer,
    Question,
    QueueView,
    Registered,
    Reply,
    Servant,
    Surveyed,
)
from ivr.routes import ToFallback, route_word
from ivr.session import session_from_json, session_to_json
from telephony import numbers

#: Call id of every simulated call.
CALL_ID: Final = "CALL"


class CaseError(Exception):
    """Base of what can be wrong with a case."""

    error_id = "ivr-case-error"


class CaseRefused(CaseError):
    """The file is no case; says which key and what is allowed."""

    error_id = "ivr-case-refused"


# --- values -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseCustomer:
    """A customer of a case."""

    id: str
    numbers: tuple[str, ...] = ()
    key: bool = False
    language: str = ""
    plate: str = ""
    vin: str = ""
    #: Endpoints of his own agent and of the one who served him last.
    own: str = ""
    last: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseQueue:
    """A queue of a case."""

    ready: int = 1
    signed_in: int = 1
    waiting: int = 0
    expected_wait: float | None = None
    full: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One caller, from arrival to route."""

    case: str
    flow: str
    #: When he calls, with offset.
    time: datetime
    #: As the trunk delivers it; "" is hidden.
    caller: str = ""
    customers: tuple[CaseCustomer, ...] = ()
    queues: Mapping[str, CaseQueue] = field(default_factory=dict)
    #: Endpoints of agents that are ready.
    ready: tuple[str, ...] = ()
    #: Names of questions nobody answers, such as FindByNumber.
    away: tuple[str, ...] = ()
    #: Why the caller left a queue, for such flows.
    left_by: str = ""
    #: The house takes no calls from him.
    blocked: bool = False
    #: Language spoken with him before, for flows after a queue.
    language: str = ""
    #: Per wait: keys, ended by # where # was pressed; "" is silence.
    #: Free times for an appointment, and the one the caller has.
    times: tuple[datetime, ...] = ()
    appointment: datetime | None = None
    #: Questions of a survey, by the key of their sound, with the keys each takes.
    survey: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    expect: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What a case is played on."""

    flow: Flow
    limits: Limits
    calendar: Calendar
    #: By when a call-back asked for at a moment is promised.
    promise: Callable[[datetime], datetime]


# --- the simulated house ----------------------------------------------------------------------------


def answer(question: Question, case: Case, stage: Stage) -> Reply:
    """What the case's house says to a question."""
    if type(question).__name__ in case.away:
        return NoAnswer()
    match question:
        case FindByNumber():
            found = [c for c in case.customers if question.number in c.numbers]
            return Found(customers=tuple(_known(c) for c in found), blocked=case.blocked)
        case FindByTail():
            found = [
                c
                for c in case.customers
                if (not question.among or c.id in question.among)
                and as_keys(c.plate if question.kind == "plate" else c.vin).endswith(question.keys)
            ]
            return Found(customers=tuple(_known(c) for c in found))
        case AskHours():
            return stage.calendar.at_work(case.time)
        case AskQueue():
            queue = case.queues.get(question.queue, CaseQueue())
            return QueueView(
                ready=queue.ready,
                signed_in=queue.signed_in,
                position=1 if question.priority else queue.waiting + 1,
                expected_wait=queue.expected_wait,
                full=queue.full,
            )
        case AskServant():
            return _servant(question, case)
        case AskCallback():
            number = numbers.parse(question.number)
            if number is None:
                return Registered(promised_at=None)
            return Registered(promised_at=stage.promise(case.time), number=number)
        case AskTask() | AskOptOut() | AskText():
            return Done(ok=True)
        case AskAppointment():
            return _appointed(question, case)
        case AskSurvey():
            return _surveyed(question, case)


def _appointed(question: AskAppointment, case: Case) -> Appointed:
    match question.act:
        case "times":
            return Appointed(ok=bool(case.times), times=case.times)
        case "book" | "move":
            return Appointed(ok=question.at in case.times, at=question.at)
        case _:
            return Appointed(ok=case.appointment is not None, at=case.appointment)


def _surveyed(question: AskSurvey, case: Case) -> Surveyed:
    """The case's questions: each takes the keys in its list; an empty list: keys cannot answer it."""
    names = list(case.survey)
    if not names:
        return Surveyed(state="none")
    if question.act == "stop":
        return Surveyed(state="broken_off", response_id="RESPONSE")
    following = 0
    if question.act == "answer":
        following = names.index(question.question)
        taken = question.keys in case.survey[question.question]
        if taken:
            following += 1
        else:
            return _asking(names[following], case, refused=True)
    for name in names[following:]:
        if case.survey[name]:
            return _asking(name, case)
        return Surveyed(state="broken_off", response_id="RESPONSE", skipped=1)
    return Surveyed(state="finished", response_id="RESPONSE")


def _asking(name: str, case: Case, *, refused: bool = False) -> Surveyed:
    keys = case.survey[name]
    return Surveyed(
        state="asked",
        response_id="RESPONSE",
        question=name,
        sound=name,
        most=max(len(one) for one in keys),
        zero="0" in keys,
        refused=refused,
    )


def _known(customer: CaseCustomer) -> Known:
    return Known(
        customer_id=customer.id,
        key_customer=customer.key,
        language=customer.language or None,
        plate=customer.plate or None,
    )


def _servant(question: AskServant, case: Case) -> Servant:
    for customer in case.customers:
        for who in question.who if customer.id == question.customer_id else ():
            endpoint = customer.own if who == "own" else customer.last
            if endpoint in case.ready:
                return Servant(endpoint=endpoint, how=who)
    return Servant(endpoint=None)


# --- playing ----------------------------------------------------------------------------------------

Press: TypeAlias = Callable[[WaitKeys], str | None]
Tell: TypeAlias = Callable[[Command | WaitKeys | Question | Reply | Finished], None]


def play(case: Case, stage: Stage, press: Press, tell: Tell) -> None:
    """Play a call. `press` gives the keys for a wait, or None to hang up; `tell` hears all that happens."""
    flow, limits, now = stage.flow, stage.limits, case.time
    caller = numbers.parse(case.caller)
    opening = Opening(
        call_id=CALL_ID,
        caller=caller,
        unreadable=caller is None and not numbers.is_hidden(case.caller),
        left_by=case.left_by,
        language=case.language or None,
    )
    turn: Turn = engine.start(flow, opening, limits, now)
    while True:
        for command in turn.commands:
            tell(command)
        given: Input
        match turn.wait:
            case Finished() as wait:
                tell(wait)
                return
            case WaitKeys() as wait:
                tell(wait)
                keys = press(wait)
                if keys is None:
                    return
                given = typed(keys, wait.most)
            case WaitReply() as wait:
                tell(wait.question)
                given = answer(wait.question, case, stage)
                tell(given)
        session = session_from_json(session_to_json(turn.session), flow)
        turn = engine.resume(flow, session, given, limits, now)


def typed(keys: str, most: int) -> Typed:
    """The input that typing `keys` comes to: # ends it, and no more than `most` are taken."""
    head, ended, _ = keys.partition("#")
    return Typed(keys=head[:most], hash=bool(ended) and len(head) < most)


def replay(case: Case, stage: Stage) -> list[str]:
    """The transcript of a case; a caller whose inputs are used up hangs up."""
    lines: list[str] = []
    rest = iter(case.inputs)

    def press(_wait: WaitKeys) -> str | None:
        keys = next(rest, None)
        lines.append("hangs up" if keys is None else f"press {keys or 'nothing'}")
        return keys

    play(case, stage, press, lambda event: lines.extend(describe(event)))
    left = list(rest)
    if left:
        lines.append(f"never asked for {', '.join(repr(keys) for keys in left)}")
    return lines


def describe(event: Command | WaitKeys | Question | Reply | Finished) -> Iterator[str]:
    """Transcript lines of one thing that happens."""
    match event:
        case Say():
            yield "say " + " ".join(_words(event.items))
        case SetLanguage():
            yield f"language {event.language}"
        case AllowRecording():
            yield "recording allowed"
        case Note():
            data = " ".join(f"{key}={value}" for key, value in event.data.items() if value not in (None, ""))
            yield f"note {event.kind} {data}".rstrip()
        case WaitKeys():
            yield f"wait {event.most} key{'s' if event.most > 1 else ''} {event.seconds:g} s"
        case Finished():
            word = route_word(event.route)
            why = event.route.why if isinstance(event.route, ToFallback) else ""
            yield f"route {word}" if word else f"route fallback {why}"
        case (
            FindByNumber()
            | FindByTail()
            | AskServant()
            | AskCallback()
            | AskOptOut()
            | AskText()
            | AskTask()
            | AskAppointment()
            | AskSurvey()
        ):
            yield f"ask {type(event).__name__} " + " ".join(_parts(event))
        case _:
            return


def _parts(question: Question) -> Iterator[str]:
    for part in fields(question):
        value = getattr(question, part.name)
        if value not in (None, "", ()) and part.name != "call_id":
            yield f"{part.name}={','.join(value) if isinstance(value, tuple) else value}"


def _words(items: Sequence[Spoken]) -> Iterator[str]:
    language = ""
    for spoken in items:
        if spoken.language != language:
            language = spoken.language
            yield f"[{language}]"
        value = spoken.value.isoformat() if isinstance(spoken.value, datetime) else spoken.value
        yield str(value) if spoken.kind == "sentence" else f"{spoken.kind}={value}"


# --- case files -------------------------------------------------------------------------------------

_CASE_KEYS: Final = tuple(part.name for part in fields(Case))


def read_case(text: str, file: str) -> Case:
    """The case in a file. Raises CaseRefused with file, key and what is allowed."""
    try:
        row = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise CaseRefused(f"{file}: this is not YAML: {error}") from error
    if not isinstance(row, dict):
        raise CaseRefused(f"{file}: a case is a mapping of {', '.join(_CASE_KEYS)}.")
    unknown = sorted(str(key) for key in row if key not in _CASE_KEYS)
    if unknown:
        raise CaseRefused(f"{file}: unknown keys {', '.join(unknown)}. Allowed: {', '.join(_CASE_KEYS)}.")
    try:
        when = row["time"]
        moment = when if isinstance(when, datetime) else datetime.fromisoformat(str(when))
        if moment.tzinfo is None:
            raise CaseRefused(f"{file}: time {when} has no offset. Allowed: 2026-11-23T10:00:00+08:00.")
        return Case(
            case=str(row["case"]),
            flow=str(row["flow"]),
            time=moment,
            caller=str(row.get("caller") or ""),
            customers=tuple(
                CaseCustomer(**{**customer, "numbers": tuple(customer.get("numbers", ()))})
                for customer in row.get("customers") or ()
            ),
            queues={name: CaseQueue(**queue) for name, queue in (row.get("queues") or {}).items()},
            ready=tuple(row.get("ready") or ()),
            away=tuple(row.get("away") or ()),
            left_by=str(row.get("left_by") or ""),
            blocked=row.get("blocked") is True,
            language=str(row.get("language") or ""),
            times=tuple(datetime.fromisoformat(str(one)) for one in row.get("times") or ()),
            appointment=datetime.fromisoformat(str(row["appointment"])) if row.get("appointment") else None,
            survey={
                str(name): tuple(str(one) for one in keys) for name, keys in (row.get("survey") or {}).items()
            },
            inputs=tuple(str(keys) for keys in row.get("inputs") or ()),
            expect=tuple(str(line) for line in row.get("expect") or ()),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaseRefused(f"{file}: {error}. Allowed keys: {', '.join(_CASE_KEYS)}.") from error


def case_text(case: Case) -> str:
    """The file of a case; reading it gives the case back."""
    row: dict[str, object] = {"case": case.case, "flow": case.flow, "time": case.time.isoformat()}
    row["caller"] = case.caller
    if case.customers:
        row["customers"] = [_filled(customer) for customer in case.customers]
    if case.queues:
        row["queues"] = {name: _filled(queue) for name, queue in case.queues.items()}
    for key, values in (("ready", case.ready), ("away", case.away)):
        if values:
            row[key] = list(values)
    if case.left_by:
        row["left_by"] = case.left_by
    if case.blocked:
        row["blocked"] = True
    if case.language:
        row["language"] = case.language
    if case.times:
        row["times"] = [one.isoformat() for one in case.times]
    if case.appointment is not None:
        row["appointment"] = case.appointment.isoformat()
    if case.survey:
        row["survey"] = {name: list(keys) for name, keys in case.survey.items()}
    row["inputs"] = list(case.inputs)
    row["expect"] = list(case.expect)
    return yaml.safe_dump(row, allow_unicode=True, sort_keys=False, width=110)


def _filled(value: CaseCustomer | CaseQueue) -> dict[str, object]:
    row: dict[str, object] = {}
    for part in fields(value):
        found = getattr(value, part.name)
        if found != part.default:
            row[part.name] = list(found) if isinstance(found, tuple) else found
    return row


def promise_in(
    minutes: int, add: Callable[[datetime, timedelta], datetime]
) -> Callable[[datetime], datetime]:
    """By when a call-back is promised: so many working minutes later."""
    return lambda now: add(now, timedelta(minutes=minutes))
