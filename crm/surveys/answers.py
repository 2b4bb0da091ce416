"""Reading one answer: what a question takes, tidied; anything else is refused with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from access.sentences import Sentence
from crm.surveys.questionnaires import LONGEST_TEXT, Question, QuestionKind
from crm.surveys.responses import BadAnswer

#: An answer as it is kept: a code, codes, a number, a day (ISO), or words. None: passed over.
Value = str | int | float | tuple[str, ...]

#: A year a customer can mean.
_YEARS: Final = range(1950, 2101)


def read_answer(question: Question, given: object) -> Value | None:
    """The answer as it is kept. None, an empty text and an empty list pass over a question that may be left out.

    Raises BadAnswer.
    """
    if given is None or given == "" or given == [] or given == () or _blank(given):
        if question.required:
            raise BadAnswer("This question must be answered. Nothing was saved.", question=question.code)
        return None
    match question.kind:
        case QuestionKind.CHOICE:
            return _choice(question, given)
        case QuestionKind.SEVERAL:
            return _several(question, given)
        case QuestionKind.SCORE | QuestionKind.NUMBER:
            return _number(question, given)
        case QuestionKind.DATE:
            return _day(question, given)
        case QuestionKind.TEXT:
            return _words(question, given)


def _blank(given: object) -> bool:
    return isinstance(given, str) and not given.strip()


def _choice(question: Question, given: object) -> str:
    if not isinstance(given, str) or question.option(given) is None:
        raise BadAnswer(
            "This is none of the answers of the question. Nothing was saved.", question=question.code
        )
    return given


def _several(question: Question, given: object) -> tuple[str, ...]:
    codes = given if isinstance(given, Sequence) and not isinstance(given, str) else (given,)
    for code in codes:
        _choice(question, code)
    chosen = tuple(one.code for one in question.options if one.code in codes)
    if len(chosen) > 1 and any(one.alone for one in question.options if one.code in chosen):
        raise BadAnswer(
            "One of these answers excludes the others. Choose it alone, or leave it out. Nothing was saved.",
            question=question.code,
        )
    return chosen


def _number(question: Question, given: object) -> int | float:
    if isinstance(given, str):
        try:
            given = float(given.strip().replace(",", "").replace("，", ""))
        except ValueError:
            given = None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise BadAnswer("A number is needed here. Nothing was saved.", question=question.code)
    if not abs(given) <= 10**12:  # not a number is neither
        raise BadAnswer("A number is needed here. Nothing was saved.", question=question.code)
    decimals = 0 if question.kind is QuestionKind.SCORE else question.decimals
    if round(given, decimals) != given:
        raise BadAnswer(
            Sentence(
                "A number with at most {decimals} digits behind the point is needed. Nothing was saved.",
                decimals=decimals,
            ),
            question=question.code,
        )
    if (question.least is not None and given < question.least) or (
        question.most is not None and given > question.most
    ):
        raise BadAnswer(
            Sentence(
                "Only {least} to {most} is possible here. Nothing was saved.",
                least="…" if question.least is None else plain_number(question.least),
                most="…" if question.most is None else plain_number(question.most),
            ),
            question=question.code,
        )
    return int(given) if float(given).is_integer() else float(given)


def plain_number(value: float) -> str:
    """A number without an idle ".0"."""
    return str(int(value)) if float(value).is_integer() else str(value)


def _day(question: Question, given: object) -> str:
    try:
        day = date.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise BadAnswer("A day such as 2026-06-16 is needed. Nothing was saved.", question=question.code)
    return day.isoformat()


def _words(question: Question, given: object) -> str:
    if not isinstance(given, str):
        raise BadAnswer("Words are needed here. Nothing was saved.", question=question.code)
    return tidy_words(given, question.code)


def tidy_words(given: str, question: str) -> str:
    """Words a person said or wrote. Raises BadAnswer."""
    words = given.strip().replace("\r\n", "\n")
    if len(words) > LONGEST_TEXT:
        raise BadAnswer(
            Sentence("At most {most} characters can be kept. Nothing was saved.", most=LONGEST_TEXT),
            question=question,
        )
    if any((ord(letter) < 32 and letter not in "\n\t") or ord(letter) == 127 for letter in words):
        raise BadAnswer("Control characters are not allowed. Nothing was saved.", question=question)
    return words
