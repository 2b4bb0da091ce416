"""Pages of customers: the list with its search, the person, and the forms that change a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import StringConstraints, ValidationError

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.permissions import TAKES_CALLS, Permission
from access.users import LANGUAGES, Language
from crm.groups.groups import GroupKind
from crm.records.changes import RecordChanged
from crm.records.classification import CustomerClass, Grade
from crm.records.contacts import Label
from crm.records.credit import CreditGrade
from crm.records.customers import BadRecord, CustomerKind, Honorific, NumberTaken, Secrecy, Sex, VinTaken
from crm.records.fields import FieldLocked, FieldSubject
from crm.records.found import FoundPage
from crm.records.timeline import Kind, Only
from crm.records.vehicles import Role
from telephony.calls import Outcome
from web.api.record_shapes import CustomerChangeIn, NewVehicleIn, TimelineQuery
from web.api.records import read_kinds
from web.api.shapes import Cursor
from web.auth import Signed, address_of
from web.bodies import read_query
from web.languages import language_of
from web.pages import record_forms
from web.pages.appointment_lines import booked_of
from web.pages.case_lines import cases_of
from web.pages.contact_lines import contacts_of
from web.pages.contactability_lines import contactable
from web.pages.record_words import Words
from web.pages.shell import show
from web.pages.survey_lines import offered_of
from web.ports.merging import Person
from web.refusals import said
from web.routes import SERVICES, Route, Shape

SHEETS: Final = ("records.css", "cases.css", "surveys.css")
_SHOWN: Final = 50
#: Groups a menu offers.
_GROUPS: Final = 100
#: Fields of the form, in the order of the page.
BASIC: Final = (
    "name",
    "kind",
    "honorific",
    "sex",
    "birthday",
    "language",
    "occupation",
    "source",
    "paper_file",
    "visited_on",
    "address",
    "note",
)
WANTS: Final = ("need", "budget", "focus", "purchase_expected_on")
GRADING: Final = (
    "customer_class",
    "value_grade",
    "loyalty_grade",
    "potential_grade",
    "credit_grade",
    "visit_every_days",
    "own_agent_id",
    "secrecy",
)
VEHICLE: Final = (
    "plate",
    "vin",
    "brand",
    "model",
    "purpose",
    "delivered_on",
    "mileage",
    "next_due_on",
    "next_due_mileage",
)


class ListQuery(Shape):
    """What the address of the list keeps."""

    q: Annotated[str, StringConstraints(max_length=4_096)] = ""
    customer_class: CustomerClass | None = None
    key_accounts: bool = False
    cursor: Cursor | None = None


def language_of_page(request: web.Request, signed: Signed) -> Language:
    """The language the person reads."""
    return signed.session.user.language if signed.session else language_of(request)


def noted(
    request: web.Request, signed: Signed, action: Action, subject: str, **data: str | int | bool | None
) -> Entry:
    """A line for the audit log about this request."""
    services = request.app[SERVICES]
    now = services.clock.now()
    return entry(
        action,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=subject,
        address=address_of(request, services.options),
        data=data,
    )


def go(path: str) -> web.Response:
    """On to a page after a form."""
    return web.Response(status=303, headers={"Location": path})


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list; with `q` what a search finds."""
    query = read_query(ListQuery, request)
    records = request.app[SERVICES].records
    by, now = signed.principal, request.app[SERVICES].clock.now()
    page: FoundPage
    if query.q.strip():
        page = await records.search(by, query.q, _SHOWN, now)
    else:
        page = await records.list(
            by,
            customer_class=query.customer_class,
            key_accounts=query.key_accounts,
            after=query.cursor or "",
            limit=_SHOWN,
            now=now,
        )
    return show(
        request,
        signed,
        "records/list.html",
        here="customers",
        sheets=SHEETS,
        values={"page": page, "query": query, "classes": [one.value for one in CustomerClass]},
    )


