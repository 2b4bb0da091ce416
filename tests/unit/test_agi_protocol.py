"""AGI as bytes: openings as a real Asterisk sends them, results, and what must never go on the wire."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.asterisk.protocol import (
    CommandRefused,
    OpeningRefused,
    Result,
    ResultRefused,
    arm,
    check_digest,
    digest_of,
    get_data,
    get_expression,
    parse_opening,
    parse_result,
    set_variables,
    stream_file,
)
from ivr.ports import LineGone

#: As Asterisk 22.10.1 sent it.
CAPTURED = b"""\
agi_network: yes
agi_network_script: ivr
agi_request: agi://127.0.0.1:26573/ivr
agi_channel: PJSIP/trunk-00000000
agi_language: en
agi_type: PJSIP
agi_uniqueid: t-1795302707.0
agi_version: 22.10.1+dfsg+~cs6.17.60671434-1
agi_callerid: 13812345678
agi_calleridname: unknown
agi_callingpres: 0
agi_callingani2: 0
agi_callington: 0
agi_callingtns: 0
agi_dnid: 4008001234
agi_rdnis: unknown
agi_context: in
agi_extension: 4008001234
agi_priority: 3
agi_enhanced: 0.0
agi_accountcode: 
agi_threadid: 139917373023936
agi_arg_1: t-1795302707.0
agi_arg_2: 1795302707
agi_arg_3: 68242db051b67bb12bd386b0d988f894b16b7d83
agi_arg_4: 4008001234"""  # noqa: W291
SIGNED_AT = datetime.fromtimestamp(1795302707, UTC)


def test_a_captured_opening_is_read() -> None:
    opening = parse_opening(CAPTURED)
    assert (opening.script, opening.uniqueid, opening.linkedid) == ("ivr", "t-1795302707.0", "t-1795302707.0")
    assert (opening.caller, opening.subject, opening.key) == ("13812345678", "4008001234", "")
    assert opening.digest == digest_of("s", opening.uniqueid, opening.epoch)


@pytest.mark.parametrize(
    ("raw", "caller"),
    [
        (b"unknown", ""),
        (b"", ""),
        (b"anonymous", "anonymous"),
        (b"+008613800001111", "+008613800001111"),
        (b"1" * 200, "1" * 64),
        (b"a\x00b\x1b[2Jc", "ab[2Jc"),
        ("王伟".encode(), "王伟"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_the_caller_is_taken_as_text_and_nothing_else(raw: bytes, caller: str) -> None:
    """R37, S01."""
    opening = parse_opening(CAPTURED.replace(b"agi_callerid: 13812345678", b"agi_callerid: " + raw))
    assert opening.caller == caller


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"GET / HTTP/1.1\nHost: x",
        CAPTURED + b"\nagi_uniqueid: again",
        CAPTURED.replace(b"agi_arg_2: 1795302707", b"agi_arg_2: now"),
        CAPTURED.replace(b"agi_arg_2: 1795302707", b"agi_arg_2: 99999999999999999999"),
        CAPTURED.replace(b"agi_uniqueid: t-1795302707.0", b"agi_uniqueid: a b"),
        CAPTURED.replace(b"agi_arg_1: t-1795302707.0\n", b""),
        CAPTURED + b"\n" + b"\n".join(b"agi_x%d: 1" % n for n in range(60)),
        CAPTURED + b"\nagi_long: " + b"x" * 4096,
    ],
)
def test_an_odd_opening_is_refused(block: bytes) -> None:
    """S04."""
    with pytest.raises(OpeningRefused):
        parse_opening(block)


@given(st.binary(max_size=5000))
def test_no_bytes_raise_anything_else(block: bytes) -> None:
    with contextlib.suppress(OpeningRefused):
        parse_opening(block)
    with contextlib.suppress(ResultRefused, LineGone):
        parse_result(block.replace(b"\n", b""))


def test_the_digest_is_the_dialplans_fresh_and_of_this_call() -> None:
    """S04: SHA1(SECRET-UNIQUEID-EPOCH), good for 60 s."""
    opening = parse_opening(CAPTURED)
    check_digest(opening, "s", SIGNED_AT)
    check_digest(opening, "s", SIGNED_AT + timedelta(seconds=60))
    for secret, now in (
        ("other", SIGNED_AT),
        ("", SIGNED_AT),
        ("s", SIGNED_AT + timedelta(seconds=61)),
        ("s", SIGNED_AT - timedelta(seconds=61)),
    ):
        with pytest.raises(OpeningRefused):
            check_digest(opening, secret, now)
    other = parse_opening(CAPTURED.replace(b"agi_uniqueid: t-1795302707.0", b"agi_uniqueid: t-1795302707.1"))
    with pytest.raises(OpeningRefused):
        check_digest(other, "s", SIGNED_AT)


def test_an_unsigned_house_lets_nobody_in() -> None:
    unsigned = CAPTURED.replace(
        b"68242db051b67bb12bd386b0d988f894b16b7d83", digest_of("", "t-1795302707.0", 1795302707).encode()
    )
    with pytest.raises(OpeningRefused):
        check_digest(parse_opening(unsigned), "", SIGNED_AT)


@pytest.mark.parametrize(
    ("line", "result"),
    [
        (b"200 result=0", Result(code=200, value="0", rest="")),
        (b"200 result=12", Result(code=200, value="12", rest="")),
        (b"200 result= (timeout)", Result(code=200, value="", rest="(timeout)")),
        (b"200 result=1 (timeout)", Result(code=200, value="1", rest="(timeout)")),
        (b"200 result=-1", Result(code=200, value="-1", rest="")),
        (b"200 result=*9\r", Result(code=200, value="*9", rest="")),
        (b"200 result=1 (CALL/zh-CN)", Result(code=200, value="1", rest="(CALL/zh-CN)")),
        (b"510 Invalid or unknown command", Result(code=510, value="", rest="Invalid or unknown command")),
    ],
)
def test_results_are_read(line: bytes, result: Result) -> None:
    assert parse_result(line) == result


def test_a_caller_who_hung_up_is_no_result() -> None:
    for line in (b"HANGUP", b"511 Command Not Permitted on a dead channel or intercept routine"):
        with pytest.raises(LineGone):
            parse_result(line)
    for line in (b"", b"hello", b"200", b"200 ok", b"20 result=1"):
        with pytest.raises(ResultRefused):
            parse_result(line)


def test_commands_are_what_asterisk_reads() -> None:
    assert get_data("/p/a", 5000, 1) == b"GET DATA /p/a 5000 1\n"
    assert get_data("", 5000, 4) == b'GET DATA "" 5000 4\n'
    assert stream_file("/p/a") == b'STREAM FILE /p/a ""\n'
    assert arm(91) == b"SET VARIABLE TIMEOUT(absolute) 9.1\n"
    assert (
        set_variables([("CL_LANG", "zh-CN"), ("IVR_DONE", "queue-service-0-300")])
        == b"EXEC MSet CL_LANG=zh-CN,IVR_DONE=queue-service-0-300\n"
    )
    assert get_expression("${CL_CALL}/${CL_LANG}") == b"GET FULL VARIABLE ${CL_CALL}/${CL_LANG}\n"


@pytest.mark.parametrize("tenths", [-1, 0, 864_001])
def test_the_dead_mans_switch_is_never_off(tenths: int) -> None:
    """No limit is what the switch takes 0 for."""
    with pytest.raises(CommandRefused):
        arm(tenths)


@pytest.mark.parametrize(
    "text",
    ["a b", "a\nEXEC System x", "a\r\nb", "a\0b", "a,b=c", "a&b", "${SHELL(id)}", '"', "a" * 2000, "王"],
)
def test_nothing_that_means_more_goes_on_the_wire(text: str) -> None:
    """S01: CR, LF, NUL, comma, ampersand, expressions, quotes, length."""
    with pytest.raises(CommandRefused):
        get_data(text, 1000, 1)
    with pytest.raises(CommandRefused):
        stream_file(text)
    with pytest.raises(CommandRefused):
        set_variables([("CL_LANG", text)])
    with pytest.raises(CommandRefused):
        set_variables([("CL_LANG", "en"), ("IVR_DONE", text)])
    with pytest.raises(CommandRefused):
        set_variables([(text, "en")])


def test_expressions_are_variables_only() -> None:
    for text in ("${SHELL(id)}", "a b", "${A}\n", "$[1+1]"):
        with pytest.raises(CommandRefused):
            get_expression(text)
