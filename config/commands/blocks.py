"""`careline block`: callers the hotline does not serve, by whole number or by how numbers begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from access.audit import Action, entry
from access.ids import new_id
from access.masking import mask_number
from access.permissions import Role
from access.users import Principal, Via
from config.settings import Settings, SettingsError, load
from crm.consent.blocks import BadBlock, Pattern, clean_reason, read_pattern
from storage import audit, blocks
from storage.database import Database, StorageError

block_app = typer.Typer(help="Callers the hotline does not serve: add, list, remove.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
PatternArgument = Annotated[
    str, typer.Argument(metavar="NUMBER", help='+8613812345678, or the beginning of numbers: "+86138123*".')
]
_SHELL = Principal(role=Role.ADMIN, via=Via.COMMAND, name="command line")


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


@contextmanager
def _database(config: Path | None) -> Iterator[tuple[Settings, Database]]:
    try:
        settings = load(config)
    except SettingsError as error:
        _fail(str(error), 2)
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        yield settings, database
    except StorageError as error:
        _fail(str(error))
    finally:
        database.close()


def _pattern(text: str) -> Pattern:
    try:
        return read_pattern(text)
    except BadBlock as error:
        _fail(str(error), 2)


def _note(connection: Connection, action: Action, pattern: Pattern, now: datetime, **data: str) -> None:
    """The audit entry; a full number does not stand in it."""
    shown = mask_number(pattern.digits) if pattern.whole else str(pattern)
    noted = entry(action, _SHELL, id=new_id(now), at=now, subject=f"block:{shown}", data=data)
    audit.append(connection, noted)


@block_app.command("add")
def add(
    number: PatternArgument,
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders in a year.")],
    days: Annotated[int, typer.Option(min=0, max=3650, help="For so many days; 0: for ever.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Take no calls from a number, or from all that begin so. It holds from the next call on."""
    pattern = _pattern(number)
    try:
        why = clean_reason(reason)
    except BadBlock as error:
        _fail(str(error), 2)
    now = datetime.now(UTC)
    until = now + timedelta(days=days) if days else None

    def work(connection: Connection) -> bool:
        new = blocks.add(connection, pattern=pattern, reason=why, by=_SHELL.name, now=now, until=until)
        if new:
            end = until.isoformat() if until else ""
            _note(connection, Action.CALLER_BLOCKED, pattern, now, reason=why, until=end)
        return new

    with _database(config) as (_, database):
        new = database.write_now(work)
    typer.echo(f"{pattern}: {'blocked' if new else 'was blocked already'}")


@block_app.command("remove")
def remove(number: PatternArgument, config: ConfigOption = None) -> None:
    """Take calls again; the block stays as history."""
    pattern = _pattern(number)
    now = datetime.now(UTC)

    def work(connection: Connection) -> bool:
        done = blocks.withdraw(connection, pattern=pattern, by=_SHELL.name, now=now)
        if done:
            _note(connection, Action.CALLER_UNBLOCKED, pattern, now)
        return done

    with _database(config) as (_, database):
        done = database.write_now(work)
    if not done:
        _fail(f"{pattern} is not blocked. Nothing was changed.")
    typer.echo(f"{pattern}: calls are taken again")


@block_app.command("list")
def list_blocks(
    history: Annotated[bool, typer.Option("--history", help="Those withdrawn too.")] = False,
    most: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
    config: ConfigOption = None,
) -> None:
    """Who is blocked, until when, why and by whom."""
    with _database(config) as (settings, database):
        found = database.read_now(lambda connection: blocks.find(connection, history=history, limit=most))
        zone = ZoneInfo(settings.calendar.zone)
    now = datetime.now(UTC)
    for block in found:
        if block.withdrawn_at is not None:
            state = f"withdrawn {block.withdrawn_at.astimezone(zone):%Y-%m-%d %H:%M} by {block.withdrawn_by}"
        elif block.until is None:
            state = "for ever"
        else:
            over = "" if block.holds_at(now) else " (over)"
            state = f"until {block.until.astimezone(zone):%Y-%m-%d %H:%M}{over}"
        since = f"{block.at.astimezone(zone):%Y-%m-%d %H:%M}"
        typer.echo(f"{block.pattern!s:<18}  {state:<28}  since {since} by {block.by}  {block.reason}")
