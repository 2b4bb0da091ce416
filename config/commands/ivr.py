"""`careline ivr`: check flow files, and play a flow in the terminal with a case that can be replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

import typer

from config.menu_ports import HouseCalendar
from config.menus import QUEUE_EXIT, SHIPPED_PROMPTS, flows_folder, house, limits
from config.settings import Settings, SettingsError, load
from ivr.engine import Command, Finished, Say, Spoken, WaitKeys
from ivr.flow import Flow
from ivr.loader import FlowRefused, load_flow
from ivr.ports import Question, Reply
from ivr.prompts import PromptError, item, keys
from ivr.simulator import Case, CaseRefused, Stage, case_text, describe, play, promise_in, read_case, replay
from ivr.texts import read_tables
from telephony.hours import WorkingTime

app = typer.Typer(help="Menus: check the flow files, play one in the terminal.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]


@app.command()
def check(config: ConfigOption = None) -> None:
    """Read every flow file of the house; say all mistakes with file, line and what is allowed."""
    settings = _settings(config)
    here = house(settings)
    wrong = 0
    for path in sorted(flows_folder(settings).glob("*.yaml")):
        try:
            flow = load_flow(path, here, next(iter(here.queues)) if path.stem == QUEUE_EXIT else None)
        except FlowRefused as error:
            wrong += len(error.mistakes)
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{path.name}: {len(flow.nodes)} nodes, version {flow.version}")
    if wrong:
        typer.echo(f"{wrong} mistakes.", err=True)
        raise typer.Exit(1)


@app.command()
def simulate(
    flow: Annotated[str, typer.Argument(help="Name of a flow file, without .yaml.")],
    at: Annotated[str, typer.Option(help="When the call comes in, ISO 8601; default: now.")] = "",
    caller: Annotated[str, typer.Option(help="Calling number; empty is hidden.")] = "13812345678",
    queue: Annotated[str, typer.Option(help="For the flow `leaving`: the queue left.")] = "service",
    case: Annotated[Path | None, typer.Option(help="Replay this case and compare.")] = None,
    record: Annotated[Path | None, typer.Option(help="Write what was played as a case.")] = None,
    config: ConfigOption = None,
) -> None:
    """Play a flow: what is said appears as text; type keys, # ends them, Enter alone is silence, q hangs up."""
    settings = _settings(config)
    stage = _stage(settings, flow, queue)
    if case is not None:
        _replay(case, stage, record)
        return
    zone = ZoneInfo(settings.calendar.zone)
    try:
        moment = datetime.fromisoformat(at) if at else datetime.now(zone)
    except ValueError:
        _wrong_use(f"--at {at!r} is no time. Allowed: 2026-11-23T10:00 or with an offset, +08:00.")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    played = Case(case=f"{flow} by hand", flow=flow, time=moment, caller=caller)
    terminal = Terminal(_texts(settings))
    play(played, stage, terminal.press, terminal.tell)
    if record is not None:
        played = replace(played, inputs=tuple(terminal.pressed))
        record.write_text(case_text(replace(played, expect=tuple(replay(played, stage)))), encoding="utf-8")
        typer.echo(f"Written to {record}; play it again with --case {record}.")


class Terminal:
    """A person at a terminal as the caller."""

    def __init__(self, texts: Mapping[tuple[str, str], str]) -> None:
        self.pressed: list[str] = []
        self._texts = texts

    def press(self, wait: WaitKeys) -> str | None:
        """Ask for keys."""
        try:
            text: str = typer.prompt(
                f"keys ({wait.most})", default="", show_default=False, prompt_suffix="> "
            )
        except typer.Abort:
            return None
        if text.strip() == "q":
            return None
        self.pressed.append(text.strip())
        return text.strip()

    def tell(self, event: Command | WaitKeys | Question | Reply | Finished) -> None:
        """Show what happens; what is said as the words that would be heard."""
        if isinstance(event, Say):
            typer.secho(self._words(event.items), bold=True)
        elif not isinstance(event, WaitKeys):
            for line in describe(event):
                typer.secho(f"  {line}", dim=True)

    def _words(self, items: Sequence[Spoken]) -> str:
        found: list[str] = []
        for spoken in items:
            if spoken.kind == "sentence":
                names = [str(spoken.value)]
            else:
                try:
                    names = keys(spoken.language, [item(spoken.kind, spoken.value)])
                except PromptError as error:
                    names = [f"({error})"]
            words = [self._texts.get((spoken.language, name), f"<{name}>") for name in names]
            found.append((" " if spoken.language == "en" else "").join(words))
        return " ".join(found)


def _replay(path: Path, stage: Stage, record: Path | None) -> None:
    try:
        case = read_case(path.read_text(encoding="utf-8"), str(path))
    except (CaseRefused, OSError) as error:
        _wrong_use(str(error))
    heard = replay(case, stage)
    for line in heard:
        typer.echo(line)
    if record is not None:
        record.write_text(case_text(replace(case, expect=tuple(heard))), encoding="utf-8")
        typer.echo(f"Written to {record}.")
    elif tuple(heard) != case.expect:
        for expected in case.expect:
            if expected not in heard:
                typer.echo(f"expected, not seen: {expected}", err=True)
        typer.echo("The flow does not do what the case expects.", err=True)
        raise typer.Exit(1)


def _stage(settings: Settings, name: str, queue: str) -> Stage:
    working = WorkingTime.from_options(settings.calendar)
    return Stage(
        flow=_flow(settings, name, queue),
        limits=limits(settings),
        calendar=HouseCalendar(working, settings.calendar.zone),
        promise=promise_in(settings.telephony.callback.promise_minutes, working.add_working),
    )


def _flow(settings: Settings, name: str, queue: str) -> Flow:
    folder = flows_folder(settings)
    try:
        return load_flow(folder / f"{name}.yaml", house(settings), queue if name == QUEUE_EXIT else None)
    except FlowRefused as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError:
        there = ", ".join(sorted(path.stem for path in folder.glob("*.yaml")))
        _wrong_use(f"there is no flow {name!r}. Allowed: {there}.")


def _texts(settings: Settings) -> Mapping[tuple[str, str], str]:
    return {(text.language, text.key): text.text for text in read_tables(SHIPPED_PROMPTS)}


def _settings(config: Path | None) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        _wrong_use(str(error))


def _wrong_use(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(2)
