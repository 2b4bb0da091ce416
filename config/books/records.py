"""Records over the database (`web.ports.records.Records`): one unit of work a method, with its audit entry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_text
from access.users import Principal
from crm.options import RecordOptions
from crm.records.changes import RecordChanged, author
from crm.records.classification import ClassPreview, ClassRules
from crm.records.contacts import Label
from crm.records.customers import BadRecord, Customer, EntryNotFound
from crm.records.fields import FieldDefinition, FieldSubject
from crm.records.found import FoundPage
from crm.records.masked import mask_value
from crm.records.person import PersonView
from crm.records.probing import ProbeLimit
from crm.records.purchases import Purchase, ServiceVisit
from crm.records.rating import Rating, RatingWhy, rates_otherwise
from crm.records.timeline import Kind, Only, TimelinePage
from crm.records.vehicle_lists import VehicleFilter, VehiclePage, VehicleSort
from crm.records.vehicle_view import VehicleView
from crm.records.vehicles import Role, Vehicle
from storage import (
    audit,
    class_rating,
    classes,
    customers,
    fields,
    history,
    records,
    search,
    vehicle_lists,
    vehicles,
)
from storage.database import Database
from storage.person import open_customer, person_view
from storage.timeline import timeline
from telephony.numbers import E164

T = TypeVar("T")


class RecordBook:
    """`web.ports.records.Records`."""

    def __init__(
        self,
        database: Database,
        options: RecordOptions,
        *,
        zone: str = "Asia/Shanghai",
        read_number: Callable[[str], str | None],
    ) -> None:
        self._database = database
        self._options = options
        self._zone = ZoneInfo(zone)
        self._read_number = read_number
        self._probes = ProbeLimit(options.masked_searches_per_minute)

    # -- finding and reading --------------------------------------------------------------------------

    async def search(self, viewer: Principal, text: str, limit: int, now: datetime) -> FoundPage:
        if not viewer.sees_numbers:
            for _number in range(search.numbers_in(text, read_number=self._read_number)):
                self._probes.count(viewer.user_id or viewer.proof_id, now)
        return await self._database.read(
            lambda connection: search.search(
                connection, viewer, text, limit=limit, read_number=self._read_number, now=now
            )
        )

    async def list(
        self,
        viewer: Principal,
        *,
        customer_class: str | None,
        key_accounts: bool,
        after: str,
        limit: int,
        now: datetime | None = None,
    ) -> FoundPage:
        return await self._database.read(
            lambda connection: records.list_customers(
                connection,
                viewer,
                customer_class=customer_class,
                key_accounts=key_accounts,
                after=after,
                limit=limit,
                now=now,
            )
        )

    async def person(self, viewer: Principal, customer_id: str, now: datetime) -> PersonView:
        return await self._database.read(
            lambda connection: person_view(connection, viewer, customer_id, now, zone=self._zone)
        )

    async def vehicle(self, viewer: Principal, vehicle_id: str, now: datetime | None = None) -> VehicleView:
        return await self._database.read(
            lambda connection: records.vehicle_view(connection, viewer, vehicle_id, now=now)
        )

    async def vehicles(
        self,
        viewer: Principal,
        wanted: VehicleFilter,
        *,
        sort: VehicleSort,
        after: str | None,
        limit: int,
        now: datetime | None = None,
    ) -> VehiclePage:
        return await self._database.read(
            lambda connection: vehicle_lists.list_vehicles(
                connection, viewer, wanted, sort=sort, after=after, limit=limit, now=now
            )
        )

    async def models(self) -> Sequence[str]:
        return await self._database.read(vehicle_lists.models)

    async def timeline(
        self,
        viewer: Principal,
        customer_id: str,
        *,
        only: Collection[Kind | Only],
        cursor: str | None,
        limit: int,
        now: datetime | None = None,
    ) -> TimelinePage:
        return await self._database.read(
            lambda connection: timeline(
                connection,
                viewer,
                customer_id,
                only=only,
                cursor=cursor,
                limit=limit,
                zone=self._zone,
                now=now,
            )
        )

    # -- customers ------------------------------------------------------------------------------------

    async def create(
        self,
        viewer: Principal,
        given: Mapping[str, Any],
        numbers: Sequence[tuple[str, Label]],
        custom: Mapping[str, str],
        entry: Entry,
    ) -> Customer:
        known = [(self._number(number), label) for number, label in numbers]

        def work(connection: Connection) -> Customer:
            made = records.add_record(
                connection, viewer, entry.at, rule=self._options.customer_number, custom=custom, **given
            )
            for place, (number, label) in enumerate(known):
                customers.add_contact(
                    connection,
                    made.id,
                    number,
                    entry.at,
                    label=label,
                    primary=place == 0,
                    by=author(viewer),
                )
            return customers.get_customer(connection, made.id)

        return await self._write(viewer, entry, work)

    async def edit(
        self,
        viewer: Principal,
        customer_id: str,
        version: int,
        changes: Mapping[str, Any],
        custom: Mapping[str, str],
        why: str,
        entry: Entry,
    ) -> Customer:
        return await self._write(
            viewer,
            entry,
            lambda connection: records.edit_record(
                connection, viewer, customer_id, version, entry.at, custom=custom, why=why, **changes
            ),
        )

    async def classify(self, viewer: Principal, customer_id: str, entry: Entry) -> Customer:
        today = entry.at.astimezone(self._zone).date()
        return await self._write(
            viewer,
            entry,
            lambda connection: records.classify_customer(connection, viewer, customer_id, entry.at, today),
        )

    async def add_number(
        self, viewer: Principal, customer_id: str, number: str, label: Label, primary: bool, entry: Entry
    ) -> None:
        known = self._number(number)

        def work(connection: Connection) -> None:
            open_customer(connection, viewer, customer_id, now=entry.at)
            customers.add_contact(
                connection, customer_id, known, entry.at, label=label, primary=primary, by=author(viewer)
            )

        await self._write(viewer, entry, work)

    async def end_number(self, viewer: Principal, customer_id: str, place: int, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            open_customer(connection, viewer, customer_id, now=entry.at)
            number = customers.number_at(connection, customer_id, place)
            customers.end_contact(connection, customer_id, number, entry.at, by=author(viewer))

        await self._write(viewer, entry, work)

    def _number(self, typed: str) -> E164:
        number = self._read_number(typed)
        if number is None:
            raise BadRecord(
                "That is no telephone number that can be called. Nothing was changed.", field="number"
            )
        return E164(number)

    # -- vehicles and their history -------------------------------------------------------------------

    async def create_vehicle(
        self,
        viewer: Principal,
        given: Mapping[str, Any],
        owner_id: str | None,
        role: Role,
        custom: Mapping[str, str],
        entry: Entry,
    ) -> Vehicle:
        return await self._write(
            viewer,
            entry,
            lambda connection: records.add_car(
                connection, viewer, entry.at, owner_id=owner_id, role=role, custom=custom, **given
            ),
        )

    async def edit_vehicle(
        self,
        viewer: Principal,
        vehicle_id: str,
        version: int,
        changes: Mapping[str, Any],
        custom: Mapping[str, str],
        why: str,
        entry: Entry,
    ) -> Vehicle:
        return await self._write(
            viewer,
            entry,
            lambda connection: records.edit_vehicle(
                connection, viewer, vehicle_id, version, entry.at, custom=custom, why=why, **changes
            ),
        )

    async def set_person(
        self, viewer: Principal, vehicle_id: str, customer_id: str, role: Role, there: bool, entry: Entry
    ) -> None:
        def work(connection: Connection) -> None:
            records.open_vehicle(connection, viewer, vehicle_id, now=entry.at)
            open_customer(connection, viewer, customer_id, now=entry.at)
            if there:
                vehicles.add_person(connection, vehicle_id, customer_id, role, entry.at, by=author(viewer))
            elif not vehicles.end_person(
                connection, vehicle_id, customer_id, role, entry.at, by=author(viewer)
            ):
                raise EntryNotFound("The customer has no such part in this vehicle.")

        await self._write(viewer, entry, work)

    async def add_purchase(self, viewer: Principal, given: Mapping[str, Any], entry: Entry) -> Purchase:
        made = Purchase(id="", created_at=entry.at, updated_at=entry.at, **given)

        def work(connection: Connection) -> Purchase:
            open_customer(connection, viewer, made.customer_id, now=entry.at)
            if made.vehicle_id is not None:
                records.open_vehicle(connection, viewer, made.vehicle_id, now=entry.at)
            return _shown(viewer, history.add_purchase(connection, made, entry.at, by=author(viewer)))

        return await self._write(viewer, entry, work)

    async def change_purchase(
        self,
        viewer: Principal,
        purchase_id: str,
        version: int,
        changes: Mapping[str, Any] | None,
        entry: Entry,
    ) -> Purchase | None:
        def work(connection: Connection) -> Purchase | None:
            open_customer(
                connection, viewer, history.owner_of_purchase(connection, purchase_id), now=entry.at
            )
            if changes is None:
                history.remove_purchase(connection, purchase_id, version, entry.at, by=author(viewer))
                return None
            if changes.get("vehicle_id") is not None:
                records.open_vehicle(connection, viewer, changes["vehicle_id"], now=entry.at)
            done = history.change_purchase(
                connection, purchase_id, version, entry.at, by=author(viewer), **changes
            )
            return _shown(viewer, done)

        return await self._write(viewer, entry, work)

    async def add_visit(self, viewer: Principal, given: Mapping[str, Any], entry: Entry) -> ServiceVisit:
        made = ServiceVisit(id="", created_at=entry.at, updated_at=entry.at, **given)

        def work(connection: Connection) -> ServiceVisit:
            records.open_vehicle(connection, viewer, made.vehicle_id, now=entry.at)
            if made.customer_id is not None:
                open_customer(connection, viewer, made.customer_id, now=entry.at)
            return _shown(viewer, history.add_visit(connection, made, entry.at, by=author(viewer)))

        return await self._write(viewer, entry, work)

    async def change_visit(
        self, viewer: Principal, visit_id: str, version: int, changes: Mapping[str, Any] | None, entry: Entry
    ) -> ServiceVisit | None:
        def work(connection: Connection) -> ServiceVisit | None:
            records.open_vehicle(
                connection, viewer, history.vehicle_of_visit(connection, visit_id), now=entry.at
            )
            if changes is None:
                history.remove_visit(connection, visit_id, version, entry.at, by=author(viewer))
                return None
            if changes.get("customer_id") is not None:
                open_customer(connection, viewer, changes["customer_id"], now=entry.at)
            done = history.change_visit(connection, visit_id, version, entry.at, by=author(viewer), **changes)
            return _shown(viewer, done)

        return await self._write(viewer, entry, work)

    # -- what the house has set -----------------------------------------------------------------------

    async def fields(self, subject: FieldSubject | None, *, retired: bool) -> Sequence[FieldDefinition]:
        return await self._database.read(
            lambda connection: fields.list_fields(connection, subject, retired=retired)
        )

    async def add_field(self, viewer: Principal, field: FieldDefinition, entry: Entry) -> FieldDefinition:
        return await self._write(
            viewer,
            entry,
            lambda connection: fields.add_field(connection, field, author(viewer), entry.at),
        )

    async def change_field(
        self, viewer: Principal, field_id: str, version: int, changes: Mapping[str, Any], entry: Entry
    ) -> FieldDefinition:
        return await self._write(
            viewer,
            entry,
            lambda connection: fields.change_field(
                connection, field_id, version, author(viewer), entry.at, **changes
            ),
        )

    async def rules(self) -> tuple[ClassRules, int]:
        return await self._database.read(classes.get_rules)

    async def preview_rules(self, rules: ClassRules, now: datetime) -> ClassPreview:
        today = now.astimezone(self._zone).date()
        return await self._database.read(lambda connection: classes.preview(connection, rules, today))

    async def set_rules(
        self, viewer: Principal, rules: ClassRules, version: int, entry: Entry
    ) -> tuple[ClassRules, int]:
        def work(connection: Connection) -> tuple[ClassRules, int]:
            before, _version = classes.get_rules(connection)
            kept = classes.set_rules(connection, rules, author(viewer), entry.at, version=version)
            if rates_otherwise(before, rules):
                class_rating.begin(connection, RatingWhy.RULES, author(viewer), entry.at)
            return kept

        return await self._write(viewer, entry, work)

    async def rating(self) -> Rating | None:
        return await self._database.read(class_rating.get)

    async def begin_rating(self, viewer: Principal, entry: Entry) -> Rating:
        return await self._write(
            viewer,
            entry,
            lambda connection: class_rating.begin(connection, RatingWhy.ASKED, author(viewer), entry.at),
        )

    async def cancel_rating(self, viewer: Principal, entry: Entry) -> Rating:
        return await self._write(
            viewer, entry, lambda connection: class_rating.cancel(connection, author(viewer), entry.at)
        )

    async def _write(self, viewer: Principal, entry: Entry, work: Callable[[Connection], T]) -> T:
        """The work and its audit entry in one transaction; what others saved meanwhile is masked for the viewer."""

        def whole(connection: Connection) -> T:
            done = work(connection)
            audit.append(connection, entry)
            return done

        try:
            return await self._database.write(whole)
        except RecordChanged as error:
            raise error if viewer.sees_numbers else error.shown(mask_value) from None


V = TypeVar("V", Purchase, ServiceVisit)


def _shown(viewer: Principal, value: V) -> V:
    """As this viewer may read it."""
    return value if viewer.sees_numbers else replace(value, note=mask_text(value.note))
