"""Secrets that a page shows once: kept in memory from the form to the page it leads to, and never again."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

#: The page follows its form at once; what was not fetched by then is gone, and a new secret must be made.
_KEPT: Final = timedelta(minutes=2)
_MOST: Final = 200


class ShownOnce:
    """One secret for each session and thing. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], tuple[str, datetime]] = OrderedDict()

    def keep(self, session_id: str, about: str, secret: str, now: datetime) -> None:
        """Keep a secret for the next page of this session about this thing."""
        self._kept[session_id, about] = (secret, now)
        self._kept.move_to_end((session_id, about))
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)

    def take(self, session_id: str, about: str, now: datetime) -> str:
        """The secret, this one time; empty where there is none."""
        secret, at = self._kept.pop((session_id, about), ("", now))
        return secret if now - at <= _KEPT else ""


SHOWN_ONCE: web.AppKey[ShownOnce] = web.AppKey("shown_once", ShownOnce)
