"""Scripts on the pages where they are read aloud: the contact, the case and the appointment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiohttp import web

from crm.cases.cases import Case
from crm.contacts.contacts import Reason
from crm.scripts.facts import NO_FACTS, of_case, of_reasons, script_of
from web.auth import Signed
from web.ports.aftercall import Spoken
from web.routes import SERVICES


async def spoken_to(
    request: web.Request,
    signed: Signed,
    customer_id: str | None,
    name: str,
    *,
    vehicle_id: str | None = None,
    facts: Mapping[str, object] = NO_FACTS,
) -> Spoken | None:
    """The approved script of this name with the customer's data in it; None where the house has none."""
    services = request.app[SERVICES]
    return await services.aftercall.scripts.for_customer(
        signed.principal,
        customer_id or "",
        names=[name],
        call_types=[],
        language=None,
        now=services.clock.now(),
        vehicle_id=vehicle_id,
        facts=facts,
    )


async def spoken_about(
    request: web.Request, signed: Signed, customer_id: str, reasons: Sequence[Reason]
) -> list[Spoken]:
    """What to say about each reason of a call, each script once; where none has one, what fits a return visit."""
    found: list[Spoken] = []
    for name in dict.fromkeys(one.script for one in reasons if one.script):
        about = [one for one in reasons if one.script == name]
        said = await spoken_to(
            request,
            signed,
            customer_id,
            name,
            vehicle_id=next((one.vehicle_id for one in about if one.vehicle_id), None),
            facts=of_reasons(about),
        )
        if said is not None:
            found.append(said)
    if found:
        return found
    services = request.app[SERVICES]
    said = await services.aftercall.scripts.for_customer(
        signed.principal,
        customer_id,
        names=[],
        call_types=[*(one.kind.value for one in reasons), "return_visit"],
        language=None,
        now=services.clock.now(),
        vehicle_id=next((one.vehicle_id for one in reasons if one.vehicle_id), None),
        facts=of_reasons(reasons),
    )
    return [said] if said is not None else []


async def spoken_of_case(request: web.Request, signed: Signed, case: Case) -> list[Spoken]:
    """What to say to the customer at the step a case has come to."""
    name = script_of(case.kind, case.state)
    if name is None:
        return []
    said = await spoken_to(
        request, signed, case.customer_id, name, vehicle_id=case.vehicle_id, facts=of_case(case)
    )
    return [said] if said is not None else []
