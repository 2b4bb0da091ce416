"""A refusal reads in the person's language: every sentence of the code has its words, with the same values in it."""

from __future__ import annotations

import copy
import json
import pickle
import re
import string

import pytest
from pydantic import BaseModel, Field, ValidationError

from access.sentences import SOMEBODY, Sentence
from crm.records.customers import BadRecord
from crm.tasks.tasks import TaskTaken
from tests import refusal_sites
from web.bodies import read_model
from web.languages import texts
from web.problems import STATUS, Refused, problem
from web.refusals import GENERAL, INNER, WORDS, asked_for, chinese, said

CHINESE = re.compile("[\u4e00-\u9fff]")


def places(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.fixture(scope="module")
def spoken() -> dict[str, frozenset[str]]:
    return dict(refusal_sites.found()[0])


def test_every_sentence_of_the_code_has_its_chinese_with_the_same_places(
    spoken: dict[str, frozenset[str]],
) -> None:
    assert len(spoken) > 100
    for error_id, templates in spoken.items():
        known = chinese()[error_id]
        assert templates - known.keys() == set(), f"{error_id}: write these in locales/refusals*.zh-CN.yaml"
        for template in templates:
            assert places(known[template]) == places(template), template


def test_no_chinese_is_left_of_a_sentence_that_nobody_says(spoken: dict[str, frozenset[str]]) -> None:
    assert chinese().keys() == STATUS.keys()
    for error_id, known in chinese().items():
        assert known.keys() - spoken.get(error_id, frozenset()) == {GENERAL}, error_id


def test_no_refusal_loses_its_values_in_an_f_string() -> None:
    assert refusal_sites.found()[1] == ()


def test_chinese_refusals_are_chinese_and_end_as_sentences() -> None:
    for error_id, known in chinese().items():
        for template, words in known.items():
            assert CHINESE.search(words), (error_id, template)
            assert not re.search(r"[\u4e00-\u9fff][,;:!?]", words), words
            assert words.endswith("。") or error_id == "bad-group-query", words


def test_names_of_places_lead_to_texts() -> None:
    for beginnings in WORDS.values():
        for beginning in beginnings:
            assert any(key.startswith(beginning) for key in texts("en")), beginning
    assert {f"refusal.inner.{error_id}" for error_id in INNER} <= texts("en").keys()


@pytest.mark.parametrize("error_id", sorted(STATUS))
def test_an_unknown_sentence_is_said_by_the_general_words_of_its_id(error_id: str) -> None:
    words = said("zh-CN", error_id, "Something nobody has written down.")
    assert CHINESE.search(words)
    assert "nobody" not in words


def test_a_refusal_to_a_page_is_in_its_language_and_to_a_program_in_english() -> None:
    error = TaskTaken(Sentence("{holder} has the task. Nothing was changed.", holder="李娜"), holder="李娜")
    shown = {
        asked: json.loads(problem(error, request_id="R", language=asked_for(asked)).body)["detail"]  # type: ignore[arg-type]
        for asked in ("zh-CN", "", "en")
    }
    assert shown["zh-CN"] == "该任务已由李娜认领，未作任何更改。"
    assert shown[""] == shown["en"] == "李娜 has the task. Nothing was changed."


def test_field_and_value_are_named_in_the_readers_language() -> None:
    sentence = Sentence("{field}: 0 to {most} km. Nothing was changed.", field="mileage", most=3_000_000)
    assert str(BadRecord(sentence, field="mileage")) == "mileage: 0 to 3000000 km. Nothing was changed."
    label = texts("zh-CN")["records.field.mileage"]
    assert said("zh-CN", "bad-record", sentence) == f"“{label}”应在 0 到 3000000 公里之间，未作任何更改。"
    assert said("en", "bad-record", sentence).startswith(texts("en")["records.field.mileage"])
    document = json.loads(
        problem(BadRecord(sentence, field="mileage"), request_id="R", language="zh-CN").body  # type: ignore[arg-type]
    )
    assert document["errors"] == [{"field": "mileage", "message": said("zh-CN", "bad-record", sentence)}]


def test_lists_labels_and_sentences_in_sentences_are_put_into_words() -> None:
    changed = Sentence(
        "{who} changed {fields} meanwhile. Nothing of yours was saved. Look at the record as it is now and save again.",
        who=SOMEBODY,
        fields=["name", "birthday"],
    )
    assert str(changed).startswith("Somebody changed name, birthday meanwhile")
    assert said("zh-CN", "record-changed", changed).startswith("有人刚修改了姓名、生日，")
    query = Sentence(
        "{place}: {problem}", place="all.0", problem=Sentence("parts are nested at most {most} deep", most=5)
    )
    assert said("zh-CN", "bad-group-query", query) == "条件 all.0：条件最多嵌套 5 层，请简化。"


def test_a_sentence_survives_copies() -> None:
    said_once = Sentence("{field}: at most {most} characters.", field="{note}", most=3)
    for again in (copy.copy(said_once), copy.deepcopy(said_once), pickle.loads(pickle.dumps(said_once))):  # noqa: S301
        assert (again, again.template, again.values) == (said_once, said_once.template, said_once.values)


def test_values_are_never_read_as_templates() -> None:
    sentence = Sentence("There is no field '{given}'.", given="{0.__class__}")
    assert str(sentence) == "There is no field '{0.__class__}'."
    assert said("zh-CN", "bad-record", sentence) == "没有字段“{0.__class__}”。"


class _Form(BaseModel):
    name: str = Field(min_length=2)
    age: int = Field(le=150)


def test_what_a_field_must_be_is_said_in_both_languages_with_the_limits() -> None:
    with pytest.raises(Refused) as refused:
        read_model(_Form, b'{"name": "x", "age": 151}')
    for language, expected in (
        ("zh-CN", ["至少 2 个字。", "不能大于 150。"]),
        ("en", ["At least 2 characters.", "Must be 150 or less."]),
    ):
        body = problem(refused.value, request_id="R", language=asked_for(language)).body
        errors = json.loads(body)["errors"]  # type: ignore[arg-type]
        assert [one["message"] for one in errors] == expected
        assert [one["field"] for one in errors] == ["name", "age"]


@pytest.mark.parametrize("key", sorted(key for key in texts("en") if key.startswith("value.")))
def test_texts_about_values_are_of_errors_there_are_and_name_their_limits(key: str) -> None:
    from pydantic_core import PydanticKnownError

    if key == "value.other":
        return
    context = dict.fromkeys(places(texts("en")[key]), 1)
    for name in ("pattern", "expected", "expected_tags"):
        if name in context:
            context[name] = "x"  # type: ignore[assignment]
    for language in ("en", "zh-CN"):
        filled = texts(asked_for(language))[key].format_map(context)
        assert "{" not in filled
    assert key.removeprefix("value.") in _known_types(), PydanticKnownError


def _known_types() -> frozenset[str]:
    from typing import get_args

    from pydantic_core.core_schema import ErrorType

    return frozenset(get_args(ErrorType))


def test_pydantics_own_words_reach_nobody() -> None:
    class Strict(BaseModel, extra="forbid"):
        at: int

    with pytest.raises(ValidationError):
        Strict.model_validate({"at": "x", "more": 1})
    with pytest.raises(Refused) as refused:
        read_model(Strict, b'{"at": "x", "more": 1}')
    for language in ("en", "zh-CN"):
        for one in refused.value.errors:
            assert "Input" not in one.say(asked_for(language))
