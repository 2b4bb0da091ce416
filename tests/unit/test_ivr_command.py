"""`careline ivr`: the flows are checked, played, recorded and replayed; docs/menus.md names every step and key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.commands.ivr import app
from ivr.loader import FIELDS

RUN = CliRunner()
ROOT = Path(__file__).resolve().parents[2]
AT = ["--at", "2026-11-23T10:00"]


def test_the_shipped_flows_have_no_mistakes() -> None:
    result = RUN.invoke(app, ["check"])
    assert result.exit_code == 0, result.output
    assert "service.yaml: " in result.output


def test_a_call_played_by_hand_is_a_case_that_replays(tmp_path: Path) -> None:
    case = tmp_path / "case.yaml"
    played = RUN.invoke(app, ["simulate", "service", *AT, "--record", str(case)], input="\n8\n2\n")
    assert played.exit_code == 0, played.output
    assert "您好，欢迎致电客户服务热线。" in played.output
    assert "To speak to a person, press zero." in played.output
    assert "route queue-sales-0-300" in played.output
    again = RUN.invoke(app, ["simulate", "service", "--case", str(case)])
    assert again.exit_code == 0, again.output
    case.write_text(
        case.read_text(encoding="utf-8").replace("queue-sales", "queue-service"), encoding="utf-8"
    )
    changed = RUN.invoke(app, ["simulate", "service", "--case", str(case)])
    assert changed.exit_code == 1
    assert "expected, not seen: route queue-service-0-300" in changed.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["simulate", "nothing"],
            "Allowed: campaign_maintenance, campaign_nobody, complaints, leaving, rating, service, survey.",
        ),
        (["simulate", "service", "--at", "soon"], "is no time"),
        (["simulate", "service", "--case", "/nowhere.yaml"], "No such file"),
    ],
)
def test_wrong_use_says_what_is_allowed(arguments: list[str], says: str) -> None:
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 2
    assert says in result.output


def test_mistakes_of_a_house_are_told_with_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("flow: mine\nlanguage: fr\n", encoding="utf-8")
    monkeypatch.setenv("CARELINE__IVR__FLOWS", str(tmp_path))
    result = RUN.invoke(app, ["check"])
    assert result.exit_code == 1
    assert "mine.yaml:1: the file has no start" in result.output


def test_the_page_on_menus_names_every_step_and_key() -> None:
    page = (ROOT / "docs" / "menus.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z_]+) \| (.*?) \|", page, re.MULTILINE))
    rows.pop("do")
    assert set(rows) == set(FIELDS)
    for kind, (_, fields) in FIELDS.items():
        named = {word for word in re.sub(r"\(.*?\)", "", rows[kind]).replace(",", " ").split() if word}
        assert named == set(fields), kind
