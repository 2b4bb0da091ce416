"""Vehicles, who has to do with them, what was bought and what the workshop did."""

from __future__ import annotations

from access.audit import Action
from access.permissions import Permission
from crm.records.vehicle_lists import VehicleFilter
from crm.records.vehicle_view import VehicleView
from web.api.record_shapes import (
    NewPurchaseIn,
    NewVehicleIn,
    NewVisitIn,
    PurchaseChangeIn,
    PurchaseOut,
    RemoveIn,
    VehicleChangeIn,
    VehicleListedOut,
    VehicleOut,
    VehiclePersonIn,
    VehiclesOut,
    VehiclesQuery,
    VehicleViewOut,
    VisitChangeIn,
    VisitOut,
)
from web.api.records import given_in, value_out
from web.routes import Ask, Nothing, Route


def vehicle_out(view: VehicleView) -> VehicleViewOut:
    """A vehicle as it goes out."""
    return VehicleViewOut.model_validate(
        {
            "vehicle": view.vehicle,
            "people": view.people,
            "visits": view.visits,
            "purchases": view.purchases,
            "fields": [value_out(one) for one in view.fields],
        }
    )


async def list_vehicles(ask: Ask[VehiclesQuery, Nothing]) -> VehiclesOut:
    """Vehicles that are open to the asker."""
    query = ask.query
    page = await ask.services.records.vehicles(
        ask.by,
        VehicleFilter(
            plate=query.plate,
            model=query.model,
            customer_class=query.customer_class.value if query.customer_class else "",
            due_from=query.due_from,
            due_to=query.due_to,
        ),
        sort=query.sort,
        after=query.cursor,
        limit=query.limit,
        now=ask.now,
    )
    return VehiclesOut(items=[VehicleListedOut.model_validate(one) for one in page.items], next=page.next)


async def create(ask: Ask[Nothing, NewVehicleIn]) -> VehicleOut:
    """Add a vehicle, and whose it is."""
    body = ask.body
    made = await ask.services.records.create_vehicle(
        ask.by,
        given_in(body),
        body.owner_id,
        body.role,
        body.custom,
        ask.entry(Action.RECORD_CREATED, "vehicle"),
    )
    return VehicleOut.model_validate(made)


async def get(ask: Ask[Nothing, Nothing]) -> VehicleViewOut:
    """One vehicle."""
    return vehicle_out(await ask.services.records.vehicle(ask.by, ask.path["vehicle_id"], ask.now))


