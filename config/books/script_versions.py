"""`web.ports.aftercall.ScriptVersions` over the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from access.audit import Entry
from access.sentences import Sentence
from access.users import Principal
from crm.scripts.differences import Differences, compare
from crm.scripts.drafts import faults, read_draft
from crm.scripts.states import BadScript, ScriptNotFound, ScriptVersion, needs, writers_of
from crm.versions import VersionState, VersionStep, allowed
from storage import audit, script_versions
from storage.database import Database
from web.ports.aftercall import ScriptView


class ScriptVersionBook:
    """Scripts as they are written and approved."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, viewer: Principal) -> Sequence[ScriptView]:
        rows = await self._database.read(script_versions.list_versions)
        return [_view(viewer, row) for row in rows]

    async def versions(self, viewer: Principal, name: str) -> Sequence[ScriptView]:
        rows = await self._database.read(lambda connection: script_versions.versions_of(connection, name))
        return [_view(viewer, row) for row in rows]

    async def begin_draft(
        self,
        viewer: Principal,
        name: str,
        entry: Entry,
        *,
        body: Mapping[str, Any] | None = None,
        from_version: int | None = None,
    ) -> ScriptView:
        given = read_draft({**body, "name": name}).model_dump(mode="json") if body is not None else None

        def work(connection: Connection) -> ScriptVersion:
            if given is None:
                versions = script_versions.versions_of(connection, name)
                chosen = next((one for one in versions if from_version in (None, one.version)), None)
                if chosen is None:
                    raise ScriptNotFound("There is no such version of the script.")
                start = chosen.body
            elif self._exists(connection, name):
                raise BadScript(
                    Sentence("There is a script '{code}' already; open it. Nothing was saved.", code=name)
                )
            else:
                start = given
            row = script_versions.begin_draft(connection, name, body=start, by=viewer, now=entry.at)
            audit.append(connection, entry)
            return row

        return _view(viewer, await self._database.write(work))

    async def save_draft(
        self, viewer: Principal, name: str, version: int, body: Mapping[str, Any], revision: int, entry: Entry
    ) -> ScriptView:
        given = read_draft({**body, "name": name}).model_dump(mode="json")

        def work(connection: Connection) -> ScriptVersion:
            return script_versions.save_draft(
                connection, name, version, given, revision=revision, by=viewer, now=entry.at
            )

        return _view(viewer, await self._database.write(work))

    async def step(
        self,
        viewer: Principal,
        name: str,
        version: int,
        step: VersionStep,
        entry: Entry,
        *,
        revision: int | None = None,
        why: str = "",
    ) -> ScriptView:
        def work(connection: Connection) -> ScriptVersion:
            row = script_versions.get_version(connection, name, version, lock=True)
            unfinished = row.state in (VersionState.DRAFT, VersionState.SUBMITTED)
            if (
                step in (VersionStep.SUBMIT, VersionStep.APPROVE)
                and unfinished
                and (found := faults(row.body))
            ):
                raise BadScript("The script cannot be said like this; see where. Nothing was changed.", found)
            row = script_versions.take_step(
                connection, name, version, step, revision=revision, by=viewer, why=why, now=entry.at
            )
            audit.append(connection, entry)
            return row

        return _view(viewer, await self._database.write(work))

    async def compare(self, viewer: Principal, name: str, was: int, now: int) -> Differences:
        def work(connection: Connection) -> tuple[ScriptVersion, ScriptVersion]:
            return (
                script_versions.get_version(connection, name, was),
                script_versions.get_version(connection, name, now),
            )

        one, other = await self._database.read(work)
        return compare(one.body, other.body)

    def _exists(self, connection: Connection, name: str) -> bool:
        try:
            script_versions.versions_of(connection, name)
        except ScriptNotFound:
            return False
        return True


def _view(viewer: Principal, row: ScriptVersion) -> ScriptView:
    own = viewer.user_id is None or viewer.user_id in writers_of(row.history)
    unfinished = row.state in (VersionState.DRAFT, VersionState.SUBMITTED)
    return ScriptView(
        row=row,
        faults=faults(row.body) if unfinished else (),
        possible=[
            step
            for step in allowed(row.state)
            if viewer.may(needs(step))
            and not (step is VersionStep.APPROVE and own)
            and not (step is VersionStep.TAKE_BACK and not own)
        ],
        own=own,
    )
