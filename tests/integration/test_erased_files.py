"""C07 beside the database: lists and lines put aside that hold an erased person go, his opt-outs stay as hashes."""

from __future__ import annotations

import fcntl
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, select

from access.ids import new_id
from config.books.privacy import PrivacyBook
from config.lists import erased_files
from config.lists.erased_files import ERASED, ErasedFiles
from crm.consent.optouts import Channel, OptOutSource, Purpose
from crm.exports.jobs import ExportFormat, ExportJob, ExportKind, ExportState
from crm.imports.fields import ImportKind
from crm.imports.jobs import ImportJob, ImportState
from storage import customers, exports, import_jobs, optouts, restored, suppressions
from storage.database import Database
from storage.spool import alone_with
from storage.tables import metadata
from storage.tables.imports import export_jobs
from telephony.numbers import E164

NAME, NUMBER = "欧阳密语", E164("+8613812345678")
OTHER = E164("+8613998765432")
KEY = b"k" * 32
HEADER = "姓名,电话\n"


class House:
    """A data folder with lists that hold him, and lists that do not."""

    def __init__(self, database: Database, clock: FrozenClock, folder: Path) -> None:
        self.database, self.clock, self.folder = database, clock, folder
        self.now = clock.now()
        files = ErasedFiles(database, clock, lists=folder / "lists", spool=folder / "spool")
        self.book = PrivacyBook(
            database,
            clock,
            recordings_folder=lambda: folder,
            voicemail_folder=lambda: folder,
            house="x",
            key=KEY,
            erased_files=files,
        )
        for name in ("lists/imports", "lists/exports", "spool"):
            (folder / name).mkdir(parents=True)

    def person(self) -> str:
        def work(connection: Connection) -> str:
            made = customers.add_customer(connection, name=NAME, now=self.now)
            customers.add_contact(connection, made.id, NUMBER, self.now, primary=True)
            return made.id

        return self.database.write_now(work)

    def bring(self, content: bytes, *, name: str = "file") -> str:
        job_id = new_id(self.now)
        job = ImportJob(
            id=job_id,
            kind=ImportKind.CUSTOMERS,
            source="DMS",
            state=ImportState.CHECKED,
            file_name="list.csv",
            file_bytes=1,
            created_at=self.now,
            by_name="Wang",
            found={"first": [["欧阳密语"]]},
        )
        self.database.write_now(lambda connection: import_jobs.insert_job(connection, job))
        (self.folder / "lists/imports" / job_id).mkdir()
        (self.folder / "lists/imports" / job_id / name).write_bytes(content)
        return job_id

    def give(self, content: bytes | str) -> str:
        """An export: text as CSV, bytes as the one sheet of a workbook."""
        job_id = new_id(self.now)
        kind = ExportFormat.CSV if isinstance(content, str) else ExportFormat.XLSX
        job = ExportJob(
            id=job_id,
            kind=ExportKind.CUSTOMERS,
            format=kind,
            state=ExportState.READY,
            wanted={},
            created_at=self.now,
            by_id=None,
            by_name="Wang",
            owner="command",
        )
        self.database.write_now(lambda connection: exports.insert_export(connection, job))
        path = self.folder / "lists/exports" / f"{job_id}.{kind.value}"
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8-sig")
        else:
            with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("xl/sharedStrings.xml", content)
        return job_id


@pytest.fixture
def house(database: Database, clock: FrozenClock, tmp_path: Path) -> House:
    return House(database, clock, tmp_path)


