"""`careline migrate`, `backup` and `restore` as a person at a terminal meets them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.__main__ import app
from storage import samples
from storage.database import Database


def careline(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture
def config(tmp_path: Path, empty_database_url: str) -> Path:
    file = tmp_path / "careline.toml"
    file.write_text(f'data = "{tmp_path}/data"\n[storage]\nurl = "{empty_database_url}"\n')
    return file


def test_from_nothing_to_a_restored_copy(config: Path, tmp_path: Path, empty_database_url: str) -> None:
    """R42 at the command line, with its exit codes."""
    code, said = careline("migrate", "--check", "--config", config)
    assert code == 1, said
    code, said = careline("migrate", "--config", config)
    assert (code, "0001" in said) == (0, True)
    code, said = careline("migrate", "--config", config)
    assert (code, "nothing to do" in said) == (0, True)
    database = Database(empty_database_url, readers=1, writers=1)
    database.write_now(lambda connection: samples.load(connection, datetime(2026, 6, 16, tzinfo=UTC)))
    database.close()

    file = tmp_path / "b.tar"
    code, said = careline("backup", file, "--config", config)
    assert code == 0, said
    code, said = careline("backup", file, "--config", config)
    assert (code, "--force" in said) == (1, True)
    code, said = careline("restore", file, "--config", config)
    assert (code, "--force" in said) == (1, True)
    code, said = careline("restore", file, "--force", "--config", config)
    assert code == 0, said
    assert "Everybody signs in again" in said

    other = tmp_path / "other.toml"
    other.write_text(f'data = "{tmp_path}/other"\n')
    code, said = careline("restore", file, "--config", other)
    assert code == 0, said
    assert "API tokens were revoked" in said, "nobody there knows which were revoked since"
    assert (tmp_path / "other" / "careline.db").stat().st_mode & 0o777 == 0o600
    code, said = careline("migrate", "--check", "--config", other)
    assert code == 0, said


def test_wrong_use_is_exit_code_2(tmp_path: Path, config: Path) -> None:
    assert careline("migrate", "--config", tmp_path / "none.toml")[0] == 2
    assert careline("restore", tmp_path / "none.tar", "--config", config)[0] == 2
    assert careline("backup", tmp_path / "nowhere" / "b.tar", "--config", config)[0] == 2
