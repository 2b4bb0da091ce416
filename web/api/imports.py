"""Lists over HTTP: bring a file, choose its columns, try, import; take lists out as files (docs/imports.md)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.sentences import Sentence
from access.users import LANGUAGES
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportJob, ExportKind, ExportState
from crm.imports.checking import Columns
from crm.imports.fields import ImportKind
from crm.imports.files.guards import FileRefused
from crm.imports.jobs import Choice, ImportJob, ImportState
from web.api.shapes import Cursor, Name, Size
from web.auth import Signed, address_of, require_csrf
from web.bodies import read_query
from web.list_words import reason
from web.problems import Refused
from web.routes import SERVICES, Ask, Nothing, Route, Shape
from web.uploads import body_pieces, send_file

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_MEDIA = {ExportFormat.XLSX: XLSX, ExportFormat.CSV: "text/csv; charset=utf-8"}
_FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,32}$")]
#: A field of a list, or one of the house's own: `customer.KEY`, `vehicle.KEY`.
_ListField = Annotated[str, StringConstraints(pattern=r"^((customer|vehicle)\.)?[a-z0-9_]{1,32}$")]
_Value = Annotated[str, StringConstraints(max_length=200)]


class CountsOut(Shape):
    """Rows of the last trial, or of the import."""

    done: int
    added: int
    changed: int
    unchanged: int
    refused: int


class ColumnsOut(Shape):
    of: dict[str, int] = Field(description="field to column, from 0")
    fixed: dict[str, str] = Field(description="field to the text of rows that say nothing of it")


class ChoiceOut(Shape):
    header_row: int
    columns: ColumnsOut
    skip_hidden: bool
    all_or_nothing: bool


class ImportOut(Shape):
    """A list that somebody brought."""

    id: str
    kind: ImportKind
    source: str
    state: ImportState
    file_name: str
    file_bytes: int
    created_at: datetime
    by_name: str
    total: int
    counts: CountsOut
    choice: ChoiceOut
    found: dict[str, Any] = Field(
        description="what reading found: sheets, first rows, hidden and merged things"
    )
    examples: dict[str, list[dict[str, Any]]] = Field(
        description="outcome to the first rows of the last trial"
    )
    error_id: str
    started_at: datetime | None
    ended_at: datetime | None


class ImportsOut(Shape):
    items: list[ImportOut]
    next: str | None


class PageQuery(Shape):
    cursor: Cursor | None = None
    limit: Size = 50


class UploadQuery(Shape):
    """The file is the body."""

    kind: ImportKind
    source: Name
    file_name: Annotated[str, StringConstraints(max_length=200)] = "list"


class ChoiceIn(Shape):
    header_row: Annotated[int, Field(ge=0, le=2_000_000)]
    columns: dict[_ListField, Annotated[int, Field(ge=0, le=500)]]
    fixed: dict[_ListField, _Value] = Field(default_factory=dict)
    skip_hidden: bool = False


class RunIn(Shape):
    all_or_nothing: bool = False


class ImportGroupIn(Shape):
    name: Name = Field(description="name of the new group")


class ImportGroupOut(Shape):
    """A static group of the people of a list."""

    group_id: str
    members: int


class FaultsQuery(Shape):
    after: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class FaultOut(Shape):
    error_id: str
    field: str
    values: dict[str, Any]


class FaultRowOut(Shape):
    row: int
    faults: list[FaultOut]


class FaultsOut(Shape):
    items: list[FaultRowOut]


class ExportIn(Shape):
    kind: ExportKind
    format: ExportFormat = ExportFormat.XLSX
    #: As the list is filtered; which names there are is said in docs/imports.md.
    filter: dict[_FieldName, _Value] = Field(default_factory=dict)
    language: Annotated[str, StringConstraints(pattern=r"^(zh-CN|en)$")] = "zh-CN"


class ExportOut(Shape):
    id: str
    kind: ExportKind
    format: ExportFormat
    state: ExportState
    created_at: datetime
    rows: int
    bytes: int
    cut: bool = Field(description="more rows fitted the filter than a file may hold")
    ended_at: datetime | None


class ExportsOut(Shape):
    items: list[ExportOut]
    next: str | None


def import_out(job: ImportJob) -> ImportOut:
    """The import as it is shown."""
    return ImportOut.model_validate(job)


def export_out(job: ExportJob) -> ExportOut:
    """The export as it is shown."""
    return ExportOut.model_validate(job)


def refused_file(error: FileRefused) -> Refused:
    """The file's own reason as a refusal of the request."""
    return Refused(
        "import-file-refused",
        Sentence(
            "{why}. Nothing was kept.",
            why={one: reason(one, error.error_id, error.values) for one in LANGUAGES},
        ),
    )