async def test_c07_lists_that_hold_an_erased_person_go_and_their_jobs_say_so(house: House) -> None:
    customer_id = house.person()
    theirs = [
        house.bring((HEADER + f"{NAME},138 1234 5678\n").encode("gb18030")),
        house.bring((HEADER + "x," * 600_000 + "13812345678\n").encode()),
        house.bring(json.dumps([NAME]).encode(), name="rows"),
    ]
    other = house.bring((HEADER + "王小明,13998765432\n").encode())
    out = [house.give(f"{NAME},138****5678\n"), house.give(b"<si><t>13812345678</t></si>")]
    kept = house.give(f"王小明,{OTHER}\n")
    put_aside = house.folder / "spool" / "refused.jsonl"
    put_aside.write_text('["a","+8613812345678"]\n["b","+8613998765432"]\n', encoding="utf-8")
    done = await house.book.erase(customer_id)
    assert (done.counts["import files"], done.counts["export files"]) == (3, 2)
    left = {
        path.parent.name if path.name in ("file", "rows") else path.stem for path in house.folder.rglob("*.*")
    }
    assert left & {*theirs, *out} == set()
    assert [path.name for path in (house.folder / "lists/imports").iterdir()] == [other]
    assert [path.stem for path in (house.folder / "lists/exports").iterdir()] == [kept]
    assert put_aside.read_text(encoding="utf-8") == '["b","+8613998765432"]\n'

    def look(connection: Connection) -> None:
        for job_id in theirs:
            job = import_jobs.get_job(connection, job_id)
            assert (job.error_id, job.found, job.cleared_at) == (ERASED, {}, house.now)
        assert import_jobs.get_job(connection, other).cleared_at is None
        rows = connection.execute(select(export_jobs.c.id, export_jobs.c.state, export_jobs.c.error)).all()
        assert {row.id for row in rows if (row.state, row.error) == ("removed", ERASED)} == set(out)

    house.database.read_now(look)


def test_a_line_put_aside_while_an_erased_persons_lines_go_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opened the file before it was replaced, and stood still for a while, writes to the new one."""
    path = tmp_path / "refused.jsonl"
    path.write_text('["a","+8613812345678"]\n["b","x"]\n', encoding="utf-8")
    person: Any = SimpleNamespace(numbers=(NUMBER,), shared=(), names=(), marks=())
    sought = erased_files._Sought(person)
    flock = fcntl.flock

    def late(file: Any, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        assert erased_files._without(path, sought) == 1
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with alone_with(path) as file:
        file.write("late\n")
    assert path.read_text(encoding="utf-8") == '["b","x"]\nlate\n'


async def test_c07_who_wanted_no_calls_is_not_called_when_a_list_brings_him_again(house: House) -> None:
    customer_id = house.person()

    def wish(connection: Connection) -> bool:
        return optouts.opt_out(
            connection,
            number=NUMBER,
            purpose=Purpose.ADVERTISING,
            at=house.now,
            source=OptOutSource.AGENT,
            proof=f"{NAME} said so",
        )

    def refused(connection: Connection, purpose: Purpose = Purpose.ADVERTISING, number: str = NUMBER) -> bool:
        found = optouts.refusal(connection, number, purpose, Channel.TEXT, house.now, key=KEY)
        return found is not None

    house.database.write_now(wish)
    await house.book.erase(customer_id)

    def no_trace(connection: Connection) -> str:
        return str([connection.execute(select(table)).all() for table in metadata.sorted_tables])

    text = house.database.read_now(no_trace)
    assert "13812345678" not in text
    assert NAME not in text
    house.person()  # the next list brings him again
    assert house.database.read_now(refused)
    assert not house.database.read_now(lambda connection: refused(connection, Purpose.VISITS))
    assert not house.database.read_now(lambda connection: refused(connection, number=OTHER))
    known = house.database.read_now(restored.read_known)
    house.database.write_now(lambda connection: connection.execute(metadata.tables["suppressions"].delete()))
    house.database.write_now(lambda connection: restored.carry(connection, known, now=house.now))
    assert house.database.read_now(refused), "a restore brings the wishes along"
    assert house.database.write_now(
        lambda connection: optouts.withdraw(
            connection,
            number=NUMBER,
            purpose=Purpose.ADVERTISING,
            channel=Channel.ALL,
            at=house.now,
            proof="signed form",
            key=KEY,
        )
    )
    assert not house.database.read_now(refused)


def test_the_hash_says_nothing_without_the_key() -> None:
    assert suppressions.hashed(KEY, NUMBER) != suppressions.hashed(b"other", NUMBER)
    assert suppressions.hashed(KEY, NUMBER) == suppressions.hashed(KEY, NUMBER)
