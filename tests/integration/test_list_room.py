"""The lists' room at its start: a database that is away for a moment, and people who were faster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection
from waiting import until

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, Via
from config.lists.room import ListRoom, make_lists
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportJob, ExportKind, ExportState
from storage import audit, exports
from storage.database import Database, StorageUnavailable

VIEWER = Principal(role=Role.MANAGER, via=Via.COMMAND, name="经理")


@pytest.fixture
def room(sqlite_database: Database, clock: FrozenClock, tmp_path: Path) -> ListRoom:
    return make_lists(sqlite_database, clock, folder=tmp_path / "lists")


def _job(clock: FrozenClock) -> ExportJob:
    return ExportJob(
        id=new_id(clock.now()),
        kind=ExportKind.CUSTOMERS,
        format=ExportFormat.CSV,
        wanted={},
        created_at=clock.now(),
        by_name="经理",
        owner="user:1",
    )


def _state(database: Database, job: ExportJob) -> ExportState:
    return database.read_now(lambda c: exports.get_export(c, job.id, job.owner)).state


async def test_a_database_that_is_away_at_the_start_ends_no_work_at_lists(
    room: ListRoom, sqlite_database: Database, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = _job(clock)
    sqlite_database.write_now(lambda c: exports.insert_export(c, left))
    write, tries = sqlite_database.write, 0

    async def away_at_first(work: Callable[[Connection], Any]) -> Any:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise StorageUnavailable("away")
        return await write(work)

    monkeypatch.setattr(sqlite_database, "write", away_at_first)
    running = asyncio.create_task(room.run())
    try:
        await until(lambda: running.done() or _state(sqlite_database, left) is ExportState.FAILED)
        assert not running.done(), "imports would wait for the next start"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_somebody_asked_for_before_the_start_was_over_is_made(
    room: ListRoom, sqlite_database: Database, clock: FrozenClock
) -> None:
    """The pages are there before what a crash left is cleared: an export of this run is none of that."""
    job = _job(clock)
    await room.export_work.begin(job)
    await room.export_work.forget_unfinished()
    assert _state(sqlite_database, job) is ExportState.MAKING
    assert (await room.export_work.make(job, VIEWER)).state is ExportState.READY


@pytest.mark.parametrize("committed", [False, True])
async def test_an_export_whose_end_the_database_does_not_answer_is_ended_once(
    room: ListRoom,
    sqlite_database: Database,
    clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch,
    committed: bool,
) -> None:
    job = _job(clock)
    await room.export_work.begin(job)
    write, tries = sqlite_database.write, 0

    async def deaf_at_first(work: Callable[[Connection], Any]) -> Any:
        nonlocal tries
        tries += 1
        if tries > 1:
            return await write(work)
        if committed:
            await write(work)
        raise StorageUnavailable("no answer")

    monkeypatch.setattr(sqlite_database, "write", deaf_at_first)
    assert (await room.export_work.make(job, VIEWER)).state is ExportState.READY
    entries = sqlite_database.read_now(lambda c: audit.list_entries(c, action="exported"))
    assert len(entries) == 1
    assert room.export_work.file_of(job).exists()
