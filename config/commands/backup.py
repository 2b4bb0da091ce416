"""`careline backup` and `careline restore`: a backup while everything runs, and its way back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from config.locks import hold_database, hold_folder
from config.settings import Settings, SettingsError, load
from storage import backup as backups
from storage.database import StorageError
from storage.restored import Access

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]


def backup(
    file: Annotated[Path, typer.Argument(help="Where to write it; a name ending in .gz is compressed.")],
    recordings: Annotated[
        bool, typer.Option("--recordings", help="Take recordings and voicemail along.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    config: ConfigOption = None,
) -> None:
    """Back up the database while the service runs. The file holds personal data: it is readable by you only."""
    settings = _settings(config)
    if not file.absolute().parent.is_dir():
        _fail(f"{file.absolute().parent}: there is no such folder. Nothing was written.", 2)
    try:
        manifest = backups.back_up(
            settings.database_url,
            file,
            now=datetime.now(UTC),
            version=version("careline"),
            folders=_folders(settings) if recordings else {},
            overwrite=force,
        )
    except (StorageError, OSError) as error:
        _fail(str(error))
    typer.echo(
        f"{file}: {manifest.rows} rows of {len(manifest.tables)} tables, "
        f"{len(manifest.files) - 1} recordings and messages, revision {manifest.revision}."
    )


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `careline backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace what the database holds; it is lost.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Bring a database back from a backup, into SQLite or PostgreSQL, after checking every part of it.

    Calls that were open are closed as interrupted; nothing from before is dialed or sent by itself. Everybody
    signs in again, and what was revoked or disabled since the backup stays so; where the database that is
    replaced cannot tell, every token is revoked.
    """
    settings = _settings(config)
    if not file.is_file():
        _fail(f"{file}: there is no such file. Nothing was changed.", 2)
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        # A service that runs would go on with what it has in memory over rows that are gone.
        with hold_folder(settings.data), hold_database(settings.database_url, settings.data):
            done = backups.restore(
                settings.database_url,
                file,
                now=datetime.now(UTC),
                folders=_folders(settings),
                overwrite=force,
            )
    except (StorageError, SettingsError, OSError) as error:
        _fail(str(error))
    manifest = done.manifest
    made_at = manifest.made_at.astimezone(ZoneInfo(settings.calendar.zone))
    typer.echo(
        f"{file}: restored {manifest.rows} rows as of {made_at:%Y-%m-%d %H:%M:%S} "
        f"and {len(manifest.files) - 1} recordings and messages."
    )
    if done.aside is not None:
        typer.echo(f"The database that could not be read was kept as {done.aside}.")
    for line in _access_lines(done.access, made_at):
        typer.echo(line)


def _access_lines(access: Access, made_at: datetime) -> Iterator[str]:
    """Who can come in now, and what to do about the others."""
    yield f"Everybody signs in again: {access.sessions_ended} sessions of the backup were ended."
    if access.unknown:
        yield (
            f"What was revoked or disabled after the backup is not known: {access.unknown}. "
            f"All {access.tokens_revoked} API tokens were revoked; make new ones with `careline token create`. "
            f"Look through `careline user list` for people who left after {made_at:%Y-%m-%d %H:%M}, "
            "and disable them."
        )
    else:
        yield (
            f"API tokens: {access.tokens_kept} work as before, {access.tokens_revoked} stay revoked "
            "(revoked since the backup, or unknown to the database that was replaced)."
        )
    for logins, what in (
        (access.disabled, "stay disabled, as they were before the restore"),
        (access.passwords, "keep the password they set after the backup"),
        (access.roles, "keep the role they got after the backup"),
    ):
        if logins:
            yield f"{', '.join(logins)}: {what}."
    for refused in access.not_erased:
        yield f"Erased before the restore, and in the backup again: {refused}"
    if not access.admins:
        yield (
            "No administrator may sign in: `careline user enable LOGIN`, or `careline user create LOGIN "
            "--role admin`."
        )


def _folders(settings: Settings) -> dict[str, Path]:
    """Folders whose files go along, by their name in the backup."""
    recordings = settings.telephony.recording.folder
    return {
        "recordings": Path(recordings) if recordings else settings.data / "recordings",
        "voicemail": settings.data / "voicemail",
    }


def _settings(config: Path | None) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        _fail(str(error), 2)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
