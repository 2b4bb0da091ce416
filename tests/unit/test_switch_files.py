"""The files rendered for Asterisk: what they never hold, what they always hold, which settings are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from telephony.asterisk import names
from telephony.asterisk.install import AsteriskBinary
from telephony.asterisk.render import (
    Layout,
    RenderError,
    SwitchSecrets,
    UnsafeValue,
    check,
    dial_rules,
    render_texts,
)
from telephony.options import (
    DepartmentOptions,
    FenceOptions,
    HotlineOptions,
    QueueOptions,
    RecordingOptions,
    SipOptions,
    SwitchOptions,
    TelephonyOptions,
    TrunkOptions,
)
from telephony.phones import Phone, PhoneKind

SECRETS = SwitchSecrets(ami_events_secret="e" * 24, ami_actions_secret="a" * 24, agi_secret="g" * 24)
BINARY = AsteriskBinary(
    argv_prefix=("/nowhere/asterisk",),
    version="22.10.1",
    modules_dir=Path("/nowhere/modules"),
    sounds_dir=None,
    moh_dir=Path("/nowhere/moh"),
)
PHONES = (
    Phone(endpoint="pDesk00000000001", secret="secret-of-desk", kind=PhoneKind.DESK, owner_id="01A"),
    Phone(endpoint="pBrowser00000001", secret="secret-of-browser", kind=PhoneKind.BROWSER, owner_id="01B"),
)
LAYOUT = Layout(data=Path("/srv/careline"))


def texts(options: TelephonyOptions | None = None, phones: tuple[Phone, ...] = PHONES) -> dict[str, str]:
    options = options or TelephonyOptions(recording=RecordingOptions(enabled=True))
    recordings = Path("/srv/careline/recordings")
    check(options, SECRETS, phones, LAYOUT, recordings)
    return render_texts(
        options,
        SECRETS,
        phones,
        BINARY,
        LAYOUT,
        recordings,
        announce_position=True,
        first_step_seconds=3.0,
    )


def test_dialplan_runs_no_program() -> None:
    """No System, SHELL, EVAL; MixMonitor without its command argument; no address but ours."""
    dialplan = "\n".join(
        line for line in texts()["extensions.conf"].splitlines() if not line.lstrip().startswith(";")
    )
    for word in (
        "System(",
        "TrySystem(",
        "SHELL(",
        "EVAL(",
        "Exec(",
        "Originate(",
        "CURL(",
        "${CALLERID(name)",
    ):
        assert word not in dialplan, word
    (monitor,) = re.findall(r"MixMonitor\((.*)\)", dialplan)
    assert monitor.count(",") == 1
    assert "AGIEXITONHANGUP=yes" in dialplan


def test_only_the_outbound_contexts_reach_the_trunk() -> None:
    """S16: Dial() of the trunk stands in the outbound contexts and nowhere else."""
    context = ""
    for line in texts()["extensions.conf"].splitlines():
        if line.startswith("["):
            context = line.strip("[]")
        if f"@{names.TRUNK}" in line and not line.lstrip().startswith(";"):
            assert context in (names.OUTBOUND, f"{names.OUTBOUND}-dial"), line


def test_nobody_hands_a_call_over_by_sip() -> None:
    """S16: a REFER would move a customer's leg into the phones' context, past the phone's fence and the record."""
    text = texts()["pjsip.conf"]
    (base,) = re.findall(r"^\[media\]\(!\)\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    assert "allow_transfer = no" in base.splitlines()
    assert text.count("allow_transfer") == 1
    endpoints = re.findall(r"^\[[^\]]+\]\(([^)]*)\)$", text, re.MULTILINE)
    assert {each.replace("!,", "") for each in endpoints} <= {
        "!",
        "media",
        "phone",
        "phone-desk",
        "phone-browser",
    }


def test_contexts_of_the_trunk_hold_no_way_out() -> None:
    """The inbound context includes nothing and names no outbound context."""
    dialplan = texts()["extensions.conf"]
    inbound = dialplan.split(f"[{names.INBOUND}]")[1].split(f"[{names.ROUTE}]")[0]
    assert names.OUTBOUND not in inbound
    assert "include" not in inbound


def test_patterns_do_not_swallow_the_hang_up() -> None:
    """Where a pattern with several steps could match h, h leaves the context (else its steps would run at the end)."""
    for part in re.split(r"^\[", texts()["extensions.conf"], flags=re.MULTILINE)[1:]:
        if re.search(r"^exten => _(!|\[0-9A-Za-z)", part, re.MULTILINE):
            leaves = re.search(r"^exten => h,1,Goto\(careline-[a-z-]+,s,1\)$", part, re.MULTILINE)
            assert leaves or part.startswith(names.OUTBOUND), part[:200]


def test_manager_is_on_loopback_with_two_narrow_users() -> None:
    """S18, reliability.md 3.2."""
    text = texts()["manager.conf"]
    assert "bindaddr = 127.0.0.1" in text
    assert text.count("deny = 0.0.0.0/0.0.0.0") == 2
    assert "write = originate,call,agent,reporting" in text
    for right in ("system", "command", "config"):
        assert not re.search(rf"^write = .*{right}", text, re.MULTILINE)
    assert text.count("writetimeout = 10000") == 2
    assert "timestampevents = yes" in text


def test_phones_and_trunk() -> None:
    text = texts()["pjsip.conf"]
    assert "endpoint_identifier_order = username,auth_username,ip\n" in text
    assert "dtmf_mode = auto_info" in text
    assert "[pBrowser00000001](phone-browser)" in text
    assert "[pDesk00000000001](phone-desk)" in text
    assert "type = registration" not in text
    with_login = texts(TelephonyOptions(trunk=TrunkOptions(user="dealer", password='p$&a"ss')))["pjsip.conf"]
    assert "type = registration" in with_login
    assert 'password = p$&a"ss' in with_login


def test_fallback_queue_rings_every_phone() -> None:
    """Its members are all phones under names of their own: a pause of PJSIP/endpoint does not meet them."""
    text = texts()["queues.conf"].split(f"[{names.FALLBACK_QUEUE}]")[1]
    for phone in PHONES:
        member = f"PJSIP/{phone.endpoint}/{phone.endpoint},0,{phone.owner_id},PJSIP/{phone.endpoint}"
        assert f"member => {member}" in text


def test_fences_are_in_the_dialplan() -> None:
    fences = FenceOptions(
        allowed_prefixes=["+86", "+852"],
        refused_prefixes=["+86900"],
        calls_per_hour=7,
        longest_call_minutes=2,
    )
    text = texts(TelephonyOptions(fences=fences))["extensions.conf"]
    assert "exten => _+852X!,1," in text
    assert f"exten => _+86900!,1,Goto({names.OUTBOUND}-refused,prefix,1)" in text
    assert "$[${CL_COUNT} > 7]" in text
    assert "S(120)" in text
    for number in ("110", "119", "120"):
        assert f"exten => {number},1," in text


def test_files_older_asterisks_read() -> None:
    """Without res_cdrel_custom the same fields stand in the older mappings, in the same order."""
    text = texts()["cel_custom.conf"]
    assert text.count("CSV_QUOTE") == len(names.CEL_FIELDS)
    assert "${CSV_QUOTE(${CDR(start,u)})}" in texts()["cdr_custom.conf"]


def test_departments_and_last_resort() -> None:
    options = TelephonyOptions(
        departments={
            "parts": DepartmentOptions(number="+862161234567"),
            "care": DepartmentOptions(queue="service"),
        },
        hotline=HotlineOptions(last_resort_phone="pDesk00000000001"),
    )
    text = texts(options)["extensions.conf"]
    assert f"Dial(Local/+862161234567@{names.OUTBOUND}/n,60,im${{CL_STAYS}})" in text
    assert f" same => n,Set(CL_HOPS=0)\n same => n,Goto({names.QUEUES},service,1)" in text
    assert "exten => department-care,1,Gosub(stays,1(${EXTEN}))" in text
    assert "Dial(PJSIP/pDesk00000000001,45,im)" in text


def test_s16_no_dial_and_no_queue_follows_a_forwarding() -> None:
    """Option i everywhere, so that a new line cannot forget it; Dial's third argument, Queue's second."""
    options = TelephonyOptions(
        departments={"parts": DepartmentOptions(number="+862161234567")},
        hotline=HotlineOptions(last_resort_phone="pDesk00000000001"),
    )
    lines = [line for line in texts(options)["extensions.conf"].splitlines() if not line.startswith(";")]
    orders = [line for line in lines if re.search(r",(Dial|Queue)\(", line)]
    assert len(orders) > 8
    for line in orders:
        assert re.search(r",Dial\(.*,i[mS]?|,Queue\([^,]+,iC", line), line


@pytest.mark.parametrize(
    "options",
    [
        TelephonyOptions(trunk=TrunkOptions(host="1.2.3.4\nmatch = 0.0.0.0/0")),
        TelephonyOptions(trunk=TrunkOptions(host="1.2.3.4;x")),
        TelephonyOptions(trunk=TrunkOptions(user="a", password="x;y")),
        TelephonyOptions(trunk=TrunkOptions(user="a", password="x\ny")),
        TelephonyOptions(trunk=TrunkOptions(caller_id="1&PJSIP/2")),
        TelephonyOptions(sip=SipOptions(bind="127.0.0.1 evil")),
        TelephonyOptions(switch=SwitchOptions(agi_host="a,b")),
        TelephonyOptions(hotline=HotlineOptions(last_resort_phone="a&b")),
        TelephonyOptions(hotline=HotlineOptions(area_code="${X}")),
        TelephonyOptions(hotline=HotlineOptions(numbers={"1)": "service"})),
        TelephonyOptions(queues={"a": QueueOptions(music="x\n[evil]")}),
    ],
)
def test_unsafe_settings_are_refused(options: TelephonyOptions) -> None:
    """R41, S01: nothing that would change the meaning of a file gets into it; the key is named."""
    with pytest.raises(UnsafeValue, match=r"telephony\."):
        texts(options)


def test_a_secret_is_never_shown() -> None:
    with pytest.raises(UnsafeValue) as caught:
        texts(TelephonyOptions(trunk=TrunkOptions(user="a", password="hunter2;")))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (TelephonyOptions(queues={"a": QueueOptions(overflow="nowhere")}), "nowhere"),
        (TelephonyOptions(departments={"d": DepartmentOptions(queue="nowhere")}), "nowhere"),
        (TelephonyOptions(queues={}), "empty"),
        (TelephonyOptions(hotline=HotlineOptions(last_resort_phone="pNoSuchPhone")), "pNoSuchPhone"),
    ],
)
def test_impossible_settings_are_refused(options: TelephonyOptions, word: str) -> None:
    with pytest.raises(RenderError, match=word):
        texts(options)


