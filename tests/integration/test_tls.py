"""https by the service itself: a certificate of the house's own authority, renewed while it runs."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import pytest
from aiohttp import web

from config.certificates import CertificateError, ends_within, make
from web.options import TlsOptions, WebOptions
from web.server import WebServer
from web.tls import Certificate, CertificateUnusable, load

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


async def _scheme(request: web.Request) -> web.Response:
    return web.Response(text=request.scheme)


async def _serial(port: int, authority: Path, host: str = "localhost") -> str:
    """The serial number of the certificate a client that trusts the authority is shown."""
    trust = ssl.create_default_context(cafile=str(authority))
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname=host)
    writer.write(b"GET / HTTP/1.1\r\nHost: desk\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    shown = writer.get_extra_info("ssl_object").getpeercert()
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    assert answer.endswith(b"https")
    return str(shown["serialNumber"])


async def test_a_browser_that_trusts_the_authority_is_served_and_a_renewal_needs_no_restart(
    tmp_path: Path,
) -> None:
    made = make(tmp_path / "tls", "localhost")
    assert made.first
    assert made.key.stat().st_mode & 0o077 == 0
    app = web.Application()
    app.router.add_get("/", _scheme)
    tls = TlsOptions(certificate=str(made.certificate), key=str(made.key))
    server = WebServer(app, WebOptions(tls=tls))
    await server.start(port=0)
    try:
        before = await _serial(server.port, made.authority)
        with pytest.raises(ssl.SSLCertVerificationError):
            await _serial(server.port, made.authority, host="127.0.0.1")  # it is not made for that name
        again = make(tmp_path / "tls", "localhost")
        assert not again.first
        assert server._certificate is not None
        assert server._certificate.look()
        assert not server._certificate.look()
        after = await _serial(server.port, made.authority)
        assert after != before
        made.certificate.write_text("broken")
        assert not server._certificate.look()
        assert await _serial(server.port, made.authority) == after
    finally:
        await server.stop()


def test_what_is_wrong_with_the_files_is_said(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", "a.example"), make(tmp_path / "other", "b.example")
    with pytest.raises(CertificateUnusable, match="do not belong together"):
        load(TlsOptions(certificate=str(one.certificate), key=str(other.key)))
    with pytest.raises(CertificateUnusable, match="no file"):
        Certificate(TlsOptions(certificate=str(tmp_path / "none"), key=str(one.key)))
    with pytest.raises(ValueError, match="go together"):
        TlsOptions(certificate="only")


def test_an_authority_signs_its_one_name_only(tmp_path: Path) -> None:
    made = make(tmp_path, "desk.example")
    with pytest.raises(CertificateError, match="another name"):
        make(tmp_path, "bank.example")
    with pytest.raises(CertificateError, match="neither"):
        make(tmp_path / "b", "a b;c")
    assert ends_within(made.certificate, 86_400) is False
    assert ends_within(made.certificate, 398 * 86_400) is True
    assert ends_within(made.key, 1) is None
