"""What a house's log must say after a fault, held against what the outside world itself saw."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fixtures_house import House, until
from waiting import PATIENCE, SLACK

from lab.counts import CallRecord
from lab.customers import HangUp, Listen, Press, Speak, Stay, Step
from lab.world import Placed
from telephony.asterisk import names
from telephony.asterisk.render import Layout

#: Sentences that only cost time where a test waits for what comes after them.
LONG_SENTENCES = (
    "all_busy", "offer_callback", "connecting", "connecting_sales", "connecting_booking", "connecting_complaint",
    "connecting_adviser", "connecting_own", "nobody_answered", "voicemail_ask", "system_trouble", "please_hold",
    "your_position", "estimated_wait", "queue_next", "too_many_tries", "nobody_here", "closed_menu",
    "closed_now", "opens_again", "callback_by", "goodbye", "optout_ask", "voicemail_saved",
    "still_waiting", "fallback_connecting",
)  # fmt: skip

#: Seconds by which an answer and a caller's giving up may miss each other: a switch that stands still reads both late.
CROSSED = SLACK


def short_sentences(seconds: float = 0.3) -> Path:
    """A folder for `ivr.prompts` where long sentences are short tones; the caller removes it."""
    folder = Path(tempfile.mkdtemp(prefix="careline-short-"))
    for language in ("zh-CN", "en"):
        (folder / language).mkdir()
        for name in LONG_SENTENCES:
            (folder / language / f"{name}.ulaw").write_bytes(b"\x20\xa0" * int(4000 * seconds))
    return folder


# --- what customers do: times to listen are long enough for the menu to have begun

IN_GREETING: tuple[Step, ...] = (Stay(seconds=120),)
TO_MENU: tuple[Step, ...] = (Stay(seconds=120),)
TO_GATHER: tuple[Step, ...] = (Listen(seconds=2.0), Press(keys="1"), Stay(seconds=120))
TO_COMPLAINTS: tuple[Step, ...] = (Listen(seconds=2.0), Press(keys="3"), Stay(seconds=120, speaks=True))
TO_VOICEMAIL: tuple[Step, ...] = (
    Listen(seconds=2.0), Press(keys="2"), Listen(seconds=1.0), Press(keys="5"), Stay(seconds=120, speaks=True),
)  # fmt: skip


# --- the switch, seen from its own console and files


def layout_of(house: House) -> Layout:
    return Layout(data=house.site.settings.data)


async def console(house: House, line: str) -> str:
    """What the house's Asterisk answers to one line."""
    conf = layout_of(house).etc / "asterisk.conf"
    process = await asyncio.create_subprocess_exec(
        *house.binary.argv_prefix, "-C", str(conf), "-rx", line,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **house.binary.environment},
    )  # fmt: skip
    output, _ = await process.communicate()
    return output.decode(errors="replace")


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One channel of the switch as its console lists it."""

    name: str
    context: str
    application: str
    caller: str

    @property
    def from_trunk(self) -> bool:
        return self.name.startswith(f"PJSIP/{names.TRUNK}")


async def channels(house: House) -> list[Channel]:
    """Every channel the switch has now."""
    found = []
    for line in (await console(house, "core show channels concise")).splitlines():
        fields = line.split("!")
        if len(fields) > 8:
            found.append(Channel(name=fields[0], context=fields[1], application=fields[5], caller=fields[7]))
    return found


async def fallbacks(house: House) -> dict[str, tuple[float, str]]:
    """Callers the dialplan took to the fallback, by number: when (epoch seconds) and why."""
    found: dict[str, tuple[float, str]] = {}
    path = layout_of(house).log / names.CEL_FILE
    caller, at, kind = (names.CEL_FIELDS.index(field) for field in ("num", "eventtime", "userdeftype"))
    extra = names.CEL_FIELDS.index("eventextra")
    for fields in csv.reader((await asyncio.to_thread(path.read_text, "utf-8", "replace")).splitlines()):
        if len(fields) > extra and fields[kind] == names.CEL_FALLBACK:
            found[fields[caller]] = (float(fields[at]), json.loads(fields[extra] or "{}").get("extra", ""))
    return found


# --- the log against the world


async def rows_of(house: House, record: CallRecord) -> list[Any]:
    """Rows whose trunk channel carries this Call-ID."""
    return house.rows(
        "SELECT DISTINCT calls.* FROM calls JOIN call_legs ON call_legs.call_id = calls.id JOIN switch_calls"
        " ON switch_calls.uniqueid = call_legs.uniqueid WHERE switch_calls.sip_call_id = ?",
        record.call_id,
    )


def epoch(value: Any) -> float:
    """A stored moment as epoch seconds; 0 for none."""
    if value is None:
        return 0.0
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def talks_of(house: House, record: CallRecord) -> list[CallRecord]:
    """What agents' phones say of a call that they answered, by the caller's number; numbers are used once."""
    return sorted(
        (
            one
            for one in house.lab.records()
            if one.kind == "agent"
            and one.answer
            and one.caller in (record.caller, f"+86{record.caller}")
            and one.start >= record.start - 1
        ),
        key=lambda one: one.answer,
    )


def owner_of(house: House, endpoint: str) -> str:
    return next(
        person.id
        for person in house.site.people.values()
        if any(phone.endpoint == endpoint for phone in person.phones)
    )


async def untrue(house: House, record: CallRecord) -> str:
    """What the log says wrongly about one call of the outside world, in words; empty where it is right."""
    rows = await rows_of(house, record)
    who = f"{record.caller} ({record.person})"
    if len(rows) != 1:
        return f"{who}: {len(rows)} rows"
    row = rows[0]
    if row["state"] != "ended":
        return f"{who}: {row['state']}"
    wrong = []
    talks = talks_of(house, record)
    if row["outcome"] == "abandoned" and all(
        abs(moment - record.end) < CROSSED for talk in talks for moment in (talk.answer, talk.end)
    ):
        # Her 200 OK and his BYE crossed: the switch had nobody to connect her to, however her phone saw it.
        talks = []
    for name, ours, theirs in (
        ("start", epoch(row["started_at"]), record.start),
        ("end", epoch(row["ended_at"]), record.end),
        *((("connected", epoch(row["connected_at"]), talks[0].answer),) if talks else ()),
    ):
        if abs(ours - theirs) > SLACK:
            wrong.append(f"{name} is {ours - theirs:+.2f} s off")
    if talks:
        if row["outcome"] != "answered":
            wrong.append(f"outcome {row['outcome']} though an agent answered")
        if row["agent_id"] not in {owner_of(house, talk.called) for talk in talks}:
            wrong.append(f"agent {row['agent_id']}")
        talked = sum(talk.end - talk.answer for talk in talks) - row["hold_seconds"]
        if len(talks) == 1 and abs(row["talk_seconds"] - talked) > SLACK:
            wrong.append(f"talk {row['talk_seconds']:.1f} s instead of {talked:.1f} s")
    elif row["outcome"] == "answered":
        wrong.append("answered though no agent did")
    if not (row["customer_id"] or row["explained"]):
        wrong.append("neither tied nor explained")
    return f"{who}: {', '.join(wrong)}" if wrong else ""


async def settle(house: House, records: Iterable[CallRecord], seconds: float) -> None:
    """Wait until the log tells the truth about all these calls."""
    wanted = [record for record in records if record.sip_code == 200]
    assert wanted

    async def told() -> list[str]:
        return [wrong for record in wanted if (wrong := await untrue(house, record))]

    wrong: list[str] = []

    async def right() -> bool:
        wrong[:] = await told()
        return not wrong

    seconds = max(seconds, PATIENCE)
    try:
        await until(right, seconds)
    except AssertionError:
        raise AssertionError(f"after {seconds:g} s the log still says: " + "; ".join(wrong)) from None


async def end_all(placed: Sequence[Placed]) -> list[CallRecord]:
    """Everybody hangs up; what their side knows of the calls."""
    await asyncio.gather(*(one.hang_up() for one in placed))
    return [await one.ended() for one in placed]


async def proof(house: House) -> str:
    """What `careline check calls` prints of today where it finds a difference; empty where there is none.

    Asked again while it finds one: the service reads the switch's own files some time after the calls.
    """
    said = ""

    async def none() -> bool:
        nonlocal said
        said = await _proof(house)
        return not said

    try:
        await until(none, every=0.5)
    except AssertionError:
        return said
    return ""


async def _proof(house: House) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "config", "check", "calls", "--config", str(house.site.config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    return said if process.returncode else ""


def doubles(house: House) -> list[str]:
    """What is in the log twice and must not be."""
    found = []
    for name, statement in (
        ("calls", "SELECT linkedid AS what, COUNT(*) AS many FROM calls GROUP BY system, linkedid"),
        ("facts", "SELECT key AS what, COUNT(*) AS many FROM call_facts GROUP BY call_id, source, key"),
        ("voicemails", "SELECT call_id AS what, COUNT(*) AS many FROM voicemails GROUP BY call_id"),
        ("recordings", "SELECT file AS what, COUNT(*) AS many FROM recordings GROUP BY file"),
        (
            "open tasks",
            "SELECT number AS what, COUNT(*) AS many FROM tasks WHERE state = 'open' AND number IS NOT NULL"
            " AND kind IN ('missed_call', 'voicemail', 'callback') GROUP BY number",
        ),
    ):
        found += [
            f"{name}: {row['what']} {row['many']} times" for row in house.rows(statement) if row["many"] > 1
        ]
    return found


async def open_calls(house: House) -> int:
    return len(house.rows("SELECT id FROM calls WHERE ended_at IS NULL"))


async def free(house: House, seconds: float = 40.0) -> None:
    """No call is open, the switch has no channel, and every agent who signed in is where she was."""

    async def quiet() -> bool:
        busy = [agent for agent in house.agents.values() if agent.line is not None]
        return not busy and not await open_calls(house) and not await channels(house)

    try:
        await until(quiet, seconds)
    except AssertionError:
        left = await channels(house)
        busy = [login for login, agent in house.agents.items() if agent.line is not None]
        raise AssertionError(
            f"after {seconds:g} s: {await open_calls(house)} open calls, busy {busy}, channels {left}"
        ) from None


async def application(house: House, placed: Placed, *wanted: str, seconds: float = 30.0) -> None:
    """Wait until a caller's channel is in one of these applications of the dialplan."""

    async def there() -> bool:
        return any(
            one.from_trunk and one.caller == placed.customer.caller and one.application in wanted
            for one in await channels(house)
        )

    await until(there, seconds, saying=f"{placed.customer.caller} never came to {'/'.join(wanted)}")


async def fresh(house: House) -> None:
    """No call anywhere, and every agent ready: where a test begins, whatever the one before left."""
    await free(house)

    async def all_ready() -> bool:
        for login in house.agents:
            state = await house.agent_state(login)
            if state in ("paused", "wrap_up"):
                await house.site.post(f"/agents/{house.person(login).id}/ready")
            if state != "ready":
                return False
        return True

    await until(all_ready, saying="agents who never got ready")


__all__ = [
    "IN_GREETING",
    "TO_COMPLAINTS",
    "TO_GATHER",
    "TO_MENU",
    "TO_VOICEMAIL",
    "Channel",
    "HangUp",
    "Speak",
    "application",
    "channels",
    "console",
    "doubles",
    "end_all",
    "epoch",
    "fallbacks",
    "free",
    "fresh",
    "layout_of",
    "open_calls",
    "owner_of",
    "proof",
    "rows_of",
    "settle",
    "short_sentences",
    "talks_of",
    "untrue",
]  # fmt: skip
