"""The manager interface as bytes: splitting, parsing without loss, and building with refusal; no I/O.

Grammar: a banner line, then messages of `Key: value` lines ended by CRLF, an empty line after each message.
Asterisk takes a bare LF for a line end too, so a value with one would be a forged header: everything that is
not printable ASCII is refused on the way out (observed on 22.10.1; limits from Asterisk's main/manager.c).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from asterisk.ami.action import Action

from telephony.asterisk import names
from telephony.ports import SwitchError

#: Longest line Asterisk reads, its end included.
MAX_LINE: Final = 1024
#: Most headers in one action, the action's own line included.
MAX_HEADERS: Final = 128
#: Longest ChannelId and OtherChannelId (AST_MAX_PUBLIC_UNIQUEID is 149 letters and the end mark).
MAX_CHANNEL_ID: Final = 149
#: Longest message we take in; Asterisk's own stay far below.
MAX_FRAME: Final = 512 * 1024
#: Bytes kept of a message that is longer, so that the action it answers can be named.
KEPT_HEAD: Final = 1024
MAX_BANNER: Final = 256

_END: Final = b"\r\n\r\n"
_ID = re.compile(r"[0-9A-Za-z-]{1,149}")
_VALUE_ID = re.compile(r"[0-9A-Za-z-]*")
#: A number that a campaign shows.
_SHOWN = re.compile(r"\+?[0-9]{2,20}")
_NAME = re.compile(r"[A-Za-z][0-9A-Za-z_-]{0,63}")
_VARIABLE = re.compile(
    r"_{0,2}[A-Za-z][0-9A-Za-z_]{0,63}(?:\([0-9A-Za-z_]{1,32}\)|\(PJSIP/[0-9A-Za-z-]{1,64}\))?"
)
_PRINTABLE = re.compile(r"[ -~]*")
#: Channel names, dial strings of one destination, contexts, extensions: no `&`, comma, `$`, quotes, brackets.
_PLACE = re.compile(r"[0-9A-Za-z/@_.+:;<>*#-]{1,256}")
_BANNER = re.compile(rb"Asterisk *Call *Manager/(?P<version>[0-9]+(?:\.[0-9]+)*)\s*\Z", re.IGNORECASE)

_IDS: Final = frozenset(
    {"actionid", "channelid", "otherchannelid", "account", "value", "membername", "reason"}
)
_PLACES: Final = frozenset(
    {
        "channel",
        "channel1",
        "channel2",
        "extrachannel",
        "context",
        "extracontext",
        "exten",
        "extraexten",
        "interface",
        "stateinterface",
        "queue",
    }
)


class Unsendable(SwitchError, ValueError):
    """A part of an action may not go out; nothing was sent. The name of the header is said, never its value.

    Whoever built the action must pass an id or a validated number instead of free text.
    """

    error_id = "switch-unsendable"


class NotAsterisk(SwitchError):
    """What answers on the port does not speak the manager protocol; nothing was sent to it."""

    error_id = "switch-not-asterisk"


class Headers(dict[str, str]):
    """The headers of one message: a dict of each key's first value, with every pair kept in `pairs`.

    The first value counts, so that a later line can never replace an earlier one.
    """

    __slots__ = ("_pairs",)

    def __init__(self, first: Mapping[str, str], pairs: tuple[tuple[str, str], ...] | None = None) -> None:
        super().__init__(first)
        self._pairs = pairs

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every header in the order it came, repeated keys included."""
        return tuple(self.items()) if self._pairs is None else self._pairs

    def all(self, key: str) -> tuple[str, ...]:
        """Every value of `key`, in order."""
        return tuple(value for name, value in self.pairs if name == key)


