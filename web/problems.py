"""Refusals as RFC 9457 problem documents: one table from error_id to status, one way to write them.

What goes out is a stable `error_id`, a sentence, and the request's id. Never a stack trace, a statement,
or a path.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from access.users import Language
from web.refusals import Say, said

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
    "too-many-requests": 429,
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
    "approval-not-found": 404,
    "request-not-found": 404,
    "hold-not-found": 404,
    "already-decided": 409,
    "same-person": 409,
    "no-call-with-customer": 409,
    "request-open": 409,
    "legal-hold": 409,
    "call-going-on": 409,
    "erasure-refused": 409,
    "reason-missing": 422,
    "only-in-browser": 403,
    "code-refused": 422,
    "factor-exists": 409,
    "no-factor": 409,
    "factor-demanded": 409,
    "password-must-change": 403,
    "factor-must-be-set": 403,
    "no-own-user": 409,
    "no-rating": 409,
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
    "customer-not-found": 404,
    "bad-record": 422,
    # tasks
    "task-not-found": 404,
    "task-taken": 409,
    "task-elsewhere": 409,
    "task-error": 409,
    # reports
    "report-not-found": 404,
    "bad-report": 422,
    "report-step-refused": 409,
    "report-changed": 409,
    "report-error": 409,
    # after the call
    "registration-not-found": 404,
    "registration-incomplete": 422,
    "registration-filed": 409,
    "registration-changed": 409,
    "registration-error": 409,
    "draft-changed": 409,
    "draft-too-large": 413,
    "wrapup-at-limit": 409,
    "bad-definition": 422,
    "definition-not-found": 404,
    "definition-changed": 409,
    "no-such-department": 422,
    "due-in-the-past": 422,
    # recordings
    "sound-not-found": 404,
    "sound-not-ready": 409,
    "sound-held": 409,
    "sound-away": 503,
    "listening-error": 409,
    "bad-range": 416,
    # knowledge
    "article-not-found": 404,
    "article-changed": 409,
    "bad-article": 422,
    "knowledge-error": 409,
    # bulletins
    "bulletin-not-found": 404,
    "bulletin-changed": 409,
    "bad-bulletin": 422,
    "bulletin-error": 409,
    # webhooks out
    "url-refused": 422,
    "hook-not-found": 404,
    "delivery-not-found": 404,
    "too-many-hooks": 409,
    "hook-off": 409,
    "vehicle-not-found": 404,
    "entry-not-found": 404,
    "customer-number-taken": 409,
    "vin-taken": 409,
    "record-changed": 409,
    "record-closed": 403,
    "field-taken": 409,
    "field-locked": 403,
    "too-many-searches": 429,
    # groups, merging, corrections
    "group-not-found": 404,
    "group-name-taken": 409,
    "group-changed": 409,
    "group-refused": 409,
    "bad-group-query": 422,
    "too-slow": 503,
    "record-merged": 409,
    "merge-not-found": 404,
    "merge-refused": 409,
    "undo-refused": 409,
    "pair-decided": 409,
    "correction-not-found": 404,
    "appointment-not-found": 404,
    "appointment-step-refused": 409,
    "appointment-changed": 409,
    "appointment-time-taken": 409,
    "bad-appointment": 422,
    "correction-step-refused": 409,
    # cases and private links
    "contact-not-found": 404,
    "contact-changed": 409,
    "contact-closed": 409,
    "contact-taken": 409,
    "bad-contact": 422,
    "contact-error": 409,
    "plan-not-found": 404,
    "plan-changed": 409,
    "bad-plan": 422,
    "bad-campaign": 422,
    "bad-campaign-rules": 422,
    "campaign-not-found": 404,
    "campaign-changed": 409,
    "campaign-taken": 409,
    "campaign-step-not-allowed": 409,
    "target-not-found": 404,
    "target-taken": 409,
    "target-over": 409,
    "contact-refused": 409,
    "bad-consent": 422,
    "bad-contact-switch": 422,
    "consent-not-found": 404,
    "plan-error": 409,
    "case-not-found": 404,
    "bad-case": 422,
    "case-step-not-allowed": 409,
    "case-step-forbidden": 403,
    "case-changed": 409,
    "case-error": 409,
    "link-not-found": 404,
    "link-expired": 410,
    "link-revoked": 410,
    "link-used": 410,
    "link-elsewhere": 403,
    "link-pin-wrong": 403,
    "link-error": 409,
    # surveys
    "questionnaire-not-found": 404,
    "bad-questionnaire": 422,
    "questionnaire-changed": 409,
    "questionnaire-step-not-allowed": 409,
    "response-not-found": 404,
    "bad-answer": 422,
    "response-changed": 409,
    "response-over": 409,
    "response-incomplete": 422,
    "survey-offer-refused": 409,
    "survey-offer-not-found": 404,
    "survey-error": 409,
    # scripts
    "script-not-found": 404,
    "bad-script": 422,
    "script-changed": 409,
    "script-step-not-allowed": 409,
    "script-error": 409,
    # lists
    "import-not-found": 404,
    "import-not-possible": 409,
    "import-file-refused": 422,
    "import-mapping-incomplete": 422,
    "import-files-gone": 410,
    "export-not-found": 404,
    "export-not-ready": 409,
    "export-gone": 410,
    "exports-too-many": 429,
    "export-filter": 422,
    "export-failed": 503,
    # store
    "storage-unavailable": 503,
}

#: Attributes of errors that go into the document, under their own names.
#: Attributes that are documents of their own: what was there, and what was sent.
_DOCUMENTS: Final = ("theirs", "yours")
_MEMBERS: Final = ("holder", "rule", "state", "allowed", "allowed_steps")
RETRY_SECONDS: Final = 5


class ValueProblem(BaseModel):
    """What is wrong with one field."""

    model_config = ConfigDict(frozen=True)

    field: str = Field(description="place of the value, parts joined by dots")
    message: str = Field(description="what it must be, in the language asked for")
    code: str | None = Field(None, description="stable word for programs, where there is one")


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
    theirs: dict[str, Any] | None = Field(None, description="what somebody else saved meanwhile")
    yours: dict[str, Any] | None = Field(None, description="what was sent; nothing of it is lost")
    version: int | None = Field(None, description="the newest version, to base the next change on")
    state: str | None = None
    allowed: list[str] | None = None
    allowed_steps: list[str] | None = Field(None, description="steps that the state allows now")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """What is wrong with one field; it is put into words for who reads it."""

    field: str
    say: Say
    #: A word for programs, where there is one.
    code: str | None = None

    def as_problem(self, language: Language) -> ValueProblem:
        """The same in a language."""
        return ValueProblem(field=self.field, message=self.say(language), code=self.code)


class Refused(Exception):
    """A request the web side itself refuses. The sentence says what happened and what to do."""

    retryable = False

    def __init__(
        self,
        error_id: str,
        sentence: str,
        *,
        errors: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(sentence)
        self.error_id = error_id
        self.errors = errors
        self.headers = headers or {}


def status_of(error: BaseException) -> int | None:
    """The HTTP status for a domain error, or None where it is a fault of ours."""
    return STATUS.get(str(getattr(error, "error_id", "")))


def problem(error: BaseException, *, request_id: str, language: Language = "en") -> web.Response:
    """The reply for an error in a language. One without a known `error_id` becomes 500 and says nothing of itself."""
    status = status_of(error)
    if status is None:
        return _reply(
            500,
            "internal-error",
            said(
                language,
                "internal-error",
                "Something went wrong here. Report the request id if it happens again.",
            ),
            request_id=request_id,
            retryable=False,
        )
    error_id = str(getattr(error, "error_id", ""))
    members: dict[str, object] = {}
    for name in _MEMBERS:
        value = getattr(error, name, None)
        if value:
            members[name] = list(value) if isinstance(value, list | tuple) else str(value)
    for name in _DOCUMENTS:
        if isinstance(document := getattr(error, name, None), Mapping):
            members[name] = dict(document)
    if isinstance(version := getattr(error, "version", None), int):
        members["version"] = version
    if errors := getattr(error, "errors", ()):
        members["errors"] = [item.as_problem(language).model_dump(exclude_none=True) for item in errors]
    elif field := getattr(error, "field", ""):
        problem_of = ValueProblem(field=str(field), message=said(language, error_id, str(error)))
        members["errors"] = [problem_of.model_dump(exclude_none=True)]
    headers = dict(getattr(error, "headers", {}))
    if wait := getattr(error, "wait_seconds", 0):
        headers["Retry-After"] = str(wait)
    retryable = bool(getattr(error, "retryable", False)) or status == 503
    if retryable:
        headers.setdefault("Retry-After", str(RETRY_SECONDS))
    return _reply(
        status,
        error_id,
        said(language, error_id, str(error)),
        request_id=request_id,
        retryable=retryable,
        headers=headers,
        members=members,
    )


def of_status(
    status: int,
    *,
    request_id: str,
    headers: Mapping[str, str] | None = None,
    language: Language = "en",
) -> web.Response:
    """The reply for a refusal of aiohttp's own (unknown path, wrong method, too large)."""
    known = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large", 415: "wrong-media-type"}
    sentences = {
        404: "There is nothing at this address.",
        405: "This address does not take that method.",
        413: "The request is larger than allowed.",
    }
    error_id = known.get(status, "bad-request" if status < 500 else "internal-error")
    return _reply(
        status,
        error_id,
        said(language, error_id, sentences.get(status, "The request cannot be answered.")),
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
