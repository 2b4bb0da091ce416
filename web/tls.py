"""https by the service itself: a certificate from files, and its renewed one without a restart."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from web.options import TlsOptions

log = structlog.get_logger(__name__)

#: Seconds between looks at the files.
LOOK_SECONDS: Final = 10.0


class CertificateUnusable(Exception):
    """The files of web.tls cannot be used; says which and why. Nothing is served with them."""

    error_id = "certificate-unusable"


class Certificate:
    """What `ssl` gets, and what keeps it fresh. Raises CertificateUnusable."""

    def __init__(self, options: TlsOptions) -> None:
        self._options = options
        self._seen = self._stamps()
        self.context = load(options)
        #: Times that a renewed certificate was taken up.
        self.renewed = 0

    async def follow(self, seconds: float = LOOK_SECONDS) -> None:
        """Take up a renewed certificate for connections from then on. Ends by cancellation."""
        while True:
            await asyncio.sleep(seconds)
            self.look()

    def look(self) -> bool:
        """Whether the files changed and were taken up. Broken ones are told, and the old go on."""
        stamps = self._stamps()
        if stamps == self._seen:
            return False
        try:
            load(self._options)  # both files, whole and fitting, before the one in use is touched
            self.context.load_cert_chain(self._options.certificate, self._options.key)
        except (CertificateUnusable, ssl.SSLError, OSError) as error:
            log.warning("the renewed certificate cannot be used", action="certificate_kept", why=str(error))
            return False
        self._seen = stamps
        self.renewed += 1
        log.info("the renewed certificate is in use", action="certificate_renewed")
        return True

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        found = []
        for name in (self._options.certificate, self._options.key):
            try:
                stat = Path(name).stat()
            except OSError:
                return ()
            found.append((stat.st_mtime_ns, stat.st_ino))
        return tuple(found)


def load(options: TlsOptions) -> ssl.SSLContext:
    """A server's context, TLS 1.2 at least (RFC 9325). Raises CertificateUnusable."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(options.certificate, options.key)
    except FileNotFoundError as error:
        missing = next(
            (name for name in (options.certificate, options.key) if not Path(name).exists()),
            options.certificate,
        )
        raise CertificateUnusable(
            f"web.tls: there is no file {missing}; `careline pbx certificate` makes one."
        ) from error
    except ssl.SSLError as error:
        raise CertificateUnusable(
            f"web.tls: {options.certificate} and {options.key} do not belong together or are not PEM: {error.reason}."
        ) from error
    except OSError as error:
        raise CertificateUnusable(f"web.tls: the files cannot be read: {error.strerror}.") from error
    return context
