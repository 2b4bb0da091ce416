"""What a refusal says to a person, in the reader's language, with the same names and values in both.

A sentence of the code is English and may be a `Sentence` that keeps its values. Its Chinese stands in
`locales/refusals*.zh-CN.yaml`, below the `error_id` and by its English template. What has no words of its own
there is said by the general words of its `error_id`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml
from pydantic_core import ErrorDetails

from access.sentences import Sentence
from access.users import Language
from web.languages import text, texts

_FOLDER: Final = Path(__file__).parent / "locales"
#: What is said of an error_id where its sentence has no words of its own.
GENERAL: Final = "general"
#: The id that what a value of a request must be is kept below.
VALUES: Final = "bad-values"
#: Refusals whose own sentences are for the log: they tell of the database or the switch, not of somebody's work.
INNER: Final = frozenset(
    {
        "storage-unavailable",
        "switch-unavailable",
        "switch-action-unknown",
        "switch-action-refused",
        "switch-error",
        "export-failed",
        "too-slow",
    }
)
#: Name of a place in a sentence to the texts that have a name for what stands there.
WORDS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "field": (
            "refusal.field.",
            "records.field.",
            "imports.field.",
            "corrections.field.",
            "refusal.case.",
        ),
        "fields": ("refusal.field.", "records.field.", "imports.field.", "corrections.field."),
        "columns": ("imports.field.",),
        "role": ("role.",),
        "call_state": ("state.",),
        "import_state": ("imports.state.",),
        "case_state": ("cases.state.",),
        "case_steps": ("cases.step.",),
        "order_state": ("corrections.state.",),
        "order_steps": ("corrections.step.", "refusal."),
        "report_field": ("refusal.report.", "reports.section."),
        "report_state": ("reports.state.",),
        "report_steps": ("reports.step_work.", "reports.step_report.", "reports.step_maker.", "refusal."),
        "sections": ("reports.section.",),
        "agent_state": ("desk.state.",),
        "agent_event": ("refusal.event.",),
        "agent_events": ("refusal.event.", "refusal."),
        "definition_kind": ("refusal.kind.",),
        "version_state": ("surveys.state.",),
        "version_steps": ("surveys.step.", "refusal."),
        "campaign_state": ("campaigns.state.",),
        "campaign_step": ("campaigns.step.",),
        "campaign_steps": ("campaigns.step.", "refusal."),
        "rule": ("campaigns.rules.",),
        "contact_rule": ("campaigns.rule.",),
        "appointment_state": ("appointments.state.",),
        "appointment_step": ("appointments.step.",),
        "appointment_steps": ("appointments.step.",),
        "list_kind": ("exports.kind.",),
        "target": ("refusal.target.",),
        "table": ("refusal.table.",),
    }
)
#: Says something in a language: what is beside a field is only put into words for a reader.
Say = Callable[[Language], str]


@cache
def chinese() -> Mapping[str, Mapping[str, str]]:
    """`error_id` to its sentences in Chinese by their English templates; "general" says it where none fits."""
    return MappingProxyType(
        {
            str(error_id): MappingProxyType({str(key): str(value) for key, value in sentences.items()})
            for path in sorted(_FOLDER.glob("refusals*.zh-CN.yaml"))
            for error_id, sentences in yaml.safe_load(path.read_text("utf-8")).items()
        }
    )


def said(language: Language, error_id: str, sentence: str) -> str:
    """What is shown of a refusal. An id that nobody has words for keeps its sentence."""
    if error_id in INNER:
        return text(language, f"refusal.inner.{error_id}")
    template = sentence.template if isinstance(sentence, Sentence) else sentence
    values = sentence.values if isinstance(sentence, Sentence) else {}
    if language == "zh-CN" and error_id in chinese():
        known = chinese()[error_id]
        template = known.get(template) or known[GENERAL]
    elif not values:
        return sentence
    if not values:
        return template
    return template.format_map(
        {place: _shown(language, error_id, place, one) for place, one in values.items()}
    )


def _shown(language: Language, error_id: str, place: str, value: object) -> str:
    """What stands in a place of a sentence, as the reader calls it."""
    match value:
        case Sentence():
            return said(language, error_id, value)
        case str() if error_id in chinese() and value in chinese()[error_id]:
            return said(language, error_id, value)
        case Mapping():
            return str(value[language])
        case list() | tuple() | set() | frozenset():
            joint = ", " if language == "en" else "、"
            return joint.join(_shown(language, error_id, place, one) for one in value)
    word = str(value)
    for beginning in WORDS.get(place, ()):
        if (named := texts(language).get(beginning + word)) is not None:
            return named
    return word


def must_be(item: ErrorDetails) -> Say:
    """What a value must be, from what pydantic says of it: its kind of error and the limits in it."""
    context: dict[str, Any] = dict(item.get("ctx") or {})
    if isinstance(error := context.get("error"), Exception) and error.args:
        sentence = error.args[0]
        return lambda language: said(language, VALUES, sentence)

    def say(language: Language) -> str:
        key = f"value.{item['type']}"
        if key not in texts(language):
            return text(language, "value.other")
        return text(language, key).format_map({name: str(one) for name, one in context.items()})

    return say


def asked_for(accept_language: str) -> Language:
    """The language of a refusal by the request's Accept-Language; programs that ask for none get English."""
    return "zh-CN" if accept_language.strip().lower().startswith("zh") else "en"
