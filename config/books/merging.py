"""`web.ports.merging.Merging` over the database; calls that go on are told whose they are now (R34)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number
from access.permissions import Permission
from access.users import Principal
from crm.records.changes import author
from crm.records.customers import CustomerNotFound
from crm.records.merging import FieldPair, Merge
from storage import audit, calls, customers, duplicates, merging, vehicles
from storage.database import Database
from storage.sight import Sight, sight, sights
from telephony.call_lists import BadCursor
from telephony.calls import Call
from telephony.facts import Fact
from telephony.numbers import readable
from web.ports.merging import Comparison, MergePage, MergeView, PairPage, PairView, Person


class LiveCalls(Protocol):
    """The journal, as far as a merge needs it."""

    def live_calls(self) -> list[Call]:
        """The calls that are going on."""

    def record_soon(self, *facts: Fact) -> None:
        """Take facts that nobody waits for."""


class MergeBook:
    """Who is on record twice, and what is done about it."""

    def __init__(self, database: Database, live: LiveCalls | None = None) -> None:
        self._database = database
        self._live = live

    async def pairs(
        self, viewer: Principal, *, cursor: str | None, limit: int, now: datetime | None = None
    ) -> PairPage:
        after = _read_cursor(cursor)

        def work(connection: Connection) -> PairPage:
            found = duplicates.list_pairs(connection, after=after, limit=limit + 1)
            kept = found[:limit]
            last = kept[-1] if len(found) > limit else None
            waiting, waiting_more = duplicates.count_pairs(connection)
            return PairPage(
                items=_pairs(connection, viewer, kept, now),
                waiting=waiting,
                waiting_more=waiting_more,
                next=None if last is None else f"{last.score}~{last.one_id}~{last.other_id}",
            )

        return await self._database.read(work)

    async def pairs_of(self, viewer: Principal, customer_id: str, now: datetime | None = None) -> PairPage:
        def work(connection: Connection) -> PairPage:
            current = merging.current_id(connection, customer_id)
            if sight(connection, viewer, current, now) is Sight.NONE:
                raise CustomerNotFound("There is no such customer.")
            found = _pairs(connection, viewer, duplicates.pairs_of(connection, current), now)
            return PairPage(items=found, waiting=len(found))

        return await self._database.read(work)

    async def different(self, viewer: Principal, one_id: str, other_id: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            duplicates.say_different(connection, one_id, other_id, by=viewer.name, now=entry.at)
            audit.append(connection, entry)

        await self._database.write(work)

    async def compare(self, viewer: Principal, survivor_id: str, merged_id: str) -> Comparison:
        def work(connection: Connection) -> Comparison:
            fields = merging.side_by_side(connection, survivor_id, merged_id)
            people = _people(connection, viewer, [survivor_id, merged_id], None)
            pair = duplicates.get_pair(connection, survivor_id, merged_id)
            return Comparison(
                survivor=people[survivor_id],
                merged=people[merged_id],
                fields=[_shown(one, viewer) for one in fields],
                score=pair.score if pair else 0,
                reasons=[reason.value for reason in pair.reasons] if pair else [],
            )

        return await self._database.read(work)

    async def merge(
        self,
        viewer: Principal,
        survivor_id: str,
        merged_id: str,
        entry: Entry,
        *,
        choices: Mapping[str, str],
        versions: tuple[int, int] | None = None,
    ) -> MergeView:
        def work(connection: Connection) -> MergeView:
            made = merging.merge(
                connection,
                survivor_id,
                merged_id,
                choices=choices,
                by=author(viewer),
                now=entry.at,
                versions=versions,
            )
            audit.append(connection, replace(entry, data={**entry.data, "merge": made.id}))
            return _merge_views(connection, viewer, [made])[0]

        made = await self._database.write(work)
        self._tell(merged_id, survivor_id, f"merge:{made.merge.id}", entry.at)
        return made

    async def merges(
        self, viewer: Principal, *, customer_id: str = "", cursor: str | None, limit: int
    ) -> MergePage:
        def work(connection: Connection) -> MergePage:
            found = merging.merges_of(connection, customer_id, before=cursor or "", limit=limit + 1)
            kept = found[:limit]
            return MergePage(
                items=_merge_views(connection, viewer, kept),
                next=kept[-1].id if len(found) > limit else None,
            )

        return await self._database.read(work)

    async def get(self, viewer: Principal, merge_id: str) -> MergeView:
        return await self._database.read(
            lambda c: _merge_views(c, viewer, [merging.get_merge(c, merge_id)])[0]
        )

    async def undo(self, viewer: Principal, merge_id: str, entry: Entry) -> MergeView:
        def work(connection: Connection) -> tuple[MergeView, frozenset[str]]:
            made = merging.undo(connection, merge_id, by=author(viewer), now=entry.at)
            audit.append(connection, replace(entry, data={**entry.data, "left": len(made.not_restored)}))
            return _merge_views(connection, viewer, [made])[0], calls.going_on_of(connection, made.merged_id)

        made, returned = await self._database.write(work)
        self._tell(
            made.merge.survivor_id,
            made.merge.merged_id,
            f"merge:{merge_id}:undone",
            entry.at,
            only=returned,
        )
        return made

    def _tell(
        self, was: str, now_is: str, key: str, at: datetime, *, only: frozenset[str] | None = None
    ) -> None:
        """Calls that go on are held in memory: they learn by a fact whose they are, and their pages with them."""
        if self._live is None:
            return
        for call in self._live.live_calls():
            if call.customer_id == was and (only is None or call.id in only):
                self._live.record_soon(
                    merging.call_fact(call.id, call.linkedid, call.explained or "", now_is, key, at)
                )


def _read_cursor(cursor: str | None) -> tuple[int, str, str] | None:
    if cursor is None:
        return None
    parts = cursor.split("~")
    if len(parts) != 3 or not parts[0].isascii() or not parts[0].isdigit() or len(parts[0]) > 3:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return int(parts[0]), parts[1][:26], parts[2][:26]


def _pairs(
    connection: Connection, viewer: Principal, found: list[duplicates.Pair], now: datetime | None
) -> list[PairView]:
    people = _people(connection, viewer, {id for one in found for id in (one.one_id, one.other_id)}, now)
    return [
        PairView(
            one=people[one.one_id],
            other=people[one.other_id],
            score=one.score,
            reasons=[reason.value for reason in one.reasons],
            found_at=one.found_at,
        )
        for one in found
        if one.one_id in people and one.other_id in people
    ]


def _people(
    connection: Connection, viewer: Principal, ids: Collection[str], now: datetime | None
) -> dict[str, Person]:
    """Records as the viewer may see them: numbers masked by role, restricted ones closed, others' left out."""
    wanted = list(ids)
    seen = sights(connection, viewer, wanted, now)
    numbers = customers.numbers_of(connection, wanted)
    plates = vehicles.plates_of(connection, wanted)
    counted = calls.counts_of(connection, wanted)
    people = {}
    for id, one in customers.several(connection, wanted).items():
        if seen[id] is Sight.NONE:
            continue
        closed = seen[id] is Sight.CLOSED
        hidden = closed or not viewer.may(Permission.NAMES_FULL)
        shown = [] if closed else numbers.get(id, [])
        people[id] = Person(
            customer_id=id,
            number=one.number,
            name=mask_name(one.name) if hidden else one.name,
            version=one.version,
            created_at=one.created_at,
            key_account=one.key_account,
            numbers=[readable(number) if viewer.sees_numbers else mask_number(number) for number in shown],
            plates=[] if closed else plates.get(id, []),
            calls=0 if closed else counted.get(id, 0),
        )
    return people


def _shown(pair: FieldPair, viewer: Principal) -> FieldPair:
    """Names and texts hidden from whom they must be."""
    if viewer.may(Permission.NAMES_FULL) or pair.field not in ("name", "address"):
        return pair
    return replace(pair, survivor=mask_name(pair.survivor), merged=mask_name(pair.merged))


def _merge_views(connection: Connection, viewer: Principal, merges: list[Merge]) -> list[MergeView]:
    wanted = {id for one in merges for id in (one.survivor_id, one.merged_id)}
    people = _people(connection, viewer, wanted, None)
    return [
        MergeView(
            merge=one,
            survivor_number=people[one.survivor_id].number,
            merged_number=people[one.merged_id].number,
            name=people[one.survivor_id].name,
        )
        for one in merges
    ]
