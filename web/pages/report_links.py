"""A report, or a department's problems of a day, by private link and PIN, for somebody without an account.

The paper is the answer to the PIN itself: no cookie, no visit. A reload asks for the PIN again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from aiohttp import web

from crm.links.links import LinkError, LinkKind, PinWrong
from crm.reports.documents import KINDS
from crm.reports.rows import ReportError
from web.auth import address_of, check_same_origin
from web.bodies import read_body, read_form
from web.languages import language_of, text
from web.link_visits import LINK_VISITS
from web.pages.rendering import clock, render, span, stamp
from web.pages.reports import link_helpers
from web.problems import Refused
from web.refusals import said
from web.routes import SERVICES, Route

_BODY: Final = 2000


async def _answer(request: web.Request, kind: LinkKind, pin: str | None) -> web.StreamResponse:
    services = request.app[SERVICES]
    language = language_of(request)
    now = services.clock.now()
    values: dict[str, Any] = {"gone": "", "wrong": "", "report": None, "found": None}
    status = 200
    wait = request.app[LINK_VISITS].knock(address_of(request, services.options))
    if wait:
        values["gone"], status = text(language, "reports.link_busy", wait=wait), 429
    else:
        secret = request.match_info["token"]
        try:
            if kind is LinkKind.REPORT:
                values["report"] = await services.reports.open_report_link(secret, pin, now)
            else:
                values["found"] = await services.reports.open_problems_link(secret, pin, now)
        except PinWrong as error:
            values["wrong"], status = said(language, error.error_id, error.args[0]), 403
        except LinkError as error:
            values["gone"], status = said(language, error.error_id, error.args[0]), 410
        except ReportError:
            values["gone"], status = text(language, "reports.link_gone"), 410
    report = values["report"]
    response = render(
        "reports/link.html",
        language=language,
        dealership=services.dealership,
        status=status,
        path=request.path,
        sections=KINDS[report.kind].sections if report else (),
        clock=partial(clock, now=now, zone=services.zone),
        stamp=partial(stamp, zone=services.zone),
        span=span,
        **{**link_helpers(request), **values},
    )
    if wait:
        response.headers["Retry-After"] = str(wait)
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response


async def _pin(request: web.Request) -> str:
    options = request.app[SERVICES].options
    check_same_origin(request, options)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("wrong-media-type", "Send the form as a browser does.")
    form: Mapping[str, str] = read_form(
        await read_body(request, limit=min(_BODY, options.body_bytes), seconds=options.body_seconds)
    )
    return "".join(letter for letter in form.get("pin", "")[:40] if letter.isascii() and letter.isdigit())[
        :12
    ]


async def show_report(request: web.Request) -> web.StreamResponse:
    """The question for the PIN."""
    return await _answer(request, LinkKind.REPORT, None)


async def open_report(request: web.Request) -> web.StreamResponse:
    """The report."""
    return await _answer(request, LinkKind.REPORT, await _pin(request))


async def show_problems(request: web.Request) -> web.StreamResponse:
    """The question for the PIN."""
    return await _answer(request, LinkKind.PROBLEMS, None)


async def open_problems(request: web.Request) -> web.StreamResponse:
    """The list."""
    return await _answer(request, LinkKind.PROBLEMS, await _pin(request))


_WHY: Final = "the secret in the address and the PIN say who may read it"
ROUTES = (
    Route(
        method="GET",
        path="/l/report/{token}",
        summary="A report by private link: asks for the PIN",
        public=show_report,
        why_public=_WHY,
        media="text/html",
        tag="reports",
    ),
    Route(
        method="POST",
        path="/l/report/{token}",
        summary="A report by private link",
        public=open_report,
        why_public=_WHY,
        media="text/html",
        tag="reports",
    ),
    Route(
        method="GET",
        path="/l/problems/{token}",
        summary="A department's problems by private link: asks for the PIN",
        public=show_problems,
        why_public=_WHY,
        media="text/html",
        tag="reports",
    ),
    Route(
        method="POST",
        path="/l/problems/{token}",
        summary="A department's problems by private link",
        public=open_problems,
        why_public=_WHY,
        media="text/html",
        tag="reports",
    ),
)
