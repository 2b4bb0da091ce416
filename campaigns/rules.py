"""The rules of a campaign: how often, how far apart and how long it tries, and how fast it dials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from access.sentences import Sentence
from campaigns.attempts import AttemptOutcome
from campaigns.ladder import Rung, ordered


class BadRules(Exception):
    """A rule that cannot be; the message says which and what may stand there. Nothing was changed."""

    error_id = "bad-campaign-rules"

    def __init__(self, message: str | Sentence, *, field: str) -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, kw_only=True, slots=True)
class Retry:
    """What follows one outcome. Flags, never labels, decide."""

    #: Most tries that end so; 0: it ends the target at once.
    tries: int
    #: Minutes until the next.
    minutes: int
    #: Each further one after twice the time.
    growing: bool = False
    #: The next try goes to the customer's next number.
    next_number: bool = False
    #: It ends the target as reached.
    success: bool = False
    #: The number is marked as wrong.
    wrong_number: bool = False

    def after(self, count: int) -> timedelta:
        """The wait after the `count`th of this kind, from 1; growing ones double, at most to 30 days."""
        factor = 2 ** min(count - 1, 20) if self.growing else 1
        return min(timedelta(minutes=self.minutes * factor), timedelta(days=30))


_DAY: Final = 24 * 60
#: A return visit's practice: five tries on five days (000); a busy line is tried again soon.
RETRIES: Final[Mapping[AttemptOutcome, Retry]] = {
    AttemptOutcome.HUMAN: Retry(tries=0, minutes=0, success=True),
    AttemptOutcome.HUNG_UP: Retry(tries=2, minutes=_DAY),
    AttemptOutcome.ABANDONED: Retry(tries=3, minutes=72 * 60),
    AttemptOutcome.MACHINE: Retry(tries=3, minutes=_DAY),
    AttemptOutcome.BUSY: Retry(tries=5, minutes=4 * 60),
    AttemptOutcome.NO_ANSWER: Retry(tries=5, minutes=_DAY, next_number=True),
    AttemptOutcome.DECLINED: Retry(tries=2, minutes=_DAY),
    AttemptOutcome.UNAVAILABLE: Retry(tries=5, minutes=_DAY, next_number=True),
    AttemptOutcome.INVALID: Retry(tries=2, minutes=5, next_number=True, wrong_number=True),
    AttemptOutcome.CONGESTION: Retry(tries=20, minutes=15),
    AttemptOutcome.NO_TRUNK: Retry(tries=20, minutes=5),
    AttemptOutcome.FENCED: Retry(tries=3, minutes=60),
    AttemptOutcome.NOT_DIALED: Retry(tries=20, minutes=0),
    AttemptOutcome.UNKNOWN: Retry(tries=2, minutes=_DAY),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """Everything a campaign can be told. Seconds, minutes and days as the names say."""

    retries: Mapping[AttemptOutcome, Retry] = field(default_factory=dict)
    #: Tries that rang somewhere, of any outcome; then the ladder follows.
    most_tries: int = 5
    #: A target nobody reached so many days after it was taken in is given up.
    expires_days: int = 14
    #: How long it rings: at least 15 s (47 CFR 64.1200(a)(6)).
    ring_seconds: int = 30
    #: Lines for each ready agent (ratio).
    lines: float = 1.2
    #: Share of live answers that may be abandoned, over 30 days; never above 3 %.
    abandon_cap: float = 0.01
    #: Most calls of this campaign at one time.
    most_calls: int = 10
    #: Do-not-call lists that hold for this campaign, by id; those for everywhere hold without being named.
    lists: tuple[str, ...] = ()
    #: Whether an answering machine is told from a person (off for customers: it costs a second of silence).
    detect_machines: bool = False
    #: Seconds the agent may look at a record before it is given to somebody else (preview).
    preview_seconds: int = 120
    #: What follows when the tries are used up.
    ladder: tuple[Rung, ...] = ()
    #: Days a customer has to react before the next rung.
    ladder_days: int = 7

    def retry(self, outcome: AttemptOutcome) -> Retry:
        """What follows an outcome: this campaign's word, else the house's."""
        return self.retries.get(outcome, RETRIES[outcome])

    def check(self) -> None:
        """Raises BadRules for the first rule that cannot be."""
        for name, least, most in _BOUNDS:
            value = getattr(self, name)
            if not least <= value <= most:
                raise BadRules(
                    Sentence(
                        "{rule} lies between {least} and {most}. Nothing was kept.",
                        rule=name,
                        least=least,
                        most=most,
                    ),
                    field=name,
                )
        for outcome, retry in self.retries.items():
            if not 0 <= retry.tries <= 50 or not 0 <= retry.minutes <= 60 * _DAY:
                raise BadRules(
                    "A rule allows 0 to 50 tries, 0 to 60 days apart. Nothing was kept.", field=outcome.value
                )
            if (
                retry.success
                and outcome is not AttemptOutcome.HUMAN
                and outcome is not AttemptOutcome.MACHINE
            ):
                raise BadRules(
                    "Only an answered call can be a success. Nothing was kept.", field=outcome.value
                )


_BOUNDS: Final[tuple[tuple[str, float, float], ...]] = (
    ("most_tries", 1, 20),
    ("expires_days", 1, 365),
    ("ring_seconds", 15, 60),
    ("lines", 1, 5),
    ("abandon_cap", 0, 0.03),
    ("most_calls", 1, 500),
    ("preview_seconds", 10, 1800),
    ("ladder_days", 1, 60),
)


def rules_to(rules: Rules) -> dict[str, Any]:
    """As plain JSON."""
    plain = {
        name: getattr(rules, name) for name in Rules.__slots__ if name not in ("retries", "lists", "ladder")
    }
    kept = {
        outcome.value: {name: getattr(retry, name) for name in Retry.__slots__}
        for outcome, retry in rules.retries.items()
    }
    return {
        **plain,
        "lists": list(rules.lists),
        "ladder": [rung.value for rung in rules.ladder],
        "retries": kept,
    }


def rules_from(value: Mapping[str, Any]) -> Rules:
    """From plain JSON; what a later release added takes its default, what it no longer knows is left out."""
    known = {name: value[name] for name in Rules.__slots__ if name in value}
    known["lists"] = tuple(known.get("lists", ()))
    known["ladder"] = ordered([Rung(one) for one in known.get("ladder", ()) if one in set(Rung)])
    known["retries"] = {
        AttemptOutcome(outcome): Retry(
            **{name: one for name, one in retry.items() if name in Retry.__slots__}
        )
        for outcome, retry in value.get("retries", {}).items()
        if outcome in set(AttemptOutcome)
    }
    return replace(Rules(), **known)
