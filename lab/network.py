"""The public network: a second Asterisk with rendered settings, steered over AMI and FastAGI."""

from __future__ import annotations

import asyncio
import ctypes
import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab.agi import Line, LineServer
from lab.ami import Ami, AmiRefused, Message

KeysBy = Literal["rfc4733", "info"]

TEMPLATES: Final = Path(__file__).parent / "asterisk"
FILES: Final = (
    "asterisk.conf",
    "modules.conf",
    "logger.conf",
    "rtp.conf",
    "manager.conf",
    "pjsip.conf",
    "pjsip_phones.conf",
    "extensions.conf",
)
EMPTY_FILES: Final = ("acl.conf", "cel.conf", "features.conf", "indications.conf", "udptl.conf")
EVENTS: Final = (
    "FullyBooted",
    "Newchannel",
    "Newstate",
    "Hangup",
    "UserEvent",
    "DTMFEnd",
    "Registry",
    "OriginateResponse",
)
MODULES: Final = (
    "res_timing_timerfd",
    "res_sorcery_config",
    "res_sorcery_memory",
    "res_sorcery_astdb",
    "res_pjproject",
    "res_speech",
    "res_agi",
    "res_rtp_asterisk",
    "res_pjsip",
    "res_pjsip_session",
    "res_pjsip_pubsub",
    "res_pjsip_sdp_rtp",
    "res_pjsip_caller_id",
    "res_pjsip_dtmf_info",
    "res_pjsip_empty_info",
    "res_pjsip_dlg_options",
    "res_pjsip_header_funcs",
    "res_pjsip_logger",
    "res_pjsip_nat",
    "res_pjsip_rfc3326",
    "res_pjsip_endpoint_identifier_ip",
    "res_pjsip_outbound_authenticator_digest",
    "res_pjsip_outbound_registration",
    "chan_pjsip",
    "bridge_simple",
    "codec_alaw",
    "codec_ulaw",
    "codec_gsm",
    "codec_resample",
    "format_pcm",
    "format_gsm",
    "format_wav",
    "func_callerid",
    "func_channel",
    "app_playback",
    "app_senddtmf",
    "app_stack",
    "app_userevent",
    "app_exec",
    "pbx_config",
)
#: From where `free_port` takes. Processes that start at the same time on one machine may each take from a part of
#: ports that follow each other.
own_ports = range(12_000, 20_000)
#: UDP ports that SIPp takes for itself from its media port on: RTP and RTCP, of sound and of pictures.
SIPP_MEDIA: Final = 4
_CTL_PATH_LIMIT: Final = 100  # a Unix socket's path ends at 108 bytes


class NetworkFailed(Exception):
    """The lab's Asterisk did not start; nothing was left running. The text ends with its own last words."""

    error_id = "lab-network-failed"


@dataclass(frozen=True, kw_only=True)
class LabBinary:
    """An Asterisk 20 or later to run: `argv` starts it (a loader may come first), `modules` is its module
    folder, `data` its data folder (with `documentation/`; found beside the modules when not named),
    `environment` is added to the process's own."""

    argv: tuple[str, ...]
    modules: Path
    data: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def data_folder(self) -> Path:
        """The data folder; raises `NetworkFailed` when there is none, because Asterisk will not start then."""
        if self.data is not None:
            return self.data
        for parent in self.modules.parents:
            for place in (parent / "share/asterisk", parent / "var/lib/asterisk"):
                if (place / "documentation").is_dir():
                    return place
        raise NetworkFailed(f"no share/asterisk/documentation beside {self.modules}: name LabBinary.data")


@dataclass(frozen=True, kw_only=True)
class Phone:
    """A SIP phone to sign on: endpoint name and secret at the dealership's switch.

    `host` and `port` are the switch's registrar; empty and 0 mean the trunk's address.
    """

    endpoint: str
    secret: str
    host: str = ""
    port: int = 0


@dataclass(frozen=True, kw_only=True)
class Trunk:
    """The dealership's end of the trunk: where calls go, and the login it wants, if any."""

    host: str
    port: int
    user: str = ""
    password: str = ""


#: What this process gave away lately: it may not be in use yet when the next one asks.
_given: deque[int] = deque(maxlen=256)


