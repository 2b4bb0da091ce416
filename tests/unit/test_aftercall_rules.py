"""Forms, dispositions, filing, scripts and articles as decisions: what is shipped, what is refused, for any text."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as some

from config.books.definitions import SHIPPED
from crm.cases.cases import CaseKind, CaseState
from crm.contacts.rules import DEFAULTS as RULES
from crm.definitions import BadDefinition, missing_languages, read
from crm.dispositions.dispositions import DispositionSet, Flag
from crm.knowledge import markdown
from crm.knowledge.articles import excerpt, wanted, weights, words
from crm.records.customers import CustomerKind, Honorific
from crm.registrations.filing import Content, check, clean, weight
from crm.registrations.forms import FieldKind, Form, likely
from crm.scripts import drafts, facts, templates
from crm.scripts.honorifics import address
from crm.scripts.scripts import Script, Situation, choose, in_language
from telephony.agents import Agent, AgentEvent, AgentState, Rules, StepRefused, WrapupAtLimit, step
from telephony.listening import wav_head
from web.ranges import RangeNotThere, read_range

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)


def shipped(file: str, model: Any) -> dict[str, Any]:
    parts = [read(model, body) for body in yaml.safe_load((SHIPPED / file).read_text("utf-8"))]
    return {getattr(part, "call_type", None) or part.name: part for part in parts}


FORMS: dict[str, Form] = shipped("forms.yaml", Form)
SETS: dict[str, DispositionSet] = shipped("dispositions.yaml", DispositionSet)
SCRIPTS: dict[str, Script] = shipped("scripts.yaml", Script)
ORDERED = tuple(sorted(FORMS.values(), key=lambda form: form.order))


def filled(form: Form, **changes: Any) -> Content:
    """A content that can be filed."""
    choice = next(one for one in SETS[form.dispositions].choices() if Flag.CALLBACK not in one.flags)
    fields: dict[str, Any] = {}
    for one in form.fields:
        if one.required:
            fields[one.code] = {
                FieldKind.YES_NO: True,
                FieldKind.CHOICE: one.options[0].code if one.options else "",
            }.get(one.kind, "沪闵高架上匝道")
    content = Content(
        call_type=form.call_type,
        reason=form.leaves()[0][-1].code,
        customer_words="我的车又坏了",
        summary="客户来电说明情况已经登记",
        disposition=choice.code,
        fields=fields,
    )
    return replace(content, **changes)


def faults(content: Content, **more: Any) -> set[tuple[str, str]]:
    form = FORMS[content.call_type]
    found = check(content, form, SETS[form.dispositions], now=NOW, departments=("service", "sales"), **more)
    return {(fault.field, fault.code) for fault in found}


def test_every_shipped_definition_is_whole_and_in_both_languages() -> None:
    assert list(FORMS) == [
        "maintenance", "advice", "road_help", "complaint", "sales_inquiry", "return_visit", "reminder", "other",
    ]  # fmt: skip
    for form in FORMS.values():
        assert form.dispositions in SETS
        assert faults(filled(form)) == set(), form.call_type
        labels = [form.label, *(one.label for one in form.fields), *(one.label for one in form.next_steps)]
        labels += [reason.label for path in form.leaves() for reason in path]
        assert not [label for label in labels if missing_languages(label)]
    for one in SETS.values():
        assert not [choice.code for choice in one.choices() if missing_languages(choice.label)]
    for script in SCRIPTS.values():
        assert set(script.steps) == {"zh-CN", "en"}
        assert script.steps["zh-CN"][0].kind == "greeting"


def test_a_groups_flags_and_least_note_hold_for_what_says_nothing_itself() -> None:
    answered, transferred = SETS["inbound"].find("answered"), SETS["inbound"].find("transferred")
    assert answered is not None
    assert transferred is not None
    assert (answered.note_least, transferred.note_least) == (4, 0)
    assert answered.flags == {Flag.HUMAN, Flag.CONTACT, Flag.SUCCESS, Flag.FINAL}
    assert SETS["inbound"].find("solved") is None, "a group cannot be chosen"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"reason": ""}, ("reason", "missing")),
        ({"reason": "made_up"}, ("reason", "unknown")),
        ({"reason": "about_service"}, ("reason", "unknown")),
        ({"customer_words": " \n…"}, ("customer_words", "missing")),
        ({"disposition": ""}, ("disposition", "missing")),
        ({"disposition": "open"}, ("disposition", "unknown")),
        ({"disposition": "unsolvable", "summary": "好的。。。。。。。。。。"}, ("summary", "too-short")),
        ({"summary": "一" * 5000}, ("summary", "too-long")),
        ({"disposition": "call_back"}, ("callback_at", "missing")),
        ({"disposition": "call_back", "callback_at": NOW}, ("callback_at", "past")),
        ({"next_step": "to_moon"}, ("next_step", "unknown")),
        ({"next_step": "to_complaints"}, ("next_note", "missing")),
        ({"next_step": "call_back", "next_department": "moon"}, ("next_department", "unknown")),
        ({"fields": {}}, ("fields.wish", "missing")),
        ({"fields": {"wish": "退款", "mood": "furious"}}, ("fields.mood", "unknown")),
        ({"fields": {"wish": 7}}, ("fields.wish", "unknown")),
        ({"fields": {"wish": "退款", "other": "x"}}, ("fields.other", "unknown")),
    ],
)
def test_what_is_missing_is_named_field_by_field(change: dict[str, Any], fault: tuple[str, str]) -> None:
    assert faults(filled(FORMS["complaint"], **change)) == {fault}


@pytest.mark.parametrize(
    ("value", "code"),
    [("12", "not-a-number"), (True, "not-a-number"), (-1, "too-small"), (9**9, "too-large")],
)
def test_numbers_are_numbers_within_their_bounds(value: Any, code: str) -> None:
    content = filled(FORMS["maintenance"], fields={"mileage": value})
    assert faults(content) == {("fields.mileage", code)}


TEXTS = ("reason", "customer_words", "summary", "disposition", "next_step", "next_note", "next_department")
VALUE = some.one_of(some.text(max_size=9), some.integers(), some.booleans())


@given(
    some.fixed_dictionaries({name: some.text(max_size=30) for name in TEXTS}),
    some.dictionaries(some.text(max_size=8), VALUE, max_size=4),
    some.sampled_from(sorted(FORMS)),
)
def test_any_content_is_judged_and_filed_content_is_whole(
    texts: dict[str, str], fields: dict[str, Any], call_type: str
) -> None:
    content = Content(call_type=call_type, fields=fields, **texts)
    found = faults(content)
    form = FORMS[call_type]
    if not found:
        choice = SETS[form.dispositions].find(content.disposition)
        assert choice is not None
        assert form.reason_path(content.reason)
        assert weight(content.summary) >= choice.note_least
    assert Content.from_plain(content.plain()) == content


@given(some.text(max_size=60))
def test_cleaning_keeps_every_letter_and_no_control(text: str) -> None:
    cleaned = clean(text)
    assert weight(cleaned) == weight(text)
    assert not [letter for letter in cleaned if ord(letter) < 32 and letter not in "\n\t"]
    assert clean(cleaned) == cleaned


def test_the_call_type_to_begin_with_is_the_one_the_menu_said() -> None:
    said = {"direction": "inbound"}
    assert likely(ORDERED, queue="service", keys="greet=x main=3", **said) == "complaint"
    assert likely(ORDERED, queue="sales", keys="", **said) == "sales_inquiry"
    assert likely(ORDERED, queue=None, keys="", direction="outbound") == "return_visit"
    assert likely(ORDERED, queue="unheard", keys="", **said) == "other"


# -- definitions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"call_type": "Bad Name"}, "call_type"),
        ({"reasons": []}, "reasons"),
        ({"colour": "red"}, "colour"),
        ({"fields": [{"code": "x", "kind": "choice", "label": {"en": "x"}}]}, "fields.0"),
        ({"reasons": [{"code": "a", "label": {"en": "a"}}] * 2}, "all"),
    ],
)
def test_a_definition_that_cannot_be_says_where(change: dict[str, Any], place: str) -> None:
    body = {**FORMS["other"].model_dump(mode="json"), **change}
    with pytest.raises(BadDefinition) as refused:
        read(Form, body)
    assert refused.value.places[0].startswith(place)


# -- scripts -------------------------------------------------------------------------------------------

VALUES = {"customer.address": "王先生", "dealership": "示例", "agent.name": "李娜"}


def said(template: str, values: dict[str, str | None]) -> str:
    return "".join(part.text or f"[{part.place}]" for part in templates.render(template, values))


def test_a_script_greets_by_name_and_asks_for_what_is_not_known() -> None:
    template = "{{customer.address}}：您好！车牌 {{vehicle.plate}}，{{vehicle.model|爱车}}"
    assert said(template, dict(VALUES)) == "王先生：您好！车牌 [vehicle.plate]，爱车"
    hints = [part.place for part in templates.render(template, {}) if part.kind is templates.PartKind.HINT]
    assert hints == ["customer.address", "vehicle.plate"]


@pytest.mark.parametrize(
    "template",
    [
        "{{",
        "}}",
        "{{customer}}",
        "{{ 7*7 }}",
        "{{customer.name|{{dealership}}}}",
        "{{{agent.name}}}",
        "{%x%}{{",
    ],
)
def test_what_is_no_place_is_refused_and_never_run(template: str) -> None:
    assert templates.faults(template)
    with pytest.raises(BadDefinition):
        read(Script, {"name": "x", "label": {"en": "x"}, "steps": {"en": [{"text": template}]}})


@given(
    some.text(alphabet="{}|. abcustomer名dlhip_", max_size=60),
    some.dictionaries(some.sampled_from(templates.PLACES), some.text(min_size=1, max_size=9)),
)
def test_any_template_renders_and_values_are_never_read_again(text: str, values: dict[str, str]) -> None:
    parts = templates.render(text, values)
    for part in parts:
        if part.kind is templates.PartKind.VALUE:
            assert part.text == values[part.place]
        elif part.kind is templates.PartKind.TEXT:
            assert part.text in text
    if not templates.faults(text):
        assert "{{" not in "".join(p.text for p in parts if p.kind is templates.PartKind.TEXT)


@given(some.dictionaries(some.sampled_from(templates.PLACES), some.just("{{agent.name}}<b>")))
def test_a_customers_name_is_no_template(values: dict[str, str]) -> None:
    for script in SCRIPTS.values():
        for step_ in script.steps["zh-CN"]:
            for part in templates.render(step_.text, values):
                if part.kind is templates.PartKind.VALUE:
                    assert part.text == "{{agent.name}}<b>"


@pytest.mark.parametrize(
    ("name", "honorific", "kind", "language", "expected"),
    [
        ("王建国", Honorific.MR, CustomerKind.PERSON, "zh-CN", "王先生"),
        ("欧阳娜娜", Honorific.MS, CustomerKind.PERSON, "zh-CN", "欧阳女士"),
        ("李敏", Honorific.NONE, CustomerKind.PERSON, "zh-CN", "李先生/女士"),
        ("上海某某贸易有限公司", Honorific.NONE, CustomerKind.COMPANY, "zh-CN", "上海某某贸易有限公司"),
        ("James Miller", Honorific.MR, CustomerKind.PERSON, "en", "Mr Miller"),
        ("James Miller", Honorific.NONE, CustomerKind.PERSON, "en", "James Miller"),
        ("王建国", Honorific.MR, CustomerKind.PERSON, "en", "Mr 王"),
        ("James Miller", Honorific.MS, CustomerKind.PERSON, "zh-CN", "Miller 女士"),
        ("  ", Honorific.MR, CustomerKind.PERSON, "zh-CN", None),
    ],
)
def test_customers_are_addressed_as_each_language_does(
    name: str, honorific: Honorific, kind: CustomerKind, language: str, expected: str | None
) -> None:
    assert address(name, honorific, kind, language) == expected


@pytest.mark.parametrize(
    ("situation", "name"),
    [
        (Situation(queue="service"), "reception"),
        (Situation(queue="complaints"), "complaint"),
        (Situation(queue="roadside"), "road_help"),
        (Situation(queue="sales", direction="outbound"), "return_visit"),
        (Situation(queue=None), "reception"),
    ],
)
def test_the_script_is_the_one_for_the_queue(situation: Situation, name: str) -> None:
    chosen = choose(SCRIPTS.values(), situation)
    assert chosen is not None
    assert chosen.name == name
    assert in_language(chosen, "en")[0] == "en"


def test_every_script_that_is_named_somewhere_is_shipped_and_its_places_are_known() -> None:
    named = {one.script for one in RULES.values() if one.script} | {*facts.SAID.values(), facts.INTAKE}
    named |= {"appointment_confirmation", "no_show"}
    assert named <= set(SCRIPTS)
    for script in SCRIPTS.values():
        assert drafts.faults(script.model_dump(mode="json")) == ()


def test_a_complaint_is_heard_before_anybody_apologises_and_no_fault_is_admitted_before_the_facts() -> None:
    """M-151: listen, apologise for the trouble, repeat, promise a time; the rest follows the responsibility."""
    said = [step.text for step in SCRIPTS["complaint_intake"].steps["zh-CN"]]
    order = [
        next(place for place, text in enumerate(said) if words in text)
        for words in ("不打断", "道个歉", "复述一遍", "之前由我给您回电话", "已查明是本公司的责任")
    ]
    assert order == sorted(set(order))
    assert "不承认是谁的责任" in said[order[1]]
    assert "{{case.promised" in said[order[3]]


@pytest.mark.parametrize(
    ("kind", "state", "name"),
    [
        (CaseKind.COMPLAINT, CaseState.REGISTERED, "complaint_intake"),
        (CaseKind.GRUMBLE, CaseState.REPLIED, "tell_plan"),
        (CaseKind.COMPLAINT, CaseState.SECOND_VISIT, "second_visit"),
        (CaseKind.COMPLAINT, CaseState.HANDLING, None),
        (CaseKind.PRAISE, CaseState.REGISTERED, None),
    ],
)
def test_a_case_has_its_script_where_the_customer_is_spoken_to(
    kind: CaseKind, state: CaseState, name: str | None
) -> None:
    assert facts.script_of(kind, state) == name


# -- knowledge -----------------------------------------------------------------------------------------


def test_two_characters_find_an_article_and_words_by_their_beginning() -> None:
    index = words("首次保养免费 Oil-change 5W-30 机油")
    assert {"保养", "首次", "oil-change", "5w-30", "机油"} <= index
    assert wanted("保养").whole == {"保养"}
    assert wanted("油").begins == {"油"}
    assert wanted("OIL").begins == {"oil"}
    assert not wanted("。。 !")
    found = weights("首保政策", ["保养"], "机油免费")
    assert (found["首保"], found["保养"], found["机油"]) == (4, 2, 1)


@given(some.text(alphabet="保养机油abc<>&*#|`-1. \n\"'", max_size=120))
def test_any_article_has_a_reading_that_keeps_its_letters(text: str) -> None:
    blocks = markdown.read(text)
    shown = "".join(s.text for b in blocks for row in b.rows for cell in row for s in cell)
    kept = [letter for letter in text if letter in "保养机油abc<&"]
    assert [letter for letter in shown if letter in "保养机油abc<&"] == kept
    assert len(excerpt(text, "保养")) <= 82


def test_the_subset_of_markdown() -> None:
    blocks = markdown.read(
        "# 题\n**重** 与 *轻* `<b>`\n\n- 一\n- 二\n\n1. 甲\n\n| 项 | 价 |\n|---|---|\n| 机油 | 300 |"
    )
    assert [block.kind.value for block in blocks] == ["heading", "paragraph", "bullets", "numbers", "table"]
    assert [span.kind.value for span in blocks[1].rows[0][0]] == [
        "strong",
        "plain",
        "stress",
        "plain",
        "code",
    ]
    assert len(blocks[4].rows) == 2


# -- wrap-up and sounds --------------------------------------------------------------------------------


def test_a_wrap_up_is_extended_up_to_the_houses_limit() -> None:
    rules = Rules(wrapup_seconds=30, extension_seconds=60, longest_extension_seconds=100)
    agent = Agent(
        id="a", name="a", state=AgentState.WRAP_UP, since=NOW, wrapup_until=NOW + timedelta(seconds=30)
    )
    once = step(agent, AgentEvent.EXTEND, NOW, rules)
    assert once.wrapup_until == NOW + timedelta(seconds=90)
    assert once.since == NOW
    twice = step(once, AgentEvent.EXTEND, NOW + timedelta(seconds=80), rules)
    assert twice.wrapup_until == NOW + timedelta(seconds=130)
    with pytest.raises(WrapupAtLimit):
        step(twice, AgentEvent.EXTEND, NOW + timedelta(seconds=100), rules)
    with pytest.raises(StepRefused):
        step(replace(agent, state=AgentState.READY), AgentEvent.EXTEND, NOW, rules)


@given(
    some.one_of(
        some.text(alphabet=string.printable, max_size=40),
        some.builds(
            "bytes={}-{}".format, some.integers(0, 300), some.one_of(some.just(""), some.integers(0, 300))
        ),
        some.builds("bytes=-{}".format, some.integers(0, 300)),
    ),
    some.integers(1, 200),
)
def test_s15_a_range_is_never_outside_of_the_file(header: str, size: int) -> None:
    try:
        found = read_range(header, size)
    except RangeNotThere:
        return
    if found is not None:
        first, length = found
        assert 0 <= first < size
        assert 1 <= length <= size - first


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=10-19", (10, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=0-1,5-6", None),
        ("bytes=5-2", None),
        ("lines=1-2", None),
        (None, None),
    ],
)
def test_s15_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    assert read_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0", "bytes=100-200"])
def test_s15_ranges_behind_the_end(header: str) -> None:
    with pytest.raises(RangeNotThere):
        read_range(header, 100)


def test_the_head_of_a_recording_cut_short_says_its_real_length() -> None:
    head = (
        b"RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00"
        + b"\x00" * 12
        + b"data\x00\x00\x00\x00"
    )
    assert len(head) == 44
    mended = wav_head(head, 1044)
    assert int.from_bytes(mended[40:44], "little") == 1000
    assert int.from_bytes(mended[4:8], "little") == 1036
    assert len(mended) == 44
    assert wav_head(b"ID3", 10) == b"ID3"
