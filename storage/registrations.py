"""Registrations: what was filed about each call, every version of it, drafts, and the calls still to file.

One call has one registration, whoever files at the same time: the call's id is unique. What a filing brings
about (tasks, suppression) is made in its transaction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, literal, select, tuple_, update

from access.ids import new_id
from access.sentences import Sentence
from crm.dispositions.dispositions import Choice, Flag
from crm.registrations.filing import (
    AlreadyFiled,
    Content,
    Draft,
    DraftChanged,
    Registration,
    RegistrationChanged,
    RegistrationNotFound,
    Version,
)
from storage.definitions import inserting
from storage.tables.aftercall import (
    registration_drafts,
    registration_versions,
    registrations,
    unfiled_calls,
)
from storage.tables.calls import calls
from storage.tables.tasks import tasks
from storage.told import tell_of_registration
from telephony.calls import Call, CallState, Direction
from telephony.facts import Fact


@dataclass(frozen=True, kw_only=True, slots=True)
class Filed:
    """Versions of the definitions a content was checked against, and the choice that was made."""

    form_version: int
    set_name: str
    set_version: int
    choice: Choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Unfiled:
    """A call somebody talked in and nobody has filed."""

    call_id: str
    agent_id: str
    ended_at: datetime
    started_at: datetime
    number: str | None
    customer_id: str | None
    queue: str | None
    direction: str
    has_draft: bool


# -- what calls do -----------------------------------------------------------------------------------


def react_to_call(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
    """Journal reaction: a call somebody talked in is to be filed, unless it is already."""
    ended = after.state is CallState.ENDED and after.ended_at is not None
    if not ended or after.connected_at is None or not after.agent_id:
        return
    if after.direction is Direction.INTERNAL:
        return
    filed = select(registrations.c.id).where(registrations.c.call_id == after.id)
    if connection.execute(filed).first() is not None:
        return
    row = inserting(connection, unfiled_calls).values(
        call_id=after.id, agent_id=after.agent_id, ended_at=after.ended_at
    )
    connection.execute(
        row.on_conflict_do_update(index_elements=["call_id"], set_={"agent_id": after.agent_id})
    )


def unfiled(
    connection: Connection,
    *,
    agent_id: str | None,
    user_id: str,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Unfiled]:
    """Calls to file, the oldest first; of one agent, or of all. `user_id` is whose drafts count."""
    draft = (
        select(registration_drafts.c.call_id)
        .where(
            registration_drafts.c.call_id == unfiled_calls.c.call_id, registration_drafts.c.user_id == user_id
        )
        .exists()
        .label("has_draft")
    )
    statement = select(
        unfiled_calls.c.call_id,
        unfiled_calls.c.agent_id,
        unfiled_calls.c.ended_at,
        calls.c.started_at,
        calls.c.number,
        calls.c.customer_id,
        calls.c.queue,
        calls.c.direction,
        draft,
    ).join(calls, calls.c.id == unfiled_calls.c.call_id)
    if agent_id is not None:
        statement = statement.where(unfiled_calls.c.agent_id == agent_id)
    if after is not None:
        place = tuple_(literal(after[0], unfiled_calls.c.ended_at.type), literal(after[1]))
        statement = statement.where(tuple_(unfiled_calls.c.ended_at, unfiled_calls.c.call_id) > place)
    rows = connection.execute(
        statement.order_by(unfiled_calls.c.ended_at, unfiled_calls.c.call_id).limit(limit)
    ).mappings()
    return [Unfiled(**row) for row in rows]


# -- drafts --------------------------------------------------------------------------------------------


def draft_of(connection: Connection, call_id: str, user_id: str) -> Draft | None:
    """What this person typed about the call and has not filed."""
    row = (
        connection.execute(
            select(registration_drafts).where(
                registration_drafts.c.call_id == call_id, registration_drafts.c.user_id == user_id
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else Draft(**row)


def others_drafts(connection: Connection, call_id: str, user_id: str, *, most: int = 10) -> list[Draft]:
    """What others typed about the call and have not filed, the oldest first."""
    drafts = registration_drafts.c
    rows = connection.execute(
        select(registration_drafts)
        .where(drafts.call_id == call_id, drafts.user_id != user_id)
        .order_by(drafts.saved_at)
        .limit(most)
    ).mappings()
    return [Draft(**row) for row in rows]


def save_draft(
    connection: Connection,
    *,
    call_id: str,
    user_id: str,
    based_on: int,
    body: Mapping[str, Any],
    now: datetime,
    holder: str,
) -> Draft:
    """Keep what was typed; `based_on` is the revision the page knows (0: none).

    The same text again changes nothing. Raises DraftChanged where another page of the same person saved
    meanwhile; both texts are in the error.
    """
    known = draft_of(connection, call_id, user_id)
    if known is not None and dict(known.body) == dict(body):
        return known
    if (known.revision if known else 0) != based_on:
        raise DraftChanged(
            "This call's draft was saved from another page of yours. Both texts are kept: choose one.",
            holder=holder,
            theirs=known.body if known else {},
            yours=body,
            version=known.revision if known else 0,
        )
    row = inserting(connection, registration_drafts).values(
        call_id=call_id, user_id=user_id, revision=based_on + 1, saved_at=now, body=dict(body)
    )
    saved = connection.execute(
        row.on_conflict_do_update(
            index_elements=["call_id", "user_id"],
            set_={"revision": based_on + 1, "saved_at": now, "body": dict(body)},
            where=registration_drafts.c.revision == based_on,
        ).returning(registration_drafts.c.revision)
    ).scalar_one_or_none()
    if saved is None:
        there = draft_of(connection, call_id, user_id)
        raise DraftChanged(
            "This call's draft was saved from another page of yours. Both texts are kept: choose one.",
            holder=holder,
            theirs=there.body if there else {},
            yours=body,
            version=there.revision if there else 0,
        )
    return Draft(call_id=call_id, user_id=user_id, revision=based_on + 1, saved_at=now, body=body)


def drop_draft(connection: Connection, call_id: str, user_id: str) -> None:
    """The draft is filed, or thrown away by its owner."""
    connection.execute(
        delete(registration_drafts).where(
            registration_drafts.c.call_id == call_id, registration_drafts.c.user_id == user_id
        )
    )


def forget_old_drafts(connection: Connection, *, before: datetime) -> int:
    """Remove drafts not touched since; returns how many."""
    return connection.execute(
        delete(registration_drafts).where(registration_drafts.c.saved_at < before)
    ).rowcount


# -- registrations -------------------------------------------------------------------------------------


def of_call(connection: Connection, call_id: str) -> Registration:
    """What is filed about a call. Raises RegistrationNotFound."""
    row = (
        connection.execute(select(registrations).where(registrations.c.call_id == call_id)).mappings().first()
    )
    if row is None:
        raise RegistrationNotFound("This call is not filed yet.")
    return _registration(connection, row)


def of_customer(connection: Connection, customer_id: str, *, limit: int = 50) -> list[Registration]:
    """What was filed about a customer's calls, the newest first; for the timeline."""
    rows = connection.execute(
        select(registrations)
        .where(registrations.c.customer_id == customer_id)
        .order_by(registrations.c.filed_at.desc())
        .limit(limit)
    ).mappings()
    return [_registration(connection, row) for row in rows.all()]


