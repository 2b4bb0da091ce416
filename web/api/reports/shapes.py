"""What the API of reports shares: words, versions, links, the look of a route."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from web.api.shapes import Cursor, Size
from web.ports.reports import (
    PrivateLink,
)
from web.routes import Ask, Route, Shape

_PARAGRAPHS = 8000


def _no_controls(text: str) -> str:
    if any(ord(letter) < 32 and letter not in "\n\r\t" for letter in text):
        raise ValueError("control characters are not allowed")
    return text


Paragraphs = Annotated[str, StringConstraints(max_length=_PARAGRAPHS), AfterValidator(_no_controls)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_]{0,32}$")]
Model = Annotated[str, StringConstraints(max_length=64)]
Version = Annotated[int, Field(ge=1, le=1_000_000)]


OWN, READ, WRITE = Permission.WORK_REPORTS_OWN, Permission.REPORTS_READ, Permission.REPORTS_WRITE
STEP_ERRORS = ("report-not-found", "report-step-refused", "report-changed", "bad-report")


class LinkOut(Shape):
    path: str = Field(description="address on this service; it can be read only here")
    pin: str = Field(description="to be told by telephone; it can be read only here")
    expires_at: datetime


def link_out(link: PrivateLink) -> LinkOut:
    """A private link that was just made."""
    return LinkOut(path=link.path, pin=link.pin, expires_at=link.expires_at)


class PageQuery(Shape):
    cursor: Cursor | None = None
    limit: Size = 30


class DownloadOut(Shape):
    at: datetime
    by_name: str


def occasion(ask: Ask[Any, Any]) -> str:
    """What makes a request sent twice one: its key where it has one, else the asking itself."""
    if ask.once is None:
        return f"ask:{ask.entry(Action.VIEWED).id}"
    return f"key:{ask.once.owner}:{ask.once.key}"[:120]


def reading(path: str, summary: str, needs: Permission, json: Any, answer: type[Shape], **more: Any) -> Route:
    return Route(
        method="GET", path=path, summary=summary, needs=needs, json=json, answer=answer, tag="reports", **more
    )


def writing(path: str, summary: str, needs: Permission, json: Any, answer: type[Shape], **more: Any) -> Route:
    return Route(
        method="POST",
        path=path,
        summary=summary,
        needs=needs,
        json=json,
        answer=answer,
        tag="reports",
        **more,
    )
