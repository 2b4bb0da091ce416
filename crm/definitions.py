"""What forms, disposition sets and scripts share: they are data, checked when read, and versioned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

#: Names that stand in rows for years.
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
#: Name per language; the languages of the house.
Label = Annotated[
    dict[str, Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]],
    Field(min_length=1),
]
_LANGUAGES: Final = ("zh-CN", "en")
#: What the languages of the house are called in each of them.
LANGUAGE_NAMES: Final[Mapping[str, Mapping[str, str]]] = {
    "zh-CN": {"en": "Chinese", "zh-CN": "中文"},
    "en": {"en": "English", "zh-CN": "英文"},
}


class BadDefinition(Exception):
    """A definition cannot be what was given; nothing was saved. `places` says where and why, one line each."""

    error_id = "bad-definition"

    def __init__(self, message: str, places: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.places = places


class DefinitionNotFound(Exception):
    """There is no definition of this kind, name and version."""

    error_id = "definition-not-found"


class DefinitionChanged(Exception):
    """Somebody saved another version meanwhile (`holder` is a name); nothing was saved."""

    error_id = "definition-changed"

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class Part(BaseModel):
    """Base of everything in a definition: frozen, and nothing that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


P = TypeVar("P", bound=Part)


def read(model: type[P], data: Mapping[str, Any]) -> P:
    """The definition as a value. Raises BadDefinition with every place that is wrong."""
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        places = tuple(
            f"{'.'.join(str(part) for part in item['loc']) or 'all'}: {item['msg']}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
        )
        raise BadDefinition(
            "The definition is not complete or has something unknown in it; nothing was saved.", places
        ) from error


def in_language(label: Mapping[str, str], language: str) -> str:
    """The label in this language, else in the first one it has."""
    return label.get(language) or next(iter(label.values()), "")


def missing_languages(label: Mapping[str, str]) -> tuple[str, ...]:
    """Languages of the house the label is not written in."""
    return tuple(language for language in _LANGUAGES if language not in label)
