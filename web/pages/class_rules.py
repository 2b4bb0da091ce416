"""The page of the classes of customers: thresholds, the service each class gets, and what a change would do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from access.audit import Action
from access.permissions import Permission
from crm.records.changes import RecordChanged
from crm.records.classification import ClassPreview, ClassRules, CustomerClass, rules_from_json, rules_to_json
from crm.records.customers import BadRecord
from crm.records.rating import NoRating
from web.api.fields import rating_out
from web.auth import Signed
from web.bodies import read_query
from web.pages import record_forms
from web.pages.record_words import Words
from web.pages.records import SHEETS, go, language_of_page, noted
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route

_AMOUNTS: Final = ("high_spent_cents", "middle_spent_cents")
_COUNTS: Final = ("months", "high_visits", "middle_visits", "fresh_months", "ageing_years", "expected_months")


def _filled(rules: ClassRules, version: int) -> dict[str, str]:
    plain = rules_to_json(rules)
    form = {name: str(plain[name]) for name in _COUNTS}
    form |= {name: f"{plain[name] / 100:.2f}".removesuffix(".00") for name in _AMOUNTS}
    for kind, plan in plain["plans"].items():
        form[f"service.{kind}"] = plan["service"]
        form[f"days.{kind}"] = str(plan["visit_every_days"] or "")
    return {**form, "version": str(version)}


def _whole(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 16 else text


def _rules(form: Mapping[str, str]) -> ClassRules:
    """The rules of a form. Raises BadRecord."""
    plain: dict[str, Any] = {name: _whole(form.get(name, "")) for name in _COUNTS}
    plain |= {name: _whole(record_forms.cents(form.get(name, ""))) for name in _AMOUNTS}
    plain["plans"] = {
        kind.value: {
            "service": form.get(f"service.{kind}", "").strip(),
            "visit_every_days": _whole(form.get(f"days.{kind}", "")) or None,
        }
        for kind in CustomerClass
    }
    return rules_from_json(plain)


async def _page(
    request: web.Request,
    signed: Signed,
    *,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    trouble: str = "",
    preview: ClassPreview | None = None,
    status: int = 200,
) -> web.Response:
    services = request.app[SERVICES]
    rules, version = await services.records.rules()
    rating = await services.records.rating()
    return show(
        request,
        signed,
        "records/classes.html",
        here="classes",
        sheets=SHEETS,
        status=status,
        values={
            "rules": rules,
            "form": {**_filled(rules, version), **(form or {})},
            "errors": errors or {},
            "trouble_words": trouble,
            "preview": preview,
            "classes": [kind.value for kind in CustomerClass],
            "money": Words(language_of_page(request, signed)).money,
            "rating": rating_out(rating) if rating else None,
            "writes": signed.principal.may(Permission.CLASSES_WRITE),
        },
    )


async def show_rules(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What makes a class, and what each class gets."""
    read_query(Nothing, request)
    return await _page(request, signed)


async def save(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Try other rules, or keep them."""
    services, by = request.app[SERVICES], signed.principal
    form = await record_forms.read(request, signed)
    words = Words(language_of_page(request, signed))
    try:
        rules = _rules(form)
        if form.get("preview"):
            found = await services.records.preview_rules(rules, services.clock.now())
            # 422, as every form that is drawn again: Turbo shows no 200 that answers a form.
            return await _page(request, signed, form=form, preview=found, status=422)
        note = noted(request, signed, Action.DEFINITION_CHANGED, "classes")
        await services.records.set_rules(by, rules, record_forms.version_in(form), note)
        return go("/settings/classes")
    except BadRecord as error:
        name = error.field or "months"
        if name.endswith(".visit_every_days"):
            name = f"days.{name.split('.')[1]}"
        return await _page(
            request, signed, form=form, errors={name: next(iter(words.refused(error).values()))}, status=422
        )
    except RecordChanged as error:
        trouble, found_now = words.conflict(error)
        # The plan of a class is one thing in the register; its days are where the form has room for words.
        beside = {
            f"days.{name[5:]}" if name.startswith("plan ") else name: said for name, said in found_now.items()
        }
        form = {**form, "version": str(error.version)}
        return await _page(request, signed, form=form, errors=beside, trouble=trouble, status=409)


async def rate(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Rate all customers again, or stop that."""
    services, by = request.app[SERVICES], signed.principal
    form = await record_forms.read(request, signed)
    stops = bool(form.get("stop"))
    note = noted(request, signed, Action.CLASSES_RATED, "classes", step="stopped" if stops else "begun")
    if not stops:
        await services.records.begin_rating(by, note)
        return go("/settings/classes")
    with suppress(NoRating):  # it ended meanwhile; the page says how
        await services.records.cancel_rating(by, note)
    return go("/settings/classes")


ROUTES = (
    Route(
        method="GET",
        path="/settings/classes",
        summary="Classes of customers and the service each gets",
        needs=Permission.CRM_READ,
        page=show_rules,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/classes",
        summary="Try or set the rules of classes",
        needs=Permission.CLASSES_WRITE,
        page=save,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/classes/rating",
        summary="Rate all customers again, or stop that",
        needs=Permission.CLASSES_WRITE,
        page=rate,
        media="text/html",
    ),
)
