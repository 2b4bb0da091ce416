"""Visits to be entered in the maker's system, and their file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal

from aiohttp import web
from pydantic import Field

from access.audit import Action
from access.permissions import Permission
from crm.reports.maker import MakerState, MakerStep
from web.api.reports.shapes import (
    OWN,
    STEP_ERRORS,
    DownloadOut,
    PageQuery,
    Version,
    occasion,
    reading,
    writing,
)
from web.api.shapes import Cursor, Line, Size
from web.auth import Signed
from web.ports.reports import (
    MakerView,
)
from web.routes import SERVICES, Ask, Nothing, Route, Shape


class MakerQuery(Shape):
    day: date | None = None
    state: MakerState | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class MakerOut(Shape):
    id: str
    customer_id: str
    customer_name: str
    customer_number: str
    agent_name: str
    plate: str
    model: str
    visited_at: datetime
    result: str
    state: MakerState
    need: Literal["complete", "missing", "corrected", "done"]
    missing: list[str] = Field(description="columns of the maker that must hold something and do not")
    exports: int
    exported_at: datetime | None
    note: str
    version: int


def maker_out(view: MakerView) -> MakerOut:
    """A visit for the maker's CRM."""
    visit = view.visit
    return MakerOut(
        id=visit.id,
        customer_id=visit.customer_id,
        customer_name=view.customer_name,
        customer_number=view.customer_number,
        agent_name=view.agent_name,
        plate=view.plate,
        model=view.model,
        visited_at=visit.visited_at,
        result=visit.result,
        state=visit.state,
        need=visit.need.value,
        missing=list(visit.missing),
        exports=visit.exports,
        exported_at=visit.exported_at,
        note=visit.note,
        version=visit.version,
    )


class MakerPageOut(Shape):
    items: list[MakerOut]
    counts: dict[str, int]
    next: str | None


class MakerStepIn(Shape):
    step: MakerStep
    version: Version
    note: Line = Field("", description="leaving a visit out wants a reason")


class MakerFileOut(Shape):
    id: str
    made_at: datetime
    made_by_name: str = Field(description="empty: made in the evening by itself")
    format: str
    rows: int
    corrected: int
    left_out: int = Field(description="incomplete visits that stayed behind")
    bytes: int
    sha256: str
    removed_at: datetime | None
    downloads: list[DownloadOut] = Field(default_factory=list)


def maker_file_out(found: Mapping[str, Any]) -> MakerFileOut:
    """A file."""
    return MakerFileOut.model_validate(
        {
            **{name: found[name] for name in MakerFileOut.model_fields if name != "downloads"},
            "downloads": [
                DownloadOut(at=one["at"], by_name=one["by_name"]) for one in found.get("downloads", ())
            ],
        }
    )


class MakerFilesOut(Shape):
    items: list[MakerFileOut]
    next: str | None


async def maker_visits(ask: Ask[MakerQuery, Nothing]) -> MakerPageOut:
    query = ask.query
    found = await ask.services.reports.maker(
        ask.by, ask.now, day=query.day, state=query.state, cursor=query.cursor, limit=query.limit
    )
    return MakerPageOut(
        items=[maker_out(one) for one in found.items], counts=dict(found.counts), next=found.next
    )


async def maker_step(ask: Ask[Nothing, MakerStepIn]) -> MakerOut:
    visit_id, body = ask.path["maker_visit_id"], ask.body
    entry = ask.entry(Action.MAKER_STEPPED, f"maker_visit:{visit_id}", {"step": body.step.value})
    return maker_out(
        await ask.services.reports.maker_step(
            ask.by, visit_id, body.step, entry, version=body.version, note=body.note
        )
    )


async def maker_files(ask: Ask[PageQuery, Nothing]) -> MakerFilesOut:
    found, following = await ask.services.reports.maker_files(ask.query.cursor, ask.query.limit)
    return MakerFilesOut(items=[maker_file_out(one) for one in found], next=following)


async def make_maker_file(ask: Ask[Nothing, Nothing]) -> MakerFileOut:
    entry = ask.entry(Action.MAKER_STEPPED, data={"step": "file"})
    return maker_file_out(await ask.services.reports.make_maker_file(ask.by, occasion(ask), entry))


async def maker_file(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The file itself; who takes it is written down with it."""
    services = request.app[SERVICES]
    found, content = await services.reports.take_maker_file(
        signed.principal, request.match_info["maker_file_id"], services.clock.now()
    )
    name = f"maker-{found['made_at']:%Y%m%d-%H%M%S}.{found['format']}"
    return web.Response(
        body=content,
        content_type="application/octet-stream",  # for saving, never to be shown
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


ROUTES = (
    reading(
        "/api/v1/maker-visits",
        "Visits to be entered in the maker's CRM",
        OWN,
        maker_visits,
        MakerPageOut,
        query=MakerQuery,
        errors=("bad-cursor",),
    ),
    writing(
        "/api/v1/maker-visits/{maker_visit_id}/steps",
        "Entered by hand, left out, or to be entered after all",
        OWN,
        maker_step,
        MakerOut,
        body=MakerStepIn,
        errors=STEP_ERRORS,
    ),
    reading(
        "/api/v1/maker-files",
        "Files for the maker's CRM, newest first",
        Permission.EXPORT_READ,
        maker_files,
        MakerFilesOut,
        query=PageQuery,
        errors=("bad-cursor",),
    ),
    writing(
        "/api/v1/maker-files",
        "Make the next file now: what is new and what was corrected",
        Permission.EXPORT_READ,
        make_maker_file,
        MakerFileOut,
        status=201,
        once=True,
        errors=("bad-report",),
    ),
    Route(
        method="GET",
        path="/api/v1/maker-files/{maker_file_id}/file",
        summary="The file itself",
        needs=Permission.EXPORT_READ,
        page=maker_file,
        leaves=Action.EXPORTED,
        errors=("report-not-found",),
        media="application/octet-stream",
        tag="reports",
    ),
)
