"""Everything about lists of one installation, made from its settings."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from config.books.imports import ExportBook, ImportBook, saying
from config.lists.exports import ExportWork
from config.lists.imports import House, ImportWork
from config.lists.queue import ImportQueue
from crm.imports.files.guards import Limits
from crm.options import ListOptions
from storage.database import Database
from telephony.clock import Clock


@dataclass(frozen=True, kw_only=True)
class ListRoom:
    """Imports and exports: their work, and what the web needs of them."""

    import_work: ImportWork
    export_work: ExportWork
    imports: ImportBook
    exports: ExportBook
    queue: ImportQueue
    clock: Clock
    options: ListOptions

    async def run(self) -> None:
        """Work on imports until cancelled; what a crash left half made is cleared first."""
        await self.export_work.forget_unfinished()
        filling = asyncio.create_task(self.imports.filler.run(self.clock), name="group filling")
        try:
            await self.queue.run()
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)
            await self.exports.close()

    async def clear(self) -> None:
        """Remove files that are older than the settings keep them."""
        await self.export_work.remove_old(timedelta(hours=self.options.export_hours))
        await self.imports.clear(self.clock.now(), timedelta(days=self.options.import_days))


def make_lists(
    database: Database,
    clock: Clock,
    *,
    folder: Path,
    options: ListOptions | None = None,
    zone: str = "Asia/Shanghai",
    country: str = "CN",
    area_code: str = "",
    rule: str = "C{serial:06d}",
) -> ListRoom:
    """The room; `folder` is where files of lists lie, below the data folder."""
    options = options or ListOptions()
    limits = Limits(bytes=options.most_megabytes * 1024 * 1024, rows=options.most_rows)
    house = House(
        folder=folder / "imports", zone=zone, country=country, area_code=area_code, rule=rule, limits=limits
    )
    work = ImportWork(database, house, clock)
    queue = ImportQueue(work, database)
    making = ExportWork(
        database,
        folder=folder / "exports",
        zone=zone,
        most_rows=options.export_rows,
        say=saying(),
        clock=clock,
    )
    return ListRoom(
        import_work=work,
        export_work=making,
        imports=ImportBook(database, work, queue, limits.bytes),
        exports=ExportBook(database, making),
        queue=queue,
        clock=clock,
        options=options,
    )
