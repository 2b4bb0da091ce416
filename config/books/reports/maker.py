"""Visits to be entered in the maker's system, and the file of the evening."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number, mask_text
from access.permissions import Permission
from access.users import Principal
from config.books.reports.book import Book
from crm.exports.cells import ColumnKind, ExportFormat
from crm.exports.child import make
from crm.reports.maker import FIELDS, MakerState, MakerStep, MakerVisit, Need
from crm.reports.rows import BadReport
from storage import (
    audit,
    customers,
    maker_visits,
    report_rows,
    users,
)
from storage.sight import Sight, sights
from web.languages import text, texts
from web.ports.reports import (
    MakerPage,
    MakerView,
)

_TRIES: Final = 5


class MakerReports(Book):
    """Visits to be entered in the maker's system, and the file of the evening."""

    async def collect_maker(self, now: datetime) -> int:
        """Write down who was visited in the last days; how many are new."""
        return await self._database.write(lambda c: maker_visits.collect(c, now - timedelta(days=7), now))

    async def maker(
        self,
        viewer: Principal,
        now: datetime,
        *,
        day: date | None,
        state: MakerState | None,
        cursor: str | None,
        limit: int,
    ) -> MakerPage:
        after = report_rows.read_cursor(cursor) if cursor is not None else None
        since, until = self.bounds(day, day) if day else (None, None)
        own = "" if viewer.may(Permission.REPORTS_READ) else viewer.user_id or "-"
        await self.collect_maker(now)

        def work(connection: Connection) -> MakerPage:
            found = maker_visits.list_visits(
                connection,
                viewer,
                self._options.maker_columns,
                self._zone,
                since=since,
                until=until,
                state=state,
                agent_id=own,
                after=after,
                limit=limit + 1,
                now=now,
            )
            kept = found[:limit]
            following = f"{kept[-1].visited_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
            return MakerPage(
                items=self._maker_views(connection, viewer, kept, now),
                counts=maker_visits.state_counts(connection, viewer, own, now),
                next=following,
            )

        return await self._database.read(work)

    def _maker_views(
        self, connection: Connection, viewer: Principal, found: Sequence[MakerVisit], now: datetime
    ) -> list[MakerView]:
        people = customers.several(connection, {one.customer_id for one in found})
        seen = sights(connection, viewer, list(people), now)
        names = users.user_names(connection)
        made = []
        for one in found:
            person = people[one.customer_id]
            closed = seen[person.id] is not Sight.OPEN
            values = dict(one.values)
            if not viewer.sees_numbers:
                for name in ("phone", "phone_2"):
                    values[name] = mask_number(str(values[name])) if values[name] else ""
                values["address"] = mask_text(str(values["address"] or ""))
            if not viewer.sees_names:
                values["name"] = mask_name(person.name)
            made.append(
                MakerView(
                    visit=replace(one, values={} if closed else values),
                    customer_name=mask_name(person.name) if closed or not viewer.sees_names else person.name,
                    customer_number=person.number,
                    agent_name=names.get(one.agent_id or "", ""),
                    plate="" if closed else str(values.get("plate") or ""),
                    model="" if closed else str(values.get("model") or ""),
                    closed=closed,
                    by_name=names.get(one.by_id or "", ""),
                )
            )
        return made

    async def maker_step(
        self,
        viewer: Principal,
        visit_id: str,
        step: MakerStep,
        entry: Entry,
        *,
        version: int,
        note: str,
    ) -> MakerView:
        def work(connection: Connection) -> MakerView:
            done = maker_visits.take_step(
                connection,
                visit_id,
                step,
                by=viewer,
                own_only=not viewer.may(Permission.REPORTS_READ),
                version=version,
                note=note,
                columns=self._options.maker_columns,
                zone=self._zone,
                now=entry.at,
            )
            audit.append(connection, entry)
            return self._maker_views(connection, viewer, [done], entry.at)[0]

        return await self._database.write(work)

    async def maker_files(
        self, cursor: str | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], str | None]:
        before = report_rows.read_cursor(cursor) if cursor is not None else None
        found = await self._database.read(
            lambda c: maker_visits.list_files(c, before=before, limit=limit + 1)
        )
        kept = found[:limit]
        following = f"{kept[-1]['made_at'].isoformat()}~{kept[-1]['id']}" if len(found) > limit else None
        return kept, following

    async def make_maker_file(
        self, viewer: Principal | None, occasion: str, entry: Entry
    ) -> Mapping[str, Any]:
        now = entry.at
        known = await self._database.read(lambda c: maker_visits.file_of_occasion(c, occasion))
        if known is not None:
            return known
        await self.collect_maker(now)
        since = now - timedelta(days=self._options.maker_correction_days)
        for _try in range(_TRIES):
            visits, behind = await self._database.read(
                lambda c: maker_visits.for_file(
                    c, self._options.maker_columns, self._zone, corrected_since=since
                )
            )
            content = await asyncio.to_thread(self._file, visits)

            def work(
                connection: Connection,
                visits: Sequence[MakerVisit] = visits,
                behind: int = behind,
                content: bytes = content,
            ) -> Mapping[str, Any]:
                made = maker_visits.keep_file(
                    connection,
                    occasion=occasion,
                    visits=visits,
                    behind=behind,
                    format=self._options.maker_format,
                    content=content,
                    sha256=hashlib.sha256(content).hexdigest(),
                    by=viewer,
                    now=now,
                )
                if made["made_at"] == now:
                    audit.append(connection, replace(entry, subject=f"maker_file:{made['id']}"))
                return made

            try:
                return await self._database.write(work)
            except maker_visits.VisitChanged:
                continue  # a person stepped in between: read again
        raise BadReport("The visits kept changing while the file was made. Nothing was written; try again.")

    def _file(self, visits: Sequence[MakerVisit]) -> bytes:
        columns = self._options.maker_columns
        kinds = [FIELDS.get(column.field, ColumnKind.TEXT) for column in columns]
        with tempfile.TemporaryDirectory(prefix="maker") as folder:
            path = Path(folder) / "file"
            order = {
                "path": str(path),
                "format": ExportFormat(self._options.maker_format),
                "headers": [*(column.name for column in columns), text("zh-CN", "reports.maker.mark")],
                "kinds": [*kinds, ColumnKind.TEXT],
                "zone": self._zone.key,
            }
            make(order, [self._line(one) for one in visits])
            return path.read_bytes()

    def _line(self, visit: MakerVisit) -> list[Any]:
        line: list[Any] = []
        for column, value in zip(self._options.maker_columns, visit.cells, strict=True):
            if column.field in ("result", "honorific") and value:
                value = texts("zh-CN").get(f"reports.maker.{column.field}.{value}", str(value))
            line.append(value.isoformat() if isinstance(value, date | datetime) else value)
        mark = "corrected" if visit.need is Need.CORRECTED else "new"
        return [*line, text("zh-CN", f"reports.maker.mark.{mark}")]

    async def take_maker_file(
        self, viewer: Principal, file_id: str, now: datetime
    ) -> tuple[Mapping[str, Any], bytes]:
        return await self._database.write(lambda c: maker_visits.take_file(c, file_id, viewer, now))
