"""Bulletins: the list, the form of one with who has read it, and the part of the idle desk that shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from access.audit import Action
from access.permissions import Permission
from crm.bulletins import LONGEST, BadBulletin, Bulletin, BulletinChanged, BulletinState, Reader
from web.api.shapes import Cursor
from web.auth import Signed
from web.bodies import read_query
from web.languages import text
from web.pages import record_forms
from web.pages.records import go, language_of_page, noted
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route, Shape

_SHOWN = 50
_SHEETS = ("bulletins.css",)


class BulletinsPageQuery(Shape):
    """What the address of the page keeps."""

    state: BulletinState | Literal[""] = ""
    cursor: Cursor | None = None


async def show_bulletins(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list."""
    services = request.app[SERVICES]
    query = read_query(BulletinsPageQuery, request)
    now = services.clock.now()
    page = await services.bulletins.list(
        signed.principal, state=query.state or None, now=now, cursor=query.cursor, limit=_SHOWN
    )
    return show(
        request,
        signed,
        "bulletins/list.html",
        here="bulletins",
        sheets=_SHEETS,
        values={
            "page": page,
            "query": {"state": query.state},
            "states": list(BulletinState),
            "writes": signed.principal.may(Permission.BULLETINS_WRITE),
        },
    )


async def show_on_desk(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What stands on the idle desk, alone."""
    read_query(Nothing, request)
    services = request.app[SERVICES]
    boards = await services.bulletins.shown(signed.principal, services.clock.now())
    return show(request, signed, "bulletins/desk.html", here="desk", values={"boards": boards})


def _local(moment: datetime, zone: str) -> tuple[str, str]:
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d}", f"{local:%H:%M}"


def _filled(one: Bulletin, zone: str) -> dict[str, str]:
    begins_on, begins_time = _local(one.begins_at, zone)
    ends_on, ends_time = _local(one.ends_at, zone)
    return {
        "zh-CN": one.words.get("zh-CN", ""),
        "en": one.words.get("en", ""),
        "begins_on": begins_on,
        "begins_time": begins_time,
        "ends_on": ends_on,
        "ends_time": ends_time,
        "version": str(one.version),
    }


async def _editor(
    request: web.Request,
    signed: Signed,
    *,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    trouble: str = "",
    status: int = 200,
) -> web.Response:
    services = request.app[SERVICES]
    bulletin_id = request.match_info.get("bulletin_id")
    one: Bulletin | None = None
    readers: Sequence[Reader] = ()
    if bulletin_id is not None:
        one, readers = await services.bulletins.get(signed.principal, bulletin_id)
    now = services.clock.now()
    empty = {"zh-CN": "", "en": "", "version": "0"}
    begins_on, begins_time = _local(now, services.zone)
    ends_on, _ = _local(now + timedelta(days=1), services.zone)
    fresh = {"begins_on": begins_on, "begins_time": begins_time, "ends_on": ends_on, "ends_time": "18:00"}
    known = _filled(one, services.zone) if one else {**empty, **fresh}
    return show(
        request,
        signed,
        "bulletins/one.html",
        here="bulletins",
        sheets=_SHEETS,
        status=status,
        values={
            "one": one,
            "readers": readers,
            "form": {**known, **(form or {})},
            "errors": errors or {},
            "trouble_words": trouble,
            "longest": LONGEST,
        },
    )


async def edit(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The form of a new one, or of one that is there. Raises BulletinNotFound."""
    read_query(Nothing, request)
    return await _editor(request, signed)


def _moment(form: Mapping[str, str], name: str, zone: str) -> datetime:
    """A moment of the house as it was typed. Raises BadBulletin."""
    typed = f"{form.get(name + '_on', '').strip()} {form.get(name + '_time', '').strip()}"
    try:
        return datetime.strptime(typed, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(zone))
    except ValueError as error:
        raise BadBulletin("A day and a time are needed.", field=f"{name}_at") from error


async def save(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Write one, change one, or withdraw it."""
    services, by = request.app[SERVICES], signed.principal
    bulletin_id = request.match_info.get("bulletin_id")
    form = await record_forms.read(request, signed)
    language = language_of_page(request, signed)
    entry = noted(request, signed, Action.BULLETIN_CHANGED, f"bulletin:{bulletin_id or 'new'}")
    version = max(record_forms.version_in(form), 0)
    try:
        if bulletin_id is not None and form.get("withdraw"):
            await services.bulletins.withdraw(by, bulletin_id, based_on=version, entry=entry)
        else:
            await services.bulletins.write(
                by,
                bulletin_id,
                based_on=version,
                words={name: form.get(name, "") for name in ("zh-CN", "en")},
                begins_at=_moment(form, "begins", services.zone),
                ends_at=_moment(form, "ends", services.zone),
                entry=entry,
            )
        return go("/bulletins")
    except BadBulletin as error:
        words = {error.field: text(language, f"bulletins.wrong.{error.field}", most=LONGEST)}
        return await _editor(request, signed, form=form, errors=words, status=422)
    except BulletinChanged as error:
        trouble = text(language, "bulletins.meanwhile", name=error.holder)
        return await _editor(request, signed, form=form, trouble=trouble, status=409)


ROUTES = (
    Route(
        method="GET",
        path="/bulletins",
        summary="What those who take calls are told",
        needs=Permission.BULLETINS_READ,
        page=show_bulletins,
        query=BulletinsPageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/desk/bulletins",
        summary="Bulletins of the idle desk",
        needs=Permission.BULLETINS_READ,
        page=show_on_desk,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/bulletins/new",
        summary="Form of a new bulletin",
        needs=Permission.BULLETINS_WRITE,
        page=edit,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/bulletins/new",
        summary="Write a bulletin",
        needs=Permission.BULLETINS_WRITE,
        page=save,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/bulletins/{bulletin_id}",
        summary="Form of a bulletin, with who has read it",
        needs=Permission.BULLETINS_WRITE,
        page=edit,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/bulletins/{bulletin_id}",
        summary="Change or withdraw a bulletin",
        needs=Permission.BULLETINS_WRITE,
        page=save,
        media="text/html",
    ),
)
