"""The garbage collector, set up for a process that lives for months and must not pause.

What is left of the start is looked at no more, and full passes are rare: over the calls of a busy half minute one
took 90 to 220 ms with everything else standing still, and keys that callers pressed meanwhile were lost
(docs/performance.md). Young cycles go as always; old ones wait until nobody is in a menu.
"""

from __future__ import annotations

import gc
from typing import Final

#: Net new containers before a young pass; young passes before a middle one; middle ones before a full one.
THRESHOLDS: Final = (10_000, 20, 100)


def settle() -> None:
    """To be called once, when everything is loaded and before the first caller comes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


def sweep() -> None:
    """A full pass, for a moment in which nobody presses keys."""
    gc.collect()
