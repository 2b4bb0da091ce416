"""Who may be on record twice: the list, two records side by side, and merges that can be undone."""

from __future__ import annotations

from aiohttp import web

from access.permissions import Permission
from crm.groups.fields import CATALOGUE, FieldKind
from crm.groups.words import choice_label
from web.api.group_shapes import CompareQuery, MergesQuery, PageQuery
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text
from web.pages.shell import show
from web.routes import SERVICES, Route

_SHEETS = ("groups.css",)


async def show_pairs(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Suspected pairs, the most alike first."""
    query = read_query(PageQuery, request)
    services = request.app[SERVICES]
    page = await services.merging.pairs(
        signed.principal, cursor=query.cursor, limit=query.limit, now=services.clock.now()
    )
    return show(
        request,
        signed,
        "duplicates/list.html",
        here="duplicates",
        sheets=_SHEETS,
        values={
            "items": page.items,
            "waiting": f"{page.waiting}+" if page.waiting_more else str(page.waiting),
            "next": page.next,
        },
    )


async def compare(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Two records side by side, with the choice of what is kept."""
    query = read_query(CompareQuery, request)
    found = await request.app[SERVICES].merging.compare(signed.principal, query.survivor_id, query.merged_id)
    fields = [one for one in found.fields if one.survivor or one.merged]
    names = await request.app[SERVICES].users.names()
    language = signed.session.user.language if signed.session else language_of(request)

    def shown(field: str, value: str) -> str:
        """A value as a person reads it."""
        if field == "own_agent_id":
            return names.get(value, value)
        known = CATALOGUE.scopes["customer"].fields.get(field)
        if known is not None and known.kind in (FieldKind.CHOICE, FieldKind.FLAG):
            return choice_label(known, value, language)
        return value

    return show(
        request,
        signed,
        "duplicates/compare.html",
        here="duplicates",
        sheets=_SHEETS,
        values={"found": found, "fields": fields, "shown": shown},
    )


#: Tables whose rows have a word people know.
_TABLES = (
    "calls",
    "contacts",
    "vehicle_people",
    "tasks",
    "group_members",
    "purchases",
    "service_visits",
    "registrations",
    "voicemails",
    "corrections",
    "record_changes",
)


def _tables(request: web.Request, signed: Signed) -> dict[str, str]:
    language = signed.session.user.language if signed.session else language_of(request)
    return {name: text(language, f"duplicates.table.{name}") for name in _TABLES}


async def show_merges(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What was merged, newest first, with what an undo could not put back."""
    query = read_query(MergesQuery, request)
    page = await request.app[SERVICES].merging.merges(
        signed.principal, customer_id=query.customer_id or "", cursor=query.cursor, limit=query.limit
    )
    return show(
        request,
        signed,
        "duplicates/merges.html",
        here="duplicates",
        sheets=_SHEETS,
        values={"items": page.items, "next": page.next, "tables": _tables(request, signed)},
    )


ROUTES = (
    Route(
        method="GET",
        path="/duplicates",
        summary="Who may be on record twice",
        needs=Permission.DUPLICATES_READ,
        page=show_pairs,
        query=PageQuery,
        media="text/html",
        tag="duplicates",
    ),
    Route(
        method="GET",
        path="/duplicates/compare",
        summary="Two records side by side",
        needs=Permission.RECORDS_MERGE,
        page=compare,
        query=CompareQuery,
        media="text/html",
        errors=("customer-not-found", "merge-refused"),
        tag="duplicates",
    ),
    Route(
        method="GET",
        path="/duplicates/merges",
        summary="Merges",
        needs=Permission.RECORDS_MERGE,
        page=show_merges,
        query=MergesQuery,
        media="text/html",
        tag="duplicates",
    ),
)
