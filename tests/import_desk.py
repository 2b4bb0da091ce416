"""An import desk over a database as the service has one, and rows of a list of deliveries."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, select

from access.ids import new_id
from config.lists.imports import House, ImportWork
from crm.imports.fields import ImportKind
from crm.imports.files.guards import Limits
from crm.imports.jobs import Choice, ImportJob, ImportState
from storage import customers, import_jobs
from storage.database import Database
from storage.tables.consent import optouts
from storage.tables.records import contacts, record_changes, service_visits, vehicle_people
from storage.tables.records import customers as customer_rows
from storage.tables.records import vehicles as vehicle_rows

HEADER = ["客户姓名", "手机号码", "车架号", "车牌号", "车型", "交车日期", "里程", "备注"]
ZEROS: dict[str, Any] = dict.fromkeys(("done", "added", "changed", "unchanged", "refused", "place"), 0)


class Bench:
    """An import desk over a database, as the service has one."""

    def __init__(self, database: Database, folder: Path, clock: FrozenClock) -> None:
        self.database = database
        self.folder = folder
        self.clock = clock
        house = House(
            folder=folder / "imports",
            zone="Asia/Shanghai",
            country="CN",
            area_code="",
            rule="C{serial:06d}",
            limits=Limits(seconds=30),
        )
        self.work = ImportWork(database, house, clock)

    async def bring(
        self,
        content: Path | Sequence[Sequence[Any]],
        kind: ImportKind = ImportKind.CUSTOMERS,
        *,
        source: str = "DMS",
        choice: Callable[[Choice], Choice] = lambda choice: choice,
    ) -> ImportJob:
        """Upload and try: the job as it waits for somebody to say go."""
        self.clock.advance(1)
        path = content if isinstance(content, Path) else self.write(content)
        job_id = new_id(self.clock.now())

        async def chunks() -> AsyncIterator[bytes]:
            yield path.read_bytes()

        size = await self.work.keep_file(job_id, chunks())
        job = ImportJob(
            id=job_id,
            kind=kind,
            source=source,
            state=ImportState.READING,
            file_name=path.name,
            file_bytes=size,
            created_at=self.clock.now(),
            by_name="test",
        )
        self.database.write_now(lambda connection: import_jobs.insert_job(connection, job))
        job = await self.work.work(job_id)
        assert job.state is ImportState.CHOOSING, job.error_id
        chosen = choice(job.choice)
        self.database.write_now(
            lambda connection: import_jobs.move(
                connection, job_id, ImportState.CHECKING, out_of=[ImportState.CHOOSING], choice=chosen
            )
        )
        return await self.work.work(job_id)

    def begin(self, job: ImportJob) -> None:
        def work(connection: Connection) -> None:
            import_jobs.forget_faults(connection, job.id)
            import_jobs.move(connection, job.id, ImportState.RUNNING, out_of=[ImportState.CHECKED], **ZEROS)

        self.database.write_now(work)

    async def go(self, job: ImportJob) -> ImportJob:
        self.begin(job)
        return await self.work.work(job.id)

    async def put_in(self, content: Path | Sequence[Sequence[Any]], **how: Any) -> ImportJob:
        return await self.go(await self.bring(content, **how))

    def faults(self, job: ImportJob) -> dict[int, list[tuple[str, str]]]:
        """Row to (reason, field)."""
        found = self.database.read_now(
            lambda connection: import_jobs.list_faults(connection, job.id, limit=100_000)
        )
        return {row: [(one[0], one[1]) for one in faults] for row, faults in found}

    def write(self, rows: Sequence[Sequence[Any]]) -> Path:
        path = self.folder / f"list-{len(list(self.folder.iterdir()))}.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows(rows)
        return path

    def count(self, table: Any) -> int:
        return int(
            self.database.read_now(
                lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()
            )
        )

    def everything(self) -> dict[str, int]:
        tables = (
            customer_rows,
            contacts,
            vehicle_rows,
            vehicle_people,
            service_visits,
            optouts,
            record_changes,
        )
        return {table.name: self.count(table) for table in tables}

    def find(self, name: str) -> list[Any]:
        wanted = select(customer_rows).where(customer_rows.c.name == name)
        return self.database.read_now(
            lambda c: [customers.customer_from(row) for row in c.execute(wanted).mappings()]
        )


def row(number: int, **changed: str) -> list[str]:
    """A delivery, as `HEADER` names its columns."""
    values = {
        "name": f"客户{number:05d}",
        "phone": str(13_800_000_000 + number),
        "vin": f"LGWEF4A5{number:09d}",
        "plate": f"苏A{number:05d}",
        "model": "哈弗H6",
        "day": "2026年3月5日",
        "mileage": "12",
        "note": "",
    }
    return list({**values, **changed}.values())
