"""Imports on both databases: faults by row and reason, twice is once, all or nothing, gone on with (R30, R38)."""

from __future__ import annotations

import asyncio
import datetime
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import python_calamine
import xlsxwriter
from fixtures_storage import FrozenClock
from import_desk import HEADER, Bench
from import_desk import row as _row
from sqlalchemy import Connection, select, update

from access.audit import Action
from config.books import imports as books
from config.lists.imports import ImportWork
from config.lists.queue import ImportQueue
from crm.imports.checking import Columns
from crm.imports.fields import ImportKind
from crm.imports.jobs import Counts, ImportJob, ImportState
from crm.records.contacts import Label
from crm.records.vehicles import Role
from storage import audit, customers, import_jobs, matching, vehicles
from storage.database import Database, StorageUnavailable
from storage.tables import metadata
from storage.tables.consent import optouts
from storage.tables.records import (
    contacts,
    purchases,
    record_changes,
    search_terms,
    service_visits,
    vehicle_people,
)
from storage.tables.records import customers as customer_rows
from storage.tables.records import vehicles as vehicle_rows
from telephony.numbers import E164


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: FrozenClock) -> Bench:
    folder = tmp_path / "lists"
    folder.mkdir()
    return Bench(database, folder, clock)


# -- R30 ----------------------------------------------------------------------------------------------

#: Where it says how many: a server takes each statement over a socket, which is all that more rows would show.
ROWS = {"sqlite": 10_000, "postgresql": 2_000}
#: Every fault of R30: what is written, and the reason it must be refused with (None: it is no fault at all).
_FAULTS: dict[str, tuple[dict[int, Any], str | None]] = {
    "missing name": ({0: ""}, "value-missing"),
    "text in number": ({6: "约三千"}, "not-a-number"),
    "formula": ({7: "=2+3"}, None),
    "formula nobody counted": ({0: "=A1&B1"}, "value-is-error"),
    "empty day of 1900": ({5: datetime.datetime(1900, 1, 1)}, "date-out-of-range"),  # noqa: DTZ001
    "day without year": ({5: "3月5日"}, "date-without-year"),
    "full-width digits": ({1: None}, None),
    "trailing spaces": ({0: None}, None),
    "name of 300": ({0: "王" * 300}, "value-too-long"),
    "digits lost": ({1: "1.38E+10"}, "digits-lost"),
    "no key": ({1: "", 2: ""}, "row-without-key"),
    "bad vin": ({2: "LGWEF4A5"}, "vin-unreadable"),
    "bad plate": ({3: "没有这样的牌照"}, "plate-unreadable"),
    "bad number": ({1: "138123"}, "phone-unreadable"),
    "duplicate": ({}, "row-duplicate"),
}


def _make(path: Path, rows: int) -> tuple[dict[int, str], int]:
    """Writes the workbook; returns row number to the reason it must have, and how many rows are good."""
    dice = random.Random(30)
    names = list(_FAULTS)
    wanted: dict[int, str] = {}
    with xlsxwriter.Workbook(str(path)) as workbook:
        day = workbook.add_format({"num_format": "yyyy-mm-dd"})
        hidden = workbook.add_worksheet("旧数据")
        hidden.write_row(0, 0, HEADER)
        hidden.write_row(1, 0, ["隐藏的人", "13700000000"])
        hidden.hide()
        sheet = workbook.add_worksheet("交车清单")
        sheet.activate()
        sheet.merge_range(0, 0, 0, 7, "2026年交车清单")
        sheet.write_row(1, 0, HEADER)
        last: list[Any] = []
        for number in range(rows):
            place = number + 2
            cells: list[Any] = [
                f"客户{number:05d}",
                13_800_000_000 + number,
                f"LGWEF4A5{number:09d}",
                f"苏A{number:05d}",
                "哈弗H6",
                datetime.datetime(2026, 3, 1 + number % 28),  # noqa: DTZ001 - a cell's
                number,
                "",
            ]
            fault = dice.choice(names) if number % 10 == 7 else ""
            changed, why = _FAULTS.get(fault, ({}, None))
            for column, value in changed.items():
                cells[column] = value
            if fault == "full-width digits":
                cells[1] = "".join(chr(0xFF10 + int(digit)) for digit in str(13_800_000_000 + number))
            elif fault == "trailing spaces":
                cells[0] = f" 客户{number:05d}\u3000\u00a0 "
            elif fault == "duplicate":
                cells = list(last)
            if why:
                wanted[place + 1] = why
            for column, value in enumerate(cells):
                if isinstance(value, datetime.datetime):
                    sheet.write_datetime(place, column, value, day)
                elif isinstance(value, str) and value.startswith("="):
                    sheet.write_formula(place, column, value, None, "" if "A1" in value else 5)
                elif value != "":
                    sheet.write(place, column, value)
            last = cells
        # Two cars of one person, the name and the number merged over both rows.
        first = rows + 2
        for column, value in ((0, "合并"), (1, 13_999_999_999)):
            sheet.merge_range(first, column, first + 1, column, value)
        for step in (0, 1):
            sheet.write(first + step, 2, f"LGWEF4A59{step:08d}")
        sheet.set_row(first + 1, None, None, {"hidden": True})
    return wanted, rows + 2 - len(wanted)


