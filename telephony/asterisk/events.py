"""What an AMI event means for the call log: event in, facts out; no I/O, and cheap, for every event passes here.

Only events in `MAPPED` say anything. A fact's natural key is event, channel and Asterisk's own time, so the
same event seen twice is one fact (needs `timestampevents=yes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from telephony.asterisk import names
from telephony.asterisk.protocol import legible
from telephony.asterisk.resync import side_of
from telephony.facts import Fact, FactKind, Source
from telephony.ports import Side

#: Reads one header; an empty string where there is none.
Get = Callable[[str], str]
Value = str | int | float | bool
Mapper = Callable[[str, Get, datetime], "Fact | None"]

_LONGEST_NAME: Final = 64
_NOTHING: Final = frozenset({"", "<unknown>", "<none>"})
_AMI: Final = Source.AMI


def facts_of(name: str, get: Get, received: datetime) -> tuple[Fact, ...]:
    """The facts one event tells, at most a few; `received` (aware UTC) serves where the event has no time."""
    mapper = MAPPED.get(name)
    if mapper is None:
        return ()
    fact = mapper(name, get, received)
    return () if fact is None else (fact,)


def facts_of_all(events: Iterable[tuple[str, Get]], received: datetime) -> list[Fact]:
    """The facts of a batch, in order."""
    found: list[Fact] = []
    for name, get in events:
        found.extend(facts_of(name, get, received))
    return found


def forwarded_leg(name: str, get: Get) -> str:
    """The channel that is dialed because a phone answered an Originate with 302; empty for any other event.

    An Originate follows a 302, even to a dial string of the phone's own choice, and Asterisk has no switch
    against it. The leg is known by having neither a caller nor an id that we chose (the switch's own hold a dot).
    """
    if name != "DialBegin" or get("Uniqueid") or "." not in get("DestUniqueid"):
        return ""
    return get("DestChannel")


def _fact(
    kind: FactKind,
    name: str,
    get: Get,
    received: datetime,
    data: Mapping[str, Value],
    *,
    of: str = "",
    which: str = "",
) -> Fact | None:
    """A fact about the channel whose headers begin with `of`; None without a channel. `which` goes into the
    key where one moment may tell several."""
    uniqueid = get(of + "Uniqueid")
    if not uniqueid:
        return None
    stamp = get("Timestamp")
    try:
        at = datetime.fromtimestamp(float(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        at, stamp = received, f"{received.timestamp():.6f}"
    return Fact(
        source=_AMI,
        key=f"{name}/{uniqueid}/{stamp}{which}",
        kind=kind,
        at=at,
        linkedid=get(of + "Linkedid") or uniqueid,
        uniqueid=uniqueid,
        data=data,
    )


def _known(text: str) -> str:
    return "" if text in _NOTHING else text


def _shown(text: str) -> str:
    """A name from outside: legible, one line, short."""
    if text in _NOTHING:
        return ""
    return "".join(letter for letter in legible(text) if letter.isprintable())[:_LONGEST_NAME]


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() else 0


def _endpoint(interface: str) -> str:
    return interface.partition("/")[2] or interface


def _new_channel(name: str, get: Get, received: datetime) -> Fact | None:
    channel = get("Channel")
    side, _ = side_of(channel)
    called = get("Exten")
    data: dict[str, Value] = {
        "channel": channel,
        "caller": legible(_known(get("CallerIDNum")))[:_LONGEST_NAME],
        "called": "" if called == "s" else legible(called)[:_LONGEST_NAME],
        "name": _shown(get("CallerIDName")),
    }
    if side is Side.TRUNK:
        data["trunk"] = True
        # A leg from the trunk names the number it called; a leg to the trunk has not been dialed yet ("s").
        data["direction"] = "inbound" if data["called"] else "outbound"
    return _fact(FactKind.LEG_STARTED, name, get, received, data)


def _new_state(name: str, get: Get, received: datetime) -> Fact | None:
    if get("ChannelState") != "6":
        return None
    side, endpoint = side_of(get("Channel"))
    data: dict[str, Value] = {"endpoint": endpoint} if side is Side.PHONE else {}
    return _fact(FactKind.LEG_ANSWERED, name, get, received, data)


def _hangup(name: str, get: Get, received: datetime) -> Fact | None:
    data: dict[str, Value] = {"cause": _number(get("Cause"))}
    side, endpoint = side_of(get("Channel"))
    if side is Side.PHONE:
        data["endpoint"] = endpoint
    return _fact(FactKind.LEG_ENDED, name, get, received, data)


def _dial_begin(name: str, get: Get, received: datetime) -> Fact | None:
    """A number dialed on the trunk, or one phone rung directly. What app_queue rings is told by AgentCalled;
    its dial strings, unlike Dial's, keep their technology."""
    side, endpoint = side_of(get("DestChannel"))
    dialed = get("DialString")
    if side is Side.TRUNK:
        number = legible(dialed.partition("@")[0])[:_LONGEST_NAME]
        data: dict[str, Value] = {
            "channel": get("DestChannel"),
            "called": number,
            "trunk": True,
            "direction": "outbound",
        }
        return _fact(FactKind.LEG_STARTED, name, get, received, data, of="Dest")
    if side is not Side.PHONE or "/" in dialed or not get("Uniqueid"):
        return None
    return _fact(FactKind.RINGING, name, get, received, {"queue": "", "endpoint": endpoint, "agent": ""})


def _dial_state(name: str, get: Get, received: datetime) -> Fact | None:
    """What we dialed ourselves, without a caller, rings at the far end."""
    return None if get("Uniqueid") else _far_sign("ringing", name, get, received)


def _far_sign(how: str, name: str, get: Get, received: datetime) -> Fact | None:
    if side_of(get("DestChannel"))[0] is not Side.TRUNK:
        return None
    return _fact(FactKind.FAR_SIGN, name, get, received, {"how": how}, of="Dest")


def _dial_end(name: str, get: Get, received: datetime) -> Fact | None:
    """A phone answered a caller, in a queue or rung directly, or somebody outside answered a phone;
    AgentConnect adds the queue and the agent."""
    if get("DialStatus") != "ANSWER":
        # Of a call that has no caller; where we gave up ourselves, no DialEnd is told (observed on 22.10.1).
        return None if get("Uniqueid") else _far_sign("refused", name, get, received)
    side, endpoint = side_of(get("DestChannel"))
    caller, _ = side_of(get("Channel"))
    if caller is Side.PHONE and side is Side.TRUNK:
        endpoint = side_of(get("Channel"))[1]
    elif side is not Side.PHONE or caller is not Side.TRUNK:
        return None
    data: dict[str, Value] = {
        "queue": "",
        "endpoint": endpoint,
        "agent": "",
        "peer": get("DestUniqueid"),
    }
    return _fact(FactKind.CONNECTED, name, get, received, data)


def _queued(name: str, get: Get, received: datetime) -> Fact | None:
    data: dict[str, Value] = {"queue": get("Queue"), "position": _number(get("Position"))}
    return _fact(FactKind.QUEUED, name, get, received, data)


def _queue_left(name: str, get: Get, received: datetime) -> Fact | None:
    """Every way out of a queue, connected too: the reason is not told here."""
    return _fact(FactKind.QUEUE_LEFT, name, get, received, {"queue": get("Queue"), "reason": ""})


def _abandoned(name: str, get: Get, received: datetime) -> Fact | None:
    data: dict[str, Value] = {"queue": get("Queue"), "reason": "abandoned", "wait": _number(get("HoldTime"))}
    return _fact(FactKind.QUEUE_LEFT, name, get, received, data)


def _agent(get: Get) -> dict[str, Value]:
    return {"queue": get("Queue"), "endpoint": _endpoint(get("Interface")), "agent": get("MemberName")}


def _agent_called(name: str, get: Get, received: datetime) -> Fact | None:
    return _agent_fact(FactKind.RINGING, name, get, received, _agent(get))


def _agent_missed(name: str, get: Get, received: datetime) -> Fact | None:
    data = {**_agent(get), "rang": _number(get("RingTime")) / 1000}
    return _agent_fact(FactKind.RING_MISSED, name, get, received, data)


def _agent_connected(name: str, get: Get, received: datetime) -> Fact | None:
    data = {**_agent(get), "wait": _number(get("HoldTime")), "peer": get("DestUniqueid")}
    return _agent_fact(FactKind.CONNECTED, name, get, received, data)


def _agent_completed(name: str, get: Get, received: datetime) -> Fact | None:
    data = {**_agent(get), "talk": _number(get("TalkTime")), "reason": get("Reason")}
    return _agent_fact(FactKind.DISCONNECTED, name, get, received, data)


def _agent_fact(
    kind: FactKind, name: str, get: Get, received: datetime, data: Mapping[str, Value]
) -> Fact | None:
    """About the caller's channel; the key names the agent's phone too, since several ring at one moment."""
    return _fact(kind, name, get, received, data, which=f"/{data['endpoint']}")


def _bridge(name: str, get: Get, received: datetime) -> Fact | None:
    kind = FactKind.BRIDGE_ENTERED if name == "BridgeEnter" else FactKind.BRIDGE_LEFT
    return _fact(kind, name, get, received, {"bridge": get("BridgeUniqueid")})


def _hold(name: str, get: Get, received: datetime) -> Fact | None:
    """A phone's own hold button. The outside world holding us is not our hold."""
    if side_of(get("Channel"))[0] is not Side.PHONE:
        return None
    return _fact(FactKind.HELD if name == "Hold" else FactKind.RESUMED, name, get, received, {})


def _blind_transfer(name: str, get: Get, received: datetime) -> Fact | None:
    if get("Result") != "Success":
        return None
    kind, _, target = get("Extension").partition("-")
    data = {"how": "blind", "target": legible(get("Extension"))[:_LONGEST_NAME]}
    if target:
        data["target_kind"] = kind
    of = "Transferee" if get("TransfereeUniqueid") else "Transferer"
    return _fact(FactKind.TRANSFERRED, name, get, received, data, of=of)


def _attended_transfer(name: str, get: Get, received: datetime) -> Fact | None:
    if get("Result") != "Success":
        return None
    target = side_of(get("TransferTargetChannel"))[1]
    of = "Transferee" if get("TransfereeUniqueid") else "OrigTransferer"
    return _fact(FactKind.TRANSFERRED, name, get, received, {"how": "attended", "target": target}, of=of)


def _conference(name: str, get: Get, received: datetime) -> Fact | None:
    data = {"conference": legible(get("Conference"))[:_LONGEST_NAME]}
    return _fact(FactKind.CONFERENCE_JOINED, name, get, received, data)


def _recording_stopped(name: str, get: Get, received: datetime) -> Fact | None:
    return _fact(FactKind.RECORDING_STOPPED, name, get, received, {})


def _recording_muted(name: str, get: Get, received: datetime) -> Fact | None:
    kind = FactKind.RECORDING_PAUSED if get("State") in ("1", "on", "true") else FactKind.RECORDING_RESUMED
    return _fact(kind, name, get, received, {})


def _user_event(name: str, get: Get, received: datetime) -> Fact | None:
    """What our own dialplan says: Kind and Value."""
    if get("UserEvent") != names.USER_EVENT:
        return None
    told = _USER_KINDS.get(get("Kind"))
    if told is None:
        return None
    kind, field = told
    data: dict[str, Value] = {field: _shown_value(get("Value"))}
    if box := get("Box"):
        data["box"] = _shown_value(box)
    return _fact(kind, f"{name}-{kind.value}", get, received, data)


def _shown_value(text: str) -> str:
    return "".join(letter for letter in legible(text) if letter.isprintable())[:256]


_USER_KINDS: Final[Mapping[str, tuple[FactKind, str]]] = {
    names.CEL_VOICEMAIL: (FactKind.VOICEMAIL_LEFT, "file"),
    names.CEL_RECORDING: (FactKind.RECORDING_STARTED, "file"),
    names.CEL_RECORDING_FAILED: (FactKind.RECORDING_FAILED, "why"),
    names.CEL_FALLBACK: (FactKind.FALLBACK, "why"),
    names.CEL_REFUSED: (FactKind.REFUSED, "rule"),
}

#: Event name to what it means. Everything else is dropped unread.
MAPPED: Final[Mapping[str, Mapper]] = {
    "Newchannel": _new_channel,
    "Newstate": _new_state,
    "Hangup": _hangup,
    "DialBegin": _dial_begin,
    "DialState": _dial_state,
    "DialEnd": _dial_end,
    "QueueCallerJoin": _queued,
    "QueueCallerLeave": _queue_left,
    "QueueCallerAbandon": _abandoned,
    "AgentCalled": _agent_called,
    "AgentRingNoAnswer": _agent_missed,
    "AgentConnect": _agent_connected,
    "AgentComplete": _agent_completed,
    "BridgeEnter": _bridge,
    "BridgeLeave": _bridge,
    "Hold": _hold,
    "Unhold": _hold,
    "BlindTransfer": _blind_transfer,
    "AttendedTransfer": _attended_transfer,
    "ConfbridgeJoin": _conference,
    "MixMonitorStop": _recording_stopped,
    "MixMonitorMute": _recording_muted,
    "UserEvent": _user_event,
}
