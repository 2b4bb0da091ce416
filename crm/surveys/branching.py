"""Which questions are asked, given what was answered. Branches go forward only, so one walk decides it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from crm.surveys.questionnaires import Condition, Question, Questionnaire, When


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """The questions that are asked, in order."""

    questions: tuple[Question, ...]
    #: The question after which nothing more is asked; None: it goes to the end of the list.
    ended_by: str | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(one.code for one in self.questions)


def holds(condition: Condition, value: Any) -> bool:
    """Whether the condition holds of this answer; None (not answered): no condition does."""
    if value is None:
        return False
    match condition.op:
        case "answered":
            return True
        case "one_of" | "none_of":
            chosen = value if isinstance(value, tuple | list) else (value,)
            found = any(one in condition.options for one in chosen)
            return found if condition.op == "one_of" else not found
        case "at_least":
            return isinstance(value, int | float) and condition.value is not None and value >= condition.value
        case "at_most":
            return isinstance(value, int | float) and condition.value is not None and value <= condition.value


def fulfilled(when: When, values: Mapping[str, Any]) -> bool:
    """Whether the conditions hold; `values` has the answers of questions that are asked."""
    found = (holds(one, values.get(one.question)) for one in when.conditions)
    return all(found) if when.match == "all" else any(found)


def path(questionnaire: Questionnaire, values: Mapping[str, Any]) -> Path:
    """What is asked. Answers of questions that are not on the path do not count for it."""
    asked: list[Question] = []
    counted: dict[str, Any] = {}
    for question in questionnaire.questions:
        if question.show is not None and not fulfilled(question.show, counted):
            continue
        asked.append(question)
        if (value := values.get(question.code)) is not None:
            counted[question.code] = value
        if question.end is not None and fulfilled(question.end, counted):
            return Path(questions=tuple(asked), ended_by=question.code)
    return Path(questions=tuple(asked))


def counted(questionnaire: Questionnaire, values: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that count: those of the path."""
    return {code: values[code] for code in path(questionnaire, values).codes if values.get(code) is not None}


def missing(questionnaire: Questionnaire, values: Mapping[str, Any]) -> tuple[str, ...]:
    """Questions of the path that must be answered and are not."""
    asked = path(questionnaire, values).questions
    return tuple(one.code for one in asked if one.required and values.get(one.code) is None)


def next_question(
    questionnaire: Questionnaire, values: Mapping[str, Any], passed: Collection[str] = ()
) -> Question | None:
    """The first question of the path that is neither answered nor passed over; None: that was all."""
    for question in path(questionnaire, values).questions:
        if values.get(question.code) is None and question.code not in passed:
            return question
    return None
