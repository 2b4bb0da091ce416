"""What cannot work in a questionnaire: places that say nothing, and questions nobody would ever be asked.

Whether a question can be reached is decided exactly: the walk of `crm.surveys.branching` is played with every
kind of answer the conditions tell apart, forgetting what no later condition asks about.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from typing import Any, Final

from access.sentences import Sentence
from crm.definitions import LANGUAGE_NAMES
from crm.scripts import templates
from crm.surveys.branching import holds
from crm.surveys.questionnaires import (
    LANGUAGES,
    Condition,
    Question,
    QuestionKind,
    Questionnaire,
    When,
)
from crm.surveys.responses import Fault

#: Ways through a questionnaire that are looked at at once; more is more than a person can follow.
MOST_WAYS: Final = 20_000
#: Answers of "several" whose every combination is played.
_MOST_COMBINED: Final = 10

#: Truth of each condition about a question, in their order.
_Truths = tuple[bool, ...]


def faults(questionnaire: Questionnaire) -> tuple[Fault, ...]:
    """Everything that cannot work, in the order of the page; empty: it can be asked."""
    found = [*_words(questionnaire)]
    broken = list(_conditions(questionnaire))
    found += broken
    if not broken:
        found += _ways(questionnaire)
    return tuple(found)


# -- words --------------------------------------------------------------------------------------------


def _words(questionnaire: Questionnaire) -> Iterator[Fault]:
    yield from _both("label", questionnaire.label, needed=True)
    for name in ("opening", "closing"):
        spoken: Mapping[Any, str] = getattr(questionnaire, name)
        yield from _both(name, spoken, needed=False)
        for language, words in spoken.items():
            yield from _places(f"{name}.{language}", words)
    for place, question in enumerate(questionnaire.questions):
        at = f"questions.{place}"
        yield from _both(f"{at}.text", question.text, needed=True)
        for language, words in question.text.items():
            yield from _places(f"{at}.text.{language}", words)
        for name in ("help", "least_label", "most_label", "unit"):
            yield from _both(f"{at}.{name}", getattr(question, name), needed=False)
        for number, option in enumerate(question.options):
            yield from _both(f"{at}.options.{number}.label", option.label, needed=True)


def _both(place: str, said: Mapping[Any, str], *, needed: bool) -> Iterator[Fault]:
    """Every language of the house, or none where it may be left out."""
    written = [one for one in LANGUAGES if said.get(one, "").strip()]
    if not written and not needed:
        return
    for language in LANGUAGES:
        if language not in written:
            yield Fault(
                Sentence("Write it in {language} too.", language=LANGUAGE_NAMES[language]),
                place=f"{place}.{language}",
            )


def _places(place: str, words: str) -> Iterator[Fault]:
    for bad in templates.faults(words):
        yield Fault(
            Sentence(
                "At character {at}: '{text}' is no place that can be filled.", at=bad.at + 1, text=bad.text
            ),
            place=place,
        )


# -- conditions ---------------------------------------------------------------------------------------


def _conditions(questionnaire: Questionnaire) -> Iterator[Fault]:
    earlier: dict[str, Question] = {}
    everything = {one.code: one for one in questionnaire.questions}
    for place, question in enumerate(questionnaire.questions):
        at = f"questions.{place}"
        if question.show is not None:
            yield from _of_when(f"{at}.show", question.show, question, earlier, everything)
        earlier[question.code] = question
        if question.end is not None:
            yield from _of_when(f"{at}.end", question.end, question, earlier, everything)
        if question.dissatisfied_below is not None:
            yield from _line(f"{at}.dissatisfied_below", question)


def _line(place: str, question: Question) -> Iterator[Fault]:
    line, least, most = question.dissatisfied_below, question.least, question.most
    if line is not None and ((least is not None and line <= least) or (most is not None and line > most)):
        yield Fault(
            "No answer, or every answer, would be below this; it must lie within the range.", place=place
        )


def _of_when(
    place: str, when: When, question: Question, earlier: Mapping[str, Question], known: Mapping[str, Question]
) -> Iterator[Fault]:
    for number, condition in enumerate(when.conditions):
        at = f"{place}.conditions.{number}"
        about = earlier.get(condition.question)
        if about is None:
            where = f"{at}.question"
            if condition.question == question.code:
                yield Fault("A question cannot depend on its own answer.", place=where)
            elif condition.question in known:
                yield Fault("This depends on a later question; branches go forward only.", place=where)
            else:
                yield Fault(
                    Sentence("There is no question '{question}'.", question=condition.question), place=where
                )
            continue
        yield from _of_condition(at, condition, about)


def _of_condition(at: str, condition: Condition, about: Question) -> Iterator[Fault]:
    chosen = about.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
    measured = about.kind in (QuestionKind.SCORE, QuestionKind.NUMBER)
    if condition.op in ("one_of", "none_of") and not chosen:
        yield Fault("Only a choice has answers to compare with.", place=f"{at}.op")
    elif condition.op in ("at_least", "at_most") and not measured:
        yield Fault("Only a score or a number can be more or less.", place=f"{at}.op")
    for code in condition.options if chosen else ():
        if about.option(code) is None:
            yield Fault(
                Sentence("That question has no answer '{answer}'.", answer=code), place=f"{at}.options"
            )
    if measured and condition.value is not None:
        impossible = (
            about.most is not None and condition.value > about.most
            if condition.op == "at_least"
            else about.least is not None and condition.value < about.least
        )
        if impossible:
            yield Fault("No answer of that question can be so.", place=f"{at}.value")


# -- ways ---------------------------------------------------------------------------------------------


def _ways(questionnaire: Questionnaire) -> Iterator[Fault]:
    """Questions that no way leads to. Conditions are sound here."""
    uses: dict[str, list[Condition]] = {}
    last: dict[str, int] = {}
    for place, question in enumerate(questionnaire.questions):
        for when in (question.show, question.end):
            for condition in when.conditions if when is not None else ():
                conditions = uses.setdefault(condition.question, [])
                if condition not in conditions:
                    conditions.append(condition)
                last[condition.question] = place
    ways: set[tuple[tuple[str, _Truths], ...]] = {()}
    for place, question in enumerate(questionnaire.questions):
        asked = {way for way in ways if question.show is None or _met(question.show, dict(way), uses)}
        if not asked:
            where = f"questions.{place}.show" if question.show else f"questions.{place}"
            if question.required:
                yield Fault(
                    "Nobody can ever be asked this, and it must be answered: no earlier answers lead here.",
                    place=where,
                )
            else:
                yield Fault("Nobody can ever be asked this: no earlier answers lead here.", place=where)
        conditions = uses.get(question.code, [])
        further: set[tuple[tuple[str, _Truths], ...]] = set()
        for way in ways:
            if way not in asked:
                further.add(_kept(way, last, place))
                continue
            for truths in _answers(question, conditions):
                then = (*way, (question.code, truths)) if conditions else way
                if question.end is not None and _met(question.end, dict(then), uses):
                    continue
                further.add(_kept(then, last, place))
            if len(further) > MOST_WAYS:
                yield Fault(
                    "The branches up to here are more than anybody can follow; make it two questionnaires.",
                    place=f"questions.{place}",
                )
                return
        ways = further


def _kept(
    way: Iterable[tuple[str, _Truths]], last: Mapping[str, int], place: int
) -> tuple[tuple[str, _Truths], ...]:
    """What later questions still ask about."""
    return tuple((code, truths) for code, truths in way if last[code] > place)


def _met(when: When, way: Mapping[str, _Truths], uses: Mapping[str, list[Condition]]) -> bool:
    found = []
    for condition in when.conditions:
        truths = way.get(condition.question)
        found.append(truths is not None and truths[uses[condition.question].index(condition)])
    return all(found) if when.match == "all" else any(found)


def _answers(question: Question, conditions: list[Condition]) -> set[_Truths]:
    """Every combination of truths that an answer of the question can make; not answering makes none true."""
    made = {tuple(holds(one, value) for one in conditions) for value in _samples(question, conditions)}
    if not question.required:
        made.add(tuple(False for _ in conditions))
    return made


def _samples(question: Question, conditions: list[Condition]) -> Iterator[Any]:
    """Answers that stand for all the others as far as these conditions go."""
    match question.kind:
        case QuestionKind.CHOICE:
            yield from (one.code for one in question.options)
        case QuestionKind.SEVERAL:
            yield from _sets(question, conditions)
        case QuestionKind.SCORE:
            yield from range(int(question.least or 0), int(question.most or 0) + 1)
        case QuestionKind.NUMBER:
            step = 10.0**-question.decimals
            marks = [one.value for one in conditions if one.value is not None]
            near = [round(mark + move, question.decimals) for mark in marks for move in (-step, 0, step)]
            near += [one for one in (question.least, question.most) if one is not None] or [0.0]
            for value in near:
                if (question.least is None or value >= question.least) and (
                    question.most is None or value <= question.most
                ):
                    yield value
        case QuestionKind.DATE | QuestionKind.TEXT:
            yield "x"


def _sets(question: Question, conditions: list[Condition]) -> Iterator[tuple[str, ...]]:
    """Sets of answers that can be chosen; what no condition names is the same, and one of it is enough."""
    named = {code for one in conditions for code in one.options}
    alone = [one.code for one in question.options if one.alone]
    yield from ((code,) for code in alone)
    joined = [one.code for one in question.options if not one.alone]
    rest = [code for code in joined if code not in named][:1]
    told_apart = [code for code in joined if code in named]
    most = len(told_apart) if len(told_apart) <= _MOST_COMBINED else 3
    for size in range(most + 1):
        for chosen in combinations(told_apart, size):
            if chosen:
                yield chosen
            for other in rest:
                yield (*chosen, other)
    if most < len(told_apart):
        yield tuple(told_apart)
