"""`careline migrate`: brings the database up to this version's tables, or says where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from config.settings import SettingsError, load
from storage import migrations
from storage.database import StorageError


def migrate(
    config: Annotated[
        Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 where something is pending.")
    ] = False,
) -> None:
    """Upgrade the database to this version's tables. Again is harmless; an interrupted one goes on."""
    try:
        settings = load(config)
        url = settings.database_url
        address = make_url(url)
    except (SettingsError, ArgumentError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    shown = address.render_as_string(hide_password=True)
    if address.get_backend_name() == "sqlite" and address.database:
        path = Path(address.database)
        if check and not path.exists():
            typer.echo(f"{shown}: there is no database yet; `careline migrate` makes it.")
            raise typer.Exit(1)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        state = migrations.state(url) if check else migrations.upgrade(url)
    except (StorageError, OSError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    if not state.pending and not state.unfilled:
        typer.echo(f"{shown}: revision {state.head}, nothing to do.")
        return
    for revision, doc in state.pending:
        typer.echo(f"{'pending' if check else 'done'}: {revision} {doc}")
    if state.unfilled:
        typer.echo(
            f"{'pending' if check else 'done'}: the rest of an interrupted upgrade (what searches read)"
        )
    typer.echo(f"{shown}: {'needs' if check else 'is at'} revision {state.head}.")
    if check:
        raise typer.Exit(1)
