"""R24: the disk of the switch's own files (CEL, recordings, spool) is full; as root, on a small disk of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fixtures_house import House, a_house, until
from house_truth import TO_COMPLAINTS, doubles, free, fresh, layout_of, proof, settle, short_sentences

from config.disk import SPOOL_FILE
from lab.agents import Habits
from telephony.asterisk import names

pytestmark = [pytest.mark.asterisk, pytest.mark.root]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 96 MB; the test is skipped where nothing may be mounted."""
    if os.geteuid() != 0:
        pytest.skip("mounting a file system needs root")
    folder = Path(tempfile.mkdtemp(prefix="careline-disk-", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96m,mode=0700", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"nothing may be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path) -> Path:
    """Not one byte of room is left; gives the file that takes it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    assert shutil.disk_usage(folder).free == 0
    return ballast


@asynccontextmanager
async def full(folder: Path) -> AsyncIterator[None]:
    """No room while this lasts: what the switch itself frees (the journal of its own database) is taken at once."""
    ballast = fill(folder)

    async def hold() -> None:
        with ballast.open("ab", buffering=0) as file:
            while True:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * 4096)
                await asyncio.sleep(0.01)

    holding = asyncio.create_task(hold())
    try:
        yield
    finally:
        holding.cancel()
        await asyncio.wait([holding])
        ballast.unlink()


def pad(house: House) -> None:
    """Empty lines up to the end of the block, or the next call's lines would still find room in it."""
    for path in layout_of(house).log.glob("*"):
        if path.is_file():
            with path.open("ab", buffering=0) as file:
                file.write(b"\n" * (-path.stat().st_size % 4096))


async def kept(house: House) -> bool:
    """The disk holds more blocks for these files than their sizes need."""
    files = [layout_of(house).log / name for name in (names.CEL_FILE, names.CDR_FILE)]
    files.append(house.site.settings.data / "spool" / SPOOL_FILE)
    stats = [path.stat() for path in files if path.exists()]
    return len(stats) == len(files) and all(one.st_blocks * 512 > one.st_size + (1 << 20) for one in stats)


@asynccontextmanager
async def house_on(disk: Path, database: str) -> AsyncIterator[House]:
    short = short_sentences()
    overrides = {"data": str(disk / "data"), "ivr": {"prompts": str(short)}, "storage": {"url": database}}
    try:
        async with a_house(overrides, agents=("agent1", "agent2")) as house:
            for login in house.agents:
                await house.sign_in(login)
            yield house
    finally:
        shutil.rmtree(short, ignore_errors=True)


async def pings(house: House) -> dict[str, str | None]:
    """What readyz says of each part: None, or what is wrong."""
    async with house.site.session.get(f"{house.site.url}/readyz") as response:
        return {one["name"]: one["reason"] for one in (await response.json())["pings"]}


async def check(house: House) -> tuple[int | None, str]:
    """`careline check` at the prompt."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "config", "check", "--config", str(house.site.config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    return process.returncode, said


@pytest.mark.parametrize("database", ["elsewhere", "on it"])
async def test_r24_a_full_disk_under_the_switch(small_disk: Path, tmp_path: Path, database: str) -> None:
    """R24: callers reach menu and agent, it is said, and when there is room again the log is whole and proved."""
    url = f"sqlite:///{tmp_path}/careline.db" if database == "elsewhere" else ""
    async with house_on(small_disk, url) as house:
        for agent in house.agents.values():
            agent.habits = Habits(answers_after=(0.1, 0.2), talks=(2.0, 2.0))
        await fresh(house)
        placed = await house.call("13700000911", steps=TO_COMPLAINTS)
        records = [await placed.ended(60)]
        await until(lambda: kept(house), saying="no room was kept for the call log")
        assert (await pings(house))["disk"] is None
        pad(house)
        async with full(small_disk):
            for number in ("13700000912", "13700000913"):
                placed = await house.call(number, steps=TO_COMPLAINTS)
                records.append(await placed.ended(60))

            def reached() -> set[str]:
                return {one.caller[-3:] for one in house.lab.records() if one.kind == "agent" and one.answer}

            await until(lambda: reached() >= {"912", "913"}, saying="callers who reached nobody")

            async def full_it_is() -> str | None:
                return (await pings(house))["disk"]

            assert "100% full" in await until(full_it_is, saying="nobody says that the disk is full")
            code, doctor = await check(house)
            assert (code, "100% full" in doctor) == (1, True)

        async def well() -> bool:
            found = await pings(house)
            return not (found["disk"] or found["saving"])

        await until(well, 30.0, saying="it does not recover by itself")
        placed = await house.call("13700000914", steps=TO_COMPLAINTS)
        records.append(await placed.ended(60))
        await settle(house, records, 30.0)
        for number in ("13700000912", "13700000913", "13700000914"):
            [row] = house.rows("SELECT keys, outcome FROM calls WHERE raw_number = ?", number)
            assert (row["keys"], row["outcome"]) == ("main=3", "answered"), "it came through the menu"

        async def listened() -> bool:
            ended = house.rows("SELECT id FROM recordings WHERE state <> 'running'")
            return len(ended) >= 4 and not house.rows("SELECT id FROM recordings WHERE state = 'running'")

        await until(listened, 60.0, saying="recordings that nobody looked at")
        found = house.rows(
            "SELECT r.state, r.why, c.raw_number FROM recordings r JOIN calls c ON c.id = r.call_id"
        )
        states = {row["raw_number"][-3:]: (row["state"], row["why"]) for row in found}
        assert states["911"] == states["914"] == ("kept", "")
        for number in ("912", "913"):
            assert states[number][0] == "failed", "no sound, and the row says so"
            assert states[number][1]
        assert not doubles(house)
        await free(house)
        # Calls of the last seconds are left out of a proof; the files are read by then.
        await until(lambda: _counted(house, 4), 30.0, saying="not all calls are on the trunk's list")
        assert not await proof(house)


async def _counted(house: House, most: int) -> bool:
    return len(house.rows("SELECT uniqueid FROM switch_calls WHERE ended_at IS NOT NULL")) == most
