"""`careline user` and `careline token` on a real database, beside a running service."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from fixtures_web import Office
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from config.commands.users import token_app, user_app
from storage import audit, migrations, users
from storage.database import Database

run = CliRunner()


@pytest.fixture
def config(empty_database_url: str, tmp_path: Path) -> str:
    """A settings file that names an empty database: the first command makes its tables."""
    path = tmp_path / "careline.toml"
    path.write_text(f'[storage]\nurl = "{empty_database_url}"\n', encoding="utf-8")
    return str(path)


@pytest.fixture
def database(empty_database_url: str, open_database: Callable[..., Database]) -> Database:
    """The database the commands work on."""
    return open_database(empty_database_url)


def test_a_user_is_made_listed_disabled_and_enabled(config: str, database: Database) -> None:
    made = run.invoke(
        user_app, ["create", "Wang.Fang", "--role", "agent", "--name", "王芳", "--config", config]
    )
    assert made.exit_code == 0, made.output
    assert re.search(r"password: [a-z0-9]{5}-[a-z0-9]{5}-[a-z0-9]{5}", made.output)
    again = run.invoke(user_app, ["create", "wang.fang", "--role", "agent", "--config", config])
    assert again.exit_code == 1
    assert "taken" in again.output
    listed = run.invoke(user_app, ["list", "--config", config])
    assert "wang.fang" in listed.output
    assert "王芳" in listed.output
    assert "password" not in listed.output
    assert run.invoke(user_app, ["disable", "wang.fang", "--config", config]).exit_code == 0
    assert "disabled since" in run.invoke(user_app, ["list", "--config", config]).output
    assert run.invoke(user_app, ["enable", "wang.fang", "--config", config]).exit_code == 0
    user = database.read_now(lambda connection: users.find_by_login(connection, "wang.fang"))
    assert user.is_enabled
    done = [entry.action for entry in database.read_now(lambda connection: audit.list_entries(connection))]
    assert sorted(done) == ["user_changed", "user_created", "user_disabled"]


def test_wrong_use_leaves_with_two_and_no_such_user_with_one(config: str) -> None:
    for arguments in (
        ["create", "bad login", "--role", "agent"],
        ["create", "ok", "--role", "king"],
        ["create", "ok", "--role", "agent", "--language", "fr"],
    ):
        assert run.invoke(user_app, [*arguments, "--config", config]).exit_code == 2
    weak = run.invoke(
        user_app, ["create", "ok", "--role", "agent", "--password-stdin", "--config", config], input="short\n"
    )
    assert weak.exit_code == 2
    assert run.invoke(user_app, ["disable", "nobody", "--config", config]).exit_code == 1
    assert run.invoke(user_app, ["list", "--config", "/no/such/file"]).exit_code == 2


def test_the_last_administrator_stays(config: str) -> None:
    run.invoke(user_app, ["create", "boss", "--role", "admin", "--config", config])
    kept = run.invoke(user_app, ["disable", "boss", "--config", config])
    assert kept.exit_code == 1
    assert "last" in kept.output


def test_a_token_is_shown_once_listed_and_revoked(config: str, database: Database) -> None:
    made = run.invoke(
        token_app,
        ["create", "--role", "supervisor", "--name", "wall board", "--days", "30", "--config", config],
    )
    assert made.exit_code == 0, made.output
    secret = made.stdout.strip()
    assert re.fullmatch(r"cl_[A-Za-z0-9_-]{43}", secret)
    listed = run.invoke(token_app, ["list", "--config", config])
    assert "wall board" in listed.output
    assert secret not in listed.output
    token_id = listed.output.split()[0]
    assert run.invoke(token_app, ["revoke", token_id, "--config", config]).exit_code == 0
    assert "revoked" in run.invoke(token_app, ["list", "--config", config]).output
    assert run.invoke(token_app, ["revoke", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "--config", config]).exit_code == 1
    entries = database.read_now(lambda connection: audit.list_entries(connection))
    assert secret not in str(entries)


def _as_if_migrated(connection: Connection) -> None:
    """The test's tables were made at once; give them the history a real database has."""
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": migrations.head()})


def test_tables_of_somebody_else_are_left_alone(config: str, database: Database) -> None:
    database.write_now(lambda connection: connection.execute(text("CREATE TABLE stock (id INTEGER)")))
    refused = run.invoke(user_app, ["list", "--config", config])
    assert refused.exit_code == 1
    assert "no history" in refused.output


async def test_s07_what_the_command_makes_opens_and_closes_the_running_service(
    office: Office, tmp_path: Path
) -> None:
    config = tmp_path / "careline.toml"
    config.write_text(f'[storage]\nurl = "{office.database.url}"\n', encoding="utf-8")
    office.database.write_now(_as_if_migrated)
    more = ["--config", str(config)]
    made = run.invoke(token_app, ["create", "--role", "admin", *more])
    program = office.program(made.stdout.strip())
    # The command stamps with the machine's clock; the service here runs on the test's.
    assert (await program.get("/api/v1/users")).status == 200
    password = "ganz-neues-wort-1"
    created = run.invoke(
        user_app, ["create", "neu", "--role", "agent", "--password-stdin", *more], input=f"{password}\n"
    )
    assert created.exit_code == 0, created.output
    browser = office.browser()
    assert (await browser.sign_in("neu", password)).status == 303
    run.invoke(user_app, ["disable", "neu", *more])
    assert (await browser.get("/api/v1/me")).status == 401
