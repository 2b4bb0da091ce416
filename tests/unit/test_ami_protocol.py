"""The manager protocol as bytes: any chunking, no loss, and nothing forged leaves (R12, S01)."""

from __future__ import annotations

import itertools

import pytest
from asterisk.ami.action import Action, SimpleAction
from asterisk.ami.event import Event
from doubles_ami import SCENES, capture
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.asterisk.ami import AmiEvent
from telephony.asterisk.protocol import (
    MAX_CHANNEL_ID,
    MAX_HEADERS,
    MAX_LINE,
    Frames,
    NotAsterisk,
    Unsendable,
    ami_version,
    build,
    header_of,
    kind_of,
    legible,
    moment,
    parse,
)

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = BANNER + capture("actions").removeprefix(BANNER) + capture("answered")
WHOLE = STREAM.removeprefix(BANNER).removesuffix(b"\r\n\r\n").split(b"\r\n\r\n")


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_chunking_gives_the_same_messages(cuts: list[int]) -> None:
    """R12: where the network splits the stream changes nothing."""
    frames = Frames()
    found: list[bytes] = []
    places = [0, *sorted(set(cuts)), len(STREAM)]
    for start, end in itertools.pairwise(places):
        found.extend(frames.feed(STREAM[start:end]))
    assert found == WHOLE
    assert frames.banner == BANNER.strip()
    assert frames.waiting == 0


def test_one_byte_at_a_time() -> None:
    frames = Frames()
    short = STREAM[:6000]
    found = [frame for place in range(len(short)) for frame in frames.feed(short[place : place + 1])]
    assert found == short.removeprefix(BANNER).split(b"\r\n\r\n")[:-1]


@given(
    st.lists(st.binary(max_size=60).filter(lambda raw: b"\r" not in raw and b"\n" not in raw), max_size=30),
    st.integers(20, 60),
    st.lists(st.integers(1, 4000), max_size=30),
)
@settings(deadline=None)
def test_too_long_messages_are_skipped_and_the_rest_survives(
    bodies: list[bytes], limit: int, cuts: list[int]
) -> None:
    """R12: a message over the limit is named by its head; those around it come through, in any chunks."""
    bodies = [body for body in bodies if body]
    stream = BANNER + b"".join(body + b"\r\n\r\n" for body in bodies)
    frames = Frames(limit)
    found: list[bytes] = []
    places = [0, *sorted({cut for cut in cuts if cut < len(stream)}), len(stream)]
    for start, end in itertools.pairwise(places):
        found.extend(frames.feed(stream[start:end]))
    assert found == [body for body in bodies if len(body) <= limit]
    assert len(frames.oversized) == sum(len(body) > limit for body in bodies)


def test_a_megabyte_line_keeps_little_memory() -> None:
    """R12: 1 MB without an end is not kept, and its ActionID can still be read."""
    frames = Frames(64 * 1024)
    frames.feed(BANNER)
    frames.feed(b"Response: Success\r\nActionID: 7-7\r\nOutput: ")
    for _ in range(64):
        assert frames.feed(b"x" * 16384) == ()
    assert sum(map(len, frames._parts)) < 128 * 1024
    assert frames.feed(b"\r\n\r\nEvent: Hangup\r\n\r\n") == [b"Event: Hangup"]
    assert header_of(frames.oversized[0], b"ActionID") == b"7-7"


@pytest.mark.parametrize("bytes_first", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 400 Bad\r\n\r\n", b"x" * 300])
def test_another_program_on_the_port_is_told_apart(bytes_first: bytes) -> None:
    with pytest.raises(NotAsterisk, match=r"ami_port"):
        Frames().feed(bytes_first)


def test_the_version_stands_in_the_banner() -> None:
    assert ami_version(b"Asterisk Call Manager/11.0.0") == (11, 0, 0)


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1, max_size=30)


@given(
    st.lists(
        st.tuples(st.from_regex(r"[A-Za-z][A-Za-z0-9()/_.-]{0,20}", fullmatch=True), LINE),
        min_size=1,
        max_size=20,
    )
)
def test_parsing_loses_nothing(pairs: list[tuple[str, str]]) -> None:
    """Repeated keys, odd separators of other systems (U+2028, U+0085) and empty values stay as they are."""
    raw = "\r\n".join(f"{key}: {value}" for key, value in pairs).encode()
    headers = parse(raw)
    assert list(headers.pairs) == pairs
    for key, value in reversed(pairs):
        assert value in headers.all(key)
    assert headers[pairs[0][0]] == pairs[0][1]


