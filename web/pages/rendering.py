"""Turning templates into pages: texts, static addresses with a fingerprint, times and spans."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, time, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from access.users import LANGUAGES, Language, Theme
from web.languages import text, texts

_HERE: Final = Path(__file__).parent.parent
STATIC: Final = _HERE / "static"
#: Made by `make client` (tools/client.py).
BUILT: Final = STATIC / "built"
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


class NoClient(Exception):
    """The bundle of the pages' scripts has not been made."""

    error_id = "no-client"


def require_client() -> None:
    """Refuse to serve pages without their script. Raises NoClient."""
    if not (BUILT / "app.js").is_file():
        raise NoClient("The pages' script has not been made. Run: make client")


@cache
def static_files() -> Mapping[str, bytes]:
    """Every file that may be fetched below /static, by name. Nothing else can be.

    Beside the files themselves: what was bundled, and the texts of each language for the scripts.
    """
    folders = [STATIC, BUILT] if BUILT.is_dir() else [STATIC]
    found = {
        path.name: path.read_bytes()
        for folder in folders
        for path in folder.iterdir()
        if path.suffix in MEDIA
    }
    for language in LANGUAGES:
        catalogue = json.dumps(dict(texts(language)), ensure_ascii=False, sort_keys=True)
        found[f"texts.{language}.js"] = f"window.carelineTexts = {catalogue};\n".encode()
    return found


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


def clock(moment: datetime, *, now: datetime, zone: str, exact: bool = False) -> Markup:
    """The time of day at the house, with the date where it is not today, with seconds where they matter."""
    local = moment.astimezone(ZoneInfo(zone))
    today = now.astimezone(ZoneInfo(zone)).date()
    hour = f"{local:%H:%M:%S}" if exact else f"{local:%H:%M}"
    if local.date() == today:
        return Markup("") + hour
    day = f"{local:%m/%d}" if local.year == today.year else f"{local:%Y/%m/%d}"
    return Markup('<span class="day">{} </span>').format(day) + hour


def stamp(moment: datetime, *, zone: str) -> str:
    """Day and time in full, for papers that are read on another day."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def deadline(moment: datetime, *, now: datetime, zone: str) -> Markup:
    """As `clock`; what ends with a day is said as that day, not as the midnight after it."""
    local = moment.astimezone(ZoneInfo(zone))
    if local.time() > time(0):
        return clock(moment, now=now, zone=zone)
    last = local.date() - timedelta(days=1)
    same_year = last.year == now.astimezone(ZoneInfo(zone)).year
    return Markup('<span class="day">{}</span>').format(f"{last:%m/%d}" if same_year else f"{last:%Y/%m/%d}")


def macros(template: str, *, language: Language, **values: object) -> object:
    """The macros of a template, to render parts of a page alone; they know `values` and the texts."""
    return _environment.get_template(template).make_module(
        {"t": partial(text, language), "language": language, **values}
    )


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
