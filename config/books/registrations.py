"""Filing calls, over the database: what a filing brings about is made in its own transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number
from access.permissions import TAKES_CALLS, Permission
from access.users import Principal
from config.books.definitions import DefinitionBook
from crm.consent.optouts import Channel, OptOutSource, Purpose
from crm.dispositions.dispositions import DispositionSet, Flag
from crm.options import AftercallOptions
from crm.registrations import forms
from crm.registrations.filing import (
    CallNotFound,
    Content,
    Draft,
    Fault,
    Registration,
    RegistrationIncomplete,
    RegistrationNotFound,
    Version,
    check,
)
from crm.registrations.forms import Form
from crm.tasks.tasks import TaskKind
from storage import audit, calls, customers, optouts, registrations, tasks, users
from storage.database import Database
from storage.registrations import Filed
from storage.sight import Sight, sights
from telephony.call_lists import BadCursor, may_see, view_of
from telephony.calls import Call
from web.ports.aftercall import OthersDraft, Panel, UnfiledPage, UnfiledView

#: A moment so many minutes of working time later.
Due = Callable[[datetime, float], datetime]


class RegistrationBook:
    """`web.ports.aftercall.Registrations` over the database."""

    def __init__(
        self,
        database: Database,
        definitions: DefinitionBook,
        *,
        due: Due,
        departments: Mapping[str, Mapping[str, str]],
        options: AftercallOptions,
    ) -> None:
        self._database = database
        self._definitions = definitions
        self._due = due
        self._departments = departments
        self._options = options

    async def panel(self, viewer: Principal, call_id: str, now: datetime) -> Panel:
        def work(connection: Connection) -> Panel:
            call = visible(connection, viewer, call_id)
            offered = [form for form, _version in self._definitions.forms(connection)]
            sets = {name: found for name, (found, _v) in self._definitions.sets(connection).items()}
            everybody = users.list_users(connection)
            names = {user.id: user.name for user in everybody}
            registration = _filed(connection, call_id)
            draft = registrations.draft_of(connection, call_id, viewer.user_id) if viewer.user_id else None
            return Panel(
                call=view_of(
                    call, sees_numbers=viewer.sees_numbers, agent_name=names.get(call.agent_id or "")
                ),
                forms=offered,
                sets=sets,
                suggested=forms.likely(
                    tuple(offered), queue=call.queue, keys=call.keys, direction=call.direction.value
                ),
                draft=draft,
                others=_others(connection, call_id, viewer, names) if _may_file(call, viewer) else (),
                registration=registration,
                may_file=registration is None and _may_file(call, viewer),
                may_correct=registration is not None and self._may_correct(registration, viewer, now),
                departments=self._departments,
                people={
                    user.id: user.name for user in everybody if user.is_enabled and user.role in TAKES_CALLS
                },
            )

        return await self._database.read(work)

    async def save_draft(
        self, viewer: Principal, call_id: str, *, based_on: int, body: Mapping[str, Any], now: datetime
    ) -> Draft:
        user_id = viewer.user_id or ""

        def work(connection: Connection) -> Draft:
            if registrations.draft_of(connection, call_id, user_id) is None:
                visible(connection, viewer, call_id)  # whose call went on to a colleague keeps his own draft
            return registrations.save_draft(
                connection,
                call_id=call_id,
                user_id=user_id,
                based_on=based_on,
                body=body,
                now=now,
                holder=viewer.name,
            )

        return await self._database.write(work)

    async def drop_draft(self, viewer: Principal, call_id: str) -> None:
        user_id = viewer.user_id or ""

        def work(connection: Connection) -> None:
            if registrations.draft_of(connection, call_id, user_id) is None:
                visible(connection, viewer, call_id)
            registrations.drop_draft(connection, call_id, user_id)

        await self._database.write(work)

    async def get(self, viewer: Principal, call_id: str) -> Registration:
        def work(connection: Connection) -> Registration:
            visible(connection, viewer, call_id)
            return registrations.of_call(connection, call_id)

        return await self._database.read(work)

    async def file(self, viewer: Principal, call_id: str, content: Content, entry: Entry) -> Registration:
        def work(connection: Connection) -> Registration:
            call = visible(connection, viewer, call_id)
            if not _may_file(call, viewer):
                raise CallNotFound("This call is a colleague's; only who talked in it files it.")
            filed, form = self._checked(connection, content, entry.at)
            registration, new = registrations.file(
                connection,
                call,
                content,
                filed,
                now=entry.at,
                by=viewer.user_id or "",
                by_name=viewer.name,
            )
            if new:
                self._react(connection, call, registration, form, filed, None, viewer)
                audit.append(connection, entry)
            return registrations.of_call(connection, call_id)

        return await self._database.write(work)

    async def correct(
        self, viewer: Principal, call_id: str, content: Content, *, based_on: int, why: str, entry: Entry
    ) -> Registration:
        def work(connection: Connection) -> Registration:
            call = visible(connection, viewer, call_id)
            before = registrations.of_call(connection, call_id)
            if not self._may_correct(before, viewer, entry.at):
                raise RegistrationNotFound(
                    "You may not correct this registration any more; ask your supervisor to."
                )
            filed, form = self._checked(connection, content, entry.at, before.current)
            after = registrations.correct(
                connection,
                call_id,
                content,
                filed,
                based_on=based_on,
                why=why,
                now=entry.at,
                by=viewer.user_id or "",
                by_name=viewer.name,
            )
            # Else it was there already, and only its answer was lost.
            if after.current.version > before.current.version:
                self._react(connection, call, after, form, filed, before.current, viewer)
                audit.append(connection, entry)
            return registrations.of_call(connection, call_id)

        return await self._database.write(work)

    async def unfiled(
        self, viewer: Principal, *, mine: bool, cursor: str | None, limit: int, now: datetime | None = None
    ) -> UnfiledPage:
        after = read_cursor(cursor)
        everybody = viewer.may(Permission.REGISTRATIONS_ALL) and not mine

        def work(connection: Connection) -> UnfiledPage:
            found = registrations.unfiled(
                connection,
                agent_id=None if everybody else viewer.user_id or "",
                user_id=viewer.user_id or "",
                after=after,
                limit=limit + 1,
            )
            names = users.user_names(connection)
            people = customers.several(connection, [one.customer_id for one in found if one.customer_id])
            seen = sights(connection, viewer, people, now)
            kept = found[:limit]
            items = [
                UnfiledView(
                    call_id=one.call_id,
                    agent_id=one.agent_id,
                    agent_name=names.get(one.agent_id),
                    started_at=one.started_at,
                    ended_at=one.ended_at,
                    number=one.number if viewer.sees_numbers or not one.number else mask_number(one.number),
                    customer_id=one.customer_id,
                    customer_name=_name(people[one.customer_id].name, viewer, seen[one.customer_id])
                    if one.customer_id in people
                    else None,
                    queue=one.queue,
                    direction=one.direction,
                    has_draft=one.has_draft,
                )
                for one in kept
            ]
            following = f"{kept[-1].ended_at.isoformat()}~{kept[-1].call_id}" if len(found) > limit else None
            return UnfiledPage(items=items, next=following)

        return await self._database.read(work)

    def _may_correct(self, registration: Registration, viewer: Principal, now: datetime) -> bool:
        if viewer.may(Permission.REGISTRATIONS_ALL):
            return viewer.user_id is not None
        first = registration.versions[-1]
        own = viewer.user_id is not None and viewer.user_id in (first.by, registration.agent_id)
        return own and now - first.at <= timedelta(days=self._options.correction_days)

    def _checked(
        self, connection: Connection, content: Content, now: datetime, before: Version | None = None
    ) -> tuple[Filed, Form]:
        """The content against the definitions of today. Raises RegistrationIncomplete.

        A call-back time that was filed in time and is not changed may have passed since.
        """
        offered = {form.call_type: (form, version) for form, version in self._definitions.forms(connection)}
        if content.call_type not in offered:
            raise RegistrationIncomplete(
                "This call type is not offered (any more). Nothing was filed; your text is kept.",
                (Fault(field="call_type", code="unknown"),),
            )
        form, form_version = offered[content.call_type]
        dispositions, set_version = self._set(connection, form)
        passed = before is not None and before.content.callback_at == content.callback_at
        faults = check(
            content,
            form,
            dispositions,
            now=datetime.min.replace(tzinfo=now.tzinfo) if passed else now,
            departments=self._departments,
        )
        choice = dispositions.find(content.disposition)
        if faults or choice is None:
            raise RegistrationIncomplete(
                "Something is missing. Nothing was filed; your text is kept as a draft.", faults
            )
        return (
            Filed(
                form_version=form_version,
                set_name=dispositions.name,
                set_version=set_version,
                choice=choice,
            ),
            form,
        )

    def _set(self, connection: Connection, form: Form) -> tuple[DispositionSet, int]:
        return self._definitions.sets(connection)[form.dispositions]

    def _react(
        self,
        connection: Connection,
        call: Call,
        registration: Registration,
        form: Form,
        filed: Filed,
        before: Version | None,
        viewer: Principal,
    ) -> None:
        """Tasks and suppression that follow from what was filed, where it says more than the version before."""
        content, now = registration.current.content, registration.current.at
        known = before.content if before else None
        customer_id = _on_record(connection, call.customer_id)
        step = form.step(content.next_step) if content.next_step else None
        wanted = (content.next_step, content.next_note, content.next_department, content.next_person)
        had = known and (known.next_step, known.next_note, known.next_department, known.next_person)
        if step is not None and wanted != had:
            department = content.next_department or step.department
            owner = content.next_person or (None if department else viewer.user_id)
            tasks.add_task(
                connection,
                kind=step.task,
                occasion=registrations.occasion(registration.id, registration.current.version, "step"),
                now=now,
                due_at=self._due(now, step.due_minutes),
                subject=content.next_note or content.summary[:200],
                number=call.number,
                customer_id=customer_id,
                call_id=call.id,
                queue=call.queue,
                owner_id=_active(connection, owner),
                department=department or None,
                made_by=viewer.user_id,
            )
        if (
            Flag.CALLBACK in filed.choice.flags
            and content.callback_at is not None
            and (known is None or known.callback_at != content.callback_at)
        ):
            tasks.add_task(
                connection,
                kind=TaskKind.CALLBACK,
                occasion=registrations.occasion(registration.id, registration.current.version, "callback"),
                now=now,
                due_at=content.callback_at,
                promised_by=content.callback_at,
                subject=content.summary[:200],
                number=call.number,
                customer_id=customer_id,
                call_id=call.id,
                queue=call.queue,
                owner_id=call.agent_id if call.agent_id == viewer.user_id else None,
                made_by=viewer.user_id,
            )
        if Flag.DO_NOT_CALL in filed.choice.flags and call.number is not None:
            optouts.opt_out(
                connection,
                number=call.number,
                purpose=Purpose.ALL,
                channel=Channel.CALL,
                at=now,
                source=OptOutSource.AGENT,
                proof=f"call {call.id}",
                actor_id=viewer.user_id,
            )


def read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Moment and id of the last row already given. Raises BadCursor."""
    if cursor is None:
        return None
    moment, _, last_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(last_id) <= 32 or not last_id.isalnum():
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, last_id


