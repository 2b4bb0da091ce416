"""May we contact a customer, as a section of his page: why, or why not and when, and what he agreed to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from aiohttp import web

from crm.consent.consents import Consent, ConsentSource, ContactSwitch
from crm.consent.contactability import Finding, Rule
from crm.consent.optouts import Channel, Purpose
from web.auth import Signed
from web.languages import text
from web.pages.contacts import language_of_reader
from web.ports.contactability import PurposeAnswer
from web.routes import SERVICES

T = TypeVar("T")

#: Consents and switches that are over and still shown.
_OVER: Final = 3


@dataclass(frozen=True, kw_only=True)
class Contactable:
    """What the section shows."""

    answers: Sequence[PurposeAnswer]
    consents: Sequence[Consent]
    switches: Sequence[ContactSwitch]
    now: datetime
    local: Callable[[datetime, str], str]
    #: Why not, in words.
    said: Callable[[Finding], str]
    purposes: Sequence[str] = tuple(one.value for one in Purpose)
    channels: Sequence[str] = tuple(one.value for one in Channel)
    sources: Sequence[str] = tuple(one.value for one in ConsentSource)


async def contactable(request: web.Request, signed: Signed, customer_id: str) -> Contactable:
    """What may be done now; consents and switches that hold first, a few of the others."""
    services = request.app[SERVICES]
    now = services.clock.now()
    card = await services.contactability.card(signed.principal, customer_id, now)
    zone = ZoneInfo(services.zone)
    language = language_of_reader(request, signed)

    def local(moment: datetime, form: str) -> str:
        return moment.astimezone(zone).strftime(form)

    def said(finding: Finding) -> str:
        given = finding.evidence
        at = given.get("at") or given.get("since")
        values = {
            name: str(given.get(name) or "") for name in ("reason", "by", "name", "case", "local", "holiday")
        }
        day = local(datetime.fromisoformat(str(at)), "%Y-%m-%d") if at else ""
        clock = values["local"][11:]
        if finding.rule is Rule.VEHICLE_GONE:
            values["reason"] = text(language, f"records.state.{given.get('state')}")
        return text(
            language, f"contactability.rule.{finding.rule.value}", **{**values, "day": day, "clock": clock}
        )

    return Contactable(
        answers=card.answers,
        consents=_first([(one, one.holds_at(now)) for one in card.consents]),
        switches=_first([(one, one.holds_at(now)) for one in card.switches]),
        now=now,
        local=local,
        said=said,
    )


def _first(found: Sequence[tuple[T, bool]]) -> list[T]:
    holding = [one for one, holds in found if holds]
    return holding + [one for one, holds in found if not holds][:_OVER]
