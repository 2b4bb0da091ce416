"""Reads the files Asterisk writes about calls: CEL, CDR and queue_log lines become facts and trunk sightings.

Pure: lines in, values out. A line that cannot be read is counted and kept as text, and stops nothing.
Natural keys are made from the line alone, so reading a file twice tells the same facts.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from telephony.asterisk import names
from telephony.facts import Fact, FactKind, Source

#: Says who is signed in on a phone; None where nobody is.
AgentOf = Callable[[str], str | None]

_LONGEST_VALUE: Final = 128
_LONGEST_ID: Final = 150
_CEL: Final = {name: place for place, name in enumerate(names.CEL_FIELDS)}
_CDR: Final = {name: place for place, name in enumerate(names.CDR_FIELDS)}

_E_TYPE, _E_TIME, _E_UNIQUE, _E_LINKED = (_CEL[n] for n in ("eventtype", "eventtime", "uniqueid", "linkedid"))
_E_CHANNEL, _E_NUM, _E_EXTEN = (_CEL[name] for name in ("channame", "num", "exten"))
_E_APP, _E_APPDATA, _E_EXTRA = (_CEL[name] for name in ("appname", "appdata", "eventextra"))

#: User-defined CEL events of our dialplan: the kind they mean and the field that takes their text.
_USER_EVENTS: Final[Mapping[str, tuple[FactKind, str]]] = {
    names.CEL_VOICEMAIL: (FactKind.VOICEMAIL_LEFT, "file"),
    names.CEL_RECORDING: (FactKind.RECORDING_STARTED, "file"),
    names.CEL_RECORDING_FAILED: (FactKind.RECORDING_FAILED, "why"),
    names.CEL_FALLBACK: (FactKind.FALLBACK, "why"),
    names.CEL_REFUSED: (FactKind.REFUSED, "rule"),
}

#: Events of CEL that say nothing the call log needs.
_CEL_SILENT: Final = frozenset(
    {"PICKUP", "LOCAL_OPTIMIZE", "LOCAL_OPTIMIZE_BEGIN", "LOCAL_OPTIMIZE_END", "FORWARD", "PARK_START",
     "PARK_END", "STREAM_BEGIN", "STREAM_END", "DTMF"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class TrunkSight:
    """What one line says about a channel of the trunk: the proof's own witness, beside the facts."""

    uniqueid: str
    linkedid: str
    source: Source
    at: datetime
    #: inbound, outbound, or empty where the line does not tell.
    direction: str = ""
    caller: str = ""
    called: str = ""
    #: The line tells that the channel is gone.
    ended: bool = False
    cause: int | None = None
    #: The carrier's own name of the call (RFC 3261, Call-ID); empty where the line does not tell.
    sip_call_id: str = ""


@dataclass(slots=True)
class Reading:
    """What some lines of a file told."""

    facts: list[Fact] = field(default_factory=list)
    sights: list[TrunkSight] = field(default_factory=list)
    #: Lines that could not be read, cut to 200 letters, at most 20 of them.
    bad: list[str] = field(default_factory=list)
    bad_count: int = 0
    #: The latest moment any line tells.
    last_at: datetime | None = None

    def refuse(self, line: str) -> None:
        """Count a line that cannot be read."""
        self.bad_count += 1
        if len(self.bad) < 20:
            self.bad.append(line[:200])

    def saw(self, at: datetime) -> None:
        """Note a moment."""
        if self.last_at is None or at > self.last_at:
            self.last_at = at


def endpoint_of(channel: str) -> str:
    """Name of the phone or trunk in a channel name: PJSIP/a7Qk2-0000001c is a7Qk2; empty for other kinds."""
    technology, _, rest = channel.partition("/")
    return rest.rpartition("-")[0] if technology == "PJSIP" else ""


