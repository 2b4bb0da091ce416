"""S10 and S11 on every route of the table: odd parameters and odd bodies are refused or taken literally, never 500.

Made from the route table, so a new route cannot be forgotten. One route with its reasons: test_web_sockets.py.
"""

from __future__ import annotations

import asyncio
import gzip
import resource
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import pytest
from fixtures_web import Browser, Office, OfficeMaker
from sweep_objects import NAME, NOT_SWEPT, NUMBER_WRITTEN, OBJECTS, body_for, customer

from access.permissions import GRANTS, Permission, Role
from web.app import ROUTES
from web.routes import Nothing, Route

NOBODY_ID: Final = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: S10.
ODD_VALUES: Final = (
    "%",
    "_",
    "'",
    "' OR 1=1 --",
    '"; DROP TABLE calls; --',
    "\\",
    "(select 1)",
    "-1",
    "1e9",
    "99999999999999999999999999",
    "NaN",
    "\x00",
    "\ud7ff\U0001f697",
    "‮张伟",
    "[]",
)
#: Refused before anybody reads which parameter it is, so one on each route is enough.
TOO_LONG: Final = "é" * 5000
SLOWEST_SECONDS: Final = 1.0


def role_of(route: Route) -> Role | None:
    """Somebody who may."""
    return next((role for role in (Role.MANAGER, Role.ADMIN, *Role) if route.needs in GRANTS[role]), None)


def said(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route, ids: Mapping[str, str]) -> str:
    path = route.path
    for name in route.parameters:
        path = path.replace(f"{{{name}}}", ids.get(name, NOBODY_ID))
    return path


def planted(office: Office) -> dict[str, str]:
    found = {}
    for name, what in OBJECTS.items():
        make = what.seen or what.foreign
        if make is not None and " " not in name:
            found[name] = make(office)
    return found


@pytest.fixture
async def busy_office(make_office: OfficeMaker) -> Office:
    office = await make_office(api_per_minute=10_000_000, body_seconds=2.0)
    for role in Role:
        office.add_user(role.value, role)
    return office


async def browsers_of(office: Office) -> dict[Role, Browser]:
    return {role: await office.signed_in(role.value) for role in Role}


LISTS: Final = [
    route
    for route in ROUTES
    if route.method == "GET"
    and route.needs is not None
    and route.media in ("application/json", "text/html")
    and (route.query is not Nothing or route.media == "text/html")
]


async def test_s10_odd_parameters_are_refused_or_taken_literally(busy_office: Office) -> None:
    """Every parameter of every list with every odd value, and parameters that nobody has."""
    office = busy_office
    ids = planted(office)
    browsers = await browsers_of(office)
    foreign = {"order": "1;drop", "sort": "(select password_hash from users)", "page": "-1", "offset": "1e9"}
    for route in LISTS:
        role = role_of(route)
        if role is None:
            continue
        browser = browsers[role]
        accept = {"Accept": "text/html"} if route.media == "text/html" else {}
        asked = [(name, value) for name in route.query.model_fields for value in ODD_VALUES]
        asked += [(name, value) for name, value in foreign.items() if name not in route.query.model_fields]
        asked += [("cursor", value) for value in ODD_VALUES[:3] if "cursor" not in route.query.model_fields]
        asked.append(("q", TOO_LONG))
        base = path_of(route, ids)
        for name, value in asked:
            where = f"{said(route)} {name}={value[:40]!r}"
            url = f"{base}?{name}={quote(value, safe='')}"
            for _time in range(2):  # once more: a collection of an earlier test's garbage is not the server's
                began = time.process_time()  # the server is in this process, and others load the machine
                answer = await browser.get(url, headers=accept)
                text = await answer.text()
                took = time.process_time() - began
                if took < SLOWEST_SECONDS:
                    break
            assert answer.status < 500, f"{where}: {answer.status} {text[:300]}"
            assert took < SLOWEST_SECONDS, f"{where}: {took:.2f} s"
            if route.media == "application/json" and name in foreign and name not in route.query.model_fields:
                assert answer.status == 400, f"{where}: {answer.status}"
            for leak in ("Traceback", "sqlite3", "psycopg", "sqlalchemy", "SELECT "):
                assert leak not in text, f"{where}: {leak}"


