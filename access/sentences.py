"""Sentences that can be said in another language: they keep what was put into which place."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Self


class Sentence(str):
    """An English sentence with values in it, and the template and the values it was made of.

    `Sentence("{field}: at most {most} characters.", field="note", most=200)` is a `str` like every other; who
    speaks to a person looks up `template` in the reader's language and puts the same `values` in. The name of a
    place says what stands there: `field` or `role` is a word that has a name in every language. A value may be a
    list, a Sentence, or its own label in every language (`{"en": "Colour", "zh-CN": "颜色"}`).
    An error made with one keeps it: `str(error)` is still the Sentence.
    """

    template: str
    values: Mapping[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        made = super().__new__(cls, template.format_map({key: _plain(one) for key, one in values.items()}))
        made.template = template
        made.values = MappingProxyType(values)
        return made

    def __str__(self) -> str:
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Copied and pickled by template and values: made again of the finished text, braces would be places."""
        return _made_again, (self.template, dict(self.values))


def _made_again(template: str, values: Mapping[str, object]) -> Sentence:
    return Sentence(template, **values)


def _plain(value: object) -> str:
    """A value as it stands in the English sentence: lists with commas, labels in English."""
    if isinstance(value, Mapping):
        return str(value["en"])
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(one) for one in value)
    return str(value)


#: Who did it where nobody knows any more.
SOMEBODY: Final = MappingProxyType({"en": "Somebody", "zh-CN": "有人"})
