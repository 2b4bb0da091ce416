"""Turning templates into pages: texts, static addresses with a fingerprint, times and spans."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from access.users import LANGUAGES, Language, Theme
from web.languages import text

_HERE: Final = Path(__file__).parent.parent
STATIC: Final = _HERE / "static"
MEDIA: Final[Mapping[str, str]] = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}

_environment = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def static_files() -> Mapping[str, bytes]:
    """Every file that may be fetched below /static, by name. Nothing else can be."""
    return {path.name: path.read_bytes() for path in STATIC.iterdir() if path.suffix in MEDIA}


@cache
def static_address(name: str) -> str:
    """Address of a static file, with a fingerprint so that it may be kept for ever."""
    return f"/static/{name}?v={hashlib.sha256(static_files()[name]).hexdigest()[:12]}"


def other_language(language: Language) -> Language:
    """The language one can switch to."""
    return next(other for other in LANGUAGES if other != language)


def span(seconds: float | None) -> str:
    """Seconds as people read them: 0:42, 12:05, 1:02:03. Nothing for nothing."""
    if not seconds:
        return ""
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def clock(moment: datetime, *, now: datetime, zone: str) -> Markup:
    """The time of day at the house, with the date where it is not today."""
    local = moment.astimezone(ZoneInfo(zone))
    today = now.astimezone(ZoneInfo(zone)).date()
    day = Markup("") if local.date() == today else Markup('<span class="day">{:%m/%d} </span>').format(local)
    return day + f"{local:%H:%M:%S}"


def render(
    template: str,
    *,
    language: Language,
    dealership: str,
    theme: Theme = "auto",
    status: int = 200,
    **values: object,
) -> web.Response:
    """A page. Every value is escaped; an unknown one is an error."""
    html = _environment.get_template(template).render(
        t=partial(text, language),
        static=static_address,
        language=language,
        other_language=other_language(language),
        dealership=dealership,
        theme=theme,
        **values,
    )
    return web.Response(status=status, text=html, content_type="text/html")