def _registration(connection: Connection, row: RowMapping) -> Registration:
    versions = connection.execute(
        select(registration_versions)
        .where(registration_versions.c.registration_id == row["id"])
        .order_by(registration_versions.c.version.desc())
    ).mappings()
    found = tuple(_version(one) for one in versions)
    occasions = [occasion(row["id"], one.version, what) for one in found for what in ("step", "callback")]
    made = connection.execute(
        select(tasks.c.id).where(tasks.c.occasion.in_(occasions)).order_by(tasks.c.id)
    ).scalars()
    return Registration(
        id=row["id"],
        call_id=row["call_id"],
        agent_id=row["agent_id"],
        customer_id=row["customer_id"],
        versions=found,
        tasks=tuple(made),
    )


def occasion(registration_id: str, version: int, what: str) -> str:
    """Why a task exists that a filing made: told again, it makes no second one."""
    return f"filed {registration_id} {version} {what}"


def _version(row: RowMapping) -> Version:
    return Version(
        version=row["version"],
        at=row["at"],
        by=row["by"],
        by_name=row["by_name"],
        why=row["why"],
        content=Content.from_plain(row["content"]),
        form_version=row["form_version"],
        set_name=row["set_name"],
        set_version=row["set_version"],
    )


def file(
    connection: Connection,
    call: Call,
    content: Content,
    filed: Filed,
    *,
    now: datetime,
    by: str,
    by_name: str,
) -> tuple[Registration, bool]:
    """File a call: (registration, whether it is new). The same content by the same person again is the first.

    Raises AlreadyFiled with the holder's name and both texts.
    """
    registration_id = new_id(now)
    row = inserting(connection, registrations).values(
        id=registration_id,
        call_id=call.id,
        agent_id=call.agent_id,
        customer_id=call.customer_id,
        direction=call.direction,
        version=1,
        filed_at=now,
        filed_by=by,
        changed_at=now,
        **_columns(content, filed),
    )
    new = connection.execute(
        row.on_conflict_do_nothing(index_elements=["call_id"]).returning(registrations.c.id)
    ).scalar_one_or_none()
    if new is None:
        there = of_call(connection, call.id)
        first = there.versions[-1]
        if first.by == by and first.content == content:
            return there, False
        raise AlreadyFiled(
            Sentence(
                "{holder} has filed this call already. Yours is kept as a draft: "
                "correct the registration where it should say more.",
                holder=there.current.by_name,
            ),
            holder=there.current.by_name,
            theirs=there.current.content.plain(),
            yours=content.plain(),
            version=there.current.version,
        )
    _add_version(connection, registration_id, 1, content, filed, now=now, by=by, by_name=by_name, why="")
    connection.execute(delete(unfiled_calls).where(unfiled_calls.c.call_id == call.id))
    drop_draft(connection, call.id, by)
    made = of_call(connection, call.id)
    tell_of_registration(connection, made)
    return made, True


