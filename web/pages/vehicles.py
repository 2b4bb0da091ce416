"""Pages of vehicles: their list, the vehicle with its people and history, its form, and a visit to the workshop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import ValidationError

from access.audit import Action
from access.permissions import Permission
from crm.records.changes import RecordChanged
from crm.records.classification import CustomerClass
from crm.records.customers import BadRecord, VinTaken
from crm.records.fields import FieldLocked, FieldSubject
from crm.records.purchases import VisitKind
from crm.records.vehicle_lists import VehicleFilter, VehiclePage, VehicleSort
from crm.records.vehicles import Role, VehicleState
from web.api.record_shapes import NewVisitIn, VehicleChangeIn
from web.api.shapes import Id, Search
from web.auth import Signed
from web.pages import record_forms
from web.pages.case_lines import cases_of
from web.pages.due_lines import booked_of_vehicle, due_of
from web.pages.filters import Day, read_filter
from web.pages.record_words import Words
from web.pages.records import SHEETS, VEHICLE, go, language_of_page, noted
from web.pages.shell import show
from web.refusals import said
from web.routes import SERVICES, Route, Shape

NAMES = (*VEHICLE, "state", "state_since")
VISIT = (
    "visited_on",
    "kind",
    "mileage",
    "order_number",
    "amount_cents",
    "next_due_on",
    "next_due_mileage",
    "note",
)

_SHOWN = 50


class ListQuery(Shape):
    """What the address of the list keeps; empty fields of its form do not matter."""

    plate: Search = ""
    model: Search = ""
    customer_class: CustomerClass | Literal[""] = ""
    due_from: Day = None
    due_to: Day = None
    sort: VehicleSort = VehicleSort.NEWEST
    cursor: Id | None = None


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list, and what it can be filtered by."""
    services, by = request.app[SERVICES], signed.principal
    asked = read_filter(ListQuery, request, signed)
    query = asked.query
    now = services.clock.now()
    wanted = VehicleFilter(
        plate=query.plate,
        model=query.model,
        customer_class=str(query.customer_class),
        due_from=query.due_from,
        due_to=query.due_to,
    )
    page = VehiclePage(items=())
    if not asked.errors:
        page = await services.records.vehicles(
            by, wanted, sort=query.sort, after=query.cursor, limit=_SHOWN, now=now
        )
    filters = {
        "plate": query.plate,
        "model": query.model,
        "class": str(query.customer_class),
        "due_from": asked.day("due_from"),
        "due_to": asked.day("due_to"),
    }
    kept = {name: str(value) for name, value in query if value and name != "cursor"}
    return show(
        request,
        signed,
        "records/vehicles.html",
        here="vehicles",
        sheets=SHEETS,
        status=asked.status,
        values={
            "page": page,
            "query": query,
            "asked": asked,
            "sent": filters,
            "narrowed": any(filters.values()),
            "address": f"/vehicles?{urlencode(kept)}",
            "models": await services.records.models(),
            "classes": [one.value for one in CustomerClass],
            "sorts": [one.value for one in VehicleSort],
            "today": now.astimezone(ZoneInfo(services.zone)).date(),
        },
    )


async def _page(
    request: web.Request,
    signed: Signed,
    *,
    form: Mapping[str, object] | None = None,
    visit: Mapping[str, object] | None = None,
    version: int | None = None,
    errors: Mapping[str, str] | None = None,
    trouble: str = "",
    status: int = 200,
) -> web.Response:
    """The vehicle; with `form` or `visit` the form that was sent back, open."""
    services, by = request.app[SERVICES], signed.principal
    view = await services.records.vehicle(by, request.match_info["vehicle_id"], services.clock.now())
    fields = await services.records.fields(FieldSubject.VEHICLE, retired=False)
    words = Words(language_of_page(request, signed), fields)
    now = {name: getattr(view.vehicle, name) for name in NAMES}
    now |= {f"custom.{one.field.key}": one.value for one in view.fields}
    return show(
        request,
        signed,
        "records/vehicle.html",
        here="vehicles",
        sheets=(*SHEETS, "maintenance.css"),
        status=status,
        values={
            "due_of": await due_of(request, signed, view.vehicle.id),
            "booked_of": await booked_of_vehicle(request, signed, view.vehicle.id),
            "cases_of": await cases_of(request, signed, vehicle_id=view.vehicle.id),
            "view": view,
            "form": {name: "" if value is None else value for name, value in (form or now).items()},
            "visit": visit or dict.fromkeys(VISIT, ""),
            "open": "edit" if form else ("visit" if visit else ""),
            "version": view.vehicle.version if version is None else version,
            "errors": errors or {},
            "trouble_words": trouble,
            "names": NAMES,
            "visit_names": VISIT,
            "states": [one.value for one in VehicleState],
            "kinds": [one.value for one in VisitKind],
            "roles": [one.value for one in Role],
            "words": words,
            "today": services.clock.now().astimezone(ZoneInfo(services.zone)).date(),
        },
    )