async def change(ask: Ask[Nothing, VehicleChangeIn]) -> VehicleViewOut:
    """Change what the body names."""
    vehicle_id, body = ask.path["vehicle_id"], ask.body
    changes = given_in(body)
    entry = ask.entry(Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", {"fields": ",".join(sorted(changes))})
    await ask.services.records.edit_vehicle(
        ask.by, vehicle_id, body.version, changes, body.custom, body.why, entry
    )
    return vehicle_out(await ask.services.records.vehicle(ask.by, vehicle_id, ask.now))


async def _people(ask: Ask[Nothing, VehiclePersonIn], there: bool) -> VehicleViewOut:
    vehicle_id, body = ask.path["vehicle_id"], ask.body
    entry = ask.entry(Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", {"fields": body.role.value})
    await ask.services.records.set_person(ask.by, vehicle_id, body.customer_id, body.role, there, entry)
    return vehicle_out(await ask.services.records.vehicle(ask.by, vehicle_id, ask.now))


async def add_person(ask: Ask[Nothing, VehiclePersonIn]) -> VehicleViewOut:
    """The customer has this part in the vehicle."""
    return await _people(ask, True)


async def end_person(ask: Ask[Nothing, VehiclePersonIn]) -> VehicleViewOut:
    """The customer has this part no longer; the record remembers that he had."""
    return await _people(ask, False)


async def add_purchase(ask: Ask[Nothing, NewPurchaseIn]) -> PurchaseOut:
    """What the customer bought."""
    customer_id = ask.path["customer_id"]
    entry = ask.entry(Action.RECORD_CHANGED, f"customer:{customer_id}", {"fields": "purchase"})
    given = {**given_in(ask.body), "customer_id": customer_id}
    return PurchaseOut.model_validate(await ask.services.records.add_purchase(ask.by, given, entry))


async def change_purchase(ask: Ask[Nothing, PurchaseChangeIn]) -> PurchaseOut:
    """Mend a purchase."""
    purchase_id, body = ask.path["purchase_id"], ask.body
    entry = ask.entry(Action.RECORD_CHANGED, f"purchase:{purchase_id}")
    changes = {name: value for name, value in given_in(body).items() if name != "bought_on" or value}
    changed = await ask.services.records.change_purchase(ask.by, purchase_id, body.version, changes, entry)
    return PurchaseOut.model_validate(changed)


async def remove_purchase(ask: Ask[Nothing, RemoveIn]) -> Nothing:
    """Take away a purchase that never was; the register keeps what it said."""
    purchase_id = ask.path["purchase_id"]
    entry = ask.entry(Action.RECORD_CHANGED, f"purchase:{purchase_id}", {"removed": True})
    await ask.services.records.change_purchase(ask.by, purchase_id, ask.body.version, None, entry)
    return Nothing()


async def add_visit(ask: Ask[Nothing, NewVisitIn]) -> VisitOut:
    """What the workshop did; the newest visit tells the vehicle its mileage and when it is due again."""
    vehicle_id = ask.path["vehicle_id"]
    entry = ask.entry(Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", {"fields": "visit"})
    given = {**given_in(ask.body), "vehicle_id": vehicle_id}
    return VisitOut.model_validate(await ask.services.records.add_visit(ask.by, given, entry))


async def change_visit(ask: Ask[Nothing, VisitChangeIn]) -> VisitOut:
    """Mend a visit."""
    visit_id, body = ask.path["visit_id"], ask.body
    entry = ask.entry(Action.RECORD_CHANGED, f"visit:{visit_id}")
    changes = {name: value for name, value in given_in(body).items() if name != "visited_on" or value}
    changed = await ask.services.records.change_visit(ask.by, visit_id, body.version, changes, entry)
    return VisitOut.model_validate(changed)


async def remove_visit(ask: Ask[Nothing, RemoveIn]) -> Nothing:
    """Take away a visit that never was; the register keeps what it said."""
    visit_id = ask.path["visit_id"]
    entry = ask.entry(Action.RECORD_CHANGED, f"visit:{visit_id}", {"removed": True})
    await ask.services.records.change_visit(ask.by, visit_id, ask.body.version, None, entry)
    return Nothing()


_ERRORS = ("vehicle-not-found", "record-closed", "bad-record")
_CHANGE = (*_ERRORS, "record-changed", "field-locked", "vin-taken")
_ENTRY = ("entry-not-found", "record-closed", "record-changed", "bad-record", "vehicle-not-found")

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/vehicles",
        summary="List vehicles: by plate, model, day of the next service, class of the owner",
        needs=Permission.CRM_READ,
        json=list_vehicles,
        query=VehiclesQuery,
        answer=VehiclesOut,
        errors=("bad-cursor",),
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/vehicles",
        summary="Add a vehicle",
        needs=Permission.CRM_WRITE,
        json=create,
        body=NewVehicleIn,
        answer=VehicleOut,
        status=201,
        errors=("bad-record", "vin-taken", "customer-not-found", "record-closed", "field-locked"),
        tag="vehicles",
    ),
    Route(
        method="GET",
        path="/api/v1/vehicles/{vehicle_id}",
        summary="One vehicle: people, workshop visits, purchases",
        needs=Permission.CRM_READ,
        json=get,
        answer=VehicleViewOut,
        errors=("vehicle-not-found", "record-closed"),
        tag="vehicles",
    ),
    Route(
        method="PATCH",
        path="/api/v1/vehicles/{vehicle_id}",
        summary="Change a vehicle",
        needs=Permission.CRM_WRITE,
        json=change,
        body=VehicleChangeIn,
        answer=VehicleViewOut,
        errors=_CHANGE,
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/vehicles/{vehicle_id}/people",
        summary="Tie a customer to a vehicle",
        needs=Permission.CRM_WRITE,
        json=add_person,
        body=VehiclePersonIn,
        answer=VehicleViewOut,
        errors=(*_ERRORS, "customer-not-found"),
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/vehicles/{vehicle_id}/people/end",
        summary="The customer has this part no longer",
        needs=Permission.CRM_WRITE,
        json=end_person,
        body=VehiclePersonIn,
        answer=VehicleViewOut,
        errors=(*_ERRORS, "customer-not-found", "entry-not-found"),
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/vehicles/{vehicle_id}/visits",
        summary="Add a visit to the workshop",
        needs=Permission.CRM_WRITE,
        json=add_visit,
        body=NewVisitIn,
        answer=VisitOut,
        status=201,
        errors=(*_ERRORS, "customer-not-found"),
        tag="vehicles",
    ),
    Route(
        method="PATCH",
        path="/api/v1/visits/{visit_id}",
        summary="Change a visit to the workshop",
        needs=Permission.CRM_WRITE,
        json=change_visit,
        body=VisitChangeIn,
        answer=VisitOut,
        errors=(*_ENTRY, "customer-not-found"),
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/visits/{visit_id}/remove",
        summary="Take away a visit that never was",
        needs=Permission.CRM_WRITE,
        json=remove_visit,
        body=RemoveIn,
        answer=Nothing,
        errors=_ENTRY,
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/customers/{customer_id}/purchases",
        summary="Add a purchase",
        needs=Permission.CRM_WRITE,
        json=add_purchase,
        body=NewPurchaseIn,
        answer=PurchaseOut,
        status=201,
        errors=(*_ERRORS, "customer-not-found"),
        tag="vehicles",
    ),
    Route(
        method="PATCH",
        path="/api/v1/purchases/{purchase_id}",
        summary="Change a purchase",
        needs=Permission.CRM_WRITE,
        json=change_purchase,
        body=PurchaseChangeIn,
        answer=PurchaseOut,
        errors=_ENTRY,
        tag="vehicles",
    ),
    Route(
        method="POST",
        path="/api/v1/purchases/{purchase_id}/remove",
        summary="Take away a purchase that never was",
        needs=Permission.CRM_WRITE,
        json=remove_purchase,
        body=RemoveIn,
        answer=Nothing,
        errors=_ENTRY,
        tag="vehicles",
    ),
)
