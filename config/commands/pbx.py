"""`careline pbx`: bring Asterisk, render its files, run it in the foreground."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from sqlalchemy import inspect

from config import phones_changed
from config.certificates import CertificateError, make
from config.secrets import SecretsError, switch_secrets, warnings
from config.settings import Settings, SettingsError, load
from storage import agents
from storage.database import Database, StorageError
from telephony.asterisk.install import AsteriskBinary, InstallError, describe, ensure_asterisk, ensure_tools
from telephony.asterisk.process import AsteriskProcess, ProcessError
from telephony.asterisk.render import RenderedFolder, RenderError, render
from telephony.phones import Phone

app = typer.Typer(help="The telephone switch: install, render, run.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]

#: How often new people's phones are looked for.
_PHONES_SECONDS = 5.0
#: How often the service's word that a secret changed is looked for.
_STAMP_SECONDS = 0.25
#: Shipped sounds, one folder a language.
PROMPTS = Path(__file__).resolve().parents[1] / "prompts"


@app.command()
def install(
    config: ConfigOption = None,
    tools: Annotated[
        bool, typer.Option("--tools", help="Also bring what the tests need: SIPp and Chromium.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="Bring an own copy even if this machine has Asterisk.")
    ] = False,
) -> None:
    """Find Asterisk 20 or later on this machine, or bring a private copy into the cache, without root."""
    settings = _settings(config)
    try:
        binary = ensure_asterisk(settings.cache, say=_say, private=private)
        typer.echo(describe(binary))
        if tools:
            for name, argv in ensure_tools(settings.cache, say=_say).items():
                typer.echo(f"{name}: {argv[0]}")
    except InstallError as error:
        _fail(str(error))


@app.command("render")
def render_command(config: ConfigOption = None) -> None:
    """Write every file Asterisk reads from the settings, and say what changed."""
    settings = _settings(config)
    folder = rendered(settings, _binary(settings), known_phones(settings))
    for name in sorted(folder.changed):
        typer.echo(f"changed: {folder.layout.etc / name}")
    if not folder.changed:
        typer.echo(f"{folder.layout.etc}: nothing changed.")
    elif folder.needs_restart:
        typer.echo("A running Asterisk must be restarted to read this.")
    else:
        typer.echo(f"A running Asterisk must reload: {', '.join(folder.reloads)}")


@app.command()
def run(
    config: ConfigOption = None,
    restart: Annotated[bool, typer.Option("--restart", help="Start it again whenever it dies.")] = False,
) -> None:
    """Render and run Asterisk in the foreground as this user, until Ctrl-C or SIGTERM."""
    settings = _settings(config)
    binary = _binary(settings)
    folder = rendered(settings, binary, known_phones(settings))
    try:
        status = asyncio.run(
            _run(AsteriskProcess(binary=binary, folder=folder), settings, binary, restart=restart)
        )
    except ProcessError as error:
        _fail(str(error))
    if status:
        _fail(f"Asterisk ended by itself (exit status {status}); see {folder.layout.log}.")


@app.command()
def certificate(
    name: Annotated[str, typer.Option("--name", help="Host name or address the desk is opened with.")],
    config: ConfigOption = None,
) -> None:
    """Make https for the desk: a private authority for this one name, and a certificate; again: renew it."""
    settings = _settings(config)
    try:
        made = make(settings.data.absolute() / "tls", name)
    except CertificateError as error:
        _fail(str(error))
    typer.echo(f"certificate: {made.certificate}\nkey:         {made.key}")
    if settings.web.tls.certificate:
        typer.echo("A running service takes it up by itself within ten seconds.")
    else:
        typer.echo(
            "\nIn the settings:\n\n"
            f'[web]\nhost = "0.0.0.0"\npublic_url = "https://{name}:{settings.web.port}"\n\n'
            f'[web.tls]\ncertificate = "{made.certificate}"\nkey = "{made.key}"\n'
        )
    if made.first:
        typer.echo(
            f"Every computer that opens the desk has to trust {made.authority} once (it can sign {name} alone):\n"
            "  Windows   double click, Install certificate, Local machine, Trusted root certification authorities\n"
            "  macOS     open it in Keychain Access, then Trust: always\n"
            "  Linux     Chrome: Settings, Privacy, Security, Manage certificates, Authorities, Import\n"
            "  Firefox   Settings, Privacy, View certificates, Authorities, Import\n"
            f"Keep {made.authority.with_name('ca.key')} safe, or move it off this machine; renewing needs it."
        )


async def _follow_phones(process: AsteriskProcess, settings: Settings, binary: AsteriskBinary) -> None:
    """New people get their phones without anybody at the keyboard: render and reload what changed."""
    known = await asyncio.to_thread(_phones, settings)
    seen = phones_changed.stamp(settings.data)
    while True:
        await _phones_due(settings, seen)
        seen = phones_changed.stamp(settings.data)
        try:
            phones = await asyncio.to_thread(_phones, settings)
            if phones == known:
                continue
            folder = await asyncio.to_thread(render_settings, settings, binary, phones)
            if folder.needs_restart:
                _say("The phones changed, and so did what only a restart of Asterisk reads.")
            else:
                await process.reload(*folder.reloads)
                _say(f"The phones changed; reloaded {', '.join(folder.reloads) or 'nothing'}.")
            known = phones
        except (StorageError, RenderError, SecretsError, ProcessError) as error:
            _say(f"The phones were not looked at now: {error}")


async def _phones_due(settings: Settings, seen: int) -> None:
    """Return after a while, or as soon as the service says that a phone's secret changed since `seen`."""
    for _ in range(round(_PHONES_SECONDS / _STAMP_SECONDS)):
        await asyncio.sleep(_STAMP_SECONDS)
        if phones_changed.stamp(settings.data) != seen:
            return


