"""`web.ports.Privacy` over the database: people's rights over their data, and legal holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

import structlog
from sqlalchemy import Connection

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.permissions import Permission, Role
from access.privacy import HoldNotFound, PrivacyRequest, RequestKind, RequestNotFound, RequestState
from access.users import Principal, Via
from config.books.approvals import shown_customer
from config.books.archive import temporary_archive, write_archive
from config.lists.erased_files import ErasedFiles
from crm.consent.optouts import Channel, OptOutSource, Purpose
from crm.records.changes import Author
from crm.records.customers import Secrecy
from storage import (
    audit,
    customers,
    erasure,
    optouts,
    privacy_requests,
    recordings,
    traces,
    users,
)
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from web.ports.privacy import Hold, RequestView, Whose

log = structlog.get_logger(__name__)

#: Who acts where nobody asks any more: the approved request is carried out, the house's lists are read.
_HOUSE = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Careline")
#: How often a person is looked for again after his rows were overwritten: somebody may write meanwhile.
_LOOKS = 3
#: Seconds that who approves waits for the work; after that it goes on without him.
_PATIENCE = 3.0


class PrivacyBook:
    """People's rights over the database and the files beside it."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        recordings_folder: Callable[[], Path],
        voicemail_folder: Callable[[], Path],
        house: str,
        key: bytes,
        files_go: Callable[[], Awaitable[None]] | None = None,
        erased_files: ErasedFiles | None = None,
    ) -> None:
        """`files_go` deletes the files of recordings and messages that are marked (`config.retention`).

        `key` is the house's own (`config.books.second_factors.keep_key`); `erased_files` looks through lists.
        """
        self._work: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._key = key
        self._erased_files = erased_files
        self._database = database
        self._clock = clock
        self._folders = {"recordings": recordings_folder, "voicemails": voicemail_folder}
        self._house = house
        self._files_go = files_go

    async def list(self, viewer: Principal, *, state: str = "", before: str = "") -> Sequence[RequestView]:
        def work(connection: Connection) -> Sequence[RequestView]:
            names = users.user_names(connection)
            found = privacy_requests.latest(connection, state=state, before=before)
            return [_request_view(connection, viewer, one, names) for one in found]

        return await self._database.read(work)

    async def get(self, viewer: Principal, request_id: str) -> RequestView:
        def work(connection: Connection) -> RequestView:
            found = privacy_requests.get(connection, request_id)
            return _request_view(connection, viewer, found, users.user_names(connection), whole=True)

        return await self._database.read(work)

    async def ask(
        self, viewer: Principal, kind: RequestKind, customer_id: str, identity: str, reason: str, entry: Entry
    ) -> RequestView:
        def work(connection: Connection) -> RequestView:
            asked = privacy_requests.ask(
                connection,
                id=new_id(entry.at),
                kind=kind,
                customer_id=customer_id,
                asked_by=viewer.user_id or "",
                identity=identity,
                reason=reason,
                now=entry.at,
            )
            audit.append(connection, entry)
            return _request_view(connection, viewer, asked, users.user_names(connection), whole=True)

        return await self._database.write(work)

    async def decide(
        self, viewer: Principal, request_id: str, *, approved: bool, note: str, entry: Entry
    ) -> RequestView:
        def work(connection: Connection) -> PrivacyRequest:
            found = privacy_requests.get(connection, request_id)
            if approved and found.kind is RequestKind.ERASE:
                person = traces.person_of(connection, found.customer_id)
                erasure.refuse_where_held(connection, person)
            decided = privacy_requests.decide(
                connection, request_id, by=viewer.user_id or "", approved=approved, note=note, now=entry.at
            )
            audit.append(connection, entry)
            return decided

        decided = await self._database.write(work)
        if decided.state is RequestState.APPROVED:
            work_on = asyncio.create_task(self._carry_out(decided), name="privacy")
            self._work.add(work_on)
            work_on.add_done_callback(self._work.discard)
            await asyncio.wait((work_on,), timeout=_PATIENCE)
            if work_on.done():
                work_on.result()
        return await self.get(viewer, request_id)

    async def carry_out_approved(self) -> int:
        """Do what was approved and not done: the service ended in between, or something was in the way.

        One that cannot be done now holds up no other. Gives how many were tried.
        """
        tried, after = 0, ""
        while True:
            found = await self._database.read(partial(privacy_requests.to_carry_out, after=after))
            for request in found:
                await self._carry_out(request)
            if not found:
                return tried
            tried, after = tried + len(found), found[-1].id

    async def _carry_out(self, request: PrivacyRequest) -> None:
        """Do what was approved; where it cannot be done now, keep why: the night tries again."""
        try:
            async with self._one_at_a_time:
                if await self._is_open(request.id):
                    await self._do(request)
        except erasure.ErasureRefused as refused:
            why = str(refused)
            log.warning("not erased now", action="erasure_waits", request=request.id, why=refused.error_id)
            await self._database.write(
                lambda connection: privacy_requests.note_waiting(connection, request.id, why)
            )
        except StorageUnavailable as error:
            log.warning("carried out tonight", action="privacy_delayed", request=request.id, why=str(error))

    async def _is_open(self, request_id: str) -> bool:
        """Whether nobody has carried it out in the meantime."""
        found = await self._database.read(lambda connection: privacy_requests.get(connection, request_id))
        return found.state is RequestState.APPROVED

    async def _do(self, request: PrivacyRequest) -> None:
        now = self._clock.now()
        result: Mapping[str, Any] = {}
        if request.kind is RequestKind.ERASE:
            done = await self.erase(request.customer_id, request_id=request.id)
            result = {**done.counts, "left": done.left, "shared numbers": done.shared}
        elif request.kind is RequestKind.RESTRICT:
            result = await self._database.write(lambda connection: _restrict(connection, request, now))
        elif request.kind is RequestKind.CORRECT:
            return  # people correct, by the record's page; whoever did so closes the request there
        if request.kind is not RequestKind.EXPORT:
            await self._database.write(
                lambda connection: privacy_requests.finish(connection, request.id, result=result, now=now)
            )

    async def finish_correction(self, request_id: str, entry: Entry) -> None:
        """The record was corrected."""

        def work(connection: Connection) -> None:
            privacy_requests.finish(connection, request_id, result={"corrected": 1}, now=entry.at)
            audit.append(connection, entry)

        await self._database.write(work)

    async def erase(self, customer_id: str, *, request_id: str | None = None) -> erasure.Erasure:
        """Erase a person, look for him again, and let his files go. Raises OnHold, CallGoingOn."""
        now = self._clock.now()
        person = await self._database.read(lambda connection: traces.person_of(connection, customer_id))
        pseudonym = f"X{new_id(now)[-12:]}"
        done = erasure.Erasure(customer_id=customer_id, pseudonym=pseudonym)

        def ties(connection: Connection, known: traces.Person) -> tuple[traces.Person, traces.Tied]:
            whole = traces.united(known, traces.person_of(connection, customer_id))
            return whole, traces.tied_rows(connection, whole)

        person, tied = await self._database.read(partial(ties, known=person))
        for _look in range(_LOOKS):
            found = await self._database.read(partial(traces.scan, person=person))
            seen = traces.Tied(keys=tied.keys)

            def work(
                connection: Connection,
                found: traces.Tied = found,
                tied: traces.Tied = tied,
                person: traces.Person = person,
            ) -> erasure.Erasure:
                erased = erasure.erase(
                    connection,
                    customer_id,
                    found=found,
                    tied=tied,
                    pseudonym=pseudonym,
                    now=now,
                    request_id=request_id,
                    known=person,
                    key=self._key,
                )
                noted = entry(
                    Action.PERSON_ERASED, _HOUSE, id=new_id(now), at=now, subject=f"customer:{customer_id}"
                )
                audit.append(connection, noted)
                return erased

            again = await self._database.write(work)
            for name, rows in again.counts.items():
                done.counts[name] = max(done.counts.get(name, 0), rows)
            done.shared = again.shared
            done.left = await self._database.read(partial(erasure.prove, person=person))
            person, tied = await self._database.read(partial(ties, known=person))
            if done.left == 0 and not tied.beyond(seen):
                break  # and nobody wrote of him between the look and the erasing
        if done.left:
            log.error("an erased person is still named", action="erasure_incomplete", rows=done.left)
        if self._erased_files is not None:
            done.counts |= {
                kind: many for kind, many in (await self._erased_files.remove(person)).items() if many
            }
        if self._files_go is not None:
            await self._files_go()
        return done

    async def archive(self, viewer: Principal, request_id: str, entry: Entry) -> tuple[str, IO[bytes]]:
        def read(connection: Connection) -> tuple[PrivacyRequest, Mapping[str, Any], Mapping[str, str]]:
            request = privacy_requests.get(connection, request_id)
            if request.kind is not RequestKind.EXPORT or request.state not in (
                RequestState.APPROVED,
                RequestState.DONE,
            ):
                raise RequestNotFound("There is no approved export of this number.")
            person = traces.person_of(connection, request.customer_id)
            sounds = recordings.files_of(connection, person.call_ids)
            return request, traces.handed_out(connection, person), sounds

        request, data, named = await self._database.read(read)

        def note(connection: Connection) -> None:
            audit.append(connection, entry)
            privacy_requests.finish(
                connection, request_id, result={name: len(rows) for name, rows in data.items()}, now=entry.at
            )

        await self._database.write(note)
        sounds = {name: self._folders[kind]() / name for name, kind in named.items()}
        out = temporary_archive()
        await asyncio.to_thread(write_archive, out, data, house=self._house, at=entry.at, sounds=sounds)
        out.seek(0)
        return f"person-{request.customer_id}.zip", out

    async def whose(self, viewer: Principal, sought: str) -> Whose | None:
        def work(connection: Connection) -> Whose | None:
            found = customers.find_by_sign(connection, sought)
            if found is None:
                return None
            name, number = shown_customer(connection, viewer, found.id)
            return Whose(id=found.id, name=name, number=number)

        return await self._database.read(work)

    async def holds(self) -> Sequence[Hold]:
        def work(connection: Connection) -> Sequence[Hold]:
            return [
                Hold(
                    id=row["id"],
                    customer_id=row["customer_id"],
                    customer=shown_customer(connection, _HOUSE, row["customer_id"])[0],
                    reason=row["reason"],
                    placed_by=row["placed_by"],
                    placed_at=row["placed_at"],
                )
                for row in erasure.holds_of(connection)
            ]

        return await self._database.read(work)

    async def hold(self, viewer: Principal, customer_id: str, reason: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            customers.get_customer(connection, customer_id)
            erasure.place_hold(
                connection,
                id=new_id(entry.at),
                customer_id=customer_id,
                reason=reason[:500],
                by=viewer.name,
                now=entry.at,
            )
            audit.append(connection, entry)

        await self._database.write(work)

    async def release(self, viewer: Principal, hold_id: str, reason: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            if not erasure.release_hold(connection, hold_id, reason=reason, by=viewer.name, now=entry.at):
                raise HoldNotFound("There is no such hold, or it was released before.")
            audit.append(connection, entry)

        await self._database.write(work)


def _restrict(connection: Connection, request: PrivacyRequest, now: datetime) -> Mapping[str, Any]:
    """The record needs an approval from now on, and nobody contacts the person for anything he did not ask for."""
    person = traces.person_of(connection, request.customer_id)
    decider = request.decided_by or ""
    by = Author(name=users.user_names(connection).get(decider, ""), id=request.decided_by)
    customers.change_customer(connection, request.customer_id, now, by=by, secrecy=Secrecy.RESTRICTED)
    customers.restrict_merged(connection, person.customer_ids - {request.customer_id})
    told = sum(
        optouts.opt_out(
            connection,
            number=number,
            purpose=purpose,
            at=now,
            source=OptOutSource.AGENT,
            proof=f"privacy request {request.id}",
            channel=Channel.ALL,
            actor_id=request.asked_by,
        )
        for number in (*person.numbers, *person.shared)
        for purpose in (Purpose.ADVERTISING, Purpose.VISITS, Purpose.REMINDERS)
    )
    return {"customers": len(person.customer_ids), "optouts": told}


def _request_view(
    connection: Connection,
    viewer: Principal,
    request: PrivacyRequest,
    names: Mapping[str, str],
    *,
    whole: bool = False,
) -> RequestView:
    name, number = shown_customer(connection, viewer, request.customer_id)
    owed: Sequence[tuple[str, str, datetime | None]] = ()
    held = ""
    waits = request.state is RequestState.ASKED
    if whole and waits and request.kind is RequestKind.ERASE:
        person = traces.person_of(connection, request.customer_id)
        owed = erasure.obligations(connection, person)
        try:
            erasure.refuse_where_held(connection, person)
        except erasure.ErasureRefused as refused:
            held = str(refused)
    return RequestView(
        request=request,
        customer=name,
        customer_number=number,
        asked_by=names.get(request.asked_by, ""),
        decided_by=names.get(request.decided_by or ""),
        may_decide=waits and request.asked_by != viewer.user_id and viewer.may(Permission.PRIVACY_DECIDE),
        owed=owed,
        held=held,
    )
