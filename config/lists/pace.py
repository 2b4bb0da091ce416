"""How many rows of an import go into one transaction, so that a call never waits long for the writer."""

from __future__ import annotations

from typing import Final

#: What a transaction may take of SQLite's one writer.
_SECONDS: Final = 0.04
#: PostgreSQL has others: there a batch only may not hold its rows, and the next customer number, for long.
_SECONDS_AMONG_OTHERS: Final = 0.25
_FIRST: Final = 100
_FEWEST: Final = 100
_MOST: Final = 500
#: A batch asks the server some twenty questions, however few rows it has.
_FEWEST_AMONG_OTHERS: Final = 250
_MOST_AMONG_OTHERS: Final = 1000


class Pace:
    """Rows of the next batch, by what the last ones took."""

    def __init__(self, *, one_writer: bool) -> None:
        self._aim = _SECONDS if one_writer else _SECONDS_AMONG_OTHERS
        self._fewest = _FEWEST if one_writer else _FEWEST_AMONG_OTHERS
        self._most = _MOST if one_writer else _MOST_AMONG_OTHERS
        self._rows = float(_FIRST)

    def rows(self) -> int:
        """How many rows the next batch takes."""
        return round(self._rows)

    def note(self, rows: int, seconds: float) -> None:
        """A batch of so many rows kept the writer for so long."""
        fitting = rows * self._aim / max(seconds, 0.001)
        # Half of the way: one slow disk write says little about the next.
        self._rows = min(max((self._rows + fitting) / 2, self._fewest), self._most)
