"""`careline recording` and `careline voicemail`: what is kept, legal hold, and what was deleted when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from access.audit import Action, entry
from access.ids import new_id
from access.permissions import Role
from access.users import Principal, Via
from config.settings import SettingsError, load
from storage import audit, recordings
from storage.database import Database, StorageError
from telephony.recordings import Recording, RecordingState, Voicemail, VoicemailState

recording_app = typer.Typer(help="Recordings: of a call, hold, release.", no_args_is_help=True)
voicemail_app = typer.Typer(help="Voicemail: of a call, new ones.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
_SHELL = Principal(role=Role.ADMIN, via=Via.COMMAND, name="command line")


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


@contextmanager
def _database(config: Path | None) -> Iterator[tuple[Database, ZoneInfo]]:
    """The database, and the house's time zone to print in."""
    try:
        settings = load(config)
    except SettingsError as error:
        _fail(str(error), 2)
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        yield database, ZoneInfo(settings.calendar.zone)
    except StorageError as error:
        _fail(str(error))
    finally:
        database.close()


@recording_app.command("list")
def list_recordings(
    call: Annotated[str, typer.Option(help="Id of one call; empty: the latest of all.")] = "",
    state: Annotated[
        RecordingState | None,
        typer.Option(
            help="Only these, the oldest first; deleting: past their time and still there, and why."
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: ConfigOption = None,
) -> None:
    """Recordings with their state, and why there is none where there is none."""

    def ask(connection: Connection) -> list[Recording]:
        if call:
            return [one for one in recordings.of_call(connection, call) if state in (None, one.state)]
        if state is not None:
            return recordings.in_state(connection, state, most)
        return recordings.latest(connection, most)

    with _database(config) as (database, zone):
        found = database.read_now(ask)
    for one in found:
        length = f"{one.seconds:.1f} s" if one.seconds is not None else "-"
        held = "  ON HOLD" if one.hold else ""
        why = f"  ({one.why})" if one.why else ""
        typer.echo(
            f"{one.id}  call {one.call_id}  {one.started_at.astimezone(zone):%Y-%m-%d %H:%M:%S}  {length:>9}  "
            f"{one.state}{why}{held}"
        )


@recording_app.command("hold")
def hold(
    recording_id: str,
    reason: Annotated[str, typer.Option(help="Why, for whoever wonders in a year.")],
    config: ConfigOption = None,
) -> None:
    """Legal hold: retention never deletes it until it is released."""
    _set_hold(config, recording_id, held=True, reason=reason)


@recording_app.command("release")
def release(
    recording_id: str,
    reason: Annotated[str, typer.Option(help="Why it may be deleted again.")],
    config: ConfigOption = None,
) -> None:
    """Lift the legal hold; retention counts from the call's own day."""
    _set_hold(config, recording_id, held=False, reason=reason)


def _set_hold(config: Path | None, recording_id: str, *, held: bool, reason: str) -> None:
    now = datetime.now(UTC)
    action = Action.RECORDING_HELD if held else Action.RECORDING_RELEASED

    def work(connection: Connection) -> bool:
        done = recordings.set_hold(connection, recording_id, hold=held, reason=reason[:500])
        if done:
            noted = entry(
                action,
                _SHELL,
                id=new_id(now),
                at=now,
                subject=f"recording:{recording_id}",
                data={"reason": reason},
            )
            audit.append(connection, noted)
        return done

    with _database(config) as (database, _):
        done = database.write_now(work)
    if not done:
        _fail(
            "There is no such recording, or its file is past its time and is being deleted or was. "
            "Nothing was changed."
        )
    typer.echo(f"{recording_id}: {'on hold' if held else 'released'}")


@voicemail_app.command("list")
def list_voicemails(
    state: Annotated[
        VoicemailState | None,
        typer.Option(
            help="Only these, the oldest first; deleting: past their time and still there, and why."
        ),
    ] = None,
    most: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    config: ConfigOption = None,
) -> None:
    """The latest messages."""

    def ask(connection: Connection) -> list[Voicemail]:
        if state is not None:
            return recordings.voicemails_in_state(connection, state, most)
        return recordings.latest_voicemails(connection, most)

    with _database(config) as (database, zone):
        found = database.read_now(ask)
    for one in found:
        number = f"***{one.number[-3:]}" if one.number else "hidden"
        length = f"{one.seconds:.0f} s" if one.seconds is not None else "-"
        why = f"  ({one.why})" if one.why else ""
        typer.echo(
            f"{one.id}  call {one.call_id}  {one.left_at.astimezone(zone):%Y-%m-%d %H:%M:%S}  "
            f"{length:>6}  {one.box}  {number}  {one.state}{why}"
        )
