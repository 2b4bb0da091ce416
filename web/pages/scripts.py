"""Scripts, registration forms and dispositions: listed, edited with a preview, every version kept."""

from __future__ import annotations

from typing import Literal

import yaml
from aiohttp import web

from access.permissions import Permission
from crm.scripts.templates import PLACES
from web.api.scripts import definition_name, kind_of
from web.auth import Signed
from web.bodies import read_query
from web.pages.shell import show
from web.ports.aftercall import Kind
from web.problems import Refused
from web.routes import SERVICES, Nothing, Route, Shape

KINDS: tuple[Kind, ...] = ("script", "form", "dispositions")


class ScriptsPageQuery(Shape):
    """What the address of the page keeps."""

    kind: Literal["script", "form", "dispositions"] = "script"


async def show_scripts(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The newest version of each."""
    services = request.app[SERVICES]
    query = read_query(ScriptsPageQuery, request)
    items = await services.aftercall.definitions.list(query.kind)
    return show(
        request,
        signed,
        "scripts/list.html",
        here="scripts",
        sheets=("aftercall.css",),
        values={"items": items, "kind": query.kind, "kinds": KINDS},
    )


async def edit_script(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One definition in its editor: scripts step by step, forms and dispositions as text."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    kind, name = kind_of(request.match_info["kind"]), definition_name(request.match_info["name"])
    versions = await services.aftercall.definitions.history(kind, name)
    if not versions:
        raise Refused("not-found", "There is no definition of that name.")
    newest = versions[0]
    return show(
        request,
        signed,
        "scripts/edit.html",
        here="scripts",
        sheets=("aftercall.css",),
        values={
            "kind": kind,
            "item": newest,
            "versions": versions,
            "text": yaml.safe_dump(_bare(newest.body), allow_unicode=True, sort_keys=False, width=110),
            "places": PLACES,
        },
    )


def _bare(value: object) -> object:
    """A body without what says nothing, so that a person reads less."""
    if isinstance(value, dict):
        return {key: _bare(item) for key, item in value.items() if item not in (None, [], {}, "")}
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value


ROUTES = (
    Route(
        method="GET",
        path="/scripts",
        summary="Scripts, forms and dispositions",
        needs=Permission.SCRIPTS_WRITE,
        page=show_scripts,
        query=ScriptsPageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/scripts/{kind}/{name}",
        summary="One script, form or set of dispositions",
        needs=Permission.SCRIPTS_WRITE,
        page=edit_script,
        media="text/html",
    ),
)
