"""The room after the call, plugged together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from config.books.definitions import DefinitionBook
from config.books.knowledge import KnowledgeBook
from config.books.registrations import Due, RegistrationBook
from config.books.script_versions import ScriptVersionBook
from config.books.scripts import ScriptBook
from config.books.sounds import SoundBook
from config.books.task_desk import TaskDeskBook
from crm.options import AftercallOptions
from storage.database import Database
from telephony.listening import SoundKind
from telephony.options import TelephonyOptions
from web.ports.aftercall import Aftercall


def departments_of(phone: TelephonyOptions) -> dict[str, Mapping[str, str]]:
    """Where work is passed to: the queues and the departments of the settings, with their labels."""
    return {
        **{name: queue.label or {"zh-CN": name} for name, queue in phone.queues.items()},
        **{name: one.label or {"zh-CN": name} for name, one in phone.departments.items()},
    }


def aftercall(
    database: Database,
    *,
    due: Due,
    options: AftercallOptions,
    departments: Mapping[str, Mapping[str, str]],
    folders: Callable[[], Mapping[SoundKind, Path]],
    queue_labels: Mapping[str, Mapping[str, str]],
    dealership: str,
    zone: str,
    now: Callable[[], datetime | None] = lambda: None,
) -> Aftercall:
    """The ports of this room over the database and the two folders of sounds."""
    definitions = DefinitionBook(database)
    return Aftercall(
        registrations=RegistrationBook(
            database, definitions, due=due, departments=departments, options=options
        ),
        definitions=definitions,
        scripts=ScriptBook(
            database, definitions, dealership=dealership, zone=zone, queue_labels=queue_labels
        ),
        script_versions=ScriptVersionBook(database),
        knowledge=KnowledgeBook(database),
        sounds=SoundBook.over(database, folders, options, now=now),
        tasks=TaskDeskBook(database, due=due, departments=departments),
        departments=departments,
    )
