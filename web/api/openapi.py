"""The API's description (OpenAPI 3.1), made from the route table."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from web.problems import STATUS, ProblemDocument
from web.routes import Nothing, Route, Shape

_REF: Final = "#/components/schemas/{model}"
_EVERY_ROUTE: Final = (
    "bad-query",
    "not-signed-in",
    "token-refused",
    "not-allowed",
    "foreign-origin",
    "too-many-requests",
    "internal-error",
    "storage-unavailable",
)
_WITH_BODY: Final = (
    "bad-json",
    "body-incomplete",
    "body-too-slow",
    "body-too-large",
    "wrong-media-type",
    "bad-values",
)
#: Parameters of paths: ids (`web.routes.add_route` holds them to it), and words.
_ID: Final = "^[0-9A-Za-z]{1,64}$"
_WORD: Final = "^[0-9A-Za-z._-]{1,64}$"
#: Statuses whose answers say when to come back.
_WAITS: Final = (429, 503)


#: What a first request looks like, by operation; tests hold them to the models.
EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /api/v1/calls": {"number": "138 1234 5678"},
    "POST /api/v1/hooks": {
        "name": "DMS",
        "url": "https://dms.example/careline",
        "events": ["call.ended", "record.changed"],
        "language": "zh-CN",
    },
    "POST /api/v1/tokens": {"name": "DMS", "role": "supervisor"},
    "POST /api/v1/users": {"login": "li.na", "name": "李娜", "role": "agent"},
    "POST /api/v1/tasks/{task_id}/close": {"result": "已回访，客户满意"},
}


def describe(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """The whole document as plain JSON."""
    table = [route for route in routes if route.path.startswith("/api/")]
    wanted: set[tuple[type[Any], str]] = {(ProblemDocument, "serialization")}
    for route in table:
        if route.body is not None:
            wanted.add((route.body, "validation"))
        if route.answer is not None:
            wanted.add((route.answer, "serialization"))
    ordered = sorted(wanted, key=lambda one: (one[0].__name__, one[1]))
    made, schemas = models_json_schema(ordered, ref_template=_REF)  # type: ignore[arg-type]
    refs: _Refs = {(model, str(mode)): found for (model, mode), found in made.items()}
    paths: dict[str, dict[str, Any]] = {}
    refusals: dict[str, Any] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, refs, refusals)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Careline",
            "version": version,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "responses": dict(sorted(refusals.items())),
            "examples": {name: _refused_as(name, status) for name, status in sorted(STATUS.items())},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "For programs: `careline token create --role ROLE`, or POST /api/v1/tokens.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "careline",
                    "description": "For the house's own pages (over https the name is __Host-careline). "
                    "Every change also needs the header X-CSRF-Token with `csrf` of GET /api/v1/me.",
                },
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


_ABOUT: Final = (
    "Telephone system of a dealership's customer-relations department. How to begin: docs/api.md.\n\n"
    "Every refusal is application/problem+json (RFC 9457) with a stable `error_id`; `retryable` says whether the same "
    "request may succeed later, and where the header Retry-After stands it says when. Unknown fields and parameters "
    "are refused. Times are ISO 8601 with a zone. Numbers and names are masked by the asker's role. Lists give "
    "`next`: send it as `cursor` for the following page.\n\n"
    "A POST that causes a call or a message takes an Idempotency-Key: the same key with the same body gives the first "
    "answer again and does nothing (header Idempotency-Replayed: true), with another body it is refused with 422; "
    "keys are kept for two days.\n\n"
    "To programs (tokens) every GET gives an ETag; send it as If-None-Match, and what has not changed is answered 304."
)
_Refs = dict[tuple[type[Any], str], dict[str, Any]]


def _operation(route: Route, refs: _Refs, refusals: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag or "careline"],
        "parameters": _parameters(route),
        "responses": _responses(route, refs, refusals),
    }
    if route.needs is None:
        operation["security"] = []
    else:
        operation["x-permission"] = route.needs.value
    if route.body is not None:
        optional = all(not field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {
            "required": not optional,
            "content": {"application/json": {"schema": refs[route.body, "validation"], **_example(route)}},
        }
    return operation


def _example(route: Route) -> dict[str, Any]:
    found = EXAMPLES.get(f"{route.method} {route.path}")
    return {} if found is None else {"example": found}


def _responses(route: Route, refs: _Refs, refusals: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"type": "string"}}
    if route.answer is not None:
        content = {"schema": refs[route.answer, "serialization"]}
    elif route.media == "application/json":
        content = {"schema": {"type": "object"}}
    elif not route.media.startswith("text/"):
        content = {}  # bytes
    done: dict[str, Any] = {"description": route.summary, "content": {route.media: content}}
    found = {str(route.status): done}
    if route.json is not None and route.method == "GET":
        done["headers"] = {"ETag": {"description": "to programs only", "schema": {"type": "string"}}}
        found["304"] = {"description": "what If-None-Match names has not changed"}
    if route.once:
        done["headers"] = {
            "Idempotency-Replayed": {
                "description": "true: answered before, nothing was done now",
                "schema": {"const": "true"},
            }
        }
    return {**found, **_refusals(route, refs, refusals)}


def _refusals(route: Route, refs: _Refs, refusals: dict[str, Any]) -> dict[str, Any]:
    """References to what stands once in `refusals`: most routes refuse alike."""
    ids = [*route.errors]
    if route.needs is not None:
        ids += _EVERY_ROUTE
    if route.needs is not None and route.method != "GET":
        ids.append("csrf-refused")
    if route.body is not None:
        ids += _WITH_BODY
    if route.once:
        ids += ["bad-idempotency-key", "idempotency-key-reused"]
    if route.parameters:
        ids.append("not-found")
    by_status: dict[int, list[str]] = {}
    for error_id in dict.fromkeys(ids):
        by_status.setdefault(STATUS[error_id], []).append(error_id)
    found = {}
    for status, names in sorted(by_status.items()):
        name = (
            f"{status}-{names[0]}" if len(names) == 1 else f"{status}-{zlib.crc32(repr(names).encode()):08x}"
        )
        refusals.setdefault(name, _refusal(status, names, refs))
        found[str(status)] = {"$ref": f"#/components/responses/{name}"}
    return found


def _refused_as(error_id: str, status: int) -> dict[str, Any]:
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "What happened, and what to do.",
        "error_id": error_id,
        "request_id": "01J0AB12CD34EF56GH78JK90MN",
        "retryable": status == 503,
    }
    return {"value": document}


def _refusal(status: int, names: list[str], refs: _Refs) -> dict[str, Any]:
    refusal: dict[str, Any] = {
        "description": ", ".join(names),
        "content": {
            "application/problem+json": {
                "schema": refs[ProblemDocument, "serialization"],
                "examples": {name: {"$ref": f"#/components/examples/{name}"} for name in names},
            }
        },
    }
    if status in _WAITS:
        refusal["headers"] = {"Retry-After": {"description": "seconds", "schema": {"type": "string"}}}
    return refusal


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": _ID if name.endswith("_id") else _WORD},
        }
        for name in route.parameters
    ]
    if route.query is not Nothing:
        found += _query_parameters(route.query)
    if route.once:
        found.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "the same key again gives the first answer and does nothing",
                "schema": {"type": "string", "minLength": 1, "maxLength": 128},
            }
        )
    return found


def _query_parameters(model: type[Shape]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    found = []
    for name, described in schema.get("properties", {}).items():
        found.append(
            {
                "name": name,
                "in": "query",
                "required": name in schema.get("required", []),
                "schema": _inline(described, definitions),
            }
        )
    return found


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """The schema with its references written out, and without the null that a query string cannot say."""
    if isinstance(schema, list):
        return [_inline(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        merged = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
        merged.pop("$ref")
        return _inline(merged, definitions)
    plain = {key: _inline(value, definitions) for key, value in schema.items()}
    options = [item for item in plain.get("anyOf", []) if item != {"type": "null"}]
    if len(options) == 1:
        plain.pop("anyOf")
        plain = {**options[0], **plain}
    if "default" in plain and plain["default"] is None:
        plain.pop("default")
    return plain