def moment(text: str) -> datetime | None:
    """Epoch seconds with up to six decimals; None for zero or nothing, as CDR writes a moment that never was.

    Raises ValueError for anything else.
    """
    whole, _, part = text.partition(".")
    seconds = int(whole or "0")
    if seconds == 0:
        return None
    return datetime.fromtimestamp(seconds, UTC).replace(
        microsecond=int(part[:6].ljust(6, "0")) if part else 0
    )


def read_cel(lines: Iterable[str], *, agent_of: AgentOf | None = None) -> Reading:
    """CEL lines in the columns of `names.CEL_FIELDS`."""
    reading = Reading()
    hung_up: set[str] = set()
    for line in lines:
        try:
            _cel_line(_fields(line, len(_CEL)), reading, hung_up, agent_of)
        except (ValueError, OverflowError, OSError):
            reading.refuse(line)
    return reading


def read_cdr(lines: Iterable[str]) -> Reading:
    """CDR lines in the columns of `names.CDR_FIELDS`. A row is one fact about one leg."""
    reading = Reading()
    for line in lines:
        try:
            _cdr_line(_fields(line, len(_CDR)), reading)
        except (ValueError, OverflowError, OSError):
            reading.refuse(line)
    return reading


def read_queue_log(lines: Iterable[str]) -> Reading:
    """Lines of app_queue's queue_log: epoch second, channel, queue, member's name, event and its arguments."""
    reading = Reading()
    for line in lines:
        try:
            _queue_line(line, reading)
        except (ValueError, OverflowError, OSError, IndexError):
            reading.refuse(line)
    return reading


