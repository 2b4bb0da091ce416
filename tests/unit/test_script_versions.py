"""Scripts in work: who may take which step, what keeps a draft from being said, and what differs between versions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from access.permissions import Permission
from crm.scripts.differences import Change, compare, words_between
from crm.scripts.drafts import faults, read_draft
from crm.scripts.states import BadScript, ScriptStep, needs, next_state, writers_of
from crm.scripts.templates import PLACES
from crm.versions import WAY, VersionEvent, VersionState, VersionStep, allowed

NOW = datetime(2026, 6, 16, 2, tzinfo=UTC)


def body(*steps: tuple[str, str], **more: Any) -> dict[str, Any]:
    return {
        "name": "greeting",
        "label": {"zh-CN": "问候", "en": "Greeting"},
        "steps": {
            "zh-CN": [{"kind": "say", "text": zh} for zh, _en in steps],
            "en": [{"kind": "say", "text": en} for _zh, en in steps],
        },
        **more,
    }


def event(step: VersionStep, by: str) -> VersionEvent:
    return VersionEvent(at=NOW, step=step, by=by, by_name=by.title())


# -- states --------------------------------------------------------------------------------------------


def test_the_second_person_approves_sends_back_and_retires() -> None:
    second = {step for step in VersionStep if needs(step) is Permission.SCRIPTS_APPROVE}
    assert second == {VersionStep.APPROVE, VersionStep.SEND_BACK, VersionStep.RETIRE}


@pytest.mark.parametrize("by", ["chen", None])
def test_nobody_approves_what_he_wrote_or_without_a_name(by: str | None) -> None:
    with pytest.raises(ScriptStep, match="did not write it") as refused:
        next_state(VersionState.SUBMITTED, VersionStep.APPROVE, by=by, writers={"chen"}, why="")
    assert set(refused.value.allowed_steps) == {"take_back", "send_back"}
    state = next_state(VersionState.SUBMITTED, VersionStep.APPROVE, by="zhao", writers={"chen"}, why="")
    assert state is VersionState.APPROVED


def test_only_a_writer_takes_a_version_back() -> None:
    with pytest.raises(ScriptStep, match="send it back") as refused:
        next_state(VersionState.SUBMITTED, VersionStep.TAKE_BACK, by="zhao", writers={"chen"}, why="")
    assert set(refused.value.allowed_steps) == {"approve", "send_back"}
    back = next_state(VersionState.SUBMITTED, VersionStep.TAKE_BACK, by="chen", writers={"chen"}, why="")
    assert back is VersionState.DRAFT


@pytest.mark.parametrize(
    ("state", "step"),
    [
        (VersionState.DRAFT, VersionStep.SUBMIT),
        (VersionState.SUBMITTED, VersionStep.SEND_BACK),
        (VersionState.APPROVED, VersionStep.RETIRE),
    ],
)
def test_some_steps_need_words(state: VersionState, step: VersionStep) -> None:
    with pytest.raises(ScriptStep):
        next_state(state, step, by="zhao", writers=(), why="  ")
    assert next_state(state, step, by="zhao", writers=(), why="改了开场白") is WAY[step][1]


def test_who_comes_second_reads_who_was_first() -> None:
    with pytest.raises(ScriptStep, match=r"^Zhao was first: .* approved; now possible: retire\.") as refused:
        next_state(
            VersionState.APPROVED,
            VersionStep.APPROVE,
            by="qian",
            writers={"chen"},
            why="",
            last=event(VersionStep.APPROVE, "zhao"),
        )
    assert (refused.value.holder, refused.value.state, refused.value.allowed_steps) == (
        "Zhao",
        "approved",
        ("retire",),
    )


class Life(RuleBasedStateMachine):
    """Any sequence of steps by any people: nothing is read to customers that its writer approved himself."""

    def __init__(self) -> None:
        super().__init__()
        self.state = VersionState.DRAFT
        self.history = [event(VersionStep.WRITE, "chen")]

    @rule(
        step=some.sampled_from([one for one in VersionStep if one is not VersionStep.REPLACE]),
        by=some.sampled_from(["chen", "zhao", "qian"]),
        why=some.sampled_from(["", "x"]),
    )
    def take(self, step: VersionStep, by: str, why: str) -> None:
        before = self.state
        refused: ScriptStep | None = None
        try:
            self.state = next_state(
                before, step, by=by, writers=writers_of(self.history), why=why, last=self.history[-1]
            )
        except ScriptStep as error:
            refused = error
        if refused is None:
            assert step in allowed(before)
            self.history.append(event(step, by))
        else:
            assert refused.state == before.value
            assert set(refused.allowed_steps) <= {one.value for one in allowed(before)}

    @precondition(lambda self: self.state is VersionState.APPROVED)
    @invariant()
    def approved_by_somebody_else(self) -> None:
        last = self.history[-1]
        assert last.step is VersionStep.APPROVE
        assert last.by not in writers_of(self.history)
        assert VersionStep.SUBMIT in [one.step for one in self.history]


TestLife = Life.TestCase


# -- drafts --------------------------------------------------------------------------------------------


def test_a_name_nobody_knows_is_refused_with_those_there_are() -> None:
    (fault,) = faults(body(("您好{{customer.nmae}}", "Hello")))
    assert fault.place == "steps.zh-CN.0.text"
    assert str(fault).startswith("There is no 'customer.nmae' to fill in. There are: customer.name, ")
    assert str(PLACES[-1]) in str(fault)


def test_a_draft_may_be_unfinished_and_says_what_is_missing() -> None:
    unfinished = {
        "name": "x",
        "label": {"zh-CN": "新话术"},
        "steps": {"zh-CN": [{"kind": "greeting", "text": "您好"}, {"text": "{{"}]},
    }
    assert read_draft(unfinished).steps["zh-CN"][0].text == "您好"
    assert [(one.place, str(one).partition(" ")[0]) for one in faults(unfinished)] == [
        ("label.en", "Write"),
        ("steps.en.0.text", "Write"),
        ("steps.zh-CN.1.text", "At"),
        ("steps.en.1.text", "Write"),
    ]
    assert [one.place for one in faults({"name": "x"})] == ["label.zh-CN", "label.en", "steps"]
    assert faults(body(("您好{{customer.address|先生/女士}}", "Hello"))) == ()


@pytest.mark.parametrize(
    "change",
    [
        {"steps": {"fr": []}},
        {"steps": {"en": [{"text": "x" * 1001}]}},
        {"steps": {"en": [{"text": "x"}] * 41}},
        {"label": {"en": "x" * 81}},
        {"when": {"queues": ["x"] * 31}},
        {"code": "print()"},
        {"steps": "x"},
    ],
)
def test_what_has_another_shape_is_not_kept(change: dict[str, Any]) -> None:
    with pytest.raises(BadScript) as refused:
        read_draft({**body(("a", "a")), **change})
    assert refused.value.faults
    assert faults({**body(("a", "a")), **change})


# -- differences ---------------------------------------------------------------------------------------


def test_a_word_that_changed_is_shown_with_what_stood_there() -> None:
    pieces = words_between("请问您现在方便吗？", "请问您这会儿方便吗？")
    assert [(one.change.value, one.text) for one in pieces] == [
        ("same", "请问您"),
        ("removed", "现在"),
        ("added", "这会儿"),
        ("same", "方便吗？"),
    ]


def test_places_and_words_are_never_cut_in_two() -> None:
    pieces = words_between("Hello {{customer.name}}, thank you", "Hello {{customer.address}}, thank you all")
    texts = {(one.change.value, one.text) for one in pieces}
    assert ("removed", "{{customer.name}}") in texts
    assert ("added", "{{customer.address}}") in texts
    assert all(one.text.count("{{") == one.text.count("}}") for one in pieces)


def test_steps_are_found_again_where_they_moved_to() -> None:
    was = body(("您好", "Hello"), ("请问您满意吗？", "Are you satisfied?"), ("再见", "Goodbye"))
    now = body(
        ("您好", "Hello"),
        ("方便说话吗？", "Is this a good time?"),
        ("请问您对这次服务满意吗？", "Are you satisfied with this visit?"),
        when={"direction": "outbound"},
        label={"zh-CN": "问候", "en": "Opening"},
    )
    found = compare(was, now)
    assert [(one.change.value, one.was, one.now) for one in found.steps] == [
        ("same", 1, 1),
        ("added", None, 2),
        ("changed", 2, 3),
        ("removed", 3, None),
    ]
    assert found.when == {"direction": ((), ("outbound",))}
    assert set(found.label) == {"en"}
    assert compare(was, was).nothing
    assert not found.nothing


_lines = some.lists(
    some.tuples(some.text("您好吗ab {}", max_size=12), some.text("ab ", max_size=8)), max_size=6
)


@given(_lines, _lines)
def test_kept_and_removed_words_make_the_older_text_kept_and_added_the_newer(
    was: list[tuple[str, str]], now: list[tuple[str, str]]
) -> None:
    found = compare(body(*was), body(*now))
    old = [one for one in found.steps if one.was is not None]
    new = [one for one in found.steps if one.now is not None]
    assert [one.was for one in old] == list(range(1, len(was) + 1))
    assert [one.now for one in new] == list(range(1, len(now) + 1))

    def said(pieces: Any, *, without: Change) -> str:
        return "".join(one.text for one in pieces if one.change is not without)

    assert [
        (said(one.words["zh-CN"], without=Change.ADDED), said(one.words["en"], without=Change.ADDED))
        for one in old
    ] == was
    assert [
        (said(one.words["zh-CN"], without=Change.REMOVED), said(one.words["en"], without=Change.REMOVED))
        for one in new
    ] == now
