"""Filters of lists: a day that is none is said beside its field, and the page keeps what was typed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Annotated, Final, Generic, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import BaseModel, BeforeValidator

from access.sentences import Sentence
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.problems import STATUS, Refused

M = TypeVar("M", bound=BaseModel)
_WRITTEN: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
#: Years whose days have a beginning in every zone, and that somebody may mean.
_YEARS: Final = range(1900, 9001)


def _day(value: object) -> object:
    """A day as it is written in a filter; nothing is None. Raises ValueError with what is said of it."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    try:
        found = date.fromisoformat(text) if _WRITTEN.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None or found.year not in _YEARS:
        raise ValueError(Sentence("There is no day {given}. A day is written 2026-01-31.", given=text[:20]))
    return found


#: A day of a filter. Its field in a form may be empty.
Day = Annotated[date | None, BeforeValidator(_day)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked(Generic[M]):
    """What a list is asked for; where days of it are none, without them."""

    query: M
    #: Beside each field that is wrong, in the reader's language.
    errors: Mapping[str, str] = field(default_factory=dict)
    #: What was typed there.
    typed: Mapping[str, str] = field(default_factory=dict)
    #: What the page is answered with.
    status: int = 200

    def day(self, name: str) -> str:
        """A day of the filter as its field shows it: as it was typed, where it is none."""
        found: date | None = getattr(self.query, name)
        return self.typed.get(name, found.isoformat() if found else "")


def read_filter(model: type[M], request: web.Request, signed: Signed) -> Asked[M]:
    """The filter of a list. Raises Refused bad-query for whatever else than a day is wrong in it."""
    try:
        return Asked(query=read_query(model, request))
    except Refused as refused:
        wrong = {one.field: one for one in refused.errors}
        days = {name for name, info in model.model_fields.items() if _is_day(info.metadata)}
        if not wrong or not wrong.keys() <= days:
            raise
        language = signed.session.user.language if signed.session else language_of(request)
        return Asked(
            query=read_query(model, request, without=wrong),
            errors={name: one.say(language) for name, one in wrong.items()},
            typed={name: request.query[name][:40] for name in wrong},
            status=STATUS[refused.error_id],
        )


def _is_day(metadata: list[object]) -> bool:
    return any(isinstance(one, BeforeValidator) and one.func is _day for one in metadata)


def midnight(day: date, zone: str) -> datetime:
    """When a day of the house begins."""
    return datetime.combine(day, time(), ZoneInfo(zone))
