"""`careline retention` and `careline privacy`: what goes when its time is over, and erasing again after a restore."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from access.privacy import RequestKind
from config.books.privacy import PrivacyBook
from config.books.second_factors import keep_key
from config.commands.users import ConfigOption, _database, _fail
from config.data_retention import rehearse, run
from config.lists.erased_files import ErasedFiles
from config.settings import load
from storage import erasure
from telephony.clock import SystemClock

privacy_app = typer.Typer(help="People's data: who was erased, erase again.", no_args_is_help=True)


def retention(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: ConfigOption = None,
) -> None:
    """Delete what is past its time, kind by kind, as the service does each night (recordings: there alone)."""
    settings = load(config)
    now = datetime.now(UTC)
    with _database(config) as database:
        work = rehearse if dry_run else run
        nights = asyncio.run(work(database, settings.retention, now))
    for night in nights:
        typer.echo(
            f"{night.kind:<14} before {night.before:%Y-%m-%d}  {'would go' if dry_run else 'gone'}: "
            f"{night.deleted:>8}  on hold: {night.held:>6}  left: {night.left:>8}"
        )


@privacy_app.command("erased")
def erased(config: ConfigOption = None) -> None:
    """Ids of everybody who was erased. Keep this list beside the backups: it names nobody."""
    with _database(config) as database:
        for customer_id, pseudonym in database.read_now(erasure.erased_ids):
            typer.echo(f"{customer_id} {pseudonym}")


@privacy_app.command("erase-again")
def erase_again(
    file: Annotated[Path, typer.Argument(help="What `careline privacy erased` printed before the restore.")],
    config: ConfigOption = None,
) -> None:
    """After a restore: erase those who were erased since the backup was made."""
    try:
        ids = [line.split()[0] for line in file.read_text(encoding="ascii").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"{file}: {error}", 2)
    settings = load(config)
    with _database(config) as database:
        book = PrivacyBook(
            database,
            SystemClock(),
            recordings_folder=lambda: settings.data / "recordings",
            voicemail_folder=lambda: settings.data / "voicemail",
            house=settings.dealership,
            key=keep_key(settings.data),
            erased_files=ErasedFiles(
                database, SystemClock(), lists=settings.data / "lists", spool=settings.data / "spool"
            ),
        )
        for customer_id in ids:
            try:
                done = asyncio.run(book.erase(customer_id))
            except erasure.ErasureRefused as error:
                typer.echo(f"{customer_id}: NOT erased. {error}", err=True)
                continue
            typer.echo(
                f"{customer_id}: {sum(done.counts.values())} rows, {done.left} left ({RequestKind.ERASE})"
            )
