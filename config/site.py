"""A whole installation in one folder: settings, database, people, Asterisk and the service as processes.

The demo and the acceptance tests run it. Asterisk and the service are processes of their own, as in a real
installation, so that either can be killed alone.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from access.ids import new_id
from access.logins import make_password
from access.passwords import hash_password
from access.permissions import TAKES_CALLS, Role
from access.tokens import Token, hash_secret, make_token_secret
from access.users import User
from config.books.definitions import seed as seed_definitions
from config.books.knowledge import load_sample
from config.books.survey_seed import seed as seed_questionnaires
from config.settings import Settings, load
from lab.network import free_port
from storage import (
    agents,
    appointment_samples,
    case_samples,
    maintenance_samples,
    samples,
    script_samples,
    survey_samples,
    tokens,
    users,
)
from storage.database import Database
from storage.migrations import upgrade
from telephony.hours import WorkingTime
from telephony.phones import Phone, PhoneKind

_PR_SET_PDEATHSIG = 1


class SiteError(Exception):
    """A part of the installation did not start; the text says which and shows its last words."""

    error_id = "site-not-started"


def is_free(port: int, kind: socket.SocketKind = socket.SOCK_STREAM) -> bool:
    """Whether a loopback port can be had."""
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def to_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """A nested mapping of plain values as TOML; lists of plain values and of tables are allowed."""
    lines = [
        f"{_key(key)} = {_value(value)}" for key, value in values.items() if not isinstance(value, Mapping)
    ]
    for key, value in values.items():
        if isinstance(value, Mapping):
            path = f"{prefix}{_key(key)}"
            lines += ["", f"[{path}]", to_toml(value, f"{path}.")]
    return "\n".join(lines)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """`first` with `second` above it, table by table."""
    result = dict(first)
    for key, value in second.items():
        before = result.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[key] = merged(before, value) if both else value  # type: ignore[arg-type]
    return result


def private_ports() -> dict[str, Any]:
    """Settings that give every part a free port, so that two installations never collide."""
    rtp = random.SystemRandom().randrange(20000, 55000, 1000)
    return {
        "telephony": {
            "sip": {"port": free_port(socket.SOCK_DGRAM), "rtp_first": rtp, "rtp_last": rtp + 999},
            "trunk": {"port": free_port(socket.SOCK_DGRAM)},
            "switch": {"ami_port": free_port(), "agi_port": free_port(), "http_port": free_port()},
        },
        "web": {"port": free_port()},
    }


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who signs in."""

    login: str
    name: str
    role: Role
    id: str
    password: str
    phones: Sequence[Phone] = ()

    def phone(self, kind: PhoneKind) -> Phone:
        """The person's telephone of this kind."""
        return next(phone for phone in self.phones if phone.kind is kind)