async def test_ten_thousand_rows_with_every_fault(desk: Bench) -> None:
    path = desk.folder / "交车.xlsx"
    rows = ROWS["sqlite" if desk.database.is_sqlite else "postgresql"]
    wanted, good = _make(path, rows)
    assert {_FAULTS[name][1] for name in _FAULTS if _FAULTS[name][1]} == set(wanted.values())
    trial = await desk.bring(path)
    assert trial.state is ImportState.CHECKED
    assert trial.found["sheet"] == "交车清单"
    assert {"name": "旧数据", "hidden": True} in trial.found["sheets"]
    assert trial.counts == Counts(done=rows + 2, added=good, refused=len(wanted))
    assert desk.count(customer_rows) == 0, "a trial writes nothing"
    done = await desk.go(trial)
    assert done.state is ImportState.DONE
    assert done.counts == trial.counts
    assert {row: faults[0][0] for row, faults in desk.faults(done).items()} == wanted
    assert desk.count(vehicle_rows) == good
    assert desk.count(customer_rows) == good - 1, "the one with two cars is one customer"
    [merged] = desk.find("合并")
    assert len(desk.database.read_now(lambda c: vehicles.vehicles_of(c, merged.id))) == 2
    assert desk.find("隐藏的人") == []
    before = desk.everything()
    again = await desk.put_in(path)
    assert again.counts == Counts(done=rows + 2, unchanged=good, refused=len(wanted))
    assert desk.everything() == before, "the second import changes nothing"


async def test_all_or_nothing_takes_nothing_where_one_row_is_bad(desk: Bench) -> None:
    rows = [HEADER, *(_row(number) for number in range(250)), ["没有钥匙的人", "", "", "", "", "", "", ""]]
    job = await desk.bring(rows, choice=lambda choice: replace(choice, all_or_nothing=True))
    assert job.counts.refused == 1
    ended = await desk.go(job)
    assert ended.state is ImportState.UNDONE
    assert list(desk.faults(ended)) == [252]
    assert {name: count for name, count in desk.everything().items() if count} == {}
    assert desk.count(search_terms) == 0
    good = await desk.put_in(rows[:-1], choice=lambda choice: replace(choice, all_or_nothing=True))
    assert good.state is ImportState.DONE
    assert desk.count(customer_rows) == 250


async def test_what_was_changed_is_as_before_when_an_import_is_taken_back(desk: Bench) -> None:
    await desk.put_in([HEADER, *(_row(number) for number in range(3))])
    rows = [
        HEADER,
        *([*_row(number)[:4], "坦克300", *_row(number)[5:]] for number in range(3)),
        ["谁", *[""] * 7],
    ]
    ended = await desk.put_in(rows, choice=lambda choice: replace(choice, all_or_nothing=True))
    assert ended.state is ImportState.UNDONE
    models = desk.database.read_now(lambda c: set(c.execute(select(vehicle_rows.c.model)).scalars()))
    assert models == {"哈弗H6"}


# -- who is meant -------------------------------------------------------------------------------------


