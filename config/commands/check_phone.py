"""`careline check`: will telephones in pages work? Microphone, signalling, sound."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

from config.certificates import ends_within
from config.settings import Settings
from telephony.asterisk.doctor import Finding, Level, is_loopback
from web.tls import CertificateUnusable, load

_DAY = 86_400
#: Two ports a leg (RTP and RTCP), two legs a call.
_PORTS_PER_CALL = 4


def look_at_browser_phones(settings: Settings) -> Iterator[Finding]:
    """Findings about settings that telephones in pages depend on."""
    yield from _address(settings)
    yield from _certificate(settings)
    yield from _sound(settings)


def _address(settings: Settings) -> Iterator[Finding]:
    web = settings.web
    here = is_loopback(web.host)
    secure = bool(web.tls.certificate) or web.public_url.startswith("https://")
    if secure:
        yield Finding(level=Level.OK, what="The desk is opened by https: browsers give it the microphone.")
    elif here and not web.public_url:
        yield Finding(
            level=Level.OK, what="The desk is opened on this machine alone: browsers give it the microphone."
        )
    else:
        yield Finding(
            level=Level.BAD,
            what="The desk is opened by http from other machines: browsers give it no microphone.",
            mend="careline pbx certificate --name HOST, then web.tls and web.public_url as it says; or a reverse "
            "proxy that speaks https, and web.public_url = https://…",
        )
    if not here and not web.public_url:
        yield Finding(
            level=Level.WARN,
            what="The desk does not know the address it is opened with; another name may be refused as foreign.",
            mend="web.public_url = https://HOST",
        )


def _certificate(settings: Settings) -> Iterator[Finding]:
    tls = settings.web.tls
    if not tls.certificate:
        return
    try:
        load(tls)
    except CertificateUnusable as error:
        yield Finding(level=Level.BAD, what=str(error), mend="web.tls.certificate and web.tls.key")
        return
    certificate, key = Path(tls.certificate), Path(tls.key)
    if ends_within(certificate, 0):
        yield Finding(
            level=Level.BAD, what="The certificate has ended.", mend="careline pbx certificate again"
        )
    elif ends_within(certificate, 14 * _DAY):
        yield Finding(
            level=Level.WARN,
            what="The certificate ends within 14 days.",
            mend="careline pbx certificate again; a running service takes it up",
        )
    if key.stat().st_mode & 0o077:
        yield Finding(level=Level.WARN, what=f"{key} can be read by others.", mend=f"chmod 600 {key}")


def _sound(settings: Settings) -> Iterator[Finding]:
    phone = settings.telephony
    sip = phone.sip
    offered = sip.media_address or sip.bind
    elsewhere = not is_loopback(settings.web.host) or bool(settings.web.public_url)
    if elsewhere and is_loopback(offered):
        yield Finding(
            level=Level.BAD,
            what=f"Sound is offered at {offered}, which no other machine can reach: calls would be silent.",
            mend='telephony.sip.bind = "0.0.0.0", or the address of this machine in the house\'s network',
        )
    if sip.media_address and not phone.browser_phone.media_addresses and _is_address(sip.media_address):
        yield Finding(
            level=Level.WARN,
            what="Behind NAT the trunk is given an outer address, but browsers outside are not.",
            mend=f'telephony.browser_phone.media_addresses = {{ "OWN ADDRESS" = "{sip.media_address}" }}, where '
            "agents work outside the house",
        )
    ports = sip.rtp_last - sip.rtp_first + 1
    wanted = _PORTS_PER_CALL * phone.trunk.channels
    if ports < wanted:
        yield Finding(
            level=Level.WARN,
            what=f"{ports} ports for sound are too few for {phone.trunk.channels} calls at once; {wanted} are needed.",
            mend="telephony.sip.rtp_first and telephony.sip.rtp_last, and the firewall",
        )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
