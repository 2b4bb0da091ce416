"""What becomes of attempts, targets and campaigns: judged from proof, in whatever order it comes."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.attempts import (
    GIVEN_BACK,
    OPEN_STATES,
    Attempt,
    AttemptId,
    AttemptOutcome,
    AttemptState,
    Evidence,
    judged,
    outcome_of,
)
from campaigns.breaker import Breaker, BreakerState
from campaigns.campaigns import STEPS, CampaignState, CampaignStep, StepNotAllowed, allowed_steps, stepped
from campaigns.retries import decide
from campaigns.rules import RETRIES, BadRules, Retry, Rules, rules_from, rules_to
from campaigns.targets import END_STATES, Target, TargetState
from telephony.facts import Fact, FactKind, Source
from telephony.tracker import Folding, call_id

NOW = datetime(2026, 11, 19, 2, tzinfo=UTC)
ID = "01KAD3Z8M0ABCDEFGHJKMNPQRS"


def attempt(**more: object) -> Attempt:
    values: dict[str, object] = {
        "id": AttemptId(ID),
        "campaign_id": "c",
        "target_id": "t",
        "customer_id": "p",
        "no": 1,
        "send": 1,
        "number": "+8613912345678",
        "node": "careline",
        "state": AttemptState.INTENT,
        "intent_at": NOW,
        **more,
    }
    return Attempt(**values)  # type: ignore[arg-type]


def fact(kind: FactKind, at: float, source: Source = Source.AMI, **data: object) -> Fact:
    return Fact(
        source=source,
        key=f"{kind.value}:{source.value}:{at}",
        kind=kind,
        at=NOW + timedelta(seconds=at),
        linkedid=ID,
        uniqueid=ID,
        data=data,
    )


OPENED = fact(
    FactKind.LEG_STARTED, 0, Source.SERVICE, direction="outbound", called="+8613912345678", agent=""
)
STARTED = fact(FactKind.LEG_STARTED, 0.1, trunk=True, direction="outbound", called="13912345678")
ANSWERED = fact(FactKind.LEG_ANSWERED, 8)
MENU = fact(FactKind.IVR_STARTED, 8.1, Source.AGI, flow="reminder", caller="", called="")

KEY = fact(FactKind.IVR_STEP, 12, Source.AGI, node="menu", keys="1")


def ended(cause: int, at: float = 30) -> Fact:
    return fact(FactKind.LEG_ENDED, at, cause=cause)


def interrupted(why: str) -> Fact:
    return fact(FactKind.INTERRUPTED, 90, Source.SERVICE, why=why)


def told(*facts: Fact, first: Attempt | None = None) -> list[Attempt]:
    """The attempt after each fact, as the call log would tell it."""
    folding = Folding(call_id("careline", ID, NOW), "careline", ID)
    now = first or attempt()
    states = []
    for one in facts:
        folding.add(one)
        evidence = Evidence(
            dialed=one.source in (Source.AMI, Source.CEL),
            rang=one.kind is FactKind.FAR_SIGN,
            watched=one.kind is FactKind.LEG_ENDED and one.source is Source.AMI,
            machine=one.kind is FactKind.MACHINE,
            interrupted=str(one.data.get("why", "")) if one.kind is FactKind.INTERRUPTED else "",
        )
        now = judged(now, folding.call(lambda raw: raw), evidence)
        states.append(now)
    return states


def test_attempt_goes_forward_with_its_call() -> None:
    states = told(OPENED, STARTED, ANSWERED, MENU, KEY, ended(16), first=attempt(agentless=True))
    assert [one.state for one in states] == [
        AttemptState.INTENT,
        AttemptState.DIALING,
        AttemptState.ANSWERED,
        AttemptState.ANSWERED,
        AttemptState.ANSWERED,
        AttemptState.ENDED,
    ]
    assert states[-1].outcome is AttemptOutcome.HUMAN
    assert states[-1].answered_at == ANSWERED.at
    assert states[-1].ended_at == ended(16).at


@pytest.mark.parametrize(
    ("cause", "silent", "outcome"),
    [
        (17, False, AttemptOutcome.BUSY),
        (21, False, AttemptOutcome.DECLINED),
        (1, False, AttemptOutcome.INVALID),
        (28, False, AttemptOutcome.INVALID),
        (34, False, AttemptOutcome.CONGESTION),
        (19, False, AttemptOutcome.NO_ANSWER),
        (19, True, AttemptOutcome.NO_TRUNK),
        (18, False, AttemptOutcome.UNAVAILABLE),
        (16, False, AttemptOutcome.NO_ANSWER),
        (None, False, AttemptOutcome.NO_ANSWER),
    ],
)
def test_causes(cause: int | None, silent: bool, outcome: AttemptOutcome) -> None:
    assert outcome_of(cause, silent=silent) is outcome


def test_answer_nobody_took_is_abandoned_and_one_a_menu_took_is_not() -> None:
    facts = (OPENED, STARTED, ANSWERED, ended(16))
    assert told(*facts)[-1].outcome is AttemptOutcome.ABANDONED
    menu = (OPENED, STARTED, ANSWERED, MENU, ended(16))
    assert told(*menu)[-1].outcome is AttemptOutcome.ABANDONED, (
        "a message to whom no agent took is no service"
    )
    assert told(*menu, first=attempt(agentless=True))[-1].outcome is AttemptOutcome.HUNG_UP
    pressed = (*menu[:-1], KEY, menu[-1])
    assert told(*pressed, first=attempt(agentless=True))[-1].outcome is AttemptOutcome.HUMAN
    machine = (OPENED, STARTED, ANSWERED, MENU, fact(FactKind.MACHINE, 9), ended(16))
    assert told(*machine, first=attempt(agentless=True))[-1].outcome is AttemptOutcome.MACHINE


def test_only_proof_makes_an_attempt_not_dialed() -> None:
    assert told(OPENED, interrupted("unseen"))[-1].state is AttemptState.NOT_DIALED
    assert told(OPENED, interrupted("restarted"))[-1].state is AttemptState.UNKNOWN
    assert told(OPENED, STARTED, interrupted("unseen"))[-1].state is AttemptState.UNKNOWN


def test_channel_seen_after_all_puts_an_end_right() -> None:
    late = told(OPENED, interrupted("unseen"), STARTED, ended(17))[-1]
    assert (late.state, late.outcome) == (AttemptState.ENDED, AttemptOutcome.BUSY)


FACTS = st.permutations([STARTED, ANSWERED, MENU, ended(16), interrupted("unseen"), interrupted("restarted")])


@given(facts=FACTS, count=st.integers(0, 6), agentless=st.booleans())
@settings(max_examples=200, deadline=None)
def test_states_only_go_forward_and_an_end_has_an_outcome(
    facts: list[Fact], count: int, agentless: bool
) -> None:
    states = told(OPENED, *facts[:count], first=attempt(agentless=agentless))
    order = list(AttemptState)
    for before, after in itertools.pairwise(states):
        corrected = before.state in (AttemptState.NOT_DIALED, AttemptState.UNKNOWN)
        assert order.index(after.state) >= order.index(before.state) or (
            corrected and after.state in (AttemptState.ENDED, AttemptState.NOT_DIALED)
        )
        assert after.is_open is False or before.is_open, "what is over never rings again"
    for one in states:
        assert (one.outcome is None) == one.is_open
        if one.state is AttemptState.NOT_DIALED:
            assert not one.dialed


@given(facts=st.permutations([STARTED, ANSWERED, MENU, ended(16)]))
@settings(max_examples=24, deadline=None)
def test_order_of_the_news_does_not_matter(facts: list[Fact]) -> None:
    last = told(OPENED, *facts, first=attempt(agentless=True))[-1]
    assert last == told(OPENED, STARTED, ANSWERED, MENU, ended(16), first=attempt(agentless=True))[-1]


# Targets


def target(**more: object) -> Target:
    values: dict[str, object] = {
        "id": "t",
        "campaign_id": "c",
        "customer_id": "p",
        "key": "k",
        "vehicle_id": None,
        "contact_id": None,
        "state": TargetState.DIALING,
        "due_at": NOW,
        "expires_at": NOW + timedelta(days=14),
        "priority": 5,
        "tries": 0,
        "turn": 0,
        "created_at": NOW,
        **more,
    }
    return Target(**values)  # type: ignore[arg-type]


def over(outcome: AttemptOutcome) -> Attempt:
    return attempt(state=AttemptState.ENDED, outcome=outcome)


def test_reached_customer_is_done() -> None:
    done = decide(target(), over(AttemptOutcome.HUMAN), Rules(), NOW).target
    assert (done.state, done.why, done.closed_at) == (TargetState.DONE, {"why": "reached"}, NOW)


def test_no_answer_waits_a_day_and_goes_to_the_next_number_until_the_tries_are_used_up() -> None:
    one = target()
    for count in range(1, 5):
        one = decide(one, over(AttemptOutcome.NO_ANSWER), Rules(), NOW).target
        assert (one.state, one.tries, one.turn) == (TargetState.WAITING, count, count)
        assert one.due_at == NOW + timedelta(days=1)
    one = decide(one, over(AttemptOutcome.NO_ANSWER), Rules(), NOW).target
    assert (one.state, one.tries) == (TargetState.GIVEN_UP, 5)


def test_waits_of_a_growing_rule_double() -> None:
    rules = Rules(retries={AttemptOutcome.BUSY: Retry(tries=9, minutes=10, growing=True)}, most_tries=9)
    waits, one = [], target()
    for _ in range(4):
        one = decide(one, over(AttemptOutcome.BUSY), rules, NOW).target
        waits.append((one.due_at - NOW) / timedelta(minutes=1))
    assert waits == [10, 20, 40, 80]


def test_try_the_trunk_failed_is_given_back() -> None:
    for outcome in GIVEN_BACK:
        after = decide(target(tries=4), over(outcome), Rules(), NOW).target
        assert (after.state, after.tries) == (TargetState.WAITING, 4), outcome


def test_number_that_does_not_exist_is_marked_and_the_next_is_tried() -> None:
    decision = decide(target(), over(AttemptOutcome.INVALID), Rules(), NOW)
    assert decision.wrong_number
    assert (decision.target.state, decision.target.turn) == (TargetState.WAITING, 1)


def test_target_is_given_up_where_its_next_try_would_come_too_late() -> None:
    after = decide(
        target(expires_at=NOW + timedelta(hours=20)), over(AttemptOutcome.NO_ANSWER), Rules(), NOW
    ).target
    assert (after.state, after.why) == (TargetState.GIVEN_UP, {"why": "expired"})


@given(outcomes=st.lists(st.sampled_from(AttemptOutcome), min_size=1, max_size=400))
@settings(max_examples=60, deadline=None)
def test_no_target_goes_round_for_ever(outcomes: list[AttemptOutcome]) -> None:
    """Whatever comes, a target never exceeds its tries, and the sum of what each rule allows ends it."""
    rules, one = Rules(), target()
    for tried, outcome in enumerate(outcomes):
        if one.state in END_STATES:
            break
        assert tried < sum(max(rule.tries, 1) for rule in RETRIES.values())
        assert one.tries < rules.most_tries
        one = decide(replace(one, state=TargetState.DIALING), over(outcome), rules, NOW).target
        assert one.closed_at is not None if one.state in END_STATES else one.due_at > NOW


def test_rules_survive_their_own_json() -> None:
    rules = Rules(
        retries={AttemptOutcome.BUSY: Retry(tries=2, minutes=7, growing=True)}, lists=("a", "b"), lines=2.5
    )
    assert rules_from(rules_to(rules)) == rules
    assert rules_from({}) == Rules()
    assert rules_from({**rules_to(rules), "of_a_later_release": 1}) == rules


@pytest.mark.parametrize(
    "rules",
    [
        Rules(abandon_cap=0.031),
        Rules(ring_seconds=14),
        Rules(most_tries=0),
        Rules(lines=0.5),
        Rules(retries={AttemptOutcome.BUSY: Retry(tries=3, minutes=5, success=True)}),
        Rules(retries={AttemptOutcome.BUSY: Retry(tries=51, minutes=5)}),
    ],
)
def test_rules_that_cannot_be_are_refused(rules: Rules) -> None:
    with pytest.raises(BadRules):
        rules.check()


# Campaigns


def test_steps_of_a_campaign() -> None:
    assert stepped(CampaignState.DRAFT, CampaignStep.START) is CampaignState.RUNNING
    assert stepped(CampaignState.PAUSED, CampaignStep.PAUSE) is CampaignState.PAUSED
    with pytest.raises(StepNotAllowed) as refused:
        stepped(CampaignState.ARCHIVED, CampaignStep.START)
    assert refused.value.allowed == ()
    for state in CampaignState:
        assert allowed_steps(state) == tuple(step for step in CampaignStep if (state, step) in STEPS)


def test_open_states_are_those_without_an_end() -> None:
    assert set(AttemptState) - set(OPEN_STATES) == {
        AttemptState.ENDED,
        AttemptState.NOT_DIALED,
        AttemptState.UNKNOWN,
    }


# The breaker


def test_breaker_opens_after_failures_in_a_row_and_probes_before_it_closes() -> None:
    breaker = Breaker()
    breaker.failed(0)
    breaker.failed(1)
    breaker.worked()
    for at in (2.0, 3.0):
        breaker.failed(at)
        assert breaker.may_dial(at)
    breaker.failed(4)
    assert breaker.state(5) is BreakerState.OPEN
    assert not breaker.may_dial(33)
    assert breaker.may_dial(34), "a probe"
    assert not breaker.may_dial(35), "one probe only"
    breaker.failed(40)
    assert breaker.state(90) is BreakerState.OPEN, "twice as long"
    assert breaker.may_dial(101)
    breaker.worked()
    assert breaker.state(102) is BreakerState.CLOSED


def test_failures_far_apart_open_nothing() -> None:
    breaker = Breaker()
    for at in (0.0, 61.0, 122.0, 183.0):
        breaker.failed(at)
    assert breaker.state(184) is BreakerState.CLOSED


def test_trunk_that_answers_no_question_is_not_dialed() -> None:
    breaker = Breaker()
    breaker.reachable(False)
    assert not breaker.may_dial(0)
    breaker.reachable(True)
    assert breaker.may_dial(0)
