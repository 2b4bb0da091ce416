"""Whose SIP message may pass the gate: only a page's own (RFC 7118, RFC 3261 7.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.sip import LONGEST, is_of

ME = "pabc123"
OTHER = "pother9"


def message(
    first: str = "REGISTER sip:desk SIP/2.0",
    sender: str = f"<sip:{ME}@desk>;tag=1",
    receiver: str = f"<sip:{ME}@desk>",
    *more: str,
) -> str:
    head = [first, f"From: {sender}", f"To: {receiver}", "Call-ID: 1", "CSeq: 1 X", *more]
    return "\r\n".join([*head, "", ""])


@pytest.mark.parametrize(
    "text",
    [
        "\r\n\r\n",
        message(),
        message(sender=f'"Li; <x>" <sip:{ME}@desk>;tag=1'),
        message("INVITE sip:13800138000@desk SIP/2.0", f"sip:{ME}@desk;tag=1", "<sip:13800138000@desk>"),
        # Within a conversation the switch knows whose it is.
        message("BYE sip:x SIP/2.0", "<sip:r4nd@x>;tag=1", "<sip:139@vm>;tag=2"),
        message("SIP/2.0 200 OK", "<sip:139@vm>;tag=2", "<sip:r4nd@x>;tag=1"),
        message(
            "REGISTER sip:desk SIP/2.0",
            f"<sip:{ME}@d>",
            f"<sip:{ME}@d>",
            f'Authorization: Digest username="{ME}", realm="x"',
        ),
    ],
)
def test_ones_own_passes(text: str) -> None:
    assert is_of(text, ME)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        message(sender=f"<sip:{OTHER}@desk>"),
        message(receiver=f"<sip:{OTHER}@desk>"),
        message("INVITE sip:1@desk SIP/2.0", f"<sip:{OTHER}@desk>", "<sip:1@desk>"),
        # A tag does not make a registration somebody else's business.
        message(sender=f"<sip:{OTHER}@desk>", receiver=f"<sip:{OTHER}@desk>;tag=2"),
        message(sender=f'"<sip:{ME}@desk>" <sip:{OTHER}@desk>'),
        message(
            "REGISTER sip:d SIP/2.0",
            f"<sip:{ME}@d>",
            f"<sip:{ME}@d>",
            f'Authorization: Digest username="{OTHER}"',
        ),
        message(
            "REGISTER sip:d SIP/2.0",
            f"<sip:{ME}@d>",
            f"<sip:{ME}@d>",
            f'Authorization: Digest username="{ME}", username="{OTHER}"',
        ),
        # Two readers might understand two things.
        message("REGISTER sip:d SIP/2.0", f"<sip:{ME}@d>", f"<sip:{ME}@d>", f"f: <sip:{OTHER}@d>"),
        message("REGISTER sip:d SIP/2.0", f"<sip:{ME}@d>\r\n ,<sip:{OTHER}@d>"),
        message().replace("\r\n", "\n"),
        message("REGISTER sip:d SIP/2.0", f"<sip:{ME}@d>", f"<sip:{ME}@d>", f"X: 1\rf: <sip:{OTHER}@d>"),
        message("REGISTER sip:d SIP/2.0", f"<sip:{ME}@d>", f"<sip:{ME}@d>", f"X: 1\nf: <sip:{OTHER}@d>"),
        message("REGISTER sip:d\rX SIP/2.0"),
        message() + "x" * LONGEST,
    ],
)
def test_anything_else_does_not(text: str) -> None:
    assert not is_of(text, ME)


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=300), st.sampled_from([ME, OTHER]))
def test_nothing_makes_it_fail(text: str, endpoint: str) -> None:
    is_of(text, endpoint)
    is_of(message(sender=text), endpoint)
    assert not is_of(message(sender=f"<sip:{OTHER}@{text}>"), ME)


@given(
    st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=60),
    st.sampled_from(["\r", "\n", "\n\r", "\r\r"]),
    st.text(alphabet=st.characters(max_codepoint=0x2FF), min_size=1, max_size=60),
)
def test_only_both_together_end_a_line(before: str, end: str, after: str) -> None:
    """A lone one is the end of a header to some readers and not to others; in a body it may be anything."""
    words = before.replace("\r", "").replace("\n", "") + end + after.replace("\r", "").replace("\n", "") + "."
    assert not is_of(message("REGISTER sip:d SIP/2.0", f"<sip:{ME}@d>", f"<sip:{ME}@d>", f"X: {words}"), ME)
