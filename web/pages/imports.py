"""Pages of lists in and out: bring a file, check its columns, see the trial, import, fetch what did not go in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.permissions import Permission
from access.users import Language
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportKind
from crm.groups.query import GroupRefused, GroupTaken
from crm.imports.checking import Columns, MappingError
from crm.imports.fields import FIELDS, ImportKind
from crm.imports.files.guards import FileRefused
from crm.imports.headers import header_text
from crm.imports.jobs import WORKING, Choice, ImportJob
from crm.imports.own_fields import Own, open_to, own_of
from web.api.imports import XLSX, PageQuery, export_file
from web.auth import Signed, address_of, require_csrf
from web.bodies import read_body, read_form, read_query
from web.languages import language_of, text
from web.list_words import fault, faults, field_name, reason
from web.pages.shell import show
from web.problems import Refused
from web.refusals import said as refusal_words
from web.routes import SERVICES, Nothing, Route
from web.uploads import read_upload, send_file

_SHOWN: Final = 30
_SAMPLES: Final = 3
_FAULTS_SHOWN: Final = 20
_SHEETS: Final = ("imports.css",)
#: A form of columns has a field for each column.
_FORM_BYTES: Final = 64 * 1024
_LONGEST_FIXED: Final = 200
_FIXED_PLACES: Final = 3


def _language(request: web.Request, signed: Signed) -> Language:
    return signed.session.user.language if signed.session else language_of(request)


def _entry(request: web.Request, signed: Signed, action: Action, subject: str = "") -> Entry:
    services = request.app[SERVICES]
    now = services.clock.now()
    return entry(
        action,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=subject,
        address=address_of(request, services.options),
    )


def _to(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


async def show_imports(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The lists, a form for a new one, and one's exports."""
    query = read_query(PageQuery, request)
    return await _list(request, signed, query.cursor, {}, {})


async def _list(
    request: web.Request,
    signed: Signed,
    cursor: str | None,
    typed: Mapping[str, str],
    errors: Mapping[str, str],
) -> web.Response:
    services = request.app[SERVICES]
    page = await services.imports.list(cursor, _SHOWN)
    takes = signed.principal.may(Permission.EXPORT_READ)
    exports = (await services.exports.list(signed.principal, None, _SHOWN)).items if takes else ()
    return show(
        request,
        signed,
        "imports/list.html",
        here="imports",
        sheets=_SHEETS,
        status=422 if errors else 200,
        values={
            "jobs": page.items,
            "next": page.next,
            "kinds": list(ImportKind),
            "sources": await services.imports.sources(),
            "megabytes": services.imports.most_bytes // 1024 // 1024,
            "typed": typed,
            "errors": errors,
            "exports": exports,
        },
    )


