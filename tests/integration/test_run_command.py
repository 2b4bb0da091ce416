"""`careline run` where the system refuses something: which trouble it is, and what to do."""

from __future__ import annotations

import socket
from pathlib import Path

from typer.testing import CliRunner

from config.__main__ import app


def test_r41_run_says_what_the_system_refused(tmp_path: Path, free_port: int) -> None:
    """Two of them for real: a port that is taken, and a file where a folder should be."""
    config = tmp_path / "careline.toml"

    def run(data: Path) -> tuple[int, str]:
        config.write_text(
            f'data = "{data}"\n[web]\nport = {free_port}\n[telephony.switch]\nagi_port = {taken}\n'
        )
        result = CliRunner().invoke(app, ["run", "--config", str(config)])
        return result.exit_code, result.output

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        taken = listener.getsockname()[1]
        code, said = run(tmp_path / "data")
        assert (code, f"agi_port = 127.0.0.1:{taken}" in said, "(address-taken)" in said) == (2, True, True)
        assert "web.port" not in said, "only the address that is taken"
        (tmp_path / "data" / "spool").rmdir()
        (tmp_path / "data" / "spool").write_text("no folder")
        code, said = run(tmp_path / "data")
        assert (code, "(system-error)" in said) == (1, True)
        assert "Another program" not in said
