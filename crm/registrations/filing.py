"""Filing a call: what was written, what is missing in it, and how it is kept.

The customer's own words and the agent's summary are two texts and stay two. A correction never overwrites:
every version stays, with who, when and why.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from crm.dispositions.dispositions import DispositionSet, Flag
from crm.registrations.forms import LONGEST_LINE, LONGEST_TEXT, FieldKind, Form, FormField

#: Largest draft, in characters of its texts together.
LARGEST_DRAFT: Final = 32_000

Value = str | int | bool


class RegistrationError(Exception):
    """Base of what can be refused about registrations; nothing was changed.

    RegistrationError
    ├── CallNotFound            no such call, or not for this person
    ├── RegistrationNotFound    the call is not filed
    ├── RegistrationIncomplete  something is missing; `faults` says what
    ├── AlreadyFiled            the call is filed, by `holder`
    ├── RegistrationChanged     somebody corrected it meanwhile, `holder`
    └── DraftChanged            the same person's other page saved meanwhile
    """

    error_id = "registration-error"


class CallNotFound(RegistrationError):
    """There is no such call, or it is not this person's."""

    error_id = "call-not-found"


class RegistrationNotFound(RegistrationError):
    """The call is not filed."""

    error_id = "registration-not-found"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What is wrong with one field: a word for programs, and a number the sentence needs."""

    field: str
    code: str
    least: int | None = None


class RegistrationIncomplete(RegistrationError):
    """Something is missing or impossible. `faults` says what, field by field."""

    error_id = "registration-incomplete"

    def __init__(self, message: str, faults: tuple[Fault, ...]) -> None:
        super().__init__(message)
        self.faults = faults


class _Crossed(RegistrationError):
    """Somebody was first: `holder` is a name, `theirs` and `yours` are both texts."""

    def __init__(
        self, message: str, *, holder: str, theirs: Mapping[str, Any], yours: Mapping[str, Any], version: int
    ) -> None:
        super().__init__(message)
        self.holder = holder
        self.theirs = theirs
        self.yours = yours
        self.version = version


class AlreadyFiled(_Crossed):
    """The call is filed already."""

    error_id = "registration-filed"


class RegistrationChanged(_Crossed):
    """Somebody corrected the registration since it was read."""

    error_id = "registration-changed"


class DraftChanged(_Crossed):
    """The draft was saved from another page since this one read it."""

    error_id = "draft-changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """What is filed about a call."""

    call_type: str
    #: Code of a leaf of the form's tree.
    reason: str = ""
    #: As the customer said it.
    customer_words: str = ""
    #: What the agent makes of it.
    summary: str = ""
    disposition: str = ""
    #: When to call back, where the disposition says so.
    callback_at: datetime | None = None
    #: Code of a next step of the form; empty: none.
    next_step: str = ""
    next_note: str = ""
    next_department: str = ""
    #: User id.
    next_person: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "call_type": self.call_type,
            "reason": self.reason,
            "customer_words": self.customer_words,
            "summary": self.summary,
            "disposition": self.disposition,
            "callback_at": self.callback_at.isoformat() if self.callback_at else None,
            "next_step": self.next_step,
            "next_note": self.next_note,
            "next_department": self.next_department,
            "next_person": self.next_person,
            "fields": dict(self.fields),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Content:
        """The content of JSON that `plain` made."""
        moment = plain.get("callback_at")
        return cls(
            call_type=plain["call_type"],
            reason=plain.get("reason", ""),
            customer_words=plain.get("customer_words", ""),
            summary=plain.get("summary", ""),
            disposition=plain.get("disposition", ""),
            callback_at=datetime.fromisoformat(moment) if moment else None,
            next_step=plain.get("next_step", ""),
            next_note=plain.get("next_note", ""),
            next_department=plain.get("next_department", ""),
            next_person=plain.get("next_person", ""),
            fields=plain.get("fields", {}),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One state of a registration: the first filing, or a correction."""

    version: int
    at: datetime
    by: str
    by_name: str
    #: Why it was corrected; empty for the first.
    why: str
    content: Content
    form_version: int
    set_name: str
    set_version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What is filed about one call, with every earlier version, the newest first."""

    id: str
    call_id: str
    agent_id: str | None
    customer_id: str | None
    versions: tuple[Version, ...]
    #: Tasks the filing made.
    tasks: tuple[str, ...] = ()

    @property
    def current(self) -> Version:
        return self.versions[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Draft:
    """What somebody typed about a call and has not filed."""

    call_id: str
    user_id: str
    #: Grows with each saving; a page that saves names the one it knows.
    revision: int
    saved_at: datetime
    body: Mapping[str, Any]


def weight(text: str) -> int:
    """Letters and digits of a text: blanks, dots and dashes say nothing, so they do not count."""
    return sum(unicodedata.category(letter)[0] in "LN" for letter in text)


def clean(text: str, *, lines: bool = True) -> str:
    """The text without control characters; line ends as \\n, or as blanks where one line is wanted."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = "".join(
        letter
        for letter in text
        if letter == "\n" or letter == "\t" or unicodedata.category(letter) not in ("Cc", "Cs", "Co", "Cn")
    )
    if not lines:
        kept = " ".join(kept.split())
    return kept.strip()


