"""The maker's file: nothing twice, nothing lost; reports that are drafted by themselves."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from access.audit import Action, Entry
from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.reports import ReportBook
from config.report_ticks import ReportTicks
from crm.records.vehicles import Role as VehicleRole
from crm.reports.documents import Cadence, ReportKind, Schedule, due_period
from crm.reports.maker import STEPS as MAKER_STEPS
from crm.reports.maker import MakerState, MakerStep, Need
from crm.reports.options import MakerColumn, ReportOptions
from crm.reports.rows import Figure, ReportChanged, ReportStepRefused, Source, Wanted, read_wanted
from crm.reports.work import STEPS, WorkState, WorkStep, next_state, possible
from storage import case_reports, customers, erasure, maker_visits, users, vehicles, work_reports
from storage.database import Database, StorageUnavailable
from storage.tables.aftercall import registrations
from storage.tables.reports import maker_file_visits, maker_files
from storage.tables.telephony import agent_changes
from storage.traces import person_of, scan
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

_HOURS = WorkingTime.from_options(CalendarOptions())
_OPTIONS = ReportOptions(maker_format="csv")
_NOW = datetime(2026, 6, 16, 10, 40, tzinfo=UTC)  # 18:40 at the house


def _agent(connection: Connection, now: datetime) -> User:
    user = User(
        id=new_id(now),
        login=new_id(now).lower()[-12:],
        name="李小梅",
        role=Role.AGENT,
        language="zh-CN",
        theme="auto",
        created_at=now,
    )
    users.insert_user(connection, user, password_hash="x")
    return user


def _visited(database: Database, now: datetime, *, complete: bool = True, name: str = "王芳") -> str:
    """A customer who was reached in a return visit; gives the id."""

    def work(connection: Connection) -> str:
        agent = _agent(connection, now)
        person = customers.add_customer(connection, name=name, now=now)
        customers.add_contact(connection, person.id, E164(f"+86138{abs(hash(person.id)) % 10**8:08d}"), now)
        if complete:
            _car(connection, person.id, now)
        connection.execute(
            insert(registrations).values(
                id=new_id(now),
                call_id=new_id(now),
                agent_id=agent.id,
                customer_id=person.id,
                direction="outbound",
                call_type="return_visit",
                reason="",
                disposition="reached",
                human=True,
                contact=True,
                success=True,
                final=True,
                do_not_call=False,
                callback=False,
                version=1,
                filed_at=now,
                filed_by=agent.id,
                changed_at=now,
            )
        )
        return str(person.id)

    return database.write_now(work)


def _car(connection: Connection, customer_id: str, now: datetime) -> str:
    vin = f"LVGBE40K{new_id(now)[-9:]}".replace("I", "1").replace("O", "0").replace("Q", "9")
    car = vehicles.add_vehicle(connection, now=now, vin=vin, plate="沪A12345", brand="丰田", model="凯美瑞")
    vehicles.add_person(connection, car.id, customer_id, VehicleRole.OWNER, now)
    return str(car.id)


def _book(database: Database, clock: FrozenClock) -> ReportBook:
    return ReportBook(database, _HOURS, _OPTIONS, now=clock.now)


def _entry(now: datetime) -> Entry:
    return Entry(id=new_id(now), at=now, action=Action.MAKER_STEPPED, actor_name="test")


def _rows(database: Database, file_id: str) -> list[list[str]]:
    content = database.read_now(
        lambda c: c.execute(select(maker_files.c.content).where(maker_files.c.id == file_id)).scalar_one()
    )
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


async def test_a_file_holds_what_is_complete_and_the_next_only_what_is_new_or_corrected(
    database: Database,
) -> None:
    """Incomplete visits stay behind by name until they are completed; a correction goes out again, marked."""
    clock = FrozenClock(_NOW)
    book = _book(database, clock)
    whole = _visited(database, _NOW)
    bare = _visited(database, _NOW, complete=False, name="=1+1")
    first = await book.make_maker_file(None, "evening:2026-06-16", _entry(_NOW))
    again = await book.make_maker_file(None, "evening:2026-06-16", _entry(_NOW))
    assert again["id"] == first["id"]
    assert (first["rows"], first["left_out"]) == (1, 1)
    header, row = _rows(database, first["id"])
    assert header[:2] == ["回访日期", "客户姓名"]
    assert row[1] == "王芳"
    assert row[-1] == "新增"
    page = await book.maker(_manager(), _NOW, day=None, state=None, cursor=None, limit=50)
    needs = {view.visit.customer_id: view.visit for view in page.items}
    assert needs[whole].need is Need.DONE
    assert needs[bare].missing == ["车架号", "车型"]
    clock.advance(86400)

    def mend(connection: Connection) -> None:
        _car(connection, bare, clock.now())
        customers.change_customer(connection, whole, clock.now(), name="王芳芳")

    database.write_now(mend)
    second = await book.make_maker_file(None, "evening:2026-06-17", _entry(clock.now()))
    assert (second["rows"], second["corrected"], second["left_out"]) == (2, 1, 0)
    marks = {line[1]: line[-1] for line in _rows(database, second["id"])[1:]}
    assert marks == {"王芳芳": "更正", "'=1+1": "新增"}
    third = await book.make_maker_file(None, "evening:2026-06-18", _entry(clock.now()))
    assert third["rows"] == 0


def _manager() -> Principal:
    return Principal(role=Role.MANAGER, via=Via.COMMAND, name="m", user_id=None)


async def test_a_lost_answer_of_commit_makes_no_second_file_and_loses_no_visit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The evening is asked for again after a restart: the file that was committed is found."""
    clock = FrozenClock(_NOW)
    _visited(database, _NOW)
    real = database.write
    lost: list[str] = []

    async def write(work: Any) -> Any:
        done = await real(work)
        if isinstance(done, dict) and "sha256" in done and not lost:
            lost.append(done["id"])
            raise StorageUnavailable("the answer was lost")
        return done

    monkeypatch.setattr(database, "write", write)
    ticks = ReportTicks(database, _book(database, clock), _OPTIONS, _HOURS, clock)
    await ticks.look()
    assert lost
    restarted = ReportTicks(database, _book(database, clock), _OPTIONS, _HOURS, clock)
    await restarted.look()
    await restarted.look()

    def count(connection: Connection) -> tuple[int, list[str]]:
        files = connection.execute(select(maker_files.c.id)).all()
        stood = connection.execute(select(maker_file_visits.c.visit_id)).scalars().all()
        return len(files), list(stood)

    files, stood = database.read_now(count)
    assert files == 1
    assert len(stood) == len(set(stood)) == 1


