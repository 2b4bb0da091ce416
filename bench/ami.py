"""Manager events from a socket into calls: ours beside asterisk-ami as it comes and panoramisk.

One stream captured from a real Asterisk is repeated with fresh channel ids and served by a process of its
own. Each arm runs in a fresh process, reads it through its own client into an asyncio loop, and folds every
event through the same `facts_of` and `Tracker`. Rounds are interleaved; medians are reported.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bench.figures import Figure

CAPTURES: Final = Path(__file__).parent.parent / "tests" / "captures" / "ami"
SCENES: Final = (
    "abandoned", "answered", "hold", "blind", "conference", "attended", "direct", "missed", "voicemail",
    "local", "outbound", "deadtrunk",
)  # fmt: skip
ARMS: Final = ("ours", "asterisk-ami", "panoramisk")
#: Events folded at a time, in every arm.
BATCH: Final = 256
_LAST: Final = b"Event: UserEvent\r\nUserEvent: BenchEnd\r\n\r\n"


def stream(events: int) -> tuple[bytes, int]:
    """The captured scenes repeated until there are at least `events`; the bytes and the number of events."""
    scenes = b"".join(gzip.decompress((CAPTURES / f"{name}.txt.gz").read_bytes()) for name in SCENES)
    each = scenes.count(b"Event: ")
    times = -(-events // each)
    parts = []
    for number in range(times):
        mark = b"%04d" % number
        parts.append(
            scenes.replace(b"careline-1795", b"careline-" + mark)
            .replace(b"01JD00000000000000000CALL", b"01JD0000000000000" + mark + b"CALL")
            .replace(b"att-", b"att" + mark + b"-")
        )
    return b"".join(parts), each * times


# -- the other side: one process that serves the stream to one client after the other -------------------------


def serve(events: int) -> None:
    """Print the port, then serve the stream to every client that logs in, at the speed it reads."""
    data, _ = stream(events)
    with socket.create_server(("127.0.0.1", 0)) as server:
        print(server.getsockname()[1], flush=True)
        while True:
            client, _ = server.accept()
            with client:
                try:
                    _serve_one(client, data)
                except OSError:
                    continue


def _serve_one(client: socket.socket, data: bytes) -> None:
    client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
    heard = b""
    while True:
        got = client.recv(65536)
        if not got:
            return
        heard += got
        while b"\r\n\r\n" in heard:
            action, _, heard = heard.partition(b"\r\n\r\n")
            number = action.partition(b"ActionID: ")[2].partition(b"\r\n")[0]
            client.sendall(b"Response: Success\r\nActionID: " + number + b"\r\nMessage: ok\r\n\r\n")
            if b"Action: Login" in action:
                client.sendall(b"Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n")
            if b"Action: UserEvent" in action:
                client.sendall(data)
                client.sendall(_LAST)


# -- the arms ----------------------------------------------------------------------------------------------


class Fold:
    """The same fold for every arm: event to facts, facts to calls, in batches."""

    def __init__(self) -> None:
        from telephony.asterisk.events import facts_of
        from telephony.tracker import Tracker

        self.facts_of = facts_of
        self.tracker = Tracker("careline", lambda raw: raw or None)
        self.facts: list[object] = []
        self.events = 0
        self.calls = 0
        self.now = datetime.now(UTC)
        self.done = asyncio.Event()
        self.seconds = self.cpu = 0.0

    def start(self) -> None:
        """The stream is asked for now."""
        self.seconds, self.cpu = time.perf_counter(), time.process_time()

    def event(self, name: str, get: Callable[[str], str]) -> None:
        """One event, as the arm's client gives it."""
        self.events += 1
        if name == "UserEvent" and get("UserEvent") == "BenchEnd":
            self.flush()
            self.seconds = time.perf_counter() - self.seconds
            self.cpu = time.process_time() - self.cpu
            self.done.set()
            return
        self.facts.extend(self.facts_of(name, get, self.now))
        if self.events % BATCH == 0:
            self.flush()

    def flush(self) -> None:
        """Fold what waits, as one transaction of the journal does."""
        tracker = self.tracker
        moment = time.monotonic()
        changes = [tracker.change(folding) for folding in tracker.take(self.facts, moment)]  # type: ignore[arg-type]
        tracker.keep(changes)
        self.calls += sum(change.before is None for change in changes)
        self.facts.clear()
        if self.events % (BATCH * 16) == 0:
            tracker.forget(moment + 3600)


