"""The house's working time as the menus ask for it."""

from __future__ import annotations

from datetime import datetime

from ivr.ports import Working
from telephony.hours import WorkingTime


class HouseCalendar:
    """`ivr.ports.Calendar` over the working-time engine."""

    def __init__(self, working: WorkingTime) -> None:
        self._working = working

    def at_work(self, now: datetime) -> Working:
        """Whether somebody is at work, why not, and when again."""
        found = self._working.state_at(now)
        return Working(desk=found.state, opens_at=None if found.is_open else found.next_open)
