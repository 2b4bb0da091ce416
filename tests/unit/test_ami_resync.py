"""Snapshots read from real answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from doubles_ami import capture

from telephony.asterisk.ami import AmiEvent, Reply
from telephony.asterisk.link import NEEDED_ACTIONS
from telephony.asterisk.protocol import parse
from telephony.asterisk.resync import (
    boot_of,
    channels_of,
    major_of,
    missing_rights,
    queues_of,
    side_of,
    version_of,
)
from telephony.ports import Side

NOW = datetime(2026, 11, 21, 23, 5, tzinfo=UTC)
FRAMES = capture("actions").removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")
REPLIES = {
    reply.keys.get("ActionID", ""): reply
    for reply in (Reply(parse(raw)) for raw in FRAMES if raw.startswith(b"Response"))
}
EVENTS = [AmiEvent(raw) for raw in FRAMES if raw.startswith(b"Event")]


def test_boot_and_version() -> None:
    assert boot_of(REPLIES["a-3"].keys) == "2026-11-21T23:00:38"
    assert version_of(REPLIES["a-2"].keys) == "22.10.1"
    assert major_of("22.10.1") == 22
    assert major_of("GIT-master-abc") is None


def test_rights_of_the_actions_user() -> None:
    offered = REPLIES["a-1"].keys
    assert missing_rights(offered, tuple(NEEDED_ACTIONS)) == ()
    less = {name: text for name, text in offered.items() if name != "Originate"}
    assert missing_rights(less, tuple(NEEDED_ACTIONS)) == ("Originate",)


def test_channels() -> None:
    listed = [event.keys for event in EVENTS if event.name == "CoreShowChannel"]
    trunk, phone = channels_of(listed, NOW)
    assert (trunk.side, trunk.endpoint, trunk.is_up) == (Side.TRUNK, "careline-trunk", True)
    assert (phone.side, phone.endpoint) == (Side.PHONE, "a7Q2mmxk1")
    assert phone.linkedid == trunk.uniqueid == trunk.linkedid
    assert trunk.bridge == phone.bridge != ""
    assert trunk.started_at is not None
    assert timedelta(0) <= NOW - trunk.started_at < timedelta(seconds=10)


def test_queues_and_members() -> None:
    busy = [(event.name, event.keys) for event in EVENTS if event.keys.get("ActionID") == "a-14"]
    [queue], [member] = queues_of(busy)
    assert (queue.name, queue.members, queue.completed, queue.abandoned) == ("service", 1, 3, 2)
    assert queue.talking + queue.ready <= 1
    assert (member.phone, member.agent_id, member.paused) == (
        "a7Q2mmxk1",
        "01JD0000000000000000AGENT1",
        False,
    )


def test_sides() -> None:
    assert side_of("PJSIP/careline-trunk-0000001f") == (Side.TRUNK, "careline-trunk")
    assert side_of("PJSIP/ab-cd-0000001f") == (Side.PHONE, "ab-cd")
    assert side_of("Local/1@careline-outbound-00000001;2") == (Side.SWITCH, "")
    assert side_of("nonsense") == (Side.SWITCH, "")
