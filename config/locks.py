"""One Careline on a data folder: two on one spool would take each other's facts."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config.settings import SettingsError

#: Stays when the service ends; only the lock on it counts, and the kernel gives that back after any death.
LOCK_FILE = "careline.lock"


@contextmanager
def hold_folder(data: Path) -> Iterator[None]:
    """Hold the data folder until the end. Raises SettingsError where another process holds it, OSError."""
    with (data / LOCK_FILE).open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SettingsError(
                [
                    f"data = {data}: another Careline is running on this folder. Nothing was started. "
                    "Stop it, or give this one a folder of its own."
                ]
            ) from error
        yield
