"""A file may come slowly, but not for ever (S12)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request

from web import uploads
from web.problems import Refused


class _Dripping(StreamReader):
    """Gives a byte every hundredth of a second, without end."""

    def __init__(self) -> None:
        pass

    async def readany(self) -> bytes:
        await asyncio.sleep(0.01)
        return b"x"


async def _all(pieces: AsyncIterator[bytes]) -> int:
    return sum([len(piece) async for piece in pieces])


async def test_s12_a_file_that_drips_meets_the_deadline_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "_WHOLE_SECONDS", 0.2)
    request: web.Request = make_mocked_request("POST", "/", payload=_Dripping())
    with pytest.raises(Refused) as caught:
        await asyncio.wait_for(_all(uploads.body_pieces(request, most=10**9)), 30)
    assert caught.value.error_id == "body-too-slow"
