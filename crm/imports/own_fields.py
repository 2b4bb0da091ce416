"""Fields of the house's own in a list: which lists may fill them, what a column for one is called, how it is read.

A field is named by what it belongs to and its key: `customer.region`, `vehicle.colour`. What stands in a cell must be
what the page takes for that kind of field (`crm.records.fields.read_value`); a list may write days and numbers in
every way in which its other columns may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from access.permissions import Role
from access.sentences import Sentence
from crm.imports.cells import (
    Cell,
    CellError,
    House,
    read_day,
    read_narrow,
    read_text,
    says_nothing,
    shortened,
    tidy,
)
from crm.imports.checking import Columns
from crm.imports.fields import Field, ImportKind, Value
from crm.records.customers import BadRecord
from crm.records.fields import (
    LONGEST_VALUE,
    FieldDefinition,
    FieldKind,
    FieldLocked,
    FieldSubject,
    read_value,
    show_value,
)

#: Fields by their names in a list.
Own = Mapping[str, FieldDefinition]
NO_OWN: Final[Own] = MappingProxyType({})

#: Kind of list to the records whose fields it may fill.
_SUBJECTS: Final[Mapping[ImportKind, tuple[FieldSubject, ...]]] = {
    ImportKind.CUSTOMERS: (FieldSubject.CUSTOMER, FieldSubject.VEHICLE),
    ImportKind.VEHICLES: (FieldSubject.VEHICLE,),
}


def name_of(field: FieldDefinition) -> str:
    """What the field is called in a list."""
    return f"{field.subject.value}.{field.key}"


def is_own(name: str) -> bool:
    """Whether a field of a list is one of the house's own."""
    return "." in name


def without_own(values: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in the record's own row: values of a list without those of the house's own fields."""
    return {name: value for name, value in values.items() if not is_own(name)}


def own_of(kind: ImportKind, defined: Iterable[FieldDefinition]) -> Own:
    """The fields that lists of this kind may fill, by name."""
    subjects = _SUBJECTS.get(kind, ())
    return {name_of(one): one for one in defined if one.subject in subjects and one.retired_at is None}


def chosen_own(columns: Columns, defined: Iterable[FieldDefinition]) -> Own:
    """Of these fields the ones that columns were chosen for."""
    names = {*columns.of, *columns.fixed}
    return {name: one for one in defined if (name := name_of(one)) in names and one.retired_at is None}


def open_to(own: Own, role: Role) -> Own:
    """Of these fields the ones that somebody of this role may fill, in page order."""
    mine = [one for one in own.values() if role not in one.hidden_from and role not in one.locked_for]
    return {name_of(one): one for one in sorted(mine, key=lambda one: (one.subject, one.place, one.key))}


def check_role(own: Own, columns: Columns, role: Role) -> Own:
    """The fields that somebody of this role may choose columns for; a hidden one is not there for him.

    Raises FieldLocked where a column was chosen for one that he may only see.
    """
    for name in (*columns.of, *columns.fixed):
        field = own.get(name)
        if field is not None and role in field.locked_for and role not in field.hidden_from:
            raise FieldLocked(
                Sentence(
                    "The role {role} may not change {field}. Nothing was changed.",
                    role=role.value,
                    field=field.named,
                )
            )
    return open_to(own, role)


def as_json(own: Own) -> list[dict[str, Any]]:
    """The fields as plain JSON, for the process that reads the cells."""
    return [
        {
            "id": one.id,
            "subject": one.subject.value,
            "key": one.key,
            "label_zh": one.label_zh,
            "label_en": one.label_en,
            "kind": one.kind.value,
            "choices": list(one.choices),
        }
        for one in own.values()
    ]


def own_from(plain: Iterable[Mapping[str, Any]]) -> Own:
    """The fields of plain JSON."""
    fields = [
        FieldDefinition(
            **{
                **one,
                "subject": FieldSubject(one["subject"]),
                "kind": FieldKind(one["kind"]),
                "choices": tuple(one["choices"]),
            }
        )
        for one in plain
    ]
    return {name_of(one): one for one in fields}


def columns_of(own: Own) -> tuple[Field, ...]:
    """The fields as columns of a list."""
    return tuple(Field(name=name, read=partial(_read, one)) for name, one in own.items())


def same_value(one: FieldDefinition, old: str, new: str) -> bool:
    """Whether a list says what is kept: words of another width or with other blanks are no other words."""
    return old == new or (one.kind is FieldKind.TEXT and tidy(old) == tidy(new))


def _read(field: FieldDefinition, cell: Cell, house: House) -> Value | None:
    """The value as a person reads it, None where the cell says nothing. Raises CellError."""
    text = _READERS[field.kind](field, cell, house)
    if not text:
        return None
    try:
        return show_value(field, read_value(field, text))
    except BadRecord as error:
        raise _refusal(field, text) from error


def _refusal(field: FieldDefinition, text: str) -> CellError:
    match field.kind:
        case FieldKind.CHOICE:
            return CellError("choice-unknown", value=shortened(text), known="、".join(field.choices)[:120])
        case FieldKind.YES_NO:
            return CellError("choice-unknown", value=shortened(text), known="是、否")
        case FieldKind.NUMBER:
            return CellError("number-not-kept", value=shortened(text))
        case FieldKind.TEXT:
            return CellError(
                "value-too-long", value=shortened(text), length=str(len(text)), longest=str(LONGEST_VALUE)
            )
    return CellError("date-unreadable", value=shortened(text))


def _words(_field: FieldDefinition, cell: Cell, _house: House) -> str:
    lines = cell.strip().splitlines() if isinstance(cell, str) else [cell]
    text = "\n".join(read_text(line) for line in lines)
    return "" if says_nothing(text) else text


def _number(_field: FieldDefinition, cell: Cell, _house: House) -> str:
    text = read_narrow(cell)
    return "" if says_nothing(text) else text


def _day(_field: FieldDefinition, cell: Cell, house: House) -> str:
    day = read_day(cell, replace(house, any_day=True))
    return "" if day is None else day.isoformat()


def _choice(field: FieldDefinition, cell: Cell, _house: House) -> str:
    text = read_text(cell)
    fitting = next((one for one in field.choices if tidy(one) == text), "")
    return fitting or ("" if says_nothing(text) else text)


def _yes_no(_field: FieldDefinition, cell: Cell, _house: House) -> str:
    text = read_narrow(cell)
    if text == "无":  # a word of the page for no, and no word for nothing here
        return text
    text = {"y": "yes", "√": "yes", "✓": "yes", "n": "no", "×": "no"}.get(text.lower(), text)
    return "" if says_nothing(text) else text


_READERS: Final[Mapping[FieldKind, Callable[[FieldDefinition, Cell, House], str]]] = {
    FieldKind.TEXT: _words,
    FieldKind.NUMBER: _number,
    FieldKind.DATE: _day,
    FieldKind.CHOICE: _choice,
    FieldKind.YES_NO: _yes_no,
}
