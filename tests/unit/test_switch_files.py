"""Reading CEL, CDR and queue_log lines: odd ones are counted and stop nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.asterisk import names
from telephony.asterisk.files import endpoint_of, moment, read_cdr, read_cel, read_queue_log
from telephony.facts import FactKind, Source

CAPTURES = Path(__file__).parents[1] / "captures" / "calls"


def cel(event: str, *, extra: str = "", num: str = "13900000009", name: str = "", channel: str = "") -> str:
    values = dict.fromkeys(names.CEL_FIELDS, "")
    values |= {
        "eventtype": event,
        "eventtime": "1795302192.145477",
        "uniqueid": "careline-1.1",
        "linkedid": "careline-1.1",
        "channame": channel or f"PJSIP/{names.TRUNK}-0000000b",
        "num": num,
        "name": name,
        "exten": "4008001234",
        "eventextra": extra,
    }
    return ",".join('"' + value.replace('"', '""') + '"' for value in values.values())


def test_every_captured_line_is_read() -> None:
    for folder in sorted(CAPTURES.iterdir()):
        for file, reader in (("cel.csv", read_cel), ("cdr.csv", read_cdr), ("queue_log", read_queue_log)):
            path = folder / file
            if path.exists():
                assert reader(path.read_text().splitlines()).bad == [], path


def test_a_trunk_channel_is_a_fact_and_a_sighting() -> None:
    reading = read_cel([cel("CHAN_START")])
    (fact,), (sight,) = reading.facts, reading.sights
    assert fact.kind is FactKind.LEG_STARTED
    assert fact.data["trunk"] is True
    assert (fact.data["caller"], fact.data["called"], fact.data["direction"]) == (
        "13900000009",
        "4008001234",
        "inbound",
    )
    assert fact.at == datetime(2026, 11, 21, 23, 3, 12, 145477, tzinfo=UTC)
    assert (sight.uniqueid, sight.direction, sight.source) == ("careline-1.1", "inbound", Source.CEL)


def test_a_hangup_gives_the_cause_and_its_channel_end_is_told_once() -> None:
    reading = read_cel(
        [cel("HANGUP", extra='{"hangupcause":17,"hangupsource":"PJSIP/a7Qk2-0000000c"}'), cel("CHAN_END")]
    )
    (fact,) = reading.facts
    assert (fact.kind, fact.data) == (FactKind.LEG_ENDED, {"cause": 17, "hung_up_by": "a7Qk2"})


@pytest.mark.parametrize(
    ("event", "extra", "kind", "data"),
    [
        (names.CEL_VOICEMAIL, '{"extra":"a.wav"}', FactKind.VOICEMAIL_LEFT, {"file": "a.wav"}),
        (names.CEL_RECORDING, '{"extra":"r.wav"}', FactKind.RECORDING_STARTED, {"file": "r.wav"}),
        (names.CEL_FALLBACK, '{"extra":"unset"}', FactKind.FALLBACK, {"why": "unset"}),
        (names.CEL_REFUSED, '{"extra":"prefix"}', FactKind.REFUSED, {"rule": "prefix"}),
        (names.CEL_REFUSED, "not json", FactKind.REFUSED, {"rule": "not json"}),
    ],
)
def test_events_of_our_dialplan(event: str, extra: str, kind: FactKind, data: dict[str, str]) -> None:
    (fact,) = read_cel([cel(event, extra=extra)]).facts
    assert (fact.kind, fact.data) == (kind, data)


@pytest.mark.parametrize(
    "name",
    ['"quoted", "comma"', "a,b", "<img onerror>", "=cmd|'/c calc'!A1", "张三 😀", "\u202egnp", "x" * 1000],
)
def test_s02_names_from_outside_do_not_shift_columns(name: str) -> None:
    (fact,) = read_cel([cel("CHAN_START", name=name)]).facts
    assert fact.data["called"] == "4008001234"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "x",
        '"CHAN_START"',
        cel("CHAN_START") + ',"more"',
        cel("CHAN_START")[:-1],
        cel("CHAN_START")[: len(cel("CHAN_START")) // 2],
        cel("CHAN_START").replace("1795302192.145477", "yesterday"),
        cel("CHAN_START").replace("1795302192.145477", "99999999999999999"),
        cel("CHAN_START").replace("careline-1.1", ""),
        cel("CHAN_START").replace("careline-1.1", "x" * 200),
        cel("CHAN_START\0"),
        cel("a b"),
    ],
)
def test_bad_lines_are_counted_and_the_next_one_is_read(line: str) -> None:
    reading = read_cel([line, cel("ANSWER")])
    assert reading.bad_count == 1
    assert len(reading.bad) == 1
    assert [fact.kind for fact in reading.facts] == [FactKind.LEG_ANSWERED]


def test_queue_log_lines_of_nobody_are_left_out() -> None:
    reading = read_queue_log(
        [
            "1795302104|NONE|NONE|NONE|QUEUESTART|",
            "1795302150|MANAGER|service|PJSIP/a7Qk2|ADDMEMBER|",
            "1795302192|careline-1.1|service|AGENT|RINGCANCELED|300",
            "1795302192|careline-1.1|service|NONE|ENTERQUEUE",
            "nothing",
            "1795302192|careline-1.1|service|PJSIP/a7Qk2|RINGNOANSWER|4000",
        ]
    )
    assert reading.bad_count == 2
    (fact,) = reading.facts
    assert (fact.kind, fact.data) == (
        FactKind.RING_MISSED,
        {"queue": "service", "endpoint": "a7Qk2", "rang": 4.0},
    )


@given(st.text(max_size=300))
def test_no_line_stops_a_reader(line: str) -> None:
    for reader in (read_cel, read_cdr, read_queue_log):
        reading = reader([line])
        assert len(reading.facts) + reading.bad_count <= 1


@given(st.lists(st.text(max_size=20), min_size=len(names.CEL_FIELDS), max_size=len(names.CEL_FIELDS)))
def test_no_fields_stop_the_cel_reader(values: list[str]) -> None:
    read_cel([",".join('"' + value.replace('"', '""') + '"' for value in values)])


def test_moments() -> None:
    assert moment("0.000000") is None
    assert moment("") is None
    assert moment("1795302192.5") == datetime(2026, 11, 21, 23, 3, 12, 500000, tzinfo=UTC)
    assert endpoint_of("PJSIP/a7Qk2-0000001c") == "a7Qk2"
    assert endpoint_of("PJSIP/careline-trunk-0000001c") == "careline-trunk"
    assert endpoint_of("Local/8@careline-agents-00000001;1") == ""