class Frames:
    """Splits a stream of bytes into the banner and messages, whatever the chunks.

    A message longer than `limit` bytes is cut down to its head and handed over through `oversized`; the
    stream goes on behind it. Work grows with the bytes fed, not with their square.
    """

    __slots__ = ("_banner", "_edge", "_limit", "_parts", "_size", "oversized")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._banner: bytes | None = None
        self._parts: list[bytes] = []
        self._edge = b""
        self._size = 0
        #: Heads of messages that were too long, oldest first; the reader takes them out.
        self.oversized: list[bytes] = []

    @property
    def banner(self) -> bytes | None:
        """The first line, without its end; None until it has come."""
        return self._banner

    @property
    def waiting(self) -> int:
        """Bytes held of a message whose end has not come."""
        return self._size

    def feed(self, data: bytes) -> Sequence[bytes]:
        """The messages completed by `data`, without their ends. Raises NotAsterisk without a banner."""
        if self._banner is None:
            rest = self._take_banner(data)
            if rest is None:
                return ()
            data = rest
        if self._parts:
            if _END not in self._edge + data:
                self._hold(data)
                return ()
            self._parts.append(data)
            data = b"".join(self._parts)
            self._parts.clear()
            skipped = self._size > self._limit + 3
        else:
            skipped = False
        frames = data.split(_END)
        rest = frames.pop()
        self._edge = b""
        self._size = 0
        if skipped:
            self.oversized.append(frames.pop(0)[:KEPT_HEAD])
        if rest:
            self._hold(rest)
        if len(data) > self._limit:
            return [frame for frame in frames if self._fits(frame)]
        return frames

    def _fits(self, frame: bytes) -> bool:
        if len(frame) <= self._limit:
            return True
        self.oversized.append(frame[:KEPT_HEAD])
        return False

    def _hold(self, data: bytes) -> None:
        self._size += len(data)
        self._edge = (self._edge + data[-3:])[-3:]
        self._parts.append(data)
        if self._size > self._limit + 3:
            # Only the head and the last bytes (the end may be split) are kept of a message that is too long;
            # the mark between them keeps the two from forming an end by chance.
            held = b"".join(self._parts)
            self._parts = [held[: min(KEPT_HEAD, self._limit)] + b"?", held[-3:]]

    def _take_banner(self, data: bytes) -> bytes | None:
        self._parts.append(data)
        head = b"".join(self._parts)
        line, found, rest = head.partition(b"\r\n")
        if len(line) > MAX_BANNER or (found and not _BANNER.match(line)):
            raise NotAsterisk(
                "The port does not answer with Asterisk's manager banner; nothing was sent. "
                "Check telephony.switch.ami_host and telephony.switch.ami_port."
            )
        if not found:
            self._parts = [head]
            return None
        self._parts.clear()
        self._banner = line
        return rest


def ami_version(banner: bytes) -> tuple[int, ...]:
    """The protocol version in a banner, e.g. (11, 0, 0). Raises NotAsterisk."""
    match = _BANNER.match(banner)
    if match is None:
        raise NotAsterisk("The banner names no version of the manager protocol.")
    return tuple(int(part) for part in match["version"].split(b"."))


def text_of(raw: bytes) -> str:
    """Decode without loss and without failing: UTF-8, foreign bytes as surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


def parse(raw: bytes) -> Headers:
    """One message's headers, lossless. Lines without a colon become keys with an empty value.

    Only CRLF ends a line: U+2028, U+0085, vertical tab and a bare LF stay inside their value.
    """
    lines = raw.decode("utf-8", "surrogateescape").split("\r\n")
    try:
        first = dict([line.split(": ", 1) for line in lines])
    except ValueError:  # a line without ": "
        return _parse_slowly(lines)
    if len(first) != len(lines):
        return _parse_slowly(lines)
    return Headers(first)


def _parse_slowly(lines: Iterable[str]) -> Headers:
    pairs = []
    for line in lines:
        if not line:
            continue
        key, spaced, value = line.partition(": ")
        if not spaced:
            key, _, value = line.partition(":")
        pairs.append((key, value))
    first: dict[str, str] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    return Headers(first, tuple(pairs))


def kind_of(raw: bytes) -> tuple[bytes, bytes]:
    """The first line's key (lower case) and value, cheaply: (b"event", b"Hangup")."""
    end = raw.find(b"\r\n")
    key, _, value = (raw if end < 0 else raw[:end]).partition(b":")
    return key.lower(), value.strip()


