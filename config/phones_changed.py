"""A file whose time says that a phone's secret changed, so that Asterisk's files are rendered at once.

The service writes the secret into the database; another process (`careline pbx run`) renders. It looks into
the database every few seconds anyway; this file, where both share a data folder, saves an agent that wait.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FILE: Final = "phones.changed"


def tell(data: Path) -> None:
    """A secret changed. A folder that cannot be written costs seconds, nothing else."""
    try:
        (data / _FILE).touch(mode=0o600)
    except OSError:
        return


def stamp(data: Path) -> int:
    """Differs from an earlier one where `tell` was called in between."""
    try:
        return (data / _FILE).stat().st_mtime_ns
    except OSError:
        return 0
