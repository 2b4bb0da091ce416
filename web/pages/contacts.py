"""Contacts: whom to call today and why, and the page an agent works at during the call."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aiohttp import web

from access.permissions import Permission
from access.users import Language, Principal
from crm.contacts.contacts import ContactState, ReasonKind, ReasonState
from web.api.contact_shapes import ContactsQuery
from web.api.contacts import filter_of
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.contact_words import ContactWords
from web.pages.pop import spaced
from web.pages.script_lines import spoken_about
from web.pages.shell import show
from web.pages.survey_lines import offered_of
from web.ports.aftercall import Spoken
from web.ports.contacts import ContactFilter, ContactLine, ContactView
from web.routes import SERVICES, Route

SHEETS: Final = ("contacts.css", "surveys.css", "scripts.css")
_TABS: Final = ("open", "overdue", "held", "unsuccessful", "closed")
#: Widest bar of the plot, in its own units.
_WIDE: Final = 100


def language_of_reader(request: web.Request, signed: Signed) -> Language:
    return signed.session.user.language if signed.session else language_of(request)


def words_of(request: web.Request, signed: Signed) -> ContactWords:
    """The words of contacts in the reader's language."""
    return ContactWords(language=language_of_reader(request, signed), zone=request.app[SERVICES].zone)


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Whom to call, the first due first."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    query = read_query(ContactsQuery, _without_empty(request))
    page = await services.contacts.list(by, filter_of(query), now, cursor=query.cursor, limit=query.limit)
    runs = await services.contacts.runs(limit=1)
    kept = {
        name: _plain(value)
        for name, value in query.model_dump(exclude={"cursor", "limit"}, exclude_defaults=True).items()
    }
    return show(
        request,
        signed,
        "contacts/list.html",
        here="contacts",
        sheets=SHEETS,
        values={
            "readable": spaced,
            "lines": page.items,
            "next": page.next,
            "counts": page.counts,
            "plot": _plot(page.kinds),
            "query": query,
            "kept": kept,
            "tabs": _TABS,
            "words": words_of(request, signed),
            "run": runs[0] if runs else None,
            "mark": _mark(page.items, page.counts),
            "open_reasons": _open_reasons,
            "works": by.may(Permission.TASKS_WORK),
        },
    )


def _plain(value: Any) -> str:
    return "true" if value is True else str(getattr(value, "value", value))


def _without_empty(request: web.Request) -> web.Request:
    """A filter form sends its empty choices, too; they say nothing."""
    if all(request.query.values()):
        return request
    return request.clone(
        rel_url=request.rel_url.with_query([(name, value) for name, value in request.query.items() if value])
    )


def _plot(kinds: Mapping[str, int]) -> Sequence[tuple[ReasonKind, int, int]]:
    """Each kind with its count and how wide its bar is."""
    most = max(kinds.values(), default=0)
    return [
        (kind, kinds.get(kind.value, 0), round(kinds.get(kind.value, 0) * _WIDE / most) if most else 0)
        for kind in ReasonKind
        if kinds.get(kind.value)
    ]


def _mark(lines: Sequence[ContactLine], counts: Mapping[str, int]) -> str:
    """Changes when what the list shows does."""
    shown = [f"{one.contact.id}:{one.contact.version}:{one.overdue}" for one in lines]
    return hashlib.sha256(repr((shown, sorted(counts.items()))).encode()).hexdigest()[:16]


def _open_reasons(line: ContactLine) -> list[Any]:
    """What is still to be spoken about; of a closed contact everything that was."""
    some = [one for one in line.reasons if one.reason.state is ReasonState.OPEN]
    return some or list(line.reasons)


async def show_contact(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One contact, to work at during the call."""
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    view = await services.contacts.get(by, request.match_info["contact_id"], now)
    language = language_of_reader(request, signed)
    spoken: Sequence[Spoken] = ()
    if not view.line.closed_to_viewer and by.may(Permission.TASKS_WORK):
        reasons = [one.reason for one in _open_reasons(view.line)]
        spoken = await spoken_about(request, signed, view.contact.customer_id, reasons)
    asked = _questionnaires(view)
    offered = None
    if not view.line.closed_to_viewer:
        offered = await offered_of(request, signed, view.contact.customer_id, contact_id=view.contact.id)
    return show(
        request,
        signed,
        "contacts/contact.html",
        here="contacts",
        sheets=SHEETS,
        values={
            "readable": spaced,
            "view": view,
            "line": view.line,
            "contact": view.contact,
            "words": ContactWords(language=language, zone=services.zone),
            "reasons": view.line.reasons,
            "spoken": spoken,
            "is_open": view.contact.state is not ContactState.CLOSED,
            "questionnaires": asked,
            "offered": offered,
            "can_offer": view.contact.state is not ContactState.CLOSED,
            "wanted": asked[0][0] if asked else "",
            "wanted_vehicle": (asked[0][1] or "") if asked else "",
            "page": {
                "id": view.contact.id,
                "version": view.contact.version,
                "customer_id": view.contact.customer_id,
                "next": await _next(request, by, view, language),
            },
            "runs": (),
        },
    )


def _questionnaires(view: ContactView) -> list[tuple[str, str | None]]:
    """Questionnaires of what is open, each with its vehicle."""
    found: dict[str, str | None] = {}
    for one in view.line.reasons:
        if one.reason.state is ReasonState.OPEN and one.reason.questionnaire:
            found.setdefault(one.reason.questionnaire, one.reason.vehicle_id)
    return list(found.items())


async def _next(request: web.Request, by: Principal, view: ContactView, language: Language) -> str:
    """The contact to go on with: one's own first, then one nobody has."""
    services = request.app[SERVICES]
    now = services.clock.now()
    for wanted in (ContactFilter(mine=True), ContactFilter(free=True)):
        page = await services.contacts.list(by, wanted, now, limit=2)
        for one in page.items:
            if one.contact.id != view.contact.id:
                return one.contact.id
    return ""


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/contacts",
        summary="Whom to call, and why",
        needs=Permission.MAINTENANCE_READ,
        page=show_list,
        query=ContactsQuery,
        errors=("bad-cursor",),
        media="text/html",
    ),
    Route(
        method="GET",
        path="/contacts/{contact_id}",
        summary="One contact, to work at during the call",
        needs=Permission.MAINTENANCE_READ,
        page=show_contact,
        errors=("contact-not-found",),
        views="contact",
        media="text/html",
    ),
)
