"""Programs: how often they may ask, what they need not be told again, when a token ends, S20."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from fixtures_web import Office, OfficeMaker

from access.ids import new_id
from access.permissions import Role
from access.tokens import Token, hash_secret, make_token_secret
from storage import tokens
from web.problems import Refused
from web.rates import TokenRates


async def test_a_token_that_asks_too_often_is_told_when_to_come_back(make_office: OfficeMaker) -> None:
    office = await make_office(api_per_minute=20)
    office.add_user("agent", Role.AGENT)
    busy, other = (office.program(office.add_token(Role.MANAGER)) for _ in range(2))
    answers = [await busy.get("/api/v1/calls") for _ in range(30)]
    statuses = [answer.status for answer in answers]
    assert set(statuses[:20]) == {200}
    assert statuses[-1] == 429
    refused = answers[-1]
    assert 1 <= int(refused.headers["Retry-After"]) <= 3
    assert refused.content_type == "application/problem+json"
    assert (await refused.json())["error_id"] == "too-many-requests"
    assert (await other.get("/api/v1/calls")).status == 200
    browser = await office.signed_in("agent")
    for _ in range(30):
        assert (await browser.get("/api/v1/calls")).status == 200


def test_the_bucket_fills_evenly_and_is_never_more_than_full() -> None:
    now = [0.0]
    rates = TokenRates(60, lambda: now[0])
    for _ in range(60):
        rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")
    now[0] += 1.0
    rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")
    now[0] += 10_000
    for _ in range(60):
        rates.take("a")
    with pytest.raises(Refused):
        rates.take("a")
    rates.take("b")


async def test_what_has_not_changed_is_not_said_again(office: Office) -> None:
    office.add_call()
    program = office.program(office.add_token(Role.MANAGER))
    first = await program.get("/api/v1/calls")
    tag = first.headers["ETag"]
    again = await program.get("/api/v1/calls", headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", tag)
    office.add_call()
    changed = await program.get("/api/v1/calls", headers={"If-None-Match": tag})
    assert changed.status == 200
    assert changed.headers["ETag"] != tag
    browser = await office.signed_in("manager")
    assert "ETag" not in (await browser.get("/api/v1/calls")).headers


async def test_a_token_ends_at_its_time_and_says_when_it_was_used(office: Office) -> None:
    now = office.clock.now()
    secret = make_token_secret()
    token = Token(
        id=new_id(now),
        name="dms",
        role=Role.MANAGER,
        created_at=now,
        created_by="test",
        expires_at=now + timedelta(hours=1),
    )
    office.database.write_now(
        lambda connection: tokens.insert_token(connection, token, secret_hash=hash_secret(secret))
    )
    program = office.program(secret)
    assert (await program.get("/api/v1/calls")).status == 200
    admin = office.program(office.add_token(Role.ADMIN))
    listed = {one["name"]: one for one in (await (await admin.get("/api/v1/tokens")).json())["items"]}
    assert listed["dms"]["used_at"] is not None
    assert secret not in str(listed)
    assert hash_secret(secret) not in str(listed)
    office.clock.advance(3601)
    assert (await program.get("/api/v1/calls")).status == 401


async def test_s20_one_key_is_one_call_however_often_it_comes(office_on_each: Office) -> None:
    """S20: twice, with another body, fifty at once, and by somebody else with the same key."""
    office = office_on_each
    agent = office.users["agent"]
    program = office.program(office.add_token(Role.AGENT, user=agent))
    key = {"Idempotency-Key": "click-1"}
    many = await asyncio.gather(
        *(program.post("/api/v1/calls", json={"number": "13800000001"}, headers=key) for _ in range(50))
    )
    assert {answer.status for answer in many} == {202}
    assert len({(await answer.json())["call_id"] for answer in many}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in many) == 1
    assert office.desk.dialed == ["+8613800000001"]
    other = await program.post("/api/v1/calls", json={"number": "13800000002"}, headers=key)
    assert (other.status, (await other.json())["error_id"]) == (422, "idempotency-key-reused")
    foreign = office.program(office.add_token(Role.MANAGER, user=office.users["manager"]))
    theirs = await foreign.post("/api/v1/calls", json={"number": "13800000003"}, headers=key)
    assert theirs.status == 202
    assert office.desk.dialed == ["+8613800000001", "+8613800000003"]
    for bad in ("", "x" * 129, "schlüssel"):
        answer = await program.post(
            "/api/v1/calls", json={"number": "13800000001"}, headers={"Idempotency-Key": bad}
        )
        assert answer.status == 400, bad
