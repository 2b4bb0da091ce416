"""`careline run` that is killed (SIGKILL) at a named arrow of the dialing protocol (docs/dialing.md).

python -m bench._crash_service run --config FILE; CARELINE_CRASH is "ARROW:N", the Nth time the arrow is reached, or
nothing. The service is the real one: functions of it are wrapped from here, and its long waits are short, so that a run
takes seconds. Nothing of this is in the product.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

from campaigns import dialer, retries
from config import dialing
from config.__main__ import app
from config.schedule import Ticks
from config.service import Service
from storage import attempts
from telephony import reconciliation
from telephony.asterisk.ami import AmiSession

#: In the order an attempt passes them.
ARROWS: Final = (
    "claimed",  # the attempt is committed, its call is not
    "opened",  # the call is committed, nothing is sent
    "sent",  # the order's bytes are out, no answer was read
    "submitted",  # the answer was read, and nothing was written of it
    "ringing",
    "answered",
    "hung_up",  # the call is over, and nothing was written of it
    "settling",  # inside the transaction that stores the end
)
#: Seconds in place of a minute.
BRIEF: Final = 2.0


class Crash:
    """Counts an arrow, and kills this process when its turn has come."""

    def __init__(self, wanted: str) -> None:
        self._arrow, _, count = wanted.partition(":")
        self._left = int(count or 1)

    def at(self, arrow: str) -> None:
        """The protocol is at this arrow."""
        if arrow != self._arrow:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def wrap(crash: Crash) -> None:
    """Have the service pass every arrow through `crash`."""
    book: Any = dialing.DialBook
    service: Any = Service
    session: Any = AmiSession
    store: Any = attempts
    line: Any = dialing.DialLine
    claim, opened, take, send, settle, call_out = (
        book.claim,
        book.open_calls,
        service._take_events,
        session.send,
        store.settle,
        line.call_out,
    )

    async def claiming(self: Any, *given: Any) -> Any:
        found = await claim(self, *given)
        if found:
            crash.at("claimed")
        return found

    async def opening(self: Any, claimed: Any) -> None:
        await opened(self, claimed)
        crash.at("opened")

    def sending(self: Any, pack: Any) -> None:
        send(self, pack)
        if pack.name == "Originate":
            crash.at("sent")

    async def calling(self: Any, out: Any) -> None:
        await call_out(self, out)
        crash.at("submitted")

    async def taking(self: Any, events: Sequence[Any]) -> None:
        for event in events:
            if event.name == "DialState":
                crash.at("ringing")
            elif event.name == "Newstate" and event.get("ChannelState") == "6":
                crash.at("answered")
            elif event.name == "Hangup":
                crash.at("hung_up")
        await take(self, events)

    def settling(connection: Any, before: Any, after: Any, now: Any) -> None:
        settle(connection, before, after, now)
        if not after.is_open:
            crash.at("settling")

    book.claim, book.open_calls, service._take_events = claiming, opening, taking
    session.send, store.settle, line.call_out = sending, settling, calling


def hurry() -> None:
    """Seconds in place of minutes, so that a run is short."""
    brief = timedelta(seconds=BRIEF)
    waits: Any = (reconciliation, dialer, dialing, retries)
    waits[0].PATIENCE = brief
    waits[1].ORPHAN_AFTER = waits[2].ORPHAN_AFTER = brief
    waits[1].LEASE = brief / 2
    waits[3].SENT_AGAIN_AFTER = brief / 4
    every = Ticks.every

    def sooner(self: Ticks, seconds: float, name: str, work: Any) -> None:
        every(self, min(seconds, 1.0), name, work)

    ticks: Any = Ticks
    ticks.every = sooner


if __name__ == "__main__":
    hurry()
    wrap(Crash(os.environ.get("CARELINE_CRASH", "")))
    app()
