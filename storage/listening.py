"""Recordings and voicemail for people: who may hear which is decided in the question, not after it.

Pages follow a cursor (moment and id of the last one), never an offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)

from access.ids import new_id
from access.masking import mask_number
from access.permissions import Permission
from access.users import Principal
from storage.recordings import of_nobody_on_hold
from storage.sight import may_open
from storage.tables.access import users
from storage.tables.aftercall import recording_marks
from storage.tables.calls import OVER, calls
from storage.tables.records import customers
from storage.tables.tasks import task_calls, tasks
from storage.tables.telephony import recordings, voicemails
from telephony.listening import (
    Hears,
    Mark,
    SoundFilter,
    SoundHeld,
    SoundKind,
    SoundNotFound,
    SoundNotReady,
    SoundPage,
    SoundView,
)
from telephony.recordings import RecordingState, VoicemailState

_LARGEST_PAGE: Final = 100
#: What a list shows: there was or is a sound. `none` and `failed` are the call log's business.
_LISTED: Final = (RecordingState.RUNNING, RecordingState.KEPT, RecordingState.DELETED)
#: Asked for as what is not shown: with a list of what is, SQLite would read all of it to put it in order.
_UNLISTED: Final = tuple(state for state in RecordingState if state not in _LISTED)
#: A recording begins at most so long after its call.
_LONGEST_CALL: Final = timedelta(days=1)
#: More calls than any trunk carries at once.
_MOST_OPEN: Final = 10_000
_HEARD: Final = (VoicemailState.NEW, VoicemailState.HEARD)


def _recording_scope(
    connection: Connection,
    viewer: Principal,
    hears: Hears,
    now: datetime | None,
    wanted: SoundFilter | None = None,
) -> ColumnElement[bool]:
    """Recordings the viewer may hear."""
    if viewer.may(Permission.RECORDINGS_ALL):
        return true()
    if not viewer.may(Permission.RECORDINGS_LISTEN) or hears == "none" or viewer.user_id is None:
        return false()
    own = _agent(wanted) == viewer.user_id
    return or_(own, _openable(connection, viewer, now)) if hears == "all" else own


def _agent(wanted: SoundFilter | None) -> ColumnElement[Any]:
    """Whose call it was. Where marked ones are looked for, no index by agent: few are marked, an agent's calls are
    many, and SQLite would read all of them.
    """
    return func.coalesce(calls.c.agent_id, "") if wanted and wanted.marked else calls.c.agent_id


def _openable(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """Of nobody on record, or of one whose record the viewer may open (`storage.sight`)."""
    return or_(customers.c.id.is_(None), may_open(connection, viewer, now))


def _voicemail_scope(
    connection: Connection, viewer: Principal, hears: Hears, now: datetime | None
) -> ColumnElement[bool]:
    """Messages the viewer may hear: an agent those whose task is his, and none of a record closed to him.

    Whose message it is says its row, and who was named for the call since.
    """
    if viewer.may(Permission.RECORDINGS_ALL):
        return true()
    if not viewer.may(Permission.RECORDINGS_LISTEN) or hears == "none" or viewer.user_id is None:
        return false()
    own = (
        select(task_calls.c.call_id)
        .join(tasks, tasks.c.id == task_calls.c.task_id)
        .where(tasks.c.owner_id == viewer.user_id)
    )
    named = exists().where(customers.c.id == calls.c.customer_id, may_open(connection, viewer, now))
    openable = and_(
        _openable(connection, viewer, now), or_(calls.c.customer_id.is_(None), named.correlate(calls))
    )
    return openable if hears == "all" else and_(openable, voicemails.c.call_id.in_(own))


_RECORDINGS: Final = (
    select(
        recordings,
        calls.c.number,
        calls.c.customer_id,
        customers.c.name.label("customer_name"),
        calls.c.agent_id,
        users.c.name.label("agent_name"),
        calls.c.queue,
        calls.c.direction,
        calls.c.started_at.label("called_at"),
    )
    .join(calls, calls.c.id == recordings.c.call_id)
    .outerjoin(customers, customers.c.id == calls.c.customer_id)
    .outerjoin(users, users.c.id == calls.c.agent_id)
)
_VOICEMAILS: Final = (
    select(
        voicemails,
        customers.c.name.label("customer_name"),
        calls.c.agent_id,
        users.c.name.label("agent_name"),
        calls.c.direction,
    )
    .outerjoin(calls, calls.c.id == voicemails.c.call_id)
    .outerjoin(customers, customers.c.id == voicemails.c.customer_id)
    .outerjoin(users, users.c.id == calls.c.agent_id)
)


def list_recordings(
    connection: Connection,
    viewer: Principal,
    hears: Hears,
    wanted: SoundFilter,
    after: tuple[datetime, str] | None,
    limit: int,
    now: datetime | None = None,
) -> SoundPage:
    """A page of recordings the viewer may hear, the newest first (narrowed ones: by when their calls began)."""
    limit = max(1, min(limit, _LARGEST_PAGE))
    parts = _calls_first(connection, viewer, hears, wanted)
    at, name = (recordings.c.started_at, "started_at") if parts is None else (calls.c.started_at, "called_at")
    statement = _RECORDINGS.where(
        _recording_scope(connection, viewer, hears, now, wanted),
        recordings.c.state.not_in(_UNLISTED),
        *_call_range(wanted),
        *_conditions(wanted, recordings, recordings.c.started_at),
        *_equal(wanted, {"customer_id": calls, "number": calls, "queue": calls}),
    )
    if wanted.agent_id is not None:
        statement = statement.where(_agent(wanted) == wanted.agent_id)
    if wanted.marked:
        marked = select(recording_marks.c.recording_id)
        statement = statement.where(recordings.c.id.in_(marked))
    if after is not None:
        statement = statement.where(tuple_(at, recordings.c.id) < _place(after, at))
    statement = statement.order_by(at.desc(), recordings.c.id.desc()).limit(limit + 1)
    rows: list[RowMapping] = []
    for part in parts or (true(),):
        rows += connection.execute(statement.where(part)).mappings()
    rows.sort(key=lambda row: (row[name], row["id"]), reverse=True)
    kept = rows[:limit]
    marks = _marks(connection, [row["id"] for row in kept])
    items = [_recording_view(row, viewer, marks.get(row["id"], [])) for row in kept]
    following = f"{kept[-1][name].isoformat()}~{kept[-1]['id']}" if len(rows) > limit else None
    return SoundPage(items=items, next=following)


def _calls_first(
    connection: Connection, viewer: Principal, hears: Hears, wanted: SoundFilter
) -> Sequence[ColumnElement[bool]] | None:
    """Parts of the list where calls are walked back by an index of theirs, each to its recording; None: recordings are.

    Those of one person, number or queue may be few among all: walking all recordings for them reads every call.
    They stand in the order in which their calls began.
    """
    if wanted.marked or wanted.call_id is not None:
        return None
    own = not viewer.may(Permission.RECORDINGS_ALL) and hears != "all"
    sharper = wanted.customer_id or wanted.number
    of_agent = own or wanted.agent_id
    # PostgreSQL knows whether an agent's calls are fewer, or a queue's.
    if sharper or (of_agent and not (wanted.queue and connection.dialect.name == "postgresql")):
        return (true(),)
    if not wanted.queue:
        return None
    # The index of queues holds calls that are over; those that go on are few.
    going_on = select(calls.c.id).where(calls.c.ended_at.is_(None)).limit(_MOST_OPEN)
    return OVER, and_(recordings.c.call_id.in_(going_on), calls.c.ended_at.is_(None))


def _call_range(wanted: SoundFilter) -> Iterable[ColumnElement[bool]]:
    """The range said once more of the call: an agent's own calls of these days are then read by their index."""
    if wanted.since is not None:
        yield calls.c.started_at >= wanted.since - _LONGEST_CALL
    if wanted.until is not None:
        yield calls.c.started_at < wanted.until


