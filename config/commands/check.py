"""`careline check`: looks at the installation and says which line to change."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from config import menus
from config.commands.check_calls import check_calls
from config.commands.check_phone import look_at_browser_phones
from config.disk import full_disks
from config.secrets import SecretsError, switch_secrets
from config.secrets import warnings as secret_warnings
from config.settings import Settings, SettingsError, load
from config.settings import warnings as file_warnings
from ivr.texts import compare, read_files, read_manifest, read_tables
from storage.database import StorageError
from storage.migrations import state as schema_state
from telephony.asterisk.doctor import Finding, Level, is_loopback, is_weak, look_at_http, look_at_manager
from telephony.asterisk.link import AsteriskLink
from telephony.asterisk.names import TRUNK
from telephony.asterisk.render import Layout
from telephony.hours import WorkingTime
from telephony.ports import SwitchError
from web.health import NoCParser, require_c_parser

app = typer.Typer(
    help="Looks at the installation; `careline check calls` proves the call log.", invoke_without_command=True
)
app.command("calls")(check_calls)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
_SIGNS = {Level.OK: "ok  ", Level.WARN: "warn", Level.BAD: "BAD "}
#: Seconds the switch gets to answer.
_PATIENCE = 5.0


@app.callback()
def check(context: typer.Context, config: ConfigOption = None) -> None:
    """Look at settings, secrets, database, menus, prompts, calendar and switch; exit 1 where something is bad."""
    context.obj = config
    if context.invoked_subcommand is not None:
        return
    try:
        settings = load(config)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    findings = [*_quiet(config, settings), *asyncio.run(_switch(settings))]
    for finding in findings:
        typer.echo(f"{_SIGNS[finding.level]}  {finding.what}")
        if finding.mend:
            typer.echo(f"      → {finding.mend}")
    if any(finding.level is Level.BAD for finding in findings):
        raise typer.Exit(1)


def _ok(what: str) -> Finding:
    return Finding(level=Level.OK, what=what)


def _quiet(config: Path | None, settings: Settings) -> Iterator[Finding]:
    """What can be seen without the switch."""
    for warning in (*file_warnings(config, settings), *secret_warnings(settings.data)):
        yield Finding(level=Level.WARN, what="A file with secrets can be read by others.", mend=warning)
    try:
        require_c_parser()
    except NoCParser as error:
        yield Finding(level=Level.BAD, what=str(error), mend="install aiohttp from a wheel of your platform")
    yield from _disks(settings)
    yield from _database(settings)
    yield from _menus(settings)
    yield from _addresses(settings)
    yield from look_at_browser_phones(settings)
    for found in WorkingTime.from_options(settings.calendar).warnings(datetime.now(UTC)):
        yield Finding(
            level=Level.WARN,
            what=found.text.get("en", ""),
            mend="calendar.open_dates and calendar.closed_dates",
        )


def _disks(settings: Settings) -> Iterator[Finding]:
    layout = Layout(data=settings.data.absolute())
    recordings = settings.telephony.recording.folder
    folders = (settings.data, Path(recordings or layout.data / "recordings"), layout.log, layout.voicemail)
    for found in full_disks(folders):
        yield Finding(
            level=Level.BAD,
            what=found,
            mend="remove old backups and logs, lower telephony.recording.keep_days, or move "
            "telephony.recording.folder to a larger disk",
        )


def _database(settings: Settings) -> Iterator[Finding]:
    if not settings.storage.url and not (settings.data / "careline.db").exists():
        yield Finding(
            level=Level.BAD,
            what=f"There is no database yet in the folder {settings.data} (key data).",
            mend="careline migrate makes it; for the demo's: --config .cache/demo/careline.toml",
        )
        return
    try:
        state = schema_state(settings.database_url)
    except StorageError as error:
        yield Finding(level=Level.BAD, what=f"The database cannot be used: {error}", mend="storage.url")
        return
    if not state.pending and not state.unfilled:
        yield _ok("The database answers and has this version's tables.")
    else:
        yield Finding(
            level=Level.WARN, what="The database has another version's tables.", mend="careline migrate"
        )


def _menus(settings: Settings) -> Iterator[Finding]:
    try:
        loaded = menus.load_menus(settings)
    except SettingsError as error:
        for mistake in error.mistakes:
            yield Finding(level=Level.BAD, what=mistake, mend="careline ivr check")
        return
    yield _ok(f"The menus of {len(loaded.numbers)} numbers are sound.")
    texts = read_tables(menus.SHIPPED_PROMPTS)
    difference = compare(texts, read_manifest(menus.SHIPPED_PROMPTS), read_files(menus.SHIPPED_PROMPTS))
    if difference.clean:
        yield _ok(f"All {len(texts)} prompts are there, in both languages.")
    else:
        yield Finding(
            level=Level.WARN, what="Some prompts are missing or stale.", mend="careline prompts check"
        )


def _addresses(settings: Settings) -> Iterator[Finding]:
    switch = settings.telephony.switch
    for key, address in (
        ("telephony.switch.ami_host", switch.ami_host),
        ("telephony.switch.agi_host", switch.agi_host),
    ):
        if not is_loopback(address):
            yield Finding(
                level=Level.BAD, what=f"{key} = {address} is not loopback.", mend=f'{key} = "127.0.0.1"'
            )
    try:
        secrets = switch_secrets(switch, settings.data)
    except SecretsError as error:
        yield Finding(level=Level.BAD, what=str(error), mend="the file it names")
        return
    for key, secret, user in (
        ("telephony.switch.ami_events_secret", secrets.ami_events_secret, switch.ami_events_user),
        ("telephony.switch.ami_actions_secret", secrets.ami_actions_secret, switch.ami_actions_user),
        ("telephony.switch.agi_secret", secrets.agi_secret, ""),
    ):
        if is_weak(secret, user):
            yield Finding(
                level=Level.BAD,
                what=f"{key} can be guessed; the service refuses to sign in with it.",
                mend=f"remove {key} from the settings and Careline makes one",
            )
    etc = Layout(data=settings.data.absolute()).etc
    for name, look in (("manager.conf", look_at_manager), ("http.conf", look_at_http)):
        path = etc / name
        if path.exists():
            yield from look(path.read_text(encoding="utf-8"), str(path))
        else:
            yield Finding(
                level=Level.WARN, what=f"{name} has not been rendered yet.", mend="careline pbx render"
            )


async def _switch(settings: Settings) -> list[Finding]:
    """What the running switch says."""

    async def ignore(_what: object) -> None:
        return None

    try:
        secrets = switch_secrets(settings.telephony.switch, settings.data)
    except SecretsError:
        return []
    link = AsteriskLink(
        settings.telephony.switch,
        on_events=ignore,
        on_resync=ignore,
        on_alarm=lambda _alarm: None,
        wanted=(),
        events_secret=secrets.ami_events_secret,
        actions_secret=secrets.ami_actions_secret,
    )
    async with link:
        try:
            await asyncio.wait_for(link.wait_ready(), _PATIENCE)
        except TimeoutError:
            why = str(link.trouble or "no answer")
            return [Finding(level=Level.BAD, what=f"The switch is not ready: {why}", mend=_mend_switch(why))]
        findings = [_ok("Asterisk answers, with the rights it needs and no more.")]
        try:
            snapshot = await link.snapshot()
            findings[0] = _ok(f"Asterisk {snapshot.version} answers, started {snapshot.boot}.")
            findings.append(await _trunk(link, settings))
        except SwitchError as error:
            findings.append(Finding(level=Level.WARN, what=str(error), mend="careline pbx render"))
        return findings


def _mend_switch(why: str) -> str:
    """Start it where nothing answers; where something does, another Asterisk may have the port."""
    if "refused the manager user" in why:
        return "if it is not Careline's Asterisk: another telephony.switch.ami_port, or --config of the right one"
    return "careline pbx run"


async def _trunk(link: AsteriskLink, settings: Settings) -> Finding:
    """Whether the carrier answers OPTIONS. The device state tells it; PJSIPShowContacts needs the right `system`."""
    from asterisk.ami.action import SimpleAction

    trunk = settings.telephony.trunk
    reply = await link.act(SimpleAction("Getvar", Variable=f"DEVICE_STATE(PJSIP/{TRUNK})"))
    state = reply.keys.get("Value")
    if state == "UNAVAILABLE":
        return Finding(
            level=Level.WARN,
            what=f"The trunk {trunk.host}:{trunk.port} does not answer.",
            mend="telephony.trunk.host and telephony.trunk.port, or the carrier",
        )
    if state in ("", "INVALID", "UNKNOWN"):
        return Finding(
            level=Level.WARN, what="The switch knows no trunk.", mend="careline pbx render, then restart it"
        )
    return _ok(f"The trunk {trunk.host}:{trunk.port} answers.")