async def list_imports(ask: Ask[PageQuery, Nothing]) -> ImportsOut:
    page = await ask.services.imports.list(ask.query.cursor, ask.query.limit)
    slim = [import_out(job).model_copy(update={"found": {}, "examples": {}}) for job in page.items]
    return ImportsOut(items=slim, next=page.next)


async def get_import(ask: Ask[Nothing, Nothing]) -> ImportOut:
    return import_out(await ask.services.imports.get(ask.by, ask.path["import_id"]))


async def upload(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The file as the body of the request."""
    require_csrf(request, signed, request.headers.get("X-CSRF-Token", ""))
    services = request.app[SERVICES]
    query = read_query(UploadQuery, request)
    ask = Ask(
        services=services,
        signed=signed,
        path={},
        query=query,
        body=Nothing(),
        now=services.clock.now(),
        address=address_of(request, services.options),
    )
    try:
        job = await services.imports.upload(
            query.kind,
            query.source,
            query.file_name,
            body_pieces(request, most=services.imports.most_bytes),
            ask.entry(Action.IMPORT_BEGUN),
        )
    except FileRefused as error:
        raise refused_file(error) from error
    return web.Response(
        status=202, body=import_out(job).model_dump_json().encode(), content_type="application/json"
    )


async def choose(ask: Ask[Nothing, ChoiceIn]) -> ImportOut:
    body = ask.body
    choice = Choice(
        header_row=body.header_row,
        columns=Columns(of=body.columns, fixed=body.fixed),
        skip_hidden=body.skip_hidden,
    )
    entry = ask.entry(Action.IMPORT_CHOSEN)
    return import_out(await ask.services.imports.choose(ask.by, ask.path["import_id"], choice, entry))


async def run_import(ask: Ask[Nothing, RunIn]) -> ImportOut:
    import_id = ask.path["import_id"]
    entry = ask.entry(Action.IMPORT_BEGUN, f"import:{import_id}")
    return import_out(await ask.services.imports.run(ask.by, import_id, ask.body.all_or_nothing, entry))


async def stop_import(ask: Ask[Nothing, Nothing]) -> ImportOut:
    entry = ask.entry(Action.IMPORT_STOPPED)
    return import_out(await ask.services.imports.stop(ask.by, ask.path["import_id"], entry))


async def group_of_import(ask: Ask[Nothing, ImportGroupIn]) -> ImportGroupOut:
    if not ask.by.may(Permission.GROUPS_WRITE):
        raise Refused("not-allowed", "Making a group needs the permission groups.write.")
    entry = ask.entry(Action.GROUP_CREATED)
    imports = ask.services.imports
    group_id, members = await imports.make_group(ask.by, ask.path["import_id"], ask.body.name, entry)
    return ImportGroupOut(group_id=group_id, members=members)


async def list_faults(ask: Ask[FaultsQuery, Nothing]) -> FaultsOut:
    found = await ask.services.imports.faults(ask.by, ask.path["import_id"], ask.query.after, ask.query.limit)
    return FaultsOut(
        items=[
            FaultRowOut(
                row=row,
                faults=[FaultOut(error_id=one[0], field=one[1], values=dict(one[2])) for one in faults],
            )
            for row, faults in found
        ]
    )


async def make_export(ask: Ask[Nothing, ExportIn]) -> ExportOut:
    body = ask.body
    wanted: Mapping[str, str] = {**body.filter, "language": body.language}
    entry = ask.entry(Action.EXPORTED)
    return export_out(await ask.services.exports.begin(ask.by, body.kind, body.format, wanted, entry))


async def list_exports(ask: Ask[PageQuery, Nothing]) -> ExportsOut:
    page = await ask.services.exports.list(ask.by, ask.query.cursor, ask.query.limit)
    return ExportsOut(items=[export_out(job) for job in page.items], next=page.next)


async def get_export(ask: Ask[Nothing, Nothing]) -> ExportOut:
    return export_out(await ask.services.exports.get(ask.by, ask.path["export_id"]))


async def export_file(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The file itself."""
    exports = request.app[SERVICES].exports
    export_id = request.match_info["export_id"]
    job = await exports.get(signed.principal, export_id)
    path = await exports.file(signed.principal, export_id)
    return send_file(path, job.file_name, _MEDIA[job.format])


_WRITE = Permission.IMPORTS_WRITE
_TAKE = Permission.EXPORT_READ
_GONE = ("import-not-found",)

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/imports",
        summary="Lists that were brought, newest first",
        needs=_WRITE,
        json=list_imports,
        query=PageQuery,
        answer=ImportsOut,
        errors=("bad-cursor",),
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/imports",
        summary="Bring a file (the body is the file); it is read at once",
        needs=_WRITE,
        page=upload,
        query=UploadQuery,
        status=202,
        errors=(
            "import-file-refused",
            "body-too-large",
            "body-too-slow",
            "body-incomplete",
            "wrong-media-type",
        ),
        tag="imports",
    ),
    Route(
        method="GET",
        path="/api/v1/imports/{import_id}",
        summary="An import: state, columns, counts, examples",
        needs=_WRITE,
        json=get_import,
        answer=ImportOut,
        errors=_GONE,
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/imports/{import_id}/choice",
        summary="Say which column is what, and try: nothing is written",
        needs=_WRITE,
        json=choose,
        body=ChoiceIn,
        answer=ImportOut,
        status=202,
        errors=(*_GONE, "import-not-possible", "import-mapping-incomplete", "field-locked"),
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/imports/{import_id}/run",
        summary="Import what the trial has shown",
        needs=_WRITE,
        json=run_import,
        body=RunIn,
        answer=ImportOut,
        status=202,
        errors=(*_GONE, "import-not-possible", "import-mapping-incomplete", "field-locked"),
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/imports/{import_id}/stop",
        summary="Stop a trial or an import at its next batch",
        needs=_WRITE,
        json=stop_import,
        answer=ImportOut,
        status=202,
        errors=(*_GONE, "import-not-possible"),
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/imports/{import_id}/group",
        summary="Make a static group of the people its rows speak of",
        needs=_WRITE,
        json=group_of_import,
        body=ImportGroupIn,
        answer=ImportGroupOut,
        status=201,
        errors=(
            *_GONE,
            "import-not-possible",
            "import-files-gone",
            "group-refused",
            "group-name-taken",
            "not-allowed",
        ),
        tag="imports",
    ),
    Route(
        method="GET",
        path="/api/v1/imports/{import_id}/faults",
        summary="Rows that did not go in, and why",
        needs=_WRITE,
        json=list_faults,
        query=FaultsQuery,
        answer=FaultsOut,
        errors=_GONE,
        tag="imports",
    ),
    Route(
        method="POST",
        path="/api/v1/exports",
        summary="Make a file of a list as it is filtered, with what one may see",
        needs=_TAKE,
        json=make_export,
        body=ExportIn,
        answer=ExportOut,
        status=202,
        errors=("exports-too-many", "export-filter"),
        tag="exports",
    ),
    Route(
        method="GET",
        path="/api/v1/exports",
        summary="One's own exports, newest first",
        needs=_TAKE,
        json=list_exports,
        query=PageQuery,
        answer=ExportsOut,
        errors=("bad-cursor",),
        tag="exports",
    ),
    Route(
        method="GET",
        path="/api/v1/exports/{export_id}",
        summary="How far an export is",
        needs=_TAKE,
        json=get_export,
        answer=ExportOut,
        errors=("export-not-found",),
        tag="exports",
    ),
    Route(
        method="GET",
        path="/api/v1/exports/{export_id}/file",
        summary="The file of an export",
        needs=_TAKE,
        page=export_file,
        media=XLSX,
        leaves=Action.EXPORTED,
        errors=("export-not-found", "export-not-ready", "export-gone"),
        tag="exports",
    ),
)