def correct(
    connection: Connection,
    call_id: str,
    content: Content,
    filed: Filed,
    *,
    based_on: int,
    why: str,
    now: datetime,
    by: str,
    by_name: str,
) -> Registration:
    """Another version of what is filed; nothing is overwritten. The same by the same person again is the first.

    Raises RegistrationNotFound; RegistrationChanged with both texts where `based_on` is not the newest.
    """
    there = of_call(connection, call_id)
    changed = connection.execute(
        update(registrations)
        .where(registrations.c.id == there.id, registrations.c.version == based_on)
        .values(version=based_on + 1, changed_at=now, **_columns(content, filed))
    ).rowcount
    if not changed:
        there = of_call(connection, call_id)
        newest = there.current
        if newest.version == based_on + 1 and (newest.by, newest.why, newest.content) == (by, why, content):
            return there
        raise RegistrationChanged(
            Sentence(
                "{holder} has corrected this registration meanwhile. Nothing was changed; both texts are here.",
                holder=there.current.by_name,
            ),
            holder=there.current.by_name,
            theirs=there.current.content.plain(),
            yours=content.plain(),
            version=there.current.version,
        )
    _add_version(connection, there.id, based_on + 1, content, filed, now=now, by=by, by_name=by_name, why=why)
    drop_draft(connection, call_id, by)
    corrected = of_call(connection, call_id)
    tell_of_registration(connection, corrected)
    return corrected


def _columns(content: Content, filed: Filed) -> dict[str, Any]:
    return {
        "call_type": content.call_type,
        "reason": content.reason,
        "disposition": filed.choice.code,
        **{flag.value: flag in filed.choice.flags for flag in Flag},
    }


def _add_version(
    connection: Connection,
    registration_id: str,
    version: int,
    content: Content,
    filed: Filed,
    *,
    now: datetime,
    by: str,
    by_name: str,
    why: str,
) -> None:
    connection.execute(
        insert(registration_versions).values(
            registration_id=registration_id,
            version=version,
            at=now,
            by=by,
            by_name=by_name[:64],
            why=why[:200],
            form_version=filed.form_version,
            set_name=filed.set_name,
            set_version=filed.set_version,
            content=content.plain(),
        )
    )
