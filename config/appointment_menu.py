"""What the menus ask about appointments, answered by the store (`ivr.ports.Appointments`)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from crm.appointments.appointments import (
    AHEAD,
    Appointment,
    AppointmentError,
    NewAppointment,
    Source,
    Step,
    Work,
)
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Free
from crm.records.customers import CustomerNotFound
from ivr.ports import Appointed, AskAppointment, Unavailable
from storage import appointments, slots, vehicles
from storage.appointments import Given
from storage.database import Database, StorageUnavailable
from storage.merging import current_id
from telephony.hours import WorkingTime

#: Times a caller hears; more are not remembered.
_MOST = 3
_DAYS = 14


class HouseAppointments:
    """Appointments by keypad. A caller who is cut off and asked again books nothing twice."""

    def __init__(self, database: Database, hours: WorkingTime, options: AppointmentOptions) -> None:
        self._database = database
        self._hours = hours
        self._options = options

    async def appoint(self, request: AskAppointment, now: datetime) -> Appointed:
        """Raises Unavailable."""

        def work(connection: Connection) -> Appointed:
            customer_id = current_id(connection, request.customer_id)
            match request.act:
                case "times":
                    found = self._times(connection, customer_id, Work(request.work), now)
                    return Appointed(ok=bool(found), times=tuple(self._local(one.at) for one in found))
                case "next":
                    return self._told(self._next(connection, customer_id, now))
                case "book":
                    return self._told(self._book(connection, customer_id, request, now))
                case "move":
                    return self._told(self._step(connection, customer_id, request, Step.MOVE, now))
                case _:
                    return self._told(self._step(connection, customer_id, request, Step.CANCEL, now))

        try:
            return await self._database.write(work)
        except (AppointmentError, CustomerNotFound):
            return Appointed(ok=False)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("Appointments are away.") from error

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self._hours.zone)

    def _told(self, found: Appointment | None) -> Appointed:
        if found is None:
            return Appointed(ok=False)
        return Appointed(ok=True, at=self._local(found.starts_at))

    def _times(self, connection: Connection, customer_id: str, work: Work, now: datetime) -> list[Free]:
        today = self._hours.date_of(now)
        coming = self._next(connection, customer_id, now)
        found = slots.find_free(
            connection,
            coming.work if coming is not None else work,
            first=today,
            last=today + timedelta(days=_DAYS),
            now=now,
            hours=self._hours,
            workshop_id=coming.workshop_id if coming is not None else None,
        )
        once: dict[datetime, Free] = {}
        for one in found:
            if coming is None or one.at != coming.starts_at:
                once.setdefault(one.at, one)
        return list(once.values())[:_MOST]

    def _next(self, connection: Connection, customer_id: str, now: datetime) -> Appointment | None:
        return appointments.next_of(connection, [customer_id], now).get(customer_id)

    def _book(
        self, connection: Connection, customer_id: str, request: AskAppointment, now: datetime
    ) -> Appointment | None:
        if request.at is None:
            return None
        work = Work(request.work)
        today = self._hours.date_of(request.at)
        free = slots.find_free(connection, work, first=today, last=today, now=now, hours=self._hours)
        place = next((one for one in free if one.at == request.at), None)
        shops = [one for one in slots.all_workshops(connection) if one.active]
        shop = place.workshop_id if place is not None else shops[0].id if shops else None
        if shop is None:
            return None
        cars = {car.id for car, _role in vehicles.vehicles_of(connection, customer_id)}
        return appointments.book(
            connection,
            NewAppointment(
                work=work,
                workshop_id=shop,
                starts_at=request.at,
                customer_id=customer_id,
                vehicle_id=cars.pop() if len(cars) == 1 else None,
                call_id=request.call_id,
                source=Source.KEYPAD,
                occasion=f"keypad {request.call_id} {request.at.isoformat()}",
            ),
            now=now,
            by=None,
            hours=self._hours,
            options=self._options,
        )

    def _step(
        self, connection: Connection, customer_id: str, request: AskAppointment, step: Step, now: datetime
    ) -> Appointment | None:
        coming = self._next(connection, customer_id, now)
        if coming is None or coming.state not in AHEAD:
            return None
        if step is Step.MOVE and coming.starts_at == request.at:
            return coming  # asked again: it is done
        return appointments.take_step(
            connection,
            coming.id,
            step,
            Given(starts_at=request.at),
            by=None,
            source=Source.KEYPAD,
            now=now,
            hours=self._hours,
            options=self._options,
        )
