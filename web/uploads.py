"""Files that people send: read as they come, never held whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from access.sentences import Sentence
from web.problems import Refused

#: A file may take so long between two pieces of it, seconds.
_STALL_SECONDS = 30.0
#: And so long as a whole: a byte now and then must not hold a connection for ever.
_WHOLE_SECONDS = 900.0
_PIECE = 256 * 1024
_LONGEST_FIELD = 4096
_MOST_FIELDS = 20


async def body_pieces(request: web.Request, *, most: int) -> AsyncIterator[bytes]:
    """The body, piece by piece. Raises Refused: too large by its head, too slow, encoded, cut off."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("wrong-media-type", "Send the file as it is, not compressed.")
    if request.content_length is not None and request.content_length > most:
        raise too_large(most)
    content = request.content
    until = asyncio.get_running_loop().time() + _WHOLE_SECONDS
    try:
        while True:
            async with asyncio.timeout(_patience(until)):
                piece = await content.readany()
            if not piece:
                return
            yield piece
    except TimeoutError as error:
        raise _slow() from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise Refused("body-incomplete", "The file is not complete. Nothing was kept.") from error


def _patience(until: float) -> float:
    """Seconds the next piece may take."""
    return min(_STALL_SECONDS, max(0.0, until - asyncio.get_running_loop().time()))


def too_large(most: int) -> Refused:
    """The refusal of a file that is too large."""
    return Refused(
        "body-too-large",
        Sentence("A file may have {megabytes} MB. Nothing was kept.", megabytes=most // 1024 // 1024),
        headers={"Connection": "close"},
    )


def _slow() -> Refused:
    return Refused(
        "body-too-slow", "The file came too slowly. Nothing was kept.", headers={"Connection": "close"}
    )


class Form:
    """A form with one file behind its fields (multipart/form-data), read in the order in which it was sent."""

    def __init__(self, reader: MultipartReader) -> None:
        self._reader = reader
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self._file: BodyPartReader | None = None

    async def read_fields(self, file_field: str) -> None:
        """Everything up to the file. Raises Refused bad-form."""
        try:
            async with asyncio.timeout(_STALL_SECONDS):
                while (part := await self._reader.next()) is not None:
                    if not isinstance(part, BodyPartReader) or len(self.fields) > _MOST_FIELDS:
                        raise Refused("bad-form", "The form cannot be read. Nothing was done.")
                    if part.name == file_field:
                        self._file, self.file_name = part, part.filename or ""
                        return
                    value = await part.read_chunk(_LONGEST_FIELD)
                    if not part.at_eof():
                        raise Refused("bad-form", "A field of the form is too long. Nothing was done.")
                    self.fields[part.name or ""] = value.decode("utf-8", "replace")
        except TimeoutError as error:
            raise _slow() from error
        except (ValueError, web.RequestPayloadError, HttpProcessingError) as error:
            raise Refused("bad-form", "The form cannot be read. Nothing was done.") from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """The file, piece by piece."""
        if self._file is None:
            return
        until = asyncio.get_running_loop().time() + _WHOLE_SECONDS
        try:
            while not self._file.at_eof():
                async with asyncio.timeout(_patience(until)):
                    piece = await self._file.read_chunk(_PIECE)
                if piece:
                    yield piece
        except TimeoutError as error:
            raise _slow() from error
        except (ValueError, web.RequestPayloadError, HttpProcessingError) as error:
            raise Refused("body-incomplete", "The file is not complete. Nothing was kept.") from error


async def read_upload(request: web.Request, file_field: str, *, most: int) -> Form:
    """The fields of a form that carries a file; the file is still to be read. Raises Refused."""
    if request.content_length is not None and request.content_length > most + 64 * 1024:
        raise too_large(most)
    if request.content_type != "multipart/form-data":
        raise Refused("wrong-media-type", "Send multipart/form-data.")
    try:
        form = Form(await request.multipart())
    except (ValueError, AssertionError) as error:
        raise Refused("bad-form", "The form cannot be read. Nothing was done.") from error
    await form.read_fields(file_field)
    return form


def send_file(path: Path, name: str, media: str) -> web.StreamResponse:
    """A file to be saved under this name (ASCII). The file may go while it is sent."""
    return web.FileResponse(
        path,
        headers={
            "Content-Type": media,
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )
