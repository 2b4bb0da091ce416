"""Scripts with their approval; registration forms and dispositions: listed, edited, every version kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import yaml
from aiohttp import web
from pydantic import Field

from access.permissions import Permission
from access.users import Language
from crm.contacts.contacts import ReasonKind
from crm.scripts.differences import Change, Differences, compare
from crm.scripts.drafts import LANGUAGES
from crm.scripts.states import ScriptVersion
from crm.scripts.templates import PLACES, render
from crm.versions import VersionState, VersionStep
from web.api.script_versions import version_out
from web.api.scripts import definition_name, kind_of
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text, texts
from web.pages.shell import show
from web.ports.aftercall import Kind, ScriptView
from web.problems import Refused
from web.routes import SERVICES, Nothing, Route, Shape

KINDS: tuple[Kind, ...] = ("script", "form", "dispositions")
_SHEETS: Final = ("aftercall.css", "scripts.css")
_IN_WORK: Final = (VersionState.DRAFT, VersionState.SUBMITTED)
#: Places by what they are about, for the list an author picks from.
_ABOUT: Final = ("customer", "vehicle", "visit", "service", "appointment", "case", "other")
#: Calls the house makes that have no registration form of their own.
_MADE: Final = (*(one.value for one in ReasonKind), "tell_plan", "second_visit", "appointment_confirmation")


class ScriptsPageQuery(Shape):
    """What the address of the page keeps."""

    kind: Literal["script", "form", "dispositions"] = "script"


class ScriptQuery(Shape):
    """Which version is read, and which two are compared."""

    version: int | None = Field(None, ge=1, le=2**31 - 1)
    was: int | None = Field(None, ge=1, le=2**31 - 1)
    now: int | None = Field(None, ge=1, le=2**31 - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptLine:
    """One script of the list: what is read to customers, and what is in work."""

    name: str
    label: Mapping[str, str]
    in_force: ScriptView | None
    in_work: ScriptView | None
    #: The newest version, where it is neither.
    retired: ScriptView | None


def _tongue(request: web.Request, signed: Signed) -> Language:
    return signed.session.user.language if signed.session else language_of(request)


async def show_scripts(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Scripts with who must act; of forms and dispositions the newest version."""
    services = request.app[SERVICES]
    query = read_query(ScriptsPageQuery, request)
    values: dict[str, Any] = {"kind": query.kind, "kinds": KINDS}
    if query.kind == "script":
        values["lines"] = _lines(await services.aftercall.script_versions.list(signed.principal))
        values["Step"] = VersionStep
    else:
        values["items"] = await services.aftercall.definitions.list(query.kind)
    return show(request, signed, "scripts/list.html", here="scripts", sheets=_SHEETS, values=values)


def _lines(found: Sequence[ScriptView]) -> list[ScriptLine]:
    """Those somebody must act on first, then by name."""
    names = dict.fromkeys(one.row.name for one in found)
    lines = []
    for name in names:
        versions = [one for one in found if one.row.name == name]
        states = {one.row.state: one for one in reversed(versions)}
        in_force = states.get(VersionState.APPROVED)
        in_work = next((one for one in versions if one.row.state in _IN_WORK), None)
        lines.append(
            ScriptLine(
                name=name,
                label=(in_force or versions[0]).row.label,
                in_force=in_force,
                in_work=in_work,
                retired=None if in_force or in_work else versions[0],
            )
        )
    order = {VersionState.SUBMITTED: 0, VersionState.DRAFT: 1}
    return sorted(lines, key=lambda one: order.get(one.in_work.row.state, 2) if one.in_work else 2)