async def test_several_who_fit_are_never_decided_silently(desk: Bench, clock: FrozenClock) -> None:
    def two(connection: Connection) -> list[str]:
        numbers = []
        for _ in range(2):
            one = customers.add_customer(connection, name="王伟", now=clock.now())
            customers.add_contact(connection, one.id, E164("+8613800000001"), clock.now())
            numbers.append(one.number)
        return numbers

    numbers = desk.database.write_now(two)
    before = desk.everything()
    job = await desk.put_in([HEADER, ["王伟", "13800000001", *[""] * 6]])
    assert job.counts.refused == 1
    [(_row_number, faults)] = desk.database.read_now(lambda c: import_jobs.list_faults(c, job.id))
    assert faults[0][0] == "several-customers"
    assert faults[0][2]["customers"] == ", ".join(numbers)
    assert desk.everything() == before
    named = await desk.put_in([["客户号", *HEADER], [numbers[1], "王伟", "13800000001", *_row(5)[2:]]])
    assert named.counts.changed + named.counts.added == 1
    owner = desk.database.read_now(lambda c: matching.find_by_plate(c, "苏A00005"))
    assert [one.customer_number for one in owner] == [numbers[1]]


async def test_keys_that_name_different_people_are_refused(desk: Bench) -> None:
    header = ["客户编号", *HEADER]
    await desk.put_in([header, ["D1", *_row(1)], ["D2", *_row(2)]])
    taken = await desk.put_in([header, ["D2", *_row(1)]])
    assert desk.faults(taken) == {2: [("vehicle-has-other-owner", "vin")]}
    other = await desk.put_in([header, ["D9", *_row(1)]])
    assert desk.faults(other) == {2: [("keys-disagree", "")]}
    both = await desk.put_in([header, ["D1", *_row(1)], ["D1", *_row(1, name="改名了", vin="", plate="")]])
    assert desk.faults(both) == {3: [("row-contradicts", "name")]}
    renamed = await desk.put_in([header, ["D1", *_row(1, name="改名了")]])
    assert renamed.counts.changed == 1
    assert [one.name for one in desk.find("改名了")] == ["改名了"]


async def test_a_number_taken_away_by_hand_does_not_come_back(desk: Bench, clock: FrozenClock) -> None:
    await desk.put_in([HEADER, _row(1)])
    [one] = desk.find("客户00001")
    desk.database.write_now(lambda c: customers.end_contact(c, one.id, "+8613800000001", clock.now()))
    job = await desk.put_in([HEADER, _row(1)])
    assert job.counts == Counts(done=1, unchanged=1)
    assert desk.database.read_now(lambda c: customers.contacts_of(c, one.id)) == []


async def test_a_vehicle_keeps_its_owner_until_a_person_says_otherwise(desk: Bench) -> None:
    await desk.put_in([HEADER, _row(1)])
    other = _row(1, name="别人", phone="13911111111")
    assert desk.faults(await desk.put_in([HEADER, other])) == {2: [("vehicle-has-other-owner", "vin")]}
    driver = await desk.put_in([[*HEADER, "角色"], [*other, "司机"]])
    assert driver.counts.added == 1
    [one] = desk.find("别人")
    [(_vehicle, role)] = desk.database.read_now(lambda c: vehicles.vehicles_of(c, one.id))
    assert role is Role.DRIVER


async def test_empty_cells_take_nothing_away_and_mileage_never_goes_back(desk: Bench) -> None:
    await desk.put_in([HEADER, _row(1, mileage="5000", note="喜欢红色")])
    job = await desk.put_in([HEADER, _row(1, mileage="4000", note="周末来", model="")])
    assert job.counts.changed == 1
    [one] = desk.find("客户00001")
    assert one.note == "喜欢红色\n周末来"
    [(vehicle, _role)] = desk.database.read_now(lambda c: vehicles.vehicles_of(c, one.id))
    assert (vehicle.mileage, vehicle.model) == (5000, "哈弗H6")


# -- other kinds --------------------------------------------------------------------------------------