def bodies() -> Mapping[str, tuple[bytes, tuple[str, ...]]]:
    """S11: name to body and headers."""
    as_json = ("Content-Type: application/json",)
    as_form = ("Content-Type: application/x-www-form-urlencoded",)
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % n for n in range(10_000)
    )
    file = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../etc/passwd\x00.xlsx"\r\n'
        b"Content-Type: text/html\r\n\r\n<html>\xff\xfe\r\n--x--\r\n"
    )
    return {
        "list": (b"[]", as_json),
        "number": (b"7", as_json),
        "null": (b"null", as_json),
        "text": (b'"x"', as_json),
        "nothing": (b"", as_json),
        "half": (b'{"a', as_json),
        "bad utf-8": (b'{"name": "\xff\xfe"}', as_json),
        "lone surrogate": (b'{"name": "\\ud800", "number": "\\udfff"}', as_json),
        "unknown field": (b'{"is_admin": true}', as_json),
        "nested": (b"[" * 200_000, as_json),
        "nested objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, as_json),
        "2 MiB": (b" " * 2_097_152, as_json),
        "gzip bomb": (gzip.compress(b" " * 20_000_000), (*as_json, "Content-Encoding: gzip")),
        "form": (b"a=1&a=2&%00=%ff&csrf=x", as_form),
        "form of 5,000 fields": (b"&".join(b"f%d=1" % n for n in range(5000)), as_form),
        "form, bad utf-8": (b"name=\xff\xfe&csrf=%ff", as_form),
        "10,000 parts": (parts + b"--x--\r\n", ("Content-Type: multipart/form-data; boundary=x",)),
        "endless part": (b"--x\r\nX: " + b"y" * 500_000, ("Content-Type: multipart/form-data; boundary=x",)),
        "odd file": (file, ("Content-Type: multipart/form-data; boundary=x",)),
        "no boundary": (b"--x--\r\n", ("Content-Type: multipart/form-data",)),
        "long boundary": (b"--x--\r\n", ("Content-Type: multipart/form-data; boundary=" + "b" * 3000,)),
        "no type": (b"{}", ()),
        "odd type": (b"{}", ("Content-Type: ;;;=/",)),
    }


async def send(office: Office, head: list[str], body: bytes) -> bytes:
    """The first bytes of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.port)
    try:
        writer.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        try:
            for start in range(0, len(body), 65_536):
                writer.write(body[start : start + 65_536])
                await writer.drain()
        except ConnectionError:
            pass  # refused before it was all there
        async with asyncio.timeout(30):
            return await reader.read(4096)
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def memory() -> int:
    """Most memory this process ever had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


CHANGES: Final = [
    route
    for route in ROUTES
    if route.method != "GET" and route.needs is not None and said(route) not in NOT_SWEPT
]


@pytest.mark.parametrize("part", range(2))
async def test_s11_odd_bodies_are_refused_by_every_route(busy_office: Office, part: int) -> None:
    office = busy_office
    ids = planted(office)
    browsers = await browsers_of(office)
    cookies = {
        role: "; ".join(f"{one.key}={one.value}" for one in browser.session.cookie_jar)
        for role, browser in browsers.items()
    }
    odd = bodies()
    await send(office, ["GET /healthz HTTP/1.1", "Host: x"], b"")
    before = memory()
    for route in CHANGES[part::2]:
        role = role_of(route)
        if role is None:
            continue
        first = [
            f"{route.method} {path_of(route, ids)} HTTP/1.1",
            f"Host: 127.0.0.1:{office.port}",
            f"Cookie: {cookies[role]}",
            f"X-CSRF-Token: {browsers[role].csrf}",
            "Connection: close",
        ]
        cases = {
            name: ([*first, *headers, f"Content-Length: {len(body)}"], body)
            for name, (body, headers) in odd.items()
        }
        cases["length and chunks"] = (
            [*first, "Content-Type: application/json", "Content-Length: 5", "Transfer-Encoding: chunked"],
            b"0\r\n\r\n",
        )
        cases["10 KiB header"] = ([*first, "X-Long: " + "x" * 10_240, "Content-Length: 2"], b"{}")
        for name, (head, body) in cases.items():
            answer = await send(office, head, body)
            where = f"{said(route)} with {name}: {answer[:600]!r}"
            if not answer:
                assert name in ("2 MiB", "endless part", "10 KiB header"), (
                    where
                )  # closed while we still wrote
                continue
            status = int(answer.split(b" ", 2)[1])
            assert status < 500, where
            if name in ("length and chunks", "10 KiB header"):
                assert status in (400, 431), where
            if route.body is not None and route.json is not None and name not in ("nothing", "no type"):
                assert 400 <= status < 500, where
            for leak in (b"Traceback", b"site-packages", b"pydantic"):
                assert leak not in answer, where
    grown = memory() - before
    print(f"memory grew by {grown / 1e6:.0f} MB over {len(CHANGES[part::2])} routes")
    assert grown < 50 * 1024 * 1024
    assert (await office.browser().get("/healthz")).status == 200


