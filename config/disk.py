"""The disks an installation writes to: nearly full ones, ones that are away, and room for the call log (R24).

Asterisk writes CEL, CDR and queue_log without asking whether the line got to the disk, and they are what the
call log is proved by. So blocks are allocated behind their ends ahead of time: recordings and whatever else
fills the disk cannot have them, and the next thousands of calls still find room. The files' sizes do not
change. The spool gets the same: without it a menu serves nobody while the database has no room either.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from telephony.asterisk import names

#: Share of a disk in use from which it is an alarm.
ALARM: Final = 0.9
#: Where facts wait while the database is away (storage/spool.py), as it is on a full disk.
SPOOL_FILE: Final = "facts.jsonl"
#: Bytes kept behind the end of each file; a call through menu and queue takes about 5 kB of CEL, 1 kB of the others.
RESERVED: Final[Mapping[str, int]] = {
    names.CEL_FILE: 16 << 20,
    names.CDR_FILE: 4 << 20,
    names.QUEUE_LOG_FILE: 4 << 20,
    SPOOL_FILE: 16 << 20,
}
#: Keep the size of the file as it is (fallocate(2), FALLOC_FL_KEEP_SIZE).
_KEEP_SIZE: Final = 1
#: What file systems answer that cannot do this: NFS before 4.2, some of FUSE.
_UNABLE: Final = (errno.EOPNOTSUPP, errno.ENOSYS)


def full_disks(folders: Sequence[Path]) -> list[str]:
    """A sentence for each disk of these folders that is nearly full; folders on one disk are one sentence."""
    said: dict[int, str] = {}
    for folder in folders:
        for there in (folder, *folder.absolute().parents):
            if there.exists():
                usage = shutil.disk_usage(there)
                share = 1 - usage.free / usage.total if usage.total else 0.0
                if share >= ALARM:
                    text = f"The disk of {folder} is {share:.0%} full; make room before recordings stop."
                    said.setdefault(there.stat().st_dev, text)
                break
    return list(said.values())


def why_away(folder: Path | int) -> str | None:
    """Why nothing can be said of the files of a folder for sound (a path or an open handle); None: it is there.

    One without anything in it, not even the mark it was made with, is a mount point without its disk.
    """
    try:
        with os.scandir(folder) as entries:
            return None if any(entries) else "the folder is empty: is its disk mounted?"
    except OSError as error:
        return f"folder: {error.strerror}"


def reserve(log_folder: Path, spool_folder: Path, sizes: Mapping[str, int] = RESERVED) -> Mapping[str, str]:
    """Keep room behind the end of the switch's files and of the spool; gives each without it, and why.

    Again is cheap and changes nothing. A file of the switch that is not there yet has none; the spool is made,
    for it comes and goes.
    """
    short: dict[str, str] = {}
    for name, size in sizes.items():
        spool = name == SPOOL_FILE
        path = (spool_folder if spool else log_folder) / name
        try:
            handle = os.open(path, os.O_WRONLY | (os.O_CREAT if spool else 0), 0o600)
        except FileNotFoundError:
            continue
        except OSError as error:
            short[name] = str(error.strerror)
            continue
        try:
            _allocate(handle, os.fstat(handle).st_size, size)
        except OSError as error:
            if error.errno not in _UNABLE:
                short[name] = str(error.strerror)
        finally:
            os.close(handle)
    return short


_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def _allocate(handle: int, start: int, size: int) -> None:
    """Blocks for `size` bytes from `start` on. Raises OSError."""
    if _fallocate(handle, _KEEP_SIZE, start, size):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