#: The sample dealership's people (design.md, outside contract).
PEOPLE: Sequence[tuple[str, str, Role]] = (
    ("agent1", "李娜", Role.AGENT),
    ("agent2", "王强", Role.AGENT),
    ("supervisor", "陈静", Role.SUPERVISOR),
    ("manager", "刘洋", Role.MANAGER),
    ("admin", "系统管理员", Role.ADMIN),
)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Site:
    """One installation below `folder`. `overrides` go above the defaults, as settings tables."""

    folder: Path
    cache: Path
    overrides: Mapping[str, Any] = field(default_factory=dict)
    #: Who works here beside the sample's people: login, name, role.
    colleagues: Sequence[tuple[str, str, Role]] = ()
    people: dict[str, Person] = field(default_factory=dict)
    #: What is run as the service; a benchmark has one that takes times.
    service_module: str = "config"
    token: str = ""
    _processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _session: aiohttp.ClientSession | None = None

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "careline.toml"

    @property
    def settings(self) -> Settings:
        return load(self.config, {})

    @property
    def url(self) -> str:
        """Where the service answers."""
        web = self.settings.web
        return f"{'https' if web.tls.certificate else 'http'}://{web.host}:{web.port}"

    @property
    def pages(self) -> str:
        """Where people open the pages."""
        return self.settings.web.public_url or self.url

    # --- made once

    def write_settings(self) -> None:
        """The settings file, readable by its owner alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        base = {"data": str(self.folder / "data"), "cache": str(self.cache)}
        self.config.touch(mode=0o600)
        self.config.write_text(to_toml(merged(base, self.overrides)) + "\n", encoding="utf-8")

    def prepare(self, *, sample: bool = True) -> None:
        """Settings, database, sample dealership and people; what is there already stays."""
        self.write_settings()
        settings = self.settings
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        upgrade(settings.database_url)
        database = Database(settings.database_url, readers=1, writers=1)
        try:
            self._know_people(database)
            if sample:  # after the people: some customers have an agent of their own
                database.write_now(lambda connection: samples.load(connection, datetime.now(UTC)))
                database.write_now(lambda connection: load_sample(connection, datetime.now(UTC)))
                database.use(case_rules=settings.crm.cases.rules(settings.telephony.hotline.languages[0]))
                hours = WorkingTime.from_options(settings.calendar)
                database.write_now(lambda connection: case_samples.load(connection, datetime.now(UTC), hours))
                database.write_now(
                    lambda connection: appointment_samples.load_booked(connection, datetime.now(UTC), hours)
                )
                database.write_now(lambda connection: seed_questionnaires(connection, datetime.now(UTC)))
                database.write_now(lambda connection: seed_definitions(connection, datetime.now(UTC)))
                database.write_now(lambda connection: script_samples.load(connection, datetime.now(UTC)))
                database.write_now(
                    lambda connection: survey_samples.load(connection, datetime.now(UTC), hours)
                )
                database.write_now(
                    lambda connection: maintenance_samples.load(connection, datetime.now(UTC), hours)
                )
            self.token = self._own_token(database)
        finally:
            database.close()

    def _know_people(self, database: Database) -> None:
        kept_path = self.folder / "logins.json"
        kept: dict[str, str] = json.loads(kept_path.read_text("utf-8")) if kept_path.exists() else {}
        now = datetime.now(UTC)
        known = {user.login: user for user in database.read_now(users.list_users)}
        for login, name, role in (*PEOPLE, *self.colleagues):
            password = kept.get(login) or make_password()
            user = known.get(login)
            if user is None:
                user = User(
                    id=new_id(now),
                    login=login,
                    name=name,
                    role=role,
                    language="zh-CN",
                    theme="auto",
                    created_at=now,
                )
                encoded = hash_password(password)
                database.write_now(
                    lambda connection, user=user, encoded=encoded: users.insert_user(  # type: ignore[misc]
                        connection, user, password_hash=encoded
                    )
                )
            phones: Sequence[Phone] = ()
            if role in TAKES_CALLS:
                found = user.id
                phones = database.write_now(
                    lambda connection, found=found: agents.give_phones(connection, found, now)  # type: ignore[misc]
                )
            kept[login] = password
            self.people[login] = Person(
                login=login, name=name, role=role, id=user.id, password=password, phones=phones
            )
        kept_path.touch(mode=0o600)
        kept_path.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _own_token(self, database: Database) -> str:
        """The site's API token: kept beside the passwords and used again; others it once made are revoked."""
        now = datetime.now(UTC)
        path = self.folder / "site.token"
        secret = path.read_text("ascii").strip() if path.exists() else ""
        known = database.read_now(lambda connection: tokens.find_token(connection, hash_secret(secret)))
        if known is None or not known.is_good_at(now):
            secret = make_token_secret()
            path.touch(mode=0o600)
            path.write_text(secret + "\n", encoding="ascii")
            known = Token(
                id=new_id(now), name="site", role=Role.SUPERVISOR, created_at=now, created_by="site", user_id=None,
                expires_at=None,
            )  # fmt: skip
            made = known
            database.write_now(
                lambda connection: tokens.insert_token(connection, made, secret_hash=hash_secret(secret))
            )
        for token in database.read_now(tokens.list_tokens):
            theirs = (token.name, token.created_by) == ("site", "site") and token.id != known.id
            if theirs and token.is_good_at(now):
                database.write_now(partial(tokens.revoke_token, token_id=token.id, now=now))
        return secret

    # --- processes

    async def start_switch(self, seconds: float = 60.0) -> None:
        """Asterisk, in a process of its own. Raises SiteError."""
        await self._start("switch", "pbx", "run", "--config", str(self.config))
        await self._until("switch", seconds, self._switch_ready)

    async def start_service(self, seconds: float = 60.0, *, ready: bool = True) -> None:
        """The service; with `ready` also wait until it is resynchronised. Raises SiteError."""
        await self._start("service", "run", "--config", str(self.config), module=self.service_module)
        await self._until("service", seconds, lambda: self._answers("/readyz" if ready else "/healthz"))

    async def _start(self, name: str, *arguments: str, module: str = "config") -> None:
        log = (self.folder / f"{name}.log").open("ab")
        try:
            self._processes[name] = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                module,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
                start_new_session=True,
            )
        finally:
            log.close()

    async def _until(self, name: str, seconds: float, ready: Any) -> None:
        process = self._processes[name]
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            if process.returncode is not None:
                raise SiteError(f"The {name} ended while starting:\n{self.last_words(name)}")
            if await ready():
                return
            await asyncio.sleep(0.1)
        raise SiteError(f"The {name} was not ready in {seconds:g} s:\n{self.last_words(name)}")

    def last_words(self, name: str, lines: int = 15) -> str:
        """The end of a part's log."""
        path = self.folder / f"{name}.log"
        return "\n".join(path.read_text("utf-8", "replace").splitlines()[-lines:]) if path.exists() else ""

    async def _switch_ready(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.settings.telephony.switch.ami_port)
        except OSError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async def _answers(self, path: str) -> bool:
        try:
            async with self.session.get(f"{self.url}{path}") as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def pid(self, name: str) -> int:
        """Process id of the service or of the process that runs the switch."""
        return self._processes[name].pid

    async def kill(self, name: str) -> None:
        """kill -9 the service (or the switch's runner)."""
        self._processes[name].kill()
        await self._processes.pop(name).wait()

    async def ended(self, name: str) -> int:
        """Wait until it has ended by itself; gives its return code, below 0 the signal that killed it."""
        return await self._processes[name].wait()

    async def stop(self, name: str, seconds: float = 30.0) -> float:
        """SIGTERM and wait; gives how long it took."""
        process = self._processes.pop(name, None)
        if process is None or process.returncode is not None:
            return 0.0
        begin = asyncio.get_running_loop().time()
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), seconds)
        except TimeoutError:
            process.kill()
            await process.wait()
        return asyncio.get_running_loop().time() - begin

    async def close(self) -> None:
        """End everything, the service first."""
        for name in ("service", "switch"):
            await self.stop(name)
        if self._session is not None:
            await self._session.close()
            self._session = None

    # --- the API

    @property
    def session(self) -> aiohttp.ClientSession:
        """Requests as the site's own token (role supervisor)."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=self._trust() or True),
                headers={"Authorization": f"Bearer {self.token}"},
                timeout=aiohttp.ClientTimeout(total=30),
            )
        return self._session

    def _trust(self) -> ssl.SSLContext | None:
        """Where `careline pbx certificate` made an authority, it alone is trusted, whatever the address."""
        tls = self.settings.web.tls
        if not tls.certificate:
            return None
        trust = ssl.create_default_context(cafile=str(Path(tls.certificate).with_name("ca.crt")))
        trust.check_hostname = False
        return trust

    async def get(self, path: str, **query: str) -> Any:
        """GET below /api/v1. Raises SiteError with the problem's text."""
        async with self.session.get(f"{self.url}/api/v1{path}", params=query) as response:
            body = await response.json()
            if response.status >= 400:
                raise SiteError(f"GET {path}: {response.status} {_told(body)}")
            return body

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """POST below /api/v1, with an Idempotency-Key of its own. Raises SiteError with the problem's text."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        async with self.session.post(
            f"{self.url}/api/v1{path}", json=dict(body or {}), headers=headers
        ) as response:
            found = await response.json() if response.content_length != 0 else None
            if response.status >= 400:
                raise SiteError(f"POST {path}: {response.status} {_told(found)}")
            return found

    async def all_calls(self, **query: str) -> list[Any]:
        """Every call of the log that fits, all pages."""
        found: list[Any] = []
        page = await self.get("/calls", limit="200", **query)
        found += page["items"]
        while page.get("next"):
            page = await self.get("/calls", limit="200", cursor=page["next"], **query)
            found += page["items"]
        return found


def _told(problem: Any) -> str:
    """What a refusal says, for a person: its detail, and its error_id to look it up."""
    if isinstance(problem, Mapping) and "detail" in problem:
        return f"{problem['detail']} ({problem.get('error_id', '')})"
    return str(problem)


def remove_environment() -> None:
    """Forget settings of the caller's environment: a site is what its file says."""
    for name in list(os.environ):
        if name.startswith("CARELINE__") or name == "CARELINE_CONFIG":
            del os.environ[name]
