"""The schema's history: brings a database up to the tables this code knows, and refuses one that is ahead.

Revisions are alembic scripts in `versions/`, forward only: the way back is a restore of a backup. All tables
change in one transaction on both engines. What rows from before need beside that (`storage.terms`) follows in
shares, each kept at once, so that no table is locked for long and an interrupted upgrade goes on where it was.
A new revision is written by `python -m storage.migrations "What changes"`, which compares the tables with the
last revision.
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
from sqlalchemy.exc import DBAPIError, OperationalError

from storage import terms
from storage.database import StorageError, StorageUnavailable, make_engine
from storage.tables import metadata
from storage.tables.base import Utc
from storage.tables.operations import fillings

HERE: Final = Path(__file__).parent

#: pg_advisory_lock key: several nodes that start at once upgrade one after the other.
_LOCK: Final = 0x4341_5245
#: How long a change of a table waits for whoever reads or writes it: everybody else queues behind it meanwhile.
_LOCK_SECONDS: Final = 5.0


class SchemaError(StorageError):
    """Base of what can be wrong with a database's schema; nothing was changed, unless it says so.

    SchemaError
    ├── DatabaseTooNew   a newer Careline has upgraded it
    ├── DatabaseTooOld   it has to be upgraded first
    ├── DatabaseForeign  it has tables, but no history of ours
    ├── UpgradeBlocked   somebody uses a table that has to change
    └── UpgradeUnfinished  the tables have changed, their rows are not all filled: again goes on there
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


class UpgradeBlocked(SchemaError):
    """Somebody uses a table that has to change; nothing was changed. End that, then `careline migrate`."""

    error_id = "upgrade-blocked"
    retryable = True


class UpgradeUnfinished(SchemaError):
    """The tables are upgraded, not all rows are filled; what is filled is kept. `careline migrate` goes on."""

    error_id = "upgrade-unfinished"
    retryable = True


@dataclass(frozen=True, kw_only=True, slots=True)
class SchemaState:
    """Where a database stands."""

    #: Its revision; None: empty.
    current: str | None
    #: The last revision this code knows.
    head: str
    #: Revisions still to be run, in order, with what each does.
    pending: tuple[tuple[str, str], ...]
    #: Whether an interrupted upgrade left rows that searches do not find yet.
    unfilled: bool = False


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
def _opened(url: str) -> Iterator[Connection]:
    """A writing connection of our own; SQLite checks foreign keys at an upgrade's end, since it rebuilds tables."""
    engine: Engine = make_engine(url, writer=True, size=1, pool_seconds=30)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def _later(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute("PRAGMA foreign_keys=OFF")

    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        raise StorageUnavailable(f"The database does not answer: {error.__cause__ or error}") from error
    finally:
        engine.dispose()


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """`_opened`, as one transaction."""
    with _opened(url) as connection, connection.begin():
        yield connection


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
    if found.unfilled:
        raise DatabaseTooOld(
            f"The upgrade to {found.head} was interrupted and customers from before it cannot all be found yet: "
            "run `careline migrate`, it goes on where it was."
        )


def upgrade(url: str) -> SchemaState:
    """Change the tables in one transaction, then fill rows from before share by share; returns the state from before.

    Raises DatabaseTooNew, DatabaseForeign, UpgradeBlocked, StorageUnavailable: nothing was changed then; and
    UpgradeUnfinished: the tables are new, and the next `upgrade` goes on.
    """
    with _opened(url) as connection:
        if connection.dialect.name == "postgresql":
            # Of the session, since an upgrade has several transactions; it goes with the connection.
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
        try:
            with connection.begin():
                before = _state(connection)
                if before.pending:
                    _change_tables(connection)
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
                raise
            raise UpgradeBlocked(_blocked(connection)) from error
        if before.pending or before.unfilled:
            _fill(connection, before)
    return before


def _change_tables(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        wait = text("SELECT set_config('lock_timeout', :wait, true)")
        connection.execute(wait, {"wait": f"{int(_LOCK_SECONDS * 1000)}ms"})
    had = inspect(connection).has_table(fillings.name)
    _run(connection)
    if not had and inspect(connection).has_table(fillings.name):
        terms.begin_filling(connection)
    if connection.dialect.name == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if broken is not None:
            raise SchemaError(
                f"The upgrade would break a reference of table {broken[0]}; nothing was changed."
            )


def _blocked(connection: Connection) -> str:
    """Who else uses our tables, in words for whoever runs the upgrade."""
    with connection.begin():
        current = _state(connection).current
        rows = connection.execute(
            text(
                "SELECT DISTINCT a.pid, a.application_name, a.xact_start"
                " FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation"
                " WHERE l.granted AND a.datname = current_database() AND a.pid <> pg_backend_pid()"
                " AND c.relnamespace = current_schema()::regnamespace ORDER BY a.xact_start"
            )
        ).all()
    users = "; ".join(
        f"server process {row.pid}"
        + (f" ({row.application_name})" if row.application_name else "")
        + (
            f" since {row.xact_start:%Y-%m-%d %H:%M:%S %Z}" if row.xact_start else ""
        )  # hidden from other logins
        for row in rows
    )
    return (
        f"A table that has to change was in use for more than {_LOCK_SECONDS:g} s"
        f" ({UpgradeBlocked.error_id}): {users or 'by somebody who has gone meanwhile'}. Nothing was changed, the"
        f" database is at revision {current or 'none'}. Stop the other Careline or wait for the other program,"
        " then run `careline migrate` again."
    )


def _fill(connection: Connection, before: SchemaState) -> None:
    try:
        with connection.begin():
            if not inspect(connection).has_table(fillings.name):
                return
        more = True
        while more:
            with connection.begin():
                more = terms.fill_share(connection)
    except DBAPIError as error:
        raise UpgradeUnfinished(
            f"The tables are at revision {before.head}, but not every customer from before can be found yet"
            f" ({UpgradeUnfinished.error_id}): {error.__cause__ or error}. What was filled is kept. Run"
            " `careline migrate` again, it goes on where it was."
        ) from error


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
    unfilled = inspect(connection).has_table(fillings.name) and not terms.is_filled(connection)
    return SchemaState(current=revision, head=last, pending=tuple(reversed(pending)), unfilled=unfilled)


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
