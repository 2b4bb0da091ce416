"""What the parts of `web.ports.reports.Reports` share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.links.links import LinkKind
from crm.reports.options import ReportOptions
from crm.reports.rows import day_bounds
from storage import (
    links,
)
from storage.database import Database
from telephony.hours import WorkingTime
from web.ports.reports import (
    PrivateLink,
)

#: Whoever drafts by itself: it sees what the house sees.
HOUSE: Final = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Careline")


class Book:
    """What the parts of the report book share: the database, the house's days, private links."""

    def __init__(
        self,
        database: Database,
        hours: WorkingTime,
        options: ReportOptions,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._hours = hours
        self._options = options
        self._now = now
        self._zone = hours.zone

    def bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        """When the first day begins and the last one is over, at the house."""
        return day_bounds(first, last, self._zone)

    def today(self, now: datetime) -> date:
        """The house's day."""
        return now.astimezone(self._zone).date()

    def _link(
        self,
        connection: Connection,
        kind: LinkKind,
        subject: str,
        audience: str,
        viewer: Principal,
        now: datetime,
    ) -> PrivateLink:
        links.revoke_links(connection, kind, subject, now)
        link, secret, pin = links.make_link(
            connection,
            kind,
            subject,
            audience=audience or "-",
            now=now,
            expires_at=now + timedelta(days=self._options.link_days),
            by=viewer.user_id,
            with_pin=True,
        )
        return PrivateLink(path=f"/l/{kind.value}/{secret}", pin=pin, expires_at=link.expires_at)
