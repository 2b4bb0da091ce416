"""The services behind the hotline benchmark, each in a process of its own.

python -m bench._hotline_service careline|plain|whole --port P --secret S --data FOLDER [--menus N] [--ami]
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from config.logs import configure
from config.memory import settle
from config.menu_ports import CustomerDirectory
from config.menus import SafeJournal
from config.service import Service
from config.settings import LogOptions, Settings
from ivr.asterisk.server import AgiServer, Door
from ivr.engine import Limits
from ivr.flow import Flow
from ivr.host import Host, Menus
from ivr.loader import House, read_flow
from ivr.options import IvrOptions
from ivr.ports import (
    Arrival,
    AskCallback,
    AskOptOut,
    AskTask,
    AskText,
    Line,
    Ports,
    QueueView,
    Registered,
    Servant,
    Working,
)
from ivr.prompts import load_book
from storage import customers
from storage.database import Database
from storage.journal import Journal
from storage.migrations import upgrade
from telephony.clock import SystemClock
from telephony.facts import Fact, FactKind, Source
from telephony.hours import OpenState
from telephony.numbers import E164, parse
from telephony.options import TelephonyOptions
from web.options import WebOptions

#: Customers whose numbers the callers of the benchmark have.
CUSTOMERS = 500
FIRST_NUMBER = 13800000000


def bench_flow(count: int) -> Flow:
    """Who calls, then `count` menus with one key each, then goodbye."""
    lines = [
        "flow: bench\nlanguage: zh-CN\nstart: who\nway_out: bye\nnodes:",
        "  who: {do: identify, by: caller, found: menu0, several: menu0, unknown: menu0}",
    ]
    for number in range(count):
        after = f"menu{number + 1}" if number + 1 < count else "bye"
        keys = ", ".join(f'"{key}": {after}' for key in range(10))
        lines.append(f"  menu{number}: {{do: menu, prompt: bench, keys: {{{keys}}}}}")
    lines.append("  bye: {do: hangup}")
    sentences = {language: {"bench", "invalid_key", "no_key"} for language in ("zh-CN", "en")}
    return read_flow("\n".join(lines).encode(), "bench", House(queues=(), sentences=sentences))


class _NothingElse:
    """Ports that the benchmark's flow does not ask."""

    def at_work(self, now: datetime) -> Working:
        return Working(desk=OpenState.OPEN)

    def view(self, queue: str, priority: int) -> QueueView:
        return QueueView(ready=1, signed_in=1, position=1, expected_wait=None)

    async def servant(self, customer_id: str, who: Sequence[str], queue: str) -> Servant:
        return Servant(endpoint=None)

    async def callback(self, request: AskCallback, now: datetime) -> Registered:
        return Registered(promised_at=None)

    async def task(self, request: AskTask, now: datetime) -> bool:
        return False

    async def opt_out(self, request: AskOptOut, now: datetime) -> bool:
        return False

    async def send(self, request: AskText, now: datetime) -> bool:
        return False


async def careline(port: int, secret: str, data: Path, menus: int, *, ami: bool) -> None:
    """Careline's host: recognition from the customers' store, every step and result in the call log.

    With `ami` the log also gets what the switch would tell of each call.
    """
    url = f"sqlite:///{data / 'bench.db'}"
    upgrade(url)
    database = Database(url)
    await database.write(_add_customers)
    clock, rest = SystemClock(), _NothingElse()
    journal = Journal(database, system="careline", number_of=parse, spool_folder=data / "spool")
    directory = CustomerDirectory(database)
    journal.foresee(directory.foresee)
    host = Host(
        menus=Menus(numbers={}, default=bench_flow(menus)),
        ports=Ports(
            directory=directory,
            calendar=rest,
            queues=rest,
            tasks=rest,
            suppression=rest,
            texts=rest,
        ),
        journal=SafeJournal(journal),
        book=load_book(data / "prompts"),
        limits=Limits(),
        number_of=parse,
        clock=clock,
    )

    async def told(line: Line) -> None:
        """A call with the facts AMI tells of it."""
        arrival = line.arrival
        heard: dict[str, str | int | bool] = {
            "channel": "PJSIP/careline-trunk-0000000a",
            "trunk": True,
            "direction": "inbound",
        }
        heard.update(caller=arrival.caller, called=arrival.subject, name="")
        journal.record_soon(
            _ami(arrival, FactKind.LEG_STARTED, clock.now(), heard),
            _ami(arrival, FactKind.LEG_ANSWERED, clock.now(), {}),
        )
        await host.serve(line)
        journal.record_soon(
            _ami(arrival, FactKind.LEG_ENDED, clock.now(), {"cause": 16}),
            _ami(arrival, FactKind.CALL_ENDED, clock.now(), {}),
        )

    server = AgiServer(told if ami else host.serve, Door(secret=secret, most_calls=5000), clock)
    writer = asyncio.create_task(journal.run(), name="journal")
    await server.start("127.0.0.1", port)
    settle()
    print("ready", flush=True)
    await _told_to_stop()
    await server.close(1.0)
    await host.drain()
    journal.stop()
    await writer
    database.close()
    print(f"counts {host.counts.calls} {host.counts.routed} {host.counts.hung_up}", flush=True)


