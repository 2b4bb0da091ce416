"""Scripts on both databases: approval by a second person, two at once, and what an upgrade makes of older ones."""

from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Boolean, Integer, String, column, create_engine, insert, table

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.definitions import seed
from crm.scripts.drafts import faults
from crm.scripts.states import ScriptChanged, ScriptNotFound, ScriptStep, ScriptVersion
from crm.versions import VersionState, VersionStep
from storage import migrations, script_samples, script_versions, users
from storage.database import Database
from storage.migrations import upgrade
from storage.tables.base import Json, Utc


def person(database: Database, clock: FrozenClock, login: str, role: Role) -> Principal:
    user = User(
        id=new_id(clock.now()),
        login=login,
        name=login.title(),
        role=role,
        language="zh-CN",
        theme="auto",
        created_at=clock.now(),
    )
    database.write_now(lambda c: users.insert_user(c, user, password_hash="x"))
    return Principal(role=role, via=Via.SESSION, name=user.name, user_id=user.id)


class House:
    """A house with the shipped scripts, somebody who writes and two who approve."""

    def __init__(self, database: Database, clock: FrozenClock) -> None:
        self.database, self.clock = database, clock
        database.write_now(lambda c: seed(c, clock.now()))
        self.chen, self.zhao, self.qian = (
            person(database, clock, login, role)
            for login, role in (("chen", Role.SUPERVISOR), ("zhao", Role.MANAGER), ("qian", Role.MANAGER))
        )

    def draft(self, by: Principal | None = None, **changes: Any) -> ScriptVersion:
        def work(c: Any) -> ScriptVersion:
            newest = script_versions.versions_of(c, "reception")[0].body
            return script_versions.begin_draft(
                c, "reception", body={**newest, **changes}, by=by or self.chen, now=self.clock.now()
            )

        return self.database.write_now(work)

    def save(self, row: ScriptVersion, by: Principal, revision: int, **changes: Any) -> ScriptVersion:
        return self.database.write_now(
            lambda c: script_versions.save_draft(
                c,
                row.name,
                row.version,
                {**row.body, **changes},
                revision=revision,
                by=by,
                now=self.clock.now(),
            )
        )

    def step(
        self,
        step: VersionStep,
        by: Principal,
        version: int,
        *,
        why: str = "因为",
        revision: int | None = None,
    ) -> ScriptVersion:
        return self.database.write_now(
            lambda c: script_versions.take_step(
                c, "reception", version, step, revision=revision, by=by, why=why, now=self.clock.now()
            )
        )

    def read(self) -> dict[str, int]:
        """What agents see: name to version."""
        return {one.name: one.version for one in self.database.read_now(script_versions.in_force)}

    def versions(self) -> list[ScriptVersion]:
        return self.database.read_now(lambda c: script_versions.versions_of(c, "reception"))


@pytest.fixture
def house(database: Database, clock: FrozenClock) -> House:
    return House(database, clock)


def test_what_is_shipped_is_approved_once(house: House) -> None:
    assert house.database.write_now(lambda c: seed(c, house.clock.now())) == 0
    assert set(house.read()) >= {
        *(
            "reception",
            "complaint",
            "return_visit",
            "delivery_visit",
            "service_visit",
            "maintenance_reminder",
        ),
        *("complaint_intake", "tell_plan", "second_visit", "appointment_confirmation", "no_show"),
    }
    assert set(house.read().values()) == {1}
    (only,) = house.versions()
    assert [(one.step.value, one.by_name) for one in only.history] == [
        ("write", "Careline"),
        ("approve", "Careline"),
    ]


