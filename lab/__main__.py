"""`python -m lab`: let customers call a dealership by hand, or put the fault proxy in front of something."""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from lab.agents import Habits
from lab.customers import AFTER_HOURS, PEOPLE, read_menus, script
from lab.network import LabBinary, NetworkFailed, Phone, Trunk
from lab.proxy import PASS, REFUSE, SWALLOW, FaultProxy, Mode
from lab.world import Lab


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m lab", description=__doc__)
    commands = top.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="customers call a dealership; the counts are printed as JSON")
    run.add_argument("--trunk", required=True, help="the dealership's SIP address, HOST:PORT")
    run.add_argument("--called", default="4008001234,4008005678", help="its numbers, service line first")
    run.add_argument(
        "--callers", default="", help="numbers customers call from, by commas, or a file with one per line"
    )
    run.add_argument("--seconds", type=float, default=60.0, help="for how long new calls come")
    run.add_argument("--rate", type=float, default=0.2, help="new calls a second")
    run.add_argument("--seed", default="1", help="decides who calls when and does what")
    run.add_argument("--closed", action="store_true", help="callers who expect a closed house")
    run.add_argument("--menus", type=Path, help="another table of keys (YAML)")
    run.add_argument("--agents", type=Path, help="file with ENDPOINT SECRET per line: phones to sign on")
    run.add_argument("--sip-port", type=int, default=0, help="the lab's own UDP port; 0 takes a free one")
    run.add_argument("--asterisk", default="", help="command that starts Asterisk; empty: the machine's own")
    run.add_argument("--modules", type=Path, help="its module folder; needed with --asterisk")
    run.add_argument("--folder", type=Path, help="where the lab writes; empty: a temporary folder")
    run.add_argument("--counts", type=Path, help="file to write the counts to, besides printing them")

    proxy = commands.add_parser(
        "proxy", help="pass a port on, spoiled; keys on standard input change the mode"
    )
    proxy.add_argument("target", help="HOST:PORT")
    proxy.add_argument("--listen", type=int, default=0, help="port to listen on; 0 takes a free one")
    return top


async def run_customers(options: argparse.Namespace) -> int:
    """Run customers against a trunk; 0 when every call was placed, 1 otherwise."""
    folder: Path = options.folder or Path(tempfile.mkdtemp(prefix="lab-"))
    host, _, port = options.trunk.rpartition(":")
    lab = Lab(
        _binary(options.asterisk, options.modules),
        folder,
        trunk=Trunk(host=host, port=int(port)),
        sip_port=options.sip_port,
        seed=options.seed,
    )
    visits = script(
        seed=options.seed,
        called=options.called.split(","),
        callers=_numbers(options.callers),
        rate=options.rate,
        seconds=options.seconds,
        people=AFTER_HOURS if options.closed else PEOPLE,
        menus=read_menus(options.menus) if options.menus else None,
    )
    async with lab:
        if options.agents is not None:
            await lab.sign_on_agents(_phones(options.agents), Habits())
        print(f"{len(visits)} calls will be placed; log: {lab.book.path}", file=sys.stderr)
        run = lab.run_customers(visits)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, run.cancel)
        await asyncio.wait([run])
    text = json.dumps(lab.counts().as_json(), ensure_ascii=False, indent=2)
    print(text)
    if options.counts is not None:
        options.counts.write_text(text + "\n", encoding="utf-8")
    return 1 if run.cancelled() or any(not record.call_id for record in run.result()) else 0


async def run_proxy(options: argparse.Namespace) -> int:
    """Proxy until standard input ends; each line is a mode."""
    host, _, port = options.target.rpartition(":")
    async with FaultProxy(host, int(port), listen_port=options.listen) as proxy:
        print(f"127.0.0.1:{proxy.port} -> {options.target}")
        print("pass | swallow | refuse | reset | delay MS | cut BYTES | rate BYTES_PER_SECOND")
        while line := await asyncio.to_thread(sys.stdin.readline):
            words = line.split()
            if words == ["reset"]:
                print(f"reset {proxy.reset()}")
                continue
            mode = read_mode(words)
            if mode is None:
                print("not a mode")
                continue
            proxy.mode = mode
            print(f"{mode}; {proxy.bytes_passed} bytes passed so far")
    return 0


def read_mode(words: Sequence[str]) -> Mode | None:
    """The mode these words ask for, None when they ask for none."""
    match list(words):
        case ["pass"]:
            return PASS
        case ["swallow"]:
            return SWALLOW
        case ["refuse"]:
            return REFUSE
        case ["delay", number] if number.isdecimal():
            return Mode(delay_ms=float(number))
        case ["cut", number] if number.isdecimal():
            return Mode(cut_after=int(number))
        case ["rate", number] if number.isdecimal():
            return Mode(bytes_per_second=int(number))
    return None


def _binary(command: str, modules: Path | None) -> LabBinary:
    if command and modules:
        return LabBinary(argv=tuple(shlex.split(command)), modules=modules)
    own = shutil.which("asterisk", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    found = next(Path("/usr/lib").glob("**/asterisk/modules"), None)
    if own is None or found is None:
        raise NetworkFailed("no Asterisk on this machine: name one with --asterisk and --modules")
    return LabBinary(argv=(own,), modules=modules or found)


def _numbers(text: str) -> list[str]:
    if not text:
        return [f"1380013{number:04}" for number in range(8000, 8050)]
    path = Path(text)
    lines = path.read_text(encoding="utf-8").split() if path.exists() else text.split(",")
    return [line.strip() for line in lines if line.strip()]


def _phones(path: Path) -> list[Phone]:
    rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [Phone(endpoint=endpoint, secret=secret) for endpoint, secret in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0 done, 1 the work failed, 2 wrong use."""
    options = parser().parse_args(arguments)
    work = run_customers(options) if options.command == "run" else run_proxy(options)
    try:
        return asyncio.run(work)
    except (NetworkFailed, TimeoutError, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