class Interrupted(ImportWork):
    """Somebody writes a mileage between the planning and the writing of the first batch.

    On PostgreSQL again, a higher one, while it is planned anew in its transaction: SQLite has one writer.
    """

    tries = 0

    def _plan(self, *args: Any, **kwargs: Any) -> Any:
        planned = super()._plan(*args, **kwargs)
        self.tries += 1
        mileage = {1: 4000, 2: 9000}.get(self.tries)
        if mileage == 4000 or (mileage and not self._database.is_sqlite):
            edit = update(vehicle_rows).values(mileage=mileage)
            self._database.write_now(lambda other: other.execute(edit))
        return planned


async def test_what_somebody_writes_meanwhile_is_not_overwritten(desk: Bench) -> None:
    """The batch is planned again over what stands there now; a mileage never goes back."""
    await desk.put_in([HEADER, _row(1, mileage="3000")])
    job = await desk.bring([HEADER, _row(1, mileage="5000")])
    work = Interrupted(desk.database, desk.work._house, desk.clock)
    desk.work = work
    done = await desk.go(job)
    mileage = desk.database.read_now(lambda c: c.execute(select(vehicle_rows.c.mileage)).scalar_one())
    assert done.state is ImportState.DONE
    if desk.database.is_sqlite:
        assert (work.tries, mileage, done.counts) == (2, 5000, Counts(done=1, changed=1))
    else:
        assert (work.tries, mileage, done.counts) == (3, 9000, Counts(done=1, unchanged=1))


async def test_repair_orders_become_visits(desk: Bench) -> None:
    await desk.put_in([HEADER, _row(1)])
    header = [
        "工单号",
        "车架号",
        "车牌",
        "进厂日期",
        "进厂里程",
        "维修项目",
        "结算金额",
        "服务顾问",
        "送修人",
        "送修人电话",
    ]
    rows = [
        header,
        ["RO1", "LGWEF4A5000000001", "", "2026-04-01", "5,000公里", "首保", "¥0", "小陈", "", ""],
        ["RO2", "", "苏A00001", "2026-05-01", "8000", "更换刹车片", "1,234.50", "小陈", "", ""],
        [
            "RO3",
            "LGWEF4A5000000009",
            "苏A00009",
            "2026-05-02",
            "100",
            "事故钣金",
            "9",
            "小李",
            "新客户",
            "13912345678",
        ],
        ["RO4", "LGWEF4A5000000010", "", "2026-05-02", "100", "保养", "9", "小李", "", ""],
        ["RO5", "", "苏A77777", "2026-05-02", "100", "保养", "9", "小李", "", ""],
    ]
    job = await desk.put_in(rows, kind=ImportKind.VISITS)
    assert desk.faults(job) == {5: [("vehicle-unknown", "")], 6: [("vehicle-unknown", "")]}
    found = desk.database.read_now(
        lambda c: [
            tuple(row)
            for row in c.execute(
                select(
                    service_visits.c.order_number,
                    service_visits.c.kind,
                    service_visits.c.mileage,
                    service_visits.c.amount_cents,
                ).order_by(service_visits.c.order_number)
            )
        ]
    )
    assert found == [("RO1", "first", 5000, 0), ("RO2", "repair", 8000, 123450), ("RO3", "body", 100, 900)]
    [one] = desk.find("客户00001")
    [(vehicle, _role)] = desk.database.read_now(lambda c: vehicles.vehicles_of(c, one.id))
    assert (vehicle.mileage, vehicle.last_service_on) == (8000, datetime.date(2026, 5, 1))
    before = desk.everything()
    again = await desk.put_in(rows, kind=ImportKind.VISITS)
    assert again.counts == Counts(done=5, unchanged=3, refused=2)
    assert desk.everything() == before


