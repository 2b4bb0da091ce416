"""What watches cases while the service runs: reminders, escalations and days of plans, each committed once."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial

import structlog

from access.users import Language, Principal
from crm.cases.cases import Case
from storage import cases
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.hours import WorkingTime
from web.live import LiveEvents

log = structlog.get_logger(__name__)

#: Cases looked at in one transaction, and transactions of one tick.
_SHARE = 50
_SHARES = 100


class CaseTicks:
    """Looks at the cases that are due; costs what is due. It keeps nothing itself: what it said is in their trails."""

    def __init__(
        self, database: Database, clock: Clock, hours: WorkingTime, live: Callable[[], LiveEvents]
    ) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours
        self._live = live

    async def look(self, *, shares: int = _SHARES) -> None:
        """Say and do what is due by now."""
        try:
            for _ in range(shares):
                now = self._clock.now()
                if not await self._database.read(partial(cases.anything_due, now=now)):
                    return
                told = await self._database.write(
                    partial(cases.look, now=now, hours=self._hours, limit=_SHARE)
                )
                if told is None:
                    return
                for one in told:
                    for user_id in one.user_ids:
                        self.tell(user_id, one.case, one.notice.level.value)
                    log.info(
                        "a case's deadline was told",
                        action="case_told",
                        case=one.case.number,
                        level=one.notice.level.value,
                        people=len(one.user_ids),
                    )
        except StorageUnavailable as error:
            log.warning("cases not looked at now", action="cases_delayed", why=str(error))

    def tell(self, user_id: str, case: Case, what: str) -> None:
        """Tell the pages of one user that a case of his has moved, or is due; losing it costs freshness alone."""

        def render(_viewer: Principal, _language: Language) -> str:
            return json.dumps(
                {
                    "id": case.id,
                    "number": case.number,
                    "what": what,
                    "state": case.state.value,
                    "grade": case.grade.value,
                    "due_what": case.due_what.value if case.due_what else None,
                    "due_at": case.due_at.isoformat() if case.due_at else None,
                }
            )

        self._live().to_agent(user_id, "case", render)
