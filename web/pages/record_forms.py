"""Forms of records: what came in as text becomes changes, with words beside what is wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from web.auth import Signed, require_csrf
from web.bodies import read_body, read_form
from web.routes import SERVICES, Shape

#: The record's own fields, the house's, and what a form brings beside.
_MOST_FIELDS = 160
_LARGEST = 65_536


async def read(request: web.Request, signed: Signed) -> dict[str, str]:
    """The form, its token checked. Raises Refused."""
    options = request.app[SERVICES].options
    form = read_form(
        await read_body(request, limit=_LARGEST, seconds=options.body_seconds), most=_MOST_FIELDS
    )
    require_csrf(request, signed, form.get("csrf", ""))
    return form


def changes_in(
    shape: type[Shape], form: Mapping[str, str], names: Collection[str], checks: Collection[str] = ()
) -> dict[str, Any]:
    """The named fields of a form as the shape reads them; empty is none. `checks` are boxes. Raises ValidationError."""
    present = {name: form[name].strip() for name in names if name in form}
    filled = {name: value for name, value in present.items() if value}
    needed = {name: "0" for name in ("version",) if shape.model_fields.get(name) is not None}
    model = shape.model_validate_strings({**needed, **filled})
    changes: dict[str, Any] = {}
    for name, value in present.items():
        if value:
            changes[name] = getattr(model, name)
        else:
            default = shape.model_fields[name].default
            changes[name] = "" if default == "" else None
    return {**changes, **{name: form.get(name) == "yes" for name in checks}}


def cents(typed: str) -> str:
    """An amount as people write it, in hundredths; what is none stays as it is and is refused later."""
    try:
        amount = Decimal(typed.replace(",", "").replace("\uff0c", "").strip() or "x") * 100
    except InvalidOperation:
        return typed
    return str(int(amount)) if amount.is_finite() and amount == int(amount) else typed


def custom_in(form: Mapping[str, str]) -> dict[str, str]:
    """Fields of the house's own in a form."""
    return {name.removeprefix("custom."): value for name, value in form.items() if name.startswith("custom.")}


def version_in(form: Mapping[str, str]) -> int:
    """The version that was edited; one that is none is stale anyway."""
    text = form.get("version", "")
    return int(text) if text.isdecimal() and len(text) < 10 else -1
