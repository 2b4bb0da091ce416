"""What is added to a record that stands: a purchase, a group it goes into, another person of a vehicle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from access.audit import Action
from access.permissions import Permission
from crm.records.customers import BadRecord
from crm.records.purchases import Payment
from crm.records.vehicles import Role
from web.api.record_shapes import NewPurchaseIn
from web.auth import Signed
from web.bodies import read_query
from web.pages import record_forms
from web.pages.record_words import Words
from web.pages.records import SHEETS, go, groups_to_join, language_of_page, noted
from web.pages.shell import show
from web.problems import Refused
from web.routes import SERVICES, Route, Shape

PURCHASE: Final = ("bought_on", "vehicle_id", "model", "price_cents", "payment", "invoice", "note")
#: People a form offers.
_OFFERED: Final = 20


class NewPersonQuery(Shape):
    """Whom the form looks for."""

    q: Annotated[str, StringConstraints(max_length=200)] = ""


async def join_group(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Put the customer into a static group; again is harmless."""
    customer_id = request.match_info["customer_id"]
    services = request.app[SERVICES]
    form = await record_forms.read(request, signed)
    group_id = form.get("group_id", "")
    await services.records.person(signed.principal, customer_id, services.clock.now())
    if group_id not in {id for id, _name in await groups_to_join(request, signed)}:
        raise Refused("not-found", "There is no such group. Nothing was changed.")
    note = noted(request, signed, Action.GROUP_CHANGED, f"group:{group_id}", put_in=1)
    await services.groups.put_in(signed.principal, group_id, note, ids=[customer_id])
    return go(f"/customers/{customer_id}")


async def _purchase_page(
    request: web.Request,
    signed: Signed,
    form: Mapping[str, str],
    errors: Mapping[str, str],
) -> web.Response:
    services = request.app[SERVICES]
    now = services.clock.now()
    view = await services.records.person(signed.principal, request.match_info["customer_id"], now)
    return show(
        request,
        signed,
        "records/new_purchase.html",
        here="customers",
        sheets=SHEETS,
        status=422 if errors else 200,
        values={
            "view": view,
            "form": form,
            "errors": errors,
            "payments": [one.value for one in Payment],
            "words": Words(language_of_page(request, signed)),
        },
    )


async def show_purchase(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The form of a purchase."""
    return await _purchase_page(request, signed, dict.fromkeys(PURCHASE, ""), {})


async def add_purchase(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What the customer bought."""
    customer_id = request.match_info["customer_id"]
    form = dict.fromkeys(PURCHASE, "") | await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    try:
        typed = {**form, "price_cents": record_forms.cents(form["price_cents"])}
        given = record_forms.changes_in(NewPurchaseIn, typed, PURCHASE)
        if given.get("bought_on") is None:
            raise BadRecord("A purchase has a day.", field="bought_on")
        given = {name: value for name, value in given.items() if value not in (None, "")}
        await request.app[SERVICES].records.add_purchase(
            signed.principal,
            {**given, "customer_id": customer_id},
            noted(request, signed, Action.RECORD_CHANGED, f"customer:{customer_id}", fields="purchase"),
        )
        return go(f"/customers/{customer_id}")
    except ValidationError as error:
        errors = words.wrong(error)
    except BadRecord as error:
        errors = words.refused(error)
    return await _purchase_page(request, signed, form, errors)


async def show_person(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Look for somebody who has to do with the vehicle, too."""
    services, by = request.app[SERVICES], signed.principal
    query = read_query(NewPersonQuery, request)
    now = services.clock.now()
    view = await services.records.vehicle(by, request.match_info["vehicle_id"], now)
    found = await services.records.search(by, query.q, _OFFERED, now) if query.q.strip() else None
    return show(
        request,
        signed,
        "records/new_person.html",
        here="customers",
        sheets=SHEETS,
        values={
            "view": view,
            "query": query,
            "found": found,
            "roles": [role.value for role in Role],
            "words": Words(language_of_page(request, signed)),
        },
    )


async def add_person(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The customer has this part in the vehicle from now on."""
    vehicle_id = request.match_info["vehicle_id"]
    form = await record_forms.read(request, signed)
    role, customer_id = form.get("role", ""), form.get("customer_id", "")
    note = noted(request, signed, Action.RECORD_CHANGED, f"vehicle:{vehicle_id}", fields=role[:16])
    await request.app[SERVICES].records.set_person(
        signed.principal,
        vehicle_id,
        customer_id[:26],
        Role(role) if role in list(Role) else Role.CONTACT,
        True,
        note,
    )
    return go(f"/vehicles/{vehicle_id}")


_HTML: Final = "text/html"
ROUTES = (
    Route(
        method="POST",
        path="/customers/{customer_id}/groups",
        summary="Put a customer into a group",
        needs=Permission.GROUPS_WRITE,
        page=join_group,
        media=_HTML,
    ),
    Route(
        method="GET",
        path="/customers/{customer_id}/purchases/new",
        summary="A new purchase",
        needs=Permission.CRM_WRITE,
        page=show_purchase,
        media=_HTML,
        views="customer",
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/purchases/new",
        summary="Add a purchase",
        needs=Permission.CRM_WRITE,
        page=add_purchase,
        media=_HTML,
    ),
    Route(
        method="GET",
        path="/vehicles/{vehicle_id}/people/new",
        summary="Another person of a vehicle",
        needs=Permission.CRM_WRITE,
        page=show_person,
        query=NewPersonQuery,
        media=_HTML,
    ),
    Route(
        method="POST",
        path="/vehicles/{vehicle_id}/people/new",
        summary="Add a person to a vehicle",
        needs=Permission.CRM_WRITE,
        page=add_person,
        media=_HTML,
    ),
)
