"""Backup while running, restore on another machine (R42), from and into both databases."""

from __future__ import annotations

import shutil
import stat
import tarfile
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, func, insert, select, text

from access.ids import new_id
from access.permissions import Role
from access.sessions import Session, SessionEnd
from access.tokens import Token, hash_secret
from access.users import User
from crm.consent.optouts import OptOutSource, Purpose
from crm.tasks.tasks import TaskKind
from storage import backup, customers, migrations, optouts, samples, sessions, tasks, tokens, users
from storage.database import Database
from storage.tables import metadata
from storage.tables.access import tokens as token_rows
from storage.tables.calls import calls
from storage.tables.operations import restores
from telephony.clock import Clock
from telephony.numbers import E164

Other = Callable[[str], str]


@pytest.fixture
def house(empty_database_url: str, clock: Clock, open_database: Callable[..., Database]) -> Database:
    """A migrated database with the sample, a task, an opt-out and two calls, one of them going on."""
    migrations.upgrade(empty_database_url)
    database = open_database(empty_database_url)
    database.write_now(lambda connection: _fill(connection, clock.now()))
    return database


def _fill(connection: Connection, now: datetime) -> None:
    samples.load(connection, now)
    tasks.add_task(connection, kind=TaskKind.OTHER, occasion="x", now=now, due_at=now, subject="回访 📞")
    optouts.opt_out(
        connection,
        number="+8613800000001",
        purpose=Purpose.ALL,
        at=now,
        source=OptOutSource.AGENT,
        proof="p",
    )
    call: dict[str, Any] = {
        "linkedid": "1",
        "system": "careline",
        "number": "+8613800000001",
        "talk_seconds": 12.5,
        "started_at": now,
    }
    connection.execute(
        insert(calls).values(
            **call, id="ENDED", direction="inbound", state="ended", outcome="answered", ended_at=now
        )
    )
    connection.execute(insert(calls).values(**call, id="GOING", direction="outbound", state="ringing"))


