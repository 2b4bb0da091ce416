"""The API's description (OpenAPI 3.1), made from the route table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from web.problems import STATUS, ProblemDocument
from web.routes import Nothing, Route, Shape

_REF: Final = "#/components/schemas/{model}"
_EVERY_ROUTE: Final = ("bad-query", "token-refused", "not-allowed", "internal-error", "storage-unavailable")
_WITH_BODY: Final = ("bad-json", "body-too-slow", "body-too-large", "wrong-media-type", "bad-values")


def describe(routes: Iterable[Route], *, version: str) -> dict[str, Any]:
    """The whole document as plain JSON."""
    table = [route for route in routes if route.path.startswith("/api/")]
    models: set[type[Any]] = {ProblemDocument}
    for route in table:
        models |= {model for model in (route.body, route.answer) if model is not None}
    ordered = sorted(models, key=lambda model: model.__name__)
    outgoing = [(model, "serialization") for model in ordered if not model.__name__.endswith("In")]
    incoming = [(model, "validation") for model in ordered if model.__name__.endswith("In")]
    _, schemas = models_json_schema([*outgoing, *incoming], ref_template=_REF)  # type: ignore[list-item]
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Careline",
            "version": version,
            "description": "Telephone system of a dealership's customer-relations department. "
            "Refusals are application/problem+json with a stable `error_id`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.get("$defs", {}),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "careline"},
            },
        },
        "security": [{"token": []}, {"session": []}],
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag or "careline"],
        "parameters": _parameters(route),
        "responses": {str(route.status): _success(route), **_refusals(route)},
    }
    if route.needs is None:
        operation["security"] = []
    else:
        operation["x-permission"] = route.needs.value
    if route.body is not None:
        optional = all(not field.is_required() for field in route.body.model_fields.values())
        operation["requestBody"] = {
            "required": not optional,
            "content": {"application/json": {"schema": _ref(route.body)}},
        }
    return operation


def _ref(model: type[Shape] | type[ProblemDocument]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _success(route: Route) -> dict[str, Any]:
    schema: dict[str, Any] = _ref(route.answer) if route.answer is not None else {"type": "string"}
    if route.answer is None and route.media == "application/json":
        schema = {"type": "object"}
    return {"description": route.summary, "content": {route.media: {"schema": schema}}}


def _refusals(route: Route) -> dict[str, Any]:
    ids = [*route.errors]
    if route.needs is not None:
        ids += _EVERY_ROUTE
    if route.body is not None:
        ids += [*_WITH_BODY, "csrf-refused"]
    if route.once:
        ids.append("bad-idempotency-key")
    by_status: dict[int, list[str]] = {}
    for error_id in dict.fromkeys(ids):
        by_status.setdefault(STATUS[error_id], []).append(error_id)
    if re.search(r"{\w+}", route.path):
        by_status.setdefault(404, []).append("not-found")
    content = {"application/problem+json": {"schema": _ref(ProblemDocument)}}
    return {
        str(status): {"description": ", ".join(dict.fromkeys(names)), "content": content}
        for status, names in sorted(by_status.items())
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[0-9A-Za-z]{1,64}$"},
        }
        for name in re.findall(r"{(\w+)}", route.path)
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
