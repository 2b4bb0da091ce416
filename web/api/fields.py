"""Fields of the house's own, and the rules of classes."""

from __future__ import annotations

from typing import Any

from access.audit import Action
from access.permissions import Permission
from crm.records.classification import ClassRules, rules_from_json, rules_to_json
from crm.records.fields import FieldDefinition
from crm.records.rating import Rating
from web.api.field_shapes import (
    ClassPreviewOut,
    ClassRulesIn,
    ClassRulesOut,
    FieldChangeIn,
    FieldOut,
    FieldsOut,
    FieldsQuery,
    NewFieldIn,
    RatingNowOut,
    RatingOut,
)
from web.routes import Ask, Nothing, Route


def field_out(field: FieldDefinition) -> FieldOut:
    """A definition as it goes out."""
    plain = {name: getattr(field, name) for name in field.__slots__}
    return FieldOut.model_validate(
        {
            **plain,
            "choices": list(field.choices),
            "hidden_from": sorted(field.hidden_from),
            "locked_for": sorted(field.locked_for),
        }
    )


async def list_fields(ask: Ask[FieldsQuery, Nothing]) -> FieldsOut:
    """Every field, in page order; those who may not define fields do not learn what is hidden from them."""
    found = await ask.services.records.fields(ask.query.subject, retired=ask.query.retired)
    every = ask.by.may(Permission.FIELDS_WRITE)
    return FieldsOut(items=[field_out(one) for one in found if every or ask.by.role not in one.hidden_from])


async def create(ask: Ask[Nothing, NewFieldIn]) -> FieldOut:
    """Define a field."""
    body = ask.body
    field = FieldDefinition(
        id="",
        subject=body.subject,
        key=body.key,
        label_zh=body.label_zh,
        label_en=body.label_en,
        kind=body.kind,
        choices=tuple(body.choices),
        required=body.required,
        hidden_from=frozenset(body.hidden_from),
        locked_for=frozenset(body.locked_for),
        place=body.place,
    )
    entry = ask.entry(Action.DEFINITION_CHANGED, f"field:{body.key}")
    return field_out(await ask.services.records.add_field(ask.by, field, entry))


async def change(ask: Ask[Nothing, FieldChangeIn]) -> FieldOut:
    """Change what the body names."""
    field_id, body = ask.path["field_id"], ask.body
    changes: dict[str, Any] = {
        name: getattr(body, name)
        for name in body.model_fields_set - {"version", "retired"}
        if getattr(body, name) is not None
    }
    for name in ("hidden_from", "locked_for"):
        if name in changes:
            changes[name] = frozenset(changes[name])
    if "choices" in changes:
        changes["choices"] = tuple(changes["choices"])
    if body.retired is not None:
        changes["retired_at"] = ask.now if body.retired else None
    entry = ask.entry(Action.DEFINITION_CHANGED, f"field:{field_id}")
    return field_out(await ask.services.records.change_field(ask.by, field_id, body.version, changes, entry))


def _rules_out(rules: ClassRules, version: int) -> ClassRulesOut:
    return ClassRulesOut.model_validate({**rules_to_json(rules), "version": version})


async def get_rules(ask: Ask[Nothing, Nothing]) -> ClassRulesOut:
    """The thresholds of grades and the plan of each class."""
    return _rules_out(*await ask.services.records.rules())


async def set_rules(ask: Ask[Nothing, ClassRulesIn]) -> ClassRulesOut:
    """Other thresholds and plans; every change is kept."""
    rules = rules_from_json(ask.body.model_dump(exclude={"version"}))
    entry = ask.entry(Action.DEFINITION_CHANGED, "classes")
    return _rules_out(*await ask.services.records.set_rules(ask.by, rules, ask.body.version, entry))


async def preview_rules(ask: Ask[Nothing, ClassRulesIn]) -> ClassPreviewOut:
    """What these rules would do; nothing is changed."""
    rules = rules_from_json(ask.body.model_dump(exclude={"version"}))
    found = await ask.services.records.preview_rules(rules, ask.now)
    moves = [
        {"now": now, "then": then, "customers": count} for (now, then), count in sorted(found.moves.items())
    ]
    return ClassPreviewOut.model_validate(
        {"looked": found.looked, "total": found.total, "changed": found.changed, "moves": moves}
    )


