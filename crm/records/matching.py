"""Who is calling: a number, a plate or a VIN tail fits nobody, one customer, or several; never a silent first.

What several candidates agree on may be used at once (language, key account, own agent); whose record it is
waits until a person or another sign has decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from crm.records.customers import Language


class MatchKind(StrEnum):
    """How many customers fit."""

    NONE = "none"
    ONE = "one"
    SEVERAL = "several"


class Sign(StrEnum):
    """What a candidate was found by."""

    NUMBER = "number"
    PLATE = "plate"
    VIN = "vin"
    AGENT = "agent"  # an agent chose


class Unmatched(StrEnum):
    """Why a call is tied to nobody; the words of `Call.explained`."""

    HIDDEN_NUMBER = "hidden_number"
    UNREADABLE_NUMBER = "unreadable_number"
    UNKNOWN_NUMBER = "unknown_number"
    UNKNOWN_VEHICLE = "unknown_vehicle"
    SEVERAL_CUSTOMERS = "several_customers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A customer who may be the caller, and why."""

    customer_id: str
    customer_number: str
    name: str
    key_account: bool = False
    language: Language | None = None
    own_agent_id: str | None = None
    #: Plates of the vehicles the customer has to do with.
    plates: tuple[str, ...] = ()
    why: frozenset[Sign] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """The answer to "who is calling?"."""

    kind: MatchKind
    candidates: tuple[Candidate, ...] = ()
    #: `Unmatched` where nobody or several fit, else the sign that decided.
    explained: str

    @property
    def customer_id(self) -> str | None:
        """The customer, where exactly one fits."""
        return self.candidates[0].customer_id if self.kind is MatchKind.ONE else None

    @property
    def key_account(self) -> bool:
        """Whether any candidate is a key account: being served a little sooner by mistake harms nobody."""
        return any(candidate.key_account for candidate in self.candidates)

    @property
    def language(self) -> Language | None:
        """The language, where all candidates agree on it."""
        languages = {candidate.language for candidate in self.candidates}
        return languages.pop() if len(languages) == 1 else None

    @property
    def own_agent_id(self) -> str | None:
        """The own agent, where all candidates share one."""
        agents = {candidate.own_agent_id for candidate in self.candidates}
        return agents.pop() if len(agents) == 1 else None


def decide(candidates: Iterable[Candidate], *, nobody: Unmatched = Unmatched.UNKNOWN_NUMBER) -> Match:
    """None, one or several, from all who fit; `nobody` explains an empty answer."""
    found = _merged(candidates)
    if not found:
        return Match(kind=MatchKind.NONE, explained=nobody)
    if len(found) > 1:
        return Match(kind=MatchKind.SEVERAL, candidates=found, explained=Unmatched.SEVERAL_CUSTOMERS)
    sign = next(sign for sign in Sign if sign in found[0].why or not found[0].why)
    return Match(kind=MatchKind.ONE, candidates=found, explained=sign)


def hidden(*, readable: bool = False) -> Match:
    """The answer where there is no number to ask by: hidden, or unreadable."""
    why = Unmatched.UNREADABLE_NUMBER if readable else Unmatched.HIDDEN_NUMBER
    return Match(kind=MatchKind.NONE, explained=why)


def narrow(before: Match, further: Iterable[Candidate]) -> Match:
    """What a second sign (a plate, a VIN tail) makes of an answer.

    Both signs agree on one: that one. They agree on nobody: the later, deliberate sign counts, and where
    it fits nobody the first answer stays.
    """
    later = _merged(further)
    if not later:
        return before
    both = _merged(
        candidate
        for candidate in (*before.candidates, *later)
        if any(candidate.customer_id == one.customer_id for one in before.candidates)
        and any(candidate.customer_id == one.customer_id for one in later)
    )
    match = decide(both or later)
    if match.kind is MatchKind.ONE:
        signs = {sign for candidate in later for sign in candidate.why}
        deciding = next((sign for sign in Sign if sign in signs), Sign.AGENT)
        return replace(match, explained=deciding if before.kind is not MatchKind.ONE else match.explained)
    return match


def chosen(candidate: Candidate) -> Match:
    """An agent said who it is."""
    return Match(
        kind=MatchKind.ONE,
        candidates=(replace(candidate, why=candidate.why | {Sign.AGENT}),),
        explained=Sign.AGENT,
    )


def _merged(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """One entry per customer with all its signs; order is by customer number, never by chance."""
    merged: dict[str, Candidate] = {}
    for candidate in candidates:
        known = merged.get(candidate.customer_id)
        merged[candidate.customer_id] = (
            candidate
            if known is None
            else replace(
                known,
                why=known.why | candidate.why,
                plates=tuple(dict.fromkeys((*known.plates, *candidate.plates))),
            )
        )
    return _ordered(list(merged.values()))


def _ordered(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(sorted(candidates, key=lambda one: (one.customer_number, one.customer_id)))
