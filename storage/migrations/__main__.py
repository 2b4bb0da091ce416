"""Writes the next revision: `python -m storage.migrations "What changes"`; --again rewrites the last one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from storage import migrations


def main(arguments: list[str]) -> int:
    """Compare the tables with the last revision on an empty SQLite database and write the difference."""
    again = "--again" in arguments
    words = [argument for argument in arguments if argument != "--again"]
    if len(words) != 1:
        print(__doc__)
        return 2
    versions = sorted((migrations.HERE / "versions").glob("[0-9]*.py"))
    if again and versions:
        versions.pop().unlink()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/empty.db"
        if versions:
            migrations.upgrade(url)
        path = migrations.write_revision(url, words[0], f"{len(versions) + 1:04d}")
    for command in (["format", "-q"], ["check", "-q", "--fix"]):
        subprocess.run([str(Path(sys.executable).parent / "ruff"), *command, str(path)], check=True)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
