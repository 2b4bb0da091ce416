"""Which leg is whose in a live call, and how agents follow their legs; no switch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from telephony.agents import MISSED_CALLS, Agent, AgentEvent, AgentState, Member, Rules, step
from telephony.calls import Call, CallId, CallState, Direction
from telephony.control import Control, NotPossibleNow, find_legs, invited_leg
from telephony.desk import AgentDesk
from telephony.facts import Fact, FactKind, Source
from telephony.fences import Fences
from telephony.options import FenceOptions
from telephony.ports import ActionRefused, Channel, Side
from telephony.tracker import fold

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
ID = CallId("01M808K8VG37RMJCZXF5D7RHME")
LINKED = "careline-1795305605.9"
CALL = Call(
    id=ID,
    linkedid=LINKED,
    system="careline",
    direction=Direction.INBOUND,
    state=CallState.TALKING,
    started_at=NOW,
)


def leg(
    number: int,
    endpoint: str = "",
    side: Side = Side.PHONE,
    *,
    linkedid: str = LINKED,
    uniqueid: str = "",
    state: str = "Up",
    bridge: str = "",
) -> Channel:
    return Channel(
        name=f"PJSIP/{endpoint}-{number:08x}",
        uniqueid=uniqueid or f"careline-1795305605.{number}",
        linkedid=linkedid,
        state=state,
        bridge=bridge,
        side=side,
        endpoint=endpoint,
    )


CUSTOMER = leg(9, "careline-trunk", Side.TRUNK)
AGENT = leg(10, "pa", bridge="b2")


def test_a_number_outside_that_is_consulted_is_not_the_customer() -> None:
    """Whatever order the switch lists them in; 100 came after 9 although it sorts before it as text."""
    outside = leg(100, "careline-trunk", Side.TRUNK)
    local = leg(99, side=Side.SWITCH, bridge="b2")
    legs = find_legs(CALL, [outside, local, AGENT, CUSTOMER], "pa")
    assert (legs.customer, legs.agent, legs.consulted) == (CUSTOMER, AGENT, local)
    assert legs.others == (local, outside)


def test_who_shares_the_customers_bridge_is_not_consulted() -> None:
    together = [replace(CUSTOMER, bridge="b"), replace(AGENT, bridge="b"), leg(11, "pb", bridge="b")]
    assert find_legs(CALL, together, "pa").consulted is None


def test_a_phone_that_rings_is_consulted_but_has_not_answered() -> None:
    ringing = leg(11, "pb", state="Ringing")
    legs = find_legs(CALL, [CUSTOMER, replace(AGENT, bridge=""), ringing], "pa")
    assert legs.consulted == ringing
    assert not legs.consulted.is_up


def test_an_invited_leg_belongs_to_the_call_although_it_is_linked_to_nothing() -> None:
    own = invited_leg(ID, NOW)
    guest = leg(12, "pc", uniqueid=own, linkedid=own)
    assert find_legs(CALL, [CUSTOMER, AGENT, guest], "pc").agent == guest
    stranger = leg(13, "pd", linkedid="careline-1795305605.13")
    assert find_legs(CALL, [CUSTOMER, stranger], "pd").agent is None


def test_a_customer_who_is_gone_is_said_so() -> None:
    with pytest.raises(NotPossibleNow, match="just ended"):
        find_legs(CALL, [AGENT], "pa")


def test_an_invited_leg_that_ends_does_not_end_the_call() -> None:
    own = invited_leg(ID, NOW)

    def fact(kind: FactKind, source: Source, linkedid: str, uniqueid: str, **data: str | bool) -> Fact:
        return Fact(
            source=source,
            key=f"{kind}/{uniqueid}",
            kind=kind,
            at=NOW,
            linkedid=linkedid,
            uniqueid=uniqueid,
            data=data,
        )

    facts = [
        fact(FactKind.LEG_STARTED, Source.AMI, LINKED, LINKED, trunk=True, direction="inbound"),
        fact(FactKind.RINGING, Source.SERVICE, LINKED, own, endpoint="pc", agent="01C"),
        fact(FactKind.CALL_ENDED, Source.CEL, own, own),
    ]
    call = fold(facts, system="careline", number_of=lambda _raw: None, id=ID)
    assert call is not None
    assert (call.state is CallState.ENDED, call.proved) == (False, False)


LI = Agent(id="01LI", name="李娜", since=NOW, state=AgentState.READY, phone="pa", queues={"service": 0})


@pytest.mark.parametrize(("reason", "then"), [("lunch", "lunch"), (MISSED_CALLS, "")])
def test_a_pause_goes_on_after_a_call_taken_in_it(reason: str, then: str) -> None:
    """But not the one that missed calls brought: he is there, after all."""
    agent = replace(LI, state=AgentState.PAUSED, reason=reason)
    for event in (AgentEvent.CONNECTED, AgentEvent.DISCONNECTED, AgentEvent.WRAPPED_UP):
        agent = step(agent, event, NOW + timedelta(minutes=1), Rules())
    assert (agent.state, agent.reason) == (AgentState.PAUSED if then else AgentState.READY, then)


@dataclass
class Rows:
    """One agent, in memory."""

    agent: Agent = LI

    async def change(
        self, agent_id: str, decide: Callable[[Agent], Agent], *, event: str, now: datetime, actor: str
    ) -> tuple[Agent, Agent]:
        before = self.agent
        self.agent = decide(before)
        return before, self.agent

    async def find(self) -> Sequence[Agent]:
        return [self.agent]

    async def endpoints(self) -> Mapping[str, str]:
        return {"pa": "01LI"}


@dataclass
class Members:
    """A switch that takes every order about members."""

    paused: dict[str, bool] = field(default_factory=dict)

    async def add_member(self, member: Member) -> None:
        self.paused[member.queue] = member.paused

    async def pause_member(self, member: Member, *, paused: bool) -> None:
        self.paused[member.queue] = paused

    async def remove_member(self, member: Member) -> None:
        raise ActionRefused("Unable to remove interface from queue: No such queue")


class Still:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0


async def test_a_second_ring_that_ends_does_not_end_the_talk() -> None:
    """He is invited elsewhere while he talks; also after a restart, when only the switch knows his legs."""
    for known in (True, False):
        rows, switch = Rows(), Members()
        desk = AgentDesk(
            rows=rows,
            switch=switch,  # type: ignore[arg-type]
            clock=Still(),
            rules=Rules(),
            queues=frozenset({"service"}),
        )

        async def tell(kind: FactKind, uniqueid: str, desk: AgentDesk = desk) -> None:
            told = Fact(
                source=Source.AMI,
                key=f"{kind}{uniqueid}",
                kind=kind,
                at=NOW,
                linkedid="l",
                uniqueid=uniqueid,
                data={"endpoint": "pa"},
            )
            await desk.follow([told], lambda _fact: ID)

        await desk.reconcile([], [])
        if known:
            await tell(FactKind.LEG_ANSWERED, "u1")
        else:
            rows.agent = replace(LI, state=AgentState.ON_CALL)
            await desk.reconcile([], [leg(1, "pa", uniqueid="u1")])
        assert (rows.agent.state, switch.paused) == (AgentState.ON_CALL, {"service": True})
        states = []
        for uniqueid in ("u2", "u1"):
            await tell(FactKind.LEG_ENDED, uniqueid)
            states.append(rows.agent.state)
        assert states == [AgentState.ON_CALL, AgentState.WRAP_UP]


def desk_over(rows: Rows, switch: Members) -> AgentDesk:
    return AgentDesk(
        rows=rows,
        switch=switch,  # type: ignore[arg-type]
        clock=Still(),
        rules=Rules(),
        queues=frozenset({"service"}),
    )


async def test_one_refused_order_does_not_keep_the_others_back() -> None:
    """A member of a queue that the switch does not have any more comes first."""
    rows, switch = Rows(), Members()
    stranger = Member(queue="gone", phone="px", agent_id="01XX")
    assert await desk_over(rows, switch).reconcile([stranger], []) == 2
    assert switch.paused == {"service": False}


async def test_who_moved_after_the_switch_was_asked_keeps_his_call() -> None:
    """He answered while the list without his channel was on its way."""
    later = NOW + timedelta(seconds=1)
    rows = Rows(agent=replace(LI, state=AgentState.ON_CALL, since=later))
    desk = desk_over(rows, Members())
    states = []
    for at in (NOW, later):
        await desk.reconcile([], [], at=at)
        states.append(rows.agent.state)
    assert states == [AgentState.ON_CALL, AgentState.WRAP_UP]


async def test_the_switch_hears_of_changes_in_the_order_of_the_rows() -> None:
    """The first order is slow; the next change waits for it, so the last row is also what the switch has."""
    rows = Rows()
    slow = asyncio.Event()

    class Slow(Members):
        async def pause_member(self, member: Member, *, paused: bool) -> None:
            if paused:
                await slow.wait()
            await super().pause_member(member, paused=paused)

    switch = Slow()
    desk = desk_over(rows, switch)
    await desk.reconcile([], [])
    pausing = asyncio.create_task(desk.pause("01LI", "lunch", actor="01LI"))
    coming_back = asyncio.create_task(desk.ready("01LI", actor="01LI"))
    for _ in range(5):
        await asyncio.sleep(0)
    slow.set()
    await asyncio.gather(pausing, coming_back)
    assert (rows.agent.state, switch.paused) == (AgentState.READY, {"service": False})
    assert desk.board["01LI"] == rows.agent


async def test_the_pages_hear_who_is_ready_before_the_switch_rings_him() -> None:
    """Whoever waits is rung at the first order; with several queues the others' orders are still on their way."""
    queues = {"service": 0, "sales": 0}
    rows = Rows(agent=replace(LI, state=AgentState.WRAP_UP, call_id=ID, queues=queues))
    told: list[str] = []

    class Rings(Members):
        async def pause_member(self, member: Member, *, paused: bool) -> None:
            told.append(f"{member.queue} {'paused' if paused else 'rings'}")

    desk = desk_over(rows, Rings())
    desk.changed = lambda agent: told.append(agent.state.value)
    await desk.ready("01LI", actor="01LI")
    assert told == ["ready", "sales rings", "service rings"]


