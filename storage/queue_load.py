"""How many callers entered each queue of late: what the hotline's reserve of agents is worked out from."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select

from storage.tables.calls import calls
from telephony.calls import Direction


def callers_since(connection: Connection, since: datetime) -> dict[str, int]:
    """Callers who entered a queue since a moment, by the queue they were in last."""
    rows = connection.execute(
        select(calls.c.queue, func.count())
        .where(
            calls.c.started_at >= since,
            calls.c.direction == Direction.INBOUND.value,
            calls.c.queued_at.is_not(None),
        )
        .group_by(calls.c.queue)
    )
    return {str(queue): count for queue, count in rows if queue}
