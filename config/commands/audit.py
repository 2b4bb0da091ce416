"""`careline audit`: every call of a number as a sealed file, and the check of such a file (C10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from access.audit import Action, entry
from access.ids import new_id
from access.masking import mask_number
from access.permissions import Role
from access.seals import SealBroken, check, sealing_key
from access.users import Principal, Via
from config.books.audit import write_sealed
from config.books.second_factors import keep_key
from config.commands.users import ConfigOption, _database, _fail
from config.secrets import SecretsError
from config.settings import load
from storage import audit
from telephony.numbers import parse

audit_app = typer.Typer(help="Sealed exports of calls: export, verify.", no_args_is_help=True)
_SHELL = Principal(role=Role.ADMIN, via=Via.COMMAND, name="command line")


@audit_app.command("export")
def export(
    number: Annotated[str, typer.Argument(help="The telephone number, in any format.")],
    out: Annotated[Path, typer.Option(help="File to write; must not exist.")],
    reason: Annotated[str, typer.Option(help="Who asked for it, and their file number.")],
    years: Annotated[int, typer.Option(min=1, max=10, help="How far back.")] = 5,
    config: ConfigOption = None,
) -> None:
    """Write every call of a number, oldest first, with its facts; the file shows any later change."""
    settings = load(config)
    hotline = settings.telephony.hotline
    e164 = parse(number, hotline.country, hotline.area_code)
    if e164 is None:
        _fail("This cannot be read as a telephone number. Nothing was exported.", 2)
    now = datetime.now(UTC)
    noted = entry(
        Action.EXPORTED,
        _SHELL,
        id=new_id(now),
        at=now,
        subject=f"number:{mask_number(e164)}",
        data={"kind": "calls of a number", "years": years, "reason": reason[:200]},
    )
    with _database(config) as database:
        try:
            with out.open("xb") as file:
                database.write_now(lambda connection: audit.append(connection, noted))
                calls = database.read_now(
                    lambda connection: write_sealed(
                        connection,
                        file,
                        e164,
                        since=now - timedelta(days=365.25 * years),
                        until=now,
                        at=now,
                        house=settings.dealership,
                        key=sealing_key(keep_key(settings.data)),
                    )
                )
        except (OSError, SecretsError) as error:
            _fail(f"{out}: {error}. Nothing was exported.")
    typer.echo(f"{out}: {calls} calls")


@audit_app.command("verify")
def verify(
    file: Annotated[Path, typer.Argument(help="A file that `export` or the page made.")],
    config: ConfigOption = None,
    without_key: Annotated[
        bool, typer.Option("--without-key", help="Check rows and order alone, as anybody can.")
    ] = False,
) -> None:
    """Check that nothing was changed, added, removed or moved, and that this house made it."""
    try:
        key = None if without_key else sealing_key(keep_key(load(config).data))
        with file.open(encoding="utf-8", newline="") as lines:
            found = check(lines, key)
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        _fail(f"{file}: {error}", 2)
    except SealBroken as error:
        _fail(f"{file}: NOT as it was made. {error}")
    made = "rows and order are whole" if found.signed is None else "whole, and made by this house"
    typer.echo(
        f"{file}: {made}. {found.rows} rows, {found.header.get('calls')} calls, last hash {found.last}"
    )
