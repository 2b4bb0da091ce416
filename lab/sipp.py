"""SIPp as caller and judge: run a scenario, then read SIPp's own message log into a list of calls."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from lab.network import SIPP_MEDIA, die_with_parent, free_port

SCENARIOS: Final = Path(__file__).parent / "scenarios"

Scenario = Literal[
    "uac_ivr_info", "uac_ivr_rfc4733", "uac_hangup_early", "uac_odd_caller", "uac_burst", "uac_cancel"
]

ODD_CALLERS: Final[tuple[tuple[str, str], ...]] = (
    ("<img src=x onerror=alert(1)>", "13800138000"),
    ("=cmd|' /C calc'!A0", "13800138001"),
    ("@SUM(1+1)*cmd|x!A1", "13800138002"),
    ("\u202egnp.exe\u202c", "13800138003"),
    ("王\u200b小\ufeff明🚗🔥", "13800138004"),
    ("A" * 1000, "13800138005"),
    ("", "anonymous"),
    ("Robert') DROP TABLE calls--", "13800138006"),
    ("${SHELL(id)}", "13800138007"),
    ("{{7*7}}%0d%0aAction: Originate", "13800138008"),
    ("", "008613800138009"),
    ("", "+8613800138010"),
    ("", "01086-13800138011"),
    ("", "unknown.caller_x"),
    ("", "9" * 40),
)
"""Display names and numbers meant to harm or to confuse (S02, R37): (display name, user part)."""


class SippFailed(Exception):
    """SIPp did not run at all, or was stopped at its deadline; the text ends with its own error log."""

    error_id = "lab-sipp-failed"


@dataclass(frozen=True, kw_only=True)
class SippCall:
    """One call by SIPp's own log; times are epoch seconds, 0 is "never".

    `code` is the final response to the INVITE (0: none came), `keys_sent` how many INFO requests left, `ended_by`
    who sent BYE or CANCEL.
    """

    call_id: str
    start: float
    answer: float
    end: float
    code: int
    keys_sent: int
    ended_by: Literal["caller", "dealership", ""]

    @property
    def answered(self) -> bool:
        """True when the INVITE got a 200."""
        return self.code == 200


@dataclass(frozen=True, kw_only=True)
class SippRun:
    """What became of one run: its calls, and SIPp's exit code (0: every call went as the scenario says)."""

    calls: tuple[SippCall, ...]
    exit_code: int
    errors: str


@dataclass(frozen=True, kw_only=True)
class Sipp:
    """How to start SIPp: `argv` begins its command, `environment` is added (library path of a private copy).

    Everything a run writes goes below `folder`.
    """

    folder: Path
    argv: Sequence[str] = ("sipp",)
    environment: Mapping[str, str] | None = None

    async def run(
        self,
        scenario: Scenario,
        *,
        target: tuple[str, int],
        called: str,
        calls: int = 1,
        rate: float = 5.0,
        at_once: int = 200,
        stay: float = 1.0,
        keys: Sequence[tuple[float, str]] = (),
        callers: Sequence[tuple[str, str]] = (("", "13800138000"),),
        deadline: float = 60.0,
        host: str = "127.0.0.1",
        name: str = "",
    ) -> SippRun:
        """Place `calls` calls from `callers` (display name, user part; in turn) and wait for their end.

        `keys` are (seconds to listen before, key), `stay` seconds on the line after them. Raises `SippFailed`
        when SIPp does not start or is not through after `deadline` seconds.
        """
        folder = self.folder / (name or scenario)
        folder.mkdir(parents=True, exist_ok=True)
        for old in ("messages.csv", "errors.log"):
            (folder / old).unlink(missing_ok=True)
        single = [(seconds, key) for seconds, group in keys for key in group]
        _write_callers(folder / "callers.csv", callers, host)
        if scenario == "uac_ivr_rfc4733":
            for number, (_, key) in enumerate(single, 1):
                (folder / f"key-{number}.pcap").write_bytes(key_pcap(key, number))
        xml = folder / "scenario.xml"
        xml.write_text(
            _templates()
            .get_template(f"{scenario}.xml.j2")
            .render({"from": "[field0]", "keys": single, "stay": stay, "folder": folder})
            .lstrip(),
            encoding="utf-8",
        )
        arguments = [
            f"{target[0]}:{target[1]}", "-sf", str(xml), "-s", called, "-inf", str(folder / "callers.csv"),
            "-i", host, "-p", str(free_port(socket.SOCK_DGRAM, host)), "-mi", host,
            "-mp", str(free_port(socket.SOCK_DGRAM, host, count=SIPP_MEDIA)),
            "-m", str(calls), "-r", f"{rate:g}", "-l", str(at_once), "-timeout", f"{deadline:g}s",
            "-recv_timeout", str(int(deadline * 1000)), "-nostdin", "-trace_err",
            "-error_file", str(folder / "errors.log"),
            "-trace_shortmsg", "-shortmessage_file", str(folder / "messages.csv"),
        ]  # fmt: skip
        code = await self._execute(arguments, folder, deadline)
        errors = _tail(folder / "errors.log")
        messages = folder / "messages.csv"
        if not messages.exists():
            raise SippFailed(
                f"{scenario} sent nothing (exit code {code}): {errors}{_tail(folder / 'output')}"
            )
        text = messages.read_text(encoding="utf-8", errors="replace")
        return SippRun(calls=tuple(read_messages(text.splitlines())), exit_code=code, errors=errors)

    async def _execute(self, arguments: Sequence[str], folder: Path, deadline: float) -> int:
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                *self.argv,
                *arguments,
                cwd=folder,
                env={**os.environ, "TERM": "dumb", **(self.environment or {})},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        except OSError as error:
            raise SippFailed(f"SIPp does not start: {error}") from error
        finally:
            os.close(output)
        try:
            return await asyncio.wait_for(process.wait(), deadline + 10)
        except TimeoutError as error:
            raise SippFailed(f"SIPp was stopped after {deadline + 10:g} s") from error
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def read_messages(lines: Iterable[str]) -> list[SippCall]:
    """Calls from SIPp's short message log, in the order of their first message.

    A line has six fields between tabs or commas: date, time and epoch, S or R, Call-ID, CSeq, first line.
    """
    logs: dict[str, _Log] = {}
    for line in lines:
        fields = line.split("\t")
        if len(fields) < 6:
            continue
        at, direction, call_id, cseq, first = (
            float(fields[-5]),
            fields[-4],
            fields[-3],
            fields[-2],
            fields[-1],
        )
        logs.setdefault(call_id, _Log(call_id)).add(at, direction == "S", cseq, first)
    return [log.call() for log in logs.values()]


