"""What a file of vehicles, visits, calls or tasks may hold: the scope, the secrecy and the masks of who asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date

import pytest
from fixtures_web import Office
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.exports.jobs import ExportKind
from crm.records.customers import Secrecy
from crm.records.purchases import ServiceVisit
from crm.records.vehicles import Role as Tie
from crm.tasks.tasks import TaskKind
from storage import customers, exports, history, tasks, vehicles

SAID = "请打 13812345678"
HIDDEN = "请打 138****5678"
#: Kind to the column by which a row is told, and to one that names a number (None: the list has none).
COLUMNS = {
    ExportKind.VEHICLES: (1, None),
    ExportKind.VISITS: (2, 5),
    ExportKind.TASKS: (6, 3),
    ExportKind.CALLS: (4, 2),
}


def _plant(
    office: Office,
) -> Callable[[Role, ExportKind, Mapping[str, str]], tuple[set[object], set[object]]]:
    """Three customers with a vehicle, a visit, a task and a call each; returns what somebody's file says of them."""
    me, other = office.add_user("me", Role.AGENT), office.add_user("other", Role.AGENT)
    ids: dict[str, str] = {}
    moments: dict[object, str] = {}

    def work(connection: Connection) -> None:
        now = office.clock.now()
        for place, (plate, own, secrecy) in enumerate(
            (
                ("苏A00001", me.id, Secrecy.NORMAL),
                ("苏A00002", other.id, Secrecy.NORMAL),
                ("苏A00003", None, Secrecy.RESTRICTED),
            )
        ):
            one = customers.add_customer(
                connection, name="王小明", now=now, own_agent_id=own, secrecy=secrecy
            )
            ids[plate] = one.id
            car = vehicles.add_vehicle(connection, now=now, plate=plate, vin=f"LGWEF4A50000000{place:02d}")
            vehicles.add_person(connection, car.id, one.id, Tie.OWNER, now)
            visit = ServiceVisit(
                id="", vehicle_id=car.id, customer_id=one.id, visited_on=date(2026, 1, 5), note=SAID,
                created_at=now, updated_at=now,
            )  # fmt: skip
            history.add_visit(connection, visit, now)
            office.clock.advance(60)
            at = office.clock.now()
            moments[at] = plate
            tasks.add_task(
                connection, kind=TaskKind.CALLBACK, occasion=plate, now=at, due_at=at, subject=SAID,
                customer_id=one.id,
            )  # fmt: skip

    office.database.write_now(work)
    for plate, own in (("苏A00001", me.id), ("苏A00002", other.id)):
        office.add_call(agent_id=own, queue=plate, number="+8613812345678", customer_id=ids[plate])

    def seen(role: Role, kind: ExportKind, wanted: Mapping[str, str]) -> tuple[set[object], set[object]]:
        viewer = Principal(role=role, via=Via.SESSION, name="x", user_id=me.id)
        rows = office.database.read_now(
            lambda c: exports.read_page(c, viewer, kind, wanted, None, office.clock.now()).rows
        )
        key, said = COLUMNS[kind]
        return (
            {moments.get(row[key], row[key]) for row in rows},
            set() if said is None else {row[said] for row in rows},
        )

    return seen


@pytest.mark.parametrize(
    ("kind", "wanted"), [*((kind, {}) for kind in COLUMNS), (ExportKind.VEHICLES, {"plate": "a0000"})]
)
async def test_a_file_holds_what_its_asker_may_see(
    office_on_each: Office, kind: ExportKind, wanted: Mapping[str, str]
) -> None:
    seen = _plant(office_on_each)
    mine, theirs, shut = ("苏A00001", "苏A00002", "苏A00003")
    everything = {mine, theirs} if kind is ExportKind.CALLS else {mine, theirs, shut}
    number = "+8613812345678" if kind is ExportKind.CALLS else SAID
    whole, said = seen(Role.SUPERVISOR, kind, wanted)
    assert whole == everything
    assert said <= {number}
    masked = {"138****5678"} if kind is ExportKind.CALLS else {HIDDEN}
    free, said = seen(Role.AGENT, kind, wanted)
    # A call is there for whoever talked in it, a task says nothing of a restricted record but its subject.
    assert free == {
        ExportKind.CALLS: {mine},
        ExportKind.TASKS: everything,
        ExportKind.VEHICLES: {mine, theirs},
        ExportKind.VISITS: {mine, theirs},
    }[kind]  # fmt: skip
    assert said <= masked
    office_on_each.database.use(agents_see="own+unowned")
    scoped, said = seen(Role.AGENT, kind, wanted)
    assert scoped == ({mine, shut} if kind is ExportKind.TASKS else {mine})
    assert said <= masked
    assert seen(Role.SUPERVISOR, kind, wanted)[0] == everything, "the house's setting is about agents"