def rating_out(rating: Rating) -> RatingOut:
    """A run as the API shows it."""
    return RatingOut(
        id=rating.id,
        why=rating.why,
        state=rating.state,
        began_at=rating.began_at,
        by_name=rating.by.name,
        rules_version=rating.rules_version,
        total=rating.total,
        looked=rating.looked,
        moved=rating.moved,
        changed=rating.changed,
        kept=rating.kept,
        ended_at=rating.ended_at,
        ended_by=rating.ended_by,
    )


async def rating_now(ask: Ask[Nothing, Nothing]) -> RatingNowOut:
    """How far the rating of all customers is."""
    found = await ask.services.records.rating()
    return RatingNowOut(rating=None if found is None else rating_out(found))


async def begin_rating(ask: Ask[Nothing, Nothing]) -> RatingOut:
    """Rate all customers again in the background, from the first one; a run that goes on is over with it."""
    entry = ask.entry(Action.CLASSES_RATED, "classes", {"step": "begun"})
    return rating_out(await ask.services.records.begin_rating(ask.by, entry))


async def cancel_rating(ask: Ask[Nothing, Nothing]) -> RatingOut:
    """Stop the run; what it has changed stays."""
    entry = ask.entry(Action.CLASSES_RATED, "classes", {"step": "stopped"})
    return rating_out(await ask.services.records.cancel_rating(ask.by, entry))


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/fields",
        summary="Fields of the house's own",
        needs=Permission.FIELDS_READ,
        json=list_fields,
        query=FieldsQuery,
        answer=FieldsOut,
        tag="fields",
    ),
    Route(
        method="POST",
        path="/api/v1/fields",
        summary="Define a field",
        needs=Permission.FIELDS_WRITE,
        json=create,
        body=NewFieldIn,
        answer=FieldOut,
        status=201,
        errors=("bad-record", "field-taken"),
        tag="fields",
    ),
    Route(
        method="PATCH",
        path="/api/v1/fields/{field_id}",
        summary="Change or retire a field",
        needs=Permission.FIELDS_WRITE,
        json=change,
        body=FieldChangeIn,
        answer=FieldOut,
        errors=("entry-not-found", "record-changed", "bad-record"),
        tag="fields",
    ),
    Route(
        method="GET",
        path="/api/v1/classes",
        summary="Rules of classes, and what each class gets",
        needs=Permission.CRM_READ,
        json=get_rules,
        answer=ClassRulesOut,
        tag="fields",
    ),
    Route(
        method="POST",
        path="/api/v1/classes/preview",
        summary="How many customers other rules would move to another class",
        needs=Permission.CLASSES_WRITE,
        json=preview_rules,
        body=ClassRulesIn,
        answer=ClassPreviewOut,
        errors=("bad-record",),
        tag="fields",
    ),
    Route(
        method="PATCH",
        path="/api/v1/classes",
        summary="Set the rules of classes",
        needs=Permission.CLASSES_WRITE,
        json=set_rules,
        body=ClassRulesIn,
        answer=ClassRulesOut,
        errors=("record-changed", "bad-record"),
        tag="fields",
    ),
    Route(
        method="GET",
        path="/api/v1/classes/rating",
        summary="How far the rating of all customers is",
        needs=Permission.CRM_READ,
        json=rating_now,
        answer=RatingNowOut,
        tag="fields",
    ),
    Route(
        method="POST",
        path="/api/v1/classes/rating",
        summary="Rate all customers again in the background",
        needs=Permission.CLASSES_WRITE,
        json=begin_rating,
        body=Nothing,
        answer=RatingOut,
        tag="fields",
    ),
    Route(
        method="POST",
        path="/api/v1/classes/rating/cancel",
        summary="Stop the rating of all customers",
        needs=Permission.CLASSES_WRITE,
        json=cancel_rating,
        body=Nothing,
        answer=RatingOut,
        errors=("no-rating",),
        tag="fields",
    ),
)