@pytest.fixture
def another_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """Addresses of further empty databases, by engine."""

    def make(engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:///{tmp_path}/another machine/careline.db"
        server = request.getfixturevalue("postgres_server")
        name = server.create()
        request.addfinalizer(lambda: server.drop(name))
        return str(server.url(name))

    return make


def content(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }
    engine.dispose()
    return rows


@pytest.mark.parametrize(("into", "name"), [("sqlite", "careline.tar.gz"), ("postgres", "careline.tar")])
def test_a_restore_elsewhere_holds_the_same(
    house: Database, another_url: Other, tmp_path: Path, clock: Clock, into: str, name: str
) -> None:
    """R42: opens, counts equal, and what was going on does not go on."""
    file = tmp_path / name
    manifest = backup.back_up(house.url, file, now=clock.now(), version="0.1.0")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert manifest == backup.read_manifest(file)
    assert manifest.tables["customers"] == 60
    url = another_url(into)
    later = clock.now() + timedelta(hours=1)
    backup.restore(url, file, now=later)
    before, after = content(house.url), content(url)
    assert {table: len(rows) for table, rows in before.items() if table != "restores"} == {
        table: len(rows) for table, rows in after.items() if table != "restores"
    }
    for table in set(before) - {"calls", "restores"}:
        assert after[table] == before[table], table
    engine = create_engine(url)
    with engine.connect() as connection:
        open_calls = select(func.count()).select_from(calls).where(calls.c.ended_at.is_(None))
        assert connection.execute(open_calls).scalar() == 0
        going = connection.execute(select(calls).where(calls.c.id == "GOING")).mappings().one()
        assert (going["state"], going["outcome"], going["ended_at"]) == ("ended", "interrupted", clock.now())
        assert connection.execute(select(restores.c.at)).scalar() == later
        migrations.check(connection)
        # And it can be worked with.
    engine.dispose()
    restored = Database(url, readers=1, writers=1)
    try:
        added = restored.write_now(
            lambda connection: customers.add_customer(connection, name="新客户", now=later)
        )
        assert added.number == "C000061"
    finally:
        restored.close()


def test_a_backup_while_writers_write_is_one_moment(
    house: Database, another_url: Other, tmp_path: Path, clock: Clock
) -> None:
    """R42: each customer is written together with a number, so a snapshot holds as many of both."""
    stop = threading.Event()
    written = 0

    def add(connection: Connection, serial: int) -> None:
        customer = customers.add_customer(connection, name=f"写入 {serial}", now=clock.now())
        customers.add_contact(connection, customer.id, E164(f"+86139{serial:08d}"), clock.now())

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            house.write_now(partial(add, serial=written))
            written += 1

    base = {table: len(rows) for table, rows in content(house.url).items()}
    writer = threading.Thread(target=write)
    writer.start()
    try:
        manifests = [
            backup.back_up(house.url, tmp_path / f"{n}.tar", now=clock.now(), version="0.1.0")
            for n in range(3)
        ]
    finally:
        stop.set()
        writer.join()
    assert written > 0
    for manifest in manifests:
        added = manifest.tables["customers"] - base["customers"]
        assert manifest.tables["contacts"] - base["contacts"] == added
    backup.restore(another_url("sqlite"), tmp_path / "2.tar", now=clock.now())


def test_what_is_there_is_not_lost_without_force(
    house: Database, another_url: Other, tmp_path: Path, clock: Clock
) -> None:
    file = tmp_path / "careline.tar"
    backup.back_up(house.url, file, now=clock.now(), version="0.1.0")
    with pytest.raises(backup.BackupExists):
        backup.back_up(house.url, file, now=clock.now(), version="0.1.0")
    backup.back_up(house.url, file, now=clock.now(), version="0.1.0", overwrite=True)
    house.write_now(lambda connection: customers.add_customer(connection, name="后来的", now=clock.now()))
    before = content(house.url)
    with pytest.raises(backup.TargetNotEmpty, match="customers 61"):
        backup.restore(house.url, file, now=clock.now())
    assert content(house.url) == before
    # With force, while the service holds its connections open, readers see the old or the new.
    backup.restore(house.url, file, now=clock.now(), overwrite=True)
    count = house.read_now(
        lambda connection: connection.execute(
            select(func.count()).select_from(metadata.tables["customers"])
        ).scalar()
    )
    assert count == 60
    house.write_now(lambda connection: customers.add_customer(connection, name="又一位", now=clock.now()))


def _cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[5000] ^= 0xFF
    file.write_bytes(bytes(content))


def _noise(file: Path) -> None:
    file.write_bytes(b"no backup at all" * 100)


def _other_tar(file: Path) -> None:
    with tarfile.open(file, "w") as tar:
        tar.add(__file__, "database.sqlite3")


@pytest.mark.parametrize("damage", [_cut, _flip, _noise, _other_tar])
@pytest.mark.parametrize("name", ["careline.tar", "careline.tar.gz"])
def test_a_damaged_backup_changes_nothing(
    sqlite_url: str,
    another_url: Other,
    tmp_path: Path,
    clock: Clock,
    damage: Callable[[Path], None],
    name: str,
) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    migrations.upgrade(source)
    file = tmp_path / name
    backup.back_up(source, file, now=clock.now(), version="0.1.0")
    damage(file)
    url = another_url("sqlite")
    with pytest.raises(backup.BackupBroken):
        backup.restore(url, file, now=clock.now())
    assert list((tmp_path / "another machine").iterdir()) == []


def test_a_name_outside_is_refused(tmp_path: Path, clock: Clock) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    migrations.upgrade(source)
    good = tmp_path / "good.tar"
    backup.back_up(source, good, now=clock.now(), version="0.1.0")
    manifest = backup.read_manifest(good)
    for name in ("../evil", "/etc/evil", f"recordings/{tmp_path}/evil", "recordings/./x"):
        bad = backup.Manifest(
            made_at=manifest.made_at,
            version="0.1.0",
            engine="sqlite",
            revision=manifest.revision,
            tables=manifest.tables,
            files=(*manifest.files, backup.Stored(name=name, bytes=0, sha256="")),
        )
        (tmp_path / "manifest.json").write_bytes(bad.to_json())
        with tarfile.open(good) as old, tarfile.open(tmp_path / "bad.tar", "w") as new:
            database = old.getmember("database.sqlite3")
            new.addfile(database, old.extractfile(database))
            new.add(tmp_path / "manifest.json", "manifest.json")
        with pytest.raises(backup.BackupBroken, match="outside"):
            backup.restore(f"sqlite:///{tmp_path}/target/x.db", tmp_path / "bad.tar", now=clock.now())


def test_recordings_and_voicemail_go_along(tmp_path: Path, clock: Clock) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    migrations.upgrade(source)
    here = {"recordings": tmp_path / "here" / "recordings", "voicemail": tmp_path / "here" / "voicemail"}
    (here["recordings"] / "2026").mkdir(parents=True)
    (here["recordings"] / "2026" / "a.wav").write_bytes(b"RIFF" * 1000)
    here["voicemail"].mkdir()
    (here["voicemail"] / "1.2.wav").write_bytes(b"RIFF")
    file = tmp_path / "careline.tar"
    manifest = backup.back_up(source, file, now=clock.now(), version="0.1.0", folders=here)
    assert [stored.name for stored in manifest.files] == [
        "database.sqlite3",
        "recordings/2026/a.wav",
        "voicemail/1.2.wav",
    ]
    there = {name: tmp_path / "there" / name for name in here}
    backup.restore(f"sqlite:///{tmp_path}/there/careline.db", file, now=clock.now(), folders=there)
    assert (there["recordings"] / "2026" / "a.wav").read_bytes() == b"RIFF" * 1000
    (there["voicemail"] / "1.2.wav").write_bytes(b"somebody else's")
    shutil.rmtree(tmp_path / "there" / "recordings")
    for rest in (tmp_path / "there").glob("careline.db*"):
        rest.unlink()
    with pytest.raises(backup.TargetNotEmpty, match=r"1\.2\.wav"):
        backup.restore(f"sqlite:///{tmp_path}/there/careline.db", file, now=clock.now(), folders=there)
    assert (there["voicemail"] / "1.2.wav").read_bytes() == b"somebody else's"
    assert not there["recordings"].exists()


def test_a_backup_of_a_newer_careline_is_refused(tmp_path: Path, clock: Clock) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    migrations.upgrade(source)
    engine = create_engine(source)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    file = tmp_path / "careline.tar"
    backup.back_up(source, file, now=clock.now(), version="9.0.0")
    with pytest.raises(migrations.DatabaseTooNew):
        backup.restore(f"sqlite:///{tmp_path}/target/x.db", file, now=clock.now())


def test_no_database_is_said_so(tmp_path: Path, clock: Clock) -> None:
    with pytest.raises(backup.NothingToBackUp):
        backup.back_up(f"sqlite:///{tmp_path}/none.db", tmp_path / "x.tar", now=clock.now(), version="0.1.0")
    assert not (tmp_path / "x.tar").exists()
    assert list(tmp_path.iterdir()) == []


# -- who may come in afterwards ---------------------------------------------------------------------


def _person(connection: Connection, login: str, role: Role, now: datetime) -> str:
    user = User(
        id=new_id(now), login=login, name=login, role=role, language="en", theme="auto", created_at=now
    )
    users.insert_user(connection, user, password_hash=f"old of {login}")
    return user.id


def _token(connection: Connection, secret: str, now: datetime, user_id: str | None = None) -> str:
    token = Token(
        id=new_id(now), name=secret, role=Role.AGENT, created_at=now, created_by="a", user_id=user_id
    )
    tokens.insert_token(connection, token, secret_hash=hash_secret(secret))
    return token.id


def _session(connection: Connection, secret: str, user_id: str, now: datetime) -> None:
    user = users.get_user(connection, user_id)
    sessions.insert_session(
        connection,
        Session(id=secret, user=user, csrf="c", created_at=now, seen_at=now, address="127.0.0.1"),
    )


def _good(database: Database, now: datetime) -> set[str]:
    """Names of the tokens that open something."""

    def ask(connection: Connection) -> set[str]:
        known = tokens.list_tokens(connection)
        live = tokens.live_tokens(connection, [token.id for token in known], now=now)
        return {token.name for token in known if token.id in live}

    return database.read_now(ask)


def test_a_restore_opens_nothing_that_was_closed_since(house: Database, tmp_path: Path, clock: Clock) -> None:
    """S07: revoked tokens, ended sessions, disabled people, old passwords and old roles stay away."""
    now, later = clock.now(), clock.now() + timedelta(hours=2)

    def before(connection: Connection) -> dict[str, str]:
        ids = {
            login: _person(connection, login, role, now)
            for login, role in (
                ("boss", Role.ADMIN),
                ("gone", Role.AGENT),
                ("less", Role.SUPERVISOR),
                ("more", Role.AGENT),
                ("new.password", Role.AGENT),
            )
        }
        for secret in ("good", "leaked", "deleted"):
            ids[secret] = _token(connection, secret, now)
        for secret in ("open", "signed-out"):
            _session(connection, secret, ids["boss"], now)
        return ids

    ids = house.write_now(before)
    file = tmp_path / "careline.tar"
    backup.back_up(house.url, file, now=now, version="0.1.0")

    def since(connection: Connection) -> None:
        tokens.revoke_token(connection, ids["leaked"], now=later)
        connection.execute(delete(token_rows).where(token_rows.c.id == ids["deleted"]))
        _token(connection, "made-since", later)
        sessions.end_session(connection, "signed-out", now=later, why=SessionEnd.SIGNED_OUT)
        users.disable_user(connection, ids["gone"], now=later)
        users.change_user(connection, ids["less"], now=later, role=Role.AGENT)
        users.change_user(connection, ids["more"], now=later, role=Role.ADMIN)
        users.set_password(connection, ids["new.password"], password_hash="new", now=later)

    house.write_now(since)
    done = backup.restore(house.url, file, now=later + timedelta(hours=1), overwrite=True).access
    assert (done.unknown, done.sessions_ended, done.tokens_revoked, done.tokens_kept) == ("", 2, 2, 1)
    assert (done.disabled, done.passwords, done.roles) == (("gone",), ("new.password",), ("less", "more"))
    assert done.admins == 2
    assert _good(house, later) == {"good"}
    live = house.read_now(
        lambda c: sessions.live_sessions(c, ["open", "signed-out"], now=later, longest=timedelta(days=1))
    )
    assert live == set()
    found = {user.login: user for user in house.read_now(users.list_users)}
    assert found["gone"].disabled_at == later
    assert (found["less"].role, found["more"].role) == (Role.AGENT, Role.ADMIN)
    password = house.read_now(lambda c: users.password_of(c, "new.password"))
    assert password is not None
    assert password[1] == "new"
    revoked = {token.name: token.revoked_at for token in house.read_now(tokens.list_tokens)}
    assert revoked["leaked"] == later, "when it really was revoked"


def test_on_a_new_machine_every_token_is_revoked(
    house: Database, another_url: Other, tmp_path: Path, clock: Clock, open_database: Callable[..., Database]
) -> None:
    """Nobody there knows which were revoked since."""
    now = clock.now()
    house.write_now(lambda connection: _token(connection, "maybe-leaked", now))
    file = tmp_path / "careline.tar"
    backup.back_up(house.url, file, now=now, version="0.1.0")
    for engine in ("sqlite", "postgres"):
        url = another_url(engine)
        done = backup.restore(url, file, now=now).access
        assert "database" in done.unknown
        assert (done.tokens_revoked, done.tokens_kept, done.admins) == (1, 0, 0)
        assert _good(open_database(url), now) == set()


def test_a_database_that_cannot_be_read_is_put_aside(tmp_path: Path, clock: Clock) -> None:
    """A disk that wrote nonsense: that is when somebody restores, and it may still be wanted."""
    now = clock.now()
    source = Database(f"sqlite:///{tmp_path}/source.db", readers=1, writers=1)
    migrations.upgrade(source.url)
    source.write_now(lambda connection: _token(connection, "maybe-leaked", now))
    file = tmp_path / "careline.tar"
    backup.back_up(source.url, file, now=now, version="0.1.0")
    source.close()
    broken = tmp_path / "careline.db"
    broken.write_bytes(b"not a database" * 1000)
    with pytest.raises(backup.TargetNotEmpty, match="cannot be read"):
        backup.restore(f"sqlite:///{broken}", file, now=now)
    done = backup.restore(f"sqlite:///{broken}", file, now=now, overwrite=True)
    assert done.aside is not None
    assert done.aside.read_bytes().startswith(b"not a database")
    assert "could not be read" in done.access.unknown
    assert done.access.tokens_revoked == 1
    target = Database(f"sqlite:///{broken}", readers=1, writers=1)
    assert _good(target, now) == set()
    target.close()
