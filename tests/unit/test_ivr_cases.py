"""Every recorded case of the shipped flows does what it did; the session is reloaded between every two steps.

After a wanted change of a flow: `careline ivr simulate FLOW --case FILE --record FILE`, then read the difference.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from config.menu_ports import HouseCalendar
from config.menus import QUEUE_EXIT, flows_folder, house, limits, load_menus
from config.settings import Settings
from ivr.loader import load_flow
from ivr.simulator import CaseRefused, Stage, case_text, promise_in, read_case, replay
from telephony.hours import WorkingTime

CASES = sorted((Path(__file__).parent.parent / "ivr_cases").glob("*.yaml"))
SETTINGS = Settings()


def stage_of(flow: str) -> Stage:
    working = WorkingTime.from_options(SETTINGS.calendar)
    return Stage(
        flow=load_flow(
            flows_folder(SETTINGS) / f"{flow}.yaml", house(SETTINGS), "sales" if flow == QUEUE_EXIT else None
        ),
        limits=limits(SETTINGS),
        calendar=HouseCalendar(working, SETTINGS.calendar.zone),
        promise=promise_in(SETTINGS.telephony.callback.promise_minutes, working.add_working),
    )


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    case = read_case(path.read_text(encoding="utf-8"), path.name)
    assert replay(case, stage_of(case.flow)) == list(case.expect)


def test_there_are_cases_for_what_the_hotline_serves() -> None:
    routes = {
        line
        for path in CASES
        for line in read_case(path.read_text(encoding="utf-8"), path.name).expect
        if line.startswith("route ")
    }
    assert {line.split("-")[0] for line in routes} == {
        "route queue",
        "route agent",
        "route voicemail",
        "route hangup",
    }
    assert {line.split("-")[1] for line in routes if line.startswith("route queue")} == {
        "service",
        "sales",
        "complaints",
        "roadside",
    }


def test_a_case_written_is_the_case_read() -> None:
    for path in CASES:
        case = read_case(path.read_text(encoding="utf-8"), path.name)
        assert read_case(case_text(case), path.name) == case


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "a case is a mapping"),
        ("case: x\nflow: service\ntime: 2026-01-01T00:00:00\n", "no offset"),
        ("case: x\nflow: service\nwhen: now\n", "unknown keys when"),
        ("case: x\nflow: service\ntime: soon\n", "soon"),
        ("a: [", "not YAML"),
    ],
)
def test_a_file_that_is_no_case_is_refused_with_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(CaseRefused, match=says):
        read_case(text, "x.yaml")


def test_the_shipped_menus_load_for_the_sample_house() -> None:
    menus = load_menus(SETTINGS)
    assert {number: flow.name for number, flow in menus.numbers.items()} == {
        "4008001234": "service",
        "4008005678": "complaints",
    }
    assert set(menus.leaving) == set(SETTINGS.telephony.queues)
