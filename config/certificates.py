"""A private certificate authority for one house, and a certificate for its desk (openssl does the work).

The authority may sign this one name and no other (X.509 name constraints), so that who trusts it gives away
nothing else. Made once; run again it renews the certificate and leaves the authority alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"(?=.{1,253}$)([0-9A-Za-z]([0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.)*[0-9A-Za-z-]{1,63}")
#: Browsers refuse certificates that last longer (Apple and the CA/Browser Forum, 398 days).
DAYS: Final = 397
_AUTHORITY_DAYS: Final = 3650


class CertificateError(Exception):
    """Nothing usable was made; says what to do."""

    error_id = "certificate-not-made"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """Where the files are."""

    authority: Path
    certificate: Path
    key: Path
    #: The authority is new: every computer of the house has to trust it once.
    first: bool


def make(folder: Path, name: str) -> Made:
    """A certificate for `name` (a host name or an address) below `folder`. Raises CertificateError."""
    try:
        address = str(ip_address(name))
        alternative, constraint = f"IP:{address}", f"IP:{address}/{_whole_mask(address)}"
    except ValueError:
        if not _NAME.fullmatch(name):
            raise CertificateError(f"{name!r} is neither a host name nor an address.") from None
        alternative, constraint = f"DNS:{name}", f"DNS:{name}"
    program = shutil.which("openssl")
    if program is None:
        raise CertificateError("This needs the program openssl: install the package openssl.")
    authority, authority_key = folder / "ca.crt", folder / "ca.key"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = not (authority.exists() and authority_key.exists())
        named = constraint.partition(":")[2].partition("/")[0]
        if not first and named not in _text(program, authority):
            raise CertificateError(
                f"{authority} was made for another name. Move {folder} away to begin anew; every computer "
                "then has to trust the new authority."
            )
        with tempfile.TemporaryDirectory(dir=folder) as made:
            work = Path(made)
            if first:
                _make_authority(program, work, name, constraint)
            else:
                shutil.copy(authority, work / "ca.crt")
                shutil.copy(authority_key, work / "ca.key")
            _make_certificate(program, work, alternative)
            if first:
                for part in ("ca.key", "ca.crt"):
                    (work / part).replace(folder / part)
            # The key first: a service that looks between the two sees files that do not fit, and keeps the old.
            for part in ("key.pem", "cert.pem"):
                (work / part).replace(folder / part)
    except OSError as error:
        raise CertificateError(f"{folder} cannot be written: {error.strerror}.") from error
    return Made(authority=authority, certificate=folder / "cert.pem", key=folder / "key.pem", first=first)


def ends_within(certificate: Path, seconds: int) -> bool | None:
    """Whether a certificate ends within these seconds; None where openssl is missing or cannot read it."""
    program = shutil.which("openssl")
    if program is None or not certificate.exists():
        return None
    argv = [program, "x509", "-in", str(certificate), "-noout", "-checkend", str(seconds)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10)
    if "unable" in done.stderr.lower() or "could not" in done.stderr.lower():
        return None
    return done.returncode != 0


def _whole_mask(address: str) -> str:
    return (
        "255.255.255.255" if ip_address(address).version == 4 else "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    )


def _make_authority(program: str, work: Path, name: str, constraint: str) -> None:
    _run(
        program, work, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", "ca.key", "-out", "ca.crt", "-days", str(_AUTHORITY_DAYS),
        "-subj", f"/O=Careline/CN=Careline {name}"[:64],
        "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-addext", f"nameConstraints=critical,permitted;{constraint}",
    )  # fmt: skip


def _make_certificate(program: str, work: Path, alternative: str) -> None:
    _run(
        program, work, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", "key.pem", "-out", "request.pem", "-subj", "/O=Careline",
    )  # fmt: skip
    (work / "extensions").write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        f"extendedKeyUsage=serverAuth\nsubjectAltName=critical,{alternative}\n",
        encoding="ascii",
    )
    _run(
        program, work, "x509", "-req", "-in", "request.pem", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-set_serial", f"0x{os.urandom(16).hex()}", "-days", str(DAYS), "-sha256", "-extfile", "extensions",
        "-out", "cert.pem",
    )  # fmt: skip
    for part in ("ca.key", "key.pem"):
        (work / part).chmod(0o600)


def _text(program: str, certificate: Path) -> str:
    argv = [program, "x509", "-in", str(certificate), "-noout", "-text"]
    return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=10).stdout


def _run(program: str, work: Path, *arguments: str) -> None:
    done = subprocess.run(
        [program, *arguments], cwd=work, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise CertificateError(f"openssl {arguments[0]} failed: {done.stderr.strip()[-300:]}")
