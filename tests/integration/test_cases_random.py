"""Random sequences of actions on the real store: no case closes unsatisfied and unsigned, no trail loses a line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import REPLY, CaseHouse
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from access.users import Principal
from crm.cases.cases import (
    Case,
    CaseError,
    CaseEvent,
    CaseKind,
    CaseState,
    Ending,
    Grade,
    Reached,
    Responsibility,
)
from crm.cases.steps import OF_HOUSE, ROADS, STEPS, Given, Road, Step, allowed
from crm.cases.trail import replay
from crm.tasks.tasks import TaskKind
from storage import cases, tasks
from storage.database import Database

#: Steps of people; those on the way come more often, so that the end is reached.
_STEPS = [step for step in Step if step not in OF_HOUSE and step not in (Step.REGISTER, Step.LINK, Step.TIE)]
#: The next step of the way: taken often, so that every state is reached.
_WAY = {
    CaseState.REGISTERED: Step.ASSIGN,
    CaseState.ASSIGNED: Step.ACCEPT,
    CaseState.ACCEPTED: Step.REPLY,
    CaseState.HANDLING: Step.REPLY,
    CaseState.REPLIED: Step.TELL_PLAN,
    CaseState.AGREED: Step.CARRIED_OUT,
    CaseState.SECOND_VISIT: Step.SECOND_VISIT,
    CaseState.CLOSED: Step.EFFECT,
}
_REACHED = {
    CaseState.REPLIED: [Reached.AGREED, Reached.AGREED, Reached.REFUSED, Reached.UNREACHABLE],
    CaseState.SECOND_VISIT: [Reached.SATISFIED, Reached.DISSATISFIED, Reached.UNREACHABLE],
}
_GIVENS = st.builds(
    Given,
    words=st.sampled_from(["", "有话说"]),
    department=st.sampled_from(["service", "sales", "garage"]),
    cause=st.sampled_from(["原因", ""]),
    responsibility=st.sampled_from([*Responsibility, None]),
    plan=st.sampled_from(["方案", ""]),
    carry_out_on=st.sampled_from([date(2026, 6, 18), date(2027, 6, 18), None]),
    reached=st.sampled_from([*Reached, None]),
    kind=st.sampled_from([*CaseKind, None]),
    grade=st.sampled_from([*Grade, None]),
    fields=st.sampled_from([{}, {"subject": "改过"}, {"state": "closed"}, {"verdict": "satisfied"}]),
)


class Acting(RuleBasedStateMachine):
    """People, the clock and the house act on one case, in any order."""

    house: CaseHouse
    begun: datetime

    @initialize(kind=st.sampled_from(list(CaseKind)), grade=st.sampled_from(list(Grade)))
    def begin(self, kind: CaseKind, grade: Grade) -> None:
        self.house.clock.set(self.begun)
        self.case = self.house.open(kind=kind, grade=grade)
        self.trail: list[CaseEvent] = []
        #: What was said and signed in this round, as it was seen to happen.
        self.satisfied = False
        self.signer: str | None = None

    def people(self) -> list[Principal]:
        made = self.house
        return [made.agent, made.supervisor, made.manager, made.other_manager]

    @rule(who=st.integers(0, 3), far=st.integers(1, 4), said=st.integers(0, 11))
    def go_on(self, who: int, far: int, said: int) -> None:
        """Some steps of the way; somebody tries to close at each."""
        for _ in range(far):
            self.take(Step.CLOSE, Given(), self.people()[who], version=None)
            state = self.house.get(self.case).state
            said_now = _REACHED.get(state, [None])
            given = replace(
                REPLY,
                words="有话说",
                department="service",
                carry_out_on=date(2027, 6, 18),
                reached=said_now[said % len(said_now)],
            )
            self.take(_WAY[state], given, self.people()[who], version=None)

    @rule(who=st.integers(0, 3), handler=st.integers(0, 3), closes=st.booleans())
    def sign(self, who: int, handler: int, *, closes: bool) -> None:
        """Signed, and perhaps given to who signed."""
        self.take(Step.EXCEPTION, Given(words="有话说"), self.people()[who], version=None)
        given = Given(department="service", handler_id=self.people()[handler].user_id)
        self.take(Step.ASSIGN, given, self.people()[handler], version=None)
        if not closes:
            said = Given(words="有话说", reached=Reached.DISSATISFIED)
            self.take(Step.SECOND_VISIT, said, self.people()[who], version=None)
        self.take(Step.CLOSE, Given(), self.people()[who], version=None)

    @rule(
        step=st.sampled_from(_STEPS),
        given=_GIVENS,
        who=st.integers(0, 3),
        back=st.integers(0, 2),
    )
    def act(self, step: Step, given: Given, who: int, back: int) -> None:
        self.take(step, given, self.people()[who], version=max(self.case.version - back, 1))

    def take(self, step: Step, given: Given, by: Principal, *, version: int | None) -> None:
        before = self.house.get(self.case)
        try:
            after = self.house.step(self.case, step, given, by=by, version=version)
        except CaseError:
            assert self.house.get(self.case) == before  # refused, and nothing was changed
            return
        assert before.state in STEPS[step]
        assert step in allowed(before)
        if step is Step.SECOND_VISIT and given.reached is Reached.SATISFIED:
            self.satisfied = True
        if step is Step.SECOND_VISIT and given.reached is Reached.DISSATISFIED:
            self.satisfied, self.signer = False, None
            assert after.round == before.round + 1
        if step is Step.EXCEPTION:
            self.signer = by.user_id
            assert self.signer != before.handler_id
        if step is Step.CLOSE:
            signed = self.signer is not None and self.signer != before.handler_id
            assert self.satisfied or signed
            assert after.ending is (Ending.SATISFIED if self.satisfied else Ending.EXCEPTION)
        if after.state is CaseState.CLOSED and before.state is not CaseState.CLOSED:
            assert step is Step.CLOSE or ROADS[before.kind] is Road.SHORT

    @rule(hours=st.sampled_from([-2, 1, 5, 30, 200]))
    def time_passes(self, hours: int) -> None:
        """Also backwards: clocks are set."""
        self.house.clock.set(self.house.clock.now() + timedelta(hours=hours))
        self.house.look()

    @invariant()
    def the_trail_is_whole(self) -> None:
        events = self.house.database.read_now(lambda c: cases.events_of(c, self.case.id))
        now = self.house.get(self.case)
        assert events[: len(self.trail)] == self.trail  # nothing lost, changed or put between
        self.trail = events
        replayed = replay(events)
        assert (replayed.state, replayed.round, replayed.events) == (now.state, now.round, now.events)
        assert events[-1].version == now.version
        occasions = [one.occasion for one in events if one.occasion]
        assert len(occasions) == len(set(occasions))
        if now.state is CaseState.CLOSED:
            short = now.ending is Ending.ANSWERED and ROADS[now.kind] is Road.SHORT
            assert replayed.satisfied or replayed.signed_by or short

    @invariant()
    def what_has_to_be_done_is_a_task(self) -> None:
        now = self.house.get(self.case)
        assert (now.due_at is None) == (now.state is CaseState.CLOSED)
        if now.due_at is not None:
            assert now.due_what is not None
        kinds = self.open_kinds(now)
        if now.state is CaseState.CLOSED:
            assert kinds <= {TaskKind.EFFECT_CHECK}
        elif now.state is CaseState.SECOND_VISIT and now.verdict is None:
            assert TaskKind.SECOND_VISIT in kinds
        elif now.state is CaseState.REPLIED and ROADS[now.kind] is Road.FULL:
            assert TaskKind.TELL_PLAN in kinds
        else:
            assert not kinds & {TaskKind.SECOND_VISIT, TaskKind.TELL_PLAN}

    def open_kinds(self, case: Case) -> set[TaskKind]:
        def work(connection: Any) -> set[TaskKind]:
            found = tasks.open_tasks_of(connection, customer_id=case.customer_id)
            return {one.kind for one in found if one.subject.startswith(case.number)}

        return self.house.database.read_now(work)


def _run(house: CaseHouse, *, examples: int, steps: int) -> None:
    class Here(Acting):
        pass

    Here.house, Here.begun = house, house.clock.now()
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            phases=(Phase.generate,),  # a shorter way costs minutes; the one that failed is printed
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    return sqlite_database


def test_no_sequence_closes_an_unsatisfied_unsigned_case_or_loses_its_trail(case_house: CaseHouse) -> None:
    _run(case_house, examples=40, steps=40)


@pytest.mark.postgres
class TestOnPostgres:
    @pytest.fixture
    def database(self, postgres_database: Database) -> Database:
        return postgres_database

    def test_no_sequence_closes_an_unsatisfied_unsigned_case_or_loses_its_trail(
        self, case_house: CaseHouse
    ) -> None:
        _run(case_house, examples=8, steps=30)
