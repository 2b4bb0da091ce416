"""Contacts: whom to call and why, what came of it, and the rules that make them."""

from __future__ import annotations

from typing import Any, Final

from access.audit import Action
from access.permissions import Permission
from crm.contacts.contacts import Contact, NewReason, ReasonKind, Result
from crm.contacts.rules import DEFAULTS, Rule, Rules
from web.api.contact_shapes import (
    CalleeOut,
    ContactDetailOut,
    ContactEventOut,
    ContactOut,
    ContactsOut,
    ContactsQuery,
    DueRunOut,
    DueRunsOut,
    NewReasonIn,
    OwnerIn,
    ReasonOut,
    ResultIn,
    RulesShape,
    TryOut,
    UntilIn,
)
from web.ports.contacts import ContactFilter, ContactLine, ContactView, ReasonLine
from web.routes import Ask, Nothing, Route

_ONE: Final = "/api/v1/contacts/{contact_id}"
_REFUSALS: Final = (
    "contact-not-found",
    "contact-closed",
    "contact-changed",
    "contact-taken",
    "bad-contact",
    "record-closed",
)


def _reason_out(line: ReasonLine) -> ReasonOut:
    reason = line.reason
    names = set(ReasonOut.model_fields) - {"plate", "model", "why", "closed_why"}
    return ReasonOut.model_validate(
        {name: getattr(reason, name) for name in names}
        | {
            "plate": line.plate,
            "model": line.model,
            "why": dict(reason.why),
            "closed_why": dict(reason.closed_why),
        }
    )


def contact_out(line: ContactLine) -> ContactOut:
    """A contact."""
    contact = line.contact
    return ContactOut.model_validate(
        {name: getattr(contact, name) for name in Contact.__slots__}
        | {
            "customer_name": line.customer_name,
            "number": line.number,
            "owner_name": line.owner_name,
            "overdue": line.overdue,
            "blocked": list(line.blocked),
            "hidden": line.closed_to_viewer,
            "reasons": [_reason_out(one) for one in line.reasons],
        }
    )


def detail_out(view: ContactView) -> ContactDetailOut:
    """A contact with its tries, its trail and who can be called."""

    def plain(value: Any, shape: Any) -> dict[str, Any]:
        return {name: getattr(value, name) for name in shape.model_fields}

    return ContactDetailOut(
        contact=contact_out(view.line),
        tries=[TryOut.model_validate(plain(one, TryOut)) for one in view.tries],
        events=[
            ContactEventOut.model_validate(plain(one, ContactEventOut) | {"data": dict(one.data)})
            for one in view.events
        ],
        callees=[CalleeOut.model_validate(plain(one, CalleeOut)) for one in view.callees],
        allowed_results=list(view.allowed),
    )


def filter_of(query: ContactsQuery) -> ContactFilter:
    """The filter of a query."""
    return ContactFilter(
        **{
            name: getattr(query, name)
            for name in ContactsQuery.model_fields
            if name not in ("cursor", "limit")
        }
    )


