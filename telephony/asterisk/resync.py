"""What the switch says it is doing now: boot time, channels, queues and members, as values; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from telephony.agents import Member
from telephony.asterisk import names
from telephony.asterisk.protocol import legible
from telephony.ports import Channel, QueueCount, Side

#: Oldest Asterisk that is known to work; its manager protocol is 9.
OLDEST_ASTERISK: Final = 20
OLDEST_AMI: Final = 9

_CHANNEL = re.compile(r"(?P<tech>[A-Za-z]+)/(?P<endpoint>[^/@;]+)-[0-9a-fA-F]{8}(?:;[12])?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """The switch at one moment."""

    #: When it was asked for, aware UTC: what began later may be missing.
    at: datetime
    #: Changes whenever Asterisk starts anew (CoreStatus CoreStartupDate and CoreStartupTime).
    boot: str
    #: Asterisk's version, e.g. 22.10.1.
    version: str
    channels: tuple[Channel, ...]
    queues: tuple[QueueCount, ...]
    members: tuple[Member, ...]

    @property
    def linkedids(self) -> frozenset[str]:
        """Calls that are alive."""
        return frozenset(channel.linkedid for channel in self.channels)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resync:
    """What is handed over after each reconnect, before any event that came after it."""

    snapshot: Snapshot
    #: Asterisk started anew since the last snapshot: every call that was open then ended unseen.
    restarted: bool
    #: How long nobody listened, seconds; None for the first time.
    gap_seconds: float | None


@lru_cache(maxsize=4096)
def side_of(channel: str) -> tuple[Side, str]:
    """Who is at the far end of a channel, and the endpoint's name, from the channel's name."""
    match = _CHANNEL.match(channel)
    if match is None or match["tech"] != "PJSIP":
        return Side.SWITCH, ""
    endpoint = match["endpoint"]
    return (Side.TRUNK if endpoint == names.TRUNK else Side.PHONE), endpoint


def boot_of(status: Mapping[str, str]) -> str:
    """The boot id in CoreStatus, e.g. `2026-11-21T22:57:07`."""
    return f"{status.get('CoreStartupDate', '')}T{status.get('CoreStartupTime', '')}"


def version_of(settings: Mapping[str, str]) -> str:
    """Asterisk's version in CoreSettings, cut behind the numbers: `22.10.1`."""
    match = re.match(r"[0-9]+(?:\.[0-9]+)*", settings.get("AsteriskVersion", ""))
    return match.group() if match else settings.get("AsteriskVersion", "")


def major_of(version: str) -> int | None:
    """22 for `22.10.1`; None where Asterisk does not say a number (development builds)."""
    match = re.match(r"[0-9]+", version)
    return int(match.group()) if match else None


def channels_of(events: Iterable[Mapping[str, str]], now: datetime) -> tuple[Channel, ...]:
    """The live channels from the CoreShowChannel events of one list."""
    channels = []
    for keys in events:
        name = keys.get("Channel", "")
        side, endpoint = side_of(name)
        channels.append(
            Channel(
                name=name,
                uniqueid=keys.get("Uniqueid", ""),
                linkedid=keys.get("Linkedid", ""),
                state=keys.get("ChannelStateDesc", ""),
                bridge=keys.get("BridgeId", ""),
                context=keys.get("Context", ""),
                extension=legible(keys.get("Exten", "")),
                started_at=_started(keys.get("Duration", ""), now),
                side=side,
                endpoint=endpoint,
            )
        )
    return tuple(channels)


def queues_of(
    events: Iterable[tuple[str, Mapping[str, str]]],
) -> tuple[tuple[QueueCount, ...], tuple[Member, ...]]:
    """The queues and their members from the (name, headers) of one QueueStatus list."""
    parameters: dict[str, Mapping[str, str]] = {}
    found: dict[str, list[tuple[Member, str]]] = {}
    longest: dict[str, int] = {}
    for name, keys in events:
        queue = keys.get("Queue", "")
        if name == "QueueParams":
            parameters[queue] = keys
        elif name == "QueueMember":
            found.setdefault(queue, []).append((_member(queue, keys), keys.get("Status", "")))
        elif name == "QueueEntry":
            longest[queue] = max(longest.get(queue, 0), _number(keys.get("Wait", "")))
    counts = []
    for queue, keys in parameters.items():
        members = found.get(queue, [])
        counts.append(
            QueueCount(
                name=queue,
                waiting=_number(keys.get("Calls", "")),
                longest_wait=longest.get(queue, 0),
                members=len(members),
                ready=sum(not member.paused and status == "1" for member, status in members),
                talking=sum(status in ("2", "3") for _, status in members),
                completed=_number(keys.get("Completed", "")),
                abandoned=_number(keys.get("Abandoned", "")),
            )
        )
    return tuple(counts), tuple(member for members in found.values() for member, _ in members)


def missing_rights(commands: Mapping[str, str], needed: Sequence[str]) -> tuple[str, ...]:
    """Which of the `needed` actions the ListCommands answer does not offer this user."""
    offered = {name.lower() for name in commands}
    return tuple(name for name in needed if name.lower() not in offered)


def _member(queue: str, keys: Mapping[str, str]) -> Member:
    interface = keys.get("Location", "")
    return Member(
        queue=queue,
        phone=interface.partition("/")[2] or interface,
        agent_id=keys.get("Name", ""),
        penalty=_number(keys.get("Penalty", "")),
        paused=keys.get("Paused") == "1",
        reason=legible(keys.get("PausedReason", "")),
    )


def _started(duration: str, now: datetime) -> datetime | None:
    parts = duration.split(":")
    if len(parts) != 3 or not all(part.isdigit() for part in parts):
        return None
    hours, minutes, seconds = (int(part) for part in parts)
    return now - timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() else 0
