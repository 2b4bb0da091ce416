"""The frame of every page of somebody who is signed in: navigation, the person's menu, the telephone's bar."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from aiohttp import web

from access.permissions import TAKES_CALLS, Permission
from access.users import THEMES, Principal
from web.auth import Signed
from web.languages import language_of
from web.live import LIVE_AT
from web.pages.rendering import clock, deadline, render, span, stamp
from web.routes import SERVICES


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Somewhere one can go. Its words are the text "nav.NAME"; it is shown to those whom its route lets in."""

    name: str
    path: str
    #: In the bar; others are under "more".
    main: bool = False
    #: On a narrow window it is under "more", too.
    gives_way: bool = False


#: In the order of the bar. A place whose route does not exist is not shown.
PLACES: Final[tuple[Place, ...]] = (
    Place(name="desk", path="/desk", main=True),
    Place(name="customers", path="/customers", main=True),
    Place(name="vehicles", path="/vehicles", main=True),
    Place(name="tasks", path="/tasks", main=True),
    Place(name="calls", path="/calls", main=True),
    Place(name="recordings", path="/recordings", main=True, gives_way=True),
    Place(name="knowledge", path="/knowledge", main=True, gives_way=True),
    Place(name="bulletins", path="/bulletins"),
    Place(name="groups", path="/groups"),
    Place(name="duplicates", path="/duplicates"),
    Place(name="corrections", path="/corrections"),
    Place(name="contacts", path="/contacts", main=True),
    Place(name="cases", path="/cases", main=True),
    Place(name="appointments", path="/appointments", main=True),
    Place(name="calling", path="/calling"),
    Place(name="campaigns", path="/campaigns"),
    Place(name="surveys", path="/surveys"),
    Place(name="maintenance", path="/maintenance"),
    Place(name="imports", path="/imports"),
    Place(name="registrations", path="/registrations"),
    Place(name="reports", path="/reports"),
    Place(name="scripts", path="/scripts"),
    Place(name="classes", path="/settings/classes"),
    Place(name="fields", path="/settings/fields"),
    Place(name="people", path="/people"),
    Place(name="approvals", path="/approvals"),
    Place(name="privacy", path="/privacy"),
    Place(name="audit", path="/audit"),
    Place(name="hooks", path="/settings/hooks"),
    Place(name="tokens", path="/settings/tokens"),
)


#: Who may see which page: the addresses of the route table that have no parts to fill in.
PAGES: web.AppKey[Mapping[str, Permission]] = web.AppKey("pages", Mapping)


def places_of(viewer: Principal, pages: Mapping[str, Permission]) -> Sequence[Place]:
    """Where this person can go, of the pages that exist."""
    return [place for place in PLACES if place.path in pages and viewer.may(pages[place.path])]


def home_of(viewer: Principal, pages: Mapping[str, Permission]) -> str:
    """The page one begins with; a place to sign out from for those who may see none."""
    places = places_of(viewer, pages)
    return places[0].path if places else "/me"


def show(
    request: web.Request,
    signed: Signed,
    template: str,
    *,
    here: str,
    status: int = 200,
    sheets: Sequence[str] = (),
    values: Mapping[str, object],
) -> web.Response:
    """A page within the frame. `here` is the name of a place; `sheets` are style sheets of its own.

    Beside `values`, a template knows: t, static, language, csrf, name, role, viewer, may(permission word),
    clock(moment), stamp(moment), span(seconds), now, zone, path.
    """
    services = request.app[SERVICES]
    viewer = signed.principal
    user = signed.session.user if signed.session else None
    language = user.language if user else language_of(request)
    csrf = signed.session.csrf if signed.session else ""
    now = services.clock.now()
    pages = request.app[PAGES]
    live: str = request[LIVE_AT]
    permissions = sorted(permission.value for permission in Permission if viewer.may(permission))
    return render(
        template,
        language=language,
        dealership=services.dealership,
        theme=user.theme if user else "auto",
        status=status,
        **{
            "themes": THEMES,
            "sheets": sheets,
            "here": here,
            "home": home_of(viewer, pages),
            "nav": places_of(viewer, pages),
            "has_own_page": "/me" in pages,
            "takes_calls": viewer.role in TAKES_CALLS and viewer.user_id is not None,
            "viewer": viewer,
            "may": lambda word: word in permissions,
            "name": viewer.name,
            "role": viewer.role.value,
            "csrf": csrf,
            "path": request.path_qs,
            "now": now,
            "zone": services.zone,
            "clock": partial(clock, now=now, zone=services.zone),
            "stamp": partial(stamp, zone=services.zone),
            "deadline": partial(deadline, now=now, zone=services.zone),
            "span": span,
            "house": {
                "language": language,
                "zone": services.zone,
                "csrf": csrf,
                "now": now.isoformat(),
                "live": live,
                "user": {"id": viewer.user_id or "", "name": viewer.name, "role": viewer.role.value},
                "permissions": permissions,
            },
            **values,
        },
    )
