"""The lab's own log of calls: who called whom, when, which keys, who hung up, and what it counts to."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, Literal

Kind = Literal["customer", "agent", "outside"]
Outcome = Literal["answered", "busy", "no-answer", "cancelled", "refused", "failed"]
Side = Literal["lab", "far", ""]

KINDS: Final[tuple[Kind, ...]] = ("customer", "agent", "outside")

# What a SIP final response says when no technical cause came along (RFC 3398, section 8.2.6.1).
SIP_CODES: Final[Mapping[int, int]] = {
    1: 404,
    2: 404,
    3: 404,
    16: 487,
    17: 486,
    18: 408,
    19: 480,
    20: 480,
    21: 603,
    22: 410,
    27: 502,
    28: 484,
    34: 503,
    38: 500,
    58: 488,
}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: when (epoch seconds), which, and in which direction seen from the lab."""

    at: float
    key: str
    sent: bool = True


@dataclass(frozen=True, kw_only=True)
class CallRecord:
    """One finished call as the lab saw it; times are epoch seconds of the lab's clock, 0 is "never".

    `kind` says which part of the lab had the call, `person` the behaviour it played. `call_id` is the SIP
    Call-ID of the leg between the lab and the other side, `hung_up_by` the side that ended an answered call
    or gave up an unanswered one, `sip_code` the final response to the INVITE, `cause` its Q.850 number.
    """

    id: str
    kind: Kind
    person: str
    call_id: str
    caller: str
    caller_name: str
    called: str
    start: float
    answer: float
    end: float
    outcome: Outcome
    hung_up_by: Side
    sip_code: int
    cause: int
    keys: tuple[Key, ...] = ()
    note: str = ""

    @property
    def keys_sent(self) -> str:
        """The keys the lab pressed, in order."""
        return "".join(key.key for key in self.keys if key.sent)

    @property
    def keys_heard(self) -> str:
        """The keys the other side pressed, in order."""
        return "".join(key.key for key in self.keys if not key.sent)

    @property
    def talk_seconds(self) -> float:
        """Seconds from answer to end; 0 for a call never answered."""
        return self.end - self.answer if self.answer else 0.0


@dataclass(kw_only=True)
class OpenCall:
    """A call still going on: the fields of a `CallRecord` as they become known."""

    id: str
    kind: Kind
    person: str = ""
    call_id: str = ""
    caller: str = ""
    caller_name: str = ""
    called: str = ""
    start: float = 0.0
    ringing: float = 0.0
    answer: float = 0.0
    ended_by_lab: bool = False
    refused_with: int = 0
    keys: list[Key] = field(default_factory=list)
    note: str = ""

    def close(self, *, at: float, cause: int, tech_cause: int = 0, network: bool = False) -> CallRecord:
        """The finished record.

        `at` is the end (epoch seconds), `cause` the Q.850 cause, `tech_cause` the SIP code the network
        reported (0: none), `network` says that the call never left the lab's own switch.
        """
        code = self._code(cause, tech_cause)
        return CallRecord(
            id=self.id,
            kind=self.kind,
            person=self.person,
            call_id=self.call_id,
            caller=self.caller,
            caller_name=self.caller_name,
            called=self.called,
            start=self.start or at,
            answer=self.answer,
            end=at,
            outcome="failed" if network else self._outcome(code),
            hung_up_by="" if network else "lab" if self.ended_by_lab or self.refused_with else "far",
            sip_code=0 if network else code,
            cause=cause,
            keys=tuple(self.keys),
            note=self.note,
        )

    def _code(self, cause: int, tech_cause: int) -> int:
        if self.answer:
            return 200
        if self.refused_with:
            return self.refused_with
        if self.kind != "customer" or self.ended_by_lab:
            return 487
        return tech_cause if tech_cause >= 300 else SIP_CODES.get(cause, 480)

    def _outcome(self, code: int) -> Outcome:
        if self.answer:
            return "answered"
        if code in (486, 600):
            return "busy"
        if code == 487:
            return "cancelled"
        if code in (408, 480):
            return "no-answer"
        return "refused" if code < 500 or code >= 600 else "failed"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many calls of each kind ended in each outcome."""

    by_kind: Mapping[str, Mapping[str, int]]
    by_person: Mapping[str, Mapping[str, int]]

    def total(self, kind: Kind) -> int:
        """All calls of one kind, whatever became of them."""
        return sum(self.by_kind.get(kind, {}).values())

    def of(self, kind: Kind, outcome: Outcome) -> int:
        """Calls of one kind with one outcome."""
        return self.by_kind.get(kind, {}).get(outcome, 0)

    def as_json(self) -> dict[str, dict[str, dict[str, int]]]:
        """Plain dictionaries, ready for JSON."""
        return {
            "by_kind": {kind: dict(row) for kind, row in self.by_kind.items()},
            "by_person": {person: dict(row) for person, row in self.by_person.items()},
        }


def count(records: Iterable[CallRecord]) -> Counts:
    """Counts of these records by kind and by person."""
    kinds: dict[str, Counter[str]] = {}
    people: dict[str, Counter[str]] = {}
    for record in records:
        kinds.setdefault(record.kind, Counter())[record.outcome] += 1
        people.setdefault(record.person, Counter())[record.outcome] += 1
    return Counts(by_kind=kinds, by_person=people)


class CallBook:
    """Every call of the lab: open ones in memory, finished ones in memory and as JSON lines in a file.

    A record is written when the lab's own switch says that the channel is gone. `path` is appended to, line
    by line, so that a killed lab leaves what it had counted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[CallRecord] = []
        self._open: dict[str, OpenCall] = {}
        self._listeners: list[Callable[[CallRecord], None]] = []

    @property
    def open_calls(self) -> tuple[OpenCall, ...]:
        """Calls going on now."""
        return tuple(self._open.values())

    def listen(self, listener: Callable[[CallRecord], None]) -> None:
        """Call `listener` with every record as it is written."""
        self._listeners.append(listener)

    def open(self, call: OpenCall) -> OpenCall:
        """Enter a call; an id that is open already keeps its first entry."""
        return self._open.setdefault(call.id, call)

    def find(self, id: str) -> OpenCall | None:
        """The open call with this id, if any."""
        return self._open.get(id)

    def close(
        self, id: str, *, at: float, cause: int, tech_cause: int = 0, network: bool = False
    ) -> CallRecord | None:
        """Finish a call and write it down; None when it is not open."""
        call = self._open.pop(id, None)
        if call is None:
            return None
        record = call.close(at=at, cause=cause, tech_cause=tech_cause, network=network)
        self.records.append(record)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record), ensure_ascii=False) + "\n")
        for listener in self._listeners:
            listener(record)
        return record

    def counts(self) -> Counts:
        """Counts of all finished calls."""
        return count(self.records)


def read_records(path: Path) -> list[CallRecord]:
    """The records of a file written by `CallBook`; a last line cut off in the middle is left out."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            fields = json.loads(line)
        except json.JSONDecodeError:
            continue
        fields["keys"] = tuple(Key(**key) for key in fields["keys"])
        records.append(CallRecord(**fields))
    return records
