"""Cases: the list with what is overdue, the form to register one, one case with its steps, and its paper."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.users import Language, Principal
from crm.cases.cases import (
    GRADES,
    CaseEvent,
    CaseKind,
    CaseSource,
    CaseState,
    Responsibility,
)
from crm.cases.steps import ROADS, Road, Step
from crm.scripts.facts import INTAKE
from web.api.case_shapes import CasesQuery
from web.api.shapes import Id
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.case_paper import Printing, print_case
from web.pages.case_words import CaseWords
from web.pages.pop import spaced
from web.pages.script_lines import spoken_of_case, spoken_to
from web.pages.shell import show
from web.ports.aftercall import Spoken
from web.ports.cases import CaseFilter, CaseLine, CaseView
from web.problems import Refused
from web.routes import SERVICES, Nothing, Route, Shape, note_view

SHEETS: Final = ("cases.css", "scripts.css")
#: The way of a case, as its head shows it.
WAY: Final = (
    CaseState.REGISTERED,
    CaseState.ASSIGNED,
    CaseState.ACCEPTED,
    CaseState.HANDLING,
    CaseState.REPLIED,
    CaseState.AGREED,
    CaseState.SECOND_VISIT,
    CaseState.CLOSED,
)
#: What moves a case on in each state; everything else stands below "other steps".
FORWARD: Final[Mapping[CaseState, tuple[Step, ...]]] = {
    CaseState.REGISTERED: (Step.ASSIGN, Step.ANSWER),
    CaseState.ASSIGNED: (Step.ACCEPT, Step.HAND_BACK, Step.URGE, Step.LINK),
    CaseState.ACCEPTED: (Step.REPLY, Step.START, Step.HAND_BACK, Step.URGE, Step.LINK),
    CaseState.HANDLING: (Step.REPLY, Step.URGE, Step.LINK),
    CaseState.REPLIED: (Step.TELL_PLAN, Step.RETURN_REPLY),
    CaseState.AGREED: (Step.CARRIED_OUT, Step.URGE),
    CaseState.SECOND_VISIT: (Step.CLOSE, Step.SECOND_VISIT),
    CaseState.CLOSED: (Step.EFFECT,),
}
#: Steps that are not on this page as forms: the form's fields are corrected on a page of their own.
_ELSEWHERE: Final = frozenset({Step.REGISTER})
#: Papers made at the same time; each takes the processor for some tenths of a second.
_PRINTING: Final = asyncio.Semaphore(2)
_OTHERS_SHOWN: Final = 5


class NewCaseQuery(Shape):
    """What the desk, a record or another case hands on."""

    customer_id: Id | None = None
    vehicle_id: Id | None = None
    call_id: Id | None = None
    repeat_of: Id | None = None
    source: CaseSource | None = None
    kind: CaseKind | None = None


class PaperQuery(Shape):
    """In which language; none: the reader's."""

    language: Literal["zh-CN", "en"] | None = None


class ListQuery(CasesQuery):
    """What the address of the list keeps; an empty choice is none."""

    search: Annotated[str, StringConstraints(max_length=200)] = ""


def language_of_reader(request: web.Request, signed: Signed) -> Language:
    return signed.session.user.language if signed.session else language_of(request)


async def words_of(request: web.Request, language: Language) -> CaseWords:
    """The words of cases in a language, the house's departments and people among them."""
    services = request.app[SERVICES]
    return CaseWords(language=language, zone=services.zone, choices=await services.cases.choices())


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """How a case stands to its nearest deadline."""

    #: "", "soon" or "late".
    mark: str = ""
    #: So much working time left, or late.
    words: str = ""


def deadline_of(request: web.Request, line: CaseLine, words: CaseWords, now: datetime) -> Deadline:
    """The nearest deadline as a countdown in working time."""
    case = line.case
    if case.due_at is None or case.state is CaseState.CLOSED or line.closed_to_viewer:
        return Deadline()
    return _to(request, case.due_at, words, now)