async def test_sales_become_purchases_once(desk: Bench) -> None:
    """The invoice tells a purchase, else customer, vehicle and day; another customer's invoice is refused."""
    header = ["姓名", "手机", "车架号", "车型", "开票日期", "成交价", "付款方式", "发票号"]
    rows = [
        ["王五", "13800000001", "LGWEF4A5000000001", "哈弗H6", "2026-03-05", "128,000.50", "按揭", "FP001"],
        ["李四", "13800000002", "", "坦克300", "2026-03-06", "", "全款", ""],
        ["赵六", "13800000003", "", "", "", "99000", "", ""],
    ]
    first = await desk.put_in([header, *rows])
    assert (first.counts.added, desk.faults(first)) == (2, {4: [("value-missing", "bought_on")]})
    other = ["孙七", "13800000004", "", "", "2026-03-05", "1", "", "FP001"]
    mended = [rows[0], [*rows[1][:5], "200000", *rows[1][6:]], other]
    second = await desk.put_in([header, *mended])
    assert second.counts == Counts(done=3, changed=1, unchanged=1, refused=1)
    assert desk.faults(second) == {4: [("invoice-of-other-customer", "invoice")]}
    bought = desk.database.read_now(
        lambda c: list(c.execute(select(purchases).order_by(purchases.c.bought_on)).mappings())
    )
    assert [(one["model"], one["price_cents"], one["payment"], one["invoice"]) for one in bought] == [
        ("哈弗H6", 12_800_050, "loan", "FP001"), ("坦克300", 20_000_000, "cash", ""),
    ]  # fmt: skip
    assert [one["vehicle_id"] is None for one in bought] == [False, True]
    spoilt = [header, ["周八", "13800000005", "", "", "2026-03-07", "5", "", ""], ["谁", *[""] * 7]]
    undone = await desk.put_in(spoilt, choice=lambda choice: replace(choice, all_or_nothing=True))
    assert undone.state is ImportState.UNDONE
    assert desk.count(purchases) == 2
    fleet = [
        ["吴十", "13800000009", f"LGWEF4A500000002{n}", "", "2026-04-01", f"{n}0000", "", ""] for n in (1, 2)
    ]
    bill = [
        [*rows[1][:2], vin, *rows[1][3:5], "200000", "全款", "FP009"] for vin in ("", "LGWEF4A5000000031")
    ]
    third = await desk.put_in([header, *fleet, *bill])
    assert desk.faults(third) == {}
    assert third.counts == Counts(done=4, added=3, changed=1), "one sale for each car and each invoice"
    assert desk.count(purchases) == 4


async def test_further_numbers_and_wishes_not_to_be_called(desk: Bench) -> None:
    await desk.put_in([["客户编号", *HEADER], ["D1", *_row(1)]])
    job = await desk.put_in(
        [["客户编号", "号码", "电话类型"], ["D1", "025-84712345", "单位"], ["D2", "13900000000", ""]],
        kind=ImportKind.CONTACTS,
    )
    assert (job.counts.changed, job.counts.refused) == (1, 1)
    [one] = desk.find("客户00001")
    told = desk.database.read_now(lambda c: customers.contacts_of(c, one.id))
    assert [(contact.number, contact.label) for contact in told] == [
        ("+8613800000001", Label.MOBILE),
        ("+862584712345", Label.WORK),
    ]
    wishes = [
        ["手机", "渠道", "登记日期", "依据"],
        ["13800000001", "短信", "2026-01-05", "书面"],
        ["坏", "", "", ""],
    ]
    first = await desk.put_in(wishes, kind=ImportKind.OPTOUTS)
    second = await desk.put_in(wishes, kind=ImportKind.OPTOUTS)
    assert (first.counts.added, first.counts.refused) == (1, 1)
    assert (second.counts.unchanged, second.counts.refused) == (1, 1)
    [row] = desk.database.read_now(lambda c: list(c.execute(select(optouts)).mappings()))
    assert (row["number"], row["channel"], row["source"], row["proof"]) == (
        "+8613800000001", "text", "import", "书面",
    )  # fmt: skip
    assert row["at"] == datetime.datetime(2026, 1, 4, 16, tzinfo=datetime.UTC), "midnight in Shanghai"


# -- interruptions ------------------------------------------------------------------------------------

