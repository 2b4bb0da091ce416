"""Questionnaires: what cannot work, which questions are asked, what answers are worth, and who is dissatisfied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.cases.cases import CaseKind, Grade
from crm.definitions import BadDefinition, read
from crm.surveys.answers import read_answer
from crm.surveys.branching import counted, missing, next_question, path
from crm.surveys.checking import faults
from crm.surveys.questionnaires import Question, QuestionKind, Questionnaire
from crm.surveys.responses import BadAnswer, QuestionnaireStep
from crm.surveys.scoring import score_of, scores, total
from crm.surveys.states import VersionState, VersionStep, allowed, next_state
from crm.surveys.verdicts import judge

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "surveys" / "questionnaires.yaml"


def said(word: str) -> dict[str, str]:
    return {"zh-CN": word, "en": word}


def question(code: str, kind: str = "score", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"code": code, "kind": kind, "text": said(code), **more}
    if kind == "score":
        made = {"least": 1, "most": 5, **made}
    if kind in ("choice", "several") and "options" not in made:
        made["options"] = [{"code": one, "label": said(one)} for one in ("a", "b", "c")]
    return made


def asked(*questions: Mapping[str, Any], **more: Any) -> Questionnaire:
    return read(
        Questionnaire,
        {
            "code": "test",
            "label": said("test"),
            "purpose": "service_visit",
            "questions": list(questions),
            **more,
        },
    )


def when(question: str, op: str, **more: Any) -> dict[str, Any]:
    return {"conditions": [{"question": question, "op": op, **more}]}


def places(questionnaire: Questionnaire) -> list[str]:
    return [one.place for one in faults(questionnaire)]


# -- what cannot work -----------------------------------------------------------------------------


def test_what_is_shipped_works() -> None:
    shipped = [read(Questionnaire, body) for body in yaml.safe_load(SHIPPED.read_text("utf-8"))]
    assert [one.code for one in shipped] == [
        "delivery_visit",
        "service_visit",
        "case_second_visit",
        "service_card",
        "service_keypad",
    ]
    assert [fault for one in shipped for fault in faults(one)] == []


def test_a_missing_language_is_named_where_it_is_missing() -> None:
    made = asked(
        question("q1", text={"zh-CN": "满意吗"}, least_label={"en": "bad"}),
        question("q2", "choice", options=[{"code": "a", "label": {"en": "a"}}]),
        opening={"zh-CN": "您好"},
    )
    assert places(made) == [
        "opening.en",
        "questions.0.text.en",
        "questions.0.least_label.zh-CN",
        "questions.1.options.0.label.zh-CN",
    ]


def test_a_place_that_cannot_be_filled_is_named() -> None:
    made = asked(question("q1"), opening={"zh-CN": "{{customer.shoe}}", "en": "hello {{customer.name}}"})
    assert [(one.place, "customer.shoe" in one.sentence) for one in faults(made)] == [("opening.zh-CN", True)]


@pytest.mark.parametrize(
    ("show", "place"),
    [
        (when("q2", "answered"), "questions.1.show.conditions.0.question"),
        (when("q3", "answered"), "questions.1.show.conditions.0.question"),
        (when("nobody", "answered"), "questions.1.show.conditions.0.question"),
        (when("q1", "one_of", options=["a"]), "questions.1.show.conditions.0.op"),
        (when("q1", "at_least", value=6), "questions.1.show.conditions.0.value"),
        (when("q1", "at_most", value=0), "questions.1.show.conditions.0.value"),
    ],
)
def test_a_condition_that_cannot_be_is_refused_at_its_place(show: Any, place: str) -> None:
    assert places(asked(question("q1"), question("q2", show=show), question("q3"))) == [place]


def test_a_question_behind_contradicting_conditions_is_never_asked() -> None:
    never = {
        "match": "all",
        "conditions": [
            {"question": "q1", "op": "at_least", "value": 4},
            {"question": "q1", "op": "at_most", "value": 2},
        ],
    }
    made = asked(question("q1"), question("q2", show=never, required=True))
    assert [(one.place, "must be answered" in one.sentence) for one in faults(made)] == [
        ("questions.1.show", True)
    ]


def test_a_question_behind_an_end_that_always_comes_is_never_asked() -> None:
    ends = question("q1", required=True, end=when("q1", "at_least", value=1))
    assert places(asked(ends, question("q2"))) == ["questions.1"]
    # Who may leave it out comes further.
    assert places(asked({**ends, "required": False}, question("q2"))) == []


def test_a_contradiction_across_questions_is_found() -> None:
    made = asked(
        question("q1", "choice"),
        question("q2", show=when("q1", "one_of", options=["a"])),
        question(
            "q3",
            show={
                "conditions": [
                    {"question": "q2", "op": "answered"},
                    {"question": "q1", "op": "none_of", "options": ["a"]},
                ]
            },
        ),
    )
    assert places(made) == ["questions.2.show"]


def test_a_line_of_dissatisfaction_lies_within_the_range() -> None:
    assert places(asked(question("q1", dissatisfied_below=1))) == ["questions.0.dissatisfied_below"]
    assert places(asked(question("q1", dissatisfied_below=6))) == ["questions.0.dissatisfied_below"]
    assert places(asked(question("q1", dissatisfied_below=5))) == []


@pytest.mark.parametrize(
    "wrong",
    [
        question("q1", "choice", options=[]),
        question("q1", least=5, most=1),
        question("q1", "text", dissatisfied_below=2),
        question("q1", nps=True),
        question("q1", "number", odometer=True, decimals=1),
        {**question("q1"), "unknown": 1},
    ],
)
def test_a_question_that_is_none_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadDefinition):
        asked(wrong)


def test_two_questions_have_two_codes() -> None:
    with pytest.raises(BadDefinition):
        asked(question("q1"), question("q1"))


# -- what is asked --------------------------------------------------------------------------------

_OPS = st.one_of(
    st.tuples(st.just("answered"), st.none()),
    st.tuples(st.sampled_from(["at_least", "at_most"]), st.integers(1, 5)),
)


@st.composite
def questionnaires(draw: st.DrawFn) -> Questionnaire:
    """Any questionnaire of scores and choices with branches forward."""
    kinds = draw(st.lists(st.sampled_from(["score", "choice", "several"]), min_size=1, max_size=6))
    made = []
    for place, kind in enumerate(kinds):
        one = question(
            f"q{place}",
            kind,
            required=draw(st.booleans()),
            weight=draw(st.integers(0, 5)),
        )
        if kind != "score":
            one["options"] = [
                {
                    "code": code,
                    "label": said(code),
                    "points": draw(st.one_of(st.none(), st.integers(0, 100))),
                    "dissatisfied": draw(st.booleans()),
                }
                for code in ("a", "b", "c")
            ]
        if draw(st.booleans()) and place:
            one["show"] = draw(_whens(kinds, place))
        if draw(st.integers(0, 3)) == 0:
            one["end"] = draw(_whens(kinds, place + 1))
        made.append(one)
    return asked(*made)


@st.composite
def _whens(draw: st.DrawFn, kinds: list[str], before: int) -> dict[str, Any]:
    conditions = []
    for _ in range(draw(st.integers(1, 2))):
        about = draw(st.integers(0, before - 1))
        if kinds[about] == "score":
            op, value = draw(_OPS)
            conditions.append({"question": f"q{about}", "op": op, "value": value})
        else:
            options = draw(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1))
            op = draw(st.sampled_from(["one_of", "none_of"]))
            conditions.append({"question": f"q{about}", "op": op, "options": sorted(options)})
    return {"match": draw(st.sampled_from(["all", "any"])), "conditions": conditions}


def value_for(draw: st.DrawFn, one: Question) -> Any:
    match one.kind:
        case QuestionKind.SCORE:
            return draw(st.integers(1, 5))
        case QuestionKind.CHOICE:
            return draw(st.sampled_from(["a", "b", "c"]))
        case _:
            return tuple(sorted(draw(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1))))


@st.composite
def walks(draw: st.DrawFn) -> tuple[Questionnaire, dict[str, Any], list[str]]:
    """A questionnaire answered to its end, question by question as they are asked."""
    made = draw(questionnaires())
    values: dict[str, Any] = {}
    passed: list[str] = []
    for _ in range(len(made.questions) + 1):
        one = next_question(made, values, passed)
        if one is None:
            break
        if not one.required and draw(st.booleans()):
            passed.append(one.code)
        else:
            values[one.code] = value_for(draw, one)
    return made, values, passed


@given(walks())
@settings(max_examples=200, deadline=None)
def test_who_answers_what_is_asked_comes_to_the_end(
    walk: tuple[Questionnaire, dict[str, Any], list[str]],
) -> None:
    made, values, passed = walk
    assert next_question(made, values, passed) is None
    assert missing(made, values) == ()
    assert set(values) <= set(path(made, values).codes)
    assert counted(made, values) == values


@given(walks())
@settings(max_examples=200, deadline=None)
def test_what_was_reached_is_never_called_unreachable(
    walk: tuple[Questionnaire, dict[str, Any], list[str]],
) -> None:
    made, values, _passed = walk
    never = {
        made.questions[int(one.place.split(".")[1])].code
        for one in faults(made)
        if "Nobody can ever be asked" in one.sentence
    }
    assert not never & set(path(made, values).codes)


@given(questionnaires())
@settings(max_examples=60, deadline=None)
def test_what_is_called_reachable_is_reached_by_some_answers(made: Questionnaire) -> None:
    """Every answer of up to four questions is played: what no fault names is reached."""
    few = Questionnaire.model_validate({**made.model_dump(), "questions": made.model_dump()["questions"][:4]})
    reached: set[str] = set()

    def play(values: dict[str, Any], passed: tuple[str, ...]) -> None:
        one = next_question(few, values, passed)
        if one is None:
            return
        reached.add(one.code)
        options: list[Any] = list(range(1, 6)) if one.kind is QuestionKind.SCORE else ["a", "b", "c"]
        if one.kind is QuestionKind.SEVERAL:
            options = [
                ("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c"), ("a", "b", "c"),
            ]  # fmt: skip
        for value in options:
            play({**values, one.code: value}, passed)
        if not one.required:
            play(values, (*passed, one.code))

    play({}, ())
    never = {
        few.questions[int(one.place.split(".")[1])].code for one in faults(few) if "Nobody" in one.sentence
    }
    assert reached == {one.code for one in few.questions} - never


def test_answers_of_a_branch_that_is_left_do_not_count() -> None:
    made = asked(
        question("q1", "choice"),
        question("q2", show=when("q1", "one_of", options=["a"]), required=True),
        question("q3"),
    )
    assert path(made, {"q1": "a", "q2": 1}).codes == ("q1", "q2", "q3")
    assert counted(made, {"q1": "b", "q2": 1, "q3": 5}) == {"q1": "b", "q3": 5}
    assert total(made, {"q1": "b", "q2": 1, "q3": 5}) == 100


# -- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "value", "kept"),
    [
        (question("q", "choice"), "a", "a"),
        (question("q", "several"), ["c", "a", "a"], ("a", "c")),
        (question("q", "several"), [], None),
        (question("q"), "5", 5),
        (question("q"), 3.0, 3),
        (question("q", "number", decimals=1), "12,345.5", 12345.5),
        (question("q", "date"), "2026-02-28", "2026-02-28"),
        (question("q", "text"), "  空调不冷\r\n还响 ", "空调不冷\n还响"),
        (question("q", "text"), "   ", None),
    ],
)
def test_an_answer_is_kept_tidied(made: dict[str, Any], value: object, kept: object) -> None:
    assert read_answer(asked(made).questions[0], value) == kept


@pytest.mark.parametrize(
    ("made", "value"),
    [
        (question("q", "choice"), "d"),
        (question("q", "choice"), ["a"]),
        (question("q", "several"), ["a", 5]),
        (
            question(
                "q",
                "several",
                options=[
                    {"code": "a", "label": said("a")},
                    {"code": "b", "label": said("b"), "alone": True},
                ],
            ),
            ["a", "b"],
        ),
        (question("q"), 6),
        (question("q"), 2.5),
        (question("q"), True),
        (question("q"), float("nan")),
        (question("q", "number"), 10**400),
        (question("q", "number"), "many"),
        (question("q", "date"), "2026-02-30"),
        (question("q", "date"), "0001-01-01"),
        (question("q", "text"), "x" * 4001),
        (question("q", "text"), "bell\x07"),
        (question("q", required=True), None),
        (question("q", "text", required=True), "  "),
    ],
)
def test_an_answer_that_cannot_be_is_refused(made: dict[str, Any], value: object) -> None:
    with pytest.raises(BadAnswer) as caught:
        read_answer(asked(made).questions[0], value)
    assert caught.value.question == "q"


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.text())))
@settings(max_examples=300, deadline=None)
def test_whatever_is_sent_is_read_or_refused(value: object) -> None:
    for kind in ("score", "number", "choice", "several", "date", "text"):
        one = asked(question("q", kind)).questions[0]
        try:
            kept = read_answer(one, value)
        except BadAnswer:
            continue
        assert kept is None or read_answer(one, kept) == kept


# -- worth ----------------------------------------------------------------------------------------


@given(walks())
@settings(max_examples=200, deadline=None)
def test_a_total_lies_between_its_worst_and_best_score(
    walk: tuple[Questionnaire, dict[str, Any], list[str]],
) -> None:
    made, values, _passed = walk
    weights = {one.code: one.weight for one in made.questions}
    found = [score for code, score in scores(made, values).items() if weights[code] > 0]
    whole = total(made, values)
    if not found:
        assert whole is None
    else:
        assert whole is not None
        assert min(found) - 0.1 <= whole <= max(found) + 0.1


def test_scores_by_kind() -> None:
    made = asked(question("s"), question("n", least=0, most=10), question("t", "text"))
    assert [score_of(made.questions[0], value) for value in (1, 3, 5)] == [0, 50, 100]
    assert score_of(made.questions[1], 7) == 70
    assert score_of(made.questions[2], "well") is None


def test_weights_count() -> None:
    made = asked(question("a", weight=3), question("b", weight=1), question("c", weight=0))
    assert total(made, {"a": 5, "b": 1, "c": 1}) == 75


# -- dissatisfied ---------------------------------------------------------------------------------


def test_the_gravest_rule_opens_the_case() -> None:
    made = asked(
        question("a", dissatisfied_below=3),
        question(
            "b",
            dissatisfied_below=3,
            case={"kind": "complaint", "grade": "escalated", "department": "service"},
        ),
        case={"kind": "grumble", "grade": "ordinary", "department": "sales"},
    )
    first = judge(made, {"a": 1, "b": 5})
    assert first.case is not None
    assert (first.case.kind, first.case.grade, first.case.department) == (
        CaseKind.GRUMBLE,
        Grade.ORDINARY,
        "sales",
    )
    both = judge(made, {"a": 1, "b": 1})
    assert both.questions == ("a", "b")
    assert both.case is not None
    assert (both.case.kind, both.case.grade, both.case.department) == (
        CaseKind.COMPLAINT,
        Grade.ESCALATED,
        "service",
    )
    assert not judge(made, {"a": 3, "b": 3}).dissatisfied


def test_a_low_total_counts_only_when_all_was_asked() -> None:
    made = asked(question("a"), question("b"), dissatisfied_below=60, case={"kind": "grumble"})
    assert judge(made, {"a": 2, "b": 3}).by_total
    assert not judge(made, {"a": 2}, complete=False).dissatisfied
    assert judge(made, {"a": 2, "b": 3}).case is not None


def test_without_a_rule_no_case_opens() -> None:
    verdict = judge(asked(question("a", dissatisfied_below=3)), {"a": 1})
    assert verdict.dissatisfied
    assert verdict.case is None


def test_a_dissatisfied_answer_beside_the_path_is_none() -> None:
    made = asked(
        question("a", "choice"),
        question("b", show=when("a", "one_of", options=["a"]), dissatisfied_below=3),
        case={"kind": "grumble"},
    )
    assert not judge(made, {"a": "b", "b": 1}).dissatisfied


# -- states ---------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from(list(VersionStep)), st.sampled_from(["w", "x", None])), max_size=12)
)
@settings(max_examples=300, deadline=None)
def test_nobody_approves_what_he_wrote(steps: list[tuple[VersionStep, str | None]]) -> None:
    state = VersionState.DRAFT
    writers = {"w"}
    refused: list[tuple[VersionState, Sequence[str]]] = []
    for step, by in steps:
        before = state
        try:
            state = next_state(state, step, by=by, writers=writers, why="because")
        except QuestionnaireStep as error:
            refused.append((state, error.allowed_steps))
            continue
        if step in (VersionStep.WRITE, VersionStep.SUBMIT) and by is not None:
            writers.add(by)
        if state is VersionState.APPROVED:
            assert (before, step) == (VersionState.SUBMITTED, VersionStep.APPROVE)
            assert by is not None
            assert by not in writers
    for at, offered in refused:
        assert set(offered) <= {one.value for one in allowed(at)}


def test_a_refusal_needs_a_reason() -> None:
    with pytest.raises(QuestionnaireStep):
        next_state(VersionState.SUBMITTED, VersionStep.SEND_BACK, by="x", writers=["w"], why=" ")
