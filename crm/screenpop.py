"""The screen pop: what an agent has to know before the first word, as one value.

Made from the call and from everybody who may be on the other end. Where several people share a number no
one is chosen silently: the candidates are shown with what speaks for each, and an agent says who it is (R38).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from access.masking import mask_name, mask_number, mask_text
from crm.records.customers import Honorific, Language
from crm.records.vehicles import Role
from telephony.calls import Call, Direction
from telephony.numbers import is_hidden

#: Longest display name shown; a caller may send any.
LONGEST_NAME: Final = 64
#: Words for a key of a menu: (flow, node) to key to language to title. "" is the key of what was typed, and
#: the flow of words that hold in any (a caller who leaves a queue is in another flow than his call's).
MenuWords = Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]]


class PopKind(StrEnum):
    """How well the other side is known."""

    KNOWN = "known"
    SEVERAL = "several"  # an agent must choose
    UNKNOWN = "unknown"  # a number nobody has: a new record is offered
    HIDDEN = "hidden"  # no number at all
    UNREADABLE = "unreadable"  # something that is no telephone number


class Reason(StrEnum):
    """What speaks for a candidate."""

    CHOSEN = "chosen"  # an agent said so
    RECOGNISED = "recognised"  # by plate or VIN typed in the menu
    PRIMARY = "primary"  # it is their main number
    LAST_CALLER = "last_caller"  # the last call from this number was theirs
    SHARED = "shared"  # the number is on their record


class DueReason(StrEnum):
    """Why a vehicle is due."""

    FIRST = "first"  # 首保: months after delivery, never serviced
    PERIODIC = "periodic"  # months after the last service
    RECORDED = "recorded"  # somebody wrote the day down, and why


@dataclass(frozen=True, kw_only=True, slots=True)
class DueRules:
    """Months between services, as the house counts them."""

    first_months: int = 6
    every_months: int = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Due:
    """When the next service is due, and why."""

    on: date
    reason: DueReason
    overdue: bool
    #: In the words of who wrote it down.
    words: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PopVehicle:
    """One line about a vehicle."""

    id: str
    plate: str | None
    brand: str
    model: str
    mileage: int | None
    role: Role
    due: Due | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PopPerson:
    """Who it is, or may be."""

    id: str
    #: Customer number.
    number: str
    name: str
    honorific: Honorific = Honorific.NONE
    key_account: bool = False
    #: Only those may read on who may open restricted records: a masked name is all others get (M-050).
    restricted: bool = False
    #: This reader may not open it: there is nothing but a masked name.
    closed: bool = False
    #: Class by the house's classification ("" where there is none).
    grade: str = ""
    language: Language | None = None
    own_agent_id: str | None = None
    own_agent_name: str | None = None
    #: What the record calls this number (mobile, home, work, other).
    label: str = ""
    primary: bool = False
    vehicles: tuple[PopVehicle, ...] = ()
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PopContact:
    """An earlier call with this person or number."""

    call_id: str
    at: datetime
    direction: Direction
    outcome: str | None
    queue: str | None
    agent_name: str | None
    talk_seconds: float
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenItem:
    """A task about this person that is open. What has a line of its own (a contact) is not here."""

    kind: str
    id: str
    subject: str
    due_at: datetime | None
    owner_name: str | None
    overdue: bool = False
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PopCase:
    """A case of the caller that is not closed; words of `crm.cases.cases`."""

    id: str
    number: str
    kind: str
    state: str
    round: int
    subject: str
    #: When the customer was promised an answer he does not have yet.
    promised_at: datetime | None
    due_at: datetime | None
    due_what: str | None
    overdue: bool = False
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PopDue:
    """What the house meant to call this customer about; words of `crm.contacts.contacts`."""

    #: Of the contact.
    id: str
    #: Kinds of its open reasons, the most pressing first.
    kinds: tuple[str, ...]
    due_at: datetime
    #: Number of the complaint that holds it back.
    held_by: str | None = None
    overdue: bool = False
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class PopAppointment:
    """The customer's next appointment; words of `crm.appointments.appointments`."""

    id: str
    work: str
    state: str
    starts_at: datetime
    workshop: str
    advisor: str
    customer_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Pressed:
    """One choice in the menu, in words; `typed` is what was keyed in where it was no choice."""

    node: str
    keys: str
    #: Language to title; empty where the flow names none.
    words: Mapping[str, str] = field(default_factory=dict)
    typed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pop:
    """Everything a page shows of a call and the person on it. Numbers are whole; `seen_by` masks them."""

    call: Call
    kind: PopKind
    #: The other side's number: E.164, else what the trunk delivered, else None.
    number: str | None
    #: The display name the caller sent: untrusted, cleaned, never used to find anybody.
    display_name: str = ""
    person: PopPerson | None = None
    #: Everybody whose number it is; more than one: the chooser.
    candidates: tuple[PopPerson, ...] = ()
    contacts: tuple[PopContact, ...] = ()
    open_items: tuple[OpenItem, ...] = ()
    cases: tuple[PopCase, ...] = ()
    due: tuple[PopDue, ...] = ()
    appointments: tuple[PopAppointment, ...] = ()
    pressed: tuple[Pressed, ...] = ()
    #: Who chose the person, and when; None where the number or a plate decided.
    chosen_by: str | None = None
    chosen_at: datetime | None = None

    @property
    def waiting_since(self) -> datetime:
        """Since when the caller waits: from the queue on, where there was one."""
        return self.call.queued_at or self.call.started_at

    @property
    def may_choose(self) -> bool:
        """Whether somebody else on this number could be meant."""
        return len(self.candidates) > 1

    def seen_by(
        self,
        *,
        sees_numbers: bool,
        sees_restricted: bool = False,
        user_id: str | None = None,
        opened: Collection[str] | None = None,
    ) -> Pop:
        """The same with what this reader may not see hidden.

        `opened`: whose records he may open now, as the records say; without it the role and `user_id` decide.
        """
        seen = self if sees_restricted and opened is None else self._closed(user_id, opened)
        if sees_numbers:
            return seen
        return replace(
            seen,
            number=mask_number(self.number) if self.number else None,
            display_name=mask_text(self.display_name),
            open_items=tuple(replace(item, subject=mask_text(item.subject)) for item in seen.open_items),
            cases=tuple(replace(one, subject=mask_text(one.subject)) for one in seen.cases),
            pressed=tuple(replace(one, typed=mask_text(one.typed)) for one in self.pressed),
        )

    def _closed(self, user_id: str | None, opened: Collection[str] | None) -> Pop:
        """Of restricted people nothing but a masked name, and nothing that was said with them."""
        people = tuple(_closed_person(one, user_id, opened) for one in self.candidates)
        if people == self.candidates:
            return self
        person = _closed_person(self.person, user_id, opened) if self.person is not None else None
        closed = person != self.person
        # What was said with them is not told by the number they share, either.
        hidden = {one.id for one, before in zip(people, self.candidates, strict=True) if one != before}
        return replace(
            self,
            person=person,
            candidates=people,
            contacts=() if closed else tuple(one for one in self.contacts if one.customer_id not in hidden),
            open_items=()
            if closed
            else tuple(item for item in self.open_items if item.customer_id not in hidden),
            cases=() if closed else tuple(one for one in self.cases if one.customer_id not in hidden),
            due=() if closed else tuple(one for one in self.due if one.customer_id not in hidden),
            appointments=()
            if closed
            else tuple(one for one in self.appointments if one.customer_id not in hidden),
            display_name="" if closed else self.display_name,
        )


