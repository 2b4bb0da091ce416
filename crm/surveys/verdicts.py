"""Which answers are a dissatisfied customer, and the case they open (feature 104)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crm.cases.cases import GRADES, CaseKind
from crm.surveys.branching import path
from crm.surveys.questionnaires import CaseRule, Question, QuestionKind, Questionnaire
from crm.surveys.scoring import total

#: From the least to the gravest.
_KINDS: Final = (
    CaseKind.PRAISE,
    CaseKind.SUGGESTION,
    CaseKind.INQUIRY,
    CaseKind.GRUMBLE,
    CaseKind.COMPLAINT,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What the answers say."""

    total: float | None
    #: Questions with a dissatisfied answer, in their order.
    questions: tuple[str, ...] = ()
    #: The total itself is below its line.
    by_total: bool = False
    #: The case to open: the gravest kind and grade of all, the department of the first that names one.
    case: CaseRule | None = None

    @property
    def dissatisfied(self) -> bool:
        return bool(self.questions) or self.by_total


def is_dissatisfied(question: Question, value: Any) -> bool:
    """Whether this answer is one of a dissatisfied customer."""
    if value is None:
        return False
    if question.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL):
        chosen = value if isinstance(value, tuple | list) else (value,)
        return any(one.dissatisfied for one in question.options if one.code in chosen)
    line = question.dissatisfied_below
    return line is not None and isinstance(value, int | float) and value < line


def judge(questionnaire: Questionnaire, values: Mapping[str, Any], *, complete: bool = True) -> Verdict:
    """What the answers of the path say. The total is only judged where all was asked (`complete`)."""
    whole = total(questionnaire, values)
    unhappy = [
        one for one in path(questionnaire, values).questions if is_dissatisfied(one, values.get(one.code))
    ]
    line = questionnaire.dissatisfied_below
    by_total = complete and line is not None and whole is not None and whole < line
    rules = [rule for one in unhappy if (rule := one.case or questionnaire.case) is not None]
    if by_total and questionnaire.case is not None:
        rules.append(questionnaire.case)
    case = None
    if rules:
        case = CaseRule(
            kind=max((one.kind for one in rules), key=_KINDS.index),
            grade=max((one.grade for one in rules), key=GRADES.index),
            department=_department(rules),
        )
    return Verdict(total=whole, questions=tuple(one.code for one in unhappy), by_total=by_total, case=case)


def _department(rules: list[CaseRule]) -> str:
    """Of the gravest rule that names one; of two alike the first."""
    named = [one for one in rules if one.department]
    if not named:
        return ""
    return max(named, key=lambda one: (_KINDS.index(one.kind), GRADES.index(one.grade))).department
