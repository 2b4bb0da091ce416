"""What the gate in front of Asterisk's WebSocket reads of a SIP message, and nothing more.

One message is one WebSocket text message (RFC 7118, 5). Only whose it is matters here: Asterisk judges the rest.
"""

from __future__ import annotations

import re
from typing import Final

#: Longest message that is let through, in characters. An INVITE with its description of media is about 4,000.
LONGEST: Final = 32_768
_REQUEST: Final = re.compile(r"([A-Z]{3,12}) (\S{1,1000}) SIP/2\.0")
_HEADER: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*)[ \t]*:[ \t]*(.*)")
_USER: Final = re.compile(r"^(?:[^<\"]*|\"(?:[^\"\\]|\\.)*\"[ \t]*)<sips?:([^@>;]+)@[^>]*>(.*)$")
_PLAIN: Final = re.compile(r"^sips?:([^@>;]+)@([^;]*)(.*)$")
_NAME: Final = re.compile(r"\busername[ \t]*=[ \t]*(?:\"([^\"]*)\"|([^\s,\"]+))", re.IGNORECASE)
_SHORT: Final = {"f": "from", "t": "to"}
_CREDENTIALS: Final = ("authorization", "proxy-authorization")


def is_of(message: str, endpoint: str) -> bool:
    """Whether a browser that holds `endpoint` may send this to the switch.

    Answers and keep-alives may pass; so may requests within a conversation, which the switch knows by their
    tags. A request that begins something must come from the endpoint itself, and credentials must be its own.
    What cannot be read as one plain SIP message is nobody's.
    """
    if message in ("\r\n\r\n", "\r\n"):
        return True
    if len(message) > LONGEST:
        return False
    head, separator, _body = message.partition("\r\n\r\n")
    if not separator:
        return False
    first, *lines = head.split("\r\n")
    if any("\r" in line or "\n" in line for line in (first, *lines)):  # the end of a line to another reader
        return False
    answer = first.startswith("SIP/2.0 ")
    if not answer and not _REQUEST.fullmatch(first):
        return False
    found: dict[str, list[str]] = {}
    for line in lines:
        header = _HEADER.fullmatch(line)
        if header is None:  # folded or broken: two readers might understand two things
            return False
        name = header[1].lower()
        found.setdefault(_SHORT.get(name, name), []).append(header[2])
    for name in _CREDENTIALS:
        for value in found.get(name, ()):
            named = _NAME.findall(value)
            if len(named) != 1 or (named[0][0] or named[0][1]) != endpoint:
                return False
    if answer:
        return True
    senders, receivers = found.get("from", []), found.get("to", [])
    if len(senders) != 1 or len(receivers) != 1:
        return False
    method = first.partition(" ")[0]
    _receiver, receiver_tail = _address(receivers[0])
    if method != "REGISTER" and re.search(r";[ \t]*tag[ \t]*=", receiver_tail, re.IGNORECASE):
        return True
    sender, _ = _address(senders[0])
    if method == "REGISTER" and _receiver != endpoint:
        return False
    return sender == endpoint


def _address(value: str) -> tuple[str, str]:
    """User and parameters of a From or To header; empty where it cannot be read."""
    bracketed = _USER.match(value)
    if bracketed:
        return bracketed[1], bracketed[2]
    plain = _PLAIN.match(value)
    return (plain[1], plain[3]) if plain else ("", "")
