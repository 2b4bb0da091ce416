"""The schema's history: brings a database up to the tables this code knows, and refuses one that is ahead.

Revisions are alembic scripts in `versions/`, forward only: the way back is a restore of a backup. A whole
upgrade is one transaction on both engines. A new revision is written by
`python -m storage.migrations "What changes"`, which compares the tables with the last revision.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Connection, Engine, event, inspect, text
from sqlalchemy.exc import OperationalError

from storage.database import StorageError, StorageUnavailable, make_engine
from storage.tables import metadata
from storage.tables.base import Utc

HERE: Final = Path(__file__).parent

#: pg_advisory_xact_lock key: several nodes that start at once upgrade one after the other.
_LOCK: Final = 0x4341_5245


class SchemaError(StorageError):
    """Base of what can be wrong with a database's schema; nothing was changed.

    SchemaError
    ├── DatabaseTooNew   a newer Careline has upgraded it
    ├── DatabaseTooOld   it has to be upgraded first
    └── DatabaseForeign  it has tables, but no history of ours
    """

    error_id = "schema-error"


class DatabaseTooNew(SchemaError):
    """A newer Careline has upgraded this database; start that one, or restore a backup from before."""

    error_id = "database-too-new"


class DatabaseTooOld(SchemaError):
    """The database has to be upgraded: run `careline migrate`."""

    error_id = "database-too-old"


class DatabaseForeign(SchemaError):
    """The database has tables but no history of ours; give Careline an empty one."""

    error_id = "database-foreign"


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaState:
    """Where a database stands."""

    #: Its revision; None: empty.
    current: str | None
    #: The last revision this code knows.
    head: str
    #: Revisions still to be run, in order, with what each does.
    pending: tuple[tuple[str, str], ...]


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(HERE).replace("%", "%%"))
    return ScriptDirectory.from_config(config)


def head() -> str:
    """The last revision this code knows."""
    found = _scripts().get_current_head()
    if found is None:
        raise SchemaError("This installation has no migrations; install Careline again.")
    return found


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A writing transaction of our own; SQLite checks foreign keys at its end, since tables are rebuilt in it."""
    engine: Engine = make_engine(url, writer=True, size=1, pool_seconds=30)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _later(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA foreign_keys=OFF")

    try:
        with engine.begin() as connection:
            yield connection
    except OperationalError as error:
        raise StorageUnavailable(f"The database does not answer: {error.__cause__ or error}") from error
    finally:
        engine.dispose()


def state(url: str) -> SchemaState:
    """Where the database stands. Raises DatabaseTooNew, DatabaseForeign, StorageUnavailable."""
    with _connected(url) as connection:
        return _state(connection)


def current(url: str) -> str | None:
    """The database's revision; None where it is empty."""
    return state(url).current


def check(connection: Connection) -> None:
    """Raise DatabaseTooOld, DatabaseTooNew or DatabaseForeign unless the schema is the one this code knows."""
    found = _state(connection)
    if found.pending:
        raise DatabaseTooOld(
            f"The database is at revision {found.current or 'none'} and has to be upgraded to {found.head}: "
            "run `careline migrate`."
        )


def upgrade(url: str) -> SchemaState:
    """Run what is pending, in one transaction; returns the state from before.

    Raises DatabaseTooNew, DatabaseForeign, StorageUnavailable; nothing was changed then.
    """
    with _connected(url) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        before = _state(connection)
        if before.pending:
            _run(connection)
            if connection.dialect.name == "sqlite":
                broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
                if broken is not None:
                    raise SchemaError(
                        f"The upgrade would break a reference of table {broken[0]}; nothing was changed."
                    )
    return before


def differences(connection: Connection) -> Sequence[object]:
    """What alembic finds different between the database and the tables; empty where they are the same."""
    options = {"compare_type": True, "target_metadata": metadata}
    found: Sequence[object] = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)
    return found


def _state(connection: Connection) -> SchemaState:
    scripts = _scripts()
    last = head()
    revision = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    if revision is not None and revision not in known:
        raise DatabaseTooNew(
            f"The database is at revision {revision}, which this Careline does not know (its last is {last}). "
            "Nothing was changed. Start the newer Careline, or restore a backup made before the upgrade."
        )
    if revision is None and (tables := set(inspect(connection).get_table_names()) - {"alembic_version"}):
        raise DatabaseForeign(
            f"The database has {len(tables)} tables but no history of Careline's. Nothing was changed. "
            "Name an empty database in storage.url."
        )
    pending = [
        (script.revision, (script.doc or "").strip())
        for script in scripts.iterate_revisions(last, revision or "base")
    ]
    return SchemaState(current=revision, head=last, pending=tuple(reversed(pending)))


def _run(connection: Connection) -> None:
    scripts = _scripts()

    def steps(revision: Any, _context: MigrationContext) -> list[MigrationStep]:
        return list(scripts._upgrade_revs("head", revision))

    environment = EnvironmentContext(Config(), scripts, fn=steps, destination_rev="head")
    environment.configure(
        connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True
    )
    with environment.begin_transaction():
        environment.run_migrations()


# -- writing revisions (a developer's tool) -----------------------------------------------------------

_TEMPLATE: Final = '''"""{message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
{dialects}
from storage.tables.base import {types}

revision = "{revision}"
down_revision = {previous}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """{message}."""
    {body}
'''


def _render(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    if kind == "type":
        if isinstance(item, Utc):
            return "Utc()"
        if isinstance(item, JSON):
            return "Json"
    return False


def write_revision(url: str, message: str, revision: str) -> Path:
    """Write the script that leads from the database at `url` (empty, or at the last revision) to the tables."""
    scripts = _scripts()
    previous = scripts.get_current_head()
    with _connected(url) as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "target_metadata": metadata,
                "render_item": _render,
                "render_as_batch": previous is not None,
                "compare_type": True,
            },
        )
        found = produce_migrations(context, metadata)
        if found.upgrade_ops is None or found.upgrade_ops.is_empty():
            raise SchemaError("The tables are what the last revision makes; there is nothing to write.")
        body = render_python_code(
            found.upgrade_ops, render_item=_render, render_as_batch=previous is not None
        )
    body = "\n".join(line for line in body.splitlines() if "### " not in line).strip()
    types = [name for name in ("Json", "Utc") if f"{name}(" in body or f" {name}," in body]
    path = HERE / "versions" / f"{revision}_{'_'.join(message.lower().split()[:4])}.py"
    path.write_text(
        _TEMPLATE.format(
            message=message.rstrip("."),
            dialects="from sqlalchemy.dialects import postgresql\n" if "postgresql." in body else "",
            types=", ".join(types) or "metadata",
            revision=revision,
            previous=f'"{previous}"' if previous else None,
            body=body,
        ),
        encoding="utf-8",
    )
    return path
