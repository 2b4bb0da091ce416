"""The screen pop as a page shows it: parts of HTML for places that are there already, and words to be read out."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from access.users import Language
from crm.records.customers import Honorific
from crm.screenpop import Pop, PopKind, PopPerson
from telephony.agents import Agent
from telephony.calls import Direction
from telephony.company import Company
from web.api.shapes import AgentOut
from web.languages import text
from web.pages.rendering import clock, deadline, macros, span

#: The places of the page that a pop fills, as the template's macros are called.
PLACES: Final = ("who", "why", "vehicles", "open", "contacts", "choice", "record", "bar")


def pop_json(pop: Pop, *, language: Language, now: datetime, zone: ZoneInfo) -> str:
    """A pop as an event or answer carries it; `pop` is masked for the reader already."""
    return json.dumps(pop_data(pop, language=language, now=now, zone=zone), ensure_ascii=False)


def pop_data(pop: Pop, *, language: Language, now: datetime, zone: ZoneInfo) -> dict[str, Any]:
    """The same as plain values."""
    call = pop.call
    return {
        "call_id": call.id,
        "kind": pop.kind.value,
        "customer_id": pop.person.id if pop.person else None,
        "direction": call.direction.value,
        "waiting_since": pop.waiting_since.isoformat(),
        "connected_at": call.connected_at.isoformat() if call.connected_at else None,
        "name": name_of(pop, language),
        "said": spoken(pop, language),
        "html": pop_parts(pop, language=language, now=now, zone=zone),
    }


def pop_parts(pop: Pop, *, language: Language, now: datetime, zone: ZoneInfo) -> dict[str, str]:
    """Place to HTML."""
    module = macros(
        "desk/pop.html",
        language=language,
        pop=pop,
        name=name_of(pop, language),
        number=spaced(pop.number),
        waited=span(max(0.0, ((pop.call.connected_at or now) - pop.waiting_since).total_seconds())) or "0:00",
        words=lambda pressed: pressed.words.get(language) or f"{pressed.node} {pressed.keys}".strip(),
        clock=partial(clock, now=now, zone=zone.key),
        deadline=partial(deadline, now=now, zone=zone.key),
        day=partial(day_in_words, today=now.astimezone(zone).date()),
        span=span,
        short=partial(short, now=now, zone=zone),
        outbound=call_goes_out(pop),
        called_as=lambda person: honoured(person, language),
    )
    return {place: str(getattr(module, place)()) for place in PLACES}


def call_goes_out(pop: Pop) -> bool:
    """Whether we call them."""
    return pop.call.direction is Direction.OUTBOUND


def name_of(pop: Pop, language: Language) -> str:
    """What stands where the name stands, whoever it is."""
    if pop.person is not None:
        return honoured(pop.person, language)
    return text(language, f"desk.pop.{pop.kind.value}")


def honoured(person: PopPerson, language: Language) -> str:
    """The name as one says it: 李雷先生, Mr Li Lei."""
    if person.honorific is Honorific.NONE:
        return person.name
    return text(language, f"desk.honorific.{person.honorific.value}", name=person.name)


def spoken(pop: Pop, language: Language) -> str:
    """One sentence for a screen reader."""
    parts = [name_of(pop, language)]
    if pop.person is not None and pop.person.key_account:
        parts.append(text(language, "desk.pop.key_account"))
    if pop.person is not None and pop.person.vehicles:
        first = pop.person.vehicles[0]
        parts.append(" ".join(filter(None, (first.model, first.plate or ""))))
    parts += [words for pressed in pop.pressed if (words := pressed.words.get(language))]
    if pop.kind is PopKind.SEVERAL:
        parts.append(text(language, "desk.pop.choose", count=len(pop.candidates)))
    key = "desk.said.outbound" if call_goes_out(pop) else "desk.said.ringing"
    return text(language, key, who="，".join(parts) if language == "zh-CN" else ", ".join(parts))


def spaced(number: str | None) -> str:
    """A whole Chinese mobile number in groups; anything else as it is."""
    if number and number.startswith("+86") and len(number) == 14 and number[3] == "1":
        return f"{number[3:6]} {number[6:10]} {number[10:]}"
    return number or ""


def day_in_words(day: Any, *, today: Any) -> str:
    """A day: month and day, with the year where it is another."""
    return f"{day:%m-%d}" if day.year == today.year else f"{day:%Y-%m-%d}"


def short(at: datetime, *, now: datetime, zone: ZoneInfo) -> str:
    """A moment within a sentence: the time, with the day where it is another one."""
    local = at.astimezone(zone)
    if local.date() == now.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{day_in_words(local, today=now.astimezone(zone))} {local:%H:%M}"


def end_json(call_id: str, why: str) -> str:
    """That a ring is over."""
    return json.dumps({"call_id": call_id, "why": why})


def company_json(company: Company) -> str:
    """Who else is on the agent's call."""
    return json.dumps(asdict(company), ensure_ascii=False)


def state_json(agent: Agent, now: datetime) -> str:
    """An agent's own state; `now` sets the page's timers right."""
    data = AgentOut.model_validate(agent).model_dump(mode="json")
    return json.dumps({**data, "now": now.isoformat()})
