"""Words about lists: why a row or a file is refused, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from access.users import Language
from crm.imports.own_fields import NO_OWN, Own
from web.languages import text, texts


def say(language: str, key: str) -> str | None:
    """A text, or None where there is none."""
    return texts("en" if language == "en" else "zh-CN").get(key)


def reason(language: Language, error_id: str, values: Mapping[str, Any], own: Own = NO_OWN) -> str:
    """Why something is refused: the words of its `error_id`, or the id itself where nobody has written any."""
    key = f"imports.reason.{error_id}"
    if key not in texts(language):
        return error_id
    known = dict(values)
    if "fields" in known:
        known["fields"] = " / ".join(field_name(language, name, own) for name in str(known["fields"]).split())
    return text(language, key).format_map(_Filled(known))


class _Filled(dict[str, Any]):
    """A reason kept by an older version may lack a value that its words have learned since."""

    def __missing__(self, key: str) -> str:
        return "…"


def field_name(language: Language, name: str, own: Own = NO_OWN) -> str:
    """A field as people call it; `own` are those of the house's own."""
    if name in own:
        return own[name].label(language)
    return say(language, f"imports.field.{name}") or name


def value_name(language: str, value: str) -> str | None:
    """A word of an enumeration as lists write it, so that they can be read again; None where lists have no own."""
    return say(language, f"imports.value.{value}")


def fault(language: Language, one: Sequence[Any], own: Own = NO_OWN) -> str:
    """A fault of a row (reason, field, values) as a sentence."""
    error_id, about, values = one
    words = reason(language, str(error_id), values, own)
    if not about:
        return words
    colon = ": " if language == "en" else "："
    return field_name(language, str(about), own) + colon + words


def faults(language: Language, found: Sequence[Sequence[Any]], own: Own = NO_OWN) -> str:
    """All faults of a row."""
    return ("; " if language == "en" else "；").join(fault(language, one, own) for one in found)
