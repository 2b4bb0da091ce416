"""The Asterisk Gateway Interface as bytes: the opening block, commands, results. No I/O.

A FastAGI connection has no authentication of its own, so the opening is checked like a stranger's letter:
its size, its shape, and a digest that only the dialplan can make (`digest_of`).

AgiError
├── OpeningRefused   not an opening, or too much of it
├── ResultRefused    not a result
└── CommandRefused   a value that must not go on the wire; nothing was sent

A caller who hung up is `ivr.ports.LineGone`, as for every kind of line.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from ivr.ports import LineGone

#: Bounds of an opening (Asterisk 22 sends about 24 lines and 900 bytes).
MOST_LINES: Final = 64
MOST_BYTES: Final = 4096
#: Longest command Asterisk reads is 2,048 bytes (res_agi, AGI_BUF_LEN); the rest is room for its quoting.
LONGEST_COMMAND: Final = 1900
#: Longest result looked at.
LONGEST_RESULT: Final = 4096
#: How long a signed opening is good for; clocks are the same machine's or close.
DIGEST_SECONDS: Final = 60

#: Every line of an opening that is as it should be.
_LINES = re.compile(r"^agi_([a-z0-9_]{1,32}): ?(.*)$", re.MULTILINE)
_ID = re.compile(r"[0-9A-Za-z.-]{1,150}")
_VARIABLE = re.compile(r"[A-Z_]{1,40}")
_VALUE = re.compile(r"[0-9A-Za-z-]{0,150}")
_FILE = re.compile(r"[0-9A-Za-z/._-]{1,255}")
_RESULT = re.compile(rb"(\d{3})[ -](?:result=(-?[0-9*#A-D]*))?(.*)", re.DOTALL)


class AgiError(Exception):
    """Base of what can go wrong on a FastAGI connection."""

    error_id = "agi-error"


class OpeningRefused(AgiError):
    """The peer's opening is not one of our dialplan's; the connection is closed, nothing was stored."""

    error_id = "agi-opening-refused"


class ResultRefused(AgiError):
    """The peer answered something that is no result; the connection is closed."""

    error_id = "agi-result-refused"


class CommandRefused(AgiError):
    """A value must not go on the wire; nothing was sent."""

    error_id = "agi-command-refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What the dialplan said of the call, checked for shape."""

    #: Which of our scripts the dialplan calls.
    script: str
    uniqueid: str
    linkedid: str
    channel: str
    #: As the trunk delivered it, at most 64 characters, nothing but printable ones; hidden is "".
    caller: str
    #: What the script is about: the called number, or the queue left.
    subject: str
    #: The key that led here, where one did.
    key: str
    epoch: int
    digest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What Asterisk says of a command: code 200, the value, and the rest of the line."""

    code: int
    value: str
    rest: str

    @property
    def timed_out(self) -> bool:
        return "(timeout)" in self.rest


#: The results of commands that went well, and single keys, as Asterisk writes them.
_PLAIN_RESULTS: Final[Mapping[bytes, Result]] = {
    f"200 result={value}".encode(): Result(code=200, value=value, rest="") for value in "0123456789"
}


def parse_opening(block: bytes) -> Opening:
    """The opening in a block without its final blank line. Raises OpeningRefused."""
    if len(block) > MOST_BYTES:
        raise OpeningRefused(f"the opening has more than {MOST_BYTES} bytes")
    text = block.decode("utf-8", "replace")
    count = text.count("\n") + 1
    if count > MOST_LINES:
        raise OpeningRefused(f"the opening has more than {MOST_LINES} lines")
    lines = _LINES.findall(text)
    if len(lines) != count:
        raise OpeningRefused("a line of the opening is not agi_NAME: VALUE")
    found = {name: value.removesuffix("\r") for name, value in lines}
    if len(found) != count:
        raise OpeningRefused("a name of the opening stands twice")
    return _opening_of(found)


def _opening_of(found: Mapping[str, str]) -> Opening:
    uniqueid = found.get("uniqueid", "")
    linkedid = found.get("arg_1", "")
    epoch = found.get("arg_2", "")
    if not _ID.fullmatch(uniqueid) or not _ID.fullmatch(linkedid):
        raise OpeningRefused("the ids of the call are missing or odd")
    if not (epoch.isascii() and epoch.isdecimal() and len(epoch) <= 12):
        raise OpeningRefused("the time of the call is missing or odd")
    return Opening(
        script=_printable(found.get("network_script", ""), 64),
        uniqueid=uniqueid,
        linkedid=linkedid,
        channel=_printable(found.get("channel", ""), 80),
        caller=_caller(found.get("callerid", "")),
        subject=_printable(found.get("arg_4", ""), 64),
        key=_printable(found.get("arg_5", ""), 16),
        epoch=int(epoch),
        digest=found.get("arg_3", ""),
    )


def _caller(text: str) -> str:
    """Asterisk writes `unknown` where there is no number."""
    return "" if text == "unknown" else _printable(text, 64)


def _printable(text: str, most: int) -> str:
    text = text[:most]
    return text if text.isprintable() else "".join(letter for letter in text if letter.isprintable())


@lru_cache(maxsize=4)
def _begun(secret: str) -> hashlib._Hash:
    return hashlib.sha1(f"{secret}-".encode())  # noqa: S324 - the dialplan has no better


def digest_of(secret: str, uniqueid: str, epoch: int) -> str:
    """SHA1(SECRET-UNIQUEID-EPOCH) in hex: what the dialplan's SHA1() can make (it has no HMAC)."""
    digest = _begun(secret).copy()
    digest.update(f"{uniqueid}-{epoch}".encode())
    return digest.hexdigest()