@given(st.binary(max_size=200))
def test_no_bytes_whatever_break_the_parser(raw: bytes) -> None:
    headers = parse(raw)
    assert all(isinstance(value, str) for value in headers.values())
    kind_of(raw)


@pytest.mark.parametrize("scene", SCENES)
def test_captures_read_as_asterisk_ami_reads_them(scene: str) -> None:
    """On real traffic without repeated keys the package's own reading is equal to ours."""
    for raw in capture(scene).removesuffix(b"\r\n\r\n").split(b"\r\n\r\n"):
        if not raw.startswith(b"Event: "):
            continue
        ours, theirs = AmiEvent(raw), Event.read(raw.decode())
        assert ours.name == theirs.name
        assert dict(ours.keys) == theirs.keys
        assert all(ours.get(key) == value for key, value in theirs.keys.items())


def test_repeated_keys_and_odd_lines() -> None:
    headers = parse(
        b"Response: Success\r\nOutput:   two  \r\nOutput: \r\nEmpty:\r\nTight:x\r\nOutput: a: b\r\nnothing"
    )
    assert headers.all("Output") == ("  two  ", "", "a: b")
    assert (headers["Empty"], headers["Tight"], headers["nothing"]) == ("", "x", "")


def test_foreign_bytes_survive_and_can_be_made_legible() -> None:
    """R12: GBK and broken UTF-8 neither kill the reader nor reach the database as they are."""
    gbk = parse(b"Event: Newchannel\r\nCallerIDName: " + "王伟".encode("gb18030"))["CallerIDName"]
    assert legible(gbk) == "王伟"
    broken = parse(b"Event: X\r\nCallerIDName: \xff\xff\xff")["CallerIDName"]
    legible(broken).encode("utf-8")
    assert legible("王伟") == "王伟"


def test_moments() -> None:
    told = moment("1795302122.738365")
    assert told is not None
    assert told.isoformat() == "2026-11-21T23:02:02.738365+00:00"
    assert moment("") is None
    assert moment("nan") is None
    assert moment("1e99") is None


# -- what leaves ---------------------------------------------------------------------------------------------

IDS = st.text("0123456789abcXYZ-", min_size=1, max_size=30)
PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
NAMES = st.from_regex(r"X[A-Za-z]{0,15}", fullmatch=True)


@given(st.dictionaries(NAMES, PRINTABLE, max_size=8), st.dictionaries(NAMES, IDS, max_size=8), IDS)
def test_what_is_built_reads_back(keys: dict[str, str], variables: dict[str, str], action_id: str) -> None:
    action = Action("Originate", {**keys, "ActionID": action_id}, variables)
    raw = build(action)
    assert raw.endswith(b"\r\n\r\n")
    headers = parse(raw.removesuffix(b"\r\n\r\n"))
    assert list(headers.pairs) == [
        ("Action", "Originate"), *keys.items(), ("ActionID", action_id),
        *(("Variable", f"{name}={value}") for name, value in variables.items()),
    ]  # fmt: skip


KEYS = st.sampled_from(
    [
        "CallerID",
        "Data",
        "Channel",
        "Exten",
        "Account",
        "ActionID",
        "ChannelId",
        "Variable",
        "Reason",
        "Interface",
        "X",
    ]
)