async def show_vehicle(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One vehicle."""
    return await _page(request, signed)


async def save(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Keep what the form says."""
    vehicle_id = request.match_info["vehicle_id"]
    form = await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    version: int | None = record_forms.version_in(form)
    try:
        await request.app[SERVICES].records.edit_vehicle(
            signed.principal,
            vehicle_id,
            version or 0,
            record_forms.changes_in(VehicleChangeIn, form, NAMES),
            record_forms.custom_in(form),
            "",
            noted(request, signed, Action.RECORD_CHANGED, f"vehicle:{vehicle_id}"),
        )
        return go(f"/vehicles/{vehicle_id}")
    except ValidationError as error:
        errors, trouble, status = words.wrong(error), "", 422
    except BadRecord as error:
        errors, trouble, status = words.refused(error), "", 422
    except VinTaken:
        errors, trouble, status = {"vin": words.say("vin_taken")}, "", 422
    except FieldLocked as error:
        errors, trouble, status = {}, said(language_of_page(request, signed), error.error_id, str(error)), 422
    except RecordChanged as error:
        trouble, found = words.conflict(error)
        errors, version, status = dict(found), error.version, 409
    filled = {**dict.fromkeys(NAMES, ""), **form}
    return await _page(
        request, signed, form=filled, version=version, errors=errors, trouble=trouble, status=status
    )


async def add_visit(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A visit to the workshop."""
    vehicle_id = request.match_info["vehicle_id"]
    form = await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    try:
        given = record_forms.changes_in(
            NewVisitIn, {**form, "amount_cents": record_forms.cents(form.get("amount_cents", ""))}, VISIT
        )
        if given.get("visited_on") is None:
            raise BadRecord("A visit has a day.", field="visited_on")
        given = {name: value for name, value in given.items() if value not in (None, "")}
        await request.app[SERVICES].records.add_visit(
            signed.principal,
            {**given, "vehicle_id": vehicle_id},
            noted(request, signed, Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", fields="visit"),
        )
        return go(f"/vehicles/{vehicle_id}")
    except ValidationError as error:
        errors = words.wrong(error)
    except BadRecord as error:
        errors = words.refused(error)
    return await _page(request, signed, visit={**dict.fromkeys(VISIT, ""), **form}, errors=errors, status=422)


async def end_person(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The customer has this part no longer."""
    vehicle_id, customer_id = request.match_info["vehicle_id"], request.match_info["customer_id"]
    form = await record_forms.read(request, signed)
    role = form.get("role", "")
    if role in list(Role):
        note = noted(request, signed, Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", fields=role)
        await request.app[SERVICES].records.set_person(
            signed.principal, vehicle_id, customer_id, Role(role), False, note
        )
    return go(f"/vehicles/{vehicle_id}")


ROUTES = (
    Route(
        method="GET",
        path="/vehicles",
        summary="Vehicles",
        needs=Permission.CRM_READ,
        page=show_list,
        query=ListQuery,
        media="text/html",
        errors=("bad-cursor",),
    ),
    Route(
        method="GET",
        path="/vehicles/{vehicle_id}",
        summary="A vehicle",
        needs=Permission.CRM_READ,
        page=show_vehicle,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/vehicles/{vehicle_id}",
        summary="Change a vehicle",
        needs=Permission.CRM_WRITE,
        page=save,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/vehicles/{vehicle_id}/visits",
        summary="Add a visit to the workshop",
        needs=Permission.CRM_WRITE,
        page=add_visit,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/vehicles/{vehicle_id}/people/{customer_id}/end",
        summary="The customer has this part no longer",
        needs=Permission.CRM_WRITE,
        page=end_person,
        media="text/html",
    ),
)
