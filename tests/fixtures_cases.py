"""A house with people, a customer and a car, for tests of cases; and what is done with its cases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from crm.cases.cases import Case, CaseKind, CaseSource, Grade, NewCase, Reached, Responsibility
from crm.cases.steps import Given, Step
from crm.cases.trail import replay
from crm.records.vehicles import Role as VehicleRole
from crm.tasks.tasks import TaskKind
from storage import cases, customers, tasks, users, vehicles
from storage.database import Database
from telephony.hours import WorkingTime
from telephony.numbers import E164

ZONE = ZoneInfo("Asia/Shanghai")
#: Monday to Friday, 9 to 12 and 13 to 18; eight hours.
HOURS = WorkingTime(zone=ZONE, week=[[(9 * 60, 12 * 60), (13 * 60, 18 * 60)]] * 5 + [[], []])
REPLY = Given(
    cause="冷媒管接头松动",
    responsibility=Responsibility.OURS,
    plan="免费更换接头并补充冷媒",
    carry_out_on=date(2026, 6, 18),
    corrective_action="交车前检查空调接头",
    corrective_owner="车间主任",
)


@dataclass
class CaseHouse:
    """A house with people, a customer and a car."""

    database: Database
    clock: FrozenClock
    agent: Principal
    supervisor: Principal
    manager: Principal
    other_manager: Principal
    customer: str = ""
    vehicle: str = ""

    def open(self, *, by: Principal | None = None, **values: Any) -> Case:
        given: dict[str, Any] = {
            "kind": CaseKind.COMPLAINT,
            "grade": Grade.ORDINARY,
            "source": CaseSource.CALL,
            "subject": "空调不制冷",
            "words": "修了两次还是不冷",
            "customer_id": self.customer,
            "vehicle_id": self.vehicle,
            **values,
        }
        new = NewCase(**given)
        return self.database.write_now(
            lambda c: cases.open_case(c, new, by=by or self.agent, now=self.clock.now(), hours=HOURS)
        )[0]

    def step(
        self,
        case: Case,
        step: Step,
        given: Given | None = None,
        *,
        by: Principal | None = None,
        version: int | None = None,
    ) -> Case:
        actor = cases.actor_of(by or self.agent)
        return self.database.write_now(
            lambda c: cases.take_step(
                c,
                case.id,
                step,
                given or Given(),
                actor=actor,
                now=self.clock.now(),
                hours=HOURS,
                version=version,
            )
        )

    def handed(self, **values: Any) -> Case:
        return self.step(self.open(**values), Step.ASSIGN, Given(department="service"))

    def replied(self, **values: Any) -> Case:
        case = self.step(self.handed(**values), Step.ACCEPT)
        return self.step(case, Step.REPLY, REPLY)

    def visiting(self, **values: Any) -> Case:
        case = self.step(self.replied(**values), Step.TELL_PLAN, Given(reached=Reached.AGREED))
        return self.step(case, Step.CARRIED_OUT)

    def get(self, case: Case) -> Case:
        return self.database.read_now(lambda c: cases.get_case(c, case.id))

    def trail(self, case: Case) -> list[tuple[str, str, str]]:
        events = self.database.read_now(lambda c: cases.events_of(c, case.id))
        replayed = replay(events)
        now = self.get(case)
        assert (replayed.state, replayed.round, replayed.events) == (now.state, now.round, now.events)
        return [(one.step, one.by_name, one.to_state.value) for one in events]

    def open_tasks(self, owner: Principal | None = None) -> list[tuple[TaskKind, str | None]]:
        found = self.database.read_now(lambda c: tasks.list_tasks(c, state="open", user_id="", limit=100))
        return [(one.kind, one.owner_id) for one in found if owner is None or one.owner_id == owner.user_id]

    def look(self) -> list[tuple[str, str]]:
        told: list[tuple[str, str]] = []
        while True:
            some = self.database.write_now(lambda c: cases.look(c, self.clock.now(), HOURS))
            if some is None:
                return told
            told += [(one.notice.level.value, one.notice.occasion.split(":")[0]) for one in some]


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


@pytest.fixture
def case_house(database: Database, clock: FrozenClock) -> CaseHouse:
    made = CaseHouse(
        database=database,
        clock=clock,
        agent=person(database, clock, "li", Role.AGENT),
        supervisor=person(database, clock, "wang", Role.SUPERVISOR),
        manager=person(database, clock, "zhao", Role.MANAGER),
        other_manager=person(database, clock, "sun", Role.MANAGER),
    )

    def work(connection: Any) -> tuple[str, str]:
        owner = customers.add_customer(connection, name="张伟", now=clock.now())
        customers.add_contact(connection, owner.id, E164("+8613800000001"), clock.now(), primary=True)
        vehicle = vehicles.add_vehicle(connection, now=clock.now(), plate="沪A12345", model="Model 3")
        vehicles.add_person(connection, vehicle.id, owner.id, VehicleRole.OWNER, clock.now())
        return owner.id, vehicle.id

    made.customer, made.vehicle = database.write_now(work)
    return made


def at(day: int, hour: int, minute: int = 0, month: int = 6) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZONE)
