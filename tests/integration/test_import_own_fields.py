"""Lists that fill the house's own fields, on both databases: what the page takes goes in, what it refuses does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from import_desk import HEADER, Bench
from import_desk import row as _row
from sqlalchemy import select

from access.permissions import Role
from access.users import Principal
from config.books import imports as books
from config.lists.queue import ImportQueue
from crm.imports.checking import Columns, MappingError, require
from crm.imports.fields import ImportKind
from crm.imports.jobs import Choice, Counts, ImportState
from crm.imports.own_fields import check_role, name_of, own_of
from crm.records.changes import Author
from crm.records.fields import FieldDefinition, FieldKind, FieldLocked, FieldSubject, show_value
from storage import fields
from storage.database import Database
from storage.records import edit_record
from storage.tables.records import customers, record_changes, vehicles

OWN = ["区域", "预算", "驾照到期", "会员", "喜好", "车身颜色"]
#: Names of lists, in the order of the columns.
NAMES = (
    "customer.region",
    "customer.budget",
    "customer.licence_until",
    "customer.member",
    "customer.likes",
    "vehicle.colour",
)
GOOD: list[Any] = ["城东", "１２,５００.50", "2041年3月5日", "有", "喝茶，爬山", "白"]
SHOWN = ("城东", "12500.5", "2041-03-05", "yes", "喝茶，爬山", "白")
BY = Author(name="test")


def _define(desk: Bench) -> dict[str, FieldDefinition]:
    customer, vehicle = FieldSubject.CUSTOMER, FieldSubject.VEHICLE
    wanted: list[tuple[Any, ...]] = [
        (customer, "region", "区域", FieldKind.CHOICE, ("城东", "城西")),
        (customer, "budget", "预算", FieldKind.NUMBER, ()),
        (customer, "licence_until", "驾照到期", FieldKind.DATE, ()),
        (customer, "member", "会员", FieldKind.YES_NO, ()),
        (customer, "likes", "喜好", FieldKind.TEXT, ()),
        (vehicle, "colour", "车身颜色", FieldKind.CHOICE, ("白", "黑")),
    ]
    made = {}
    for subject, key, label, kind, choices in wanted:
        field = FieldDefinition(
            id="", subject=subject, key=key, label_zh=label, label_en=key, kind=kind, choices=choices
        )
        one = desk.database.write_now(lambda c, field=field: fields.add_field(c, field, BY, desk.clock.now()))
        made[name_of(one)] = one
    return made


def _values(desk: Bench, defined: dict[str, FieldDefinition]) -> list[str]:
    """What the only customer and the only vehicle on record say, as their pages show it."""

    def work(connection: Any) -> list[str]:
        owners = [connection.execute(select(table.c.id)).scalar_one() for table in (customers, vehicles)]
        kept = {id: value for owner in owners for id, value in fields.values_of(connection, owner).items()}
        return [show_value(one, kept.get(one.id, "")) for one in defined.values()]

    return desk.database.read_now(work)


@pytest.fixture
def desk(database: Database, tmp_path: Path, clock: FrozenClock) -> Bench:
    folder = tmp_path / "lists"
    folder.mkdir()
    return Bench(database, folder, clock)


async def test_a_list_fills_them_once_and_changes_them_with_a_trace(desk: Bench) -> None:
    defined = _define(desk)
    job = await desk.bring([[*HEADER, *OWN], [*_row(1), *GOOD]])
    assert {name for name in job.choice.columns.of if "." in name} == set(NAMES), "suggested by their labels"
    [example] = job.examples["added"]
    assert tuple(example["values"][name] for name in NAMES) == SHOWN
    done = await desk.go(job)
    assert (done.state, done.counts) == (ImportState.DONE, Counts(done=1, added=1))
    assert tuple(_values(desk, defined)) == SHOWN

    again = await desk.put_in([[*HEADER, *OWN], [*_row(1), *GOOD]])
    assert again.counts == Counts(done=1, unchanged=1)

    changed = [*_row(1), "城西", "", "-", "否", "喝茶，爬山", "黑"]
    trial = await desk.bring([[*HEADER, *OWN], changed])
    [example] = trial.examples["changed"]
    assert {(one["field"], one["old"], one["new"]) for one in example["changes"]} == {
        ("customer.region", "城东", "城西"),
        ("customer.member", "yes", "no"),
        ("vehicle.colour", "白", "黑"),
    }
    assert tuple(_values(desk, defined)) == SHOWN, "a trial writes nothing"
    assert (await desk.go(trial)).counts == Counts(done=1, changed=1)
    assert tuple(_values(desk, defined)) == ("城西", *SHOWN[1:3], "no", SHOWN[4], "黑")
    assert desk.database.read_now(lambda c: c.execute(select(customers.c.version)).scalar_one()) == 2
    noted = desk.database.read_now(
        lambda c: {
            tuple(row)
            for row in c.execute(
                select(record_changes.c.field, record_changes.c.old, record_changes.c.new).where(
                    record_changes.c.field.like("custom.%"), record_changes.c.version == 2
                )
            )
        }
    )
    assert noted == {
        ("custom.region", "城东", "城西"),
        ("custom.member", "yes", "no"),
        ("custom.colour", "白", "黑"),
    }


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_the_page_refuses_is_refused_with_the_row_and_the_field(desk: Bench) -> None:
    _define(desk)
    rows = [
        [*_row(1), "城南", *GOOD[1:]],
        [*_row(2), GOOD[0], "约三千", *GOOD[2:]],
        [*_row(3), GOOD[0], "0.1234567", *GOOD[2:]],
        [*_row(4), *GOOD[:2], "3月5日", *GOOD[3:]],
        [*_row(5), *GOOD[:3], "也许", *GOOD[4:]],
        [*_row(6), *GOOD[:4], "茶" * 501, GOOD[5]],
        [*_row(7), *GOOD],
    ]
    done = await desk.put_in([[*HEADER, *OWN], *rows])
    assert done.counts == Counts(done=7, added=1, refused=6)
    assert desk.faults(done) == {
        2: [("choice-unknown", "customer.region")],
        3: [("number-not-kept", "customer.budget")],
        4: [("number-not-kept", "customer.budget")],
        5: [("date-without-year", "customer.licence_until")],
        6: [("choice-unknown", "customer.member")],
        7: [("value-too-long", "customer.likes")],
    }


async def test_taken_back_they_say_what_they_said(desk: Bench) -> None:
    defined = _define(desk)
    await desk.put_in([[*HEADER, *OWN], [*_row(1), *GOOD]])
    region = defined["customer.region"]
    no_more = ("城西", "城南")
    desk.database.write_now(
        lambda c: fields.change_field(c, region.id, region.version, BY, desk.clock.now(), choices=no_more)
    )
    other = [[*_row(1), "城西", "1", "", "", "", "黑"], _row(2, name="")]
    job = await desk.bring(
        [[*HEADER, *OWN], *other],
        choice=lambda choice: Choice(
            header_row=choice.header_row, columns=choice.columns, all_or_nothing=True
        ),
    )
    assert (await desk.go(job)).state is ImportState.UNDONE
    assert tuple(_values(desk, defined)) == SHOWN


async def test_a_field_that_must_be_filled_is_asked_for_and_a_retired_one_is_gone(desk: Bench) -> None:
    defined = _define(desk)
    region = defined["customer.region"]
    now = desk.clock.now()
    desk.database.write_now(
        lambda c: fields.change_field(c, region.id, region.version, BY, now, required=True)
    )
    without = [*_row(1), "", *GOOD[1:]]
    assert desk.faults(await desk.put_in([[*HEADER, *OWN], without])) == {
        2: [("value-missing", "customer.region")]
    }
    first = await desk.put_in([[*HEADER, *OWN], [*_row(1), *GOOD]])
    assert (await desk.put_in([[*HEADER, *OWN], without])).counts == Counts(done=1, unchanged=1)

    job = await desk.bring([[*HEADER, *OWN], [*_row(1), "城西", *GOOD[1:]]])
    desk.database.write_now(
        lambda c: fields.change_field(c, region.id, region.version + 1, BY, now, retired_at=now)
    )
    done = await desk.go(job)
    assert desk.faults(done) == {2: [("field-gone", "customer.region")]}
    assert tuple(_values(desk, defined)) == SHOWN
    people = [ids async for ids, _end in desk.work.people(first)]
    assert [len(ids) for ids in people] == [1], (
        "whom its rows speak of, a field of the house's own does not say"
    )


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_who_does_not_see_a_field_reads_it_in_no_import(desk: Bench) -> None:
    defined = _define(desk)
    region = defined["customer.region"]
    now = desk.clock.now()
    desk.database.write_now(
        lambda c: fields.change_field(
            c, region.id, region.version, BY, now, hidden_from=frozenset({Role.SUPERVISOR})
        )
    )
    job = await desk.put_in([[*HEADER, *OWN], [*_row(1), *GOOD], [*_row(2), "城南", *GOOD[1:]]])
    book = books.ImportBook(desk.database, desk.work, ImportQueue(desk.work, desk.database), 1 << 20)
    supervisor = Principal(role=Role.SUPERVISOR, via="test", name="主管")
    manager = Principal(role=Role.MANAGER, via="test", name="经理")
    for viewer, seen in ((manager, True), (supervisor, False)):
        shown = await book.get(viewer, job.id)
        said = repr(
            (shown.choice, shown.examples, shown.found.get("first"), await book.faults(viewer, job.id, 0, 9))
        )
        assert ("城南" in said, "customer.region': " in said) == (seen, seen), viewer.role
    with pytest.raises(FieldLocked):
        await book.bad_rows(job.id, "en", supervisor)
    assert (await book.bad_rows(job.id, "en", manager)).exists()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
async def test_what_somebody_types_meanwhile_is_planned_anew(desk: Bench) -> None:
    defined = _define(desk)
    await desk.put_in([[*HEADER, *OWN], [*_row(1), *GOOD]])
    job = await desk.bring([[*HEADER, *OWN], [*_row(1), "城西", *GOOD[1:]]])
    manager = Principal(role=Role.MANAGER, via="test", name="经理")

    def edit(connection: Any) -> None:
        owner = connection.execute(select(customers.c.id)).scalar_one()
        edit_record(connection, manager, owner, 1, desk.clock.now(), custom={"region": "城西"})

    desk.database.write_now(edit)
    assert (await desk.go(job)).counts == Counts(done=1, unchanged=1)
    assert _values(desk, defined)[0] == "城西"


def test_a_role_fills_what_it_may_change_and_learns_of_nothing_hidden() -> None:
    def one(key: str, **more: Any) -> FieldDefinition:
        return FieldDefinition(
            id=key,
            subject=FieldSubject.CUSTOMER,
            key=key,
            label_zh=key,
            label_en=key,
            kind=FieldKind.TEXT,
            **more,
        )

    roles = frozenset({Role.SUPERVISOR})
    own = own_of(
        ImportKind.CUSTOMERS, [one("open"), one("locked", locked_for=roles), one("hidden", hidden_from=roles)]
    )
    base = {"name": 0, "phone": 1}

    def asked(name: str, role: Role) -> None:
        columns = Columns(of={**base, f"customer.{name}": 2})
        require(ImportKind.CUSTOMERS, columns, check_role(own, columns, role))

    asked("open", Role.SUPERVISOR)
    with pytest.raises(FieldLocked):
        asked("locked", Role.SUPERVISOR)
    with pytest.raises(MappingError):
        asked("hidden", Role.SUPERVISOR)
    asked("hidden", Role.MANAGER)
    assert not own_of(ImportKind.VISITS, own.values())
