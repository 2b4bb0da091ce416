"""The transfer dialog's directory over the real server, and what pages hear of who else is on a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fixtures_desk import Switchboard
from fixtures_web import Office, OfficeMaker, until

from access.permissions import Role
from crm.records.customers import Secrecy
from telephony.agents import Agent, AgentEvent
from telephony.calls import Call
from telephony.facts import FactKind
from telephony.ports import SwitchUnavailable


@pytest.fixture
async def office(make_office: OfficeMaker) -> Office:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("zhao", Role.AGENT, name="赵敏", language="en")
    office.add_user("qian", Role.AGENT, name="钱进")
    return office


@pytest.fixture
def board(office: Office) -> Switchboard:
    made = Switchboard(office)
    for login in ("wang", "zhao", "qian"):
        made.own_phone(login)
    return made


async def talks(board: Switchboard, login: str) -> tuple[Agent, Call]:
    call = await board.call()
    await board.ring(login, call)
    await board.tell(FactKind.CONNECTED, login, call, queue="service")
    agent = board.steps(board.agent(login), AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    return agent, call


async def items(office: Office, login: str, call_id: str) -> list[dict[str, Any]]:
    answer = await (await office.signed_in(login)).get(f"/api/v1/calls/{call_id}/targets")
    assert answer.status == 200, await answer.text()
    return list((await answer.json())["items"])


async def test_the_own_agent_of_the_customer_on_the_line_stands_first(
    office: Office, board: Switchboard
) -> None:
    qian = office.users["qian"].id
    board.customer("李雷", "+8613812345678", own_agent_id=qian)
    _agent, call = await talks(board, "wang")
    at_work(office, board)
    found = await items(office, "wang", call.id)
    assert [(one["kind"], one["label"], one["own"]) for one in found] == [
        ("agent", "钱进", True),
        ("agent", "赵敏", False),
        ("queue", "售后服务", False),
        ("department", "展厅", False),
        ("department", "钣喷车间", False),
    ]
    assert found[-1]["outside"] is True
    assert found[-1]["orders"] == ["consult", "transfer"]
    office.desk.trouble = SwitchUnavailable("The switch is away; nothing was asked of it.")
    assert [one["kind"] for one in await items(office, "wang", call.id)] == [
        "agent", "agent", "department", "department",
    ]  # fmt: skip


def at_work(office: Office, board: Switchboard) -> None:
    """Everybody of the house is signed in."""
    for login in ("wang", "zhao", "qian"):
        agent = board.agent(login)
        office.desk.states[agent.id] = agent


async def test_whose_a_closed_record_is_is_not_told_and_a_foreign_call_has_no_directory(
    office: Office, board: Switchboard
) -> None:
    own = office.users["qian"].id
    board.customer("李雷", "+8613812345678", own_agent_id=own, secrecy=Secrecy.RESTRICTED)
    _agent, call = await talks(board, "wang")
    at_work(office, board)
    assert not any(one["own"] for one in await items(office, "wang", call.id))
    answer = await (await office.signed_in("zhao")).get(f"/api/v1/calls/{call.id}/targets")
    assert (answer.status, (await answer.json())["error_id"]) == (404, "no-such-call")


async def test_both_pages_know_of_each_other_also_after_a_reload(
    office: Office, board: Switchboard, told: Callable[[str], list[dict[str, Any]]]
) -> None:
    _wang, call = await talks(board, "wang")
    assert told("company") == [], "an ordinary call has no company"
    zhao = board.steps(board.agent("zhao"), AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    await until(lambda: len(told("company")) >= 2)
    for login, other, mine in (("wang", "赵敏", True), ("zhao", "王芳", False)):
        now = await (await (await office.signed_in(login)).get("/api/v1/desk/now")).json()
        company = now["company"]
        assert (company["mine"], company["together"], [one["name"] for one in company["people"]]) == (
            mine, True, [other],
        )  # fmt: skip
    board.steps(zhao, AgentEvent.DISCONNECTED)
    now = await (await (await office.signed_in("wang")).get("/api/v1/desk/now")).json()
    assert now["company"]["people"] == []


@pytest.fixture
def told(office: Office, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[dict[str, Any]]]:
    """What was told to whom, by kind of event."""
    heard: list[dict[str, Any]] = []
    real = office.live.to_agent

    def to_agent(user_id: str, kind: str, render: Any) -> None:
        heard.append({"user": user_id, "kind": kind})
        real(user_id, kind, render)

    monkeypatch.setattr(office.live, "to_agent", to_agent)
    return lambda kind: [one for one in heard if one["kind"] == kind]
