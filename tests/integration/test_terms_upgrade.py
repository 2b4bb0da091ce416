"""The upgrade of a house that has customers already: rows stay, and everybody is found afterwards."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection, MetaData, column, make_url, select, table

from crm.records.customers import name_key
from storage import migrations, search, terms
from storage.database import Database, make_engine
from storage.tables.operations import fillings
from storage.tables.records import search_terms

T = TypeVar("T")

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
NAMES = ("王小伟", "李芳", "李芳", "欧阳娜娜", "Zhao Min", "张三", "赵六")

#: Upgrades in shares of two and dies in the middle of the third, as at a power cut.
_DIES = """
import os, signal, sys
from storage import migrations, terms
whole, count = terms.fill_share, [0]
def share(connection):
    more = whole(connection, 2)
    count[0] += 1
    if count[0] == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return more
terms.fill_share = share
migrations.upgrade(sys.argv[1])
"""


def _columns(connection: Connection) -> dict[str, list[str]]:
    found = MetaData()
    found.reflect(connection)
    return {t.name: [c.name for c in t.c] for t in found.sorted_tables if t.name != "alembic_version"}


def _rows(connection: Connection, columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    return {
        name: sorted(
            (tuple(row) for row in connection.execute(select(table(name, *map(column, those))))), key=repr
        )
        for name, those in columns.items()
    }


def _fill_old(connection: Connection) -> None:
    old = MetaData()
    old.reflect(connection)
    at = NOW if connection.dialect.name == "postgresql" else NOW.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    day: object = date(2025, 3, 1)
    rows: dict[str, list[dict[str, object]]] = {
        "users": [
            {
                "id": "U1",
                "login": "agent1",
                "name": "张伟",
                "role": "agent",
                "language": "zh-CN",
                "theme": "auto",
                "password_hash": "-",
                "password_changed_at": at,
                "active": True,
                "created_at": at,
            }
        ],
        "customers": [
            {
                "id": f"C{place}",
                "number": f"C{place:06d}",
                "name": name,
                "name_key": name_key(name),
                "kind": "person",
                "honorific": "mr",
                "key_account": place == 0,
                "own_agent_id": "U1" if place == 0 else None,
                "note": "老客户",
                "created_at": at,
                "updated_at": at,
            }
            for place, name in enumerate(NAMES)
        ],
        "vehicles": [
            {
                "id": f"V{place}",
                "plate": plate,
                "plate_keys": plate,
                "brand": "东风",
                "model": "风神",
                "delivered_on": day,
                "created_at": at,
                "updated_at": at,
            }
            for place, plate in enumerate(("沪A12345", "沪A12345", "京B00001", "粤C77777", None))
        ],
        "vehicle_people": [
            {"vehicle_id": "V0", "customer_id": "C0", "role": "owner", "since": at},
        ],
        "recordings": [
            {"id": "R1", "call_id": "K1", "file": "2026/06/R1.wav", "started_at": at, "state": "kept"},
        ],
    }
    for name, values in rows.items():
        connection.execute(old.tables[name].insert(), values)


@pytest.fixture
def old_house(empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Address of a database at revision 0001 with people, cars and a recording in it."""
    first = tmp_path / "history" / "versions"
    first.mkdir(parents=True)
    shutil.copy(migrations.HERE / "versions" / "0001_create_the_first_tables.py", first)
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "HERE", first.parent)
        migrations.upgrade(empty_database_url)
    _do(empty_database_url, _fill_old)
    return empty_database_url


def _do(url: str, work: Callable[[Connection], T]) -> T:
    engine = make_engine(url, writer=True, size=1, pool_seconds=5)
    try:
        with engine.begin() as connection:
            return work(connection)
    finally:
        engine.dispose()


def _found(database: Database, words: str) -> list[str]:
    return [one.name for one in database.read_now(lambda c: search.find_customers(c, words))]


def _everybody_is_found(database: Database) -> None:
    assert _found(database, "小伟") == ["王小伟"]
    assert _found(database, "wxw") == ["王小伟"]
    assert _found(database, "lifang") == ["李芳", "李芳"]
    assert _found(database, "娜娜") == ["欧阳娜娜"]
    assert _found(database, "zhao min") == ["Zhao Min"]
    assert _found(database, "赵六") == ["赵六"]
    assert _found(database, "沪A123") == ["王小伟"]