async def test_s08_no_change_and_no_stream_for_another_sites_page(busy_office: Office) -> None:
    """S08: every route that changes something or streams, with a foreign Origin, signed in and with the right token."""
    office = busy_office
    browsers = await browsers_of(office)
    foreign = ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
    for route in ROUTES:
        role = role_of(route)
        if role is None or (route.method == "GET" and route.media == "text/html"):
            continue
        browser = browsers[role]
        for headers in foreign:
            more = {"json": {}} if route.json is not None and route.method != "GET" else {}
            answer = await browser.session.request(
                route.method,
                office.base + path_of(route, {}),
                headers={"X-CSRF-Token": browser.csrf, **headers},
                allow_redirects=False,
                **more,
            )
            answer.close()
            assert answer.status == 403, f"{said(route)} with {headers}: {answer.status}"


async def test_s08_a_websocket_from_another_sites_page_is_refused(busy_office: Office) -> None:
    """Upgrade requests to every GET route: a foreign Origin never gets 101."""
    office = busy_office
    browsers = await browsers_of(office)
    for route in ROUTES:
        role = role_of(route)
        if route.method != "GET" or role is None:
            continue
        cookie = "; ".join(f"{one.key}={one.value}" for one in browsers[role].session.cookie_jar)
        head = [
            f"GET {path_of(route, {})} HTTP/1.1",
            f"Host: 127.0.0.1:{office.port}",
            f"Cookie: {cookie}",
            "Origin: https://evil.example",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        answer = await send(office, head, b"")
        assert answer.split(b" ", 2)[1] == b"403", f"{said(route)}: {answer[:200]!r}"


def test_the_sweeps_are_not_empty() -> None:
    assert len(LISTS) > 5
    assert len(CHANGES) > 20
    assert len(bodies()) > 20


@pytest.mark.parametrize("role", [Role.AGENT, Role.ADMIN, Role.DEPARTMENT])
async def test_s09_no_answer_to_a_change_shows_what_is_masked(busy_office: Office, role: Role) -> None:
    """The sweep of test_web_permissions.py reads what GET answers; here what changes and refusals say."""
    office = busy_office
    customer(office)
    ids = planted(office)
    browser = await office.signed_in(role.value)
    for route in CHANGES:
        if route.needs not in GRANTS[role]:
            continue
        for body in (body_for(route.method, route.path, route.body), {}):
            more: dict[str, Any] = (
                {"json": body} if route.json is not None else {"data": {**body, "csrf": browser.csrf}}
            )
            answer = await browser.session.request(
                route.method,
                office.base + path_of(route, ids),
                headers={"X-CSRF-Token": browser.csrf},
                allow_redirects=False,
                **more,
            )
            text = (await answer.read()).decode("utf-8", "replace")
            where = f"{role} by {said(route)}: {answer.status}"
            assert answer.status < 500, f"{where} {text[:300]}"
            if Permission.NUMBERS_FULL not in GRANTS[role]:
                assert not [number for number in NUMBER_WRITTEN if number in text], where
            if Permission.NAMES_FULL not in GRANTS[role]:
                assert NAME not in text, where
