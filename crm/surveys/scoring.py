"""What answers are worth: 0 to 100 a question, and by weight in all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crm.surveys.branching import path
from crm.surveys.questionnaires import Question, QuestionKind, Questionnaire


def score_of(question: Question, value: Any) -> float | None:
    """0 (worst) to 100 of one answer; None: it says nothing about satisfaction."""
    if value is None:
        return None
    match question.kind:
        case QuestionKind.SCORE:
            if question.least is None or question.most is None:
                return None
            share = (float(value) - question.least) / (question.most - question.least)
            return round(100 * min(max(share, 0.0), 1.0), 2)
        case QuestionKind.CHOICE | QuestionKind.SEVERAL:
            chosen = value if isinstance(value, tuple | list) else (value,)
            points = [one.points for one in question.options if one.code in chosen and one.points is not None]
            return round(sum(points) / len(points), 2) if points else None
    return None


def scores(questionnaire: Questionnaire, values: Mapping[str, Any]) -> dict[str, float]:
    """Question to its score, of the path only."""
    found = {one.code: score_of(one, values.get(one.code)) for one in path(questionnaire, values).questions}
    return {code: score for code, score in found.items() if score is not None}


def total(questionnaire: Questionnaire, values: Mapping[str, Any]) -> float | None:
    """The weighted mean of what was scored, 0 to 100 with one digit; None where nothing was."""
    weights = {one.code: one.weight for one in questionnaire.questions}
    counted = {code: score for code, score in scores(questionnaire, values).items() if weights[code] > 0}
    whole = sum(weights[code] for code in counted)
    if whole <= 0:
        return None
    return round(sum(score * weights[code] for code, score in counted.items()) / whole, 1)
