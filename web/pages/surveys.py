"""Questionnaires: the list, the editor with its approval, and filling one in beside a call."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from aiohttp import web
from pydantic import Field

from access.audit import Action, entry
from access.ids import new_id
from access.permissions import Permission
from access.users import Language
from crm.scripts.templates import PLACES
from crm.surveys.questionnaires import Channel, Purpose, QuestionKind
from crm.surveys.states import VersionState, VersionStep
from web.api.surveys import code_of, response_out, version_out
from web.auth import Signed, address_of
from web.bodies import read_query
from web.languages import language_of
from web.pages.shell import show
from web.problems import Refused
from web.routes import SERVICES, Nothing, Route, Shape, note_view

_SHEETS = ("surveys.css",)


class SurveysPageQuery(Shape):
    """What the address of the list keeps."""

    purpose: Purpose | None = None


class EditorQuery(Shape):
    """Which version is shown, and which one it is compared with."""

    version: int | None = Field(None, ge=1, le=2**31 - 1)
    compare: int | None = Field(None, ge=1, le=2**31 - 1)


class FillQuery(Shape):
    language: Language | None = None


def _tongue(request: web.Request, signed: Signed) -> Language:
    return signed.session.user.language if signed.session else language_of(request)


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Of each questionnaire what is asked and the newest version."""
    services = request.app[SERVICES]
    query = read_query(SurveysPageQuery, request)
    found = await services.surveys.list(signed.principal)
    items = [one for one in found if query.purpose in (None, one.purpose)]
    return show(
        request,
        signed,
        "surveys/list.html",
        here="surveys",
        sheets=_SHEETS,
        values={"items": items, "purposes": [one.value for one in Purpose], "query": query},
    )


async def begin(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A questionnaire to be written: its name, code and purpose."""
    read_query(Nothing, request)
    return show(
        request,
        signed,
        "surveys/new.html",
        here="surveys",
        sheets=_SHEETS,
        values={"purposes": [one.value for one in Purpose]},
    )


async def edit(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One questionnaire: the version in work or in use, its text, its history, its steps."""
    services = request.app[SERVICES]
    query = read_query(EditorQuery, request)
    code = code_of(request.match_info["questionnaire"])
    versions = await services.surveys.versions(signed.principal, code)
    chosen = next((one for one in versions if one.row.version == query.version), None)
    if query.version is not None and chosen is None:
        raise Refused("questionnaire-not-found", "There is no such version of the questionnaire.")
    view = chosen or versions[0]
    other = next((one for one in versions if one.row.version == query.compare), None)
    tongue = _tongue(request, signed)
    wrote = {one.by for one in view.row.history if one.step in (VersionStep.WRITE, VersionStep.SUBMIT)}
    editable = view.row.state is VersionState.DRAFT and signed.principal.may(Permission.SURVEYS_WRITE)
    return show(
        request,
        signed,
        "surveys/edit.html",
        here="surveys",
        sheets=_SHEETS,
        values={
            "view": view,
            "row": view.row,
            "versions": versions,
            "editable": editable,
            "own": signed.principal.user_id in wrote,
            "words_of": partial(_words_of, view.row.body, tongue),
            "has_draft": versions[0].row.state in (VersionState.DRAFT, VersionState.SUBMITTED),
            "page": {
                "version": version_out(view, tongue).model_dump(mode="json"),
                "compare": version_out(other, tongue).model_dump(mode="json") if other else None,
                "editable": editable,
                "kinds": [one.value for one in QuestionKind],
                "channels": [one.value for one in Channel],
                "purposes": [one.value for one in Purpose],
                "places": list(PLACES),
                "departments": (await services.cases.choices()).departments,
            },
        },
    )


def _words_of(body: Mapping[str, Any], language: str, code: str) -> str:
    """The words of a question of a version as it is stored."""
    for one in body.get("questions", ()):
        if one.get("code") == code:
            text = one.get("text") or {}
            return str(text.get(language) or next(iter(text.values()), code))
    return code


async def fill(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A response beside a call, on a page of its own."""
    services = request.app[SERVICES]
    query = read_query(FillQuery, request)
    response_id = request.match_info["response_id"]
    now = services.clock.now()
    line = entry(
        Action.VIEWED,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=f"response:{response_id}",
        address=address_of(request, services.options),
    )
    view = await services.surveys.response(signed.principal, response_id, line, language=query.language)
    if view.response.customer_id is not None:
        note_view(request, signed, f"customer:{view.response.customer_id}", "get_surveys_responses")
    return show(
        request,
        signed,
        "surveys/response.html",
        here="surveys",
        sheets=_SHEETS,
        values={"view": view, "page": response_out(view).model_dump(mode="json")},
    )


ROUTES = (
    Route(
        method="GET",
        path="/surveys",
        summary="Questionnaires",
        needs=Permission.SURVEYS_READ,
        page=show_list,
        query=SurveysPageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/surveys/new",
        summary="Begin a questionnaire",
        needs=Permission.SURVEYS_WRITE,
        page=begin,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/surveys/questionnaires/{questionnaire}",
        summary="One questionnaire and its versions",
        needs=Permission.SURVEYS_READ,
        page=edit,
        query=EditorQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/surveys/responses/{response_id}",
        summary="Fill a questionnaire in",
        needs=Permission.SURVEYS_FILL,
        page=fill,
        query=FillQuery,
        views="response",
        media="text/html",
    ),
)
