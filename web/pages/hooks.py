"""The pages of webhooks out: subscriptions, one subscription with its log, one delivery with its tries."""

from __future__ import annotations

import json
from typing import Final

from aiohttp import web

from access.audit import Action
from access.ids import new_id
from access.permissions import Permission
from crm.hooks.addresses import LONGEST_URL, check_url
from crm.hooks.errors import HookError, HookOff, UrlRefused
from crm.hooks.events import UNASKED, Event
from crm.hooks.signing import make_secret
from crm.hooks.subscriptions import DeliveryState, Hook, owner_of
from web.api.hooks import DeliveriesQuery
from web.auth import Signed
from web.bodies import read_query
from web.languages import text
from web.pages import record_forms
from web.pages.records import go, language_of_page, noted
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route
from web.shown_once import SHOWN_ONCE

_HERE: Final = "hooks"
_SHEETS: Final = ("hooks.css",)
_EVENTS: Final = tuple(event for event in Event if event not in UNASKED)
_LONGEST_NAME: Final = 64
#: Lines of the log on the page.
_LINES: Final = 50

Form = dict[str, str]
_EMPTY: Final[Form] = {"name": "", "url": "", "language": "zh-CN"}


def _session(signed: Signed) -> str:
    return signed.session.id if signed.session else ""


def _asked(form: Form) -> tuple[Event, ...]:
    return tuple(event for event in _EVENTS if form.get(f"event.{event.value}") == "yes")


def _wrong(request: web.Request, signed: Signed, form: Form) -> dict[str, str]:
    """Words beside the fields that are not as they must be."""
    language = language_of_page(request, signed)
    errors: dict[str, str] = {}
    if not 1 <= len(form.get("name", "").strip()) <= _LONGEST_NAME:
        errors["name"] = text(language, "hooks.wrong.name")
    if not _asked(form):
        errors["events"] = text(language, "hooks.wrong.events")
    try:
        check_url(form.get("url", "").strip(), request.app[SERVICES].hooks.options.rules())
    except UrlRefused as error:
        errors["url"] = text(language, f"hooks.wrong.url.{error.rule}")
    return errors


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every subscription, and the form of a new one."""
    read_query(Nothing, request)
    return await _list(request, signed)


async def _list(
    request: web.Request,
    signed: Signed,
    *,
    form: Form | None = None,
    errors: Form | None = None,
    trouble: str = "",
) -> web.Response:
    return show(
        request,
        signed,
        "hooks/list.html",
        here=_HERE,
        sheets=_SHEETS,
        status=422 if errors or trouble else 200,
        values={
            "hooks": await request.app[SERVICES].hooks.list(),
            "events": _EVENTS,
            "form": _EMPTY | form
            if form
            else {**_EMPTY, "language": language_of_page(request, signed), "event.call.ended": "yes"},
            "errors": errors or {},
            "trouble_words": trouble,
            "longest_url": LONGEST_URL,
        },
    )


async def create(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Add a subscription; the page it leads to shows the secret once."""
    services = request.app[SERVICES]
    form = await record_forms.read(request, signed)
    errors = _wrong(request, signed, form)
    if errors:
        return await _list(request, signed, form=form, errors=errors)
    now = services.clock.now()
    hook = Hook(
        id=new_id(now),
        name=form["name"].strip(),
        url=form["url"].strip(),
        events=_asked(form),
        language="en" if form.get("language") == "en" else "zh-CN",
        active=True,
        owner=owner_of(signed.principal),
        owner_name=signed.principal.name,
        created_at=now,
        changed_at=now,
    )
    secret = make_secret()
    try:
        await services.hooks.create(
            hook, secret, noted(request, signed, Action.HOOK_CREATED, f"hook:{hook.id}", url=hook.url)
        )
    except HookError:
        trouble = text(language_of_page(request, signed), "hooks.wrong.too-many")
        return await _list(request, signed, form=form, trouble=trouble)
    request.app[SHOWN_ONCE].keep(_session(signed), f"hook:{hook.id}", secret, now)
    return go(f"/settings/hooks/{hook.id}")