class _Log:
    """The messages of one call, folded as they come."""

    def __init__(self, call_id: str) -> None:
        self.call_id = call_id
        self.start = self.answer = self.end = 0.0
        self.code = 0
        self.infos: set[str] = set()
        self.ended_by: Literal["caller", "dealership", ""] = ""

    def add(self, at: float, sent: bool, cseq: str, first: str) -> None:
        method = cseq.split()[-1]
        if not first.startswith("SIP/2.0"):
            request = first.split()[0]
            if request == "INVITE" and sent:
                self.start = self.start or at
            elif request == "INFO" and sent:
                self.infos.add(cseq)
            elif request in ("BYE", "CANCEL") and not self.ended_by:
                self.ended_by = "caller" if sent else "dealership"
                self.end = at
            return
        code = int(first.split()[1])
        if method == "INVITE" and code >= 200 and not sent and not self.code:
            self.code = code
            if code == 200:
                self.answer = at
            else:
                self.end = self.end or at

    def call(self) -> SippCall:
        return SippCall(
            call_id=self.call_id, start=self.start, answer=self.answer, end=self.end, code=self.code,
            keys_sent=len(self.infos), ended_by=self.ended_by,
        )  # fmt: skip


def key_pcap(key: str, number: int) -> bytes:
    """A capture file with one key as RFC 4733 events (payload type 101, 160 ms), for `play_pcap_audio`.

    `number` is the key's place in the call, from 1: it keeps sequence numbers and timestamps rising.
    """
    event = "0123456789*#ABCD".index(key.upper())
    frames = []
    steps = [(160 * (step + 1), False) for step in range(7)] + [(1280, True)] * 3
    for index, (duration, end) in enumerate(steps):
        rtp = struct.pack(
            "!BBHII", 0x80, 101 | (0x80 if index == 0 else 0), number * 100 + index, number * 16_000, 0x1AB
        ) + struct.pack("!BBH", event, (0x80 if end else 0) | 10, duration)
        udp = struct.pack("!HHHH", 5000, 5000, 8 + len(rtp), 0) + rtp
        ip = (
            struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1"
            )
            + udp
        )
        frame = b"\0" * 12 + b"\x08\x00" + ip
        frames.append(struct.pack("<IIII", number, index * 20_000, len(frame), len(frame)) + frame)
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1) + b"".join(frames)


def _write_callers(path: Path, callers: Sequence[tuple[str, str]], host: str) -> None:
    lines = ["SEQUENTIAL"]
    for name, user in callers:
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'"{quoted}" <sip:{user}@{host}>' if name else f"<sip:{user}@{host}>")
    if any(";" in line or "\n" in line for line in lines):
        raise ValueError("a caller's name holds a semicolon or a line break, which SIPp's files cannot carry")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(SCENARIOS),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - SIP messages, not HTML
        trim_blocks=True,
    )


def _tail(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")[-2000:] if path.exists() else ""
