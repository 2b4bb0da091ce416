"""Where a webhook may go: what an address may look like, and which machines it may lead to (S13).

The name in an address says nothing about the machine behind it, and may say something else a moment later
(DNS rebinding). So the look of an address is checked when it is entered, for the person who types it; the
machine is checked when it is connected to, by the very address that is connected to (`config.hooks.transport`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from access.sentences import Sentence
from crm.hooks.errors import UrlRefused

LONGEST_URL: Final = 500
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*\.?")
_PLACE = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):(?P<port>\d{1,5})")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What Python's `is_global` lets through although nothing of the public network lives there, or what carries
#: an IPv4 address inside: RFC 6052 and 8215 (NAT64), 3056 (6to4), 4380 (Teredo), 3879 (site-local).
_NEVER: Final = tuple(
    ipaddress.ip_network(net)
    for net in (
        "0.0.0.0/8",
        "100.64.0.0/10",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "168.63.129.16/32",  # the host of Azure's machines
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
        "::/96",
    )
)
#: Not even where the host was named as one of the house: the machine's own cloud says secrets there.
_METADATA: Final = tuple(
    ipaddress.ip_network(net)
    for net in ("169.254.0.0/16", "fe80::/10", "fd00:ec2::254/128", "168.63.129.16/32")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where an address leads: host in small letters without brackets, and port."""

    scheme: str
    host: str
    port: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the settings allow."""

    #: Machines of the house on purpose: (host, port).
    inside: Collection[tuple[str, int]] = ()
    ports: Collection[int] = (443,)
    allow_http: bool = False

    def is_inside(self, place: Place) -> bool:
        """Whether exactly this host and port were named in the settings."""
        return (place.host, place.port) in self.inside


def read_place(text: str) -> tuple[str, int]:
    """`host:port` of the settings. Raises ValueError."""
    found = _PLACE.fullmatch(text.strip())
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise ValueError(f"{text!r} is not host:port")
    return found["host"].strip("[]").lower().rstrip("."), int(found["port"])


def check_url(url: str, rules: Rules) -> Place:
    """Where this address leads, if it may be entered. Raises UrlRefused.

    Says no more about a name than its look: which machine it leads to is seen at the connection.
    """
    if not url or len(url) > LONGEST_URL or not url.isascii() or re.search(r"[\s\x00-\x1f\x7f\\]", url):
        raise UrlRefused(
            "syntax",
            Sentence("An address has up to {most} ASCII characters and no blanks.", most=LONGEST_URL),
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UrlRefused("syntax", "The address cannot be read.") from error
    if parts.scheme not in ("https", "http"):
        raise UrlRefused("scheme", "The address must begin with https://.")
    if parts.scheme == "http" and not rules.allow_http:
        raise UrlRefused(
            "scheme",
            "The address must begin with https:// (web.hooks.allow_http in the settings allows http).",
        )
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise UrlRefused("syntax", "The address must not hold a user or a password.")
    if parts.fragment or "#" in url:
        raise UrlRefused("syntax", "The address must not have a part behind #.")
    host = (parts.hostname or "").lower().rstrip(".")
    place = Place(scheme=parts.scheme, host=host, port=port or (443 if parts.scheme == "https" else 80))
    literal = _literal(host)
    if literal is None and not _HOST.fullmatch(host):
        raise UrlRefused("syntax", "The address has no name of a machine that can be read.")
    if rules.is_inside(place):
        return place
    if place.port not in rules.ports and not (place.port == 80 and parts.scheme == "http"):
        allowed = ", ".join(map(str, sorted(rules.ports)))
        raise UrlRefused(
            "port",
            Sentence(
                "Port {port} is not allowed (web.hooks.ports: {allowed}).", port=place.port, allowed=allowed
            ),
        )
    if literal is not None and not may_connect(literal, inside=False):
        raise UrlRefused("inside", INSIDE)
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        raise UrlRefused("inside", INSIDE)
    return place


#: What to do about a refused inside address.
INSIDE: Final = (
    "The address leads inside the house. "
    "Where that is meant, name its host:port in web.hooks.allow_inside of the settings."
)


def _literal(host: str) -> Address | None:
    """The address a host is by itself, also in the ways of old (2130706433, 0x7f.1, 0177.0.0.1)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if re.fullmatch(r"[0-9a-fx.]+", host) and host[0].isdigit():
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return None


def may_connect(address: Address, *, inside: bool) -> bool:
    """Whether a delivery may go to this machine. `inside`: its host and port were named in the settings.

    From outside only addresses of the public network; even from inside no link-local one (cloud metadata) and
    none that is no machine at all.
    """
    mapped = getattr(address, "ipv4_mapped", None)
    if mapped is not None:
        return may_connect(mapped, inside=inside)
    if address.is_multicast or address.is_unspecified or any(_within(address, net) for net in _METADATA):
        return False
    if inside:
        return True
    return (
        address.is_global
        and not address.is_private
        and not address.is_loopback
        and not address.is_link_local
        and not address.is_reserved
        and not any(_within(address, net) for net in _NEVER)
    )


def _within(address: Address, net: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    return address.version == net.version and address in net