async def show_one(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One subscription with its log."""
    return await _one(request, signed)


def _filled(hook: Hook) -> dict[str, str]:
    return {
        "name": hook.name,
        "url": hook.url,
        "language": hook.language,
        **{f"event.{event.value}": "yes" for event in hook.events},
    }


async def _one(
    request: web.Request,
    signed: Signed,
    *,
    form: Form | None = None,
    errors: Form | None = None,
    trouble: str = "",
) -> web.Response:
    services = request.app[SERVICES]
    query = read_query(DeliveriesQuery, request)
    hook = await services.hooks.get(request.match_info["hook_id"])
    page = await services.hooks.deliveries(
        hook.id, state=query.state.value if query.state else None, cursor=query.cursor, limit=_LINES
    )
    secret = request.app[SHOWN_ONCE].take(_session(signed), f"hook:{hook.id}", services.clock.now())
    return show(
        request,
        signed,
        "hooks/one.html",
        here=_HERE,
        sheets=_SHEETS,
        status=422 if errors or trouble else 200,
        values={
            "hook": hook,
            "events": _EVENTS,
            "form": _EMPTY | form if form else _filled(hook),
            "errors": errors or {},
            "trouble_words": trouble,
            "secret": secret,
            "items": page.items,
            "next": page.next,
            "state": query.state,
            "states": list(DeliveryState),
            "longest_url": LONGEST_URL,
        },
    )


async def change(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What one of the buttons says: save, on, off, secret, test, delete."""
    services, by = request.app[SERVICES], signed.principal
    hook_id = request.match_info["hook_id"]
    form = await record_forms.read(request, signed)
    now = services.clock.now()
    about = f"hook:{hook_id}"
    match form.get("do", ""):
        case "on" | "off" as way:
            note = noted(request, signed, Action.HOOK_CHANGED, about, active=way == "on")
            await services.hooks.change(hook_id, by, note, active=way == "on")
        case "secret":
            secret = make_secret()
            note = noted(request, signed, Action.HOOK_CHANGED, about, secret=True)
            await services.hooks.new_secret(hook_id, secret, by, note)
            request.app[SHOWN_ONCE].keep(_session(signed), about, secret, now)
        case "test":
            try:
                note = noted(request, signed, Action.HOOK_SENT, about, what="test")
                delivery_id = await services.hooks.test(hook_id, by, note)
            except HookOff:
                trouble = text(language_of_page(request, signed), "hooks.wrong.off")
                return await _one(request, signed, trouble=trouble)
            return go(f"/settings/hooks/deliveries/{delivery_id}")
        case "delete":
            await services.hooks.delete(hook_id, noted(request, signed, Action.HOOK_DELETED, about))
            return go("/settings/hooks")
        case _:
            if errors := _wrong(request, signed, form):
                return await _one(request, signed, form=form, errors=errors)
            await services.hooks.change(
                hook_id,
                by,
                noted(request, signed, Action.HOOK_CHANGED, about, url=form["url"].strip()),
                name=form["name"].strip(),
                url=form["url"].strip(),
                events=_asked(form),
                language="en" if form.get("language") == "en" else "zh-CN",
            )
    return go(f"/settings/hooks/{hook_id}")


async def show_delivery(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One delivery: what was sent, and every try."""
    read_query(Nothing, request)
    return await _delivery(request, signed)


async def _delivery(request: web.Request, signed: Signed, *, trouble: str = "") -> web.Response:
    services = request.app[SERVICES]
    found = await services.hooks.delivery(
        request.match_info["delivery_id"], signed.principal, services.clock.now()
    )
    return show(
        request,
        signed,
        "hooks/delivery.html",
        here=_HERE,
        sheets=_SHEETS,
        status=422 if trouble else 200,
        values={
            "found": found,
            "one": found.delivery,
            "hook": await services.hooks.get(found.delivery.hook_id),
            "data": json.dumps(dict(found.data), ensure_ascii=False, indent=2),
            "trouble_words": trouble,
        },
    )


async def replay(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Send it again."""
    services = request.app[SERVICES]
    delivery_id = request.match_info["delivery_id"]
    await record_forms.read(request, signed)
    try:
        await services.hooks.replay(
            delivery_id, noted(request, signed, Action.HOOK_SENT, f"delivery:{delivery_id}", what="replay")
        )
    except HookOff:
        trouble = text(language_of_page(request, signed), "hooks.wrong.off")
        return await _delivery(request, signed, trouble=trouble)
    return go(f"/settings/hooks/deliveries/{delivery_id}")


def _route(method: str, path: str, summary: str, page: object, **more: object) -> Route:
    return Route(
        method=method,  # type: ignore[arg-type]
        path=path,
        summary=summary,
        needs=Permission.HOOKS_WRITE,
        page=page,  # type: ignore[arg-type]
        media="text/html",
        **more,  # type: ignore[arg-type]
    )


ROUTES = (
    _route("GET", "/settings/hooks", "Webhook subscriptions", show_list),
    _route("POST", "/settings/hooks", "Add a webhook subscription", create),
    _route("GET", "/settings/hooks/{hook_id}", "A webhook subscription", show_one, query=DeliveriesQuery),
    _route("POST", "/settings/hooks/{hook_id}", "Change a webhook subscription", change),
    _route("GET", "/settings/hooks/deliveries/{delivery_id}", "A delivery", show_delivery),
    _route("POST", "/settings/hooks/deliveries/{delivery_id}", "Send a delivery again", replay),
)