def list_voicemails(
    connection: Connection,
    viewer: Principal,
    hears: Hears,
    wanted: SoundFilter,
    after: tuple[datetime, str] | None,
    limit: int,
    now: datetime | None = None,
) -> SoundPage:
    """A page of messages the viewer may hear, the newest first."""
    limit = max(1, min(limit, _LARGEST_PAGE))
    at = voicemails.c.left_at
    statement = _VOICEMAILS.where(
        _voicemail_scope(connection, viewer, hears, now),
        *_conditions(wanted, voicemails, at),
        *_equal(wanted, {"customer_id": voicemails, "number": voicemails, "agent_id": calls}),
    )
    if wanted.queue:
        statement = statement.where(voicemails.c.box == wanted.queue)
    if after is not None:
        statement = statement.where(tuple_(at, voicemails.c.id) < _place(after, at))
    rows = (
        connection.execute(statement.order_by(at.desc(), voicemails.c.id.desc()).limit(limit + 1))
        .mappings()
        .all()
    )
    items = [_voicemail_view(row, viewer) for row in rows[:limit]]
    return SoundPage(items=items, next=_cursor(items, len(rows) > limit))


def find(
    connection: Connection,
    viewer: Principal,
    hears: Hears,
    kind: SoundKind,
    sound_id: str,
    now: datetime | None = None,
) -> tuple[SoundView, str]:
    """One sound this viewer may hear, and its file's name. Raises SoundNotFound, also for everybody else's."""
    if kind is SoundKind.RECORDING:
        statement = _RECORDINGS.where(
            recordings.c.id == sound_id, _recording_scope(connection, viewer, hears, now)
        )
    else:
        statement = _VOICEMAILS.where(
            voicemails.c.id == sound_id, _voicemail_scope(connection, viewer, hears, now)
        )
    row = connection.execute(statement).mappings().first()
    if row is None:
        raise SoundNotFound("There is no such recording for you.")
    if kind is SoundKind.VOICEMAIL:
        return _voicemail_view(row, viewer), row["file"]
    marks = _marks(connection, [sound_id])
    return _recording_view(row, viewer, marks.get(sound_id, [])), row["file"]