def header_of(raw: bytes, key: bytes) -> bytes | None:
    """The first value of `key` (exact case) in an undecoded message, or None; not for the first line."""
    start = raw.find(b"\r\n" + key + b": ")
    if start < 0:
        return None
    start += len(key) + 4
    end = raw.find(b"\r\n", start)
    return raw[start:] if end < 0 else raw[start:end]


def legible(text: str) -> str:
    """Text that can be stored: foreign bytes are read as GB 18030 where they are that, else marked."""
    if text.isascii():
        return text
    raw = text.encode("utf-8", "surrogateescape")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return raw.decode("gb18030")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace")


def moment(stamp: str) -> datetime | None:
    """The event's own time (`timestampevents=yes`: seconds, six decimals), aware UTC; None without one."""
    try:
        return datetime.fromtimestamp(float(stamp), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def build(action: Action) -> bytes:
    """The bytes of an action. Raises Unsendable for whatever Asterisk could read as something else.

    Rules: printable ASCII only; ids of [0-9A-Za-z-] in ActionID, ChannelId, Account, variables and the like;
    one destination in channels; no comma in a variable; lines up to 1024 bytes, up to 128 headers.
    """
    lines = [f"Action: {_name(action.name)}"]
    for key, value in action.keys.items():
        _name(key)
        values = value if isinstance(value, (list, tuple)) else (value,)
        lines.extend(f"{key}: {_value(key, _text(key, one))}" for one in values)
    for key, value in action.variables.items():
        lines.append(f"Variable: {_assignment(f'{key}={_text(key, value)}')}")
    if len(lines) > MAX_HEADERS:
        raise Unsendable(f"Action {action.name} has {len(lines)} headers, Asterisk takes {MAX_HEADERS}.")
    for line in lines:
        if len(line) + 2 > MAX_LINE:
            raise Unsendable(
                f"Header {line.partition(':')[0]} is too long: Asterisk takes lines of {MAX_LINE} bytes."
            )
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


def _name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Unsendable("A header's or an action's name may hold letters, digits, _ and - only.")
    return name


def _text(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Unsendable(f"Header {key} has a value that is neither text nor a number.")


def _value(key: str, value: str) -> str:
    if not _PRINTABLE.fullmatch(value):
        raise Unsendable(f"Header {key} holds a control character or foreign letters; it was not sent.")
    lower = key.lower()
    if lower in _IDS:
        if not (_ID if lower.endswith("id") else _VALUE_ID).fullmatch(value):
            raise Unsendable(f"Header {key} takes an id of [0-9A-Za-z-] only; it was not sent.")
    elif lower in _PLACES:
        if value and not _PLACE.fullmatch(value):
            raise Unsendable(f"Header {key} takes one channel, context or extension; it was not sent.")
    elif lower == "variable":
        return _assignment(value)
    return value


def _assignment(text: str) -> str:
    """`NAME=ID`, or a bare `NAME` (Getvar, Setvar)."""
    name, _, value = text.partition("=")
    if name == names.CALL_HEADER_VARIABLE and _ID.fullmatch(value):
        return text  # the one function an order may set: what a phone is told of its call
    if name == names.CALLER and _SHOWN.fullmatch(value):
        return text
    if "," in text or not _VARIABLE.fullmatch(name) or not _VALUE_ID.fullmatch(value):
        raise Unsendable("A variable takes a plain name and an id of [0-9A-Za-z-]; it was not sent.")
    return text


def lines_of(raw: bytes) -> Iterator[str]:
    """A message's lines as text, for logs and tests."""
    return iter(text_of(raw).split("\r\n"))
