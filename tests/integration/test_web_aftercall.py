"""After the call over HTTP: S15 with real ranges and odd addresses, R28's answers, and what is written down."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import insert, select

from access.ids import new_id
from access.permissions import Role
from config.books.definitions import seed
from storage import registrations
from storage.tables.access import audit
from storage.tables.telephony import recordings, voicemails
from telephony.agents import AgentEvent, AgentState
from telephony.calls import Call, CallState

PCM = struct.pack("<400h", *([0, 12000, -12000, 300] * 100))
WAV = (
    b"RIFF"
    + b"\0" * 4
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)
    + b"data\0\0\0\0"
    + PCM
)


def content(**values: Any) -> dict[str, Any]:
    return {
        "call_type": "maintenance",
        "reason": "regular_service",
        "customer_words": "想做个保养",
        "summary": "客户想预约周六上午保养",
        "disposition": "answered",
        **values,
    }


@pytest.fixture
def desk(office: Office) -> Office:
    """The office with the shipped definitions."""
    office.database.write_now(lambda c: seed(c, office.clock.now()))
    return office


def talked(office: Office, login: str = "agent", **values: Any) -> Call:
    now = office.clock.now()
    call = office.add_call(agent_id=office.users[login].id, connected_at=now, queue="service", **values)
    office.database.write_now(lambda c: registrations.react_to_call(c, None, call, ()))
    return call


def recorded(office: Office, call: Call, **values: Any) -> str:
    sound_id = (new_id(office.clock.now()) + "abcdef").lower()
    (office.sounds / f"{sound_id}.wav").write_bytes(WAV)
    row = {
        "id": sound_id,
        "call_id": call.id,
        "file": f"{sound_id}.wav",
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "seconds": 0.05,
        "state": "kept",
        **values,
    }
    office.database.write_now(lambda c: c.execute(insert(recordings).values(**row)))
    return sound_id


def written(office: Office, action: str) -> list[str]:
    rows = office.database.read_now(lambda c: c.execute(select(audit).where(audit.c.action == action)).all())
    return [row.subject for row in rows]


async def answer(browser: Browser, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    got = await browser.post(path, body)
    return got.status, await got.json()


async def test_filing_ends_the_wrap_up_and_is_written_down(desk: Office) -> None:
    call = talked(desk)
    browser = await desk.signed_in("agent")
    agent_id = desk.users["agent"].id
    await browser.post("/api/v1/agents/me/sign-in")
    for event in (AgentEvent.CONNECTED, AgentEvent.DISCONNECTED):
        desk.desk._step(agent_id, event, call_id=call.id)
    status, before = await answer(browser, "/api/v1/agents/me/extend", {})
    assert (status, before["state"]) == (200, "wrap_up")
    panel = await (await browser.get(f"/api/v1/calls/{call.id}/panel")).json()
    assert (panel["suggested"], panel["may_file"], panel["call"]["number"]) == (
        "maintenance",
        True,
        "138****5678",
    )
    status, filed = await answer(browser, f"/api/v1/calls/{call.id}/registration", content())
    assert (status, filed["agent"]["state"]) == (200, "ready")
    assert desk.desk.states[agent_id].state is AgentState.READY
    assert written(desk, "call_filed") == [f"call:{call.id}"]
    # The answer was lost and the page sends again: the same registration, and nothing more is written down.
    status, again = await answer(browser, f"/api/v1/calls/{call.id}/registration", content())
    assert (status, again["registration"]) == (200, filed["registration"])
    assert len(written(desk, "call_filed")) == 1


async def test_what_is_missing_is_named_and_r28_the_second_gets_a_name_and_both_texts(desk: Office) -> None:
    call = talked(desk)
    browser, supervisor = await desk.signed_in("agent"), await desk.signed_in("supervisor")
    path = f"/api/v1/calls/{call.id}/registration"
    status, refused = await answer(browser, path, content(reason="", summary="好"))
    assert (status, refused["error_id"]) == (422, "registration-incomplete")
    assert {(one["field"], one["code"], one["message"]) for one in refused["errors"]} == {
        ("reason", "missing", "Please fill this in."),
        ("summary", "too-short", "Write at least 4 characters."),
    }
    assert (await browser.get(path)).status == 404
    await answer(browser, path, content())
    status, crossed = await answer(supervisor, path, content(summary="主管补登这一通"))
    assert (status, crossed["error_id"], crossed["holder"]) == (409, "registration-filed", "agent")
    assert crossed["theirs"]["summary"] == "客户想预约周六上午保养"
    assert crossed["yours"]["summary"] == "主管补登这一通"
    fixed = content(summary="主管核对后更正", based_on=1, why="听录音核对")
    status, corrected = await answer(supervisor, f"{path}/corrections", fixed)
    assert status == 200
    assert [one["version"] for one in corrected["versions"]] == [2, 1]
    status, late = await answer(browser, f"{path}/corrections", {**fixed, "summary": "我也来改一下"})
    assert (status, late["error_id"], late["version"]) == (409, "registration-changed", 2)


async def test_a_draft_survives_and_never_reaches_a_colleague(desk: Office) -> None:
    call = talked(desk)
    desk.add_user("agent2", Role.AGENT)
    browser, second = await desk.signed_in("agent"), await desk.signed_in("agent")
    path = f"/api/v1/calls/{call.id}/draft"
    status, saved = await answer(browser, path, {"based_on": 0, "body": {"summary": "客户很急"}})
    assert (status, saved["revision"]) == (200, 1)
    status, refused = await answer(second, path, {"based_on": 0, "body": {"summary": "别的"}})
    assert (status, refused["error_id"], refused["version"]) == (409, "draft-changed", 1)
    assert refused["theirs"]["summary"] == "客户很急"
    panel = await (await second.get(f"/api/v1/calls/{call.id}/panel")).json()
    assert panel["draft"]["body"]["summary"] == "客户很急"
    colleague = await desk.signed_in("agent2")
    assert (await colleague.get(f"/api/v1/calls/{call.id}/panel")).status == 404
    assert (await answer(colleague, path, {"body": {"summary": "x"}}))[0] == 404
    status, _ = await answer(browser, path, {"based_on": 1, "body": {"summary": "长" * 32_001}})
    assert status == 422


async def test_s15_a_recording_is_heard_in_pieces_and_each_listening_is_written_down(desk: Office) -> None:
    sound = recorded(desk, talked(desk))
    browser = await desk.signed_in("agent")
    path = f"/api/v1/recordings/{sound}/sound"
    whole = await browser.get(path)
    body = await whole.read()
    assert (whole.status, whole.content_type, len(body)) == (200, "audio/wav", len(WAV))
    assert struct.unpack_from("<I", body, 40)[0] == len(PCM), "the length that the switch left at 0"
    assert body[44:] == PCM
    part = await browser.get(path, headers={"Range": "bytes=40-59"})
    assert (part.status, await part.read()) == (206, body[40:60])
    assert part.headers["Content-Range"] == f"bytes 40-59/{len(WAV)}"
    behind = await browser.get(path, headers={"Range": "bytes=9999999-"})
    assert (behind.status, behind.headers["Content-Range"]) == (416, f"bytes */{len(WAV)}")
    odd = await browser.get(path, headers={"Range": "bytes=0-1,5-9, -3"})
    assert (odd.status, len(await odd.read())) == (200, len(WAV))
    assert written(desk, "recording_played") == [f"recording:{sound}"], "one listening is many requests"
    assert (await browser.get(f"{path}?download=1")).status == 403
    manager = await desk.signed_in("manager")
    saved = await manager.get(f"{path}?download=1")
    assert saved.headers["Content-Disposition"].startswith("attachment")
    assert written(desk, "recording_downloaded") == [f"recording:{sound}"]
    peaks = await (await browser.get(f"/api/v1/recordings/{sound}/peaks")).json()
    assert max(peaks["peaks"]) == 100


async def test_s15_guessing_leads_nowhere(desk: Office) -> None:
    desk.add_user("agent2", Role.AGENT)
    foreign = recorded(desk, talked(desk, "agent2"))
    browser = await desk.signed_in("agent")
    (desk.sounds / "secret.wav").write_bytes(WAV)
    for path in (
        f"/api/v1/recordings/{foreign}",
        f"/api/v1/recordings/{foreign}/sound",
        f"/api/v1/recordings/{foreign}/peaks",
        f"/api/v1/recordings/{foreign[:-1]}0/sound",
        "/api/v1/recordings/secret.wav/sound",
        "/api/v1/recordings/..%2f..%2fetc%2fpasswd/sound",
        "/api/v1/recordings/%2e%2e/sound",
        f"/api/v1/recordings/{foreign}%00/sound",
        "/api/v1/recordings//sound",
        f"/static/{foreign}.wav",
        "/recordings/secret.wav",
    ):
        got = await browser.session.get(desk.base + path, allow_redirects=False)
        assert got.status in (403, 404), path
    assert (await answer(browser, f"/api/v1/recordings/{foreign}/marks", {"offset": 1, "note": "x"}))[
        0
    ] == 404
    assert (await answer(browser, f"/api/v1/recordings/{foreign}/delete", {"reason": "想删掉"}))[0] == 403
    assert written(desk, "recording_played") == []
    listed = await (await browser.get("/api/v1/recordings")).json()
    assert listed["items"] == []


async def test_s15_after_deletion_nobody_hears_it(desk: Office) -> None:
    call = talked(desk)
    sound, held = recorded(desk, call), recorded(desk, call, hold=True)
    agent, manager = await desk.signed_in("agent"), await desk.signed_in("manager")
    delete = "/api/v1/recordings/{}/delete"
    assert (await answer(manager, delete.format(sound), {"reason": "x"}))[0] == 422
    status, refused = await answer(manager, delete.format(held), {"reason": "客户要求删除"})
    assert (status, refused["error_id"]) == (409, "sound-held")
    assert (await answer(manager, delete.format(sound), {"reason": "客户要求删除"}))[0] == 200
    assert not (desk.sounds / f"{sound}.wav").exists()
    for browser in (agent, manager):
        assert (await browser.get(f"/api/v1/recordings/{sound}/sound")).status == 404
    assert written(desk, "recording_deleted") == [f"recording:{sound}"], "the refused one left no line"


async def test_s15_a_message_is_heard_by_whose_task_it_is(desk: Office) -> None:
    call = desk.add_call(state=CallState.ENDED)
    (desk.sounds / "m.wav").write_bytes(WAV)
    row = {"id": "ab" * 16, "call_id": call.id, "file": "m.wav", "box": "service", "left_at": call.started_at}
    desk.database.write_now(
        lambda c: c.execute(insert(voicemails).values(**row, seconds=3.0, number=call.number, state="new"))
    )
    agent, supervisor = await desk.signed_in("agent"), await desk.signed_in("supervisor")
    path = f"/api/v1/voicemails/{'ab' * 16}"
    assert (await agent.get(f"{path}/sound")).status == 404
    assert (await supervisor.get(f"{path}/sound")).status == 200
    assert (await (await supervisor.get(path)).json())["state"] == "heard"


async def test_definitions_are_edited_by_supervisors_and_say_what_is_wrong(desk: Office) -> None:
    agent, supervisor = await desk.signed_in("agent"), await desk.signed_in("supervisor")
    items = (await (await agent.get("/api/v1/definitions?kind=dispositions")).json())["items"]
    body = items[0]["body"]
    path = f"/api/v1/definitions/dispositions/{items[0]['name']}"
    assert (await answer(agent, path, {"body": body, "based_on": 1}))[0] == 403
    status, saved = await answer(supervisor, path, {"body": body, "based_on": 1, "why": "核对"})
    assert (status, saved["version"]) == (200, 2)
    items = (await (await agent.get("/api/v1/definitions?kind=script")).json())["items"]
    body = next(one for one in items if one["name"] == "reception")["body"]
    status, refused = await answer(
        supervisor, "/api/v1/definitions/script/reception", {"body": body, "based_on": 1}
    )
    assert (status, refused["error_id"]) == (409, "script-step-not-allowed")
    shown = await answer(supervisor, "/api/v1/scripts/preview", {"body": body, "known": False})
    assert {part["kind"] for step in shown[1]["steps"] for part in step["parts"]} >= {"hint", "text", "value"}
    for odd in ("%00", "..%2f", "UPPER", "x" * 40):
        assert (await agent.get(f"/api/v1/definitions/form/{odd}")).status == 404


async def test_a_task_is_made_once_for_a_key(desk: Office) -> None:
    call = talked(desk)
    browser = await desk.signed_in("agent")
    body = {"kind": "follow_up", "subject": "问配件到货", "call_id": call.id, "department": "sales"}
    first = await browser.post("/api/v1/tasks", body, headers={"Idempotency-Key": "k1"})
    again = await browser.post("/api/v1/tasks", body, headers={"Idempotency-Key": "k1"})
    assert first.status == 201
    assert (await first.json())["id"] == (await again.json())["id"]
    listed = await (await browser.get("/api/v1/task-lists?scope=free")).json()
    assert [(one["subject"], one["department"]) for one in listed["items"]] == [("问配件到货", "sales")]
    for wrong, error_id in (
        ({"department": "moon"}, "no-such-department"),
        ({"due_at": "2020-01-01T00:00:00Z"}, "due-in-the-past"),
        ({"owner_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "user-not-found"),
        ({"call_id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}, "call-not-found"),
    ):
        status, refused = await answer(browser, "/api/v1/tasks", {**body, **wrong})
        assert refused["error_id"] == error_id, status


async def test_a_definition_that_is_refused_says_which_part_and_what_stood_there(desk: Office) -> None:
    """In the reader's language, with the value; not in words that fit every refusal."""
    supervisor = await desk.signed_in("supervisor")
    items = (await (await supervisor.get("/api/v1/definitions?kind=form")).json())["items"]
    body = next(one for one in items if one["name"] == "other")["body"]
    path, said = "/api/v1/definitions/form/other", []
    for given in (
        {"body": {**body, "dispositions": "nowhere"}},
        {"body": {**body, "label": {"zh-CN": "其他"}}},
        {"text": "a: 1\nb: [1"},
    ):
        got = await supervisor.post(path, {**given, "based_on": 1}, headers={"Accept-Language": "zh-CN"})
        refused = await got.json()
        assert (got.status, refused["error_id"]) == (422, "bad-definition")
        said += [(one["field"], one["message"]) for one in refused["errors"]]
    assert said == [
        ("dispositions", "没有“nowhere”这套处理结果。"),
        ("label", "还缺英文名称，请补上。"),
        ("text", "第 2 行无法读取，请检查缩进和标点。"),
    ]
