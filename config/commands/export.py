"""`careline export`: a list as a file, for whoever has the database."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from access.ids import new_id
from config.commands.import_ import (
    SHELL,
    ConfigOption,
    LanguageOption,
    fail,
    language_from,
    lists_of,
    settings_from,
)
from config.lists.exports import ExportFailed, export_to
from crm.exports.cells import ExportFormat
from crm.exports.jobs import BadExportFilter, ExportJob, ExportKind
from storage import exports
from storage.database import Database, StorageError
from storage.migrations import SchemaError, check


def export(
    kind: Annotated[ExportKind, typer.Argument(help="Which list.")],
    file: Annotated[Path, typer.Argument(help="Where to write it; .xlsx or .csv says how.")],
    filter: Annotated[
        list[str] | None, typer.Option("--filter", help="NAME=VALUE, as docs/imports.md lists; repeat it.")
    ] = None,
    language: LanguageOption = "zh-CN",
    config: ConfigOption = None,
) -> None:
    """Write a list into a file, numbers and names in full; the audit log says so. Exit codes 0, 1, 2."""
    words = language_from(language)
    settings = settings_from(config)
    suffix = file.suffix.lower().removeprefix(".")
    if suffix not in {one.value for one in ExportFormat}:
        fail(f"{file}: the name ends with .xlsx or .csv.", 2)
    if not file.parent.is_dir():
        fail(f"{file.parent}: there is no such folder.", 2)
    wanted: dict[str, str] = {"language": words}
    for text in filter or []:
        name, equals, value = text.partition("=")
        if not equals:
            fail(f"--filter {text}: NAME=VALUE.", 2)
        wanted[name] = value
    try:
        exports.check_filter(kind, wanted)
    except BadExportFilter as error:
        fail(str(error), 2)
    now = datetime.now(UTC)
    job = ExportJob(
        id=new_id(now),
        kind=kind,
        format=ExportFormat(suffix),
        wanted=wanted,
        created_at=now,
        by_name=SHELL.name,
        owner="command",
    )
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        database.read_now(check)
        work = lists_of(settings, database).export_work
        done = asyncio.run(export_to(work, job, SHELL, file))
    except (StorageError, SchemaError, ExportFailed, OSError) as error:
        fail(str(error))
    finally:
        database.close()
    more = "; the list has more" if done.cut else ""
    typer.echo(f"{file}: {done.rows} rows{more}")