async def test_a_step_between_reading_and_writing_makes_the_file_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entered by hand while the file was made: it does not stand in the file, too."""
    clock = FrozenClock(_NOW)
    book = _book(database, clock)
    _visited(database, _NOW)
    await book.collect_maker(_NOW)
    made = book._file
    stepped: list[str] = []

    def file(visits: Any) -> bytes:
        if not stepped:
            stepped.append(visits[0].id)
            database.write_now(
                lambda c: maker_visits.take_step(
                    c,
                    visits[0].id,
                    MakerStep.BY_HAND,
                    by=_manager(),
                    own_only=False,
                    version=1,
                    note="",
                    columns=_OPTIONS.maker_columns,
                    zone=_HOURS.zone,
                    now=_NOW,
                )
            )
        return made(visits)

    monkeypatch.setattr(book, "_file", file)
    found = await book.make_maker_file(None, "evening:x", _entry(_NOW))
    assert found["rows"] == 0
    page = await book.maker(_manager(), _NOW, day=None, state=MakerState.BY_HAND, cursor=None, limit=9)
    assert [one.visit.id for one in page.items] == stepped


async def test_an_erased_person_is_in_no_file_that_is_kept(database: Database) -> None:
    """The file goes; that it was made, and what else stood in it, stays known."""
    clock = FrozenClock(_NOW)
    book = _book(database, clock)
    person = _visited(database, _NOW)
    made = await book.make_maker_file(None, "evening:x", _entry(_NOW))

    def erase(connection: Connection) -> None:
        found = scan(connection, person_of(connection, person))
        erasure.erase(connection, person, found=found, pseudonym="E1", now=_NOW)

    database.write_now(erase)
    files, _next = await book.maker_files(None, 9)
    assert [(one["id"], one["removed_at"] is None) for one in files] == [(made["id"], False)]
    later = await book.make_maker_file(None, "evening:y", _entry(_NOW))
    assert later["rows"] == 0


async def test_work_reports_are_drafted_for_those_at_work_on_working_days_alone(database: Database) -> None:
    """Once a person and day, also after a restart; nobody owes one on a Sunday."""
    sunday = FrozenClock(datetime(2026, 6, 14, 10, 0, tzinfo=UTC))
    _visited(database, _NOW)

    def at_work(connection: Connection) -> str:
        agent = _agent(connection, _NOW)
        for at in (_NOW - timedelta(hours=8), sunday.now()):
            connection.execute(
                insert(agent_changes).values(
                    id=new_id(at), user_id=agent.id, at=at, event="sign_in", state="ready"
                )
            )
        return agent.id

    agent = database.write_now(at_work)
    await ReportTicks(database, _book(database, sunday), _OPTIONS, _HOURS, sunday).look()
    clock = FrozenClock(_NOW)
    for _restart in range(2):
        await ReportTicks(database, _book(database, clock), _OPTIONS, _HOURS, clock).look()
    found = database.read_now(lambda c: work_reports.of_user(c, agent))
    assert [(one.day, one.state) for one in found] == [(date(2026, 6, 16), WorkState.DRAFT)]
    clock.advance(3600)
    assert found[0].is_late(clock.now())


async def test_a_regular_report_is_drafted_once_a_period(database: Database) -> None:
    """The month before, on its day; again only the next month."""
    clock = FrozenClock(_NOW)
    book = _book(database, clock)
    plan = Schedule(
        id="",
        kind=ReportKind.COMPLAINTS,
        language="zh-CN",
        cadence=Cadence.MONTHLY,
        day=16,
        list_id=None,
        is_on=True,
        since=date(2026, 6, 1),
    )
    database.write_now(lambda c: case_reports.save_schedule(c, plan, _NOW))
    assert [await book.draft_scheduled(clock.now()) for _ in range(2)] == [1, 0]
    clock.set(datetime(2026, 7, 15, 1, 0, tzinfo=UTC))
    assert await book.draft_scheduled(clock.now()) == 0
    clock.set(datetime(2026, 7, 16, 1, 0, tzinfo=UTC))
    assert await book.draft_scheduled(clock.now()) == 1
    found = database.read_now(case_reports.list_reports)
    assert [(one.first, one.last) for one in found] == [
        (date(2026, 6, 1), date(2026, 6, 30)),
        (date(2026, 5, 1), date(2026, 5, 31)),
    ]


@given(
    day=st.integers(1, 31),
    weekly=st.booleans(),
    today=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
)
def test_every_period_is_due_once_and_follows_the_one_before(day: int, weekly: bool, today: date) -> None:
    """Day by day the period stays or becomes the one that follows without a gap."""
    plan = Schedule(
        id="x",
        kind=ReportKind.COMPLAINTS,
        language="en",
        cadence=Cadence.WEEKLY if weekly else Cadence.MONTHLY,
        day=(day - 1) % 7 + 1 if weekly else day,
        list_id=None,
        is_on=True,
        since=date(2000, 1, 1),
    )
    before, after = due_period(plan, today), due_period(plan, today + timedelta(days=1))
    assert before is not None
    assert after is not None
    assert before[1] < today
    assert after == before or after[0] == before[1] + timedelta(days=1)


@given(st.lists(st.tuples(st.sampled_from(list(WorkStep)), st.booleans()), max_size=12))
def test_no_way_leads_to_an_accepted_report_that_was_not_handed_in(
    steps: list[tuple[WorkStep, bool]],
) -> None:
    """Whatever is tried, nobody reviews his own, and what is accepted was handed in before."""
    state, handed_in = WorkState.DRAFT, False
    for step, own in steps:
        try:
            state = next_state(state, step, own=own, manages=True)
        except ReportStepRefused:
            assert step not in possible(state, own=own, manages=True)
            continue
        handed_in = handed_in or step is WorkStep.HAND_IN
        assert state is not WorkState.ACCEPTED or handed_in
        assert own == (step in (WorkStep.SAVE, WorkStep.HAND_IN, WorkStep.TAKE_BACK))
    assert {to for (_at, step), to in STEPS.items() if step is WorkStep.ACCEPT} == {WorkState.ACCEPTED}
    assert (MakerState.EXPORTED, MakerStep.BACK) not in MAKER_STEPS


@given(
    user=st.text("0123456789ABCDEF", max_size=26),
    round_=st.none() | st.integers(1, 99),
    since=st.none() | st.datetimes(timezones=st.just(ZoneInfo("Asia/Shanghai"))),
    none=st.booleans(),
)
def test_a_filter_is_read_as_it_was_written(
    user: str, round_: int | None, since: datetime | None, none: bool
) -> None:
    """What stands in an address, and in a figure that is kept, asks for the same rows."""
    wanted = Wanted(user_id=user, round=round_, since=since, no_department=none, mark="repeated")
    assert read_wanted(wanted.words()) == wanted
    figure = Figure(name="x", source=Source.CASES, wanted=wanted, count=3, seconds=1.5)
    assert Figure.from_plain(figure.plain()) == figure


def test_a_column_holds_a_field_or_a_fixed_text() -> None:
    """A settings file that says both, or neither, is refused at the start."""
    with pytest.raises(ValueError, match="one of our fields or a fixed text"):
        MakerColumn(name="x")
    with pytest.raises(ValueError, match="one of our fields or a fixed text"):
        MakerColumn(name="x", field="name", fixed="y")


async def test_who_steps_on_an_old_version_is_told_what_stands_there(database: Database) -> None:
    """The second of two people sees the first one's step."""
    clock = FrozenClock(_NOW)
    book = _book(database, clock)
    _visited(database, _NOW)
    await book.collect_maker(_NOW)
    page = await book.maker(_manager(), _NOW, day=None, state=None, cursor=None, limit=9)
    visit = page.items[0].visit
    await book.maker_step(_manager(), visit.id, MakerStep.BY_HAND, _entry(_NOW), version=1, note="")
    with pytest.raises(ReportChanged) as refused:
        await book.maker_step(_manager(), visit.id, MakerStep.LEAVE_OUT, _entry(_NOW), version=1, note="x")
    assert refused.value.theirs == {"state": "by_hand"}
