"""Looks at an Asterisk's own files for what would make the installation unsafe. Pure: text in, findings out.

Rules: pbx.md and reliability.md 3.2, 3.3: AMI, AGI and HTTP on loopback only, separate users for events and
orders with no right to run commands or rewrite files, and no secret that everybody knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing looked at. `mend` names the file, line or key to change; empty where all is well."""

    level: Level
    what: str
    mend: str = ""


#: Rights that let a manager user run programs, change files or reach both (README-SERIOUSLY of Asterisk).
DANGEROUS = frozenset({"system", "command", "config", "all"})
#: Secrets that stand in samples, books and other people's products.
KNOWN_SECRETS = frozenset(
    {
        "",
        "amp111",
        "mysecret",
        "secret",
        "password",
        "asterisk",
        "admin",
        "changeme",
        "1234",
        "12345",
        "123456",
    }
)
SHORTEST_SECRET = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """One `key = value` of an Asterisk file, with where it stands."""

    section: str
    key: str
    value: str
    line: int


def read_conf(text: str) -> list[Setting]:
    """The settings of an Asterisk configuration file, in order; comments and includes are left out."""
    found = []
    section = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.partition(";")[0].strip()
        if line.startswith("[") and "]" in line:
            section = line[1 : line.index("]")]
        elif "=" in line:
            key, _, value = line.partition("=")
            found.append(
                Setting(
                    section=section, key=key.strip().lower(), value=value.lstrip("> ").strip(), line=number
                )
            )
    return found


def is_loopback(address: str) -> bool:
    """Whether a bind address is reachable from this machine alone. A name other than localhost is not."""
    host = address.strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_weak(secret: str, user: str) -> bool:
    """A secret that is known, short, or the user's own name."""
    return secret.lower() in KNOWN_SECRETS or secret == user or len(secret) < SHORTEST_SECRET


def look_at_manager(text: str, name: str) -> Iterator[Finding]:
    """Findings about manager.conf; `name` is the file's name for the person who has to change it."""
    settings = read_conf(text)
    general: Mapping[str, Setting] = {one.key: one for one in settings if one.section == "general"}
    if general.get("enabled") and general["enabled"].value.lower() not in ("yes", "true", "1", "on"):
        yield Finding(
            level=Level.BAD,
            what="Asterisk's manager interface is switched off; Careline cannot reach the switch.",
            mend=f"{name} line {general['enabled'].line}: enabled = yes",
        )
    bind = general.get("bindaddr")
    if bind is None:
        yield Finding(
            level=Level.BAD,
            what="Asterisk's manager interface listens on every address (no bindaddr).",
            mend=f"{name}, section [general]: add bindaddr = 127.0.0.1",
        )
    elif not is_loopback(bind.value):
        yield Finding(
            level=Level.BAD,
            what=f"Asterisk's manager interface listens on {bind.value}, reachable from outside.",
            mend=f"{name} line {bind.line}: bindaddr = 127.0.0.1",
        )
    else:
        yield Finding(level=Level.OK, what="Asterisk's manager interface listens on loopback only.")
    for user in dict.fromkeys(one.section for one in settings if one.section not in ("", "general")):
        own = {one.key: one for one in settings if one.section == user}
        secret = own.get("secret")
        if secret is None or is_weak(secret.value, user):
            where = f"line {secret.line}" if secret else f"section [{user}]"
            yield Finding(
                level=Level.BAD,
                what=f"The manager user {user} has no secret or one that can be guessed.",
                mend=f"{name} {where}: a random secret of at least {SHORTEST_SECRET} characters",
            )
        for right in ("read", "write"):
            given = own.get(right)
            words = {word.strip() for word in given.value.split(",")} if given else set()
            # read=system only tells of reloads and boots; write=system runs programs.
            bad = (words & DANGEROUS) - ({"system"} if right == "read" else set())
            if given and bad:
                yield Finding(
                    level=Level.BAD,
                    what=f"The manager user {user} has {right} = {', '.join(sorted(bad))}, more than Careline needs.",
                    mend=f"{name} line {given.line}: {right} = {','.join(sorted(words - bad)) or 'none'}",
                )
        if "permit" not in own and "deny" not in own and "acl" not in own:
            yield Finding(
                level=Level.WARN,
                what=f"The manager user {user} may sign in from any address that can reach the port.",
                mend=f"{name} section [{user}]: deny = 0.0.0.0/0.0.0.0 and permit = 127.0.0.1/255.255.255.255",
            )


def look_at_http(text: str, name: str) -> Iterator[Finding]:
    """Findings about http.conf: the browser phones' WebSocket stays behind a proxy."""
    general = {one.key: one for one in read_conf(text) if one.section == "general"}
    enabled = general.get("enabled")
    if enabled is None or enabled.value.lower() not in ("yes", "true", "1", "on"):
        return
    bind = general.get("bindaddr")
    if bind is None or not is_loopback(bind.value):
        yield Finding(
            level=Level.WARN,
            what="Asterisk's HTTP server is reachable from outside.",
            mend=f"{name} {f'line {bind.line}' if bind else 'section [general]'}: bindaddr = 127.0.0.1",
        )
    else:
        yield Finding(level=Level.OK, what="Asterisk's HTTP server listens on loopback only.")
