"""An agent's day: its figures, and the rows behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.permissions import Permission
from access.users import Principal
from crm.workday import DayJournal, MissedRing, by_hour, seconds_in, stays
from storage import agent_numbers, agents
from storage.call_lists import several_calls
from storage.database import Database
from telephony.agents import AgentState
from telephony.calls import Direction
from telephony.desk import NoSuchAgent
from web.ports.desk import HourNumbers, MyNumbers


def bounds(day: date | None, now: datetime, zone: ZoneInfo) -> tuple[date, datetime, datetime]:
    """A day of the house, None for today, with when it begins and when the next one does."""
    day = day or now.astimezone(zone).date()
    begins, ends = (
        datetime.combine(one, time(), zone).astimezone(UTC) for one in (day, day + timedelta(days=1))
    )
    return day, begins, ends


async def journal(
    database: Database, viewer: Principal, user_id: str, *, day: date | None, now: datetime, zone: ZoneInfo
) -> DayJournal:
    """In which states somebody was on a day of the house, and which rings he missed. Raises NoSuchAgent.

    Others' days are for those who may act for others; a call is shown as the viewer may see it.
    """
    if user_id != viewer.user_id and not viewer.may(Permission.DESK_OTHERS):
        raise NoSuchAgent("There is no such agent.")
    day, since, until = bounds(day, now, zone)

    def work(connection: Connection) -> DayJournal:
        agent = agents.get(connection, user_id)
        if agent is None:
            raise NoSuchAgent("There is no such agent.")
        changes = agent_numbers.changes(connection, user_id, since, until)
        rings = agent_numbers.rings_missed(changes, since)
        calls = several_calls(connection, viewer, [call_id for _at, call_id in rings if call_id])
        moves = [(one.at, one.state) for one in changes]
        ends = max(since, min(until, now))
        return DayJournal(
            user_id=user_id,
            name=agent.name,
            day=day,
            stays=stays([(one.at, one.state, one.reason) for one in changes], since, ends, now=now),
            missed=[MissedRing(at=at, call=calls.get(call_id or "")) for at, call_id in rings],
            seconds=seconds_in(moves, since, ends),
        )

    return await database.read(work)


def day_of(
    talked: Sequence[agent_numbers.TalkedCall],
    changes: Sequence[agent_numbers.Change],
    *,
    day: date,
    since: datetime,
    until: datetime,
) -> MyNumbers:
    """A day's figures (docs/desk.md says what each means). Wrap-up is shared among directions by calls."""
    moves = [(one.at, one.state) for one in changes]
    spent = seconds_in(moves, since, until)
    wrapups = by_hour(moves, AgentState.WRAP_UP, since, until)
    hours: dict[datetime, HourNumbers] = {}

    def hour(at: datetime) -> HourNumbers:
        begins = since + timedelta(hours=(at - since) // timedelta(hours=1))
        return hours.setdefault(begins, HourNumbers(begins=begins))

    for call in talked:
        at = hour(call.started_at)
        hours[at.begins] = replace(at, calls=at.calls + 1, talk_seconds=at.talk_seconds + call.talk_seconds)
    for begins, seconds in wrapups.items():
        hours[begins] = replace(hour(begins), wrapup_seconds=seconds)
    wrapup = spent[AgentState.WRAP_UP]
    handled: dict[bool, float | None] = {}
    counts = {}
    for inbound in (True, False):
        some = [call for call in talked if (call.direction is not Direction.OUTBOUND) is inbound]
        counts[inbound] = len(some)
        busy = sum(call.talk_seconds + call.hold_seconds for call in some)
        handled[inbound] = (busy / len(some) + wrapup / len(talked)) if some else None
    signs = [one for one in changes if one.at >= since]
    return MyNumbers(
        day=day,
        inbound=counts[True],
        outbound=counts[False],
        missed=len(agent_numbers.rings_missed(changes, since)),
        talk_seconds=sum(call.talk_seconds for call in talked),
        hold_seconds=sum(call.hold_seconds for call in talked),
        wrapup_seconds=wrapup,
        handle_seconds_inbound=handled[True],
        handle_seconds_outbound=handled[False],
        signed_in_seconds=sum(spent.values()) - spent[AgentState.SIGNED_OUT],
        ready_seconds=spent[AgentState.READY] + spent[AgentState.RESERVED],
        paused_seconds=spent[AgentState.PAUSED],
        first_sign_in=next((one.at for one in signs if one.event == "sign_in"), None),
        last_sign_out=next((one.at for one in reversed(signs) if one.event == "sign_out"), None),
        by_hour=[hours[begins] for begins in sorted(hours)],
    )
