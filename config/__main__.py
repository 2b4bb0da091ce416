"""The command line: `careline`."""

from __future__ import annotations

import importlib
from typing import Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

#: Name on the command line, module, and the name of its typer application or function there.
_COMMANDS: Final = {
    "run": ("config.commands.run", "run"),
    "pbx": ("config.commands.pbx", "app"),
    "ivr": ("config.commands.ivr", "app"),
    "prompts": ("config.commands.prompts", "app"),
    "user": ("config.commands.users", "user_app"),
    "token": ("config.commands.users", "token_app"),
    "recording": ("config.commands.recordings", "recording_app"),
    "voicemail": ("config.commands.recordings", "voicemail_app"),
    "audit": ("config.commands.audit", "audit_app"),
    "retention": ("config.commands.privacy", "retention"),
    "privacy": ("config.commands.privacy", "privacy_app"),
    "block": ("config.commands.blocks", "block_app"),
    "agent": ("config.commands.agents", "agent_app"),
    "call": ("config.commands.calls", "call_app"),
    "check": ("config.commands.check", "app"),
    "demo": ("config.commands.demo", "demo"),
    "migrate": ("config.commands.migrate", "migrate"),
    "import": ("config.commands.import_", "import_"),
    "export": ("config.commands.export", "export"),
    "backup": ("config.commands.backup", "backup"),
    "restore": ("config.commands.backup", "restore"),
}


class _Commands(TyperGroup):
    """Commands that are brought in when they are asked for: a start of one does not wait for all others."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(_COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> Any:  # type: ignore[override]
        if cmd_name not in _COMMANDS:
            self.commands = {
                name: self.get_command(ctx, name) for name in _COMMANDS
            }  # one of them is suggested
            return None
        module, attribute = _COMMANDS[cmd_name]
        found = getattr(importlib.import_module(module), attribute)
        around = typer.Typer(callback=careline, add_completion=False, pretty_exceptions_enable=False)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=cmd_name)
        else:
            around.command(cmd_name)(found)
        return get_group(around).commands[cmd_name]


app = typer.Typer(cls=_Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def careline() -> None:
    """Careline: the telephone system of a customer-relations department."""


def main() -> None:
    """Entry point of the console command. Exit codes: 0 done, 1 the work failed, 2 wrong use or settings."""
    app()


if __name__ == "__main__":
    main()
