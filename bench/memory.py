"""`python -m bench memory`: does the service grow? Its resident memory over 50,000 calls.

The real host, journal and recognition of one process, with what AMI would tell of each call beside it;
callers are FastAGI connections without a switch (`bench._agi_callers`), as many at once as keep the service
busy. A call is kept for 30 s after its end, so memory first rises to what those calls take; the slope is that of
the second half. Options: --calls N, --at-once N, --think SECONDS.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench._agi_callers import Opened, converse
from bench._hotline_service import CUSTOMERS, FIRST_NUMBER
from bench.figures import Figure
from bench.hotline import MENUS, ROOT, SECRET, make_sound, rss
from lab.network import free_port

#: Resident memory is read and printed this often, in calls.
EVERY = 5_000


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Measure; see the module's words."""
    parser = argparse.ArgumentParser(prog="bench memory")
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--at-once", type=int, default=40)
    parser.add_argument("--think", type=float, default=0.02)
    given = parser.parse_args(list(options))
    return asyncio.run(_measure(given.calls, given.at_once, given.think))


async def _measure(calls: int, at_once: int, think: float) -> Mapping[str, Figure]:
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-"))
    port = free_port()
    make_sound(folder)
    service = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench._hotline_service", "careline", "--port", str(port), "--secret", SECRET),
        *("--data", str(folder), "--menus", str(MENUS), "--ami"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert service.stdout is not None
        async with asyncio.timeout(60):
            if (await service.stdout.readline()).strip() != b"ready":
                raise RuntimeError("the service did not start")
        return await _grow(service.pid, port, calls, at_once, think)
    finally:
        if service.returncode is None:
            service.terminate()
            await service.wait()
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _grow(pid: int, port: int, calls: int, at_once: int, think: float) -> Mapping[str, Figure]:
    seen: list[tuple[int, float]] = [(0, rss(pid))]
    numbers = iter(range(calls))
    done = failed = 0
    began = time.perf_counter()

    async def caller() -> None:
        nonlocal done, failed
        for number in numbers:
            call = Opened(
                uniqueid=f"careline-{int(time.time())}.{number}",
                caller=str(FIRST_NUMBER + number % CUSTOMERS),
                called="4008001234",
            )
            failed += await converse(port, call, SECRET, think=think) < MENUS
            done += 1
            if done % EVERY == 0:
                seen.append((done, rss(pid)))
                rate = done / (time.perf_counter() - began)
                print(
                    f"{done:7} calls  {seen[-1][1]:9.0f} kB  {rate:6.1f} calls/s", file=sys.stderr, flush=True
                )

    await asyncio.gather(*(caller() for _ in range(at_once)))
    took = time.perf_counter() - began
    later = [point for point in seen if point[0] >= calls / 2]
    return {
        "growth a call": Figure(value=slope(later) * 1024, unit="bytes", more_is_better=False),
        "resident at the start": Figure(value=seen[0][1] / 1024, unit="MB", more_is_better=False),
        "resident at the end": Figure(value=seen[-1][1] / 1024, unit="MB", more_is_better=False),
        "calls a second meanwhile": Figure(value=calls / took, unit="calls/s"),
        "calls that failed": Figure(value=failed, unit="calls", more_is_better=False),
    }


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Least squares: how much the second grows for each of the first; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
