"""schemathesis against the running API: no server error, and every answer is as its description says.

Bounded and repeatable: the same seeds every time, a few examples for each operation, over the real stores. Half of
the requests name objects that exist (tests/sweep_objects.py), so that handlers are reached and not only refused.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import schemathesis
from fixtures_web import Office, OfficeMaker
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sweep_objects import OBJECTS

from access.permissions import GRANTS, Role
from web.api.openapi import describe
from web.app import ROUTES

#: Requests for each operation; more find more: CARELINE_TEST_EXAMPLES=50.
EXAMPLES: Final = int(os.environ.get("CARELINE_TEST_EXAMPLES", "3"))
#: Operations that do not end, or that end what the test asks with.
LEFT_OUT: Final = {"/api/v1/live"}
DOCUMENT: Final = json.loads(json.dumps(describe(ROUTES, version="0.1.0")))
CHECKS: Final = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


def planted(office: Office) -> Mapping[str, str]:
    """Ids of things that exist, by the parameter that names them."""
    found = {}
    for name, what in OBJECTS.items():
        make = what.seen or what.foreign
        if make is not None and " " not in name:
            found[name] = make(office)
    return found


def role_for(method: str, path: str) -> Role | None:
    """The mightiest role that may ask; None for what is public."""
    needs = {(route.method, route.path): route.needs for route in ROUTES}[method, path]
    for role in (Role.MANAGER, Role.ADMIN, *Role):
        if needs in GRANTS[role]:
            return role
    return None


def ask_everything(office: Office, part: int, parts: int) -> list[str]:
    """Every operation of one part; gives what was wrong, one line each."""
    ids = planted(office)
    tokens = {role: office.add_token(role, user=office.users[role.value]) for role in Role}
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=office.base)
    wrong: list[str] = []
    for index, found in enumerate(schema.get_all_operations()):
        operation = found.ok()
        if index % parts != part or operation.path in LEFT_OUT:
            continue
        role = role_for(operation.method.upper(), operation.path)
        headers = {"Authorization": f"Bearer {tokens[role]}"} if role is not None else {}
        wrong += list(_ask(operation, headers, ids))
    return wrong


def _ask(operation: Any, headers: Mapping[str, str], ids: Mapping[str, str]) -> Iterator[str]:
    troubles: dict[str, str] = {}

    @seed(20261122)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.booleans())
    def check(case: Any, real: bool) -> None:
        if real and case.path_parameters:
            case.path_parameters = {
                name: ids.get(name, value) for name, value in case.path_parameters.items()
            }
        case.headers = {**(case.headers or {}), **headers}
        answer = case.call(timeout=60)
        try:
            case.validate_response(answer, checks=list(CHECKS))
        except FailureGroup as group:
            for one in group.exceptions:
                asked = f"{case.method} {answer.request.url} {answer.request.body!r}"
                troubles.setdefault(
                    type(one).__name__,
                    f"{answer.status_code} {one} {str(one.message)[:400]} {answer.text[:300]}; {asked[:400]}",
                )

    check()
    for words in troubles.values():
        yield f"{operation.method.upper()} {operation.path}: {words}"


@pytest.mark.parametrize("part", range(2))
async def test_no_request_the_description_allows_breaks_the_api(make_office: OfficeMaker, part: int) -> None:
    office = await make_office(api_per_minute=1_000_000)
    for role in Role:
        office.add_user(role.value, role)
    wrong = await asyncio.to_thread(ask_everything, office, part, 2)
    assert not wrong, "\n\n".join(wrong)
