"""Recordings and voicemail: searched, heard, marked, deleted by those who may.

A sound is named by 128 random bits and nothing else; what a listener may not hear is not there for him.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action, entry
from access.ids import new_id
from access.permissions import Permission
from access.sentences import Sentence
from telephony.listening import SoundFilter, SoundKind, SoundNotFound, SoundView
from web.api.shapes import Cursor, Id, Line, Search, Size, Word
from web.auth import Signed, address_of
from web.ports import Services
from web.problems import Refused
from web.ranges import RangeNotThere, read_range
from web.routes import SERVICES, Ask, Nothing, Route, Shape

_PART: Final = 65_536


class SoundsQuery(Shape):
    """Which sounds; what is not named does not matter."""

    customer_id: Id | None = None
    number: Search = Field("", description="a whole number, as typed")
    agent_id: Id | None = None
    queue: Word | None = None
    call_id: Id | None = None
    since: AwareDatetime | None = Field(None, description="with time zone")
    until: AwareDatetime | None = Field(None, description="with time zone; exclusive")
    marked: bool = False
    least_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    most_seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class MarkOut(Shape):
    id: str
    at: datetime
    by_name: str
    offset: float = Field(description="seconds from the beginning")
    note: str


class SoundOut(Shape):
    id: str
    kind: SoundKind
    call_id: str
    at: datetime
    seconds: float | None
    state: str
    playable: bool
    hold: bool = Field(description="a legal hold keeps it")
    why: str
    number: str | None = Field(description="masked by the asker's role")
    customer_id: str | None
    customer_name: str | None
    agent_id: str | None
    agent_name: str | None
    queue: str | None
    direction: str | None
    marks: list[MarkOut]


class SoundsOut(Shape):
    items: list[SoundOut]
    next: str | None
    may_download: bool
    may_delete: bool


class PeaksOut(Shape):
    peaks: list[int] = Field(description="loudness of equal parts, 0 to 100")
    seconds: float | None


class MarkIn(Shape):
    offset: Annotated[float, Field(ge=0, le=86_400)]
    note: Annotated[Line, StringConstraints(min_length=1)]


class DeleteSoundIn(Shape):
    reason: Annotated[Line, StringConstraints(min_length=4)]


def _filter(services: Services, query: SoundsQuery) -> SoundFilter | None:
    """What is looked for; None where the number cannot be read: nothing has it."""
    number = services.read_number(query.number) if query.number else None
    if query.number and number is None:
        return None
    return SoundFilter(
        customer_id=query.customer_id,
        number=number,
        agent_id=query.agent_id,
        queue=query.queue,
        since=query.since,
        until=query.until,
        marked=query.marked,
        least_seconds=query.least_seconds,
        most_seconds=query.most_seconds,
        call_id=query.call_id,
    )


async def _list(ask: Ask[SoundsQuery, Nothing], kind: SoundKind) -> SoundsOut:
    sounds = ask.services.aftercall.sounds
    wanted = _filter(ask.services, ask.query)
    may_download = sounds.may_download(ask.by)
    may_delete = ask.by.may(Permission.RECORDINGS_DELETE)
    if wanted is None:
        return SoundsOut(items=[], next=None, may_download=may_download, may_delete=may_delete)
    page = await sounds.list(ask.by, kind, wanted, cursor=ask.query.cursor, limit=ask.query.limit)
    return SoundsOut(
        items=[sound_out(view) for view in page.items],
        next=page.next,
        may_download=may_download,
        may_delete=may_delete,
    )


def sound_out(view: SoundView) -> SoundOut:
    """As the API shows it."""
    return SoundOut.model_validate(view)


async def list_recordings(ask: Ask[SoundsQuery, Nothing]) -> SoundsOut:
    """Recordings the asker may hear, the newest first."""
    return await _list(ask, SoundKind.RECORDING)


async def list_voicemails(ask: Ask[SoundsQuery, Nothing]) -> SoundsOut:
    """Messages the asker may hear, the newest first."""
    return await _list(ask, SoundKind.VOICEMAIL)


async def _get(ask: Ask[Nothing, Nothing], kind: SoundKind) -> SoundOut:
    return sound_out(await ask.services.aftercall.sounds.get(ask.by, kind, ask.path["sound_id"]))


async def get_recording(ask: Ask[Nothing, Nothing]) -> SoundOut:
    """One recording."""
    return await _get(ask, SoundKind.RECORDING)


async def get_voicemail(ask: Ask[Nothing, Nothing]) -> SoundOut:
    """One message."""
    return await _get(ask, SoundKind.VOICEMAIL)


async def _peaks(ask: Ask[Nothing, Nothing], kind: SoundKind) -> PeaksOut:
    sounds, sound_id = ask.services.aftercall.sounds, ask.path["sound_id"]
    view = await sounds.get(ask.by, kind, sound_id)
    return PeaksOut(peaks=list(await sounds.peaks(ask.by, kind, sound_id)), seconds=view.seconds)


async def recording_peaks(ask: Ask[Nothing, Nothing]) -> PeaksOut:
    """How loud a recording is along its length."""
    return await _peaks(ask, SoundKind.RECORDING)


async def voicemail_peaks(ask: Ask[Nothing, Nothing]) -> PeaksOut:
    """How loud a message is along its length."""
    return await _peaks(ask, SoundKind.VOICEMAIL)


async def mark_recording(ask: Ask[Nothing, MarkIn]) -> MarkOut:
    """Note a place in a recording."""
    sound_id = ask.path["sound_id"]
    made = ask.entry(Action.RECORDING_MARKED, f"recording:{sound_id}", {"offset": str(ask.body.offset)})
    mark = await ask.services.aftercall.sounds.mark(
        ask.by, sound_id, offset=ask.body.offset, note=ask.body.note, entry=made
    )
    return MarkOut.model_validate(mark)


async def _delete(ask: Ask[Nothing, DeleteSoundIn], kind: SoundKind) -> Nothing:
    sound_id = ask.path["sound_id"]
    made = ask.entry(Action.RECORDING_DELETED, f"{kind}:{sound_id}", {"reason": ask.body.reason})
    await ask.services.aftercall.sounds.delete(ask.by, kind, sound_id, reason=ask.body.reason, entry=made)
    return Nothing()


async def delete_recording(ask: Ask[Nothing, DeleteSoundIn]) -> Nothing:
    """Delete a recording: its file goes, its row says who and why."""
    return await _delete(ask, SoundKind.RECORDING)


async def delete_voicemail(ask: Ask[Nothing, DeleteSoundIn]) -> Nothing:
    """Delete a message: its file goes, its row says who and why."""
    return await _delete(ask, SoundKind.VOICEMAIL)


async def hear_recording(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The sound of a recording."""
    return await _hear(request, signed, SoundKind.RECORDING)