def _to(request: web.Request, due: datetime, words: CaseWords, now: datetime) -> Deadline:
    desk = request.app[SERVICES].case_desk
    day = desk.workday()
    if now > due:
        late = words.span(desk.worked(due, now), day)
        return Deadline(mark="late", words=words.t("cases.late_by", span=late))
    left = desk.worked(now, due)
    soon = "soon" if left <= timedelta(hours=2) else ""
    return Deadline(mark=soon, words=words.t("cases.left", span=words.span(left, day)))


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list; what is overdue stands first where it is asked for."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    query = read_query(ListQuery, _without_empty(request))
    words = await words_of(request, language_of_reader(request, signed))
    page = await services.cases.list(
        by,
        CaseFilter(
            which=query.which,
            state=query.state,
            kind=query.kind,
            grade=query.grade,
            source=query.source,
            department=query.department,
            handler_id=query.handler_id,
            mine=query.mine,
            free=query.free,
            customer_id=query.customer_id,
            vehicle_id=query.vehicle_id,
            text=query.search,
            opened_from=query.opened_from,
            opened_to=query.opened_to,
        ),
        now,
        cursor=query.cursor,
        limit=query.limit,
    )
    kept = {
        name: _plain(value)
        for name, value in query.model_dump(exclude={"cursor", "limit"}, exclude_defaults=True).items()
        if value not in (None, "", False)
    }
    rows = [(line, deadline_of(request, line, words, now)) for line in page.items]
    return show(
        request,
        signed,
        "cases/list.html",
        here="cases",
        sheets=SHEETS,
        values={
            "rows": rows,
            "next": page.next,
            "counts": page.counts,
            "plot": _plot(page.counts),
            "query": query,
            "kept": kept,
            "mark": _mark(page.items, page.counts),
            "words": words,
            "kinds": list(CaseKind),
            "grades": list(GRADES),
            "states": WAY,
            "works": by.may(Permission.CASES_WORK),
            "urges": by.may(Permission.CASES_WORK),
        },
    )


def _plain(value: Any) -> str:
    if value is True:
        return "true"
    return str(getattr(value, "value", value))


def _without_empty(request: web.Request) -> web.Request:
    """A filter form sends its empty choices, too; they say nothing."""
    if all(value for value in request.query.values()):
        return request
    return request.clone(
        rel_url=request.rel_url.with_query([(name, value) for name, value in request.query.items() if value])
    )


def _plot(counts: Mapping[str, int]) -> list[tuple[CaseState, int, float]]:
    """State, open cases and the length of its bar, out of a hundred."""
    states = [state for state in WAY if state is not CaseState.CLOSED]
    most = max([counts.get(state.value, 0) for state in states] + [1])
    return [
        (state, count, max(round(100 * count / most, 1), 1.5) if count else 0)
        for state in states
        for count in (counts.get(state.value, 0),)
    ]


def _mark(items: Sequence[CaseLine], counts: Mapping[str, int]) -> str:
    """Changes when anything of the list changes."""
    told = [f"{one.case.id}:{one.case.version}:{one.case.events}:{one.overdue}" for one in items]
    told += [f"{name}={count}" for name, count in sorted(counts.items())]
    return hashlib.sha256("|".join(told).encode()).hexdigest()[:16]