async def list_contacts(ask: Ask[ContactsQuery, Nothing]) -> ContactsOut:
    """Contacts the asker may see; open ones the first due first."""
    page = await ask.services.contacts.list(
        ask.by, filter_of(ask.query), ask.now, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return ContactsOut(
        items=[contact_out(one) for one in page.items],
        counts=dict(page.counts),
        kinds=dict(page.kinds),
        next=page.next,
    )


async def get(ask: Ask[Nothing, Nothing]) -> ContactDetailOut:
    """One contact."""
    return detail_out(await ask.services.contacts.get(ask.by, ask.path["contact_id"], ask.now))


async def add(ask: Ask[Nothing, NewReasonIn]) -> ContactDetailOut:
    """A reason by hand; it joins what is open of the customer."""
    given = ask.body
    new = NewReason(
        kind=ReasonKind(given.kind),
        occasion="",
        customer_id=given.customer_id,
        vehicle_id=given.vehicle_id,
        due_at=given.due_at,
        expires_at=given.expires_at,
        why={"words": given.words},
        priority=given.priority,
        questionnaire=given.questionnaire,
        script=given.script,
    )
    entry = ask.entry(Action.CONTACT_ADDED, data={"kind": given.kind})
    return detail_out(await ask.services.contacts.add(ask.by, new, entry, once=ask.once))


async def give_result(ask: Ask[Nothing, ResultIn]) -> ContactDetailOut:
    """What came of a call. The same call told again changes nothing."""
    contact_id, given = ask.path["contact_id"], ask.body
    entry = ask.entry(Action.CONTACT_STEPPED, f"contact:{contact_id}", {"step": given.result})
    return detail_out(
        await ask.services.contacts.give_result(
            ask.by,
            contact_id,
            Result(given.result),
            entry,
            version=given.version,
            note=given.note,
            call_id=given.call_id,
            done_reasons=given.done_reasons,
        )
    )


async def give_to(ask: Ask[Nothing, OwnerIn]) -> ContactDetailOut:
    """Take it, give it back, or give it to somebody."""
    contact_id = ask.path["contact_id"]
    entry = ask.entry(Action.CONTACT_STEPPED, f"contact:{contact_id}", {"step": "given"})
    return detail_out(
        await ask.services.contacts.assign(ask.by, contact_id, ask.body.owner_id, ask.body.version, entry)
    )


async def postpone(ask: Ask[Nothing, UntilIn]) -> ContactDetailOut:
    """The customer asked for another time."""
    contact_id = ask.path["contact_id"]
    entry = ask.entry(Action.CONTACT_STEPPED, f"contact:{contact_id}", {"step": "postponed"})
    return detail_out(
        await ask.services.contacts.postpone(ask.by, contact_id, ask.body.until, ask.body.version, entry)
    )


def rules_out(rules: Rules) -> RulesShape:
    """The rules, every kind with what holds for it."""
    plain = {name: getattr(rules, name) for name in Rules.__slots__ if name != "kinds"}
    kinds = {kind: {name: getattr(rules.rule(kind), name) for name in Rule.__slots__} for kind in DEFAULTS}
    return RulesShape.model_validate({**plain, "class_days": dict(rules.class_days), "kinds": kinds})


async def get_rules(ask: Ask[Nothing, Nothing]) -> RulesShape:
    """Which events make contacts."""
    return rules_out(await ask.services.contacts.rules())


async def save_rules(ask: Ask[Nothing, RulesShape]) -> RulesShape:
    """Change them; `version` is the one that was read."""
    given = ask.body
    plain = {name: getattr(given, name) for name in RulesShape.model_fields if name != "kinds"}
    kinds = {
        kind: Rule(**{name: getattr(one, name) for name in Rule.__slots__})
        for kind, one in given.kinds.items()
    }
    saved = await ask.services.contacts.save_rules(
        ask.by, Rules(**plain, kinds=kinds), ask.entry(Action.PLAN_CHANGED, "contact_rules")
    )
    return rules_out(saved)


async def runs(ask: Ask[Nothing, Nothing]) -> DueRunsOut:
    """Days of generation, the newest first."""
    found = await ask.services.contacts.runs()
    return DueRunsOut(
        items=[
            DueRunOut.model_validate(
                {name: getattr(one, name) for name in DueRunOut.model_fields} | {"counts": dict(one.counts)}
            )
            for one in found
        ]
    )


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/api/v1/contacts",
        summary="Customers to be called, and why",
        needs=Permission.MAINTENANCE_READ,
        json=list_contacts,
        query=ContactsQuery,
        answer=ContactsOut,
        errors=("bad-cursor",),
        tag="contacts",
    ),
    Route(
        method="POST",
        path="/api/v1/contacts",
        summary="Add a reason to call a customer",
        needs=Permission.TASKS_WORK,
        json=add,
        body=NewReasonIn,
        answer=ContactDetailOut,
        status=201,
        once=True,
        errors=("bad-contact", "customer-not-found", "vehicle-not-found", "record-closed"),
        tag="contacts",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="One contact with its reasons, tries and who can be called",
        needs=Permission.MAINTENANCE_READ,
        json=get,
        answer=ContactDetailOut,
        errors=("contact-not-found",),
        views="contact",
        tag="contacts",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/result",
        summary="Say what came of a call",
        needs=Permission.TASKS_WORK,
        json=give_result,
        body=ResultIn,
        answer=ContactDetailOut,
        errors=_REFUSALS,
        tag="contacts",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/owner",
        summary="Take a contact, give it back or to somebody",
        needs=Permission.TASKS_WORK,
        json=give_to,
        body=OwnerIn,
        answer=ContactDetailOut,
        errors=(*_REFUSALS, "user-not-found"),
        tag="contacts",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/postpone",
        summary="Call at another time",
        needs=Permission.TASKS_WORK,
        json=postpone,
        body=UntilIn,
        answer=ContactDetailOut,
        errors=_REFUSALS,
        tag="contacts",
    ),
    Route(
        method="GET",
        path="/api/v1/contact-rules",
        summary="Which events make contacts",
        needs=Permission.MAINTENANCE_READ,
        json=get_rules,
        answer=RulesShape,
        tag="contacts",
    ),
    Route(
        method="POST",
        path="/api/v1/contact-rules",
        summary="Change which events make contacts",
        needs=Permission.MAINTENANCE_WRITE,
        json=save_rules,
        body=RulesShape,
        answer=RulesShape,
        errors=("bad-contact", "contact-changed"),
        tag="contacts",
    ),
    Route(
        method="GET",
        path="/api/v1/due-runs",
        summary="Days of generation: when, how many, how long",
        needs=Permission.MAINTENANCE_READ,
        json=runs,
        answer=DueRunsOut,
        tag="contacts",
    ),
)
