"""R41: settings that cannot work are refused with file, key, value and what is allowed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.settings import SettingsError, load, warnings


def refused(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    file = tmp_path / "careline.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as error:
        load(file, environment or {})
    return error.value.mistakes


def test_defaults_are_a_working_installation() -> None:
    settings = load(None, {})
    assert settings.telephony.hotline.numbers["4008001234"] == "service"
    assert settings.database_url.startswith("sqlite+pysqlite:///")


def test_an_unknown_key_is_named_with_its_neighbours(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[telephony.trunk]\nchanels = 4\n")
    assert "careline.toml: telephony.trunk.chanels: there is no such key" in mistake
    assert "channels" in mistake


def test_a_value_out_of_range_names_value_and_range(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[telephony.switch]\naction_seconds = 1500\n")
    assert "telephony.switch.action_seconds = 1500" in mistake
    assert "allowed: 0.0 to 60" in mistake.replace("0 to", "0.0 to", 1) or "0 to 60" in mistake


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    assert (
        len(refused(tmp_path, "[web]\nport = 0\n[log]\nlevel = 'loud'\n[telephony.sip]\nport = 'x'\n")) == 3
    )


def test_a_mistyped_zone_is_refused(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[calendar]\nzone = 'Asia/Shangai'\n")
    assert "calendar.zone = 'Asia/Shangai'" in mistake


def test_an_overflow_to_nowhere_is_refused(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[telephony.queues.service]\noverflow = 'nowhere'\n")
    assert "allowed: service or empty" in mistake


def test_the_china_profile_keeps_thirty_days(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[telephony.recording]\nkeep_days = 7\n")
    assert "30 to 3650" in mistake


def test_two_ports_may_not_be_one(tmp_path: Path) -> None:
    mistakes = refused(tmp_path, "[web]\nport = 5038\n")
    assert any("web.port = 5038: telephony.switch.ami_port has the same port" in one for one in mistakes)


def test_the_environment_goes_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "careline.toml"
    file.write_text("[web]\nport = 9000\nhost = '127.0.0.1'\n", encoding="utf-8")
    monkeypatch.setenv("CARELINE__WEB__PORT", "9001")
    settings = load(file, os.environ)
    assert (settings.web.port, settings.web.host) == (9001, "127.0.0.1")


def test_an_unknown_section_in_the_environment_is_refused(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "", {"CARELINE__TELEFONY__X": "1"})
    assert "CARELINE__TELEFONY__X" in mistake


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[telephony.trunk]\npassword = 12345\n")
    assert "12345" not in mistake


def test_a_readable_file_with_a_password_warns(tmp_path: Path) -> None:
    file = tmp_path / "careline.toml"
    file.write_text("[telephony.trunk]\npassword = 'hush'\n", encoding="utf-8")
    file.chmod(0o644)
    assert "chmod 600" in next(warnings(file, load(file, {})))
    file.chmod(0o600)
    assert list(warnings(file, load(file, {}))) == []


def test_the_shipped_file_says_the_defaults() -> None:
    shipped = Path(__file__).parents[2] / "config" / "careline.toml"
    assert load(shipped, {}) == load(None, {})


def test_an_address_that_is_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[storage]\nurl = 'postgres s3cret'\n")
    assert "storage.url" in mistake
    assert "s3cret" not in mistake


def test_a_connection_has_seconds_within_a_range(tmp_path: Path) -> None:
    [mistake] = refused(tmp_path, "[storage]\nconnect_seconds = 0\n")
    assert "storage.connect_seconds = 0" in mistake
    assert "2 to 60" in mistake
