"""Which channels the switch has, kept in memory from its own events; asked once for each FastAGI opening (S04)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from telephony.facts import Fact, FactKind
from telephony.ports import Channel, SwitchError

#: Seconds an opening may come before the event that tells of its channel.
_AHEAD: Final = 0.3


class LivingChannels:
    """Ids of the channels that live (`ivr.asterisk.server.LiveChannels`).

    An ordinary call costs one look into a set. An id nobody told of is waited for, then the switch itself is
    asked; only its own no refuses. Where the link is down nobody is refused: that is counted in `unsure`.
    """

    def __init__(
        self,
        in_sync: Callable[[], bool],
        ask: Callable[[], Awaitable[Sequence[Channel]]],
        *,
        ahead_seconds: float = _AHEAD,
    ) -> None:
        """`in_sync`: the events are complete; `ask` lists the channels and raises SwitchError."""
        self._in_sync = in_sync
        self._ask = ask
        self._ahead = ahead_seconds
        self._alive: set[str] = set()
        self._awaited: dict[str, asyncio.Future[None]] = {}
        #: Openings let in although nobody could say whether their channel lives.
        self.unsure = 0
        #: Openings for which the switch had to be asked.
        self.asked = 0

    def __len__(self) -> int:
        return len(self._alive)

    def follow(self, facts: Iterable[Fact]) -> None:
        """Take what the switch's events say, in order."""
        for fact in facts:
            if fact.kind is FactKind.LEG_STARTED:
                self._alive.add(fact.uniqueid)
                if self._awaited and (awaited := self._awaited.pop(fact.uniqueid, None)) is not None:
                    awaited.set_result(None)
            elif fact.kind is FactKind.LEG_ENDED:
                self._alive.discard(fact.uniqueid)

    def begin(self, channels: Iterable[Channel]) -> None:
        """Start anew from what the switch lists; what it told while it was asked is followed afterwards."""
        self._alive = {channel.uniqueid for channel in channels}

    async def is_live(self, uniqueid: str) -> bool:
        """Whether the channel lives, or may: never no where the switch cannot be asked."""
        if uniqueid in self._alive:
            return True
        if self._in_sync():
            awaited = self._awaited.get(uniqueid)
            if awaited is None:
                awaited = self._awaited[uniqueid] = asyncio.get_running_loop().create_future()
            await asyncio.wait({awaited}, timeout=self._ahead)
            if awaited.done():
                return True
            self._awaited.pop(uniqueid, None)
            if self._in_sync():
                self.asked += 1
                try:
                    return any(channel.uniqueid == uniqueid for channel in await self._ask())
                except SwitchError:
                    pass
        self.unsure += 1
        return True
