"""The chance that one more call, if it is answered, finds nobody free.

For several moments at which a new call may be answered, two counts are compared: how many customers will have
answered by then, and how many agents will be free 2 s later. Both are sums of independent yes-or-no chances: counted
exactly for a small team, by a normal law for a large one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from typing import Final

from campaigns.pacing.floor import PATIENCE, Floor
from campaigns.pacing.lengths import Curve

#: Moments of a new call's answer that are looked at: the middles of so many equal shares of its time to answer.
LOOKS: Final = 8
#: More agents than this are counted by a normal law.
EXACT_AGENTS: Final = 24
_RING_STEP: Final = 0.5
_RING_ROWS: Final = 240
#: Chances below this change nothing.
_NOTHING: Final = 1e-5
#: Where no length of the tables reaches, an end comes after so many seconds on average.
_LATE_WRAP: Final = 20.0
_LATE_TALK: Final = 60.0

#: One chance for each look.
Row = tuple[float, ...]


def _ages() -> tuple[float, ...]:
    """Edges of the ages tables are kept for: finer where little time has passed."""
    edges, at = [0.0], 0.0
    while at < 3600:
        at += max(1.5, at * 0.04)
        edges.append(at)
    return tuple(edges)


_AGES: Final = _ages()
_MIDDLES: Final = tuple(
    (low + high) / 2 for low, high in zip(_AGES, (*_AGES[1:], _AGES[-1] + 60), strict=True)
)


def _age_row(seconds: float) -> int:
    return bisect_right(_AGES, max(0.0, seconds)) - 1


def _ring_row(seconds: float) -> int:
    return min(int(max(0.0, seconds) / _RING_STEP), _RING_ROWS - 1)


def _spread(row: Row) -> Row:
    """Variance of each yes-or-no chance."""
    return tuple(chance * (1 - chance) for chance in row)


class Agents:
    """The chance that who is busy now will be free in time, by how long he has been talking or writing."""

    def __init__(self, answer: Curve, talk: Curve, wrap: Curve) -> None:
        #: Seconds from a new dial to its answer, one for each look.
        self.looks: Row = tuple(answer.quantile((index + 0.5) / LOOKS) for index in range(LOOKS))
        spans = tuple(look + PATIENCE for look in self.looks)
        self.wrapping = [tuple(_wraps_up(wrap, age, span) for span in spans) for age in _MIDDLES]
        self.talking = [_comes_free(talk, wrap, age, spans) for age in _MIDDLES]
        self.wrapping_spread = [_spread(row) for row in self.wrapping]
        self.talking_spread = [_spread(row) for row in self.talking]


def _wraps_up(wrap: Curve, age: float, span: float) -> float:
    """P(a wrap-up that has lasted `age` ends within `span`)."""
    left = 1 - wrap.at(age)
    if left <= 1e-9:
        return 1 - math.exp(-span / _LATE_WRAP)
    return min(1.0, (wrap.at(age + span) - wrap.at(age)) / left)


def _comes_free(talk: Curve, wrap: Curve, age: float, spans: Row) -> Row:
    """P(a talk that has lasted `age`, and the wrap-up after it, end within each span)."""
    left = 1 - talk.at(age)
    if left <= 1e-9:
        return tuple(1 - math.exp(-span / _LATE_TALK) for span in spans)
    ends = []
    before = talk.at(age)
    for second in range(math.ceil(spans[-1])):
        after = talk.at(age + second + 1)
        ends.append((second + 0.5, (after - before) / left))
        before = after
    return tuple(
        min(1.0, sum(share * wrap.at(span - when) for when, share in ends if when < span)) for span in spans
    )


class Rings:
    """The chance that a dial is answered by each look, by how long it has been ringing."""

    def __init__(self, answer: Curve, fail: Curve, looks: Row, rate: float) -> None:
        """`rate`: the share of dials that a person answers."""
        self.rows: list[Row] = []
        for index in range(_RING_ROWS):
            age = (index + 0.5) * _RING_STEP
            left = 1 - rate * answer.at(age) - (1 - rate) * fail.at(age)
            self.rows.append(
                tuple(min(1.0, rate * (answer.at(age + look) - answer.at(age)) / left) for look in looks)
                if left > 1e-6
                else (0.0,) * LOOKS
            )
        self.fresh: Row = tuple(rate * answer.at(look) for look in looks)
        self.spreads = [_spread(row) for row in self.rows]
        self.fresh_spread = _spread(self.fresh)


def launches(floor: Floor, agents: Agents, rings: Rings, limit: float, most: int) -> int:
    """How many calls to begin now: one after another while the risk of the next is within `limit`; at most `most`."""
    if most <= 0 or floor.agents == 0:
        return 0
    if floor.agents > EXACT_AGENTS:
        return _by_normal_law(floor, agents, rings, limit, most)
    return _by_counting(floor, agents, rings, limit, most)


def _by_counting(floor: Floor, agents: Agents, rings: Rings, limit: float, most: int) -> int:
    spare = floor.idle - floor.waiting
    busy = [agents.talking[_age_row(age)] for age in floor.talking]
    busy += [agents.wrapping[_age_row(age)] for age in floor.wrapping]
    dials = [rings.rows[_ring_row(age)] for age in floor.ringing]
    freed = [_law([row[look] for row in busy]) for look in range(LOOKS)]
    answers = [_law([row[look] for row in dials]) for look in range(LOOKS)]
    begun = 0
    while begun < most:
        risk = sum(_at_least(answers[look], freed[look], spare) for look in range(LOOKS)) / LOOKS
        if risk > limit:
            break
        begun += 1
        answers = [_one_more(answers[look], rings.fresh[look]) for look in range(LOOKS)]
    return begun


def _law(chances: list[float]) -> list[float]:
    """P(0, 1, 2, … of these come true): the Poisson-binomial distribution."""
    law = [1.0]
    for chance in chances:
        if chance > _NOTHING:
            law = _one_more(law, chance)
    return law


def _one_more(law: list[float], chance: float) -> list[float]:
    rest = 1 - chance
    grown = [law[0] * rest]
    grown += [law[index] * rest + law[index - 1] * chance for index in range(1, len(law))]
    grown.append(law[-1] * chance)
    return grown


def _at_least(answers: list[float], freed: list[float], spare: int) -> float:
    """P(answers >= spare + freed)."""
    tail = [0.0] * (len(answers) + 1)
    for index in range(len(answers) - 1, -1, -1):
        tail[index] = tail[index + 1] + answers[index]
    risk = 0.0
    for count, chance in enumerate(freed):
        need = spare + count
        risk += chance * (1.0 if need <= 0 else tail[need] if need < len(tail) else 0.0)
    return risk


def _by_normal_law(floor: Floor, agents: Agents, rings: Rings, limit: float, most: int) -> int:
    mean = [0.0] * LOOKS
    spread = [0.0] * LOOKS
    kinds = (
        (1, map(_ring_row, floor.ringing), rings.rows, rings.spreads),
        (-1, map(_age_row, floor.talking), agents.talking, agents.talking_spread),
        (-1, map(_age_row, floor.wrapping), agents.wrapping, agents.wrapping_spread),
    )
    for sign, indexes, rows, spreads in kinds:
        for index, count in Counter(indexes).items():
            row, rough = rows[index], spreads[index]
            for look in range(LOOKS):
                mean[look] += sign * count * row[look]
                spread[look] += count * rough[look]
    spare = floor.idle - floor.waiting
    begun = 0
    while begun < most:
        risk = sum(_beyond(spare - 0.5 - mean[look], spread[look]) for look in range(LOOKS)) / LOOKS
        if risk > limit:
            break
        begun += 1
        for look in range(LOOKS):
            mean[look] += rings.fresh[look]
            spread[look] += rings.fresh_spread[look]
    return begun


def _beyond(gap: float, spread: float) -> float:
    """P(a normal deviation of this variance is larger than the gap)."""
    if spread <= 1e-12:
        return 1.0 if gap <= 0 else 0.0
    return 0.5 * math.erfc(gap / math.sqrt(2 * spread))
