"""What was changed on a record, by whom, and what becomes of two people editing one record at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.records.customers import RecordError


@dataclass(frozen=True, kw_only=True, slots=True)
class Author:
    """Who changes a record; the name is kept as it was then."""

    name: str
    id: str | None = None


#: Changes nobody in person made: rules, first fills, commands.
HOUSE = Author(name="")


def author(principal: Principal) -> Author:
    """The principal as an author."""
    return Author(name=principal.name, id=principal.user_id)


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One field of one record, before and after, as text."""

    id: str
    at: datetime
    #: "customer:ID", "vehicle:ID", "field:ID", "classes".
    subject: str
    by: Author
    field: str
    old: str = ""
    new: str = ""
    why: str = ""
    #: The record's version after the change.
    version: int = 1


class RecordChanged(RecordError):
    """Somebody else has changed the record since it was read; nothing was written."""

    error_id = "record-changed"

    def __init__(self, sentence: str, *, version: int = 0, changes: Sequence[Change] = ()) -> None:
        super().__init__(sentence)
        #: The version it has now.
        self.version = version
        #: What was changed since the version that was edited, oldest first.
        self.changes = changes
        #: Who made the last of them.
        self.holder = changes[-1].by.name if changes else ""

    @property
    def theirs(self) -> dict[str, str]:
        """What the changed fields are now, by name."""
        return {change.field: change.new for change in self.changes}

    def shown(self, show: Callable[[str, str], str]) -> RecordChanged:
        """The same for somebody who may not read everything: `show` masks a field's values."""
        changes = [
            replace(one, old=show(one.field, one.old), new=show(one.field, one.new)) for one in self.changes
        ]
        return RecordChanged(str(self), version=self.version, changes=changes)


def as_text(value: object) -> str:
    """A field's value as the register keeps it: empty for none, yes/no, ISO dates."""
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime() | date():
            return value.isoformat()
        case _:
            return str(value)


def differences(before: Mapping[str, object], after: Mapping[str, object]) -> list[tuple[str, str, str]]:
    """Fields that differ, with both values as text, in the order of `after`."""
    return [
        (name, as_text(before.get(name)), as_text(value))
        for name, value in after.items()
        if before.get(name) != value
    ]


def refuse_stale(subject: str, wanted: int, found: int, since: Sequence[Change]) -> None:
    """Raise RecordChanged where the version that was edited is no longer the record's."""
    if wanted == found:
        return
    names = sorted({change.field for change in since})
    who = since[-1].by.name if since else ""
    raise RecordChanged(
        Sentence(
            "{who} changed {fields} meanwhile. Nothing of yours was saved. "
            "Look at the record as it is now and save again.",
            who=who or SOMEBODY,
            fields=names or [subject],
        ),
        version=found,
        changes=since,
    )
