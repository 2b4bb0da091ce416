"""Groups: the list, the editor with its live count and sentence, and who is in."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from access.permissions import Permission
from crm.groups.groups import GroupKind
from crm.groups.query import write_query
from web.api.group_shapes import GroupsQuery, PageQuery
from web.api.groups import catalogue_out, members_out
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.shell import show
from web.problems import Refused
from web.routes import SERVICES, Route

_SHOWN = 50
_SHEETS = ("groups.css",)


def _language(request: web.Request, signed: Signed) -> str:
    return signed.session.user.language if signed.session else language_of(request)


async def show_groups(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every group in use, or those put away."""
    query = read_query(GroupsQuery, request)
    page = await request.app[SERVICES].groups.list(
        signed.principal,
        _language(request, signed),
        archived=query.archived,
        cursor=query.cursor,
        limit=query.limit,
    )
    return show(
        request,
        signed,
        "groups/list.html",
        here="groups",
        sheets=_SHEETS,
        values={"items": page.items, "next": page.next, "archived": query.archived},
    )


async def _editor(request: web.Request, signed: Signed, values: dict[str, Any]) -> web.StreamResponse:
    groups = request.app[SERVICES].groups
    language = _language(request, signed)
    catalogue = catalogue_out(await groups.catalogue(signed.principal), language)
    view = values.get("view")
    query = view.group.query if view is not None else None
    return show(
        request,
        signed,
        "groups/editor.html",
        here="groups",
        sheets=_SHEETS,
        values={
            "view": None,
            "members": None,
            "freezes": (),
            **values,
            "page": {
                "catalogue": catalogue.model_dump(),
                "choices": {
                    name: dict(found) for name, found in (await groups.choices(signed.principal)).items()
                },
                "query": {"all": []} if query is None else write_query(query),
                "group": None
                if view is None
                else {"id": view.group.id, "version": view.group.version, "kind": view.group.kind.value},
                "write": signed.principal.may(Permission.GROUPS_WRITE)
                and (view is None or view.group.archived_at is None),
            },
        },
    )


async def begin(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The editor, empty."""
    kind = request.query.get("kind", "dynamic")
    if kind not in list(GroupKind):
        raise Refused("bad-query", "A group is dynamic or static.")
    return await _editor(request, signed, {"kind": kind})


async def show_group(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One group: its query or its people, and lists frozen from it."""
    services = request.app[SERVICES]
    group_id = request.match_info["group_id"]
    query = read_query(PageQuery, request)
    view = await services.groups.get(signed.principal, group_id, _language(request, signed))
    now = services.clock.now()
    members = None
    if view.group.kind is GroupKind.STATIC:
        members = members_out(
            await services.groups.members(
                signed.principal, group_id, now, cursor=query.cursor, limit=query.limit
            )
        )
    freezes = await services.groups.freezes(signed.principal, group_id)
    return await _editor(
        request,
        signed,
        {"view": view, "kind": view.group.kind.value, "members": members, "freezes": freezes},
    )


ROUTES = (
    Route(
        method="GET",
        path="/groups",
        summary="Groups",
        needs=Permission.GROUPS_READ,
        page=show_groups,
        query=GroupsQuery,
        media="text/html",
        tag="groups",
    ),
    Route(
        method="GET",
        path="/groups/new",
        summary="A new group",
        needs=Permission.GROUPS_WRITE,
        page=begin,
        media="text/html",
        tag="groups",
    ),
    Route(
        method="GET",
        path="/groups/{group_id}",
        summary="One group",
        needs=Permission.GROUPS_READ,
        page=show_group,
        query=PageQuery,
        media="text/html",
        errors=("group-not-found",),
        tag="groups",
    ),
)