def check_digest(opening: Opening, secret: str, now: datetime) -> None:
    """Raise OpeningRefused unless the dialplan signed this opening within the last minute."""
    wanted = digest_of(secret, opening.uniqueid, opening.epoch)
    if not secret or not hmac.compare_digest(wanted.encode(), opening.digest.encode("utf-8", "replace")):
        raise OpeningRefused("the digest is not the dialplan's")
    if abs(now.timestamp() - opening.epoch) > DIGEST_SECONDS:
        raise OpeningRefused("the digest is out of date")


def expires_at(opening: Opening) -> datetime:
    """From when on the digest is refused for its age alone."""
    return datetime.fromtimestamp(opening.epoch, UTC) + timedelta(seconds=DIGEST_SECONDS)


def parse_result(line: bytes) -> Result:
    """The result in one line. Raises ResultRefused, and LineGone for HANGUP and 511."""
    if line in _PLAIN_RESULTS:  # nearly all of them
        return _PLAIN_RESULTS[line]
    text = line.rstrip(b"\r\n")
    if text == b"HANGUP":
        raise LineGone("the caller hung up")
    match = _RESULT.fullmatch(text)
    if match is None:
        raise ResultRefused("this is no result")
    code = int(match[1])
    if code == 511:
        raise LineGone("the channel is dead")
    value = (match[2] or b"").decode("ascii")
    rest = match[3].decode("utf-8", "replace").strip()
    if code == 200 and match[2] is None:
        raise ResultRefused("a result without result=")
    return Result(code=code, value=value, rest=rest)


# --- commands ---------------------------------------------------------------------------------------


def get_data(file: str, milliseconds: int, most: int) -> bytes:
    """Play one file (or none) and take up to `most` keys; # ends. One round trip.

    Raises CommandRefused for a file name that could be read as anything else. A list of files is a list of
    commands: GET DATA opens its argument as one name, and EXEC Read does not end when we do (both observed on
    22.10.1).
    """
    if not 1 <= most <= 64 or not 1 <= milliseconds <= 600_000:
        raise CommandRefused(f"{most} keys in {milliseconds} ms cannot be asked for")
    if file and not _FILE.fullmatch(file):
        raise CommandRefused(f"{file!r} cannot be a sound file")
    return _bounded(f"GET DATA {file or chr(34) * 2} {milliseconds} {most}\n")


def stream_file(file: str) -> bytes:
    """Play one file to its end, whatever keys are pressed. Raises CommandRefused as `get_data` does."""
    if not _FILE.fullmatch(file):
        raise CommandRefused(f"{file!r} cannot be a sound file")
    return _bounded(f'STREAM FILE {file} ""\n')


def set_variables(variables: Sequence[tuple[str, str]]) -> bytes:
    """Set channel variables in order, in one round trip; ids of [0-9A-Za-z-] only."""
    pairs = []
    for name, value in variables:
        if not _VARIABLE.fullmatch(name) or not _VALUE.fullmatch(value):
            raise CommandRefused(f"variable {name!r} cannot be {value!r}")
        pairs.append(f"{name}={value}")
    if len(pairs) == 1:
        return _bounded(f"SET VARIABLE {variables[0][0]} {variables[0][1] or chr(34) * 2}\n")
    return _bounded(f"EXEC MSet {','.join(pairs)}\n")


def arm(tenths: int) -> bytes:
    """Have the switch take the call away after so many tenths of a second (0 would be never)."""
    if not 1 <= tenths <= 864_000:
        raise CommandRefused(f"the dead man's switch cannot be set to {tenths / 10:g} s")
    return f"SET VARIABLE TIMEOUT(absolute) {tenths // 10}.{tenths % 10}\n".encode("ascii")


def get_expression(expression: str) -> bytes:
    """Read an expression over channel variables: one round trip for several of them."""
    if not re.fullmatch(r"[0-9A-Za-z_${}/-]{1,200}", expression):
        raise CommandRefused(f"{expression!r} cannot be read")
    return _bounded(f"GET FULL VARIABLE {expression}\n")


ANSWER: Final = b"ANSWER\n"


def _bounded(command: str) -> bytes:
    if len(command) > LONGEST_COMMAND:
        raise CommandRefused(f"a command of {len(command)} bytes is too long for the switch")
    return command.encode("ascii")
