"""What the web side needs for records. Every method is one unit of work, masked and scoped for its viewer.

Writes leave a row per changed field and the audit entry in the same transaction. Beside the errors named, each
may raise CustomerNotFound, VehicleNotFound, EntryNotFound, RecordClosed and BadRecord (crm.records.customers).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.records.classification import ClassPreview, ClassRules
from crm.records.contacts import Label
from crm.records.customers import Customer
from crm.records.fields import FieldDefinition, FieldSubject
from crm.records.found import FoundPage
from crm.records.person import PersonView
from crm.records.purchases import Purchase, ServiceVisit
from crm.records.rating import Rating
from crm.records.timeline import Kind, Only, TimelinePage
from crm.records.vehicle_lists import VehicleFilter, VehiclePage, VehicleSort
from crm.records.vehicle_view import VehicleView
from crm.records.vehicles import Role, Vehicle


class Records(Protocol):
    """Customers, vehicles, their history, and how they are found."""

    async def search(self, viewer: Principal, text: str, limit: int, now: datetime) -> FoundPage:
        """Raises TooManySearches."""

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
        """Without `now` no approval is good; so everywhere."""

    async def person(self, viewer: Principal, customer_id: str, now: datetime) -> PersonView:
        """A restricted record comes as a masked name, `closed`."""

    async def vehicle(
        self, viewer: Principal, vehicle_id: str, now: datetime | None = None
    ) -> VehicleView: ...

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
        """`after` is the id of the last one seen. Raises BadCursor."""

    async def models(self) -> Sequence[str]:
        """Names of the models that vehicles have."""

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
        """Raises BadCursor."""

    async def create(
        self,
        viewer: Principal,
        given: Mapping[str, Any],
        numbers: Sequence[tuple[str, Label]],
        custom: Mapping[str, str],
        entry: Entry,
    ) -> Customer:
        """`numbers` as typed, the first one primary. Raises NumberTaken, FieldLocked."""

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
        """Raises RecordChanged, FieldLocked."""

    async def classify(self, viewer: Principal, customer_id: str, entry: Entry) -> Customer:
        """The house's rule decides the class. Raises FieldLocked."""

    async def add_number(
        self, viewer: Principal, customer_id: str, number: str, label: Label, primary: bool, entry: Entry
    ) -> None:
        """`number` as typed."""

    async def end_number(self, viewer: Principal, customer_id: str, place: int, entry: Entry) -> None:
        """The number at this place of the customer's list is his no longer."""

    async def create_vehicle(
        self,
        viewer: Principal,
        given: Mapping[str, Any],
        owner_id: str | None,
        role: Role,
        custom: Mapping[str, str],
        entry: Entry,
    ) -> Vehicle:
        """Raises VinTaken, FieldLocked."""

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
        """Raises RecordChanged, FieldLocked, VinTaken."""

    async def set_person(
        self, viewer: Principal, vehicle_id: str, customer_id: str, role: Role, there: bool, entry: Entry
    ) -> None:
        """The customer has this part in the vehicle from now on, or no longer."""

    async def add_purchase(self, viewer: Principal, given: Mapping[str, Any], entry: Entry) -> Purchase: ...

    async def change_purchase(
        self,
        viewer: Principal,
        purchase_id: str,
        version: int,
        changes: Mapping[str, Any] | None,
        entry: Entry,
    ) -> Purchase | None:
        """None instead of changes removes it. Raises RecordChanged."""

    async def add_visit(self, viewer: Principal, given: Mapping[str, Any], entry: Entry) -> ServiceVisit: ...

    async def change_visit(
        self, viewer: Principal, visit_id: str, version: int, changes: Mapping[str, Any] | None, entry: Entry
    ) -> ServiceVisit | None:
        """None instead of changes removes it. Raises RecordChanged."""

    async def fields(self, subject: FieldSubject | None, *, retired: bool) -> Sequence[FieldDefinition]: ...

    async def add_field(self, viewer: Principal, field: FieldDefinition, entry: Entry) -> FieldDefinition:
        """Raises FieldTaken."""

    async def change_field(
        self, viewer: Principal, field_id: str, version: int, changes: Mapping[str, Any], entry: Entry
    ) -> FieldDefinition:
        """Raises RecordChanged."""

    async def rules(self) -> tuple[ClassRules, int]:
        """The rules of classes and their version; 0: as shipped."""

    async def preview_rules(self, rules: ClassRules, now: datetime) -> ClassPreview:
        """How classes would change by these rules; nothing is written."""

    async def set_rules(
        self, viewer: Principal, rules: ClassRules, version: int, entry: Entry
    ) -> tuple[ClassRules, int]:
        """Other thresholds rate all customers again in the background. Raises RecordChanged."""

    async def rating(self) -> Rating | None:
        """The run that rates all customers again, or the last one; None before the first."""

    async def begin_rating(self, viewer: Principal, entry: Entry) -> Rating:
        """Rate all customers again, from the first one."""

    async def cancel_rating(self, viewer: Principal, entry: Entry) -> Rating:
        """Stop; what was changed stays. Raises NoRating."""
