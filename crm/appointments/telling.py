"""When customers are told: a reminder on the working day before, within working time."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from telephony.hours import WorkingTime

#: A reminder is for the day before, or the last working day of that many.
_LOOK_BACK_DAYS = 14


def reminder_at(starts_at: datetime, now: datetime, remind_at: time, hours: WorkingTime) -> datetime | None:
    """When the customer is reminded; None where the appointment is made too late for it."""
    when = hours.date_of(starts_at)
    for back in range(1, _LOOK_BACK_DAYS + 1):
        day = when - timedelta(days=back)
        if not hours.is_working_day(day):
            continue
        at = datetime.combine(day, remind_at).replace(tzinfo=hours.zone).astimezone(UTC)
        for opens, closes in hours.intervals(day):
            if at < closes:
                at = max(at, opens)
                break
        else:
            at = hours.intervals(day)[0][0]
        return at if at > now else None
    return None


def list_days(today_after: datetime, hours: WorkingTime, count: int = 2) -> list[str]:
    """The next working days after this moment's date, as ISO dates."""
    day = hours.date_of(today_after)
    found = []
    for _ in range(count):
        day = hours.next_working_day(day)
        found.append(day.isoformat())
    return found