def playable(view: SoundView) -> None:
    """Raises SoundNotFound where the sound is gone, SoundNotReady where it is not there yet."""
    if view.playable:
        return
    if view.state == RecordingState.RUNNING:
        raise SoundNotReady("The call is still going on; its recording can be heard afterwards.")
    raise SoundNotFound("There is no sound any more.")


def heard(connection: Connection, voicemail_id: str) -> None:
    """A new message was listened to."""
    connection.execute(
        update(voicemails)
        .where(voicemails.c.id == voicemail_id, voicemails.c.state == VoicemailState.NEW)
        .values(state=VoicemailState.HEARD)
    )


def add_mark(
    connection: Connection,
    recording_id: str,
    *,
    offset: float,
    note: str,
    now: datetime,
    by: str,
    by_name: str,
) -> Mark:
    """Note a place in a recording."""
    mark = Mark(id=new_id(now), at=now, by_name=by_name[:64], offset=offset, note=note[:200])
    connection.execute(
        insert(recording_marks).values(
            id=mark.id,
            recording_id=recording_id,
            at=now,
            by=by,
            by_name=mark.by_name,
            offset=offset,
            note=mark.note,
        )
    )
    return mark


def begin_deleting(
    connection: Connection, kind: SoundKind, sound_id: str, *, by: str | None, reason: str
) -> None:
    """Say that the file goes, by hand. Raises SoundHeld, SoundNotFound, SoundNotReady."""
    table = recordings if kind is SoundKind.RECORDING else voicemails
    states = [RecordingState.KEPT.value] if kind is SoundKind.RECORDING else [one.value for one in _HEARD]
    free = of_nobody_on_hold(table)
    changed = connection.execute(
        update(table)
        .where(table.c.id == sound_id, table.c.hold.is_(False), table.c.state.in_(states), free)
        .values(state=RecordingState.DELETING.value, deleted_by=by, delete_reason=reason[:500])
    ).rowcount
    if changed:
        return
    row = connection.execute(select(table.c.hold, table.c.state, free).where(table.c.id == sound_id)).first()
    if row is not None and row[1] == RecordingState.RUNNING:
        raise SoundNotReady("The recording is not complete yet; try again in a minute.")
    if row is not None and row[1] in states and (row[0] or not row[2]):
        raise SoundHeld("A legal hold keeps this recording. It was not deleted.")
    raise SoundNotFound("There is no sound any more.")


