"""What the command line prints is the house's own time, whatever the machine's clock is set to."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, update
from typer.testing import CliRunner

from config.__main__ import app
from storage import backup, migrations
from storage.database import Database
from storage.tables.access import tokens, users
from storage.tables.telephony import recordings, voicemails

#: 06:30 the next day in Shanghai.
AT = datetime(2026, 6, 16, 22, 30, tzinfo=UTC)


def careline(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "careline.toml"
    file.write_text(f'data = "{tmp_path}/data"\n[calendar]\nzone = "Asia/Shanghai"\n')
    careline("migrate", "--config", file)
    careline("user", "create", "li", "--role", "agent", "--config", file)
    careline("user", "create", "han", "--role", "agent", "--config", file)
    careline("user", "disable", "han", "--config", file)
    careline("token", "create", "--role", "agent", "--config", file)
    database = Database(f"sqlite:///{tmp_path}/data/careline.db", readers=1, writers=1)

    def add(connection: Connection) -> None:
        connection.execute(
            insert(recordings).values(id="r", call_id="c", file="a.wav", started_at=AT, state="kept")
        )
        connection.execute(
            insert(voicemails).values(
                id="v", call_id="c", file="a.wav", left_at=AT, state="new", box="service"
            )
        )
        connection.execute(update(users).where(users.c.login == "han").values(disabled_at=AT))
        connection.execute(update(tokens).values(used_at=AT))

    database.write_now(add)
    database.close()
    return file


@pytest.mark.parametrize("what", ["recording", "voicemail", "user", "token"])
def test_a_list_prints_the_houses_time(config: Path, what: str) -> None:
    said = careline(what, "list", "--config", config)
    assert "2026-06-17 06:30" in said
    assert "22:30" not in said
    assert "UTC" not in said


def test_a_restore_prints_the_houses_time(config: Path, tmp_path: Path) -> None:
    source = f"sqlite:///{tmp_path}/source.db"
    migrations.upgrade(source)
    backup.back_up(source, tmp_path / "b.tar", now=AT, version="0.1.0")
    said = careline("restore", tmp_path / "b.tar", "--force", "--config", config)
    assert "2026-06-17 06:30:00" in said
