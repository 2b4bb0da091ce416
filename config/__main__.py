"""The command line: `careline`."""

from __future__ import annotations

import importlib

import typer

from config.commands.run import run

app = typer.Typer(
    help="Careline: the telephone system of a customer-relations department.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run)

#: Name on the command line, module, and the name of its typer application or function there.
_GROUPS = (
    ("pbx", "config.commands.pbx", "app"),
    ("ivr", "config.commands.ivr", "app"),
    ("prompts", "config.commands.prompts", "app"),
    ("user", "config.commands.users", "user_app"),
    ("token", "config.commands.users", "token_app"),
    ("recording", "config.commands.recordings", "recording_app"),
    ("voicemail", "config.commands.recordings", "voicemail_app"),
    ("block", "config.commands.blocks", "block_app"),
    ("agent", "config.commands.agents", "agent_app"),
    ("call", "config.commands.calls", "call_app"),
    ("check", "config.commands.check", "app"),
    ("demo", "config.commands.demo", "demo"),
    ("migrate", "config.commands.migrate", "migrate"),
    ("backup", "config.commands.backup", "backup"),
    ("restore", "config.commands.backup", "restore"),
)

for _name, _module, _attribute in _GROUPS:
    _found = getattr(importlib.import_module(_module), _attribute)
    if isinstance(_found, typer.Typer):
        app.add_typer(_found, name=_name)
    else:
        app.command(_name)(_found)


def main() -> None:
    """Entry point of the console command. Exit codes: 0 done, 1 the work failed, 2 wrong use or settings."""
    app()


if __name__ == "__main__":
    main()