def mark_gone(connection: Connection, kind: SoundKind, sound_id: str, now: datetime) -> None:
    """The file is gone; only of a row that said so before."""
    table = recordings if kind is SoundKind.RECORDING else voicemails
    connection.execute(
        update(table)
        .where(table.c.id == sound_id, table.c.state == RecordingState.DELETING.value)
        .values(state=RecordingState.DELETED.value, deleted_at=now, why="by-hand")
    )


def _conditions(wanted: SoundFilter, table: Any, at: Any) -> Iterable[ColumnElement[bool]]:
    if wanted.since is not None:
        yield at >= wanted.since
    if wanted.until is not None:
        yield at < wanted.until
    if wanted.least_seconds is not None:
        yield table.c.seconds >= wanted.least_seconds
    if wanted.most_seconds is not None:
        yield table.c.seconds <= wanted.most_seconds
    if wanted.call_id is not None:
        yield table.c.call_id == wanted.call_id


def _equal(wanted: SoundFilter, where: Mapping[str, Any]) -> Iterable[ColumnElement[bool]]:
    for name, table in where.items():
        value = getattr(wanted, name)
        if value is not None:
            yield table.c[name] == value


def _place(after: tuple[datetime, str], column: Any) -> Any:
    return tuple_(literal(after[0], column.type), literal(after[1]))


def _cursor(items: list[SoundView], more: bool) -> str | None:
    return f"{items[-1].at.isoformat()}~{items[-1].id}" if more and items else None


def _marks(connection: Connection, ids: list[str]) -> dict[str, list[Mark]]:
    found: dict[str, list[Mark]] = {}
    if not ids:
        return found
    rows = connection.execute(
        select(recording_marks)
        .where(recording_marks.c.recording_id.in_(ids))
        .order_by(recording_marks.c.offset, recording_marks.c.id)
    ).mappings()
    for row in rows:
        mark = Mark(
            id=row["id"], at=row["at"], by_name=row["by_name"], offset=row["offset"], note=row["note"]
        )
        found.setdefault(row["recording_id"], []).append(mark)
    return found


def _number(row: RowMapping, viewer: Principal) -> str | None:
    number = row["number"]
    return number if viewer.sees_numbers or not number else mask_number(number)


def _recording_view(row: RowMapping, viewer: Principal, marks: list[Mark]) -> SoundView:
    complete = row["state"] == RecordingState.RUNNING and row["ended_at"] is not None
    return SoundView(
        id=row["id"],
        kind=SoundKind.RECORDING,
        call_id=row["call_id"],
        at=row["started_at"],
        seconds=row["seconds"],
        state=row["state"],
        playable=complete or row["state"] == RecordingState.KEPT,
        hold=row["hold"],
        why=row["why"],
        number=_number(row, viewer),
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        agent_id=row["agent_id"],
        agent_name=row["agent_name"],
        queue=row["queue"],
        direction=row["direction"],
        marks=marks,
    )


def _voicemail_view(row: RowMapping, viewer: Principal) -> SoundView:
    return SoundView(
        id=row["id"],
        kind=SoundKind.VOICEMAIL,
        call_id=row["call_id"],
        at=row["left_at"],
        seconds=row["seconds"],
        state=row["state"],
        playable=row["state"] in _HEARD,
        hold=row["hold"],
        why=row["why"],
        number=_number(row, viewer),
        customer_id=row["customer_id"],
        customer_name=row["customer_name"],
        agent_id=row["agent_id"],
        agent_name=row["agent_name"],
        queue=row["box"],
        direction=row["direction"],
    )
