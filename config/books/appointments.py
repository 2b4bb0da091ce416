"""`web.ports.appointments.Appointments` over the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_text
from access.permissions import Permission
from access.users import Principal
from crm.appointments.appointments import (
    AHEAD,
    Appointment,
    AppointmentEvent,
    AppointmentNotFound,
    AppointmentRefused,
    BadAppointment,
    NewAppointment,
    News,
    NewsKind,
    Source,
    Step,
    Work,
    allowed,
    checked,
)
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import DayException, Free, Lane, WorkKind, Workshop
from crm.links.links import LinkKind
from storage import appointment_days, appointments, audit, cases, customers, links, slots, vehicles
from storage.appointments import Given
from storage.database import Database
from storage.merging import current_id
from storage.person import open_customer
from storage.sight import Sight, sights
from telephony.call_lists import BadCursor
from telephony.hours import WorkingTime
from web.ports.appointments import (
    AppointmentView,
    Board,
    LaneDay,
    LinkView,
    Prefill,
    Setup,
    ToTellView,
)

#: Free times a private link offers.
_LINK_TIMES = 18
#: Missed ones are listed for so long.
_MISSED_DAYS = 60
#: Which steps a person may take; missing is the clock's.
_BY_PEOPLE = frozenset(
    {Step.CONFIRM, Step.MOVE, Step.CHANGE, Step.CANCEL, Step.ARRIVE, Step.FINISH, Step.MISS}
)


class AppointmentBook:
    """Appointments."""

    def __init__(self, database: Database, hours: WorkingTime, options: AppointmentOptions) -> None:
        self._database = database
        self._hours = hours
        self._options = options

    # -- reading ----------------------------------------------------------------------------------

    async def board(
        self, viewer: Principal, *, workshop_id: str | None, first: date, last: date, now: datetime
    ) -> Board:
        def work(connection: Connection) -> Board:
            there = slots.all_workshops(connection)
            chosen = None
            if workshop_id is not None:
                chosen = slots.get_workshop(connection, workshop_id)
            elif there:
                chosen = there[0]
            begin = self._begin(first)
            end = self._begin(last + timedelta(days=1))
            day_end = self._begin(self._hours.date_of(now) + timedelta(days=1))
            if chosen is None:
                return Board(workshops=there, workshop=None, lanes=(), items=(), counts={})
            found = appointments.between(connection, begin, end, workshop_id=chosen.id)
            cells = slots.day_cells(connection, chosen.id, first, last, self._hours)
            return Board(
                workshops=there,
                workshop=chosen,
                lanes=[LaneDay(lane=lane, day=day, cells=ones) for lane, day, ones in cells],
                items=_views(connection, viewer, found, now),
                counts=appointments.counts(connection, now, day_end),
            )

        return await self._database.read(work)

    def _begin(self, day: date) -> datetime:
        return datetime.combine(day, time()).replace(tzinfo=self._hours.zone).astimezone(UTC)

    async def get(
        self, viewer: Principal, appointment_id: str, now: datetime
    ) -> tuple[AppointmentView, Sequence[AppointmentEvent], Sequence[Mapping[str, Any]]]:
        def work(
            connection: Connection,
        ) -> tuple[AppointmentView, Sequence[AppointmentEvent], Sequence[Mapping[str, Any]]]:
            view = _seen(connection, viewer, appointment_id, now)
            trail = appointments.events_of(connection, appointment_id)
            if view.closed:
                trail = [replace(one, words="", data={}) for one in trail]
            elif not viewer.sees_numbers:
                trail = [replace(one, words=mask_text(one.words)) for one in trail]
            return view, trail, appointments.notices_of(connection, appointment_id)

        return await self._database.read(work)

    async def free(
        self, work: Work, *, workshop_id: str | None, first: date, last: date, now: datetime
    ) -> Sequence[Free]:
        return await self._database.read(
            lambda c: slots.find_free(
                c, work, first=first, last=last, now=now, hours=self._hours, workshop_id=workshop_id
            )
        )

    async def missed(
        self, viewer: Principal, now: datetime, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[AppointmentView], str | None]:
        after = _read_cursor(cursor)

        def work(connection: Connection) -> tuple[Sequence[AppointmentView], str | None]:
            found = appointments.missed(
                connection, since=now - timedelta(days=_MISSED_DAYS), after_=after, limit=limit + 1
            )
            kept = found[:limit]
            following = f"{kept[-1].starts_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
            return _views(connection, viewer, kept, now), following

        return await self._database.read(work)

    async def to_tell(self, viewer: Principal, now: datetime) -> Sequence[ToTellView]:
        def work(connection: Connection) -> Sequence[ToTellView]:
            found = appointments.to_tell(connection, now)
            views = _views(connection, viewer, [one.appointment for one in found], now)
            return [
                ToTellView(kind=one.kind.value, due_at=one.due_at, task_id=one.task_id, view=view)
                for one, view in zip(found, views, strict=True)
            ]

        return await self._database.read(work)

    async def of_customer(
        self, viewer: Principal, customer_id: str, now: datetime
    ) -> tuple[Sequence[AppointmentView], Sequence[News]]:
        def work(connection: Connection) -> tuple[Sequence[AppointmentView], Sequence[News]]:
            whose = open_customer(connection, viewer, current_id(connection, customer_id), now=now)
            found = appointments.of_customer(connection, whose.id)
            return _views(connection, viewer, found, now), appointment_days.news_of(connection, whose.id)

        return await self._database.read(work)

    async def of_vehicle(
        self, viewer: Principal, vehicle_id: str, now: datetime
    ) -> Sequence[AppointmentView]:
        def work(connection: Connection) -> Sequence[AppointmentView]:
            car = vehicles.get_vehicle(connection, vehicle_id)
            found = appointments.of_customer(connection, "", vehicle_id=car.id)
            seen = sights(connection, viewer, [one.customer_id for one in found], now)
            theirs = [one for one in found if seen.get(one.customer_id, Sight.NONE) is not Sight.NONE]
            return _views(connection, viewer, theirs, now)

        return await self._database.read(work)

    async def prefill(self, viewer: Principal, customer_id: str, now: datetime) -> Prefill:
        def work(connection: Connection) -> Prefill:
            whose = open_customer(connection, viewer, current_id(connection, customer_id), now=now)
            person = customers.get_customer(connection, whose.id)
            cars = {car.id: car for car, _role in vehicles.vehicles_of(connection, person.id)}
            return Prefill(
                customer_id=person.id,
                customer_number=person.number,
                customer_name=person.name if viewer.sees_names else mask_name(person.name),
                vehicles=[(one.id, one.plate or "", one.model) for one in cars.values()],
                open_case=cases.stops_contact(connection, [person.id]).get(person.id, ""),
            )

        return await self._database.read(work)

    # -- doing ------------------------------------------------------------------------------------

    async def book(self, viewer: Principal, new: NewAppointment, entry: Entry) -> AppointmentView:
        def work(connection: Connection) -> AppointmentView:
            whose = open_customer(connection, viewer, current_id(connection, new.customer_id), now=entry.at)
            wanted = replace(new, customer_id=whose.id)
            if not viewer.may(Permission.APPOINTMENTS_WRITE):
                wanted = replace(wanted, overbook_reason="")
            made = appointments.book(
                connection, wanted, now=entry.at, by=viewer, hours=self._hours, options=self._options
            )
            audit.append(connection, replace(entry, subject=f"appointment:{made.id}"))
            return _views(connection, viewer, [made], entry.at)[0]

        return await self._database.write(work)

    async def step(
        self,
        viewer: Principal,
        appointment_id: str,
        step: Step,
        entry: Entry,
        *,
        source: Source,
        version: int | None,
        words: str = "",
        starts_at: datetime | None = None,
        workshop_id: str | None = None,
        lane_id: str | None = None,
        overbook_reason: str = "",
        fields: Mapping[str, str | bool] | None = None,
    ) -> AppointmentView:
        def work(connection: Connection) -> AppointmentView:
            before = _seen(connection, viewer, appointment_id, entry.at)
            open_customer(connection, viewer, before.appointment.customer_id, now=entry.at)
            made = appointments.take_step(
                connection,
                appointment_id,
                step,
                Given(
                    words=words,
                    starts_at=starts_at,
                    workshop_id=workshop_id,
                    lane_id=lane_id,
                    overbook_reason=overbook_reason if viewer.may(Permission.APPOINTMENTS_WRITE) else "",
                    fields=fields or {},
                ),
                by=viewer,
                source=source,
                now=entry.at,
                hours=self._hours,
                options=self._options,
                version=version,
            )
            audit.append(connection, entry)
            return _views(connection, viewer, [made], entry.at)[0]

        return await self._database.write(work)

    async def add_news(
        self,
        viewer: Principal,
        customer_id: str,
        entry: Entry,
        *,
        vehicle_id: str | None,
        kind: NewsKind,
        on: date,
        note: str,
        told: bool,
    ) -> News:
        def work(connection: Connection) -> News:
            whose = open_customer(connection, viewer, current_id(connection, customer_id), now=entry.at)
            if vehicle_id is not None:
                vehicles.get_vehicle(connection, vehicle_id)
                people = vehicles.people_of(connection, vehicle_id)
                if all(one.customer_id != whose.id for one in people):
                    raise BadAppointment(
                        "This vehicle is not one of the customer's. Nothing was saved.", field="vehicle_id"
                    )
            made = appointment_days.add_news(
                connection,
                customer_id=whose.id,
                vehicle_id=vehicle_id,
                kind=kind,
                on=on,
                note=checked(note, "note"),
                told=told,
                now=entry.at,
                by_id=viewer.user_id,
                by_name=viewer.name,
            )
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    # -- what there is ----------------------------------------------------------------------------

    async def setup(self, now: datetime) -> Setup:
        today = self._hours.date_of(now)

        def work(connection: Connection) -> Setup:
            return Setup(
                workshops=slots.all_workshops(connection),
                lanes=slots.lanes_of(connection, every=True),
                kinds=list(slots.kinds_of(connection).values()),
                days=slots.exceptions_of(connection, today, today + timedelta(days=400)),
            )

        return await self._database.read(work)

    async def save_workshop(
        self,
        entry: Entry,
        *,
        workshop_id: str | None,
        name: str,
        address: str,
        active: bool,
        version: int | None,
    ) -> Workshop:
        def work(connection: Connection) -> Workshop:
            made = slots.save_workshop(
                connection,
                workshop_id=workshop_id,
                name=name,
                address=address,
                active=active,
                version=version,
                now=entry.at,
            )
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def save_lane(self, entry: Entry, lane: Lane, *, new: bool) -> Lane:
        def work(connection: Connection) -> Lane:
            made = slots.save_lane(connection, lane, now=entry.at, new=new)
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def save_kind(self, entry: Entry, kind: WorkKind) -> WorkKind:
        def work(connection: Connection) -> WorkKind:
            made = slots.save_kind(connection, kind)
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def save_day(
        self, entry: Entry, *, workshop_id: str, lane_id: str | None, day: date, capacity: int, why: str
    ) -> DayException:
        def work(connection: Connection) -> DayException:
            made = slots.save_exception(
                connection,
                workshop_id=workshop_id,
                lane_id=lane_id,
                day=day,
                capacity=capacity,
                why=why,
                now=entry.at,
            )
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def remove_day(self, entry: Entry, day_id: str) -> None:
        def work(connection: Connection) -> None:
            if slots.remove_exception(connection, day_id):
                audit.append(connection, entry)

        await self._database.write(work)

    # -- the next two days ------------------------------------------------------------------------

    async def day_lists(self) -> Sequence[Any]:
        return await self._database.read(appointment_days.lists)

    async def day_list(self, viewer: Principal, made_on: date, now: datetime) -> tuple[Any, Sequence[Any]]:
        def work(connection: Connection) -> tuple[Any, Sequence[Any]]:
            made = next(
                (one for one in appointment_days.lists(connection, limit=400) if one.made_on == made_on), None
            )
            if made is None:
                raise AppointmentNotFound("No list was made on that day.")
            rows = appointment_days.list_rows(connection, made, self._hours)
            people = customers.several(connection, [one.customer_id for one in rows])
            seen = sights(connection, viewer, people, now)
            said = []
            for one in rows:
                if seen.get(one.customer_id) is not Sight.OPEN:
                    one = replace(
                        one, customer_name=mask_name(one.customer_name), words="", parts="", plate=""
                    )
                elif not viewer.sees_names:
                    one = replace(one, customer_name=mask_name(one.customer_name))
                if not viewer.sees_numbers:
                    one = replace(one, words=mask_text(one.words), parts=mask_text(one.parts))
                said.append(one)
            return made, said

        return await self._database.read(work)

    # -- private links ----------------------------------------------------------------------------

    async def make_link(self, viewer: Principal, appointment_id: str, entry: Entry) -> str:
        def work(connection: Connection) -> str:
            view = _seen(connection, viewer, appointment_id, entry.at)
            open_customer(connection, viewer, view.appointment.customer_id, now=entry.at)
            if view.appointment.state not in AHEAD:
                raise AppointmentRefused(
                    "Only an appointment still to come has a link for the customer. Nothing was made."
                )
            links.revoke_links(connection, LinkKind.APPOINTMENT, appointment_id, entry.at)
            _link, secret, _pin = links.make_link(
                connection,
                LinkKind.APPOINTMENT,
                appointment_id,
                audience="customer",
                now=entry.at,
                expires_at=view.appointment.starts_at + timedelta(days=self._options.link_days),
                by=viewer.user_id,
            )
            audit.append(connection, entry)
            return secret

        return await self._database.write(work)

    async def link_view(self, secret: str, now: datetime) -> LinkView:
        def work(connection: Connection) -> LinkView:
            link = links.open_link(connection, LinkKind.APPOINTMENT, secret, now)
            found = appointments.get_appointment(connection, link.subject)
            shop = slots.get_workshop(connection, found.workshop_id)
            plate = (
                vehicles.plates(connection, [found.vehicle_id]).get(found.vehicle_id, "")
                if found.vehicle_id
                else ""
            )
            today = self._hours.date_of(now)
            free: list[Free] = []
            if found.state in AHEAD and found.starts_at > now:
                times = slots.find_free(
                    connection,
                    found.work,
                    first=today,
                    last=today + timedelta(days=14),
                    now=now,
                    hours=self._hours,
                    workshop_id=found.workshop_id,
                )
                once = {one.at: one for one in reversed(times) if one.at != found.starts_at}
                free = [once[at] for at in sorted(once)][:_LINK_TIMES]
            return LinkView(
                starts_at=found.starts_at,
                work=found.work,
                state=found.state.value,
                version=found.version,
                workshop=shop.name,
                address=found.place or shop.address,
                plate_tail=plate[-3:] if plate else "",
                free=free,
            )

        return await self._database.write(work)

    async def link_step(
        self,
        secret: str,
        step: Step,
        *,
        version: int | None,
        starts_at: datetime | None,
        lane_id: str | None,
        now: datetime,
    ) -> None:
        def work(connection: Connection) -> None:
            link = links.open_link(connection, LinkKind.APPOINTMENT, secret, now)
            appointments.take_step(
                connection,
                link.subject,
                step,
                Given(starts_at=starts_at, lane_id=lane_id),
                by=None,
                source=Source.LINK,
                now=now,
                hours=self._hours,
                options=self._options,
                version=version,
            )

        await self._database.write(work)


def _seen(connection: Connection, viewer: Principal, appointment_id: str, now: datetime) -> AppointmentView:
    """One as the viewer may see it. Raises AppointmentNotFound, also where it is somebody else's customer's."""
    found = appointments.get_appointment(connection, appointment_id)
    if sights(connection, viewer, [found.customer_id], now).get(found.customer_id) is Sight.NONE:
        raise AppointmentNotFound("There is no such appointment.")
    return _views(connection, viewer, [found], now)[0]


def _views(
    connection: Connection, viewer: Principal, found: Iterable[Appointment], now: datetime
) -> list[AppointmentView]:
    kept = list(found)
    people = customers.several(connection, [one.customer_id for one in kept])
    seen = sights(connection, viewer, people, now)
    cars = appointments.plates_and_models(connection, [one.vehicle_id for one in kept if one.vehicle_id])
    shops = {one.id: one for one in slots.all_workshops(connection)}
    troubled = cases.stops_contact(connection, list(people)) if viewer.may(Permission.CASES_READ) else {}
    works = viewer.may(Permission.APPOINTMENTS_WORK)
    views = []
    for one in kept:
        person = people[one.customer_id]
        closed = seen.get(one.customer_id) is not Sight.OPEN
        plate, model = cars.get(one.vehicle_id or "", ("", ""))
        shown = one
        if closed:
            shown = replace(one, words="", parts="", cancel_reason="", documents="", overbook_reason="")
        elif not viewer.sees_numbers:
            shown = replace(
                one,
                words=mask_text(one.words),
                parts=mask_text(one.parts),
                cancel_reason=mask_text(one.cancel_reason),
                documents=mask_text(one.documents),
            )
        gone = seen.get(one.customer_id) is Sight.NONE
        steps = [step for step in allowed(one.state) if step in _BY_PEOPLE]
        if one.starts_at > now:
            steps = [step for step in steps if step is not Step.MISS]
        else:
            steps = [step for step in steps if step is not Step.MOVE]
        views.append(
            AppointmentView(
                appointment=shown,
                customer_number="" if gone else person.number,
                customer_name=mask_name(person.name) if closed or not viewer.sees_names else person.name,
                plate="" if closed else plate,
                vehicle_model="" if closed else (model or one.model),
                workshop=shops[one.workshop_id].name if one.workshop_id in shops else "",
                address=shops[one.workshop_id].address if one.workshop_id in shops else "",
                closed=closed,
                possible=[step.value for step in steps] if works and not closed else [],
                open_case="" if closed else troubled.get(one.customer_id, ""),
            )
        )
    return views


def _read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, row_id = cursor.partition("~")
    try:
        after = datetime.fromisoformat(moment)
    except ValueError:
        after = None
    if after is None or after.tzinfo is None or not 1 <= len(row_id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return after, row_id
