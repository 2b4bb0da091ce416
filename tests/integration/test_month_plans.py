"""Error rates of departments and the check of what they hand over read a month, never the whole table."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fixtures_storage import FrozenClock
from sqlalchemy import Connection, event, insert, text

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, Via
from crm.corrections.orders import Department
from storage import corrections, handovers
from storage.database import Database
from storage.tables.records import service_visits, vehicles

ZONE = ZoneInfo("Asia/Shanghai")
MANAGER = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Wang")


def _fill(connection: Connection, clock: FrozenClock) -> None:
    """Three years of vehicles, each with a visit a year later."""
    cars, visits = [], []
    now = clock.now()
    for place in range(3000):
        day = date(2023, 6, 1) + timedelta(days=place % 1000)
        car = new_id(now)
        common: dict[str, Any] = {"created_at": now, "updated_at": now}
        cars.append({"id": car, "brand": "", "model": "", "delivered_on": day, **common})
        visit = {"id": new_id(now), "vehicle_id": car, "visited_on": day + timedelta(days=365), "version": 1}
        visits.append({**visit, "kind": "service", "order_number": "", "note": "", **common})
    connection.execute(insert(vehicles), cars)
    connection.execute(insert(service_visits), visits)
    connection.execute(text("ANALYZE"))


def _plans(connection: Connection, work: Any) -> list[str]:
    """What the database does for the statements about vehicles and visits that `work` runs."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        if "visited_on" in statement or "delivered_on" in statement:
            seen.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    explain = "EXPLAIN QUERY PLAN " if connection.dialect.name == "sqlite" else "EXPLAIN "
    assert seen
    return [
        "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters))
        for statement, parameters in seen
    ]


def test_a_month_is_read_by_its_days(database: Database, clock: FrozenClock) -> None:
    database.write_now(lambda connection: _fill(connection, clock))

    def rates(connection: Connection) -> list[str]:
        found: list[Any] = []
        plans = _plans(
            connection, lambda: found.extend(corrections.error_rates(connection, ["2025-01"], ZONE))
        )
        assert [one.received for one in found if one.received] == [93, 93]
        return plans

    def late(connection: Connection, department: Any) -> list[str]:
        return _plans(
            connection,
            lambda: handovers.list_handovers(
                connection,
                MANAGER,
                department,
                first=date(2025, 1, 1),
                last=date(2025, 1, 31),
                allowed_days=3,
                zone=ZONE,
                wrong_only=True,
                limit=20,
            ),
        )

    plans = database.read_now(rates)
    plans += database.read_now(lambda connection: late(connection, Department.SALES)[:1])
    plans += database.read_now(lambda connection: late(connection, Department.SERVICE)[:1])
    for plan in plans:
        assert "ix_vehicles_delivered_on_id" in plan or "ix_service_visits_visited_on_id" in plan, plan