async def whole(data: Path, menus: int, port: int) -> None:
    """Everything `careline run` is, with the benchmark's menu in place of the shipped ones."""
    options = TelephonyOptions.model_validate_json((data / "telephony.json").read_bytes())
    settings = Settings(
        data=data,
        telephony=options,
        ivr=IvrOptions(prompts=str(data / "prompts"), max_calls=5000),
        web=WebOptions(port=port),
        log=LogOptions(level="warning"),
    )
    configure(settings.log)
    upgrade(settings.database_url)
    database = Database(settings.database_url)
    await database.write(_add_customers)
    database.close()
    service = Service(settings)
    service.host.menus = Menus(numbers={}, default=bench_flow(menus))
    stop = asyncio.Event()
    running = asyncio.create_task(service.run(stop), name="service")
    while not (running.done() or service.link.is_ready):  # noqa: ASYNC110 - it says so nowhere
        await asyncio.sleep(0.05)
    if not running.done():
        print("ready", flush=True)
        await _told_to_stop()
        stop.set()
    await running


def _ami(arrival: Arrival, kind: FactKind, at: datetime, data: Mapping[str, str | int | bool]) -> Fact:
    return Fact(
        source=Source.AMI,
        key=f"{kind}:{arrival.uniqueid}",
        kind=kind,
        at=at,
        linkedid=arrival.linkedid,
        uniqueid=arrival.uniqueid,
        data=data,
    )


def _add_customers(connection: object) -> None:
    from sqlalchemy import Connection

    assert isinstance(connection, Connection)
    now = datetime.now(UTC)
    for number in range(CUSTOMERS):
        customer = customers.add_customer(connection, name=f"测试{number}", now=now)
        customers.add_contact(connection, customer.id, E164(f"+86{FIRST_NUMBER + number}"), now=now)


async def plain(port: int, data: Path, menus: int) -> None:
    """What one writes first: asyncio streams, GET DATA, and an answer stored as a channel variable."""
    sound = data / "prompts" / "zh-CN" / "bench"
    stored = (data / "plain.log").open("a", encoding="ascii")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def do(line: str) -> str:
            writer.write(line.encode() + b"\n")
            await writer.drain()
            return (await reader.readline()).decode()

        try:
            facts = {}
            while line := (await reader.readline()).decode().strip():
                name, _, value = line.partition(": ")
                facts[name] = value
            await do("ANSWER")
            keys = []
            for number in range(menus):
                answer = await do(f"GET DATA {sound} 5000 1")
                keys.append(answer.partition("result=")[2].strip())
                await do(f"SET VARIABLE ANSWER{number} {keys[-1]}")
            stored.write(f"{facts.get('agi_uniqueid')} {' '.join(keys)}\n")
            stored.flush()
            await do("SET VARIABLE IVR_DONE hangup")
        except (ConnectionError, asyncio.CancelledError):
            pass  # the caller hung up, or the run is over
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=512)
    print("ready", flush=True)
    await _told_to_stop()
    server.close()


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("which", choices=("careline", "plain", "whole"))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--secret", default="")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--menus", type=int, default=3)
    parser.add_argument("--ami", action="store_true")
    given = parser.parse_args()
    if given.which == "careline":
        uvloop.run(careline(given.port, given.secret, given.data, given.menus, ami=given.ami))
    elif given.which == "whole":
        uvloop.run(whole(given.data, given.menus, given.port + 1))
    else:
        asyncio.run(plain(given.port, given.data, given.menus))


if __name__ == "__main__":
    main()
