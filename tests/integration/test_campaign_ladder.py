"""What follows when nobody was reached, and what a campaign came to, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import HOURS, ZONE, CaseHouse
from fixtures_erasure import fill

from access.ids import new_id
from campaigns.attempts import AttemptOutcome
from campaigns.campaigns import Campaign, CampaignState, CampaignStep, Mode, Purpose
from campaigns.ladder import LadderText, Rung, RungState
from campaigns.results import By, Wanted
from campaigns.rules import Rules, rules_from, rules_to
from campaigns.targets import NewTarget, TargetState
from config.ladder_ticks import LadderTicks, NoSender
from crm.consent.options import ContactabilityOptions
from storage import attempts, campaign_results, campaign_targets, campaigns, customers, ladder
from storage.contactability import House
from storage.tables.appointments import appointment_lanes, appointments, visit_credits, workshops
from storage.tables.calls import calls
from storage.tables.campaigns import dial_attempts
from storage.tables.records import service_visits, vehicles
from storage.tables.tasks import tasks
from telephony.numbers import E164

#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZONE).astimezone(UTC)
HOUSE = House(zone=ZONE, policies=ContactabilityOptions().policies("CN"), key=b"k" * 32)
ALL = (Rung.TEXT, Rung.LETTER, Rung.MARK)


def row(connection: Any, table: Any, now: datetime, **values: Any) -> str:
    """A row with these values; moments that must stand are now."""
    moments = {
        column.name: now for column in table.columns if column.name.endswith("_at") and not column.nullable
    }
    return fill(connection, table, **{**moments, **values})


class Outbox:
    """A message port that remembers."""

    def __init__(self) -> None:
        self.texts: list[LadderText] = []

    async def hand_over(self, text: LadderText) -> bool:
        self.texts.append(text)
        return True


class Floor:
    """A campaign with a ladder and one customer nobody reached."""

    def __init__(self, house: CaseHouse, rungs: tuple[Rung, ...] = ALL) -> None:
        house.clock.set(NOW)
        self.house, self.database, self.clock = house, house.database, house.clock

        def make(connection: Any) -> tuple[str, Campaign, str]:
            one = customers.add_customer(connection, name="李四", now=NOW)
            customers.add_contact(connection, one.id, E164("+8613912345678"), NOW - timedelta(days=90))
            campaign = campaigns.create(
                connection,
                name="首保提醒",
                purpose=Purpose.FIRST_MAINTENANCE,
                mode=Mode.PROGRESSIVE,
                queue="service",
                now=NOW,
                rules=Rules(ladder=rungs, ladder_days=7, expires_days=1),
            )
            campaigns.step(connection, campaign.id, CampaignStep.START, NOW)
            campaign_targets.add(connection, campaign, [NewTarget(customer_id=one.id, key="1")], NOW)
            return one.id, campaign, campaign_targets.page(connection, campaign.id)[0].id

        self.customer, self.campaign, self.target = self.database.write_now(make)

    def give_up(self) -> None:
        """Its days are used up when it is looked at next."""
        self.clock.advance(86_400)
        found = self.database.read_now(
            lambda c: attempts.propose(c, self.campaign, HOUSE, self.clock.now(), 5)
        )
        self.database.write_now(
            lambda c: attempts.claim(c, self.campaign.id, found, node="x", now=self.clock.now())
        )

    def steps(self) -> list[tuple[Rung, RungState]]:
        found = self.database.read_now(lambda c: ladder.of_target(c, self.target))
        return [(one.rung, one.state) for one in found]

    def ticks(self, texts: Any) -> LadderTicks:
        return LadderTicks(self.database, self.clock, HOURS, HOUSE, texts, mark="下次到店询问：{campaign}")


async def test_text_letter_and_mark_follow_each_other_with_days_between(case_house: CaseHouse) -> None:
    floor, outbox = Floor(case_house), Outbox()
    floor.give_up()
    target = floor.database.read_now(lambda c: campaign_targets.get(c, floor.target))
    assert target is not None
    assert target.state is TargetState.GIVEN_UP
    await floor.ticks(outbox).look()
    await floor.ticks(outbox).look()
    [text] = outbox.texts
    assert (text.customer_id, text.number, text.purpose) == (
        floor.customer,
        "+8613912345678",
        "first_maintenance",
    )
    assert floor.steps() == [(Rung.TEXT, RungState.DONE), (Rung.LETTER, RungState.DUE)]
    assert floor.database.read_now(lambda c: ladder.due(c, Rung.LETTER, floor.clock.now(), 5)) == []
    floor.clock.advance(7 * 86_400)
    [letter] = floor.database.read_now(lambda c: ladder.due(c, Rung.LETTER, floor.clock.now(), 5))
    floor.database.write_now(lambda c: ladder.close(c, letter, RungState.DONE, floor.clock.now()))
    floor.clock.advance(7 * 86_400)
    await floor.ticks(outbox).look()
    assert floor.steps()[-1] == (Rung.MARK, RungState.DONE)
    [task] = floor.database.read_now(
        lambda c: c.execute(tasks.select().where(tasks.c.customer_id == floor.customer)).mappings().all()
    )
    assert (task["subject"], task["state"]) == ("下次到店询问：首保提醒", "open")
    assert len(outbox.texts) == 1


async def test_without_a_sender_the_letter_is_due_at_once(case_house: CaseHouse) -> None:
    floor = Floor(case_house)
    floor.give_up()
    await floor.ticks(NoSender()).look()
    assert floor.steps() == [(Rung.TEXT, RungState.PASSED), (Rung.LETTER, RungState.DUE)]
    assert len(floor.database.read_now(lambda c: ladder.due(c, Rung.LETTER, floor.clock.now(), 5))) == 1


async def test_nothing_happens_at_night(case_house: CaseHouse) -> None:
    floor, outbox = Floor(case_house), Outbox()
    floor.give_up()
    floor.clock.advance(12 * 3600)
    await floor.ticks(outbox).look()
    assert outbox.texts == []
    assert floor.steps() == [(Rung.TEXT, RungState.DUE)]


@pytest.mark.parametrize("how", ["called", "booked", "came", "called_again"])
async def test_who_reacts_gets_no_letter(case_house: CaseHouse, how: str) -> None:
    floor = Floor(case_house, (Rung.LETTER,))
    floor.give_up()
    floor.clock.advance(60)
    now = floor.clock.now()

    def react(connection: Any) -> None:
        if how == "called":
            row(
                connection,
                calls,
                now,
                id=new_id(now),
                customer_id=floor.customer,
                direction="inbound",
                **dict.fromkeys(("wait_seconds", "talk_seconds", "hold_seconds"), 0.0),
                connected_at=now,
                started_at=now,
            )
        elif how == "booked":
            shop = row(connection, workshops, NOW)
            lane = row(connection, appointment_lanes, NOW, workshop_id=shop)
            row(
                connection,
                appointments,
                now,
                customer_id=floor.customer,
                workshop_id=shop,
                lane_id=lane,
                created_at=now,
            )
        elif how == "came":
            row(
                connection,
                service_visits,
                now,
                customer_id=floor.customer,
                vehicle_id=row(connection, vehicles, NOW),
                visited_on=now.date() + timedelta(days=1),
            )
        else:
            one = campaign_targets.get(connection, floor.target)
            assert one is not None
            campaign_targets.write(connection, replace(one, state=TargetState.WAITING, closed_at=None))

    floor.database.write_now(react)
    await floor.ticks(NoSender()).look()
    assert floor.steps() == [(Rung.LETTER, RungState.VOID)]


def test_ladder_of_a_campaign_is_kept_in_its_order() -> None:
    rules = Rules(ladder=ALL, ladder_days=3)
    assert rules_from(rules_to(rules)) == rules
    assert rules_from({"ladder": ["mark", "text", "telegram"]}).ladder == (Rung.TEXT, Rung.MARK)


# Results


def tries(floor: Floor, *made: tuple[int, AttemptOutcome, float | None, float | None]) -> list[str]:
    """Attempts by (hours ago, outcome, seconds to the answer, seconds from there to the agent)."""
    now = floor.clock.now()

    def work(connection: Any) -> list[str]:
        ids = []
        for no, (hours, outcome, answered, connected) in enumerate(made, start=1):
            at = now - timedelta(hours=hours)
            answer = None if answered is None else at + timedelta(seconds=answered)
            talk = None if connected is None or answer is None else answer + timedelta(seconds=connected)
            ids.append(
                fill(
                    connection,
                    dial_attempts,
                    id=new_id(at),
                    campaign_id=floor.campaign.id,
                    target_id=floor.target,
                    customer_id=floor.customer,
                    no=no,
                    send=1,
                    state="ended",
                    outcome=outcome.value,
                    intent_at=at,
                    answered_at=answer,
                    connected_at=talk,
                    ended_at=at + timedelta(seconds=120),
                    answer={},
                    agentless=False,
                    agent_first=False,
                    machine=False,
                )
            )
        return ids

    return floor.database.write_now(work)


def test_each_figure_has_its_own_name_and_opens_its_rows(case_house: CaseHouse) -> None:
    floor = Floor(case_house)
    ids = tries(
        floor,
        (50, AttemptOutcome.NO_ANSWER, None, None),
        (26, AttemptOutcome.NO_TRUNK, None, None),
        (25, AttemptOutcome.ABANDONED, 6, None),
        (2, AttemptOutcome.HUMAN, 7, 0.5),
    )
    read, campaign = floor.database.read_now, floor.campaign.id
    found = read(lambda c: campaign_results.figures(c, campaign, floor.clock.now()))
    assert (found.targets, found.tried, found.tries, found.answered, found.reached) == (1, 1, 3, 2, 1)
    assert (found.list_penetration, found.contact_per_record) == (1.0, 1.0)
    assert found.contact_per_attempt == pytest.approx(1 / 3)
    assert (found.live, found.abandoned, found.abandon_rate) == (2, 1, 0.5)
    plots = read(lambda c: campaign_results.layouts(c, campaign, ZONE))
    assert [(bar.key, bar.tries, bar.reached) for bar in plots[By.TRY]] == [
        ("1", 1, 0),
        ("3", 1, 0),
        ("4", 1, 1),
    ]
    for by, bars in plots.items():
        for bar in bars:
            wanted = Wanted(by=by, key=bar.key)
            rows = read(
                lambda c, wanted=wanted: campaign_results.attempts_behind(
                    c, campaign, wanted, ZONE, before="", limit=10
                )
            )
            assert len(rows) == bar.tries, (by, bar.key)
    for only, count in (("", 3), ("answered", 2), ("reached", 1), ("abandoned", 1)):
        rows = read(
            lambda c, only=only: campaign_results.attempts_behind(
                c, campaign, Wanted(only=only), ZONE, before="", limit=10
            )
        )
        assert len(rows) == count, only
    assert read(lambda c: campaign_results.marked(c, campaign, "reached")) == {floor.target}

    def book(connection: Any) -> None:
        shop = row(connection, workshops, NOW)
        lane = row(connection, appointment_lanes, NOW, workshop_id=shop)
        booked = row(
            connection,
            appointments,
            floor.clock.now(),
            customer_id=floor.customer,
            workshop_id=shop,
            lane_id=lane,
            call_id=ids[-1],
        )
        visit = row(
            connection,
            service_visits,
            floor.clock.now(),
            customer_id=floor.customer,
            vehicle_id=row(connection, vehicles, NOW),
            visited_on=date(2026, 11, 20),
        )
        row(
            connection,
            visit_credits,
            floor.clock.now(),
            at=floor.clock.now(),
            visit_id=visit,
            customer_id=floor.customer,
            appointment_id=booked,
            visited_on=date(2026, 11, 20),
        )

    floor.database.write_now(book)
    marks = read(lambda c: campaign_results.marks(c, campaign))
    assert (marks.booked, marks.came, marks.dissatisfied) == (1, 1, 0)


def test_campaign_over_its_limit_is_found_and_one_alone_is_no_share(case_house: CaseHouse) -> None:
    floor = Floor(case_house)
    now = floor.clock.now()

    def over() -> list[str]:
        def look(connection: Any) -> list[str]:
            running = campaigns.every(connection, states=[CampaignState.RUNNING])
            ratio = [replace(one, mode=Mode.RATIO) for one in running]
            return campaign_results.over_their_limit(connection, ratio, now)

        return floor.database.read_now(look)

    tries(floor, (24 * 31, AttemptOutcome.ABANDONED, 5, None), (3, AttemptOutcome.ABANDONED, 5, None))
    assert over() == [], "one in thirty days"
    floor.database.write_now(
        lambda c: fill(
            c,
            dial_attempts,
            id=new_id(now),
            campaign_id=floor.campaign.id,
            target_id=floor.target,
            customer_id=floor.customer,
            no=9,
            send=1,
            state="ended",
            outcome="human",
            intent_at=now - timedelta(hours=1),
            answered_at=now - timedelta(minutes=59),
            connected_at=now - timedelta(minutes=58),
            answer={},
            agentless=False,
            agent_first=False,
            machine=False,
        )
    )
    assert over() == [floor.campaign.id], "an agent after a minute is as bad as none"
