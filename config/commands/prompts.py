"""`careline prompts`: render, check, say and import the sounds of the hotline."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from config.settings import Settings, SettingsError, load
from ivr.rendering import RenderingError, import_recording, render, say, write_sound
from ivr.sounds import SoundError
from ivr.texts import Text, TextTableError, compare, read_files, read_manifest, read_tables, write_manifest

SHIPPED = Path(__file__).resolve().parent.parent / "prompts"
TOOL = SHIPPED.parent.parent / "tools" / "render_prompts.py"

app = typer.Typer(help="Sounds of the hotline: render, check, say, import.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]


@app.command()
def make(
    language: Annotated[str, typer.Option(help="Only this language.")] = "",
    only: Annotated[str, typer.Option(help="Only keys that start so.")] = "",
    again: Annotated[bool, typer.Option(help="Also what has not changed.")] = False,
    python: Annotated[
        Path, typer.Option(help="Python of the engines' own environment (docs/prompts.md).")
    ] = Path(".cache/prompt-engines/bin/python"),
    folder: Annotated[Path, typer.Option(help="Folder of the text tables.")] = SHIPPED,
) -> None:
    """Render the shipped text tables: only what is missing or has changed."""
    try:
        texts = read_tables(folder)
        difference = compare(texts, read_manifest(folder), read_files(folder))
        due = {*difference.missing, *difference.stale, *difference.altered}
        wanted = [
            text
            for text in texts
            if (again or text.name in due) and language in ("", text.language) and text.key.startswith(only)
        ]
        if not TOOL.exists() and any(not text.silence_ms for text in wanted):
            raise RenderingError(f"{TOOL.name} is not here: render from a source tree (docs/prompts.md).")
        typer.echo(f"{len(wanted)} of {len(texts)} sounds to render.")
        began, done = time.monotonic(), 0

        def told(text: Text, error: str) -> None:
            nonlocal done
            done += 1
            if error:
                typer.echo(f"{text.name}: {error}", err=True)
            elif done % 25 == 0:
                typer.echo(f"{done} of {len(wanted)}, {time.monotonic() - began:.0f} s")

        failed = render(wanted, folder=folder, engine=[str(python), str(TOOL)], told=told)
        if not language and not only:
            for name in difference.orphaned:
                (folder / f"{name}.ulaw").unlink()
                typer.echo(f"{name}: removed, no table names it.")
            forget(folder)
    except (TextTableError, RenderingError) as error:
        _fail(error)
    typer.echo(f"{done - failed} rendered, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def forget(folder: Path) -> None:
    """Drop manifest lines of sounds that are gone."""
    files = read_files(folder)
    write_manifest(folder, {name: row for name, row in read_manifest(folder).items() if name in files})


@app.command()
def check(
    folder: Annotated[Path, typer.Option(help="Folder of the text tables.")] = SHIPPED,
) -> None:
    """List sounds that are missing, older than their text, altered, or named by no table."""
    try:
        difference = compare(read_tables(folder), read_manifest(folder), read_files(folder))
    except TextTableError as error:
        _fail(error)
    for word in ("missing", "stale", "altered", "orphaned"):
        for name in getattr(difference, word):
            typer.echo(f"{word}: {name}")
    if not difference.clean:
        typer.echo("Render them with `careline prompts make`.", err=True)
        raise typer.Exit(1)
    typer.echo("All sounds are there and match their texts.")


@app.command("say")
def say_text(
    text: Annotated[str, typer.Option(help="The words.")],
    language: Annotated[str, typer.Option(help="zh-CN or en.")],
    key: Annotated[str, typer.Option(help="Keep it in the house's folder under this key.")] = "",
    output: Annotated[Path | None, typer.Option(help="Write it to this .ulaw file instead.")] = None,
    voice: Annotated[str, typer.Option(help="Instead of the voice in the settings.")] = "",
    config: ConfigOption = None,
) -> None:
    """Speak a house's own words by ivr.speech_command; the same words are spoken only once."""
    settings = _settings(config)
    if bool(key) == (output is not None):
        typer.echo("Give either --key or --output.", err=True)
        raise typer.Exit(2)
    try:
        data = say(
            text,
            language=language,
            voice=voice or settings.ivr.speech_voices.get(language, ""),
            command=settings.ivr.speech_command,
            cache=settings.data / "prompts",
            seconds=settings.ivr.speech_seconds,
        )
        if output is not None:
            output.write_bytes(data)
            path = output
        else:
            path = write_sound(_house(settings), language, key, data)
    except (RenderingError, SoundError) as error:
        _fail(error)
    typer.echo(f"{path}: {len(data) / 8000:.1f} s")


@app.command("import")
def import_wav(
    file: Annotated[Path, typer.Argument(help="WAV, PCM 16 bits, 8 to 48 kHz, mono or stereo.")],
    key: Annotated[str, typer.Option(help="Which sound it replaces, such as welcome or number/5.")],
    language: Annotated[str, typer.Option(help="zh-CN or en.")],
    config: ConfigOption = None,
) -> None:
    """Put a house's own recording in the place of a shipped sound."""
    settings = _settings(config)
    house = _house(settings)
    try:
        data = file.read_bytes()
    except OSError as error:
        typer.echo(f"{file}: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    try:
        path = import_recording(data, house=house, language=language, key=key)
    except (RenderingError, SoundError) as error:
        _fail(error)
    typer.echo(f"{path}: {path.stat().st_size / 8000:.1f} s; used from the next start of the service on.")


def _settings(config: Path | None) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error


def _house(settings: Settings) -> Path:
    if not settings.ivr.prompts:
        typer.echo("No folder for the house's recordings is set; set ivr.prompts.", err=True)
        raise typer.Exit(2)
    return Path(settings.ivr.prompts)


def _fail(error: TextTableError | RenderingError | SoundError) -> NoReturn:
    typer.echo(f"{error.error_id}: {error}", err=True)
    raise typer.Exit(1)