async def hear_voicemail(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The sound of a message."""
    return await _hear(request, signed, SoundKind.VOICEMAIL)


async def _hear(request: web.Request, signed: Signed, kind: SoundKind) -> web.StreamResponse:
    services = request.app[SERVICES]
    sounds = services.aftercall.sounds
    sound_id = request.match_info["sound_id"]
    download = "download" in request.query
    if set(request.query) - {"download"}:
        raise Refused("bad-query", "The only parameter is download.")
    by = signed.principal
    if download and not sounds.may_download(by):
        raise Refused(
            "not-allowed", Sentence("The role {role} may hear, but not save recordings.", role=by.role.value)
        )
    now = services.clock.now()
    made = entry(
        Action.RECORDING_DOWNLOADED if download else Action.RECORDING_PLAYED,
        by,
        id=new_id(now),
        at=now,
        subject=f"{kind}:{sound_id}",
        address=address_of(request, services.options),
    )
    sound = await sounds.open(by, kind, sound_id, download=download, entry=made)
    try:
        if sound.size == 0:
            raise SoundNotFound("There is no sound any more.")
        try:
            wanted = read_range(request.headers.get("Range"), sound.size)
        except RangeNotThere as error:
            raise Refused(
                error.error_id, str(error), headers={"Content-Range": f"bytes */{sound.size}"}
            ) from error
        first, length = wanted or (0, sound.size)
        response = web.StreamResponse(status=200 if wanted is None else 206)
        response.content_type = "audio/wav"
        response.content_length = length
        response.headers["Accept-Ranges"] = "bytes"
        response.headers["Cache-Control"] = "private, no-store"
        if wanted is not None:
            response.headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{sound.size}"
        if download:
            response.headers["Content-Disposition"] = f'attachment; filename="{kind}-{sound_id[:8]}.wav"'
        await response.prepare(request)
        while length > 0:
            part = await sound.read(first, min(_PART, length))
            if not part:
                break  # cut while it was read: the client sees fewer bytes than announced
            await response.write(part)
            first += len(part)
            length -= len(part)
        await response.write_eof()
        return response
    finally:
        await sound.close()


def _routes(word: str) -> tuple[Route, ...]:
    recording = word == "recordings"
    what = "a recording" if recording else "a message"
    base, tag = f"/api/v1/{word}", "recordings"
    gone = ("sound-not-found",)
    return (
        Route(
            method="GET",
            path=base,
            summary=f"List {word}",
            needs=Permission.RECORDINGS_LISTEN,
            json=list_recordings if recording else list_voicemails,
            query=SoundsQuery,
            answer=SoundsOut,
            errors=("bad-cursor",),
            tag=tag,
        ),
        Route(
            method="GET",
            path=f"{base}/{{sound_id}}",
            summary=f"One of the {word}",
            needs=Permission.RECORDINGS_LISTEN,
            json=get_recording if recording else get_voicemail,
            answer=SoundOut,
            errors=gone,
            tag=tag,
        ),
        Route(
            method="GET",
            path=f"{base}/{{sound_id}}/sound",
            summary=f"Hear {what} (byte ranges; download=1 saves it)",
            needs=Permission.RECORDINGS_LISTEN,
            page=hear_recording if recording else hear_voicemail,
            media="audio/wav",
            writes_down="one listening is many requests for parts: once in five minutes, before the first byte",
            errors=(*gone, "sound-not-ready", "sound-away", "bad-range"),
            tag=tag,
        ),
        Route(
            method="GET",
            path=f"{base}/{{sound_id}}/peaks",
            summary=f"How loud {what} is along its length",
            needs=Permission.RECORDINGS_LISTEN,
            json=recording_peaks if recording else voicemail_peaks,
            answer=PeaksOut,
            errors=(*gone, "sound-not-ready", "sound-away"),
            tag=tag,
        ),
        Route(
            method="POST",
            path=f"{base}/{{sound_id}}/delete",
            summary=f"Delete {what}",
            needs=Permission.RECORDINGS_DELETE,
            json=delete_recording if recording else delete_voicemail,
            body=DeleteSoundIn,
            answer=Nothing,
            errors=(*gone, "sound-not-ready", "sound-held", "sound-away"),
            tag=tag,
        ),
    )


ROUTES = (
    *_routes("recordings"),
    Route(
        method="POST",
        path="/api/v1/recordings/{sound_id}/marks",
        summary="Note a place in a recording",
        needs=Permission.RECORDINGS_LISTEN,
        json=mark_recording,
        body=MarkIn,
        answer=MarkOut,
        status=201,
        errors=("sound-not-found", "sound-not-ready"),
        tag="recordings",
    ),
    *_routes("voicemails"),
)
