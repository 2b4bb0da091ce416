"""Room kept on the disk: blocks behind the end of a file, and the file as it was (R24)."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from config.disk import RESERVED, SPOOL_FILE, full_disks, reserve
from storage.spool import Spool
from telephony.asterisk import names

_Usage = namedtuple("_Usage", "total used free")


def blocks(path: Path) -> int:
    return path.stat().st_blocks * 512


def test_room_is_kept_and_no_file_looks_different(tmp_path: Path) -> None:
    (tmp_path / names.CEL_FILE).write_text("a line\n")
    assert reserve(tmp_path, tmp_path) == {}
    cel, spool = tmp_path / names.CEL_FILE, tmp_path / SPOOL_FILE
    if blocks(cel) < RESERVED[names.CEL_FILE]:
        pytest.skip("this file system keeps no room")
    assert cel.read_text() == "a line\n"
    assert (spool.stat().st_size, spool.stat().st_mode & 0o777) == (0, 0o600)
    assert blocks(spool) >= RESERVED[SPOOL_FILE]
    assert not (tmp_path / names.CDR_FILE).exists(), "Asterisk makes its own files"
    with cel.open("a") as file:
        file.write("another\n")
    assert reserve(tmp_path, tmp_path) == {}
    assert cel.read_text() == "a line\nanother\n"


def test_an_empty_spool_with_room_is_an_empty_spool(tmp_path: Path) -> None:
    reserve(tmp_path, tmp_path)
    spool = Spool(tmp_path)
    assert (spool.size, spool.peek(10)) == (0, ([], 0))
    spool.take(0)
    assert not spool.path.exists()


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    (tmp_path / names.CEL_FILE).mkdir()
    assert reserve(tmp_path, tmp_path) == {names.CEL_FILE: "Is a directory"}


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders on one disk, one of them not made yet."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(100, 89, 11))
    assert full_disks([tmp_path, tmp_path / "later" / "recordings"]) == []
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(100, 95, 5))
    [said] = full_disks([tmp_path, tmp_path / "later" / "recordings"])
    assert "95% full" in said