def _fields(line: str, count: int) -> list[str]:
    if "\0" in line:
        raise ValueError("NUL in a line")
    try:
        rows = list(csv.reader((line,), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error
    if len(rows) != 1 or len(rows[0]) != count:
        raise ValueError("wrong number of fields")
    return rows[0]


def _id(text: str) -> str:
    if not text or len(text) > _LONGEST_ID or not text.isascii() or not text.isprintable():
        raise ValueError("not an id")
    return text


def _cel_line(row: list[str], reading: Reading, hung_up: set[str], agent_of: AgentOf | None) -> None:
    event, time = row[_E_TYPE], row[_E_TIME]
    at = moment(time)
    if at is None:
        raise ValueError("no time")
    uniqueid, linkedid = _id(row[_E_UNIQUE]), _id(row[_E_LINKED])
    reading.saw(at)
    channel = row[_E_CHANNEL]
    endpoint = endpoint_of(channel)
    trunk = endpoint == names.TRUNK
    data: dict[str, Any] = {}
    if event == "CHAN_START":
        kind = FactKind.LEG_STARTED
        data["channel"] = channel[:_LONGEST_VALUE]
        if endpoint:
            data["endpoint"] = endpoint[:_LONGEST_VALUE]
        if trunk:
            data["trunk"] = True
            _trunk_start(row, data)
            reading.sights.append(
                TrunkSight(
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    source=Source.CEL,
                    at=at,
                    direction=data["direction"],
                    caller=data.get("caller", ""),
                    called=data.get("called", ""),
                )
            )
    elif event == "ANSWER":
        kind = FactKind.LEG_ANSWERED
        if trunk and row[_E_APP].startswith("AppDial") and row[_E_NUM]:
            data["called"] = row[_E_NUM][:_LONGEST_VALUE]
    elif event == "HANGUP":
        kind = FactKind.LEG_ENDED
        hung_up.add(uniqueid)
        extra = _extra(row[_E_EXTRA])
        cause = extra.get("hangupcause")
        if isinstance(cause, int):
            data["cause"] = cause
        if by := extra.get("hangupsource"):
            data["hung_up_by"] = endpoint_of(str(by))[:_LONGEST_VALUE]
        if trunk:
            outgoing = row[_E_APP].startswith("AppDial")
            if outgoing and row[_E_NUM]:
                data["called"] = row[_E_NUM][:_LONGEST_VALUE]
            reading.sights.append(
                TrunkSight(
                    uniqueid=uniqueid,
                    linkedid=linkedid,
                    source=Source.CEL,
                    at=at,
                    called=data.get("called", ""),
                    ended=True,
                    cause=data.get("cause"),
                )
            )
    elif event == "CHAN_END":
        if uniqueid in hung_up:
            hung_up.discard(uniqueid)
            return  # HANGUP has told the same moment, and more
        kind = FactKind.LEG_ENDED
    elif event == "LINKEDID_END":
        kind = FactKind.CALL_ENDED
    elif event in ("BRIDGE_ENTER", "BRIDGE_EXIT"):
        kind = FactKind.BRIDGE_ENTERED if event == "BRIDGE_ENTER" else FactKind.BRIDGE_LEFT
        data["bridge"] = str(_extra(row[_E_EXTRA]).get("bridge_id", ""))[:_LONGEST_VALUE]
        if endpoint and not trunk:
            data["endpoint"] = endpoint[:_LONGEST_VALUE]
            agent = agent_of(endpoint) if agent_of is not None else None
            if agent:
                data["agent"] = agent
    elif event in ("APP_START", "APP_END"):
        if row[_E_APP] != "Queue":
            return
        kind = FactKind.QUEUED if event == "APP_START" else FactKind.QUEUE_LEFT
        data["queue"] = row[_E_APPDATA].partition(",")[0][:_LONGEST_VALUE]
    elif event == "BLINDTRANSFER":
        kind = FactKind.TRANSFERRED
        data["how"] = "blind"
        data["target"] = str(_extra(row[_E_EXTRA]).get("extension", ""))[:_LONGEST_VALUE]
    elif event == "ATTENDEDTRANSFER":
        kind = FactKind.TRANSFERRED
        data["how"] = "attended"
        target = str(_extra(row[_E_EXTRA]).get("transfer_target_channel_name", ""))
        data["target"] = endpoint_of(target)[:_LONGEST_VALUE]
    elif event in _USER_EVENTS:
        kind, name = _USER_EVENTS[event]
        data[name] = str(_extra(row[_E_EXTRA]).get("extra", ""))[:_LONGEST_VALUE]
    elif event in _CEL_SILENT or event.isidentifier():
        return  # another dialplan's own event
    else:
        raise ValueError("no event")
    reading.facts.append(
        Fact(
            source=Source.CEL,
            key=f"{time}/{uniqueid}/{event}",
            kind=kind,
            at=at,
            linkedid=linkedid,
            uniqueid=uniqueid,
            data=data,
        )
    )


def _trunk_start(row: list[str], data: dict[str, Any]) -> None:
    """Asterisk starts a channel it dials itself at extension s, one that called in at the called number."""
    extension = row[_E_EXTEN]
    if extension in ("", "s"):
        data["direction"] = "outbound"
        return
    data["direction"] = "inbound"
    data["called"] = extension[:_LONGEST_VALUE]
    if row[_E_NUM]:
        data["caller"] = row[_E_NUM][:_LONGEST_VALUE]


def _extra(text: str) -> Mapping[str, Any]:
    """The JSON object of a CEL event's extra field; what is no object is its text."""
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return {"extra": text}
    return value if isinstance(value, dict) else {"extra": text}


def _cdr_line(row: list[str], reading: Reading) -> None:
    uniqueid, linkedid = _id(row[_CDR["uniqueid"]]), _id(row[_CDR["linkedid"]])
    start, answer, end = (moment(row[_CDR[name]]) for name in ("start", "answer", "end"))
    if start is None:
        raise ValueError("no start")
    channel = row[_CDR["channel"]]
    endpoint = endpoint_of(channel)
    trunk = endpoint == names.TRUNK
    data: dict[str, Any] = {
        "channel": channel[:_LONGEST_VALUE],
        "started": start.timestamp(),
        "disposition": row[_CDR["disposition"]][:32],
        "seconds": int(row[_CDR["duration"]] or 0),
        "talk": int(row[_CDR["billsec"]] or 0),
    }
    if endpoint:
        data["endpoint"] = endpoint[:_LONGEST_VALUE]
    if trunk:
        data["trunk"] = True
    if answer is not None:
        data["answered"] = answer.timestamp()
    for name, column in (("caller", "src"), ("called", "dst"), ("peer", "dstchannel")):
        if value := row[_CDR[column]]:
            data[name] = value[:_LONGEST_VALUE]
    # `core stop now` may leave a row without an end (reliability.md 1.2): then the row tells no end.
    over = end is not None
    at = end or answer or start
    reading.saw(at)
    reading.facts.append(
        Fact(
            source=Source.CDR,
            key=f"{uniqueid}/{row[_CDR['sequence']]}/{row[_CDR['start']]}",
            kind=FactKind.LEG_ENDED if over else FactKind.LEG_STARTED,
            at=at if over else start,
            linkedid=linkedid,
            uniqueid=uniqueid,
            data=data,
        )
    )
    if trunk:
        reading.sights.append(
            TrunkSight(
                uniqueid=uniqueid,
                linkedid=linkedid,
                source=Source.CDR,
                at=start,
                caller=data.get("caller", ""),
                called=data.get("called", ""),
                sip_call_id=row[_CDR["userfield"]][:150],
            )
        )


#: queue_log events that end waiting, and the reason they mean.
_LEFT: Final[Mapping[str, str]] = {
    "ABANDON": "abandoned",
    "EXITWITHTIMEOUT": "timeout",
    "EXITWITHKEY": "key",
    "EXITEMPTY": "empty",
    "JOINEMPTY": "empty",
    "JOINUNAVAIL": "empty",
    "FULL": "full",
}


def _queue_line(line: str, reading: Reading) -> None:
    if "\0" in line:
        raise ValueError("NUL in a line")
    fields = line.rstrip("\r\n").split("|")
    if len(fields) < 5:
        raise ValueError("too few fields")
    time, channel, queue, member, event = fields[:5]
    rest = fields[5:]
    at = moment(time)
    if at is None:
        raise ValueError("no time")
    reading.saw(at)
    if channel in ("NONE", "MANAGER", "REALTIME"):
        return
    data: dict[str, Any] = {"queue": queue[:_LONGEST_VALUE]}
    if member and member != "NONE":
        if "/" in member:
            data["endpoint"] = member.partition("/")[2][:_LONGEST_VALUE]
        else:
            data["agent"] = member[:_LONGEST_VALUE]
    if event == "ENTERQUEUE":
        kind = FactKind.QUEUED
        data["position"] = int(rest[2] or 0)
    elif event == "CONNECT":
        kind = FactKind.CONNECTED
        data["wait"] = int(rest[0] or 0)
        data["peer"] = rest[1][:_LONGEST_VALUE]
    elif event in ("COMPLETEAGENT", "COMPLETECALLER"):
        kind = FactKind.DISCONNECTED
        data["talk"] = int(rest[1] or 0)
        data["reason"] = "agent" if event == "COMPLETEAGENT" else "customer"
    elif event in _LEFT:
        kind = FactKind.QUEUE_LEFT
        data["reason"] = _LEFT[event]
    elif event == "RINGNOANSWER":
        kind = FactKind.RING_MISSED
        data["rang"] = int(rest[0] or 0) / 1000
    elif event in ("BLINDTRANSFER", "ATTENDEDTRANSFER"):
        kind = FactKind.TRANSFERRED
        blind = event == "BLINDTRANSFER"
        data["how"] = "blind" if blind else "attended"
        data["target"] = rest[0][:_LONGEST_VALUE] if blind else ""
        # The transferring agent is not the one who has the call now.
        data.pop("agent", None)
        data.pop("endpoint", None)
    elif event.isupper():
        return
    else:
        raise ValueError("no event")
    uniqueid = _id(channel)
    reading.facts.append(
        Fact(
            source=Source.QUEUE_LOG,
            key=f"{time}/{uniqueid}/{event}/{member}"[:240],
            kind=kind,
            at=at,
            linkedid=uniqueid,
            uniqueid=uniqueid,
            data=data,
        )
    )
