"""Words of records on pages: names of fields, values that are words, money, and what is wrong with a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from access.users import Language
from crm.records.changes import RecordChanged
from crm.records.customers import BadRecord
from crm.records.fields import FieldDefinition
from web.languages import text, texts
from web.refusals import must_be, said

#: Fields whose values are words of their own: texts "records.FIELD.VALUE".
_WORDS = frozenset(
    {
        "kind",
        "honorific",
        "sex",
        "language",
        "secrecy",
        "state",
        "payment",
        "value_grade",
        "loyalty_grade",
        "potential_grade",
        "classed_by",
        "key_account",
        "visit_kind",
    }
)


class Words:
    """What a page needs to speak of records in one language."""

    def __init__(self, language: Language, fields: Iterable[FieldDefinition] = ()) -> None:
        self._language = language
        self._known = texts(language)
        self._own = {field.key: field.label(language) for field in fields}

    def label(self, field: str) -> str:
        """What a field is called."""
        if field.startswith("custom."):
            key = field.removeprefix("custom.")
            return self._own.get(key, key)
        key = "records.field." + field.replace(".", "_")
        if key not in self._known:
            key = "records.field." + field.rpartition(".")[2]
        return self._known.get(key, field)

    def value(self, field: str, value: str) -> str:
        """A value as a person reads it."""
        if field == "phone":
            number, *rest = value.split(" ")
            return " ".join(
                [number, *(self._known.get(f"records.label.{word}", "") for word in rest)]
            ).strip()
        if field == "next_due_why":
            first, _, rest_of = value.partition(" ")
            return f"{self._known.get(f'records.visit_kind.{first}', first)} {rest_of}".strip()
        plain = "visit_kind" if field == "visit.kind" else field.rpartition(".")[2]
        if plain.endswith("_cents") and value.isdigit():
            return self.money(int(value))
        return self._known.get(f"records.{plain}.{value}", value) if plain in _WORDS else value

    def money(self, cents: int | None) -> str:
        """An amount, without hundredths where there are none."""
        if cents is None:
            return ""
        amount = f"{cents / 100:,.2f}".removesuffix(".00")
        return text(self._language, "records.money", amount=amount)

    def wrong(self, error: ValidationError) -> dict[str, str]:
        """Names of fields of a form with what is wrong with each."""
        found = {}
        for item in error.errors(include_url=False, include_input=False):
            name = ".".join(str(part) for part in item["loc"])
            own = f"records.wrong.{name}" if item["type"] == "missing" else ""
            found[name or "name"] = self._known.get(own) or must_be(item)(self._language)
        return found

    def refused(self, error: BadRecord) -> dict[str, str]:
        """The field that is to blame."""
        return {error.field or "name": said(self._language, error.error_id, str(error))}

    def why(self, reason: str) -> str:
        """Why a record was changed: a rule's reason in words, a person's as it was written."""
        return self._known.get(f"rating.because.{reason}", reason)

    def choices(self, name: str, options: Iterable[str]) -> list[tuple[str, str]]:
        """Values of a select with their words; classes and credit grades are their own words."""
        found = []
        for option in options:
            known = self._known.get(f"records.{name}.{option}", option)
            found.append((option, known if option else "–"))
        return found

    @staticmethod
    def pairs(choices: Iterable[str]) -> list[tuple[str, str]]:
        """Values that are their own words, after an empty one."""
        return [("", "–"), *((choice, choice) for choice in choices)]

    def say(self, word: str) -> str:
        """One of the words for what is wrong."""
        return text(self._language, f"records.wrong.{word}")

    def conflict(self, error: RecordChanged) -> tuple[str, Mapping[str, str]]:
        """Who saved meanwhile, and beside each field what it is now."""
        who = error.holder or text(self._language, "records.somebody")
        beside = {
            name: text(
                self._language, "records.conflict_field", who=who, value=self.value(name, value) or "–"
            )
            for name, value in error.theirs.items()
        }
        return text(self._language, "records.conflict", who=who), beside
