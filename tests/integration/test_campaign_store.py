"""Campaigns as rows, on both databases: who is due, who may be called, and one attempt for each target at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import HOURS, ZONE, CaseHouse
from fixtures_storage import FrozenClock

from campaigns.attempts import Attempt, AttemptOutcome, AttemptState
from campaigns.campaigns import (
    BadCampaign,
    Campaign,
    CampaignChanged,
    CampaignState,
    CampaignStep,
    CampaignTaken,
    Mode,
    Purpose,
    StepNotAllowed,
)
from campaigns.rules import Rules
from campaigns.targets import NewTarget, Target, TargetState
from crm.consent import optouts as wishes
from crm.consent.contactability import Rule
from crm.consent.options import ContactabilityOptions
from crm.contacts.contacts import Contact, ContactState, NewReason, ReasonKind, Result
from storage import (
    attempts,
    calls,
    campaign_targets,
    campaigns,
    contact_rows,
    contacts,
    customers,
    do_not_call,
    merging,
    optouts,
)
from storage.attempts import Proposal, Verdict
from storage.contactability import House
from storage.database import Database
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind, Source
from telephony.numbers import E164

NUMBER = E164("+8613912345678")
OTHER = E164("+8613987654321")
#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZONE).astimezone(UTC)
HOUSE = House(zone=ZONE, policies=ContactabilityOptions().policies("CN"), key=b"k" * 32)


@dataclass
class Floor:
    """A campaign that runs, and one customer on it."""

    database: Database
    clock: FrozenClock
    customer: str
    campaign: Campaign

    def add(self, *customer_ids: str, **more: Any) -> int:
        new = [NewTarget(customer_id=one, key=one, **more) for one in customer_ids]
        return self.database.write_now(
            lambda c: campaign_targets.add(c, self.campaign, new, self.clock.now())
        )

    def person(self, *numbers: str) -> str:
        """One more customer."""

        def add(connection: Any) -> str:
            one = customers.add_customer(connection, name="王五", now=NOW)
            for number in numbers:
                customers.add_contact(connection, one.id, E164(number), NOW - timedelta(days=90))
            return one.id

        return self.database.write_now(add)

    def propose(self, limit: int = 5, campaign: Campaign | None = None) -> list[Proposal]:
        return self.database.read_now(
            lambda c: attempts.propose(c, campaign or self.campaign, HOUSE, self.clock.now(), limit)
        )

    def claim(self, proposals: Sequence[Proposal], campaign: Campaign | None = None) -> list[Attempt]:
        whose = (campaign or self.campaign).id
        return self.database.write_now(
            lambda c: attempts.claim(c, whose, proposals, node="careline", now=self.clock.now())
        )

    def target(self) -> Target:
        [row] = [
            one
            for one in self.database.read_now(
                lambda c: c.execute(campaign_targets.targets.select()).mappings().all()
            )
            if one["customer_id"] == self.customer
        ]
        return campaign_targets.target_from(row)

    def attempt(self, attempt_id: str) -> Attempt:
        found = self.database.read_now(lambda c: attempts.get(c, attempt_id))
        assert found is not None
        return found

    def ends(self, attempt: Attempt, outcome: Outcome, **more: Any) -> Attempt:
        """Its call is over, as the call log would store it."""
        now = self.clock.now()
        dialed = more.pop("dialed", True)
        why = more.pop("why", "")
        call = Call(
            id=CallId(attempt.id),
            linkedid=attempt.id,
            system="careline",
            direction=Direction.OUTBOUND,
            state=CallState.ENDED,
            started_at=attempt.intent_at,
            ended_at=now,
            number=attempt.number,
            outcome=outcome,
            **more,
        )
        facts = [
            Fact(
                source=Source.AMI if dialed else Source.SERVICE,
                key=f"{kind}:{attempt.id}",
                kind=kind,
                at=now,
                linkedid=attempt.id,
                uniqueid=attempt.id,
                data={"why": why} if why else {},
            )
            for kind in ([FactKind.INTERRUPTED] if why else [FactKind.FAR_SIGN, FactKind.LEG_ENDED])
        ]

        def store(connection: Any) -> None:
            calls.save(connection, [(None, call)])
            attempts.react_to_call(connection, None, call, facts, hours=HOURS)

        self.database.write_now(store)
        return self.attempt(attempt.id)


@pytest.fixture
def floor(case_house: CaseHouse) -> Floor:
    case_house.clock.set(NOW)

    def make(connection: Any) -> tuple[str, Campaign]:
        person = customers.add_customer(connection, name="李四", now=NOW)
        customers.add_contact(connection, person.id, NUMBER, NOW - timedelta(days=90))
        made = campaigns.create(
            connection,
            name="交车回访",
            purpose=Purpose.DELIVERY_VISIT,
            mode=Mode.AGENTLESS,
            flow="reminder",
            now=NOW,
            by=case_house.manager,
        )
        return person.id, campaigns.step(connection, made.id, CampaignStep.START, NOW)

    customer, campaign = case_house.database.write_now(make)
    return Floor(case_house.database, case_house.clock, customer, campaign)


# Campaigns


def test_campaign_is_kept_as_it_was_made(floor: Floor) -> None:
    kept = floor.database.read_now(lambda c: campaigns.get(c, floor.campaign.id))
    assert kept == floor.campaign
    assert (kept.state, kept.version, kept.rules) == (CampaignState.RUNNING, 2, Rules())


def test_name_is_taken_once_and_a_campaign_needs_what_its_mode_needs(floor: Floor) -> None:
    write = floor.database.write_now
    more = {"purpose": Purpose.CARE, "now": NOW}
    with pytest.raises(CampaignTaken):
        write(lambda c: campaigns.create(c, name="交车回访", mode=Mode.AGENTLESS, flow="x", **more))
    with pytest.raises(BadCampaign) as refused:
        write(lambda c: campaigns.create(c, name="关怀", mode=Mode.PREDICTIVE, **more))
    assert refused.value.field == "queue"


def test_second_of_two_changes_is_told_of_the_first(floor: Floor) -> None:
    write, one = floor.database.write_now, floor.campaign
    changed = write(lambda c: campaigns.change(c, one.id, one.version, {"priority": 2}, NOW))
    assert (changed.priority, changed.version) == (2, one.version + 1)
    with pytest.raises(CampaignChanged) as refused:
        write(lambda c: campaigns.change(c, one.id, one.version, {"priority": 3}, NOW))
    assert refused.value.version == changed.version


def test_steps_move_it_and_what_is_not_allowed_says_what_is(floor: Floor) -> None:
    write, one = floor.database.write_now, floor.campaign
    assert write(lambda c: campaigns.step(c, one.id, CampaignStep.PAUSE, NOW)).state is CampaignState.PAUSED
    with pytest.raises(StepNotAllowed) as refused:
        write(lambda c: campaigns.step(c, one.id, CampaignStep.ARCHIVE, NOW))
    assert CampaignStep.START in refused.value.allowed


def test_campaign_without_anybody_left_is_over_but_an_empty_one_waits(floor: Floor) -> None:
    over = lambda: floor.database.read_now(lambda c: campaigns.due_to_end(c, NOW))  # noqa: E731
    assert over() == []
    floor.add(floor.customer)
    assert over() == []
    [attempt] = floor.claim(floor.propose())
    assert over() == []
    floor.ends(attempt, Outcome.ANSWERED, answered_at=NOW, flow="reminder", keys="menu=1")
    assert over() == [(floor.campaign.id, "no_targets")]


# Whom to call


def test_same_reason_makes_one_target(floor: Floor) -> None:
    assert floor.add(floor.customer) == 1
    assert floor.add(floor.customer) == 0


def test_due_targets_come_in_calling_order(floor: Floor) -> None:
    first, second, third = (floor.person(f"+86139123456{end}") for end in (11, 12, 13))
    floor.add(third, due_at=NOW - timedelta(hours=1))
    floor.add(second, due_at=NOW - timedelta(hours=2))
    floor.add(first, priority=1)
    floor.add(floor.customer, due_at=NOW + timedelta(minutes=1))
    assert [one.target.customer_id for one in floor.propose()] == [first, second, third]
    floor.clock.advance(61)
    assert [one.target.customer_id for one in floor.propose(2)] == [first, second]
    assert len(floor.propose(9)) == 4


def test_whom_may_be_called_is_proposed_with_the_answer_that_allows_it(floor: Floor) -> None:
    floor.add(floor.customer)
    [one] = floor.propose()
    assert (one.verdict, one.number) == (Verdict.DIAL, NUMBER)
    [attempt] = floor.claim([one])
    stored = floor.attempt(attempt.id)
    assert stored.answer["allowed"] is True
    assert stored.answer["evidence"]["window_closes"].startswith("2026-11-19T04:00")
    assert (stored.state, stored.no, stored.send) == (AttemptState.INTENT, 1, 1)
    assert floor.target().state is TargetState.DIALING


def test_c04_wish_not_to_be_called_takes_the_target_off(floor: Floor) -> None:
    floor.add(floor.customer)
    floor.database.write_now(
        lambda c: optouts.opt_out(
            c,
            number=NUMBER,
            purpose=wishes.Purpose.VISITS,
            at=NOW,
            source=wishes.OptOutSource.HOTLINE_KEY,
            proof="key 9",
        )
    )
    floor.claim(floor.propose())
    one = floor.target()
    assert (one.state, one.why["rule"]) == (TargetState.WITHDRAWN, "opted_out")


def test_refused_number_gives_way_to_the_customers_next_one(floor: Floor) -> None:
    floor.add(floor.customer)
    floor.database.write_now(lambda c: customers.add_contact(c, floor.customer, OTHER, NOW, primary=False))
    listed = floor.database.write_now(
        lambda c: do_not_call.create(c, name="房东", everywhere=True, note="", now=NOW, by_name="Li")
    )
    floor.database.write_now(
        lambda c: do_not_call.add(c, listed.id, number=NUMBER, reason="他要求", now=NOW, by_name="Li")
    )
    [one] = floor.propose()
    assert (one.verdict, one.number) == (Verdict.DIAL, OTHER)


def test_c01_target_outside_the_hours_waits_for_them(floor: Floor) -> None:
    floor.add(floor.customer)
    evening = datetime(2026, 11, 19, 20, 30, tzinfo=ZONE).astimezone(UTC)
    floor.clock.set(evening)
    assert floor.claim(floor.propose()) == []
    one = floor.target()
    assert one.due_at == datetime(2026, 11, 20, 9, tzinfo=ZONE).astimezone(UTC)
    assert one.why["rule"] == Rule.WINDOW
    assert floor.database.read_now(
        lambda c: campaign_targets.waiting_reasons(c, floor.campaign.id, evening)
    ) == {"window": 1}


def test_list_that_only_another_campaign_names_holds_for_that_one(floor: Floor) -> None:
    floor.add(floor.customer)
    listed = floor.database.write_now(
        lambda c: do_not_call.create(c, name="房东", everywhere=False, note="", now=NOW, by_name="Li")
    )
    floor.database.write_now(
        lambda c: do_not_call.add(c, listed.id, number=NUMBER, reason="他要求", now=NOW, by_name="Li")
    )
    named = replace(floor.campaign, rules=Rules(lists=(listed.id,)))
    assert floor.propose()[0].verdict is Verdict.DIAL
    assert floor.propose(campaign=named)[0].verdict is Verdict.WITHDRAW


# One attempt at a time


def test_two_who_propose_the_same_claim_it_once(floor: Floor) -> None:
    floor.add(floor.customer)
    first, second = floor.propose(), floor.propose()
    assert len(floor.claim(first)) == 1
    assert floor.claim(second) == []


def test_two_campaigns_never_ring_one_number_at_once(floor: Floor) -> None:
    twin = floor.person(NUMBER)
    floor.add(floor.customer, twin)
    claimed = floor.claim(floor.propose())
    assert len(claimed) == 1
    left = floor.database.read_now(lambda c: campaign_targets.waiting_reasons(c, floor.campaign.id, NOW))
    assert left == {"in_contact": 1}


def test_person_is_not_rung_at_two_numbers_at_once(floor: Floor) -> None:
    floor.add(floor.customer)
    other = floor.database.write_now(
        lambda c: campaigns.step(
            c,
            campaigns.create(
                c,
                name="保养提醒",
                purpose=Purpose.PERIODIC_MAINTENANCE,
                mode=Mode.AGENTLESS,
                flow="r",
                now=NOW,
            ).id,
            CampaignStep.START,
            NOW,
        )
    )
    floor.database.write_now(
        lambda c: campaign_targets.add(c, other, [NewTarget(customer_id=floor.customer, key="x")], NOW)
    )
    first, second = floor.propose(), floor.propose(campaign=other)
    second = [replace(one, number=OTHER) for one in second]
    assert len(floor.claim(first)) == 1
    assert floor.claim(second, other) == []


def test_r35_paused_campaign_claims_nothing(floor: Floor) -> None:
    floor.add(floor.customer)
    proposals = floor.propose()
    floor.database.write_now(lambda c: campaigns.step(c, floor.campaign.id, CampaignStep.PAUSE, NOW))
    assert floor.claim(proposals) == []
    assert floor.target().state is TargetState.WAITING


def test_c06_call_by_a_campaign_counts_for_every_other_one(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    floor.clock.advance(40)
    floor.ends(attempt, Outcome.NO_ANSWER, cause=19)
    floor.clock.advance(60)
    again = replace(floor.target(), due_at=floor.clock.now())
    floor.database.write_now(lambda c: campaign_targets.write(c, again))
    floor.claim(floor.propose())
    one = floor.target()
    assert one.why["rule"] == Rule.NUMBER_CAP
    assert one.due_at == datetime(2026, 11, 20, 9, tzinfo=ZONE).astimezone(UTC)


# What comes of it


def test_answer_ends_attempt_and_target_together(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    over = floor.ends(attempt, Outcome.ANSWERED, answered_at=NOW, flow="reminder", keys="menu=1")
    assert (over.state, over.outcome) == (AttemptState.ENDED, AttemptOutcome.HUMAN)
    one = floor.target()
    assert (one.state, one.tries, one.counts) == (TargetState.DONE, 1, {AttemptOutcome.HUMAN: 1})
    assert floor.database.read_now(lambda c: attempts.open_attempts(c)) == []


def test_busy_line_is_tried_again_later(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    assert floor.ends(attempt, Outcome.BUSY, cause=17).outcome is AttemptOutcome.BUSY
    one = floor.target()
    assert (one.state, one.tries, one.due_at) == (TargetState.WAITING, 1, NOW + timedelta(hours=4))


def test_what_was_proved_not_to_be_dialed_is_sent_again_as_the_same_try(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    floor.clock.advance(95)
    over = floor.ends(attempt, Outcome.INTERRUPTED, dialed=False, why="unseen")
    assert over.state is AttemptState.NOT_DIALED
    floor.clock.advance(6)
    [again] = floor.claim(floor.propose())
    assert (again.no, again.send) == (1, 2), "a call nobody's telephone rang for is held against nobody"
    assert floor.target().tries == 0


def test_r09_what_nobody_saw_end_is_unknown_and_waits_its_ordinary_time(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    over = floor.ends(attempt, Outcome.INTERRUPTED, why="restarted")
    assert (over.state, over.outcome) == (AttemptState.UNKNOWN, AttemptOutcome.UNKNOWN)
    one = floor.target()
    assert (one.state, one.due_at) == (TargetState.WAITING, NOW + timedelta(days=1))
    assert one.tries == 1


def test_attempt_whose_call_was_never_opened_is_given_back(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    found = floor.database.read_now(lambda c: attempts.orphans(c, NOW + timedelta(seconds=1)))
    assert found == [attempt.id]
    given = floor.database.write_now(
        lambda c: attempts.give_back(c, found, reason="never_sent", now=NOW + timedelta(minutes=2))
    )
    assert given == 1
    assert floor.attempt(attempt.id).state is AttemptState.NOT_DIALED
    assert floor.target().state is TargetState.WAITING


def test_only_what_was_not_sent_yet_can_be_given_back(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    floor.database.write_now(lambda c: attempts.submitted(c, [attempt.id]))
    assert floor.database.write_now(lambda c: attempts.give_back(c, [attempt.id], reason="x", now=NOW)) == 0
    assert floor.attempt(attempt.id).state is AttemptState.SUBMITTED


def test_answered_call_nobody_took_keeps_machines_away_for_three_days(floor: Floor) -> None:
    floor.add(floor.customer)
    floor.database.write_now(
        lambda c: c.execute(campaigns.campaigns.update().values(mode="predictive", queue="service"))
    )
    [attempt] = floor.claim(floor.propose())
    over = floor.ends(attempt, Outcome.ANSWERED, answered_at=NOW, cause=16)
    assert over.outcome is AttemptOutcome.ABANDONED
    floor.clock.advance(24 * 3600)
    again = replace(floor.target(), due_at=floor.clock.now(), state=TargetState.WAITING)
    floor.database.write_now(lambda c: campaign_targets.write(c, again))
    floor.claim(floor.propose())
    one = floor.target()
    assert one.why["rule"] == Rule.ABANDONED
    assert one.due_at == NOW + timedelta(days=4, hours=-1), "72 h later is a Sunday; Monday at nine"


def test_number_that_does_not_exist_is_marked_for_correction(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    floor.ends(attempt, Outcome.FAILED, cause=1)
    [contact] = floor.database.read_now(lambda c: customers.contacts_of(c, floor.customer))
    assert contact.wrong_since is not None
    floor.clock.advance(3600)
    floor.claim(floor.propose())
    assert floor.target().why["rule"] == Rule.NO_NUMBER


def test_targets_and_attempts_follow_a_merge(floor: Floor) -> None:
    floor.add(floor.customer)
    [attempt] = floor.claim(floor.propose())
    survivor = floor.person(OTHER)
    floor.database.write_now(
        lambda c: merging.merge(c, survivor, floor.customer, choices={}, by=customers.HOUSE, now=NOW)
    )
    assert floor.attempt(attempt.id).customer_id == survivor


# The contact a target is about


def with_contact(floor: Floor) -> tuple[Attempt, str]:
    """An attempt that goes on, and the contact it is about."""
    reason = NewReason(
        kind=ReasonKind.PERIODIC_MAINTENANCE,
        occasion="x",
        customer_id=floor.customer,
        due_at=NOW + timedelta(days=1),
    )
    made = floor.database.write_now(lambda c: contacts.add_reason(c, reason, now=NOW))
    assert made is not None
    floor.add(floor.customer, contact_id=made.id)
    [attempt] = floor.claim(floor.propose())
    return attempt, made.id


def contact(floor: Floor, contact_id: str) -> Contact:
    return floor.database.read_now(lambda c: contact_rows.get_contact(c, contact_id))


def test_try_that_rang_is_one_of_the_contacts(floor: Floor) -> None:
    attempt, whose = with_contact(floor)
    floor.ends(attempt, Outcome.NO_ANSWER, cause=19)
    told = contact(floor, whose)
    assert (told.tries, told.state, told.result) == (1, ContactState.OPEN, None)
    [one] = floor.database.read_now(lambda c: contacts.tries_of(c, whose))
    assert (one.call_id, one.result) == (attempt.id, Result.NOT_REACHED)


def test_try_that_rang_nobodys_telephone_is_none_of_the_contacts(floor: Floor) -> None:
    attempt, whose = with_contact(floor)
    floor.ends(attempt, Outcome.FAILED, cause=34)
    assert contact(floor, whose).tries == 0


def test_menu_heard_out_closes_the_contact_and_one_hung_up_on_does_not(floor: Floor) -> None:
    attempt, whose = with_contact(floor)
    over = floor.ends(attempt, Outcome.ANSWERED, answered_at=NOW, flow="reminder")
    assert over.outcome is AttemptOutcome.HUNG_UP
    assert contact(floor, whose).state is ContactState.OPEN
    assert floor.target().state is TargetState.WAITING
    floor.clock.advance(24 * 3600)
    [again] = floor.claim(floor.propose())
    now = floor.clock.now()
    over = floor.ends(again, Outcome.ANSWERED, answered_at=now, flow="reminder", route="hangup")
    assert over.outcome is AttemptOutcome.HUMAN
    told = contact(floor, whose)
    assert (told.state, told.result, told.tries) == (ContactState.CLOSED, Result.DONE, 2)
    assert floor.target().state is TargetState.DONE


def test_agent_who_talked_says_himself_what_came_of_it(floor: Floor) -> None:
    attempt, whose = with_contact(floor)
    floor.ends(attempt, Outcome.ANSWERED, answered_at=NOW, connected_at=NOW, flow="reminder", keys="menu=0")
    assert contact(floor, whose).state is ContactState.OPEN
