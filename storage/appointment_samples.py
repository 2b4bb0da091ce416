"""Workshops and times of the sample dealership. What is there already stays as it is."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from crm.appointments.appointments import Work
from crm.appointments.slots import Lane
from storage import slots

_SHOP = frozenset({Work.MAINTENANCE, Work.REPAIR, Work.OTHER})
#: Name, advisor, work, cell minutes, capacity.
_LANES = (
    ("王芳", "王芳", _SHOP, 30, 2),
    ("刘强", "刘强", _SHOP, 30, 2),
    ("钣喷接待", "赵磊", frozenset({Work.BODYWORK}), 60, 2),
    ("试驾车", "", frozenset({Work.TEST_DRIVE}), 60, 2),
    ("交车区", "", frozenset({Work.DELIVERY}), 120, 1),
)


def load(connection: Connection, now: datetime) -> bool:
    """A workshop with its advisors, the demonstration cars and the place of delivery; whether they are new."""
    if slots.all_workshops(connection):
        return False
    shop = slots.save_workshop(
        connection,
        workshop_id=None,
        name="服务中心",
        address="光华路 1 号 服务中心入口",
        active=True,
        version=None,
        now=now,
    )
    for name, advisor, works, minutes, capacity in _LANES:
        slots.save_lane(
            connection,
            Lane(
                id="",
                workshop_id=shop.id,
                name=name,
                advisor=advisor,
                works=works,
                weekdays=frozenset(range(6)),
                opens=540,
                closes=1020,
                pause_from=720,
                pause_until=780,
                cell_minutes=minutes,
                capacity=capacity,
            ),
            now=now,
            new=True,
        )
    return True
