"""The lab against a real Asterisk that plays the dealership: keys, agents, hang-ups, codes and counts."""

from __future__ import annotations

import asyncio
import csv
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fixtures_switch import CACHE
from waiting import PATIENCE, SLACK

from lab import Customer, Habits, HangUp, Lab, LabBinary, Listen, Phone, Press, Speak, Stay, script
from lab.customers import Person
from lab.network import NetworkFailed, die_with_parent, free_port
from lab.sipp import ODD_CALLERS, Sipp
from telephony.asterisk.install import AsteriskBinary, ProgramMissing, find_tool

pytestmark = [pytest.mark.asterisk, pytest.mark.xdist_group("asterisk")]

MODULES = (
    "res_timing_timerfd", "res_sorcery_config", "res_sorcery_memory", "res_sorcery_astdb",
    "res_pjproject", "res_rtp_asterisk", "res_pjsip", "res_pjsip_session", "res_pjsip_pubsub",
    "res_pjsip_sdp_rtp", "res_pjsip_caller_id", "res_pjsip_dtmf_info", "res_pjsip_nat",
    "res_pjsip_rfc3326", "res_pjsip_registrar", "res_pjsip_authenticator_digest",
    "res_pjsip_endpoint_identifier_ip", "res_pjsip_endpoint_identifier_user",
    "res_pjsip_header_funcs", "chan_pjsip", "bridge_simple", "bridge_native_rtp", "bridge_holding",
    "codec_alaw", "codec_ulaw", "codec_gsm", "format_pcm", "format_gsm", "format_wav",
    "func_callerid", "func_channel", "func_cdr", "func_strings", "func_logic", "func_hangupcause",
    "app_dial", "app_queue", "app_read", "app_playback", "app_stack", "app_record",
    "res_cdrel_custom", "cdr_custom", "res_musiconhold", "res_clioriginate", "pbx_config",
)  # fmt: skip

ASTERISK_CONF = """
[directories]
astetcdir => {folder}/etc
astmoddir => {modules}
astvarlibdir => {folder}/var
astdbdir => {folder}/var
astkeydir => {folder}/var
astdatadir => {data}
astagidir => {folder}/var
astspooldir => {folder}/spool
astrundir => {folder}/r
astlogdir => {folder}/log
[options]
systemname = house
nocolor = yes
"""

PJSIP_CONF = """
[global]
type = global
endpoint_identifier_order = username,auth_username,ip
[udp]
type = transport
protocol = udp
bind = 127.0.0.1:{port}
[trunk]
type = aor
contact = sip:127.0.0.1:{lab_port}
[trunk]
type = endpoint
context = inbound
disallow = all
allow = alaw,ulaw
aors = trunk
dtmf_mode = auto_info
direct_media = no
[trunk]
type = identify
endpoint = trunk
match = 127.0.0.1
"""

PHONE_CONF = """
[{name}]
type = aor
max_contacts = 1
remove_existing = yes
[{name}]
type = auth
auth_type = digest
username = {name}
password = {secret}
[{name}]
type = endpoint
context = inbound
disallow = all
allow = alaw,ulaw
aors = {name}
auth = {name}
direct_media = no
"""

EXTENSIONS_CONF = """
[inbound]
exten = 4008001234,1,Set(CDR(callid)=${CHANNEL(pjsip,call-id)})
 same = n,Answer()
 same = n,Read(KEY,,1,,1,15)
 same = n,Set(CDR(keys)=${KEY})
 same = n,GotoIf($["${KEY}" = "1"]?queue)
 same = n,GotoIf($["${KEY}" = "8"]?bye)
 same = n,Read(MORE,,4,,1,15)
 same = n,Set(CDR(keys)=${KEY}${MORE})
 same = n(queue),Queue(service,,,,30)
 same = n(bye),Hangup()
exten = 4008009999,1,Hangup(34)
exten = _X.,1,Set(CDR(callid)=${CHANNEL(pjsip,call-id)})
 same = n,Ringing()
 same = n,Wait(20)
 same = n,Hangup()

[out]
exten = _X.,1,Dial(PJSIP/${EXTEN}@trunk,6)
 same = n,Hangup()
"""

QUEUES_CONF = """
[general]
[service]
strategy = rrmemory
timeout = 8
retry = 1
joinempty = yes
"""

