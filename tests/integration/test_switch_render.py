"""Rendering to disk: atomic, only what changed, private modes, sounds of the house first; and the secrets."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.secrets import SecretsError, keep_secrets, switch_secrets, warnings
from telephony.asterisk.install import AsteriskBinary, InstallError, ensure_asterisk, ensure_tools, find_tool
from telephony.asterisk.render import RenderError, SwitchSecrets, render
from telephony.options import (
    BrowserPhoneOptions,
    RecordingOptions,
    SwitchOptions,
    TelephonyOptions,
    TrunkOptions,
)
from telephony.phones import Phone, PhoneKind

ROOT = Path(__file__).resolve().parents[2]
SECRETS = SwitchSecrets(ami_events_secret="e" * 24, ami_actions_secret="a" * 24, agi_secret="g" * 24)


@pytest.fixture
def binary(tmp_path: Path) -> AsteriskBinary:
    sounds = tmp_path / "core" / "sounds"
    modules = tmp_path / "core" / "modules"
    for folder in (sounds, modules):
        folder.mkdir(parents=True)
    (sounds / "beep.gsm").write_bytes(b"")
    (modules / "chan_pjsip.so").write_bytes(b"")
    return AsteriskBinary(
        argv_prefix=("/nowhere",), version="22.10.1", modules_dir=modules, sounds_dir=sounds, moh_dir=None
    )


def test_second_rendering_changes_nothing(tmp_path: Path, binary: AsteriskBinary) -> None:
    options = TelephonyOptions()
    first = render(options, SECRETS, (), binary, tmp_path / "data", [])
    assert first.needs_restart
    assert "extensions.conf" in first.changed
    again = render(options, SECRETS, (), binary, tmp_path / "data", [])
    assert again.changed == frozenset()
    other = render(
        TelephonyOptions(trunk=TrunkOptions(channels=7)), SECRETS, (), binary, tmp_path / "data", []
    )
    assert other.changed == {"extensions.conf"}
    assert other.reloads == ("pbx_config.so",)
    assert not other.needs_restart


def test_files_are_private_and_leftovers_go(tmp_path: Path, binary: AsteriskBinary) -> None:
    data = tmp_path / "data"
    folder = render(TelephonyOptions(), SECRETS, (), binary, data, [])
    assert stat.S_IMODE((folder.layout.etc / "manager.conf").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.layout.etc.stat().st_mode) == 0o700
    (folder.layout.etc / "old.conf").write_text("left by an older version")
    assert "old.conf" in render(TelephonyOptions(), SECRETS, (), binary, data, []).changed
    assert not (folder.layout.etc / "old.conf").exists()


def test_the_houses_own_recordings_come_first(tmp_path: Path, binary: AsteriskBinary) -> None:
    shipped, house = tmp_path / "shipped", tmp_path / "house"
    for folder, names in ((shipped, ("welcome", "goodbye")), (house, ("welcome",))):
        (folder / "zh-CN").mkdir(parents=True)
        for name in names:
            (folder / "zh-CN" / f"{name}.ulaw").write_text(folder.name)
    data = tmp_path / "data"
    render(TelephonyOptions(), SECRETS, (), binary, data, [shipped, house])
    ours = data / "asterisk" / "share" / "sounds" / "zh-CN" / "careline"
    assert (ours / "welcome.ulaw").read_text() == "house"
    assert (ours / "goodbye.ulaw").read_text() == "shipped"
    assert (data / "asterisk" / "share" / "sounds" / "beep.gsm").is_file()
    (house / "zh-CN" / "welcome.ulaw").unlink()
    render(TelephonyOptions(), SECRETS, (), binary, data, [shipped, house])
    assert (ours / "welcome.ulaw").read_text() == "shipped"


def test_shipped_prompts_have_every_sentence_of_the_dialplan(tmp_path: Path, binary: AsteriskBinary) -> None:
    """Every sound the rendered files name is shipped in both languages."""
    data = tmp_path / "data"
    folder = render(TelephonyOptions(), SECRETS, (), binary, data, [ROOT / "config" / "prompts"])
    text = "".join((folder.layout.etc / name).read_text() for name in ("extensions.conf", "queues.conf"))
    named = {word.split(")")[0].split(",")[0].strip() for word in text.split("careline/")[1:]}
    named = {word.split()[0] for word in named}
    for language in ("zh-CN", "en"):
        ours = data / "asterisk" / "share" / "sounds" / language / "careline"
        assert {name for name in named if not list(ours.glob(f"{name}.*"))} == set(), language


def test_unwritable_data_folder(tmp_path: Path, binary: AsteriskBinary) -> None:
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(RenderError, match="writable"):
        render(TelephonyOptions(), SECRETS, (), binary, tmp_path / "data", [])


def test_secrets_are_made_once(tmp_path: Path) -> None:
    first = keep_secrets(tmp_path / "data")
    assert keep_secrets(tmp_path / "data") == first
    file = tmp_path / "data" / "secrets.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len({first.agi_secret, first.ami_actions_secret, first.ami_events_secret}) == 3
    assert not warnings(tmp_path / "data")
    file.chmod(0o644)
    assert "chmod 600" in warnings(tmp_path / "data")[0]
    said = SwitchOptions(agi_secret="said-in-the-settings")
    assert switch_secrets(said, tmp_path / "data").agi_secret == "said-in-the-settings"
    assert switch_secrets(said, tmp_path / "data").ami_events_secret == first.ami_events_secret


def test_damaged_secrets_are_not_replaced(tmp_path: Path) -> None:
    """R41: new secrets in place of lost ones would lock the service out of the Asterisk that runs."""
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(SecretsError, match="damaged"):
        keep_secrets(tmp_path)


def test_missing_programs_are_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Asterisk, no apt-get: one clear line, nothing left behind."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallError, match="apt-get is not on this machine") as caught:
        ensure_asterisk(tmp_path / "cache", private=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(InstallError, match="install --tools"):
        find_tool(tmp_path / "cache", "sipp")
    with pytest.raises(InstallError):
        ensure_tools(tmp_path / "cache", ["sipp"])
    left = [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name != ".lock"]
    assert left == []


def test_unreachable_mirror_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """apt-get fails: one line with its reason; the cache holds no half copy."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, body in (
        ("apt-get", "echo 'E: Failed to fetch http://mirror.example/  Could not resolve' >&2; exit 100"),
        ("apt-config", "exit 0"),
        ("dpkg-deb", "exit 0"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{body}\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/bin")
    cache = tmp_path / "cache"
    with pytest.raises(InstallError, match=r"Could not resolve|names no archive|can bring Asterisk"):
        ensure_asterisk(cache, private=True)
    assert [path.name for path in (cache / "asterisk").iterdir()] == [".lock"]


def test_render_command(tmp_path: Path) -> None:
    """`careline pbx render` says what changed, and 2 for a setting that cannot be."""
    program = "from config.commands.pbx import app; app()"
    settings = tmp_path / "careline.toml"
    base = f'data = "{tmp_path / "data"}"\ncache = "{ROOT / ".cache"}"\n'
    settings.write_text(base)
    run = [sys.executable, "-c", program, "render", "--config", str(settings)]
    first = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert first.returncode == 0, first.stderr
    assert "changed: " in first.stdout
    second = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "nothing changed" in second.stdout
    settings.write_text(base + '[telephony.trunk]\nhost = "a b"\n')
    third = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert third.returncode == 2
    assert "telephony.trunk.host" in third.stderr


def test_c08_nothing_is_recorded_unless_the_house_records(tmp_path: Path, binary: AsteriskBinary) -> None:
    for enabled in (False, True):
        options = TelephonyOptions(recording=RecordingOptions(enabled=enabled))
        layout = render(options, SECRETS, (), binary, tmp_path / str(enabled), []).layout
        text = (layout.etc / "extensions.conf").read_text()
        lines = [line for line in text.splitlines() if not line.lstrip().startswith(";")]
        assert any("MixMonitor" in line for line in lines) is enabled


def test_every_way_to_a_phone_tells_it_which_call_rings(tmp_path: Path, binary: AsteriskBinary) -> None:
    """A page finds the record of the call it answers by this header, never by guessing."""
    phone = Phone(endpoint="pabc", secret="s" * 20, kind=PhoneKind.BROWSER, owner_id="01A")
    folder = render(TelephonyOptions(), SECRETS, (phone,), binary, tmp_path / "data", [])
    plan = (folder.layout.etc / "extensions.conf").read_text()
    ways = [
        line
        for line in plan.splitlines()
        if re.search(r"Queue\(|Dial\(PJSIP/(pabc|\$\{CL_TO\})", line) and "same =>" in line
    ]
    assert len(ways) >= 7
    told = re.compile(r"b\(careline-tag\^s\^1\(\$\{CL_CALL\}(\^now)?\)\)")
    assert [line for line in ways if not told.search(line)] == []
    assert "PJSIP_HEADER(add,X-Careline-Call)=${CL_CALL}" in plan


def test_browsers_behind_nat_are_offered_the_outer_address(tmp_path: Path, binary: AsteriskBinary) -> None:
    outer = BrowserPhoneOptions(media_addresses={"192.168.1.10": "203.0.113.7"})
    folder = render(TelephonyOptions(browser_phone=outer), SECRETS, (), binary, tmp_path / "data", [])
    text = (folder.layout.etc / "rtp.conf").read_text()
    assert "[ice_host_candidates]\n192.168.1.10 => 203.0.113.7,include_local_address\n" in text
    plain = render(TelephonyOptions(), SECRETS, (), binary, tmp_path / "data", [])
    assert plain.changed == {"rtp.conf"}
    assert plain.reloads == ("res_rtp_asterisk.so",)
    assert "ice_host" not in (folder.layout.etc / "rtp.conf").read_text()
    evil = BrowserPhoneOptions(media_addresses={"192.168.1.10": "203.0.113.7\nstunaddr=evil"})
    with pytest.raises(RenderError, match=r"browser_phone\.media_addresses"):
        render(TelephonyOptions(browser_phone=evil), SECRETS, (), binary, tmp_path / "data", [])