async def ours(port: int, fold: Fold) -> None:
    from asterisk.ami.action import SimpleAction

    from telephony.asterisk.ami import AmiEvent, AmiSession
    from telephony.asterisk.events import MAPPED

    async def sink(events: Sequence[AmiEvent]) -> None:
        for event in events:
            fold.event(event.name, event.get)

    session = AmiSession(
        address="127.0.0.1", port=port, user="bench", secret="only-for-the-bench", setting="-",  # noqa: S106
        with_events=True, sink=sink, wanted=MAPPED,
    )  # fmt: skip
    task = asyncio.create_task(session.run())
    await session.wait_up()
    fold.start()
    session.send_action(SimpleAction("UserEvent", UserEvent="Go"))
    await fold.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    if session.gauges.lost:
        raise SystemExit(f"{session.gauges.lost} events were lost")


async def asterisk_ami(port: int, fold: Fold) -> None:
    from asterisk.ami import AMIClient, SimpleAction
    from asterisk.ami.event import Event

    loop = asyncio.get_running_loop()

    def on_loop(event: Event) -> None:
        keys: Mapping[str, str] = event.keys
        fold.event(event.name, lambda key: keys.get(key, ""))

    client = AMIClient(address="127.0.0.1", port=port, timeout=30)
    client.add_event_listener(lambda event, **_: loop.call_soon_threadsafe(on_loop, event))
    future = client.login("bench", "only-for-the-bench")
    await loop.run_in_executor(None, lambda: future.response)
    fold.start()
    client.send_action(SimpleAction("UserEvent", UserEvent="Go"))
    # Its disconnect() would wait out the time-out; the thread is a daemon and ends with the process.
    await fold.done.wait()


async def panoramisk(port: int, fold: Fold) -> None:
    from panoramisk import Manager

    logged_in = asyncio.Event()
    manager = Manager(
        host="127.0.0.1", port=port, username="bench", secret="only-for-the-bench", ping_delay=600, ping_interval=600  # noqa: S106
    )  # fmt: skip

    def on_event(_: Manager, event: Mapping[str, str]) -> None:
        fold.event(event["Event"], lambda key: event.get(key, ""))

    manager.on_login = lambda _: logged_in.set()
    manager.register_event("*", on_event)
    await manager.connect()
    await logged_in.wait()
    fold.start()
    manager.send_action({"Action": "UserEvent", "UserEvent": "Go"})
    await fold.done.wait()
    manager.close()


def arm(name: str, port: int) -> None:
    """Run one arm once; prints seconds, processor seconds, events and calls as JSON."""
    clients = {"ours": ours, "asterisk-ami": asterisk_ami, "panoramisk": panoramisk}

    async def main() -> None:
        fold = Fold()
        await clients[name](port, fold)
        told = {"seconds": fold.seconds, "cpu": fold.cpu, "handled": fold.events, "calls": fold.calls}
        print(json.dumps(told))

    asyncio.run(main())


# -- the run -----------------------------------------------------------------------------------------------


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Figures of all arms; `--events` (at least that many), `--rounds`."""
    parser = argparse.ArgumentParser(prog="python -m bench ami")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args(list(options))
    _, events = stream(chosen.events)
    server = subprocess.Popen(_command("serve", str(chosen.events)), stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        speeds: dict[str, list[float]] = {name: [] for name in ARMS}
        costs: dict[str, list[float]] = {name: [] for name in ARMS}
        calls: set[int] = set()
        for number in range(chosen.rounds):
            # Another arm begins each round, so that none always has the quiet machine.
            for name in ARMS[number % 3 :] + ARMS[: number % 3]:
                told = subprocess.run(
                    _command("arm", name, port), stdout=subprocess.PIPE, text=True, check=True
                )
                result = json.loads(told.stdout)
                speeds[name].append(events / result["seconds"])
                costs[name].append(result["cpu"] / events * 1e6)
                calls.add(result["calls"])
                print(f"round {number + 1} {name:13} {events / result['seconds']:9,.0f} events/s", flush=True)
    finally:
        server.kill()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
    if len(calls) != 1:
        print(f"the arms did not fold the same calls: {sorted(calls)}", flush=True)
    print(f"{events:,} events a round, {chosen.rounds} rounds, {min(calls):,} calls each", flush=True)
    return {
        "events": _figure(speeds, "events/s", more=True),
        "cpu": _figure(costs, "us/event", more=False),
    }


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "bench.ami", *arguments]


def _figure(found: Mapping[str, Iterable[float]], unit: str, *, more: bool) -> Figure:
    medians = {name: statistics.median(values) for name, values in found.items()}
    return Figure(
        value=medians["ours"],
        unit=unit,
        peers={name: value for name, value in medians.items() if name != "ours"},
        more_is_better=more,
    )


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(int(sys.argv[2]))
    else:
        arm(sys.argv[2], int(sys.argv[3]))
