"""Cases as a section of another page: of a customer, of a vehicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from access.permissions import Permission
from web.auth import Signed
from web.languages import language_of
from web.pages.case_words import CaseWords
from web.ports.cases import CaseFilter, CaseLine
from web.routes import SERVICES

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class CasesOf:
    """What the section shows."""

    lines: Sequence[CaseLine]
    words: CaseWords
    #: Of the address of the list and of the form of a new case.
    query: str
    more: bool


async def cases_of(
    request: web.Request, signed: Signed, *, customer_id: str | None = None, vehicle_id: str | None = None
) -> CasesOf | None:
    """The latest cases of a customer or a vehicle; none for those who read no cases."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.CASES_READ):
        return None
    wanted = CaseFilter(which="all", customer_id=customer_id, vehicle_id=vehicle_id)
    page = await services.cases.list(by, wanted, services.clock.now(), limit=_SHOWN)
    language = signed.session.user.language if signed.session else language_of(request)
    named = {"customer_id": customer_id} if customer_id else {"vehicle_id": vehicle_id or ""}
    return CasesOf(
        lines=page.items,
        words=CaseWords(language=language, zone=services.zone, choices=await services.cases.choices()),
        query=urlencode(named),
        more=page.next is not None,
    )
