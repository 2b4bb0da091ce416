"""`careline user` and `careline token`: people and programs that may use Careline, straight in the database."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.logins import check_password, clean_login, make_password
from access.passwords import hash_password
from access.permissions import TAKES_CALLS, Role
from access.tokens import Token, hash_secret, make_token_secret
from access.users import AccessError, Language, Principal, User, Via
from config.settings import SettingsError, load
from storage import agents, audit, migrations, tokens, users
from storage.database import Database, StorageError

T = TypeVar("T")

user_app = typer.Typer(help="People: create, list, disable, enable, password.", no_args_is_help=True)
token_app = typer.Typer(help="API tokens of programs: create, list, revoke.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", envvar="CARELINE_CONFIG", help="Settings file (TOML).")
]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; else one is made.")
]
#: Who the audit log names for what is done at the command line.
_SHELL = Principal(role=Role.ADMIN, via=Via.COMMAND, name="command line")


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(code)


@contextmanager
def _opened(config: Path | None) -> Iterator[tuple[Database, ZoneInfo]]:
    """The database, and the house's time zone to print in."""
    try:
        settings = load(config)
    except SettingsError as error:
        _fail(str(error), 2)
    if not settings.storage.url:
        settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(settings.database_url, readers=1, writers=1)
    try:
        if migrations.current(settings.database_url) is None:
            # A new installation: people may come before the first run.
            migrations.upgrade(settings.database_url)
        database.read_now(migrations.check)
        yield database, ZoneInfo(settings.calendar.zone)
    except (AccessError, StorageError) as error:
        _fail(str(error))
    finally:
        database.close()


@contextmanager
def _database(config: Path | None) -> Iterator[Database]:
    with _opened(config) as (database, _):
        yield database


def _write(config: Path | None, work: Callable[[Connection], T]) -> T:
    with _database(config) as database:
        return database.write_now(work)


def _entry(action: Action, now: datetime, subject: str, **data: str) -> Entry:
    return entry(action, _SHELL, id=new_id(now), at=now, subject=subject, data=data)


def _password(login: str, from_stdin: bool) -> tuple[str, bool]:
    """The password and whether it was made here. Leaves with 2 where it is too weak."""
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else make_password()
    try:
        check_password(password, login=login)
    except AccessError as error:
        _fail(str(error), 2)
    return password, not from_stdin


@user_app.command("create")
def create_user(
    login: Annotated[str, typer.Argument(help="a-z, 0-9, dot, dash, underscore.")],
    role: Annotated[Role, typer.Option(help="What the person is.")],
    name: Annotated[str, typer.Option(help="Name shown to others; empty: the login.")] = "",
    language: Annotated[str, typer.Option(help="zh-CN or en.")] = "zh-CN",
    password_stdin: StdinOption = False,
    config: ConfigOption = None,
) -> None:
    """Add a person. A password that is made here is printed once."""
    try:
        cleaned = clean_login(login)
    except AccessError as error:
        _fail(str(error), 2)
    spoken: Language
    match language:
        case "zh-CN" | "en" as known:
            spoken = known
        case _:
            _fail("A language is zh-CN or en.", 2)
    password, made = _password(cleaned, password_stdin)
    encoded = hash_password(password)
    now = datetime.now(UTC)
    user = User(
        id=new_id(now),
        login=cleaned,
        name=(name.strip() or cleaned)[:64],
        role=role,
        language=spoken,
        theme="auto",
        created_at=now,
    )

    def work(connection: Connection) -> None:
        users.insert_user(connection, user, password_hash=encoded)
        if role in TAKES_CALLS:
            agents.give_phones(connection, user.id, now)
        audit.append(connection, _entry(Action.USER_CREATED, now, f"user:{user.id}", role=role.value))

    _write(config, work)
    typer.echo(f"{user.login}  {user.role.value}  {user.id}")
    if made:
        typer.echo(f"password: {password}")


