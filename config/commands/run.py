"""`careline run`: the service in the foreground."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from config.endings import explain
from config.logs import configure
from config.secrets import SecretsError
from config.settings import Settings, SettingsError, load, warnings
from storage.database import StorageError
from web.tls import CertificateUnusable

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]


def run(config: ConfigOption = None) -> None:
    """Serve menus, call log and pages until Ctrl-C or SIGTERM. Asterisk is `careline pbx run`."""
    try:
        settings = load(config)
    except SettingsError as error:
        _fail(str(error), 2)
    configure(settings.log)
    for warning in warnings(config, settings):
        typer.echo(warning, err=True)
    try:
        _loop_of(settings)
    except SettingsError as error:
        _fail(str(error), 2)
    except CertificateUnusable as error:
        _fail(str(error), 2)
    except (SecretsError, StorageError) as error:
        _fail(str(error))
    except OSError as error:
        ending = explain(error, settings)
        _fail(str(ending), ending.code)


def _loop_of(settings: Settings) -> None:
    try:
        import uvloop  # a dependency where it exists: half the processor time of a menu step
    except ImportError:
        asyncio.run(_serve(settings))
    else:
        uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    from config.service import Service  # after logging is set up

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stop.set)
    await Service(settings).run(stop)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
