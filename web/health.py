"""Whether the process is up, whether the service is ready, and its figures for Prometheus."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from aiohttp import http_parser, web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from web.ports import Figure, Ping

_PING_SECONDS: Final = 2.0
#: Answers are kept this long, so that nobody can make the pings work hard.
_FRESH_SECONDS: Final = 1.0


class NoCParser(Exception):
    """aiohttp runs with its pure-Python HTTP parser, which had request smuggling; the service does not start."""

    error_id = "no-c-parser"


def require_c_parser() -> None:
    """Refuse to start on aiohttp's pure-Python parser (CVE-2026-111750 and earlier). Raises NoCParser."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise NoCParser(
            "aiohttp has no C parser here: unset AIOHTTP_NO_EXTENSIONS, or install aiohttp from a wheel."
        )


class Health:
    """Runs the pings, at most once a second."""

    def __init__(self, pings: Sequence[Ping]) -> None:
        self._pings = pings
        self._lock = asyncio.Lock()
        self._found: dict[str, str | None] = {}
        self._until = 0.0

    async def look(self) -> dict[str, str | None]:
        """Name of each ping to None, or to what is wrong."""
        async with self._lock:
            loop = asyncio.get_running_loop()
            if loop.time() >= self._until:
                reasons = await asyncio.gather(*(_ask(ping) for ping in self._pings))
                self._found = {ping.name: reason for ping, reason in zip(self._pings, reasons, strict=True)}
                self._until = loop.time() + _FRESH_SECONDS
            return self._found

    async def is_ready(self) -> tuple[bool, dict[str, str | None]]:
        """Whether everything that is needed is well, and the whole list."""
        found = await self.look()
        return all(found[ping.name] is None for ping in self._pings if ping.needed), found


async def _ask(ping: Ping) -> str | None:
    try:
        async with asyncio.timeout(_PING_SECONDS):
            return await ping.check()
    except TimeoutError:
        return f"no answer within {_PING_SECONDS:g} s"
    except Exception as error:  # a ping that fails is an answer: not well
        return str(getattr(error, "error_id", "")) or type(error).__name__


class Metrics(Collector):
    """The application's own registry: request times, and figures read from a callback when asked."""

    def __init__(self, figures: Callable[[], Iterable[Figure]]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._figures = figures
        self.requests = Histogram(
            "careline_http_seconds",
            "Seconds to answer a request, by route and status class",
            ["route", "status"],
            registry=self.registry,
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self.registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        """Figures as Prometheus wants them, one family a name."""
        families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}
        for figure in self._figures():
            family = families.get(figure.name)
            if family is None:
                make = CounterMetricFamily if figure.kind == "counter" else GaugeMetricFamily
                family = families[figure.name] = make(figure.name, figure.help, labels=tuple(figure.labels))
            family.add_metric(tuple(figure.labels.values()), figure.value)
        return families.values()

    def text(self) -> bytes:
        """The exposition text."""
        return generate_latest(self.registry)


HEALTH: web.AppKey[Health] = web.AppKey("health", Health)
METRICS: web.AppKey[Metrics] = web.AppKey("metrics", Metrics)


async def healthz(_request: web.Request) -> web.Response:
    """The process is up and its loop turns."""
    return web.json_response({"status": "up"})


async def readyz(request: web.Request) -> web.Response:
    """200 where calls can be handled, else 503; each ping with its reason."""
    ready, found = await request.app[HEALTH].is_ready()
    pings = [{"name": name, "ok": reason is None, "reason": reason} for name, reason in found.items()]
    return web.Response(
        status=200 if ready else 503,
        text=json.dumps({"ready": ready, "pings": pings}, ensure_ascii=False),
        content_type="application/json",
    )


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text."""
    return web.Response(body=request.app[METRICS].text(), headers={"Content-Type": CONTENT_TYPE_LATEST})
