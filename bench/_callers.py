"""Callers with a fine clock: a few SIP calls whose every step is timed to the microsecond.

SIPp makes the load (its own times are 4 ms coarse); these calls run beside it and measure, per key, the time
from sending it to the first packet of the next prompt, or to the BYE after the last one.
"""

from __future__ import annotations

import asyncio
import random
import re
import socket
import time
from collections.abc import Sequence
from typing import Final

#: Mu-law bytes of silence: what a switch sends while nothing is said.
_SILENCE: Final = frozenset((0xFF, 0x7F, 0xFE, 0x7E))

_HEADER = re.compile(rb"^([A-Za-z-]+)\s*:\s*(.*?)\r?$", re.MULTILINE)


class _Socket(asyncio.DatagramProtocol):
    def __init__(self, queue: asyncio.Queue[tuple[float, bytes]], *, voice_only: bool) -> None:
        self.queue = queue
        self.voice_only = voice_only

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if not self.voice_only or not _SILENCE.issuperset(data[12:]):
            self.queue.put_nowait((time.perf_counter(), data))


class Caller:
    """One timed call after another against a switch on loopback."""

    def __init__(self, switch_port: int, called: str, menus: int, *, think: float) -> None:
        self._peer = ("127.0.0.1", switch_port)
        self._called = called
        self._menus = menus
        self._think = think
        #: Seconds per step of all calls so far, and calls that did not go through.
        self.steps: list[list[float]] = []
        self.failed = 0

    async def run(self, rate: float, seconds: float) -> None:
        """Place `rate` calls a second for a while, and wait for their ends."""
        tasks: set[asyncio.Task[None]] = set()
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            task = asyncio.create_task(self._call())
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            await asyncio.sleep(random.uniform(0.6, 1.4) / rate)
        if tasks:
            await asyncio.wait(tasks)

    async def _call(self) -> None:
        loop = asyncio.get_running_loop()
        signals: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        voice: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        sip, _ = await loop.create_datagram_endpoint(
            lambda: _Socket(signals, voice_only=False), local_addr=("127.0.0.1", 0)
        )
        rtp, _ = await loop.create_datagram_endpoint(
            lambda: _Socket(voice, voice_only=True), local_addr=("127.0.0.1", 0), family=socket.AF_INET
        )
        try:
            async with asyncio.timeout(20):
                self.steps.append(await self._converse(sip, rtp, signals, voice))
        except (TimeoutError, ValueError):
            self.failed += 1
        finally:
            sip.close()
            rtp.close()

    async def _converse(
        self,
        sip: asyncio.DatagramTransport,
        rtp: asyncio.DatagramTransport,
        signals: asyncio.Queue[tuple[float, bytes]],
        voice: asyncio.Queue[tuple[float, bytes]],
    ) -> list[float]:
        port = sip.get_extra_info("sockname")[1]
        sound = rtp.get_extra_info("sockname")[1]
        call_id, tag = f"timed-{random.getrandbits(64):x}", f"{random.getrandbits(32):x}"
        to = f"<sip:{self._called}@127.0.0.1>"

        def request(method: str, cseq: int, body: str = "", kind: str = "") -> None:
            branch = f"z9hG4bK{random.getrandbits(48):x}"
            lines = [
                f"{method} sip:{self._called}@127.0.0.1:{self._peer[1]} SIP/2.0",
                f"Via: SIP/2.0/UDP 127.0.0.1:{port};branch={branch}",
                f"From: <sip:13800000001@127.0.0.1:{port}>;tag={tag}",
                f"To: {to}",
                f"Call-ID: {call_id}",
                f"CSeq: {cseq} {method}",
                f"Contact: <sip:t@127.0.0.1:{port}>",
                "Max-Forwards: 70",
                *([f"Content-Type: {kind}"] if kind else []),
                f"Content-Length: {len(body)}",
            ]
            sip.sendto(("\r\n".join(lines) + "\r\n\r\n" + body).encode(), self._peer)

        async def until(start: bytes) -> tuple[float, bytes]:
            while True:
                at, data = await signals.get()
                if data.startswith(start):
                    return at, data
                if re.match(rb"SIP/2.0 [3-6]", data):
                    raise ValueError("refused")

        sdp = (
            "v=0\r\no=t 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {sound} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        request("INVITE", 1, sdp, "application/sdp")
        _, answered = await until(b"SIP/2.0 200")
        headers = {name.lower(): value for name, value in _HEADER.findall(answered)}
        to = headers[b"to"].decode()
        request("ACK", 1)
        steps: list[float] = []
        for number in range(self._menus):
            await asyncio.sleep(self._think)
            while not voice.empty():
                voice.get_nowait()
            began = time.perf_counter()
            request("INFO", 2 + number, f"Signal={number + 1}\r\nDuration=100\r\n", "application/dtmf-relay")
            if number + 1 < self._menus:
                heard, _ = await voice.get()
            else:
                heard, ending = await until(b"BYE")
                self._accept(sip, ending)
            steps.append(heard - began)
        return steps

    def _accept(self, sip: asyncio.DatagramTransport, request: bytes) -> None:
        kept = [
            b": ".join(pair)
            for pair in _HEADER.findall(request)
            if pair[0].lower() in (b"via", b"from", b"to", b"call-id", b"cseq")
        ]
        sip.sendto(b"\r\n".join([b"SIP/2.0 200 OK", *kept, b"Content-Length: 0", b"", b""]), self._peer)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 for none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