def visible(connection: Connection, viewer: Principal, call_id: str) -> Call:
    """The call, if it is for this viewer. Raises CallNotFound."""
    call = calls.by_id(connection, call_id)
    if call is None or not may_see(call, viewer):
        raise CallNotFound("There is no such call for you.")
    return call


def _may_file(call: Call, viewer: Principal) -> bool:
    if viewer.user_id is None:
        return False
    if viewer.may(Permission.REGISTRATIONS_ALL):
        return True
    return viewer.may(Permission.REGISTRATIONS_FILE) and call.agent_id == viewer.user_id


def _filed(connection: Connection, call_id: str) -> Registration | None:
    try:
        return registrations.of_call(connection, call_id)
    except RegistrationNotFound:
        return None


def _others(
    connection: Connection, call_id: str, viewer: Principal, names: Mapping[str, str]
) -> tuple[OthersDraft, ...]:
    return tuple(
        OthersDraft(name=names.get(one.user_id, ""), saved_at=one.saved_at, body=one.body)
        for one in registrations.others_drafts(connection, call_id, viewer.user_id or "")
    )


def _on_record(connection: Connection, customer_id: str | None) -> str | None:
    return customer_id if customer_id and customers.several(connection, [customer_id]) else None


def _active(connection: Connection, user_id: str | None) -> str | None:
    """The person, if he still works here: a task of nobody is everybody's."""
    if user_id is None:
        return None
    found = next((user for user in users.list_users(connection) if user.id == user_id), None)
    return user_id if found is not None and found.is_enabled else None


def _name(name: str, viewer: Principal, seen: Sight) -> str:
    return name if viewer.sees_names and seen is Sight.OPEN else mask_name(name)
