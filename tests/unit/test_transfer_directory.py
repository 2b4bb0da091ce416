"""Whom a call can be handed to, and who else is on it; no switch, no rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from telephony.agents import Agent, AgentState
from telephony.calls import Call, CallId, CallState, Direction
from telephony.company import Company, CompanyBoard
from telephony.directory import Department, directory
from telephony.ports import QueueCount

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
ID = CallId("01M808K8VG37RMJCZXF5D7RHME")


def person(who: str, state: AgentState = AgentState.READY, *, call: str | None = None) -> Agent:
    return Agent(id=who, name=who, since=NOW, state=state, phone=f"p{who}", queues={}, call_id=call)


LI, WANG, ZHAO = "01LI", "01WANG", "01ZHAO"
QUEUES = [QueueCount(name="service", ready=2), QueueCount(name="sales")]
DEPARTMENTS = {
    "showroom": Department(label={"zh-CN": "展厅"}, queue="service"),
    "workshop": Department(label={"zh-CN": "钣喷车间"}),
}


def names(*people: Agent, own: str | None = None, asking: str = LI) -> list[str]:
    found = directory(people, QUEUES, DEPARTMENTS, labels={}, asking=asking, own=own)
    return [one.target.extension for one in found]


REST = ["queue-service", "queue-sales", "department-showroom", "department-workshop"]


def test_the_customers_own_agent_stands_first_whatever_he_does() -> None:
    people = [person(LI), person(WANG, AgentState.ON_CALL), person(ZHAO)]
    assert names(*people) == [f"agent-{ZHAO}", f"agent-{WANG}", *REST]
    assert names(*people, own=WANG) == [f"agent-{WANG}", f"agent-{ZHAO}", *REST]
    found = directory(people, QUEUES, DEPARTMENTS, labels={}, asking=LI, own=WANG)
    assert [one.own for one in found][:2] == [True, False]


def test_an_own_agent_who_is_not_there_is_shown_and_cannot_be_rung() -> None:
    people = [person(LI), person(WANG, AgentState.SIGNED_OUT), person(ZHAO, AgentState.SIGNED_OUT)]
    [first, *others] = directory(people, QUEUES, DEPARTMENTS, labels={}, asking=LI, own=WANG)
    assert (first.target.name, first.own, first.orders) == (WANG, True, ())
    assert [one.target.extension for one in others] == REST, "who is signed out and nobody's own is left out"


def test_nobody_is_offered_to_himself_although_the_customer_is_his() -> None:
    assert names(person(LI), own=LI) == REST


def test_what_can_be_done_with_whom() -> None:
    """A queue has nobody to ask first; a number outside can be asked and rung, but not invited."""
    found = directory(
        [person(WANG)], QUEUES, DEPARTMENTS, labels={"sales": {"en": "Sales"}}, asking=LI, own=None
    )
    by_name = {one.target.name: one for one in found}
    assert {name: one.orders for name, one in by_name.items()} == {
        WANG: ("consult", "conference", "transfer"),
        "service": ("transfer",),
        "sales": ("transfer",),
        "showroom": ("transfer",),
        "workshop": ("consult", "transfer"),
    }
    assert [name for name, one in by_name.items() if one.outside] == ["workshop"]
    assert (by_name["showroom"].ready, by_name["workshop"].ready) == (2, None)
    assert by_name["sales"].labels == {"en": "Sales"}


CALL = Call(
    id=ID,
    linkedid="careline-1795305605.9",
    system="careline",
    direction=Direction.INBOUND,
    state=CallState.TALKING,
    started_at=NOW,
    agent_id=LI,
)


class Live:
    """The live call, as it is at the moment."""

    def __init__(self) -> None:
        self.call: Call | None = CALL
        self.board = CompanyBoard(lambda call_id: self.call if call_id == ID else None)

    def moves(self, who: str, state: AgentState) -> dict[str, Company]:
        call = ID if state in (AgentState.ON_CALL, AgentState.RINGING, AgentState.WRAP_UP) else None
        return dict(self.board.agent_changed(person(who, state, call=call)))


def test_from_the_consultation_to_a_conference_and_out_of_it() -> None:
    live = Live()
    assert live.moves(LI, AgentState.ON_CALL) == {}, "an ordinary call tells nothing"
    live.call = replace(CALL, state=CallState.HELD)
    assert live.board.call_changed(ID) == []
    [(who, company)] = live.moves(WANG, AgentState.RINGING).items()
    assert (who, company.mine, company.together, company.people[0].ringing) == (LI, True, False, True)
    told = live.moves(WANG, AgentState.ON_CALL)
    assert {
        who: (one.mine, one.together, one.people[0].id, one.people[0].ringing) for who, one in told.items()
    } == {
        LI: (True, False, WANG, False),
        WANG: (False, False, LI, False),
    }
    live.call = CALL
    assert {who: one.together for who, one in live.board.call_changed(ID)} == {LI: True, WANG: True}
    assert live.board.call_changed(ID) == [], "told once"
    # The call is hers from now on, and who had it writes up.
    live.call = replace(CALL, agent_id=WANG)
    assert {who: one.mine for who, one in live.board.call_changed(ID)} == {LI: False, WANG: True}
    told = live.moves(LI, AgentState.WRAP_UP)
    assert told == {LI: Company(), WANG: Company()}
    assert live.board.of(WANG) == Company()


@pytest.mark.parametrize("other", [None, "01M808K8VG37RMJCZXF5D7RHM0"])
def test_a_colleague_on_another_call_is_no_company(other: str | None) -> None:
    live = Live()
    live.moves(LI, AgentState.ON_CALL)
    assert live.board.agent_changed(person(WANG, AgentState.ON_CALL, call=other)) == []


def test_two_colleagues_without_a_customer_are_no_conference() -> None:
    live = Live()
    live.call = replace(CALL, direction=Direction.INTERNAL)
    assert live.moves(LI, AgentState.ON_CALL) == {}
    assert live.moves(WANG, AgentState.ON_CALL) == {}
