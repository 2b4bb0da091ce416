"""`careline import` and `careline export`: exit codes, what is said, and a file that goes round."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.__main__ import app
from storage.database import Database
from storage.migrations import upgrade

RUNNER = CliRunner()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Settings of an installation with an empty database."""
    data = tmp_path / "data"
    data.mkdir()
    path = tmp_path / "careline.toml"
    path.write_text(f'data = "{data}"\n', encoding="utf-8")
    upgrade(f"sqlite+pysqlite:///{data / 'careline.db'}")
    return path


def _run(config: Path, *arguments: str) -> tuple[int, str]:
    done = RUNNER.invoke(app, [*arguments, "--config", str(config)])
    return done.exit_code, done.output


def _write(path: Path, *rows: list[str]) -> Path:
    with path.open("w", encoding="gb18030", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def test_a_list_goes_in_out_and_in_again(tmp_path: Path, config: Path) -> None:
    path = _write(
        tmp_path / "交车.csv",
        ["姓名", "联系方式", "VIN", "提车"],
        ["王伟", "13800000001", "LGWEF4A57MF000001", "2026-03-05"],
        ["李娜", "138", "LGWEF4A57MF000002", "2026-03-05"],
    )
    tried = _run(
        config, "import", str(path), "--kind", "customers", "--mapping", "delivered_on=提车", "--dry-run"
    )
    assert tried[0] == 0
    assert "checked: 1 added, 0 changed, 0 unchanged, 1 refused" in tried[1]
    assert "3: 手机：“138”不是完整的电话号码" in tried[1]
    bad = tmp_path / "bad.xlsx"
    done = _run(
        config,
        "import",
        str(path),
        "--kind",
        "customers",
        "--mapping",
        "delivered_on=D",
        "--bad-rows",
        str(bad),
    )
    assert done[0] == 0
    assert "done: 1 added" in done[1]
    assert bad.read_bytes().startswith(b"PK")
    out = tmp_path / "out.csv"
    assert _run(config, "export", "customers", str(out), "--language", "en") == (0, f"{out}: 1 rows\n")
    [head, row] = csv.reader(out.read_text("utf-8-sig").splitlines())
    told = dict(zip(head, row, strict=True))
    assert (told["Phone"], told["Delivered on"], told["Role"]) == ("'+8613800000001", "2026-03-05", "Owner")
    again = _run(config, "import", str(out), "--kind", "customers", "--language", "en")
    assert again[0] == 0
    assert "0 added, 0 changed, 1 unchanged, 0 refused" in again[1]
    assert not list((config.parent / "data" / "lists").rglob("file")), "no copy of the list stays"


def test_all_or_nothing_and_wrong_use_have_their_exit_codes(tmp_path: Path, config: Path) -> None:
    path = _write(tmp_path / "a.csv", ["姓名", "手机"], ["王伟", "13800000001"], ["李娜", "1"])
    assert _run(config, "import", str(path), "--kind", "customers", "--all-or-nothing")[0] == 1
    database = Database(f"sqlite:///{config.parent / 'data' / 'careline.db'}")
    try:
        left = database.read_now(lambda c: c.exec_driver_sql("SELECT count(*) FROM customers").scalar())
    finally:
        database.close()
    assert left == 0
    html = tmp_path / "a.xlsx"
    html.write_text("<html></html>")
    assert _run(config, "import", str(html), "--kind", "customers")[0] == 1
    for wrong in (
        ("import", str(tmp_path / "none.csv"), "--kind", "customers"),
        ("import", str(path), "--kind", "nonsense"),
        ("import", str(path), "--kind", "customers", "--mapping", "nonsense=A"),
        ("import", str(path), "--kind", "visits"),
        ("import", str(path), "--kind", "customers", "--language", "fr"),
        ("export", "customers", str(tmp_path / "a.doc")),
        ("export", "customers", str(tmp_path / "a.csv"), "--filter", "drop=1"),
    ):
        code, output = _run(config, *wrong)
        assert code == 2, (wrong, output)