def test_an_old_house_keeps_its_rows_and_finds_everybody(
    old_house: str, open_database: Callable[..., Database]
) -> None:
    columns = _do(old_house, _columns)
    before = _do(old_house, lambda c: _rows(c, columns))
    assert [revision for revision, _doc in migrations.upgrade(old_house).pending][:2] == ["0002", "0003"]
    assert sum(map(len, before.values())) >= 15
    assert _do(old_house, lambda c: _rows(c, columns)) == before
    database = open_database(old_house)
    assert database.read_now(lambda c: migrations.differences(c)) == []
    database.read_now(migrations.check)
    _everybody_is_found(database)
    assert not migrations.upgrade(old_house).unfilled


def test_a_killed_upgrade_goes_on_where_it_was(
    old_house: str, open_database: Callable[..., Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    died = subprocess.run(
        [sys.executable, "-c", _DIES, old_house], check=False, capture_output=True, timeout=60
    )
    assert died.returncode == -9, died.stderr.decode()
    kept = _do(old_house, lambda c: set(c.execute(select(search_terms)).all()))
    assert kept
    rows = _do(old_house, lambda c: c.execute(select(fillings.c.what, fillings.c.after)).all())
    marks = {row.what: row.after for row in rows}
    assert marks == {"name": name_key("欧阳娜娜"), "plate": ""}
    database = open_database(old_house)
    assert _found(database, "娜娜") == ["欧阳娜娜"]
    assert _found(database, "小伟") == []  # the last two by code point are not filled yet
    with pytest.raises(migrations.DatabaseTooOld, match="goes on where it was"):
        database.read_now(migrations.check)
    assert migrations.state(old_house).unfilled
    named: list[str] = []
    index = terms.index_names

    def counted(connection: Connection, names: Iterable[str]) -> None:
        found = list(names)
        named.extend(found)
        index(connection, found)

    monkeypatch.setattr(terms, "index_names", counted)
    again = migrations.upgrade(old_house)
    assert (again.current, again.pending, again.unfilled) == (again.head, (), True)
    assert set(named) == {"王小伟", "赵六"}
    _everybody_is_found(database)
    database.read_now(migrations.check)
    assert kept < _do(old_house, lambda c: set(c.execute(select(search_terms)).all()))


@pytest.mark.postgres
@pytest.mark.parametrize("empty_database_url", ["postgres"], indirect=True)
def test_a_table_in_use_is_waited_for_shortly_and_the_user_named(
    old_house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_SECONDS", 0.2)
    url = make_url(old_house).update_query_dict({"application_name": "a nightly dump"})
    engine = make_engine(url.render_as_string(hide_password=False), writer=False, size=1, pool_seconds=5)
    with engine.begin() as dump:
        dump.exec_driver_sql("SELECT count(*) FROM customers")
        with pytest.raises(
            migrations.UpgradeBlocked, match=r"a nightly dump.*Nothing was changed"
        ) as refused:
            migrations.upgrade(old_house)
    engine.dispose()
    assert "revision 0001" in str(refused.value)
    assert migrations.current(old_house) == "0001"
    migrations.upgrade(old_house)
    assert migrations.current(old_house) == migrations.head()


@pytest.mark.parametrize("empty_database_url", ["sqlite"], indirect=True)
def test_a_fault_while_filling_says_what_is_kept(
    old_house: str, monkeypatch: pytest.MonkeyPatch, open_database: Callable[..., Database]
) -> None:
    def breaks(connection: Connection) -> bool:
        connection.exec_driver_sql("SELECT no_such_column FROM customers")
        return True

    with monkeypatch.context() as patch:
        patch.setattr(terms, "fill_share", breaks)
        with pytest.raises(migrations.UpgradeUnfinished, match="What was filled is kept"):
            migrations.upgrade(old_house)
    migrations.upgrade(old_house)
    _everybody_is_found(open_database(old_house))
