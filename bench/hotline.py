"""`python -m bench hotline`: the same callers on the same Asterisk, answered in four ways, side by side.

(a) pure dialplan that stores its answers in Asterisk's own database; (b) a plain FastAGI server on asyncio
streams; (c) Careline's host with recognition, every step in the call log, and the route as its last act; (d) the
whole of `careline run`: (c) with the manager's events of every channel, queues, agents, reconciliation, the import
of CEL and CDR, and the web.
Callers answer three prompts of 0.2 s with one key each (SIP INFO); then the call is ended. Every way keeps
the same fences before it and CEL and CDR after it. First the rate is raised until more than 1 % of the calls
fail or a step's p99 passes 250 ms; then every way is run at 25, 50 and 80 % of what the dialplan reached, in
random order. All of it twice: Asterisk and service on one core ("one core"), and the service on the callers' core
("two cores"). Options: --quick, --seconds N, --start N, --most N, --repeat N, --place one|two|any.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from bench._callers import Caller, percentile
from bench._hotline_service import CUSTOMERS, FIRST_NUMBER
from bench.figures import Figure
from config.secrets import switch_secrets
from lab.network import SIPP_MEDIA, free_port
from telephony.asterisk.install import ensure_asterisk, find_tool
from telephony.asterisk.process import AsteriskProcess
from telephony.asterisk.render import render
from telephony.options import (
    FenceOptions,
    SipOptions,
    SwitchOptions,
    TelephonyOptions,
    TrunkOptions,
)

ROOT = Path(__file__).resolve().parents[1]
MENUS = 3
#: Seconds between the keys: each prompt (0.2 s) has been heard.
THINK = 0.4
#: More than this share of failed calls, or a step slower than that at p99, ends a ladder.
FAILED_SHARE = 0.01
SLOWEST_STEP = 0.25
#: Shares of the dialplan's highest rate at which all ways are compared.
SHARES = (0.25, 0.5, 0.8)
#: Where switch and service run; callers are on core 1. None: wherever the system puts them.
PLACES: Mapping[str, tuple[int, int] | None] = {"one": (0, 0), "two": (0, 1), "any": None}
#: The four ways and the numbers that lead to them.
ARMS: Mapping[str, str] = {
    "dialplan": "7001",
    "plain": "7002",
    "careline": "4008001234",
    "whole": "4008001234",
}
SECRET = "secret-of-the-benchmark"  # noqa: S105 - of a switch that lives for minutes, on loopback

_DIALPLAN = """
[careline-inbound](+)
exten => 7001,1,{fences}
 same => n,Answer()
 same => n,Read(A1,{sound},1,,1,5)
 same => n,Set(DB(answers/${{UNIQUEID}}-1)=${{A1}})
 same => n,Read(A2,{sound},1,,1,5)
 same => n,Set(DB(answers/${{UNIQUEID}}-2)=${{A2}})
 same => n,Read(A3,{sound},1,,1,5)
 same => n,Set(DB(answers/${{UNIQUEID}}-3)=${{A3}})
 same => n,Hangup(16)
