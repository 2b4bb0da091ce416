"""Rules for logins and passwords, and the limit on wrong tries."""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections import OrderedDict, deque
from datetime import datetime, timedelta
from typing import Final

from access.sentences import Sentence
from access.users import LoginMalformed, PasswordWeak, TooManyTries

SHORTEST_PASSWORD: Final = 10
#: Bytes; longer input only costs hashing time (ASVS 6.2.9 asks for at least 64 characters).
LONGEST_PASSWORD: Final = 256
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
#: No letters that are mistaken for each other when a password is read out.
_LETTERS: Final = "abcdefghjkmnpqrstuvwxyz23456789"

#: Words that lists of leaked passwords begin with, Chinese ones included; figures around them change nothing.
_WORDS: Final = """
    password passwort passw0rd administrator admin root user guest test welcome letmein login master monkey dragon
    football baseball sunshine princess iloveyou trustno abc qwerty qwertyuiop asdfghjkl zxcvbnm qazwsx qazwsxedc
    superman batman shadow michael jennifer computer internet changeme default secret summer winter spring autumn
    woaini woaiwojia wodemima mima woshishui nihao nihaoma zhangwei wangwei xiaoming zhongguo beijing shanghai
    aini iloveu forever taobao alipay weixin careline hotline service kefu dianhua huawei xiaomi toyota volkswagen
    careline123 hello helloworld company office support manager supervisor agent
"""
_COMMON: Final = frozenset(_WORDS.split())
_LOOKALIKES: Final = str.maketrans("01345$@7!|8", "oleassatiib")
_ROWS: Final = (
    "01234567890",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qazwsxedcrfvtgb",
    "1q2w3e4r5t6y7u8i9o0p",
)
_RUNS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))

_WINDOW: Final = timedelta(minutes=15)
_KEYS_KEPT: Final = 10_000
#: One address may belong to a whole office, and one login may be attacked from many addresses.
_PER_ADDRESS: Final = 5
_PER_LOGIN: Final = 10


def clean_login(text: str) -> str:
    """The stored form of a login. Raises LoginMalformed."""
    login = unicodedata.normalize("NFKC", text).strip().lower()
    if not _LOGIN.fullmatch(login):
        raise LoginMalformed(
            "A login has 1 to 32 of the characters a-z, 0-9, dot, dash and underscore, "
            "and begins with a letter or digit."
        )
    return login


def check_password(password: str, *, login: str) -> None:
    """Raise PasswordWeak where the rules are not met: length counts, not kinds of characters (ASVS 6.2)."""
    if len(password) < SHORTEST_PASSWORD or len(password.encode("utf-8", "replace")) > LONGEST_PASSWORD:
        raise PasswordWeak(
            Sentence(
                "A password has at least {least} characters and at most {most} bytes.",
                least=SHORTEST_PASSWORD,
                most=LONGEST_PASSWORD,
            )
        )
    if login and login in password.lower() and len(password) < len(login) + SHORTEST_PASSWORD:
        raise PasswordWeak("A password must not be built around the login.")
    if len(set(password)) < 4:
        raise PasswordWeak("A password needs at least four different characters.")
    if is_common(password):
        raise PasswordWeak(
            "This password is one of those that are tried first. Choose three or four odd words."
        )


def is_common(password: str) -> bool:
    """Whether a list of leaked passwords would hold it: a well-known word with figures or signs around it, a run along
    the keyboard or through the alphabet, or one short piece repeated (ASVS 6.2.4).
    """
    plain = unicodedata.normalize("NFKC", password).casefold()
    for text in (plain, plain.translate(_LOOKALIKES)):
        word = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", text)
        if {word, word.translate(_LOOKALIKES), re.sub(r"[\W_]", "", text)} & _COMMON:
            return True
    if any(plain == plain[:size] * (len(plain) // size) for size in range(1, 6) if len(plain) % size == 0):
        return True
    pieces = _pieces(re.sub(r"[\W_]", "", plain))
    return pieces <= 2


def _pieces(text: str) -> int:
    """How many runs of keys that lie, or letters and figures that stand, side by side the text is made of."""
    pieces, run = 0, ""
    for letter in text:
        if run and any((run + letter) in row for row in _RUNS):
            run += letter
            continue
        pieces += 1
        run = letter
    return pieces


def make_password() -> str:
    """A random password that can be read out: 15 letters in threes, about 74 bits."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(3))


class LoginLimit:
    """Counts tries per login and address, per address, and per login, in a sliding 15 minutes.

    A try is counted when it begins, so that parallel guesses cannot slip through, and given back on
    success. Memory is bounded: the least recently used keys are forgotten first.
    """

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self._tried: OrderedDict[tuple[str, str], deque[datetime]] = OrderedDict()

    def begin(self, login: str, address: str, now: datetime) -> None:
        """Count one try. Raises TooManyTries, which counts nothing."""
        limits = self._limits(login, address)
        for key, limit in limits.items():
            tried = self._tried.get(key)
            if tried is None:
                continue
            while tried and tried[0] <= now - _WINDOW:
                tried.popleft()
            if len(tried) >= limit:
                wait = int((tried[0] + _WINDOW - now).total_seconds()) + 1
                raise TooManyTries(
                    "Too many wrong passwords. Nothing was tried; wait a few minutes.", wait_seconds=wait
                )
        for key in limits:
            self._tried.setdefault(key, deque()).append(now)
            self._tried.move_to_end(key)
        while len(self._tried) > _KEYS_KEPT:
            self._tried.popitem(last=False)

    def succeed(self, login: str, address: str) -> None:
        """Forget the tries of this login from this address, and give back the others' last one."""
        self._tried.pop((login, address), None)
        for key in ((login, ""), ("", address)):
            if tried := self._tried.get(key):
                tried.pop()

    def _limits(self, login: str, address: str) -> dict[tuple[str, str], int]:
        return {
            (login, address): self._tries,
            ("", address): self._tries * _PER_ADDRESS,
            (login, ""): self._tries * _PER_LOGIN,
        }
