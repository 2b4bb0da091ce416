"""Secrets nobody has to invent: made once, kept in `<data>/secrets.json`, used where settings leave them empty."""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import tempfile
from pathlib import Path
from typing import Final

from telephony.asterisk.render import SwitchSecrets
from telephony.options import SwitchOptions

FILE: Final = "secrets.json"
_NAMES: Final = ("ami_events_secret", "ami_actions_secret", "agi_secret")


class SecretsError(Exception):
    """The secrets cannot be read or written; nothing was started. Says what to do."""

    error_id = "secrets-unusable"


def keep_secrets(data: Path) -> SwitchSecrets:
    """The secrets of this installation; made at the first call. The file is its owner's alone (0600).

    Raises SecretsError where the file is damaged or cannot be written: new ones are never made in place of
    lost ones, because the Asterisk that runs knows the old ones.
    """
    path = data / FILE
    if path.exists():
        return _read(path)
    values = {name: secrets.token_urlsafe(32) for name in _NAMES}
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=data, prefix=f".{FILE}.")  # 0600 by itself
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            return _read(path)  # another process was first; its secrets count
        finally:
            Path(temporary).unlink()
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "make room on its disk" if full else "make the data folder writable"
        raise SecretsError(f"{path} cannot be written: {error.strerror}; {mend}.") from error
    return SwitchSecrets(**values)


def switch_secrets(options: SwitchOptions, data: Path) -> SwitchSecrets:
    """What the settings say, and the kept secrets where they say nothing. Raises SecretsError."""
    said = {name: str(getattr(options, name)) for name in _NAMES}
    if all(said.values()):
        return SwitchSecrets(**said)
    kept = keep_secrets(data)
    return SwitchSecrets(**{name: said[name] or str(getattr(kept, name)) for name in _NAMES})


def warnings(data: Path) -> list[str]:
    """What is wrong with the file's mode, one sentence with the command that mends it; empty if nothing is."""
    path = data / FILE
    if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
        return [f"{path} can be read by others; it holds the switch's secrets: chmod 600 {path}"]
    return []


def _read(path: Path) -> SwitchSecrets:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return SwitchSecrets(**{name: str(values[name]) for name in _NAMES})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SecretsError(
            f"{path} is damaged or unreadable ({type(error).__name__}). Restore it from a backup, or remove it, "
            "run `careline pbx render` and restart Asterisk."
        ) from error
