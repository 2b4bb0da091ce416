"""What is known of a person before a contact, on both databases: wishes, lists, consents, switches, calls, cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fixtures_cases import ZONE, CaseHouse

from access.ids import new_id
from crm.consent.consents import BadConsent, BadSwitch, ConsentSource
from crm.consent.contactability import Facts, Rule, may_contact
from crm.consent.do_not_call import BadListing, ListNotFound, ListTaken
from crm.consent.options import ContactabilityOptions
from crm.consent.optouts import Channel, OptOutSource, Purpose
from crm.records.changes import Author
from crm.records.vehicles import VehicleState
from storage import (
    calls,
    consents,
    contactability,
    customers,
    do_not_call,
    erasure,
    merging,
    optouts,
    traces,
    vehicles,
)
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.numbers import E164, zones_of

NUMBER = E164("+8613912345678")
OTHER = E164("+8613987654321")
KEY = b"k" * 32
POLICIES = ContactabilityOptions().policies("CN")
#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZONE).astimezone(UTC)


@pytest.fixture
def house(case_house: CaseHouse) -> CaseHouse:
    case_house.clock.set(NOW)
    case_house.database.write_now(
        lambda c: customers.add_contact(c, case_house.customer, NUMBER, NOW - timedelta(days=90))
    )
    return case_house


def known(house: CaseHouse, **more: Any) -> Facts:
    given: dict[str, Any] = {
        "customer_id": house.customer,
        "number": NUMBER,
        "purpose": Purpose.VISITS,
        "channel": Channel.CALL,
        "now": NOW,
        "house": ZONE,
        "key": KEY,
        **more,
    }
    return house.database.read_now(lambda c: contactability.facts_of(c, **given))


def rules(house: CaseHouse, *, at: datetime = NOW, **more: Any) -> list[Rule]:
    facts = known(house, **{"now": at, **more})
    return [one.rule for one in may_contact(facts, POLICIES[facts.purpose], at).findings]


def call(house: CaseHouse, **more: Any) -> Call:
    started = more.pop("started_at", NOW - timedelta(hours=1))
    made = Call(
        id=CallId(new_id(started)),
        linkedid=new_id(started),
        system="s1",
        direction=Direction.OUTBOUND,
        state=CallState.ENDED,
        started_at=started,
        ended_at=started + timedelta(seconds=30),
        number=NUMBER,
        outcome=Outcome.NO_ANSWER,
    )
    made = replace(made, **more)
    house.database.write_now(lambda c: calls.save(c, [(None, made)]))
    return made


def test_person_nobody_spoke_of_may_be_called(house: CaseHouse) -> None:
    assert rules(house) == []
    assert known(house).zones == (ZONE,)


def test_zone_of_a_number_is_its_own_and_the_house_stands_in_where_it_says_none(house: CaseHouse) -> None:
    assert zones_of("+12125550100") == ("America/New_York",)
    assert [one.key for one in known(house, number="+12125550100").zones] == ["America/New_York"]
    assert [one.key for one in known(house, number="+8005551212").zones] == ["Asia/Shanghai"]
    assert zones_of("12") == ()


def test_wish_not_to_be_called_counts_at_once_and_until_it_is_taken_back(house: CaseHouse) -> None:
    write = house.database.write_now
    write(
        lambda c: optouts.opt_out(
            c, number=NUMBER, purpose=Purpose.VISITS, at=NOW, source=OptOutSource.AGENT, proof="call 1"
        )
    )
    assert rules(house) == [Rule.OPTED_OUT]
    assert rules(house, purpose=Purpose.REMINDERS) == []
    write(
        lambda c: optouts.withdraw(
            c, number=NUMBER, purpose=Purpose.VISITS, channel=Channel.ALL, at=NOW, proof="call 2", key=KEY
        )
    )
    assert rules(house) == []


def test_list_forbids_by_its_flag_and_not_by_its_name(house: CaseHouse) -> None:
    write = house.database.write_now
    staff = write(
        lambda c: do_not_call.create(c, name="请勿致电", everywhere=False, note="", now=NOW, by_name="Li")
    )
    assert write(lambda c: do_not_call.add(c, staff.id, number=NUMBER, reason="同事", now=NOW, by_name="Li"))
    assert not write(
        lambda c: do_not_call.add(c, staff.id, number=NUMBER, reason="again", now=NOW, by_name="Li")
    )
    assert rules(house) == []
    assert rules(house, lists=[staff.id]) == [Rule.LISTED]
    write(lambda c: do_not_call.change(c, staff.id, everywhere=True, now=NOW))
    assert rules(house) == [Rule.LISTED]
    write(lambda c: do_not_call.change(c, staff.id, retired=True, now=NOW))
    assert rules(house, lists=[staff.id]) == []
    write(lambda c: do_not_call.change(c, staff.id, retired=False, now=NOW))
    [entry] = house.database.read_now(lambda c: do_not_call.entries_of(c, staff.id))
    assert write(lambda c: do_not_call.remove(c, entry.id, now=NOW, by_name="Li"))
    assert not write(lambda c: do_not_call.remove(c, entry.id, now=NOW, by_name="Li"))
    assert rules(house) == []
    assert write(lambda c: do_not_call.add(c, staff.id, number=NUMBER, reason="back", now=NOW, by_name="Li"))
    assert [one.numbers for one in house.database.read_now(do_not_call.every)] == [1]


def test_lists_refuse_what_cannot_be(house: CaseHouse) -> None:
    def refused(error: type[Exception], work: Callable[[Any], object]) -> None:
        with pytest.raises(error):
            house.database.write_now(work)

    made = house.database.write_now(
        lambda c: do_not_call.create(c, name=" 员工  号码 ", everywhere=True, note="", now=NOW, by_name="Li")
    )
    assert made.name == "员工 号码"
    refused(
        ListTaken,
        lambda c: do_not_call.create(c, name="员工 号码", everywhere=False, note="", now=NOW, by_name=""),
    )
    refused(
        BadListing, lambda c: do_not_call.create(c, name=" ", everywhere=True, note="", now=NOW, by_name="")
    )
    refused(BadListing, lambda c: do_not_call.add(c, made.id, number="123", reason="x", now=NOW, by_name=""))
    refused(BadListing, lambda c: do_not_call.add(c, made.id, number=NUMBER, reason=" ", now=NOW, by_name=""))
    refused(
        ListNotFound, lambda c: do_not_call.add(c, "none", number=NUMBER, reason="x", now=NOW, by_name="")
    )
    refused(ListNotFound, lambda c: do_not_call.change(c, "none", retired=True, now=NOW))


def test_entries_come_page_by_page_in_an_order(house: CaseHouse) -> None:
    write = house.database.write_now
    made = write(lambda c: do_not_call.create(c, name="x", everywhere=True, note="", now=NOW, by_name="Li"))
    for index in range(5):
        number, at = f"+861390000000{index}", NOW + timedelta(minutes=index // 2)
        write(lambda c, n=number, t=at: do_not_call.add(c, made.id, number=n, reason="x", now=t, by_name=""))
    seen: list[str] = []
    before = None
    while page := house.database.read_now(
        lambda c, b=before: do_not_call.entries_of(c, made.id, before=b, limit=2)
    ):
        seen += [one.number for one in page]
        before = (page[-1].at, page[-1].id)
    assert sorted(seen) == [f"+861390000000{index}" for index in range(5)]
    assert seen[0] == "+8613900000004"


def test_consent_allows_advertising_until_it_is_withdrawn(house: CaseHouse) -> None:
    write = house.database.write_now
    assert rules(house, purpose=Purpose.ADVERTISING) == [Rule.NO_CONSENT]
    given = write(
        lambda c: consents.agree(
            c,
            customer_id=house.customer,
            purpose=Purpose.ADVERTISING,
            channel=Channel.CALL,
            source=ConsentSource.SIGNED_FORM,
            given_at=NOW - timedelta(days=1),
            proof="表 12",
            now=NOW,
            by=house.agent,
        )
    )
    assert (given.by_name, given.proof) == (house.agent.name, "表 12")
    assert rules(house, purpose=Purpose.ADVERTISING) == []
    assert rules(house, purpose=Purpose.ADVERTISING, channel=Channel.TEXT) == [Rule.NO_CONSENT]
    assert write(lambda c: consents.withdraw_consent(c, given.id, why="电话", now=NOW, by_name="Li"))
    assert not write(lambda c: consents.withdraw_consent(c, given.id, why="", now=NOW, by_name="Li"))
    assert rules(house, purpose=Purpose.ADVERTISING) == [Rule.NO_CONSENT]
    [kept] = house.database.read_now(lambda c: consents.consents_of(c, house.customer))
    assert (kept.withdrawn_at, kept.withdrawn_why) == (NOW, "电话")
    with pytest.raises(BadConsent):
        write(
            lambda c: consents.agree(
                c,
                customer_id=house.customer,
                purpose=Purpose.ALL,
                channel=Channel.ALL,
                source=ConsentSource.CALL,
                given_at=NOW,
                proof=" ",
                now=NOW,
            )
        )


def test_switch_of_a_vehicle_is_off_once_and_on_again(house: CaseHouse) -> None:
    def off(**more: Any) -> Any:
        given: dict[str, Any] = {
            "customer_id": house.customer,
            "vehicle_id": house.vehicle,
            "purpose": Purpose.REMINDERS,
            "channel": Channel.CALL,
            "reason": "车在外地",
            "now": NOW,
            "by": house.agent,
            **more,
        }
        return house.database.write_now(lambda c: consents.turn_off(c, **given))

    first = off()
    assert off(reason="again").id == first.id
    asked = {"purpose": Purpose.REMINDERS}
    assert rules(house, vehicle_id=house.vehicle, **asked) == [Rule.SWITCHED_OFF]
    assert rules(house, **asked) == [], "a reminder about no vehicle is not touched"
    assert rules(house, vehicle_id=house.vehicle) == []
    assert house.database.write_now(lambda c: consents.turn_on(c, first, now=NOW, by_name="Li"))
    assert not house.database.write_now(lambda c: consents.turn_on(c, first, now=NOW, by_name="Li"))
    assert rules(house, vehicle_id=house.vehicle, **asked) == []
    with pytest.raises(BadSwitch):
        off(reason=" ")


def test_sold_vehicle_open_complaint_and_wrong_number_stop_it(house: CaseHouse) -> None:
    write = house.database.write_now
    write(lambda c: vehicles.change_vehicle(c, house.vehicle, NOW, state=VehicleState.SOLD))
    assert rules(house, vehicle_id=house.vehicle) == [Rule.VEHICLE_GONE]
    assert rules(house) == []
    house.open()
    assert rules(house) == [Rule.OPEN_CASE]
    assert write(lambda c: customers.mark_number(c, house.customer, NUMBER, NOW, wrong=True))
    assert not write(lambda c: customers.mark_number(c, house.customer, NUMBER, NOW, wrong=True))
    assert rules(house)[0] is Rule.WRONG_NUMBER
    assert write(lambda c: customers.mark_number(c, house.customer, NUMBER, NOW, wrong=False))
    assert rules(house) == [Rule.OPEN_CASE]


def test_number_that_comes_back_to_a_customer_is_not_wrong_any_more(house: CaseHouse) -> None:
    write = house.database.write_now
    write(lambda c: customers.mark_number(c, house.customer, NUMBER, NOW, wrong=True))
    write(lambda c: customers.end_contact(c, house.customer, NUMBER, NOW))
    write(lambda c: customers.add_contact(c, house.customer, NUMBER, NOW))
    assert rules(house) == []


def test_calls_of_every_kind_count_for_the_day_and_refused_ones_do_not(house: CaseHouse) -> None:
    call(house, refused_by="fence")
    call(house, direction=Direction.INBOUND)
    assert rules(house) == []
    call(house, started_at=NOW - timedelta(days=1))
    assert rules(house) == []
    call(house, started_at=NOW - timedelta(minutes=55))
    assert rules(house) == [Rule.NUMBER_CAP, Rule.TOO_SOON]
    assert rules(house, number=OTHER) == [Rule.TOO_SOON], "the same person on another number"
    assert rules(house, number=OTHER, at=NOW + timedelta(hours=5)) == []


def test_call_that_goes_on_keeps_others_away_and_a_row_nobody_closed_does_not(house: CaseHouse) -> None:
    going = call(house, direction=Direction.INBOUND, state=CallState.TALKING, ended_at=None, outcome=None)
    facts = known(house)
    assert facts.call_under_way == going.id
    assert rules(house) == [Rule.IN_CONTACT]
    assert Rule.IN_CONTACT not in rules(house, at=NOW + timedelta(days=1))


def test_talk_keeps_advertising_away_whoever_called(house: CaseHouse) -> None:
    ended = NOW - timedelta(hours=2)
    call(
        house,
        direction=Direction.INBOUND,
        started_at=ended - timedelta(minutes=3),
        connected_at=ended - timedelta(minutes=2),
        ended_at=ended,
        outcome=Outcome.ANSWERED,
        number=None,
        customer_id=house.customer,
    )
    assert known(house).talked_at == ended
    assert rules(house) == []
    assert Rule.SPOKEN in rules(house, purpose=Purpose.ADVERTISING)


def test_merged_customers_keep_both_ones_consents_and_switches(house: CaseHouse) -> None:
    write = house.database.write_now
    other = write(lambda c: customers.add_customer(c, name="赵二", now=NOW))
    write(
        lambda c: consents.turn_off(
            c,
            customer_id=other.id,
            vehicle_id=None,
            purpose=Purpose.VISITS,
            channel=Channel.ALL,
            reason="不需要",
            now=NOW,
        )
    )
    write(lambda c: merging.merge(c, house.customer, other.id, choices={}, by=Author(name="Li"), now=NOW))
    assert rules(house) == [Rule.SWITCHED_OFF]


def test_erased_person_stays_unasked_though_the_list_forgets_the_number(house: CaseHouse) -> None:
    write, read = house.database.write_now, house.database.read_now
    made = write(lambda c: do_not_call.create(c, name="x", everywhere=True, note="", now=NOW, by_name="Li"))
    write(lambda c: do_not_call.add(c, made.id, number=NUMBER, reason="张伟要求", now=NOW, by_name="Li"))
    person = read(lambda c: traces.person_of(c, house.customer))
    found = read(lambda c: traces.scan(c, person))
    write(lambda c: erasure.erase(c, house.customer, found=found, pseudonym="E1", now=NOW, key=KEY))
    assert read(lambda c: do_not_call.entries_of(c, made.id)) == []
    again = write(lambda c: customers.add_customer(c, name="张伟", now=NOW))
    assert rules(house, customer_id=again.id, purpose=Purpose.REMINDERS) == [Rule.OPTED_OUT]