exten => 7002,1,{fences}
 same => n,Set(AGIEXITONHANGUP=yes)
 same => n,AGI(agi://127.0.0.1:{plain}/ivr)
 same => n,Hangup(16)
"""
#: What the shipped dialplan does before it asks the service; every way pays for it.
_FENCES = """Set(GROUP(trunk)=trunk)
 same => n,GotoIf($[${GROUP_COUNT(trunk@trunk)} > 5000]?careline-inbound-full,s,1)
 same => n,Set(CL_DIALED=${FILTER(0-9A-Za-z+,${EXTEN})})
 same => n,Set(CL_DIALED=${CL_DIALED:0:64})
 same => n,Set(CL_FROM=${FILTER(0-9A-Za-z+,${CALLERID(num)})})
 same => n,Set(CALLERID(num)=${CL_FROM:0:64})
 same => n,Set(CALLERID(name)=)
 same => n,Set(CALLERID(ani)=)
 same => n,Set(CDR(userfield)=${FILTER(0-9A-Za-z@._\\-,${CHANNEL(pjsip,call-id)})})"""

_INFO = """<send retrans="500"><![CDATA[
INFO [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@127.0.0.1>[peer_tag_param]
Call-ID: [call_id]
CSeq: [cseq] INFO
Max-Forwards: 70
Content-Type: application/dtmf-relay
Content-Length: [len]

Signal={key}
Duration=100

]]></send><recv response="200"/>
"""
_CALLER = """<?xml version="1.0"?><scenario name="caller">
<send retrans="500"><![CDATA[
INVITE sip:[service]@127.0.0.1:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@127.0.0.1>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:c@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=u 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
<recv response="100" optional="true"/>
<recv response="200" rrs="true"/>
<send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:[service]@127.0.0.1>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
{keys}
<recv request="BYE" timeout="{patience}"/>
<send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """How long and how hard."""

    seconds: float
    start: float
    most: float
    repeat: int
    hold: int
    #: Cores of switch and service.
    place: tuple[int, int] | None = None


@dataclass(kw_only=True, slots=True)
class Rung:
    """One rate of one way."""

    rate: float
    calls: int
    failed: int
    steps: list[float]
    switch_cpu: float
    service_cpu: float

    @property
    def clean(self) -> bool:
        """At most 1 % failed, and the steps were quick enough."""
        slow = percentile(self.steps, 0.99) > SLOWEST_STEP
        return self.calls > 0 and self.failed <= FAILED_SHARE * self.calls and not slow


@dataclass(kw_only=True, slots=True)
class Ladder:
    """All rates of one way in one repetition."""

    rungs: list[Rung] = field(default_factory=list)
    memory_kb: float = 0.0
    switch_memory_kb: float = 0.0

    @property
    def best(self) -> float:
        """Highest clean rate before the first that is not."""
        best = 0.0
        for rung in self.rungs:
            if not rung.clean:
                break
            best = rung.rate
        return best


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Measure; see the module's words."""
    parser = argparse.ArgumentParser(prog="bench hotline")
    parser.add_argument("--quick", action="store_true", help="a look: 5 s a rate, few rates, once")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--start", type=float, default=40)
    parser.add_argument("--most", type=float, default=400)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--place", choices=PLACES, action="append", help="one core, two cores, or any")
    given = parser.parse_args(list(options))
    plan = Plan(
        seconds=5 if given.quick else given.seconds,
        start=20 if given.quick else given.start,
        most=40 if given.quick else given.most,
        repeat=1 if given.quick else given.repeat,
        hold=50 if given.quick else 200,
    )
    places = given.place or (["any"] if given.quick or (os.cpu_count() or 1) < 2 else ["one", "two"])
    figures: dict[str, Figure] = {}
    for place in places:
        figures |= asyncio.run(_compare(place, replace(plan, place=PLACES[place])))
    return figures


async def _compare(place: str, plan: Plan) -> Mapping[str, Figure]:
    """All ways in one place: how far each goes, then all at the same rates."""
    ladders: dict[str, list[Ladder]] = {arm: [] for arm in ARMS}
    for _ in range(plan.repeat):
        for arm in random.sample(list(ARMS), len(ARMS)):
            ladders[arm].append(await _climb(arm, plan))
    most = median(ladder.best for ladder in ladders["dialplan"])
    rates = [max(1.0, round(most * share, 1)) for share in SHARES]
    levels: dict[str, list[list[Rung]]] = {arm: [] for arm in ARMS}
    for _ in range(plan.repeat):
        for arm in random.sample(list(ARMS), len(ARMS)):
            levels[arm].append(await _at(arm, rates, plan))
    return _figures(place, ladders, levels)


# --- one way ----------------------------------------------------------------------------------------


async def _climb(arm: str, plan: Plan) -> Ladder:
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-"))
    ladder = Ladder()
    try:
        make_sound(folder)
        async with AsyncExitStack() as stack:
            process, options, plain_port = await stack.enter_async_context(_switch(folder, plan))
            service = await stack.enter_async_context(_service(arm, folder, options, plain_port, plan))
            rate = plan.start
            await _load(arm, folder, options, process, service, 10, 2, plan)  # warm-up, not counted
            while rate <= plan.most:
                rung = await _load(arm, folder, options, process, service, rate, plan.seconds, plan)
                ladder.rungs.append(rung)
                _tell(arm, rung)
                if not rung.clean:
                    break
                rate *= 1.25
            if ladder.best:
                await _hold(arm, folder, options, process, service, plan, ladder)
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    return ladder


async def _at(arm: str, rates: Sequence[float], plan: Plan) -> list[Rung]:
    """One way at some rates, freshly started and warm."""
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-"))
    try:
        make_sound(folder)
        async with AsyncExitStack() as stack:
            process, options, plain_port = await stack.enter_async_context(_switch(folder, plan))
            service = await stack.enter_async_context(_service(arm, folder, options, plain_port, plan))
            await _load(arm, folder, options, process, service, 10, 2, plan)
            rungs = []
            for rate in rates:
                rungs.append(await _load(arm, folder, options, process, service, rate, plan.seconds, plan))
                _tell(arm, rungs[-1])
            return rungs
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _tell(arm: str, rung: Rung) -> None:
    milli = [value * 1000 for value in rung.steps]
    print(
        f"{arm:9} {rung.rate:6.1f}/s  {rung.calls} calls, {rung.failed} failed; step p50 "
        f"{percentile(milli, 0.5):.2f} p99 {percentile(milli, 0.99):.2f} ms; CPU a call "
        f"{rung.switch_cpu:.2f} + {rung.service_cpu:.2f} ms",
        file=sys.stderr,
        flush=True,
    )


def make_sound(folder: Path) -> None:
    """A tone of 0.2 s in both languages, as mu-law."""
    for language in ("zh-CN", "en"):
        path = folder / "prompts" / language
        path.mkdir(parents=True)
        (path / "bench.ulaw").write_bytes(bytes((0x20, 0xA0) * 800))


@contextlib.asynccontextmanager
async def _switch(folder: Path, plan: Plan) -> AsyncIterator[tuple[AsteriskProcess, TelephonyOptions, int]]:
    """Asterisk as the product renders it, with two extensions more for the other ways."""
    rtp = 20000 + random.randrange(0, 50) * 400
    options = TelephonyOptions(
        sip=SipOptions(port=free_port(socket.SOCK_DGRAM), rtp_first=rtp, rtp_last=rtp + 9999),
        trunk=TrunkOptions(port=free_port(socket.SOCK_DGRAM), channels=2000, codecs=["ulaw"]),
        fences=FenceOptions(),
        switch=SwitchOptions(
            ami_port=free_port(),
            http_port=free_port(),
            agi_port=free_port(),
            max_calls=5000,
            ami_events_secret="events-of-the-benchmark",  # noqa: S106 - as SECRET
            ami_actions_secret="actions-of-the-benchmark",  # noqa: S106 - as SECRET
            agi_secret=SECRET,
        ),
    )
    secrets = switch_secrets(options.switch, folder)
    binary = ensure_asterisk(ROOT / ".cache", say=lambda line: print(line, file=sys.stderr))
    rendered = render(options, secrets, (), binary, folder, [folder / "prompts"])
    plain_port = free_port()
    more = _DIALPLAN.format(fences=_FENCES, sound=folder / "prompts" / "zh-CN" / "bench", plain=plain_port)
    with (rendered.layout.etc / "extensions.conf").open("a", encoding="utf-8") as dialplan:
        dialplan.write(more)
    with (rendered.layout.etc / "modules.conf").open("a", encoding="utf-8") as modules:
        modules.write("load = app_read.so\nload = func_db.so\n")
    process = AsteriskProcess(binary=binary, folder=rendered)
    await process.start()
    try:
        await process.wait_ready()
        if process.pid is not None:
            _pin(process.pid, 0, plan)
        yield process, options, plain_port
    finally:
        await process.stop(seconds=5.0)


@contextlib.asynccontextmanager
async def _service(
    arm: str, folder: Path, options: TelephonyOptions, plain_port: int, plan: Plan
) -> AsyncIterator[int | None]:
    """The service of a way, as its process id; None for the pure dialplan."""
    if arm == "dialplan":
        yield None
        return
    port = plain_port if arm == "plain" else options.switch.agi_port
    (folder / "telephony.json").write_text(options.model_dump_json(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench._hotline_service", arm, "--port", str(port), "--secret", SECRET),
        *("--data", str(folder), "--menus", str(MENUS)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            ready = await process.stdout.readline()
        if ready.strip() != b"ready":
            raise RuntimeError(f"the service of {arm} did not start")
        _pin(process.pid, 1, plan)
        yield process.pid
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()


# --- load -------------------------------------------------------------------------------------------


async def _load(
    arm: str,
    folder: Path,
    options: TelephonyOptions,
    process: AsteriskProcess,
    service: int | None,
    rate: float,
    seconds: float,
    plan: Plan,
) -> Rung:
    """Calls at one rate: SIPp makes the load, a few timed callers measure the steps."""
    timed = Caller(options.sip.port, ARMS[arm], MENUS, think=THINK)
    switch = process.pid
    before = _cpu(switch), _cpu(service)
    timed_rate = 4.0
    calls = max(1, round(rate * seconds))
    sipp = await _sipp(arm, folder, options, rate=rate, calls=calls, keys=MENUS)
    _pin(sipp.pid, 2, plan)
    await timed.run(timed_rate, seconds)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds + 40):
            await sipp.wait()
    if sipp.returncode is None:
        sipp.kill()
        await sipp.wait()
    after = _cpu(switch), _cpu(service)
    succeeded, failed = _counted(folder)
    lost = calls - succeeded - failed
    placed = succeeded + failed + len(timed.steps) + timed.failed
    return Rung(
        rate=rate,
        calls=placed + lost,
        failed=failed + lost + timed.failed,
        steps=[step for steps in timed.steps for step in steps],
        switch_cpu=(after[0] - before[0]) / max(1, placed) * 1000,
        service_cpu=(after[1] - before[1]) / max(1, placed) * 1000,
    )


async def _hold(
    arm: str,
    folder: Path,
    options: TelephonyOptions,
    process: AsteriskProcess,
    service: int | None,
    plan: Plan,
    ladder: Ladder,
) -> None:
    """Memory per concurrent call: callers who press nothing, all in their first menu."""
    before = rss(service), rss(process.pid)
    rate = min(ladder.best, 60.0)
    sipp = await _sipp(arm, folder, options, rate=rate, calls=plan.hold, keys=0)
    await asyncio.sleep(plan.hold / rate + 1.0)
    ladder.memory_kb = max(0.0, (rss(service) - before[0]) / plan.hold)
    ladder.switch_memory_kb = max(0.0, (rss(process.pid) - before[1]) / plan.hold)
    sipp.kill()
    await sipp.wait()


async def _sipp(
    arm: str, folder: Path, options: TelephonyOptions, *, rate: float, calls: int, keys: int
) -> asyncio.subprocess.Process:
    pause = f'<pause milliseconds="{int(THINK * 1000)}"/>\n'
    pressed = "".join(pause + _INFO.replace("{key}", str(number + 1)) for number in range(keys))
    scenario = folder / "caller.xml"
    scenario.write_text(_CALLER.replace("{keys}", pressed).replace("{patience}", "8000" if keys else "60000"))
    numbers = folder / "numbers.csv"
    numbers.write_text(
        "RANDOM\n" + "\n".join(str(FIRST_NUMBER + number) for number in range(CUSTOMERS)) + "\n"
    )
    (folder / "sipp.csv").unlink(missing_ok=True)
    return await asyncio.create_subprocess_exec(
        *find_tool(ROOT / ".cache", "sipp"),
        f"127.0.0.1:{options.sip.port}",
        *("-sf", str(scenario), "-inf", str(numbers), "-s", ARMS[arm]),
        *("-i", "127.0.0.1", "-p", str(options.trunk.port)),
        *("-mp", str(free_port(socket.SOCK_DGRAM, count=SIPP_MEDIA))),
        *("-r", f"{rate:.2f}", "-m", str(calls), "-l", "5000", "-nostdin", "-aa"),
        *("-trace_stat", "-stf", str(folder / "sipp.csv"), "-fd", "1"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
    )


def _counted(folder: Path) -> tuple[int, int]:
    """Successful and failed calls as SIPp counted them."""
    try:
        with (folder / "sipp.csv").open(newline="", encoding="ascii") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except OSError:
        return 0, 0
    return (int(rows[-1]["SuccessfulCall(C)"]), int(rows[-1]["FailedCall(C)"])) if rows else (0, 0)


# --- the machine ------------------------------------------------------------------------------------


def _cpu(pid: int | None) -> float:
    """Seconds of processor a process has used, all threads."""
    if pid is None:
        return 0.0
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int | None) -> float:
    """Resident memory in kB."""
    if pid is None:
        return 0.0
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1])
    return 0.0


def _pin(pid: int, which: int, plan: Plan) -> None:
    """Keep a process and its threads on the core its place names (0: switch, 1: service, 2: callers)."""
    if plan.place is None or (os.cpu_count() or 1) < 2:
        return
    core = (*plan.place, 1)[which]
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), {core})


# --- figures ----------------------------------------------------------------------------------------


def _figures(
    place: str, ladders: Mapping[str, Sequence[Ladder]], levels: Mapping[str, Sequence[Sequence[Rung]]]
) -> Mapping[str, Figure]:
    """Medians over the repetitions; steps of all repetitions together."""
    where = {"one": "one core: ", "two": "two cores: "}.get(place, "")
    both = {"dialplan": "pure dialplan", "plain": "plain FastAGI", "whole": "whole service"}
    figures: dict[str, Figure] = {}

    def add(
        name: str, unit: str, values: Mapping[str, float], peers: Sequence[str], *, more: bool = False
    ) -> None:
        figures[where + name] = Figure(
            value=values["careline"],
            unit=unit,
            peers={both[arm]: values[arm] for arm in peers},
            more_is_better=more,
        )

    best = {arm: median(ladder.best for ladder in all_) for arm, all_ in ladders.items()}
    add("calls a second", "calls/s", best, list(both), more=True)
    for index, share in enumerate(SHARES):
        rungs = {arm: [one[index] for one in all_] for arm, all_ in levels.items()}
        at = f" at {share:.0%} ({rungs['dialplan'][0].rate:g}/s)"
        service = {arm: median(rung.service_cpu for rung in all_) for arm, all_ in rungs.items()}
        cpu = {
            arm: median(rung.switch_cpu + rung.service_cpu for rung in all_) for arm, all_ in rungs.items()
        }
        add("CPU a call" + at, "ms", cpu, list(both))
        add("CPU a call, service" + at, "ms", service, ["plain", "whole"])
        for name, part in (("p50", 0.5), ("p99", 0.99)):
            step = {
                arm: percentile([step * 1000 for rung in all_ for step in rung.steps], part)
                for arm, all_ in rungs.items()
            }
            add(f"step {name}{at}", "ms", step, list(both))
            added = {arm: value - step["dialplan"] for arm, value in step.items()}
            add(f"added a step {name}{at}", "ms", added, ["plain", "whole"])
        lost = {arm: float(sum(rung.failed for rung in all_)) for arm, all_ in rungs.items()}
        add("calls that failed" + at, "calls", lost, list(both))
    memory = {arm: median(ladder.memory_kb for ladder in all_) for arm, all_ in ladders.items()}
    add("service memory a concurrent call", "kB", memory, ["plain", "whole"])
    return figures
