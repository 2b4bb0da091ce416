"""docs/api.md says what is true: its examples are run against the running API, with curl."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import pytest
from fixtures_web import Office

from access.permissions import Role

TEXT = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
EXAMPLES = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("example", EXAMPLES)
async def test_an_example_does_what_is_said(office: Office, example: str) -> None:
    """Exit status 0, and what a `#` line promises stands in what it prints."""
    office.add_call()
    token = office.add_token(Role.MANAGER, user=office.users["manager"])
    shell = await asyncio.create_subprocess_exec(
        "bash",
        "-euc",
        example,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/bin:/bin", "CARELINE": office.base, "TOKEN": token},
    )
    said = (await asyncio.wait_for(shell.communicate(), 60))[0].decode()
    assert shell.returncode == 0, said
    for promised in re.findall(r"^# (.*)$", example, re.MULTILINE):
        assert promised in said
    if "Idempotency-Key" in example:
        assert len(set(re.findall(r'"call_id":\s*"(\w+)"', said))) == 1
        assert len(office.desk.dialed) == 1
