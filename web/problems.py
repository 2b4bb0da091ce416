"""Refusals as RFC 9457 problem documents: one table from error_id to status, one way to write them.

What goes out is a stable `error_id`, a sentence, and the request's id. Never a stack trace, a statement,
or a path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

#: error_id to HTTP status. What is missing here is a fault of ours: 500.
STATUS: Final[Mapping[str, int]] = {
    # the request
    "bad-request": 400,
    "bad-json": 400,
    "bad-query": 400,
    "bad-cursor": 400,
    "bad-form": 400,
    "body-incomplete": 400,
    "not-signed-in": 401,
    "token-refused": 401,
    "not-allowed": 403,
    "foreign-origin": 403,
    "csrf-refused": 403,
    "not-found": 404,
    "method-not-allowed": 405,
    "body-too-slow": 408,
    "body-too-large": 413,
    "wrong-media-type": 415,
    "bad-values": 422,
    "internal-error": 500,
    "too-many-clients": 503,
    # access
    "user-not-found": 404,
    "login-taken": 409,
    "login-malformed": 422,
    "password-weak": 422,
    "login-refused": 401,
    "too-many-tries": 429,
    "token-not-found": 404,
    "last-admin": 409,
    "passwords-busy": 503,
    "no-own-user": 409,
    # requests that must happen once
    "idempotency-key-reused": 422,
    "bad-idempotency-key": 400,
    # telephone
    "call-not-found": 404,
    "no-such-call": 404,
    "no-such-agent": 404,
    "no-such-queue": 422,
    "no-such-phone": 422,
    "no-such-target": 422,
    "not-your-call": 409,
    "not-possible-now": 409,
    "call-control": 409,
    "agent-error": 409,
    "agent-step-refused": 409,
    "dial-refused": 403,
    "too-many-calls": 429,
    "switch-unavailable": 503,
    "switch-action-unknown": 504,
    "switch-action-refused": 502,
    "switch-error": 502,
    # tasks
    "task-not-found": 404,
    "task-taken": 409,
    # store
    "storage-unavailable": 503,
}

#: Attributes of errors that go into the document, under their own names.
_MEMBERS: Final = ("holder", "rule", "state", "allowed")
RETRY_SECONDS: Final = 5


class ValueProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="place of the value, parts joined by dots")
    message: str


class ProblemDocument(BaseModel):
    """RFC 9457, media type application/problem+json."""

    type: str = Field(description="about:blank")
    title: str
    status: int
    detail: str
    error_id: str = Field(description="stable word for programs")
    request_id: str = Field(description="finds the request in the log")
    retryable: bool = Field(description="the same request may succeed later")
    errors: list[ValueProblem] | None = None
    holder: str | None = Field(None, description="who has what was asked for")
    rule: str | None = Field(None, description="which fence refused")
    state: str | None = None
    allowed: list[str] | None = None


class Refused(Exception):
    """A request the web side itself refuses. The sentence says what happened and what to do."""

    retryable = False

    def __init__(
        self,
        error_id: str,
        sentence: str,
        *,
        errors: Sequence[ValueProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.error_id = error_id
        self.errors = errors
        self.headers = headers or {}


def status_of(error: BaseException) -> int | None:
    """The HTTP status for a domain error, or None where it is a fault of ours."""
    return STATUS.get(str(getattr(error, "error_id", "")))


def problem(error: BaseException, *, request_id: str) -> web.Response:
    """The reply for an error. One without a known `error_id` becomes 500 and says nothing of itself."""
    status = status_of(error)
    if status is None:
        return _reply(
            500,
            "internal-error",
            "Something went wrong here. Report the request id if it happens again.",
            request_id=request_id,
            retryable=False,
        )
    members: dict[str, object] = {}
    for name in _MEMBERS:
        value = getattr(error, name, None)
        if value:
            members[name] = list(value) if isinstance(value, list | tuple) else str(value)
    if errors := getattr(error, "errors", ()):
        members["errors"] = [item.model_dump() for item in errors]
    headers = dict(getattr(error, "headers", {}))
    if wait := getattr(error, "wait_seconds", 0):
        headers["Retry-After"] = str(wait)
    retryable = bool(getattr(error, "retryable", False)) or status == 503
    if retryable:
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return _reply(
        status,
        str(getattr(error, "error_id", "")),
        str(error),
        request_id=request_id,
        retryable=retryable,
        headers=headers,
        members=members,
    )


def of_status(status: int, *, request_id: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """The reply for a refusal of aiohttp's own (unknown path, wrong method, too large)."""
    known = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "wrong-media-type"}
    sentences = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "The request is larger than allowed.",
    }
    return _reply(
        status,
        known.get(status, "bad-request" if status < 500 else "internal-error"),
        sentences.get(status, "The request cannot be answered."),
        request_id=request_id,
        retryable=False,
        headers=headers,
    )


def _reply(
    status: int,
    error_id: str,
    detail: str,
    *,
    request_id: str,
    retryable: bool,
    headers: Mapping[str, str] | None = None,
    members: Mapping[str, object] | None = None,
) -> web.Response:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "error_id": error_id,
        "request_id": request_id,
        "retryable": retryable,
        **(members or {}),
    }
    return web.Response(
        status=status,
        body=json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"),
        content_type="application/problem+json",
        headers=dict(headers or {}),
    )
