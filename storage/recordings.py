"""Recordings and voicemail: rows made in the same transaction as the call, retention and legal hold.

What is past its time is `deleting` (committed) before its file goes, and `deleted` after: whatever dies in
between, a row still names the file, and the next run goes on with it.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, case, exists, insert, not_, select, update

from access.ids import new_id
from storage.tables.calls import calls
from storage.tables.privacy import holds
from storage.tables.telephony import recording_gaps, recordings, voicemails
from telephony.calls import Call, CallState
from telephony.facts import Fact, FactKind
from telephony.recordings import Recording, RecordingState, Voicemail, VoicemailState

#: Begins `why` of a file that could not be deleted.
NOT_DELETED: Final = "not-deleted: "


def _file(fact: Fact) -> str:
    """Only the last part of the name: a fact can never lead outside the folder."""
    return PurePath(str(fact.data.get("file", "")).replace("\\", "/")).name[:128]


def react_to_recording(
    connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]
) -> None:
    """Reaction of the journal: recordings, their gaps and voicemail get their rows with the call."""
    for fact in facts:
        match fact.kind:
            case FactKind.RECORDING_STARTED:
                _start(connection, after, fact)
            case FactKind.RECORDING_FAILED:
                _fail(connection, after, fact)
            case FactKind.RECORDING_PAUSED:
                _open_gap(connection, after, fact.at)
            case FactKind.RECORDING_RESUMED:
                _close_gap(connection, after, fact.at)
            case FactKind.VOICEMAIL_LEFT:
                _left(connection, after, fact)
            case _:
                continue
    if after.state is CallState.ENDED and (before is None or before.state is not CallState.ENDED):
        _close_gap(connection, after, after.ended_at or after.started_at)
        connection.execute(
            update(recordings)
            .where(recordings.c.call_id == after.id, recordings.c.state == RecordingState.RUNNING.value)
            .values(
                ended_at=after.ended_at,
                # Recording begins before the queue and writes what is said: nobody talked, nothing failed.
                **(
                    {} if after.connected_at else {"state": RecordingState.NONE.value, "why": "nobody-talked"}
                ),
            )
        )


def _start(connection: Connection, call: Call, fact: Fact) -> None:
    name = _file(fact)
    known = connection.execute(select(recordings.c.id).where(recordings.c.file == name)).first()
    if name and known is None:
        connection.execute(
            insert(recordings).values(
                id=secrets.token_hex(16),
                call_id=call.id,
                file=name,
                started_at=fact.at,
                state=RecordingState.RUNNING.value,
            )
        )


def _fail(connection: Connection, call: Call, fact: Fact) -> None:
    name = _file(fact) or f"{call.id}-none"
    known = connection.execute(select(recordings.c.id).where(recordings.c.file == name)).first()
    if known is None:
        connection.execute(
            insert(recordings).values(
                id=secrets.token_hex(16),
                call_id=call.id,
                file=name,
                started_at=fact.at,
                state=RecordingState.FAILED.value,
                why=str(fact.data.get("why", ""))[:64],
            )
        )


def _open_gap(connection: Connection, call: Call, at: datetime) -> None:
    """One gap, whoever tells of it: the order and the switch both do."""
    known = connection.execute(
        select(recording_gaps.c.id).where(
            recording_gaps.c.call_id == call.id, recording_gaps.c.resumed_at.is_(None)
        )
    ).first()
    if known is None:
        connection.execute(insert(recording_gaps).values(id=new_id(at), call_id=call.id, paused_at=at))


def _close_gap(connection: Connection, call: Call, at: datetime) -> None:
    connection.execute(
        update(recording_gaps)
        .where(recording_gaps.c.call_id == call.id, recording_gaps.c.resumed_at.is_(None))
        .values(resumed_at=at)
    )


def _left(connection: Connection, call: Call, fact: Fact) -> None:
    name = _file(fact)
    known = connection.execute(select(voicemails.c.id).where(voicemails.c.file == name)).first()
    if name and known is None:
        connection.execute(
            insert(voicemails).values(
                id=secrets.token_hex(16),
                call_id=call.id,
                file=name,
                box=str(fact.data.get("box") or call.queue or "service")[:32],
                left_at=fact.at,
                seconds=fact.data.get("seconds"),
                customer_id=call.customer_id,
                number=call.number,
                state=VoicemailState.NEW.value,
            )
        )


def running(connection: Connection) -> list[Recording]:
    """Recordings whose call has ended and whose file was not looked at yet."""
    rows = connection.execute(
        select(recordings).where(
            recordings.c.state == RecordingState.RUNNING.value, recordings.c.ended_at.is_not(None)
        )
    )
    return [Recording.from_row(row._mapping) for row in rows]


def measured(connection: Connection, recording_id: str, *, size: int | None, seconds: float | None) -> None:
    """Write what the file turned out to be: kept, or no recording and why (R39)."""
    why = "missing-file" if size is None else "empty-file" if not seconds else ""
    connection.execute(
        update(recordings)
        .where(recordings.c.id == recording_id)
        .values(
            state=(RecordingState.FAILED if why else RecordingState.KEPT).value,
            bytes=size,
            seconds=seconds,
            why=why,
        )
    )


def set_hold(connection: Connection, recording_id: str, *, hold: bool, reason: str) -> bool:
    """Put a legal hold on a recording or lift it. False where there is none, or its file goes or is gone."""
    gone = (RecordingState.DELETING.value, RecordingState.DELETED.value)
    changed = connection.execute(
        update(recordings)
        .where(recordings.c.id == recording_id, recordings.c.state.not_in(gone))
        .values(hold=hold, hold_reason=reason)
    )
    return changed.rowcount == 1


def of_nobody_on_hold(table: Table) -> ColumnElement[bool]:
    """Not of a call with a customer on whose record a legal hold is."""
    held = exists().where(
        calls.c.id == table.c.call_id,
        holds.c.customer_id == calls.c.customer_id,
        holds.c.released_at.is_(None),
    )
    return not_(held)


def _begin_deleting(
    connection: Connection, table: Table, states: Collection[str], before: ColumnElement[bool]
) -> None:
    connection.execute(
        update(table)
        .where(table.c.state.in_(states), table.c.hold.is_(False), before, of_nobody_on_hold(table))
        .values(state=RecordingState.DELETING.value)
    )


def _mark_deleted(connection: Connection, table: Table, ids: Collection[str], now: datetime) -> None:
    connection.execute(
        update(table)
        .where(table.c.id.in_(ids), table.c.state == RecordingState.DELETING.value)
        .values(
            state=RecordingState.DELETED.value,
            deleted_at=now,
            why=case((table.c.deleted_by.is_(None), "retention"), else_="by-hand"),
        )
    )


def _mark_not_deleted(connection: Connection, table: Table, id: str, why: str) -> None:
    connection.execute(
        update(table)
        .where(table.c.id == id, table.c.state == RecordingState.DELETING.value)
        .values(why=f"{NOT_DELETED}{why}"[:64])
    )


def begin_deleting(connection: Connection, now: datetime, keep_days: int) -> list[Recording]:
    """Say of every recording past its time and not held that its file goes; gives all whose file is to go.

    Those an earlier run did not get to the end with are among them.
    """
    before = recordings.c.started_at < now - timedelta(days=keep_days)
    _begin_deleting(connection, recordings, [RecordingState.KEPT.value], before)
    return in_state(connection, RecordingState.DELETING)


def mark_deleted(connection: Connection, recording_ids: Collection[str], now: datetime) -> None:
    """Say that the files are gone; only of those that were said to go."""
    _mark_deleted(connection, recordings, recording_ids, now)


def mark_not_deleted(connection: Connection, recording_id: str, why: str) -> None:
    """Keep why the file is still there; the next run tries again."""
    _mark_not_deleted(connection, recordings, recording_id, why)


def in_state(connection: Connection, state: RecordingState, most: int | None = None) -> list[Recording]:
    """Recordings in this state, the oldest first."""
    rows = connection.execute(
        select(recordings)
        .where(recordings.c.state == state.value)
        .order_by(recordings.c.started_at)
        .limit(most)
    )
    return [Recording.from_row(row._mapping) for row in rows]


def undeletable(connection: Connection) -> list[tuple[str, str]]:
    """File and reason of everything past its time that could not be deleted, recordings and messages."""
    return [
        (row.file, row.why.removeprefix(NOT_DELETED))
        for table in (recordings, voicemails)
        for row in connection.execute(
            select(table.c.file, table.c.why).where(
                table.c.state == RecordingState.DELETING.value, table.c.why.startswith(NOT_DELETED)
            )
        )
    ]


def of_call(connection: Connection, call_id: str) -> list[Recording]:
    rows = connection.execute(
        select(recordings).where(recordings.c.call_id == call_id).order_by(recordings.c.started_at)
    )
    return [Recording.from_row(row._mapping) for row in rows]


def begin_deleting_voicemails(connection: Connection, now: datetime, keep_days: int) -> list[Voicemail]:
    """As `begin_deleting`."""
    before = voicemails.c.left_at < now - timedelta(days=keep_days)
    _begin_deleting(connection, voicemails, [VoicemailState.NEW.value, VoicemailState.HEARD.value], before)
    return voicemails_in_state(connection, VoicemailState.DELETING)


def mark_voicemails_deleted(connection: Connection, voicemail_ids: Collection[str], now: datetime) -> None:
    """As `mark_deleted`."""
    _mark_deleted(connection, voicemails, voicemail_ids, now)


def mark_voicemail_not_deleted(connection: Connection, voicemail_id: str, why: str) -> None:
    """As `mark_not_deleted`."""
    _mark_not_deleted(connection, voicemails, voicemail_id, why)


def voicemails_in_state(
    connection: Connection, state: VoicemailState, most: int | None = None
) -> list[Voicemail]:
    """Messages in this state, the oldest first."""
    rows = connection.execute(
        select(voicemails).where(voicemails.c.state == state.value).order_by(voicemails.c.left_at).limit(most)
    )
    return [Voicemail.from_row(row._mapping) for row in rows]


def files_of(connection: Connection, call_ids: Collection[str]) -> dict[str, str]:
    """Names of the sound files of these calls that can still be heard, and which table names each."""
    found: dict[str, str] = {}
    if not call_ids:
        return found
    heard = (VoicemailState.NEW, VoicemailState.HEARD)
    for table, states in ((recordings, (RecordingState.KEPT,)), (voicemails, heard)):
        rows = connection.execute(
            select(table.c.file).where(table.c.call_id.in_(list(call_ids)), table.c.state.in_(states))
        )
        found |= {row.file: table.name for row in rows}
    return found


def voicemails_of_call(connection: Connection, call_id: str) -> list[Voicemail]:
    rows = connection.execute(select(voicemails).where(voicemails.c.call_id == call_id))
    return [Voicemail.from_row(row._mapping) for row in rows]


def latest(connection: Connection, most: int) -> list[Recording]:
    """The latest recordings of all calls."""
    rows = connection.execute(select(recordings).order_by(recordings.c.started_at.desc()).limit(most))
    return [Recording.from_row(row._mapping) for row in rows]


def latest_voicemails(connection: Connection, most: int) -> list[Voicemail]:
    """The latest messages of all callers."""
    rows = connection.execute(select(voicemails).order_by(voicemails.c.left_at.desc()).limit(most))
    return [Voicemail.from_row(row._mapping) for row in rows]