def test_agents_see_what_somebody_else_approved_and_the_older_version_retires(house: House) -> None:
    label = {"zh-CN": "来电", "en": "Call"}
    row = house.draft(label=label)
    assert (row.version, row.state) == (2, VersionState.DRAFT)
    assert house.draft(by=house.zhao).version == 2, "one version in work at a time"
    with pytest.raises(ScriptStep, match="Say what was changed"):
        house.step(VersionStep.SUBMIT, house.chen, 2, why=" ")
    house.step(VersionStep.SUBMIT, house.chen, 2, why="名称更短")
    assert house.read()["reception"] == 1
    with pytest.raises(ScriptStep, match="did not write it"):
        house.step(VersionStep.APPROVE, house.chen, 2)
    house.step(VersionStep.SEND_BACK, house.zhao, 2, why="英文再看看")
    # Whoever mends a draft has written it, too.
    house.save(row, house.zhao, 1, label={**label, "en": "Incoming"})
    house.step(VersionStep.SUBMIT, house.chen, 2, why="改了英文")
    with pytest.raises(ScriptStep, match="did not write it"):
        house.step(VersionStep.APPROVE, house.zhao, 2)
    assert house.read()["reception"] == 1
    house.step(VersionStep.APPROVE, house.qian, 2, why="")
    assert house.read()["reception"] == 2
    newest, first = house.versions()
    assert (newest.state, first.state) == (VersionState.APPROVED, VersionState.RETIRED)
    assert [one.step.value for one in newest.history] == [
        *("write", "submit", "send_back", "write", "submit", "approve"),
    ]
    assert [one.by_name for one in newest.history] == ["Chen", "Chen", "Zhao", "Zhao", "Chen", "Qian"]
    assert (first.history[-1].step, first.history[-1].by_name) == (VersionStep.REPLACE, "Qian")
    with pytest.raises(ScriptStep):
        house.save(newest, house.chen, newest.revision, label=label)
    house.step(VersionStep.RETIRE, house.zhao, 2, why="不用了")
    assert "reception" not in house.read()
    assert house.draft().version == 3


