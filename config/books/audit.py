"""`web.ports.AuditLog` over the database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import IO
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.seals import seal, sealing_key
from access.suspicion import Finding, Limits, suspicious
from config.books.archive import temporary_archive
from storage import audit, regulator
from storage.database import Database


class AuditBook:
    """The audit log, and what is made from it."""

    def __init__(
        self, database: Database, *, key: bytes = b"", zone: str = "Asia/Shanghai", house: str = "Careline"
    ) -> None:
        self._database = database
        self._key = sealing_key(key)
        self._zone = ZoneInfo(zone)
        self._house = house

    async def append(self, entry: Entry) -> None:
        await self._database.write(lambda connection: audit.append(connection, entry))

    async def append_all(self, entries: Sequence[Entry]) -> None:
        await self._database.write(lambda connection: audit.append_all(connection, entries))

    async def list(
        self,
        *,
        before: str,
        subject: str,
        limit: int,
        actor_id: str = "",
        action: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Sequence[Entry]:
        return await self._database.read(
            lambda connection: audit.list_entries(
                connection,
                before=before,
                subject=subject,
                limit=limit,
                actor_id=actor_id,
                action=action,
                since=since,
                until=until,
            )
        )

    async def suspicious(self, since: datetime) -> Sequence[Finding]:
        def work(connection: Connection) -> Sequence[Finding]:
            return suspicious(
                audit.looks_since(connection, since),
                key_accounts=audit.key_accounts(connection),
                zone=self._zone,
                limits=Limits(),
            )

        return await self._database.read(work)

    async def calls_of(
        self, number: str, since: datetime, until: datetime, entry: Entry
    ) -> tuple[str, IO[bytes]]:
        await self.append(entry)
        out: IO[bytes] = temporary_archive()

        def work(connection: Connection) -> None:
            write_sealed(
                connection,
                out,
                number,
                since=since,
                until=until,
                at=entry.at,
                house=self._house,
                key=self._key,
            )

        await self._database.read(work)
        await asyncio.to_thread(out.seek, 0)
        return f"calls-{number.lstrip('+')[-4:]}-{entry.at:%Y%m%d}.jsonl", out


def write_sealed(
    connection: Connection,
    out: IO[bytes],
    number: str,
    *,
    since: datetime,
    until: datetime,
    at: datetime,
    house: str,
    key: bytes,
) -> int:
    """Write every call of a number as a sealed file; gives how many calls. `key` is `access.seals.sealing_key`'s."""
    expected = regulator.count_calls_of_number(connection, number, since=since, until=until)
    header = {
        "house": house,
        "number": number,
        "since": since.isoformat(),
        "until": until.isoformat(),
        "made_at": at.isoformat(),
        "calls": expected,
    }
    for line in seal(header, regulator.calls_of_number(connection, number, since=since, until=until), key):
        out.write(line.encode())
    return expected