async def test_a_page_that_cannot_be_told_does_not_keep_the_switch_from_hearing() -> None:
    rows, switch = Rows(agent=replace(LI, state=AgentState.WRAP_UP)), Members()
    desk = desk_over(rows, switch)

    def broken(_agent: Agent) -> None:
        raise ZeroDivisionError

    desk.changed = broken
    with pytest.raises(ZeroDivisionError):
        await desk.ready("01LI", actor="01LI")
    assert switch.paused == {"service": False}


async def test_rows_read_before_a_change_do_not_undo_it_on_the_board() -> None:
    """Else his pages would take him to be in the call before, and hold the next caller back."""

    class Late(Rows):
        async def find(self) -> Sequence[Agent]:
            read = [self.agent]
            if self.agent.state is AgentState.WRAP_UP:
                await desk.ready("01LI", actor="01LI")
            return read

    rows, switch = Late(agent=replace(LI, state=AgentState.WRAP_UP, call_id=ID)), Members()
    desk = desk_over(rows, switch)
    present = [Member(queue="service", phone=LI.phone, agent_id="01LI")]
    assert await desk.reconcile(present, [], at=NOW) == 0
    assert desk.board == {"01LI": rows.agent}
    assert rows.agent.state is AgentState.READY


async def test_a_talk_that_began_unseen_is_seen_when_the_switch_is_asked() -> None:
    """As when the events of his leg were lost; a call that only rings is none."""
    rows, switch = Rows(), Members()
    desk = AgentDesk(
        rows=rows,
        switch=switch,  # type: ignore[arg-type]
        clock=Still(),
        rules=Rules(),
        queues=frozenset({"service"}),
    )
    await desk.reconcile([], [replace(AGENT, state="Ringing")], call_of=lambda _channel: ID)
    assert rows.agent.state is AgentState.READY
    await desk.reconcile([], [AGENT], call_of=lambda _channel: ID)
    assert (rows.agent.state, rows.agent.call_id) == (AgentState.ON_CALL, ID)
    assert switch.paused == {"service": True}
    await desk.reconcile([], [])
    assert rows.agent.state is AgentState.WRAP_UP