def _closed_person(person: PopPerson, user_id: str | None, opened: Collection[str] | None) -> PopPerson:
    own = user_id is not None and person.own_agent_id == user_id
    if person.id in opened if opened is not None else (own or not person.restricted):
        return person
    return PopPerson(
        id=person.id,
        number=person.number,
        name=mask_name(person.name),
        honorific=person.honorific,
        language=person.language,
        key_account=person.key_account,
        restricted=person.restricted,
        closed=True,
        reasons=person.reasons,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Choosing:
    """That an agent chose: who, and when."""

    by: str
    at: datetime


def make_pop(
    call: Call,
    candidates: Sequence[PopPerson],
    *,
    contacts: Sequence[PopContact] = (),
    open_items: Sequence[OpenItem] = (),
    cases: Sequence[PopCase] = (),
    due: Sequence[PopDue] = (),
    appointments: Sequence[PopAppointment] = (),
    words: MenuWords | None = None,
    display_name: str = "",
    chosen: Choosing | None = None,
) -> Pop:
    """The pop of a call. `candidates` are all who have the number, and the customer the call is tied to.

    Exactly one candidate is that person; several are a question, unless the call is tied to one of them.
    """
    number = call.number or (None if is_hidden(call.raw_number) else call.raw_number)
    latest = next((contact.customer_id for contact in contacts if contact.customer_id), None)
    ranked = tuple(
        sorted(
            (
                replace(one, reasons=_reasons(one, call=call, latest=latest, chosen=chosen))
                for one in candidates
            ),
            key=lambda one: (*(reason not in one.reasons for reason in Reason), one.number, one.id),
        )
    )
    tied = next((one for one in ranked if one.id == call.customer_id), None)
    nobody = call.customer_id is None and chosen is not None
    person = tied or (ranked[0] if len(ranked) == 1 and not nobody else None)
    if person is not None:
        kind = PopKind.KNOWN
    elif len(ranked) > 1 and not nobody:
        kind = PopKind.SEVERAL
    elif call.number is not None:
        kind = PopKind.UNKNOWN
    else:
        kind = PopKind.HIDDEN if number is None else PopKind.UNREADABLE
    if person is not None:
        contacts = [one for one in contacts if one.customer_id in (None, person.id)]
        cases = [one for one in cases if one.customer_id == person.id]
        due = [one for one in due if one.customer_id == person.id]
        appointments = [one for one in appointments if one.customer_id == person.id]
    elif nobody:  # somebody said that it is none of them: what is theirs is not about this caller
        rejected = {one.id for one in ranked}
        contacts = [one for one in contacts if one.customer_id not in rejected]
        open_items = [item for item in open_items if item.customer_id not in rejected]
        cases = [one for one in cases if one.customer_id not in rejected]
        due = [one for one in due if one.customer_id not in rejected]
        appointments = [one for one in appointments if one.customer_id not in rejected]
    return Pop(
        call=call,
        kind=kind,
        number=number,
        display_name=clean_display_name(display_name, number=call.raw_number),
        person=person,
        candidates=ranked,
        contacts=tuple(contacts),
        open_items=tuple(open_items),
        cases=tuple(cases),
        due=tuple(due),
        appointments=tuple(appointments),
        pressed=pressed_in_words(call.keys, call.flow or "", words or {}),
        chosen_by=chosen.by if chosen else None,
        chosen_at=chosen.at if chosen else None,
    )


def _reasons(
    person: PopPerson, *, call: Call, latest: str | None, chosen: Choosing | None
) -> tuple[Reason, ...]:
    tied = person.id == call.customer_id
    found = {
        Reason.CHOSEN: tied and chosen is not None,
        Reason.RECOGNISED: tied and chosen is None and call.explained in ("plate", "vin"),
        Reason.PRIMARY: person.primary,
        Reason.LAST_CALLER: person.id == latest,
        Reason.SHARED: bool(person.label),
    }
    return tuple(reason for reason, holds in found.items() if holds)


def next_due(
    *,
    delivered_on: date | None,
    last_service_on: date | None,
    today: date,
    rules: DueRules,
    recorded_on: date | None = None,
    recorded_why: str = "",
) -> Due | None:
    """When the vehicle is due: the day that was written down, else by time; None where no day is known."""
    if recorded_on is not None:
        return Due(on=recorded_on, reason=DueReason.RECORDED, overdue=recorded_on < today, words=recorded_why)
    if last_service_on is not None:
        on, reason = _months_after(last_service_on, rules.every_months), DueReason.PERIODIC
    elif delivered_on is not None:
        on, reason = _months_after(delivered_on, rules.first_months), DueReason.FIRST
    else:
        return None
    return Due(on=on, reason=reason, overdue=on < today)


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return date(year, month + 1, min(day.day, last))
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def clean_display_name(name: str, *, number: str = "") -> str:
    """A name as a caller sent it, safe to show: one line, no control or direction marks, short.

    Nothing where it only repeats the number.
    """
    letters = (
        letter if not letter.isspace() else " " for letter in unicodedata.normalize("NFC", name[:2048])
    )
    kept = "".join(letter for letter in letters if unicodedata.category(letter)[0] != "C")
    cleaned = " ".join(kept.split())
    if cleaned and cleaned == re.sub(r"\s", "", number):
        return ""
    return cleaned if len(cleaned) <= LONGEST_NAME else cleaned[: LONGEST_NAME - 1] + "…"


def pressed_in_words(keys: str, flow: str, words: MenuWords) -> tuple[Pressed, ...]:
    """What was pressed, node by node ("main=1 ask_plate=12345"), in the flow's own words where it has them."""
    pressed = []
    for part in keys.split():
        node, _, typed = part.partition("=")
        if not typed:
            continue
        known = words.get((flow, node)) or words.get(("", node), {})
        title = known.get(typed)
        is_choice = title is not None or "" not in known
        pressed.append(
            Pressed(
                node=node,
                keys=typed if is_choice else "",
                words=title if title is not None else known.get("", {}),
                typed="" if is_choice else typed,
            )
        )
    return tuple(pressed)