async def begin(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The form of a new case, with what is known filled in."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    query = read_query(NewCaseQuery, _without_empty(request))
    words = await words_of(request, language_of_reader(request, signed))
    call = await _call(request, signed, query.call_id)
    customer_id = query.customer_id or (call.get("customer_id") if call else None)
    if customer_id is None and query.vehicle_id:
        car = await services.records.vehicle(by, query.vehicle_id, now)
        customer_id = car.people[0].customer_id if car.people else None
    person: Any = None
    earlier: Sequence[CaseLine] = ()
    if customer_id:
        person, earlier = await _person(request, signed, customer_id)
    repeats = await services.cases.get(by, query.repeat_of, now) if query.repeat_of else None
    promises = {
        f"{kind.value}.{grade.value}": services.case_desk.answer_by(kind, grade, now)
        for kind in CaseKind
        for grade in GRADES
    }
    heard = await spoken_to(
        request, signed, person.id if person else None, INTAKE, vehicle_id=query.vehicle_id
    )
    return show(
        request,
        signed,
        "cases/new.html",
        here="cases",
        sheets=SHEETS,
        values={
            "query": query,
            "spoken": [heard] if heard else [],
            "words": words,
            "person": person,
            "call": call,
            "earlier": earlier,
            "repeats": repeats,
            "kinds": (
                CaseKind.COMPLAINT,
                CaseKind.GRUMBLE,
                CaseKind.SUGGESTION,
                CaseKind.INQUIRY,
                CaseKind.PRAISE,
            ),
            "grades": list(GRADES),
            "sources": list(CaseSource),
            "source": query.source or (CaseSource.CALL if call else CaseSource.OTHER),
            "kind": query.kind or CaseKind.COMPLAINT,
            "readable": spaced,
            "page": {
                "customer_id": person.id if person else None,
                "vehicle_id": query.vehicle_id,
                "call_id": query.call_id,
                "promises": {name: at.isoformat() for name, at in promises.items()},
                "draft": query.call_id or query.repeat_of or customer_id or "new",
            },
        },
    )


async def _call(request: web.Request, signed: Signed, call_id: str | None) -> dict[str, Any] | None:
    """The call a case is registered from, as this person may see it; none where he may not, or it is not there."""
    services = request.app[SERVICES]
    if call_id is None:
        return None
    found = await services.calls.get(signed.principal, call_id)
    if found is None:
        return None
    call = found.call
    return {
        "id": call_id,
        "at": call.started_at,
        "number": call.number,
        "customer_id": call.customer_id,
    }


async def _person(request: web.Request, signed: Signed, customer_id: str) -> tuple[Any, Sequence[CaseLine]]:
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    person = await services.records.person(by, customer_id, now)
    note_view(request, signed, f"customer:{person.id}", "get_cases_new")
    page = await services.cases.list(
        by, CaseFilter(which="all", customer_id=person.id), now, limit=_OTHERS_SHOWN
    )
    return person, page.items


async def show_case(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One case with everything that happened and what can be done now."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    read_query(Nothing, request)
    view = await services.cases.get(by, request.match_info["case_id"], now)
    case = view.case
    if case.customer_id and not view.line.closed_to_viewer:
        note_view(request, signed, f"customer:{case.customer_id}", "get_cases_case_id")
    words = await words_of(request, language_of_reader(request, signed))
    forward = [step for step in FORWARD[case.state] if step in view.allowed]
    others = [step for step in view.allowed if step not in forward and step not in _ELSEWHERE]
    call_ids = calls_of(view)
    sounds = (
        []
        if by.role.value == "department"
        else await services.case_desk.sounds(by, call_ids, fingerprints=False)
    )
    deadlines = [
        (
            name,
            at,
            done,
            late,
            _to(request, at, words, now)
            if at and done is None and case.state is not CaseState.CLOSED
            else Deadline(),
        )
        for name, at, done, late in (
            ("promised", case.promised_at, case.answered_at, False),
            ("answer_due", case.answer_due_at, case.answered_at, case.answer_late),
            ("solve_due", case.solve_due_at, case.solved_at, case.solution_late),
        )
        if at is not None
    ]
    spoken: Sequence[Spoken] = ()
    if by.may(Permission.CASES_WORK) and not view.line.closed_to_viewer:
        spoken = await spoken_of_case(request, signed, case)
    return show(
        request,
        signed,
        "cases/case.html",
        here="cases",
        sheets=SHEETS,
        values={
            "view": view,
            "spoken": spoken,
            "case": case,
            "line": view.line,
            "words": words,
            "way": way_of(view),
            "nearest": deadline_of(request, view.line, words, now),
            "deadlines": deadlines,
            "forward": forward,
            "others": others,
            "trail": list(view.events),
            "replies": [one for one in view.events if one.step == Step.REPLY],
            "sounds": {call_id: [one for one in sounds if one.call_id == call_id] for call_id in call_ids},
            "tasks": await services.case_desk.tasks(by, case.id),
            "readable": spaced,
            "works": by.may(Permission.CASES_WORK),
            "responsibility_words": lambda: [
                (one.value, words.t(f"cases.responsibility.{one.value}")) for one in Responsibility
            ],
            "kind_words": lambda: [(one.value, words.t(f"cases.kind.{one.value}")) for one in CaseKind],
            "grade_words": lambda: [(one.value, words.t(f"cases.grade.{one.value}")) for one in GRADES],
            "other_words": lambda view: [
                (one.case.id, f"{one.case.number} {'' if one.closed_to_viewer else one.case.subject}".strip())
                for one in view.others
            ],
            "page": {
                "id": case.id,
                "version": case.version,
                "events": case.events,
                "base": services.options.public_url.rstrip("/"),
            },
        },
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """One place of the chain of states."""

    state: CaseState
    #: "done", "now" or "ahead".
    mark: str


def way_of(view: CaseView) -> list[Place]:
    """The chain of this round; the short road has no more than begin and end where nobody went further."""
    case = view.case
    states: Sequence[CaseState] = WAY
    if ROADS[case.kind] is Road.SHORT and case.department is None:
        states = (CaseState.REGISTERED, CaseState.CLOSED)
    passed = {one.to_state for one in view.events if one.round == case.round} | {case.state}
    at = states.index(case.state) if case.state in states else 0
    found = []
    for place, state in enumerate(states):
        if state is case.state:
            mark = "now"
        elif place < at and (state in passed or case.state is not CaseState.CLOSED):
            mark = "done"
        else:
            mark = "skipped" if place < at else "ahead"
        found.append(Place(state=state, mark=mark))
    return found


def calls_of(view: CaseView) -> list[str]:
    """Calls that belong to a case: the one it came from, and those in which something was said about it."""
    named = [view.case.call_id, *(_call_of(one) for one in view.events)]
    return list(dict.fromkeys(one for one in named if one))


def _call_of(event: CaseEvent) -> str | None:
    call_id = event.data.get("call_id")
    return call_id if isinstance(call_id, str) else None


async def paper(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The printed form as PDF."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    query = read_query(PaperQuery, request)
    view = await services.cases.get(by, request.match_info["case_id"], now)
    if view.line.closed_to_viewer:
        raise Refused("record-closed", "This record is restricted. Ask for an approval to open it.")
    words = await words_of(request, query.language or language_of_reader(request, signed))
    printing = Printing(
        view=view,
        words=words,
        sounds=await sounds_of(services.case_desk, by, view),
        house=services.dealership,
        made_by=by.name,
        now=now,
        phone=spaced(view.case.phone),
    )
    async with _PRINTING:
        made = await asyncio.to_thread(print_case, printing)
    name = f"{view.case.number}.pdf"
    return web.Response(
        body=made,
        content_type="application/pdf",
        headers={"Content-Disposition": f"inline; filename*=UTF-8''{quote(name)}"},
    )


async def sounds_of(desk: Any, by: Principal, view: CaseView) -> Sequence[Any]:
    """References to the recordings of a case's calls, with fingerprints; a department gets none."""
    if not by.may(Permission.RECORDINGS_LISTEN):
        return ()
    return list(await desk.sounds(by, calls_of(view), fingerprints=True))


ROUTES = (
    Route(
        method="GET",
        path="/cases",
        summary="Complaints and what else customers told us",
        needs=Permission.CASES_READ,
        page=show_list,
        query=ListQuery,
        media="text/html",
        tag="cases",
    ),
    Route(
        method="GET",
        path="/cases/new",
        summary="The form of a new case",
        needs=Permission.CASES_WORK,
        page=begin,
        query=NewCaseQuery,
        media="text/html",
        errors=("customer-not-found", "case-not-found"),
        tag="cases",
    ),
    Route(
        method="GET",
        path="/cases/{case_id}",
        summary="One case",
        needs=Permission.CASES_READ,
        page=show_case,
        media="text/html",
        errors=("case-not-found",),
        views="case",
        tag="cases",
    ),
    Route(
        method="GET",
        path="/cases/{case_id}/paper",
        summary="The printed form (PDF)",
        needs=Permission.CASES_READ,
        page=paper,
        query=PaperQuery,
        media="application/pdf",
        errors=("case-not-found", "record-closed"),
        leaves=Action.EXPORTED,
        tag="cases",
    ),
)