CDR_FIELDS = (
    "${CSV_QUOTE(${CDR(callid)})}", "${CSV_QUOTE(${CDR(src)})}", "${CSV_QUOTE(${CDR(dst)})}",
    "${CDR(start,u)}", "${CDR(answer,u)}", "${CDR(end,u)}", "${CDR(disposition)}",
    "${CSV_QUOTE(${CDR(keys)})}", "${CSV_QUOTE(${CDR(dstchannel)})}", "${CSV_QUOTE(${CDR(clid)})}",
)  # fmt: skip
CDR_CUSTOM_CONF = f"[mappings]\ncalls.csv => {','.join(CDR_FIELDS)}\n"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One call as the dealership's own CDR has it."""

    call_id: str
    caller: str
    called: str
    disposition: str
    keys: str
    agent: str
    name: str


class House:
    """A dealership of thirty lines: answer, one menu, one queue, a CDR file."""

    def __init__(self, binary: LabBinary, folder: Path, lab_port: int) -> None:
        self.binary = binary
        self.folder = folder
        self.lab_port = lab_port
        self.port = free_port(socket.SOCK_DGRAM)
        self.phones = [Phone(endpoint=f"desk{number}x7Kq", secret=f"pw{number}") for number in range(3)]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        for name in ("etc", "var", "spool", "r", "log/cdr-custom"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        members = "".join(f"member => PJSIP/{phone.endpoint}\n" for phone in self.phones)
        phones = "".join(PHONE_CONF.format(name=phone.endpoint, secret=phone.secret) for phone in self.phones)
        files = {
            "asterisk.conf": ASTERISK_CONF.format(
                folder=self.folder, modules=self.binary.modules, data=self.binary.data_folder()
            ),
            "modules.conf": "[modules]\nautoload = no\n" + "".join(f"load = {name}.so\n" for name in MODULES),
            "pjsip.conf": PJSIP_CONF.format(port=self.port, lab_port=self.lab_port) + phones,
            "extensions.conf": EXTENSIONS_CONF,
            "queues.conf": QUEUES_CONF + members,
            "queuerules.conf": "[general]\n",
            "cdr.conf": "[general]\nenable = yes\nunanswered = no\n",
            "cdr_custom.conf": CDR_CUSTOM_CONF,
            "musiconhold.conf": "[general]\n",
            "rtp.conf": "[general]\nrtpstart = 30000\nrtpend = 31999\n",
            "logger.conf": "[logfiles]\nmessages = notice,warning,error\n",
        }
        for name, text in files.items():
            (self.folder / "etc" / name).write_text(text)
        with (self.folder / "log" / "output").open("wb") as output:
            self.process = await asyncio.create_subprocess_exec(
                *self.binary.argv, "-f", "-C", str(self.folder / "etc" / "asterisk.conf"),
                env={**os.environ, **self.binary.environment},
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip
        await until(lambda: "ully booted" in self.cli_now("core waitfullybooted"), 60)

    def cli_now(self, command: str) -> str:
        done = subprocess.run(
            [*self.binary.argv, "-C", str(self.folder / "etc" / "asterisk.conf"), "-rx", command],
            env={**os.environ, **self.binary.environment},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done.stdout

    async def cli(self, command: str) -> str:
        return await asyncio.to_thread(self.cli_now, command)

    async def stop(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    def rows(self) -> list[Row]:
        path = self.folder / "log" / "cdr-custom" / "calls.csv"
        if not path.exists():
            return []
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return [
                Row(
                    call_id=row[0],
                    caller=row[1],
                    called=row[2],
                    disposition=row[6],
                    keys=row[7],
                    agent=row[8].removeprefix("PJSIP/").rpartition("-")[0],
                    name=row[9],
                )
                for row in csv.reader(file)
            ]

    def row(self, call_id: str) -> Row | None:
        """The last row of one call: with the agent who answered, where one did."""
        rows = [row for row in self.rows() if row.call_id == call_id]
        return max(rows, key=lambda row: row.disposition == "ANSWERED" and bool(row.agent), default=None)


async def until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for a state, looking every 50 ms."""
    limit = asyncio.get_running_loop().time() + seconds
    while not await asyncio.to_thread(condition):
        assert asyncio.get_running_loop().time() < limit, "the state did not come in time"
        await asyncio.sleep(0.05)


@pytest.fixture(scope="session")
def lab_binary(asterisk_binary: AsteriskBinary) -> LabBinary:
    """The Asterisk of the tests, as the lab wants it named."""
    return LabBinary(
        argv=asterisk_binary.argv_prefix,
        modules=asterisk_binary.modules_dir,
        environment=asterisk_binary.environment,
    )


@pytest.fixture
async def house(lab_binary: LabBinary, tmp_path: Path) -> AsyncIterator[House]:
    house = House(lab_binary, tmp_path / "h", free_port(socket.SOCK_DGRAM))
    await house.start()
    yield house
    await house.stop()


@pytest.fixture
async def lab(lab_binary: LabBinary, house: House, tmp_path: Path) -> AsyncIterator[Lab]:
    lab = Lab(lab_binary, tmp_path / "lab", trunk=("127.0.0.1", house.port), sip_port=house.lab_port, seed=7)
    await lab.start()
    yield lab
    await lab.stop()


def customer(**fields: object) -> Customer:
    values = {"person": "test", "caller": "13800138000", "called": "4008001234", "steps": ()} | fields
    return Customer(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys_by", ["rfc4733", "info"])
async def test_keys_arrive(lab: Lab, house: House, keys_by: str) -> None:
    """Keys pressed by RFC 4733 and by SIP INFO are the keys the dealership read; Call-IDs agree."""
    steps = (Listen(seconds=0.3), Press(keys="9"), Listen(seconds=0.3), Press(keys="40*7"), Stay(seconds=1.0))
    placed = await lab.dial(customer(keys_by=keys_by, steps=steps, name="王小明"))
    record = await placed.ended()
    assert record.outcome == "answered"
    assert record.keys_sent == "940*7"
    assert record.sip_code == 200
    assert record.call_id
    await until(lambda: house.row(record.call_id))
    row = house.row(record.call_id)
    assert row is not None
    assert (row.keys, row.caller, row.called) == ("940*7", "13800138000", "4008001234")
    assert "王小明" in row.name
    assert record.start <= record.answer < record.end
    assert [key.at for key in record.keys] == sorted(key.at for key in record.keys)


async def test_agents_answer_talk_and_hang_up(lab: Lab, house: House) -> None:
    """Agents sign on, take the queue's calls, talk as long as their habits say, and end the call."""
    agents = await lab.sign_on_agents(
        house.phones, Habits(answers_after=(0.1, 0.3), talks=(0.8, 1.2), hangs_up=1.0)
    )
    assert len(agents) == 3
    steps = (Listen(seconds=0.2), Press(keys="1"), Stay(seconds=20.0, speaks=True))
    placed = [await lab.dial(customer(caller=f"1380013800{number}", steps=steps)) for number in range(3)]
    records = [await call.ended() for call in placed]
    assert [record.hung_up_by for record in records] == ["far"] * 3
    await until(lambda: lab.counts().of("agent", "answered") == 3)
    # The queue may ring a phone that has just answered; it refuses.
    legs = [record for record in lab.records() if record.kind == "agent" and record.answer]
    assert all(leg.hung_up_by == "lab" and 0.5 < leg.talk_seconds < 1.2 + SLACK for leg in legs)

    def served() -> list[str]:
        return [row.agent for record in records if (row := house.row(record.call_id)) and row.agent]

    await until(lambda: len(served()) == 3)
    assert set(served()) == {leg.called for leg in legs}


async def test_agents_miss_and_decline(lab: Lab, house: House) -> None:
    """An agent may let it ring or reject; the lab's log says which, and the caller is still in the queue."""
    misser, decliner, worker = await lab.sign_on_agents(house.phones, Habits(answers_after=(0.1, 0.2)))
    misser.habits = Habits(misses=1.0)
    decliner.habits = Habits(declines=1.0, answers_after=(0.1, 0.2))
    worker.habits = Habits(declines=1.0, answers_after=(0.1, 0.2))
    placed = await lab.dial(customer(steps=(Listen(seconds=0.2), Press(keys="1"), Stay(seconds=60.0))))
    wanted = {(misser.phone.endpoint, "cancelled", 487), (decliner.phone.endpoint, "busy", 486)}
    await until(
        lambda: (
            wanted
            <= {(leg.called, leg.outcome, leg.sip_code) for leg in lab.records() if leg.kind == "agent"}
        )
    )
    assert not placed.over
    await placed.hang_up()
    assert (await placed.ended()).hung_up_by == "lab"


async def test_hang_ups_are_told_apart(lab: Lab, house: House) -> None:
    """In the menu, in the queue, while ringing, by the dealership, refused by the dealership."""
    calls = {
        "menu": customer(steps=(Listen(seconds=0.5), HangUp())),
        "queue": customer(steps=(Listen(seconds=0.2), Press(keys="1"), Stay(seconds=1.0))),
        "ringing": customer(called="4008000000", gives_up_ringing=0.5),
        "house": customer(steps=(Listen(seconds=0.2), Press(keys="8"), Stay(seconds=10.0))),
        "refused": customer(called="4008009999"),
    }
    placed = {name: await lab.dial(call) for name, call in calls.items()}
    records = {name: await call.ended() for name, call in placed.items()}
    seen = {name: (r.outcome, r.hung_up_by, r.sip_code) for name, r in records.items()}
    assert seen == {
        "menu": ("answered", "lab", 200),
        "queue": ("answered", "lab", 200),
        "ringing": ("cancelled", "lab", 487),
        "house": ("answered", "far", 200),
        "refused": ("failed", "far", 503),
    }
    assert all(record.call_id for record in records.values())
    assert records["ringing"].answer == 0


async def test_odd_numbers_reach_the_dealership(lab: Lab, house: House) -> None:
    """R37: withheld, prefixed, lettered and endless numbers are sent as they are."""
    callers = ["", "008613800138000", "+8613800138000", "abcdef", "1" * 40]
    steps = (Listen(seconds=0.3), HangUp())
    placed = [await lab.dial(customer(caller=caller, hidden=not caller, steps=steps)) for caller in callers]
    records = [await call.ended() for call in placed]
    assert {record.outcome for record in records} == {"answered"}
    await until(lambda: all(house.row(record.call_id) for record in records))
    seen = [row.caller for record in records if (row := house.row(record.call_id))]
    assert seen == [caller or "anonymous" for caller in callers]


async def test_steered_by_hand(lab: Lab, house: House) -> None:
    """A test may hold a customer's hand: wait for the answer, press, wait, hang up."""
    placed = await lab.dial(customer())
    line = await placed.answered()
    await placed.press("9")
    assert not line.gone
    await placed.hang_up()
    record = await placed.ended()
    assert (record.keys_sent, record.hung_up_by) == ("9", "lab")


async def test_numbers_outside(lab: Lab, house: House) -> None:
    """Each kind of number behaves and is logged with its SIP code and Call-ID."""
    expected = {
        "13900130486": ("busy", 486, "busy"),
        "13900130404": ("no-such-number", 404, "refused"),
        "13900130480": ("switched-off", 480, "no-answer"),
        "13900130503": ("network-busy", 503, "failed"),
        "13900130603": ("declines", 603, "refused"),
        "13900130408": ("no-answer", 487, "cancelled"),
        "13900130100": ("voicemail", 200, "answered"),
        "13900130101": ("wrong-number", 200, "answered"),
        "13900130183": ("announcement", 404, "refused"),
        "13900131234": ("answers", 200, "answered"),
    }
    for number in expected:
        await house.cli(f"channel originate Local/{number}@out application Wait 8")
    await until(lambda: lab.counts().total("outside") == len(expected))
    seen = {record.called: (record.person, record.sip_code, record.outcome) for record in lab.records()}
    assert seen == expected
    assert len({record.call_id for record in lab.records()}) == len(expected)


async def test_counts_equal_the_dealerships(lab: Lab, house: House) -> None:
    """A seeded script of callers: every Call-ID the lab holds is one call in the dealership's CDR."""
    await lab.sign_on_agents(house.phones, Habits(answers_after=(0.1, 0.5), talks=(0.3, 1.0)))
    people = (
        Person(kind="booker", weight=3, wish="booking", patience=(10.0, 15.0)),
        Person(kind="impatient", weight=1, wish="booking", ending="queue", patience=(0.3, 1.0)),
        Person(kind="menu-quitter", weight=1, wish="", ending="menu", patience=(0.2, 0.6)),
        Person(kind="hidden-caller", weight=1, wish="booking", hidden=True, patience=(10.0, 15.0)),
    )
    visits = script(
        seed=11, called=["4008001234"], callers=["13800138000", "13800138001"], rate=4, seconds=5,
        people=people, menus={"booking": ((0.3, "1"),)},
    )  # fmt: skip
    records = await lab.run_customers(visits)
    assert len(records) == len(visits)
    assert {record.person for record in records} == {"booker", "impatient", "menu-quitter", "hidden-caller"}
    assert all(record.outcome == "answered" for record in records)
    await until(lambda: {row.call_id for row in house.rows()} >= {record.call_id for record in records})
    assert {row.call_id for row in house.rows()} == {record.call_id for record in records}
    assert len({record.call_id for record in records}) == len(records)


async def test_both_sides_can_be_made_to_hang_up_at_once(lab: Lab, house: House) -> None:
    """A customer in a long wait and an agent in a long sentence hang up when told to, not when they are done."""
    agents = await lab.sign_on_agents(house.phones, Habits(answers_after=(0.1, 0.2), talks=(60.0, 90.0)))
    steps = (Listen(seconds=0.2), Press(keys="1"), Stay(seconds=60.0))
    placed = [await lab.dial(customer(caller=f"1380013800{number}", steps=steps)) for number in range(2)]
    await until(lambda: sum(agent.talking for agent in agents) == 2)
    talking = [agent for agent in agents if agent.talking]
    await talking[0].hang_up()
    await until(lambda: lab.counts().of("customer", "answered") == 1)
    (rest,) = [call for call in placed if not call.over]
    await rest.hang_up()
    assert (await rest.ended()).hung_up_by == "lab"
    (first,) = [record for record in lab.records() if record.kind == "customer" and record.id != rest.id]
    assert first.hung_up_by == "far"


async def test_cancelling_a_run_ends_its_calls(lab: Lab, house: House) -> None:
    """A script that is cancelled leaves nobody on the line."""
    people = (Person(kind="patient", weight=1, wish="", ending="menu", patience=(60.0, 90.0)),)
    visits = script(seed=1, called=["4008001234"], callers=["13800138000"], rate=5, seconds=2, people=people)
    run = lab.run_customers(visits)
    await until(lambda: sum(bool(call.answer) for call in lab.book.open_calls) == len(visits))
    run.cancel()
    await until(lambda: not lab.book.open_calls)
    assert lab.counts().of("customer", "answered") == len(visits)


async def test_a_killed_lab_leaves_no_process(lab_binary: LabBinary, tmp_path: Path) -> None:
    """SIGKILL of the process that runs the lab takes its Asterisk along."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "lab", "run", "--trunk", "127.0.0.1:9", "--seconds", "60", "--rate", "0.01",
        "--seed", "1", "--asterisk", shlex.join(lab_binary.argv), "--modules", str(lab_binary.modules),
        "--folder", str(tmp_path / "lab"), env={**os.environ, **lab_binary.environment},
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    pid_file = tmp_path / "lab" / "run" / "asterisk.pid"
    await until(lambda: pid_file.exists() and pid_file.read_text().strip())
    pid = int(pid_file.read_text())
    process.kill()
    await process.wait()
    await until(lambda: not Path(f"/proc/{pid}").exists())


async def test_speaks_a_sound(lab: Lab, house: House) -> None:
    """A customer who leaves a message sends real media; the call lasts at least as long as the sound."""
    placed = await lab.dial(
        customer(steps=(Listen(seconds=0.2), Press(keys="1"), Speak(sound="greeting"), HangUp()))
    )
    record = await placed.ended()
    assert record.talk_seconds > 3.0


async def test_nothing_stays_behind(lab_binary: LabBinary, tmp_path: Path) -> None:
    """The lab starts in under 5 s, and a stopped lab has no process and no open port."""
    begin = asyncio.get_running_loop().time()
    lab = Lab(lab_binary, tmp_path / "lab", trunk=("127.0.0.1", 9))
    await lab.start()
    assert asyncio.get_running_loop().time() - begin < 5 + SLACK
    pid, port = lab.network.pid, lab.sip_port
    assert pid
    await lab.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", port))


async def test_a_taken_port_is_named(lab_binary: LabBinary, tmp_path: Path) -> None:
    """R41: the lab says which port is taken, and leaves nothing running."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        lab = Lab(lab_binary, tmp_path / "lab", trunk=("127.0.0.1", 9), sip_port=port)
        with pytest.raises(NetworkFailed, match=f"UDP port {port}"):
            await lab.start()
    assert lab.network.pid == 0


async def test_a_killed_network_is_noticed(lab_binary: LabBinary, house: House, tmp_path: Path) -> None:
    """Calls going on when the public network dies are written down, and stop() still returns."""
    lab = Lab(lab_binary, tmp_path / "lab", trunk=("127.0.0.1", house.port))
    await lab.start()
    placed = await lab.dial(customer())
    await placed.answered()
    os.kill(lab.network.pid, signal.SIGKILL)
    await lab.stop()
    assert (await placed.ended(1)).note == "the lab was stopped"


@pytest.fixture
def sipp(tmp_path: Path) -> Sipp:
    try:
        return Sipp(folder=tmp_path / "sipp", argv=find_tool(CACHE, "sipp"))
    except ProgramMissing as error:
        pytest.skip(str(error))


async def test_sipp_walks_the_menu_by_info(sipp: Sipp, house: House) -> None:
    """Keys by SIP INFO arrive; every Call-ID of SIPp's log is in the dealership's CDR with the same times."""
    run = await sipp.run(
        "uac_ivr_info", target=("127.0.0.1", house.port), called="4008001234", calls=5, rate=5,
        keys=((0.3, "9"), (0.2, "40*7")), stay=0.5, callers=(("Anna", "13800138000"), ("", "13800138001")),
    )  # fmt: skip
    assert run.exit_code == 0, run.errors
    assert len(run.calls) == 5
    assert all(call.answered and call.keys_sent == 5 and call.ended_by == "caller" for call in run.calls)
    await until(lambda: {row.call_id for row in house.rows()} == {call.call_id for call in run.calls})
    assert {row.keys for row in house.rows()} == {"940*7"}
    assert {row.caller for row in house.rows()} == {"13800138000", "13800138001"}


async def test_sipp_sees_the_dealership_hang_up(sipp: Sipp, house: House) -> None:
    """A BYE from the dealership is the end of a call that went well."""
    run = await sipp.run(
        "uac_ivr_info", target=("127.0.0.1", house.port), called="4008001234", keys=((0.3, "8"),), stay=20.0
    )
    assert run.exit_code == 0, run.errors
    (call,) = run.calls
    assert call.ended_by == "dealership"
    assert call.start < call.answer < call.end < call.answer + 3 + SLACK


async def test_sipp_gives_up_or_is_refused(sipp: Sipp, house: House) -> None:
    """CANCEL while ringing ends with 487; a refused call keeps the dealership's code."""
    target = ("127.0.0.1", house.port)
    run = await sipp.run("uac_cancel", target=target, called="4008000000", stay=0.3)
    assert [(call.code, call.ended_by, call.answer) for call in run.calls] == [(487, "caller", 0.0)]
    run = await sipp.run("uac_hangup_early", target=target, called="4008009999", deadline=30)
    assert [(call.code, call.answered) for call in run.calls] == [(503, False)]
    assert run.exit_code != 0


async def test_sipp_odd_callers(sipp: Sipp, house: House) -> None:
    """R37, S02: names meant to harm reach the dealership as they are, and every call is answered."""
    run = await sipp.run(
        "uac_odd_caller", target=("127.0.0.1", house.port), called="4008001234", calls=len(ODD_CALLERS),
        callers=ODD_CALLERS, stay=0.3,
    )  # fmt: skip
    assert run.exit_code == 0, run.errors
    assert all(call.answered for call in run.calls)
    await until(lambda: {row.call_id for row in house.rows()} == {call.call_id for call in run.calls})
    names = " ".join(row.name for row in house.rows())
    assert "<img src=x onerror=alert(1)>" in names
    assert "=cmd|' /C calc'!A0" in names
    assert "\u202e" in names
    assert "🚗" in names


async def test_sipp_burst(sipp: Sipp, house: House) -> None:
    """R36: many callers in one second, all answered."""
    run = await sipp.run(
        "uac_burst", target=("127.0.0.1", house.port), called="4008001234", calls=40, rate=40, stay=1.5
    )
    assert run.exit_code == 0, run.errors
    assert len({call.call_id for call in run.calls}) == 40
    assert all(call.answered for call in run.calls)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="raw sockets need root")
async def test_sipp_keys_by_rfc4733(sipp: Sipp, house: House) -> None:
    """Root only: SIPp's own RFC 4733 events arrive as the keys they stand for."""
    run = await sipp.run(
        "uac_ivr_rfc4733", target=("127.0.0.1", house.port), called="4008001234",
        keys=((0.5, "9"), (0.5, "4"), (0.5, "0"), (0.5, "7"), (0.5, "#")), stay=1.0,
    )  # fmt: skip
    assert run.exit_code == 0, run.errors
    await until(house.rows)
    assert house.rows()[0].keys == "9407"
