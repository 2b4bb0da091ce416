"""Reading request bodies with a deadline and a limit, whatever the client sends."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from web.problems import Refused, ValueProblem

M = TypeVar("M", bound=BaseModel)
#: Fields of the largest form we have are three; this only stops nonsense.
_MOST_FIELDS = 20
_MOST_ERRORS = 20


async def read_body(request: web.Request, *, limit: int, seconds: float) -> bytes:
    """The whole body. Raises Refused: too large, too slow, encoded, or cut off."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused("wrong-media-type", "Send the body as it is, not compressed.")
    if request.content_length is not None and request.content_length > limit:
        raise Refused("body-too-large", f"A body may have {limit} bytes.", headers={"Connection": "close"})
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            async for part in request.content.iter_any():
                size += len(part)
                if size > limit:
                    raise Refused(
                        "body-too-large", f"A body may have {limit} bytes.", headers={"Connection": "close"}
                    )
                parts.append(part)
    except TimeoutError as error:
        raise Refused(
            "body-too-slow",
            f"The body did not arrive within {seconds:g} seconds. Nothing was done.",
            headers={"Connection": "close"},
        ) from error
    except (web.RequestPayloadError, HttpProcessingError) as error:
        raise Refused("body-incomplete", "The body is not complete. Nothing was done.") from error
    return b"".join(parts)


def read_model(model: type[M], body: bytes) -> M:
    """The body as a value. Raises Refused bad-json (400) or bad-values (422, with each field)."""
    try:
        return model.model_validate_json(body or b"{}")
    except ValidationError as error:
        raise _refusal(error, "bad-values") from error


def read_query(model: type[M], request: web.Request) -> M:
    """The query string as a value. Raises Refused bad-query (400); a parameter may stand once."""
    values: dict[str, Any] = {}
    for name, value in request.query.items():
        if name in values:
            raise Refused("bad-query", f"The parameter {name[:40]!r} stands more than once.")
        values[name] = value
    try:
        return model.model_validate_strings(values)
    except ValidationError as error:
        raise _refusal(error, "bad-query") from error


def read_form(body: bytes) -> dict[str, str]:
    """An application/x-www-form-urlencoded body, one value a name. Raises Refused bad-form."""
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise Refused("bad-form", "The form cannot be read. Nothing was done.") from error
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refused("bad-form", "A field stands more than once in the form.")
    return form


def _refusal(error: ValidationError, error_id: str) -> Refused:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        return Refused("bad-json", "The body is not JSON that can be read. Nothing was done.")
    errors = [
        ValueProblem(field=".".join(str(part)[:40] for part in item["loc"][:6]), message=item["msg"][:200])
        for item in found[:_MOST_ERRORS]
    ]
    return Refused(error_id, "Some values are not as they must be. Nothing was done.", errors=errors)