HERS = replace(CALL, agent_id="01LI")


@dataclass
class Line:
    """A switch with these channels, and a call log; remembers who was hung up and what was told."""

    legs: Sequence[Channel]
    call: Call = HERS
    ended: list[str] = field(default_factory=list)
    told: list[Fact] = field(default_factory=list)

    async def channels(self) -> Sequence[Channel]:
        return self.legs

    async def hang_up(self, channel: str) -> None:
        self.ended.append(channel)

    def live(self, call_id: str) -> Call | None:
        return self.call if call_id == self.call.id else None

    async def record(self, *facts: Fact) -> None:
        self.told.extend(facts)


async def leaves(line: Line, endpoint: str) -> None:
    async def nothing(*_given: object) -> Sequence[datetime]:
        return ()

    control = Control(
        switch=line,  # type: ignore[arg-type]
        calls=line,
        clock=Still(),
        fences=Fences(options=FenceOptions()),
        recent_dials=nothing,
        open_outbound=nothing,  # type: ignore[arg-type]
        targets=frozenset,
        owner_of={"pa": "01LI", "pb": "01WANG"}.get,
    )
    await control.leave(ID, endpoint)


async def test_who_leaves_a_conference_ends_only_his_own_leg() -> None:
    """A guest just goes; whose call it is passes it to who stays, who is on the row from then on."""
    room = [replace(one, extension=str(ID)) for one in (CUSTOMER, AGENT, leg(11, "pb"))]
    guest = Line(room)
    await leaves(guest, "pb")
    assert (guest.ended, guest.told) == ([room[2].name], [])
    holder = Line(room)
    await leaves(holder, "pa")
    assert holder.ended == [room[1].name]
    [fact] = holder.told
    assert (fact.kind, fact.data) == (
        FactKind.TRANSFERRED,
        {"how": "attended", "target": "agent-pb", "agent": "01WANG"},
    )


async def test_nobody_leaves_a_customer_alone() -> None:
    """Neither in conversation, nor while the invited one rings."""
    rings = leg(11, "pb", state="Ringing")
    for legs in (
        [CUSTOMER, replace(AGENT, bridge=CUSTOMER.bridge)],
        [*(replace(one, extension=str(ID)) for one in (CUSTOMER, AGENT)), rings],
    ):
        line = Line(legs)
        with pytest.raises(NotPossibleNow, match="Nobody else"):
            await leaves(line, "pa")
        assert (line.ended, line.told) == ([], [])


async def test_a_consulted_colleague_who_leaves_does_not_end_the_customers_call() -> None:
    asked = leg(11, "pb", bridge=AGENT.bridge)
    line = Line([CUSTOMER, AGENT, asked], call=replace(CALL, agent_id="01LI", state=CallState.HELD))
    await leaves(line, "pb")
    assert (line.ended, line.told) == ([asked.name], [])
