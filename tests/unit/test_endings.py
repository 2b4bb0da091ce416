"""R41: what ended the service is told apart: an address, a right, a full disk, or something else."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from config.endings import explain
from config.settings import Settings

SETTINGS = Settings.model_validate({"web": {"port": 18080}})


def bind(number: int, port: int) -> OSError:
    """As asyncio and uvloop say it."""
    words = os.strerror(number).lower()
    return OSError(number, f"error while attempting to bind on address ('127.0.0.1', {port}): {words}")


def of_file(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/srv/careline/data/careline.lock")


@pytest.mark.parametrize(
    ("error", "error_id", "code", "words"),
    [
        (bind(errno.EADDRINUSE, 18080), "address-taken", 2, "web.host/web.port = 127.0.0.1:18080"),
        (bind(errno.EADDRINUSE, 4573), "address-taken", 2, "telephony.switch.agi_host/agi_port"),
        (bind(errno.EADDRNOTAVAIL, 18080), "address-not-ours", 2, "web.host/web.port"),
        (socket.gaierror(-2, "Name or service not known"), "address-not-ours", 2, "web.host"),
        (bind(errno.EACCES, 18080), "port-not-allowed", 2, "web.host/web.port"),
        (of_file(errno.EACCES), "no-permission", 1, "chown"),
        (of_file(errno.EPERM), "no-permission", 1, "/srv/careline/data/careline.lock"),
        (of_file(errno.EROFS), "no-permission", 1, "read-only"),
        (of_file(errno.ENOSPC), "disk-full", 1, "Make room"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full", 1, "No space left"),
        (of_file(errno.EDQUOT), "disk-full", 1, "Make room"),
        (of_file(errno.EMFILE), "too-many-files", 1, "LimitNOFILE"),
        (of_file(errno.EIO), "system-error", 1, "Input/output error"),
        (TimeoutError(), "system-error", 1, "TimeoutError"),
    ],
)
def test_each_trouble_has_its_own_words(error: OSError, error_id: str, code: int, words: str) -> None:
    found = explain(error, SETTINGS)
    assert (found.error_id, found.code) == (error_id, code)
    assert words in str(found)
    assert str(found).endswith(f"({error_id})")
    if error_id != "address-taken":
        assert "Another program" not in str(found)
