"""Occupancy under a cap on abandoned calls: our pacing beside other dialers' rules, in one simulated floor.

`python -m bench pacing [--quick] [--agents 3,10] [--rates 0.25,0.4] [--caps 0.03,0.01]`. Every rule plays the same
seeded days; rules with settings play them with the best setting of a grid that keeps the cap. `--quick` plays fewer
hours. The goals stand in docs/performance.md.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench._floor_model import Day, Outcome, Rule, simulate, together
from bench._pacing_rules import Adaptive, FixedLines, Limit, Ours, Progressive
from bench.figures import Figure

#: Agents to days and hours of a day.
_DAYS: Final[Mapping[int, tuple[int, float]]] = {3: (12, 8), 10: (5, 8), 50: (1, 8), 200: (1, 4)}
_QUICK: Final[Mapping[int, tuple[int, float]]] = {3: (4, 8), 10: (2, 8), 50: (1, 3), 200: (1, 1)}
_RATES: Final = (0.25, 0.4, 0.6)
_CAPS: Final = (0.03, 0.01)
#: A day on which the share that answers moves by the hour.
DRIFT: Final = (0.25, 0.35, 0.5, 0.6, 0.45, 0.3, 0.25, 0.4)

_LINES: Final = tuple(1 + step / 20 for step in range(0, 41, 2))
_LEVELS: Final = tuple((most, target) for most in (1.2, 1.4, 1.7, 2.0, 3.0) for target in (-1.0, 0.0))
_RISKS: Final = tuple(0.004 * 1.45**step for step in range(12))

#: (agents, rate, cap) to the percentage the product must reach and may hope for.
GOALS: Final[Mapping[tuple[int, float, float], tuple[float, float]]] = {
    (3, 0.25, 0.03): (74.2, 75.0),
    (3, 0.4, 0.03): (80.4, 80.9),
    (3, 0.6, 0.03): (85.0, 85.9),
    (10, 0.25, 0.03): (82.4, 83.7),
    (10, 0.4, 0.03): (84.3, 85.6),
    (10, 0.6, 0.03): (87.0, 88.3),
    (50, 0.25, 0.03): (92.4, 93.3),
    (50, 0.4, 0.03): (93.0, 93.9),
    (50, 0.6, 0.03): (93.8, 94.7),
    (200, 0.25, 0.03): (97.3, 97.7),
    (200, 0.4, 0.03): (97.5, 97.9),
    (200, 0.6, 0.03): (97.6, 98.0),
    (3, 0.25, 0.01): (70.2, 70.9),
    (3, 0.4, 0.01): (77.9, 78.7),
    (3, 0.6, 0.01): (85.0, 85.0),
    (10, 0.25, 0.01): (78.4, 79.7),
    (10, 0.4, 0.01): (81.6, 82.9),
    (10, 0.6, 0.01): (85.7, 87.0),
    (50, 0.25, 0.01): (90.4, 91.2),
    (50, 0.4, 0.01): (91.2, 92.1),
    (50, 0.6, 0.01): (92.3, 93.2),
    (200, 0.25, 0.01): (96.3, 96.7),
    (200, 0.4, 0.01): (96.5, 97.0),
    (200, 0.6, 0.01): (96.8, 97.2),
}


@dataclass(frozen=True, slots=True)
class _Job:
    """One rule with one setting on one day."""

    name: str
    make: Callable[[], Rule]
    day: Day


def _play(job: _Job) -> tuple[str, Outcome]:
    return job.name, simulate(job.day, job.make())


@dataclass(frozen=True, slots=True)
class Cell:
    """What is compared under one cap: a team and its customers."""

    agents: int
    rates: tuple[float, ...]
    cap: float

    @property
    def title(self) -> str:
        """For the table."""
        rate = f"p {self.rates[0]:g}" if len(self.rates) == 1 else "p drifts"
        return f"{self.agents} agents, {rate}, cap {100 * self.cap:g} %"

    def jobs(self, days: int, hours: float) -> list[_Job]:
        """Every rule with every setting, on every day."""
        rules: dict[str, Callable[[], Rule]] = {
            "ours": partial(Ours, self.cap),
            "progressive": Progressive,
            "VICIdial's ADAPT_AVERAGE, defaults": partial(Adaptive, self.cap),
        }
        drifting = len(self.rates) > 1
        levels = ((1.4, 0.0),) if drifting else _LEVELS
        lines = (1.5,) if drifting else _LINES
        for most, target in levels:
            rules[f"VICIdial's ADAPT_AVERAGE, tuned|{most}/{target}"] = partial(
                Adaptive, self.cap, most=most, target=target
            )
        for number in lines:
            rules[f"fixed lines, tuned|{number:.2f}"] = partial(FixedLines, number)
        if not drifting:
            for risk in _RISKS:
                rules[f"limit|{risk:.4f}"] = partial(Limit, self.rates[0], risk)
        return [
            _Job(name, make, Day(agents=self.agents, rates=self.rates, hours=hours, seed=seed))
            for name, make in rules.items()
            for seed in range(days)
        ]


def best(outcomes: Mapping[str, Outcome], cap: float) -> dict[str, tuple[str, Outcome]]:
    """Of each rule the setting with the highest occupancy that keeps the cap; the one with fewest abandoned if none."""
    chosen: dict[str, tuple[str, Outcome]] = {}
    for name, outcome in outcomes.items():
        rule, _, setting = name.partition("|")
        if rule not in chosen or _better(outcome, chosen[rule][1], cap):
            chosen[rule] = (setting, outcome)
    return chosen


def _better(one: Outcome, other: Outcome, cap: float) -> bool:
    keeps, kept = one.abandonment <= cap, other.abandonment <= cap
    if keeps != kept:
        return keeps
    return one.occupancy > other.occupancy if keeps else one.abandonment < other.abandonment


def cells(agents: Sequence[int], rates: Sequence[float], caps: Sequence[float]) -> list[Cell]:
    """All that is compared; the drifting day under the first cap."""
    still = [Cell(team, (rate,), cap) for cap in caps for team in agents for rate in rates]
    return still + [Cell(team, DRIFT, caps[0]) for team in agents]


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Play every cell; a line for each as it is done, then the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench pacing")
    parser.add_argument("--quick", action="store_true", help="fewer hours")
    parser.add_argument("--agents", default="3,10,50,200")
    parser.add_argument("--rates", default=",".join(map(str, _RATES)))
    parser.add_argument("--caps", default=",".join(map(str, _CAPS)))
    chosen = parser.parse_args(options)
    teams = [int(one) for one in chosen.agents.split(",")]
    rates = [float(one) for one in chosen.rates.split(",")]
    caps = [float(one) for one in chosen.caps.split(",")]
    lengths = _QUICK if chosen.quick else _DAYS
    figures: dict[str, Figure] = {}
    decisions: dict[int, list[float]] = {}
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for cell in cells(teams, rates, caps):
            days, hours = lengths.get(cell.agents, (2, 8.0))
            outcomes: dict[str, list[Outcome]] = {}
            for name, outcome in pool.imap_unordered(_play, cell.jobs(days, hours)):
                outcomes.setdefault(name, []).append(outcome)
            found = best({name: together(several) for name, several in outcomes.items()}, cell.cap)
            _, ours = found.pop("ours")
            decisions.setdefault(cell.agents, []).extend(ours.decisions)
            print(_line(cell, ours, found), flush=True)
            figures[f"{cell.title}: occupancy"] = Figure(
                value=100 * ours.occupancy,
                unit="%",
                peers={
                    f"{rule}{f' ({setting})' if setting else ''}: {100 * theirs.abandonment:.1f} % abandoned": 100
                    * theirs.occupancy
                    for rule, (setting, theirs) in found.items()
                }
                | _goal(cell),
            )
            figures[f"{cell.title}: abandoned"] = Figure(
                value=100 * ours.abandonment,
                unit="%",
                peers={"cap": 100 * cell.cap},
                more_is_better=False,
            )
    for team, taken in decisions.items():
        taken.sort()
        figures[f"{team} agents: a decision, p99"] = Figure(
            value=1000 * taken[int(len(taken) * 0.99)], unit="ms", peers={"aim": 5.0}, more_is_better=False
        )
    return figures


def _goal(cell: Cell) -> dict[str, float]:
    goal = GOALS.get((cell.agents, cell.rates[0], cell.cap)) if len(cell.rates) == 1 else None
    return {} if goal is None else {"must": goal[0], "stretch": goal[1]}


def _line(cell: Cell, ours: Outcome, others: Mapping[str, tuple[str, Outcome]]) -> str:
    parts = [
        f"{rule} {100 * one.occupancy:.1f} ({100 * one.abandonment:.1f})" for rule, (_, one) in others.items()
    ]
    verdict = ""
    if goal := _goal(cell):
        reached = 100 * ours.occupancy
        verdict = (
            "  STRETCH" if reached >= goal["stretch"] else "  must" if reached >= goal["must"] else "  SHORT"
        )
    return (
        f"{cell.title}: ours {100 * ours.occupancy:.1f} ({100 * ours.abandonment:.2f}, worst hour "
        f"{100 * ours.worst_hour:.0f}, {ours.answered} live){verdict}; " + ", ".join(parts)
    )
