"""`careline import`: a list of another program, read, tried and imported, with or without the service running."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn

import typer
from sqlalchemy import Connection

from access.ids import new_id
from access.permissions import Role
from access.users import LANGUAGES, Language, Principal, Via
from config.books.imports import names_of
from config.lists.imports import command_worker
from config.lists.room import ListRoom, make_lists
from config.settings import Settings, SettingsError, load
from crm.imports.checking import Columns, MappingError, require
from crm.imports.fields import FIELDS, ImportKind
from crm.imports.files.guards import FileRefused
from crm.imports.headers import key_of
from crm.imports.jobs import Choice, Counts, ImportJob, ImportState
from crm.imports.own_fields import Own, own_of
from storage import import_jobs
from storage.database import Database, StorageError
from storage.fields import list_fields
from storage.migrations import SchemaError, check
from telephony.clock import SystemClock
from web.list_words import faults as fault_words
from web.list_words import field_name, reason

#: The person at the prompt has the database itself, so nothing is hidden from him.
SHELL: Final = Principal(role=Role.MANAGER, via=Via.COMMAND, name="command line")
_SHOWN: Final = 20
_ZEROS: Final[dict[str, Any]] = dict.fromkeys(
    ("done", "added", "changed", "unchanged", "refused", "place"), 0
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
LanguageOption = Annotated[str, typer.Option("--language", help="zh-CN or en: words of reasons and headers.")]


def fail(message: str, code: int = 1) -> NoReturn:
    """Say why and leave: 1 the work failed, 2 wrong use."""
    typer.echo(message, err=True)
    raise typer.Exit(code)


def language_from(text: str) -> Language:
    """The language. Leaves with 2."""
    for language in LANGUAGES:
        if text == language:
            return language
    fail(f"--language {text}: one of {', '.join(LANGUAGES)}.", 2)


def settings_from(config: Path | None) -> Settings:
    """The settings. Leaves with 2."""
    try:
        return load(config)
    except SettingsError as error:
        fail(str(error), 2)


def lists_of(settings: Settings, database: Database) -> ListRoom:
    """The lists of an installation, as its service has them."""
    hotline = settings.telephony.hotline
    return make_lists(
        database,
        SystemClock(),
        folder=settings.data / "lists",
        options=settings.crm.lists,
        zone=settings.calendar.zone,
        country=hotline.country,
        area_code=hotline.area_code,
        rule=settings.crm.records.customer_number,
    )


def import_(
    file: Annotated[Path, typer.Argument(help="Excel (.xlsx .xls .xlsb) or CSV.")],
    kind: Annotated[
        ImportKind, typer.Option(help="What the list holds: customers are deliveries with their vehicles.")
    ],
    source: Annotated[
        str,
        typer.Option(help="Program the list comes from; its columns and numbers are kept under this name."),
    ] = "command",
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            help='FIELD=COLUMN, the column by its name or letter: --mapping "phone=联系方式" …; repeat it.'
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option(help="FIELD=TEXT for rows that say nothing of it; repeat it.")
    ] = None,
    sheet: Annotated[str, typer.Option(help="Sheet; the first one that is shown, otherwise.")] = "",
    header_row: Annotated[int, typer.Option(min=0, help="Row with the names of the columns; 0: found.")] = 0,
    skip_hidden: Annotated[bool, typer.Option("--skip-hidden", help="Leave hidden rows out.")] = False,
    all_or_nothing: Annotated[
        bool, typer.Option("--all-or-nothing", help="Import nothing if one row has a fault.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    bad_rows: Annotated[
        Path | None,
        typer.Option("--bad-rows", help="Write rows with faults here (.xlsx), with their reasons."),
    ] = None,
    language: LanguageOption = "zh-CN",
    config: ConfigOption = None,
) -> None:
    """Import a list; a second time the same file changes nothing.

    Exit code 0: done (rows with faults are named, the others are in); 1: the file was refused, or nothing of it
    could go in; 2: wrong use.
    """
    words = language_from(language)
    settings = settings_from(config)
    if not file.is_file():
        fail(f"{file}: there is no such file.", 2)
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        database.read_now(check)
        room = lists_of(settings, database)
        own = own_of(kind, database.read_now(list_fields))
        asked = _Asked(
            kind, own, source, mapping or [], fixed or [], sheet, header_row, skip_hidden, all_or_nothing
        )
        job = asyncio.run(_import(room, database, file, asked, words, dry_run=dry_run, bad_rows=bad_rows))
    except (StorageError, SchemaError) as error:
        fail(str(error))
    except FileRefused as error:
        fail(f"{file}: {reason(words, error.error_id, error.values)} ({error.error_id})")
    finally:
        database.close()
    good = job.counts.added + job.counts.changed + job.counts.unchanged
    if job.state not in (ImportState.DONE, ImportState.CHECKED) or (job.counts.refused and not good):
        raise typer.Exit(1)


class _Asked:
    """What the command line said of the list."""

    def __init__(
        self,
        kind: ImportKind,
        own: Own,
        source: str,
        mapping: list[str],
        fixed: list[str],
        sheet: str,
        header_row: int,
        skip_hidden: bool,
        all_or_nothing: bool,
    ) -> None:
        self.kind = kind
        self.own = own
        self.source = source.strip()[:64]
        self.mapping = _pairs(kind, own, mapping, "--mapping")
        self.fixed = _pairs(kind, own, fixed, "--fixed")
        self.sheet = sheet
        self.header_row = header_row
        self.skip_hidden = skip_hidden
        self.all_or_nothing = all_or_nothing
        if not self.source:
            fail("--source: name the program the list comes from.", 2)

    def choice(self, job: ImportJob) -> Choice:
        """The choice: as it was found, and what was said goes before. Leaves with 2."""
        choice = replace(
            job.choice,
            header_row=self.header_row or job.choice.header_row,
            skip_hidden=self.skip_hidden,
            all_or_nothing=self.all_or_nothing,
        )
        names = names_of(job, choice)
        of = dict(choice.columns.of)
        for field, column in self.mapping.items():
            of = {name: place for name, place in of.items() if place != _column(column, names)}
            of[field] = _column(column, names)
        columns = Columns(of=of, fixed={**choice.columns.fixed, **self.fixed})
        try:
            require(job.kind, columns, self.own)
        except MappingError as error:
            fail(f"{error} Columns found: {', '.join(names) or 'none'}.", 2)
        return replace(choice, columns=columns)


def _pairs(kind: ImportKind, own: Own, given: list[str], option: str) -> dict[str, str]:
    known = [*(field.name for field in FIELDS[kind]), *own]
    pairs = {}
    for text in given:
        field, equals, value = text.partition("=")
        if not equals or field not in known:
            fail(f"{option} {text}: FIELD=… with one of {', '.join(known)}.", 2)
        pairs[field] = value.strip()
    return pairs


def _column(text: str, names: list[str]) -> int:
    """A column by its name, else by its letter. Leaves with 2."""
    keys = [key_of(name) for name in names]
    if key_of(text) in keys:
        return keys.index(key_of(text))
    if text.isascii() and text.isalpha() and len(text) <= 3:
        place = 0
        for letter in text.upper():
            place = place * 26 + ord(letter) - 64
        return place - 1
    fail(f"There is no column {text!r}; there are {', '.join(names)}.", 2)


async def _import(
    room: ListRoom,
    database: Database,
    file: Path,
    asked: _Asked,
    words: Language,
    *,
    dry_run: bool,
    bad_rows: Path | None,
) -> ImportJob:
    """Read, choose, try, import. Raises FileRefused, StorageError."""
    now = datetime.now(UTC)
    job_id = new_id(now)
    work = room.import_work
    size = await work.keep_file(job_id, _pieces(file))
    job = ImportJob(
        id=job_id,
        kind=asked.kind,
        source=asked.source,
        state=ImportState.READING,
        worker=command_worker(),
        file_name=file.name,
        file_bytes=size,
        created_at=now,
        by_name=SHELL.name,
        found={"wanted_sheet": asked.sheet},
    )

    def step(to: ImportState, out_of: ImportState, **values: Any) -> None:
        def move(connection: Connection) -> None:
            import_jobs.forget_faults(connection, job_id)
            import_jobs.move(connection, job_id, to, out_of=[out_of], **values, **_ZEROS)

        database.write_now(move)

    try:
        database.write_now(lambda connection: import_jobs.insert_job(connection, job))
        job = await work.work(job_id)
        if job.state is ImportState.REFUSED:
            raise FileRefused(job.error_id, **job.error_values)
        choice = asked.choice(job)
        names = names_of(job, choice)
        for field, place in choice.columns.of.items():
            name = names[place] if place < len(names) else str(place + 1)
            typer.echo(f"{field_name(words, field, asked.own)} <- {name}")
        step(ImportState.CHECKING, ImportState.CHOOSING, choice=choice, error_id="", error_values={})
        job = await work.work(job_id)
        if job.state is not ImportState.CHECKED:
            raise FileRefused(job.error_id, **job.error_values)
        if not dry_run:
            step(ImportState.RUNNING, ImportState.CHECKED, started_at=datetime.now(UTC))
            job = await work.work(job_id)
        await _tell(room, database, job, words, asked.own, bad_rows)
    except BaseException:
        with suppress(StorageError):
            await work.give_up(job_id)
        raise
    finally:
        with suppress(OSError):
            work.remove_files(job_id)
    return job


async def _pieces(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as opened:
        while piece := opened.read(1024 * 1024):
            yield piece


async def _tell(
    room: ListRoom, database: Database, job: ImportJob, words: Language, own: Own, bad_rows: Path | None
) -> None:
    """The counts, the first faults, and the file of all of them."""
    counts: Counts = job.counts
    typer.echo(
        f"{job.state.value}: {counts.added} added, {counts.changed} changed, {counts.unchanged} unchanged, "
        f"{counts.refused} refused"
    )
    found = database.read_now(lambda connection: import_jobs.list_faults(connection, job.id, limit=_SHOWN))
    for row, faults in found:
        typer.echo(f"  {row}: {fault_words(words, faults, own)}", err=True)
    if counts.refused > len(found):
        typer.echo(f"  … and {counts.refused - len(found)} more", err=True)
    if bad_rows is not None and counts.refused:
        made = await room.imports.bad_rows(job.id, words)
        await asyncio.to_thread(shutil.copyfile, made, bad_rows)
        typer.echo(f"{bad_rows}: {counts.refused} rows to be mended")
