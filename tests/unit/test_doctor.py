"""S18: rights that are too wide, open addresses and known secrets are found, with the line to change."""

from __future__ import annotations

from telephony.asterisk.doctor import Level, is_loopback, look_at_http, look_at_manager

GOOD = """[general]
enabled = yes
bindaddr = 127.0.0.1
[carelineevents]
secret = 0123456789abcdef0123
deny = 0.0.0.0/0.0.0.0
permit = 127.0.0.1/255.255.255.255
read = call,cdr,user,agent,system
"""


def bad(text: str) -> list[tuple[str, str]]:
    return [(one.what, one.mend) for one in look_at_manager(text, "manager.conf") if one.level is Level.BAD]


def test_a_good_file_has_no_finding() -> None:
    assert [one for one in look_at_manager(GOOD, "manager.conf") if one.level is not Level.OK] == []


def test_an_open_address_names_its_line() -> None:
    [(what, mend)] = bad(GOOD.replace("127.0.0.1\n[", "0.0.0.0\n["))
    assert "0.0.0.0" in what
    assert mend == "manager.conf line 3: bindaddr = 127.0.0.1"


def test_no_bindaddr_means_every_address() -> None:
    assert "every address" in bad(GOOD.replace("bindaddr = 127.0.0.1\n", ""))[0][0]


def test_a_known_or_short_secret_is_found() -> None:
    for secret in ("amp111", "", "short", "carelineevents"):
        [(_, mend)] = bad(GOOD.replace("0123456789abcdef0123", secret))
        assert "line 5" in mend


def test_a_right_to_run_programs_is_found() -> None:
    [(what, mend)] = bad(GOOD + "write = originate,command,system\n")
    assert "command, system" in what
    assert mend == "manager.conf line 9: write = originate"


def test_http_on_every_address_is_found() -> None:
    [finding] = look_at_http("[general]\nenabled=yes\nbindaddr=0.0.0.0\n", "http.conf")
    assert (finding.level, finding.mend) == (Level.WARN, "http.conf line 3: bindaddr = 127.0.0.1")


def test_only_this_machine_is_loopback() -> None:
    assert [is_loopback(one) for one in ("127.0.0.1", "::1", "[::1]", "localhost", "0.0.0.0", "pbx", "10.0.0.1")] == [
        True, True, True, True, False, False, False,
    ]  # fmt: skip
