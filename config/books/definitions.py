"""Forms, disposition sets and scripts: the shipped files as first versions, the database afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from sqlalchemy import Connection

from access.audit import Entry
from access.sentences import Sentence
from crm.definitions import LANGUAGE_NAMES, BadDefinition, Part, missing_languages, read
from crm.dispositions.dispositions import DispositionSet
from crm.registrations.forms import Form
from crm.scripts.scripts import Script
from crm.scripts.states import ScriptStep
from crm.versions import VersionState, VersionStep
from storage import audit, definitions, script_versions
from storage.database import Database
from storage.definitions import Definition
from storage.definitions import Kind as Row
from web.ports.aftercall import DefinitionView, Kind

#: Files that come with Careline.
SHIPPED: Final = Path(__file__).resolve().parents[1] / "aftercall"
_MODELS: Final[Mapping[Row, type[Part]]] = {
    Row.FORM: Form,
    Row.DISPOSITIONS: DispositionSet,
    Row.SCRIPT: Script,
}
_FILES: Final = {Row.FORM: "forms.yaml", Row.DISPOSITIONS: "dispositions.yaml", Row.SCRIPT: "scripts.yaml"}
P = TypeVar("P", bound=Part)


def seed(connection: Connection, now: datetime, folder: Path = SHIPPED) -> int:
    """Add the shipped definitions the database does not have; returns how many. Raises BadDefinition."""
    added = 0
    for kind, file in _FILES.items():
        for body in yaml.safe_load((folder / file).read_text("utf-8")):
            part = read(_MODELS[kind], body)
            whole = part.model_dump(mode="json")
            if kind is Row.SCRIPT:
                added += script_versions.seed(connection, name_of(part), whole, now)
            else:
                added += definitions.seed(connection, kind, name_of(part), whole, now)
    return added


def name_of(part: Part) -> str:
    """What a definition is filed under."""
    return str(getattr(part, "call_type", None) or getattr(part, "name", ""))


class DefinitionBook:
    """`web.ports.aftercall.Definitions` over the database; keeps what it read, since a version never changes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._read: dict[tuple[str, str, int], Part] = {}

    def part(self, definition: Definition, model: type[P]) -> P:
        """The value of a row."""
        key = (definition.kind.value, definition.name, definition.version)
        found = self._read.get(key)
        if not isinstance(found, model):
            found = read(model, definition.body)
            self._read[key] = found
        return found

    def forms(self, connection: Connection) -> list[tuple[Form, int]]:
        """The forms that are offered, in order, each with its version."""
        rows = definitions.current(connection, Row.FORM)
        found = [(self.part(row, Form), row.version) for row in rows if not row.retired]
        return sorted(found, key=lambda pair: (pair[0].order, pair[0].call_type))

    def sets(self, connection: Connection) -> dict[str, tuple[DispositionSet, int]]:
        """Disposition sets by name, each with its version."""
        rows = definitions.current(connection, Row.DISPOSITIONS)
        return {row.name: (self.part(row, DispositionSet), row.version) for row in rows if not row.retired}

    def scripts(self, connection: Connection) -> dict[str, tuple[Script, int]]:
        """Scripts by name, each in the version that is approved."""
        rows = script_versions.in_force(connection)
        return {row.name: (self.part(row, Script), row.version) for row in rows}

    async def list(self, kind: Kind) -> Sequence[DefinitionView]:
        def work(connection: Connection) -> Sequence[Definition]:
            if kind != "script":
                return definitions.current(connection, Row(kind))
            newest: dict[str, Definition] = {}
            for row in script_versions.published(connection):
                newest.setdefault(row.name, row)
            return list(newest.values())

        return [_view(row) for row in await self._database.read(work)]

    async def get(self, kind: Kind, name: str, version: int | None) -> DefinitionView:
        row = await self._database.read(
            lambda connection: definitions.get(connection, Row(kind), name, version)
        )
        return _view(row)

    async def history(self, kind: Kind, name: str) -> Sequence[DefinitionView]:
        def work(connection: Connection) -> Sequence[Definition]:
            if kind == "script":
                return script_versions.published(connection, name)
            return definitions.history(connection, Row(kind), name)

        return [_view(row) for row in await self._database.read(work)]

    async def save(
        self,
        kind: Kind,
        name: str,
        body: Mapping[str, Any],
        *,
        based_on: int,
        why: str,
        retired: bool,
        entry: Entry,
    ) -> DefinitionView:
        if kind == "script":
            raise ScriptStep(
                "A script is written as a draft and counts once somebody else approves it. Nothing was saved.",
                state=VersionState.APPROVED.value,
                allowed_steps=[VersionStep.WRITE.value],
            )
        part = read(_MODELS[Row(kind)], body)
        if name_of(part) != name:
            raise BadDefinition(
                "The name in the definition is another than the one it is saved under; nothing was saved."
            )
        if lacking := missing_languages(part.label):  # type: ignore[attr-defined]
            raise BadDefinition(
                "The label needs both languages; nothing was saved.",
                (Sentence("label: write it in {language} too", language=LANGUAGE_NAMES[lacking[0]]),),
            )

        def work(connection: Connection) -> Definition:
            if isinstance(part, Form) and part.dispositions not in self.sets(connection):
                raise BadDefinition(
                    Sentence(
                        "There is no disposition set '{given}'; nothing was saved.", given=part.dispositions
                    ),
                    (Sentence("dispositions: there is no set '{given}'", given=part.dispositions),),
                )
            row = definitions.save(
                connection,
                Row(kind),
                name,
                part.model_dump(mode="json"),
                based_on=based_on,
                now=entry.at,
                by=entry.actor_id,
                by_name=entry.actor_name,
                why=why,
                retired=retired,
            )
            audit.append(connection, entry)
            return row

        return _view(await self._database.write(work))


def _view(row: Definition) -> DefinitionView:
    return DefinitionView(
        kind=row.kind.value,
        name=row.name,
        version=row.version,
        label=row.body.get("label", {}),
        body=row.body,
        retired=row.retired,
        at=row.at,
        by_name=row.by_name,
        why=row.why,
    )
