"""The schema's history: built from scratch equals built by migrations, on both databases."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, inspect, text

from storage import migrations
from storage.database import Database, make_engine
from storage.tables import metadata


def _plain(index: Mapping[str, Any]) -> str:
    options = {key: str(value) for key, value in index.get("dialect_options", {}).items()}
    return f"{index['name']} {index['column_names']} {index['unique']} {options}"


def shape(connection: Connection) -> dict[str, Any]:
    """Everything the database itself knows about its tables."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for table in inspector.get_table_names():
        if table == "alembic_version":
            continue
        found[table] = {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    getattr(column["type"], "collation", None),
                    column["nullable"],
                    column["default"],
                )
                for column in inspector.get_columns(table)
            },
            "key": inspector.get_pk_constraint(table),
            "references": sorted(inspector.get_foreign_keys(table), key=repr),
            "unique": sorted(inspector.get_unique_constraints(table), key=repr),
            "indexes": sorted(map(_plain, inspector.get_indexes(table))),
            "order": [column["name"] for column in inspector.get_columns(table)],
        }
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        found["sql"] = {
            name: sorted(re.split(r"[,\s]+", sql.lower())) for name, sql in rows if name != "alembic_version"
        }
    return found


def test_built_from_scratch_equals_built_by_migrations(empty_database_url: str) -> None:
    assert migrations.upgrade(empty_database_url).current is None
    engine = make_engine(empty_database_url, writer=True, size=1, pool_seconds=5)
    with engine.begin() as connection:
        migrated = shape(connection)
        assert migrations.differences(connection) == []
        metadata.drop_all(connection)
        assert inspect(connection).get_table_names() == ["alembic_version"]
        metadata.create_all(connection)
        scratch = shape(connection)
    engine.dispose()
    assert migrated == scratch
    assert set(scratch) - {"sql"} == set(metadata.tables)


def test_upgrade_is_done_once_and_says_where_it_stands(empty_database_url: str) -> None:
    state = migrations.state(empty_database_url)
    assert state.current is None
    assert [revision for revision, _doc in state.pending][-1] == state.head
    migrations.upgrade(empty_database_url)
    assert migrations.current(empty_database_url) == migrations.head()
    assert migrations.upgrade(empty_database_url).pending == ()


def test_a_database_newer_than_the_code_is_refused(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    engine = make_engine(empty_database_url, writer=True, size=1, pool_seconds=5)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with engine.begin() as connection, pytest.raises(migrations.DatabaseTooNew, match="9999"):
        migrations.check(connection)
    with pytest.raises(migrations.DatabaseTooNew, match="9999"):
        migrations.upgrade(empty_database_url)
    engine.dispose()


def test_an_old_database_is_refused_until_it_is_upgraded(empty_database_url: str) -> None:
    database = Database(empty_database_url, readers=1, writers=1)
    try:
        with pytest.raises(migrations.DatabaseTooOld, match="careline migrate"):
            database.read_now(migrations.check)
        migrations.upgrade(empty_database_url)
        database.read_now(migrations.check)
    finally:
        database.close()


def test_somebody_elses_database_is_left_alone(empty_database_url: str) -> None:
    engine = make_engine(empty_database_url, writer=True, size=1, pool_seconds=5)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id INTEGER)"))
    with pytest.raises(migrations.DatabaseForeign):
        migrations.upgrade(empty_database_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["theirs"]
    engine.dispose()


def test_nodes_that_start_together_upgrade_once(empty_database_url: str) -> None:
    done: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: done.append(migrations.upgrade(empty_database_url).current))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done, key=str) == sorted([None, *[migrations.head()] * 3], key=str)


def test_a_failing_upgrade_leaves_nothing(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A revision that breaks half way is taken back whole."""
    versions = tmp_path / "history" / "versions"
    versions.mkdir(parents=True)
    (versions / "0001_break.py").write_text(
        '"""Break."""\nimport sqlalchemy as sa\nfrom alembic import op\nrevision = "0001"\ndown_revision = None\n'
        'def upgrade() -> None:\n    op.create_table("half", sa.Column("id", sa.Integer()))\n'
        '    op.execute("INSERT INTO nowhere VALUES (1)")\n'
    )
    monkeypatch.setattr(migrations, "HERE", versions.parent)
    with pytest.raises(Exception, match="nowhere"):
        migrations.upgrade(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    engine.dispose()
