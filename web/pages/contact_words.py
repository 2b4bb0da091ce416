"""Contacts in words: why somebody is called, what came of it, what happened to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from access.users import Language
from crm.contacts.contacts import ContactEvent, Reason, ReasonKind
from web.languages import text, texts

_DAYS: Final = ("delivered_on", "visited_on", "due_on", "base_on", "since")


@dataclass(frozen=True, kw_only=True)
class ContactWords:
    """Words of contacts in one language."""

    language: Language
    zone: str

    def t(self, key: str, **values: object) -> str:
        """A text of this page."""
        return text(self.language, key, **values)

    def maybe(self, key: str, otherwise: str = "") -> str:
        """A text that may not be there: codes of programs and of plans the house wrote itself."""
        return texts(self.language).get(key, otherwise)

    def kind(self, kind: ReasonKind) -> str:
        """What the call is about."""
        return self.t(f"contacts.kind.{kind.value}")

    def day(self, written: object) -> str:
        """A day as a person reads it."""
        try:
            on = date.fromisoformat(str(written))
        except ValueError:
            return str(written)
        return (
            f"{on.year}年{on.month}月{on.day}日"
            if self.language == "zh-CN"
            else f"{on.day} {on:%b} {on.year}"
        )

    def moment(self, written: object) -> str:
        """A moment in the house's time."""
        try:
            at = datetime.fromisoformat(str(written)).astimezone(ZoneInfo(self.zone))
        except ValueError:
            return str(written)
        return f"{self.day(at.date().isoformat())} {at:%H:%M}"

    def why(self, reason: Reason) -> str:
        """Why this customer is called, from the reason's data."""
        why = dict(reason.why)
        match reason.kind:
            case ReasonKind.DELIVERY_VISIT if "delivered_on" in why:
                return self.t("contacts.why.delivery_visit", day=self.day(why["delivered_on"]))
            case ReasonKind.SERVICE_VISIT if "visited_on" in why:
                said = self.t(
                    "contacts.why.service_visit",
                    day=self.day(why["visited_on"]),
                    work=self.maybe(f"records.visit_kind.{why.get('work', '')}", str(why.get("work", ""))),
                )
                order = str(why.get("order_number") or "")
                return self.t("contacts.why.order", said=said, number=order) if order else said
            case ReasonKind.FIRST_MAINTENANCE | ReasonKind.PERIODIC_MAINTENANCE:
                return self.due(why)
            case ReasonKind.DATED_ITEM if "item" in why:
                item = self.maybe(f"maintenance.item.{why['item']}", str(why["item"]))
                return self.t("contacts.why.dated_item", item=item, day=self.day(why.get("due_on", "")))
            case ReasonKind.NO_SHOW if "starts_at" in why:
                return self.t("contacts.why.no_show", at=self.moment(why["starts_at"]))
            case ReasonKind.KEY_ACCOUNT if "since" in why:
                return self.t(
                    "contacts.why.key_account", day=self.day(why["since"]), days=why.get("every_days", "")
                )
        return str(why.get("words") or "")

    def due(self, why: Mapping[str, Any]) -> str:
        """When a vehicle is due, and what that was reckoned from."""
        parts = []
        if why.get("due_on"):
            parts.append(self.t("contacts.due.on", day=self.day(why["due_on"])))
        if why.get("due_km"):
            parts.append(self.t("contacts.due.km", km=f"{why['due_km']:,}"))
        cause = str(why.get("cause", ""))
        if cause == "given":
            parts.append(self.t("contacts.due.given"))
        elif why.get("base_on"):
            base = "visit" if why.get("base") == "visit" else "delivery"
            said = self.t(f"contacts.due.since.{base}", day=self.day(why["base_on"]))
            if why.get("base_km"):
                said += self.t("contacts.due.at_km", km=f"{why['base_km']:,}")
            parts.append(said)
            if cause == "date" and why.get("months"):
                parts.append(self.t("contacts.due.by_months", months=why["months"]))
            elif cause == "mileage" and why.get("km"):
                parts.append(self.t("contacts.due.by_km", km=f"{why['km']:,}"))
        if why.get("learned"):
            parts.append(
                self.t("contacts.due.rate", km=why.get("km_per_day", ""), count=why.get("readings", ""))
            )
        elif cause == "mileage":
            parts.append(self.t("contacts.due.rate_taken", km=why.get("km_per_day", "")))
        return self.t("contacts.due.between").join(parts)

    def closed(self, reason: Reason) -> str:
        """Why a reason is over."""
        code = str(reason.closed_why.get("code", ""))
        said = self.maybe(f"contacts.over.{code}", self.t(f"contacts.reason.{reason.state.value}"))
        on = reason.closed_why.get("on")
        return f"{said} {self.day(on)}" if on else said

    def event(self, event: ContactEvent) -> str:
        """One line of the trail."""
        said = self.t(f"contacts.step.{event.step.value}")
        if result := event.data.get("result"):
            said += f" · {self.maybe(f'contacts.result.{result}', str(result))}"
        if kind := event.data.get("kind"):
            said += f" · {self.maybe(f'contacts.kind.{kind}', str(kind))}"
        why = event.data.get("why")
        if isinstance(why, Mapping) and (code := why.get("code")):
            said += f" · {self.maybe(f'contacts.over.{code}', str(code))}"
        if number := event.data.get("case") or event.data.get("held_by"):
            said += f" · {number}"
        if until := event.data.get("until"):
            said += f" · {self.moment(until)}"
        return said
