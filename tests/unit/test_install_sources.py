"""Reading the machine's own package sources, and choosing where Asterisk comes from."""

from __future__ import annotations

import pytest

from telephony.asterisk.install import (
    NoSource,
    Source,
    System,
    asterisk_source_line,
    first_line_of_trouble,
    own_source,
    parse_deb822_sources,
    parse_one_line_sources,
    parse_release,
    parse_version,
    tools_source_line,
)

DEBIAN = """PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
ID=debian
VERSION_ID="12"
VERSION_CODENAME=bookworm
"""
UBUNTU = "ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\nUBUNTU_CODENAME=noble\n"
MINT = 'ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_CODENAME=wilma\nUBUNTU_CODENAME=noble\n'


def test_release() -> None:
    assert parse_release(DEBIAN) == System(id="debian", codename="bookworm")
    assert parse_release(UBUNTU) == System(id="ubuntu", codename="noble")
    assert parse_release(MINT) == System(id="ubuntu", codename="noble")
    assert parse_release("ID=fedora\n").family == ""


def test_one_line_sources() -> None:
    text = """# comment
deb http://mirror.example/debian bookworm main contrib # trailing
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://other.example stable main
deb cdrom:[Debian]/ bookworm main
nonsense
"""
    sources = parse_one_line_sources(text)
    assert sources[0] == Source(
        uri="http://mirror.example/debian", suites=("bookworm",), components=("main", "contrib")
    )
    assert sources[1].signed_by == "/usr/share/keyrings/x.gpg"
    assert sources[1].architectures == ("amd64",)


def test_deb822_sources() -> None:
    text = """Types: deb deb-src
# a comment
URIs: http://mirror.example/debian
 http://second.example/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://off.example
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://src.example
Suites: bookworm
Components: main
"""
    sources = parse_deb822_sources(text)
    assert [source.uri for source in sources] == [
        "http://mirror.example/debian",
        "http://second.example/debian",
    ]
    assert sources[0].suites == ("bookworm", "bookworm-updates")
    assert sources[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"


def test_asterisk_comes_from_the_machines_own_mirror() -> None:
    """Debian: unstable on the same mirror. Ubuntu: its own universe. Never a host name of ours."""
    debian = System(id="debian", codename="bookworm")
    other = Source(uri="https://other.example", suites=("stable",), components=("main",))
    own = Source(uri="http://mirror.example/debian", suites=("bookworm",), components=("main",))
    assert own_source(debian, [other, own]) == own
    assert (
        asterisk_source_line(debian, own, "/k.gpg")
        == "deb [signed-by=/k.gpg] http://mirror.example/debian sid main\n"
    )
    assert tools_source_line(debian, own, "") == "deb http://mirror.example/debian bookworm main\n"
    ubuntu = System(id="ubuntu", codename="noble")
    assert asterisk_source_line(ubuntu, own, "/k.gpg").endswith(" noble main universe\n")


@pytest.mark.parametrize(
    "system",
    [System(id="fedora", codename=""), System(id="debian", codename="trixie"), System(id="", codename="")],
)
def test_no_source_says_what_to_do(system: System) -> None:
    own = Source(uri="http://mirror.example/debian", suites=("bookworm",), components=("main",))
    with pytest.raises(NoSource, match="nstall Asterisk"):
        own_source(system, [own])


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("Asterisk 22.10.1~dfsg+~cs6.15-1", "22.10.1"),
        ("Asterisk 20.6.0~dfsg+~cs6.13-2build5", "20.6.0"),
        ("Asterisk certified/20.7-cert1", "20.7"),
        ("command not found", None),
    ],
)
def test_version(text: str, version: str | None) -> None:
    assert parse_version(text) == version


def test_trouble_in_one_line() -> None:
    output = "Get:1 x\nErr:2 http://m sid InRelease\n  Could not resolve\nE: Failed to fetch\n"
    assert first_line_of_trouble(output).startswith("Err:2")
    assert first_line_of_trouble("") == "no message"