async def bring(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A file came with its form."""
    services = request.app[SERVICES]
    language = _language(request, signed)
    if request.content_type != "multipart/form-data":
        require_csrf(request, signed, "")  # no form of ours
    form = await read_upload(request, "file", most=services.imports.most_bytes)
    require_csrf(request, signed, form.fields.get("csrf", ""))
    errors: dict[str, str] = {}
    source = form.fields.get("source", "").strip()[:64]
    if not source or not source.isprintable():
        errors["source"] = text(language, "imports.need-name")
    if not form.file_name:
        errors["file"] = text(language, "imports.need-file")
    kind = next((one for one in ImportKind if one.value == form.fields.get("kind")), ImportKind.CUSTOMERS)
    if not errors:
        try:
            began = _entry(request, signed, Action.IMPORT_BEGUN)
            job = await services.imports.upload(kind, source, form.file_name, form.pieces(), began)
            return _to(f"/imports/{job.id}")
        except FileRefused as error:
            errors["file"] = reason(language, error.error_id, error.values)
    return await _list(request, signed, None, form.fields, errors)


async def show_import(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One import, as far as it is."""
    job = await request.app[SERVICES].imports.get(signed.principal, request.match_info["import_id"])
    return await _one(request, signed, job)


async def _one(
    request: web.Request,
    signed: Signed,
    job: ImportJob,
    errors: Mapping[str, str] | None = None,
    *,
    typed: str = "",
) -> web.Response:
    services = request.app[SERVICES]
    language = _language(request, signed)
    found = await services.imports.faults(signed.principal, job.id, 0, _FAULTS_SHOWN)
    own = await services.imports.own_fields()
    fillable = open_to(own_of(job.kind, own.values()), signed.principal.role)
    named = [(name, field_name(language, name, own)) for name in fillable]
    said = dict(errors or {})
    if job.error_id and "columns" not in said:
        said["columns"] = reason(language, job.error_id, job.error_values, own)
    return show(
        request,
        signed,
        "imports/one.html",
        here="imports",
        sheets=_SHEETS,
        status=422 if errors else 200,
        values={
            "job": job,
            "works": job.state in WORKING,
            "columns": columns_of(job),
            "fields": [*((one.name, field_name(language, one.name)) for one in FIELDS[job.kind]), *named],
            "fixed": fixed_of(job),
            "group_name": typed or f"{job.source} {job.file_name.rpartition('.')[0] or job.file_name}"[:64],
            "field_name": lambda name: field_name(language, name, own),
            "fault_rows": [(row, faults(language, one, own)) for row, one in found],
            "more_faults": job.counts.refused > len(found),
            "fault": lambda one: fault(language, one, own),
            "errors": said,
            "good": job.counts.added + job.counts.changed + job.counts.unchanged,
            "page": {"id": job.id, "state": job.state.value},
        },
    )


def fixed_of(job: ImportJob) -> list[tuple[str, str]]:
    """What every row is read with where it says nothing itself, and places for more."""
    given = list(job.choice.columns.fixed.items())
    return [*given, *[("", "")] * max(1, _FIXED_PLACES - len(given))]


def columns_of(job: ImportJob) -> list[dict[str, Any]]:
    """Each column with its name, the first things in it, and the field it was taken for."""
    rows = job.found.get("first", ())
    names: list[Any] = next((row["cells"] for row in rows if row["row"] == job.choice.header_row), [])
    below = [row["cells"] for row in rows if row["row"] > job.choice.header_row]
    width = max((len(cells) for cells in (names, *below)), default=0)
    chosen = {column: field for field, column in job.choice.columns.of.items()}
    columns = []
    for place in range(width):
        samples = [
            header_text(cells[place])
            for cells in below
            if place < len(cells) and cells[place] not in (None, "")
        ]
        columns.append(
            {
                "place": place,
                "name": header_text(names[place]) if place < len(names) else "",
                "samples": samples[:_SAMPLES],
                "field": chosen.get(place, ""),
            }
        )
    return columns


async def choose(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The columns were confirmed: try. Or another sheet, or another row of names, was asked for."""
    services = request.app[SERVICES]
    import_id = request.match_info["import_id"]
    form = await _form(request, signed)
    job = await services.imports.get(signed.principal, import_id)
    sheet = form.get("sheet", "")
    if form.get("do") == "sheet" and sheet:
        await services.imports.read_sheet(import_id, sheet)
        return _to(f"/imports/{import_id}")
    own = await services.imports.own_fields()
    choice = _choice(form, job, own_of(job.kind, own.values()))
    try:
        await services.imports.choose(
            signed.principal, import_id, choice, _entry(request, signed, Action.IMPORT_CHOSEN)
        )
    except MappingError as error:
        language = _language(request, signed)
        words = reason(language, error.error_id, {"fields": " ".join(error.fields)}, own)
        return await _one(request, signed, _with(job, choice), {"columns": words})
    return _to(f"/imports/{import_id}")


def _with(job: ImportJob, choice: Choice) -> ImportJob:
    return replace(job, choice=choice)


def _choice(form: Mapping[str, str], job: ImportJob, own: Own) -> Choice:
    """What the form says. Raises Refused bad-form where a field was given to two columns twice over."""
    known = {one.name for one in FIELDS[job.kind]} | set(own)
    columns: dict[str, int] = {}
    for name, value in form.items():
        place = name.removeprefix("column-")
        if name.startswith("column-") and place.isdigit() and value in known and value not in columns:
            columns[value] = int(place)
    fixed: dict[str, str] = {}
    for name, field in form.items():
        place = name.removeprefix("fixed-field-")
        value = form.get(f"fixed-value-{place}", "").strip()[:_LONGEST_FIXED]
        if name != place and field in known and value:
            fixed[field] = value
    row = form.get("header_row", "")
    return Choice(
        header_row=int(row) if row.isdigit() and len(row) < 8 else job.choice.header_row,
        columns=Columns(of=columns, fixed=fixed),
        skip_hidden=form.get("skip_hidden") == "yes",
    )


async def _form(request: web.Request, signed: Signed) -> Mapping[str, str]:
    seconds = request.app[SERVICES].options.body_seconds
    form = read_form(await read_body(request, limit=_FORM_BYTES, seconds=seconds), most=600)
    require_csrf(request, signed, form.get("csrf", ""))
    return form


async def run(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Import what the trial has shown."""
    import_id = request.match_info["import_id"]
    form = await _form(request, signed)
    entry_ = _entry(request, signed, Action.IMPORT_BEGUN, f"import:{import_id}")
    await request.app[SERVICES].imports.run(
        signed.principal, import_id, form.get("all_or_nothing") == "yes", entry_
    )
    return _to(f"/imports/{import_id}")


async def stop(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Stop at the next batch."""
    import_id = request.match_info["import_id"]
    await _form(request, signed)
    await request.app[SERVICES].imports.stop(
        signed.principal, import_id, _entry(request, signed, Action.IMPORT_STOPPED)
    )
    return _to(f"/imports/{import_id}")


async def make_group(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A static group of the people of the list; then the group's page."""
    import_id = request.match_info["import_id"]
    form = await _form(request, signed)
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.GROUPS_WRITE):
        raise Refused("not-allowed", "Making a group needs the permission groups.write.")
    name = form.get("name", "").strip()
    try:
        if not name:
            raise GroupRefused("A group needs a name. Nothing was added.")
        group_id, _members = await services.imports.make_group(
            by, import_id, name, _entry(request, signed, Action.GROUP_CREATED)
        )
    except (GroupRefused, GroupTaken) as error:
        job = await services.imports.get(by, import_id)
        words = refusal_words(_language(request, signed), error.error_id, str(error))
        return await _one(request, signed, job, {"group": words}, typed=name)
    return _to(f"/groups/{group_id}")


async def bad_rows(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The rows that did not go in, to be mended."""
    import_id = request.match_info["import_id"]
    if not signed.principal.sees_numbers:
        raise Refused("not-allowed", "The rows hold telephone numbers in full.")
    path = await request.app[SERVICES].imports.bad_rows(
        import_id, _language(request, signed), signed.principal
    )
    return send_file(path, f"careline-rows-{import_id[-6:]}.xlsx", XLSX)


async def export(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The button of a list: the file at once where it is small, else a page that waits for it."""
    form = dict(await _form(request, signed))
    services = request.app[SERVICES]
    kind = next((one for one in ExportKind if one.value == form.get("kind")), None)
    form_as = next((one for one in ExportFormat if one.value == form.get("format")), ExportFormat.XLSX)
    if kind is None:
        raise Refused("bad-form", "There is no such list.")
    wanted = {
        name.removeprefix("filter-"): value
        for name, value in form.items()
        if name.startswith("filter-") and value
    }
    wanted["language"] = _language(request, signed)
    if kind is ExportKind.CALLS and (number := services.read_number(wanted.get("search", ""))):
        wanted["number"] = number
    if kind is ExportKind.CUSTOMERS and wanted.get("key_account") == "false":
        del wanted["key_account"]
    job = await services.exports.begin(
        signed.principal, kind, form_as, wanted, _entry(request, signed, Action.EXPORTED)
    )
    return _to(f"/exports/{job.id}")


async def show_export(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One export: being made, or ready to be fetched."""
    job = await request.app[SERVICES].exports.get(signed.principal, request.match_info["export_id"])
    values = {"job": job, "page": {"id": job.id, "state": job.state.value}}
    return show(request, signed, "imports/export.html", here="imports", sheets=_SHEETS, values=values)


_WRITE = Permission.IMPORTS_WRITE
_TAKE = Permission.EXPORT_READ

ROUTES: Final = (
    Route(
        method="GET",
        path="/imports",
        summary="Lists in and out",
        needs=_WRITE,
        page=show_imports,
        query=PageQuery,
        media="text/html",
        errors=("bad-cursor",),
    ),
    Route(
        method="POST",
        path="/imports",
        summary="Bring a file with its form",
        needs=_WRITE,
        page=bring,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/imports/{import_id}",
        summary="One import",
        needs=_WRITE,
        page=show_import,
        media="text/html",
        query=Nothing,
    ),
    Route(
        method="POST",
        path="/imports/{import_id}/choice",
        summary="Confirm the columns and try",
        needs=_WRITE,
        page=choose,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/imports/{import_id}/run",
        summary="Import",
        needs=_WRITE,
        page=run,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/imports/{import_id}/stop",
        summary="Stop an import",
        needs=_WRITE,
        page=stop,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/imports/{import_id}/group",
        summary="Make a group of the people of the list",
        needs=_WRITE,
        page=make_group,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/imports/{import_id}/bad-rows",
        summary="Rows that did not go in, as a workbook",
        needs=_WRITE,
        page=bad_rows,
        media=XLSX,
        leaves=Action.EXPORTED,
        errors=("import-not-found", "import-not-possible", "import-files-gone", "field-locked"),
    ),
    Route(
        method="POST",
        path="/exports",
        summary="Make a file of a list",
        needs=_TAKE,
        page=export,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/exports/{export_id}",
        summary="One export",
        needs=_TAKE,
        page=show_export,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/exports/{export_id}/file",
        summary="The file of an export",
        needs=_TAKE,
        page=export_file,
        media=XLSX,
        leaves=Action.EXPORTED,
    ),
)
