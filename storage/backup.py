"""Backups taken while the service runs, and their restore, on this machine or another.

A backup is a tar file: `database.sqlite3` (one consistent snapshot, whichever engine it came from, so it
can be restored into either), on request the recordings and voicemail, and last `manifest.json` with counts
and SHA-256 sums; a file without its manifest was cut off. What is rendered from settings, and the secrets
that are made on a machine, are not in it; password hashes and phones' secrets are, so the file is 0600.

After a restore nothing old acts by itself: calls that were open are closed as interrupted, and `restores`
says from when on intents count. Nor does it open what was closed since (`storage.restored`): no session
survives, and only tokens that the replaced database says are good.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from sqlalchemy import Connection, func, insert, make_url, select, text, update
from sqlalchemy.exc import DatabaseError, OperationalError

from access.ids import new_id
from storage import migrations
from storage.database import StorageError, StorageUnavailable, make_engine
from storage.restored import Access, Known, carry, read_known
from storage.tables import metadata
from storage.tables.calls import calls
from storage.tables.operations import restores
from telephony.calls import CallState, Outcome

_FORMAT: Final = 1
_DATABASE: Final = "database.sqlite3"
_MANIFEST: Final = "manifest.json"
_ROWS: Final = 5000
_BLOCK: Final = 1 << 20


class BackupError(StorageError):
    """Base of what can go wrong with a backup; the database and existing files are as they were.

    BackupError
    ├── BackupExists     there is a file of that name already
    ├── BackupBroken     the file is cut off, changed, or no backup
    ├── NothingToBackUp  there is no database
    └── TargetNotEmpty   the database to restore into has rows
    """

    error_id = "backup-error"


class BackupExists(BackupError):
    """There is a file of that name already; name another, or say --force."""

    error_id = "backup-exists"


class BackupBroken(BackupError):
    """The file is cut off, changed, or no backup; take another one."""

    error_id = "backup-broken"


class NothingToBackUp(BackupError):
    """There is no database at that address."""

    error_id = "nothing-to-back-up"


class TargetNotEmpty(BackupError):
    """The database to restore into has rows; give an empty one, or say --force to lose them."""

    error_id = "target-not-empty"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One file in a backup."""

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What a backup holds."""

    made_at: datetime
    #: Version of Careline that made it.
    version: str
    engine: str
    revision: str
    #: Table to number of rows.
    tables: Mapping[str, int]
    files: tuple[Stored, ...]
    format: int = _FORMAT

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(self.tables.values())

    def to_json(self) -> bytes:
        """As it stands in the file."""
        return json.dumps({**asdict(self), "made_at": self.made_at.isoformat()}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read from the file. Raises BackupBroken."""
        try:
            values = json.loads(content)
            if values["format"] != _FORMAT:
                raise BackupBroken(
                    f"The backup has format {values['format']}, this Careline reads {_FORMAT}. Nothing was changed."
                )
            return cls(
                made_at=datetime.fromisoformat(values["made_at"]),
                version=values["version"],
                engine=values["engine"],
                revision=values["revision"],
                tables=values["tables"],
                files=tuple(Stored(**file) for file in values["files"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BackupBroken(f"The manifest cannot be read: {error}. Nothing was changed.") from error


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """What a restore did."""

    manifest: Manifest
    access: Access
    #: Where the database went that could not be read; None: it was replaced.
    aside: Path | None = None


# -- backup -------------------------------------------------------------------------------------------


def back_up(
    url: str,
    target: Path,
    *,
    now: datetime,
    version: str,
    folders: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Manifest:
    """Write a backup of the database at `url` to `target`, and of each of `folders` (name to folder).

    The service may run and write meanwhile: the database is one snapshot. `target` appears whole or not at
    all; a name that ends in .gz is compressed. Raises BackupExists, NothingToBackUp, SchemaError,
    StorageUnavailable, OSError.
    """
    if target.exists() and not overwrite:
        raise BackupExists(f"{target} exists already. Nothing was written; name another file or say --force.")
    with _workplace(target.parent) as folder:
        snapshot = folder / _DATABASE
        if make_url(url).get_backend_name() == "sqlite":
            engine = "sqlite"
            _copy_sqlite(url, snapshot)
        else:
            engine = "postgresql"
            _copy_postgres(url, snapshot)
        revision, tables = _counts(snapshot)
        part = folder / "backup.part"
        with open(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as raw:
            mode: Any = "w:gz" if target.name.endswith(".gz") else "w"
            with tarfile.open(fileobj=raw, mode=mode) as tar:
                stored = [_add(tar, _DATABASE, snapshot, now)]
                for name, place in (folders or {}).items():
                    stored += [
                        _add(tar, f"{name}/{path.relative_to(place).as_posix()}", path, now)
                        for path in sorted(place.rglob("*"))
                        if path.is_file() and not path.is_symlink()
                    ]
                manifest = Manifest(
                    made_at=now,
                    version=version,
                    engine=engine,
                    revision=revision,
                    tables=tables,
                    files=tuple(stored),
                )
                content = manifest.to_json()
                tar.addfile(_info(_MANIFEST, len(content), now), io.BytesIO(content))
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(target)
    return manifest


@contextlib.contextmanager
def _workplace(parent: Path) -> Iterator[Path]:
    """A private folder on the disk that will hold the result."""
    folder = Path(tempfile.mkdtemp(prefix=".careline-backup-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sqlite_path(url: str) -> Path:
    name = make_url(url).database
    if not name or name == ":memory:":
        raise NothingToBackUp("A database in memory cannot be backed up or restored.")
    return Path(name)


def _copy_sqlite(url: str, snapshot: Path) -> None:
    """SQLite's own online backup in one step: a snapshot that blocks no writer (sqlite.org/backup.html)."""
    path = _sqlite_path(url)
    if not path.exists():
        raise NothingToBackUp(f"There is no database at {path}. Nothing was written.")
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as source:
            _push_sqlite(source, snapshot)
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"The database could not be copied: {error}. Nothing was written."
        ) from error
    _check_whole(snapshot)


def _push_sqlite(source: sqlite3.Connection, target: Path) -> None:
    """Copy every page in one step, into one self-contained file."""
    with contextlib.closing(sqlite3.connect(target, timeout=30, isolation_level=None)) as copy:
        source.backup(copy, pages=-1, progress=_patience(), sleep=0.05)
        copy.execute("PRAGMA journal_mode=DELETE")


def _patience(seconds: float = 30.0) -> Callable[[int, int, int], None]:
    """Python waits for a locked database without end; this ends it."""
    until = time.monotonic() + seconds

    def progress(_status: int, _remaining: int, _total: int) -> None:
        if time.monotonic() > until:
            raise sqlite3.OperationalError("database is locked")

    return progress


def _check_whole(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        try:
            (answer,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            answer = str(error)
    if answer != "ok":
        raise BackupBroken(f"The database in it is damaged: {answer}. Nothing was changed.")


def _copy_postgres(url: str, snapshot: Path) -> None:
    """Every table as of one REPEATABLE READ snapshot, into an SQLite file of the same revision."""
    migrations.upgrade(f"sqlite:///{snapshot}")
    source = make_engine(url, writer=False, size=1, pool_seconds=30)
    target = make_engine(f"sqlite:///{snapshot}", writer=True, size=1, pool_seconds=30)
    try:
        frozen = source.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with frozen.begin() as reading, target.begin() as writing:
            migrations.check(reading)
            _copy_rows(reading, writing)
    except OperationalError as error:
        raise StorageUnavailable(
            f"The database could not be read: {error.__cause__ or error}. Nothing was written."
        ) from error
    finally:
        source.dispose()
        target.dispose()
    with contextlib.closing(sqlite3.connect(snapshot, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")


def _copy_rows(reading: Connection, writing: Connection) -> None:
    """Every row of every table, referenced tables first."""
    if writing.dialect.name == "sqlite":
        writing.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
    for table in metadata.sorted_tables:
        rows = reading.execution_options(stream_results=True, yield_per=_ROWS).execute(select(table))
        for block in rows.mappings().partitions():
            writing.execute(insert(table), [dict(row) for row in block])


def _counts(snapshot: Path) -> tuple[str, dict[str, int]]:
    """Revision, and rows per table as the file itself says."""
    with contextlib.closing(sqlite3.connect(snapshot)) as connection:
        try:
            (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except (sqlite3.Error, TypeError) as error:
            raise migrations.DatabaseForeign(
                "The database has no history of Careline's: run `careline migrate` first. Nothing was written."
            ) from error
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        ).fetchall()
        counts = {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]  # noqa: S608 - our own names
            for (name,) in names
            if name != "alembic_version"
        }
    return revision, counts


def _info(name: str, size: int, now: datetime) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o600, int(now.timestamp())
    return info


def _add(tar: tarfile.TarFile, name: str, path: Path, now: datetime) -> Stored:
    """Add a file as long as it is at this moment: a recording may still be growing."""
    with path.open("rb") as raw:
        reader = _Hashing(raw)
        size = os.fstat(raw.fileno()).st_size
        tar.addfile(_info(name, size, now), reader)
    return Stored(name=name, bytes=size, sha256=reader.digest.hexdigest())


@dataclass
class _Hashing(io.RawIOBase):
    """Reads through and sums up."""

    raw: IO[bytes]
    digest: Any = field(default_factory=hashlib.sha256)

    def read(self, size: int = -1) -> bytes:
        block = self.raw.read(size)
        self.digest.update(block)
        return block


# -- restore ------------------------------------------------------------------------------------------


def read_manifest(source: Path) -> Manifest:
    """What a backup holds, by its own word. Raises BackupBroken."""
    with _opened(source) as tar:
        return _manifest_of(tar, source)


def restore(
    url: str,
    source: Path,
    *,
    now: datetime,
    folders: Mapping[str, Path] | None = None,
    overwrite: bool = False,
) -> Restored:
    """Bring the database at `url` to what the backup holds, and its files into `folders` (name to folder).

    Everything is verified before anything is changed; the database then changes in one transaction. Files
    of folders that are not given stay in the backup. What was closed since stays closed, as far as the
    database that is replaced can tell (`storage.restored`). Raises BackupBroken, TargetNotEmpty (unless
    `overwrite`), DatabaseTooNew, StorageUnavailable, OSError.
    """
    sqlite = make_url(url).get_backend_name() == "sqlite"
    beside = _sqlite_path(url).absolute().parent if sqlite else source.absolute().parent
    beside.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _workplace(beside) as folder, _opened(source) as tar:
        manifest = _manifest_of(tar, source)
        _unpack(tar, manifest, folder)
        snapshot = folder / _DATABASE
        _check_whole(snapshot)
        if _counts(snapshot)[1] != dict(manifest.tables):
            raise BackupBroken("The rows in it are not what its manifest says. Nothing was changed.")
        migrations.upgrade(f"sqlite:///{snapshot}")
        if not overwrite:
            _refuse_rows(url)
        known, unknown = _ask(url)
        access = _quiet(snapshot, manifest, now, known, unknown)
        _place_files(folder, manifest, folders or {}, overwrite=overwrite)
        aside = None
        if sqlite:
            aside = _into_sqlite(snapshot, _sqlite_path(url), now)
        else:
            _into_postgres(snapshot, url)
    return Restored(manifest=manifest, access=access, aside=aside)


def _ask(url: str) -> tuple[Known | None, str]:
    """What the database that is replaced knows of tokens and users; or None, and why."""
    if make_url(url).get_backend_name() == "sqlite" and not _sqlite_path(url).exists():
        return None, "there was no database"
    engine = make_engine(url, writer=False, size=1, pool_seconds=30)
    try:
        with engine.begin() as connection:
            if not connection.dialect.get_table_names(connection):
                return None, "the database was empty"
            known = read_known(connection)
    except DatabaseError as error:
        return None, f"the database before could not be read ({error.__cause__ or error})"
    finally:
        engine.dispose()
    return (known, "") if known.users or known.tokens else (None, "the database was empty")


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(source, "r:*") as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupBroken(f"{source} is cut off or no backup: {error}. Nothing was changed.") from error


def _manifest_of(tar: tarfile.TarFile, source: Path) -> Manifest:
    try:
        member = tar.extractfile(_MANIFEST)
    except KeyError:
        member = None
    if member is None:
        raise BackupBroken(f"{source} has no manifest: it was cut off, or is no backup. Nothing was changed.")
    return Manifest.from_json(member.read())


def _unpack(tar: tarfile.TarFile, manifest: Manifest, folder: Path) -> None:
    """Unpack what the manifest names and nothing else, and compare the sums."""
    for stored in manifest.files:
        path = PurePosixPath(stored.name)
        if path.is_absolute() or ".." in path.parts or str(path) != stored.name:
            raise BackupBroken(
                f"The backup names a file outside itself: {stored.name!r}. Nothing was changed."
            )
        try:
            member = tar.extractfile(stored.name)
        except KeyError:
            member = None
        if member is None:
            raise BackupBroken(f"{stored.name} is missing from the backup. Nothing was changed.")
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with open(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as copy:
            while block := member.read(_BLOCK):
                digest.update(block)
                copy.write(block)
        if digest.hexdigest() != stored.sha256:
            raise BackupBroken(f"{stored.name} was changed since the backup was made. Nothing was changed.")


def _quiet(snapshot: Path, manifest: Manifest, now: datetime, known: Known | None, unknown: str) -> Access:
    """Nothing that was going on when the backup was made goes on after its restore."""
    engine = make_engine(f"sqlite:///{snapshot}", writer=True, size=1, pool_seconds=30)
    with engine.begin() as connection:
        connection.execute(
            update(calls)
            .where(calls.c.ended_at.is_(None))
            .values(
                state=CallState.ENDED, outcome=Outcome.INTERRUPTED, ended_at=manifest.made_at, held_since=None
            )
        )
        connection.execute(
            insert(restores).values(
                id=new_id(now), at=now, made_at=manifest.made_at, revision=manifest.revision
            )
        )
        access = carry(connection, known, now=now, unknown=unknown)
    engine.dispose()
    with contextlib.closing(sqlite3.connect(snapshot, isolation_level=None)) as connection_:
        connection_.execute("PRAGMA journal_mode=DELETE")
    return access


def _refuse_rows(url: str) -> None:
    if make_url(url).get_backend_name() == "sqlite" and not _sqlite_path(url).exists():
        return
    try:
        if migrations.state(url).current is None:
            return
    except DatabaseError as error:
        raise TargetNotEmpty(
            f"There is a database at that address, and it cannot be read: {error.__cause__ or error}. "
            "Nothing was changed; say --force to put it aside and restore in its place."
        ) from error
    engine = make_engine(url, writer=False, size=1, pool_seconds=30)
    try:
        with engine.begin() as connection:
            names = set(connection.dialect.get_table_names(connection))
            full = {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
                if table.name in names
            }
    finally:
        engine.dispose()
    full = {name: count for name, count in full.items() if count}
    if full:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(full.items()))
        raise TargetNotEmpty(
            f"The database has rows already ({listed}). Nothing was changed; restore into an empty one, "
            "or say --force to replace them."
        )


def _place_files(folder: Path, manifest: Manifest, folders: Mapping[str, Path], *, overwrite: bool) -> None:
    """Move unpacked files to their folders; a file of the same name and size is taken to be there already."""
    moves: list[tuple[Path, Path]] = []
    for stored in manifest.files:
        name, _, rest = stored.name.partition("/")
        if not rest or name not in folders:
            continue
        target = folders[name].joinpath(*PurePosixPath(rest).parts)
        if target.exists() and target.stat().st_size == stored.bytes:
            continue
        if target.exists() and not overwrite:
            raise TargetNotEmpty(f"{target} is another file. Nothing was changed; say --force to replace it.")
        moves.append((folder / stored.name, target))
    for origin, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.move(origin, target)


def _into_sqlite(snapshot: Path, target: Path, now: datetime) -> Path | None:
    """Every page in one transaction of SQLite's own: readers see the old database or the new one.

    Gives where the old one went if it is none that SQLite could replace (R23: a disk that lost its mind).
    """
    aside = _put_aside(target, now)
    if not target.exists():
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        with (
            contextlib.closing(sqlite3.connect(snapshot)) as source,
            contextlib.closing(sqlite3.connect(target, timeout=30, isolation_level=None)) as copy,
        ):
            source.backup(copy, pages=-1, progress=_patience(), sleep=0.05)
            copy.execute("PRAGMA journal_mode=WAL")
            copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise StorageUnavailable(
            f"The database could not be replaced: {error}. Stop the service and try again."
        ) from error
    return aside


def _put_aside(target: Path, now: datetime) -> Path | None:
    """Rename a file that is no database any more, with what lies beside it: somebody may still save rows."""
    if not target.exists():
        return None
    try:
        with contextlib.closing(sqlite3.connect(target, timeout=30)) as connection:
            connection.execute("PRAGMA schema_version").fetchone()
        return None
    except sqlite3.OperationalError:
        return None  # locked, or a disk that is full: whoever replaces it will say so
    except sqlite3.DatabaseError:
        aside = target.with_name(f"{target.name}.unreadable-{now:%Y%m%dT%H%M%SZ}")
    for ending in ("-wal", "-shm", ""):
        part = target.with_name(target.name + ending)
        if part.exists():
            part.rename(aside.with_name(aside.name + ending))
    return aside


def _into_postgres(snapshot: Path, url: str) -> None:
    migrations.upgrade(url)
    source = make_engine(f"sqlite:///{snapshot}", writer=False, size=1, pool_seconds=30)
    target = make_engine(url, writer=True, size=1, pool_seconds=30)
    try:
        with source.begin() as reading, target.begin() as writing:
            names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables)
            writing.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
            _copy_rows(reading, writing)
            _raise_sequences(writing)
    except OperationalError as error:
        raise StorageUnavailable(
            f"The database could not be written: {error.__cause__ or error}. Nothing was changed."
        ) from error
    finally:
        source.dispose()
        target.dispose()


def _raise_sequences(connection: Connection) -> None:
    """Serial columns go on after the highest restored value."""
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        highest = connection.execute(select(func.max(column))).scalar()
        if highest is not None:
            sequence = func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(select(func.setval(sequence, highest)))