async def _run(process: AsteriskProcess, settings: Settings, binary: AsteriskBinary, *, restart: bool) -> int:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, stopped.set)
    if not await process.start():
        typer.echo(f"Asterisk already runs from {process.folder.layout.etc} (process {process.pid}).")
        return 0
    try:
        await process.wait_ready()
        typer.echo(f"Asterisk {process.binary.version} is ready (process {process.pid}).")
        ended = asyncio.create_task(process.keep_running(tell=_say) if restart else process.wait())
        asked = asyncio.create_task(stopped.wait())
        phones = asyncio.create_task(_follow_phones(process, settings, binary))
        await asyncio.wait({ended, asked, phones}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ended, asked, phones):
            task.cancel()
        await asyncio.gather(ended, asked, phones, return_exceptions=True)
        return 0 if stopped.is_set() else 1
    finally:
        await process.stop()


def rendered(settings: Settings, binary: AsteriskBinary, phones: Sequence[Phone]) -> RenderedFolder:
    """The files of these settings, written; for the commands here. Ends the program where that is impossible."""
    try:
        return render_settings(settings, binary, phones)
    except RenderError as error:
        _fail(str(error), 2)
    except SecretsError as error:
        _fail(str(error))


def render_settings(settings: Settings, binary: AsteriskBinary, phones: Sequence[Phone]) -> RenderedFolder:
    """Write Asterisk's files from the settings. Raises RenderError, SecretsError."""
    for warning in warnings(settings.data):
        _say(warning)
    prompts = [PROMPTS, *([Path(settings.ivr.prompts)] if settings.ivr.prompts else [])]
    return render(
        settings.telephony,
        switch_secrets(settings.telephony.switch, settings.data),
        phones,
        binary,
        settings.data,
        prompts,
        first_step_seconds=settings.ivr.step_margin_seconds,
    )


def known_phones(settings: Settings) -> list[Phone]:
    """Phones of all agents; none where the database does not exist yet. Ends the program where it is away."""
    try:
        return _phones(settings)
    except StorageError as error:
        _fail(str(error))


def _phones(settings: Settings) -> list[Phone]:
    url = settings.database_url
    if url.startswith("sqlite") and not settings.storage.url and not (settings.data / "careline.db").exists():
        return []
    database = Database(url, readers=1, writers=1)
    try:
        return database.read_now(
            lambda connection: (
                agents.all_phones(connection) if inspect(connection).has_table("phones") else []
            )
        )
    finally:
        database.close()


def _settings(config: Path | None) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        _fail(str(error), 2)


def _binary(settings: Settings) -> AsteriskBinary:
    try:
        return ensure_asterisk(settings.cache, say=_say)
    except InstallError as error:
        _fail(str(error))


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)