async def show_customer(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The person with the timeline."""
    services, by = request.app[SERVICES], signed.principal
    customer_id = request.match_info["customer_id"]
    query = read_query(TimelineQuery, request)
    view = await services.records.person(by, customer_id, services.clock.now())
    if view.customer.id != customer_id:  # merged into another record
        return go(f"/customers/{view.customer.id}")
    language = language_of_page(request, signed)
    story = None
    if not view.closed:
        story = await services.records.timeline(
            by,
            customer_id,
            only=read_kinds(query.kinds),
            cursor=query.cursor,
            now=services.clock.now(),
            limit=query.limit,
        )
    fields = await services.records.fields(None, retired=True)
    doubles: list[Person] = []
    if by.may(Permission.RECORDS_MERGE) and not view.closed:
        pairs = await services.merging.pairs_of(by, view.id, services.clock.now())
        doubles = [one.other if one.one.customer_id == view.id else one.one for one in pairs.items]
    return show(
        request,
        signed,
        "records/customer.html",
        here="customers",
        sheets=SHEETS,
        values={
            "view": view,
            "story": story,
            "doubles": doubles,
            "cases_of": None if view.closed else await cases_of(request, signed, customer_id=view.id),
            "called": None if view.closed else await contacts_of(request, signed, view.id),
            "booked": None if view.closed else await booked_of(request, signed, view.id),
            "contact": None if view.closed else await contactable(request, signed, view.id),
            "offered": None if view.closed else await offered_of(request, signed, view.id),
            "can_offer": True,
            "wanted": "",
            "wanted_vehicle": "",
            "groups": await groups_to_join(request, signed),
            "kinds": query.kinds,
            "filters": [*(kind.value for kind in Kind), Only.RECORDED.value],
            "words": Words(language, fields),
            "outcomes": {outcome.value for outcome in Outcome},
            "day_of": lambda item: item.at.astimezone(ZoneInfo(services.zone)).date(),
            "labels": [label.value for label in Label],
        },
    )


async def groups_to_join(request: web.Request, signed: Signed) -> list[tuple[str, str]]:
    """Id and name of the static groups this person may put somebody into."""
    if not signed.principal.may(Permission.GROUPS_WRITE):
        return []
    page = await request.app[SERVICES].groups.list(
        signed.principal,
        language_of_page(request, signed),
        archived=False,
        cursor=None,
        limit=_GROUPS,
    )
    return [(one.group.id, one.group.name) for one in page.items if one.group.kind is GroupKind.STATIC]


def _options(request: web.Request) -> dict[str, list[str]]:
    return {
        "kind": [one.value for one in CustomerKind],
        "honorific": [one.value for one in Honorific],
        "sex": ["", *(one.value for one in Sex)],
        "language": ["", *LANGUAGES],
        "customer_class": ["", *(one.value for one in CustomerClass)],
        "value_grade": ["", *(one.value for one in Grade)],
        "loyalty_grade": ["", *(one.value for one in Grade)],
        "potential_grade": ["", *(one.value for one in Grade)],
        "credit_grade": ["", *(one.value for one in CreditGrade)],
        "secrecy": [one.value for one in Secrecy],
    }


async def _form(
    request: web.Request,
    signed: Signed,
    *,
    customer_id: str | None,
    values: Mapping[str, Any],
    version: int,
    errors: Mapping[str, str] | None = None,
    trouble: str = "",
    status: int = 200,
) -> web.Response:
    services, by = request.app[SERVICES], signed.principal
    language = language_of_page(request, signed)
    fields = await services.records.fields(FieldSubject.CUSTOMER, retired=False)
    own = [field for field in fields if by.role not in field.hidden_from]
    grades = by.may(Permission.CLASSES_WRITE)
    people = await services.users.list() if grades else []
    return show(
        request,
        signed,
        "records/edit.html",
        here="customers",
        sheets=SHEETS,
        status=status,
        values={
            "customer_id": customer_id,
            "form": {name: "" if value is None else value for name, value in values.items()},
            "version": version,
            "errors": errors or {},
            "trouble_words": trouble,
            "basic": BASIC,
            "wants": WANTS,
            "grading": GRADING if grades else (),
            "options": _options(request),
            "agents": [(one.id, one.name) for one in people if one.is_enabled and one.role in TAKES_CALLS],
            "own": own,
            "words": Words(language, fields),
            "role_of": by.role,
        },
    )


async def show_edit(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The form of a customer."""
    services = request.app[SERVICES]
    customer_id = request.match_info["customer_id"]
    view = await services.records.person(signed.principal, customer_id, services.clock.now())
    if view.closed:
        return go(f"/customers/{customer_id}")
    values = {name: getattr(view.customer, name) for name in (*BASIC, *WANTS, *GRADING, "key_account")}
    values |= {f"custom.{one.field.key}": one.value for one in view.fields}
    return await _form(request, signed, customer_id=customer_id, values=values, version=view.customer.version)


async def show_new(request: web.Request, signed: Signed) -> web.StreamResponse:
    """An empty form."""
    values = dict.fromkeys((*BASIC, *WANTS, *GRADING), "") | {"kind": "person", "secrecy": "normal"}
    number = request.query.get("number", "")[:64]
    return await _form(
        request, signed, customer_id=None, values={**values, "honorific": "none", "number": number}, version=0
    )


async def save(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Keep what the form says: a new customer, or changes of one."""
    services, by = request.app[SERVICES], signed.principal
    customer_id = request.match_info.get("customer_id")
    form = await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    grades = by.may(Permission.CLASSES_WRITE)
    version = record_forms.version_in(form)
    names = (*BASIC, *WANTS, *(GRADING if grades else ()))
    try:
        changes = record_forms.changes_in(CustomerChangeIn, form, names, ("key_account",) if grades else ())
        custom = record_forms.custom_in(form)
        if customer_id is None:
            custom = {key: value for key, value in custom.items() if value}
            numbers = [(form["number"], Label.MOBILE)] if form.get("number", "").strip() else []
            given = {name: value for name, value in changes.items() if value not in (None, "")}
            given.setdefault("name", "")
            made = await services.records.create(
                by, given, numbers, custom, noted(request, signed, Action.RECORD_CREATED, "customer")
            )
            return go(f"/customers/{made.id}")
        note = noted(request, signed, Action.RECORD_CHANGED, f"customer:{customer_id}")
        changes["name"] = changes.get("name") or ""
        await services.records.edit(by, customer_id, version, changes, custom, form.get("why", ""), note)
    except ValidationError as error:
        errors, trouble, status = words.wrong(error), "", 422
    except BadRecord as error:
        errors, trouble, status = words.refused(error), "", 422
    except (FieldLocked, NumberTaken) as error:
        errors, trouble, status = {}, said(language_of_page(request, signed), error.error_id, str(error)), 422
    except RecordChanged as error:
        trouble, found = words.conflict(error)
        errors, version, status = dict(found), error.version, 409
    else:
        return go(f"/customers/{customer_id}")
    return await _form(
        request,
        signed,
        customer_id=customer_id,
        values={
            **dict.fromkeys((*BASIC, *WANTS, *GRADING), ""),
            **form,
            "key_account": form.get("key_account"),
        },
        version=max(version, 0),
        errors=errors,
        trouble=trouble,
        status=status,
    )


async def add_number(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Another number of the customer."""
    customer_id = request.match_info["customer_id"]
    form = await record_forms.read(request, signed)
    label = form.get("label", "")
    note = noted(request, signed, Action.RECORD_CHANGED, f"customer:{customer_id}", fields="phone")
    await request.app[SERVICES].records.add_number(
        signed.principal,
        customer_id,
        form.get("number", ""),
        Label(label) if label in list(Label) else Label.OTHER,
        form.get("primary") == "yes",
        note,
    )
    return go(f"/customers/{customer_id}")


async def end_number(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The number is no longer this customer's."""
    customer_id, place = request.match_info["customer_id"], request.match_info["number_id"]
    await record_forms.read(request, signed)
    note = noted(request, signed, Action.RECORD_CHANGED, f"customer:{customer_id}", fields="phone")
    await request.app[SERVICES].records.end_number(
        signed.principal, customer_id, int(place) if place.isdecimal() and len(place) < 5 else -1, note
    )
    return go(f"/customers/{customer_id}")


async def classify(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The house's rule decides the class."""
    customer_id = request.match_info["customer_id"]
    await record_forms.read(request, signed)
    note = noted(request, signed, Action.RECORD_CHANGED, f"customer:{customer_id}", fields="class")
    await request.app[SERVICES].records.classify(signed.principal, customer_id, note)
    return go(f"/customers/{customer_id}")


async def add_vehicle(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A vehicle of the customer: the form, and what it says."""
    customer_id = request.match_info["customer_id"]
    words = Words(language_of_page(request, signed))
    form: dict[str, str] = dict.fromkeys((*VEHICLE, "role"), "")
    errors: dict[str, str] = {}
    if request.method == "POST":
        form |= await record_forms.read(request, signed)
        role = form["role"]
        try:
            given = record_forms.changes_in(NewVehicleIn, form, VEHICLE)
            made = await request.app[SERVICES].records.create_vehicle(
                signed.principal,
                given,
                customer_id,
                Role(role) if role in list(Role) else Role.OWNER,
                {},
                noted(request, signed, Action.RECORD_CREATED, "vehicle"),
            )
            return go(f"/vehicles/{made.id}")
        except ValidationError as error:
            errors = words.wrong(error)
        except BadRecord as error:
            errors = words.refused(error)
        except VinTaken:
            errors = {"vin": words.say("vin_taken")}
    services = request.app[SERVICES]
    view = await services.records.person(signed.principal, customer_id, services.clock.now())
    return show(
        request,
        signed,
        "records/new_vehicle.html",
        here="customers",
        sheets=SHEETS,
        status=422 if errors else 200,
        values={
            "view": view,
            "form": form,
            "errors": errors,
            "names": VEHICLE,
            "roles": [role.value for role in Role],
            "words": words,
        },
    )


_HTML: Final = "text/html"
ROUTES = (
    Route(
        method="GET",
        path="/customers",
        summary="Customers",
        needs=Permission.CRM_READ,
        page=show_list,
        query=ListQuery,
        media=_HTML,
    ),
    Route(
        method="GET",
        path="/customers/new",
        summary="A new customer",
        needs=Permission.CRM_WRITE,
        page=show_new,
        media=_HTML,
    ),
    Route(
        method="POST",
        path="/customers/new",
        summary="Add a customer",
        needs=Permission.CRM_WRITE,
        page=save,
        media=_HTML,
    ),
    Route(
        method="GET",
        path="/customers/{customer_id}",
        summary="A person",
        needs=Permission.CRM_READ,
        page=show_customer,
        query=TimelineQuery,
        media=_HTML,
        views="customer",
    ),
    Route(
        method="GET",
        path="/customers/{customer_id}/edit",
        summary="Form of a customer",
        needs=Permission.CRM_WRITE,
        page=show_edit,
        media=_HTML,
        views="customer",
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/edit",
        summary="Change a customer",
        needs=Permission.CRM_WRITE,
        page=save,
        media=_HTML,
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/numbers",
        summary="Add a number",
        needs=Permission.CRM_WRITE,
        page=add_number,
        media=_HTML,
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/numbers/{number_id}/end",
        summary="End a number",
        needs=Permission.CRM_WRITE,
        page=end_number,
        media=_HTML,
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/classify",
        summary="Classify by rule",
        needs=Permission.CLASSES_WRITE,
        page=classify,
        media=_HTML,
    ),
    Route(
        method="GET",
        path="/customers/{customer_id}/vehicles/new",
        summary="A new vehicle",
        needs=Permission.CRM_WRITE,
        page=add_vehicle,
        media=_HTML,
        views="customer",
    ),
    Route(
        method="POST",
        path="/customers/{customer_id}/vehicles/new",
        summary="Add a vehicle",
        needs=Permission.CRM_WRITE,
        page=add_vehicle,
        media=_HTML,
    ),
)