@given(KEYS, st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
@settings(max_examples=400)
def test_injection_never_passes(key: str, value: str, name: str, variable: str) -> None:
    """S01: whatever text is given, it is refused, or it is exactly one line of printable ASCII."""
    action = Action("Originate", {key: value, "Priority": 1}, {name: variable})
    try:
        raw = build(action)
    except Unsendable:
        return
    assert raw.count(b"\r\n") == 5
    assert raw.count(b"\n") == raw.count(b"\r") == 5
    assert all(32 <= byte < 127 or byte in b"\r\n" for byte in raw)
    assert [line.partition(b": ")[0] for line in raw.split(b"\r\n")[:4]] == [
        b"Action",
        key.encode(),
        b"Priority",
        b"Variable",
    ]
    assert b"," not in raw.split(b"\r\n")[3]


@pytest.mark.parametrize(
    "evil", ["\r", "\n", "\r\n", "\n\n", "\0", "\x0b", "\x85", "\u2028", "王伟", "é", "\x7f", "\udcff"]
)
@pytest.mark.parametrize("key", ["CallerID", "ActionID", "Data", "Exten", "Variable"])
def test_control_and_foreign_letters_are_refused(key: str, evil: str) -> None:
    """S01: the value is not said in the error, since errors are logged."""
    with pytest.raises(Unsendable) as refused:
        build(SimpleAction("Originate", **{key: f"13800138000{evil}Application: System"}))
    assert "13800138000" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ActionID", "a b"),
        ("ActionID", ""),
        ("ChannelId", "x" * (MAX_CHANNEL_ID + 1)),
        ("ChannelId", "a.b"),
        ("OtherChannelId", "a;2"),
        ("Account", "Wang, Foo Inc"),
        ("Value", "${SHELL(id)}"),
        ("Variable", "NAME=Wang, Foo Inc,FOO=evil"),
        ("Variable", "NAME=a,FOO"),
        ("Variable", "NAME=${SHELL(id)}"),
        ("Variable", "SHELL(touch /tmp/x)=1"),
        ("Channel", "PJSIP/a&PJSIP/b"),
        ("Channel", "Local/${EXTEN}@x"),
        ("Channel", "PJSIP/a,30,S(1)"),
        ("Exten", 'x"y'),
        ("Context", "a b"),
        ("Interface", "PJSIP/a|b"),
        ("X", "a" * 1021),
        ("X", None),
        ("X", {"a": 1}),
    ],
)
def test_refused_values(key: str, value: object) -> None:
    """S01: ids, one destination, no comma, no expression, no 5 kB."""
    with pytest.raises(Unsendable):
        build(SimpleAction("Setvar", **{key: value}))


@pytest.mark.parametrize("name", ["", "a b", "X\r\nAction", "X:", "1", "é", "a" * 70])
def test_refused_names(name: str) -> None:
    with pytest.raises(Unsendable):
        build(Action(name))
    with pytest.raises(Unsendable):
        build(Action("Ping", {name: "1"}))
    with pytest.raises(Unsendable):
        build(Action("Ping", {}, {f"{name},": "1"}))


def test_limits_are_asterisks_own() -> None:
    fits = "a" * (MAX_LINE - 2 - len("X: "))
    assert max(map(len, build(SimpleAction("Ping", X=fits)).split(b"\r\n"))) + 2 == MAX_LINE
    with pytest.raises(Unsendable, match="1024"):
        build(SimpleAction("Ping", X=fits + "a"))
    build(SimpleAction("Ping", X=["1"] * (MAX_HEADERS - 1)))
    with pytest.raises(Unsendable, match="128"):
        build(SimpleAction("Ping", X=["1"] * MAX_HEADERS))


def test_good_actions_pass() -> None:
    raw = build(
        Action(
            "Originate",
            {
                "Channel": "Local/13600136000@careline-outbound",
                "Context": "careline-agents",
                "Exten": "s",
                "Priority": 1,
                "Async": True,
                "ChannelId": "01JD-2",
                "CallerID": "<4008001234>",
                "Variable": "TIMEOUT(absolute)=0",
            },
            {"__CL_CALL": "01JD", "CL_LANG": "zh-CN"},
        )
    )
    assert b"Async: true\r\n" in raw
    assert b"Variable: __CL_CALL=01JD\r\n" in raw


def test_the_state_of_one_endpoint_can_be_asked() -> None:
    """`careline check` asks whether the trunk answers; several endpoints or another technology pass no more."""
    asked = build(SimpleAction("Getvar", Variable="DEVICE_STATE(PJSIP/careline-trunk)"))
    assert b"Variable: DEVICE_STATE(PJSIP/careline-trunk)\r\n" in asked
    for evil in (
        "DEVICE_STATE(PJSIP/a&PJSIP/b)",
        "DEVICE_STATE(Local/a)",
        "FILE(PJSIP/../etc)",
        "SHELL(PJSIP/a b)",
    ):
        with pytest.raises(Unsendable):
            build(SimpleAction("Getvar", Variable=evil))


def test_one_function_may_be_set_and_no_other() -> None:
    """The header that tells a phone its call takes an id; nothing like it passes."""
    action = SimpleAction("Originate", Channel="PJSIP/p1")
    action.variables = {"PJSIP_HEADER(add,X-Careline-Call)": "01M81"}
    assert b"Variable: PJSIP_HEADER(add,X-Careline-Call)=01M81\r\n" in build(action)
    for name, value in (
        ("PJSIP_HEADER(add,X-Careline-Call)", "01M81,SHELL(x)=1"),
        ("PJSIP_HEADER(add,X-Careline-Call)", ""),
        ("PJSIP_HEADER(add,Replaces)", "01M81"),
        ("SHELL(add,X-Careline-Call)", "01M81"),
    ):
        action.variables = {name: value}
        with pytest.raises(Unsendable):
            build(action)