def test_two_phones_of_one_name_are_refused() -> None:
    with pytest.raises(RenderError, match="pDesk00000000001"):
        texts(phones=(PHONES[0], PHONES[0]))


@pytest.mark.parametrize(
    ("country", "area", "numbers"),
    [
        ("CN", "021", {"plus": "${CL_NUMBER}", "abroad": "+${CL_NUMBER:2}", "national": "+86${CL_NUMBER:1}"}),
        ("CN", "021", {"local": "+8621${CL_NUMBER}", "bare": "+86${CL_NUMBER}"}),
        ("US", "", {"abroad": "+${CL_NUMBER:3}", "bare": "+1${CL_NUMBER}"}),
        ("DE", "", {"national": "+49${CL_NUMBER:1}"}),
    ],
)
def test_dial_rules(country: str, area: str, numbers: dict[str, str]) -> None:
    """What agents write becomes E.164 by the country's own prefixes."""
    rules = {rule.label: rule.number for rule in dial_rules(country, area)}
    for label, number in numbers.items():
        assert rules[label] == number


def test_a_long_path_gets_a_short_socket() -> None:
    """A Unix socket's path has room for 108 bytes."""
    assert Layout(data=Path("/srv/x")).run == Path("/srv/x/asterisk/run")
    assert len(str(Layout(data=Path("/srv") / ("x" * 200)).run)) < 90