_KILLED = """
import asyncio, os, sys
from pathlib import Path
from config.lists.imports import House, ImportWork
from crm.imports.files.guards import Limits
from storage.database import Database
from telephony.clock import SystemClock

class Dies(ImportWork):
    batches = 0
    def _write(self, *args, **kwargs):
        done = super()._write(*args, **kwargs)
        Dies.batches += 1
        if Dies.batches == 2:
            os.kill(os.getpid(), 9)  # inside the transaction of the second batch
        return done

database = Database(sys.argv[1])
house = House(
    folder=Path(sys.argv[2]), zone="Asia/Shanghai", country="CN", area_code="", rule="C{serial:06d}", limits=Limits()
)
asyncio.run(Dies(database, house, SystemClock()).work(sys.argv[3]))
"""


async def test_after_kill_9_it_goes_on_where_the_last_batch_ended(desk: Bench) -> None:
    rows = [HEADER, *(_row(number) for number in range(300))]
    job = await desk.bring(rows)
    desk.begin(job)
    arguments = [sys.executable, "-c", _KILLED, desk.database.url, str(desk.folder / "imports"), job.id]
    killed = await asyncio.to_thread(subprocess.run, arguments, capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr
    left = desk.database.read_now(lambda c: import_jobs.get_job(c, job.id))
    assert left.state is ImportState.RUNNING
    assert left.counts.done == desk.count(customer_rows) == 100, "one batch is in, of the second not a row"
    assert desk.database.read_now(lambda c: import_jobs.unfinished_jobs(c, "service")) == [job.id]
    done = await desk.work.work(job.id)
    assert done.counts == Counts(done=300, added=300)
    assert desk.count(customer_rows) == desk.count(vehicle_rows) == desk.count(contacts) == 300


class Watched(ImportWork):
    """Notes what is prepared and written (the first row of each share), and holds a write until `held` is prepared."""

    def __init__(self, *how: Any, held: Mapping[int, int]) -> None:
        super().__init__(*how)
        self.steps: list[tuple[str, int]] = []
        self._held = held
        self._prepares = {share: threading.Event() for share in held.values()}

    def _prepare(self, connection: Connection, job: ImportJob, rows: Any) -> Any:
        first = rows[0].row
        self.steps.append(("prepared", first))
        if first in self._prepares:
            self._prepares[first].set()
        return super()._prepare(connection, job, rows)

    def _write(self, connection: Connection, **how: Any) -> Any:
        first = how["step"].rows[0].row
        if first in self._held:
            assert self._prepares[self._held[first]].wait(30), "nothing is prepared meanwhile"
        self.steps.append(("written", first))
        return super()._write(connection, **how)


def _content(desk: Bench) -> dict[str, list[tuple[Any, ...]]]:
    """Everything the rows became, told by what people call it and not by ids."""
    whose = contacts.join(customer_rows, customer_rows.c.id == contacts.c.customer_id)
    ties = vehicle_people.join(customer_rows, customer_rows.c.id == vehicle_people.c.customer_id)
    ties = ties.join(vehicle_rows, vehicle_rows.c.id == vehicle_people.c.vehicle_id)
    people = (customer_rows.c.number, customer_rows.c.name, customer_rows.c.note, customer_rows.c.version)
    cars = (vehicle_rows.c.vin, vehicle_rows.c.plate, vehicle_rows.c.mileage, vehicle_rows.c.model)
    wanted = {
        "people": select(*people),
        "numbers": select(customer_rows.c.number, contacts.c.number, contacts.c.is_primary).select_from(
            whose
        ),
        "cars": select(*cars, vehicle_rows.c.delivered_on),
        "ties": select(customer_rows.c.number, vehicle_rows.c.vin, vehicle_people.c.role).select_from(ties),
        "changes": select(record_changes.c.field, record_changes.c.old, record_changes.c.new),
        "terms": select(search_terms.c.term, search_terms.c.kind, search_terms.c.key),
    }
    return desk.database.read_now(
        lambda c: {name: sorted(map(tuple, c.execute(one)), key=repr) for name, one in wanted.items()}
    )


async def test_shares_planned_ahead_leave_what_one_share_leaves(
    desk: Bench, tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neighbours speak of the same people and cars, so that a share must see what the one before it wrote."""
    chance = random.Random(11)
    rows = [HEADER]
    for number in range(90):
        person, car = chance.randrange(40), number if chance.random() < 0.9 else number - 1
        names = {"name": f"客户{person:05d}", "phone": str(13_800_000_000 + person)}
        spoils = (
            {"mileage": "约三千"} if number % 29 == 28 else {"note": f"第{number}行"[: chance.randrange(4)]}
        )
        rows.append(_row(car, **names, **spoils))
    other = Database(f"sqlite:///{tmp_path / 'one-share.db'}")
    try:
        other.write_now(metadata.create_all)
        alone = Bench(other, desk.folder, clock)
        expected = await alone.put_in(rows)
        monkeypatch.setattr("config.lists.pace.Pace.rows", lambda _pace: 4)
        done = await desk.put_in(rows)
        assert done.counts == expected.counts
        assert desk.faults(done) == alone.faults(expected)
        assert done.counts.refused > 3
        assert _content(desk) == _content(alone)
        again = await desk.put_in(rows)
        assert again.counts == replace(
            done.counts, added=0, unchanged=done.counts.added + done.counts.unchanged
        )
        assert _content(desk) == _content(alone)
    finally:
        other.close()


async def test_the_next_share_is_prepared_while_one_is_written(
    desk: Bench, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it speaks of the same car: then it waits for what is written."""
    monkeypatch.setattr("config.lists.pace.Pace.rows", lambda _pace: 2)
    rows = [_row(number) for number in range(6)]
    rows[4] = [*_row(4, vin=rows[3][2], name=rows[3][0], phone=rows[3][1], plate=rows[3][3]), "司机"]
    work = Watched(desk.database, desk.work._house, clock, held={2: 4})
    desk.work = work
    done = await desk.put_in([[*HEADER, "角色"], *rows])
    assert done.counts == Counts(done=6, added=5, changed=1)
    one, two, three = 2, 4, 6  # the rows that the shares begin with
    assert work.steps == [
        ("prepared", one),
        ("prepared", two),
        ("written", one),
        ("written", two),
        ("prepared", three),
        ("written", three),
    ]


async def test_somebody_may_stop_it_and_what_is_in_is_in(desk: Bench) -> None:
    job = await desk.bring([HEADER, *(_row(number) for number in range(250))])
    desk.begin(job)
    desk.database.write_now(lambda c: import_jobs.want_stop(c, job.id))
    ended = await desk.work.work(job.id)
    assert ended.state is ImportState.STOPPED
    assert ended.counts.done == desk.count(customer_rows) == 100


async def test_a_stop_that_comes_when_the_trial_is_over_stops_nothing_later(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for behind the last look of a trial at it, it is not kept for the import that is begun after it."""
    noted = ImportWork._note_trial

    def late(self: ImportWork, connection: Connection, job: ImportJob, *args: Any, **how: Any) -> bool:
        wanted = noted(self, connection, job, *args, **how)
        import_jobs.want_stop(connection, job.id)
        return wanted

    monkeypatch.setattr(ImportWork, "_note_trial", late)
    job = await desk.bring([HEADER, *(_row(number) for number in range(150))])
    assert (job.state, job.stop_wanted) == (ImportState.CHECKED, False)
    done = await desk.go(job)
    assert (done.state, done.counts) == (ImportState.DONE, Counts(done=150, added=150))


@pytest.mark.parametrize("spoilt", [False, True])
async def test_answers_of_the_database_that_are_lost_change_nothing(
    desk: Bench, monkeypatch: pytest.MonkeyPatch, spoilt: bool
) -> None:
    """Each step is in, its answer does not come, and it is asked for again: no row counts twice, none stays."""
    monkeypatch.setattr("config.lists.imports._WAIT", 0.01)
    write = desk.database.write
    calls = 0

    async def deaf(work: Callable[[Connection], Any]) -> Any:
        nonlocal calls
        calls += 1
        lost = calls % 2
        answer = await write(work)
        if lost:
            raise StorageUnavailable("the connection went with the answer")
        return answer

    monkeypatch.setattr(desk.database, "write", deaf)
    rows = [HEADER, *(_row(number) for number in range(150))]
    if spoilt:
        rows.append(["谁", *[""] * 7])
    done = await desk.put_in(rows, choice=lambda choice: replace(choice, all_or_nothing=True))
    if spoilt:
        assert (done.state, desk.count(customer_rows)) == (ImportState.UNDONE, 0)
        assert done.counts == Counts(done=151, added=150, refused=1)
    else:
        assert (done.state, done.counts) == (ImportState.DONE, Counts(done=150, added=150))
        assert desk.count(customer_rows) == 150
    ended = desk.database.read_now(lambda c: audit.list_entries(c, action=Action.IMPORT_ENDED.value))
    assert len(ended) == 1


async def test_columns_are_remembered_for_the_source(desk: Bench, clock: FrozenClock) -> None:
    desk.database.write_now(
        lambda c: import_jobs.keep_columns(
            c, ImportKind.CUSTOMERS, "老系统", {"甲": "name", "乙": "phone", "备注": ""}, {"brand": "长城"},
            at=clock.now(), by_name="test",
        )
    )  # fmt: skip
    job = await desk.bring([["甲", "乙", "备注"], ["王五", "13800000001", "x"]], source="老系统")
    assert job.choice.columns == Columns(of={"name": 0, "phone": 1}, fixed={"brand": "长城"})


async def test_columns_that_make_no_row_are_said_so_and_chosen_anew(desk: Bench) -> None:
    job = await desk.bring([["甲", "乙"], ["王五", "13800000001"]])
    assert job.state is ImportState.CHOOSING
    assert job.error_id == "import-mapping-incomplete"


# -- what is asked while others ask -------------------------------------------------------------------


async def test_bad_rows_are_written_in_shares_for_two_at_once(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of the service does not grow with the faults, and nobody gets half a file of somebody else's."""
    bad = range(2, 30, 3)
    rows = [_row(number, phone="12") if number in bad else _row(number) for number in range(1, 31)]
    job = await desk.put_in([HEADER, *rows])
    monkeypatch.setattr(books, "_FAULTS_AT_ONCE", 4)
    asked: list[int] = []
    list_faults = import_jobs.list_faults

    def counted(connection: Connection, job_id: str, *, after: int = 0, limit: int) -> Any:
        asked.append(limit)
        return list_faults(connection, job_id, after=after, limit=limit)

    monkeypatch.setattr(import_jobs, "list_faults", counted)
    book = books.ImportBook(desk.database, desk.work, ImportQueue(desk.work, desk.database), 1 << 20)
    first, second = await asyncio.gather(book.bad_rows(job.id, "en"), book.bad_rows(job.id, "en"))
    assert first == second
    [head, *found] = python_calamine.load_workbook(first).get_sheet_by_index(0).to_python()
    assert head[: len(HEADER)] == HEADER
    assert [(row[0], row[8]) for row in found] == [(f"客户{one:05d}", str(one + 1)) for one in bad]
    assert max(asked) == 4
    assert [one.name for one in first.parent.glob("bad-*")] == [first.name]


class FallsOver(ImportWork):
    """The first import meets a fault, and so does giving it up."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.worked: list[str] = []
        self.done = asyncio.Event()

    async def work(self, job_id: str) -> ImportJob:
        self.worked.append(job_id)
        if len(self.worked) == 1:
            raise RuntimeError("fell over")
        job = await super().work(job_id)
        self.done.set()
        return job

    async def give_up(self, job_id: str) -> None:
        raise RuntimeError("fell over again")


async def test_the_queue_outlives_a_database_that_is_away_and_an_import_that_falls_over(
    desk: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = await desk.bring([HEADER, _row(1)]), await desk.bring([HEADER, _row(2)])
    desk.begin(first)
    desk.begin(second)
    read, looks = desk.database.read_now, 0

    def away_at_first(work: Callable[[Connection], Any]) -> Any:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise StorageUnavailable("away")
        return read(work)

    monkeypatch.setattr(desk.database, "read_now", away_at_first)
    work = FallsOver(desk.database, desk.work._house, desk.clock)
    running = asyncio.create_task(ImportQueue(work, desk.database).run())
    try:
        await asyncio.wait_for(work.done.wait(), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert work.worked == [first.id, second.id]
    left = desk.database.write_now(lambda c: import_jobs.get_job(c, second.id))
    assert left.state is ImportState.DONE