def test_of_two_who_approve_at_once_the_second_reads_who_was_first(house: House) -> None:
    house.draft()
    house.step(VersionStep.SUBMIT, house.chen, 2)
    gate = threading.Barrier(2)
    results: list[ScriptVersion | ScriptStep] = []

    def approve(by: Principal) -> None:
        gate.wait()
        try:
            results.append(house.step(VersionStep.APPROVE, by, 2))
        except ScriptStep as error:
            results.append(error)

    both = [threading.Thread(target=approve, args=(by,)) for by in (house.zhao, house.qian)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    (done,) = [one for one in results if isinstance(one, ScriptVersion)]
    (refused,) = [one for one in results if isinstance(one, ScriptStep)]
    assert done.state is VersionState.APPROVED
    assert refused.holder == done.history[-1].by_name
    assert (refused.state, refused.allowed_steps) == ("approved", ("retire",))
    assert [one.step for one in house.versions()[0].history].count(VersionStep.APPROVE) == 1
    assert house.read()["reception"] == 2


def test_who_saves_or_decides_on_an_older_text_is_told(house: House) -> None:
    row = house.draft()
    saved = house.save(row, house.zhao, 1, label={"zh-CN": "甲", "en": "A"})
    assert saved.revision == 2
    again = house.save(row, house.zhao, 1, label={"zh-CN": "甲", "en": "A"})
    assert again.revision == 2, "the answer was lost and the same is sent again"
    with pytest.raises(ScriptChanged, match=r"^Zhao has saved this draft") as refused:
        house.save(row, house.chen, 1, label={"zh-CN": "乙", "en": "B"})
    assert (refused.value.holder, refused.value.version) == ("Zhao", 2)
    house.step(VersionStep.SUBMIT, house.chen, 2, revision=2)
    house.step(VersionStep.TAKE_BACK, house.chen, 2)
    house.save(saved, house.chen, 2, label={"zh-CN": "丙", "en": "C"})
    house.step(VersionStep.SUBMIT, house.chen, 2)
    with pytest.raises(ScriptChanged, match="Chen has changed the text since you read it"):
        house.step(VersionStep.APPROVE, house.qian, 2, revision=2)
    assert house.read()["reception"] == 1


def test_a_discarded_draft_was_never_read_to_anybody(house: House) -> None:
    house.draft()
    house.step(VersionStep.DISCARD, house.chen, 2)
    published = house.database.read_now(lambda c: script_versions.published(c, "reception"))
    assert [one.version for one in published] == [1]
    assert house.read()["reception"] == 1
    with pytest.raises(ScriptNotFound):
        house.step(VersionStep.SUBMIT, house.chen, 3)


def test_an_upgrade_marks_what_was_read_as_approved(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a house of the version before has them: versions without states, the newest one read, some retired."""
    at = datetime(2026, 3, 1, tzinfo=UTC)
    before = tmp_path / "history"
    shutil.copytree(migrations.HERE, before, ignore=shutil.ignore_patterns("__pycache__"))
    for revision in (before / "versions").glob("[0-9]*.py"):
        if revision.name >= "0009":
            revision.unlink()
    with monkeypatch.context() as older:
        older.setattr(migrations, "HERE", before)
        upgrade(empty_database_url)
    rows = [
        ("script", "reception", 1, False, "Careline"),
        ("script", "reception", 2, False, "Chen"),
        ("script", "old", 1, True, "Chen"),
        ("form", "other", 1, False, "Careline"),
    ]
    definitions = table(
        "definitions",
        *(column(name, String) for name in ("kind", "name", "by_name", "why")),
        column("version", Integer),
        column("body", Json),
        column("retired", Boolean),
        column("at", Utc()),
    )
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        for place, (kind, name, version, retired, by_name) in enumerate(rows):
            connection.execute(
                insert(definitions).values(
                    kind=kind,
                    name=name,
                    version=version,
                    body={"label": {"en": "x"}},
                    retired=retired,
                    at=at + timedelta(days=place),
                    by_name=by_name,
                    why="改开场白" if version == 2 else "",
                )
            )
    engine.dispose()
    upgrade(empty_database_url)
    database = Database(empty_database_url, readers=1, writers=1)
    try:
        found = {
            (one.name, one.version): one
            for name in ("reception", "old")
            for one in database.read_now(lambda c, name=name: script_versions.versions_of(c, name))
        }
        assert {key: one.state.value for key, one in found.items()} == {
            ("reception", 1): "retired",
            ("reception", 2): "approved",
            ("old", 1): "retired",
        }
        assert [one.name for one in database.read_now(script_versions.in_force)] == ["reception"]
        assert [(one.step.value, one.by_name, one.why) for one in found["reception", 2].history] == [
            ("write", "Chen", "改开场白"),
            ("approve", "Careline", ""),
        ]
        assert found["reception", 1].history[-1].step is VersionStep.REPLACE
        assert found["old", 1].history[-1].step is VersionStep.RETIRE
        assert found["reception", 2].history[-1].at == at + timedelta(days=1)
        # What is shipped and not there yet comes with the next start; what the house has stays.
        database.write_now(lambda c: seed(c, at + timedelta(days=9)))
        names = {one.name: one.version for one in database.read_now(script_versions.in_force)}
        assert (names["reception"], names["delivery_visit"]) == (2, 1)
    finally:
        database.close()


def test_the_sample_has_one_that_waits_for_a_second_person(house: House) -> None:
    person(house.database, house.clock, "supervisor", Role.SUPERVISOR)
    now = house.clock.now()
    assert house.database.write_now(lambda c: script_samples.load(c, now)) == 1
    assert house.database.write_now(lambda c: script_samples.load(c, now)) == 0
    newest = house.database.read_now(lambda c: script_versions.versions_of(c, "service_visit"))[0]
    assert newest.state is VersionState.SUBMITTED
    assert faults(newest.body) == ()
    assert house.read()["service_visit"] == 1
