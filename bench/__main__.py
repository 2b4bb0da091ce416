"""`python -m bench NAME [options]`: one benchmark, or `all`. A table, then one JSON object as the last line."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.figures import as_json, as_table

#: Files of this folder that are no benchmarks.
_OTHERS: Final = frozenset({"__init__", "__main__", "figures"})
#: Names that are no names of modules, because the language has them already.
_MODULES: Final = {"import": "imports"}


def benchmarks() -> list[str]:
    """The names that can be asked for: every module here that has a `run`."""
    folder = Path(__file__).parent
    words = {module: word for word, module in _MODULES.items()}
    return sorted(
        words.get(path.stem, path.stem)
        for path in folder.glob("*.py")
        if path.stem not in _OTHERS
        and not path.stem.startswith("_")
        and "\ndef run(" in path.read_text("utf-8")
    )


def measure(name: str, options: Sequence[str]) -> int:
    """Run one benchmark: `bench/NAME.py` has `run(options: Sequence[str]) -> Mapping[str, Figure]`."""
    figures = importlib.import_module(f"bench.{_MODULES.get(name, name)}").run(options)
    print(as_table(figures), flush=True)
    print(as_json(name, figures), flush=True)
    return 0


def main(arguments: Sequence[str]) -> int:
    """0 done, 2 wrong use."""
    known = benchmarks()
    if not arguments or arguments[0] in ("-h", "--help") or arguments[0] not in (*known, "all"):
        print(
            f"usage: python -m bench NAME [options]\nNAME is one of: {', '.join([*known, 'all'])}",
            file=sys.stderr,
        )
        return 0 if arguments and arguments[0] in ("-h", "--help") else 2
    if arguments[0] != "all":
        return measure(arguments[0], arguments[1:])
    failed = 0
    for name in known:
        print(f"== {name}", flush=True)
        failed |= measure(name, ())
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
