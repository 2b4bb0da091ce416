"""Captured scenes of a real Asterisk, told as facts (each capture is one scene of the hotline)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from doubles_ami import SCENES, capture

from telephony.asterisk.ami import AmiEvent
from telephony.asterisk.events import MAPPED, facts_of, facts_of_all
from telephony.calls import Call, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind, Source
from telephony.tracker import fold

NOW = datetime(2026, 11, 21, 23, 5, tzinfo=UTC)
AGENT = "01JD0000000000000000AGENT1"


def events_of(*scenes: str) -> list[AmiEvent]:
    return [
        AmiEvent(raw)
        for scene in scenes
        for raw in capture(scene).removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
        if raw.startswith(b"Event: ")
    ]


def facts(*scenes: str) -> list[Fact]:
    return facts_of_all([(event.name, event.get) for event in events_of(*scenes)], NOW)


def calls(*scenes: str) -> dict[str, Call]:
    """The calls of some scenes, by the caller's name or number."""
    by_link: dict[str, list[Fact]] = {}
    for fact in facts(*scenes):
        by_link.setdefault(fact.linkedid, []).append(fact)
    folded = [fold(each, system="careline", number_of=lambda raw: raw or None) for each in by_link.values()]
    return {call.raw_number: call for call in folded if call is not None}


@pytest.mark.parametrize("scene", SCENES)
def test_facts_are_well_formed_and_their_keys_natural(scene: str) -> None:
    """Two tellings of one event are one fact; two events are two."""
    told = facts(scene)
    assert told
    keys = [(fact.source, fact.key) for fact in told]
    assert len(set(keys)) == len(keys)
    assert [fact.key for fact in facts(scene)] == [fact.key for fact in told]
    for fact in told:
        assert fact.source is Source.AMI
        assert fact.uniqueid
        assert fact.linkedid
        assert abs(fact.at - datetime(2026, 11, 21, 23, 1, tzinfo=UTC)) < timedelta(minutes=5)
        for value in fact.data.values():
            assert isinstance(value, str | int | float | bool)
            str(value).encode("utf-8")


@pytest.mark.parametrize("scene", SCENES)
def test_reading_from_bytes_and_from_headers_is_the_same(scene: str) -> None:
    for event in events_of(scene):
        keys = event.keys
        assert facts_of(event.name, event.get, NOW) == facts_of(
            event.name, lambda key, k=keys: k.get(key, ""), NOW
        )


def test_an_answered_queue_call() -> None:
    told = calls("answered")
    call = told["13900139000"]
    assert (call.direction, call.state, call.outcome) == (
        Direction.INBOUND,
        CallState.ENDED,
        Outcome.ANSWERED,
    )
    assert (call.called, call.queue, call.agent_id) == ("4008001234", "service", AGENT)
    assert 2.3 < call.talk_seconds < 2.5
    assert 0.5 < call.wait_seconds < 1
    assert call.cause == 16


def test_names_from_outside_are_kept_as_text() -> None:
    """S02: shown later as text, never run; Chinese and emoji survive."""
    names = {fact.data.get("name") for fact in facts("answered") if fact.kind is FactKind.LEG_STARTED}
    assert {"Li Na", "<img src=x onerror=alert(1)>=1+1", "李娜 ☎"} <= names


def test_abandoned_calls() -> None:
    told = calls("abandoned")
    assert {call.outcome for call in told.values()} == {Outcome.ABANDONED}
    reasons = [fact.data["reason"] for fact in facts("abandoned") if fact.kind is FactKind.QUEUE_LEFT]
    assert "abandoned" in reasons


def test_a_missed_ring() -> None:
    [missed] = [fact for fact in facts("missed") if fact.kind is FactKind.RING_MISSED]
    assert missed.data == {"queue": "service", "endpoint": "a7Q2mmxk1", "agent": AGENT, "rang": 3.0}
    assert calls("missed")["13900139006"].outcome is Outcome.ABANDONED


def test_a_direct_call_to_a_phone_rings_and_connects() -> None:
    kinds = [fact.kind for fact in facts("direct")]
    assert FactKind.RINGING in kinds
    assert FactKind.CONNECTED in kinds
    assert FactKind.QUEUED not in kinds


