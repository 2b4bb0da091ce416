"""Fields a house defines itself: typed, required, hidden from roles or locked for them (features 39, 96)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Final

from access.masking import mask_text
from access.permissions import Role
from access.sentences import Sentence
from access.users import Principal
from crm.records.customers import BadRecord, RecordError


class FieldTaken(RecordError):
    """Another field of the same records has this key."""

    error_id = "field-taken"


class FieldLocked(RecordError):
    """The role may see the field, or not even that, but not change it; nothing was changed."""

    error_id = "field-locked"


class FieldSubject(StrEnum):
    """What the field belongs to."""

    CUSTOMER = "customer"
    VEHICLE = "vehicle"


class FieldKind(StrEnum):
    """What its values are."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    YES_NO = "yes_no"


LONGEST_VALUE: Final = 500
MOST_CHOICES: Final = 100
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
#: Numbers are kept as this text, which sorts as they do: sign, 15 digits, point, 6 digits.
_WIDTH: Final = 22
_LARGEST: Final = Decimal(10) ** 15


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldDefinition:
    """One field of the house's own."""

    id: str
    subject: FieldSubject
    #: Word for programs.
    key: str
    label_zh: str
    label_en: str
    kind: FieldKind
    choices: tuple[str, ...] = ()
    required: bool = False
    hidden_from: frozenset[Role] = frozenset()
    locked_for: frozenset[Role] = frozenset()
    #: Order on the page.
    place: int = 0
    #: No longer asked for; its values stay.
    retired_at: datetime | None = None
    version: int = 1

    @property
    def named(self) -> dict[str, str]:
        """Its labels, for a sentence about it."""
        return {"en": self.label_en, "zh-CN": self.label_zh}

    def label(self, language: str) -> str:
        """What the field is called in this language."""
        return self.label_zh if language == "zh-CN" else self.label_en


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldValue:
    """One field of a record as a viewer may see it."""

    field: FieldDefinition
    #: As a person reads and writes it; empty: not known.
    value: str
    locked: bool = False


def check_definition(field: FieldDefinition) -> FieldDefinition:
    """The definition, tidied. Raises BadRecord with the field to blame."""
    if not _KEY.fullmatch(field.key):
        raise BadRecord(
            "A key begins with a letter and has at most 32 of a-z, 0-9 and the underscore.", field="key"
        )
    for name in ("label_zh", "label_en"):
        if not 1 <= len(getattr(field, name).strip()) <= 64:
            raise BadRecord("A label has 1 to 64 characters.", field=name)
    choices = tuple(dict.fromkeys(choice.strip() for choice in field.choices if choice.strip()))
    if field.kind is FieldKind.CHOICE and not 2 <= len(choices) <= MOST_CHOICES:
        raise BadRecord(Sentence("A choice has 2 to {most} values.", most=MOST_CHOICES), field="choices")
    if field.kind is not FieldKind.CHOICE and choices:
        raise BadRecord("Only a choice has values to choose from.", field="choices")
    if any(len(choice) > 100 for choice in choices):
        raise BadRecord("A value to choose has at most 100 characters.", field="choices")
    return field


def read_value(field: FieldDefinition, raw: str) -> str:
    """What a person typed as the text that is kept: it sorts as the value does. Empty stays empty.

    Raises BadRecord where the field cannot be that.
    """
    text = " ".join(raw.split()) if field.kind is not FieldKind.TEXT else raw.strip()
    if not text:
        return ""
    if len(text) > LONGEST_VALUE:
        raise BadRecord(
            Sentence("{field}: at most {most} characters.", field=field.named, most=LONGEST_VALUE),
            field=field.key,
        )
    match field.kind:
        case FieldKind.TEXT:
            if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
                raise BadRecord(
                    Sentence("{field}: control characters are not allowed.", field=field.named),
                    field=field.key,
                )
            return text
        case FieldKind.NUMBER:
            return _number(field, text)
        case FieldKind.DATE:
            try:
                return date.fromisoformat(text.replace("/", "-").replace(".", "-")).isoformat()
            except ValueError as error:
                raise BadRecord(
                    Sentence("{field}: write the date as 2026-03-01.", field=field.named), field=field.key
                ) from error
        case FieldKind.CHOICE:
            if text not in field.choices:
                raise BadRecord(
                    Sentence("{field}: choose one of the given values.", field=field.named), field=field.key
                )
            return text
        case FieldKind.YES_NO:
            word = text.casefold()
            if word in ("yes", "true", "1", "on", "是", "有"):
                return "yes"
            if word in ("no", "false", "0", "off", "否", "无"):
                return "no"
            raise BadRecord(Sentence("{field}: yes or no.", field=field.named), field=field.key)


def show_value(field: FieldDefinition, kept: str) -> str:
    """What is kept as a person reads it."""
    if field.kind is FieldKind.NUMBER and kept:
        return format_number(kept)
    return kept


def _number(field: FieldDefinition, text: str) -> str:
    try:
        number = Decimal(text.replace(",", "").replace("\uff0c", "").replace("_", "x"))
    except InvalidOperation as error:
        raise BadRecord(
            Sentence("{field}: '{value}' is no number.", field=field.named, value=text[:20]), field=field.key
        ) from error
    if not number.is_finite() or abs(number) >= _LARGEST:
        raise BadRecord(Sentence("{field}: the number is too large.", field=field.named), field=field.key)
    if number != round(number, 6):
        raise BadRecord(
            Sentence("{field}: at most six places after the point.", field=field.named), field=field.key
        )
    if number < 0:  # complement, so that text sorts as numbers do
        return "-" + f"{_LARGEST + number:0{_WIDTH}.6f}"
    return "0" + f"{number:0{_WIDTH}.6f}"


def format_number(kept: str) -> str:
    """The number of its kept text, without needless zeros."""
    number = Decimal(kept[1:])
    if kept[0] == "-":
        number -= _LARGEST
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def visible(
    fields: Iterable[FieldDefinition], values: Mapping[str, str], viewer: Principal
) -> tuple[FieldValue, ...]:
    """The fields this viewer may see with their values by field id, in page order; numbers in texts are masked."""
    role = viewer.role

    def read(field: FieldDefinition) -> str:
        value = show_value(field, values.get(field.id, ""))
        return mask_text(value) if field.kind is FieldKind.TEXT and not viewer.sees_numbers else value

    shown = [field for field in fields if role not in field.hidden_from and field.retired_at is None]
    return tuple(
        FieldValue(
            field=field,
            value=read(field),
            locked=role in field.locked_for,
        )
        for field in sorted(shown, key=lambda field: (field.place, field.key))
    )


def check_changes(
    fields: Iterable[FieldDefinition], changes: Mapping[str, str], role: Role
) -> dict[str, str]:
    """What a role wants to set, by key, as kept text by field id.

    Raises BadRecord (unknown key, impossible or missing value) and FieldLocked. A field hidden from the
    role is as unknown to it as one that is not there.
    """
    known = {field.key: field for field in fields if role not in field.hidden_from}
    kept: dict[str, str] = {}
    for key, raw in changes.items():
        field = known.get(key)
        if field is None or field.retired_at is not None:
            raise BadRecord(Sentence("There is no field '{given}'.", given=key[:32]), field=key[:32])
        if role in field.locked_for:
            raise FieldLocked(
                Sentence(
                    "The role {role} may not change {field}. Nothing was changed.",
                    role=role.value,
                    field=field.named,
                )
            )
        text = read_value(field, raw)
        if field.required and not text:
            raise BadRecord(Sentence("{field} is required.", field=field.named), field=key)
        kept[field.id] = text
    return kept
