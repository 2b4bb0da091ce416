"""S11, S12, R25, R27: odd bodies, slow clients, floods of connections, and browsers that never read."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import resource
import time

import pytest
from fixtures_web import Office, OfficeMaker, until
from waiting import PATIENCE, SLACK

from access.permissions import Role
from telephony.calls import CallState
from web.server import connection_cap


async def raw(office: Office, data: bytes, *, seconds: float = PATIENCE) -> bytes:
    """What the server answers to these bytes until it closes or goes quiet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", office.port)
    answer = b""
    try:
        writer.write(data)
        await writer.drain()
        async with asyncio.timeout(seconds):
            answer = await reader.read(65536)
    except (ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()
    return answer


def memory() -> int:
    """Resident memory of this process in bytes, most ever."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.fixture
async def token_office(make_office: OfficeMaker) -> tuple[Office, str]:
    office = await make_office()
    return office, office.add_token(Role.ADMIN)


def post(token: str, body: bytes, *headers: str, path: str = "/api/v1/users") -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        *(headers or ("Content-Type: application/json",)),
        f"Content-Length: {len(body)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def test_s11_odd_bodies_get_a_clear_refusal(token_office: tuple[Office, str]) -> None:
    office, token = token_office
    json_type = "Content-Type: application/json"
    cases: dict[str, tuple[bytes, set[int]]] = {
        "wrong type": (post(token, b"[]"), {422}),
        "wrong field type": (post(token, b'{"login": 7, "name": [], "role": "king"}'), {422}),
        "unknown field": (post(token, b'{"login":"a","name":"b","role":"agent","is_admin":true}'), {422}),
        "not json": (post(token, b"{"), {400}),
        "bad utf-8": (post(token, b'{"login": "\xff\xfe"}'), {400}),
        "lone surrogate": (post(token, b'{"login":"a","name":"\\ud800","role":"agent"}'), {400, 422}),
        "nul": (post(token, b'{"login":"a","name":"x\\u0000y","role":"agent"}'), {422}),
        "nested": (post(token, b"[" * 200_000), {400}),
        "nested objects": (post(token, b'{"a":' * 100_000 + b"1" + b"}" * 100_000), {400, 422}),
        "huge number": (post(token, b'{"login": ' + b"9" * 5000 + b"}"), {400, 422}),
        "form": (post(token, b"a=b", "Content-Type: application/x-www-form-urlencoded"), {415}),
        "gzip": (post(token, gzip.compress(b"x" * 10_000_000), json_type, "Content-Encoding: gzip"), {415}),
        "too large": (post(token, b" " * 2_097_152), {413}),
        "length and chunks": (post(token, b"0\r\n\r\n", json_type, "Transfer-Encoding: chunked"), {400}),
        "chunk nonsense": (
            post(token, b"").replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
            + b"zz\r\nhello\r\n",
            {400},
        ),
        "10 KiB header": (post(token, b"{}", json_type, "X-Long: " + "x" * 10_240), {400, 431}),
        "many headers": (post(token, b"{}", json_type, *(f"X-{i}: 1" for i in range(500))), {400, 431}),
        "not http": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64 + b"\r\n\r\n", {400}),
        "multipart with 10,000 parts": (
            post(
                token,
                b"".join(
                    b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(10_000)
                ),
                "Content-Type: multipart/form-data; boundary=x",
            ),
            {415},
        ),
        "path tricks": (b"GET /static/..%2f..%2fapp.py HTTP/1.1\r\nHost: x\r\n\r\n", {404}),
        "nul in path": (b"GET /static/%00 HTTP/1.1\r\nHost: x\r\n\r\n", {404, 400}),
        "unknown method": (b"BREW /calls HTTP/1.1\r\nHost: x\r\n\r\n", {405, 400}),
    }
    before = memory()
    for name, (data, allowed) in cases.items():
        answer = await raw(office, data)
        head = answer.split(b"\r\n")[0]
        assert head.startswith(b"HTTP/1."), name
        assert int(head.split()[1]) in allowed, f"{name}: {answer[:400]!r}"
        for leak in (b"Traceback", b"aiohttp", b"site-packages", b"pydantic", token.encode()):
            assert leak not in answer, name
    assert memory() - before < 50 * 1024 * 1024
    assert (await office.browser().get("/healthz")).status == 200


async def test_s11_a_refusal_is_a_problem_document(token_office: tuple[Office, str]) -> None:
    office, token = token_office
    answer = await raw(office, post(token, b'{"login": 7}'))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == 422
    assert problem["error_id"] == "bad-values"
    assert {error["field"] for error in problem["errors"]} == {"login", "name", "role"}
    assert f"X-Request-Id: {problem['request_id']}".encode() in head
    assert b"Server: careline" in head


async def test_s11_a_fault_of_ours_says_nothing_of_itself(token_office: tuple[Office, str]) -> None:
    office, token = token_office

    async def broken() -> None:
        raise RuntimeError("secret path /etc/careline 13812345678")

    office.services.users.list = broken  # type: ignore[method-assign,assignment]
    answer = await office.program(token).get("/api/v1/users")
    assert answer.status == 500
    text = await answer.text()
    assert "secret" not in text
    assert "138" not in text.replace(json.loads(text)["request_id"], "")
    assert json.loads(text)["error_id"] == "internal-error"


async def test_s12_a_slow_body_meets_its_deadline(make_office: OfficeMaker) -> None:
    office = await make_office(body_seconds=1.0)
    token = office.add_token(Role.ADMIN)
    began = time.monotonic()
    data = post(token, b"{}").replace(b"Content-Length: 2", b"Content-Length: 200")
    answer = await raw(office, data)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert 0.9 < time.monotonic() - began < 4 + SLACK


async def test_s12_a_slow_head_is_closed(make_office: OfficeMaker) -> None:
    office = await make_office(idle_seconds=1.0)
    began = time.monotonic()  # before the server can have begun to count
    reader, writer = await asyncio.open_connection("127.0.0.1", office.port)
    writer.write(b"GET / HTTP/1.1\r\nHost:")
    async with asyncio.timeout(PATIENCE):
        with contextlib.suppress(ConnectionResetError):  # it was closed before this was written
            assert await reader.read() == b""
    assert 0.9 < time.monotonic() - began < 4 + SLACK
    writer.close()


async def test_s12_idle_connections_of_one_address_leave_others_alone(make_office: OfficeMaker) -> None:
    """S12: 1,000 connections from one address hold at most its cap, and another address is served."""
    office = await make_office(host="0.0.0.0", connections_per_address=50)
    held = []
    for start in range(0, 1000, 100):
        held += await asyncio.gather(
            *(
                asyncio.open_connection("127.0.0.1", office.port, local_addr=("127.0.0.9", 0))
                for _ in range(start, start + 100)
            )
        )
    await until(lambda: office.server.refused >= 950)
    assert office.server.connections <= 50
    began = time.monotonic()
    assert (await office.browser().get("/healthz")).status == 200
    assert time.monotonic() - began < 0.5 + SLACK
    reader, _writer = held[-1]
    assert (await reader.read(100)).startswith(b"HTTP/1.1 503")
    for _reader, writer in held:
        writer.close()


async def test_r25_connections_never_take_the_descriptors_of_the_calls() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
        assert connection_cap(2000) == 128
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert connection_cap(10) == 10


async def test_r25_beyond_the_cap_new_clients_are_refused_and_old_ones_served(
    make_office: OfficeMaker,
) -> None:
    office = await make_office(connections=10)
    browser = office.browser()
    assert (await browser.get("/healthz")).status == 200
    held = [await asyncio.open_connection("127.0.0.1", office.port) for _ in range(12)]
    await until(lambda: office.server.refused >= 3)
    assert (await browser.get("/healthz")).status == 200
    for _reader, writer in held:
        writer.close()
    await until(lambda: office.server.connections < 5)
    assert (await office.browser().get("/healthz")).status == 200


async def test_r27_browsers_that_never_read_are_dropped_and_others_are_not_slowed(
    make_office: OfficeMaker,
) -> None:
    """R27: 200 streams that never read, one that does; the reader gets every event within 200 ms."""
    office = await make_office(connections_per_address=400, live_write_seconds=0.5, live_clients=400)
    token = office.add_token(Role.SUPERVISOR)
    call = office.add_call(state=CallState.QUEUED, keys="k=" + "1234 " * 200)
    asking = f"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    stuck = []
    for _ in range(200):
        reader, writer = await asyncio.open_connection("127.0.0.1", office.port, limit=1024)
        writer.write(asking)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        stuck.append((reader, writer))
    good = await office.program(token).get("/api/v1/live")
    await until(lambda: office.live.clients == 201)
    slowest = 0.0
    seen = 0
    rounds = 0
    mark, rest = b"event: call\n", b""
    async with asyncio.timeout(PATIENCE):
        while office.live.dropped < 200:
            began = time.monotonic()
            for _ in range(40):
                office.live.call_changed(call)
            rounds += 40
            while seen < rounds:
                part = await good.content.readany()
                assert part, "the one that reads was dropped"
                seen += (rest + part).count(mark)
                rest = (rest + part)[1 - len(mark) :]  # what comes in two parts is one event
            slowest = max(slowest, time.monotonic() - began)
            await asyncio.sleep(0.02)
    assert seen == rounds
    assert office.live.clients == 1
    print(f"slowest round of 40 events beside 200 stuck clients: {slowest * 1000:.0f} ms")
    for _reader, writer in stuck:
        writer.close()


async def test_live_events_survive_a_lost_network(office: Office) -> None:
    browser = await office.signed_in("supervisor")
    start = office.live.last_id
    calls = [office.add_call(state=CallState.QUEUED) for _ in range(3)]
    for call in calls:
        office.live.call_changed(call)
    stream = await browser.get("/api/v1/live", headers={"Last-Event-ID": start})
    text = ""
    while text.count("event: call") < 3 or not text.endswith("\n\n"):
        text += (await stream.content.readany()).decode()
    assert [call.id in text for call in calls] == [True, True, True]
    assert f"id: {office.live.last_id}" in text
    assert "reset" not in text
    stream.close()


@pytest.mark.parametrize("place", ["", "other-1", "-1", "nonsense", "{start}-99999", "{start}-²"])
async def test_a_stream_from_an_unknown_place_begins_afresh(office: Office, place: str) -> None:
    browser = await office.signed_in("supervisor")
    start = office.live.last_id.split("-")[0]
    stream = await browser.get("/api/v1/live", params={"last_event_id": place.replace("{start}", start)})
    text = ""
    while "\n\n" not in text.partition("event:")[2]:
        text += (await stream.content.readany()).decode()
    assert "event: reset" in text
    stream.close()


async def test_a_call_that_is_no_longer_for_me_goes_from_my_stream(office: Office) -> None:
    browser = await office.signed_in("agent")
    start = office.live.last_id
    call = office.add_call(state=CallState.TALKING, agent_id="SOMEBODY")
    office.live.call_changed(call)
    stream = await browser.get(f"/api/v1/live?last_event_id={start}")
    text = ""
    while "event: call" not in text or not text.endswith("\n\n"):
        text += (await stream.content.readany()).decode()
    assert json.loads(text.partition("data: ")[2].splitlines()[0]) == {"id": call.id, "gone": True}
    stream.close()


async def test_stopping_ends_streams_in_order(make_office: OfficeMaker) -> None:
    office = await make_office()
    office.add_user("agent", Role.AGENT)
    browser = await office.signed_in("agent")
    stream = await browser.get("/api/v1/live")
    await until(lambda: office.live.clients == 1)
    began = time.monotonic()
    await office.server.stop()
    assert time.monotonic() - began < 3 + SLACK
    text = (await stream.content.read()).decode()
    assert "event: bye" in text


async def test_healthy_ready_and_figures(office: Office) -> None:
    browser = office.browser()
    assert await (await browser.get("/healthz")).json() == {"status": "up"}
    assert (await browser.get("/readyz")).status == 200
    text = await (await browser.get("/metrics")).text()
    assert "careline_calls_open 3.0" in text
    assert "careline_http_seconds_bucket" in text


async def test_ready_only_once_everything_needed_is_well(make_office: OfficeMaker) -> None:
    office = await make_office()
    office.wells["switch"] = "not resynchronised yet"
    answer = await office.browser().get("/readyz")
    assert answer.status == 503
    found = await answer.json()
    assert found["ready"] is False
    assert {"name": "switch", "ok": False, "reason": "not resynchronised yet"} in found["pings"]
    assert (await office.browser().get("/healthz")).status == 200
