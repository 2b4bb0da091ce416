"""The page of the house's own fields: the list, and the form that defines or changes one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from access.audit import Action
from access.permissions import Permission, Role
from crm.records.changes import RecordChanged
from crm.records.customers import BadRecord
from crm.records.fields import FieldDefinition, FieldKind, FieldSubject, FieldTaken
from web.auth import Signed
from web.languages import text
from web.pages import record_forms
from web.pages.record_words import Words
from web.pages.records import SHEETS, go, language_of_page, noted
from web.pages.shell import show
from web.routes import SERVICES, Route

#: Roles a field can be hidden from or locked for: those who open records.
_ROLES = (Role.AGENT, Role.SUPERVISOR, Role.MANAGER)


async def _page(
    request: web.Request,
    signed: Signed,
    *,
    form: Mapping[str, object] | None = None,
    errors: Mapping[str, str] | None = None,
    trouble: str = "",
    status: int = 200,
) -> web.Response:
    fields = await request.app[SERVICES].records.fields(None, retired=True)
    field_id = request.match_info.get("field_id")
    chosen = next((one for one in fields if one.id == field_id), None)
    empty = {"subject": "customer", "key": "", "label_zh": "", "label_en": "", "kind": "text", "place": 0}
    return show(
        request,
        signed,
        "records/fields.html",
        here="fields",
        sheets=SHEETS,
        status=status,
        values={
            "fields": fields,
            "chosen": chosen,
            "form": form or (_filled(chosen) if chosen else {**empty, "choices": "", "version": 0}),
            "errors": errors or {},
            "trouble_words": trouble,
            "subjects": [one.value for one in FieldSubject],
            "kinds": [one.value for one in FieldKind],
            "roles": [role.value for role in _ROLES],
        },
    )


def _filled(field: FieldDefinition) -> dict[str, object]:
    return {
        "subject": field.subject.value,
        "key": field.key,
        "label_zh": field.label_zh,
        "label_en": field.label_en,
        "kind": field.kind.value,
        "choices": "\n".join(field.choices),
        "required": field.required,
        "place": field.place,
        "version": field.version,
        **{f"hidden.{role.value}": True for role in field.hidden_from},
        **{f"locked.{role.value}": True for role in field.locked_for},
    }


async def show_fields(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every field, and the form of one."""
    return await _page(request, signed)


def _changes(form: Mapping[str, str]) -> dict[str, Any]:
    place = form.get("place", "0")
    return {
        "label_zh": form.get("label_zh", ""),
        "label_en": form.get("label_en", "") or form.get("label_zh", ""),
        "choices": tuple(line.strip() for line in form.get("choices", "").splitlines() if line.strip()),
        "required": form.get("required") == "yes",
        "hidden_from": frozenset(role for role in _ROLES if form.get(f"hidden.{role.value}") == "yes"),
        "locked_for": frozenset(role for role in _ROLES if form.get(f"locked.{role.value}") == "yes"),
        "place": int(place) if place.isdecimal() and len(place) < 5 else 0,
    }


def _said(request: web.Request, signed: Signed, name: str, value: str) -> str:
    """What somebody else made of one part of a definition, as a person reads it."""
    language = language_of_page(request, signed)
    if name in ("required", "retired") and value in ("yes", "no"):
        return text(language, f"records.yes_no.{value}")
    if name in ("hidden_from", "locked_for"):
        return ", ".join(text(language, f"role.{role}") for role in value.split(", ") if role)
    return value


async def save(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Define a field, change one, or retire it."""
    records, by = request.app[SERVICES].records, signed.principal
    field_id = request.match_info.get("field_id")
    form = await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    trouble, status = "", 422
    errors: Mapping[str, str] = {}
    try:
        if field_id is None:
            subject, kind = form.get("subject", ""), form.get("kind", "")
            if subject not in list(FieldSubject) or kind not in list(FieldKind):
                raise BadRecord("Choose what the field belongs to and what it holds.", field="kind")
            field = FieldDefinition(
                id="",
                subject=FieldSubject(subject),
                key=form.get("key", "").strip(),
                kind=FieldKind(kind),
                **_changes(form),
            )
            await records.add_field(
                by, field, noted(request, signed, Action.DEFINITION_CHANGED, f"field:{field.key}"[:96])
            )
        else:
            changes = _changes(form)
            if form.get("retire"):
                now = request.app[SERVICES].clock.now()
                changes = {"retired_at": now if form["retire"] == "yes" else None}
            note = noted(request, signed, Action.DEFINITION_CHANGED, f"field:{field_id}")
            await records.change_field(by, field_id, record_forms.version_in(form), changes, note)
        return go("/settings/fields")
    except FieldTaken:
        errors = {"key": words.say("key_taken")}
    except BadRecord as error:
        errors = words.refused(error)
    except RecordChanged as error:
        trouble, errors = words.conflict(error.shown(lambda name, value: _said(request, signed, name, value)))
        form, status = {**form, "version": str(error.version)}, 409
    kept = {"subject": "customer", "kind": "text", "key": "", "label_zh": "", "label_en": "", "choices": ""}
    return await _page(
        request,
        signed,
        form={**kept, "place": 0, "version": 0, **form},
        errors=errors,
        trouble=trouble,
        status=status,
    )


ROUTES = (
    Route(
        method="GET",
        path="/settings/fields",
        summary="Fields of the house's own",
        needs=Permission.FIELDS_WRITE,
        page=show_fields,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/fields",
        summary="Define a field",
        needs=Permission.FIELDS_WRITE,
        page=save,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/settings/fields/{field_id}",
        summary="Form of a field",
        needs=Permission.FIELDS_WRITE,
        page=show_fields,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/fields/{field_id}",
        summary="Change or retire a field",
        needs=Permission.FIELDS_WRITE,
        page=save,
        media="text/html",
    ),
)