def test_a_queue_rings_once_per_phone() -> None:
    """app_queue tells of ringing by AgentCalled; its DialBegin is not told again."""
    ringing = [fact for fact in facts("missed") if fact.kind is FactKind.RINGING]
    assert [fact.data["agent"] for fact in ringing] == [AGENT] * len(ringing)


def test_blind_transfer() -> None:
    [moved] = [fact for fact in facts("blind") if fact.kind is FactKind.TRANSFERRED]
    assert moved.data == {"how": "blind", "target": "agent-b9Zt4hq02", "target_kind": "agent"}
    assert moved.uniqueid == "careline-1795302073.18"


def test_the_outside_world_holding_us_is_not_our_hold() -> None:
    assert not [fact for fact in facts("hold") if fact.kind in (FactKind.HELD, FactKind.RESUMED)]


def test_a_phones_hold_button_is() -> None:
    raw = next(event.raw for event in events_of("hold") if event.name == "Hold")
    event = AmiEvent(raw.replace(b"PJSIP/careline-trunk-", b"PJSIP/a7Q2mmxk1-"))
    [held] = facts_of(event.name, event.get, NOW)
    assert held.kind is FactKind.HELD


def test_conference() -> None:
    joined = [fact for fact in facts("conference") if fact.kind is FactKind.CONFERENCE_JOINED]
    assert [fact.data["conference"] for fact in joined] == ["77", "77"]


def test_an_outbound_call_names_the_number_it_dialed() -> None:
    told = [
        fact for fact in facts("outbound") if fact.kind is FactKind.LEG_STARTED and fact.data.get("trunk")
    ]
    assert {fact.data["direction"] for fact in told} == {"outbound"}
    assert "13600136000" in {fact.data["called"] for fact in told}


def test_the_trunks_leg_in_names_the_number_it_called() -> None:
    first = next(fact for fact in facts("answered") if fact.kind is FactKind.LEG_STARTED)
    assert first.data["trunk"] is True
    assert (first.data["direction"], first.data["called"]) == ("inbound", "4008001234")


@pytest.mark.parametrize(
    ("kind", "value", "expected", "data"),
    [
        (
            "CarelineVoicemail",
            "careline-1.2.wav",
            FactKind.VOICEMAIL_LEFT,
            {"file": "careline-1.2.wav", "box": "service"},
        ),
        ("CarelineRecording", "a.wav", FactKind.RECORDING_STARTED, {"file": "a.wav", "box": "service"}),
        ("CarelineFallback", "silent", FactKind.FALLBACK, {"why": "silent", "box": "service"}),
        ("CarelineRefused", "prefix", FactKind.REFUSED, {"rule": "prefix", "box": "service"}),
        ("CarelineRecordingFailed", "disk", FactKind.RECORDING_FAILED, {"why": "disk", "box": "service"}),
    ],
)
def test_user_events_of_the_dialplan(kind: str, value: str, expected: FactKind, data: dict[str, str]) -> None:
    raw = next(event.raw for event in events_of("answered") if event.name == "UserEvent")
    mended = raw.replace(b"Kind: Notice", b"Kind: " + kind.encode()).replace(
        b"Value: recording", b"Value: " + value.encode() + b"\r\nBox: service"
    )
    event = AmiEvent(mended)
    [fact] = facts_of(event.name, event.get, NOW)
    assert (fact.kind, dict(fact.data)) == (expected, data)


def test_events_nobody_maps_and_events_without_a_channel_say_nothing() -> None:
    assert facts_of("DeviceStateChange", lambda _: "x", NOW) == ()
    for name in MAPPED:
        assert facts_of(name, lambda _: "", NOW) == ()


def test_an_event_without_a_time_is_dated_on_arrival() -> None:
    event = AmiEvent(b"Event: Hangup\r\nUniqueid: a.1\r\nLinkedid: a.1\r\nCause: 17")
    [fact] = facts_of(event.name, event.get, NOW)
    assert fact.at == NOW
    assert fact.data == {"cause": 17}
