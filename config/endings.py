"""Why `careline run` ended on an error of the system, told apart and with what to do next."""

from __future__ import annotations

import errno
import os
import pwd
import socket
from dataclasses import dataclass
from typing import Final

from config.settings import Settings

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_RIGHTS: Final = (errno.EACCES, errno.EPERM, errno.EROFS)
_FILES: Final = (errno.EMFILE, errno.ENFILE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """What to print and leave with: 2 where a setting is wrong, 1 otherwise."""

    error_id: str
    text: str
    code: int = 1

    def __str__(self) -> str:
        return f"{self.text} ({self.error_id})"


def explain(error: OSError, settings: Settings) -> Ending:
    """Which trouble this is.

    | error_id | what |
    |---|---|
    | address-taken | another program listens there |
    | address-not-ours | no such address on this machine |
    | port-not-allowed | a port below 1024 without the right to it |
    | disk-full | no room, or the user's share is used up |
    | no-permission | a file or folder that this user may not use |
    | too-many-files | the limit of open files |
    | system-error | anything else, in the system's words |
    """
    said = _said(error)
    address = _address(error, settings)
    if error.errno == errno.EADDRINUSE:
        return Ending(
            error_id="address-taken",
            text=f"Another program listens there: {address or said}. Stop it or change the key; "
            "allowed are free ports from 1 to 65535.",
            code=2,
        )
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return Ending(
            error_id="address-not-ours",
            text=f"This machine has no such address: {address or said}. Change the host; 127.0.0.1 is this "
            "machine alone, 0.0.0.0 all its addresses.",
            code=2,
        )
    if error.errno in _RIGHTS and not error.filename and address:
        return Ending(
            error_id="port-not-allowed",
            text=f"The system does not let {_user()} listen there: {address}. Take a port from 1024 on, or give "
            "the unit AmbientCapabilities=CAP_NET_BIND_SERVICE.",
            code=2,
        )
    if error.errno in _FULL:
        return Ending(
            error_id="disk-full",
            text=f"There is no room left: {said}. What was stored before is kept. Make room (data = "
            f"{settings.data}; look at recordings, logs and old backups) and start again.",
        )
    if error.errno in _RIGHTS:
        what = "mounted read-only" if error.errno == errno.EROFS else f"not open to {_user()}"
        return Ending(
            error_id="no-permission",
            text=f"A file or folder is {what}: {said}. Nothing was changed. Give the data folder to the user "
            f"who runs Careline: chown -R {_user()} {settings.data}",
        )
    if error.errno in _FILES:
        return Ending(
            error_id="too-many-files",
            text=f"The limit of open files is reached: {said}. What was stored is kept. Raise LimitNOFILE in the "
            "unit, or `ulimit -n`.",
        )
    return Ending(
        error_id="system-error",
        text=f"The system refused something Careline needs: {said}. What was stored is kept; "
        "`careline check` looks at the installation.",
    )


def _said(error: OSError) -> str:
    """The system's words, and the file where there is one."""
    words = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {words}" if error.filename else words


def _address(error: OSError, settings: Settings) -> str:
    """The keys that name the address of a listener that failed; empty where it was none."""
    if error.filename:
        return ""
    switch, web = settings.telephony.switch, settings.web
    wanted = {
        f"web.host/web.port = {web.host}:{web.port} (pages)": (web.host, web.port),
        f"telephony.switch.agi_host/agi_port = {switch.agi_host}:{switch.agi_port} (menus)": (
            switch.agi_host,
            switch.agi_port,
        ),
    }
    # asyncio's and uvloop's words: error while attempting to bind on address ('127.0.0.1', 8080): …
    named = [
        keys for keys, (_, port) in wanted.items() if f", {port})" in str(error) or f", {port}," in str(error)
    ]
    if named:
        return named[0]
    if isinstance(error, socket.gaierror):
        return " or ".join(wanted)
    return ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"user {os.geteuid()}"
