"""Reading request bodies with a deadline and a limit, whatever the client sends."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Iterator
from datetime import date
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from access.sentences import Sentence
from web.problems import Refused, Wrong
from web.refusals import VALUES, must_be, said

M = TypeVar("M", bound=BaseModel)
#: Fields of the largest form we have are three; this only stops nonsense.
_MOST_FIELDS = 20
_MOST_ERRORS = 20


async def read_body(request: web.Request, *, limit: int, seconds: float) -> bytes:
    """The whole body. Raises Refused: too large, too slow, encoded, or cut off."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("wrong-media-type", "Send the body as it is, not compressed.")
    if request.content_length is not None and request.content_length > limit:
        raise Refused(
            "body-too-large",
            Sentence("A body may have {limit} bytes.", limit=limit),
            headers={"Connection": "close"},
        )
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limit:
                    raise Refused(
                        "body-too-large",
                        Sentence("A body may have {limit} bytes.", limit=limit),
                        headers={"Connection": "close"},
                    )
                parts.append(part)
    except TimeoutError as error:
        raise Refused(
            "body-too-slow",
            Sentence(
                "The body did not arrive within {seconds} seconds. Nothing was done.", seconds=f"{seconds:g}"
            ),
            headers={"Connection": "close"},
        ) from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise Refused("body-incomplete", "The body is not complete. Nothing was done.") from error
    return b"".join(parts)


def read_model(model: type[M], body: bytes) -> M:
    """The body as a value. Raises Refused bad-json (400) or bad-values (422, with each field)."""
    try:
        found = model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refusal(error, "bad-values") from error
    _require_storable(found, "bad-values")
    return found


def read_query(model: type[M], request: web.Request, *, without: Collection[str] = ()) -> M:
    """The query string as a value. Raises Refused bad-query (400); a parameter may stand once.

    The parameters `without` are left out, as if they did not stand there.
    """
    values: dict[str, Any] = {}
    for name, value in request.query.items():
        if name in without:
            continue
        if name in values:
            raise Refused(
                "bad-query", Sentence("The parameter '{given}' stands more than once.", given=name[:40])
            )
        values[name] = value
    try:
        found = model.model_validate_strings(values)
    except ValidationError as error:
        raise _refusal(error, "bad-query") from error
    _require_storable(found, "bad-query")
    return found


#: What both databases hold: 64-bit integers, texts without NUL, moments that survive a change of zone.
_LARGEST: Final = 2**63 - 1
_YEARS: Final = (1900, 9000)


def _require_storable(model: BaseModel, error_id: str) -> None:
    """Refuse, field by field, what no database takes: it must not become a fault further in."""
    found = [
        Wrong(field=place[:200], say=partial(said, error_id=VALUES, sentence=sentence))
        for place, sentence in _unstorable(model.__dict__, "")
    ]
    if found:
        raise Refused(
            error_id, "Some values are not as they must be. Nothing was done.", errors=found[:_MOST_ERRORS]
        )


def _unstorable(value: object, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if "\x00" in value:
            yield place, "the character NUL is not allowed"
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if abs(value) > _LARGEST:
            yield place, "the number is too large"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield place, "the number must be finite"
    elif isinstance(value, date):
        if not _YEARS[0] <= value.year <= _YEARS[1]:
            yield place, Sentence("years run from {least} to {most}", least=_YEARS[0], most=_YEARS[1])
    elif isinstance(value, BaseModel):
        yield from _unstorable(value.__dict__, place)
    elif isinstance(value, dict):
        for key, item in value.items():
            inner = f"{place}.{str(key)[:40]}".lstrip(".")
            yield from _unstorable(key, inner)
            yield from _unstorable(item, inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for number, item in enumerate(value):
            yield from _unstorable(item, f"{place}.{number}")


def read_form(body: bytes, *, most: int = _MOST_FIELDS) -> dict[str, str]:
    """An application/x-www-form-urlencoded body, one value a name. Raises Refused bad-form."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=most,
        )
    except ValueError as error:
        raise Refused("bad-form", "The form cannot be read. Nothing was done.") from error
    if any("\x00" in name or "\x00" in value for name, value in pairs):
        raise Refused("bad-form", "The form cannot be read. Nothing was done.")
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refused("bad-form", "A field stands more than once in the form.")
    return form


def _refusal(error: ValidationError, error_id: str) -> Refused:
    found = error.errors(include_url=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        return Refused("bad-json", "The body is not JSON that can be read. Nothing was done.")
    return Refused(
        error_id, "Some values are not as they must be. Nothing was done.", errors=wrong_values(error)
    )


def wrong_values(error: ValidationError) -> list[Wrong]:
    """What is wrong, field by field."""
    return [
        Wrong(
            field=".".join(str(part)[:40] for part in item["loc"][:6]), say=must_be(item), code=item["type"]
        )
        for item in error.errors(include_url=False, include_input=False)[:_MOST_ERRORS]
    ]
