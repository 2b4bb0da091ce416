"""`careline check calls`: proves a day of the call log against the trunk's own list."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from config.settings import SettingsError, load
from storage.calls import proof_of
from storage.database import Database, StorageError
from telephony.ledger import lines_of


def check_calls(
    config: Annotated[
        Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
    ] = None,
    day: Annotated[
        str, typer.Option("--day", help="Local day, YYYY-MM-DD; today where none is given.", metavar="D")
    ] = "",
    every: Annotated[
        bool, typer.Option("--all", help="List every id that is wrong, not only the first 20.")
    ] = False,
) -> None:
    """Print calls on the trunk, calls in the log, how many are tied to a customer or explained, and the difference.

    Exit code 1 where the difference is not 0; the ids of what is wrong follow.
    """
    try:
        settings = load(config)
        zone = settings.calendar.zone
        now = datetime.now(UTC)
        wanted = date.fromisoformat(day) if day else now.astimezone(ZoneInfo(zone)).date()
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    except ValueError:
        typer.echo(f"--day {day}: a day is written YYYY-MM-DD, for example 2026-11-21.", err=True)
        raise typer.Exit(2) from None
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        proof = database.read_now(lambda connection: proof_of(connection, None, wanted, zone, now))
    except StorageError as error:
        typer.echo(f"The database does not answer, so nothing was checked: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        database.close()
    for line in lines_of(proof, most=1_000_000 if every else 20):
        typer.echo(line)
    if proof.difference:
        raise typer.Exit(1)
