"""`web.ports.SecondFactors` over the database, with the key file beside it."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from access.audit import Entry
from access.second_factor import (
    CodeRefused,
    Factor,
    FactorExists,
    NoFactor,
    looks_like_recovery,
    make_recovery_codes,
    make_seed,
    matching_step,
    secret_of,
)
from config.secrets import SecretsError
from storage import audit, second_factors
from storage.database import Database

KEY_FILE: Final = "privacy.key"
_BYTES: Final = 32
_REFUSED: Final = "The code is not right, or it was used before. Wait for the next one and try again."


def keep_key(data: Path) -> bytes:
    """This installation's key for second factors and pseudonyms; made at the first call, its owner's alone (0600).

    Raises SecretsError where the file is damaged or cannot be written. A lost key costs everybody a new set-up of the
    second factor (recovery codes go on working); it is never replaced silently.
    """
    path = data / KEY_FILE
    try:
        if not path.exists():
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                return _read(path)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_BYTES) + "\n")
                file.flush()
                os.fsync(file.fileno())
        return _read(path)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        mend = "make room on its disk" if full else "make the data folder writable"
        raise SecretsError(f"{path} cannot be used: {error.strerror}; {mend}.") from error


def _read(path: Path) -> bytes:
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except ValueError as error:
        raise SecretsError(f"{path} is damaged; restore it from where you keep it.") from error
    if len(key) != _BYTES:
        raise SecretsError(f"{path} is damaged; restore it from where you keep it.")
    return key


class FactorBook:
    """Second factors over the database."""

    def __init__(self, database: Database, key: bytes) -> None:
        self._database = database
        self._key = key

    async def of(self, user_id: str) -> Factor | None:
        return await self._database.read(lambda connection: second_factors.find_factor(connection, user_id))

    async def owners(self) -> Collection[str]:
        return await self._database.read(second_factors.users_with_factor)

    async def begin(self, user_id: str, now: datetime) -> str:
        def work(connection: Connection) -> str:
            found = second_factors.find_factor(connection, user_id)
            if found is not None and found.confirmed_at is not None:
                raise FactorExists("There is a second factor already. Take it off first.")
            seed = make_seed()
            second_factors.begin_factor(connection, user_id, seed=seed, now=now)
            return secret_of(self._key, Factor(user_id=user_id, seed=seed, created_at=now))

        return await self._database.write(work)

    async def begun(self, user_id: str) -> str | None:
        found = await self.of(user_id)
        return None if found is None or found.confirmed_at is not None else secret_of(self._key, found)

    async def confirm(self, user_id: str, code: str, now: datetime, entry: Entry) -> Sequence[str]:
        def work(connection: Connection) -> Sequence[str]:
            found = second_factors.find_factor(connection, user_id)
            if found is None:
                raise NoFactor("Begin the set-up first; there is nothing to confirm.")
            if found.confirmed_at is not None:
                raise FactorExists("There is a second factor already.")
            self._take_app_code(connection, found, code, now)
            codes = make_recovery_codes()
            second_factors.keep_recovery_codes(connection, user_id, codes)
            second_factors.nothing_pending(connection, user_id)
            audit.append(connection, entry)
            return codes

        return await self._database.write(work)

    async def take(self, user_id: str, code: str, now: datetime, used_up: Entry) -> None:
        def work(connection: Connection) -> None:
            found = second_factors.find_factor(connection, user_id)
            if found is None or found.confirmed_at is None:
                raise NoFactor("There is no second factor.")
            if not looks_like_recovery(code):
                self._take_app_code(connection, found, code, now)
                return
            if not second_factors.take_recovery_code(connection, user_id, code, now=now):
                raise CodeRefused(_REFUSED)
            audit.append(connection, used_up)

        await self._database.write(work)

    async def remove(self, user_id: str, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            if not second_factors.remove_factor(connection, user_id):
                raise NoFactor("There is no second factor. Nothing was changed.")
            audit.append(connection, entry)

        await self._database.write(work)

    def _take_app_code(self, connection: Connection, factor: Factor, code: str, now: datetime) -> None:
        step = matching_step(secret_of(self._key, factor), code, after=factor.last_step, now=now)
        if step is None or not second_factors.take_step(connection, factor.user_id, step, now=now):
            raise CodeRefused(_REFUSED)
