"""A flow file gives a flow, or every mistake with its line."""

from __future__ import annotations

import pytest

from ivr.flow import Group, Menu, OptOut, Queue, Sentence, Value
from ivr.loader import MOST_BYTES, FlowRefused, House, read_flow

HOUSE = House(
    queues=["service", "sales"],
    sentences={
        "zh-CN": {"welcome", "menu", "invalid_key", "no_key", "only_chinese"},
        "en": {"welcome", "menu", "invalid_key", "no_key"},
    },
)

GOOD = """\
flow: test
language: zh-CN
start: hello
way_out: person
anywhere: {"0": person}
nodes:
  hello:
    do: menu
    prompt: [welcome, {say: menu, in: other}, [menu, {position: queue_position}]]
    keys: {"1": person, "*": hello}
  person:
    do: queue
    queue: service
"""


def mistakes(text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(FlowRefused) as refused:
        read_flow(text if isinstance(text, bytes) else text.encode(), "x.yaml", HOUSE)
    return [(mistake.line, mistake.what) for mistake in refused.value.mistakes]


def test_a_good_file_becomes_a_flow() -> None:
    flow = read_flow(GOOD.encode(), "x.yaml", HOUSE)
    menu = flow.nodes["hello"]
    assert isinstance(menu, Menu)
    assert menu.otherwise == "person"
    assert menu.keys == {"1": "person", "*": "hello"}
    assert menu.prompt == (
        Sentence(key="welcome"),
        Sentence(key="menu", language="other"),
        Group(pieces=(Sentence(key="menu"), Value(kind="position", name="queue_position"))),
    )
    assert menu.invalid == (Sentence(key="invalid_key"),)
    assert flow.nodes["person"] == Queue(
        queue="service", priority=0, key_priority=10, max_wait=None, prompt=()
    )
    assert flow.languages == ("zh-CN", "en")


def test_all_mistakes_come_at_once_with_line_and_what_is_allowed() -> None:
    text = """\
flow: test
language: fr
start: hello
way_out: nobody
colour: red
nodes:
  hello:
    do: menu
    prompt: [welcome, only_chinese, unheard_of]
    keys: {"1": nowhere, "12": hello}
    tries: 99
  talk:
    do: sing
  line:
    do: queue
    queue: kitchen
    speed: 3
  ask:
    do: gather
    prompt: [[welcome, {colour: red}]]
    into: Plate
    digits: [6, 4]
"""
    found = mistakes(text)
    assert [line for line, _ in found] == sorted(line for line, _ in found)
    wanted = [
        (2, "language is 'fr'"),
        (4, "leads to 'nobody'"),
        (5, "unknown key 'colour'"),
        (9, "'only_chinese' does not exist in en"),
        (9, "'unheard_of' does not exist in zh-CN"),
        (10, "has the key '12'"),
        (10, "leads to 'nowhere'"),
        (11, "tries of node hello is '99'"),
        (13, "do of node talk is 'sing'"),
        (16, "queue of node line is 'kitchen'"),
        (17, "unknown key 'speed'"),
        (19, "has no next"),
        (20, "cannot read 'colour' aloud"),
        (21, "into of node ask is 'Plate'"),
        (22, "6 above 4"),
    ]
    for line, what in wanted:
        assert any(at == line and what in text for at, text in found), (line, what, found)


def test_a_mistake_reads_as_a_sentence_with_file_and_line() -> None:
    with pytest.raises(FlowRefused) as refused:
        read_flow(GOOD.replace("queue: service", "queue: kitchen").encode(), "x.yaml", HOUSE)
    assert str(refused.value) == "x.yaml:13: queue of node person is 'kitchen'. Allowed: sales, service."


def test_unreachable_nodes_are_named() -> None:
    text = GOOD + "  alone:\n    do: hangup\n"
    assert mistakes(text) == [(14, "nothing leads to node alone")]


def test_a_ring_without_the_caller_is_refused() -> None:
    text = (
        GOOD.replace('"1": person', '"1": a')
        + "  a:\n    do: say\n    prompt: welcome\n    next: b\n"
        + "  b:\n    do: language\n    language: other\n    next: a\n"
    )
    assert mistakes(text) == [(14, "a -> b -> a goes round while the caller presses nothing")]


def test_a_ring_of_silence_is_refused_too() -> None:
    text = GOOD.replace('"*": hello}', '"*": hello}\n    otherwise: hello')
    assert mistakes(text) == [(7, "hello -> hello goes round while the caller presses nothing")]


def test_a_value_nothing_fills_is_refused() -> None:
    text = GOOD.replace("queue_position", "moon_phase")
    assert mistakes(text) == [(9, "nothing is known as 'moon_phase'")]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"", "empty"),
        (b"flow: [", "not YAML"),
        (b"- a", "not a mapping"),
        (b"flow: \xff", "not UTF-8"),
        (b"a: &x 1\nb: *x\n", "repeats"),
        (b"#" * (MOST_BYTES + 1), "bytes"),
        (b"[" * 5000, "not YAML"),
        (b"flow: a\nflow: b\n", "twice"),
        (b"a: !!python/object:os.system {}\n", "unknown key"),
    ],
)
def test_what_is_no_flow_file_is_refused_not_raised(text: bytes, what: str) -> None:
    assert any(what in found for _, found in mistakes(text))


def test_this_is_the_queue_left() -> None:
    text = GOOD.replace("queue: service", "queue: this")
    assert mistakes(text) == [(13, "queue of node person is 'this'")]
    step = read_flow(text.encode(), "x.yaml", HOUSE, "sales").nodes["person"]
    assert isinstance(step, Queue)
    assert step.queue == "sales"


def test_two_keys_that_do_not_fit_are_refused() -> None:
    text = GOOD.replace('"1": person', '"1": who') + (
        "  who:\n    do: identify\n    by: plate\n    found: out\n    several: out\n    unknown: out\n"
        "  out:\n    do: opt_out\n    purpose: advertising\n    next: person\n    otherwise: person\n"
    )
    assert mistakes(text) == [(15, "node who: by plate and using do not fit")]
    fixed = text.replace("by: plate", "by: caller")
    assert isinstance(read_flow(fixed.encode(), "x.yaml", HOUSE).nodes["out"], OptOut)