def free_port(
    kind: socket.SocketKind = socket.SOCK_STREAM, host: str = "127.0.0.1", *, count: int = 1
) -> int:
    """A port nobody uses at this moment, outside the range from which the kernel serves everybody else.

    With a `count` above 1 it is the first of so many in a row, and even, as RTP wants it.
    """
    for first in random.SystemRandom().sample(own_ports, len(own_ports)):
        ports = range(first, first + count)
        if count > 1 and (first % 2 or ports[-1] not in own_ports):
            continue
        if any(port in _given or not _is_free(kind, host, port) for port in ports):
            continue
        _given.extend(ports)
        return first
    raise NetworkFailed(f"no free port between {own_ports[0]} and {own_ports[-1]} on {host}")


def _is_free(kind: socket.SocketKind, host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


async def _all_set(signs: Mapping[str, asyncio.Event], deadline: float, saying: str) -> None:
    """Wait for all of these; raises `TimeoutError` naming those that are not set after `deadline` seconds."""
    try:
        await asyncio.wait_for(asyncio.gather(*(sign.wait() for sign in signs.values())), deadline)
    except TimeoutError as error:
        missing = ", ".join(name for name, sign in signs.items() if not sign.is_set())
        raise TimeoutError(f"{saying} after {deadline:g} s: {missing}") from error


def trunk_endpoint(keys_by: KeysBy, hidden: bool) -> str:
    """Name of the lab's endpoint that calls with these keys and this way of showing the number."""
    return f"trunk-{keys_by}{'-hidden' if hidden else ''}"


_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG: Final = 1


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it is gone (prctl(2))."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Network:
    """The lab's Asterisk as a process: rendered, started, reloaded, stopped.

    `takers` are the FastAGI scripts of `extensions.conf`: "customer" and "incoming". `events` receives AMI
    events. `folder` holds everything it writes and is made when missing.
    """

    def __init__(
        self,
        binary: LabBinary,
        folder: Path,
        *,
        trunk: Trunk,
        takers: Mapping[str, Callable[[Line], Awaitable[None]]],
        events: Callable[[Message], None],
        sip_port: int = 0,
        host: str = "127.0.0.1",
        rtp: tuple[int, int] | None = None,
    ) -> None:
        self.binary = binary
        self.folder = folder.absolute()
        self.trunk = trunk
        self.host = host
        self.sip_port = sip_port
        self.ami = Ami(self._on_event)
        self._events = events
        self._lines = LineServer(takers)
        self._rtp = rtp
        self._phones: dict[str, Phone] = {}
        self._registered: dict[str, asyncio.Event] = {}
        self._released: dict[str, asyncio.Event] = {}
        self._booted = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._values: dict[str, object] = {}
        self._run_folder = self.folder / "run"

    @property
    def pid(self) -> int:
        """Process id of the running switch, 0 when there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else 0

    async def start(self, *, deadline: float = 60.0) -> None:
        """Render, start, wait until calls can be placed; raises `NetworkFailed` after `deadline` seconds."""
        await self._lines.start()
        ami_port = free_port(socket.SOCK_STREAM)
        ami_secret = secrets.token_hex(16)
        self.sip_port = self.sip_port or free_port(socket.SOCK_DGRAM, self.host)
        self._prepare_folders()
        first, last = self._rtp or self._pick_rtp()
        self._values = {
            "folder": self.folder,
            "run_folder": self._run_folder,
            "modules": self.binary.modules,
            "data": self.binary.data_folder(),
            "module_names": MODULES,
            "events": EVENTS,
            "ami_port": ami_port,
            "ami_secret": ami_secret,
            "agi_port": self._lines.port,
            "host": self.host,
            "sip_port": self.sip_port,
            "rtp_first": first,
            "rtp_last": last,
            "trunk_host": self.trunk.host,
            "trunk_port": self.trunk.port,
            "trunk_user": self.trunk.user,
            "trunk_password": self.trunk.password,
            "trunk_endpoints": [
                (trunk_endpoint(keys_by, hidden), keys_by, hidden)
                for keys_by in ("rfc4733", "info")
                for hidden in (False, True)
            ],
            "phones": [],
        }
        self._render(*FILES)
        for name in EMPTY_FILES:
            (self.folder / "etc" / name).touch()
        await self._spawn()
        try:
            await asyncio.wait_for(self._connect(ami_port, ami_secret), deadline)
        except (TimeoutError, AmiRefused, NetworkFailed) as error:
            await self.stop()
            raise NetworkFailed(f"the lab's Asterisk did not start: {error}\n{self._last_words()}") from error

    async def stop(self) -> None:
        """Stop the switch and the FastAGI port; calls going on are cut."""
        await self.ami.close()
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), 5)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        await self._lines.stop()
        if self._run_folder != self.folder / "run":
            shutil.rmtree(self._run_folder, ignore_errors=True)

    async def add_phones(self, phones: Sequence[Phone], *, deadline: float = 30.0) -> None:
        """Register these phones and wait until all are; raises `TimeoutError` naming those that are not."""
        self._phones |= {phone.endpoint: phone for phone in phones}
        signs = {
            phone.endpoint: self._registered.setdefault(phone.endpoint, asyncio.Event()) for phone in phones
        }
        await self._reload_phones()
        await _all_set(signs, deadline, "phones not registered")

    def is_registered(self, endpoint: str) -> bool:
        """True while the dealership's switch has accepted this phone."""
        sign = self._registered.get(endpoint)
        return sign is not None and sign.is_set()

    async def remove_phones(self, endpoints: Sequence[str], *, deadline: float = 30.0) -> None:
        """Unregister these phones, wait until the dealership's switch has agreed, and forget them.

        The password may go only then: the switch asks for it again before it lets a phone go. Raises
        `TimeoutError` naming the phones it did not let go within `deadline` seconds.
        """
        signs = {endpoint: asyncio.Event() for endpoint in endpoints if endpoint in self._phones}
        self._released |= signs
        for endpoint in signs:
            await self.ami.do("PJSIPUnregister", {"Registration": f"phone-{endpoint}"})
        await _all_set(signs, deadline, "phones still registered")
        for endpoint in signs:
            del self._phones[endpoint], self._released[endpoint]
            self._registered.pop(endpoint, None)
        await self._reload_phones()

    def _pick_rtp(self) -> tuple[int, int]:
        first = random.SystemRandom().randrange(20_000, 56_000, 1_000)
        return first, first + 1_999

    def _prepare_folders(self) -> None:
        for name in ("etc", "var", "spool", "log", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if len(str(self._run_folder)) > _CTL_PATH_LIMIT - len("/asterisk.ctl"):
            self._run_folder = Path(tempfile.mkdtemp(prefix="lab-"))

    def _render(self, *names: str) -> None:
        templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            undefined=StrictUndefined,
            autoescape=False,  # noqa: S701 - plain configuration files, all values are the lab's own
            keep_trailing_newline=True,
        )
        for name in names:
            path = self.folder / "etc" / name
            path.write_text(templates.get_template(f"{name}.j2").render(self._values), encoding="utf-8")
            path.chmod(0o600)

    async def _spawn(self) -> None:
        output = os.open(self.folder / "log" / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.binary.argv,
                "-f",
                "-C",
                str(self.folder / "etc" / "asterisk.conf"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.binary.environment},
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        finally:
            os.close(output)

    async def _connect(self, port: int, secret: str) -> None:
        while True:
            if self._process is None or self._process.returncode is not None:
                raise NetworkFailed("it ended by itself")
            try:
                await self.ami.connect("127.0.0.1", port, "lab", secret)
                break
            except OSError:
                await asyncio.sleep(0.1)
        await self._booted.wait()
        await self.ami.do("ModuleCheck", {"Module": "chan_pjsip.so"})
        if f"{self.host}:{self.sip_port}" not in await self.ami.command("pjsip show transports"):
            raise NetworkFailed(f"UDP port {self.sip_port} of {self.host} is taken: name another")

    async def _reload_phones(self) -> None:
        self._values["phones"] = list(self._phones.values())
        self._render("pjsip_phones.conf")
        for module in ("res_pjsip.so", "res_pjsip_outbound_registration.so"):
            await self.ami.do("Reload", {"Module": module})

    def _on_event(self, message: Message) -> None:
        match message["Event"]:
            case "FullyBooted":
                self._booted.set()
            case "Registry":
                self._on_registry(message)
        self._events(message)

    def _on_registry(self, message: Message) -> None:
        endpoint = message.get("Username", "").removeprefix("sip:").partition("@")[0]
        sign = self._registered.setdefault(endpoint, asyncio.Event())
        if message.get("Status") == "Registered":
            sign.set()
            return
        sign.clear()
        if message.get("Status") == "Unregistered" and endpoint in self._released:
            self._released[endpoint].set()

    def _last_words(self) -> str:
        words = []
        for name in ("output", "messages"):
            path = self.folder / "log" / name
            if path.exists():
                words += path.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]
        return "\n".join(words)