@user_app.command("list")
def list_users(config: ConfigOption = None) -> None:
    """Everybody, with role and state."""
    with _opened(config) as (database, zone):
        found = database.read_now(users.list_users)
    for user in found:
        since = user.disabled_at
        state = "enabled" if since is None else f"disabled since {since.astimezone(zone):%Y-%m-%d %H:%M}"
        typer.echo(f"{user.login:<32}  {user.role.value:<10}  {state:<34}  {user.id}  {user.name}")


@user_app.command("disable")
def disable_user(login: str, config: ConfigOption = None) -> None:
    """The person may not sign in any more; open pages close within five seconds."""
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        user = users.find_by_login(connection, login.strip().lower())
        users.disable_user(connection, user.id, now=now)
        audit.append(connection, _entry(Action.USER_DISABLED, now, f"user:{user.id}"))

    _write(config, work)
    typer.echo(f"{login}: disabled")


@user_app.command("enable")
def enable_user(login: str, config: ConfigOption = None) -> None:
    """The person may sign in again."""
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        user = users.find_by_login(connection, login.strip().lower())
        users.enable_user(connection, user.id)
        audit.append(connection, _entry(Action.USER_CHANGED, now, f"user:{user.id}", state="enabled"))

    _write(config, work)
    typer.echo(f"{login}: enabled")


@user_app.command("password")
def set_password(login: str, password_stdin: StdinOption = False, config: ConfigOption = None) -> None:
    """A new password; all sessions of the person end."""
    cleaned = login.strip().lower()
    password, made = _password(cleaned, password_stdin)
    encoded = hash_password(password)
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        user = users.find_by_login(connection, cleaned)
        users.set_password(connection, user.id, password_hash=encoded, now=now)
        audit.append(connection, _entry(Action.PASSWORD_SET, now, f"user:{user.id}"))

    _write(config, work)
    typer.echo(f"{cleaned}: password set")
    if made:
        typer.echo(f"password: {password}")


@token_app.command("create")
def create_token(
    role: Annotated[Role, typer.Option(help="What the program may do.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    user: Annotated[str, typer.Option(help="Login of the user it acts for; empty: nobody.")] = "",
    days: Annotated[int, typer.Option(min=0, max=3650, help="Good for so many days; 0: until revoked.")] = 0,
    config: ConfigOption = None,
) -> None:
    """Make an API token. Its secret is the only line on standard output and is never shown again."""
    now = datetime.now(UTC)
    secret = make_token_secret()

    def work(connection: Connection) -> Token:
        owner = users.find_by_login(connection, user.strip().lower()) if user else None
        token = Token(
            id=new_id(now),
            name=(name.strip() or role.value)[:64],
            role=role,
            created_at=now,
            created_by=_SHELL.name,
            user_id=owner.id if owner else None,
            expires_at=now + timedelta(days=days) if days else None,
        )
        tokens.insert_token(connection, token, secret_hash=hash_secret(secret))
        audit.append(connection, _entry(Action.TOKEN_CREATED, now, f"token:{token.id}", role=role.value))
        return token

    token = _write(config, work)
    typer.echo(f"token {token.id} ({token.role.value}); keep it, it is not shown again:", err=True)
    typer.echo(secret)


@token_app.command("list")
def list_tokens(config: ConfigOption = None) -> None:
    """Every token, without its secret."""
    with _opened(config) as (database, zone):
        found = database.read_now(tokens.list_tokens)
    now = datetime.now(UTC)
    for token in found:
        state = "good" if token.is_good_at(now) else ("revoked" if token.revoked_at else "expired")
        used = f"{token.used_at.astimezone(zone):%Y-%m-%d %H:%M}" if token.used_at else "never used"
        typer.echo(f"{token.id}  {token.role.value:<10}  {state:<7}  {used:<16}  {token.name}")


@token_app.command("revoke")
def revoke_token(
    token_id: Annotated[str, typer.Argument(help="The id, not the secret.")], config: ConfigOption = None
) -> None:
    """The token opens nothing any more."""
    now = datetime.now(UTC)

    def work(connection: Connection) -> None:
        tokens.revoke_token(connection, token_id.strip().upper(), now=now)
        audit.append(connection, _entry(Action.TOKEN_REVOKED, now, f"token:{token_id.strip().upper()}"))

    _write(config, work)
    typer.echo(f"{token_id}: revoked")
