"""Links to surveys as a section of a customer's and of a contact's page."""

from __future__ import annotations

from aiohttp import web

from access.permissions import Permission
from web.auth import Signed
from web.ports.survey_links import OfferPage
from web.routes import SERVICES


async def offered_of(
    request: web.Request, signed: Signed, customer_id: str, *, contact_id: str | None = None
) -> OfferPage | None:
    """What was offered to a customer; none for those who ask no customers."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.SURVEYS_FILL):
        return None
    return await services.survey_links.offered(by, customer_id, services.clock.now(), contact_id=contact_id)
