"""The engine: whatever is typed and answered, every call ends in a route within its limits."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.menus import QUEUE_EXIT, SHIPPED_FLOWS, house
from config.settings import Settings
from ivr import engine
from ivr.engine import (
    AllowRecording,
    Finished,
    Input,
    InputRefused,
    Limits,
    Note,
    Opening,
    Say,
    Turn,
    Typed,
    WaitKeys,
    WaitReply,
)
from ivr.flow import Flow
from ivr.loader import House, load_flow, read_flow
from ivr.ports import (
    AskCallback,
    AskHours,
    AskQueue,
    AskServant,
    AskSurvey,
    Done,
    FindByNumber,
    FindByTail,
    Found,
    Known,
    NoAnswer,
    Question,
    QueueView,
    Registered,
    Reply,
    Servant,
    Surveyed,
    Working,
)
from ivr.routes import ToAgent, ToFallback, ToHangUp, ToQueue, ToVoicemail, route_word
from ivr.session import Session, SessionRefused, session_from_json, session_to_json
from telephony.facts import FactKind
from telephony.hours import OpenState

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SETTINGS = Settings()
HOUSE = house(SETTINGS)
FLOWS = {
    path.stem: load_flow(path, HOUSE, "sales" if path.stem == QUEUE_EXIT else None)
    for path in sorted(Path(SHIPPED_FLOWS).glob("*.yaml"))
}
LIMITS = Limits()


def reloaded(flow: Flow, turn: Turn) -> Session:
    """The session as it comes back from where it was stored."""
    session = session_from_json(session_to_json(turn.session), flow)
    assert session == turn.session
    return session


def small_flow(nodes: str, start: str = "a") -> Flow:
    text = f"flow: small\nlanguage: zh-CN\nstart: {start}\nway_out: person\nanywhere: {{'0': person}}\nnodes:\n{nodes}"
    text += "  person:\n    do: queue\n    queue: service\n    priority: 3\n    prompt: connecting\n"
    return read_flow(text.encode(), "small.yaml", HOUSE)


def begin(flow: Flow, caller: str | None = "+8613800001111", limits: Limits = LIMITS) -> Turn:
    return engine.start(flow, Opening(call_id="CALL", caller=caller), limits, NOW)


def go(flow: Flow, turn: Turn, given_input: Input, limits: Limits = LIMITS) -> Turn:
    return engine.resume(flow, reloaded(flow, turn), given_input, limits, NOW)


# --- whatever happens ---

typed = st.builds(Typed, keys=st.text(alphabet="0123456789*", max_size=20), hash=st.booleans())
known = st.builds(
    Known,
    customer_id=st.sampled_from(["A", "B", "C"]),
    key_customer=st.booleans(),
    language=st.sampled_from([None, "en", "zh-CN", "fr"]),
    plate=st.sampled_from([None, "沪A12345"]),
)
moments = st.datetimes(min_value=datetime(2026, 1, 1), max_value=datetime(2030, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def reply_to(question: Question) -> st.SearchStrategy[Reply]:
    """Any reply the question may get, no reply included."""
    some: st.SearchStrategy[Reply]
    match question:
        case FindByNumber() | FindByTail():
            some = st.builds(Found, customers=st.lists(known, max_size=3).map(tuple), blocked=st.booleans())
        case AskHours():
            some = st.builds(Working, desk=st.sampled_from(list(OpenState)), opens_at=st.none() | moments)
        case AskQueue():
            some = st.builds(
                QueueView,
                ready=st.integers(0, 3),
                signed_in=st.integers(0, 3),
                position=st.integers(1, 200),
                expected_wait=st.none() | st.floats(0, 7200),
                full=st.booleans(),
            )
        case AskServant():
            some = st.builds(
                Servant, endpoint=st.sampled_from([None, "phone1"]), how=st.sampled_from(["own", "last"])
            )
        case AskCallback():
            some = st.builds(Registered, promised_at=st.none() | moments, number=st.just("+8613800001111"))
        case AskSurvey():
            some = st.builds(
                Surveyed,
                state=st.sampled_from(["asked", "finished", "broken_off", "none"]),
                response_id=st.just("RESPONSE"),
                question=st.just("overall"),
                sound=st.just("survey_service_overall"),
                most=st.integers(1, 9),
                zero=st.booleans(),
                refused=st.booleans(),
                skipped=st.integers(0, 3),
            )
        case _:
            some = st.builds(Done, ok=st.booleans())
    return some | st.just(NoAnswer())


@settings(max_examples=300, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(FLOWS)), caller=st.sampled_from([None, "+8613800001111"]))
def test_every_call_ends_in_a_route_within_its_limits(
    data: st.DataObject, name: str, caller: str | None
) -> None:
    flow = FLOWS[name]
    limits = Limits(max_steps=40)
    turn = begin(flow, caller, limits)
    waits = 0
    allowed = False
    while not isinstance(turn.wait, Finished):
        allowed = allowed or AllowRecording() in turn.commands
        waits += 1
        # Each step waits at most once per try, and there are no more steps than allowed.
        assert waits <= limits.max_steps * limits.tries
        wait = turn.wait
        given_input = data.draw(typed if isinstance(wait, WaitKeys) else reply_to(wait.question))
        turn = go(flow, turn, given_input, limits)
    route = turn.wait.route
    if isinstance(route, ToFallback):
        assert route.why == "too_many_steps"
    else:
        assert route_word(route)
    if isinstance(route, (ToQueue, ToAgent)):
        assert route.queue in HOUSE.queues
    # No recording without a notice that was given and not refused (C08).
    assert turn.session.record <= (allowed or AllowRecording() in turn.commands)


@settings(max_examples=100, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(FLOWS)))
def test_a_silent_caller_is_routed_after_few_waits(data: st.DataObject, name: str) -> None:
    flow = FLOWS[name]
    turn = begin(flow)
    silences = 0
    while not isinstance(turn.wait, Finished):
        if isinstance(turn.wait, WaitKeys):
            silences += 1
            assert silences <= 12
            turn = go(flow, turn, Typed(keys=""))
        else:
            turn = go(flow, turn, data.draw(reply_to(turn.wait.question)))
    assert not isinstance(turn.wait.route, ToFallback)


@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_house_that_answers_nothing_still_routes(name: str) -> None:
    flow = FLOWS[name]
    turn = begin(flow)
    while not isinstance(turn.wait, Finished):
        turn = go(flow, turn, Typed(keys="") if isinstance(turn.wait, WaitKeys) else NoAnswer())
    if name == "rating":
        assert turn.wait.route == ToHangUp(), "the talk is over; nobody is sent anywhere"
    elif name.startswith("campaign_"):
        assert turn.wait.route == ToHangUp(), "whom we called and who presses nothing asked for nobody"
    else:
        assert isinstance(turn.wait.route, (ToQueue, ToVoicemail))


def test_a_caller_who_goes_round_for_ever_ends_in_the_fallback() -> None:
    flow = small_flow("  a:\n    do: menu\n    prompt: welcome\n    keys: {'*': a}\n")
    turn = begin(flow)
    for _ in range(LIMITS.max_steps - 1):
        assert isinstance(turn.wait, WaitKeys)
        turn = go(flow, turn, Typed(keys="*"))
    assert isinstance(go(flow, turn, Typed(keys="*")).wait, Finished)
    assert go(flow, turn, Typed(keys="*")).wait == Finished(route=ToFallback(why="too_many_steps"))


# --- one thing at a time ---


def test_an_input_that_does_not_answer_the_wait_is_refused() -> None:
    flow = small_flow("  a:\n    do: menu\n    prompt: welcome\n    keys: {'1': person}\n")
    turn = begin(flow)
    for wrong in (Done(ok=True), NoAnswer(), Found(customers=())):
        with pytest.raises(InputRefused):
            go(flow, turn, wrong)
    ended = go(flow, turn, Typed(keys="1"))
    with pytest.raises(InputRefused):
        go(flow, ended, Typed(keys="1"))


def test_a_session_of_another_version_is_refused() -> None:
    flow = small_flow("  a:\n    do: menu\n    prompt: welcome\n    keys: {'1': person}\n")
    other = small_flow("  a:\n    do: menu\n    prompt: goodbye\n    keys: {'1': person}\n")
    text = session_to_json(begin(flow).session)
    for wrong in (text[:-3], "[]", "{}", "null", text.replace('"node":"a"', '"node":"z"')):
        with pytest.raises(SessionRefused):
            session_from_json(wrong, flow)
    with pytest.raises(SessionRefused, match="not of small"):
        session_from_json(text, other)


def test_misses_are_counted_per_node_and_lead_out() -> None:
    flow = small_flow(
        "  a:\n    do: menu\n    prompt: welcome\n    keys: {'1': b}\n    tries: 2\n"
        "  b:\n    do: menu\n    prompt: welcome\n    keys: {'1': person}\n    tries: 2\n"
    )
    turn = go(flow, begin(flow), Typed(keys="7"))
    turn = go(flow, turn, Typed(keys="1"))
    assert turn.session.misses == 0
    turn = go(flow, turn, Typed(keys=""))
    assert isinstance(turn.wait, WaitKeys)
    assert isinstance(go(flow, turn, Typed(keys="7")).wait, Finished)


def test_digits_too_few_or_too_many_are_asked_for_again() -> None:
    flow = small_flow(
        "  a:\n    do: gather\n    prompt: ask_plate\n    into: tail\n    digits: [4, 6]\n    next: person\n"
    )
    for keys in ("123", "1234567", "12*4"):
        turn = go(flow, begin(flow), Typed(keys=keys))
        assert isinstance(turn.wait, WaitKeys)
        assert turn.session.misses == 1
    ended = go(flow, begin(flow), Typed(keys="12345"))
    assert ended.session.values["tail"] == "12345"
    # Zero alone is no plate: it is the way to a person.
    out = go(flow, begin(flow), Typed(keys="0", hash=True))
    assert isinstance(out.wait, Finished)
    assert "tail" not in out.session.values


def test_a_group_with_an_unknown_value_is_left_out_as_a_whole() -> None:
    flow = small_flow(
        "  a:\n    do: announce\n    queue: service\n    next: person\n"
        "    prompt: [all_busy, [your_position, {position: queue_position}], "
        "[estimated_wait, {minutes: wait_minutes}]]\n"
    )
    view = QueueView(ready=0, signed_in=2, position=3, expected_wait=None)
    turn = go(flow, begin(flow), view)
    said = [item.value for command in turn.commands if isinstance(command, Say) for item in command.items]
    assert said == ["all_busy", "your_position", 3, "connecting"]
    longer = QueueView(ready=0, signed_in=2, position=3, expected_wait=61.0)
    turn = go(flow, begin(flow), longer)
    said = [item.value for command in turn.commands if isinstance(command, Say) for item in command.items]
    assert said == ["all_busy", "your_position", 3, "estimated_wait", 2, "connecting"]


def test_several_customers_are_never_narrowed_to_the_first() -> None:
    """R37: no wrong customer."""
    flow = small_flow(
        "  a:\n    do: identify\n    by: caller\n    found: person\n    several: person\n    unknown: person\n"
    )
    two = Found(customers=(Known(customer_id="A", key_customer=True), Known(customer_id="B")))
    turn = go(flow, begin(flow), two)
    assert turn.session.customer is None
    assert turn.session.candidates == ("A", "B")
    notes = [command for command in turn.commands if isinstance(command, Note)]
    assert notes[0].kind is FactKind.IDENTIFIED
    assert notes[0].data == {"customer_id": None, "how": "", "explained": "several_customers"}


def test_key_customers_go_first() -> None:
    flow = small_flow(
        "  a:\n    do: identify\n    by: caller\n    found: person\n    several: person\n    unknown: person\n"
    )
    for key, priority in ((True, 10), (False, 3)):
        turn = go(flow, begin(flow), Found(customers=(Known(customer_id="A", key_customer=key),)))
        assert turn.wait == Finished(route=ToQueue(queue="service", priority=priority, max_wait=300))


def test_the_call_back_is_offered_only_for_a_long_wait() -> None:
    flow = small_flow(
        "  a:\n    do: offer_callback\n    queue: service\n    after_seconds: 60\n    prompt: offer_callback\n"
        "    accept: '1'\n    accepted: b\n    declined: person\n"
        "  b:\n    do: callback\n    queue: service\n    next: bye\n    otherwise: person\n"
        "  bye:\n    do: hangup\n"
    )

    def offered(**view: object) -> bool:
        full = {"ready": 0, "signed_in": 2, "position": 1, "expected_wait": None, **view}
        return isinstance(go(flow, begin(flow), QueueView(**full)).wait, WaitKeys)  # type: ignore[arg-type]

    assert not offered(ready=1, expected_wait=500.0)
    assert not offered(expected_wait=60.0)
    assert not offered()
    assert offered(expected_wait=61.0)
    assert offered(signed_in=0)
    turn = go(flow, begin(flow), QueueView(ready=0, signed_in=1, position=9, expected_wait=300.0))
    accepted = go(flow, turn, Typed(keys="1"))
    assert accepted.wait == WaitReply(
        question=AskCallback(call_id="CALL", number="+8613800001111", queue="service", customer_id=None)
    )
    refused = go(flow, accepted, Registered(promised_at=None))
    assert isinstance(refused.wait, Finished)
    assert isinstance(refused.wait.route, ToQueue)


@pytest.mark.parametrize("name", ["a b", "a-b", "", "x" * 81, "${SHELL(id)}", "a\nb", "a,b"])
def test_no_name_that_could_mean_something_else_reaches_a_route(name: str) -> None:
    """S01."""
    with pytest.raises(ValueError, match="cannot stand in a route"):
        route_word(ToQueue(queue=name, priority=0, max_wait=1))
    with pytest.raises(ValueError, match="cannot stand in a route"):
        route_word(ToAgent(endpoint=name, seconds=1, queue="a", priority=0))


def test_the_house_is_only_asked_for_languages_it_has() -> None:
    one = House(queues=HOUSE.queues, sentences={"zh-CN": HOUSE.sentences["zh-CN"]})
    flow = read_flow(
        b"flow: one\nlanguage: zh-CN\nstart: a\nway_out: p\nnodes:\n"
        b"  a:\n    do: identify\n    by: caller\n    found: p\n    several: p\n    unknown: p\n"
        b"  p:\n    do: queue\n    queue: service\n",
        "one.yaml",
        one,
    )
    turn = go(flow, begin(flow), Found(customers=(Known(customer_id="A", language="en"),)))
    assert turn.session.language == "zh-CN"
