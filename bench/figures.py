"""What a benchmark hands over: figures with their peers, and how they are printed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One measured number, beside what the peers or floors of the same run reached."""

    value: float
    unit: str
    #: Name of the peer or floor to its value, in the same unit.
    peers: Mapping[str, float] = field(default_factory=dict)
    #: Whether more is better; for people, the ratio is always ours divided by the peer's.
    more_is_better: bool = True


def machine() -> str:
    """What the figures were measured on: processors, memory, system, Python."""
    memory = ""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            memory = f", {int(next(lines).split()[1]) // 1_048_576 + 1} GB"
    except (OSError, StopIteration, ValueError, IndexError):
        memory = ""
    return (
        f"{os.cpu_count()} cores{memory}, {platform.system()} {platform.machine()}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )


def as_table(figures: Mapping[str, Figure]) -> str:
    """A table for people."""
    rows = [("figure", "unit", "ours", "peer", "its value", "ours / its")]
    for name, figure in figures.items():
        rows.append((name, figure.unit, _short(figure.value), "", "", ""))
        rows.extend(
            ("", "", "", peer, _short(value), f"{_ratio(figure.value, value):.2f}")
            for peer, value in figure.peers.items()
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(line.rstrip() for line in lines)


def as_json(bench: str, figures: Mapping[str, Figure]) -> str:
    """The last line: one JSON object."""
    return json.dumps(
        {
            "bench": bench,
            "machine": machine(),
            "figures": {
                name: {
                    "value": round(figure.value, 4),
                    "unit": figure.unit,
                    "peers": {
                        peer: {"value": round(value, 4), "ratio": round(_ratio(figure.value, value), 4)}
                        for peer, value in figure.peers.items()
                    },
                }
                for name, figure in figures.items()
            },
        },
        ensure_ascii=False,
    )


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs else 0.0


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