async def begin_script(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A script to be written: its name and code."""
    read_query(Nothing, request)
    return show(request, signed, "scripts/new.html", here="scripts", sheets=_SHEETS, values={})


async def edit_script(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One definition: a script with its versions, forms and dispositions as text in their editor."""
    services = request.app[SERVICES]
    kind, name = kind_of(request.match_info["kind"]), definition_name(request.match_info["name"])
    if kind == "script":
        return await _script(request, signed, name)
    read_query(Nothing, request)
    versions = await services.aftercall.definitions.history(kind, name)
    if not versions:
        raise Refused("not-found", "There is no definition of that name.")
    newest = versions[0]
    return show(
        request,
        signed,
        "scripts/edit.html",
        here="scripts",
        sheets=_SHEETS,
        values={
            "kind": kind,
            "item": newest,
            "versions": versions,
            "text": yaml.safe_dump(_bare(newest.body), allow_unicode=True, sort_keys=False, width=110),
        },
    )


async def _script(request: web.Request, signed: Signed, name: str) -> web.StreamResponse:
    services, by = request.app[SERVICES], signed.principal
    query = read_query(ScriptQuery, request)
    versions = await services.aftercall.script_versions.versions(by, name)
    by_number = {one.row.version: one for one in versions}
    for wanted in (query.version, query.was, query.now):
        if wanted is not None and wanted not in by_number:
            raise Refused("script-not-found", "There is no such version of the script.")
    in_work = next((one for one in versions if one.row.state in _IN_WORK), None)
    in_force = next((one for one in versions if one.row.state is VersionState.APPROVED), None)
    shown = by_number[query.version] if query.version else in_force
    if shown is in_work:
        shown = in_force
    if shown is None and in_work is None:
        shown = versions[0]
    tongue = _tongue(request, signed)
    compared = None
    if query.was and query.now:
        compared = _compared(by_number[query.was], by_number[query.now])
    title = (in_force or versions[0]).row.label
    editable = (
        in_work is not None
        and in_work.row.state is VersionState.DRAFT
        and by.may(Permission.SCRIPTS_WRITE)
        and not query.version
    )
    read = shown if query.version else in_work or shown
    assert read is not None
    return show(
        request,
        signed,
        "scripts/script.html",
        here="scripts",
        sheets=_SHEETS,
        values={
            "code": name,
            "title": title.get(tongue) or next(iter(title.values()), name),
            "versions": versions,
            "in_work": in_work,
            "in_force": in_force,
            "shown": shown,
            "chosen": query.version,
            "compared": compared,
            "against": _compared(in_force, in_work) if in_force and in_work else None,
            "editable": editable,
            "said": said_of,
            "parts": render,
            "Step": VersionStep,
            "Change": Change,
            "call_word": lambda code: _call_word(code, tongue),
            "queue_word": lambda code: services.queue_labels.get(code, {}).get(tongue, code),
            "about": _ABOUT,
            "places": {about: [one for one in PLACES if _about(one) == about] for about in _ABOUT},
            "page": {
                "version": version_out(read, tongue).model_dump(mode="json"),
                "editable": editable,
                "call_types": await _call_types(request, signed),
                "queues": {code: dict(label) for code, label in services.queue_labels.items()},
            },
        },
    )


async def _call_types(request: web.Request, signed: Signed) -> dict[str, str]:
    """Types of calls a script can be for: those of the forms, and those the house makes."""
    tongue = _tongue(request, signed)
    forms = await request.app[SERVICES].aftercall.definitions.list("form")
    found = {
        one.name: one.label.get(tongue) or next(iter(one.label.values()), one.name)
        for one in forms
        if not one.retired
    }
    for code in _MADE:
        found.setdefault(code, _call_word(code, tongue))
    return found


def _call_word(code: str, tongue: Language) -> str:
    """A type of call in words; a code of the house's own stays."""
    known = texts(tongue)
    for key in (f"scripts.call.{code}", f"contacts.kind.{code}", f"cases.step.{code}"):
        if key in known:
            return text(tongue, key)
    return code


def _about(place: str) -> str:
    head = place.partition(".")[0]
    return head if "." in place and head in _ABOUT else "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """Two versions against each other."""

    was: ScriptVersion
    now: ScriptVersion
    differences: Differences

    @property
    def kept(self) -> int:
        """How many steps say the same in both."""
        return sum(one.change is Change.SAME for one in self.differences.steps)


def _compared(was: ScriptView, now: ScriptView) -> Compared:
    return Compared(was=was.row, now=now.row, differences=compare(was.row.body, now.row.body))


@dataclass(frozen=True, kw_only=True, slots=True)
class SaidStep:
    """One step as it is written, in every language."""

    kind: str
    texts: Mapping[str, str]


def said_of(row: ScriptVersion) -> list[SaidStep]:
    """The steps of a version, finished or not."""
    steps: Mapping[str, Sequence[Mapping[str, str]]] = row.body.get("steps") or {}
    found = []
    for place in range(max((len(one) for one in steps.values()), default=0)):
        at = {
            language: steps[language][place] for language in LANGUAGES if place < len(steps.get(language, ()))
        }
        found.append(
            SaidStep(
                kind=next((one.get("kind", "say") for one in at.values()), "say"),
                texts={language: str(one.get("text", "")) for language, one in at.items()},
            )
        )
    return found


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
        path="/scripts/new",
        summary="Begin a script",
        needs=Permission.SCRIPTS_WRITE,
        page=begin_script,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/scripts/{kind}/{name}",
        summary="One script with its versions, one form or set of dispositions",
        needs=Permission.SCRIPTS_WRITE,
        page=edit_script,
        query=ScriptQuery,
        errors=("script-not-found",),
        media="text/html",
    ),
)