def check(
    content: Content, form: Form, dispositions: DispositionSet, *, now: datetime, departments: Iterable[str]
) -> tuple[Fault, ...]:
    """Everything that keeps this content from being filed, in the order of the form; empty: nothing."""
    faults: list[Fault] = []
    if not content.reason:
        faults.append(Fault(field="reason", code="missing"))
    elif not form.reason_path(content.reason):
        faults.append(Fault(field="reason", code="unknown"))
    if len(content.customer_words) > LONGEST_TEXT:
        faults.append(Fault(field="customer_words", code="too-long", least=LONGEST_TEXT))
    elif form.customer_words == "required" and weight(content.customer_words) == 0:
        faults.append(Fault(field="customer_words", code="missing"))
    for one in form.fields:
        faults += _check_field(one, content.fields.get(one.code))
    known = {one.code for one in form.fields}
    faults += [Fault(field=f"fields.{code}", code="unknown") for code in content.fields if code not in known]
    choice = dispositions.find(content.disposition)
    if not content.disposition:
        faults.append(Fault(field="disposition", code="missing"))
    elif choice is None:
        faults.append(Fault(field="disposition", code="unknown"))
    least = choice.note_least if choice else 0
    if len(content.summary) > LONGEST_TEXT:
        faults.append(Fault(field="summary", code="too-long", least=LONGEST_TEXT))
    elif weight(content.summary) < least:
        faults.append(Fault(field="summary", code="too-short", least=least))
    if choice is not None and Flag.CALLBACK in choice.flags:
        if content.callback_at is None:
            faults.append(Fault(field="callback_at", code="missing"))
        elif content.callback_at <= now:
            faults.append(Fault(field="callback_at", code="past"))
    if content.next_step:
        step = form.step(content.next_step)
        if step is None:
            faults.append(Fault(field="next_step", code="unknown"))
        elif step.note_required and weight(content.next_note) == 0:
            faults.append(Fault(field="next_note", code="missing"))
        if content.next_department and content.next_department not in departments:
            faults.append(Fault(field="next_department", code="unknown"))
        if len(content.next_note) > LONGEST_LINE:
            faults.append(Fault(field="next_note", code="too-long", least=LONGEST_LINE))
    return tuple(faults)


def _check_field(asked: FormField, value: Value | None) -> Iterable[Fault]:
    name = f"fields.{asked.code}"
    if value is None or value == "":
        if asked.required:
            yield Fault(field=name, code="missing")
        return
    match asked.kind:
        case FieldKind.NUMBER:
            if isinstance(value, bool) or not isinstance(value, int):
                yield Fault(field=name, code="not-a-number")
            elif asked.least is not None and value < asked.least:
                yield Fault(field=name, code="too-small", least=asked.least)
            elif asked.most is not None and value > asked.most:
                yield Fault(field=name, code="too-large", least=asked.most)
        case FieldKind.YES_NO:
            if not isinstance(value, bool):
                yield Fault(field=name, code="unknown")
        case FieldKind.CHOICE:
            if value not in {option.code for option in asked.options}:
                yield Fault(field=name, code="unknown")
        case FieldKind.DATE:
            try:
                date.fromisoformat(str(value))
            except ValueError:
                yield Fault(field=name, code="not-a-date")
        case FieldKind.LINE | FieldKind.TEXT:
            longest = asked.most or (LONGEST_LINE if asked.kind is FieldKind.LINE else LONGEST_TEXT)
            if not isinstance(value, str):
                yield Fault(field=name, code="unknown")
            elif len(value) > longest:
                yield Fault(field=name, code="too-long", least=longest)
            elif asked.least and weight(value) < asked.least:
                yield Fault(field=name, code="too-short", least=asked.least)
