"""FastAGI callers without a switch: they open as the dialplan does, press a key at each menu, and hang up.

For figures of the service alone. Times of commands are theirs, so read them as an order of magnitude.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from ivr.asterisk.protocol import digest_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Opened:
    """One caller's ids and number."""

    uniqueid: str
    caller: str
    called: str


def opening(call: Opened, secret: str, epoch: int) -> bytes:
    """What Asterisk 22 sends first, signed."""
    values = {
        "network": "yes",
        "network_script": "ivr",
        "request": "agi://127.0.0.1/ivr",
        "channel": "PJSIP/careline-trunk-0000000a",
        "language": "en",
        "type": "PJSIP",
        "uniqueid": call.uniqueid,
        "version": "22.10.1",
        "callerid": call.caller,
        "calleridname": "unknown",
        "callingpres": "0",
        "callingani2": "0",
        "callington": "0",
        "callingtns": "0",
        "dnid": call.called,
        "rdnis": "unknown",
        "context": "careline-inbound",
        "extension": call.called,
        "priority": "14",
        "enhanced": "0.0",
        "accountcode": "",
        "threadid": "140000000000000",
        "arg_1": call.uniqueid,
        "arg_2": str(epoch),
        "arg_3": digest_of(secret, call.uniqueid, epoch),
        "arg_4": call.called,
    }
    return "".join(f"agi_{name}: {value}\n" for name, value in values.items()).encode() + b"\n"


async def converse(port: int, call: Opened, secret: str, *, think: float) -> int:
    """One call to its end; gives how many commands the service sent (0: it closed at once)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    commands = 0
    try:
        writer.write(opening(call, secret, int(time.time())))
        while line := await reader.readline():
            commands += 1
            if line.startswith(b"GET DATA"):
                await asyncio.sleep(think)
                writer.write(b"200 result=1\n")
            else:
                writer.write(b"200 result=0\n")
    except ConnectionResetError:
        pass  # the service does not wait for the result of its last command
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
    return commands
