"""The API's description is valid OpenAPI, complete, and true to the table of routes."""

from __future__ import annotations

import json
import re
from pathlib import Path

from openapi_spec_validator import validate

from access.permissions import Permission
from web.api.openapi import EXAMPLES, describe
from web.app import ROUTES
from web.problems import STATUS, ProblemDocument
from web.routes import Nothing

DOCUMENT = json.loads(json.dumps(describe(ROUTES, version="0.1.0")))
#: Rights by which somebody outside is rung or written to.
CAUSES = {Permission.CALLS_DIAL}
ROOT = Path(__file__).parents[2]


def test_the_description_is_valid_openapi() -> None:
    validate(DOCUMENT)


def test_every_api_route_is_described_with_its_refusals() -> None:
    described = {(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(r.method, r.path) for r in ROUTES if r.path.startswith("/api/")}
    for route in ROUTES:
        if not route.path.startswith("/api/"):
            continue
        operation = DOCUMENT["paths"][route.path][route.method.lower()]
        answers = operation["responses"]
        assert str(route.status) in answers
        if route.needs is not None:
            assert {"401", "403"} <= answers.keys()
            assert operation["x-permission"] == route.needs.value
        if route.query is not Nothing:
            names = {parameter["name"] for parameter in operation["parameters"]}
            assert set(route.query.model_fields) <= names
        for error_id in route.errors:
            assert str(STATUS[error_id]) in answers


def test_every_refusal_is_a_problem_document_with_an_example() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            refusals = {
                status: answer for status, answer in operation["responses"].items() if status >= "400"
            }
            assert refusals or not operation.get("security", True), (method, path)
            for status, reference in refusals.items():
                answer = DOCUMENT["components"]["responses"][reference["$ref"].rpartition("/")[2]]
                (media,) = answer["content"]
                assert media == "application/problem+json"
                for name, shown in answer["content"][media]["examples"].items():
                    assert shown == {"$ref": f"#/components/examples/{name}"}
                    example = DOCUMENT["components"]["examples"][name]["value"]
                    assert (STATUS[name], example["status"]) == (int(status), int(status))
                    assert ProblemDocument.model_validate(example).error_id == name
                if status in ("429", "503"):
                    assert "Retry-After" in answer["headers"]


def test_examples_are_what_the_operations_take() -> None:
    bodies = {f"{route.method} {route.path}": route.body for route in ROUTES}
    for name, example in EXAMPLES.items():
        body = bodies[name]
        assert body is not None, name
        body.model_validate_json(json.dumps(example))


def test_s20_whatever_causes_a_call_or_a_message_takes_an_idempotency_key() -> None:
    """A new route that may dial or send has to take the key; what only controls a call that is there need not."""
    for route in ROUTES:
        if route.method == "POST" and route.needs in CAUSES and route.path.startswith("/api/"):
            assert route.once, route.path
            parameters = DOCUMENT["paths"][route.path]["post"]["parameters"]
            assert [one["in"] for one in parameters if one["name"] == "Idempotency-Key"] == ["header"]


def test_operation_ids_are_words_and_unique() -> None:
    ids = [item["operationId"] for path in DOCUMENT["paths"].values() for item in path.values()]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9_-]+", one) for one in ids)


def test_every_error_id_of_the_lower_layers_has_a_status() -> None:
    """What a port may raise must not turn into 500 for want of a line in the table."""
    import crm.tasks.tasks
    import storage.database
    import telephony.agents
    import telephony.control
    import telephony.desk
    import telephony.fences
    import telephony.ports
    from access import requests, users

    modules = (
        crm.tasks.tasks,
        storage.database,
        telephony.agents,
        telephony.control,
        telephony.desk,
        telephony.fences,
        telephony.ports,
        requests,
        users,
    )
    bases = {"storage-error", "task-error", "access-refused"}
    found = {
        value.error_id
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Exception) and hasattr(value, "error_id")
    }
    assert found - bases <= STATUS.keys()
