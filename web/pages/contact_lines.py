"""Contacts as a section of a customer's page: why he is to be called, and the latest that came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from access.permissions import Permission
from web.auth import Signed
from web.languages import language_of
from web.pages.contact_words import ContactWords
from web.ports.contacts import ContactFilter, ContactLine
from web.routes import SERVICES

_SHOWN: Final = 5


@dataclass(frozen=True, kw_only=True)
class ContactsOf:
    """What the section shows, the newest first."""

    lines: Sequence[ContactLine]
    words: ContactWords


async def contacts_of(request: web.Request, signed: Signed, customer_id: str) -> ContactsOf | None:
    """The latest contacts of a customer; none for those who read no contacts."""
    services, by = request.app[SERVICES], signed.principal
    if not by.may(Permission.MAINTENANCE_READ):
        return None
    wanted = ContactFilter(which="all", customer_id=customer_id)
    page = await services.contacts.list(by, wanted, services.clock.now(), limit=_SHOWN)
    language = signed.session.user.language if signed.session else language_of(request)
    return ContactsOf(lines=page.items, words=ContactWords(language=language, zone=services.zone))
