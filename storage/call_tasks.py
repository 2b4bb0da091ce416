"""The reaction of the call log that makes and closes tasks: who was missed, left a message or asked to be called.

It runs in the transaction that stores the call, and being told the same again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from crm.options import TaskOptions
from crm.tasks.tasks import Caller, Task, TaskKind, can_be_called_back, is_missed
from storage.tables.calls import calls
from storage.tasks import close_by_call, get_task, note_caller
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind
from telephony.hours import NoWorkingTime, WorkingTime
from telephony.numbers import parse

#: A talk that matters began at most this long after its call.
_LONGEST_CALL: Final = timedelta(hours=4)


def _moment(text: object) -> datetime | None:
    """A moment from a fact's data, or None where it is none: a bad fact must not stop the call log."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


def _talks_since(connection: Connection, number: str, at: datetime) -> list[Call]:
    """Ended calls with a number in which somebody talked after `at`: missed calls may be heard of late."""
    rows = connection.execute(
        select(
            calls.c.id,
            calls.c.linkedid,
            calls.c.system,
            calls.c.direction,
            calls.c.started_at,
            calls.c.connected_at,
            calls.c.ended_at,
            calls.c.talk_seconds,
            calls.c.customer_id,
        ).where(
            calls.c.number == number,
            calls.c.started_at > at - _LONGEST_CALL,
            calls.c.connected_at > at,
            calls.c.ended_at.is_not(None),
        )
    ).mappings()
    return [
        Call(
            id=CallId(row["id"]),
            linkedid=row["linkedid"],
            system=row["system"],
            direction=Direction(row["direction"]),
            state=CallState.ENDED,
            started_at=row["started_at"],
            connected_at=row["connected_at"],
            ended_at=row["ended_at"],
            talk_seconds=row["talk_seconds"],
            number=number,
            customer_id=row["customer_id"],
        )
        for row in rows
    ]


class CallTasks:
    """Makes and closes tasks as calls end; `react_to_call` goes into the Journal's reactions."""

    def __init__(
        self,
        hours: WorkingTime,
        options: TaskOptions,
        *,
        promise: timedelta,
        country: str = "CN",
        area_code: str = "",
    ) -> None:
        """`promise` is the working time within which call-backs are promised; country and area code read numbers."""
        self._hours = hours
        self._options = options
        self._promise = promise
        self._country = country
        self._area_code = area_code

    def due(self, at: datetime, minutes: float) -> datetime:
        """A moment `minutes` of working time later; of plain time where the house never opens."""
        duration = timedelta(minutes=minutes)
        try:
            return self._hours.add_working(at, duration)
        except NoWorkingTime:
            return at + duration

    def promise(self, now: datetime) -> datetime:
        """The moment by which a call-back asked for now is promised."""
        return self.due(now, self._promise.total_seconds() / 60)

    def ask_callback(
        self,
        connection: Connection,
        *,
        call_id: str,
        number: str,
        now: datetime,
        queue: str | None = None,
        customer_id: str | None = None,
        promised_by: datetime | None = None,
    ) -> Task | None:
        """Register a call-back wish, durable with the transaction; once per call: the first promise stands.

        None where the number cannot be read: nothing is stored, and another number may be asked for.
        """
        wanted = parse(number, self._country, self._area_code)
        if wanted is None:
            return None
        promised = promised_by or self.promise(now)
        caller = Caller(
            kind=TaskKind.CALLBACK,
            call_id=call_id,
            at=now,
            due_at=promised,
            promised_by=promised,
            number=wanted,
            raw_number=number,
            queue=queue,
            customer_id=customer_id,
        )
        return get_task(connection, note_caller(connection, caller))

    def react_to_call(
        self, connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]
    ) -> None:
        """Journal reaction, in the transaction of the call: a wish makes a task at once, the end the rest.

        Ended unserved, a caller becomes one missed-call task; with a voicemail or a call-back wish that task
        says so. A talk closes what it settles.
        """
        for fact in facts:
            if fact.kind is FactKind.CALLBACK_ASKED:
                self._note(connection, TaskKind.CALLBACK, after, fact.at, fact)
            elif fact.kind is FactKind.VOICEMAIL_LEFT:
                self._note(connection, TaskKind.VOICEMAIL, after, fact.at, fact)
        if after.state is not CallState.ENDED:
            return
        ended = after.ended_at or after.started_at
        if after.outcome is Outcome.CALLBACK:
            self._note(connection, TaskKind.CALLBACK, after, ended, None)
        elif after.outcome is Outcome.VOICEMAIL:
            self._note(connection, TaskKind.VOICEMAIL, after, ended, None)
        elif is_missed(after, open_at_start=self._hours.is_open(after.started_at)) and can_be_called_back(
            after
        ):
            self._note(connection, TaskKind.MISSED_CALL, after, ended, None)
        close_by_call(connection, after, talked_seconds=self._options.talked_seconds)

    def _note(
        self, connection: Connection, kind: TaskKind, call: Call, at: datetime, fact: Fact | None
    ) -> None:
        number, raw_number = call.number, call.raw_number
        promised: datetime | None = None
        if kind is TaskKind.CALLBACK:
            wish = fact.data if fact is not None else {}
            if wanted := str(wish.get("number") or ""):
                number, raw_number = parse(wanted, self._country, self._area_code), wanted
            promised = _moment(wish.get("promised_by")) or self.promise(at)
            due = promised
        elif kind is TaskKind.VOICEMAIL:
            due = self.due(at, self._options.voicemail_minutes)
        else:
            due = self.due(at, self._options.missed_call_minutes)
        note_caller(
            connection,
            Caller(
                kind=kind,
                call_id=call.id,
                at=at,
                due_at=due,
                promised_by=promised,
                number=number,
                raw_number=raw_number,
                customer_id=call.customer_id,
                queue=call.queue,
            ),
        )
        if number is not None:
            for later in _talks_since(connection, number, at):
                close_by_call(connection, later, talked_seconds=self._options.talked_seconds)
